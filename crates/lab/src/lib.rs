//! A phone network in a box: emulated carriers, agents and callers, with faults on demand.
//!
//! Everything a gateway talks to can be had here without an account: [`twilio::Twilio`], [`plivo::Plivo`],
//! [`exotel::Exotel`] and [`mcube::Mcube`] bring calls the way those carriers do, each on the same [`phone`];
//! [`elevenlabs::ElevenLabs`] holds conversations the way ElevenLabs Agents does, [`caller::Caller`] is the person on
//! the phone, and [`faults::Faults`] makes any of the wires misbehave on demand. Each emulator listens on
//! its own port of the loopback interface, keeps no globals, and takes all of its tasks with it when it is dropped.
//!
//! The emulators are written from the protocols' documents, never from the gateway's own reading of them: two
//! readings find each other's mistakes.

mod b64;
pub mod caller;
mod chance;
pub mod elevenlabs;
pub mod exotel;
pub mod faults;
mod hearing;
pub mod mcube;
pub mod measure;
mod net;
pub mod phone;
pub mod plivo;
pub mod scenario;
mod sound;
pub mod twilio;
pub mod voice;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks for a moment. A panic of another holder leaves plain records behind, which stay readable.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
