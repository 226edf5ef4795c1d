//! In which form the sound comes, as Mcube's messages say it.

use audio::Rate;
use call::{Encoding, Sound};
use serde_json::{Map, Value};

/// What is spoken where nobody says anything else.
pub(super) const USUAL: Sound = Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 };

/// What a message says about the sound; either half may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) encoding: Option<Encoding>,
    pub(super) rate: Option<Rate>,
}

/// A form of sound that this leg does not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign;

impl Said {
    /// From an encoding's name, which may hold a rate (`audio/x-l16;rate=16000`), and a rate by itself.
    pub(super) fn read(encoding: Option<&str>, rate: Option<u64>) -> Result<Said, Foreign> {
        let mut parts = encoding.unwrap_or_default().split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let inner = parts.find_map(|part| part.strip_prefix("rate=")?.trim().parse().ok());
        let rate = match rate.or(inner) {
            None => None,
            Some(8_000) => Some(Rate::Hz8000),
            Some(16_000) => Some(Rate::Hz16000),
            Some(_) => return Err(Foreign),
        };
        let holds = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let encoding = if name.is_empty() {
            None
        } else if holds(&["mulaw", "ulaw", "pcmu", "mu-law", "u-law"]) {
            Some(Encoding::Mulaw)
        } else if holds(&["alaw", "a-law", "pcma", "opus", "g722", "g729"]) {
            // Read as PCM16 it would be noise, in both directions.
            return Err(Foreign);
        } else {
            Some(Encoding::Pcm16)
        };
        Ok(Said { encoding, rate })
    }

    /// From the `mediaFormat` of a `start`.
    pub(super) fn of_format(format: &Map<String, Value>) -> Result<Said, Foreign> {
        let encoding = format.get("encoding").or_else(|| format.get("contentType")).and_then(Value::as_str);
        let rate = format.get("sampleRate").or_else(|| format.get("sample_rate"));
        let rate = match rate {
            None | Some(Value::Null) => None,
            Some(Value::Number(number)) => Some(number.as_u64().ok_or(Foreign)?),
            Some(Value::String(text)) => Some(text.trim().parse().map_err(|_| Foreign)?),
            Some(_) => return Err(Foreign),
        };
        let channels = format.get("channels").and_then(|channels| match channels {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        });
        if channels.is_some_and(|channels| channels != 1) {
            return Err(Foreign);
        }
        Said::read(encoding, rate)
    }

    pub(super) fn is_nothing(self) -> bool {
        self == Said::default()
    }

    /// With the other's half where this says nothing.
    pub(super) fn or(self, other: Sound) -> Sound {
        Sound { encoding: self.encoding.unwrap_or(other.encoding), rate: self.rate.unwrap_or(other.rate) }
    }
}

/// The name of the encoding in what we send. Bare: the rate has a field of its own.
pub(super) fn content_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Mulaw => "audio/x-mulaw",
        Encoding::Pcm16 => "audio/x-l16",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_rates_are_known_however_they_are_written() {
        let read = |encoding, rate| Said::read(encoding, rate);
        let mulaw = Some(Encoding::Mulaw);
        let pcm16 = Some(Encoding::Pcm16);

        assert_eq!(read(None, None), Ok(Said::default()));
        assert_eq!(
            read(Some("audio/x-mulaw"), Some(8_000)),
            Ok(Said { encoding: mulaw, rate: Some(Rate::Hz8000) })
        );
        assert_eq!(read(Some("PCMU"), Some(16_000)), Ok(Said { encoding: mulaw, rate: Some(Rate::Hz16000) }));
        assert_eq!(
            read(Some("audio/x-l16;rate=16000"), None),
            Ok(Said { encoding: pcm16, rate: Some(Rate::Hz16000) })
        );
        assert_eq!(read(Some("pcm_s16le"), None), Ok(Said { encoding: pcm16, rate: None }));
        for (encoding, rate) in [(Some("audio/x-alaw"), None), (Some("opus"), None), (None, Some(11_025))] {
            assert_eq!(read(encoding, rate), Err(Foreign), "{encoding:?} {rate:?}");
        }
    }
}
