use std::time::Duration;

use audio::Rate;
use audio::level::{Level, rms_dbfs};
use audio::tone::{Cadence, Tone, burst};
use proptest::prelude::*;

use crate::spectrum::Fit;

#[test]
fn a_tone_has_its_frequency_and_level_at_every_rate() {
    for rate in Rate::ALL {
        let mut samples = Vec::new();
        Tone::sine(rate, 1_000.0, -10.0).next(rate.hz() as usize, &mut samples);
        let fit = Fit::of(&samples[rate.hz() as usize / 100..], 1_000.0, rate.hz());
        assert!((fit.amplitude / (32_767.0 * 0.316_228) - 1.0).abs() < 1e-3, "{rate:?}");
        assert!(fit.snr_db() > 80.0, "{rate:?}: {}", fit.snr_db());
    }
}

#[test]
fn two_tones_have_levels_of_their_own() {
    let mut samples = Vec::new();
    Tone::dual_with_levels(Rate::Hz8000, [697.0, 1_209.0], [-12.0, -20.0]).next(8_000, &mut samples);
    let low = Fit::of(&samples, 697.0, 8_000).amplitude;
    let high = Fit::of(&samples, 1_209.0, 8_000).amplitude;
    assert!((20.0 * (low / high).log10() - 8.0).abs() < 0.05);
}

#[test]
fn starting_and_stopping_does_not_click() {
    let frame = burst(Rate::Hz8000, Tone::sine(Rate::Hz8000, 1_000.0, -3.0), Duration::from_millis(50));
    assert_eq!(frame.duration(), Duration::from_millis(50));
    // A click would be a step against silence.
    assert!(frame.samples[0].abs() < 1_000);
    assert!(frame.samples[399].abs() < 1_000);
    // And would splatter: less than a thousandth of the energy lies away from the tone.
    let away = [2_000.0, 2_600.0, 3_300.0].map(|hz| Fit::of(&frame.samples, hz, 8_000).amplitude);
    assert!(away.iter().all(|&amplitude| amplitude < 70.0), "{away:?}");
}

#[test]
fn a_stopped_tone_is_silent_and_goes_on_in_phase() {
    let mut tone = Tone::sine(Rate::Hz8000, 500.0, -6.0);
    let mut samples = Vec::new();
    tone.next(800, &mut samples);
    tone.stop();
    tone.next(800, &mut samples);
    tone.start();
    tone.next(800, &mut samples);

    assert_eq!(Level::of(&samples[900..1_600]), Level::SILENCE);
    let (before, after) = (&samples[160..720], &samples[1_760..2_320]);
    assert_eq!(before, after, "1600 samples are a hundred periods");
}

#[test]
fn exchange_tones_keep_their_rhythm() {
    let mut ringing = Vec::new();
    Cadence::ringback(Rate::Hz8000).next(6 * 8_000, &mut ringing);
    assert!(rms_dbfs(&ringing[..16_000]) > -25.0);
    assert_eq!(Level::of(&ringing[16_100..]), Level::SILENCE);

    let mut busy = Vec::new();
    Cadence::busy_europe(Rate::Hz8000).next(8_000, &mut busy);
    assert!(rms_dbfs(&busy[..4_000]) > -25.0);
    assert_eq!(Level::of(&busy[4_100..]), Level::SILENCE);
}

proptest! {
    #[test]
    fn the_cut_of_the_stream_does_not_matter(cuts in prop::collection::vec(0usize..3_000, 1..10)) {
        let total = cuts.iter().sum();
        for cadence in [Cadence::busy(Rate::Hz8000), Cadence::ringback_europe(Rate::Hz8000)] {
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            cadence.clone().next(total, &mut whole);
            let mut cadence = cadence;
            for &cut in &cuts {
                cadence.next(cut, &mut pieces);
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
