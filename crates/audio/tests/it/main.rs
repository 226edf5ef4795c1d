//! One program for all tests of the crate's outside.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test helpers may fail loudly as tests do")]

mod adpcm;
mod bed;
mod dtmf;
mod framer;
mod g711;
mod level;
mod noise;
mod pcm;
mod resample;
mod spectrum;
mod spoken;
mod tone;
mod vad;
mod wav;
