//! Which calls live here, and whether another may come in.
//!
//! Everybody who brings a call asks here first ([`Switchboard::reserve`] for a carrier that announces calls by webhook,
//! [`Switchboard::seat`] for one that comes with its media socket). A seat holds one of the places for calls and, where
//! the bot needs one, a slot of the agent; both come back when the seat is dropped, on whatever path.

mod ended;
mod live;
mod seat;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use call::{CallId, Moment, Order, SlotId, Slots};

use crate::config::{AgentKind, Bot, Config};

use ended::Ended;

pub use live::{Activity, CallView, LiveCall, Place};
pub use seat::{Direction, Knock, Refusal, Reservation, Seat, SlotLease};

/// From the webhook's answer to the media socket. Twilio needs a second; a caller who hangs up in between never comes.
const RESERVATION_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Switchboard {
    calls_max: usize,
    draining: AtomicBool,
    began: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    live: HashMap<CallId, Arc<LiveCall>>,
    /// Which call goes by this carrier's name for it.
    names: HashMap<(String, String), CallId>,
    /// Calls whose webhook was answered and whose media has not come yet, by their token.
    reserved: HashMap<String, (Seat, Instant)>,
    ended: Ended,
    seats: usize,
    slots: Slots,
}

impl Switchboard {
    pub fn new(config: &Config) -> Switchboard {
        let elevenlabs = &config.agents.elevenlabs;
        let lease = Duration::from_secs(u64::from(elevenlabs.slot_lease_s));
        Switchboard {
            calls_max: config.limits.calls as usize,
            draining: AtomicBool::new(false),
            began: Instant::now(),
            state: Arc::new(Mutex::new(State {
                live: HashMap::new(),
                names: HashMap::new(),
                reserved: HashMap::new(),
                ended: Ended::default(),
                seats: 0,
                slots: Slots::new(elevenlabs.slots as usize, lease),
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn now(&self) -> Moment {
        Moment::START + self.began.elapsed()
    }

    /// A place for a call whose media is here.
    pub fn seat(&self, knock: Knock, bot: Arc<Bot>) -> Result<Seat, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let mut state = self.state();
        state.forget_old_reservations();
        // Another socket of a call that is here takes that call's place; for a moment there are two of it.
        let replaces = knock
            .carrier_call
            .as_ref()
            .is_some_and(|name| state.names.contains_key(&(knock.carrier.clone(), name.clone())));
        if state.seats >= self.calls_max && !replaces {
            return Err(Refusal::AllLinesBusy { limit: self.calls_max });
        }
        let slot = match bot.agent {
            AgentKind::Demo => None,
            AgentKind::ElevenLabs => {
                let limit = state.slots.limit();
                match state.slots.take(self.now()) {
                    None if !replaces => return Err(Refusal::NoAgentSlot { limit }),
                    slot => slot,
                }
            }
        };
        state.seats += 1;
        drop(state);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = CallId::mint(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX), rand::random());
        Ok(Seat::new(id, knock, bot, self.lease(slot), replaces, Arc::clone(&self.state)))
    }

    /// A place for a call whose media will come with the returned token.
    pub fn reserve(&self, knock: Knock, bot: Arc<Bot>) -> Result<Reservation, Refusal> {
        self.reserve_for(knock, bot, RESERVATION_MAX)
    }

    /// A place for a call that may take this long until its media comes: one that we place has to ring first.
    pub fn reserve_for(&self, knock: Knock, bot: Arc<Bot>, within: Duration) -> Result<Reservation, Refusal> {
        if let Some(reservation) = self.state().reserved_already(&knock) {
            // The carrier asks again for the same call: the first answer got lost.
            return Ok(reservation);
        }
        if knock.carrier_call.as_deref().is_some_and(|name| self.state().ended.contains(&knock.carrier, name))
        {
            return Err(Refusal::Over);
        }
        let seat = self.seat(knock, bot)?;
        let id = seat.id;
        let bytes: [u8; 24] = rand::random();
        let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut state = self.state();
        if let Some(reservation) = state.reserved_already(&seat.knock) {
            // It asked twice at once. A seat locks the state when it is dropped.
            drop(state);
            drop(seat);
            return Ok(reservation);
        }
        state.reserved.insert(token.clone(), (seat, Instant::now() + within));
        Ok(Reservation { id, token })
    }

    /// The seat that a token stands for. Each token works once.
    pub fn claim(&self, token: &str) -> Option<Seat> {
        let mut state = self.state();
        state.forget_old_reservations();
        state.reserved.remove(token).map(|(seat, _)| seat)
    }

    /// Whether this token stands for a place that still waits.
    pub fn expects_token(&self, token: &str) -> bool {
        let mut state = self.state();
        state.forget_old_reservations();
        state.reserved.contains_key(token)
    }

    /// The seat of the call that this carrier has announced under this name.
    pub fn claim_named(&self, carrier: &str, carrier_call: &str) -> Option<Seat> {
        let mut state = self.state();
        state.forget_old_reservations();
        let token = state.token_of(carrier, carrier_call)?;
        state.reserved.remove(&token).map(|(seat, _)| seat)
    }

    /// The place that waits for this call, if it still does.
    pub fn expected(&self, id: CallId) -> Option<Reservation> {
        let mut state = self.state();
        state.forget_old_reservations();
        let found = state.reserved.iter().find(|(_, (seat, _))| seat.id == id);
        found.map(|(token, _)| Reservation { id, token: token.clone() })
    }

    /// The carrier has given the call that is expected under this token a name of its own.
    pub fn name_reservation(&self, token: &str, carrier_call: &str) -> bool {
        let mut state = self.state();
        let Some((seat, _)) = state.reserved.get_mut(token) else { return false };
        seat.knock.carrier_call = Some(carrier_call.to_owned());
        true
    }

    /// The place of the call that is expected under this token is free again; who was expected.
    pub fn give_up(&self, token: &str) -> Option<Knock> {
        self.claim(token).map(|seat| seat.knock.clone())
    }

    /// The call that is expected under this token is still worth waiting for: the agent's slot stays its own.
    pub fn renew_reservation(&self, token: &str) {
        let now = self.now();
        let mut state = self.state();
        let slot = state.reserved.get(token).and_then(|(seat, _)| seat.slot.as_ref()).map(SlotLease::id);
        if let Some(slot) = slot {
            state.slots.renew(slot, now);
        }
    }

    /// The carrier says that this call is over: what it asks about it from now on comes late.
    pub fn carrier_says_over(&self, carrier: &str, carrier_call: &str) {
        self.state().ended.add(carrier, carrier_call);
    }

    /// The caller hung up before media came.
    pub fn cancel_reservation(&self, carrier: &str, carrier_call: &str) -> bool {
        let mut state = self.state();
        let token = state.token_of(carrier, carrier_call);
        let seat = token.and_then(|token| state.reserved.remove(&token));
        // A seat locks the state when it is dropped.
        drop(state);
        seat.is_some()
    }

    /// Puts a call on the list for as long as the returned place is held. A call that the carrier already has here
    /// under the same name is told to make room.
    pub fn enter(&self, call: Arc<LiveCall>) -> Place {
        let mut state = self.state();
        let mut replaced = None;
        if let Some(name) = call.carrier_call() {
            let key = (call.carrier().to_owned(), name);
            if let Some(before) = state.names.insert(key, call.id()) {
                replaced = state.live.get(&before).cloned();
            }
        }
        state.live.insert(call.id(), Arc::clone(&call));
        drop(state);
        if let Some(before) = replaced {
            before.order(Order::Replaced);
        }
        Place::new(call, Arc::clone(&self.state))
    }

    pub fn find(&self, id: CallId) -> Option<Arc<LiveCall>> {
        self.state().live.get(&id).cloned()
    }

    /// The live call that a carrier knows by this name.
    pub fn find_by_name(&self, carrier: &str, carrier_call: &str) -> Option<Arc<LiveCall>> {
        let state = self.state();
        let id = state.names.get(&(carrier.to_owned(), carrier_call.to_owned()))?;
        state.live.get(id).cloned()
    }

    /// All live calls, oldest first.
    pub fn live(&self) -> Vec<Arc<LiveCall>> {
        let mut calls: Vec<_> = self.state().live.values().cloned().collect();
        calls.sort_by_key(|call| call.id());
        calls
    }

    pub fn live_count(&self) -> usize {
        self.state().live.len()
    }

    /// Places taken: live calls and those that are expected.
    pub fn seats(&self) -> (usize, usize) {
        let mut state = self.state();
        state.forget_old_reservations();
        (state.seats, self.calls_max)
    }

    /// Agent slots held, and how many there are.
    pub fn slots(&self) -> (usize, usize) {
        let state = self.state();
        (state.slots.held(), state.slots.limit())
    }

    /// A slot for a call that comes to need one later (a fallback bot).
    pub fn slot(&self) -> Option<SlotLease> {
        let slot = self.state().slots.take(self.now())?;
        self.lease(Some(slot))
    }

    fn lease(&self, slot: Option<SlotId>) -> Option<SlotLease> {
        slot.map(|slot| SlotLease::new(slot, Arc::clone(&self.state), self.began))
    }

    /// From now on no call comes in, and those that live are told how long they may.
    pub fn drain(&self, within: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        let expected: Vec<_> = self.state().reserved.drain().collect();
        drop(expected);
        for call in self.live() {
            call.order(Order::Drain { within });
        }
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}

impl State {
    /// The place that waits already for the call that knocks.
    fn reserved_already(&self, knock: &Knock) -> Option<Reservation> {
        let name = knock.carrier_call.as_deref()?;
        let now = Instant::now();
        self.reserved.iter().find_map(|(token, (seat, until))| {
            let same =
                seat.knock.carrier == knock.carrier && seat.knock.carrier_call.as_deref() == Some(name);
            (same && *until > now).then(|| Reservation { id: seat.id, token: token.clone() })
        })
    }

    fn token_of(&self, carrier: &str, carrier_call: &str) -> Option<String> {
        self.reserved.iter().find_map(|(token, (seat, _))| {
            (seat.knock.carrier == carrier && seat.knock.carrier_call.as_deref() == Some(carrier_call))
                .then(|| token.clone())
        })
    }

    fn forget_old_reservations(&mut self) {
        let now = Instant::now();
        let old: Vec<String> = self
            .reserved
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(token, _)| token.clone())
            .collect();
        for token in old {
            if let Some((mut seat, _)) = self.reserved.remove(&token) {
                // The state is locked here, so the seat gives back by hand what its drop would.
                seat.give_back(self);
            }
        }
    }
}

/// A panic elsewhere must not take the list of calls with it: every change of the state is whole when the lock is let
/// go.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
