//! What only Exotel's REST interface can do: place a call, say how many streams run, and, for legs, end and connect.
//!
//! Requests are data that the gateway sends; the replies come back here to be understood.

mod legs;
mod originate;
mod replies;

use url::Url;
use wire::{Body, Method, Request, Secret};

pub use self::legs::{LEGS_MUMBAI, LEGS_SINGAPORE, Legs};
pub use self::originate::{Joins, Originate, OriginateError, check_stream_url};
pub use self::replies::{
    ActiveStreams, Failure, LegResult, OriginateResult, read_active_streams, read_leg, read_originate,
};

/// Where Exotel's REST interface is for accounts in Mumbai.
pub const MUMBAI: &str = "https://api.in.exotel.com";

/// Where it is for accounts in Singapore.
pub const SINGAPORE: &str = "https://api.exotel.com";

/// Where flows are.
const FLOWS: &str = "https://my.exotel.com";

/// Who asks, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub account_sid: String,
    pub api_key: String,
    pub api_token: Secret,
    pub api_base_url: Url,
}

impl Account {
    /// Asks how many streams run on the account, and how many may ([`read_active_streams`]).
    pub fn active_streams(&self) -> Request {
        self.request(Method::Get, &self.path("/ActiveStreams"), Body::Empty)
    }

    /// Places a call ([`read_originate`]).
    pub fn originate(&self, call: &Originate<'_>) -> Result<Request, OriginateError> {
        let flows = format!("{FLOWS}/{}/exoml/start_voice", segment(&self.account_sid));
        let form = call.form(&flows)?;
        // Without the ending the answer is XML.
        Ok(self.request(Method::Post, &self.path("/Calls/connect.json"), Body::Form(form)))
    }

    /// Asks how a call stands ([`read_originate`]).
    pub fn fetch_call(&self, call_sid: &str) -> Request {
        let path = self.path(&format!("/Calls/{}.json", segment(call_sid)));
        self.request(Method::Get, &path, Body::Empty)
    }

    fn path(&self, rest: &str) -> String {
        let base = self.api_base_url.as_str().trim_end_matches('/');
        format!("{base}/v1/Accounts/{}{rest}", segment(&self.account_sid))
    }

    fn request(&self, method: Method, url: &str, body: Body) -> Request {
        Request {
            method,
            url: url.to_owned(),
            headers: Vec::new(),
            basic: Some((self.api_key.clone(), self.api_token.clone())),
            body,
            idempotent: method == Method::Get,
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
