//! The right to hold a provider's session.
//!
//! A slot is a lease: it is given back when its call ends, and it ends by itself when nobody renews it, so that a bug
//! can keep one only for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Moment;

/// A slot that was taken. Worthless once released or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotId(u64);

/// The slots of one provider. Times are moments on whatever clock the owner keeps.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    lease: Duration,
    taken: BTreeMap<SlotId, Moment>,
    next: u64,
    expired: u64,
}

impl Slots {
    pub fn new(limit: usize, lease: Duration) -> Slots {
        Slots { limit, lease, taken: BTreeMap::new(), next: 0, expired: 0 }
    }

    /// A slot, if one is free.
    pub fn take(&mut self, now: Moment) -> Option<SlotId> {
        self.expire(now);
        if self.taken.len() >= self.limit {
            return None;
        }
        self.next += 1;
        let id = SlotId(self.next);
        self.taken.insert(id, now + self.lease);
        Some(id)
    }

    /// Says that the slot is still in use. False when it had expired.
    pub fn renew(&mut self, id: SlotId, now: Moment) -> bool {
        match self.taken.get_mut(&id) {
            Some(until) => {
                *until = now + self.lease;
                true
            }
            None => false,
        }
    }

    /// Gives a slot back. Doing it twice does no harm.
    pub fn release(&mut self, id: SlotId) {
        self.taken.remove(&id);
    }

    pub fn held(&self) -> usize {
        self.taken.len()
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Slots that nobody gave back in time. Above zero there is a bug.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    pub fn expire(&mut self, now: Moment) {
        let before = self.taken.len();
        self.taken.retain(|_, until| *until > now);
        self.expired += (before - self.taken.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_limited_given_back_and_run_out_by_themselves() {
        let mut slots = Slots::new(2, Duration::from_secs(60));
        let first = slots.take(Moment::START).unwrap();
        let second = slots.take(Moment::START).unwrap();
        assert_eq!(slots.take(Moment::START), None);

        slots.release(first);
        slots.release(first);
        assert_eq!(slots.held(), 1);
        assert!(slots.renew(second, Moment::from_millis(50_000)));
        assert!(slots.take(Moment::from_millis(70_000)).is_some());
        assert_eq!(slots.held(), 2, "renewed in time");

        assert!(slots.take(Moment::from_millis(200_000)).is_some());
        assert_eq!((slots.held(), slots.expired()), (1, 2));
        assert!(!slots.renew(second, Moment::from_millis(200_000)));
    }
}
