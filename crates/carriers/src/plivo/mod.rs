//! Plivo: voice calls with bidirectional audio streams.
//!
//! A call knocks at a [`webhook`], which is let in by its [`signature`] and answered with an XML document ([`answer`]);
//! that document makes Plivo open a media socket, and a [`Leg`] speaks on it. Ending a call, handing it over and placing
//! a new one are REST calls ([`call_control`]); a call that is handed over comes back to us for the document that says
//! to whom.

pub mod answer;
pub mod call_control;
mod capabilities;
mod leg;
pub mod messages;
pub mod signature;
pub mod webhook;

pub use capabilities::CAPABILITIES;
pub use leg::Leg;
