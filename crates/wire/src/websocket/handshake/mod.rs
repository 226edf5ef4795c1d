//! The opening handshake (RFC 6455 §4): an HTTP request that stops being one.
//!
//! The client's side writes the request and reads the answer from raw bytes. The server's side judges header values
//! that an HTTP library has already read.

mod client;
mod head;
mod server;

pub use client::{ClientHandshake, ClientRequest, HandshakeError, Progress, RequestError, client_request};
pub use server::{UpgradeError, UpgradeRequest, accept_key, check_upgrade, server_response};
