//! What a call costs: the apparatus behind `trunkline bench`.
//!
//! N callers speak Twilio's media stream at 50 frames a second each; an agent echoes what it hears; between them stands
//! in turn nothing, the bare relay (the floor), and whatever is to be measured. Counted are the processor time and
//! the memory of the one in between, the time every frame took, and every frame that did not come back once, whole
//! and in order.
//!
//! Everything on the measuring side is single-threaded polling with its own small WebSocket code, so that it stays
//! cheap and shares no mistake with the gateway. It is for peers we started ourselves, not for the open network.
//!
//! [`run()`] is the whole bench. It starts the parts as processes of their own: the program that calls it must hand the
//! words after [`PART_WORD`] on to [`part_main`].

mod agent;
mod error;
mod framing;
mod handshake;
mod histogram;
mod link;
mod load;
mod part;
mod process;
mod relay;
mod report;
mod run;
mod scan;
mod slots;
mod stamp;
mod system;
mod voice;

pub use agent::{AgentPlan, Manner};
pub use error::MeasureError;
pub use histogram::Histogram;
pub use load::{Entry, LoadPlan, LoadResult, Talk, Tally, Watched, Webhook};
pub use part::{Listening, PART_WORD, Starter, part_main};
pub use process::{Memory, Spent, Usage};
pub use relay::RelayPlan;
pub use report::{Aim, BargeInRow, Cost, DIRECT, Frames, Machine, Percentiles, RELAY, Report, Row};
pub use run::{BargeIn, Plan, run, run_with};
pub use system::System;

#[cfg(test)]
mod tests;
