//! Each verb of a document, carried out.

use std::time::Duration;

use audio::Rate;

use super::super::twiml::{self, Action, Times, Verb};
use super::super::{DialOutcome, End, Happening, Method, Warning};
use super::{Call, Leave, Source};
use crate::sound::{keypad, resampled};

impl Call {
    pub(super) async fn obey(&mut self, verb: Verb) -> Result<(), Leave> {
        match verb {
            Verb::Reject { reason } => {
                // Too late once the call has been answered: Twilio then just hangs up.
                let end = if self.phone.line.is_up() { End::HungUpByTwiml } else { End::Rejected { reason } };
                return Err(Leave::End(end));
            }
            Verb::Redirect { url, method } => {
                let Some(url) = self.resolve(&url) else {
                    return Err(Leave::End(End::ApplicationError {
                        problem: format!("<Redirect> to {url:?}"),
                    }));
                };
                return Err(Leave::Goto(Source::Url { url, method: method.into(), form: Vec::new() }));
            }
            Verb::Hangup => return Err(Leave::End(End::HungUpByTwiml)),
            Verb::Say { .. }
            | Verb::Play { .. }
            | Verb::Pause { .. }
            | Verb::Connect { .. }
            | Verb::Dial { .. } => {}
        }
        self.answer();
        match verb {
            Verb::Say { text, times } => self.say(text, times).await,
            Verb::Play { url, times, digits } => self.play(url, times, digits).await,
            Verb::Pause { length } => self.phone.listen(&[], length).await,
            Verb::Dial { action, timeout, limit, numbers } => {
                self.dial(action, timeout, limit, numbers).await
            }
            Verb::Connect { action, stream } => {
                let url = self.resolve_action(action);
                Box::pin(self.stream(stream)).await?;
                self.follow(url, Vec::new())
            }
            // Dealt with above.
            Verb::Reject { .. } | Verb::Redirect { .. } | Verb::Hangup => Ok(()),
        }
    }

    async fn say(&mut self, text: String, times: Times) -> Result<(), Leave> {
        let length = self.network.config.say_per_character * text.chars().count() as u32;
        self.phone.timeline.note(Happening::Said { text });
        self.repeat(times, &[], length).await
    }

    async fn play(&mut self, url: Option<String>, times: Times, digits: Option<String>) -> Result<(), Leave> {
        if let Some(digits) = digits {
            let tones = keypad(&digits);
            let length = Rate::Hz8000.duration_of(tones.len() as u64);
            self.phone.timeline.note(Happening::Played { url: format!("digits:{digits}"), duration: length });
            return self.repeat(times, &tones, length).await;
        }
        let Some(url) = url.and_then(|url| self.resolve(&url)) else { return Ok(()) };
        let sound = match self.fetch(&url, Method::Get, &[]).await? {
            Ok(answer) if answer.status == 200 => audio::wav::read(&answer.body)
                .map_err(|error| Warning::coded(13520, format!("cannot play {url}: {error}"))),
            Ok(answer) => {
                Err(Warning::coded(11200, format!("HTTP retrieval failure: status {}", answer.status)))
            }
            Err(warning) => Err(warning),
        };
        match sound {
            Ok(frame) => {
                let samples = resampled(&frame, Rate::Hz8000);
                let length = Rate::Hz8000.duration_of(samples.len() as u64);
                self.phone.timeline.note(Happening::Played { url, duration: length });
                self.repeat(times, &samples, length).await
            }
            // Twilio goes on with the next verb.
            Err(warning) => {
                self.phone.timeline.warn(warning);
                Ok(())
            }
        }
    }

    async fn repeat(&mut self, times: Times, sound: &[i16], length: Duration) -> Result<(), Leave> {
        let count = match times {
            Times::Count(count) => count,
            // Nothing that lasts no time can be repeated without end.
            Times::Forever if length.is_zero() => 1,
            Times::Forever => u32::MAX,
        };
        for _ in 0..count {
            self.phone.listen(sound, length).await?;
        }
        Ok(())
    }

    async fn dial(
        &mut self,
        action: Option<Action>,
        timeout: Duration,
        limit: Option<Duration>,
        numbers: Vec<String>,
    ) -> Result<(), Leave> {
        let url = self.resolve_action(action);
        let dialling = self.network.config.dialling.clone();
        let (outcome, talked) = self.phone.dial(numbers, &dialling, timeout, limit).await?;
        let mut form = vec![
            ("DialCallSid".to_owned(), crate::chance::sid("CA")),
            ("DialCallStatus".to_owned(), outcome.status().to_owned()),
        ];
        if outcome == DialOutcome::Completed {
            form.push(("DialCallDuration".to_owned(), talked.as_secs().to_string()));
        }
        self.follow(url, form)
    }

    fn resolve_action(&self, action: Option<Action>) -> Option<Action> {
        let action = action?;
        Some(Action { url: self.resolve(&action.url)?, method: action.method })
    }

    /// With an `action` the call goes on with its document, without one with the next verb.
    fn follow(&self, action: Option<Action>, form: Vec<(String, String)>) -> Result<(), Leave> {
        match action {
            Some(Action { url, method }) => {
                Err(Leave::Goto(Source::Url { url, method: method.into(), form }))
            }
            None => Ok(()),
        }
    }
}

impl From<twiml::Method> for Method {
    fn from(method: twiml::Method) -> Method {
        match method {
            twiml::Method::Get => Method::Get,
            twiml::Method::Post => Method::Post,
        }
    }
}
