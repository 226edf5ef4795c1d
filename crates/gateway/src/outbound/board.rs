//! Which placed calls there are, and how far each has come.
//!
//! A placed call ends here in one of two ways, and never in both: its media arrives ([`Board::arrive`]) or it is settled
//! without ([`Board::settle`]). Whoever comes first decides; the other is told no.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use call::{CallId, PhaseName};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::guard::Pass;
use super::{Named, State};
use crate::carrier_kind::CarrierKind;
use crate::switchboard::{CallView, Direction};

/// Calls that are over and of which a carrier may still speak. The oldest is forgotten first; reports come within
/// minutes.
const PAST_MAX: usize = 4_096;

/// A placed call that is not over.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) carrier: CarrierKind,
    /// The carrier's name for it, once known.
    pub(super) carrier_call: Option<String>,
    /// The carrier's name for our request, where it is another.
    pub(super) request: Option<String>,
    /// What its place at the switchboard is kept under.
    pub(super) token: String,
    pub(super) bot: String,
    pub(super) agent: &'static str,
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) placed_at: Timestamp,
    pub(super) began: Instant,
    /// Without media by then it counts as not reached.
    pub(super) until: Instant,
    pub(super) pass: Pass,
    /// Wakes whoever minds it.
    pub(super) changed: Arc<Notify>,
    pub(super) state: State,
    pub(super) stage: Stage,
    pub(super) machine: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// For its media.
    Waiting,
    /// It is on the switchboard's list.
    Live,
    /// Its record is being written.
    Settled,
}

/// A placed call that is over.
#[derive(Debug)]
struct Past {
    carrier: CarrierKind,
    carrier_call: Option<String>,
    /// We gave it up, and the carrier may not know.
    given_up: bool,
}

#[derive(Debug, Default)]
pub(super) struct Board {
    calls: HashMap<CallId, Entry>,
    names: HashMap<(CarrierKind, String), CallId>,
    past: HashMap<CallId, Past>,
    oldest_past_first: VecDeque<CallId>,
}

/// What a media socket of a placed call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The call's first.
    InTime,
    /// The call was settled without.
    TooLate,
    /// The board has not waited for it: another socket of a call that lives, under an id of its own.
    NotAwaited,
}

/// What a name for a call is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Known,
    /// It was given up before its name was known: the carrier is to be told.
    TakeBack,
    /// There is no such call of this carrier, or nothing is left to do.
    None,
}

impl Board {
    pub(super) fn enter(&mut self, id: CallId, entry: Entry) {
        self.calls.insert(id, entry);
    }

    /// The carrier's name for a call of ours.
    pub(super) fn name(&mut self, carrier: CarrierKind, id: CallId, carrier_call: &str) -> Use {
        if let Some(entry) = self.calls.get_mut(&id) {
            if entry.carrier != carrier {
                return Use::None;
            }
            if entry.carrier_call.is_none() {
                entry.carrier_call = Some(carrier_call.to_owned());
                self.names.insert((carrier, carrier_call.to_owned()), id);
            }
            return Use::Known;
        }
        match self.past.get_mut(&id) {
            Some(past) if past.carrier == carrier && past.carrier_call.is_none() => {
                past.carrier_call = Some(carrier_call.to_owned());
                self.names.insert((carrier, carrier_call.to_owned()), id);
                if past.given_up { Use::TakeBack } else { Use::None }
            }
            Some(_) | None => Use::None,
        }
    }

    /// The carrier's name for our request.
    pub(super) fn name_request(&mut self, id: CallId, request: String) -> Use {
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.request = Some(request);
            return Use::Known;
        }
        match self.past.get(&id) {
            Some(past) if past.given_up => Use::TakeBack,
            Some(_) | None => Use::None,
        }
    }

    /// The call, present or past, that this carrier speaks of.
    pub(super) fn find(&self, carrier: CarrierKind, named: Named<'_>) -> Option<CallId> {
        let id = match named {
            Named::Ours(id) => id,
            Named::Theirs(name) => *self.names.get(&(carrier, name.to_owned()))?,
        };
        let (whose, now) = match (self.calls.get(&id), self.past.get(&id)) {
            (Some(entry), _) => (entry.carrier, id),
            // It may go on under the id of another media socket.
            (None, Some(past)) => {
                let name = past.carrier_call.clone().map(|name| (past.carrier, name));
                (past.carrier, name.and_then(|name| self.names.get(&name)).copied().unwrap_or(id))
            }
            (None, None) => return None,
        };
        (whose == carrier).then_some(now)
    }

    pub(super) fn get(&self, id: CallId) -> Option<&Entry> {
        self.calls.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: CallId) -> Option<&mut Entry> {
        self.calls.get_mut(&id)
    }

    /// Moves a waiting call on, never back. True when that is news.
    pub(super) fn progress(&mut self, id: CallId, state: State, until: Option<Instant>) -> bool {
        let Some(entry) = self.calls.get_mut(&id) else { return false };
        if entry.stage != Stage::Waiting || entry.state >= state {
            return false;
        }
        entry.state = state;
        if let Some(until) = until {
            entry.until = entry.until.min(until);
        }
        entry.changed.notify_one();
        true
    }

    /// Its media is here.
    pub(super) fn arrive(&mut self, id: CallId) -> Arrival {
        match self.calls.get_mut(&id) {
            Some(entry) if entry.stage == Stage::Waiting => {
                entry.stage = Stage::Live;
                entry.state = State::Answered;
                entry.changed.notify_one();
                Arrival::InTime
            }
            Some(_) => Arrival::TooLate,
            None if self.past.contains_key(&id) => Arrival::TooLate,
            None => Arrival::NotAwaited,
        }
    }

    /// Another media socket takes the place of the one that this carrier's call lives on: the call goes on under this id,
    /// and counts once.
    pub(super) fn go_on(&mut self, carrier: CarrierKind, carrier_call: &str, id: CallId) {
        let name = (carrier, carrier_call.to_owned());
        let Some(before) = self.names.get(&name).copied().filter(|before| *before != id) else { return };
        if self.calls.get(&before).is_none_or(|entry| entry.stage != Stage::Live) {
            return;
        }
        if let Some(entry) = self.calls.remove(&before) {
            self.calls.insert(id, entry);
            self.names.insert(name.clone(), id);
            self.forget_later(before, Past { carrier, carrier_call: Some(name.1), given_up: false });
        }
    }

    /// It is over without media. From here on it cannot arrive any more.
    pub(super) fn settle(&mut self, id: CallId) -> Option<&Entry> {
        let entry = self.calls.get_mut(&id).filter(|entry| entry.stage == Stage::Waiting)?;
        entry.stage = Stage::Settled;
        entry.state = State::Over;
        entry.changed.notify_one();
        Some(entry)
    }

    /// Takes a call that is over off the list. `given_up` says that the carrier may not know.
    pub(super) fn remove(&mut self, id: CallId, given_up: bool) -> Option<Pass> {
        let entry = self.calls.remove(&id)?;
        // Once it has been told by name, there is nothing more to tell.
        let given_up = given_up && entry.carrier_call.is_none();
        let past = Past { carrier: entry.carrier, carrier_call: entry.carrier_call, given_up };
        self.forget_later(id, past);
        Some(entry.pass)
    }

    fn forget_later(&mut self, id: CallId, past: Past) {
        self.past.insert(id, past);
        self.oldest_past_first.push_back(id);
        if self.oldest_past_first.len() > PAST_MAX
            && let Some(oldest) = self.oldest_past_first.pop_front()
            && let Some(Past { carrier, carrier_call: Some(name), .. }) = self.past.remove(&oldest)
        {
            let name = (carrier, name);
            // It may go on under another id.
            if self.names.get(&name) == Some(&oldest) {
                self.names.remove(&name);
            }
        }
    }

    /// Those that wait for their media.
    pub(super) fn waiting(&self) -> Vec<CallId> {
        let waiting = self.calls.iter().filter(|(_, entry)| entry.stage == Stage::Waiting);
        waiting.map(|(id, _)| *id).collect()
    }

    /// All that are not over, for people and programs.
    pub(super) fn views(&self) -> Vec<CallView> {
        self.calls.iter().map(|(id, entry)| entry.view(*id)).collect()
    }
}

impl Entry {
    pub(super) fn view(&self, id: CallId) -> CallView {
        CallView {
            id,
            direction: Direction::Outbound,
            state: Some(self.state),
            carrier: self.carrier.name().to_owned(),
            carrier_call: self.carrier_call.clone(),
            bot: self.bot.clone(),
            agent: self.agent.to_owned(),
            from: self.from.clone(),
            to: Some(self.to.clone()),
            started_at: self.placed_at,
            phase: PhaseName::Arriving,
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            end: None,
            end_words: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Outbound;
    use crate::outbound::guard::Guard;

    fn pass() -> Pass {
        let open = Outbound { allow: vec!["+".into()], ..Outbound::default() };
        Guard::new(&open).admit(Instant::now(), "+14155550123", "a").unwrap()
    }

    fn id(number: u8) -> CallId {
        CallId::mint(1, [number; 10])
    }

    fn board() -> Board {
        let mut board = Board::default();
        enter(&mut board, id(1));
        board
    }

    fn enter(board: &mut Board, id: CallId) {
        let now = Instant::now();
        let entry = Entry {
            carrier: CarrierKind::Twilio,
            carrier_call: None,
            request: None,
            token: "t".into(),
            bot: "b".into(),
            agent: "demo",
            to: "+14155550123".into(),
            from: None,
            placed_at: Timestamp::now(),
            began: now,
            until: now + Duration::from_secs(60),
            pass: pass(),
            changed: Arc::default(),
            state: State::Placing,
            stage: Stage::Waiting,
            machine: false,
        };
        board.enter(id, entry);
    }

    #[test]
    fn a_call_arrives_or_is_settled_and_never_both() {
        let mut arrived = board();
        assert_eq!(arrived.arrive(id(1)), Arrival::InTime);
        assert_eq!(arrived.arrive(id(1)), Arrival::TooLate);
        assert!(arrived.settle(id(1)).is_none());

        let mut settled = board();
        assert!(settled.settle(id(1)).is_some());
        assert!(settled.settle(id(1)).is_none());
        assert_eq!(settled.arrive(id(1)), Arrival::TooLate);
        drop(settled.remove(id(1), false));
        assert_eq!(settled.arrive(id(1)), Arrival::TooLate, "also afterwards");
        assert!(!settled.progress(id(1), State::Answered, None), "late");
    }

    #[test]
    fn a_call_moves_on_and_never_back() {
        let mut board = board();
        let soon = Instant::now() + Duration::from_secs(5);

        assert!(board.progress(id(1), State::Answered, Some(soon)));
        assert_eq!(board.get(id(1)).unwrap().until, soon);
        assert!(!board.progress(id(1), State::Ringing, None), "overtaken");
        assert!(!board.progress(id(1), State::Answered, Some(soon + soon.elapsed())), "again");
        assert!(!board.progress(id(2), State::Ringing, None), "unknown");
    }

    #[test]
    fn a_carrier_speaks_of_its_own_calls_alone() {
        let mut board = board();
        assert_eq!(board.name(CarrierKind::Plivo, id(1), "CA1"), Use::None);
        assert_eq!(board.name(CarrierKind::Twilio, id(1), "CA1"), Use::Known);
        assert_eq!(board.name(CarrierKind::Twilio, id(1), "CA2"), Use::Known);

        assert_eq!(board.find(CarrierKind::Twilio, Named::Theirs("CA1")), Some(id(1)));
        assert_eq!(board.find(CarrierKind::Twilio, Named::Theirs("CA2")), None, "the first name stays");
        assert_eq!(board.find(CarrierKind::Plivo, Named::Ours(id(1))), None);
        assert_eq!(board.find(CarrierKind::Plivo, Named::Theirs("CA1")), None);
    }

    #[test]
    fn a_call_that_was_given_up_before_it_had_a_name_is_taken_back_once() {
        let mut board = board();
        board.settle(id(1));
        assert!(board.remove(id(1), true).is_some());

        assert_eq!(board.name(CarrierKind::Plivo, id(1), "CA1"), Use::None);
        assert_eq!(board.name_request(id(1), "r".into()), Use::TakeBack, "by whichever name is known first");
        assert_eq!(board.name(CarrierKind::Twilio, id(1), "CA1"), Use::TakeBack);
        assert_eq!(board.name(CarrierKind::Twilio, id(1), "CA1"), Use::None);
        assert_eq!(board.find(CarrierKind::Twilio, Named::Theirs("CA1")), Some(id(1)), "still known");
        assert!(board.remove(id(1), true).is_none());
    }

    #[test]
    fn a_call_goes_on_under_the_id_of_its_next_media_socket() {
        let mut board = board();
        board.name(CarrierKind::Twilio, id(1), "CA1");
        board.go_on(CarrierKind::Twilio, "CA1", id(2));
        assert!(board.get(id(1)).is_some(), "not before its first media");
        board.arrive(id(1));
        assert_eq!(board.arrive(id(2)), Arrival::NotAwaited);

        board.go_on(CarrierKind::Twilio, "CA1", id(2));

        assert_eq!(board.find(CarrierKind::Twilio, Named::Ours(id(1))), Some(id(2)));
        assert_eq!(board.find(CarrierKind::Twilio, Named::Theirs("CA1")), Some(id(2)));
        assert!(board.remove(id(1), false).is_none(), "it counts once");
        assert!(board.remove(id(2), false).is_some());
    }

    #[test]
    fn the_past_is_bounded() {
        let mut board = Board::default();
        for number in 0..PAST_MAX as u64 + 10 {
            let id = CallId::mint(number, [0; 10]);
            enter(&mut board, id);
            board.name(CarrierKind::Twilio, id, &number.to_string());
            drop(board.remove(id, false));
        }
        let sizes = (board.past.len(), board.names.len(), board.oldest_past_first.len());
        assert_eq!(sizes, (PAST_MAX, PAST_MAX, PAST_MAX));
        assert!(board.calls.is_empty() && board.views().is_empty() && board.waiting().is_empty());
    }
}
