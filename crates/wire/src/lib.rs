//! What goes over sockets, as plain data.
//!
//! Legs read [`Incoming`] messages and write into an [`Outbox`]; they never see a socket. The gateway owns the sockets
//! and turns bytes into the one and the other into bytes. Requests that a leg wants made ([`Request`]) are data too.

mod outbox;
mod request;
mod secret;
pub mod websocket;

pub use outbox::{Kind, Outbox};
pub use request::{Body, Method, Reply, Request};
pub use secret::Secret;

/// One whole message from a peer. Text has been checked to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}
