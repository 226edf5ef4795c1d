//! Samples in, samples out.
//!
//! Inside Trunkline there is only PCM16, mono, with a rate. Everything that turns wires into samples, samples into
//! other samples, or samples into knowledge (is this speech, was that a digit) lives here, pure and measured.

mod frame;

pub use frame::{Frame, Rate};
