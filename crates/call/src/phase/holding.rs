//! The agent is away and is being called back; the caller hears that the line lives.
//!
//! What happens meanwhile is answered as in [`super::talking`]; only the passing of time means something of its own.

use super::Phase;
use crate::Moment;
use crate::core::Core;

#[derive(Debug)]
pub(crate) struct Holding {
    /// When to dial; `None` while a dialling is under way.
    next: Option<Moment>,
}

impl Holding {
    pub(crate) fn waiting(until: Moment) -> Holding {
        Holding { next: Some(until) }
    }

    pub(crate) fn dialling() -> Holding {
        Holding { next: None }
    }

    pub(super) fn tick(mut self, core: &mut Core, now: Moment) -> Phase {
        if self.next.is_some_and(|next| now >= next) {
            self.next = None;
            core.dial(now);
        }
        Phase::Holding(self)
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.next
    }
}
