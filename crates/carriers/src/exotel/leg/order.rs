//! Whether sound comes in the order of its numbers.
//!
//! How Exotel counts is documented by example only, and the services between it and us count as they like. So numbers
//! are watched, and nothing is thrown away for them but the very same message again: to lose what a caller says because
//! of a counter would be deafness.

use crate::numeral::Numeral;

/// So far behind, the other side has begun to count anew.
const RESTART: u64 = 64;

#[derive(Debug, Default)]
pub(super) struct Order {
    highest: Option<u64>,
    last: Option<Identity>,
}

/// What tells one message of sound from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) sequence: Option<Numeral>,
    pub(super) chunk: Option<Numeral>,
    pub(super) timestamp: Option<Numeral>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    InTurn,
    OutOfOrder,
    Again,
}

impl Order {
    pub(super) fn from(first: Option<Numeral>) -> Order {
        Order { highest: first.map(|Numeral(number)| number), last: None }
    }

    /// The highest number so far.
    pub(super) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// A message that is not sound: it counts, and nothing depends on it.
    pub(super) fn count(&mut self, sequence: Option<Numeral>) {
        if let Some(Numeral(number)) = sequence {
            self.highest = self.highest.max(Some(number));
        }
    }

    pub(super) fn take(&mut self, identity: Identity) -> Came {
        let Some(Numeral(number)) = identity.sequence else { return Came::InTurn };
        // A counter that stands still is no repetition; with a second count that stands still too, it is.
        let told_apart = identity.chunk.is_some() || identity.timestamp.is_some();
        if told_apart && self.last.replace(identity) == Some(identity) {
            return Came::Again;
        }
        let Some(highest) = self.highest else {
            self.highest = Some(number);
            return Came::InTurn;
        };
        if number > highest || highest - number >= RESTART {
            self.highest = Some(number);
        }
        match number == highest || highest.checked_add(1) == Some(number) {
            true => Came::InTurn,
            false => Came::OutOfOrder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(order: &mut Order, sequence: u64, chunk: Option<u64>) -> Came {
        order.take(Identity { sequence: Some(Numeral(sequence)), chunk: chunk.map(Numeral), timestamp: None })
    }

    #[test]
    fn gaps_and_latecomers_are_noticed_and_only_the_same_again_is_one_too_many() {
        let mut order = Order::from(Some(Numeral(1)));
        let came: Vec<Came> =
            [2, 3, 3, 6, 5, 7].into_iter().map(|number| take(&mut order, number, Some(number))).collect();

        use Came::{Again, InTurn, OutOfOrder};
        assert_eq!(came, [InTurn, InTurn, Again, OutOfOrder, OutOfOrder, InTurn]);
        assert_eq!(order.highest(), Some(7));
    }

    #[test]
    fn counters_that_stand_still_start_anew_or_are_left_out_cost_nobody_a_word() {
        let mut still = Order::from(Some(Numeral(1)));
        assert!((0..100).all(|_| take(&mut still, 1, None) == Came::InTurn));
        assert!((0..100).all(|chunk| take(&mut still, 1, Some(chunk)) == Came::InTurn));

        let mut anew = Order::from(Some(Numeral(1_000)));
        assert_eq!(take(&mut anew, 1, Some(1)), Came::OutOfOrder);
        assert_eq!(take(&mut anew, 2, Some(2)), Came::InTurn);
        assert_eq!(take(&mut anew, u64::MAX, Some(3)), Came::OutOfOrder);
        assert_eq!(take(&mut anew, u64::MAX, Some(4)), Came::InTurn);

        let nothing = Identity { sequence: None, chunk: Some(Numeral(1)), timestamp: None };
        assert!((0..9).all(|_| Order::default().take(nothing) == Came::InTurn));
    }
}
