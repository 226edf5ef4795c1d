//! The spoken sentences: all there, all intelligible, all equally loud.

use std::collections::BTreeSet;

use agents::prompts::{self, Prompt, bundle};
use audio::vad::Detector;
use audio::{Rate, level};

const LIST: &str = include_str!("../../assets/demo/prompts.txt");
const BUNDLE: &[u8] = include_bytes!("../../assets/demo/prompts.bin");

#[test]
fn the_bundle_was_rendered_from_the_list() {
    let listed: Vec<(&str, &str)> = bundle::sentences(LIST).collect();
    let bundled: Vec<(&str, &str)> =
        bundle::Bundle(BUNDLE).entries().map(|entry| (entry.id, entry.text)).collect();

    assert_eq!(bundled, listed, "run `cargo run -p agents --example render_prompts`");
    let known: BTreeSet<&str> = Prompt::ALL.iter().map(|prompt| prompt.id()).collect();
    assert_eq!(known, listed.iter().map(|(id, _)| *id).collect());
    assert!(BUNDLE.len() <= 500_000, "{} bytes", BUNDLE.len());
}

#[test]
fn every_sentence_is_speech_of_the_common_loudness() {
    for &prompt in Prompt::ALL {
        let samples = prompts::samples(prompt, Rate::Hz16000);
        let seconds = samples.len() as f32 / 16_000.0;
        assert!((0.3..12.0).contains(&seconds), "{prompt:?} lasts {seconds} s");

        let peak = level::peak_dbfs(samples);
        assert!(peak < -2.0, "{prompt:?} peaks at {peak} dBFS");
        let loudness = level::rms_dbfs(&spoken(samples, 16_000));
        assert!((loudness + 20.0).abs() < 1.0, "{prompt:?} is at {loudness} dBFS");
    }
}

#[test]
fn every_sentence_sounds_like_speech_on_a_telephone() {
    for &prompt in Prompt::ALL {
        let mut detector = Detector::new(Rate::Hz8000);
        let speaking = prompts::samples(prompt, Rate::Hz8000)
            .chunks(160)
            .filter(|samples| detector.push(samples).speaking)
            .count();
        assert!(speaking >= 3, "{prompt:?}: speech in {speaking} frames");
    }
}

#[test]
fn sentences_come_at_every_rate_and_last_as_long() {
    for rate in Rate::ALL {
        let seconds = prompts::load(Prompt::Apology, rate).duration().as_secs_f32();
        let reference = prompts::load(Prompt::Apology, Rate::Hz16000).duration().as_secs_f32();
        assert!((seconds - reference).abs() < 0.02, "{rate:?}: {seconds} s, {reference} s");
    }
    assert_eq!(prompts::text(Prompt::StillThere), "Are you still there?");
}

/// The parts in which there is speech.
fn spoken(samples: &[i16], hz: usize) -> Vec<i16> {
    let loudest = samples.chunks(hz / 50).map(level::rms_dbfs).fold(f32::MIN, f32::max);
    samples
        .chunks(hz / 50)
        .filter(|chunk| level::rms_dbfs(chunk) > loudest - 25.0)
        .flatten()
        .copied()
        .collect()
}
