//! The gateway's front door: one listener for webhooks, media sockets, the API and the console.

mod listener;
mod media_sockets;
mod router;

pub use listener::{Front, PeerAddress};
pub use router::router;
