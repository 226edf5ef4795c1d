//! Every code and every sample against the law as the Recommendation words it.

use audio::g711::*;

#[test]
fn ulaw_decodes_as_table_2_says() {
    for code in 0..=255u8 {
        assert_eq!(decode_ulaw(code), ulaw_value(code), "code {code:#04x}");
    }
}

#[test]
fn alaw_decodes_as_table_1_says() {
    for code in 0..=255u8 {
        assert_eq!(decode_alaw(code), alaw_value(code), "code {code:#04x}");
    }
}

#[test]
fn every_sample_gets_its_ulaw_code() {
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(encode_ulaw(sample), ulaw_code(sample), "sample {sample}");
    }
}

#[test]
fn every_sample_gets_its_alaw_code() {
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(encode_alaw(sample), alaw_code(sample), "sample {sample}");
    }
}

#[test]
fn known_values_of_the_itu_reference() {
    let ulaw = [(0x00, -32124), (0x0F, -16764), (0x7E, -8), (0x7F, 0), (0x80, 32124), (0xFE, 8), (0xFF, 0)];
    for (code, sample) in ulaw {
        assert_eq!(decode_ulaw(code), sample, "µ-law {code:#04x}");
    }
    let alaw = [(0x2A, -32256), (0xAA, 32256), (0x55, -8), (0xD5, 8), (0x54, -24), (0xD4, 24), (0x80, 5504)];
    for (code, sample) in alaw {
        assert_eq!(decode_alaw(code), sample, "A-law {code:#04x}");
    }
    let samples = [(0, 0xFF, 0xD5), (-1, 0x7F, 0x55), (1000, 0xCE, 0xFA), (-1000, 0x4E, 0x7A)];
    for (sample, ulaw, alaw) in samples {
        assert_eq!((encode_ulaw(sample), encode_alaw(sample)), (ulaw, alaw), "sample {sample}");
    }
    assert_eq!((encode_ulaw(i16::MAX), encode_ulaw(i16::MIN)), (0x80, 0x00));
    assert_eq!((encode_alaw(i16::MAX), encode_alaw(i16::MIN)), (0xAA, 0x2A));
}

#[test]
fn the_digital_milliwatt_has_its_level() {
    // Tables 5 and 6: a 1 kHz sine of 0 dBm0, eight codes per law. Its peak lies 3.17 dB (µ) or 3.14 dB (A) below the
    // overload point, 8159 and 4096 in the laws' own steps.
    let ulaw = [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E];
    let alaw = [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4];

    let power = |samples: [i16; 8]| samples.iter().map(|&s| (s as f64).powi(2)).sum::<f64>() / 8.0;
    let ulaw_dbm0 =
        10.0 * (power(ulaw.map(decode_ulaw)) / (8159f64 * 4.0).powi(2) * 2.0).log10() + ULAW_PEAK_DBM0;
    let alaw_dbm0 =
        10.0 * (power(alaw.map(decode_alaw)) / (4096f64 * 8.0).powi(2) * 2.0).log10() + ALAW_PEAK_DBM0;

    assert!(ulaw_dbm0.abs() < 0.02, "{ulaw_dbm0}");
    assert!(alaw_dbm0.abs() < 0.02, "{alaw_dbm0}");
}

const ULAW_PEAK_DBM0: f64 = 3.17;
const ALAW_PEAK_DBM0: f64 = 314.0 / 100.0;

#[test]
fn codes_survive_the_way_through_samples() {
    for code in 0..=255u8 {
        // Negative zero of µ-law becomes positive zero; nothing else changes.
        let expected = if code == 0x7F { 0xFF } else { code };
        assert_eq!(encode_ulaw(decode_ulaw(code)), expected, "µ-law {code:#04x}");
        assert_eq!(encode_alaw(decode_alaw(code)), code, "A-law {code:#04x}");
    }
}

#[test]
fn silence_is_silent() {
    assert_eq!(encode_ulaw(0), ULAW_SILENCE);
    assert_eq!(encode_alaw(0), ALAW_SILENCE);
    assert_eq!(decode_ulaw(ULAW_SILENCE), 0);
    assert_eq!(decode_alaw(ALAW_SILENCE), 8);
}

#[test]
fn slices_append_and_agree_with_single_values() {
    let codes: Vec<u8> = (0..=255).collect();
    let samples: Vec<i16> = (i16::MIN..=i16::MAX).step_by(7).collect();

    let (mut from_ulaw, mut from_alaw) = (vec![42], vec![42]);
    ulaw_to_pcm(&codes, &mut from_ulaw);
    alaw_to_pcm(&codes, &mut from_alaw);
    let (mut to_ulaw, mut to_alaw) = (vec![42], vec![42]);
    pcm_to_ulaw(&samples, &mut to_ulaw);
    pcm_to_alaw(&samples, &mut to_alaw);

    assert!(from_ulaw[0] == 42 && from_alaw[0] == 42 && to_ulaw[0] == 42 && to_alaw[0] == 42);
    assert!(from_ulaw[1..].iter().copied().eq(codes.iter().map(|&code| decode_ulaw(code))));
    assert!(from_alaw[1..].iter().copied().eq(codes.iter().map(|&code| decode_alaw(code))));
    assert!(to_ulaw[1..].iter().copied().eq(samples.iter().map(|&sample| encode_ulaw(sample))));
    assert!(to_alaw[1..].iter().copied().eq(samples.iter().map(|&sample| encode_alaw(sample))));
}

// The laws again, from the text: decision values and segments, searched one by one.

/// G.711 table 2: value of code number `n` (0 to 127) in units of the 14-bit scale, then in 16 bits.
fn ulaw_value(code: u8) -> i16 {
    let number = (!code & 0x7F) as i32;
    let (segment, step) = (number / 16, number % 16);
    // Segment s starts at 33·2^s - 33 and has steps of 2·2^s; a code's value is the middle of its step.
    let low = 33 * (1 << segment) - 33 + step * 2 * (1 << segment);
    let middle = if number == 0 { 0 } else { low };
    let value = (middle * 4) as i16;
    if code >= 0x80 { value } else { -value }
}

/// Compression by the reference's successive shifts.
fn ulaw_code(sample: i16) -> u8 {
    let whole = sample as i32;
    let magnitude = (if whole < 0 { !whole } else { whole } >> 2) + 33;
    let magnitude = magnitude.min(0x1FFF);
    let mut segment = 1;
    let mut rest = magnitude >> 6;
    while rest != 0 {
        segment += 1;
        rest >>= 1;
    }
    let high = 8 - segment;
    let low = 15 - ((magnitude >> segment) & 15);
    let code = (high << 4 | low) as u8;
    if whole >= 0 { code | 0x80 } else { code }
}

/// G.711 table 1: segments of 16 steps; the first two are alike, each further one doubles.
fn alaw_value(code: u8) -> i16 {
    let number = ((code ^ 0x55) & 0x7F) as i32;
    let mut low = 0;
    for earlier in 0..number {
        low += alaw_step(earlier);
    }
    let value = (low + alaw_step(number) / 2) as i16;
    if code >= 0x80 { value } else { -value }
}

/// Width of a step in 16-bit units.
fn alaw_step(number: i32) -> i32 {
    16 << (number / 16 - 1).max(0)
}

fn alaw_code(sample: i16) -> u8 {
    let whole = sample as i32;
    let magnitude = if whole < 0 { !whole } else { whole };
    let mut number = 0;
    let mut end = alaw_step(0);
    while magnitude >= end {
        number += 1;
        end += alaw_step(number);
    }
    let sign = if whole >= 0 { 0x80 } else { 0 };
    (number as u8 | sign) ^ 0x55
}
