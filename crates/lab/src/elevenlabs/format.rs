//! Audio formats as the provider names them.

use audio::{Frame, Rate, g711};
use serde::{Deserialize, Serialize};

use crate::sound::resampled;

/// `ulaw_8000`, `pcm_16000` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    Ulaw8000,
    Pcm8000,
    #[default]
    Pcm16000,
    Pcm22050,
    Pcm24000,
    Pcm44100,
    Pcm48000,
}

impl Format {
    pub const ALL: [Format; 7] = [
        Format::Ulaw8000,
        Format::Pcm8000,
        Format::Pcm16000,
        Format::Pcm22050,
        Format::Pcm24000,
        Format::Pcm44100,
        Format::Pcm48000,
    ];

    pub fn token(self) -> &'static str {
        match self {
            Format::Ulaw8000 => "ulaw_8000",
            Format::Pcm8000 => "pcm_8000",
            Format::Pcm16000 => "pcm_16000",
            Format::Pcm22050 => "pcm_22050",
            Format::Pcm24000 => "pcm_24000",
            Format::Pcm44100 => "pcm_44100",
            Format::Pcm48000 => "pcm_48000",
        }
    }

    pub fn from_token(token: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.token() == token)
    }

    pub fn rate(self) -> Rate {
        match self {
            Format::Ulaw8000 | Format::Pcm8000 => Rate::Hz8000,
            Format::Pcm16000 => Rate::Hz16000,
            Format::Pcm22050 => Rate::Hz22050,
            Format::Pcm24000 => Rate::Hz24000,
            Format::Pcm44100 => Rate::Hz44100,
            Format::Pcm48000 => Rate::Hz48000,
        }
    }

    pub fn sample_bytes(self) -> usize {
        if self == Format::Ulaw8000 { 1 } else { 2 }
    }

    /// None when the bytes end inside a sample.
    pub fn decode(self, bytes: &[u8]) -> Option<Vec<i16>> {
        if self == Format::Ulaw8000 {
            let mut samples = Vec::with_capacity(bytes.len());
            g711::ulaw_to_pcm(bytes, &mut samples);
            return Some(samples);
        }
        let (pairs, rest) = bytes.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
    }

    pub fn encode(self, frame: &Frame) -> Vec<u8> {
        let samples = resampled(frame, self.rate());
        let mut bytes = Vec::with_capacity(samples.len() * self.sample_bytes());
        if self == Format::Ulaw8000 {
            g711::pcm_to_ulaw(&samples, &mut bytes);
        } else {
            bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        }
        bytes
    }
}

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.token())
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
        let token = String::deserialize(deserializer)?;
        Format::from_token(&token)
            .ok_or_else(|| serde::de::Error::custom(format!("{token:?} is not an audio format")))
    }
}
