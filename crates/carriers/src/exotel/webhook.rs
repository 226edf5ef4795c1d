//! What Exotel tells us and asks us over HTTP: where a call's media goes, that a call changed, what comes after a stream.
//!
//! All of it comes as a query, a form, a multipart form or JSON. [`Params`] is what they have in common; what a call needs
//! of it is picked by a type of its own, whatever way its names are written.

mod passthru;
mod status;

use serde_json::Value;

pub use self::passthru::{DisconnectedBy, Passthru};
pub use self::status::{CallStatus, EventType, StatusReport};
use super::names::{is_same, text};
pub use crate::twilio::webhook::{FormError, Params};

/// Longer than any identifier of Exotel's (32 characters); they end up in paths, logs and maps.
const SID_BYTES_MAX: usize = 64;

/// Values of a JSON object, its inner objects included.
const PARAMS_MAX: usize = 256;

/// Why a webhook's parameters make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    #[error("parameter {0} is not an identifier of Exotel's")]
    NotASid(&'static str),
}

/// The plain values of a JSON object; `{"Stream":{"Status":…}}` is `Stream[Status]`, as queries write it.
pub fn params_of_json(body: &[u8]) -> Option<Params> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut pairs = Vec::new();
    for (name, value) in value.as_object()? {
        flatten(name, value, &mut pairs);
    }
    (pairs.len() <= PARAMS_MAX).then(|| Params::from_pairs(pairs))
}

fn flatten(name: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) => {
            for (below, value) in inner {
                // Deeper than this nothing is documented.
                if let Some(text) = text(value) {
                    pairs.push((format!("{name}[{below}]"), text));
                }
            }
        }
        value => pairs.extend(text(value).map(|text| (name.to_owned(), text))),
    }
}

/// A call whose media address is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Exotel's name for the call.
    pub call: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    /// We placed it.
    pub is_outbound: bool,
    /// What we gave along when we placed it.
    pub custom_field: Option<String>,
}

/// By which names a call goes, in the order in which they are looked for.
const CALL_NAMES: [&str; 4] = ["call_id", "callSid", "callLogId", "CallSid"];

/// The name of the call in a query or form; first as these names are written, then in any other case.
pub fn call_in_address(params: &Params) -> Option<&str> {
    let exact = CALL_NAMES.iter().find_map(|name| params.filled(name));
    exact.or_else(|| CALL_NAMES.iter().find_map(|name| filled(params, name)))
}

/// Whether this is a name under which a call goes.
pub fn is_call_name(name: &str) -> bool {
    CALL_NAMES.iter().any(|other| is_same(other, name))
}

impl ConnectRequest {
    pub fn read(params: &Params) -> Result<ConnectRequest, ReportError> {
        let call = call_in_address(params);
        if call.is_some_and(|call| !is_sid(call)) {
            return Err(ReportError::NotASid("CallSid"));
        }
        let text = |names: [&str; 2]| names.iter().find_map(|name| filled(params, name)).map(str::to_owned);
        let direction = filled(params, "Direction").unwrap_or_default();
        Ok(ConnectRequest {
            call: call.map(str::to_owned),
            from: text(["CallFrom", "From"]),
            to: text(["CallTo", "To"]),
            is_outbound: direction.to_ascii_lowercase().starts_with("outbound"),
            custom_field: filled(params, "CustomField").map(str::to_owned),
        })
    }
}

/// The call that a request is about.
pub fn call_of(params: &Params) -> Result<String, ReportError> {
    let sid = filled(params, "CallSid").ok_or(ReportError::Missing("CallSid"))?;
    match is_sid(sid) {
        true => Ok(sid.to_owned()),
        false => Err(ReportError::NotASid("CallSid")),
    }
}

/// What could leave a path is none.
fn is_sid(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=SID_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// The first value of this name that is not empty.
fn filled<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(found, value)| is_same(found, name) && !value.is_empty()).map(|(_, value)| value)
}
