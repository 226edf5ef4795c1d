//! What each band sounds like when nobody speaks.
//!
//! Two views of the same noise. The *mean* follows while nobody speaks, quickly downwards, slowly upwards. The *minimum*
//! of the last second or so holds always: speech has gaps in every band within a second, steady noise has none, so a
//! fan that is switched on in the middle of a sentence is learned all the same.

use super::bands::BANDS;
use super::decibels;

/// A floor never sinks below this power (some −68 dBFS over all bands): on a digitally silent line every crackle would
/// stand out otherwise.
const LOWEST_DB: f32 = 16.0;

/// Floors to begin with, before anything is known: a usual line. A call may open with speech.
const FIRST_DB: f32 = 26.0;

/// How far a band's mean lies above its smoothed minimum in steady noise.
const MINIMUM_BIAS_DB: f32 = 2.0;

/// Hops per window of the minimum; the last whole one and the running one count.
const WINDOW_HOPS: u16 = 60;

/// For so long a call is beginning.
const BEGINNING_HOPS: u16 = 60;

/// How much each band says. A voice lives below 2 kHz; hiss lives above.
const WEIGHTS: [f32; BANDS] = [0.24, 0.24, 0.24, 0.16, 0.12];

/// Rises above this are not distinguished.
const RISE_MAX_DB: f32 = 30.0;

/// Least rise over the floor that may be speech, and the most that a restless background can demand.
const THRESHOLD_DB: (f32, f32) = (4.5, 11.0);

#[derive(Clone, Debug)]
pub(super) struct Floors {
    floors: [f32; BANDS],
    smoothed: [f32; BANDS],
    minimum_before: [f32; BANDS],
    minimum_now: [f32; BANDS],
    hops: u16,
    /// Hops since the beginning.
    age: u16,
    /// Mean and mean deviation of the total rise while nobody speaks: how restless the background is.
    quiet_rise: f32,
    quiet_deviation: f32,
}

/// How far the bands stand above their floors.
pub(super) struct Rise {
    pub total: f32,
    levels: [f32; BANDS],
}

/// Whether what was heard is the background that floors are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Background {
    /// Nobody speaks, or somebody far away.
    Surely,
    /// Something sounds, without a voice.
    Perhaps,
    /// Somebody speaks.
    Hardly,
}

impl Default for Floors {
    fn default() -> Floors {
        Floors {
            floors: [FIRST_DB; BANDS],
            smoothed: [FIRST_DB; BANDS],
            minimum_before: [FIRST_DB; BANDS],
            minimum_now: [f32::MAX; BANDS],
            // The first window is shorter, so that a noisy line is known after a fifth of a second.
            hops: WINDOW_HOPS - 20,
            age: 0,
            quiet_rise: 0.0,
            quiet_deviation: 1.0,
        }
    }
}

impl Floors {
    pub(super) fn rise(&self, powers: &[f32; BANDS]) -> Rise {
        let levels = powers.map(decibels);
        let total = (0..BANDS)
            .map(|band| WEIGHTS[band] * (levels[band] - self.floors[band]).clamp(0.0, RISE_MAX_DB))
            .sum();
        Rise { total, levels }
    }

    /// The rise from which on sound may be speech.
    pub(super) fn threshold(&self) -> f32 {
        (self.quiet_rise + 3.0 * self.quiet_deviation).clamp(THRESHOLD_DB.0, THRESHOLD_DB.1)
    }

    pub(super) fn learn(&mut self, rise: &Rise, background: Background) {
        self.age = self.age.saturating_add(1);
        let upwards = match background {
            Background::Surely => 0.03,
            // A hiss before anything else was heard is the line's own.
            Background::Perhaps if self.age < BEGINNING_HOPS => 0.08,
            Background::Perhaps => 0.01,
            Background::Hardly => 0.0,
        };
        for band in 0..BANDS {
            let level = rise.levels[band];
            self.smoothed[band] += (level - self.smoothed[band]) * 0.25;
            self.minimum_now[band] = self.minimum_now[band].min(self.smoothed[band]);

            let floor = &mut self.floors[band];
            if level < *floor {
                *floor += (level - *floor) * 0.1;
            } else {
                *floor += (level - *floor) * upwards;
            }
            let held = self.minimum_before[band].min(self.minimum_now[band]) + MINIMUM_BIAS_DB;
            *floor = floor.max(held).max(LOWEST_DB);
        }
        if background == Background::Surely {
            self.quiet_rise += (rise.total - self.quiet_rise) * 0.02;
            let deviation = (rise.total - self.quiet_rise).abs();
            self.quiet_deviation += (deviation - self.quiet_deviation) * 0.02;
        }
        self.hops += 1;
        if self.hops >= WINDOW_HOPS {
            self.hops = 0;
            self.minimum_before = self.minimum_now;
            self.minimum_now = [f32::MAX; BANDS];
        }
    }
}
