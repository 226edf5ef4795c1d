//! The audio formats an agent can be set to, and the way from and to samples.
//!
//! They are the agent's own settings, one for each direction, and cannot be chosen per call: the first message of a
//! session says which they are.

use std::fmt;

use audio::{Rate, g711, pcm};

use super::messages::Metadata;
use super::{inspect, refusal};

/// How audio is written in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What telephone lines speak: nothing is lost or computed on the way.
    Ulaw,
    /// Not in the provider's list for agents, but in its list for speech; costs nothing to understand.
    Alaw,
    /// Signed 16-bit little-endian.
    Pcm(Rate),
}

impl Format {
    /// Reads a token such as `ulaw_8000`. `None` for one that we cannot speak.
    pub fn parse(token: &str) -> Option<Format> {
        let (kind, hz) = token.rsplit_once('_')?;
        let rate = Rate::from_hz(hz.parse().ok()?)?;
        match kind {
            "ulaw" | "mulaw" if rate == Rate::Hz8000 => Some(Format::Ulaw),
            "alaw" if rate == Rate::Hz8000 => Some(Format::Alaw),
            "pcm" => Some(Format::Pcm(rate)),
            _ => None,
        }
    }

    pub fn rate(self) -> Rate {
        match self {
            Format::Ulaw | Format::Alaw => Rate::Hz8000,
            Format::Pcm(rate) => rate,
        }
    }

    /// Appends the samples that `bytes` stand for. Says `false` when half a sample was left over (and left out).
    #[must_use]
    pub(crate) fn decode(self, bytes: &[u8], samples: &mut Vec<i16>) -> bool {
        match self {
            Format::Ulaw => g711::ulaw_to_pcm(bytes, samples),
            Format::Alaw => g711::alaw_to_pcm(bytes, samples),
            Format::Pcm(_) => {
                let whole = bytes.len() & !1;
                // Even by construction.
                return pcm::le_to_pcm(&bytes[..whole], samples).is_ok() && whole == bytes.len();
            }
        }
        true
    }

    /// Appends `samples` as bytes.
    pub(crate) fn encode(self, samples: &[i16], bytes: &mut Vec<u8>) {
        match self {
            Format::Ulaw => g711::pcm_to_ulaw(samples, bytes),
            Format::Alaw => g711::pcm_to_alaw(samples, bytes),
            Format::Pcm(_) => pcm::pcm_to_le(samples, bytes),
        }
    }

    /// About how many bytes `chars` characters of base64 become, in samples. Never too few.
    pub(crate) fn samples_in_base64(self, chars: usize) -> usize {
        chars / 4 * 3 / self.sample_bytes() + 3
    }

    pub(crate) fn sample_bytes(self) -> usize {
        match self {
            Format::Ulaw | Format::Alaw => 1,
            Format::Pcm(_) => 2,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::Ulaw => f.write_str("ulaw_8000"),
            Format::Alaw => f.write_str("alaw_8000"),
            Format::Pcm(rate) => write!(f, "pcm_{}", rate.hz()),
        }
    }
}

/// What a session agreed on: the formats the agent hears and speaks, or in words which of them cannot be carried.
pub(super) fn agreed(metadata: &Metadata) -> Result<(Format, Format), String> {
    let read = |token: &Option<String>, what: &str, setting: &str| {
        match token {
        // The provider's own client takes a missing format for the default one, too.
        None => Ok(Format::Pcm(Rate::Hz16000)),
        Some(token) => Format::parse(token).ok_or_else(|| {
            let token = refusal::words(token).unwrap_or_default();
            format!(
                "the agent {what} in the format `{token}`, which cannot be carried; set `{setting}` to `ulaw_8000`"
            )
        }),
    }
    };
    Ok((
        read(&metadata.user_input_audio_format, "listens", inspect::HEARS)?,
        read(&metadata.agent_output_audio_format, "speaks", inspect::SPEAKS)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_of_the_schema_is_understood_and_written_the_same_way() {
        for token in [
            "ulaw_8000",
            "alaw_8000",
            "pcm_8000",
            "pcm_16000",
            "pcm_22050",
            "pcm_24000",
            "pcm_44100",
            "pcm_48000",
        ] {
            assert_eq!(Format::parse(token).map(|format| format.to_string()).as_deref(), Some(token));
        }
        for token in
            ["", "pcm", "pcm_", "pcm_16k", "ulaw_16000", "mp3_44100_128", "opus_48000_64", "pcm_-8000"]
        {
            assert_eq!(Format::parse(token), None, "{token}");
        }
    }

    #[test]
    fn half_a_sample_is_left_out_and_said() {
        let mut samples = Vec::new();

        assert!(!Format::Pcm(Rate::Hz16000).decode(&[1, 0, 2], &mut samples));

        assert_eq!(samples, [1]);
    }
}
