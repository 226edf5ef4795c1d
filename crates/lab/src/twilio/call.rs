//! One call, from its first ring to its report: asks for documents, goes through their verbs, and keeps the line.

mod line;
mod progress;
mod verbs;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::Frame;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::callbacks::Callbacks;
use super::live::LiveCall;
use super::timeline::{CallReport, End, Happening, How, MediaSums, Timeline, Warning};
use super::twiml::{self, Document};
use super::webhook::{Answer, Asking};
use super::{Callee, Method, Network, PlacedCall};
use crate::faults::Faults;
use crate::hearing::Change;
use crate::{chance, locked};
use line::Line;

/// Documents one call may go through. A real polling loop pauses between two; this one has lost its way.
const DOCUMENTS_MAX: usize = 1_000;

/// What can be ordered of a call.
#[derive(Debug)]
pub(super) enum Order {
    Press(String),
    Speak(Frame),
    HangUp,
    KillSocket(How),
    SecondSocket,
    SendText(String),
    /// REST: new instructions.
    Replace(Source),
    /// REST: `Status=completed`.
    Complete,
    /// REST: `Status=canceled`.
    Cancel,
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Inline(String),
    Url { url: String, method: Method, form: Vec<(String, String)> },
}

/// Why the present document is left.
#[derive(Debug)]
pub(super) enum Leave {
    Goto(Source),
    End(End),
}

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
    pub(super) timeline: Arc<Timeline>,
    pub(super) asking: Asking,
    pub(super) faults: Faults,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) line: Line,
    pub(super) media: MediaSums,
    pub(super) stream_sids: Vec<String>,
    pub(super) callbacks: Callbacks,
    /// Where the present document came from; relative URLs in it are read against that.
    base: Option<url::Url>,
    placed: PlacedCall,
    verbs: Vec<String>,
    sequence: u64,
}

/// An inbound call: rings, and the number's webhook is asked.
pub(super) fn place(network: &Arc<Network>, placed: PlacedCall) -> LiveCall {
    let first =
        Source::Url { url: placed.webhook_url.clone(), method: placed.webhook_method, form: Vec::new() };
    let (mut call, live, report) = prepare(network, placed, "inbound");
    network.life.tasks.spawn(Box::pin(async move {
        call.set_status(CallStatus::Ringing);
        call.report_progress("ringing", &[]);
        let end = Box::pin(call.go(first)).await;
        call.over(end, report).await;
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
) -> LiveCall {
    let (mut call, live, report) = prepare(network, placed, "outbound-api");
    network.life.tasks.spawn(Box::pin(async move {
        call.report_progress("initiated", &[]);
        let end = match call.ring(&callee, timeout).await {
            Ok(()) => Box::pin(call.go(first)).await,
            Err(Leave::End(end)) => end,
            Err(Leave::Goto(source)) => Box::pin(call.go(source)).await,
        };
        call.over(end, report).await;
    }));
    live
}

fn prepare(
    network: &Arc<Network>,
    placed: PlacedCall,
    direction: &'static str,
) -> (Call, LiveCall, oneshot::Sender<CallReport>) {
    // Orders come from a test or from REST, a handful per call.
    let (orders, receiver) = mpsc::channel(64);
    let state = Arc::new(CallState {
        sid: chance::sid("CA"),
        from: placed.from.clone(),
        to: placed.to.clone(),
        direction,
        created: Timestamp::now(),
        orders,
        facts: Mutex::new(CallFacts { status: CallStatus::Queued, answered: None, ended: None, seconds: 0 }),
    });
    locked(&network.calls).insert(state.sid.clone(), Arc::clone(&state));
    let timeline = Timeline::start();
    let asking = Asking {
        http: network.http.clone(),
        token: network.config.auth_token.clone(),
        signing: placed.signing.clone(),
    };
    let out_of_order = placed.status_callback.as_ref().is_some_and(|callback| callback.out_of_order);
    let (sender, report) = oneshot::channel();
    let live = LiveCall { state: Arc::clone(&state), timeline: Arc::clone(&timeline), report };
    let call = Call {
        network: Arc::clone(network),
        callbacks: Callbacks::start(asking.clone(), Arc::clone(&timeline), out_of_order),
        state,
        timeline,
        asking,
        faults: placed.faults.clone(),
        orders: receiver,
        line: Line::new(placed.caller.clone()),
        media: MediaSums::default(),
        stream_sids: Vec::new(),
        base: None,
        placed,
        verbs: Vec::new(),
        sequence: 0,
    };
    (call, live, sender)
}

impl Call {
    async fn ring(&mut self, callee: &Callee, timeout: Duration) -> Result<(), Leave> {
        self.set_status(CallStatus::Ringing);
        self.report_progress("ringing", &[]);
        let rings = callee.rings_for.min(timeout);
        self.meanwhile(tokio::time::sleep(rings)).await?;
        let status = match callee.outcome {
            _ if callee.rings_for >= timeout => CallStatus::NoAnswer,
            super::DialOutcome::Completed => return Ok(()),
            super::DialOutcome::Busy => CallStatus::Busy,
            super::DialOutcome::NoAnswer => CallStatus::NoAnswer,
            super::DialOutcome::Failed => CallStatus::Failed,
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
            self.timeline.note(Happening::Verb { element: element.clone() });
            let name = element.trim_matches(['<', '>']).split(' ').next().unwrap_or_default().to_owned();
            self.verbs.push(name);
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
        self.timeline.warn(problem);
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
        self.timeline.note(Happening::WebhookAsked { url: url.to_owned() });
        let asking = self.asking.clone();
        let began = Instant::now();
        let answer = self.meanwhile(async { asking.ask(method, url, form).await }).await?;
        Ok(match answer {
            Ok(answer) => {
                self.timeline.note(Happening::WebhookAnswered {
                    url: url.to_owned(),
                    status: answer.status,
                    took: began.elapsed(),
                });
                Ok(answer)
            }
            Err(problem) => {
                let problem = problem.to_string();
                self.timeline
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
                    self.timeline.warn(warning.clone());
                }
                Ok(document)
            }
            Err(warning) => {
                self.timeline.warn(warning.clone());
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
                    self.timeline
                        .warn(Warning::coded(15004, format!("{url:?} is relative, in inline TwiML")));
                    None
                }
            },
            Err(_) => {
                self.timeline.warn(Warning::coded(11100, format!("Invalid URL format: {url:?}")));
                None
            }
        }
    }

    /// Keeps the line going while `work` is under way.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Leave> {
        let mut work = pin!(work);
        let over = self.network.life.over.clone();
        loop {
            let order = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = over.cancelled() => return Err(Leave::End(End::ShutDown)),
                order = self.orders.recv() => order,
                () = sleep_until(self.line.next_tick()), if self.line.is_up() => {
                    self.tick(&[])?;
                    continue;
                }
            };
            self.take_order(order)?;
        }
    }

    /// Lives through `length` of the call, with this in the caller's ear.
    pub(super) async fn listen(&mut self, sound: &[i16], length: Duration) -> Result<(), Leave> {
        let ticks = length.as_millis().div_ceil(crate::sound::TICK.as_millis());
        let over = self.network.life.over.clone();
        let mut pieces = sound.chunks(crate::sound::TICK_SAMPLES);
        let mut lived = 0;
        while lived < ticks {
            let order = tokio::select! {
                biased;
                () = over.cancelled() => return Err(Leave::End(End::ShutDown)),
                order = self.orders.recv() => order,
                () = sleep_until(self.line.next_tick()) => {
                    self.tick(pieces.next().unwrap_or(&[]))?;
                    lived += 1;
                    continue;
                }
            };
            self.take_order(order)?;
        }
        Ok(())
    }

    /// One tick outside of a media stream.
    fn tick(&mut self, sound: &[i16]) -> Result<(), Leave> {
        let tick = self.line.tick(sound);
        self.note_caller(&tick);
        if tick.hangs_up { Err(Leave::End(End::CallerHungUp)) } else { Ok(()) }
    }

    pub(super) fn note_caller(&self, tick: &crate::caller::Tick) {
        match tick.noticed {
            Some(Change::Started) => self.timeline.note(Happening::AgentSpeechBegan),
            Some(Change::Stopped) => self.timeline.note(Happening::AgentSpeechEnded),
            None => {}
        }
        if tick.began_speaking {
            self.timeline.note(Happening::CallerSpeaks);
        }
        if let Some(digit) = tick.pressed {
            self.timeline.note(Happening::CallerPressed { digit });
        }
        if tick.lost_patience {
            self.timeline.note(Happening::CallerLostPatience);
        }
    }

    /// An order where no media stream is open.
    pub(super) fn take_order(&mut self, order: Option<Order>) -> Result<(), Leave> {
        match order {
            Some(Order::Press(digits)) => self.line.caller.press(&digits),
            Some(Order::Speak(frame)) => self.line.caller.speak(&frame),
            Some(Order::HangUp) => return Err(Leave::End(End::CallerHungUp)),
            Some(Order::Complete) => return Err(Leave::End(End::CompletedByRest)),
            Some(Order::Cancel) if !self.line.is_up() => return Err(Leave::End(End::Canceled)),
            Some(Order::Replace(source)) => {
                self.timeline.note(Happening::Redirected);
                return Err(Leave::Goto(source));
            }
            // These need a socket.
            Some(Order::KillSocket(_) | Order::SecondSocket | Order::SendText(_) | Order::Cancel) => {}
            // The state, which this call holds itself, owns a sender.
            None => return Err(Leave::End(End::ShutDown)),
        }
        Ok(())
    }
}

pub(super) fn rfc2822(time: Timestamp) -> String {
    jiff::fmt::rfc2822::to_string(&time.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
}
