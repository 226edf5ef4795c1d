//! The end of a call: the goodbye is heard in full, the line is let go, and nothing is left behind.

use super::transferring::{goodbye_deadline, settled};
use super::{Phase, carrier_cause};
use crate::core::{AgentLink, Core, Happening, ms};
use crate::{
    CarrierCommand, ControlOutcome, EndCause, Fact, GoodbyeProof, LimitSettings, Moment, PhaseName, Watchdog,
};

#[derive(Debug)]
pub(crate) struct Leaving {
    cause: EndCause,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Goodbye {
        since: Moment,
    },
    /// The carrier has been told to hang up.
    HangingUp {
        since: Moment,
    },
}

impl Leaving {
    /// Once the caller has heard what is being said.
    pub(crate) fn after_goodbye(now: Moment, cause: EndCause) -> Phase {
        Phase::Leaving(Leaving { cause, stage: Stage::Goodbye { since: now } })
    }

    /// Without waiting for anything to be heard.
    pub(crate) fn at_once(core: &mut Core, now: Moment, cause: EndCause) -> Phase {
        let mut leaving = Leaving { cause, stage: Stage::HangingUp { since: now } };
        leaving.hang_up(core, now);
        Phase::Leaving(leaving)
    }

    pub(crate) fn cause(&self) -> &EndCause {
        &self.cause
    }

    pub(super) fn step(self, core: &mut Core, now: Moment, happening: Happening) -> Phase {
        match happening {
            Happening::CarrierLeft(departure) => match self.stage {
                // Before the goodbye was out it was the caller who ended the call.
                Stage::Goodbye { .. } if !core.goodbye_is_moot() => Phase::Over(self.overtaken(departure)),
                Stage::Goodbye { .. } | Stage::HangingUp { .. } => Phase::Over(self.cause),
            },
            Happening::CarrierSaysOver | Happening::Control(ControlOutcome::HungUp) => {
                Phase::Over(self.cause)
            }
            Happening::Replaced => Phase::Over(EndCause::Replaced),
            Happening::Control(ControlOutcome::HangUpFailed { detail }) => {
                core.note(now, Fact::HangUpFailed { detail });
                Phase::Over(self.cause)
            }
            Happening::AgentLeft(departure) => {
                if core.agent != AgentLink::Away {
                    core.agent_lost(&departure, now);
                }
                Phase::Leaving(self)
            }
            Happening::HangUpOrdered { .. } => match self.stage {
                Stage::Goodbye { .. } => Leaving::at_once(core, now, self.cause),
                Stage::HangingUp { .. } => Phase::Leaving(self),
            },
            Happening::MediaStarted
            | Happening::AgentReady
            | Happening::EndWanted(_)
            | Happening::TransferWanted { .. }
            | Happening::Watchdog(_)
            | Happening::Control(ControlOutcome::Transferred | ControlOutcome::TransferFailed { .. }) => {
                core.unexpected("while leaving", PhaseName::Leaving, now);
                Phase::Leaving(self)
            }
        }
    }

    /// The caller did not wait for the goodbye. What was decided before stays the cause, unless it was only the
    /// agent's wish to end.
    fn overtaken(self, departure: crate::CarrierDeparture) -> EndCause {
        match self.cause {
            EndCause::AgentHungUp { .. } | EndCause::Voicemail => carrier_cause(departure),
            cause @ (EndCause::CallerHungUp
            | EndCause::CarrierLost { .. }
            | EndCause::Transferred { .. }
            | EndCause::OperatorHungUp { .. }
            | EndCause::AgentUnavailable { .. }
            | EndCause::NeverStarted
            | EndCause::NoMedia
            | EndCause::MaxDuration
            | EndCause::Stale
            | EndCause::Drained
            | EndCause::Replaced
            | EndCause::Broken { .. }) => cause,
        }
    }

    pub(super) fn tick(mut self, core: &mut Core, now: Moment) -> Phase {
        let limits = &core.plan.settings.limits;
        match self.stage {
            Stage::Goodbye { since } => {
                let deadline = since + LimitSettings::ms(limits.goodbye_ms);
                let proof = if settled(core, since, now) { core.goodbye_heard(now) } else { None };
                let proof = proof.or((now >= deadline).then_some(GoodbyeProof::Deadline));
                if let Some(proof) = proof {
                    core.note(now, Fact::GoodbyeHeard { waited_ms: ms(now.since(since)), proof });
                    self.hang_up(core, now);
                }
                Phase::Leaving(self)
            }
            Stage::HangingUp { since } => {
                if now >= since + LimitSettings::ms(limits.hang_up_ms) {
                    core.note(now, Fact::Watchdog { which: Watchdog::NotHungUp });
                    return Phase::Over(self.cause);
                }
                Phase::Leaving(self)
            }
        }
    }

    fn hang_up(&mut self, core: &mut Core, now: Moment) {
        core.dismiss_agent();
        core.tell_carrier(CarrierCommand::HangUp);
        self.stage = Stage::HangingUp { since: now };
    }

    pub(super) fn deadline(&self, core: &Core) -> Moment {
        match self.stage {
            Stage::Goodbye { since } => goodbye_deadline(core, since),
            Stage::HangingUp { since } => since + LimitSettings::ms(core.plan.settings.limits.hang_up_ms),
        }
    }
}
