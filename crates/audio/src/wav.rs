//! WAV files: prompts and voice samples come in as one, recordings leave as one.
//!
//! Reading takes whatever a person is likely to upload and gives mono PCM16; every length in the file is a claim that
//! is checked against what is there. Writing puts the header first and corrects it at the end; until then the header
//! says "length unknown", so a recording whose writer was killed still plays.

mod reading;
mod writing;

pub use reading::{CHANNELS_MAX, WavError, read};
pub use writing::{Destination, WavWriter, write};

/// Size fields of a stream whose length nobody knows yet.
const UNKNOWN_LENGTH: u32 = u32::MAX;

/// Bytes of the header we write.
const HEADER_BYTES: usize = 44;
