//! The promises of the resampler, measured.

use std::f64::consts::{PI, TAU};

use audio::Rate;
use audio::resample::Resampler;
use proptest::prelude::*;

use crate::noise::Random;
use crate::spectrum::{Fit, sine};

/// Edges of what is promised, as shares of the lower rate: flat and clean up to the first, nothing from the second on.
const PASS: f64 = 0.42;
const STOP: f64 = 0.58;

const AMPLITUDE: f64 = 16_000.0;

#[test]
fn a_sine_sweep_passes_clean_and_flat() {
    println!("{:>7} {:>7} {:>9} {:>9}", "from", "to", "SNR", "ripple");
    for (from, to) in pairs() {
        let (mut worst_snr, mut worst_ripple) = (f64::MAX, 0f64);
        for step in 1..=24 {
            let hz = PASS * lower(from, to) * step as f64 / 24.0;
            let output = settled(from, to, hz);
            let fit = Fit::of(&output, hz, to.hz());
            worst_snr = worst_snr.min(fit.snr_db());
            worst_ripple = worst_ripple.max((20.0 * (fit.amplitude / AMPLITUDE).log10()).abs());
        }
        println!("{:>7} {:>7} {worst_snr:>6.1} dB {worst_ripple:>6.3} dB", from.hz(), to.hz());
        // Everything that is not the sine is in here: images, aliases, rounding.
        assert!(worst_snr >= 70.0, "{from:?} → {to:?}: {worst_snr} dB");
        assert!(worst_ripple <= 0.1, "{from:?} → {to:?}: {worst_ripple} dB");
    }
}

#[test]
fn nothing_folds_down_from_above_the_band() {
    let falls = |from: Rate, to: Rate| STOP * lower(from, to) < from.hz() as f64 / 2.0;
    for (from, to) in pairs().filter(|&(from, to)| from > to && falls(from, to)) {
        let top = from.hz() as f64 / 2.0;
        let mut worst = f64::MIN;
        for step in 0..24 {
            let hz = STOP * lower(from, to) + (top - STOP * lower(from, to)) * step as f64 / 24.0;
            worst = worst.max(level_db(&settled(from, to, hz)));
        }
        println!("{:>7} → {:>6}: aliases {worst:.1} dB", from.hz(), to.hz());
        assert!(worst <= -70.0, "{from:?} → {to:?}: {worst} dB");
    }
}

#[test]
fn images_of_a_sine_are_gone() {
    // Between close rates the images of the band lie above everything the new rate can hold.
    let holds = |from: Rate, to: Rate| (1.0 - PASS) * (from.hz() as f64) < to.hz() as f64 / 2.0;
    for (from, to) in pairs().filter(|&(from, to)| from < to && holds(from, to)) {
        let mut worst = f64::MIN;
        for step in 1..=12 {
            let hz = PASS * from.hz() as f64 * step as f64 / 12.0;
            let output = settled(from, to, hz);
            let fit = Fit::of(&output, hz, to.hz());
            let rest: Vec<i16> = output
                .iter()
                .enumerate()
                .map(|(n, &sample)| {
                    let angle = TAU * hz * n as f64 / to.hz() as f64 + fit.phase;
                    // Sixteen times larger, so that rounding back to samples does not hide what is left.
                    ((sample as f64 - fit.amplitude * angle.sin()) * 16.0).round() as i16
                })
                .collect();
            // Sampling repeats the sine around every multiple of the old rate; look where those lie now.
            let around = (1..).map(|multiple| multiple as f64 * from.hz() as f64);
            let images = around.take_while(|centre| *centre < to.hz() as f64).flat_map(|c| [c - hz, c + hz]);
            for image in images.filter(|image| *image < to.hz() as f64 / 2.0) {
                let amplitude = Fit::of(&rest, image, to.hz()).amplitude / 16.0;
                worst = worst.max(20.0 * (amplitude / AMPLITUDE).log10());
            }
        }
        println!("{:>7} → {:>6}: images {worst:.1} dB", from.hz(), to.hz());
        assert!(worst <= -70.0, "{from:?} → {to:?}: {worst} dB");
    }
}

#[test]
fn the_stated_group_delay_is_the_real_one() {
    for (from, to) in pairs() {
        let stated = Resampler::new(from, to).group_delay().as_secs_f64();
        for hz in [300.0, 1_000.0, 3_000.0] {
            let mut output = Vec::new();
            Resampler::new(from, to)
                .process(&sine(hz, from.hz(), AMPLITUDE, from.hz() as usize / 5), &mut output);
            // Skip the start, whose zeros are no sine.
            let skipped = to.hz() as usize / 20;
            let fit = Fit::of(&output[skipped..], hz, to.hz());
            let expected = TAU * hz * (skipped as f64 / to.hz() as f64 - stated);
            let error = (fit.phase - expected + PI).rem_euclid(TAU) - PI;
            let error_us = error / (TAU * hz) * 1e6;
            assert!(error_us.abs() < 1.0, "{from:?} → {to:?} at {hz} Hz: {error_us} µs");
        }
    }
}

#[test]
fn the_delay_is_two_milliseconds_on_the_telephone() {
    for to in [Rate::Hz16000, Rate::Hz24000, Rate::Hz48000] {
        assert_eq!(Resampler::new(Rate::Hz8000, to).group_delay().as_micros(), 2_000);
        assert_eq!(Resampler::new(to, Rate::Hz8000).group_delay().as_micros(), 2_000);
    }
    assert_eq!(Resampler::new(Rate::Hz8000, Rate::Hz8000).group_delay().as_micros(), 0);
}

#[test]
fn twenty_milliseconds_in_are_twenty_out_from_the_first_piece() {
    for from in Rate::ALL {
        for to in Rate::ALL {
            let piece = vec![100; from.hz() as usize / 50];
            let mut resampler = Resampler::new(from, to);
            let mut output = Vec::new();
            for pieces in 1..=50 {
                resampler.process(&piece, &mut output);
                assert_eq!(output.len(), (pieces * to.hz() as usize / 50), "{from:?} → {to:?}");
            }
        }
    }
}

#[test]
fn a_constant_stays_what_it_is() {
    for (from, to) in pairs() {
        let mut output = Vec::new();
        Resampler::new(from, to).process(&vec![12_345; from.hz() as usize / 10], &mut output);
        assert!(output[to.hz() as usize / 50..].iter().all(|&sample| sample == 12_345), "{from:?} → {to:?}");
    }
}

#[test]
fn overshoot_is_limited_and_does_not_wrap() {
    let square: Vec<i16> = (0..800).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    for (from, to) in pairs() {
        let mut output = Vec::new();
        Resampler::new(from, to).process(&square, &mut output);
        let steepest = output.windows(2).filter(|pair| pair[0] == i16::MAX && pair[1] == i16::MIN).count();
        assert_eq!(steepest, 0, "{from:?} → {to:?}");
    }
}

#[test]
fn equal_rates_pass_samples_through() {
    let samples = [1, -2, 3];
    let mut output = vec![9];
    Resampler::new(Rate::Hz16000, Rate::Hz16000).process(&samples, &mut output);
    assert_eq!(output, [9, 1, -2, 3]);
}

#[test]
fn after_reset_it_is_as_new() {
    let mut resampler = Resampler::new(Rate::Hz22050, Rate::Hz8000);
    let input = sine(700.0, 22_050, AMPLITUDE, 1_000);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    resampler.process(&input, &mut first);
    resampler.reset();
    resampler.process(&input, &mut second);
    assert_eq!(first, second);
}

#[test]
fn a_stream_needs_a_few_hundred_bytes() {
    // Past samples of the longest filter (48 → 8 kHz) on the heap, the rest in the struct.
    assert!(size_of::<Resampler>() <= 64);
}

proptest! {
    #[test]
    fn however_the_stream_is_cut_the_samples_are_the_same(
        from in prop::sample::select(&Rate::ALL[..]),
        to in prop::sample::select(&Rate::ALL[..]),
        cuts in prop::collection::vec(0usize..700, 1..12),
        seed: u64,
    ) {
        let mut random = Random::new(seed);
        let total: usize = cuts.iter().sum();
        let input: Vec<i16> = (0..total).map(|_| (random.unit() * 65_535.0 - 32_768.0) as i16).collect();
        let mut at_once = Vec::new();
        Resampler::new(from, to).process(&input, &mut at_once);

        let mut resampler = Resampler::new(from, to);
        let mut in_pieces = Vec::new();
        let mut rest = &input[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut);
            resampler.process(now, &mut in_pieces);
            rest = later;
        }

        prop_assert_eq!(&in_pieces, &at_once);
        prop_assert_eq!(at_once.len(), (total * to.hz() as usize).div_ceil(from.hz() as usize));
    }
}

fn pairs() -> impl Iterator<Item = (Rate, Rate)> {
    let all = Rate::ALL.into_iter().flat_map(|from| Rate::ALL.into_iter().map(move |to| (from, to)));
    all.filter(|(from, to)| from != to)
}

fn lower(from: Rate, to: Rate) -> f64 {
    from.hz().min(to.hz()) as f64
}

/// A sine through the resampler, without its beginning.
fn settled(from: Rate, to: Rate, hz: f64) -> Vec<i16> {
    let mut output = Vec::new();
    let input = sine(hz, from.hz(), AMPLITUDE, from.hz() as usize / 8);
    Resampler::new(from, to).process(&input, &mut output);
    output.split_off(to.hz() as usize / 50)
}

/// Power of the samples against that of the sine that went in.
fn level_db(samples: &[i16]) -> f64 {
    let power = samples.iter().map(|&s| (s as f64).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (power.max(1e-9) / (AMPLITUDE * AMPLITUDE / 2.0)).log10()
}
