//! What Plivo answered.

use std::time::Duration;

use serde_json::Value;
use wire::Reply;

/// How long to wait when Plivo asks for patience without a figure: its usual limit is per second.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is told of a reason; it comes from outside.
const REASON_CHARS_MAX: usize = 300;

/// What came of a change to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlResult {
    Done,
    /// There was nothing left to change.
    AlreadyOver,
    Failed(Failure),
}

/// What came of placing a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginateResult {
    /// Taken on. The call's own name comes with the first webhook about it.
    Placed {
        request_uuid: String,
    },
    Failed(Failure),
}

/// What came of starting a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamResult {
    Started { stream_id: Option<String> },
    Failed(Failure),
}

/// What an account says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    pub auth_id: String,
    pub name: String,
    /// `standard`, `trial` …
    pub kind: String,
    pub billing: String,
    /// What is left, in US dollars; as Plivo writes it.
    pub credits: Option<String>,
}

/// A request that Plivo refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words, for the person who has to mend it.
    pub message: String,
    pub status: u16,
    /// Set when trying again makes sense, and how long to wait before.
    pub retry_after: Option<Duration>,
}

/// Reads the reply to a hang-up, a cancellation, a transfer, keys, or the end of a stream.
pub fn read_update(reply: &Reply) -> ControlResult {
    match reply.status {
        200..=299 => ControlResult::Done,
        404 => ControlResult::AlreadyOver,
        _ => ControlResult::Failed(failure(reply)),
    }
}

/// Reads the reply to the placing of a call.
pub fn read_originate(reply: &Reply) -> OriginateResult {
    if !is_success(reply) {
        return OriginateResult::Failed(failure(reply));
    }
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    // A list where several numbers were asked for; we never do.
    let named = match &body["request_uuid"] {
        Value::Array(list) => list.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    match named.filter(|uuid| !uuid.is_empty()) {
        Some(uuid) => OriginateResult::Placed { request_uuid: uuid.to_owned() },
        None => OriginateResult::Failed(Failure {
            message: match reason(&body) {
                Some(reason) if !body["error"].is_null() => format!("Plivo refused: {reason}"),
                // "call fired", perhaps.
                Some(said) => {
                    format!("Plivo answered {} without naming the call it placed: {said}", reply.status)
                }
                None => format!("Plivo answered {} without naming the call it placed", reply.status),
            },
            status: reply.status,
            // It may well have been placed; a second try could ring the same person twice.
            retry_after: None,
        }),
    }
}

/// Reads the reply to the start of a stream.
pub fn read_stream(reply: &Reply) -> StreamResult {
    if !is_success(reply) {
        return StreamResult::Failed(failure(reply));
    }
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    StreamResult::Started { stream_id: body["stream_id"].as_str().map(str::to_owned) }
}

/// Reads the reply to the question for the account.
pub fn read_account(reply: &Reply) -> Result<AccountFacts, Failure> {
    if !is_success(reply) {
        return Err(failure(reply));
    }
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match body["auth_id"].as_str() {
        Some(auth_id) => Ok(AccountFacts {
            auth_id: auth_id.to_owned(),
            name: text("name"),
            kind: text("account_type"),
            billing: text("billing_mode"),
            credits: scalar(&body["cash_credits"]),
        }),
        None => Err(Failure {
            message: "what answers there does not speak Plivo's interface; check the API's base URL"
                .to_owned(),
            status: reply.status,
            retry_after: None,
        }),
    }
}

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

fn failure(reply: &Reply) -> Failure {
    // Proxies answer in HTML, and Plivo itself in plain words when it knows nobody of that name.
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let message = match (reply.status, reason(&body)) {
        (401, said) => {
            let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
            format!("Plivo refused the credentials{said}; check the auth id and the auth token")
        }
        (status, Some(said)) => format!("Plivo refused with {status}: {said}"),
        (status, None) => format!("Plivo answered {status} without saying why"),
    };
    let transient = reply.status == 429 || reply.status >= 500;
    let retry_after = transient.then(|| reply.retry_after_s.map_or(PATIENCE, Duration::from_secs));
    Failure { message, status: reply.status, retry_after }
}

/// Why, in Plivo's words: `error` is a text, an object of texts by field, or a list of either; some say `message`.
fn reason(body: &Value) -> Option<String> {
    let said = [&body["error"], &body["message"]].into_iter().find_map(|said| words(said, 0))?;
    Some(said.chars().take(REASON_CHARS_MAX).collect())
}

fn words(said: &Value, depth: usize) -> Option<String> {
    if depth > 3 {
        return None;
    }
    let told = match said {
        Value::Object(fields) => {
            let each =
                fields.iter().filter_map(|(name, said)| Some(format!("{name}: {}", words(said, depth + 1)?)));
            each.collect::<Vec<_>>().join("; ")
        }
        Value::Array(list) => {
            list.iter().filter_map(|said| words(said, depth + 1)).collect::<Vec<_>>().join("; ")
        }
        plain => scalar(plain)?,
    };
    Some(told).filter(|told| !told.trim().is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
