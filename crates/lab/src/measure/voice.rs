//! What the callers sound like: a quiet room, speech with its pauses, and a shout to interrupt with.
//!
//! Speech is a pulse train through three moving resonances with syllables and pauses, so that a speech detector has
//! what it looks for; it is made once per process from a fixed seed. The µ-law here is written from ITU-T G.711 and
//! shares nothing with the gateway's.

/// Comes back from a decode and encode as 0xFF: both mean zero.
pub(super) const NEGATIVE_ZERO: u8 = 0x7F;

const SAMPLES_PER_SECOND: usize = 8_000;
/// Long enough that a detector's adaptation sees variety.
const LOOP_SECONDS: usize = 8;

/// Endless µ-law sound of the three kinds. `avoided` never occurs in it, nor does negative zero.
#[derive(Debug)]
pub(super) struct Voices {
    quiet: Vec<u8>,
    speech: Vec<u8>,
    shout: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// A room's noise at about -45 dBFS.
    Quiet,
    /// Sentences of some seconds, with pauses.
    Speech,
    /// Loud from the first sample and without pause.
    Shout,
}

impl Voices {
    pub(super) fn new(avoided: u8) -> Voices {
        let mut noise = Noise(0x2545_F491);
        let length = LOOP_SECONDS * SAMPLES_PER_SECOND;
        let room = |noise: &mut Noise| 180.0 * noise.next();
        let quiet = (0..length).map(|_| room(&mut noise)).collect::<Vec<_>>();
        let spoken = speech(&mut noise, length);
        let speech = spoken
            .iter()
            .enumerate()
            .map(|(at, sample)| sample * loudness_at(at) + room(&mut noise))
            .collect::<Vec<_>>();
        let shout = spoken.iter().map(|sample| 2.0 * sample).collect::<Vec<_>>();
        let wire = |samples: Vec<f32>| {
            samples.into_iter().map(|sample| permitted(encode(sample as i16), avoided)).collect()
        };
        Voices { quiet: wire(quiet), speech: wire(speech), shout: wire(shout) }
    }

    /// Fills `wire` with the sound at `sample` of the endless loop.
    pub(super) fn fill(&self, voice: Voice, sample: usize, wire: &mut [u8]) {
        let sound = match voice {
            Voice::Quiet => &self.quiet,
            Voice::Speech => &self.speech,
            Voice::Shout => &self.shout,
        };
        let at = sample % sound.len();
        let first = wire.len().min(sound.len() - at);
        wire[..first].copy_from_slice(&sound[at..at + first]);
        for (byte, sound) in wire[first..].iter_mut().zip(sound.iter().cycle()) {
            *byte = *sound;
        }
    }
}

/// Whether this piece is loud enough to be somebody speaking close to the microphone.
pub(super) fn is_loud(ulaw: &[u8]) -> bool {
    let energy: u64 = ulaw.iter().map(|code| i64::from(decode(*code)).pow(2) as u64).sum();
    // 1,500 of 32,768: -27 dBFS, well above the quiet voice and well below the shout.
    energy > ulaw.len() as u64 * 1_500 * 1_500
}

/// Two and a half seconds of syllables, four a second, then a pause of 0.7 s.
fn loudness_at(sample: usize) -> f32 {
    let seconds = sample as f32 / SAMPLES_PER_SECOND as f32;
    if seconds % 3.2 > 2.5 {
        return 0.0;
    }
    0.15 + 0.85 * (std::f32::consts::PI * 4.0 * seconds).sin().abs()
}

fn speech(noise: &mut Noise, length: usize) -> Vec<f32> {
    // First three formants of five vowels, in hertz.
    const VOWELS: [[f32; 3]; 5] = [
        [730.0, 1090.0, 2440.0],
        [270.0, 2290.0, 3010.0],
        [570.0, 840.0, 2410.0],
        [530.0, 1840.0, 2480.0],
        [300.0, 870.0, 2240.0],
    ];
    let mut resonances = [[0.0_f32; 2]; 3];
    let mut phase = 0.0_f32;
    let mut sound = Vec::with_capacity(length);
    for at in 0..length {
        let seconds = at as f32 / SAMPLES_PER_SECOND as f32;
        let pitch = 125.0 + 18.0 * (2.1 * seconds).sin() + 3.0 * noise.next();
        phase += pitch / SAMPLES_PER_SECOND as f32;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase -= pulse;
        let source = pulse + 0.02 * noise.next();
        let vowel = VOWELS[(at / (SAMPLES_PER_SECOND / 4)) % VOWELS.len()];
        let mut sum = 0.0;
        for (state, formant) in resonances.iter_mut().zip(vowel) {
            let radius = 0.96_f32;
            let angle = std::f32::consts::TAU * formant / SAMPLES_PER_SECOND as f32;
            let next = source + 2.0 * radius * angle.cos() * state[0] - radius * radius * state[1];
            *state = [next, state[0]];
            sum += next;
        }
        sound.push(sum);
    }
    let peak = sound.iter().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
    sound.iter().map(|sample| sample * 15_000.0 / peak).collect()
}

/// A neighbouring code where this one may not stand: the next louder step, inaudibly different.
fn permitted(code: u8, avoided: u8) -> u8 {
    match code {
        NEGATIVE_ZERO => 0xFF,
        code if code == avoided => code.wrapping_sub(1),
        code => code,
    }
}

/// Uniform in -1 to 1 (xorshift32), the same on every run.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / (u32::MAX / 2) as f32 - 1.0
    }
}

/// G.711 µ-law, 16-bit samples: 14 significant bits, bias 33 × 4.
pub(super) fn encode(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    let segment = (magnitude >> 7).ilog2();
    let step = (magnitude >> (segment + 3)) & 0x0F;
    !(sign | (segment << 4) as u8 | step as u8)
}

pub(super) fn decode(code: u8) -> i16 {
    let code = !code;
    let segment = u32::from(code >> 4 & 0x07);
    let step = i32::from(code & 0x0F);
    let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_but_negative_zero_survives_decoding_and_encoding() {
        for code in 0..=255 {
            let back = encode(decode(code));
            assert_eq!(back, if code == NEGATIVE_ZERO { 0xFF } else { code });
        }
    }

    /// ITU-T G.711 table 2a: the decision values at the segments' ends, on the 16-bit scale.
    #[test]
    fn known_levels_have_their_known_codes() {
        for (code, sample) in
            [(0x80, 32_124), (0x00, -32_124), (0xFF, 0), (0xFE, 8), (0xEF, 132), (0xDF, 396)]
        {
            assert_eq!(decode(code), sample);
            assert_eq!(encode(sample), code);
        }
        assert_eq!(encode(i16::MIN), 0x00);
        assert_eq!(encode(i16::MAX), 0x80);
    }

    #[test]
    fn loud_voices_are_loud_in_every_frame_and_quiet_ones_in_none() {
        let voices = Voices::new(0x6A);
        let mut frame = [0; 160];
        let mut speaking = 0;
        for index in 0..LOOP_SECONDS * 50 {
            voices.fill(Voice::Quiet, index * 160, &mut frame);
            assert!(!is_loud(&frame));
            voices.fill(Voice::Shout, index * 160, &mut frame);
            assert!(is_loud(&frame), "frame {index}");
            voices.fill(Voice::Speech, index * 160, &mut frame);
            speaking += usize::from(is_loud(&frame));
        }
        assert!((80..360).contains(&speaking), "{speaking} of 400 frames of speech are loud");
    }

    #[test]
    fn avoided_codes_never_sound_and_the_loop_has_no_end() {
        let voices = Voices::new(0x6A);
        let mut long = vec![0; 3 * LOOP_SECONDS * SAMPLES_PER_SECOND + 7];
        for voice in [Voice::Quiet, Voice::Speech, Voice::Shout] {
            voices.fill(voice, 12_345, &mut long);
            assert!(!long.contains(&0x6A) && !long.contains(&NEGATIVE_ZERO));
        }
    }
}
