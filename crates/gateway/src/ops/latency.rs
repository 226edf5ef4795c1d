//! How long things take, as percentiles.
//!
//! A histogram with logarithmic buckets: each octave has sixteen, so that a percentile is off by at most six per cent.
//! Recording is one atomic addition and may be done on the audio path.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Buckets per doubling.
const FINE: u64 = 16;
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Up to 2^36 µs, nineteen hours: longer than any call.
const OCTAVES: usize = 36;
const BUCKETS: usize = OCTAVES * FINE as usize;

/// Percentiles speak of the last five to ten minutes.
const WINDOW: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    longest_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]), longest_us: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(us)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.longest_us.fetch_max(us, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        self.longest_us.store(0, Ordering::Relaxed);
    }
}

/// Percentiles in milliseconds. Absent while nothing has been measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub p999_ms: Option<f64>,
    pub longest_ms: Option<f64>,
}

impl Percentiles {
    /// Of everything in these histograms together.
    pub fn of(histograms: &[&Histogram]) -> Percentiles {
        let sums: Vec<u64> = (0..BUCKETS)
            .map(|at| {
                let counts = histograms.iter().filter_map(|histogram| histogram.buckets.get(at));
                counts.map(|bucket| bucket.load(Ordering::Relaxed)).sum()
            })
            .collect();
        let count: u64 = sums.iter().sum();
        let longest = histograms
            .iter()
            .map(|histogram| histogram.longest_us.load(Ordering::Relaxed))
            .max()
            .unwrap_or(0);
        let at = |per_mille: u64| -> Option<f64> {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            let mut seen = 0;
            let bucket = sums.iter().position(|&in_bucket| {
                seen += in_bucket;
                seen >= rank
            })?;
            Some(ms(upper_bound_us(bucket).min(longest)))
        };
        Percentiles {
            count,
            p50_ms: at(500),
            p90_ms: at(900),
            p99_ms: at(990),
            p999_ms: at(999),
            longest_ms: (count > 0).then(|| ms(longest)),
        }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

fn bucket_of(us: u64) -> usize {
    if us < FINE {
        return us as usize;
    }
    let octave = us.ilog2() - FINE_BITS;
    let within = (us >> octave) - FINE;
    let bucket = (u64::from(octave) + 1) * FINE + within;
    (bucket as usize).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper_bound_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < FINE {
        return bucket;
    }
    let octave = bucket / FINE - 1;
    let within = bucket % FINE;
    ((FINE + within + 1) << octave) - 1
}

/// A histogram of what happened lately: a present window and the one before it.
#[derive(Debug)]
pub struct Recent {
    windows: [Histogram; 2],
    began: Instant,
    /// Which window, counted from `began`, is being written.
    window: AtomicU64,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { windows: Default::default(), began: Instant::now(), window: AtomicU64::new(0) }
    }
}

impl Recent {
    pub fn record(&self, took: Duration) {
        self.record_at(Instant::now(), took);
    }

    pub fn record_at(&self, now: Instant, took: Duration) {
        self.turn_to(now).record(took);
    }

    pub fn percentiles(&self) -> Percentiles {
        self.percentiles_at(Instant::now())
    }

    pub fn percentiles_at(&self, now: Instant) -> Percentiles {
        self.turn_to(now);
        Percentiles::of(&[&self.windows[0], &self.windows[1]])
    }

    /// The present window, emptied when time has moved on to it. Two threads that turn at once may lose a few values of
    /// the first microsecond.
    fn turn_to(&self, now: Instant) -> &Histogram {
        let window = now.saturating_duration_since(self.began).as_secs() / WINDOW.as_secs();
        let before = self.window.fetch_max(window, Ordering::AcqRel);
        let present = &self.windows[(window % 2) as usize];
        if before < window {
            present.clear();
            if before + 1 < window {
                self.windows[((window + 1) % 2) as usize].clear();
            }
        }
        present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_six_per_cent() {
        let histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }

        let percentiles = Percentiles::of(&[&histogram]);

        assert_eq!(percentiles.count, 1000);
        for (measured, true_ms) in [
            (percentiles.p50_ms, 500.0),
            (percentiles.p90_ms, 900.0),
            (percentiles.p99_ms, 990.0),
            (percentiles.longest_ms, 1000.0),
        ] {
            let error: f64 = measured.unwrap() / true_ms - 1.0;
            assert!((0.0..0.0626).contains(&error), "{measured:?} instead of {true_ms}");
        }
    }

    #[test]
    fn every_value_falls_into_the_bucket_whose_bound_it_is_below() {
        for us in (0..100_000).chain([1 << 20, (1 << 30) + 12345, u64::MAX >> 28]) {
            let bucket = bucket_of(us);
            assert!(us <= upper_bound_us(bucket), "{us}");
            assert!(bucket == 0 || us > upper_bound_us(bucket - 1), "{us}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1, "nothing is too long to be counted");
    }

    #[test]
    fn nothing_measured_has_no_percentiles() {
        assert_eq!(Percentiles::of(&[&Histogram::default()]), Percentiles::default());
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let recent = Recent::default();
        let start = Instant::now();

        recent.record_at(start, Duration::from_millis(10));
        assert_eq!(recent.percentiles_at(start + WINDOW).count, 1, "the window before still counts");
        recent.record_at(start + WINDOW, Duration::from_millis(20));
        assert_eq!(recent.percentiles_at(start + WINDOW).count, 2);
        assert_eq!(recent.percentiles_at(start + 2 * WINDOW).count, 1);
        assert_eq!(recent.percentiles_at(start + 9 * WINDOW).count, 0);
    }
}
