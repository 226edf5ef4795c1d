//! What only Plivo's REST interface can do: end a call, hand it over, place one, press keys, stream to somewhere.
//!
//! Requests are data that the gateway sends; the replies come back here to be understood. Ending a call that has ended
//! already is a success: two sides may hang up at the same moment. Every path ends in a slash: without it Plivo
//! redirects, and a request that is redirected loses its body.

mod originate;
mod replies;

use serde_json::{Value, json};
use url::Url;
use wire::{Body, Method, Request, Secret};

pub use self::originate::{MachineDetection, Originate, OriginateError};
pub use self::replies::{
    AccountFacts, ControlResult, Failure, OriginateResult, StreamResult, read_account, read_originate,
    read_stream, read_update,
};
use super::answer::{Stream, content_type};

/// Where Plivo's REST interface is, unless told otherwise.
pub const API_BASE_URL: &str = "https://api.plivo.com";

/// Who asks, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub auth_id: String,
    pub auth_token: Secret,
    pub api_base_url: Url,
}

/// Which side of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leg {
    /// The one that talks to us.
    #[default]
    A,
    /// The one that a `<Dial>` brought in.
    B,
    Both,
}

impl Leg {
    fn word(self) -> &'static str {
        match self {
            Leg::A => "aleg",
            Leg::B => "bleg",
            Leg::Both => "both",
        }
    }
}

impl Account {
    pub fn new(auth_id: impl Into<String>, auth_token: Secret, api_base_url: Url) -> Account {
        Account { auth_id: auth_id.into(), auth_token, api_base_url }
    }

    /// Ends the call. The reply is read by [`read_update`].
    pub fn hang_up(&self, call_uuid: &str) -> Request {
        self.delete(&self.path(&format!("Call/{}/", segment(call_uuid))))
    }

    /// Takes back a call that we placed and nobody has answered.
    pub fn cancel(&self, request_uuid: &str) -> Request {
        self.delete(&self.path(&format!("Request/{}/", segment(request_uuid))))
    }

    /// Goes on with the document at this address; a stream that runs ends.
    ///
    /// Not to be repeated blindly: a document that dials would dial again.
    pub fn transfer(&self, call_uuid: &str, url: &str) -> Request {
        let body = json!({"legs": Leg::A.word(), "aleg_url": url, "aleg_method": "POST"});
        self.post(&self.path(&format!("Call/{}/", segment(call_uuid))), &body)
    }

    /// Presses keys for one side to hear.
    pub fn press(&self, call_uuid: &str, digits: &str, leg: Leg) -> Request {
        let body = json!({"digits": digits, "leg": leg.word()});
        self.post(&self.path(&format!("Call/{}/DTMF/", segment(call_uuid))), &body)
    }

    /// Places a call. The reply is read by [`read_originate`].
    pub fn originate(&self, call: &Originate<'_>) -> Result<Request, OriginateError> {
        Ok(self.post(&self.path("Call/"), &call.body()?))
    }

    /// Begins a stream on a running call. The reply is read by [`read_stream`]. What follows the stream is what the call
    /// was doing, so its `when_gone` means nothing here.
    pub fn start_stream(&self, call_uuid: &str, stream: &Stream<'_>) -> Request {
        let headers: Vec<String> =
            stream.extra_headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut body = json!({
            "service_url": stream.url,
            "bidirectional": true,
            "audio_track": "inbound",
            "content_type": content_type(stream.sound),
        });
        if let Some(seconds) = stream.timeout_s {
            body["stream_timeout"] = seconds.into();
        }
        if let Some(url) = stream.status_callback {
            body["status_callback_url"] = url.into();
            body["status_callback_method"] = "POST".into();
        }
        if !headers.is_empty() {
            body["extra_headers"] = headers.join(",").into();
        }
        self.post(&self.path(&format!("Call/{}/Stream/", segment(call_uuid))), &body)
    }

    /// Ends one stream of a call, or all of them.
    pub fn stop_stream(&self, call_uuid: &str, stream_id: Option<&str>) -> Request {
        let which = stream_id.map(|id| format!("{}/", segment(id))).unwrap_or_default();
        self.delete(&self.path(&format!("Call/{}/Stream/{which}", segment(call_uuid))))
    }

    /// Asks for the account itself: the cheapest way to learn whether the credentials are good ([`read_account`]).
    pub fn fetch_account(&self) -> Request {
        Request { method: Method::Get, ..self.delete(&self.path("")) }
    }

    fn path(&self, rest: &str) -> String {
        let base = self.api_base_url.as_str().trim_end_matches('/');
        format!("{base}/v1/Account/{}/{rest}", segment(&self.auth_id))
    }

    fn post(&self, url: &str, body: &Value) -> Request {
        Request {
            method: Method::Post,
            body: Body::Json(body.to_string()),
            idempotent: false,
            ..self.delete(url)
        }
    }

    fn delete(&self, url: &str) -> Request {
        Request {
            method: Method::Delete,
            url: url.to_owned(),
            headers: Vec::new(),
            basic: Some((self.auth_id.clone(), self.auth_token.clone())),
            body: Body::Empty,
            idempotent: true,
        }
    }
}

/// One segment of a path. Identifiers come from requests, so they must not be able to leave theirs.
fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
