//! Does it repeat itself like a voice, and is it a mere tone?
//!
//! Works on the band from 200 Hz to 1 kHz at 2 kHz. A voice repeats itself every 2.5 to 16 ms; even where its pitch is
//! below 200 Hz, the overtones in this band beat with it.

use super::bands::{BANDS, HOP, LOW, dot};

/// Shortest and longest period looked for: 400 and 62.5 Hz.
const SHORTEST: usize = 5;
const LONGEST: usize = 32;
const PERIODS: usize = LONGEST - SHORTEST + 1;

/// Samples compared with those one period earlier: 24 ms.
const WINDOW: usize = 48;

const HELD: usize = WINDOW + LONGEST;

/// Share of a voice's power that lies below 1 kHz at the very least.
const LOW_SHARE_MIN: f32 = 0.003;

/// Order of the prediction that pure tones obey: two tones need four.
const ORDER: usize = 4;

/// Samples of the low band that are predicted: 14 ms, so that a tone is known for one before it would count as speech.
const EQUATIONS: usize = 28;

/// Share added to the diagonal.
const LOADING: f32 = 2e-5;

/// A tone is predicted to within this share of its energy; a voice's many overtones are not.
const LOW_RESIDUE_MAX: f32 = 0.006;

/// The same over the whole band, where the eight bits' rounding adds its share.
const WHOLE_RESIDUE_MAX: f32 = 0.015;

#[derive(Clone, Debug)]
pub(super) struct Pitch {
    held: [f32; HELD],
}

pub(super) struct Sound {
    /// 0: no repetition; 1: surely a voice, or a tone.
    pub voiced: f32,
    pub tonal: bool,
}

impl Default for Pitch {
    fn default() -> Pitch {
        Pitch { held: [0.0; HELD] }
    }
}

impl Pitch {
    pub(super) fn push(&mut self, low: &[f32; LOW]) {
        self.held.copy_within(LOW.., 0);
        self.held[HELD - LOW..].copy_from_slice(low);
    }

    /// Judges the latest hop, of which `low` was pushed last.
    pub(super) fn measure(&self, hop: &[f32; HOP], powers: &[f32; BANDS]) -> Sound {
        // What leaks into the low band from a whistle above repeats itself too.
        if powers[0] + powers[1] < LOW_SHARE_MIN * powers.iter().sum::<f32>() {
            return Sound { voiced: 0.0, tonal: false };
        }
        let voiced = ((self.repetition() - 0.45) / 0.3).clamp(0.0, 1.0);
        // Dull vowels look like a tone in either view, but hardly ever in both.
        let tonal = voiced > 0.5
            && is_predictable(&self.held, EQUATIONS, LOW_RESIDUE_MAX)
            && is_predictable(hop, HOP - ORDER, WHOLE_RESIDUE_MAX);
        Sound { voiced, tonal }
    }

    /// The best normalised correlation with an earlier stretch.
    fn repetition(&self) -> f32 {
        // All periods side by side: entry k belongs to the period LONGEST - k.
        let mut products = [0f32; PERIODS];
        for n in 0..WINDOW {
            let now = self.held[LONGEST + n];
            for (product, earlier) in products.iter_mut().zip(&self.held[n..n + PERIODS]) {
                *product += now * earlier;
            }
        }
        let energy = dot(&self.held[LONGEST..], &self.held[LONGEST..]);
        let mut earlier_energy = dot(&self.held[..WINDOW], &self.held[..WINDOW]);
        let mut best = 0f32;
        for (k, &product) in products.iter().enumerate() {
            // Squares are compared, to be spared the roots; only positive correlation is repetition.
            if product > 0.0 {
                best = best.max(product * product / (energy * earlier_energy + 1.0));
            }
            earlier_energy += self.held[k + WINDOW].powi(2) - self.held[k].powi(2);
        }
        best.sqrt()
    }
}

/// Whether the latest `equations` samples follow from the few before them, by least squares. Exactly true of one or two
/// sine waves, whatever their frequencies; far from true of a voice, in which a dozen overtones run along.
fn is_predictable(samples: &[f32], equations: usize, residue_max: f32) -> bool {
    // Covariances of the signal with its delayed selves; index 0 is what is to be predicted.
    let recent = &samples[samples.len() - equations - ORDER..];
    let delayed = |delay: usize| &recent[ORDER - delay..][..equations];
    let mut c: [[f32; ORDER + 1]; ORDER + 1] = std::array::from_fn(|i| {
        std::array::from_fn(|j| if j < i { 0.0 } else { dot(delayed(i), delayed(j)) })
    });
    for (i, j) in (1..=ORDER).flat_map(|i| (0..i).map(move |j| (i, j))) {
        c[i][j] = c[j][i];
    }
    // One tone leaves two of the four coefficients undetermined; a little loading settles them.
    for (i, row) in c.iter_mut().enumerate().skip(1) {
        row[i] *= 1.0 + LOADING;
    }

    // Eliminating the delayed selves one by one leaves in c[0][0] the energy that none of them explains.
    let energy = c[0][0];
    for k in (1..=ORDER).rev() {
        let pivot = c[k][k];
        if pivot <= 0.0 {
            return true;
        }
        let eliminating = c[k];
        for row in &mut c[..k] {
            let share = row[k] / pivot;
            for (entry, eliminated) in row[..k].iter_mut().zip(eliminating) {
                *entry -= share * eliminated;
            }
        }
    }
    c[0][0] < energy * residue_max
}
