use audio::bed::{Bed, ComfortNoise, HoldMelody};
use audio::level::{Level, peak_dbfs, rms_dbfs};
use audio::{Rate, dtmf, vad};

use crate::spectrum::Fit;

#[test]
fn comfort_noise_has_the_level_asked_for_at_every_rate() {
    for rate in Rate::ALL {
        for level in [-60.0, -45.0, -30.0] {
            let mut samples = Vec::new();
            ComfortNoise::new(rate, 7, level).next(rate.hz() as usize * 4, &mut samples);
            assert!((rms_dbfs(&samples) - level).abs() < 0.5, "{rate:?} {level}: {}", rms_dbfs(&samples));
        }
    }
}

#[test]
fn comfort_noise_is_the_same_for_the_same_seed_only() {
    let noise = |seed| {
        let mut samples = Vec::new();
        ComfortNoise::new(Rate::Hz8000, seed, -50.0).next(1_000, &mut samples);
        samples
    };
    assert_eq!(noise(1), noise(1));
    assert_ne!(noise(1), noise(2));
    assert_ne!(noise(0), vec![0; 1_000]);
}

#[test]
fn comfort_noise_is_softer_at_the_top() {
    let mut samples = Vec::new();
    ComfortNoise::new(Rate::Hz8000, 3, -30.0).next(80_000, &mut samples);
    let around = |hz: f64| -> f64 {
        (-20..20).map(|n| Fit::of(&samples[..8_000], hz + n as f64 * 10.0, 8_000).amplitude.powi(2)).sum()
    };
    let ratio = around(400.0) / around(3_000.0);
    assert!(ratio > 4.0, "{ratio}");
}

#[test]
fn the_hold_melody_is_gentle_and_goes_round() {
    let mut samples = Vec::new();
    let mut melody = HoldMelody::new(Rate::Hz8000, -24.0);
    melody.next(6 * 8_000, &mut samples);
    assert!((-32.0..=-23.9).contains(&peak_dbfs(&samples)), "{}", peak_dbfs(&samples));
    let steepest = samples.windows(2).map(|pair| (pair[1] as i32 - pair[0] as i32).abs()).max();
    assert!(steepest < Some(1_000), "{steepest:?}");

    let mut again = Vec::new();
    melody.next(8_000, &mut again);
    assert!(Level::of(&again).rms_dbfs > -45.0, "a new round begins");
}

#[test]
fn no_bed_is_taken_for_digits_and_noise_not_for_speech() {
    let beds = [
        Bed::Silence,
        Bed::Comfort(ComfortNoise::new(Rate::Hz8000, 5, -45.0)),
        Bed::Hold(HoldMelody::new(Rate::Hz8000, -20.0)),
    ];
    for mut bed in beds {
        let mut samples = Vec::new();
        bed.next(12 * 8_000, &mut samples);
        assert_eq!(samples.len(), 12 * 8_000);
        assert_eq!(dtmf::Detector::new(Rate::Hz8000).push(&samples), [], "{bed:?}");
        if !matches!(bed, Bed::Hold(_)) {
            let mut detector = vad::Detector::new(Rate::Hz8000);
            assert!(samples.chunks(160).all(|frame| !detector.push(frame).speaking), "{bed:?}");
        }
    }
}
