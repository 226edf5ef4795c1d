//! Where a call stands.
//!
//! `Arriving → Greeting → Talking ⇄ Holding → Transferring → Leaving → Over`. Each phase says what it thinks of every
//! [`Happening`]; what it does not expect is counted and ignored.

mod holding;
mod leaving;
mod talking;
mod transferring;
mod voicemail;

use crate::core::{Core, Happening};
use crate::{
    AgentDeparture, CarrierDeparture, ControlOutcome, EndCause, Fact, Fallback, Moment, PhaseName, Retry,
    Watchdog,
};

pub(crate) use holding::Holding;
pub(crate) use leaving::Leaving;
pub(crate) use transferring::Transferring;

#[derive(Debug)]
pub(crate) enum Phase {
    /// The carrier has knocked; no media yet.
    Arriving,
    /// Media flows, the agent is on its way for the first time.
    Greeting,
    /// Both sides are there.
    Talking,
    /// The agent is away and is being called back.
    Holding(Holding),
    /// The caller is about to be handed over.
    Transferring(Transferring),
    /// The goodbye is being heard, then the line is let go.
    Leaving(Leaving),
    Over(EndCause),
}

impl Phase {
    pub(crate) fn name(&self) -> PhaseName {
        match self {
            Phase::Arriving => PhaseName::Arriving,
            Phase::Greeting => PhaseName::Greeting,
            Phase::Talking => PhaseName::Talking,
            Phase::Holding(_) => PhaseName::Holding,
            Phase::Transferring(_) => PhaseName::Transferring,
            Phase::Leaving(_) => PhaseName::Leaving,
            Phase::Over(_) => PhaseName::Over,
        }
    }

    pub(crate) fn step(self, core: &mut Core, now: Moment, happening: Happening) -> Phase {
        match self {
            Phase::Arriving => arriving(core, now, happening),
            Phase::Greeting | Phase::Talking | Phase::Holding(_) => talking::step(self, core, now, happening),
            Phase::Transferring(transferring) => transferring.step(core, now, happening),
            Phase::Leaving(leaving) => leaving.step(core, now, happening),
            Phase::Over(cause) => Phase::Over(cause),
        }
    }

    /// Lets time do what it does in this phase.
    pub(crate) fn tick(self, core: &mut Core, now: Moment) -> Phase {
        match self {
            Phase::Holding(holding) => holding.tick(core, now),
            Phase::Transferring(transferring) => transferring.tick(core, now),
            Phase::Leaving(leaving) => leaving.tick(core, now),
            Phase::Talking => {
                if core.healthy(now) {
                    core.backoff.recovered();
                }
                Phase::Talking
            }
            Phase::Arriving | Phase::Greeting | Phase::Over(_) => self,
        }
    }

    pub(crate) fn deadline(&self, core: &Core) -> Option<Moment> {
        match self {
            Phase::Holding(holding) => holding.deadline(),
            Phase::Transferring(transferring) => Some(transferring.deadline(core)),
            Phase::Leaving(leaving) => Some(leaving.deadline(core)),
            Phase::Arriving | Phase::Greeting | Phase::Talking | Phase::Over(_) => None,
        }
    }
}

fn arriving(core: &mut Core, now: Moment, happening: Happening) -> Phase {
    match happening {
        Happening::MediaStarted => {
            core.dial(now);
            Phase::Greeting
        }
        Happening::CarrierLeft(departure) => Phase::Over(carrier_cause(core, departure)),
        Happening::CarrierSaysOver => Phase::Over(EndCause::CallerHungUp),
        Happening::Replaced => Phase::Over(EndCause::Replaced),
        Happening::HangUpOrdered { by } => Leaving::at_once(core, now, EndCause::OperatorHungUp { by }),
        Happening::MachineAnswered => voicemail::step(Phase::Arriving, core, now),
        Happening::Watchdog(watchdog) => {
            dying(core, now, watchdog).unwrap_or_else(|| Leaving::at_once(core, now, EndCause::NeverStarted))
        }
        Happening::AgentReady
        | Happening::AgentLeft(_)
        | Happening::EndWanted(_)
        | Happening::TransferWanted { .. }
        | Happening::CannotSay
        | Happening::Control(_) => {
            core.unexpected("before media", PhaseName::Arriving, now);
            Phase::Arriving
        }
    }
}

/// Why a call is over when its phone side is gone.
pub(crate) fn carrier_cause(core: &Core, departure: CarrierDeparture) -> EndCause {
    match departure {
        CarrierDeparture::Stopped => EndCause::CallerHungUp,
        CarrierDeparture::SocketClosed { .. } if core.plan.carrier.ends_by_closing => EndCause::CallerHungUp,
        CarrierDeparture::SocketClosed { .. }
        | CarrierDeparture::SocketFailed { .. }
        | CarrierDeparture::StoppedReading
        | CarrierDeparture::Unintelligible => EndCause::CarrierLost { departure },
    }
}

/// The watchdogs that end a call wherever it stands.
pub(crate) fn dying(core: &mut Core, now: Moment, watchdog: Watchdog) -> Option<Phase> {
    let cause = match watchdog {
        Watchdog::NeverStarted => EndCause::NeverStarted,
        Watchdog::NoMedia => EndCause::NoMedia,
        Watchdog::MaxDuration => EndCause::MaxDuration,
        Watchdog::Stale => EndCause::Stale,
        Watchdog::Drain => {
            core.dismiss_agent();
            let closing = core.plan.prompts.closing.clone();
            core.speak_instead(&closing, now);
            return Some(Leaving::after_goodbye(core, now, EndCause::Drained));
        }
        Watchdog::AgentNotReady
        | Watchdog::AgentStalled
        | Watchdog::AgentSilent
        | Watchdog::NotHungUp
        | Watchdog::TransferNotConfirmed => {
            return None;
        }
    };
    Some(Leaving::at_once(core, now, cause))
}

/// The agent is gone: call it back, or do what the bot says for that case.
pub(crate) fn without_agent(core: &mut Core, now: Moment, departure: AgentDeparture) -> Phase {
    core.agent_lost(&departure, now);
    let asked = match departure.retry {
        Retry::Over => {
            return Leaving::after_goodbye(core, now, EndCause::AgentHungUp { reason: None });
        }
        Retry::Never => return fall_back(core, now, departure.detail),
        Retry::Backoff => None,
        Retry::After(wait) => Some(wait),
    };
    match core.backoff.next(now, asked) {
        Some(wait) => Phase::Holding(Holding::waiting(now + wait)),
        None => fall_back(core, now, departure.detail),
    }
}

/// No agent can be had: another bot, a person, or an apology.
pub(crate) fn fall_back(core: &mut Core, now: Moment, detail: String) -> Phase {
    core.dismiss_agent();
    match core.plan.settings.fallback.clone() {
        Fallback::Bot { name } if !core.on_fallback => {
            core.on_fallback = true;
            if let Some(agent) = core.plan.fallback_agent {
                core.plan.agent = agent;
            }
            core.backoff.recovered();
            core.note(now, Fact::Fallback { to: name });
            core.dial(now);
            Phase::Holding(Holding::dialling())
        }
        Fallback::Transfer { to } if core.plan.carrier.transfer.exists() => {
            core.note(now, Fact::Fallback { to: to.clone() });
            Phase::Transferring(Transferring::for_want_of_an_agent(core, now, to))
        }
        Fallback::Apologise | Fallback::Bot { .. } | Fallback::Transfer { .. } => {
            apologise(core, now, detail)
        }
    }
}

pub(crate) fn apologise(core: &mut Core, now: Moment, detail: String) -> Phase {
    core.dismiss_agent();
    let apology = core.plan.prompts.apology.clone();
    core.speak_instead(&apology, now);
    Leaving::after_goodbye(core, now, EndCause::AgentUnavailable { detail })
}

/// What every phase with a live call does alike; `Err` gives back what it must decide itself.
pub(crate) fn anywhere(core: &mut Core, now: Moment, happening: Happening) -> Result<Phase, Happening> {
    match happening {
        Happening::CarrierLeft(departure) => Ok(Phase::Over(carrier_cause(core, departure))),
        Happening::CarrierSaysOver => Ok(Phase::Over(EndCause::CallerHungUp)),
        Happening::Replaced => Ok(Phase::Over(EndCause::Replaced)),
        Happening::HangUpOrdered { by } => {
            core.dismiss_agent();
            Ok(Leaving::at_once(core, now, EndCause::OperatorHungUp { by }))
        }
        Happening::Watchdog(watchdog) => dying(core, now, watchdog).ok_or(Happening::Watchdog(watchdog)),
        Happening::Control(ControlOutcome::HungUp) => Ok(Phase::Over(EndCause::CallerHungUp)),
        Happening::MediaStarted
        | Happening::AgentReady
        | Happening::AgentLeft(_)
        | Happening::EndWanted(_)
        | Happening::TransferWanted { .. }
        | Happening::MachineAnswered
        | Happening::CannotSay
        | Happening::Control(_) => Err(happening),
    }
}
