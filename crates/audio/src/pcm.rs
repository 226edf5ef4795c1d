//! PCM16 as bytes.
//!
//! Agents and files send little-endian samples, RTP sends big-endian ones (L16, RFC 3551 §4.5.11). A message is a
//! whole number of samples or it is broken; a stream may be cut anywhere, so [`Joiner`] carries the odd byte over.

use std::fmt;

/// A message of samples ended in half a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddLength {
    /// How many bytes the message had.
    pub bytes: usize,
}

impl fmt::Display for OddLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are not a whole number of 16-bit samples", self.bytes)
    }
}

impl std::error::Error for OddLength {}

/// Appends little-endian samples. Refuses half a sample, and then appends nothing.
pub fn le_to_pcm(bytes: &[u8], samples: &mut Vec<i16>) -> Result<(), OddLength> {
    let (whole, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(OddLength { bytes: bytes.len() });
    }
    samples.extend(whole.iter().map(|&pair| i16::from_le_bytes(pair)));
    Ok(())
}

/// Appends big-endian samples. Refuses half a sample, and then appends nothing.
pub fn be_to_pcm(bytes: &[u8], samples: &mut Vec<i16>) -> Result<(), OddLength> {
    let (whole, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(OddLength { bytes: bytes.len() });
    }
    samples.extend(whole.iter().map(|&pair| i16::from_be_bytes(pair)));
    Ok(())
}

/// Appends samples as little-endian bytes.
pub fn pcm_to_le(samples: &[i16], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + samples.len() * 2, 0);
    for (pair, sample) in bytes[start..].as_chunks_mut::<2>().0.iter_mut().zip(samples) {
        *pair = sample.to_le_bytes();
    }
}

/// Appends samples as big-endian bytes.
pub fn pcm_to_be(samples: &[i16], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + samples.len() * 2, 0);
    for (pair, sample) in bytes[start..].as_chunks_mut::<2>().0.iter_mut().zip(samples) {
        *pair = sample.to_be_bytes();
    }
}

/// Joins little-endian samples that a byte stream cut in half.
#[derive(Clone, Debug, Default)]
pub struct Joiner {
    half: Option<u8>,
}

impl Joiner {
    /// A joiner that holds nothing.
    pub fn new() -> Joiner {
        Joiner::default()
    }

    /// Appends every sample that is complete now; keeps a last odd byte for the next call.
    pub fn push(&mut self, mut bytes: &[u8], samples: &mut Vec<i16>) {
        if let (Some(low), [high, rest @ ..]) = (self.half, bytes) {
            samples.push(i16::from_le_bytes([low, *high]));
            self.half = None;
            bytes = rest;
        }
        let (whole, rest) = bytes.as_chunks::<2>();
        samples.extend(whole.iter().map(|&pair| i16::from_le_bytes(pair)));
        if let [odd] = rest {
            self.half = Some(*odd);
        }
    }

    /// Whether half a sample is waiting for its other half.
    pub fn is_waiting(&self) -> bool {
        self.half.is_some()
    }
}
