//! How loud.
//!
//! Decibels relative to full scale (dBFS) against the largest sample, 32768: a square wave at full scale has 0 dBFS, a
//! sine wave at full scale −3 dBFS rms. (The telephone's dBm0 is about 6 dB higher for the same samples: 0 dBm0 is a
//! sine 3.17 dB below µ-law's full scale.)

use std::time::Duration;

use crate::Rate;

/// What silence is shown as: half a step of a 16-bit sample, near enough.
pub const SILENCE_DBFS: f32 = -96.0;

/// Root mean square and peak of a stretch of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square, in dBFS; [`SILENCE_DBFS`] at least.
    pub rms_dbfs: f32,
    /// Largest single sample, in dBFS; [`SILENCE_DBFS`] at least.
    pub peak_dbfs: f32,
}

impl Level {
    /// The level of nothing at all.
    pub const SILENCE: Level = Level { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS };

    /// The level of these samples.
    pub fn of(samples: &[i16]) -> Level {
        Level { rms_dbfs: rms_dbfs(samples), peak_dbfs: peak_dbfs(samples) }
    }
}

/// Root mean square of the samples in dBFS.
pub fn rms_dbfs(samples: &[i16]) -> f32 {
    power_dbfs(energy(samples), samples.len() as u64)
}

/// Largest sample in dBFS.
pub fn peak_dbfs(samples: &[i16]) -> f32 {
    amplitude_dbfs(peak(samples))
}

/// The amplitude (1.0 = full scale) of a level.
pub fn amplitude(dbfs: f32) -> f32 {
    10f32.powf(dbfs / 20.0)
}

/// Measures a stream over windows of one length, for a display.
///
/// Costs one pass over the samples; decibels are computed once per window.
#[derive(Clone, Debug)]
pub struct Meter {
    window: u64,
    samples: u64,
    energy: u64,
    peak: u16,
    shown: Level,
}

impl Meter {
    /// A meter that shows a new level each `window`; at least one sample.
    pub fn new(rate: Rate, window: Duration) -> Meter {
        Meter {
            window: rate.samples_in(window).max(1),
            samples: 0,
            energy: 0,
            peak: 0,
            shown: Level::SILENCE,
        }
    }

    /// Takes more of the stream. `true` when at least one window became complete and [`Meter::level`] is new.
    pub fn push(&mut self, mut samples: &[i16]) -> bool {
        let mut renewed = false;
        while !samples.is_empty() {
            let wanted = (self.window - self.samples).min(samples.len() as u64) as usize;
            let (now, later) = samples.split_at(wanted);
            // Bounded: a window of an hour at 48 kHz holds 2^27.4 samples of at most 2^30 each.
            self.energy = self.energy.saturating_add(energy(now));
            self.peak = self.peak.max(peak(now));
            self.samples += wanted as u64;
            samples = later;
            if self.samples == self.window {
                self.shown = Level {
                    rms_dbfs: power_dbfs(self.energy, self.samples),
                    peak_dbfs: amplitude_dbfs(self.peak),
                };
                (self.samples, self.energy, self.peak) = (0, 0, 0);
                renewed = true;
            }
        }
        renewed
    }

    /// The level of the last complete window.
    pub fn level(&self) -> Level {
        self.shown
    }

    /// Back to silence, as new.
    pub fn reset(&mut self) {
        (self.samples, self.energy, self.peak) = (0, 0, 0);
        self.shown = Level::SILENCE;
    }
}

/// Sum of squares.
pub(crate) fn energy(samples: &[i16]) -> u64 {
    // Pairs of squares fit 32 bits unsigned (2 · 2^30), which lets the compiler multiply eight samples at a time.
    let (pairs, rest) = samples.as_chunks::<2>();
    let squares = |sample: i16| (sample as i32 * sample as i32) as u32;
    let sum: u64 = pairs.iter().map(|&[a, b]| (squares(a) + squares(b)) as u64).sum();
    sum + rest.iter().map(|&sample| squares(sample) as u64).sum::<u64>()
}

fn peak(samples: &[i16]) -> u16 {
    samples.iter().fold(0, |peak, sample| peak.max(sample.unsigned_abs()))
}

pub(crate) fn power_dbfs(energy: u64, samples: u64) -> f32 {
    if energy == 0 || samples == 0 {
        return SILENCE_DBFS;
    }
    let mean = energy as f64 / samples as f64 / (32_768.0 * 32_768.0);
    (10.0 * mean.log10() as f32).max(SILENCE_DBFS)
}

fn amplitude_dbfs(peak: u16) -> f32 {
    if peak == 0 {
        return SILENCE_DBFS;
    }
    (20.0 * (peak as f32 / 32_768.0).log10()).max(SILENCE_DBFS)
}
