//! The caller is handed over: the agent's last words are heard, then the carrier is asked.

use std::time::Duration;

use super::{Phase, anywhere, apologise, without_agent};
use crate::core::{AgentLink, Core, Happening, ms};
use crate::{
    AgentCommand, AgentDeparture, AgentLeft, CarrierCommand, CarrierDeparture, ControlOutcome, EndCause,
    Fact, GoodbyeProof, LimitSettings, Moment, PhaseName, Retry, Watchdog, Way,
};

/// The carrier's answer to a transfer: its own request timeout lies well below.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// After the last sound of the agent, this long for another.
pub(super) const SETTLE: Duration = Duration::from_millis(1_000);

#[derive(Debug)]
pub(crate) struct Transferring {
    to: String,
    /// There is no agent to go back to.
    no_way_back: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// What the agent says to it is being heard.
    Goodbye { since: Moment },
    /// The carrier has been asked.
    Asked { since: Moment },
}

impl Transferring {
    pub(crate) fn after_goodbye(now: Moment, to: String) -> Transferring {
        Transferring { to, no_way_back: false, stage: Stage::Goodbye { since: now } }
    }

    pub(crate) fn for_want_of_an_agent(core: &mut Core, now: Moment, to: String) -> Transferring {
        let mut transferring = Transferring { to, no_way_back: true, stage: Stage::Goodbye { since: now } };
        if core.goodbye_heard(now).is_some() {
            transferring.ask(core, now);
        }
        transferring
    }

    pub(super) fn step(self, core: &mut Core, now: Moment, happening: Happening) -> Phase {
        match happening {
            // A carrier that has taken the caller away closes the media: that is success, not loss.
            Happening::CarrierLeft(CarrierDeparture::Stopped | CarrierDeparture::SocketClosed { .. })
                if matches!(self.stage, Stage::Asked { .. }) =>
            {
                Phase::Over(EndCause::Transferred { to: self.to })
            }
            Happening::Control(ControlOutcome::Transferred) if matches!(self.stage, Stage::Asked { .. }) => {
                Phase::Over(EndCause::Transferred { to: self.to })
            }
            Happening::Control(ControlOutcome::TransferFailed { detail }) => self.failed(core, now, detail),
            Happening::AgentLeft(departure) => {
                core.agent_lost(&departure, now);
                Phase::Transferring(self)
            }
            other => match anywhere(core, now, other) {
                Ok(next) => next,
                Err(Happening::Watchdog(Watchdog::AgentNotReady | Watchdog::AgentStalled)) => {
                    core.dismiss_agent();
                    Phase::Transferring(self)
                }
                // A machine that is being handed over is somebody else's by now.
                Err(Happening::MachineAnswered | Happening::CannotSay) => Phase::Transferring(self),
                Err(_) => {
                    core.unexpected("while transferring", PhaseName::Transferring, now);
                    Phase::Transferring(self)
                }
            },
        }
    }

    pub(super) fn tick(mut self, core: &mut Core, now: Moment) -> Phase {
        match self.stage {
            Stage::Goodbye { since } => {
                let deadline = since + LimitSettings::ms(core.plan.settings.limits.goodbye_ms);
                let proof = if !settled(core, since, now) { None } else { core.goodbye_heard(now) };
                let proof = proof.or((now >= deadline).then_some(GoodbyeProof::Deadline));
                if let Some(proof) = proof {
                    core.note(now, Fact::GoodbyeHeard { waited_ms: ms(now.since(since)), proof });
                    self.ask(core, now);
                }
                Phase::Transferring(self)
            }
            Stage::Asked { since } => {
                if now < since + patience(core) {
                    return Phase::Transferring(self);
                }
                if core.plan.carrier.transfer != Way::Message {
                    return self.failed(core, now, "the carrier did not answer".into());
                }
                // It was told in the only way there is, and says no more. Going on would speak into a call that is
                // somebody else's by now.
                core.note(now, Fact::Watchdog { which: Watchdog::TransferNotConfirmed });
                Phase::Over(EndCause::Transferred { to: self.to })
            }
        }
    }

    pub(super) fn deadline(&self, core: &Core) -> Moment {
        match self.stage {
            Stage::Goodbye { since } => {
                goodbye_deadline(core, since, LimitSettings::ms(core.plan.settings.limits.goodbye_ms))
            }
            Stage::Asked { since } => since + patience(core),
        }
    }

    fn ask(&mut self, core: &mut Core, now: Moment) {
        core.note(now, Fact::TransferStarted { to: self.to.clone() });
        core.tell_carrier(CarrierCommand::Transfer { to: self.to.clone() });
        self.stage = Stage::Asked { since: now };
    }

    fn failed(self, core: &mut Core, now: Moment, detail: String) -> Phase {
        core.note(now, Fact::TransferFailed { to: self.to.clone(), detail: detail.clone() });
        if self.no_way_back {
            return apologise(core, now, detail);
        }
        match core.agent {
            AgentLink::Here { .. } => {
                let text = format!(
                    "The transfer to {} failed ({detail}). The caller is still on the line.",
                    self.to
                );
                core.tell_agent(AgentCommand::Context { text });
                core.deliver_held(now);
                Phase::Talking
            }
            AgentLink::Away | AgentLink::Dialling { .. } => {
                // The agent left in the belief that the caller is in good hands.
                let detail = format!("the transfer failed: {detail}");
                without_agent(
                    core,
                    now,
                    AgentDeparture { cause: AgentLeft::Finished, retry: Retry::Backoff, detail },
                )
            }
        }
    }
}

/// The agent has said what it had to say: it is gone, or has been quiet for a moment.
pub(super) fn settled(core: &Core, since: Moment, now: Moment) -> bool {
    match core.agent {
        AgentLink::Away | AgentLink::Dialling { .. } => true,
        AgentLink::Here { .. } => now >= since.max(core.last_agent_sound) + SETTLE,
    }
}

/// When a goodbye must be looked at again.
pub(super) fn goodbye_deadline(core: &Core, since: Moment, within: Duration) -> Moment {
    let last = since + within;
    let settle = match core.agent {
        AgentLink::Away | AgentLink::Dialling { .. } => since,
        AgentLink::Here { .. } => since.max(core.last_agent_sound) + SETTLE,
    };
    let heard = if core.playout.is_acknowledged() { settle } else { core.playout.elapsed_at() };
    settle.max(heard).min(last)
}

/// How long the carrier may take to answer, or to let go where its leaving is the answer.
fn patience(core: &Core) -> Duration {
    match core.plan.carrier.transfer {
        Way::Message => core.plan.carrier.lets_go_within,
        Way::No | Way::Sound | Way::Request | Way::NextStep => ANSWER_MAX,
    }
}
