//! A call's status, from ringing to the report, and who is told of it.

use std::time::Duration;

use jiff::Timestamp;

use super::super::{End, Happening, Method, StatusCallback};
use super::{Call, CallStatus, rfc2822};
use crate::locked;
use crate::phone::callbacks::Callback;

/// How long detection takes here. The original needs some four seconds; nobody has to wait for that in a test.
const DETECTED_AFTER: Duration = Duration::from_millis(400);

impl Call {
    /// The first verb that can be heard answers the call.
    pub(super) fn answer(&mut self) {
        if self.phone.line.is_up() {
            return;
        }
        self.phone.line.answer();
        self.set_status(CallStatus::InProgress);
        locked(&self.state.facts).answered = Some(Timestamp::now());
        self.phone.timeline.note(Happening::Answered);
        self.report_progress("answered", &[]);
        self.detect();
    }

    /// Tells what answered, a while later and beside everything else.
    fn detect(&mut self) {
        let Some((detection, is_machine)) = self.detection.take() else { return };
        let answered_by = match (is_machine, detection.waits_for_beep) {
            (false, _) => "human",
            (true, false) => "machine_start",
            (true, true) => "machine_end_beep",
        };
        let form: Vec<(String, String)> = [
            ("CallSid", self.state.sid.as_str()),
            ("AccountSid", &self.network.config.account_sid),
            ("AnsweredBy", answered_by),
            ("MachineDetectionDuration", &DETECTED_AFTER.as_millis().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let request = self.asking.request(Method::Post, &detection.url, &form);
        let (queue, over) = (self.callbacks.queue(), self.network.life.over.clone());
        self.network.life.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(DETECTED_AFTER) => {
                    queue.send(Callback { event: "detection".into(), request });
                }
                () = over.cancelled() => {}
            }
        });
    }

    pub(super) fn set_status(&self, status: CallStatus) {
        locked(&self.state.facts).status = status;
    }

    /// Queues a status callback, if somebody subscribed to it.
    pub(super) fn report_progress(&mut self, event: &str, more: &[(&str, String)]) {
        let Some(StatusCallback { url, events, .. }) = self.placed.status_callback.clone() else { return };
        let mut form = self.parameters();
        form.push(("CallbackSource".into(), "call-progress-events".into()));
        form.push(("Timestamp".into(), rfc2822(Timestamp::now())));
        form.push(("SequenceNumber".into(), self.sequence.to_string()));
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        // The number counts what happened, whether anybody asked to be told or not.
        self.sequence += 1;
        if events.iter().any(|known| known == event) {
            let request = self.asking.request(Method::Post, &url, &form);
            self.callbacks.send(Callback { event: event.to_owned(), request });
        }
    }

    pub(super) async fn over(mut self, end: End) {
        let seconds = self.phone.line.up_for().as_secs();
        let (status, sip) = match &end {
            End::Rejected { reason } if reason == "busy" => (CallStatus::Busy, "486"),
            End::Rejected { .. } => (CallStatus::Busy, "603"),
            End::Canceled => (CallStatus::Canceled, "487"),
            End::NotAnswered { status } => match status.as_str() {
                "busy" => (CallStatus::Busy, "486"),
                "no-answer" => (CallStatus::NoAnswer, "487"),
                _ => (CallStatus::Failed, "404"),
            },
            End::ApplicationError { .. } if !self.phone.line.is_up() => (CallStatus::Failed, "500"),
            End::CallerHungUp if !self.phone.line.is_up() => (CallStatus::NoAnswer, "487"),
            _ => (CallStatus::Completed, "200"),
        };
        {
            let mut facts = locked(&self.state.facts);
            facts.status = status;
            facts.ended = Some(Timestamp::now());
            facts.seconds = seconds;
        }
        let more = [
            ("CallDuration", seconds.to_string()),
            ("Duration", seconds.div_ceil(60).to_string()),
            ("SipResponseCode", sip.to_owned()),
        ];
        self.report_progress("completed", &more);
        let over = self.network.life.over.clone();
        tokio::select! {
            () = self.callbacks.finish() => {}
            () = over.cancelled() => {}
        }
        self.phone.over(end);
    }
}
