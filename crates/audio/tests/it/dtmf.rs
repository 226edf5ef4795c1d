//! Digit detection, by the numbers of ITU-T Q.24.

use std::time::Duration;

use audio::dtmf::{Detector, generate};
use audio::tone::{Tone, burst};
use audio::{Frame, Rate};
use proptest::prelude::*;

use crate::noise::{Noise, Random, mix};
use crate::spoken::{self, Talk, Talkers};

const KEYS: &str = "123A456B789C*0#D";

#[test]
fn every_key_is_heard_once_at_every_rate_however_the_stream_is_cut() {
    for rate in Rate::ALL {
        let line = dialled(KEYS, rate, 60, 60, -12.0);
        for cut in [1, 37, rate.hz() as usize / 50, line.len()] {
            assert_eq!(heard(&line, rate, cut), KEYS, "{rate:?} cut {cut}");
        }
    }
}

#[test]
fn the_shortest_legal_press_and_pause_are_enough() {
    for offset in 0..105 {
        let mut line = vec![0; offset];
        line.extend(dialled("1159*D", Rate::Hz8000, 40, 40, -12.0));
        assert_eq!(heard(&line, Rate::Hz8000, 160), "1159*D", "offset {offset}");
    }
}

#[test]
fn a_long_press_is_one_digit_and_a_second_press_another() {
    assert_eq!(heard(&dialled("7", Rate::Hz8000, 5_000, 50, -12.0), Rate::Hz8000, 160), "7");
    assert_eq!(heard(&dialled("77", Rate::Hz8000, 80, 50, -12.0), Rate::Hz8000, 160), "77");
}

#[test]
fn a_short_drop_out_does_not_make_two_of_one() {
    for offset in 0..105 {
        let mut line = vec![0; offset];
        line.extend(dialled("5", Rate::Hz8000, 200, 60, -12.0));
        line[offset + 700..offset + 780].fill(0);
        assert_eq!(heard(&line, Rate::Hz8000, 160), "5", "offset {offset}");
    }
}

#[test]
fn blips_are_not_digits() {
    for offset in 0..105 {
        let mut line = vec![0; offset];
        line.extend(dialled("159D", Rate::Hz8000, 15, 60, -12.0));
        assert_eq!(heard(&line, Rate::Hz8000, 160), "", "offset {offset}");
    }
}

#[test]
fn levels_from_shouting_to_faint_are_heard_through_ulaw() {
    for level in [-4.0, -12.0, -20.0, -28.0, -34.0] {
        let line = spoken::through_ulaw(&dialled(KEYS, Rate::Hz8000, 60, 60, level));
        assert_eq!(heard(&line, Rate::Hz8000, 160), KEYS, "{level} dBFS");
    }
    assert_eq!(
        heard(&dialled(KEYS, Rate::Hz8000, 60, 60, -55.0), Rate::Hz8000, 160),
        "",
        "too faint to be meant"
    );
}

#[test]
fn twist_is_accepted_within_limits_only() {
    // Decibels by which the high tone is stronger.
    for (twist, expected) in
        [(-8.0, true), (-4.0, true), (4.0, true), (5.0, true), (-12.0, false), (9.0, false)]
    {
        for (low, high, key) in [(697.0, 1_209.0, "1"), (852.0, 1_336.0, "8"), (941.0, 1_633.0, "D")] {
            let levels = if twist > 0.0 { [-14.0 - twist, -14.0] } else { [-14.0, -14.0 + twist] };
            let line = press([low, high], levels);
            let expected = if expected { key } else { "" };
            assert_eq!(heard(&line, Rate::Hz8000, 160), expected, "twist {twist} key {key}");
        }
    }
}

#[test]
fn frequencies_are_accepted_within_limits_only() {
    for (off, accepted) in [(0.015, true), (-0.015, true), (0.035, false), (-0.035, false)] {
        for (row, low) in [697.0, 770.0, 852.0, 941.0].into_iter().enumerate() {
            for (column, high) in [1_209.0, 1_336.0, 1_477.0, 1_633.0].into_iter().enumerate() {
                let key = &KEYS[row * 4 + column..][..1];
                let expected = if accepted { key } else { "" };
                let both = [low * (1.0 + off), high * (1.0 + off)];
                assert_eq!(
                    heard(&press(both, [-14.0; 2]), Rate::Hz8000, 160),
                    expected,
                    "{off} both, key {key}"
                );
                let one = [low * (1.0 + off), high];
                assert_eq!(
                    heard(&press(one, [-14.0; 2]), Rate::Hz8000, 160),
                    expected,
                    "{off} low, key {key}"
                );
                let one = [low, high * (1.0 + off)];
                assert_eq!(
                    heard(&press(one, [-14.0; 2]), Rate::Hz8000, 160),
                    expected,
                    "{off} high, key {key}"
                );
            }
        }
    }
}

#[test]
fn digits_are_heard_in_noise() {
    let clean = dialled(&KEYS.repeat(6), Rate::Hz8000, 60, 60, -15.0);
    for (noise, dbfs) in [(Noise::White, -27.0), (Noise::Pink, -25.0), (Noise::Hum, -28.0)] {
        let line = mix(&clean, &noise.samples(clean.len(), dbfs));
        assert_eq!(heard(&line, Rate::Hz8000, 160), KEYS.repeat(6), "{noise:?}");
    }
}

#[test]
fn noise_alone_is_no_digit() {
    for noise in [Noise::White, Noise::Pink, Noise::Hum, Noise::Chord] {
        let line = mix(&vec![0; 8_000 * 60], &noise.samples(8_000 * 60, -15.0));
        assert_eq!(heard(&line, Rate::Hz8000, 160), "", "{noise:?}");
    }
}

#[test]
fn speech_is_no_digit() {
    if spoken::is_unavailable() {
        return;
    }
    let mut seconds = 0;
    for (level, talkers) in [(-10.0, Talkers::First), (-18.0, Talkers::Second), (-26.0, Talkers::First)] {
        let talk = Talk::at(level, talkers).samples;
        // At other speeds the same speech hits other frequencies.
        for (numerator, denominator) in [(1, 1), (9, 10), (10, 9), (4, 5), (5, 4)] {
            let stretched: Vec<i16> = (0..talk.len() * denominator / numerator)
                .map(|n| talk[n * numerator / denominator])
                .collect();
            seconds += stretched.len() / 8_000;
            assert_eq!(heard(&stretched, Rate::Hz8000, 160), "", "{level} dBFS × {numerator}/{denominator}");
        }
    }
    println!("no digit in {seconds} s of speech");
}

#[test]
fn keys_that_no_keypad_has_make_no_sound() {
    assert_eq!(generate('E', Rate::Hz8000, Duration::from_millis(80), -12.0), None);
    assert_eq!(generate(' ', Rate::Hz8000, Duration::from_millis(80), -12.0), None);
    let upper = generate('A', Rate::Hz8000, Duration::from_millis(80), -12.0);
    assert_eq!(generate('a', Rate::Hz8000, Duration::from_millis(80), -12.0), upper);
}

#[test]
fn the_held_key_is_known_while_it_is_held() {
    let mut detector = Detector::new(Rate::Hz8000);
    detector.push(&generate('3', Rate::Hz8000, Duration::from_millis(100), -12.0).unwrap().samples);
    assert_eq!(detector.held(), Some('3'));
    detector.push(&[0; 800]);
    assert_eq!(detector.held(), None);

    detector.push(&generate('3', Rate::Hz8000, Duration::from_millis(100), -12.0).unwrap().samples);
    detector.reset();
    assert_eq!(detector.held(), None);
}

proptest! {
    #[test]
    fn any_samples_are_survived(samples: Vec<i16>, cut in 1usize..400) {
        let _ = heard(&samples, Rate::Hz8000, cut);
    }

    #[test]
    fn any_dialling_is_understood(digits in "[0-9A-D*#]{1,12}", press in 45u64..150, pause in 45u64..150, seed: u64) {
        let mut random = Random::new(seed);
        let mut line = vec![0; random.below(400)];
        line.extend(dialled(&digits, Rate::Hz8000, press, pause, -20.0 + 12.0 * random.unit() as f32));
        prop_assert_eq!(heard(&spoken::through_ulaw(&line), Rate::Hz8000, 160), digits);
    }
}

fn heard(line: &[i16], rate: Rate, cut: usize) -> String {
    let mut detector = Detector::new(rate);
    line.chunks(cut).flat_map(|piece| detector.push(piece)).collect()
}

fn dialled(digits: &str, rate: Rate, press_ms: u64, pause_ms: u64, level: f32) -> Vec<i16> {
    let mut line = Vec::new();
    for digit in digits.chars() {
        line.extend(generate(digit, rate, Duration::from_millis(press_ms), level).unwrap().samples);
        line.extend(Frame::silence(rate, Duration::from_millis(pause_ms)).samples);
    }
    line
}

/// 80 ms of two tones, and some silence.
fn press(hz: [f32; 2], levels: [f32; 2]) -> Vec<i16> {
    let tone = Tone::dual_with_levels(Rate::Hz8000, hz, levels);
    let mut line = burst(Rate::Hz8000, tone, Duration::from_millis(80)).samples;
    line.extend([0; 400]);
    line
}
