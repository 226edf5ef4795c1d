//! What happened in a call, in the words of the ledger.
//!
//! Facts are what transcripts, metrics, the console's timeline and the records are made of. They carry decisions and
//! their causes, never audio, and at most a few of them a second.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AgentDeparture, AgentFault, AnswerId, Digit, EndCause, Generation, Moment, Oddity, QueueStatus, Side,
    ToolStage,
};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the call began.
    pub at: Moment,
    #[serde(flatten)]
    pub fact: Fact,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    PhaseChanged {
        from: PhaseName,
        to: PhaseName,
    },
    MediaStarted {
        stream: Option<String>,
    },
    AgentDialled {
        attempt: u32,
        resumed: bool,
    },
    AgentReady {
        attempt: u32,
        waited_ms: u64,
        session: Option<String>,
        formats: Option<String>,
    },
    AgentQueue {
        status: QueueStatus,
    },
    AgentFault {
        fault: AgentFault,
    },
    AgentLost {
        departure: AgentDeparture,
    },
    /// The bounded queue that keeps the caller's words while no agent listens lost its oldest chunks.
    HeldAudioDropped {
        chunks: u64,
    },
    /// Kept words were handed to the agent.
    HeldAudioDelivered {
        chunks: u64,
    },
    /// The first sound of an answer reached the caller's side, so long after the caller stopped speaking (or, for the
    /// first answer, after the agent was dialled).
    AnswerStarted {
        answer: AnswerId,
        waited_ms: Option<u64>,
    },
    CallerSpeaks {
        speaking: bool,
    },
    /// One side's uninterrupted stretch of speech is complete.
    Turn {
        turn: Turn,
    },
    /// The caller spoke over the agent and the agent fell silent.
    BargeIn {
        by: BargeInBy,
        answer: Option<AnswerId>,
        generation: Generation,
        heard_ms: u64,
        dropped_ms: u64,
        after_onset_ms: Option<u64>,
    },
    /// A reason to interrupt was not followed.
    BargeInIgnored {
        by: BargeInBy,
        why: IgnoredBecause,
    },
    /// The carrier confirmed that the caller hears silence, so long after the clear was sent.
    SilenceConfirmed {
        generation: Generation,
        waited_ms: u64,
    },
    /// Audio of an interrupted answer came too late and was not played.
    LateAudioDropped {
        answer: AnswerId,
        ms: u64,
    },
    /// More answer than we keep arrived; the newest was dropped.
    PlayoutOverflowed {
        ms: u64,
    },
    Digit {
        digit: Digit,
    },
    ToolCalled {
        id: String,
        name: String,
    },
    ToolAnswered {
        id: String,
        name: String,
        is_error: bool,
        took_ms: u64,
        /// Why it failed or was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    ToolTraced {
        id: String,
        name: String,
        stage: ToolStage,
    },
    TransferStarted {
        to: String,
    },
    TransferFailed {
        to: String,
        detail: String,
    },
    /// The call was to end or to be handed over once the caller has heard the goodbye, and this is how that went.
    GoodbyeHeard {
        waited_ms: u64,
        proof: GoodbyeProof,
    },
    SaidOnRequest {
        text: String,
    },
    CannotSay,
    /// The carrier has found out that a machine answered the call that we placed.
    MachineAnswered,
    Ordered {
        what: String,
        by: Option<String>,
    },
    Fallback {
        to: String,
    },
    Watchdog {
        which: Watchdog,
    },
    /// Something outside a protocol; `count` is how often so far on this call.
    Odd {
        side: Side,
        oddity: Oddity,
        count: u64,
    },
    /// An event that makes no sense in this phase; counted and ignored.
    Unexpected {
        what: String,
        phase: PhaseName,
        count: u64,
    },
    HangUpFailed {
        detail: String,
    },
    Ended {
        end: EndCause,
    },
}

/// One uninterrupted stretch of speech of one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    pub side: Side,
    pub from: Moment,
    pub to: Moment,
    /// For the caller: what was understood. For the agent: what the caller has really heard.
    pub text: String,
    /// For an interrupted agent: everything it had meant to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meant: Option<String>,
    pub interrupted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerId>,
}

impl Turn {
    pub fn duration(&self) -> Duration {
        self.to.since(self.from)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    Arriving,
    Greeting,
    Talking,
    Holding,
    Transferring,
    Leaving,
    Over,
}

/// Who noticed that the caller speaks over the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BargeInBy {
    /// The agent said so.
    Agent,
    /// The agent's speech score stayed high.
    Score,
    /// Our own detector.
    Detector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoredBecause {
    NothingPlays,
    JustInterrupted,
    /// This answer was interrupted before.
    AlreadyInterrupted,
    /// The goodbye is played to its end.
    Leaving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodbyeProof {
    /// Nothing was left to hear.
    NothingQueued,
    /// The carrier's marks came back.
    Acknowledged,
    /// No acknowledgement, but its time has passed.
    Elapsed,
    /// The deadline ended the wait.
    Deadline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watchdog {
    NeverStarted,
    NoMedia,
    AgentNotReady,
    AgentStalled,
    AgentSilent,
    MaxDuration,
    Stale,
    Drain,
    /// The carrier did not hang up when told to.
    NotHungUp,
    /// The carrier, told on the media socket to hand the caller over, neither let go nor objected.
    TransferNotConfirmed,
}
