//! What only Twilio's REST interface can do: end a call, hand it over, place one, listen in on one.
//!
//! Requests are data that the gateway sends; the replies come back here to be understood. Ending a call that has ended
//! already is a success: two sides may hang up at the same moment.

mod originate;
mod replies;

use url::Url;
use wire::{Body, Method, Request, Secret};

pub use self::originate::{Instructions, MachineDetection, Originate, OriginateError, Progress};
pub use self::replies::{
    AccountFacts, ControlResult, Failure, OriginateResult, read_account, read_originate, read_update,
};
use super::twiml::{Document, StartStream, TwimlError, parameter, stream_url};

/// Where Twilio's REST interface is, unless told otherwise.
pub const API_BASE_URL: &str = "https://api.twilio.com";

/// As many `<Parameter>`s as a stream resource takes.
const STREAM_PARAMETERS_MAX: usize = 99;

/// Who asks, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub account_sid: String,
    pub auth_token: Secret,
    pub api_base_url: Url,
    /// Used instead of the account's own token where one is given: it can be revoked by itself.
    pub api_key: Option<ApiKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub sid: String,
    pub secret: Secret,
}

/// What can be changed about a running call without disturbing it. What is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amendment<'a> {
    /// Told when the call is over.
    pub status_callback: Option<&'a str>,
    /// Asked for a document when fetching the next one fails.
    pub fallback_url: Option<&'a str>,
    pub time_limit_s: Option<u32>,
}

impl Account {
    pub fn new(account_sid: impl Into<String>, auth_token: Secret, api_base_url: Url) -> Account {
        Account { account_sid: account_sid.into(), auth_token, api_base_url, api_key: None }
    }

    /// Ends the call.
    pub fn hang_up(&self, call_sid: &str) -> Request {
        let status = [("Status", "completed")];
        Request { idempotent: true, ..self.post(&self.call(call_sid), form(status)) }
    }

    /// Takes back a call that is queued or rings; one that was answered in the meantime goes on.
    pub fn cancel(&self, call_sid: &str) -> Request {
        let status = [("Status", "canceled")];
        Request { idempotent: true, ..self.post(&self.call(call_sid), form(status)) }
    }

    /// Goes on with this document; a stream that runs ends at once. The reply is read by [`read_update`].
    ///
    /// Not to be repeated blindly: a document that dials would dial again.
    pub fn transfer(&self, call_sid: &str, document: &Document) -> Result<Request, TwimlError> {
        Ok(self.post(&self.call(call_sid), form([("Twiml", document.inline()?)])))
    }

    /// Goes on with the document at this address.
    pub fn redirect_to(&self, call_sid: &str, url: &Url) -> Request {
        self.post(&self.call(call_sid), form([("Url", url.as_str()), ("Method", "POST")]))
    }

    /// Changes who is told about a running call, and how long it may last; what it is doing goes on.
    pub fn amend(&self, call_sid: &str, amendment: &Amendment<'_>) -> Request {
        let time_limit = amendment.time_limit_s.map(|seconds| seconds.to_string());
        let post = |url: Option<&str>| url.map(|_| "POST");
        let fields = [
            ("StatusCallback", amendment.status_callback),
            ("StatusCallbackMethod", post(amendment.status_callback)),
            ("FallbackUrl", amendment.fallback_url),
            ("FallbackMethod", post(amendment.fallback_url)),
            ("TimeLimit", time_limit.as_deref()),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Request { idempotent: true, ..self.post(&self.call(call_sid), form(fields)) }
    }

    /// Places a call. The reply is read by [`read_originate`].
    pub fn originate(&self, call: &Originate<'_>) -> Result<Request, OriginateError> {
        Ok(self.post(&self.path("/Calls.json"), call.form()?))
    }

    /// Listens in on a running call. Two-way streams come from TwiML alone.
    pub fn start_stream(&self, call_sid: &str, stream: &StartStream<'_>) -> Result<Request, TwimlError> {
        let mut pairs = form([("Url", stream_url(stream.url)?), ("Track", stream.track.word())]);
        let optional = [("Name", stream.name), ("StatusCallback", stream.status_callback)];
        pairs.extend(form(optional.into_iter().filter_map(|(name, value)| Some((name, value?)))));
        if stream.parameters.len() > STREAM_PARAMETERS_MAX {
            return Err(TwimlError::TooManyParameters { count: stream.parameters.len() });
        }
        for (index, &(name, value)) in stream.parameters.iter().enumerate() {
            let (name, value) = parameter(name, value)?;
            pairs.push((format!("Parameter{}.Name", index + 1), name.to_owned()));
            pairs.push((format!("Parameter{}.Value", index + 1), value.to_owned()));
        }
        Ok(self.post(&self.path(&format!("/Calls/{}/Streams.json", segment(call_sid))), pairs))
    }

    /// Stops listening in; `stream` is the stream's Sid or its name.
    pub fn stop_stream(&self, call_sid: &str, stream: &str) -> Request {
        let path = self.path(&format!("/Calls/{}/Streams/{}.json", segment(call_sid), segment(stream)));
        Request { idempotent: true, ..self.post(&path, form([("Status", "stopped")])) }
    }

    /// Asks for the account itself: the cheapest way to learn whether the credentials are good ([`read_account`]).
    pub fn fetch_account(&self) -> Request {
        Request {
            method: Method::Get,
            body: Body::Empty,
            idempotent: true,
            ..self.post(&self.path(".json"), vec![])
        }
    }

    fn call(&self, call_sid: &str) -> String {
        self.path(&format!("/Calls/{}.json", segment(call_sid)))
    }

    fn path(&self, rest: &str) -> String {
        let base = self.api_base_url.as_str().trim_end_matches('/');
        format!("{base}/2010-04-01/Accounts/{}{rest}", segment(&self.account_sid))
    }

    fn post(&self, url: &str, pairs: Vec<(String, String)>) -> Request {
        let basic = match &self.api_key {
            Some(key) => (key.sid.clone(), key.secret.clone()),
            None => (self.account_sid.clone(), self.auth_token.clone()),
        };
        Request {
            method: Method::Post,
            url: url.to_owned(),
            headers: Vec::new(),
            basic: Some(basic),
            body: Body::Form(pairs),
            idempotent: false,
        }
    }
}

/// Twilio's interface at an edge and in a region, for accounts that must stay there.
pub fn regional_base_url(edge: &str, region: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("https://api.{edge}.{region}.twilio.com"))
}

fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
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
