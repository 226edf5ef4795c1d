//! Speech to test with: made by a synthesiser, spoiled by a line.

use std::process::Command;
use std::sync::OnceLock;

use audio::resample::Resampler;
use audio::{Frame, Rate, g711, wav};

/// Voices and what they say. Different speeds, pitches and languages, so that no test is tuned to one talker.
///
/// The detector's constants were chosen while looking at the first ten; the second ten are there to find out whether
/// they hold for anybody else.
const LINES: [(&str, &str, &str); 20] = [
    ("en-us", "150", "Hello, I would like to change my appointment on Thursday, please."),
    ("en-us+f3", "165", "Yes. No, not that one. The other number ends in four seven two."),
    ("en-gb+m4", "140", "My name is Christopher Sixsmith, and I spell that with three letters S."),
    ("en-gb+f2", "180", "Could you put me through to somebody who speaks French?"),
    ("en-us+m7", "120", "Well, it stopped working, after the storm, last night."),
    ("de", "155", "Guten Tag, ich möchte meine Bestellung ändern, geht das noch?"),
    ("fr+f4", "160", "Bonjour, je voudrais savoir où se trouve mon colis."),
    ("es+m2", "170", "Buenos días, quiero hablar con una persona, por favor."),
    ("hi+f1", "150", "नमस्ते, मुझे अपने खाते के बारे में जानकारी चाहिए।"),
    ("en-us+f5", "200", "Okay thanks, that is all, goodbye!"),
    ("en-gb", "145", "I ordered a blue one, and what I found in the box was green."),
    ("en-us+m3", "175", "Operator. Operator! Is anybody there?"),
    ("en-us+f1", "130", "Sorry, the line is bad, can you say that again, slowly?"),
    ("en-gb-scotland", "160", "The account is in my wife's name, but I pay the bills."),
    ("it+f3", "165", "Pronto, vorrei parlare con l'ufficio vendite."),
    ("pl+m1", "150", "Dzień dobry, mam pytanie o fakturę za ostatni miesiąc."),
    ("pt-br+f2", "170", "Alô, preciso cancelar a minha reserva de amanhã."),
    ("nl+m5", "155", "Goedemiddag, kunt u mij doorverbinden met de technische dienst?"),
    ("tr+f4", "160", "Merhaba, siparişim hâlâ gelmedi, ne zaman gelir?"),
    ("en-us+m6", "190", "Two four six, eight oh one, three three nine."),
];

/// Which talkers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Talkers {
    First,
    Second,
}

/// Whether this run was told that test programs are missing on purpose. Then it says so.
pub(crate) fn is_unavailable() -> bool {
    #[expect(clippy::disallowed_methods, reason = "the person running the tests decides, not the crate")]
    let told = std::env::var_os("TRUNKLINE_WITHOUT_PEERS").is_some();
    if told {
        eprintln!("SKIPPED: needs espeak-ng, and TRUNKLINE_WITHOUT_PEERS is set");
    }
    told
}

/// Every line, spoken, at 8 kHz, each with an active level of −20 dBFS.
pub(crate) fn sentences() -> &'static [Vec<i16>] {
    static SENTENCES: OnceLock<Vec<Vec<i16>>> = OnceLock::new();
    SENTENCES.get_or_init(|| {
        LINES
            .iter()
            .map(|(voice, speed, text)| {
                let frame = speak(voice, speed, text);
                scaled(&telephone_band(&to_rate(&frame, Rate::Hz8000)), -20.0)
            })
            .collect()
    })
}

/// One sentence as the synthesiser gives it.
pub(crate) fn speak(voice: &str, speed: &str, text: &str) -> Frame {
    let output = Command::new("espeak-ng").args(["-v", voice, "-s", speed, "--stdout", text]).output();
    let output = output.expect(
        "espeak-ng is needed for the spoken samples: install it (Debian: apt-get install espeak-ng, macOS: brew \
         install espeak-ng), or set TRUNKLINE_WITHOUT_PEERS=1 to leave these tests out",
    );
    assert!(output.status.success(), "espeak-ng failed: {}", String::from_utf8_lossy(&output.stderr));
    let frame = wav::read(&output.stdout).expect("espeak-ng writes WAV");
    assert!(frame.samples.len() > 2_000, "espeak-ng said nothing for {voice:?}");
    frame
}

pub(crate) fn to_rate(frame: &Frame, rate: Rate) -> Vec<i16> {
    let mut output = Vec::new();
    Resampler::new(frame.rate, rate).process(&frame.samples, &mut output);
    output
}

/// What a telephone line leaves: two second-order high passes at 300 Hz (the upper edge is the rate's own).
fn telephone_band(samples: &[i16]) -> Vec<i16> {
    let k = (std::f64::consts::PI * 300.0 / 8_000.0).tan();
    let n = 1.0 / (1.0 + k * std::f64::consts::SQRT_2 + k * k);
    let (a1, a2) = (2.0 * (k * k - 1.0) * n, (1.0 - k * std::f64::consts::SQRT_2 + k * k) * n);
    let mut signal: Vec<f64> = samples.iter().map(|&s| s as f64).collect();
    for _ in 0..2 {
        let (mut s1, mut s2) = (0.0, 0.0);
        for x in &mut signal {
            let y = n * *x + s1;
            s1 = -2.0 * n * *x - a1 * y + s2;
            s2 = n * *x - a2 * y;
            *x = y;
        }
    }
    signal.iter().map(|&x| x.round() as i16).collect()
}

/// Mean square of the 10 ms pieces that carry speech: those within 25 dB of the loudest.
pub(crate) fn active_power(samples: &[i16]) -> f64 {
    let powers: Vec<f64> = samples.chunks(80).map(power).collect();
    let loudest = powers.iter().copied().fold(1.0, f64::max);
    let active: Vec<f64> = powers.into_iter().filter(|&power| power > loudest / 316.0).collect();
    active.iter().sum::<f64>() / active.len() as f64
}

pub(crate) fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| (s as f64).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

/// The same with an active level of so much.
pub(crate) fn scaled(samples: &[i16], dbfs: f64) -> Vec<i16> {
    let gain = 32_768.0 * 10f64.powf(dbfs / 20.0) / active_power(samples).sqrt();
    samples.iter().map(|&s| (s as f64 * gain).round().clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// Sentences with pauses of 0.7 to 1.6 seconds around them, and which 10 ms pieces carry speech.
pub(crate) struct Talk {
    pub(crate) samples: Vec<i16>,
    pub(crate) speech: Vec<bool>,
}

impl Talk {
    pub(crate) fn at(dbfs: f64, talkers: Talkers) -> Talk {
        let mut samples = vec![0; 12_000];
        let sentences = match talkers {
            Talkers::First => &sentences()[..10],
            Talkers::Second => &sentences()[10..],
        };
        for (index, sentence) in sentences.iter().enumerate() {
            samples.extend(scaled(sentence, dbfs));
            samples.extend(vec![0; 5_600 + index * 800]);
        }
        samples.truncate(samples.len() / 80 * 80);
        let speech = truth(&samples);
        Talk { samples, speech }
    }
}

/// A piece carries speech when the clean signal is within 30 dB of the active level; pauses below 300 ms belong to the
/// sentence, as they do for anybody who wants to take the turn.
fn truth(clean: &[i16]) -> Vec<bool> {
    let least = active_power(clean) / 1_000.0;
    let mut speech: Vec<bool> = clean.chunks(80).map(|piece| power(piece) > least).collect();
    let mut last = None;
    for index in 0..speech.len() {
        if speech[index] {
            if let Some(last) = last
                && index - last <= 30
            {
                speech[last..index].fill(true);
            }
            last = Some(index);
        }
    }
    speech
}

/// Through the line's eight bits.
pub(crate) fn through_ulaw(samples: &[i16]) -> Vec<i16> {
    samples.iter().map(|&sample| g711::decode_ulaw(g711::encode_ulaw(sample))).collect()
}
