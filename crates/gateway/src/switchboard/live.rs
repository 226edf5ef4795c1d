//! One live call, as everybody but its own task sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use call::{CallId, EndCause, Entry, Fact, Order, PhaseName, Turn};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Knock, State, lock};

/// Orders that may wait for a call. People give few; a call that does not take them within a frame is stuck.
const ORDERS_MAX: usize = 32;

/// Lines of the ledger that are kept for those who look, and for the record. A call of an hour has some thousand.
const ENTRIES_MAX: usize = 10_000;

/// A live call. Its task writes, everybody else reads and gives orders.
#[derive(Debug)]
pub struct LiveCall {
    id: CallId,
    knock: Knock,
    bot: String,
    agent: &'static str,
    started_at: Timestamp,
    began: Instant,
    orders: mpsc::Sender<Order>,
    board: Mutex<Board>,
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
            bot,
            agent,
            started_at: Timestamp::now(),
            began: Instant::now(),
            orders,
            board: Mutex::new(board),
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
