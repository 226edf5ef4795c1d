//! The gateway's front door: one listener for webhooks, media sockets, the API, health and the console.
//!
//! Handlers parse, ask and answer. Who may come in (`access`, `rate_limit`, `twilio::signature`) and what a call may be
//! asked (`api::orders`) are rules of their own, without sockets and clocks, tested where they stand.

mod access;
mod api;
mod body;
mod client_address;
mod console;
mod health;
mod listener;
mod media_sockets;
mod rate_limit;
mod reception;
mod refusal;
mod router;
mod twilio;

pub use listener::Front;
pub use router::router;
