//! Why a call ended: always exactly one cause.

use serde::{Deserialize, Serialize};

use crate::CarrierDeparture;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum EndCause {
    /// The caller hung up, or the carrier said the call is over.
    CallerHungUp,
    /// The phone side vanished without saying so.
    CarrierLost {
        departure: CarrierDeparture,
    },
    /// The agent ended the conversation.
    AgentHungUp {
        reason: Option<String>,
    },
    Transferred {
        to: String,
    },
    /// A machine answered, and the agent left it at that.
    Voicemail,
    /// Somebody at the console or the API ended it.
    OperatorHungUp {
        by: String,
    },
    /// The agent could not be kept or had, and the fallback was to say so and hang up.
    AgentUnavailable {
        detail: String,
    },
    /// No media ever started.
    NeverStarted,
    /// The carrier kept the socket open but sent nothing.
    NoMedia,
    /// The longest a call may last.
    MaxDuration,
    /// Nobody said anything for too long.
    Stale,
    /// The gateway went down and the time to finish was over.
    Drained,
    /// Another socket took this call over.
    Replaced,
    /// A call that we placed was not answered.
    NotReached {
        why: Unreached,
        detail: String,
    },
    /// A bug of ours ended this call, and only this one.
    Broken {
        detail: String,
    },
}

/// Why a call that we placed was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreached {
    Busy,
    /// It rang, and nobody came.
    NoAnswer,
    /// The far side, or its network, declined.
    Rejected,
    /// The carrier would not or could not place the call.
    Failed,
    /// Taken back before anybody answered.
    Cancelled,
}

impl Unreached {
    pub fn words(self) -> &'static str {
        match self {
            Unreached::Busy => "The line was busy",
            Unreached::NoAnswer => "Nobody answered",
            Unreached::Rejected => "The call was declined",
            Unreached::Failed => "The call could not be placed",
            Unreached::Cancelled => "The call was taken back before it was answered",
        }
    }
}

impl EndCause {
    /// The cause in one word, for metrics and lists.
    pub fn name(&self) -> &'static str {
        match self {
            EndCause::CallerHungUp => "caller_hung_up",
            EndCause::CarrierLost { .. } => "carrier_lost",
            EndCause::AgentHungUp { .. } => "agent_hung_up",
            EndCause::Transferred { .. } => "transferred",
            EndCause::Voicemail => "voicemail",
            EndCause::OperatorHungUp { .. } => "operator_hung_up",
            EndCause::AgentUnavailable { .. } => "agent_unavailable",
            EndCause::NeverStarted => "never_started",
            EndCause::NoMedia => "no_media",
            EndCause::MaxDuration => "max_duration",
            EndCause::Stale => "stale",
            EndCause::Drained => "drained",
            EndCause::Replaced => "replaced",
            EndCause::NotReached { .. } => "not_reached",
            EndCause::Broken { .. } => "broken",
        }
    }

    /// The cause as a sentence, for people.
    pub fn words(&self) -> String {
        match self {
            EndCause::CallerHungUp => "The caller hung up.".into(),
            EndCause::CarrierLost { departure } => match departure {
                CarrierDeparture::Stopped => "The carrier ended the media.".into(),
                CarrierDeparture::SocketClosed { code: Some(code) } => {
                    format!("The carrier closed its socket without a word (code {code}).")
                }
                CarrierDeparture::SocketClosed { code: None } => {
                    "The carrier closed its socket without a word.".into()
                }
                CarrierDeparture::SocketFailed { detail } => format!("The carrier's socket broke: {detail}."),
                CarrierDeparture::StoppedReading => "The carrier stopped reading.".into(),
                CarrierDeparture::Unintelligible => {
                    "The carrier sent nothing that could be understood.".into()
                }
            },
            EndCause::AgentHungUp { reason: Some(reason) } => format!("The agent ended the call: {reason}"),
            EndCause::AgentHungUp { reason: None } => "The agent ended the call.".into(),
            EndCause::Transferred { to } => format!("The caller was handed over to {to}."),
            EndCause::Voicemail => "A machine had answered, and the agent ended the call.".into(),
            EndCause::OperatorHungUp { by } => format!("Ended by {by}."),
            EndCause::AgentUnavailable { detail } => format!("No agent could be had: {detail}"),
            EndCause::NeverStarted => "The carrier never started to send media.".into(),
            EndCause::NoMedia => "The carrier stopped sending media.".into(),
            EndCause::MaxDuration => "The call reached the longest time a call may last.".into(),
            EndCause::Stale => "Nobody said anything for too long.".into(),
            EndCause::Drained => "The gateway was shut down.".into(),
            EndCause::Replaced => "The carrier opened another socket for this call.".into(),
            EndCause::NotReached { why, detail } if detail.is_empty() => format!("{}.", why.words()),
            EndCause::NotReached { why, detail } => format!("{}: {detail}", why.words()),
            EndCause::Broken { detail } => format!("A bug of ours ended the call: {detail}"),
        }
    }
}
