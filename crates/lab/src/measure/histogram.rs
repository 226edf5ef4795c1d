//! Counting times by their size.
//!
//! Every power of two is split into 64 equal steps, so a figure read back is at most 1.6 % too large, from a
//! microsecond to half an hour, in a few kilobytes, and two histograms can be added.

use serde::{Deserialize, Serialize};

/// Steps per power of two.
const STEPS: u64 = 64;
const STEPS_BITS: u32 = STEPS.trailing_zeros();
/// Times above 2^31 µs (36 minutes) are counted as that.
const MICROS_MAX: u64 = 1 << 31;

/// Times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Counts by bucket, grown as needed.
    buckets: Vec<u64>,
    count: u64,
    micros_sum: u64,
    micros_max: u64,
}

impl Histogram {
    pub fn record(&mut self, micros: u64) {
        let micros = micros.min(MICROS_MAX);
        let bucket = bucket_of(micros);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.micros_sum += micros;
        self.micros_max = self.micros_max.max(micros);
    }

    pub fn add(&mut self, other: &Histogram) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.micros_sum += other.micros_sum;
        self.micros_max = self.micros_max.max(other.micros_max);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn micros_max(&self) -> u64 {
        self.micros_max
    }

    pub fn micros_mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.micros_sum as f64 / self.count as f64 }
    }

    /// The time that the share `quantile` (0 to 1) of all stayed at or below; 0 when nothing was counted.
    ///
    /// The upper border of the bucket, never above the largest time seen: errs on the side of slow.
    pub fn micros_at(&self, quantile: f64) -> u64 {
        let rank = ((quantile.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return upper_border(bucket).min(self.micros_max);
            }
        }
        self.micros_max
    }
}

/// Up to 2 × STEPS every value has its own bucket; above, the leading bits decide.
fn bucket_of(micros: u64) -> usize {
    if micros < 2 * STEPS {
        return micros as usize;
    }
    let shift = micros.ilog2() - STEPS_BITS;
    (u64::from(shift) * STEPS + (micros >> shift)) as usize
}

fn upper_border(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    let leading = bucket - shift * STEPS;
    ((leading + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_time_lies_within_its_bucket_and_buckets_follow_one_another() {
        let mut last = 0;
        for micros in (0..5_000).chain((5_000..MICROS_MAX).step_by(999_983)).chain([MICROS_MAX]) {
            let bucket = bucket_of(micros);
            assert!(bucket >= last, "{micros}");
            assert!(upper_border(bucket) >= micros, "{micros}");
            assert!(bucket == 0 || upper_border(bucket - 1) < micros, "{micros}");
            last = bucket;
        }
    }

    proptest! {
        #[test]
        fn quantiles_agree_with_a_sorted_list(
            mut times in proptest::collection::vec(prop_oneof![0_u64..300, 0_u64..100_000, 0_u64..2_000_000_000], 1..400),
            quantile in 0.0_f64..=1.0,
            split in 0_usize..400,
        ) {
            let (one, two) = times.split_at(split.min(times.len()));
            let mut histogram = Histogram::default();
            let mut other = Histogram::default();
            one.iter().for_each(|time| histogram.record(*time));
            two.iter().for_each(|time| other.record(*time));
            histogram.add(&other);

            times.sort_unstable();
            let rank = ((quantile * times.len() as f64).ceil() as usize).max(1);
            let exact = times[rank - 1];
            let found = histogram.micros_at(quantile);

            prop_assert_eq!(histogram.count(), times.len() as u64);
            prop_assert_eq!(Some(histogram.micros_max()), times.last().copied());
            prop_assert!(found >= exact, "{} < {}", found, exact);
            prop_assert!(found as f64 <= exact as f64 * (1.0 + 1.0 / STEPS as f64) + 1.0, "{} vs {}", found, exact);
        }
    }

    #[test]
    fn nothing_counted_reads_as_nothing() {
        assert_eq!(Histogram::default().micros_at(0.99), 0);
    }

    #[test]
    fn absurd_times_are_counted_at_the_end() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.micros_at(1.0), MICROS_MAX);
    }
}
