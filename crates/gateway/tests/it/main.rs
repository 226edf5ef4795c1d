//! One program for all integration tests of the gateway: one link, shared set-up.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod config;
mod config_documents;
mod doctor;
mod logs;
mod outward;
