//! One live call, as everybody but its own task sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use call::{CallId, EndCause, Entry, Fact, Order, PhaseName, Turn};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Direction, Knock, State, lock};
use crate::outbound;

/// Orders that may wait for a call. People give few; a call that does not take them within a frame is stuck.
const ORDERS_MAX: usize = 32;

/// Lines of the ledger that are kept for those who look, and for the record. A call of an hour has some thousand.
const ENTRIES_MAX: usize = 10_000;

/// A live call. Its task writes, everybody else reads and gives orders.
#[derive(Debug)]
pub struct LiveCall {
    id: CallId,
    knock: Knock,
    /// The carrier's own first message, where the record should keep it.
    carrier_start: Option<String>,
    bot: String,
    agent: &'static str,
    started_at: Timestamp,
    began: Instant,
    orders: mpsc::Sender<Order>,
    board: Mutex<Board>,
    /// The carrier's own name for the media stream.
    stream: OnceLock<String>,
    pulse: Pulse,
}

/// The media socket's last sign of life. Written for every message, so nothing here waits for anybody.
#[derive(Debug, Default)]
struct Pulse {
    /// Milliseconds since the call began.
    at_ms: AtomicU64,
    sequence_number: AtomicU64,
    held_frames: AtomicU64,
}

/// The same, for those who look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    pub at: Timestamp,
    /// The number of the carrier's last message that had one.
    pub sequence_number: u64,
    /// Frames of the caller that wait for an agent to hear them.
    pub held_frames: u64,
}

/// What is known of a call at the moment.
#[derive(Debug)]
struct Board {
    phase: PhaseName,
    carrier_call: Option<String>,
    from: Option<String>,
    to: Option<String>,
    entries: Vec<Arc<Entry>>,
    entries_dropped: u64,
    end: Option<EndCause>,
}

/// A call for people and programs, at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct CallView {
    pub id: CallId,
    pub direction: Direction,
    /// How far a call that we placed has come, while it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<outbound::State>,
    pub carrier: String,
    pub carrier_call: Option<String>,
    pub bot: String,
    pub agent: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub started_at: Timestamp,
    pub phase: PhaseName,
    pub duration_ms: u64,
    pub end: Option<EndCause>,
    pub end_words: Option<String>,
}

impl LiveCall {
    pub fn new(
        id: CallId,
        knock: Knock,
        carrier_start: Option<String>,
        bot: String,
        agent: &'static str,
    ) -> (Arc<LiveCall>, mpsc::Receiver<Order>) {
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let board = Board {
            phase: PhaseName::Arriving,
            carrier_call: knock.carrier_call.clone(),
            from: knock.from.clone(),
            to: knock.to.clone(),
            entries: Vec::new(),
            entries_dropped: 0,
            end: None,
        };
        let call = LiveCall {
            id,
            knock,
            carrier_start,
            bot,
            agent,
            started_at: Timestamp::now(),
            began: Instant::now(),
            orders,
            board: Mutex::new(board),
            stream: OnceLock::new(),
            pulse: Pulse::default(),
        };
        (Arc::new(call), taken)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn id(&self) -> CallId {
        self.id
    }

    pub fn carrier(&self) -> &str {
        &self.knock.carrier
    }

    pub fn carrier_call(&self) -> Option<String> {
        self.board().carrier_call.clone()
    }

    pub fn knock(&self) -> &Knock {
        &self.knock
    }

    pub fn carrier_start(&self) -> Option<&str> {
        self.carrier_start.as_deref()
    }

    /// The carrier's own name for the media stream.
    pub fn stream(&self) -> Option<&str> {
        self.stream.get().map(String::as_str)
    }

    pub fn name_stream(&self, name: String) {
        // A call has one media stream; a second one is another call that takes this one's place.
        let _ = self.stream.set(name);
    }

    /// The media socket has given a sign of life.
    pub fn touch(&self, sequence_number: Option<u64>, held_frames: usize) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.pulse.at_ms.store(at, Ordering::Relaxed);
        self.pulse.held_frames.store(held_frames as u64, Ordering::Relaxed);
        if let Some(number) = sequence_number {
            self.pulse.sequence_number.store(number, Ordering::Relaxed);
        }
    }

    pub fn activity(&self) -> Activity {
        let at = std::time::Duration::from_millis(self.pulse.at_ms.load(Ordering::Relaxed));
        Activity {
            at: self.started_at.checked_add(at).unwrap_or(self.started_at),
            sequence_number: self.pulse.sequence_number.load(Ordering::Relaxed),
            held_frames: self.pulse.held_frames.load(Ordering::Relaxed),
        }
    }

    pub fn agent(&self) -> &'static str {
        self.agent
    }

    pub fn bot(&self) -> &str {
        &self.bot
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Asks the call to do something. False when it is over or takes no orders any more.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// Writes a line of the ledger where others can read it.
    pub fn note(&self, entry: &Arc<Entry>) {
        let mut board = self.board();
        match &entry.fact {
            Fact::PhaseChanged { to, .. } => board.phase = *to,
            Fact::Ended { end } => board.end = Some(end.clone()),
            _ => {}
        }
        if board.entries.len() < ENTRIES_MAX {
            board.entries.push(Arc::clone(entry));
        } else {
            board.entries_dropped += 1;
        }
    }

    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.board().entries.clone()
    }

    /// Lines that did not fit.
    pub fn entries_dropped(&self) -> u64 {
        self.board().entries_dropped
    }

    pub fn turns(&self) -> Vec<Turn> {
        self.entries()
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Turn { turn } => Some(turn.clone()),
                _ => None,
            })
            .collect()
    }

    pub fn end(&self) -> Option<EndCause> {
        self.board().end.clone()
    }

    /// The end of a call whose task could not say it.
    pub fn set_end(&self, end: EndCause) {
        let mut board = self.board();
        board.phase = PhaseName::Over;
        board.end.get_or_insert(end);
    }

    pub fn phase(&self) -> PhaseName {
        self.board().phase
    }

    pub fn view(&self) -> CallView {
        let board = self.board();
        CallView {
            id: self.id,
            direction: self.knock.direction,
            state: (self.knock.direction == Direction::Outbound && board.phase != PhaseName::Over)
                .then_some(outbound::State::Answered),
            carrier: self.knock.carrier.clone(),
            carrier_call: board.carrier_call.clone(),
            bot: self.bot.clone(),
            agent: self.agent.to_owned(),
            from: board.from.clone(),
            to: board.to.clone(),
            started_at: self.started_at,
            phase: board.phase,
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            end_words: board.end.as_ref().map(EndCause::words),
            end: board.end.clone(),
        }
    }
}

/// A call's place on the list; dropping it takes the call off.
#[derive(Debug)]
pub struct Place {
    call: Arc<LiveCall>,
    state: Arc<Mutex<State>>,
}

impl Place {
    pub(super) fn new(call: Arc<LiveCall>, state: Arc<Mutex<State>>) -> Place {
        Place { call, state }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.live.remove(&self.call.id());
        if let Some(name) = self.call.carrier_call() {
            let key = (self.call.carrier().to_owned(), name);
            // A second socket of the same call may own the name by now.
            if state.names.get(&key) == Some(&self.call.id()) {
                state.names.remove(&key);
            }
        }
    }
}
