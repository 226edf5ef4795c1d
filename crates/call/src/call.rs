//! One phone conversation, and the page that says what it can be told and what it can ask for.

use crate::core::{Core, Happening};
use crate::phase::Phase;
use crate::{
    AgentCommand, AgentEvent, CallId, CallPlan, CarrierCommand, CarrierEvent, ControlOutcome, DialAgent,
    EndCause, Entry, Moment, Order, PhaseName, Receipt, Said, ToolOutcome, ToolRun,
};

/// Everything a call can be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Carrier(CarrierEvent),
    Agent(AgentEvent),
    Order(Order),
    /// One of the bot's tools has finished.
    Tool(ToolOutcome),
    /// Something asked of the carrier outside its media socket has been done, or not.
    Control(ControlOutcome),
    /// The moment promised by [`Call::deadline`] has come.
    Deadline,
}

/// Everything a call can ask for. The shell obeys; it never decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    ToCarrier(CarrierCommand),
    ToAgent(AgentCommand),
    DialAgent(DialAgent),
    /// Let go of the agent's socket, whatever state it is in.
    DropAgent,
    RunTool(ToolRun),
    Note(Entry),
}

/// What a step usually decides. After a burst (kept words handed to a new session) the memory is given back.
const KEPT_COMMANDS: usize = 16;

/// Both sides' loudness, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    pub caller_dbfs: f32,
    pub agent_dbfs: f32,
    pub caller_speaks: bool,
    pub agent_speaks: bool,
}

/// One phone conversation, from the first knock to its one named end.
#[derive(Debug)]
pub struct Call {
    core: Core,
    phase: Phase,
}

impl Call {
    pub fn new(plan: CallPlan) -> Call {
        Call { core: Core::new(plan), phase: Phase::Arriving }
    }

    /// Tells the call what happened. Afterwards, [`Self::poll`] until there is nothing left to do.
    pub fn handle(&mut self, now: Moment, input: Input) {
        if self.is_over() {
            return;
        }
        let waited = matches!(input, Input::Deadline);
        if let Some(happening) = self.core.take_in(now, input, self.phase.name()) {
            self.step(now, happening);
        }
        if let Some(watchdog) = self.core.watch(now, self.phase.name()) {
            self.step(now, Happening::Watchdog(watchdog));
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Arriving);
        self.phase = phase.tick(&mut self.core, now);
        self.settle(now);
        self.core.advance(now, self.phase.name());
        if waited {
            self.core.round_off(now, self.phase.name());
        }
    }

    fn step(&mut self, now: Moment, happening: Happening) {
        let phase = std::mem::replace(&mut self.phase, Phase::Arriving);
        self.phase = phase.step(&mut self.core, now, happening);
        self.settle(now);
    }

    /// Tells the rest of the call where it stands now.
    fn settle(&mut self, now: Moment) {
        let after = self.phase.name();
        if self.core.last_phase != after {
            self.core.phase_changed(self.core.last_phase, after, now);
            if let Phase::Over(cause) = &self.phase {
                let cause = cause.clone();
                self.core.finish(cause, now);
            }
        }
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Command> {
        let next = self.core.out.pop_front();
        if next.is_none() && self.core.out.capacity() > KEPT_COMMANDS {
            self.core.out.shrink_to(0);
        }
        next
    }

    /// When the call wants to be told [`Input::Deadline`] if nothing else happens before.
    pub fn deadline(&self) -> Option<Moment> {
        if self.is_over() { None } else { self.core.deadline(&self.phase) }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Why the call ended, once it has.
    pub fn end(&self) -> Option<&EndCause> {
        match &self.phase {
            Phase::Over(cause) => Some(cause),
            Phase::Arriving
            | Phase::Greeting
            | Phase::Talking
            | Phase::Holding(_)
            | Phase::Transferring(_)
            | Phase::Leaving(_) => None,
        }
    }

    /// Why the call is ending or has ended; not yet certain while the goodbye is being heard.
    pub fn ending(&self) -> Option<&EndCause> {
        match &self.phase {
            Phase::Leaving(leaving) => Some(leaving.cause()),
            Phase::Over(cause) => Some(cause),
            Phase::Arriving
            | Phase::Greeting
            | Phase::Talking
            | Phase::Holding(_)
            | Phase::Transferring(_) => None,
        }
    }

    pub fn id(&self) -> CallId {
        self.core.plan.id
    }

    pub fn phase(&self) -> PhaseName {
        self.phase.name()
    }

    pub fn levels(&self, now: Moment) -> Levels {
        self.core.levels(now)
    }

    /// The conversation so far, oldest first, bounded.
    pub fn history(&self) -> impl Iterator<Item = &Said> {
        self.core.transcript.history()
    }

    /// Frames of the caller that are kept until an agent hears them.
    pub fn held_frames(&self) -> usize {
        self.core.held_frames()
    }

    /// Frames taken from the carrier and given to it so far.
    pub fn frames(&self) -> (u64, u64) {
        self.core.frames()
    }

    /// The figures of this call. Before its end they are those of a call that breaks off now.
    pub fn receipt(&self, now: Moment) -> Receipt {
        let end = self.end().cloned().unwrap_or_else(|| EndCause::Broken { detail: "still going on".into() });
        self.core.receipt(end, now)
    }
}
