//! Which marks are out, and what it means when one comes back.
//!
//! Carriers send a mark back when everything before it has been played; some also when a `clear` throws it away. Only
//! its generation tells the two apart: what comes back from before the last clear was not heard.

use call::{Generation, Mark, MarkFate};

#[derive(Debug, Default)]
pub(crate) struct Marks {
    generation: Generation,
    /// The highest serial number set in this generation.
    highest: Option<u32>,
}

impl Marks {
    pub(crate) fn set(&mut self, mark: Mark) {
        if mark.generation == self.generation {
            self.highest = self.highest.max(Some(mark.serial));
        }
    }

    pub(crate) fn cleared(&mut self, generation: Generation) {
        self.generation = generation;
        self.highest = None;
    }

    /// `None` for a mark that was never set.
    pub(crate) fn fate(&self, mark: Mark) -> Option<MarkFate> {
        if mark.generation == self.generation {
            return self.highest.filter(|&highest| mark.serial <= highest).map(|_| MarkFate::Played);
        }
        (mark.generation < self.generation).then_some(MarkFate::Cleared)
    }
}
