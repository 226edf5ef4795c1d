//! What the agents promise, from outside.

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
