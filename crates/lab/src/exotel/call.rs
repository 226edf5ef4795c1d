//! One call, from its first ring to its report: the flow it lives through, its streams, and who is told of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::Rate;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::answer::{SAMPLE_RATE, custom_parameters};
use super::dialect::{ExotelDialect, Manner, Setting, Told};
use super::flow::{Flow, Then};
use super::order::{ConnectOrder, Connected};
use super::report::Reports;
use super::{Network, PlacedCall, Proof, StatusCallback};
use crate::faults::Faults;
use crate::phone::call::Phone;
use crate::phone::order::{Leave, Order};
use crate::phone::stream::{Opening, StreamOver};
use crate::phone::web::{Answer, Request, basic};
use crate::phone::{Callee, DialOutcome, End, Happening, LiveCall, Warning};
use crate::{chance, locked};

/// A stream lasts no longer, whatever the call's own limit.
const STREAM_LASTS_AT_MOST: Duration = Duration::from_secs(3_600);
const ACCEPTED_WITHIN: Duration = Duration::from_secs(10);
/// The handshake is retried once.
const ATTEMPTS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStatus {
    Queued,
    InProgress,
    Completed,
    Failed,
    Busy,
    NoAnswer,
}

impl CallStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Failed => "failed",
            CallStatus::Busy => "busy",
            CallStatus::NoAnswer => "no-answer",
        }
    }

    pub(super) fn is_final(self) -> bool {
        !matches!(self, CallStatus::Queued | CallStatus::InProgress)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Incoming,
    /// Placed by REST.
    Outbound,
}

/// What both APIs can see of a call.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) sid: String,
    /// Who calls and who is called: with calls that REST places, our number and the customer's.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) direction: Direction,
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
    pub(super) streaming: bool,
}

impl CallState {
    pub(super) fn facts(&self) -> CallFacts {
        *locked(&self.facts)
    }

    pub(super) fn status(&self) -> CallStatus {
        self.facts().status
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut CallFacts)) {
        change(&mut locked(&self.facts));
    }

    /// As the applets of a flow call it.
    pub(super) fn flow_direction(&self) -> &'static str {
        match self.direction {
            Direction::Incoming => "incoming",
            Direction::Outbound => "outbound-dial",
        }
    }

    /// As the REST API and its callbacks call it.
    pub(super) fn rest_direction(&self) -> &'static str {
        match self.direction {
            Direction::Incoming => "inbound",
            Direction::Outbound => "outbound-api",
        }
    }

    /// `From` of the REST API is whoever was called first.
    pub(super) fn rest_from(&self) -> (&str, &str) {
        match self.direction {
            Direction::Incoming => (&self.from, &self.to),
            Direction::Outbound => (&self.to, &self.from),
        }
    }
}

/// The stream that a call has had, for the applet after it.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftStream {
    pub(super) stream_sid: String,
    pub(super) url: String,
    pub(super) status: &'static str,
    pub(super) duration: Duration,
    pub(super) disconnected_by: &'static str,
}

/// A call in its own task.
pub(super) struct Call {
    pub(super) network: Arc<Network>,
    pub(super) state: Arc<CallState>,
    pub(super) phone: Phone,
    pub(super) faults: Faults,
    pub(super) manner: Manner,
    pub(super) proof: Proof,
    pub(super) reports: Reports,
    pub(super) flow_id: String,
    pub(super) custom_field: Option<String>,
    pub(super) extra_params: Vec<(String, String)>,
    pub(super) left: Option<LeftStream>,
    pub(super) lasts_at_most: Duration,
    pub(super) status_callback: Option<StatusCallback>,
}

/// Somebody calls an ExoPhone.
pub(super) fn place(network: &Arc<Network>, placed: PlacedCall) -> LiveCall {
    let flow = placed.flow.clone();
    let (mut call, live) = Call::new(network, placed, Direction::Incoming);
    network.life.tasks.spawn(Box::pin(async move {
        call.answer();
        let end = Box::pin(call.follow(&flow)).await.unwrap_or_else(ended);
        if end == End::CallerHungUp {
            call.tell_passthru(&flow);
        }
        call.over(end).await;
    }));
    live
}

/// An order by REST: the callee rings, and when the call is answered, it is connected.
pub(super) fn originate(network: &Arc<Network>, order: ConnectOrder) -> Arc<CallState> {
    let callee = network.callee(&order.number);
    let flow = match &order.then {
        Connected::Flow(flow) => flow.clone(),
        Connected::Stream(url) => {
            Flow { id: String::new(), applet: super::Applet::Static(url.clone()), then: Then::HangUp }
        }
    };
    let placed = PlacedCall {
        from: order.caller_id,
        to: order.number,
        call_sid: None,
        flow: flow.clone(),
        status_callback: order.status_callback,
        proof: network.config.proof.clone(),
        manner: network.config.manner.clone(),
        caller: callee.caller.clone(),
        faults: callee.faults.clone(),
        extra_params: Vec::new(),
    };
    let (mut call, live) = Call::new(network, placed, Direction::Outbound);
    call.custom_field = order.custom_field;
    call.lasts_at_most = order.lasts_at_most;
    let state = Arc::clone(&call.state);
    network.life.tasks.spawn(Box::pin(async move {
        let end = match call.ring(&callee, order.rings_at_most).await {
            Ok(()) => Box::pin(call.follow(&flow)).await.unwrap_or_else(ended),
            Err(leave) => ended(leave),
        };
        if end == End::CallerHungUp {
            call.tell_passthru(&flow);
        }
        call.over(end).await;
    }));
    // With nobody asking for handles the call goes on without one.
    let _ = network.originated.try_send(live);
    state
}

/// Nothing can give a flow new instructions.
pub(super) fn ended(leave: Leave) -> End {
    match leave {
        Leave::End(end) => end,
        Leave::Goto(_) => End::ApplicationError { problem: "instructions for a call that takes none".into() },
    }
}

impl Call {
    pub(super) fn new(network: &Arc<Network>, placed: PlacedCall, direction: Direction) -> (Call, LiveCall) {
        let sid = placed.call_sid.unwrap_or_else(|| chance::sid(""));
        let (phone, live) = Phone::new(sid.clone(), placed.caller, &network.tls, &network.life);
        let state = Arc::new(CallState {
            sid,
            from: placed.from,
            to: placed.to,
            direction,
            created: Timestamp::now(),
            orders: phone.orderer(),
            facts: Mutex::new(CallFacts {
                status: CallStatus::Queued,
                answered: None,
                ended: None,
                seconds: 0,
                streaming: false,
            }),
        });
        locked(&network.calls).insert(state.sid.clone(), Arc::clone(&state));
        let call = Call {
            reports: Reports::start(network, Arc::clone(&phone.timeline)),
            network: Arc::clone(network),
            state,
            phone,
            faults: placed.faults,
            manner: placed.manner,
            proof: placed.proof,
            flow_id: placed.flow.id,
            custom_field: None,
            extra_params: placed.extra_params,
            left: None,
            lasts_at_most: STREAM_LASTS_AT_MOST,
            status_callback: placed.status_callback,
        };
        (call, live)
    }

    pub(super) fn answer(&mut self) {
        self.phone.line.answer();
        self.state.change(|facts| {
            facts.status = CallStatus::InProgress;
            facts.answered = Some(Timestamp::now());
        });
        self.phone.note(Happening::Answered);
        self.tell_status("answered");
    }

    /// Until the callee answers.
    pub(super) async fn ring(&mut self, callee: &Callee, at_most: Duration) -> Result<(), Leave> {
        self.tell_status("ringing");
        self.phone.meanwhile(tokio::time::sleep(callee.rings_for.min(at_most))).await?;
        let status = match callee.outcome {
            _ if callee.rings_for >= at_most => CallStatus::NoAnswer,
            DialOutcome::Completed => {
                self.answer();
                return Ok(());
            }
            DialOutcome::Busy => CallStatus::Busy,
            DialOutcome::NoAnswer => CallStatus::NoAnswer,
            DialOutcome::Failed => CallStatus::Failed,
        };
        Err(Leave::End(End::NotAnswered { status: status.as_str().into() }))
    }

    /// Opens a stream and stays in it until it ends. A text is why there was none. The rate is the URL's, unless it has
    /// been said elsewhere.
    pub(super) async fn stream(&mut self, url: &str, rate: Option<Rate>) -> Result<Option<String>, Leave> {
        let (opening, told) = match self.opening(url) {
            Ok(opened) => opened,
            Err(problem) => {
                self.phone.timeline.warn(Warning::plain(format!("invalid: {problem}")));
                return Ok(Some(problem));
            }
        };
        let setting = Setting {
            told,
            rate: rate.unwrap_or_else(|| self.rate_of(&opening.url)),
            lasts_at_most: self.lasts_at_most.min(STREAM_LASTS_AT_MOST),
            orders: self.state.orders.clone(),
            life: self.network.life.clone(),
        };
        let dialect = Box::new(ExotelDialect::new(&self.manner, setting));
        let streams_before = self.phone.stream_sids.len();
        let began = Instant::now();
        self.state.change(|facts| facts.streaming = true);
        let over = self.phone.stream(&opening, dialect).await;
        self.state.change(|facts| facts.streaming = false);
        let (status, disconnected_by) = match &over {
            Ok(StreamOver::ClosedByGateway) => ("completed", "bot"),
            Ok(StreamOver::Refused | StreamOver::Lost) => ("failed", "bot"),
            Ok(_) | Err(_) => ("completed", "user"),
        };
        let opened = self.phone.stream_sids.len() > streams_before;
        self.left = Some(LeftStream {
            stream_sid: self.phone.stream_sids.last().cloned().unwrap_or_default(),
            url: opening.url,
            status,
            duration: if opened { began.elapsed() } else { Duration::ZERO },
            disconnected_by,
        });
        Ok((over? == StreamOver::Refused).then(|| "the stream was refused".to_owned()))
    }

    /// Where the socket is opened, with which proof.
    fn opening(&self, url: &str) -> Result<(Opening, Told), String> {
        let mut target = url::Url::parse(url).map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        let credentials = (decoded(target.username()), decoded(target.password().unwrap_or_default()));
        // Neither can fail on a URL that has a host, and one without is refused when it is dialled.
        let _ = target.set_username("");
        let _ = target.set_password(None);
        let mut headers = vec![("User-Agent".to_owned(), "Exotel/1.0".to_owned())];
        let mut authorize = |value: String| headers.push(("Authorization".to_owned(), value));
        let mut secret = None;
        match &self.proof {
            Proof::AsTheUrlSays if credentials.0.is_empty() && credentials.1.is_empty() => {}
            Proof::AsTheUrlSays => authorize(basic(&credentials.0, &credentials.1)),
            Proof::Basic { user, password } => authorize(basic(user, password)),
            Proof::Bearer(token) => authorize(format!("Bearer {token}")),
            Proof::Query(token) => {
                target.query_pairs_mut().append_pair("token", token);
            }
            Proof::Parameter(token) => secret = Some(token.clone()),
        }
        let mut parameters = custom_parameters(target.as_str());
        parameters.extend(secret.map(|token| ("token".to_owned(), token)));
        let told = Told {
            call_sid: self.state.sid.clone(),
            account_sid: self.network.config.account_sid.clone(),
            from: self.state.from.clone(),
            to: self.state.to.clone(),
            parameters: parameters.clone(),
        };
        let opening = Opening {
            headers,
            parameters,
            faults: self.faults.clone(),
            attempts: ATTEMPTS,
            accepted_within: ACCEPTED_WITHIN,
            ..Opening::at(target.as_str())
        };
        Ok((opening, told))
    }

    fn rate_of(&self, url: &str) -> Rate {
        let Some(text) = url::Url::parse(url).ok().and_then(|url| {
            let named = url.query_pairs().find(|(name, _)| name == SAMPLE_RATE);
            named.map(|(_, value)| value.into_owned())
        }) else {
            return Rate::Hz8000;
        };
        match text.as_str() {
            "8000" => Rate::Hz8000,
            "16000" => Rate::Hz16000,
            "24000" => Rate::Hz24000,
            odd => {
                let problem = format!("invalid: {SAMPLE_RATE}={odd}; 8000, 16000 and 24000 can be had");
                self.phone.timeline.warn(Warning::plain(problem));
                Rate::Hz8000
            }
        }
    }

    /// Asks a question and waits for its answer, while the line goes on.
    pub(super) async fn send(&mut self, request: Request) -> Result<Result<Answer, String>, Leave> {
        let url = named(&request.url);
        self.phone.note(Happening::WebhookAsked { url: url.clone() });
        let web = self.network.web.clone();
        let began = Instant::now();
        Ok(match self.phone.meanwhile(async { web.ask(&request).await }).await? {
            Ok(answer) => {
                let took = began.elapsed();
                self.phone.note(Happening::WebhookAnswered { url, status: answer.status, took });
                Ok(answer)
            }
            Err(problem) => {
                let problem = problem.to_string();
                self.phone.note(Happening::WebhookFailed { url, problem: problem.clone() });
                Err(problem)
            }
        })
    }
}

/// `YYYY-MM-DD HH:MM:SS`, in UTC.
pub(super) fn clock(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A URL as the timeline names it: without credentials, and without what the call itself put into the query.
fn named(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return url.to_owned() };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.into()
}

/// Percent-encoding undone.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    let value = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
    value.unwrap_or_default()
}
