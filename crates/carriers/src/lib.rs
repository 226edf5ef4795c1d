//! One folder per phone protocol.
//!
//! A folder reads the same for every carrier: `messages` (what goes over the media socket, both ways), `leg` (those
//! messages ↔ call events), `capabilities` (what the carrier can and cannot do, one table), and where the carrier has
//! such things `webhook` and `twiml` (how a call reaches us and what we answer), `signature` (whether it is really the
//! carrier), `call_control` (what only the carrier's own interface can do). Recordings lie in `fixtures/`.
//!
//! Nothing here owns a socket, a clock or a task. A leg reads one [`wire::Incoming`] at a time and writes into a
//! [`wire::Outbox`]; requests are plain data that somebody else sends. The conversation that every leg must be able to
//! carry is `tests/it/contract.rs`: a new carrier is done when it passes there.

pub mod browser;
mod destination;
mod digits;
pub mod exotel;
mod marks;
pub mod mcube;
mod numbering;
mod numeral;
mod payload;
pub mod plivo;
pub mod twilio;
mod xml;

use audio::Rate;
use call::CarrierCapabilities;

/// What every carrier can and cannot do, in the order in which people are told.
pub const TABLES: [&CarrierCapabilities; 5] = [
    &twilio::CAPABILITIES,
    &plivo::CAPABILITIES,
    &exotel::CAPABILITIES,
    &mcube::CAPABILITIES,
    &browser::CAPABILITIES,
];

/// What the request that becomes a media socket says by itself, before any message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// The carrier's name for the call, where the address holds it.
    pub call: Option<String>,
    /// The rate of the sound, where the address names one.
    pub rate: Option<Rate>,
}

/// What became of a [`call::CarrierCommand`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a command that needs the carrier's control interface is otherwise lost"]
pub enum Obeyed {
    /// The leg has done it, or written what does it.
    Done,
    /// The leg has written what asks for it; the carrier's leaving is the answer.
    Underway,
    /// The media socket cannot do it; the carrier's control interface can.
    ByControl(Control),
}

/// What is asked of a carrier beside its media socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// End the phone call.
    HangUp,
    /// Hand the caller over.
    Transfer { to: String },
}
