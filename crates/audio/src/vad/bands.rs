//! Five bands by three rounds of halving.
//!
//! Each round is a pair of all-pass filters whose sum is the lower and whose difference the upper half of the band, at
//! half the rate. Two multiplications per sample and round.

/// Samples of one look: 10 ms at 8 kHz.
pub(super) const HOP: usize = 80;

/// Up to 500 Hz, 1, 2, 3 and 4 kHz.
pub(super) const BANDS: usize = 5;

/// Samples that a hop has in the lowest kilohertz.
pub(super) const LOW: usize = HOP / 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Splitter {
    whole: Halver,
    lower: Halver,
    upper: Halver,
    lowest: Halver,
    high_pass: HighPass,
    /// Nothing rings any more.
    at_rest: bool,
}

/// One hop, taken apart.
pub(super) struct Split {
    /// Mean square of each band.
    pub powers: [f32; BANDS],
    /// The band from 200 Hz to 1 kHz as a signal at 2 kHz: where a voice shows its pitch.
    pub low: [f32; LOW],
}

impl Splitter {
    /// Splits a hop of this mean square.
    pub(super) fn split(&mut self, hop: &[f32; HOP], hop_power: f32) -> Split {
        let silent = hop_power == 0.0;
        if silent && self.at_rest {
            return Split { powers: [0.0; BANDS], low: [0.0; LOW] };
        }
        let (mut to_2k, mut from_2k) = ([0.0; HOP / 2], [0.0; HOP / 2]);
        self.whole.halve(hop, &mut to_2k, &mut from_2k);
        let (mut low, mut to_2k_upper) = ([0.0; LOW], [0.0; LOW]);
        self.lower.halve(&to_2k, &mut low, &mut to_2k_upper);
        // Halving turns the upper band's spectrum round, so its lower half is 3 to 4 kHz.
        let (mut from_3k, mut to_3k) = ([0.0; LOW], [0.0; LOW]);
        self.upper.halve(&from_2k, &mut from_3k, &mut to_3k);
        self.high_pass.filter(&mut low);
        let (mut to_500, mut to_1k) = ([0.0; LOW / 2], [0.0; LOW / 2]);
        self.lowest.halve(&low, &mut to_500, &mut to_1k);

        if silent {
            // What still rings is far below a sample. Left alone it would shrink into denormal numbers, which take
            // the processor a hundred times longer.
            *self = Splitter { at_rest: true, ..Splitter::default() };
        } else {
            self.at_rest = false;
        }
        let powers = [power(&to_500), power(&to_1k), power(&to_2k_upper), power(&to_3k), power(&from_3k)];
        Split { powers, low }
    }
}

/// Mean square.
pub(super) fn power(samples: &[f32]) -> f32 {
    dot(samples, samples) / samples.len() as f32
}

/// Sum of products. Four sums side by side, because floating-point sums may not be reordered by the compiler.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 4];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

#[derive(Clone, Debug, Default)]
struct Halver {
    even: f32,
    odd: f32,
}

impl Halver {
    /// All-pass coefficients of a fifth-order half-band pair.
    const EVEN: f32 = 0.64;
    const ODD: f32 = 0.17;

    fn halve(&mut self, input: &[f32], lower: &mut [f32], upper: &mut [f32]) {
        for ((pair, lower), upper) in input.as_chunks::<2>().0.iter().zip(lower).zip(upper) {
            // The new state is written so that it waits for two operations on the old one, not four.
            let a = Self::EVEN * pair[0] + self.even;
            self.even = (1.0 - Self::EVEN * Self::EVEN) * pair[0] - Self::EVEN * self.even;
            let b = Self::ODD * pair[1] + self.odd;
            self.odd = (1.0 - Self::ODD * Self::ODD) * pair[1] - Self::ODD * self.odd;
            *lower = 0.5 * (a + b);
            *upper = 0.5 * (a - b);
        }
    }
}

/// Second-order Butterworth high pass at 200 Hz for a rate of 2 kHz: keeps mains hum and its lower overtones out.
#[derive(Clone, Debug, Default)]
struct HighPass {
    state: [f32; 2],
}

impl HighPass {
    const B: f32 = 0.638_945_5;
    const A1: f32 = -1.142_980_5;
    const A2: f32 = 0.412_801_6;

    fn filter(&mut self, samples: &mut [f32]) {
        let [mut s1, mut s2] = self.state;
        for sample in samples {
            let x = *sample;
            let y = Self::B * x + s1;
            s1 = -2.0 * Self::B * x - Self::A1 * y + s2;
            s2 = Self::B * x - Self::A2 * y;
            *sample = y;
        }
        self.state = [s1, s2];
    }
}
