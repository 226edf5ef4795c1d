//! The built-in agent: no network, no account.
//!
//! It greets, listens with real speech detection, plays back what it heard, can be interrupted, knows the keys, hangs up
//! and hands over when told to by key. It makes the first run real, and it is what a line says before anybody has
//! signed up anywhere. It speaks through the same contract as every other agent; only its socket is missing, so
//! [`Leg`] takes commands and gives events directly, and the frames it hears are its clock.
//!
//! `ear` listens, `mouth` speaks, [`Leg`] decides.

mod ear;
mod leg;
mod mouth;

pub use leg::{Leg, Plan};

/// What the built-in agent can do.
pub const CAPABILITIES: call::AgentCapabilities = call::AgentCapabilities {
    name: "demo",
    interrupts: true,
    truncates: false,
    // It has recorded sentences and no voice for others.
    says: false,
    // It lives in this very process: there is no way to lose it.
    pings: false,
};
