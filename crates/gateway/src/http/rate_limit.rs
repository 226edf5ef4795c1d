//! How often somebody may come within a minute.
//!
//! A count per key for the present minute and the one before it; the one before fades as the present one passes. That
//! allows no burst at the border of two minutes and needs three numbers for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);

/// Keys that are counted one by one. Beyond it newcomers are let in uncounted: whoever commands so many addresses is not
/// stopped by counting each of them, and everybody else must not pay for it.
const KEYS_MAX: usize = 16_384;

#[derive(Debug)]
pub(super) struct RateLimit<K> {
    /// 0: no limit.
    per_minute: u32,
    began: Instant,
    counts: Mutex<Counts<K>>,
}

#[derive(Debug)]
struct Counts<K> {
    by_key: HashMap<K, Count>,
    /// The window in which old keys were last thrown out.
    swept: u64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    window: u64,
    present: u32,
    before: u32,
}

/// Too often; after this long the next one is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOften {
    pub(super) wait: Duration,
}

impl TooOften {
    /// In whole seconds, for a header.
    pub(super) fn wait_s(self) -> u64 {
        self.wait.as_secs_f64().ceil().max(1.0) as u64
    }
}

impl<K: Eq + Hash> RateLimit<K> {
    pub(super) fn new(per_minute: u32, began: Instant) -> RateLimit<K> {
        RateLimit { per_minute, began, counts: Mutex::new(Counts { by_key: HashMap::new(), swept: 0 }) }
    }

    /// Counts one more, unless that were too many. What is refused is not counted, so that patience is rewarded.
    pub(super) fn admit(&self, key: K, now: Instant) -> Result<(), TooOften> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let passed = now.saturating_duration_since(self.began);
        let window = passed.as_secs() / WINDOW.as_secs();
        let into = (passed - WINDOW * u32::try_from(window).unwrap_or(u32::MAX)).as_secs_f64()
            / WINDOW.as_secs_f64();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.by_key.len() >= KEYS_MAX && !counts.by_key.contains_key(&key) {
            if counts.swept < window {
                counts.swept = window;
                counts.by_key.retain(|_, count| count.window + 1 >= window);
            }
            if counts.by_key.len() >= KEYS_MAX {
                return Ok(());
            }
        }
        let count = counts.by_key.entry(key).or_insert(Count { window, present: 0, before: 0 });
        count.turn_to(window);
        count.admit(self.per_minute, into)
    }
}

impl Count {
    fn turn_to(&mut self, window: u64) {
        if self.window < window {
            self.before = if self.window + 1 == window { self.present } else { 0 };
            self.present = 0;
            self.window = window;
        }
    }

    /// `into` says how much of the present minute has passed, from 0 to 1.
    fn admit(&mut self, limit: u32, into: f64) -> Result<(), TooOften> {
        let faded = f64::from(self.before) * (1.0 - into);
        if faded + f64::from(self.present) + 1.0 <= f64::from(limit) {
            self.present += 1;
            return Ok(());
        }
        let room = f64::from(limit) - f64::from(self.present) - 1.0;
        // Either the minute before fades enough within this one, or this one has to fade in the next.
        let until = if room >= 0.0 && self.before > 0 {
            1.0 - room / f64::from(self.before)
        } else {
            2.0 - (f64::from(limit) - 1.0) / f64::from(self.present.max(1))
        };
        Err(TooOften { wait: WINDOW.mul_f64((until - into).max(0.0)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_come_in_and_the_next_one_waits_as_long_as_it_is_told() {
        let start = Instant::now();
        let limit = RateLimit::new(3, start);

        for _ in 0..3 {
            assert_eq!(limit.admit("a", start), Ok(()));
        }
        let refused = limit.admit("a", start).unwrap_err();
        assert_eq!(limit.admit("b", start), Ok(()), "everybody has a count of their own");

        let just_before = start + refused.wait - Duration::from_millis(1);
        assert!(limit.admit("a", just_before).is_err());
        assert_eq!(limit.admit("a", start + refused.wait + Duration::from_millis(1)), Ok(()));
    }

    #[test]
    fn the_border_of_two_minutes_allows_no_burst() {
        let start = Instant::now();
        let limit = RateLimit::new(10, start);
        let end_of_minute = start + Duration::from_secs(59);
        for _ in 0..10 {
            assert_eq!(limit.admit(1, end_of_minute), Ok(()));
        }

        let let_in =
            (0..10).filter(|_| limit.admit(1, end_of_minute + Duration::from_secs(2)).is_ok()).count();

        assert_eq!(let_in, 0);
        let much_later = end_of_minute + Duration::from_secs(180);
        assert_eq!((0..20).filter(|_| limit.admit(1, much_later).is_ok()).count(), 10);
    }

    #[test]
    fn zero_means_no_limit() {
        let start = Instant::now();
        let limit = RateLimit::new(0, start);

        assert!((0..10_000).all(|_| limit.admit((), start).is_ok()));
    }

    #[test]
    fn memory_is_bounded_and_old_keys_make_room() {
        let start = Instant::now();
        let limit = RateLimit::new(1, start);
        for key in 0..2 * KEYS_MAX {
            assert_eq!(limit.admit(key, start), Ok(()));
        }
        assert_eq!(limit.counts.lock().unwrap().by_key.len(), KEYS_MAX);
        assert!(limit.admit(0, start).is_err(), "those that are counted stay counted");

        let later = start + 3 * WINDOW;
        assert_eq!(limit.admit(usize::MAX, later), Ok(()));
        assert!(limit.admit(usize::MAX, later).is_err());
        assert_eq!(limit.counts.lock().unwrap().by_key.len(), 1);
    }

    #[test]
    fn a_limit_of_one_is_one_a_minute() {
        let start = Instant::now();
        let limit = RateLimit::new(1, start);
        let let_in = (0..600).filter(|second| limit.admit((), start + Duration::from_secs(*second)).is_ok());

        assert!((5..=10).contains(&let_in.count()));
    }
}
