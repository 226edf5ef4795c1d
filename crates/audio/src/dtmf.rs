//! Keypad digits as sound.
//!
//! Two frequencies per key (ITU-T Q.23). Most carriers report keys as events; where they do not, [`Detector`] hears
//! them, and [`generate`] plays them to a far end that only listens.
//!
//! The detector looks at blocks of 13 ms. A block counts when two of the eight frequencies hold most of its energy, at
//! levels that a telephone line can produce, without the overtones that a voice would bring. Two such blocks in a row
//! make a digit, if the tones' phases agree about the frequency: that measures it to within a percent, far finer than
//! so short a block can resolve, and is what speech fails.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::level::{self, SILENCE_DBFS};
use crate::tone::{Tone, burst};
use crate::{Frame, Rate};

const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The sound of a key, with a slope at each end; each of its two tones peaks at `peak_dbfs`.
///
/// `None` for a symbol that no keypad has. Lower-case `a` to `d` are understood.
pub fn generate(symbol: char, rate: Rate, duration: Duration, peak_dbfs: f32) -> Option<Frame> {
    let symbol = symbol.to_ascii_uppercase();
    let (row, column) = (0..4)
        .flat_map(|row| (0..4).map(move |column| (row, column)))
        .find(|&(row, column)| KEYS[row][column] == symbol)?;
    let tone = Tone::dual(rate, [ROWS_HZ[row], COLUMNS_HZ[column]], peak_dbfs);
    Some(burst(rate, tone, duration))
}

/// A block is this long: 105 samples at 8 kHz, which puts the spectral zeros of one row frequency near its neighbours.
const BLOCK_SECONDS: f32 = 105.0 / 8_000.0;

/// Blocks quieter than this are not looked at. Q.24 asks for −25 dBm per tone, some 14 dB more.
const QUIETEST_DBFS: f32 = -45.0;

/// Share of a block's energy that the two tones must hold.
///
/// Tones 1.5 % off hold 0.84 of it; noise 6 dB below takes that to 0.67. Voices rarely reach 0.5.
const TONE_SHARE_MIN: f32 = 0.62;

/// How much stronger the low tone may be: long lines eat the high one. Q.24 knows up to 8 dB, plus a margin.
const LOW_OVER_HIGH_MAX: f32 = 7.94;

/// How much stronger the high tone may be. Q.24 knows up to 4 dB, plus a margin.
const HIGH_OVER_LOW_MAX: f32 = 3.98;

/// How far a tone must stand above the other three of its group (8 dB).
const ABOVE_OTHERS_MIN: f32 = 6.3;

/// How strong an overtone may be next to its tone (−9 dB). A clipped tone stays below that, a voice does not.
const OVERTONE_SHARE_MAX: f32 = 0.126;

/// Largest error of a frequency. Q.24: 1.5 % must be heard, 3.5 % must not.
const FREQUENCY_ERROR_MAX: f32 = 0.025;

/// Phase is known modulo a turn, so the limit must stay below half of one with some room: 28 Hz, still 1.7 % of the
/// highest tone. What is further off by nearly a turn again has lost most of its amplitude.
const PHASE_ERROR_MAX: f32 = 2.3;

/// While a key is down, its tones may sink this far (−10 dB) before a block counts as silence between two presses.
const STILL_DOWN_SHARE: f32 = 0.1;

/// Blocks of silence that end a press: 26 ms. Q.24's shortest pause is 40 ms, which always holds two whole blocks; a
/// drop-out of 10 ms never does.
const RELEASE_BLOCKS: u8 = 2;

/// Hears keypad digits. A press is reported once, however long it lasts, about 30 to 40 ms after it began.
#[derive(Clone, Debug)]
pub struct Detector {
    bank: Bank,
    block: Vec<i16>,
    candidate: Option<Pair>,
    pressed: Option<Press>,
}

/// A block that looked like a digit.
#[derive(Clone, Copy, Debug)]
struct Pair {
    row: usize,
    column: usize,
    /// Complex amplitudes of the two tones.
    tones: [[f32; 2]; 2],
}

#[derive(Clone, Copy, Debug)]
struct Press {
    row: usize,
    column: usize,
    /// Power of the two tones when the press was recognised.
    powers: [f32; 2],
    missing: u8,
}

impl Detector {
    /// A detector that has heard nothing.
    pub fn new(rate: Rate) -> Detector {
        let bank = Bank::new(rate);
        let block = Vec::with_capacity(bank.block);
        Detector { bank, block, candidate: None, pressed: None }
    }

    /// Takes more of the stream; gives the digits newly pressed, nearly always none.
    pub fn push(&mut self, mut samples: &[i16]) -> Vec<char> {
        // An empty vector needs no allocation.
        let mut digits = Vec::new();
        while !samples.is_empty() {
            let wanted = (self.bank.block - self.block.len()).min(samples.len());
            let (now, later) = samples.split_at(wanted);
            self.block.extend_from_slice(now);
            samples = later;
            if self.block.len() == self.bank.block {
                digits.extend(self.judge_block());
                self.block.clear();
            }
        }
        digits
    }

    /// The key that is down now.
    pub fn held(&self) -> Option<char> {
        self.pressed.map(|press| KEYS[press.row][press.column])
    }

    /// Forgets the past, as new.
    pub fn reset(&mut self) {
        self.block.clear();
        self.candidate = None;
        self.pressed = None;
    }

    fn judge_block(&mut self) -> Option<char> {
        let energy = level::energy(&self.block) as f32;
        let loud_enough = energy >= self.bank.quietest_energy;
        if !loud_enough && self.pressed.is_none() {
            self.candidate = None;
            return None;
        }

        let tones = self.bank.tones(&self.block);
        let powers = tones.map(|[re, im]| re * re + im * im);
        let pair = if loud_enough { self.pair_in(&tones, &powers, energy) } else { None };
        let confirmed = match (self.candidate, pair) {
            (Some(before), Some(now)) => self.bank.agrees(&before, &now),
            _ => false,
        };
        self.candidate = pair;

        if let (true, Some(pair)) = (confirmed, pair) {
            let same = self.pressed.is_some_and(|press| (press.row, press.column) == (pair.row, pair.column));
            if !same {
                let powers = [powers[pair.row], powers[4 + pair.column]];
                self.pressed = Some(Press { row: pair.row, column: pair.column, powers, missing: 0 });
                return Some(KEYS[pair.row][pair.column]);
            }
        }
        if let Some(press) = &mut self.pressed {
            let down = powers[press.row] >= press.powers[0] * STILL_DOWN_SHARE
                && powers[4 + press.column] >= press.powers[1] * STILL_DOWN_SHARE;
            press.missing = if down { 0 } else { press.missing + 1 };
            if press.missing >= RELEASE_BLOCKS {
                self.pressed = None;
            }
        }
        None
    }

    /// The two tones of a block, if it passes everything that one block can be asked.
    fn pair_in(&self, tones: &[[f32; 2]; 8], powers: &[f32; 8], energy: f32) -> Option<Pair> {
        let row = strongest(&powers[..4])?;
        let column = strongest(&powers[4..])?;
        let (low, high) = (powers[row], powers[4 + column]);
        if low > high * LOW_OVER_HIGH_MAX || high > low * HIGH_OVER_LOW_MAX {
            return None;
        }
        // A pure tone of amplitude a has the power (a · n / 2)² here and the energy n · a² / 2.
        if low + high < TONE_SHARE_MIN * energy * self.bank.block as f32 / 2.0 {
            return None;
        }
        // The row's second overtone: its first lies beside a column's frequency and says nothing.
        let overtones = [(low, 3.0 * ROWS_HZ[row]), (high, 2.0 * COLUMNS_HZ[column])];
        for (power, hz) in overtones {
            if self.bank.power_at(hz, &self.block) > power * OVERTONE_SHARE_MAX {
                return None;
            }
        }
        Some(Pair { row, column, tones: [tones[row], tones[4 + column]] })
    }
}

/// The index of the largest of four, if it stands out.
fn strongest(powers: &[f32]) -> Option<usize> {
    let best = (0..powers.len()).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
    let others = powers.iter().enumerate().filter(|&(index, _)| index != best);
    others.map(|(_, power)| power).all(|power| powers[best] > power * ABOVE_OTHERS_MIN).then_some(best)
}

/// Goertzel filters for the eight frequencies, side by side.
#[derive(Clone, Debug)]
struct Bank {
    hz: f32,
    block: usize,
    quietest_energy: f32,
    /// cos and sin of each frequency's turn per sample.
    cos: [f32; 8],
    sin: [f32; 8],
    /// cos and sin of each frequency's turn per block.
    block_turn: [[f32; 2]; 8],
    /// Cosine of the largest phase error between two blocks.
    agreement: [f32; 8],
}

impl Bank {
    fn new(rate: Rate) -> Bank {
        let hz = rate.hz() as f32;
        let block = (BLOCK_SECONDS * hz).round() as usize;
        let frequencies: [f32; 8] =
            std::array::from_fn(|i| if i < 4 { ROWS_HZ[i] } else { COLUMNS_HZ[i - 4] });
        let turns = frequencies.map(|frequency| TAU * frequency / hz);
        let quietest = level::amplitude(QUIETEST_DBFS.max(SILENCE_DBFS)) * 32_768.0;
        Bank {
            hz,
            block,
            quietest_energy: quietest * quietest * block as f32,
            cos: turns.map(f32::cos),
            sin: turns.map(f32::sin),
            block_turn: turns.map(|turn| {
                let (sin, cos) = (turn * block as f32).sin_cos();
                [cos, sin]
            }),
            agreement: turns
                .map(|turn| (turn * block as f32 * FREQUENCY_ERROR_MAX).min(PHASE_ERROR_MAX).cos()),
        }
    }

    /// Complex amplitudes of the eight frequencies over one block.
    fn tones(&self, block: &[i16]) -> [[f32; 2]; 8] {
        let twice_cos = self.cos.map(|cos| 2.0 * cos);
        let (mut last, mut before) = ([0f32; 8], [0f32; 8]);
        for &sample in block {
            let sample = sample as f32;
            for i in 0..8 {
                let next = sample + twice_cos[i] * last[i] - before[i];
                before[i] = last[i];
                last[i] = next;
            }
        }
        std::array::from_fn(|i| [last[i] - before[i] * self.cos[i], before[i] * self.sin[i]])
    }

    fn power_at(&self, frequency: f32, block: &[i16]) -> f32 {
        let twice_cos = 2.0 * (TAU * frequency / self.hz).cos();
        let (mut last, mut before) = (0f32, 0f32);
        for &sample in block {
            (last, before) = (sample as f32 + twice_cos * last - before, last);
        }
        last * last + before * before - twice_cos * last * before
    }

    /// Whether two neighbouring blocks hold the same two tones, at the frequencies they should have.
    fn agrees(&self, before: &Pair, now: &Pair) -> bool {
        if (before.row, before.column) != (now.row, now.column) {
            return false;
        }
        [now.row, 4 + now.column].into_iter().enumerate().all(|(i, index)| {
            // Turn the earlier amplitude by what a perfect tone turns within a block, and compare directions.
            let [re, im] = before.tones[i];
            let [cos, sin] = self.block_turn[index];
            let expected = [re * cos - im * sin, re * sin + im * cos];
            let [re, im] = now.tones[i];
            let along = expected[0] * re + expected[1] * im;
            let lengths = (expected[0].hypot(expected[1])) * re.hypot(im);
            along >= lengths * self.agreement[index]
        })
    }
}
