//! Exotel.

mod call_control;
mod independent_peer;
mod leg;
mod pacing;
mod webhook;
