//! The agent is there, on its way for the first time, or being called back.

use super::{Leaving, Phase, Transferring, anywhere, voicemail, without_agent};
use crate::core::{Core, Happening};
use crate::{AgentDeparture, AgentLeft, Moment, Retry, Watchdog};

pub(super) fn step(phase: Phase, core: &mut Core, now: Moment, happening: Happening) -> Phase {
    let happening = match anywhere(core, now, happening) {
        Ok(next) => return next,
        Err(happening) => happening,
    };
    match happening {
        Happening::AgentReady => {
            core.deliver_held(now);
            core.deliver_orphans();
            core.backoff.answered();
            if core.machine { voicemail::step(Phase::Talking, core, now) } else { Phase::Talking }
        }
        Happening::MachineAnswered => voicemail::step(phase, core, now),
        // It is in the ledger, and whoever asked for it reads it there.
        Happening::CannotSay => phase,
        Happening::AgentLeft(departure) => without_agent(core, now, departure),
        Happening::EndWanted(cause) => Leaving::after_goodbye(core, now, cause),
        Happening::TransferWanted { to } => Phase::Transferring(Transferring::after_goodbye(now, to)),
        Happening::Watchdog(watchdog) => match watchdog {
            Watchdog::AgentNotReady | Watchdog::AgentStalled => {
                core.dismiss_agent();
                without_agent(core, now, stalled(watchdog))
            }
            // Told in the ledger; some agents keep silent on purpose.
            Watchdog::AgentSilent
            | Watchdog::NeverStarted
            | Watchdog::NoMedia
            | Watchdog::MaxDuration
            | Watchdog::Stale
            | Watchdog::Drain
            | Watchdog::NotHungUp
            | Watchdog::TransferNotConfirmed => phase,
        },
        Happening::MediaStarted
        | Happening::CarrierLeft(_)
        | Happening::CarrierSaysOver
        | Happening::Replaced
        | Happening::HangUpOrdered { .. }
        | Happening::Control(_) => {
            core.unexpected("an event of another phase", phase.name(), now);
            phase
        }
    }
}

/// An agent that was given up is one that left.
fn stalled(watchdog: Watchdog) -> AgentDeparture {
    let detail = match watchdog {
        Watchdog::AgentNotReady => "the agent did not get ready in time",
        _ => "the agent gave no sign of life",
    };
    AgentDeparture { cause: AgentLeft::Stalled, retry: Retry::Backoff, detail: detail.into() }
}
