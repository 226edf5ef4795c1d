//! The conversation itself: what a call decides, and nothing that waits.
//!
//! A [`Call`] is told what happened and when ([`Input`]) and says what to do about it ([`Command`]). It has no clock, no
//! socket and no chance of its own, so a ten-minute conversation with a lost acknowledgement is tested in a
//! millisecond, and a recorded one can be played again.

mod agent;
mod backoff;
mod barge_in;
mod call;
mod carrier;
mod core;
mod ending;
mod fact;
mod holdback;
mod ids;
mod moment;
mod order;
mod phase;
mod playout;
mod receipt;
mod settings;
mod slots;
mod tools;
mod transcript;

pub use agent::{
    AgentCapabilities, AgentChoice, AgentCommand, AgentDeparture, AgentEvent, AgentFault, AgentLeft,
    AgentReady, DialAgent, QueueStatus, Retry, Said, Side, ToolStage, ToolTrace,
};
pub use call::{Call, Command, Input, Levels};
pub use carrier::{
    CarrierCapabilities, CarrierCommand, CarrierDeparture, CarrierEvent, Closing, Encoding, MarkFate,
    MarkOnFlush, MediaStart, Oddity, Proof, ShortPiece, Sound, Way,
};
pub use ending::{EndCause, Unreached};
pub use fact::{BargeInBy, Entry, Fact, GoodbyeProof, IgnoredBecause, PhaseName, Turn, Watchdog};
pub use ids::{AnswerId, CallId, Digit, Generation, Mark, NotOurMark, masked};
pub use moment::Moment;
pub use order::{ControlOutcome, Order};
pub use receipt::{Receipt, Tally};
pub use settings::{
    BargeInSettings, CallPlan, CallSettings, DetectorUse, Fallback, LimitSettings, Prompts,
    ReconnectSettings, Voicemail,
};
pub use slots::{SlotId, Slots};
pub use tools::{OwnTool, ToolCall, ToolOutcome, ToolRun};
