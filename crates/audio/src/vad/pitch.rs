//! Does it repeat itself like a voice, and is it a mere tone?
//!
//! Works on the band from 200 Hz to 1 kHz at 2 kHz. A voice repeats itself every 2.5 to 16 ms; even where its pitch is
//! below 200 Hz, the overtones in this band beat with it.

use super::bands::{BANDS, LOW};

/// Shortest and longest period looked for: 400 and 62.5 Hz.
const SHORTEST: usize = 5;
const LONGEST: usize = 32;
const PERIODS: usize = LONGEST - SHORTEST + 1;

/// Samples compared with those one period earlier: 24 ms.
const WINDOW: usize = 48;

const HELD: usize = WINDOW + LONGEST;

/// Order of the prediction that pure tones obey: two tones need four.
const ORDER: usize = 4;

/// Samples that are predicted: 14 ms, so that a tone is known for one before it would count as speech.
const EQUATIONS: usize = 28;

/// Share added to the diagonal.
const LOADING: f32 = 1e-4;

/// A tone is predicted to within this share of its energy; a voice's many overtones are not.
const TONE_RESIDUE_MAX: f32 = 0.006;

/// A tone has next to nothing above 2 kHz.
const TONE_ABOVE_2K_MAX: f32 = 0.003;

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

    pub(super) fn measure(&self, powers: &[f32; BANDS]) -> Sound {
        let repetition = self.repetition();
        let voiced = ((repetition - 0.45) / 0.3).clamp(0.0, 1.0);
        let above_2k = powers[3] + powers[4];
        let below_2k = powers[0] + powers[1] + powers[2];
        let tonal = voiced > 0.5 && above_2k < below_2k * TONE_ABOVE_2K_MAX && self.is_predictable();
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
        let energy: f32 = self.held[LONGEST..].iter().map(|x| x * x).sum();
        let mut earlier_energy: f32 = self.held[..WINDOW].iter().map(|x| x * x).sum();
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

    /// Whether the latest samples follow from the few before them: least squares over [`EQUATIONS`] samples.
    fn is_predictable(&self) -> bool {
        // Covariances of the signal with its delayed selves; index 0 is what is to be predicted.
        let recent = &self.held[HELD - EQUATIONS - ORDER..];
        let delayed = |delay: usize| &recent[ORDER - delay..][..EQUATIONS];
        let mut c = [[0f32; ORDER + 1]; ORDER + 1];
        for i in 0..=ORDER {
            for j in i..=ORDER {
                let sum: f32 = delayed(i).iter().zip(delayed(j)).map(|(a, b)| a * b).sum();
                (c[i][j], c[j][i]) = (sum, sum);
            }
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
            for i in 0..k {
                let share = c[i][k] / pivot;
                for j in 0..k {
                    c[i][j] -= share * c[k][j];
                }
            }
        }
        c[0][0] < energy * TONE_RESIDUE_MAX
    }
}
