use std::time::Duration;

use audio::Rate;
use audio::level::{Level, Meter, SILENCE_DBFS, amplitude, peak_dbfs, rms_dbfs};

use crate::spectrum::sine;

#[test]
fn a_square_wave_at_full_scale_is_zero_and_a_sine_is_three_below() {
    assert!(rms_dbfs(&[i16::MIN; 100]).abs() < 0.001);
    assert!(peak_dbfs(&[0, i16::MIN, 0]).abs() < 0.001);
    assert!((rms_dbfs(&sine(1_000.0, 8_000, 32_767.0, 800)) + 3.01).abs() < 0.01);
    assert!((rms_dbfs(&sine(1_000.0, 8_000, 3_276.7, 800)) + 23.01).abs() < 0.01);
    assert!((amplitude(-20.0) - 0.1).abs() < 1e-6);
}

#[test]
fn silence_and_nothing_are_the_least() {
    assert_eq!(Level::of(&[]), Level::SILENCE);
    assert_eq!(Level::of(&[0; 160]), Level::SILENCE);
    assert!(rms_dbfs(&[1, 0, 0, 0]) >= SILENCE_DBFS);
}

#[test]
fn a_meter_shows_each_window_by_itself_however_the_stream_is_cut() {
    let loud = sine(500.0, 8_000, 10_000.0, 800);
    let mut stream = loud.clone();
    stream.extend([0; 800]);

    for cut in [1, 7, 160, 799, 1600] {
        let mut meter = Meter::new(Rate::Hz8000, Duration::from_millis(100));
        let mut shown = Vec::new();
        for piece in stream.chunks(cut) {
            if meter.push(piece) {
                shown.push(meter.level());
            }
        }
        assert_eq!(shown.last(), Some(&Level::SILENCE), "cut {cut}");
        if cut < 800 {
            assert_eq!(shown[0], Level::of(&loud), "cut {cut}");
            assert_eq!(shown.len(), 2);
        }
        meter.push(&loud);
        meter.reset();
        assert_eq!(meter.level(), Level::SILENCE);
    }
}
