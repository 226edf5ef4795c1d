//! The Legs API: calls that are steered while they last, streams that carry µ-law unless told otherwise.
//!
//! A leg is a call without a flow: it waits for actions, and reports what happens to it as JSON events. Of the ExoML
//! verbs those for streams and for hanging up are emulated; playing and speaking are refused in words.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::action::Action;
use super::answer::is_number;
use super::call::{Call, CallState, Direction};
use super::report::Report;
use super::rest_error::RestError;
use super::{Applet, Network, PlacedCall};
use crate::caller::Caller;
use crate::chance;
use crate::faults::Faults;
use crate::phone::order::{Leave, Source};
use crate::phone::web::{Body, Request, basic};
use crate::phone::{Callee, DialOutcome, End, LiveCall, Method, Warning};

const SECONDS_MAX: u64 = 14_400;

/// A call to be placed to an ExoPhone that has no flow but an event endpoint.
#[derive(Clone, Debug)]
pub struct PlacedLeg {
    pub from: String,
    pub to: String,
    pub event_endpoint: String,
    pub caller: Caller,
    /// Faults of the media socket.
    pub faults: Faults,
}

/// Where a leg's events go, and what they repeat.
#[derive(Clone, Debug)]
struct Events {
    endpoint: String,
    custom: Option<String>,
    contact: String,
    exophone: String,
}

pub(super) fn routes() -> Router<Arc<Network>> {
    Router::new()
        .route("/v2/accounts/{account}/legs", post(create))
        .route("/v2/accounts/{account}/legs/{leg}/actions", post(actions))
        .route("/v2/accounts/{account}/legs/{leg}/actions/{action}", post(action))
        .route("/v2/accounts/{account}/bridges", post(bridge))
}

fn read(body: &[u8]) -> Result<Map<String, Value>, RestError> {
    // `{}` may be left out.
    let body = if body.is_empty() { b"{}" } else { body };
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(RestError::bad("The body is not a JSON object".into())),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn needed<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, RestError> {
    text(object, name).ok_or_else(|| RestError::bad(format!("Mandatory parameter missing: {name}")))
}

/// The envelope of the v2 API.
fn answer(network: &Network, done: Result<Value, RestError>) -> Response {
    match done {
        Ok(data) => Json(json!({
            "request_id": chance::sid(""), "method": "POST", "http_code": 200,
            "response": {"code": 200, "error_data": null, "status": "success", "data": data},
        }))
        .into_response(),
        Err(error) => error.answer(network.config.letter_case),
    }
}

async fn create(State(network): State<Arc<Network>>, body: Bytes) -> Response {
    let created = read(&body).and_then(|object| network.count_order().map(|()| object)).and_then(|object| {
        let order = LegOrder::read(&object)?;
        let state = originate(&network, order);
        Ok(json!({"leg_sid": state.sid, "account_sid": network.config.account_sid,
            "contact_uri": state.to, "exophone": state.from, "state": "connecting"}))
    });
    answer(&network, created)
}

#[derive(Debug)]
struct LegOrder {
    events: Events,
    rings_at_most: Duration,
    lasts_at_most: Duration,
}

impl LegOrder {
    fn read(object: &Map<String, Value>) -> Result<LegOrder, RestError> {
        let (contact, exophone) = (needed(object, "contact_uri")?, needed(object, "exophone")?);
        let network = text(object, "network_type").unwrap_or("pstn");
        if !["pstn", "voip"].contains(&network) || (network == "voip") != contact.starts_with("sip:") {
            return Err(RestError::bad(format!("Invalid parameter: network_type {network}")));
        }
        if network == "pstn" && !is_number(contact) {
            return Err(RestError::bad(format!("Invalid parameter: contact_uri {contact}")));
        }
        let endpoint = needed(object, "leg_event_endpoint")?;
        match url::Url::parse(endpoint) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => {}
            _ => {
                let problem = "Invalid parameter: leg_event_endpoint; only HTTP is emulated, gRPC is not";
                return Err(RestError::bad(problem.to_owned()));
            }
        }
        let seconds = |name: &str, otherwise: u64| match object.get(name) {
            None => Ok(Duration::from_secs(otherwise)),
            Some(value) => match value.as_u64() {
                Some(seconds) if (1..=SECONDS_MAX).contains(&seconds) => Ok(Duration::from_secs(seconds)),
                _ => Err(RestError::bad(format!("Invalid parameter: {name} {value}"))),
            },
        };
        Ok(LegOrder {
            rings_at_most: seconds("timeout", 30)?.min(seconds("ring_timeout", 30)?),
            lasts_at_most: seconds("time_limit", SECONDS_MAX)?,
            events: Events {
                endpoint: endpoint.to_owned(),
                custom: text(object, "custom_param").map(str::to_owned),
                contact: contact.to_owned(),
                exophone: exophone.to_owned(),
            },
        })
    }
}

fn leg(
    network: &Arc<Network>,
    (from, to): (String, String),
    direction: Direction,
    caller: Caller,
    faults: Faults,
) -> (Call, LiveCall) {
    let placed = PlacedCall {
        from,
        to,
        proof: network.config.proof.clone(),
        manner: network.config.leg_manner.clone(),
        caller,
        faults,
        ..PlacedCall::to(Applet::Static(String::new()))
    };
    Call::new(network, placed, direction)
}

/// Somebody calls a number whose events the gateway gets.
pub(super) fn place(network: &Arc<Network>, placed: PlacedLeg) -> LiveCall {
    let events = Events {
        endpoint: placed.event_endpoint,
        custom: None,
        contact: placed.from.clone(),
        exophone: placed.to.clone(),
    };
    let (mut call, live) =
        leg(network, (placed.from, placed.to), Direction::Incoming, placed.caller, placed.faults);
    network.life.tasks.spawn(Box::pin(async move {
        call.answer();
        call.tell_event(&events, "leg_answered", "in-progress");
        let end = call.obey_actions().await;
        call.leg_over(&events, end).await;
    }));
    live
}

fn originate(network: &Arc<Network>, order: LegOrder) -> Arc<CallState> {
    let LegOrder { events, rings_at_most, lasts_at_most } = order;
    let callee: Callee = network.callee(&events.contact);
    let numbers = (events.exophone.clone(), events.contact.clone());
    let (mut call, live) =
        leg(network, numbers, Direction::Outbound, callee.caller.clone(), callee.faults.clone());
    call.lasts_at_most = lasts_at_most;
    let state = Arc::clone(&call.state);
    network.life.tasks.spawn(Box::pin(async move {
        call.tell_event(&events, "leg_connecting", "connecting");
        call.tell_event(&events, "leg_ringing", "ringing");
        let end = match call.ring(&callee, rings_at_most).await {
            Ok(()) => {
                call.tell_event(&events, "leg_answered", "in-progress");
                call.obey_actions().await
            }
            Err(leave) => super::call::ended(leave),
        };
        call.leg_over(&events, end).await;
    }));
    let _ = network.originated.try_send(live);
    state
}

impl Call {
    /// Waits for actions and carries them out, until the leg ends.
    async fn obey_actions(&mut self) -> End {
        let mut leave = self.wait().await;
        loop {
            let action = match leave {
                Leave::End(end) => return end,
                Leave::Goto(Source::Inline(exoml)) => Action::read(&exoml),
                Leave::Goto(Source::Url { url, .. }) => Err(format!("no action is at {url}")),
            };
            let left = match action {
                Ok(Action::StartStream { url, wanted }) => {
                    self.enter("StartStream");
                    self.manner = wanted.put_on(&self.network.config.leg_manner);
                    Box::pin(self.stream(&url, Some(wanted.rate))).await.map(|_| ())
                }
                Ok(Action::Bridge { number }) => {
                    self.enter("Bridge");
                    match Box::pin(self.bridged(number)).await {
                        Ok(end) => return end,
                        Err(leave) => Err(leave),
                    }
                }
                Ok(Action::StopStream | Action::Hangup) => Ok(()),
                Err(problem) => {
                    self.phone.timeline.warn(Warning::plain(format!("invalid: {problem}")));
                    Ok(())
                }
            };
            leave = match left {
                Ok(()) => self.wait().await,
                Err(leave) => leave,
            };
        }
    }

    async fn wait(&mut self) -> Leave {
        let forever = std::future::pending::<std::convert::Infallible>();
        match self.phone.meanwhile(forever).await {
            Ok(never) => match never {},
            Err(leave) => leave,
        }
    }

    /// The other leg has been answered already; the two talk.
    async fn bridged(&mut self, number: String) -> Result<End, Leave> {
        let mut dialling = self.network.config.dialling.clone();
        dialling.rings_for = Duration::ZERO;
        dialling.outcome = DialOutcome::Completed;
        self.phone.dial(vec![number.clone()], &dialling, Duration::from_secs(1), None).await?;
        Ok(End::Transferred { number })
    }

    fn tell_event(&self, events: &Events, name: &str, state: &str) {
        let event_sid = chance::sid("");
        let facts = self.state.facts();
        let body = json!({
            "event_sid": event_sid,
            "event_type": "leg_action_event",
            "event_name": name,
            "event_timestamp": jiff::Timestamp::now().to_string(),
            "action_sid": chance::sid(""),
            "action_custom_parameter": events.custom,
            "event_data": {"data": {}},
            "data": {
                "leg_sid": self.state.sid,
                "account_sid": self.network.config.account_sid,
                "contact_uri": events.contact,
                "exophone": events.exophone,
                "state": state,
                "start_time": facts.answered.map(|time| time.to_string()),
                "end_time": facts.ended.map(|time| time.to_string()),
                "date_created": self.state.created.to_string(),
                "date_updated": jiff::Timestamp::now().to_string(),
            },
        });
        let mut headers = Vec::new();
        if let Some((user, password)) = &self.network.config.leg_events_as {
            headers.push(("Authorization".to_owned(), basic(user, password)));
        }
        let url = events.endpoint.clone();
        let request = Request { method: Method::Post, url, headers, body: Body::Json(body) };
        self.reports.send(Report::of_leg(name, &event_sid, request));
    }

    async fn leg_over(self, events: &Events, end: End) {
        match &end {
            End::NotAnswered { status } if status == "failed" => {
                self.tell_event(events, "leg_failed_to_create", "failed");
            }
            End::NotAnswered { status } => self.tell_event(events, "leg_terminated", status),
            _ => self.tell_event(events, "leg_terminated", "completed"),
        }
        self.over(end).await;
    }
}

async fn action(
    State(network): State<Arc<Network>>,
    Path((_, leg, action)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let done = async {
        let object = read(&body)?;
        let action = match action.as_str() {
            "start_stream" => Action::start_stream(
                text(&object, "direction"),
                needed(&object, "url")?,
                text(&object, "content_type"),
            )
            .map_err(RestError::bad)?,
            "stop_stream" => Action::StopStream,
            "hangup" => Action::Hangup,
            other => return Err(RestError::not_found(other)),
        };
        network.act(&leg, action).await
    };
    let done = done.await;
    answer(&network, done)
}

async fn actions(
    State(network): State<Arc<Network>>,
    Path((_, leg)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let done = async {
        let object = read(&body)?;
        let action = Action::read(needed(&object, "exoml")?)
            .map_err(|problem| RestError::bad(format!("Invalid parameter: exoml {problem}")))?;
        network.act(&leg, action).await
    };
    let done = done.await;
    answer(&network, done)
}

async fn bridge(State(network): State<Arc<Network>>, body: Bytes) -> Response {
    let done = async {
        let object = read(&body)?;
        needed(&object, "bridge_event_endpoint")?;
        let sids: Vec<&str> = object
            .get("leg_sids")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let [first, second] = sids.as_slice() else {
            return Err(RestError::bad("Invalid parameter: leg_sids are not two".into()));
        };
        let (one, other) = (network.leg(first)?, network.leg(second)?);
        for (leg, peer) in [(&one, &other), (&other, &one)] {
            network.act(&leg.sid, Action::Bridge { number: peer.to.clone() }).await?;
        }
        Ok(json!({"bridge_sid": chance::sid(""), "leg_sids": [one.sid, other.sid], "state": "created"}))
    };
    let done = done.await;
    answer(&network, done)
}

impl Network {
    /// A leg that is up.
    fn leg(&self, sid: &str) -> Result<Arc<CallState>, RestError> {
        let leg = self.find(sid).ok_or_else(|| RestError::not_found(sid))?;
        match leg.facts().answered {
            Some(_) if !leg.status().is_final() => Ok(leg),
            _ => Err(RestError::bad(format!("The leg {sid} is not in progress"))),
        }
    }

    async fn act(&self, sid: &str, action: Action) -> Result<Value, RestError> {
        let leg = self.leg(sid)?;
        if leg.orders.send(action.order()).await.is_err() {
            return Err(RestError::bad(format!("The leg {sid} has just ended")));
        }
        Ok(json!({"action_sid": chance::sid(""), "leg_sid": sid}))
    }
}
