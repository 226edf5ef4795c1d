//! Keys that a carrier cannot press for us, as sound.

use std::time::Duration;

use audio::{Frame, Rate, dtmf};
use call::Digit;

/// ITU-T Q.24 wants 40 ms to be heard for sure; a keypad that is heard through codecs and echo cancellers gets more.
const TONE: Duration = Duration::from_millis(100);

/// Silence after a key, so that two equal keys in a row are two keys.
const GAP: Duration = Duration::from_millis(80);

/// Peak of each of the two tones. Together they stay below full scale, and loud enough for old equipment.
const PEAK_DBFS: f32 = -9.0;

/// Keys pressed in one go: as many as carriers allow where they press them themselves.
pub(crate) const DIGITS_MAX: usize = 32;

/// The sound of one key and the silence after it.
pub(crate) fn sound(digit: Digit, rate: Rate) -> Frame {
    let mut frame =
        dtmf::generate(digit.symbol(), rate, TONE, PEAK_DBFS).unwrap_or_else(|| Frame::silence(rate, TONE));
    frame.samples.resize(frame.samples.len() + rate.samples_in(GAP) as usize, 0);
    frame
}
