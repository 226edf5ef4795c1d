//! What the carriers' folders promise, checked from outside.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod browser;
mod contract;
mod fixtures;
mod hostile;
mod twilio;
