//! What becomes of a placed call: what its carrier reports, what we decide, and the record of one that was not reached.

use std::sync::Arc;
use std::time::Instant;

use call::{CallId, EndCause, Entry, Fact, Moment, Order, PhaseName, Unreached};
use tracing::{debug, info, warn};

use super::board::{Arrival, Use};
use super::place::MEDIA_WITHIN;
use super::{Named, Progress, State};
use crate::carrier_kind::CarrierKind;
use crate::control::{self, Handle};
use crate::events::Event;
use crate::gateway::Gateway;
use crate::ops::logs::call_span;
use crate::records::CallRecord;
use crate::switchboard::{CallView, Direction, Knock, LiveCall, Refusal, Reservation, Seat};

/// The place of a call that we placed, for a carrier that asks where its media goes.
#[derive(Clone, Debug)]
pub(crate) enum PlaceOf {
    Call(Reservation),
    /// The call lives, and there is no room for another media socket of it.
    Full(Refusal),
    /// Nobody waits for it any more.
    Over,
    /// We have placed no such call with this carrier.
    NotOurs,
}

impl Gateway {
    /// Where the media of a call that we placed goes. A carrier that asks again for a call that lives gets a place for
    /// another media socket, which takes over from the first.
    pub(crate) fn place_of_outbound(
        self: &Arc<Self>,
        carrier: CarrierKind,
        id: CallId,
        carrier_call: Option<&str>,
    ) -> PlaceOf {
        let Some(id) = self.outbound.board().find(carrier, Named::Ours(id)) else { return PlaceOf::NotOurs };
        if let Some(name) = carrier_call {
            self.name_outbound(carrier, id, name);
        }
        if let Some(reservation) = self.switchboard.expected(id) {
            return PlaceOf::Call(reservation);
        }
        let live = self.switchboard.find(id).filter(|live| live.end().is_none());
        let again =
            live.and_then(|live| Some((live.knock().clone(), live.carrier_call(), self.bot(live.bot())?)));
        match again {
            Some((knock, name, bot)) => {
                let carrier_call = carrier_call.map(str::to_owned).or(name);
                match self.switchboard.reserve(Knock { carrier_call, ..knock }, bot) {
                    Ok(reservation) => PlaceOf::Call(reservation),
                    Err(refusal) => PlaceOf::Full(refusal),
                }
            }
            None => PlaceOf::Over,
        }
    }

    /// A carrier reports of a call that we placed. Reports may come twice, late and in any order. False when it is no call
    /// that we placed with this carrier.
    pub(crate) fn report_outbound(
        self: &Arc<Self>,
        carrier: CarrierKind,
        named: Named<'_>,
        progress: &Progress,
    ) -> bool {
        let found = self.outbound.board().find(carrier, named);
        let Some(id) = found else { return false };
        debug!(call = %id, carrier = carrier.name(), ?progress, "a carrier reports on a call that we placed");
        match progress {
            Progress::Ringing => self.outbound_moved(id, State::Ringing),
            Progress::Answered | Progress::Person => self.outbound_moved(id, State::Answered),
            Progress::Machine => {
                self.outbound_moved(id, State::Answered);
                if let Some(entry) = self.outbound.board().get_mut(id) {
                    entry.machine = true;
                }
                if let Some(live) = self.switchboard.find(id) {
                    live.order(Order::MachineAnswered);
                }
            }
            Progress::Over { why, detail } => match self.switchboard.find(id) {
                Some(live) => {
                    live.order(Order::CarrierSaysOver { detail: detail.clone() });
                }
                None => {
                    let end = match why {
                        Some(why) => EndCause::NotReached { why: *why, detail: detail.clone() },
                        // Somebody answered, and the sound never came to us.
                        None => EndCause::NeverStarted,
                    };
                    self.not_reached(id, end, false);
                }
            },
        }
        true
    }

    /// A carrier says by which name it knows a call that we placed.
    pub(crate) fn name_outbound(self: &Arc<Self>, carrier: CarrierKind, id: CallId, carrier_call: &str) {
        let (of_use, token) = {
            let mut board = self.outbound.board();
            let of_use = board.name(carrier, id, carrier_call);
            (of_use, board.get(id).map(|entry| entry.token.clone()))
        };
        match of_use {
            Use::Known => {
                if let Some(token) = token {
                    self.switchboard.name_reservation(&token, carrier_call);
                }
            }
            Use::TakeBack => {
                let carrier_call = Some(carrier_call.to_owned());
                self.take_back(id, carrier, Handle { carrier_call, request: None });
            }
            Use::None => {}
        }
    }

    /// A carrier says by which name it knows our request for a call.
    pub(super) fn name_request(self: &Arc<Self>, carrier: CarrierKind, id: CallId, request: String) {
        let of_use = self.outbound.board().name_request(id, request.clone());
        if of_use == Use::TakeBack {
            self.take_back(id, carrier, Handle { carrier_call: None, request: Some(request) });
        }
    }

    fn outbound_moved(&self, id: CallId, state: State) {
        let until = (state == State::Answered).then(|| Instant::now() + MEDIA_WITHIN);
        if self.outbound.board().progress(id, state, until) {
            self.publish_outbound(id);
        }
    }

    /// Tells listeners how far a call has come that is on no other list.
    pub(super) fn publish_outbound(&self, id: CallId) {
        let view = self.outbound.board().get(id).map(|entry| entry.view(id));
        if let Some(view) = view {
            self.events.publish(Event::Call(Box::new(view)));
        }
    }

    /// The media of a call that we placed is here. False when it comes too late: the call is over already.
    pub(crate) fn outbound_arrives(&self, carrier: CarrierKind, seat: &Seat) -> bool {
        let mut board = self.outbound.board();
        match board.arrive(seat.id) {
            Arrival::InTime => {
                self.metrics.outbound_call(carrier.name(), "answered");
                true
            }
            Arrival::TooLate => false,
            Arrival::NotAwaited => {
                if let Some(name) = &seat.knock.carrier_call {
                    board.go_on(carrier, name, seat.id);
                }
                true
            }
        }
    }

    /// A call that we placed is live: what was learnt before is told to it.
    pub(crate) fn outbound_is_live(&self, live: &LiveCall) {
        if self.outbound.board().get(live.id()).is_some_and(|entry| entry.machine) {
            live.order(Order::MachineAnswered);
        }
    }

    /// A live call that we placed is over.
    pub(crate) fn outbound_is_over(&self, id: CallId) {
        let pass = self.outbound.board().remove(id, false);
        if let Some(pass) = pass {
            self.outbound.guard().over(pass);
        }
    }

    /// Takes a call back that has not been answered. False when there is none such.
    pub fn cancel_outbound(self: &Arc<Self>, id: CallId, by: &str) -> bool {
        let Some(carrier) = self.outbound.board().get(id).map(|entry| entry.carrier) else { return false };
        let detail = match control::can_cancel(carrier) {
            true => format!("taken back by {by}"),
            false => format!(
                "given up by {by}; {} takes no call back, so the telephone may ring on, and whoever answers is let go",
                carrier.table().title
            ),
        };
        self.give_up(id, EndCause::NotReached { why: Unreached::Cancelled, detail })
    }

    /// Its time is over, and the carrier has not said what became of it.
    pub(super) fn ran_out(self: &Arc<Self>, id: CallId) {
        let answered = self.outbound.board().get(id).is_some_and(|entry| entry.state == State::Answered);
        let end = match answered {
            true => EndCause::NeverStarted,
            false => {
                let detail = "the carrier reported nothing else in time".to_owned();
                EndCause::NotReached { why: Unreached::NoAnswer, detail }
            }
        };
        self.give_up(id, end);
    }

    /// Takes back everything that has not been answered: the gateway goes down.
    pub fn drain_outbound(self: &Arc<Self>) {
        let waiting = self.outbound.board().waiting();
        if !waiting.is_empty() {
            info!(calls = waiting.len(), "taking back calls that nobody has answered yet");
        }
        for id in waiting {
            let detail = "the gateway was shut down".to_owned();
            self.give_up(id, EndCause::NotReached { why: Unreached::Cancelled, detail });
        }
    }

    /// Ends a call that waits, here and at its carrier.
    fn give_up(self: &Arc<Self>, id: CallId, end: EndCause) -> bool {
        let request = self.outbound.board().get(id).and_then(|entry| entry.request.clone());
        let Some(view) = self.not_reached(id, end, true) else { return false };
        let handle = Handle { carrier_call: view.carrier_call, request };
        if let Some(carrier) = CarrierKind::named(&view.carrier).filter(|_| !handle.is_empty()) {
            self.take_back(id, carrier, handle);
        }
        true
    }

    fn take_back(self: &Arc<Self>, id: CallId, carrier: CarrierKind, handle: Handle) {
        let carrier_call = handle.carrier_call.as_deref().or(handle.request.as_deref());
        if !control::can_cancel(carrier) {
            let title = carrier.table().title;
            info!(call = %id, carrier_call, "{title} takes no call back; whoever answers is let go");
            return;
        }
        let gateway = Arc::clone(self);
        self.spawn(async move {
            match control::cancel(&gateway, carrier, &handle).await {
                Ok(()) => debug!(call = %id, "the carrier has taken the call back"),
                Err(detail) => {
                    let carrier_call = handle.carrier_call.or(handle.request);
                    warn!(call = %id, carrier_call, "a call could not be taken back: {detail}");
                }
            }
        });
    }

    /// A placed call is over without having become a live one: its place is free, its record says why. None when it lives,
    /// or is over already.
    pub(super) fn not_reached(&self, id: CallId, end: EndCause, given_up: bool) -> Option<CallView> {
        let (view, token, began) = {
            let mut board = self.outbound.board();
            let entry = board.settle(id)?;
            (entry.view(id), entry.token.clone(), entry.began)
        };
        drop(self.switchboard.give_up(&token));
        let outcome = match &end {
            EndCause::NotReached { why, .. } => unreached_name(*why),
            other => other.name(),
        };
        self.metrics.outbound_call(&view.carrier, outcome);
        let span = call_span(id, &view.carrier, &view.bot, view.to.as_deref());
        span.in_scope(|| info!(outcome, waited_ms = view.duration_ms, "call not reached: {}", end.words()));
        // The record goes first: whoever hears of the end may ask for it at once.
        let at = Moment::START + began.elapsed();
        self.records.record(CallRecord {
            id,
            direction: Direction::Outbound,
            carrier: view.carrier.clone(),
            bot: view.bot.clone(),
            from: view.from.clone(),
            to: view.to.clone(),
            carrier_call: view.carrier_call.clone(),
            carrier_facts: Default::default(),
            carrier_start: None,
            agent_session: None,
            started_at: view.started_at,
            ended_at: jiff::Timestamp::now(),
            end: end.clone(),
            receipt: serde_json::Value::Null,
            turns: Vec::new(),
            ledger: vec![Entry { at, fact: Fact::Ended { end: end.clone() } }],
        });
        let over = CallView {
            state: None,
            phase: PhaseName::Over,
            end_words: Some(end.words()),
            end: Some(end),
            ..view.clone()
        };
        self.events.publish(Event::Call(Box::new(over)));
        let pass = self.outbound.board().remove(id, given_up);
        if let Some(pass) = pass {
            self.outbound.guard().over(pass);
        }
        Some(view)
    }

    /// The placed calls that are not over, as far as they are known here; of those that live the switchboard knows more.
    pub fn outbound_views(&self) -> Vec<CallView> {
        self.outbound.board().views()
    }

    /// One of them.
    pub fn outbound_view(&self, id: CallId) -> Option<CallView> {
        self.outbound.board().get(id).map(|entry| entry.view(id))
    }
}

/// In one word, for metrics.
fn unreached_name(why: Unreached) -> &'static str {
    match why {
        Unreached::Busy => "busy",
        Unreached::NoAnswer => "no_answer",
        Unreached::Rejected => "rejected",
        Unreached::Failed => "failed",
        Unreached::Cancelled => "cancelled",
    }
}
