//! Exotel: Voicebot applets, the Connect API and Legs, with one media socket for all of them.
//!
//! A call reaches us with its media socket, or knocks at a [`webhook`] first that is answered with the socket's address;
//! a [`Leg`] speaks on it. The socket has no message for ending or handing over a call: Exotel goes on with the next step
//! of its flow and asks what that shall be. Placing a call is a REST request ([`call_control`]). Nothing is signed;
//! whoever knocks shows a secret.

pub mod call_control;
mod capabilities;
mod leg;
pub mod messages;
pub mod multipart;
mod names;
mod sound;
pub mod webhook;

pub use capabilities::CAPABILITIES;
pub use leg::{Leg, Settings};
pub use sound::rate_of;
