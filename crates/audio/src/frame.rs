//! A short piece of sound and the rate it was taken at.

use std::time::Duration;

/// Samples per second. A closed set: every wire we speak uses one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rate {
    Hz8000,
    Hz16000,
    Hz22050,
    Hz24000,
    Hz44100,
    Hz48000,
}

impl Rate {
    pub const ALL: [Rate; 6] =
        [Rate::Hz8000, Rate::Hz16000, Rate::Hz22050, Rate::Hz24000, Rate::Hz44100, Rate::Hz48000];

    pub const fn hz(self) -> u32 {
        match self {
            Rate::Hz8000 => 8_000,
            Rate::Hz16000 => 16_000,
            Rate::Hz22050 => 22_050,
            Rate::Hz24000 => 24_000,
            Rate::Hz44100 => 44_100,
            Rate::Hz48000 => 48_000,
        }
    }

    pub const fn from_hz(hz: u32) -> Option<Rate> {
        match hz {
            8_000 => Some(Rate::Hz8000),
            16_000 => Some(Rate::Hz16000),
            22_050 => Some(Rate::Hz22050),
            24_000 => Some(Rate::Hz24000),
            44_100 => Some(Rate::Hz44100),
            48_000 => Some(Rate::Hz48000),
            _ => None,
        }
    }

    /// How long `samples` samples last.
    pub const fn duration_of(self, samples: u64) -> Duration {
        Duration::from_micros(samples.saturating_mul(1_000_000) / self.hz() as u64)
    }

    /// How many samples fit into `duration`, rounded down.
    pub const fn samples_in(self, duration: Duration) -> u64 {
        (duration.as_micros() as u64).saturating_mul(self.hz() as u64) / 1_000_000
    }
}

/// A short piece of PCM16 mono; 20 ms unless a wire forces another length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub rate: Rate,
    pub samples: Vec<i16>,
}

impl Frame {
    pub fn new(rate: Rate, samples: Vec<i16>) -> Frame {
        Frame { rate, samples }
    }

    pub fn silence(rate: Rate, duration: Duration) -> Frame {
        Frame { rate, samples: vec![0; rate.samples_in(duration) as usize] }
    }

    pub fn duration(&self) -> Duration {
        self.rate.duration_of(self.samples.len() as u64)
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}
