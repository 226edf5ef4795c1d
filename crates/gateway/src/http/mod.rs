//! The gateway's front door: one listener for webhooks, media sockets, the API, health and the console.
//!
//! Handlers parse, ask and answer. Who may come in (`access`, `rate_limit`, `twilio::signature`) and what a call may be
//! asked (`api::orders`) are rules of their own, without sockets and clocks, tested where they stand.

mod access;
mod admission;
mod api;
mod body;
mod callers;
mod client_address;
mod console;
mod exotel;
mod health;
mod listener;
mod mcube;
mod media_sockets;
mod plivo;
mod rate_limit;
mod reception;
mod refusal;
mod router;
mod twilio;
mod ways;

pub(crate) use access::is_loopback_host;
pub(crate) use exotel::CONNECT_PATH as EXOTEL_CONNECT;
pub use listener::Front;
pub(crate) use plivo::transfer as plivo_transfer;
pub use router::router;
pub(crate) use twilio::documents as twilio_documents;
