//! A call's status, from ringing to the report, and who is told of it.

use jiff::Timestamp;

use super::super::{End, Happening, Method};
use super::{Call, CallStatus};
use crate::locked;
use crate::phone::callbacks::Callback;

impl Call {
    /// The first element that can be heard answers the call.
    pub(super) fn answer(&mut self) {
        if self.phone.line.is_up() {
            return;
        }
        self.phone.line.answer();
        self.set_status(CallStatus::InProgress);
        self.phone.note(Happening::Answered);
    }

    pub(super) fn set_status(&self, status: CallStatus) {
        *locked(&self.state.status) = status;
    }

    /// Queues a callback about this call.
    pub(super) fn report(&self, event: &str, url: &str, method: Method, more: Vec<(String, String)>) {
        let mut form = self.parameters(event);
        form.extend(more);
        let request = self.asking.request(method, url, &form);
        self.callbacks.send(Callback { event: event.to_owned(), request });
    }

    pub(super) async fn over(self, end: End) {
        let was_up = self.phone.line.is_up();
        let seconds = self.phone.line.up_for().as_secs();
        let caller = if self.state.request_uuid.is_some() { "Callee" } else { "Caller" };
        let (status, cause, source) = match &end {
            End::Rejected { reason } if reason == "busy" => (CallStatus::Busy, "USER_BUSY", "Plivo"),
            End::Rejected { .. } => (CallStatus::Busy, "CALL_REJECTED", "Plivo"),
            End::Canceled => (CallStatus::Cancel, "ORIGINATOR_CANCEL", "API Request"),
            End::NotAnswered { status } => match status.as_str() {
                "busy" => (CallStatus::Busy, "USER_BUSY", "Callee"),
                "no-answer" => (CallStatus::NoAnswer, "NO_ANSWER", "Carrier"),
                "machine" => (CallStatus::Completed, "MACHINE_DETECTED", "Plivo"),
                _ => (CallStatus::Failed, "UNALLOCATED_NUMBER", "Carrier"),
            },
            End::ApplicationError { .. } if !was_up => {
                (CallStatus::Failed, "NORMAL_TEMPORARY_FAILURE", "Plivo")
            }
            End::ApplicationError { .. } => (CallStatus::Completed, "NORMAL_TEMPORARY_FAILURE", "Plivo"),
            End::CallerHungUp if !was_up => (CallStatus::NoAnswer, "ORIGINATOR_CANCEL", caller),
            End::CallerHungUp => (CallStatus::Completed, "NORMAL_CLEARING", caller),
            End::CompletedByRest => (CallStatus::Completed, "NORMAL_CLEARING", "API Request"),
            _ => (CallStatus::Completed, "NORMAL_CLEARING", "Plivo"),
        };
        self.set_status(status);
        if let Some(url) = &self.placed.hangup_url {
            let more = [
                ("HangupCause", cause.to_owned()),
                ("HangupSource", source.to_owned()),
                ("Duration", seconds.to_string()),
                ("BillDuration", (seconds.div_ceil(60) * 60).to_string()),
                ("EndTime", Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()),
            ];
            let more = more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            self.report("Hangup", url, Method::Post, more);
        }
        let over = self.network.life.over.clone();
        tokio::select! {
            () = self.callbacks.finish() => {}
            () = over.cancelled() => {}
        }
        self.phone.over(end);
    }
}
