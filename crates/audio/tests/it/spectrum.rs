//! Measuring sines exactly, slowly.

use std::f64::consts::TAU;

/// So many samples of a sine wave.
pub(crate) fn sine(hz: f64, rate: u32, amplitude: f64, count: usize) -> Vec<i16> {
    (0..count).map(|n| (amplitude * (TAU * hz * n as f64 / rate as f64).sin()).round() as i16).collect()
}

/// The best-fitting sine of a frequency.
pub(crate) struct Fit {
    pub(crate) amplitude: f64,
    /// Phase at the first sample, as of a sine.
    pub(crate) phase: f64,
    /// Root mean square of what the sine does not explain.
    pub(crate) residue: f64,
}

impl Fit {
    /// Least squares of a sine, a cosine and a constant.
    pub(crate) fn of(samples: &[i16], hz: f64, rate: u32) -> Fit {
        let basis = |n: usize| {
            let (sin, cos) = (TAU * hz * n as f64 / rate as f64).sin_cos();
            [sin, cos, 1.0]
        };
        let (mut a, mut b) = ([[0.0; 3]; 3], [0.0; 3]);
        for (n, &sample) in samples.iter().enumerate() {
            let row = basis(n);
            for i in 0..3 {
                b[i] += row[i] * sample as f64;
                for j in 0..3 {
                    a[i][j] += row[i] * row[j];
                }
            }
        }
        let x = solve(a, b);
        let squares: f64 = samples
            .iter()
            .enumerate()
            .map(|(n, &sample)| {
                let row = basis(n);
                (sample as f64 - row.iter().zip(x).map(|(r, x)| r * x).sum::<f64>()).powi(2)
            })
            .sum();
        Fit {
            amplitude: x[0].hypot(x[1]),
            phase: x[1].atan2(x[0]),
            residue: (squares / samples.len() as f64).sqrt(),
        }
    }

    /// Sine against everything else, in dB.
    pub(crate) fn snr_db(&self) -> f64 {
        20.0 * (self.amplitude / std::f64::consts::SQRT_2 / self.residue.max(1e-9)).log10()
    }
}

fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> [f64; 3] {
    for k in 0..3 {
        for i in k + 1..3 {
            let share = a[i][k] / a[k][k];
            let eliminating = a[k];
            for (entry, eliminated) in a[i].iter_mut().zip(eliminating) {
                *entry -= share * eliminated;
            }
            b[i] -= share * b[k];
        }
    }
    for k in (0..3).rev() {
        for j in k + 1..3 {
            b[k] -= a[k][j] * b[j];
        }
        b[k] /= a[k][k];
    }
    b
}
