//! From one rate to another, as a stream.
//!
//! A polyphase filter: the ratio of the two rates is L/M in lowest terms; each output sample is one dot product of the
//! latest input with one of L sets of coefficients cut from a windowed sinc (Kaiser). The sets are made once per pair of
//! rates and shared by all calls; a stream holds a few dozen to two hundred past samples and a position, nothing else.
//!
//! Measured by the tests, with the lower of the two rates called `f`: flat within 0.1 dB up to 0.42 `f` (3.4 kHz at
//! 8 kHz), more than 70 dB between a sine and everything else there, images and aliases below −70 dB. Between 0.42 `f`
//! and 0.58 `f` the filter falls, −6 dB in the middle. The delay is 16 samples of the lower rate, or a hair more where
//! the length had to be rounded: [`Resampler::group_delay`] says exactly.

use std::f64::consts::PI;
use std::sync::OnceLock;
use std::time::Duration;

use crate::Rate;

/// Taps per phase when going up; times the ratio when going down, so that the filter stays as steep at the lower rate.
const TAPS: usize = 32;

/// Stop-band attenuation the window is designed for.
///
/// With 32 taps it puts the edges at 0.42 and 0.58 of the lower rate. More would blur the telephone band's upper edge.
const ATTENUATION_DB: f64 = 80.0;

/// Coefficient sets are whole multiples of this many taps, so that the inner loop has no remainder.
const LANES: usize = 8;

/// Longest filter: 48 kHz to 8 kHz.
const TAPS_MAX: usize = TAPS * 6;

/// Input samples per turn of the inner loop. Bounds the scratch on the stack; any value gives the same output.
const BLOCK: usize = 320;

/// Turns a stream at one rate into a stream at another.
///
/// However the input is cut, the output is the same sample for sample. After `n` input samples in total exactly
/// ⌈n · to / from⌉ output samples have been given: 20 ms in are 20 ms out, from the first piece.
#[derive(Clone, Debug)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    /// None when the rates are equal and samples pass through.
    filter: Option<&'static Filter>,
    /// The last `taps - 1` input samples.
    past: Box<[i16]>,
    /// Which coefficient set the next output sample takes.
    phase: usize,
    /// How many more input samples must come before the newest one that the next output sample needs.
    skip: usize,
}

impl Resampler {
    /// A stream from one rate to another, with silence before its first sample.
    pub fn new(from: Rate, to: Rate) -> Resampler {
        let filter = (from != to).then(|| Filter::between(from, to));
        let past = vec![0; filter.map_or(0, |filter| filter.taps - 1)].into();
        Resampler { from, to, filter, past, phase: 0, skip: 0 }
    }

    /// The rate it takes.
    pub fn from(&self) -> Rate {
        self.from
    }

    /// The rate it gives.
    pub fn to(&self) -> Rate {
        self.to
    }

    /// Takes more input and appends the output that it completes.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        let Some(filter) = self.filter else {
            output.extend_from_slice(input);
            return;
        };
        output.reserve((input.len() * filter.up).div_ceil(filter.down) + 1);
        let mut scratch = [0f32; TAPS_MAX + BLOCK];
        for block in input.chunks(BLOCK) {
            self.process_block(filter, block, &mut scratch, output);
        }
    }

    /// How much later a sound leaves than it came in.
    pub fn group_delay(&self) -> Duration {
        // The sinc stands in the middle of the filter: half the taps, counted at the incoming rate.
        let samples = self.filter.map_or(0, |filter| filter.taps / 2) as u64;
        Duration::from_nanos(samples * 1_000_000_000 / self.from.hz() as u64)
    }

    /// Forgets the past, as new.
    pub fn reset(&mut self) {
        self.past.fill(0);
        self.phase = 0;
        self.skip = 0;
    }

    fn process_block(
        &mut self,
        filter: &Filter,
        block: &[i16],
        scratch: &mut [f32; TAPS_MAX + BLOCK],
        output: &mut Vec<i16>,
    ) {
        let past = self.past.len();
        let line = &mut scratch[..past + block.len()];
        let known = self.past.iter().chain(block);
        for (slot, &sample) in line.iter_mut().zip(known) {
            *slot = sample as f32;
        }

        // The window of the next output sample starts at `skip` and ends at the input sample it waits for.
        while let Some(window) = line.get(self.skip..self.skip + filter.taps) {
            output.push(filter.dot(self.phase, window));
            self.skip += filter.step;
            self.phase += filter.step_phases;
            if self.phase >= filter.up {
                self.phase -= filter.up;
                self.skip += 1;
            }
        }
        self.skip -= block.len();

        if block.len() >= past {
            self.past.copy_from_slice(&block[block.len() - past..]);
        } else {
            self.past.copy_within(block.len().., 0);
            self.past[past - block.len()..].copy_from_slice(block);
        }
    }
}

/// The coefficients between two rates.
#[derive(Debug)]
struct Filter {
    up: usize,
    down: usize,
    /// From one output sample to the next: whole input samples, and phases beyond them.
    step: usize,
    step_phases: usize,
    taps: usize,
    /// `up` sets of `taps` coefficients, each in the order of the input samples (oldest first).
    sets: Box<[f32]>,
}

impl Filter {
    /// The shared filter of a pair of rates, made on first use.
    fn between(from: Rate, to: Rate) -> &'static Filter {
        static FILTERS: [OnceLock<Filter>; Rate::ALL.len() * Rate::ALL.len()] =
            [const { OnceLock::new() }; Rate::ALL.len() * Rate::ALL.len()];
        FILTERS[from as usize * Rate::ALL.len() + to as usize].get_or_init(|| Filter::design(from, to))
    }

    fn design(from: Rate, to: Rate) -> Filter {
        let common = greatest_common_divisor(from.hz(), to.hz());
        let (up, down) = ((to.hz() / common) as usize, (from.hz() / common) as usize);
        // Filter length and cut-off follow the lower of the two rates, seen from the incoming one.
        let narrowing = (down as f64 / up as f64).max(1.0);
        let taps = ((TAPS as f64 * narrowing).ceil() as usize).next_multiple_of(LANES);

        let window = KaiserWindow::new(ATTENUATION_DB);
        let mut sets = Vec::with_capacity(up * taps);
        for phase in 0..up {
            // The output sample lies `phase / up` after the newest input sample of its window, less the delay.
            let centre = taps as f64 / 2.0 - 1.0 + phase as f64 / up as f64;
            let set: Vec<f64> = (0..taps)
                .map(|tap| {
                    let distance = tap as f64 - centre;
                    sinc(distance / narrowing) * window.at(distance / (taps as f64 / 2.0))
                })
                .collect();
            // Every set passes a constant unchanged; otherwise the sets would differ audibly on low notes.
            let gain: f64 = set.iter().sum();
            sets.extend(set.iter().map(|tap| (tap / gain) as f32));
        }
        Filter { up, down, step: down / up, step_phases: down % up, taps, sets: sets.into() }
    }

    #[inline]
    fn dot(&self, phase: usize, window: &[f32]) -> i16 {
        let set = &self.sets[phase * self.taps..][..self.taps];
        let mut sums = [0f32; LANES];
        for (taps, samples) in set.as_chunks::<LANES>().0.iter().zip(window.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += taps[lane] * samples[lane];
            }
        }
        round_to_sample(sums.iter().sum())
    }
}

/// Nearest sample, limited to the range.
#[inline]
fn round_to_sample(value: f32) -> i16 {
    // Adding 1.5 · 2^23 leaves the rounded integer in the low bits; `f32::round` is a library call on plain x86-64.
    (value.clamp(-32_768.0, 32_767.0) + 12_582_912.0).to_bits() as i16
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

struct KaiserWindow {
    beta: f64,
    scale: f64,
}

impl KaiserWindow {
    fn new(attenuation_db: f64) -> KaiserWindow {
        // Kaiser's formula for attenuations above 50 dB.
        let beta = 0.1102 * (attenuation_db - 8.7);
        KaiserWindow { beta, scale: bessel_i0(beta) }
    }

    /// The weight at a place between −1 and 1; nothing beyond.
    fn at(&self, place: f64) -> f64 {
        let inside = 1.0 - place * place;
        if inside < 0.0 { 0.0 } else { bessel_i0(self.beta * inside.sqrt()) / self.scale }
    }
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    // The terms fall faster than a geometric series once k > x/2; 40 suffice for double precision at x < 20.
    for k in 1..40 {
        term *= quarter / (k * k) as f64;
        sum += term;
    }
    sum
}

const fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
