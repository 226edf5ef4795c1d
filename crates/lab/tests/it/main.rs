//! The emulators, tried from outside: against the protocols' documents, and against the providers' own libraries.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test that called them")]

mod agent;
mod agent_rest;
mod conversation;
mod exotel;
mod faults;
mod gateway;
mod mcube;
mod mcube_web;
mod plivo;
mod plivo_peer;
mod plivo_rest;
mod rest;
mod scenario;
mod sdk;
mod signature;
mod stream;
mod twiml;
