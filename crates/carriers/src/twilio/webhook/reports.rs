//! What the parameters of each kind of webhook say.

use super::Params;

/// Longer than any identifier of Twilio's (34 characters); they end up in paths, logs and maps.
const SID_BYTES_MAX: usize = 64;

/// Why a webhook's parameters make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    #[error("parameter {0} is not an identifier of Twilio's")]
    NotASid(&'static str),
    #[error("parameter {name} is not a number")]
    NotANumber { name: &'static str },
}

/// A call knocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundCall {
    pub call_sid: String,
    pub account_sid: String,
    /// A number in E.164, `client:…`, `sip:…`, or any word at all when the caller withholds it. Empty when left out.
    pub from: String,
    pub to: String,
    pub direction: Direction,
    pub status: CallStatus,
    pub caller_name: Option<String>,
    pub forwarded_from: Option<String>,
    pub parent_call_sid: Option<String>,
    /// How far the caller's number is attested (`TN-Validation-Passed-A` …).
    pub stir_verstat: Option<String>,
}

impl InboundCall {
    pub fn read(params: &Params) -> Result<InboundCall, ReportError> {
        Ok(InboundCall {
            call_sid: sid(params, "CallSid")?,
            account_sid: sid(params, "AccountSid")?,
            from: text(params, "From").unwrap_or_default(),
            to: text(params, "To").unwrap_or_default(),
            direction: Direction::read(params.first("Direction").unwrap_or_default()),
            status: CallStatus::read(params.first("CallStatus").unwrap_or_default()),
            caller_name: text(params, "CallerName"),
            forwarded_from: text(params, "ForwardedFrom"),
            parent_call_sid: text(params, "ParentCallSid"),
            stir_verstat: text(params, "StirVerstat"),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    /// We placed it.
    OutboundApi,
    /// A `<Dial>` placed it.
    OutboundDial,
    /// A word that Twilio did not have when this was written.
    Unlisted(String),
}

impl Direction {
    fn read(word: &str) -> Direction {
        match word {
            "inbound" => Direction::Inbound,
            "outbound-api" => Direction::OutboundApi,
            "outbound-dial" => Direction::OutboundDial,
            _ => Direction::Unlisted(word.to_owned()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    Queued,
    Initiated,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
    /// A word that Twilio did not have when this was written.
    Unlisted(String),
}

impl CallStatus {
    pub(crate) fn read(word: &str) -> CallStatus {
        match word {
            "queued" => CallStatus::Queued,
            "initiated" => CallStatus::Initiated,
            "ringing" => CallStatus::Ringing,
            "in-progress" => CallStatus::InProgress,
            "completed" => CallStatus::Completed,
            "busy" => CallStatus::Busy,
            "failed" => CallStatus::Failed,
            "no-answer" => CallStatus::NoAnswer,
            "canceled" => CallStatus::Canceled,
            _ => CallStatus::Unlisted(word.to_owned()),
        }
    }

    /// Twilio's word for it.
    pub fn word(&self) -> &str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::Initiated => "initiated",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::Failed => "failed",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::Canceled => "canceled",
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
            | CallStatus::Canceled => true,
            CallStatus::Queued
            | CallStatus::Initiated
            | CallStatus::Ringing
            | CallStatus::InProgress
            | CallStatus::Unlisted(_) => false,
        }
    }
}

/// A call changed. These may overtake one another: see [`ReportOrder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallStatusReport {
    pub call_sid: String,
    pub account_sid: String,
    pub status: CallStatus,
    pub from: String,
    pub to: String,
    pub direction: Direction,
    pub parent_call_sid: Option<String>,
    pub sequence_number: Option<u64>,
    /// How long the call lasted, once it is over.
    pub duration_s: Option<u64>,
    /// What is billed, once it is over.
    pub billed_minutes: Option<u64>,
    /// As Twilio writes it.
    pub timestamp: Option<String>,
    pub sip_response_code: Option<u16>,
    /// `human`, `machine_start`, `fax` …, when somebody asked for it.
    pub answered_by: Option<String>,
    pub recording: Option<Recording>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub url: String,
    pub sid: Option<String>,
    pub duration_s: Option<u64>,
}

impl CallStatusReport {
    pub fn read(params: &Params) -> Result<CallStatusReport, ReportError> {
        let recording = match text(params, "RecordingUrl") {
            Some(url) => Some(Recording {
                url,
                sid: text(params, "RecordingSid"),
                duration_s: number(params, "RecordingDuration")?,
            }),
            None => None,
        };
        Ok(CallStatusReport {
            call_sid: sid(params, "CallSid")?,
            account_sid: sid(params, "AccountSid")?,
            status: CallStatus::read(params.filled("CallStatus").ok_or(ReportError::Missing("CallStatus"))?),
            from: text(params, "From").unwrap_or_default(),
            to: text(params, "To").unwrap_or_default(),
            direction: Direction::read(params.first("Direction").unwrap_or_default()),
            parent_call_sid: text(params, "ParentCallSid"),
            sequence_number: number(params, "SequenceNumber")?,
            duration_s: number(params, "CallDuration")?,
            billed_minutes: number(params, "Duration")?,
            timestamp: text(params, "Timestamp"),
            sip_response_code: number(params, "SipResponseCode")?
                .map(|code| {
                    u16::try_from(code).map_err(|_| ReportError::NotANumber { name: "SipResponseCode" })
                })
                .transpose()?,
            answered_by: text(params, "AnsweredBy"),
            recording,
        })
    }
}

/// Who answered a call, as far as Twilio can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    Person,
    /// A fax, too.
    Machine,
}

impl AnsweredBy {
    /// Twilio's word for it; none when it does not know either.
    pub fn of(word: &str) -> Option<AnsweredBy> {
        match word {
            "human" => Some(AnsweredBy::Person),
            "fax" => Some(AnsweredBy::Machine),
            _ if word.starts_with("machine") => Some(AnsweredBy::Machine),
            _ => None,
        }
    }
}

/// What came of looking for a machine beside the call. It has no call status, and may come before, between and after
/// those that have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredByReport {
    pub call_sid: String,
    pub answered_by: Option<AnsweredBy>,
}

impl AnsweredByReport {
    /// None when these are the parameters of another kind of report.
    pub fn read(params: &Params) -> Option<Result<AnsweredByReport, ReportError>> {
        let word = params.filled("AnsweredBy").filter(|_| params.filled("CallStatus").is_none())?;
        let answered_by = AnsweredBy::of(word);
        Some(sid(params, "CallSid").map(|call_sid| AnsweredByReport { call_sid, answered_by }))
    }
}

/// Tells news of a call from reports that were overtaken on their way. One per call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportOrder {
    latest: Option<u64>,
}

impl ReportOrder {
    /// Whether a report with this number is newer than all before it. One without a number always is.
    pub fn is_news(&mut self, sequence_number: Option<u64>) -> bool {
        match (sequence_number, self.latest) {
            (Some(number), Some(latest)) if number <= latest => false,
            (Some(number), _) => {
                self.latest = Some(number);
                true
            }
            (None, _) => true,
        }
    }
}

/// A media stream changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatusReport {
    pub call_sid: String,
    pub account_sid: String,
    pub stream_sid: String,
    /// The stream's name, or its Sid again when it was given none.
    pub name: String,
    pub event: StreamEvent,
    /// ISO 8601.
    pub timestamp: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    Started,
    Stopped,
    /// Twilio could not reach us, or did not like what we sent.
    Error {
        detail: String,
    },
    /// A word that Twilio did not have when this was written.
    Unlisted(String),
}

impl StreamStatusReport {
    pub fn read(params: &Params) -> Result<StreamStatusReport, ReportError> {
        let stream_sid = sid(params, "StreamSid")?;
        let event = match params.filled("StreamEvent").ok_or(ReportError::Missing("StreamEvent"))? {
            "stream-started" => StreamEvent::Started,
            "stream-stopped" => StreamEvent::Stopped,
            "stream-error" => StreamEvent::Error { detail: text(params, "StreamError").unwrap_or_default() },
            word => StreamEvent::Unlisted(word.to_owned()),
        };
        Ok(StreamStatusReport {
            call_sid: sid(params, "CallSid")?,
            account_sid: sid(params, "AccountSid")?,
            name: text(params, "StreamName").unwrap_or_else(|| stream_sid.clone()),
            stream_sid,
            event,
            timestamp: text(params, "Timestamp"),
        })
    }
}

/// What came of a `<Dial>`, told to its `action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialReport {
    pub call_sid: String,
    pub account_sid: String,
    pub status: DialStatus,
    /// The call to the number that was dialled; none when it never came to be.
    pub dialled_call_sid: Option<String>,
    pub duration_s: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialStatus {
    /// Somebody answered, and it is over now.
    Completed,
    /// Somebody answered, and the two were connected.
    Answered,
    Busy,
    NoAnswer,
    Failed,
    Canceled,
    /// A word that Twilio did not have when this was written.
    Unlisted(String),
}

impl DialStatus {
    /// Whether the caller and the dialled party talked to each other.
    pub fn connected(&self) -> bool {
        matches!(self, DialStatus::Completed | DialStatus::Answered)
    }
}

impl DialReport {
    pub fn read(params: &Params) -> Result<DialReport, ReportError> {
        let status = match params.filled("DialCallStatus").ok_or(ReportError::Missing("DialCallStatus"))? {
            "completed" => DialStatus::Completed,
            "answered" => DialStatus::Answered,
            "busy" => DialStatus::Busy,
            "no-answer" => DialStatus::NoAnswer,
            "failed" => DialStatus::Failed,
            "canceled" => DialStatus::Canceled,
            word => DialStatus::Unlisted(word.to_owned()),
        };
        Ok(DialReport {
            call_sid: sid(params, "CallSid")?,
            account_sid: sid(params, "AccountSid")?,
            status,
            dialled_call_sid: text(params, "DialCallSid"),
            duration_s: number(params, "DialCallDuration")?,
        })
    }
}

/// An identifier. Its exact form is left open, since emulators mint their own; what could leave a path is refused.
fn sid(params: &Params, name: &'static str) -> Result<String, ReportError> {
    let value = params.filled(name).ok_or(ReportError::Missing(name))?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match value.len() <= SID_BYTES_MAX && value.bytes().all(fits) {
        true => Ok(value.to_owned()),
        false => Err(ReportError::NotASid(name)),
    }
}

fn text(params: &Params, name: &str) -> Option<String> {
    params.filled(name).map(str::to_owned)
}

fn number(params: &Params, name: &'static str) -> Result<Option<u64>, ReportError> {
    params.filled(name).map(|value| value.parse().map_err(|_| ReportError::NotANumber { name })).transpose()
}
