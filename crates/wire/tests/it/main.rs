//! Everything that this crate promises, seen from outside.

mod outbox;
mod websocket;
