//! Twilio: Programmable Voice with bidirectional Media Streams.
//!
//! A call knocks at a [`webhook`], which is let in by its [`signature`] and answered with a [`twiml`] document; that
//! document makes Twilio open a media socket, and a [`Leg`] speaks on it. Ending a call, handing it over and placing a
//! new one are REST calls ([`call_control`]): the media socket can do none of them.

pub mod call_control;
mod capabilities;
mod leg;
pub mod messages;
mod quick_media;
pub mod signature;
pub mod twiml;
pub mod webhook;

pub use capabilities::CAPABILITIES;
pub use leg::Leg;
