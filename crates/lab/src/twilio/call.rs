//! One call, from its first ring to its report: asks for documents, goes through their verbs, and keeps the line.

mod progress;
mod verbs;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::originate::Detection;
use super::twiml::{self, Document};
use super::webhook::Asking;
use super::{Callee, DialOutcome, End, Happening, LiveCall, Method, Network, PlacedCall, Warning};
use crate::faults::Faults;
use crate::phone::call::Phone;
use crate::phone::callbacks::Callbacks;
use crate::phone::order::{Leave, Order, Source};
use crate::phone::web::Answer;
use crate::{chance, locked};

/// Documents one call may go through. A real polling loop pauses between two; this one has lost its way.
const DOCUMENTS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStatus {
    Queued,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
}

impl CallStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::Failed => "failed",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::Canceled => "canceled",
        }
    }

    pub(super) fn is_final(self) -> bool {
        !matches!(self, CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress)
    }
}

/// What REST can see of a call.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) sid: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) direction: &'static str,
    pub(super) created: Timestamp,
    pub(super) orders: mpsc::Sender<Order>,
    facts: Mutex<CallFacts>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CallFacts {
    pub(super) status: CallStatus,
    pub(super) answered: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) seconds: u64,
}

impl CallState {
    pub(super) fn facts(&self) -> CallFacts {
        *locked(&self.facts)
    }

    pub(super) fn status(&self) -> CallStatus {
        self.facts().status
    }
}

/// A call in its own task.
pub(super) struct Call {
    pub(super) network: Arc<Network>,
    pub(super) state: Arc<CallState>,
    pub(super) phone: Phone,
    pub(super) asking: Asking,
    pub(super) faults: Faults,
    pub(super) callbacks: Callbacks,
    /// Where the present document came from; relative URLs in it are read against that.
    base: Option<url::Url>,
    placed: PlacedCall,
    sequence: u64,
    /// Who is told what answered, and whether it is a machine.
    detection: Option<(Detection, bool)>,
}

/// An inbound call: rings, and the number's webhook is asked.
pub(super) fn place(network: &Arc<Network>, placed: PlacedCall) -> LiveCall {
    let first =
        Source::Url { url: placed.webhook_url.clone(), method: placed.webhook_method, form: Vec::new() };
    let (mut call, live) = prepare(network, placed, "inbound");
    network.life.tasks.spawn(Box::pin(async move {
        call.set_status(CallStatus::Ringing);
        call.report_progress("ringing", &[]);
        let end = Box::pin(call.go(first)).await;
        call.over(end).await;
    }));
    live
}

/// An outbound call: the callee rings and perhaps answers, only then the first document is asked for.
pub(super) fn originate(
    network: &Arc<Network>,
    placed: PlacedCall,
    callee: Callee,
    timeout: Duration,
    first: Source,
    detection: Option<Detection>,
) -> (Arc<CallState>, LiveCall) {
    let (mut call, live) = prepare(network, placed, "outbound-api");
    call.detection = detection.map(|detection| (detection, callee.is_machine));
    let state = Arc::clone(&call.state);
    network.life.tasks.spawn(Box::pin(async move {
        call.report_progress("initiated", &[]);
        let end = match call.ring(&callee, timeout).await {
            Ok(()) => Box::pin(call.go(first)).await,
            Err(Leave::End(end)) => end,
            Err(Leave::Goto(source)) => Box::pin(call.go(source)).await,
        };
        call.over(end).await;
    }));
    (state, live)
}

fn prepare(network: &Arc<Network>, placed: PlacedCall, direction: &'static str) -> (Call, LiveCall) {
    let sid = placed.call_sid.clone().unwrap_or_else(|| chance::sid("CA"));
    let (phone, live) = Phone::new(sid.clone(), placed.caller.clone(), &network.tls, &network.life);
    let state = Arc::new(CallState {
        sid,
        from: placed.from.clone(),
        to: placed.to.clone(),
        direction,
        created: Timestamp::now(),
        orders: phone.orderer(),
        facts: Mutex::new(CallFacts { status: CallStatus::Queued, answered: None, ended: None, seconds: 0 }),
    });
    locked(&network.calls).insert(state.sid.clone(), Arc::clone(&state));
    let asking = Asking {
        web: network.web.clone(),
        token: network.config.auth_token.clone(),
        signing: placed.signing.clone(),
    };
    let out_of_order = placed.status_callback.as_ref().is_some_and(|callback| callback.out_of_order);
    let call = Call {
        network: Arc::clone(network),
        callbacks: Callbacks::start(network.web.clone(), Arc::clone(&phone.timeline), out_of_order),
        state,
        phone,
        asking,
        faults: placed.faults.clone(),
        base: None,
        placed,
        sequence: 0,
        detection: None,
    };
    (call, live)
}

impl Call {
    async fn ring(&mut self, callee: &Callee, timeout: Duration) -> Result<(), Leave> {
        self.set_status(CallStatus::Ringing);
        self.report_progress("ringing", &[]);
        let rings = callee.rings_for.min(timeout);
        self.phone.meanwhile(tokio::time::sleep(rings)).await?;
        let status = match callee.outcome {
            _ if callee.rings_for >= timeout => CallStatus::NoAnswer,
            DialOutcome::Completed => return Ok(()),
            DialOutcome::Busy => CallStatus::Busy,
            DialOutcome::NoAnswer => CallStatus::NoAnswer,
            DialOutcome::Failed => CallStatus::Failed,
        };
        Err(Leave::End(End::NotAnswered { status: status.as_str().into() }))
    }

    /// Goes from document to document until the call ends.
    async fn go(&mut self, first: Source) -> End {
        let mut source = first;
        for _ in 0..DOCUMENTS_MAX {
            let document = match self.document(source, None).await {
                Ok(document) => document,
                Err(Leave::End(end)) => return end,
                Err(Leave::Goto(next)) => {
                    source = next;
                    continue;
                }
            };
            match Box::pin(self.run(document)).await {
                Ok(()) => return End::OutOfVerbs,
                Err(Leave::End(end)) => return end,
                Err(Leave::Goto(next)) => source = next,
            }
        }
        End::ApplicationError { problem: format!("more than {DOCUMENTS_MAX} documents in one call") }
    }

    async fn run(&mut self, document: Document) -> Result<(), Leave> {
        for (element, verb) in document.verbs {
            self.phone.timeline.note(Happening::Verb { element: element.clone() });
            let name = element.trim_matches(['<', '>']).split(' ').next().unwrap_or_default().to_owned();
            self.phone.verbs.push(name);
            Box::pin(self.obey(verb)).await?;
        }
        Ok(())
    }

    /// Fetches and reads a document. `failed` is the URL and problem of a first attempt whose fallback this is.
    async fn document(&mut self, source: Source, failed: Option<(String, u32)>) -> Result<Document, Leave> {
        let (url, method, form) = match source {
            Source::Inline(text) => {
                self.base = None;
                return self.read(&text);
            }
            Source::Url { url, method, form } => (url, method, form),
        };
        let mut parameters = self.parameters();
        parameters.extend(form);
        if let Some((url, code)) = &failed {
            parameters.push(("ErrorCode".into(), code.to_string()));
            parameters.push(("ErrorUrl".into(), url.clone()));
        }
        let problem = match self.fetch(&url, method, &parameters).await? {
            Ok(answer) => match self.understand(&answer) {
                Ok(text) => {
                    self.base = url::Url::parse(&url).ok();
                    return self.read(&text);
                }
                Err(problem) => problem,
            },
            Err(problem) => problem,
        };
        let code = problem.code.unwrap_or_default();
        let text = problem.text.clone();
        self.phone.timeline.warn(problem);
        match (self.placed.fallback_url.clone(), failed) {
            (Some(fallback), None) => {
                let source = Source::Url { url: fallback, method: Method::Post, form: Vec::new() };
                Box::pin(self.document(source, Some((url, code)))).await
            }
            _ => Err(Leave::End(End::ApplicationError { problem: text })),
        }
    }

    pub(super) async fn fetch(
        &mut self,
        url: &str,
        method: Method,
        form: &[(String, String)],
    ) -> Result<Result<Answer, Warning>, Leave> {
        self.phone.timeline.note(Happening::WebhookAsked { url: url.to_owned() });
        let asking = self.asking.clone();
        let began = Instant::now();
        let answer = self.phone.meanwhile(async { asking.ask(method, url, form).await }).await?;
        Ok(match answer {
            Ok(answer) => {
                self.phone.timeline.note(Happening::WebhookAnswered {
                    url: url.to_owned(),
                    status: answer.status,
                    took: began.elapsed(),
                });
                Ok(answer)
            }
            Err(problem) => {
                let problem = problem.to_string();
                self.phone
                    .timeline
                    .note(Happening::WebhookFailed { url: url.to_owned(), problem: problem.clone() });
                Err(Warning::coded(11205, format!("HTTP connection failure: {problem}")))
            }
        })
    }

    fn understand(&self, answer: &Answer) -> Result<String, Warning> {
        if !(200..300).contains(&answer.status) {
            return Err(Warning::coded(11200, format!("HTTP retrieval failure: status {}", answer.status)));
        }
        let kind = answer.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !["text/xml", "application/xml", "text/html"].contains(&kind.as_str()) {
            return Err(Warning::coded(12300, format!("Invalid Content-Type: {:?}", answer.content_type)));
        }
        String::from_utf8(answer.body.clone())
            .map_err(|_| Warning::coded(12100, "Document parse failure: not UTF-8".into()))
    }

    fn read(&self, text: &str) -> Result<Document, Leave> {
        match twiml::read(text) {
            Ok(document) => {
                for warning in &document.warnings {
                    self.phone.timeline.warn(warning.clone());
                }
                Ok(document)
            }
            Err(warning) => {
                self.phone.timeline.warn(warning.clone());
                Err(Leave::End(End::ApplicationError { problem: warning.text }))
            }
        }
    }

    /// The parameters of every voice request.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let status = self.state.status().as_str();
        let mut form: Vec<(String, String)> = [
            ("CallSid", self.state.sid.as_str()),
            ("AccountSid", &self.network.config.account_sid),
            ("From", &self.state.from),
            ("To", &self.state.to),
            ("Caller", &self.state.from),
            ("Called", &self.state.to),
            ("CallStatus", status),
            ("Direction", self.state.direction),
            ("ApiVersion", "2010-04-01"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        form.extend(self.placed.extra_params.iter().cloned());
        form
    }

    /// Makes a URL of a document absolute; none, and a warning, if that cannot be.
    pub(super) fn resolve(&self, url: &str) -> Option<String> {
        match url::Url::parse(url) {
            Ok(_) => Some(url.to_owned()),
            Err(url::ParseError::RelativeUrlWithoutBase) => match &self.base {
                Some(base) => base.join(url).ok().map(String::from),
                None => {
                    self.phone
                        .timeline
                        .warn(Warning::coded(15004, format!("{url:?} is relative, in inline TwiML")));
                    None
                }
            },
            Err(_) => {
                self.phone.timeline.warn(Warning::coded(11100, format!("Invalid URL format: {url:?}")));
                None
            }
        }
    }
}

pub(super) fn rfc2822(time: Timestamp) -> String {
    jiff::fmt::rfc2822::to_string(&time.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
}
