//! In which form a call's sound travels, and in which pieces it may go out.
//!
//! Exotel plays in steps of 320 bytes and waits a whole step for a short remainder; less than 3,200 bytes are jitter, more
//! than 100,000 are not taken in time.

use std::borrow::Cow;
use std::time::Duration;

use audio::Rate;
use call::{Encoding, Sound};

use super::messages::MediaFormat;

/// What Exotel plays at once.
const STEP_BYTES: usize = 320;

/// The least that is played without gaps, as documented for PCM16.
const LEAST_BYTES: usize = 3_200;

/// The most that is taken.
const MOST_BYTES: usize = 100_000;

/// Exotel's own samples send this much, and its documents call 3,200 bytes this much, whatever the rate.
const LEAST: Duration = Duration::from_millis(100);

/// More at once is latency for nothing.
const WANTED_MAX: Duration = Duration::from_millis(1_000);

/// For µ-law no least is documented. 3,200 bytes would be 400 ms in one go, and an interruption that much later; three
/// steps are the first multiple beyond the 100 ms of every other form.
const MULAW_PIECE: Duration = Duration::from_millis(120);

/// The rate that a text names: `8000`, `8000Hz`, `16kHz`, `16`. `None` when it names none that there is.
pub fn rate_of(text: &str) -> Option<Rate> {
    let digits = text.trim_start().bytes().take_while(u8::is_ascii_digit).count();
    let number: u32 = text.trim_start().get(..digits)?.parse().ok()?;
    let hz = if number < 1_000 { number.checked_mul(1_000)? } else { number };
    Rate::from_hz(hz).filter(|rate| matches!(rate, Rate::Hz8000 | Rate::Hz16000 | Rate::Hz24000))
}

/// The form that a start agrees on. `None` for one that we do not speak.
pub(super) fn agreed(
    format: Option<&MediaFormat>,
    asked: Option<Rate>,
    mulaw_unless_said: bool,
) -> Option<Sound> {
    let encoding_text = format.and_then(|format| filled(&format.encoding)).map(str::to_ascii_lowercase);
    let encoding = match &encoding_text {
        None if mulaw_unless_said => Encoding::Mulaw,
        None => Encoding::Pcm16,
        Some(text) if ["mulaw", "ulaw", "mu-law", "pcmu"].iter().any(|name| text.contains(name)) => {
            Encoding::Mulaw
        }
        Some(_) => Encoding::Pcm16,
    };
    let in_encoding = encoding_text
        .as_deref()
        .and_then(|text| text.split(';').find_map(|part| part.trim().strip_prefix("rate=")).map(str::trim));
    let named = format.and_then(|format| filled(&format.sample_rate)).or(in_encoding);
    let rate = match (named, encoding) {
        (Some(named), _) => rate_of(named)?,
        // What the address asks for is a rate of PCM16.
        (None, Encoding::Mulaw) => Rate::Hz8000,
        (None, Encoding::Pcm16) => asked.unwrap_or(Rate::Hz8000),
    };
    let speaks = encoding == Encoding::Pcm16 || rate == Rate::Hz8000;
    speaks.then_some(Sound { encoding, rate })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

/// What goes out at once, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    rate: Rate,
    /// A step.
    step: usize,
    /// The least; whole steps, and whole milliseconds.
    least: usize,
    /// The most; whole steps.
    most: usize,
}

impl Pieces {
    /// For this form; `wanted` is what the operator set.
    pub(super) fn of(sound: Sound, wanted: Option<Duration>) -> Pieces {
        let bytes = match sound.encoding {
            Encoding::Mulaw => 1,
            Encoding::Pcm16 => 2,
        };
        let in_samples = |duration| sound.rate.samples_in(duration) as usize;
        let least = match (wanted, sound.encoding) {
            (Some(wanted), _) => in_samples(wanted.clamp(LEAST, WANTED_MAX)),
            (None, Encoding::Mulaw) => in_samples(MULAW_PIECE),
            (None, Encoding::Pcm16) => in_samples(LEAST).max(LEAST_BYTES / bytes),
        };
        // 20 ms are whole steps at every rate of PCM16, 40 ms of µ-law: so a piece is a whole number of microseconds, and
        // a call that counts in time counts the same samples.
        let grid = in_samples(Duration::from_millis(40 / bytes as u64));
        let step = STEP_BYTES / bytes;
        Pieces {
            rate: sound.rate,
            step,
            least: least.div_ceil(grid) * grid,
            most: MOST_BYTES / STEP_BYTES * step,
        }
    }

    pub(super) fn duration(self) -> Duration {
        self.rate.duration_of(self.least as u64)
    }

    /// The sound in lawful pieces. What the call sends is one already; anything else is completed with silence.
    pub(super) fn cut<'a>(self, samples: &'a [i16]) -> impl Iterator<Item = Cow<'a, [i16]>> {
        samples.chunks(self.most).map(move |piece| {
            let lawful = (piece.len().div_ceil(self.step) * self.step).max(self.least);
            if piece.len() == lawful {
                return Cow::Borrowed(piece);
            }
            let mut filled = Vec::with_capacity(lawful);
            filled.extend_from_slice(piece);
            filled.resize(lawful, 0);
            Cow::Owned(filled)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exotel::CAPABILITIES;

    #[test]
    fn rates_are_read_however_they_are_written() {
        for (text, rate) in [
            ("8000", Some(Rate::Hz8000)),
            ("8000Hz", Some(Rate::Hz8000)),
            ("8000.0", Some(Rate::Hz8000)),
            ("16kHz", Some(Rate::Hz16000)),
            (" 16 kHz", Some(Rate::Hz16000)),
            ("24", Some(Rate::Hz24000)),
            ("24000 Hz", Some(Rate::Hz24000)),
            ("44100", None),
            ("48000", None),
            ("0", None),
            ("", None),
            ("Hz", None),
            ("99999999999999999999", None),
            ("-8000", None),
        ] {
            assert_eq!(rate_of(text), rate, "{text}");
        }
    }

    #[test]
    fn pieces_are_what_the_document_and_the_manual_say() {
        let piece = |encoding, rate, wanted: Option<u64>| {
            let pieces = Pieces::of(Sound { encoding, rate }, wanted.map(Duration::from_millis));
            (pieces.duration().as_millis(), pieces.least * if encoding == Encoding::Pcm16 { 2 } else { 1 })
        };

        assert_eq!(piece(Encoding::Pcm16, Rate::Hz8000, None), (200, 3_200));
        assert_eq!(piece(Encoding::Pcm16, Rate::Hz16000, None), (100, 3_200));
        assert_eq!(piece(Encoding::Pcm16, Rate::Hz24000, None), (100, 4_800));
        assert_eq!(piece(Encoding::Mulaw, Rate::Hz8000, None), (120, 960));
        assert_eq!(piece(Encoding::Pcm16, Rate::Hz8000, Some(100)), (100, 1_600));
        assert_eq!(piece(Encoding::Pcm16, Rate::Hz8000, Some(20)), (100, 1_600), "never less");
        assert_eq!(piece(Encoding::Pcm16, Rate::Hz16000, Some(110)), (120, 3_840));
        assert_eq!(piece(Encoding::Mulaw, Rate::Hz8000, Some(100)), (120, 960));
        assert_eq!(piece(Encoding::Pcm16, Rate::Hz24000, Some(60_000)), (1_000, 48_000));
    }

    proptest! {
        #[test]
        fn whatever_is_cut_obeys_the_byte_rule_and_loses_nothing(
            sound in prop::sample::select(CAPABILITIES.sounds),
            wanted in prop::option::of(0u64..2_000),
            length in 1usize..200_000,
        ) {
            let pieces = Pieces::of(sound, wanted.map(Duration::from_millis));
            let bytes = if sound.encoding == Encoding::Pcm16 { 2 } else { 1 };
            let samples: Vec<i16> = (0..length).map(|at| (at % 30_000) as i16 + 1).collect();
            let cut: Vec<Cow<'_, [i16]>> = pieces.cut(&samples).collect();
            for piece in &cut {
                let size = piece.len() * bytes;
                prop_assert_eq!(size % STEP_BYTES, 0);
                prop_assert!(size >= pieces.least * bytes && size <= MOST_BYTES, "{}", size);
            }
            let mut whole = cut.concat();
            prop_assert!(whole.drain(length..).all(|sample| sample == 0), "silence fills up");
            prop_assert_eq!(whole, samples);
        }
    }
}
