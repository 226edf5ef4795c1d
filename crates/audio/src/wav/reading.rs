//! A file's bytes to one frame.

use std::fmt;

use super::UNKNOWN_LENGTH;
use crate::{Frame, Rate, g711};

/// More channels than this is no recording of a voice.
pub const CHANNELS_MAX: u16 = 8;

/// Why a file could not be read as sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WavError {
    /// Not a RIFF file of form WAVE.
    NotWav,
    /// The file ends before its `fmt ` chunk was complete or its `data` chunk came.
    Truncated,
    /// `data` came before `fmt `, so nobody knows what it means.
    NoFormat,
    /// The rate is none of ours.
    UnsupportedRate(u32),
    /// No channel, or more than [`CHANNELS_MAX`].
    UnsupportedChannels(u16),
    /// An encoding we do not read: its format tag and the bits of one sample.
    UnsupportedEncoding {
        /// `wFormatTag`; of an extensible format, the tag in its sub-format.
        tag: u16,
        /// `wBitsPerSample`.
        bits: u16,
    },
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WavError::NotWav => write!(f, "not a WAV file; convert it to PCM WAV"),
            WavError::Truncated => {
                write!(f, "the WAV file ends before its samples; it was cut short or is empty")
            }
            WavError::NoFormat => write!(f, "the WAV file has samples but no format before them"),
            WavError::UnsupportedRate(hz) => {
                write!(f, "sample rate {hz} Hz is not supported; convert the WAV file to one of")?;
                let mut separator = ' ';
                for rate in Rate::ALL {
                    write!(f, "{separator} {}", rate.hz())?;
                    separator = ',';
                }
                Ok(())
            }
            WavError::UnsupportedChannels(channels) => {
                write!(f, "a WAV file with {channels} channels is not supported; use 1 to {CHANNELS_MAX}")
            }
            WavError::UnsupportedEncoding { tag, bits } => write!(
                f,
                "WAV encoding {tag:#06x} with {bits} bits is not supported; use PCM (8, 16, 24, 32 bits), float \
                 (32, 64 bits), µ-law or A-law"
            ),
        }
    }
}

impl std::error::Error for WavError {}

/// Reads a WAV file; several channels are mixed down to one.
///
/// Never allocates more than twice the size of the file. A `data` chunk that claims more than there is (a recording that
/// was cut off, or a stream of unknown length) gives what is there.
pub fn read(file: &[u8]) -> Result<Frame, WavError> {
    let (riff, mut rest) = file.split_at_checked(12).ok_or(WavError::NotWav)?;
    if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
        return Err(WavError::NotWav);
    }

    let mut format = None;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let claimed = u32_at(head, 4).ok_or(WavError::Truncated)?;
        let length = (claimed as usize).min(body.len());
        match &head[..4] {
            b"fmt " => format = Some(Format::read(&body[..length])?),
            b"data" => {
                let format = format.ok_or(WavError::NoFormat)?;
                // A writer that died before it patched the header leaves 0 or all ones in both size fields.
                let unfinished = claimed == 0 && matches!(u32_at(riff, 4), Some(0 | UNKNOWN_LENGTH));
                let data = if unfinished { body } else { &body[..length] };
                return Ok(format.decode(data));
            }
            _ => {}
        }
        // Chunks start at even offsets.
        rest = body.get(length.saturating_add(length & 1)..).unwrap_or_default();
    }
    Err(WavError::Truncated)
}

/// What one sample of one channel looks like.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    Pcm8,
    Pcm16,
    Pcm24,
    Pcm32,
    Float32,
    Float64,
    Ulaw,
    Alaw,
}

#[derive(Clone, Copy, Debug)]
struct Format {
    encoding: Encoding,
    channels: usize,
    rate: Rate,
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Format, WavError> {
        let field = |offset| u16_at(chunk, offset).ok_or(WavError::Truncated);
        let channels = field(2)?;
        let hz = u32_at(chunk, 4).ok_or(WavError::Truncated)?;
        let bits = field(14)?;
        let tag = match field(0)? {
            // WAVE_FORMAT_EXTENSIBLE: the real tag opens the sub-format GUID.
            0xFFFE => field(24)?,
            tag => tag,
        };
        let encoding = match (tag, bits) {
            (1, 8) => Encoding::Pcm8,
            (1, 16) => Encoding::Pcm16,
            (1, 24) => Encoding::Pcm24,
            (1, 32) => Encoding::Pcm32,
            (3, 32) => Encoding::Float32,
            (3, 64) => Encoding::Float64,
            (6, 8) => Encoding::Alaw,
            (7, 8) => Encoding::Ulaw,
            _ => return Err(WavError::UnsupportedEncoding { tag, bits }),
        };
        if channels == 0 || channels > CHANNELS_MAX {
            return Err(WavError::UnsupportedChannels(channels));
        }
        let rate = Rate::from_hz(hz).ok_or(WavError::UnsupportedRate(hz))?;
        Ok(Format { encoding, channels: channels as usize, rate })
    }

    fn decode(self, data: &[u8]) -> Frame {
        let samples = match self.encoding {
            Encoding::Pcm8 => self.mix(data, |[byte]: [u8; 1]| (byte as i16 - 128) << 8),
            Encoding::Pcm16 => self.mix(data, i16::from_le_bytes),
            Encoding::Pcm24 => self.mix(data, |[_, low, high]| i16::from_le_bytes([low, high])),
            Encoding::Pcm32 => self.mix(data, |[_, _, low, high]| i16::from_le_bytes([low, high])),
            Encoding::Float32 => self.mix(data, |bytes| from_unit(f32::from_le_bytes(bytes))),
            Encoding::Float64 => self.mix(data, |bytes| from_unit(f64::from_le_bytes(bytes) as f32)),
            Encoding::Ulaw => self.mix(data, |[code]| g711::decode_ulaw(code)),
            Encoding::Alaw => self.mix(data, |[code]| g711::decode_alaw(code)),
        };
        Frame::new(self.rate, samples)
    }

    /// One sample per whole group of channels; a group cut short at the end of the file is left out.
    fn mix<const WIDTH: usize>(self, data: &[u8], sample: impl Fn([u8; WIDTH]) -> i16) -> Vec<i16> {
        let (values, _) = data.as_chunks::<WIDTH>();
        if self.channels == 1 {
            return values.iter().map(|&bytes| sample(bytes)).collect();
        }
        values
            .chunks_exact(self.channels)
            .map(|group| {
                let sum: i32 = group.iter().map(|&bytes| sample(bytes) as i32).sum();
                (sum / self.channels as i32) as i16
            })
            .collect()
    }
}

/// A float sample; what lies outside ±1 is limited, not-a-number is silence (both by Rust's `as`).
fn from_unit(value: f32) -> i16 {
    (value * 32_768.0).round() as i16
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
