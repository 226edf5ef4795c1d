//! A call changed.

use super::{Params, ReportError, call_of, filled};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    pub call_sid: String,
    pub event: EventType,
    pub status: CallStatus,
    pub from: Option<String>,
    pub to: Option<String>,
    /// How long they talked.
    pub duration_s: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    Ringing,
    Answered,
    Terminal,
    /// Callbacks that are not asked for by event have none.
    Unsaid,
    /// A word that Exotel did not have when this was written.
    Unlisted(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallStatus {
    Queued,
    Ringing,
    InProgress,
    Completed,
    Failed,
    Busy,
    NoAnswer,
    Canceled,
    Unlisted(String),
}

impl StatusReport {
    pub fn read(params: &Params) -> Result<StatusReport, ReportError> {
        let (event, status) = (filled(params, "EventType"), filled(params, "Status"));
        // One of the two says what happened; a report with neither says nothing.
        let status = match (status.or_else(|| filled(params, "CallStatus")), event) {
            (Some(status), _) => CallStatus::read(status),
            (None, Some(_)) => CallStatus::Unlisted(String::new()),
            (None, None) => return Err(ReportError::Missing("Status")),
        };
        let durations = ["ConversationDuration", "Duration", "DialCallDuration"];
        Ok(StatusReport {
            call_sid: call_of(params)?,
            event: EventType::read(event.unwrap_or_default()),
            status,
            from: filled(params, "From").map(str::to_owned),
            to: filled(params, "To").map(str::to_owned),
            duration_s: durations.iter().find_map(|name| filled(params, name)?.parse().ok()),
        })
    }

    /// Nothing follows this.
    pub fn is_over(&self) -> bool {
        self.event == EventType::Terminal || self.status.is_over()
    }

    pub fn is_answered(&self) -> bool {
        self.event == EventType::Answered || self.status == CallStatus::InProgress
    }
}

impl EventType {
    fn read(word: &str) -> EventType {
        match word.to_ascii_lowercase().as_str() {
            "" => EventType::Unsaid,
            "ringing" => EventType::Ringing,
            "answered" => EventType::Answered,
            "terminal" => EventType::Terminal,
            _ => EventType::Unlisted(word.to_owned()),
        }
    }
}

impl CallStatus {
    pub(crate) fn read(word: &str) -> CallStatus {
        match word.trim().to_ascii_lowercase().replace(['_', ' '], "-").as_str() {
            "queued" => CallStatus::Queued,
            "ringing" => CallStatus::Ringing,
            "in-progress" => CallStatus::InProgress,
            "completed" => CallStatus::Completed,
            "failed" => CallStatus::Failed,
            "busy" => CallStatus::Busy,
            "no-answer" => CallStatus::NoAnswer,
            "canceled" | "cancelled" => CallStatus::Canceled,
            _ => CallStatus::Unlisted(word.to_owned()),
        }
    }

    /// Exotel's word for it.
    pub fn word(&self) -> &str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Failed => "failed",
            CallStatus::Busy => "busy",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::Canceled => "canceled",
            CallStatus::Unlisted(word) => word,
        }
    }

    /// Nothing follows this.
    pub fn is_over(&self) -> bool {
        match self {
            CallStatus::Completed
            | CallStatus::Failed
            | CallStatus::Busy
            | CallStatus::NoAnswer
            | CallStatus::Canceled => true,
            CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress | CallStatus::Unlisted(_) => {
                false
            }
        }
    }
}
