//! What the routines on the audio path cost, one 20 ms frame at a time.
//!
//! ```text
//! cargo run --release -p audio --example audio_cost                    nanoseconds of every routine
//! cargo run --release -p audio --example audio_cost -- ulaw_decode 2000   so many frames of one, to be counted:
//! valgrind --tool=callgrind target/release/examples/audio_cost ulaw_decode 2000
//! ```
//!
//! Nanoseconds depend on the machine and the hour. Instructions do not: count 1000 and 3000 frames under callgrind; half
//! a thousandth of the difference is what one frame takes, with everything that happens once left out.

use std::hint::black_box;
use std::time::{Duration, Instant};

use audio::bed::ComfortNoise;
use audio::framer::Framer;
use audio::level::Meter;
use audio::resample::Resampler;
use audio::{Rate, adpcm, dtmf, g711, pcm, vad};

/// A routine's name, and what makes it ready to be run frame by frame.
type Routine = (&'static str, fn() -> Box<dyn FnMut()>);

const ROUTINES: [Routine; 24] = [
    ("nothing", || Box::new(|| {})),
    ("ulaw_decode", || {
        let codes = ulaw();
        let mut output = Vec::new();
        Box::new(move || fill(&mut output, |output| g711::ulaw_to_pcm(black_box(&codes), output)))
    }),
    ("ulaw_encode", || {
        let frame = voice(Rate::Hz8000).swap_remove(3);
        let mut output = Vec::new();
        Box::new(move || fill(&mut output, |output| g711::pcm_to_ulaw(black_box(&frame), output)))
    }),
    ("alaw_decode", || {
        let codes = ulaw();
        let mut output = Vec::new();
        Box::new(move || fill(&mut output, |output| g711::alaw_to_pcm(black_box(&codes), output)))
    }),
    ("alaw_encode", || {
        let frame = voice(Rate::Hz8000).swap_remove(3);
        let mut output = Vec::new();
        Box::new(move || fill(&mut output, |output| g711::pcm_to_alaw(black_box(&frame), output)))
    }),
    ("pcm_to_le_16k", || {
        let frame = voice(Rate::Hz16000).swap_remove(3);
        let mut output = Vec::new();
        Box::new(move || fill(&mut output, |output| pcm::pcm_to_le(black_box(&frame), output)))
    }),
    ("le_to_pcm_16k", || {
        let frame = voice(Rate::Hz16000).swap_remove(3);
        let mut bytes = Vec::new();
        pcm::pcm_to_le(&frame, &mut bytes);
        let mut output = Vec::new();
        Box::new(move || {
            fill(&mut output, |output| {
                let _ = pcm::le_to_pcm(black_box(&bytes), output);
            });
        })
    }),
    ("resample_8_16", || resampling(Rate::Hz8000, Rate::Hz16000)),
    ("resample_16_8", || resampling(Rate::Hz16000, Rate::Hz8000)),
    ("resample_8_24", || resampling(Rate::Hz8000, Rate::Hz24000)),
    ("resample_24_8", || resampling(Rate::Hz24000, Rate::Hz8000)),
    ("resample_8_48", || resampling(Rate::Hz8000, Rate::Hz48000)),
    ("resample_48_8", || resampling(Rate::Hz48000, Rate::Hz8000)),
    ("resample_44_8", || resampling(Rate::Hz44100, Rate::Hz8000)),
    ("vad_speech_8k", || detecting_speech(voice(Rate::Hz8000), Rate::Hz8000)),
    ("vad_noise_8k", || {
        let mut noise = Vec::new();
        ComfortNoise::new(Rate::Hz8000, 1, -55.0).next(8_000, &mut noise);
        detecting_speech(noise.chunks(160).map(<[i16]>::to_vec).collect(), Rate::Hz8000)
    }),
    ("vad_tone_8k", || {
        let tone = dtmf::generate('5', Rate::Hz8000, Duration::from_secs(1), -12.0)
            .unwrap_or_else(|| audio::Frame::silence(Rate::Hz8000, Duration::from_secs(1)));
        detecting_speech(tone.samples.chunks(160).map(<[i16]>::to_vec).collect(), Rate::Hz8000)
    }),
    ("vad_silence_8k", || detecting_speech(vec![vec![0; 160]; 50], Rate::Hz8000)),
    ("vad_speech_16k", || detecting_speech(voice(Rate::Hz16000), Rate::Hz16000)),
    ("dtmf_speech_8k", || detecting_digits(voice(Rate::Hz8000))),
    ("dtmf_silence_8k", || detecting_digits(vec![vec![0; 160]; 50])),
    ("framer_20_to_60", || {
        let frame = voice(Rate::Hz8000).swap_remove(3);
        let mut framer = Framer::new(480);
        Box::new(move || {
            framer.push(black_box(&frame));
            while let Some(piece) = framer.pop() {
                black_box(piece);
            }
        })
    }),
    ("level_meter", || {
        let frame = voice(Rate::Hz8000).swap_remove(3);
        let mut meter = Meter::new(Rate::Hz8000, Duration::from_millis(100));
        Box::new(move || {
            black_box(meter.push(black_box(&frame)));
        })
    }),
    ("comfort_noise", || {
        let mut noise = ComfortNoise::new(Rate::Hz8000, 1, -55.0);
        let mut output = Vec::new();
        Box::new(move || fill(&mut output, |output| noise.next(160, output)))
    }),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next();
    let frames: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(20_000);

    println!("{:<18} {:>10}", "20 ms frame", "ns");
    for (name, prepare) in ROUTINES {
        if wanted.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let mut run = prepare();
        // The best of five: the others were disturbed.
        let runs = if wanted.is_some() { 1 } else { 5 };
        let best = (0..runs).map(|_| timed(frames, &mut run)).min().unwrap_or_default();
        println!("{name:<18} {:>10.1}", best.as_nanos() as f64 / frames as f64);
    }
    println!("bytes per call: vad {}, resampler {}", size_of::<vad::Detector>(), size_of::<Resampler>());
    let prompt = audio::Frame::new(Rate::Hz16000, voice(Rate::Hz16000).concat());
    println!("a second of prompt: {} bytes", adpcm::encode(&prompt).len());
}

#[expect(clippy::disallowed_methods, reason = "measuring time is this program's purpose")]
fn timed(frames: u32, run: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..frames {
        run();
    }
    start.elapsed()
}

/// Empties the output and has it filled, without allocating again.
fn fill<T>(output: &mut Vec<T>, work: impl FnOnce(&mut Vec<T>)) {
    output.clear();
    work(output);
    black_box(output);
}

fn resampling(from: Rate, to: Rate) -> Box<dyn FnMut()> {
    let frame = voice(from).swap_remove(3);
    let mut resampler = Resampler::new(from, to);
    let mut output = Vec::new();
    Box::new(move || fill(&mut output, |output| resampler.process(black_box(&frame), output)))
}

fn detecting_speech(frames: Vec<Vec<i16>>, rate: Rate) -> Box<dyn FnMut()> {
    let mut detector = vad::Detector::new(rate);
    let mut next = 0;
    Box::new(move || {
        black_box(detector.push(black_box(&frames[next])));
        next = (next + 1) % frames.len();
    })
}

fn detecting_digits(frames: Vec<Vec<i16>>) -> Box<dyn FnMut()> {
    let mut detector = dtmf::Detector::new(Rate::Hz8000);
    let mut next = 0;
    Box::new(move || {
        black_box(detector.push(black_box(&frames[next])));
        next = (next + 1) % frames.len();
    })
}

/// A second of something like a voice, in 20 ms frames: a buzz of overtones that comes and goes like syllables.
fn voice(rate: Rate) -> Vec<Vec<i16>> {
    let hz = rate.hz() as f32;
    let samples: Vec<i16> = (0..rate.hz())
        .map(|n| {
            let time = n as f32 / hz;
            let pitch = 110.0 + 20.0 * (time * 5.0).sin();
            let buzz: f32 = (1..=20)
                .map(|k| {
                    let formant = 1.0 / (1.0 + ((k as f32 * pitch - 600.0) / 250.0).powi(2));
                    formant * (std::f32::consts::TAU * k as f32 * pitch * time).sin()
                })
                .sum();
            (buzz * 3_000.0 * (time * 12.0).sin().max(0.0)) as i16
        })
        .collect();
    samples.chunks(rate.hz() as usize / 50).map(<[i16]>::to_vec).collect()
}

fn ulaw() -> Vec<u8> {
    let mut codes = Vec::new();
    g711::pcm_to_ulaw(&voice(Rate::Hz8000)[3], &mut codes);
    codes
}
