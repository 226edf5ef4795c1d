//! A call's status, from ringing to the report, and who is told of it.

use audio::{Frame, Rate};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::super::callbacks::Callback;
use super::super::timeline::{CallReport, End, Happening};
use super::super::{Method, StatusCallback};
use super::{Call, CallStatus, rfc2822};
use crate::locked;

impl Call {
    /// The first verb that can be heard answers the call.
    pub(super) fn answer(&mut self) {
        if self.line.is_up() {
            return;
        }
        self.line.answer();
        self.set_status(CallStatus::InProgress);
        locked(&self.state.facts).answered = Some(Timestamp::now());
        self.timeline.note(Happening::Answered);
        self.report_progress("answered", &[]);
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
            self.callbacks.send(Callback { event: event.to_owned(), url, method: Method::Post, form });
        }
    }

    pub(super) async fn over(mut self, end: End, report: oneshot::Sender<CallReport>) {
        let seconds = self.line.up_for().as_secs();
        let (status, sip) = match &end {
            End::Rejected { reason } if reason == "busy" => (CallStatus::Busy, "486"),
            End::Rejected { .. } => (CallStatus::Busy, "603"),
            End::Canceled => (CallStatus::Canceled, "487"),
            End::NotAnswered { status } => match status.as_str() {
                "busy" => (CallStatus::Busy, "486"),
                "no-answer" => (CallStatus::NoAnswer, "487"),
                _ => (CallStatus::Failed, "404"),
            },
            End::ApplicationError { .. } if !self.line.is_up() => (CallStatus::Failed, "500"),
            End::CallerHungUp if !self.line.is_up() => (CallStatus::NoAnswer, "487"),
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
        self.timeline.end(end.clone());
        let (timeline, notes_dropped) = self.timeline.copy();
        let warnings = timeline.iter().filter_map(|note| match &note.what {
            Happening::Warned(warning) => Some(warning.clone()),
            _ => None,
        });
        let report_now = CallReport {
            call_sid: self.state.sid.clone(),
            stream_sids: self.stream_sids,
            heard: Frame::new(Rate::Hz8000, self.line.heard),
            spoken: Frame::new(Rate::Hz8000, self.line.spoken),
            media: self.media,
            warnings: warnings.collect(),
            timeline,
            notes_dropped,
            verbs: self.verbs,
            end,
        };
        // Nobody may be waiting for it.
        let _ = report.send(report_now);
    }
}
