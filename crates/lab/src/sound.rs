//! Small pieces of sound work that both emulators need.

use std::time::Duration;

use audio::resample::Resampler;
use audio::tone::{Tone, burst};
use audio::{Frame, Rate};

/// Samples of 20 ms on a telephone line.
pub(crate) const TICK_SAMPLES: usize = 160;
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// The whole of a sound at another rate, with the resampler's tail, without its delay.
pub(crate) fn resampled(frame: &Frame, to: Rate) -> Vec<i16> {
    if frame.rate == to {
        return frame.samples.clone();
    }
    let mut resampler = Resampler::new(frame.rate, to);
    let delay = resampler.group_delay();
    let mut out = Vec::new();
    resampler.process(&frame.samples, &mut out);
    let tail = vec![0; frame.rate.samples_in(delay * 2) as usize + 64];
    resampler.process(&tail, &mut out);
    let skip = (to.samples_in(delay) as usize).min(out.len());
    let wanted = to.samples_in(frame.duration()) as usize;
    out.drain(..skip);
    out.truncate(wanted);
    out
}

/// Keypad tones as one hears them: `0-9 * #` and `A-D`, `w` for half a second of silence, `W` for a whole one.
pub(crate) fn keypad(digits: &str) -> Vec<i16> {
    let rate = Rate::Hz8000;
    let mut out = Vec::new();
    for digit in digits.chars() {
        match digit {
            'w' => out.extend(Frame::silence(rate, Duration::from_millis(500)).samples),
            'W' => out.extend(Frame::silence(rate, Duration::from_secs(1)).samples),
            _ => {
                if let Some(pair) = pair_of(digit) {
                    let tone = Tone::dual(rate, pair, -6.0);
                    out.extend(burst(rate, tone, Duration::from_millis(100)).samples);
                    out.extend(Frame::silence(rate, Duration::from_millis(100)).samples);
                }
            }
        }
    }
    out
}

// ITU-T Q.23.
fn pair_of(digit: char) -> Option<[f32; 2]> {
    const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let at = "123A456B789C*0#D".find(digit.to_ascii_uppercase())?;
    Some([ROWS[at / 4], COLUMNS[at % 4]])
}
