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

/// Coefficients are applied so many at a time; sets are whole multiples, so that no loop has a remainder.
const LANES: usize = 8;

/// Longest filter: 48 kHz to 8 kHz.
const TAPS_MAX: usize = TAPS * 6;

/// Input samples per turn of the loop. Bounds the scratch on the stack; any value gives the same output.
const BLOCK: usize = 480;

/// Ratios up to this are worked off phase by phase, many output samples at once; odder ones (22.05 and 44.1 kHz against
/// the rest, with up to 441 phases) one by one.
const PLANES_MAX: usize = 6;

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
        let mut scratch = Scratch::default();
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
        scratch: &mut Scratch,
        output: &mut Vec<i16>,
    ) {
        let past = self.past.len();
        let line = &mut scratch.line[..past + block.len()];
        line[..past].copy_from_slice(&self.past);
        line[past..].copy_from_slice(block);
        self.past.copy_from_slice(&line[block.len()..]);

        // The window of an output sample starts at `skip` in the line and ends at the input sample it waits for.
        let ready = block.len().saturating_sub(self.skip) * filter.up;
        let count = ready.saturating_sub(self.phase).div_ceil(filter.down);
        let start = output.len();
        output.resize(start + count, 0);
        let cursor = Cursor { phase: self.phase, skip: self.skip };
        if filter.is_planar() {
            filter.apply_by_phase(cursor, past + block.len(), scratch, &mut output[start..]);
        } else {
            filter.apply_one_by_one(cursor, past + block.len(), scratch, &mut output[start..]);
        }

        let next = cursor.after(count, filter);
        self.phase = next.phase;
        self.skip = next.skip - block.len();
    }
}

/// Room to work in, on the stack for the length of one call.
struct Scratch {
    line: [i16; TAPS_MAX + BLOCK],
    planes: [f32; TAPS_MAX + BLOCK + PLANES_MAX],
    sums: [f32; BLOCK + 1],
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch {
            line: [0; TAPS_MAX + BLOCK],
            planes: [0.0; TAPS_MAX + BLOCK + PLANES_MAX],
            sums: [0.0; BLOCK + 1],
        }
    }
}

/// Where an output sample takes its window and its coefficients from.
#[derive(Clone, Copy)]
struct Cursor {
    phase: usize,
    skip: usize,
}

impl Cursor {
    /// The place of a later output sample.
    fn after(self, outputs: usize, filter: &Filter) -> Cursor {
        let phases = self.phase + outputs * filter.down;
        Cursor { phase: phases % filter.up, skip: self.skip + phases / filter.up }
    }
}

/// The coefficients between two rates.
#[derive(Debug)]
struct Filter {
    up: usize,
    down: usize,
    taps: usize,
    /// `up` sets of `taps` coefficients. One by one they stand in the order of the input samples, oldest first; by phase,
    /// every `down`-th stands together.
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
            // Zeros of the sinc are made real ones: whole groups of them are then stepped over.
            let exact = set.iter().map(|tap| if tap.abs() < 1e-9 { 0.0 } else { (tap / gain) as f32 });
            sets.extend(exact);
        }
        let mut filter = Filter { up, down, taps, sets: sets.into() };
        if filter.is_planar() {
            let plane = taps / down;
            filter.sets = (0..up * taps)
                .map(|at| (at / taps, at % taps))
                .map(|(phase, at)| filter.sets[phase * taps + at % plane * down + at / plane])
                .collect();
        }
        filter
    }

    fn is_planar(&self) -> bool {
        self.up.max(self.down) <= PLANES_MAX
    }

    /// All output samples of one phase together, then those of the next.
    ///
    /// Their windows lie `down` input samples apart. With every `down`-th input sample in a plane of its own, each
    /// coefficient meets a run of neighbours, which is what vector instructions want.
    fn apply_by_phase(&self, cursor: Cursor, length: usize, scratch: &mut Scratch, output: &mut [i16]) {
        let plane_length = length.div_ceil(self.down);
        for plane in 0..self.down {
            let slots = &mut scratch.planes[plane * plane_length..][..plane_length];
            let samples = &scratch.line[plane..length];
            if self.down == 1 {
                to_float(samples, slots);
                continue;
            }
            for (slot, group) in slots.iter_mut().zip(samples.chunks(self.down)) {
                *slot = group[0] as f32;
            }
        }

        for first in 0..self.up.min(output.len()) {
            let Cursor { phase, skip } = cursor.after(first, self);
            let count = (output.len() - first).div_ceil(self.up);
            let sums = &mut scratch.sums[..count];
            sums.fill(0.0);
            let set = &self.sets[phase * self.taps..][..self.taps];
            for (residue, taps) in set.chunks_exact(self.taps / self.down).enumerate() {
                let plane = (skip + residue) % self.down * plane_length;
                let samples = &scratch.planes[plane + (skip + residue) / self.down..plane + plane_length];
                for (group, taps) in taps.as_chunks::<LANES>().0.iter().enumerate() {
                    if taps.iter().any(|&tap| tap != 0.0) {
                        accumulate(sums, taps, &samples[group * LANES..]);
                    }
                }
            }
            // Rounding apart from spreading: the one goes several at a time, the other cannot.
            let rounded = &mut scratch.line[..count];
            for (slot, &sum) in rounded.iter_mut().zip(sums.iter()) {
                *slot = round_to_sample(sum);
            }
            if self.up == 1 {
                output.copy_from_slice(rounded);
                continue;
            }
            for (group, &sample) in output[first..].chunks_mut(self.up).zip(rounded.iter()) {
                group[0] = sample;
            }
        }
    }

    /// One output sample after the other.
    fn apply_one_by_one(&self, mut cursor: Cursor, length: usize, scratch: &mut Scratch, output: &mut [i16]) {
        let line = &mut scratch.planes[..length];
        to_float(&scratch.line, line);
        for slot in output {
            let set = &self.sets[cursor.phase * self.taps..][..self.taps];
            let window = &line[cursor.skip..][..self.taps];
            let mut sums = [0f32; LANES];
            for (taps, samples) in set.as_chunks::<LANES>().0.iter().zip(window.as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    sums[lane] += taps[lane] * samples[lane];
                }
            }
            *slot = round_to_sample(sums.iter().sum());
            cursor = cursor.after(1, self);
        }
    }
}

fn to_float(samples: &[i16], slots: &mut [f32]) {
    for (slot, &sample) in slots.iter_mut().zip(samples) {
        *slot = sample as f32;
    }
}

/// Adds to each sum its share of [`LANES`] coefficients.
#[inline]
fn accumulate(sums: &mut [f32], taps: &[f32; LANES], samples: &[f32]) {
    // One view per coefficient, all of one length: the compiler then knows that it may take four sums at a time.
    let count = sums.len();
    let views: [&[f32]; LANES] = std::array::from_fn(|tap| &samples[tap..][..count]);
    let [a, b, c, d, e, f, g, h] = views;
    for i in 0..count {
        let first = taps[0] * a[i] + taps[1] * b[i] + taps[2] * c[i] + taps[3] * d[i];
        let second = taps[4] * e[i] + taps[5] * f[i] + taps[6] * g[i] + taps[7] * h[i];
        sums[i] += first + second;
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
