//! The other ends of a call: who is called on a gateway's behalf, and what becomes of it.

use std::time::Duration;

use crate::caller::Caller;
use crate::faults::Faults;

/// What becomes of a call that is placed from within a call: `<Dial>`, a transfer.
#[derive(Clone, Debug)]
pub struct Dialling {
    pub outcome: DialOutcome,
    pub rings_for: Duration,
    /// How long the conversation lasts once answered.
    pub talks_for: Duration,
}

impl Default for Dialling {
    fn default() -> Dialling {
        Dialling {
            outcome: DialOutcome::Completed,
            rings_for: Duration::from_secs(1),
            talks_for: Duration::from_secs(2),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialOutcome {
    Completed,
    Busy,
    NoAnswer,
    Failed,
}

impl DialOutcome {
    pub(crate) fn status(self) -> &'static str {
        match self {
            DialOutcome::Completed => "completed",
            DialOutcome::Busy => "busy",
            DialOutcome::NoAnswer => "no-answer",
            DialOutcome::Failed => "failed",
        }
    }
}

/// The other end of a call that is originated through the carrier's API.
#[derive(Clone, Debug)]
pub struct Callee {
    pub outcome: DialOutcome,
    pub rings_for: Duration,
    pub caller: Caller,
    /// Faults of the media socket.
    pub faults: Faults,
    /// A machine takes the call, for carriers that can tell.
    pub is_machine: bool,
}

impl Default for Callee {
    fn default() -> Callee {
        Callee {
            outcome: DialOutcome::Completed,
            rings_for: Duration::from_millis(200),
            caller: Caller::silent(),
            faults: Faults::none(),
            is_machine: false,
        }
    }
}
