//! Who is told of a call's progress, and its last page.

use jiff::Timestamp;

use super::call::{Call, CallStatus, clock};
use super::flow::{Flow, Then};
use super::report::Report;
use crate::phone::web::{Body, Request};
use crate::phone::{End, Method};

impl Call {
    /// A caller who hangs up is reported to the applet that would have come next; its answer leads nowhere.
    pub(super) fn tell_passthru(&mut self, flow: &Flow) {
        if let (Then::Passthru(passthru), Some(_)) = (&flow.then, &self.left)
            && !self.phone.verbs.iter().any(|verb| verb == "Passthru")
        {
            self.enter("Passthru");
            let request = self.passthru_request(passthru);
            self.reports.send(Report::once("passthru", request));
        }
    }

    /// Tells of a change of status, if somebody subscribed to it.
    pub(super) fn tell_status(&self, event: &str) {
        let Some(callback) = &self.status_callback else { return };
        if !callback.events.iter().any(|known| known == event) {
            return;
        }
        let facts = self.state.facts();
        let (from, to) = self.state.rest_from();
        let time = |time: Option<Timestamp>| time.map(clock).unwrap_or_default();
        let status = if event == "ringing" { "ringing" } else { facts.status.as_str() };
        let mut form: Vec<(String, String)> = [
            ("CallSid", self.state.sid.as_str()),
            ("EventType", event),
            ("Status", status),
            ("DateCreated", &clock(self.state.created)),
            ("DateUpdated", &clock(Timestamp::now())),
            ("StartTime", &time(facts.answered)),
            ("EndTime", &time(facts.ended)),
            ("From", from),
            ("To", to),
            ("PhoneNumberSid", to),
            ("Direction", self.state.rest_direction()),
            ("RecordingUrl", ""),
            ("ConversationDuration", &facts.seconds.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        if let Some(field) = &self.custom_field {
            form.push(("CustomField".into(), field.clone()));
        }
        let (content_type, text) = callback.kind.write(&form);
        let request = Request {
            method: Method::Post,
            url: callback.url.clone(),
            headers: Vec::new(),
            body: Body::Text { content_type, text },
        };
        self.reports.send(Report::of_status(event, request, callback));
    }

    pub(super) async fn over(self, end: End) {
        let status = match &end {
            End::NotAnswered { status } => match status.as_str() {
                "busy" => CallStatus::Busy,
                "no-answer" => CallStatus::NoAnswer,
                _ => CallStatus::Failed,
            },
            End::ApplicationError { .. } if self.phone.stream_sids.is_empty() => CallStatus::Failed,
            _ if !self.phone.line.is_up() => CallStatus::NoAnswer,
            _ => CallStatus::Completed,
        };
        let seconds = self.phone.line.up_for().as_secs();
        self.state.change(|facts| {
            facts.status = status;
            facts.ended = Some(Timestamp::now());
            facts.seconds = seconds;
        });
        self.tell_status("terminal");
        let over = self.network.life.over.clone();
        tokio::select! {
            () = self.reports.finish() => {}
            () = over.cancelled() => {}
        }
        self.phone.over(end);
    }
}
