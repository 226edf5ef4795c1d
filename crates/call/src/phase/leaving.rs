//! The end of a call: the goodbye is heard in full, the line is let go, and nothing is left behind.

use std::time::Duration;

use super::transferring::{goodbye_deadline, settled};
use super::{Phase, carrier_cause};
use crate::core::{AgentLink, Core, Happening, ms};
use crate::{
    AgentCommand, CarrierCommand, ControlOutcome, EndCause, Fact, GoodbyeProof, LimitSettings, Moment,
    PhaseName, Watchdog, Way,
};

/// From telling the agent what to say until it begins to: it thinks first, and its voice has to be made.
const SAY_WITHIN: Duration = Duration::from_secs(10);

/// The longest message for a machine, some thousand characters. Most machines give up earlier.
const MESSAGE_MAX: Duration = Duration::from_secs(75);

#[derive(Debug)]
pub(crate) struct Leaving {
    cause: EndCause,
    /// The cause stands, even if the other side leaves first.
    settled: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The agent has been told what to say, and had said so much before.
    Saying {
        since: Moment,
        said: Duration,
    },
    Goodbye {
        since: Moment,
        within: Duration,
    },
    /// The carrier has been told to hang up.
    HangingUp {
        since: Moment,
    },
}

impl Leaving {
    /// Once the caller has heard what is being said.
    pub(crate) fn after_goodbye(core: &Core, now: Moment, cause: EndCause) -> Phase {
        let within = LimitSettings::ms(core.plan.settings.limits.goodbye_ms);
        let settled = !matches!(cause, EndCause::AgentHungUp { .. } | EndCause::Voicemail);
        Phase::Leaving(Leaving { cause, settled, stage: Stage::Goodbye { since: now, within } })
    }

    /// Once the agent has said this, and it has been heard. An agent that cannot say it says nothing.
    pub(crate) fn after_saying(core: &mut Core, now: Moment, text: String, cause: EndCause) -> Phase {
        if !core.plan.agent.says || !matches!(core.agent, AgentLink::Here { .. }) {
            core.note(now, Fact::CannotSay);
            return Leaving::at_once(core, now, cause);
        }
        core.hush(now);
        core.note(now, Fact::SaidOnRequest { text: text.clone() });
        core.tell_agent(AgentCommand::Say { text });
        let stage = Stage::Saying { since: now, said: core.agent_said() };
        Phase::Leaving(Leaving { cause, settled: true, stage })
    }

    /// Without waiting for anything to be heard.
    pub(crate) fn at_once(core: &mut Core, now: Moment, cause: EndCause) -> Phase {
        let mut leaving = Leaving { cause, settled: true, stage: Stage::HangingUp { since: now } };
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
                Stage::Goodbye { .. } if !self.settled && !core.goodbye_is_moot() => {
                    Phase::Over(carrier_cause(core, departure))
                }
                Stage::Saying { .. } | Stage::Goodbye { .. } | Stage::HangingUp { .. } => {
                    Phase::Over(self.cause)
                }
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
            Happening::CannotSay => match self.stage {
                Stage::Saying { .. } => Leaving::at_once(core, now, self.cause),
                Stage::Goodbye { .. } | Stage::HangingUp { .. } => Phase::Leaving(self),
            },
            // What was decided before, or the machine, ends the call; it is ending.
            Happening::MachineAnswered => Phase::Leaving(self),
            Happening::HangUpOrdered { .. } => match self.stage {
                Stage::Saying { .. } | Stage::Goodbye { .. } => Leaving::at_once(core, now, self.cause),
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

    pub(super) fn tick(mut self, core: &mut Core, now: Moment) -> Phase {
        match self.stage {
            Stage::Saying { since, said } => {
                if core.agent_said() > said {
                    self.stage = Stage::Goodbye { since, within: MESSAGE_MAX };
                } else if core.agent == AgentLink::Away {
                    self.hang_up(core, now);
                } else if now >= since + SAY_WITHIN {
                    core.note(now, Fact::CannotSay);
                    self.hang_up(core, now);
                }
                Phase::Leaving(self)
            }
            Stage::Goodbye { since, within } => {
                let deadline = since + within;
                let proof = if settled(core, since, now) { core.goodbye_heard(now) } else { None };
                let proof = proof.or((now >= deadline).then_some(GoodbyeProof::Deadline));
                if let Some(proof) = proof {
                    core.note(now, Fact::GoodbyeHeard { waited_ms: ms(now.since(since)), proof });
                    self.hang_up(core, now);
                }
                Phase::Leaving(self)
            }
            Stage::HangingUp { since } => {
                if now >= since + patience(core) {
                    // Where a message asks for it, letting go of the socket is the agreed next step.
                    if core.plan.carrier.hang_up != Way::Message {
                        core.note(now, Fact::Watchdog { which: Watchdog::NotHungUp });
                    }
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
            Stage::Saying { since, .. } => since + SAY_WITHIN,
            Stage::Goodbye { since, within } => goodbye_deadline(core, since, within),
            Stage::HangingUp { since } => since + patience(core),
        }
    }
}

/// How long the carrier may take to let go.
fn patience(core: &Core) -> Duration {
    let limit = LimitSettings::ms(core.plan.settings.limits.hang_up_ms);
    match core.plan.carrier.hang_up {
        Way::Message => limit.min(core.plan.carrier.lets_go_within),
        Way::No | Way::Sound | Way::Request | Way::NextStep => limit,
    }
}
