//! WebSocket: frames, messages, handshakes.

mod cases;
mod client_handshake;
mod frames;
mod memory;
mod peer;
mod properties;
mod rfc_examples;
mod server_handshake;
mod violations;
