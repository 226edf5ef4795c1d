//! Each element of a document, carried out.

use std::sync::Arc;

use audio::Rate;

use super::super::dialect::{Reports, Spoken, StreamFacts};
use super::super::documents::{Action, StreamSpec, Verb};
use super::super::{DialOutcome, End, Happening, Method, Warning};
use super::{Call, Leave, Source};
use crate::locked;
use crate::phone::stream::{Opening, StreamOver};
use crate::sound::resampled;

/// A stream whose socket does not open is dialled twice more.
const ATTEMPTS: u32 = 3;

impl Call {
    pub(super) async fn obey(&mut self, verb: Verb, is_last: bool) -> Result<(), Leave> {
        match verb {
            Verb::Redirect { url, method } => Err(Leave::Goto(Source::Url { url, method, form: Vec::new() })),
            Verb::Hangup { reason, after } => {
                if let Some(after) = after {
                    self.answer();
                    self.phone.listen(&[], after).await?;
                }
                // A reason is a refusal, and too late once the call has been answered.
                Err(Leave::End(match reason {
                    Some(reason) if !self.phone.line.is_up() => End::Rejected { reason },
                    _ => End::HungUpByXml,
                }))
            }
            Verb::Speak { text, times } => {
                self.answer();
                let length = self.network.config.say_per_character * text.chars().count() as u32;
                self.phone.note(Happening::Said { text });
                for _ in 0..(if length.is_zero() { 1 } else { times }) {
                    self.phone.listen(&[], length).await?;
                }
                Ok(())
            }
            Verb::Play { url, times } => {
                self.answer();
                self.play(url, times).await
            }
            Verb::Wait { length } => {
                self.answer();
                self.phone.listen(&[], length).await
            }
            Verb::Digits { digits } => {
                self.answer();
                self.phone.play_digits_if_any(&digits);
                Ok(())
            }
            Verb::Dial { action, timeout, limit, numbers } => {
                self.answer();
                let dialling = self.network.config.dialling.clone();
                let (outcome, talked) = self.phone.dial(numbers, &dialling, timeout, limit).await?;
                let mut form = vec![
                    ("DialStatus".to_owned(), dial_status(outcome).to_owned()),
                    ("DialRingStatus".to_owned(), (outcome != DialOutcome::Failed).to_string()),
                    ("DialALegUUID".to_owned(), self.state.uuid.clone()),
                    ("DialHangupCause".to_owned(), dial_cause(outcome).to_owned()),
                ];
                if outcome == DialOutcome::Completed {
                    form.push(("DialBLegUUID".to_owned(), super::super::uuid()));
                    form.push(("DialBLegDuration".to_owned(), talked.as_secs().to_string()));
                }
                self.follow(action, form)
            }
            Verb::Stream(spec) => {
                self.answer();
                self.stream(spec, is_last).await
            }
        }
    }

    async fn play(&mut self, url: String, times: u32) -> Result<(), Leave> {
        let sound = match self.fetch(&url, Method::Get, &[]).await? {
            Ok(answer) if answer.status == 200 => {
                audio::wav::read(&answer.body).map_err(|error| format!("cannot play {url}: {error}"))
            }
            Ok(answer) => Err(format!("cannot play {url}: status {}", answer.status)),
            Err(problem) => Err(problem),
        };
        match sound {
            Ok(frame) => {
                let samples = resampled(&frame, Rate::Hz8000);
                let duration = Rate::Hz8000.duration_of(samples.len() as u64);
                self.phone.note(Happening::Played { url, duration });
                for _ in 0..(if duration.is_zero() { 1 } else { times }) {
                    self.phone.listen(&samples, duration).await?;
                }
            }
            Err(problem) => self.phone.timeline.warn(Warning::plain(problem)),
        }
        Ok(())
    }

    async fn stream(&mut self, spec: StreamSpec, is_last: bool) -> Result<(), Leave> {
        if !spec.keep_call_alive && !is_last {
            self.phone.timeline.warn(Warning::plain(
                "<Stream> without keepCallAlive: what comes behind it would happen beside it, and is taken up after it"
                    .into(),
            ));
        }
        let stream_id = super::super::uuid();
        let config = &self.network.config;
        let headers = if config.signs_upgrade { self.asking.sign_upgrade(&spec.url) } else { Vec::new() };
        let opening = Opening {
            headers,
            parameters: spec.extra_headers.clone(),
            faults: self.placed.faults.clone(),
            attempts: ATTEMPTS,
            between_attempts: config.between_attempts,
            ..Opening::at(&spec.url)
        };
        let facts = StreamFacts {
            account_id: config.auth_id.clone(),
            call_uuid: self.state.uuid.clone(),
            sound: spec.sound,
            timeout: spec.timeout,
            extra_headers: spec.extra_headers,
            extra_headers_as: config.extra_headers,
            larger_pieces: config.larger_pieces,
            sends_stop: config.sends_stop,
            tells_errors: config.tells_errors,
            reports: spec.status_callback.map(|(url, method)| Reports {
                asking: self.asking.clone(),
                queue: self.callbacks.queue(),
                url,
                method,
                from: self.state.from.clone(),
                to: self.state.to.clone(),
            }),
        };
        *locked(&self.state.stream) = Some(stream_id.clone());
        let dialect = Box::new(Spoken::new(Arc::new(facts), stream_id));
        let left = self.phone.stream(&opening, dialect).await;
        *locked(&self.state.stream) = None;
        match left? {
            // Nothing keeps the call: it ends with its stream, if no element is left.
            StreamOver::ClosedByGateway | StreamOver::Lost | StreamOver::Stopped
                if is_last && !spec.keep_call_alive =>
            {
                Err(Leave::End(End::StreamOver))
            }
            _ => Ok(()),
        }
    }

    /// With an `action` that is to be followed the call goes on with its document, else with the next element.
    fn follow(&mut self, action: Option<Action>, form: Vec<(String, String)>) -> Result<(), Leave> {
        match action {
            Some(Action { url, method, is_followed: true }) => {
                Err(Leave::Goto(Source::Url { url, method, form }))
            }
            Some(Action { url, method, is_followed: false }) => {
                self.report("DialAction", &url, method, form);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn dial_status(outcome: DialOutcome) -> &'static str {
    match outcome {
        DialOutcome::Completed => "completed",
        DialOutcome::Busy => "busy",
        DialOutcome::NoAnswer => "no-answer",
        DialOutcome::Failed => "failed",
    }
}

fn dial_cause(outcome: DialOutcome) -> &'static str {
    match outcome {
        DialOutcome::Completed => "NORMAL_CLEARING",
        DialOutcome::Busy => "USER_BUSY",
        DialOutcome::NoAnswer => "NO_ANSWER",
        DialOutcome::Failed => "UNALLOCATED_NUMBER",
    }
}
