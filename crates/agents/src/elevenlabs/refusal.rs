//! Why a session is gone, in words, and whether dialling again can help.
//!
//! Two roads lead here: an HTTP answer other than the wished one (the REST interface, or the WebSocket handshake), and
//! the close of a session that stood. Both end in an [`AgentDeparture`]: what an operator reads and what the call does.

use std::time::Duration;

use call::{AgentDeparture, AgentFault, AgentLeft, Retry};
use serde_json::Value;

/// The longest patience a provider can ask for. More is an outage, and the call's own limits end it sooner anyway.
const PATIENCE_MAX_S: u64 = 3600;

/// How long to wait when the provider says that all sessions are in use but not for how long.
///
/// Conversations last minutes, so hurrying does not help; a caller on hold does not wait for minutes either.
const ALL_IN_USE: Duration = Duration::from_secs(3);

/// The longest text of the provider that is passed on.
const WORDS_MAX: usize = 300;

/// What an error body says, whichever of its four shapes it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    pub code: Option<String>,
    pub message: Option<String>,
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// Reads `{"detail": …}` with an object (old and new), a list (validation) or a text; anything else counts as text.
    pub fn parse(body: &str) -> ErrorBody {
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            return ErrorBody { message: words(body), ..ErrorBody::default() };
        };
        match value.get("detail").unwrap_or(&value) {
            Value::Object(detail) => {
                let text = |name: &str| detail.get(name).and_then(Value::as_str).and_then(words);
                ErrorBody {
                    // `status` holds the older name of the code, where both are given.
                    code: text("code").or_else(|| text("status")).or_else(|| text("type")),
                    message: text("message").or_else(|| text("error")),
                    request_id: text("request_id"),
                }
            }
            Value::Array(problems) => {
                let all: Vec<String> = problems.iter().map(validation_problem).collect();
                ErrorBody {
                    code: Some("validation_error".to_owned()),
                    message: words(&all.join("; ")),
                    ..ErrorBody::default()
                }
            }
            Value::String(text) => ErrorBody { message: words(text), ..ErrorBody::default() },
            _ => ErrorBody::default(),
        }
    }

    fn speaks_of(&self, what: &[&str]) -> bool {
        [&self.code, &self.message].into_iter().flatten().any(|text| contains_any(text, what))
    }
}

/// One entry of a validation list: `{"loc": ["query", "agent_id"], "msg": "field required"}`.
fn validation_problem(problem: &Value) -> String {
    let place: Vec<String> = problem["loc"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
        .collect();
    let text = problem["msg"].as_str().unwrap_or("invalid");
    if place.is_empty() { text.to_owned() } else { format!("{}: {text}", place.join(".")) }
}

/// What follows from an HTTP status other than the wished one.
pub(super) fn refused(status: u16, body: &str, retry_after_s: Option<u64>) -> AgentDeparture {
    let error = ErrorBody::parse(body);
    let asked_for = retry_after_s.map(|s| Retry::After(Duration::from_secs(s.min(PATIENCE_MAX_S))));
    let (retry, mend) = match status {
        // Spent credit comes as 401 as well; a new key would not help.
        400..=403 if error.speaks_of(QUOTA) => {
            (Retry::Never, "its credit is used up; add credit or raise the plan")
        }
        401 if error.speaks_of(&["missing_permissions"]) => {
            (Retry::Never, "the API key lacks a permission; allow it Conversational AI, or use another key")
        }
        401 => (Retry::Never, "the API key was not accepted; set a valid `api_key`"),
        402 => (Retry::Never, "its credit is used up; add credit or raise the plan"),
        403 => (
            Retry::Never,
            "this agent or feature is not open to us; check the agent's owner, its allow-list and the plan",
        ),
        404 => (Retry::Never, "it knows no such agent; check `agent_id` and the region of `base_url`"),
        408 | 425 => (asked_for.unwrap_or(Retry::Backoff), "it was too slow"),
        429 if error.speaks_of(&["concurrent"]) => (
            asked_for.unwrap_or(Retry::After(ALL_IN_USE)),
            "all sessions of the plan are in use; raise the plan, or lower the number of calls",
        ),
        429 => (asked_for.unwrap_or(Retry::Backoff), "it asks for fewer requests at a time"),
        500..=599 => (asked_for.unwrap_or(Retry::Backoff), "it has trouble of its own"),
        300..=399 => (Retry::Never, "it points elsewhere; set `base_url` to the address it names"),
        100..=299 => (Retry::Never, "it did not open a WebSocket; check `base_url`"),
        _ => (Retry::Never, "it did not accept the request"),
    };
    let mut detail = format!("ElevenLabs answered with status {status}: {mend}");
    append_words(&mut detail, error.code.as_deref(), error.message.as_deref());
    if let Some(request) = &error.request_id {
        detail.push_str(&format!(" [request {request}]"));
    }
    AgentDeparture { cause: AgentLeft::Refused { status }, retry, detail }
}

/// What is known of a session when it closes.
#[derive(Debug)]
pub(super) struct LastWords<'a> {
    /// It had become ready.
    pub stood: bool,
    /// We ended it.
    pub ours: bool,
    pub fault: Option<&'a AgentFault>,
    pub conversation: Option<&'a str>,
}

/// What follows from a close. `None` and 1006 are a network that broke without one.
pub(super) fn closed(code: Option<u16>, reason: &str, last: &LastWords<'_>) -> AgentDeparture {
    let kind = last.fault.and_then(|fault| fault.kind.as_deref());
    let said = last.fault.and_then(|fault| fault.message.as_deref());
    let speaks_of =
        |what: &[&str]| [kind, said, Some(reason)].into_iter().flatten().any(|text| contains_any(text, what));
    // A network that breaks right after an error event has still been told why.
    let meant = match code {
        None | Some(1005 | 1006) => last.fault.and_then(|fault| fault.code).or(code),
        code => code,
    };

    let (retry, words) = match meant {
        _ if last.ours => (Retry::Over, "the session ended as we asked"),
        // Not the reason given: in an orderly end that is the agent's own prose, and callers talk about payments.
        Some(1000) if [kind, said].into_iter().flatten().any(|text| contains_any(text, QUOTA)) => {
            (Retry::Never, "its credit is used up; add credit or raise the plan")
        }
        Some(1000) if speaks_of(&["max_duration"]) => {
            (Retry::Over, "the agent's longest conversation is over")
        }
        Some(1000) if last.stood => (Retry::Over, "the agent ended the conversation"),
        Some(1000) => (Retry::Backoff, "the session was closed before it began"),
        _ if speaks_of(QUOTA) => (Retry::Never, "its credit is used up; add credit or raise the plan"),
        Some(3008) => (Retry::After(ALL_IN_USE), "all sessions of the plan are in use"),
        Some(1002 | 1008) if speaks_of(&["concurrent"]) => {
            (Retry::After(ALL_IN_USE), "all sessions of the plan are in use")
        }
        Some(1002) if speaks_of(&["safety"]) => {
            (Retry::Never, "it stopped the conversation for reasons of safety")
        }
        Some(1002) => (Retry::Backoff, "something failed or took too long on its side"),
        Some(1008) if speaks_of(&["override"]) => (
            Retry::Never,
            "an override is not allowed; switch it on in the agent's security settings, or stop setting it",
        ),
        Some(1008) if speaks_of(&["dynamic_variable", "dynamic variable"]) => (
            Retry::Never,
            "a dynamic variable has no value; give it one in `dynamic_variables` or a default in the agent",
        ),
        Some(1008) => (
            Retry::Never,
            "it did not accept us; check `api_key`, `agent_id` and the agent's security settings",
        ),
        Some(1003 | 1007 | 1009 | 1010) => (Retry::Never, "it did not understand what we sent"),
        Some(1011) => (Retry::Backoff, "it has trouble of its own"),
        None | Some(1005 | 1006) => (Retry::Backoff, "the connection broke"),
        Some(_) => (Retry::Backoff, "it closed the session"),
    };

    let cause = match code {
        _ if last.ours => AgentLeft::Finished,
        Some(1000) if retry == Retry::Over => AgentLeft::Finished,
        None | Some(1006) => AgentLeft::Lost,
        Some(code) => AgentLeft::Closed { code },
    };
    let mut detail = match code {
        Some(code) => format!("ElevenLabs closed with code {code}: {words}"),
        None => format!("ElevenLabs went away without closing: {words}"),
    };
    append_words(&mut detail, kind, said.filter(|said| *said != reason));
    if let Some(reason) = self::words(reason) {
        detail.push_str(&format!(" (reason given: {reason})"));
    }
    if let Some(conversation) = last.conversation {
        detail.push_str(&format!(" [conversation {conversation}]"));
    }
    AgentDeparture { cause, retry, detail }
}

/// How providers speak of spent money.
const QUOTA: &[&str] = &["quota", "credit", "insufficient_funds", "payment"];

fn contains_any(text: &str, what: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    what.iter().any(|word| text.contains(word))
}

fn append_words(detail: &mut String, code: Option<&str>, message: Option<&str>) {
    match (code, message.and_then(words)) {
        (Some(code), Some(message)) => detail.push_str(&format!(" ({code}: {message})")),
        (Some(code), None) => detail.push_str(&format!(" ({code})")),
        (None, Some(message)) => detail.push_str(&format!(" ({message})")),
        (None, None) => {}
    }
}

/// A peer's text as one bounded line without control characters; nothing for an empty one.
pub(super) fn words(text: &str) -> Option<String> {
    let line: String = text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let mut short: String = line.chars().take(WORDS_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    (!short.is_empty()).then_some(short)
}
