//! The agent is away and is being called back; the caller hears that the line lives.

use super::talking::stalled;
use super::{Leaving, Phase, Transferring, anywhere, without_agent};
use crate::core::{Core, Happening};
use crate::{Moment, PhaseName, Watchdog};

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

    pub(super) fn step(self, core: &mut Core, now: Moment, happening: Happening) -> Phase {
        let happening = match anywhere(core, now, happening) {
            Ok(next) => return next,
            Err(happening) => happening,
        };
        match happening {
            Happening::AgentReady => {
                core.deliver_held(now);
                core.deliver_orphans();
                core.backoff.answered();
                Phase::Talking
            }
            Happening::AgentLeft(departure) => without_agent(core, now, departure),
            Happening::EndWanted(cause) => Leaving::after_goodbye(now, cause),
            Happening::TransferWanted { to } => Phase::Transferring(Transferring::after_goodbye(now, to)),
            Happening::Watchdog(watchdog) => match watchdog {
                Watchdog::AgentNotReady | Watchdog::AgentStalled => {
                    core.dismiss_agent();
                    without_agent(core, now, stalled(watchdog))
                }
                Watchdog::AgentSilent
                | Watchdog::NeverStarted
                | Watchdog::NoMedia
                | Watchdog::MaxDuration
                | Watchdog::Stale
                | Watchdog::Drain
                | Watchdog::NotHungUp => Phase::Holding(self),
            },
            Happening::MediaStarted
            | Happening::CarrierLeft(_)
            | Happening::CarrierSaysOver
            | Happening::Replaced
            | Happening::HangUpOrdered { .. }
            | Happening::Control(_) => {
                core.unexpected("while holding", PhaseName::Holding, now);
                Phase::Holding(self)
            }
        }
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
