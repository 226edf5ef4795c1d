//! A telephone call over a media socket, whichever carrier it comes by.
//!
//! Every emulated carrier stands on this: `call` is the caller's end of one call with its clock, its ear and its mouth;
//! `stream` opens the media socket, speaks the carrier's `dialect` on it and plays what arrives in real time;
//! `timeline` writes everything down. What is seen from outside is the same for all of them: a [`LiveCall`] while the
//! call lasts, a [`CallReport`] when it is over.

pub(crate) mod call;
pub(crate) mod callbacks;
pub(crate) mod dialect;
pub(crate) mod fields;
mod line;
mod live;
pub(crate) mod order;
mod people;
mod playout;
pub(crate) mod socket;
mod sound;
pub(crate) mod stream;
mod timeline;
pub(crate) mod web;
pub(crate) mod xml;

pub use dialect::MarksOnClear;
pub use live::LiveCall;
pub use order::Method;
pub use people::{Callee, DialOutcome, Dialling};
pub use sound::{Encoding, Sound};
pub(crate) use timeline::Timeline;
pub use timeline::{CallNote, CallReport, End, Happening, How, MediaSums, Notes, StreamEnd, Warning};
