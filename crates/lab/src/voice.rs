//! The voice of the emulated agent: no words, but unmistakably speech-like, and a different pitch for each text.
//!
//! A voiced sound with formants and a syllable's rise and fall, so that a speech detector takes it for speech; always
//! the same for the same text, so that a test can say *which* answer a caller heard, and for how long, by its pitch.

use std::f64::consts::TAU;
use std::time::Duration;

use audio::{Frame, Rate};

/// How long one character is spoken.
pub const CHARACTER: Duration = Duration::from_millis(60);
/// Ten minutes: no answer is longer, whatever a script says.
const CHARACTERS_MAX: usize = 10_000;
const FORMANTS: [(f64, f64, f64); 3] = [(550.0, 160.0, 1.0), (1_450.0, 220.0, 0.5), (2_600.0, 320.0, 0.22)];
/// A telephone passes no more, and what is lost on the way must not carry the pitch.
const HIGHEST_HZ: f64 = 3_300.0;

/// The fundamental of a text's voice, in hertz.
pub fn pitch(text: &str) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // 95 to 254 Hz in steps of one; the low bits of FNV are well mixed only after folding.
    95.0 + ((hash ^ (hash >> 32)) % 160) as f64
}

/// How long a text is spoken.
pub fn duration(text: &str) -> Duration {
    CHARACTER * text.chars().take(CHARACTERS_MAX).count() as u32
}

/// The text, spoken.
pub fn speech(text: &str, rate: Rate) -> Frame {
    let characters: Vec<char> = text.chars().take(CHARACTERS_MAX).collect();
    let pitch = pitch(text);
    let hz = f64::from(rate.hz());
    let per_character = rate.samples_in(CHARACTER) as usize;
    let harmonics: Vec<(f64, f64)> = (1..)
        .map(|n| f64::from(n) * pitch)
        .take_while(|frequency| *frequency < HIGHEST_HZ)
        .map(|frequency| (frequency, resonance(frequency)))
        .collect();
    let sum: f64 = harmonics.iter().map(|(_, gain)| gain * gain).sum::<f64>().sqrt();
    // About -17 dBFS while a vowel lasts, with headroom for the harmonics meeting.
    let scale = 32_768.0 * 0.2 / sum.max(0.1);

    let mut rotors: Vec<(f64, f64, f64, f64, f64)> = harmonics
        .iter()
        .enumerate()
        .map(|(n, (frequency, gain))| {
            let step = TAU * frequency / hz;
            // Spread phases keep the peaks low.
            let phase = (n * n) as f64 * 0.7;
            (phase.sin(), phase.cos(), step.sin(), step.cos(), *gain)
        })
        .collect();
    let mut envelope = 0.0;
    let follow = 1.0 - (-1.0 / (hz * 0.012)).exp();
    let mut samples = Vec::with_capacity(per_character * characters.len());
    for (n, character) in characters.iter().enumerate() {
        let target = loudness(*character, n);
        for _ in 0..per_character {
            envelope += (target - envelope) * follow;
            let mut value = 0.0;
            for (sin, cos, step_sin, step_cos, gain) in &mut rotors {
                value += *sin * *gain;
                let turned = (*sin * *step_cos + *cos * *step_sin, *cos * *step_cos - *sin * *step_sin);
                (*sin, *cos) = turned;
            }
            samples.push((value * scale * envelope).round().clamp(-32_768.0, 32_767.0) as i16);
        }
    }
    Frame::new(rate, samples)
}

fn resonance(frequency: f64) -> f64 {
    FORMANTS
        .iter()
        .map(|(centre, width, gain)| gain / (1.0 + ((frequency - centre) / width).powi(2)))
        .sum::<f64>()
        .max(0.02)
}

/// Vowels carry, consonants dip, spaces and stops nearly pause.
fn loudness(character: char, position: usize) -> f64 {
    match character.to_ascii_lowercase() {
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' => 1.0,
        '.' | '!' | '?' | ';' | ':' => 0.02,
        ' ' | ',' | '-' => 0.12,
        c if c.is_alphanumeric() => 0.45 + 0.1 * (position % 3) as f64,
        _ => 0.3,
    }
}

/// A stretch of a recording in which one text's voice was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// Index into the texts asked for.
    pub text: usize,
    pub from: Duration,
    pub to: Duration,
}

/// The shortest stretch that counts; a single window can mistake a transition.
const UTTERANCE_MIN: Duration = Duration::from_millis(120);

/// Which of `texts` is heard where. Stretches of other sounds and of silence are left out; a pause up to 300 ms
/// inside one voice does not split it.
pub fn recognise(heard: &Frame, texts: &[&str]) -> Vec<Utterance> {
    let hop = heard.rate.samples_in(Duration::from_millis(20)) as usize;
    let window = hop * 8;
    let mut found: Vec<Utterance> = Vec::new();
    let mut start = 0;
    while start + window <= heard.samples.len() {
        if let Some(text) = voice_in(&heard.samples[start..start + window], heard.rate, texts) {
            // What a window says is true of its middle.
            let middle = start + window / 2;
            let from = heard.rate.duration_of(middle.saturating_sub(hop / 2) as u64);
            let to = heard.rate.duration_of((middle + hop / 2) as u64);
            match found.last_mut() {
                Some(last)
                    if last.text == text && from.saturating_sub(last.to) <= Duration::from_millis(300) =>
                {
                    last.to = to;
                }
                _ => found.push(Utterance { text, from, to }),
            }
        }
        start += hop;
    }
    found.retain(|utterance| utterance.to - utterance.from >= UTTERANCE_MIN);
    found
}

/// How long each of `texts` was heard in all.
pub fn heard_for(heard: &Frame, texts: &[&str]) -> Vec<Duration> {
    let mut sums = vec![Duration::ZERO; texts.len()];
    for utterance in recognise(heard, texts) {
        sums[utterance.text] += utterance.to - utterance.from;
    }
    sums
}

fn voice_in(samples: &[i16], rate: Rate, texts: &[&str]) -> Option<usize> {
    let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    // -50 dBFS.
    if energy / (samples.len() as f64) < 104.0 * 104.0 {
        return None;
    }
    let share = |text: &&str| {
        let pitch = pitch(text);
        let count = ((HIGHEST_HZ / pitch) as u32).min(14);
        (1..=count).map(|n| power_at(samples, rate, f64::from(n) * pitch)).sum::<f64>() / energy
    };
    let best = texts.iter().map(share).enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > 0.4).then_some(best.0)
}

/// Energy of one frequency in a piece of sound (Goertzel), comparable with the sum of squares of its samples.
fn power_at(samples: &[i16], rate: Rate, frequency: f64) -> f64 {
    let coefficient = 2.0 * (TAU * frequency / f64::from(rate.hz())).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for sample in samples {
        let s0 = f64::from(*sample) + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    2.0 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2) / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 3] =
        ["Hello, this is the front desk.", "One moment, I am looking it up.", "Goodbye and thank you."];

    #[test]
    fn a_voice_is_the_same_every_time_and_lasts_sixty_milliseconds_per_character() {
        let frame = speech(TEXTS[0], Rate::Hz8000);

        assert_eq!(frame, speech(TEXTS[0], Rate::Hz8000));
        assert_eq!(frame.duration(), duration(TEXTS[0]));
        assert_eq!(frame.duration(), Duration::from_millis(60 * 30));
    }

    #[test]
    fn each_text_is_recognised_in_a_mixed_recording_at_every_rate() {
        for rate in [Rate::Hz8000, Rate::Hz16000] {
            let mut recording = Frame::silence(rate, Duration::from_secs(1));
            for text in [TEXTS[2], TEXTS[0], TEXTS[1]] {
                recording.samples.extend(speech(text, rate).samples);
                recording.samples.extend(Frame::silence(rate, Duration::from_millis(500)).samples);
            }

            let order: Vec<usize> = recognise(&recording, &TEXTS).iter().map(|u| u.text).collect();

            assert_eq!(order, [2, 0, 1]);
            let first = &recognise(&recording, &TEXTS)[0];
            assert!(
                first.from >= Duration::from_millis(900) && first.from < Duration::from_millis(1_150),
                "{first:?}"
            );
        }
    }

    #[test]
    fn silence_and_noise_are_nobody() {
        let mut chance = crate::chance::Chance::seeded(5);
        let noise =
            Frame::new(Rate::Hz8000, (0..16_000).map(|_| (chance.next() >> 51) as i16 - 4_096).collect());

        assert!(recognise(&Frame::silence(Rate::Hz8000, Duration::from_secs(2)), &TEXTS).is_empty());
        assert!(recognise(&noise, &TEXTS).is_empty());
    }
}
