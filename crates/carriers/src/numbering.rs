//! Whether a numbered message is the next one, one that came at the wrong time, or one that was here before.

use crate::numeral::Numeral;

/// The highest number so far, and which of the 64 numbers up to it have been here.
///
/// A window and not a single number, so that one that is merely late is told from one that comes twice. Far behind
/// the window the other side has begun to count anew; to call everything a repetition from then on would be deafness.
#[derive(Debug)]
pub(crate) struct Numbering {
    highest: Option<u64>,
    /// Bit 0 is the highest number itself.
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    Next,
    OutOfOrder,
    Again,
}

impl Numbering {
    /// Begins with the number of the first message, if it has one.
    pub(crate) fn from(first: Option<Numeral>) -> Numbering {
        Numbering { highest: first.map(|Numeral(number)| number), seen: 1 }
    }

    pub(crate) fn take(&mut self, number: u64) -> Numbered {
        let Some(highest) = self.highest else {
            *self = Numbering::from(Some(Numeral(number)));
            return Numbered::Next;
        };
        if number > highest {
            let step = number - highest;
            self.seen = if step < 64 { self.seen << step | 1 } else { 1 };
            self.highest = Some(number);
            return if step == 1 { Numbered::Next } else { Numbered::OutOfOrder };
        }
        let behind = highest - number;
        if behind >= 64 {
            *self = Numbering::from(Some(Numeral(number)));
            return Numbered::OutOfOrder;
        }
        let bit = 1 << behind;
        if self.seen & bit != 0 {
            return Numbered::Again;
        }
        self.seen |= bit;
        Numbered::OutOfOrder
    }
}

#[cfg(test)]
mod tests {
    use super::Numbered::{Again, Next, OutOfOrder};
    use super::*;

    #[test]
    fn numbers_are_next_late_or_again() {
        let mut numbering = Numbering::from(Some(Numeral(1)));
        let numbers = [2, 3, 3, 6, 5, 5, 4, 7, 6, 8, 1];

        let found: Vec<Numbered> = numbers.into_iter().map(|number| numbering.take(number)).collect();

        let expected =
            [Next, Next, Again, OutOfOrder, OutOfOrder, Again, OutOfOrder, Next, Again, Next, Again];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_counter_that_starts_anew_is_followed() {
        let mut numbering = Numbering::from(Some(Numeral(1_000)));

        assert_eq!(numbering.take(1), OutOfOrder);
        assert_eq!(numbering.take(2), Next);
        assert_eq!(numbering.take(u64::MAX), OutOfOrder);
        assert_eq!(numbering.take(u64::MAX), Again);
        assert_eq!(numbering.take(0), OutOfOrder);
    }
}
