//! Samples in, samples out.
//!
//! Inside Trunkline there is only PCM16, mono, with a rate. Everything that turns wires into samples, samples into
//! other samples, or samples into knowledge (is this speech, was that a digit) lives here, pure and measured.
//!
//! In the order the audio flows: [`g711`], [`pcm`] and [`wav`] open what a wire or a file brought; [`resample`] and
//! [`framer`] bring it to the rate and the piece size the other side wants; [`vad`], [`dtmf`] and [`level`] listen;
//! [`tone`] and [`bed`] make the sounds that nobody spoke; [`adpcm`] keeps bundled prompts small.
//!
//! Streaming parts give the same samples however the stream is cut into pieces; tests hold them to it.

pub mod adpcm;
pub mod bed;
pub mod dtmf;
mod frame;
pub mod framer;
pub mod g711;
pub mod level;
pub mod pcm;
pub mod resample;
pub mod tone;
pub mod vad;
pub mod wav;

pub use frame::{Frame, Rate};
