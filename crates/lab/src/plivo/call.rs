//! One call, from its first ring to its report: asks for documents and goes through their elements.

mod progress;
mod verbs;

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::asking::Asking;
use super::documents::{self, Document};
use super::originate::Wishes;
use super::{Callee, DialOutcome, End, Happening, LiveCall, Method, Network, PlacedCall, Warning};
use crate::locked;
use crate::phone::call::Phone;
use crate::phone::callbacks::Callbacks;
use crate::phone::order::{Leave, Order, Source};
use crate::phone::web::Answer;

/// Documents one call may go through. A real polling loop pauses between two; this one has lost its way.
const DOCUMENTS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStatus {
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Cancel,
}

impl CallStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::Failed => "failed",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::Cancel => "cancel",
        }
    }

    pub(super) fn is_final(self) -> bool {
        !matches!(self, CallStatus::Ringing | CallStatus::InProgress)
    }
}

/// What REST can see of a call.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) uuid: String,
    /// Of calls that REST has originated.
    pub(super) request_uuid: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) orders: mpsc::Sender<Order>,
    status: Mutex<CallStatus>,
    /// The stream that is open.
    pub(super) stream: Mutex<Option<String>>,
}

impl CallState {
    pub(super) fn status(&self) -> CallStatus {
        *locked(&self.status)
    }

    pub(super) fn direction(&self) -> &'static str {
        if self.request_uuid.is_some() { "outbound" } else { "inbound" }
    }
}

/// A call in its own task.
pub(super) struct Call {
    pub(super) network: Arc<Network>,
    pub(super) state: Arc<CallState>,
    pub(super) phone: Phone,
    pub(super) asking: Asking,
    pub(super) callbacks: Callbacks,
    placed: PlacedCall,
    /// Found out by machine detection, if it was asked for.
    machine: Option<bool>,
}

/// An inbound call: rings, and the number's answer URL is asked.
pub(super) fn place(network: &Arc<Network>, placed: PlacedCall) -> LiveCall {
    let first =
        Source::Url { url: placed.answer_url.clone(), method: placed.answer_method, form: Vec::new() };
    let (mut call, live) = prepare(network, placed, None);
    network.life.tasks.spawn(Box::pin(async move {
        let end = Box::pin(call.go(first)).await;
        call.over(end).await;
    }));
    live
}

/// An outbound call: the callee rings and perhaps answers, only then the answer URL is asked.
pub(super) fn originate(
    network: &Arc<Network>,
    placed: PlacedCall,
    callee: Callee,
    wishes: Wishes,
    request_uuid: String,
) -> LiveCall {
    let first =
        Source::Url { url: placed.answer_url.clone(), method: placed.answer_method, form: Vec::new() };
    let (mut call, live) = prepare(network, placed, Some(request_uuid));
    network.life.tasks.spawn(Box::pin(async move {
        let end = match call.ring(&callee, &wishes).await {
            Ok(()) => Box::pin(call.go(first)).await,
            Err(Leave::End(end)) => end,
            Err(Leave::Goto(source)) => Box::pin(call.go(source)).await,
        };
        call.over(end).await;
    }));
    live
}

fn prepare(network: &Arc<Network>, placed: PlacedCall, request_uuid: Option<String>) -> (Call, LiveCall) {
    let uuid = placed.call_uuid.clone().unwrap_or_else(super::uuid);
    let (phone, live) = Phone::new(uuid.clone(), placed.caller.clone(), &network.tls, &network.life);
    let state = Arc::new(CallState {
        uuid,
        request_uuid,
        from: placed.from.clone(),
        to: placed.to.clone(),
        orders: phone.orderer(),
        status: Mutex::new(CallStatus::Ringing),
        stream: Mutex::default(),
    });
    locked(&network.calls).insert(state.uuid.clone(), Arc::clone(&state));
    let asking = Asking {
        web: network.web.clone(),
        token: network.config.auth_token.clone(),
        main_account_token: network.config.main_account_token.clone(),
        signing: placed.signing.clone(),
    };
    let call = Call {
        network: Arc::clone(network),
        callbacks: Callbacks::start(
            network.web.clone(),
            Arc::clone(&phone.timeline),
            network.config.reports_out_of_order,
        ),
        state,
        phone,
        asking,
        placed,
        machine: None,
    };
    (call, live)
}

impl Call {
    async fn ring(&mut self, callee: &Callee, wishes: &Wishes) -> Result<(), Leave> {
        if let Some((url, method)) = &wishes.ring_url {
            self.report("Ring", url, *method, Vec::new());
        }
        let rings = callee.rings_for.min(wishes.ring_timeout);
        self.phone.meanwhile(sleep(rings)).await?;
        let status = match callee.outcome {
            _ if callee.rings_for >= wishes.ring_timeout => CallStatus::NoAnswer,
            DialOutcome::Busy => CallStatus::Busy,
            DialOutcome::NoAnswer => CallStatus::NoAnswer,
            DialOutcome::Failed => CallStatus::Failed,
            DialOutcome::Completed => {
                self.answer();
                if let Some(limit) = wishes.time_limit {
                    let orders = self.state.orders.clone();
                    self.network.life.spawn(async move {
                        sleep(limit).await;
                        // A call that is over takes no orders.
                        let _ = orders.send(Order::Complete).await;
                    });
                }
                self.phone.play_digits_if_any(&wishes.send_digits);
                return self.detect(callee, wishes).await;
            }
        };
        Err(Leave::End(End::NotAnswered { status: status.as_str().into() }))
    }

    async fn detect(&mut self, callee: &Callee, wishes: &Wishes) -> Result<(), Leave> {
        let Some(detection) = &wishes.detection else { return Ok(()) };
        let machine = ("Machine".to_owned(), callee.is_machine.to_string());
        if let Some((url, method)) = &detection.url {
            // Beside the call, which goes on.
            self.report("MachineDetection", url, *method, vec![machine]);
        } else {
            self.phone.listen(&[], detection.takes).await?;
            self.machine = Some(callee.is_machine);
        }
        if detection.hangs_up && callee.is_machine {
            return Err(Leave::End(End::NotAnswered { status: "machine".into() }));
        }
        Ok(())
    }

    /// Goes from document to document until the call ends.
    async fn go(&mut self, first: Source) -> End {
        let mut source = first;
        let mut event = "StartApp";
        for _ in 0..DOCUMENTS_MAX {
            let document = match self.document(source, event, None).await {
                Ok(document) => document,
                Err(Leave::End(end)) => return end,
                Err(Leave::Goto(next)) => {
                    source = next;
                    continue;
                }
            };
            event = "Redirect";
            match Box::pin(self.run(document)).await {
                Ok(()) => return End::OutOfVerbs,
                Err(Leave::End(end)) => return end,
                Err(Leave::Goto(next)) => source = next,
            }
        }
        End::ApplicationError { problem: format!("more than {DOCUMENTS_MAX} documents in one call") }
    }

    async fn run(&mut self, document: Document) -> Result<(), Leave> {
        let mut verbs = document.verbs.into_iter().peekable();
        while let Some((element, verb)) = verbs.next() {
            self.phone.note(Happening::Verb { element: element.clone() });
            let name = element.trim_matches(['<', '>']).split(' ').next().unwrap_or_default().to_owned();
            self.phone.verbs.push(name);
            Box::pin(self.obey(verb, verbs.peek().is_none())).await?;
        }
        Ok(())
    }

    /// Fetches and reads a document. `failed` is the URL of a first attempt whose fallback this is.
    async fn document(
        &mut self,
        source: Source,
        event: &str,
        failed: Option<String>,
    ) -> Result<Document, Leave> {
        let (url, method, form) = match source {
            Source::Url { url, method, form } => (url, method, form),
            Source::Inline(_) => {
                return Err(Leave::End(End::ApplicationError { problem: "no inline documents".into() }));
            }
        };
        let mut parameters = self.parameters(event);
        parameters.extend(form);
        if let Some(url) = &failed {
            parameters.push(("FailedURL".into(), url.clone()));
        }
        let problem = match self.fetch(&url, method, &parameters).await? {
            Ok(answer) => match understand(&answer).and_then(|text| documents::read(&text)) {
                Ok(document) => {
                    for warning in &document.warnings {
                        self.phone.timeline.warn(warning.clone());
                    }
                    return Ok(document);
                }
                Err(problem) => problem,
            },
            Err(problem) => problem,
        };
        self.phone.timeline.warn(Warning::plain(problem.clone()));
        match (self.placed.fallback_url.clone(), failed) {
            (Some(fallback), None) => {
                let source = Source::Url { url: fallback, method: Method::Post, form: Vec::new() };
                Box::pin(self.document(source, event, Some(url))).await
            }
            _ => Err(Leave::End(End::ApplicationError { problem })),
        }
    }

    async fn fetch(
        &mut self,
        url: &str,
        method: Method,
        form: &[(String, String)],
    ) -> Result<Result<Answer, String>, Leave> {
        self.phone.note(Happening::WebhookAsked { url: url.to_owned() });
        let asking = self.asking.clone();
        let began = Instant::now();
        let answer = self.phone.meanwhile(async { asking.ask(method, url, form).await }).await?;
        Ok(match answer {
            Ok(answer) => {
                self.phone.note(Happening::WebhookAnswered {
                    url: url.to_owned(),
                    status: answer.status,
                    took: began.elapsed(),
                });
                Ok(answer)
            }
            Err(problem) => {
                let problem = problem.to_string();
                self.phone.note(Happening::WebhookFailed { url: url.to_owned(), problem: problem.clone() });
                Err(format!("no answer from {url}: {problem}"))
            }
        })
    }

    /// The parameters of every request about this call.
    fn parameters(&self, event: &str) -> Vec<(String, String)> {
        let mut form: Vec<(String, String)> = [
            ("CallUUID", self.state.uuid.as_str()),
            ("From", &self.state.from),
            ("To", &self.state.to),
            ("CallStatus", self.state.status().as_str()),
            ("Direction", self.state.direction()),
            ("ALegUUID", &self.state.uuid),
            ("BillRate", "0.0085"),
            ("Event", event),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        if let Some(request) = &self.state.request_uuid {
            form.push(("RequestUUID".into(), request.clone()));
            form.push(("ALegRequestUUID".into(), request.clone()));
        }
        if let Some(machine) = self.machine {
            form.push(("Machine".into(), machine.to_string()));
        }
        form.extend(self.placed.extra_params.iter().cloned());
        form
    }
}

fn understand(answer: &Answer) -> Result<String, String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("the document's status is {}", answer.status));
    }
    let kind = answer.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/xml" {
        return Err(format!("the document's content type is {:?}, not application/xml", answer.content_type));
    }
    String::from_utf8(answer.body.clone()).map_err(|_| "the document is not UTF-8".into())
}
