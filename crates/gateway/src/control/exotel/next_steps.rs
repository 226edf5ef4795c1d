//! What comes after the bot, for flows that ask.
//!
//! The media socket cannot end a call or hand it over. It closes, Exotel goes on to the next applet, and that applet asks
//! here. The answer stays for a while, since Exotel asks again when an answer got lost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Exotel asks within seconds. A Connect applet behind other applets may come minutes later.
const KEPT_FOR: Duration = Duration::from_secs(15 * 60);

/// Calls that are remembered; the oldest is forgotten first.
const CALLS_MAX: usize = 4_096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Dial this number.
    Transfer {
        to: String,
    },
    HangUp,
}

#[derive(Debug, Default)]
pub(crate) struct NextSteps(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    by_call: HashMap<String, (NextStep, Instant)>,
    oldest_first: VecDeque<(String, Instant)>,
}

impl NextSteps {
    /// From now on this is the answer; what was wanted before is not wanted any more.
    pub(crate) fn set(&self, call_sid: &str, step: NextStep, now: Instant) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.forget_old(now);
        steps.by_call.insert(call_sid.to_owned(), (step, now));
        steps.oldest_first.push_back((call_sid.to_owned(), now));
    }

    /// What was wanted last, if that was not too long ago.
    pub(crate) fn of(&self, call_sid: &str, now: Instant) -> Option<NextStep> {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.forget_old(now);
        steps.by_call.get(call_sid).map(|(step, _)| step.clone())
    }
}

impl Steps {
    fn forget_old(&mut self, now: Instant) {
        while let Some((call, since)) = self.oldest_first.front() {
            let is_old = now.saturating_duration_since(*since) >= KEPT_FOR;
            if !is_old && self.oldest_first.len() < CALLS_MAX {
                return;
            }
            // A call that was told something newer stands further back, too.
            if self.by_call.get(call).is_some_and(|(_, set)| set == since) {
                self.by_call.remove(call);
            }
            self.oldest_first.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(to: &str) -> NextStep {
        NextStep::Transfer { to: to.to_owned() }
    }

    #[test]
    fn the_last_wish_counts_and_may_be_asked_for_again() {
        let (steps, now) = (NextSteps::default(), Instant::now());

        assert_eq!(steps.of("c1", now), None);
        steps.set("c1", transfer("+91"), now);
        steps.set("c2", NextStep::HangUp, now);
        assert_eq!(steps.of("c1", now), Some(transfer("+91")));
        assert_eq!(steps.of("c1", now), Some(transfer("+91")));
        steps.set("c1", NextStep::HangUp, now + Duration::from_secs(1));
        assert_eq!(steps.of("c1", now), Some(NextStep::HangUp));
    }

    #[test]
    fn wishes_are_forgotten_in_time_and_never_fill_the_memory() {
        let (steps, now) = (NextSteps::default(), Instant::now());
        steps.set("c1", transfer("+91"), now);
        steps.set("c1", transfer("+92"), now + KEPT_FOR / 2);

        assert_eq!(steps.of("c1", now + KEPT_FOR), Some(transfer("+92")), "the newer one is not old yet");
        assert_eq!(steps.of("c1", now + KEPT_FOR * 2), None);

        for call in 0..2 * CALLS_MAX {
            steps.set(&call.to_string(), NextStep::HangUp, now);
        }
        assert_eq!(steps.of("0", now), None);
        assert_eq!(steps.of(&(2 * CALLS_MAX - 1).to_string(), now), Some(NextStep::HangUp));
        let kept = steps.0.lock().unwrap();
        assert!(kept.by_call.len() <= CALLS_MAX && kept.oldest_first.len() <= CALLS_MAX);
    }
}
