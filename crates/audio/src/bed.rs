//! What lies under a call while nobody speaks.
//!
//! A line that goes dead quiet sounds broken. Comfort noise says "still here"; a hold bed says "please wait".

use std::f32::consts::TAU;
use std::time::Duration;

use crate::Rate;
use crate::level::amplitude;

/// Any of the beds.
#[derive(Clone, Debug)]
pub enum Bed {
    /// Digital silence.
    Silence,
    /// Soft noise.
    Comfort(ComfortNoise),
    /// A soft melody.
    Hold(HoldMelody),
}

impl Bed {
    /// Appends the next samples.
    pub fn next(&mut self, samples: usize, output: &mut Vec<i16>) {
        match self {
            Bed::Silence => output.resize(output.len() + samples, 0),
            Bed::Comfort(noise) => noise.next(samples, output),
            Bed::Hold(melody) => melody.next(samples, output),
        }
    }
}

/// Noise shaped like that of a quiet room: loudest around 300 Hz, falling gently above, nothing at the very bottom.
///
/// The same seed gives the same noise.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    state: u64,
    shape: RoomShape,
    gain: f32,
}

impl ComfortNoise {
    /// Noise with a root mean square of `level_dbfs`. −60 dBFS is barely there, −50 dBFS is an office.
    pub fn new(rate: Rate, seed: u64, level_dbfs: f32) -> ComfortNoise {
        let shape = RoomShape::new(rate);
        // Uniform noise in ±1 has the power 1/3; the shape then keeps the energy of its impulse response.
        let power = shape.clone().impulse_energy() / 3.0;
        let gain = amplitude(level_dbfs) * 32_768.0 / power.sqrt();
        // Any odd constant would do; the generator must not start at zero.
        ComfortNoise { state: seed ^ 0x9E37_79B9_7F4A_7C15 | 1, shape, gain }
    }

    /// Appends the next samples.
    pub fn next(&mut self, samples: usize, output: &mut Vec<i16>) {
        output.extend((0..samples).map(|_| {
            let white = self.white();
            (self.shape.step(white) * self.gain).clamp(-32_768.0, 32_767.0) as i16
        }));
    }

    /// Uniform in ±1 by xorshift64*.
    fn white(&mut self) -> f32 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let bits = (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as i32;
        bits as f32 / 2_147_483_648.0
    }
}

/// The difference of two first-order low passes: a broad band with soft flanks.
#[derive(Clone, Debug)]
struct RoomShape {
    upper: f32,
    lower: f32,
    upper_share: f32,
    lower_share: f32,
}

impl RoomShape {
    fn new(rate: Rate) -> RoomShape {
        let share = |hz: f32| 1.0 - (-TAU * hz / rate.hz() as f32).exp();
        RoomShape { upper: 0.0, lower: 0.0, upper_share: share(900.0), lower_share: share(100.0) }
    }

    fn step(&mut self, input: f32) -> f32 {
        self.upper += (input - self.upper) * self.upper_share;
        self.lower += (input - self.lower) * self.lower_share;
        self.upper - self.lower
    }

    fn impulse_energy(mut self) -> f32 {
        // The slower flank dies out within a few milliseconds; 4096 samples are 85 ms at the highest rate.
        (0..4096).map(|n| self.step(if n == 0 { 1.0 } else { 0.0 }).powi(2)).sum()
    }
}

/// Four soft notes, each ringing into the next, then a rest.
///
/// Slow, sparse and quiet, so that the caller's own words are still recognised over it, and no two of its notes make a
/// keypad digit.
#[derive(Clone, Debug)]
pub struct HoldMelody {
    rate: Rate,
    gain: f32,
    position: u64,
    /// Two voices take turns, so that a note can die away under the next.
    voices: [Note; 2],
}

impl HoldMelody {
    /// A4, C5, D5, C5: none within 5 % of a DTMF frequency.
    const NOTES_HZ: [f32; 4] = [440.0, 523.25, 587.33, 523.25];
    const BEAT: Duration = Duration::from_millis(750);
    const BEATS: u64 = 8;

    /// A melody whose loudest moments peak at `peak_dbfs`; −24 dBFS is gentle.
    pub fn new(rate: Rate, peak_dbfs: f32) -> HoldMelody {
        // Two voices overlap; each keeps to half.
        let gain = amplitude(peak_dbfs) * 32_767.0 / 2.0;
        HoldMelody { rate, gain, position: 0, voices: [Note::SILENT; 2] }
    }

    /// Appends the next samples.
    pub fn next(&mut self, samples: usize, output: &mut Vec<i16>) {
        let beat_samples = self.rate.samples_in(Self::BEAT);
        output.extend((0..samples).map(|_| {
            let (beat, offset) = (self.position / beat_samples, self.position % beat_samples);
            if offset == 0
                && let Some(&hz) = Self::NOTES_HZ.get(beat as usize)
            {
                self.voices[(beat % 2) as usize] = Note::new(self.rate, hz);
            }
            self.position = (self.position + 1) % (beat_samples * Self::BEATS);
            let sum: f32 = self.voices.iter_mut().map(Note::step).sum();
            (sum * self.gain) as i16
        }));
    }
}

/// A struck note: rises within a few milliseconds, dies away over one or two seconds.
#[derive(Clone, Copy, Debug)]
struct Note {
    point: [f32; 2],
    /// Rotation and decay in one: the point spirals inwards.
    turn: [f32; 2],
    rise: f32,
    rise_share: f32,
}

impl Note {
    const SILENT: Note = Note { point: [0.0; 2], turn: [0.0; 2], rise: 0.0, rise_share: 0.0 };

    fn new(rate: Rate, hz: f32) -> Note {
        let per_sample = 1.0 / rate.hz() as f32;
        let (sin, cos) = (TAU * hz * per_sample).sin_cos();
        let decay = (-per_sample / 0.45).exp();
        Note {
            point: [1.0, 0.0],
            turn: [cos * decay, sin * decay],
            rise: 0.0,
            rise_share: 1.0 - (-per_sample / 0.008).exp(),
        }
    }

    fn step(&mut self) -> f32 {
        let [x, y] = self.point;
        let [cos, sin] = self.turn;
        self.point = [x * cos - y * sin, x * sin + y * cos];
        self.rise += (1.0 - self.rise) * self.rise_share;
        y * self.rise
    }
}
