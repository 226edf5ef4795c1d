//! Sockets that obey legs.
//!
//! A leg is pure: messages in, events out; commands in, messages out. Here each gets the socket it speaks over.

mod agent;
mod carrier;

pub use agent::{AgentSide, Dialled};
pub use carrier::{Asked, CarrierLeg, CarrierSide};
