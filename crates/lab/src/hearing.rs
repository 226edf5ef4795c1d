//! Is somebody speaking? A level gate over a tracked noise floor.
//!
//! Callers and the emulated agent both need an ear. It is kept apart from the gateway's own detector on purpose: if
//! the gateway misjudges speech, its opposite number must not misjudge it in the same way.

use std::time::Duration;

/// Below this nothing is speech, however quiet the line is.
const THRESHOLD_DBFS_MIN: f32 = -50.0;
/// Speech stands this far above the noise floor.
const ABOVE_FLOOR_DB: f32 = 12.0;
const FLOOR_DBFS: std::ops::RangeInclusive<f32> = -75.0..=-35.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Started,
    Stopped,
}

#[derive(Clone, Debug)]
pub(crate) struct Hearing {
    start_after: Duration,
    stop_after: Duration,
    floor_dbfs: f32,
    loud_for: Duration,
    quiet_for: Duration,
    speaking: bool,
    above_floor_db: f32,
}

impl Hearing {
    pub(crate) fn new(start_after: Duration, stop_after: Duration) -> Hearing {
        Hearing {
            start_after,
            stop_after,
            floor_dbfs: -60.0,
            loud_for: Duration::ZERO,
            quiet_for: Duration::ZERO,
            speaking: false,
            above_floor_db: -60.0,
        }
    }

    /// Takes one short piece of sound that lasts `duration`.
    pub(crate) fn hear(&mut self, samples: &[i16], duration: Duration) -> Option<Change> {
        let level = level_dbfs(samples);
        let threshold = (self.floor_dbfs + ABOVE_FLOOR_DB).max(THRESHOLD_DBFS_MIN);
        self.above_floor_db = level - threshold;
        // Down at once, up by 1 dB per second: speech is shorter than what would lift the floor to it.
        if level < self.floor_dbfs {
            self.floor_dbfs = level;
        } else {
            self.floor_dbfs += duration.as_secs_f32();
        }
        self.floor_dbfs = self.floor_dbfs.clamp(*FLOOR_DBFS.start(), *FLOOR_DBFS.end());

        if level > threshold {
            self.loud_for += duration;
            self.quiet_for = Duration::ZERO;
        } else {
            self.quiet_for += duration;
            // A dip between two syllables does not restart the count of a beginning word.
            if self.quiet_for > Duration::from_millis(60) {
                self.loud_for = Duration::ZERO;
            }
        }
        if !self.speaking && self.loud_for >= self.start_after && self.quiet_for.is_zero() {
            self.speaking = true;
            return Some(Change::Started);
        }
        if self.speaking && self.quiet_for >= self.stop_after {
            self.speaking = false;
            return Some(Change::Stopped);
        }
        None
    }

    /// How long nothing above the threshold has been heard.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.quiet_for
    }

    /// A score like a speech detector's: 0 far below the threshold, 0.5 at it, 1 far above.
    pub(crate) fn score(&self) -> f64 {
        1.0 / (1.0 + f64::from(-self.above_floor_db / 4.0).exp())
    }
}

pub(crate) fn level_dbfs(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return -96.0;
    }
    let energy: f64 =
        samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>() / samples.len() as f64;
    if energy < 1.0 { -96.0 } else { (10.0 * (energy / (32_768.0 * 32_768.0)).log10()) as f32 }
}
