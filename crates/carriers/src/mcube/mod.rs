//! Mcube: calls of Indian numbers, their sound over a WebSocket.
//!
//! A call comes either with its media socket alone (the older way), or knocks first: Mcube asks a [`webhook`] (its
//! "refurl") for the address of the media socket and reports to the same one what becomes of the call. On the socket a
//! [`Leg`] speaks; hanging up and handing over are messages there. Only placing a call is a request ([`call_control`]).
//!
//! Mcube publishes no description of the socket. What is believed here comes from what its users have published, and
//! from its kinship with Plivo's; where they leave a name open (the facts about a call, the number of a transfer), the
//! name is a [`Settings`].

pub mod call_control;
mod capabilities;
mod facts;
mod leg;
pub mod messages;
mod sound;
pub mod webhook;

use std::collections::BTreeMap;

pub use capabilities::CAPABILITIES;
pub use facts::Fields;
pub use leg::Leg;

/// What differs between customers of Mcube.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Under which names the facts about a call travel.
    pub fields: Fields,
    /// The field of a `transfer` that holds the number.
    pub transfer_number_field: String,
    /// Whether a `transfer` names the call beside the stream.
    pub transfer_call_id: bool,
    /// Which bot an agent id stands for.
    pub bots: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            fields: Fields::default(),
            transfer_number_field: "number".to_owned(),
            transfer_call_id: true,
            bots: BTreeMap::new(),
        }
    }
}
