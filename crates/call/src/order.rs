//! What people and the gateway itself can ask of a live call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// End the call now; `by` says who asked.
    HangUp { by: String },
    /// Hand the caller over.
    Transfer { to: String, by: String },
    /// Have the agent say this.
    Say { text: String },
    /// The gateway is going down: the call may last this much longer, then it ends politely.
    Drain { within: Duration },
    /// The carrier opened a second socket for this call; this one is void.
    Replaced,
    /// The carrier has found out that a machine answered the call that we placed.
    MachineAnswered,
    /// The carrier's own service says, outside the media socket, that the phone call is over.
    CarrierSaysOver { detail: String },
}

/// What came of something the shell did outside the media socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlOutcome {
    Transferred,
    TransferFailed { detail: String },
    HungUp,
    HangUpFailed { detail: String },
}
