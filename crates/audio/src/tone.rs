//! Tones: one or two sine waves that start and stop without a click.
//!
//! What a switch plays before anybody answers (ringback, busy), what a keypad sends, what a test listens for.

use std::f64::consts::TAU;
use std::time::Duration;

use crate::level::amplitude;
use crate::{Frame, Rate};

/// Length of the slope at each end of a tone. Shorter is heard as a click, longer eats into a short key press.
pub const RAMP: Duration = Duration::from_millis(3);

/// One or two sine waves, endless, with a gate.
///
/// The phase runs on across calls and across the gate; the gate opens and closes over [`RAMP`].
#[derive(Clone, Debug)]
pub struct Tone {
    waves: [Wave; 2],
    /// Gate position: 0 is closed, `ramp` is fully open.
    gate: u32,
    ramp: u32,
    on: bool,
}

impl Tone {
    /// One sine wave. Its peak reaches `peak_dbfs`.
    pub fn sine(rate: Rate, hz: f32, peak_dbfs: f32) -> Tone {
        Tone::of(rate, [Wave::new(rate, hz, peak_dbfs), Wave::SILENT])
    }

    /// Two sine waves, each with a peak of `peak_dbfs`: together up to 6 dB more.
    pub fn dual(rate: Rate, hz: [f32; 2], peak_dbfs: f32) -> Tone {
        Tone::dual_with_levels(rate, hz, [peak_dbfs; 2])
    }

    /// Two sine waves with a level of their own each.
    pub fn dual_with_levels(rate: Rate, hz: [f32; 2], peak_dbfs: [f32; 2]) -> Tone {
        Tone::of(rate, [Wave::new(rate, hz[0], peak_dbfs[0]), Wave::new(rate, hz[1], peak_dbfs[1])])
    }

    fn of(rate: Rate, waves: [Wave; 2]) -> Tone {
        Tone { waves, gate: 0, ramp: (rate.samples_in(RAMP) as u32).max(1), on: true }
    }

    /// Lets the tone rise.
    pub fn start(&mut self) {
        self.on = true;
    }

    /// Lets the tone fall; silence follows.
    pub fn stop(&mut self) {
        self.on = false;
    }

    /// Appends the next samples.
    pub fn next(&mut self, samples: usize, output: &mut Vec<i16>) {
        output.extend((0..samples).map(|_| self.step()));
    }

    fn step(&mut self) -> i16 {
        match self.on {
            true => self.gate = (self.gate + 1).min(self.ramp),
            false => self.gate = self.gate.saturating_sub(1),
        }
        let sum = self.waves[0].step() + self.waves[1].step();
        // A squared-sine slope: no corner at either end, so nothing splatters over the neighbouring bands.
        let gain = if self.gate == self.ramp {
            1.0
        } else {
            (TAU / 4.0 * self.gate as f64 / self.ramp as f64).sin().powi(2)
        };
        (sum * gain).round().clamp(-32_768.0, 32_767.0) as i16
    }
}

/// A tone that lasts `duration`, slopes included.
pub fn burst(rate: Rate, mut tone: Tone, duration: Duration) -> Frame {
    let samples = rate.samples_in(duration) as usize;
    let fall = (tone.ramp as usize).min(samples / 2);
    let mut output = Vec::with_capacity(samples);
    tone.next(samples - fall, &mut output);
    tone.stop();
    tone.next(fall, &mut output);
    Frame::new(rate, output)
}

/// A tone that comes and goes in a fixed rhythm: the sounds of a telephone exchange.
#[derive(Clone, Debug)]
pub struct Cadence {
    tone: Tone,
    on: u64,
    period: u64,
    position: u64,
}

impl Cadence {
    /// `tone` for `on`, then silence for `off`, over and over.
    pub fn new(rate: Rate, tone: Tone, on: Duration, off: Duration) -> Cadence {
        let on = rate.samples_in(on).max(1);
        Cadence { tone, on, period: on + rate.samples_in(off), position: 0 }
    }

    /// What a caller in North America hears while the other telephone rings: 440 + 480 Hz, 2 s on, 4 s off.
    pub fn ringback(rate: Rate) -> Cadence {
        let tone = Tone::dual(rate, [440.0, 480.0], -22.0);
        Cadence::new(rate, tone, Duration::from_secs(2), Duration::from_secs(4))
    }

    /// The same in most of Europe: 425 Hz, 1 s on, 4 s off (ETSI TR 101 041).
    pub fn ringback_europe(rate: Rate) -> Cadence {
        let tone = Tone::sine(rate, 425.0, -16.0);
        Cadence::new(rate, tone, Duration::from_secs(1), Duration::from_secs(4))
    }

    /// The line is busy, North America: 480 + 620 Hz, half a second on, half off.
    pub fn busy(rate: Rate) -> Cadence {
        let tone = Tone::dual(rate, [480.0, 620.0], -24.0);
        Cadence::new(rate, tone, Duration::from_millis(500), Duration::from_millis(500))
    }

    /// The line is busy, most of Europe: 425 Hz, half a second on, half off.
    pub fn busy_europe(rate: Rate) -> Cadence {
        let tone = Tone::sine(rate, 425.0, -18.0);
        Cadence::new(rate, tone, Duration::from_millis(500), Duration::from_millis(500))
    }

    /// Appends the next samples.
    pub fn next(&mut self, mut samples: usize, output: &mut Vec<i16>) {
        while samples > 0 {
            let sounding = self.position < self.on;
            let until = if sounding { self.on } else { self.period };
            let now = (until - self.position).min(samples as u64) as usize;
            if sounding {
                self.tone.start()
            } else {
                self.tone.stop()
            }
            self.tone.next(now, output);
            self.position = (self.position + now as u64) % self.period;
            samples -= now;
        }
    }
}

/// A sine wave by rotation: two multiplications per sample instead of a call to `sin`.
#[derive(Clone, Copy, Debug)]
struct Wave {
    point: [f64; 2],
    turn: [f64; 2],
    amplitude: f64,
}

impl Wave {
    const SILENT: Wave = Wave { point: [1.0, 0.0], turn: [1.0, 0.0], amplitude: 0.0 };

    fn new(rate: Rate, hz: f32, peak_dbfs: f32) -> Wave {
        let (sin, cos) = (TAU * hz as f64 / rate.hz() as f64).sin_cos();
        let amplitude = (amplitude(peak_dbfs) as f64).min(1.0) * 32_767.0;
        Wave { point: [1.0, 0.0], turn: [cos, sin], amplitude }
    }

    fn step(&mut self) -> f64 {
        let value = self.point[1] * self.amplitude;
        let [x, y] = self.point;
        let [cos, sin] = self.turn;
        let (x, y) = (x * cos - y * sin, x * sin + y * cos);
        // One Newton step towards length 1; without it rounding would let the tone drift within hours.
        let correction = 1.5 - 0.5 * (x * x + y * y);
        self.point = [x * correction, y * correction];
        value
    }
}
