//! ElevenLabs Agents over a WebSocket.
//!
//! The provider listens, thinks and speaks; it alone decides when the caller has finished a turn or interrupts. Audio
//! formats are the agent's settings, told in the first message of a session. [`inspect`] reads those settings before
//! any call does and says in words what would break one.
//!
//! A session: [`Account::signed_url_request`] and [`Account::read_signed_url`], or [`Account::direct`], give a
//! [`Dial`]; over the socket, [`Leg::open`] writes the first message, [`Leg::read`] and [`Leg::write`] carry the
//! conversation, and [`Leg::closed`] or [`Leg::refused`] say what its end means.

mod account;
mod audio_message;
mod format;
mod initiation;
pub mod inspect;
mod leg;
pub mod messages;
mod recap;
mod refusal;
mod resumption;
mod speech;
mod tools;
mod wording;

pub use account::{Account, Auth, BaseUrl, BaseUrlError, Dial};
pub use audio_message::AudioMessage;
pub use format::Format;
pub use initiation::{Initiation, Override};
pub use leg::{Leg, LegPlan, MESSAGE_MAX};
pub use refusal::ErrorBody;

/// What such an agent can do.
pub const CAPABILITIES: call::AgentCapabilities = call::AgentCapabilities {
    name: "elevenlabs",
    interrupts: true,
    // It estimates by itself what the caller heard; there is no message to correct it.
    truncates: false,
    says: true,
    pings: true,
};
