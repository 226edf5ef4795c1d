//! One call, from its first ring to its report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::dialect::Spoken;
use super::webhook::{self, Status, Told};
use super::{
    Callee, DialOutcome, End, Happening, LiveCall, Network, PlacedCall, StreamHabits, Warning, Way, Webhooks,
};
use crate::chance;
use crate::phone::call::Phone;
use crate::phone::callbacks::{Callback, Callbacks};
use crate::phone::order::Leave;
use crate::phone::stream::{Opening, StreamOver};

const RINGS_AT_MOST: Duration = Duration::from_secs(60);
/// A caller whose gateway has left hears silence, and hangs up long before this.
const SILENCE: Duration = Duration::from_secs(86_400);

/// A call in its own task.
struct Call {
    network: Arc<Network>,
    phone: Phone,
    callbacks: Callbacks,
    placed: PlacedCall,
    stream: StreamHabits,
    webhooks: Webhooks,
    call_id: String,
    /// The gateway's own name for a call that it asked for.
    reference: Option<String>,
    is_outbound: bool,
    began: Timestamp,
}

/// An inbound call.
pub(super) fn place(network: &Arc<Network>, placed: PlacedCall) -> LiveCall {
    let (call, live) = prepare(network, placed, None);
    spawn(network, async move {
        let mut call = call;
        let end = Box::pin(call.connect()).await;
        call.over(end).await;
    });
    live
}

/// An outbound call: the callee rings and perhaps answers, only then the gateway is asked for a socket.
pub(super) fn originate(
    network: &Arc<Network>,
    placed: PlacedCall,
    callee: Callee,
    reference: String,
) -> LiveCall {
    let (call, live) = prepare(network, placed, Some(reference));
    spawn(network, async move {
        let mut call = call;
        let end = match call.ring(&callee).await {
            Ok(()) => Box::pin(call.connect()).await,
            Err(Leave::End(end)) => end,
            Err(Leave::Goto(_)) => End::OutOfVerbs,
        };
        call.over(end).await;
    });
    live
}

fn spawn(network: &Arc<Network>, call: impl Future<Output = ()> + Send + 'static) {
    network.live.fetch_add(1, Ordering::SeqCst);
    let network = Arc::clone(network);
    network.life.tasks.clone().spawn(Box::pin(async move {
        call.await;
        network.live.fetch_sub(1, Ordering::SeqCst);
    }));
}

fn prepare(network: &Arc<Network>, placed: PlacedCall, reference: Option<String>) -> (Call, LiveCall) {
    let call_id = placed.call_id.clone().unwrap_or_else(|| chance::sid("mc"));
    let (phone, live) = Phone::new(call_id.clone(), placed.caller.clone(), &network.tls, &network.life);
    let webhooks = placed.webhooks.clone().unwrap_or_else(|| network.config.webhooks.clone());
    let call = Call {
        network: Arc::clone(network),
        callbacks: Callbacks::start(network.web.clone(), Arc::clone(&phone.timeline), webhooks.out_of_order),
        phone,
        stream: placed.stream.clone().unwrap_or_else(|| network.config.stream.clone()),
        webhooks,
        placed,
        call_id,
        is_outbound: reference.is_some(),
        reference,
        began: Timestamp::now(),
    };
    (call, live)
}

impl Call {
    async fn ring(&mut self, callee: &Callee) -> Result<(), Leave> {
        self.phone.meanwhile(sleep(callee.rings_for.min(RINGS_AT_MOST))).await?;
        let status = match callee.outcome {
            _ if callee.rings_for >= RINGS_AT_MOST => "no-answer",
            DialOutcome::Completed => {
                self.answer();
                return Ok(());
            }
            other => other.status(),
        };
        Err(Leave::End(End::NotAnswered { status: status.into() }))
    }

    fn answer(&mut self) {
        if !self.phone.line.is_up() {
            self.phone.line.answer();
            self.phone.note(Happening::Answered);
        }
    }

    /// Finds the media socket and stays on it.
    async fn connect(&mut self) -> End {
        match self.talk().await {
            Ok(end) | Err(Leave::End(end)) => end,
            // Nobody can send this carrier's calls anywhere.
            Err(Leave::Goto(_)) => End::OutOfVerbs,
        }
    }

    async fn talk(&mut self) -> Result<End, Leave> {
        let url = match self.placed.way.clone() {
            Way::Socket { url } => url,
            Way::Webhook { refurl } => match self.ask(&refurl).await? {
                Ok(url) => url,
                Err(problem) => return Ok(End::ApplicationError { problem }),
            },
        };
        self.answer();
        self.report_answer();
        let opening = Opening {
            parameters: self.placed.facts.clone(),
            faults: self.placed.faults.clone(),
            ..Opening::at(&url)
        };
        let dialect = Spoken::new(&self.call_id, self.stream.clone(), self.placed.facts.clone());
        match Box::pin(self.phone.stream(&opening, Box::new(dialect))).await? {
            StreamOver::Refused => {
                Ok(End::ApplicationError { problem: "the media socket cannot be opened".into() })
            }
            StreamOver::HangUpAsked => Ok(End::HungUpByMessage),
            StreamOver::TransferAsked { number } => {
                let dialling = self.network.config.dialling.clone();
                let (outcome, _) =
                    self.phone.dial(vec![number.clone()], &dialling, RINGS_AT_MOST, None).await?;
                Ok(match outcome {
                    DialOutcome::Completed => End::Transferred { number },
                    failed => {
                        let problem =
                            format!("the transfer to {number} came to nothing: {}", failed.status());
                        End::ApplicationError { problem }
                    }
                })
            }
            StreamOver::ClosedByGateway | StreamOver::Lost | StreamOver::Stopped => {
                if !self.stream.ends_with_socket {
                    self.phone.listen(&[], SILENCE).await?;
                }
                Ok(End::StreamOver)
            }
        }
    }

    /// Asks the `refurl` for a socket, more than once if it must be.
    async fn ask(&mut self, refurl: &str) -> Result<Result<String, String>, Leave> {
        let mut found = Err("the refurl was never asked".to_owned());
        let mut attempts = self.webhooks.attempts.max(1);
        let mut asks_again = self.webhooks.asks_again;
        while attempts > 0 {
            attempts -= 1;
            let request = webhook::request(refurl, &self.webhooks, &self.told(None));
            self.phone.note(Happening::WebhookAsked { url: refurl.to_owned() });
            let web = self.network.web.clone();
            let began = Instant::now();
            let url = refurl.to_owned();
            found = match self.phone.meanwhile(async { web.ask(&request).await }).await? {
                Ok(answer) => {
                    let (status, took) = (answer.status, began.elapsed());
                    self.phone.note(Happening::WebhookAnswered { url, status, took });
                    webhook::socket_of(&answer)
                }
                Err(problem) => {
                    let problem = problem.to_string();
                    self.phone.note(Happening::WebhookFailed { url, problem: problem.clone() });
                    Err(problem)
                }
            };
            match &found {
                Ok(_) if asks_again => {
                    asks_again = false;
                    attempts += 1;
                }
                Ok(_) => break,
                Err(problem) => {
                    self.phone.timeline.warn(Warning::plain(problem.clone()));
                    if attempts > 0 {
                        self.phone.meanwhile(sleep(self.webhooks.between_attempts)).await?;
                    }
                }
            }
        }
        Ok(found)
    }

    fn told(&self, status: Option<Status>) -> Told<'_> {
        Told {
            call_id: &self.call_id,
            is_outbound: self.is_outbound,
            from: &self.placed.from,
            to: &self.placed.to,
            account_id: &self.network.config.account_id,
            reference: self.reference.as_deref(),
            began: self.began,
            status,
        }
    }

    fn report_answer(&self) {
        let status =
            Status { dial_status: "ANSWER", ended: None, talked: Duration::ZERO, by_customer: false };
        self.report(status);
    }

    fn report(&self, status: Status) {
        let Way::Webhook { refurl } = &self.placed.way else { return };
        let event = status.dial_status.to_owned();
        let request = webhook::request(refurl, &self.webhooks, &self.told(Some(status)));
        for _ in 0..=u8::from(self.webhooks.reports_twice) {
            self.callbacks.send(Callback { event: event.clone(), request: request.clone() });
        }
    }

    async fn over(self, end: End) {
        let dial_status = match &end {
            End::NotAnswered { status } if status == "busy" => "BUSY",
            End::NotAnswered { status } if status == "no-answer" => "NOANSWER",
            End::NotAnswered { .. } => "EXECUTIVE BUSY",
            _ if self.phone.line.is_up() => "ANSWER",
            _ => "CANCEL",
        };
        self.report(Status {
            dial_status,
            ended: Some(Timestamp::now()),
            talked: self.phone.line.up_for(),
            by_customer: end == End::CallerHungUp,
        });
        let over = self.network.life.over.clone();
        tokio::select! {
            () = self.callbacks.finish() => {}
            () = over.cancelled() => {}
        }
        self.phone.over(end);
    }
}
