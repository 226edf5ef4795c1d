//! Answers that are remembered by their idempotency key.
//!
//! A client that lost our answer asks again with the same key and gets the same answer, also while the first request is
//! still under way; the phone rings once. What was refused before anything was dialled is not remembered: asking again
//! may then help.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{Accepted, NotAccepted, Request};

/// A day: longer than any client tries again.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers that are remembered. Beyond it the oldest goes.
const ANSWERS_MAX: usize = 10_000;

pub type Answer = Result<Accepted, NotAccepted>;

#[derive(Debug, Default)]
pub struct Answers {
    by_key: HashMap<Key, Remembered>,
    /// With the number under which it was remembered: a key may have been forgotten and come back.
    oldest_first: VecDeque<(Key, u64)>,
    next: u64,
}

/// Whose key, and the key.
type Key = (String, String);

#[derive(Debug)]
struct Remembered {
    number: u64,
    since: Instant,
    request: [u8; 32],
    answer: watch::Receiver<Option<Answer>>,
}

/// What a request with a key is.
#[derive(Debug)]
pub enum Turn {
    /// The first of its kind. The answer goes into the ticket.
    First(Ticket),
    /// One that was made before. Its answer is there, or comes here.
    Again(watch::Receiver<Option<Answer>>),
    /// The key was used for another request.
    Taken,
}

/// The duty to answer.
#[derive(Debug)]
pub struct Ticket {
    key: Key,
    number: u64,
    answer: watch::Sender<Option<Answer>>,
}

impl Answers {
    pub fn begin(&mut self, now: Instant, key: &str, request: &Request) -> Turn {
        self.forget_old(now);
        let key = (request.asker.clone(), key.to_owned());
        let digest = digest(request);
        if let Some(before) = self.by_key.get(&key) {
            return match before.request == digest {
                true => Turn::Again(before.answer.clone()),
                false => Turn::Taken,
            };
        }
        let (answer, coming) = watch::channel(None);
        self.next += 1;
        let number = self.next;
        self.oldest_first.push_back((key.clone(), number));
        self.by_key.insert(key.clone(), Remembered { number, since: now, request: digest, answer: coming });
        Turn::First(Ticket { key, number, answer })
    }

    /// The answer is there. `keep` says whether it stands for those who ask later, too.
    pub fn end(&mut self, ticket: Ticket, answer: Answer, keep: bool) {
        // Nobody may be waiting.
        let _ = ticket.answer.send(Some(answer));
        if !keep {
            self.forget(&ticket.key, ticket.number);
        }
    }

    fn forget(&mut self, key: &Key, number: u64) {
        if self.by_key.get(key).is_some_and(|remembered| remembered.number == number) {
            self.by_key.remove(key);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((key, number)) = self.oldest_first.front() {
            let gone = match self.by_key.get(key).filter(|remembered| remembered.number == *number) {
                None => true,
                Some(remembered) => now.saturating_duration_since(remembered.since) >= KEPT,
            };
            if !gone && self.oldest_first.len() < ANSWERS_MAX {
                return;
            }
            if let Some((key, number)) = self.oldest_first.pop_front() {
                self.forget(&key, number);
            }
        }
    }
}

/// What makes two requests the same. The key and whoever asks are not part of it.
fn digest(request: &Request) -> [u8; 32] {
    let what = (&request.to, &request.from, &request.bot, &request.carrier, &request.variables);
    // Text, numbers and flags alone: this cannot fail, and if it did, every body would be another one.
    let text = serde_json::to_vec(&what).unwrap_or_default();
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variable;

    fn request(to: &str) -> Request {
        Request { to: to.into(), asker: "a".into(), ..Request::default() }
    }

    fn refused() -> Answer {
        Err(NotAccepted::new(403, "outbound_off", "no", "list something"))
    }

    fn ticket(turn: Turn) -> Ticket {
        match turn {
            Turn::First(ticket) => ticket,
            other => panic!("not the first: {other:?}"),
        }
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_another_one_is_refused() {
        let now = Instant::now();
        let mut answers = Answers::default();
        let first = ticket(answers.begin(now, "k", &request("+49")));

        let Turn::Again(early) = answers.begin(now, "k", &request("+49")) else { panic!("asked twice") };
        assert!(early.borrow().is_none(), "under way");
        assert!(matches!(answers.begin(now, "k", &request("+48")), Turn::Taken));
        answers.end(first, refused(), true);

        assert_eq!(*early.borrow(), Some(refused()));
        let Turn::Again(late) = answers.begin(now, "k", &request("+49")) else { panic!("forgotten") };
        assert_eq!(*late.borrow(), Some(refused()));
    }

    #[test]
    fn every_part_of_the_body_makes_a_difference_and_every_asker_has_keys_of_their_own() {
        let now = Instant::now();
        let mut answers = Answers::default();
        drop(answers.begin(now, "k", &request("+49")));
        let some = || Some("x".to_owned());
        for other in [
            Request { from: some(), ..request("+49") },
            Request { bot: some(), ..request("+49") },
            Request { carrier: some(), ..request("+49") },
            Request { variables: [("x".to_owned(), Variable::Flag(true))].into(), ..request("+49") },
        ] {
            assert!(matches!(answers.begin(now, "k", &other), Turn::Taken), "{other:?}");
        }
        let stranger = Request { asker: "b".into(), ..request("+49") };
        assert!(matches!(answers.begin(now, "k", &stranger), Turn::First(_)));
    }

    #[test]
    fn what_need_not_stand_is_forgotten() {
        let now = Instant::now();
        let mut answers = Answers::default();
        let first = ticket(answers.begin(now, "k", &request("+49")));
        answers.end(first, refused(), false);

        assert!(matches!(answers.begin(now, "k", &request("+48")), Turn::First(_)));
    }

    #[test]
    fn answers_are_kept_for_a_day_and_no_more_than_there_is_room_for() {
        let now = Instant::now();
        let mut answers = Answers::default();
        for key in 0..2 * ANSWERS_MAX {
            let ticket = ticket(answers.begin(now, &key.to_string(), &request("+49")));
            answers.end(ticket, refused(), true);
        }
        assert!(answers.by_key.len() <= ANSWERS_MAX && answers.oldest_first.len() <= ANSWERS_MAX);
        let newest = (2 * ANSWERS_MAX - 1).to_string();
        assert!(matches!(answers.begin(now, &newest, &request("+49")), Turn::Again(_)));

        let tomorrow = now + KEPT;
        assert!(matches!(answers.begin(tomorrow, &newest, &request("+49")), Turn::First(_)));
        assert_eq!((answers.by_key.len(), answers.oldest_first.len()), (1, 1));
    }

    #[test]
    fn a_key_that_comes_back_is_not_forgotten_with_its_former_self() {
        let now = Instant::now();
        let mut answers = Answers::default();
        let first = ticket(answers.begin(now, "k", &request("+49")));
        answers.end(first, refused(), false);
        let second = ticket(answers.begin(now + KEPT / 2, "k", &request("+49")));
        answers.end(second, refused(), true);

        assert!(matches!(answers.begin(now + KEPT, "k", &request("+49")), Turn::Again(_)));
    }
}
