//! What the parameters of each kind of webhook say.

use super::Params;

/// Longer than any identifier of Plivo's (UUIDs); they end up in paths, logs and maps.
const ID_BYTES_MAX: usize = 64;

/// Headers of one's own that are kept, and the longest value of one.
const HEADERS_MAX: usize = 32;
const HEADER_CHARS_MAX: usize = 512;

/// Why a webhook's parameters make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    #[error("parameter {0} is not an identifier of Plivo's")]
    NotAnId(&'static str),
}

/// A call, as every webhook about one tells of it: it knocks, rings, was answered, is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallReport {
    pub call_uuid: String,
    /// What the reply to our own request named, when we placed the call.
    pub request_uuid: Option<String>,
    /// A number with or without a plus sign, `sip:…`, or any word when the caller withholds it. Empty when left out.
    pub from: String,
    pub to: String,
    pub direction: Direction,
    pub status: CallStatus,
    /// `StartApp`, `Ring`, `Hangup`, `MachineDetection` …
    pub event: Option<String>,
    pub caller_name: Option<String>,
    /// A machine answered, or did not; only for calls that we placed, and only when somebody asked for it.
    pub machine: Option<bool>,
    /// Headers of its own that the call brought along (`SIP-H-…`, `X-PH-…`), without those prefixes.
    pub headers: Vec<(String, String)>,
    pub hang_up: HangUp,
}

/// How a call ended, once it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HangUp {
    /// `NORMAL_CLEARING`, `Rejected` …
    pub cause: Option<String>,
    pub code: Option<u32>,
    /// `Callee`, `Caller`, `API Request` …
    pub source: Option<String>,
    pub duration_s: Option<u64>,
}

impl CallReport {
    pub fn read(params: &Params) -> Result<CallReport, ReportError> {
        Ok(CallReport {
            call_uuid: id(params, "CallUUID")?.ok_or(ReportError::Missing("CallUUID"))?,
            request_uuid: id(params, "RequestUUID")?,
            from: text(params, "From").unwrap_or_default(),
            to: text(params, "To").unwrap_or_default(),
            direction: Direction::read(params.first("Direction").unwrap_or_default()),
            status: CallStatus::read(params.first("CallStatus").unwrap_or_default()),
            event: text(params, "Event"),
            caller_name: text(params, "CallerName"),
            machine: read_machine(params),
            headers: headers(params),
            hang_up: HangUp {
                cause: text(params, "HangupCauseName").or_else(|| text(params, "HangupCause")),
                code: number(params, "HangupCauseCode"),
                source: text(params, "HangupSource"),
                duration_s: number(params, "Duration"),
            },
        })
    }
}

/// Whether a machine answered, as far as anybody says.
pub fn read_machine(params: &Params) -> Option<bool> {
    let said = params.filled("Machine")?;
    if said.eq_ignore_ascii_case("true") {
        Some(true)
    } else if said.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    /// We placed it, or a `<Dial>` did.
    Outbound,
    /// A word that Plivo did not have when this was written, or none.
    Unlisted(String),
}

impl Direction {
    fn read(word: &str) -> Direction {
        match word {
            "inbound" => Direction::Inbound,
            "outbound" => Direction::Outbound,
            _ => Direction::Unlisted(word.to_owned()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    /// It rang as long as it might.
    TimedOut,
    Rejected,
    Cancelled,
    /// A word that Plivo did not have when this was written, or none.
    Unlisted(String),
}

impl CallStatus {
    fn read(word: &str) -> CallStatus {
        match word {
            "ringing" => CallStatus::Ringing,
            "in-progress" => CallStatus::InProgress,
            "completed" => CallStatus::Completed,
            "busy" => CallStatus::Busy,
            "failed" => CallStatus::Failed,
            "no-answer" => CallStatus::NoAnswer,
            "timeout" => CallStatus::TimedOut,
            "rejected" => CallStatus::Rejected,
            "cancel" | "canceled" | "cancelled" => CallStatus::Cancelled,
            _ => CallStatus::Unlisted(word.to_owned()),
        }
    }

    /// Plivo's word for it.
    pub fn word(&self) -> &str {
        match self {
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::Failed => "failed",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::TimedOut => "timeout",
            CallStatus::Rejected => "rejected",
            CallStatus::Cancelled => "cancel",
            CallStatus::Unlisted(word) => word,
        }
    }

    /// Nothing follows this.
    pub fn is_over(&self) -> bool {
        match self {
            CallStatus::Completed
            | CallStatus::Busy
            | CallStatus::Failed
            | CallStatus::NoAnswer
            | CallStatus::TimedOut
            | CallStatus::Rejected
            | CallStatus::Cancelled => true,
            CallStatus::Ringing | CallStatus::InProgress | CallStatus::Unlisted(_) => false,
        }
    }
}

/// An audio stream changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    pub call_uuid: String,
    pub stream_id: Option<String>,
    /// The checkpoint's name, for those that tell of one.
    pub name: Option<String>,
    pub event: StreamEvent,
    pub timestamp: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    Started,
    Stopped,
    /// Plivo could not reach us, or lost us.
    Dropped,
    /// More sound waits at Plivo than it likes: 30, 60 or 90 per cent of 40 seconds.
    Degraded,
    Played,
    Cleared,
    /// A word that Plivo did not have when this was written.
    Unlisted(String),
}

impl StreamReport {
    pub fn read(params: &Params) -> Result<StreamReport, ReportError> {
        let event = match params.filled("Event").ok_or(ReportError::Missing("Event"))? {
            "StartStream" => StreamEvent::Started,
            "StopStream" => StreamEvent::Stopped,
            "DroppedStream" => StreamEvent::Dropped,
            "DegradedStream" => StreamEvent::Degraded,
            "PlayedStream" => StreamEvent::Played,
            "ClearedAudio" => StreamEvent::Cleared,
            word => StreamEvent::Unlisted(word.to_owned()),
        };
        Ok(StreamReport {
            call_uuid: id(params, "CallUUID")?.ok_or(ReportError::Missing("CallUUID"))?,
            stream_id: id(params, "StreamID")?,
            name: text(params, "Name"),
            event,
            timestamp: text(params, "Timestamp"),
        })
    }
}

/// An identifier. Its exact form is left open, since emulators mint their own; what could leave a path is refused.
fn id(params: &Params, name: &'static str) -> Result<Option<String>, ReportError> {
    let Some(value) = params.filled(name) else { return Ok(None) };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match value.len() <= ID_BYTES_MAX && value.bytes().all(fits) {
        true => Ok(Some(value.to_owned())),
        false => Err(ReportError::NotAnId(name)),
    }
}

fn headers(params: &Params) -> Vec<(String, String)> {
    let own = |(name, value): (&str, &str)| {
        let bare = ["SIP-H-", "X-PH-"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
        let value: String = value.chars().take(HEADER_CHARS_MAX).collect();
        (!bare.is_empty() && bare.len() <= HEADER_CHARS_MAX).then(|| (bare.to_owned(), value))
    };
    params.iter().filter_map(own).take(HEADERS_MAX).collect()
}

fn text(params: &Params, name: &str) -> Option<String> {
    params.filled(name).map(str::to_owned)
}

/// A figure that nothing hangs on: one that cannot be read is none.
fn number<N: std::str::FromStr>(params: &Params, name: &str) -> Option<N> {
    params.filled(name)?.parse().ok()
}
