//! What an agent leg can say, do, and cannot do.

use std::time::Duration;

use audio::Frame;
use serde::{Deserialize, Serialize};

use crate::{AnswerId, Oddity, ToolCall};

/// What the AI side tells the call.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// The session stands; from here on the agent hears the caller.
    Ready(AgentReady),
    /// Speech for the caller, already at the carrier leg's rate. Arrives in bursts.
    Audio { answer: AnswerId, frame: Frame },
    /// The text of an answer, usually all of it before the audio is.
    Says { answer: AnswerId, text: String },
    /// What the agent believes the caller heard of an interrupted answer.
    Corrected { answer: AnswerId, text: String },
    /// No more audio will come for this answer.
    AnswerEnded { answer: AnswerId },
    /// What the agent understood the caller to say.
    CallerSaid { text: String, is_final: bool },
    /// The caller spoke over this answer: it and everything before it is void.
    Interrupted { answer: AnswerId },
    /// How likely the caller is speaking, 0 to 1, as the agent hears it.
    SpeechScore(f32),
    /// The agent wants something done.
    ToolCalled(ToolCall),
    /// The agent's own platform ran a tool; this is only its trace.
    ToolTraced(ToolTrace),
    /// Where we stand in the agent's queue.
    Queue(QueueStatus),
    /// Something went wrong on the agent's side. Departure usually follows.
    Fault(AgentFault),
    /// What [`AgentCommand::Say`] asked for cannot be done.
    CannotSay,
    /// A sign of life without other meaning (a ping).
    Alive,
    /// The session is gone, or never came to be. Nothing follows.
    Left(AgentDeparture),
    /// Something outside the protocol: counted, never fatal by itself.
    Odd(Oddity),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentReady {
    /// The provider's own name for the conversation.
    pub session: Option<String>,
    /// The formats agreed on, for the record (`ulaw_8000 / pcm_16000`).
    pub formats: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolTrace {
    pub id: String,
    pub name: String,
    pub stage: ToolStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStage {
    Requested,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueStatus {
    Waiting,
    Admitted,
    TimedOut,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentFault {
    pub code: Option<u16>,
    /// The provider's machine-readable word for it.
    pub kind: Option<String>,
    pub message: Option<String>,
}

/// Why an agent's session is gone, and whether another attempt makes sense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentDeparture {
    pub cause: AgentLeft,
    pub retry: Retry,
    /// In words, for the person who has to mend it. Never holds a key.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum AgentLeft {
    /// The agent ended the conversation in order.
    Finished,
    /// The handshake was refused with this HTTP status.
    Refused { status: u16 },
    /// The session was closed with this code.
    Closed { code: u16 },
    /// The network broke: no close, no answer, no route.
    Lost,
    /// No free slot of our own for another session.
    NoSlot,
    /// It did not get ready in time, or stopped giving signs of life.
    Stalled,
}

/// Whether to dial again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The conversation is over; there is nothing to retry.
    Over,
    /// No attempt can succeed until a person changes something.
    Never,
    /// Try again by the call's own backoff.
    Backoff,
    /// The provider asked for this much patience.
    After(Duration),
}

/// What the call asks of the AI side.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentCommand {
    /// What the caller says, at the carrier leg's rate.
    Hear(Frame),
    /// The caller has heard this much of this answer and no more.
    HeardUpTo {
        answer: AnswerId,
        heard: Duration,
    },
    /// The caller pressed these keys.
    Digits(String),
    ToolResult {
        id: String,
        result: String,
        is_error: bool,
    },
    /// Something the agent should know without answering it.
    Context {
        text: String,
    },
    /// Have the agent say this to the caller, as nearly word for word as it can.
    Say {
        text: String,
    },
    /// End the session in order.
    Leave,
}

/// What an agent leg can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AgentCapabilities {
    /// The agent's kind for people and records. Nothing is decided by it.
    pub name: &'static str,
    /// It notices by itself that the caller speaks over it, and says so.
    pub interrupts: bool,
    /// It wants to know how much of an answer was heard ([`AgentCommand::HeardUpTo`]).
    pub truncates: bool,
    /// It can speak a sentence on request.
    pub says: bool,
    /// It gives signs of life even when nobody speaks; their absence means it is gone.
    pub pings: bool,
}

/// Dial the agent: for the first time, again after it was lost, or another one in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct DialAgent {
    /// Counts every dialling of this call from 1.
    pub attempt: u32,
    pub which: AgentChoice,
    /// When set, the conversation goes on: the new session is told what was said and must not greet again.
    pub resume: Option<Vec<Said>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentChoice {
    /// The agent of the bot that answers the line.
    Own,
    /// The bot named as its fallback.
    Fallback,
}

/// One line of the conversation so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub side: Side,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Caller,
    Agent,
}
