//! What the carriers' folders promise, checked from outside.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod browser;
mod contract;
mod document;
mod exotel;
mod fixtures;
mod hostile;
mod mcube;
mod peers;
mod pipecat;
mod plivo;
mod twilio;
