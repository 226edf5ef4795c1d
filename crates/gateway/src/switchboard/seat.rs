//! The right to one call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use call::{CallId, Moment, SlotId};
use serde::{Deserialize, Serialize};

use super::{State, lock};
use crate::config::{Bot, Variable};

/// Who knocks, as far as the carrier says.
#[derive(Clone, Debug, Default)]
pub struct Knock {
    pub direction: Direction,
    pub carrier: String,
    /// The carrier's own name for the call.
    pub carrier_call: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Whatever else the carrier says about the call, by name: what its flow, or whoever placed the call, gave along.
    pub facts: Vec<(String, String)>,
    /// Values for the agent's placeholders, from whoever had the call placed.
    pub variables: BTreeMap<String, Variable>,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Inbound,
    /// We placed it.
    Outbound,
}

/// Why a call cannot come in now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("all {limit} lines are busy; raise `limits.calls` if the machine has room")]
    AllLinesBusy { limit: usize },
    #[error("all {limit} agent slots are in use; raise your plan, then `agents.elevenlabs.slots`")]
    NoAgentSlot { limit: usize },
    #[error("the gateway is shutting down")]
    Draining,
    #[error("the carrier has said that this call is over")]
    Over,
}

impl Refusal {
    /// In one word, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::AllLinesBusy { .. } => "all_lines_busy",
            Refusal::NoAgentSlot { .. } => "no_agent_slot",
            Refusal::Draining => "draining",
            Refusal::Over => "over",
        }
    }
}

/// A place that waits for its call's media.
#[derive(Clone, Debug)]
pub struct Reservation {
    pub id: CallId,
    /// Shown by the media socket, once.
    pub token: String,
}

/// A place for one call. Dropping it gives everything back.
#[derive(Debug)]
pub struct Seat {
    pub id: CallId,
    pub knock: Knock,
    pub bot: Arc<Bot>,
    pub slot: Option<SlotLease>,
    /// It takes the place of a call that is here under the same name, whose slot is free in a moment.
    pub replaces: bool,
    state: Option<Arc<Mutex<State>>>,
}

impl Seat {
    pub(super) fn new(
        id: CallId,
        knock: Knock,
        bot: Arc<Bot>,
        slot: Option<SlotLease>,
        replaces: bool,
        state: Arc<Mutex<State>>,
    ) -> Seat {
        Seat { id, knock, bot, slot, replaces, state: Some(state) }
    }

    /// Gives everything back to a state that is already locked.
    pub(super) fn give_back(&mut self, state: &mut State) {
        if self.state.take().is_some() {
            state.seats -= 1;
            if let Some(slot) = self.slot.take() {
                slot.give_back(state);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            lock(&state).seats -= 1;
        }
    }
}

/// The right to one session with the agent's provider; comes back when dropped, and by itself if never renewed.
#[derive(Debug)]
pub struct SlotLease {
    slot: SlotId,
    state: Option<Arc<Mutex<State>>>,
    began: Instant,
}

impl SlotLease {
    pub(super) fn new(slot: SlotId, state: Arc<Mutex<State>>, began: Instant) -> SlotLease {
        SlotLease { slot, state: Some(state), began }
    }

    pub(super) fn id(&self) -> SlotId {
        self.slot
    }

    /// Says that the session still goes on.
    pub fn renew(&self) -> bool {
        let now = Moment::START + self.began.elapsed();
        self.state.as_ref().is_some_and(|state| lock(state).slots.renew(self.slot, now))
    }

    fn give_back(mut self, state: &mut State) {
        self.state = None;
        state.slots.release(self.slot);
    }
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            lock(&state).slots.release(self.slot);
        }
    }
}
