use audio::adpcm::{AdpcmError, decode, encode};
use audio::{Frame, Rate};
use proptest::prelude::*;

use crate::spectrum::sine;
use crate::spoken;

#[test]
fn a_prompt_is_a_quarter_of_its_samples() {
    let frame = Frame::new(Rate::Hz16000, vec![0; 16_000]);
    assert_eq!(encode(&frame).len(), 15 + 8_000);
}

#[test]
fn speech_comes_back_clean() {
    if spoken::is_unavailable() {
        return;
    }
    let spoken = spoken::speak("en-us", "150", "Welcome to Trunkline. Say something, and I will repeat it.");
    let samples = spoken::to_rate(&spoken, Rate::Hz16000);
    let frame = Frame::new(Rate::Hz16000, samples);

    let back = decode(&encode(&frame)).unwrap();

    let error: Vec<i16> = back.samples.iter().zip(&frame.samples).map(|(a, b)| a.wrapping_sub(*b)).collect();
    let snr = 10.0 * (spoken::power(&frame.samples) / spoken::power(&error)).log10();
    println!("speech at 16 kHz through ADPCM: {snr:.1} dB");
    assert!(snr > 20.0, "{snr} dB");
}

#[test]
fn a_sine_comes_back_clean() {
    let frame = Frame::new(Rate::Hz8000, sine(440.0, 8_000, 12_000.0, 8_000));
    let back = decode(&encode(&frame)).unwrap();
    let error: Vec<i16> = back.samples.iter().zip(&frame.samples).map(|(a, b)| a.wrapping_sub(*b)).collect();
    assert!(10.0 * (spoken::power(&frame.samples) / spoken::power(&error)).log10() > 25.0);
}

#[test]
fn what_is_no_prompt_is_named() {
    let good = encode(&Frame::new(Rate::Hz8000, vec![5; 100]));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode(&bytes).unwrap_err()
    };

    assert_eq!(decode(&[]), Err(AdpcmError::NotAdpcm));
    assert_eq!(changed(0, b'R'), AdpcmError::NotAdpcm);
    assert_eq!(changed(4, 0x41), AdpcmError::UnsupportedRate(8_001));
    assert_eq!(changed(8, 200), AdpcmError::WrongLength { samples: 200, bytes: 50 });
    assert_eq!(changed(14, 89), AdpcmError::StepOutOfRange(89));
    assert_eq!(decode(&good[..60]), Err(AdpcmError::WrongLength { samples: 100, bytes: 45 }));
}

proptest! {
    #[test]
    fn any_samples_come_back_in_number_and_rate(samples: Vec<i16>, rate in prop::sample::select(&Rate::ALL[..])) {
        let frame = Frame::new(rate, samples);
        let back = decode(&encode(&frame)).unwrap();
        prop_assert_eq!(back.rate, rate);
        prop_assert_eq!(back.samples.len(), frame.samples.len());
        prop_assert_eq!(back.samples.first(), frame.samples.first().map(|_| &back.samples[0]));
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes: Vec<u8>, valid_start: bool) {
        if valid_start {
            let mut start = b"IMA1\x40\x1f\0\0".to_vec();
            start.append(&mut bytes);
            bytes = start;
        }
        if let Ok(frame) = decode(&bytes) {
            prop_assert!(frame.samples.len() <= bytes.len() * 2);
        }
    }

    #[test]
    fn damaged_codes_still_decode(samples in prop::collection::vec(any::<i16>(), 1..200), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&Frame::new(Rate::Hz8000, samples.clone()));
        let codes = bytes.len() - 15;
        bytes[15 + at.index(codes)] = byte;
        prop_assert_eq!(decode(&bytes).unwrap().samples.len(), samples.len());
    }
}
