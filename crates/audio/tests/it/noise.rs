//! What spoils a line. Everything is seeded, so a failure repeats.

use crate::spoken;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Noise {
    /// A digitally silent line.
    Nothing,
    White,
    Pink,
    /// Six other people, all at once.
    Babble,
    /// Mains, with overtones.
    Hum,
    /// A steady chord: hold music that does not move.
    Chord,
}

impl Noise {
    pub(crate) const ALL: [Noise; 6] =
        [Noise::Nothing, Noise::White, Noise::Pink, Noise::Babble, Noise::Hum, Noise::Chord];

    /// So many samples at 8 kHz with this root mean square.
    pub(crate) fn samples(self, count: usize, dbfs: f64) -> Vec<f64> {
        let raw = match self {
            Noise::Nothing => return vec![0.0; count],
            Noise::White => {
                let mut random = Random::new(11);
                (0..count).map(|_| random.normal()).collect()
            }
            Noise::Pink => pink(count),
            Noise::Babble => babble(count),
            Noise::Hum => {
                chord(count, &[(50.0, 1.0), (100.0, 0.6), (150.0, 0.5), (250.0, 0.3), (350.0, 0.15)])
            }
            Noise::Chord => {
                chord(count, &[(262.0, 1.0), (330.0, 0.8), (392.0, 0.8), (523.0, 0.5), (1_046.0, 0.2)])
            }
        };
        let rms = (raw.iter().map(|x| x * x).sum::<f64>() / count as f64).sqrt();
        let gain = 32_768.0 * 10f64.powf(dbfs / 20.0) / rms;
        raw.iter().map(|x| x * gain).collect()
    }
}

pub(crate) fn mix(clean: &[i16], noise: &[f64]) -> Vec<i16> {
    clean
        .iter()
        .zip(noise)
        .map(|(&sample, noise)| (sample as f64 + noise).round().clamp(-32_768.0, 32_767.0) as i16)
        .collect()
}

/// xorshift64*, and the sum of twelve for a bell curve.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Paul Kellet's filter: −3 dB per octave within half a decibel.
fn pink(count: usize) -> Vec<f64> {
    let mut random = Random::new(12);
    let mut state = [0.0; 6];
    (0..count)
        .map(|_| {
            let white = random.normal();
            for (state, (pole, gain)) in state.iter_mut().zip([
                (0.998_86, 0.055_517_9),
                (0.993_32, 0.075_075_9),
                (0.969_00, 0.153_852_0),
                (0.866_50, 0.310_485_6),
                (0.550_00, 0.532_952_2),
                (-0.761_6, -0.016_898_0),
            ]) {
                *state = *state * pole + white * gain;
            }
            state.iter().sum::<f64>() + white * 0.536_2
        })
        .collect()
}

fn babble(count: usize) -> Vec<f64> {
    let sentences = &spoken::sentences()[..10];
    let mut mixed = vec![0.0; count];
    for talker in 0..6 {
        // Each starts elsewhere, and none pauses.
        let mut at = 0;
        let mut index = talker * 3;
        let mut skip = talker * 1_700;
        while at < count {
            let sentence = &sentences[index % sentences.len()];
            for &sample in sentence.iter().skip(skip).take(count - at) {
                mixed[at] += sample as f64;
                at += 1;
            }
            (index, skip) = (index + talker + 1, 0);
        }
    }
    mixed
}

fn chord(count: usize, notes: &[(f64, f64)]) -> Vec<f64> {
    (0..count)
        .map(|n| {
            let time = n as f64 / 8_000.0;
            notes.iter().map(|(hz, gain)| gain * (std::f64::consts::TAU * hz * time).sin()).sum()
        })
        .collect()
}
