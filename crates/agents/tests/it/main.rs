//! What the agents promise, from outside.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod account;
mod closing;
mod contract;
mod demo;
mod fixtures;
mod inspecting;
mod prompts;
mod reading;
mod resuming;
mod sessions;
mod writing;
