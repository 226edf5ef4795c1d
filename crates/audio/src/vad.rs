//! Is somebody speaking?
//!
//! Asked for every 20 ms of every call, so it has to be cheap; answered wrongly it interrupts an agent for a cough or
//! lets it talk over the caller, so it has to be good on what telephones deliver: 300 to 3400 Hz, eight bits, hum, hiss.
//!
//! Every 10 ms:
//! 1. `bands` splits the sound into five bands, each of which has its own noise floor (`floor`): what the band falls
//!    back to again and again. How far the bands stand above their floors is the first evidence.
//! 2. `pitch` asks whether the sound repeats itself like a voice (60 to 400 times a second), and whether it is a pure
//!    tone: keys, beeps and ringing repeat themselves perfectly and nobody says them.
//! 3. Speech *begins* with voiced sound that lasts; breath, clicks and bursts of noise have none. Once begun, voiceless
//!    sounds carry it on, and a hang-over bridges the gaps between words.
//!
//! All arithmetic is plain `f32` without library functions, so a replay decides as the call did, on any machine.

mod bands;
mod floor;
mod pitch;

use std::time::Duration;

use crate::Rate;
use crate::level::SILENCE_DBFS;
use bands::{HOP, Splitter};
use floor::{Background, Floors};
use pitch::Pitch;

/// How quickly the detector makes up its mind.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Voiced sound needed before speech has begun.
    ///
    /// 40 ms notices a "yes" at once; 100 ms and more lets coughs and bumps pass.
    pub onset: Duration,
    /// How long speech is taken to go on after its last sound.
    ///
    /// Must bridge the closure of a "p" or "t" (100 ms) at least; 200 ms holds words together, 600 ms sentences.
    pub hangover: Duration,
    /// Quietest sound that may be speech, in dBFS.
    pub quietest_dbfs: f32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            onset: Duration::from_millis(40),
            hangover: Duration::from_millis(200),
            quietest_dbfs: -58.0,
        }
    }
}

/// What the detector thinks after the samples it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity {
    /// Somebody is speaking, hang-over included.
    pub speaking: bool,
    /// How speech-like the last tens of milliseconds were, 0 to 1, without hang-over.
    pub score: f32,
    /// Level of the last 10 ms.
    pub level_dbfs: f32,
}

impl Activity {
    /// Nothing was heard yet.
    pub const SILENT: Activity = Activity { speaking: false, score: 0.0, level_dbfs: SILENCE_DBFS };
}

/// Listens to one direction of one call.
#[derive(Clone, Debug)]
pub struct Detector {
    intake: Intake,
    splitter: Splitter,
    floors: Floors,
    pitch: Pitch,
    talker: Talker,
    quietest_dbfs: f32,
    onset_hops: f32,
    hangover_hops: u16,
    /// Hops without voice after which voiceless sound no longer carries speech on.
    voiceless_hops_max: u16,
    /// Voiced hops so far, of a speech that may be beginning.
    evidence: f32,
    hangover_left: u16,
    since_voice: u16,
    raw: f32,
    activity: Activity,
}

/// Longest voiceless stretch inside speech ("st", "ks" with their closures); what hisses longer is noise that came up.
const VOICELESS_MAX: Duration = Duration::from_millis(350);

/// What a voiceless hop counts towards the beginning of speech: a whisper has to last a second, a
/// breath does not.
const VOICELESS_EVIDENCE: f32 = 0.04;

impl Detector {
    /// A detector with the usual settings.
    pub fn new(rate: Rate) -> Detector {
        Detector::with_config(rate, &Config::default())
    }

    /// A detector with settings of its own.
    pub fn with_config(rate: Rate, config: &Config) -> Detector {
        let intake = Intake::new(rate);
        let hop = intake.hop_duration(rate);
        let hops =
            |duration: Duration| (duration.as_secs_f32() / hop.as_secs_f32()).ceil().clamp(1.0, 60_000.0);
        Detector {
            intake,
            splitter: Splitter::default(),
            floors: Floors::default(),
            pitch: Pitch::default(),
            talker: Talker::default(),
            quietest_dbfs: config.quietest_dbfs,
            onset_hops: hops(config.onset),
            hangover_hops: hops(config.hangover) as u16,
            voiceless_hops_max: hops(VOICELESS_MAX) as u16,
            evidence: 0.0,
            hangover_left: 0,
            since_voice: u16::MAX,
            raw: 0.0,
            activity: Activity::SILENT,
        }
    }

    /// Takes more of the stream, in pieces of any length, and says what it thinks now.
    pub fn push(&mut self, mut samples: &[i16]) -> Activity {
        while let Some(hop) = self.intake.take(&mut samples) {
            self.judge(&hop);
        }
        self.activity
    }

    /// What it thought after the last push.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// Likelihood of speech in the last 10 ms alone, 0 to 1: unsmoothed, for those who do their own waiting.
    pub fn raw_score(&self) -> f32 {
        self.raw
    }

    fn judge(&mut self, hop: &[f32; HOP]) {
        let power = bands::power(hop);
        let level_dbfs = (decibels(power) - FULL_SCALE_DB).max(SILENCE_DBFS);
        let split = self.splitter.split(hop, power);
        self.pitch.push(&split.low);
        let rise = self.floors.rise(&split.powers);
        let loudness = decibels(split.powers.iter().sum());

        let (mut voiced, mut tonal) = (0.0, false);
        if rise.total > 1.0 && level_dbfs > self.quietest_dbfs {
            let sound = self.pitch.measure(hop, &split.powers);
            (voiced, tonal) = (sound.voiced, sound.tonal);
            // Voice is believed at a lower level than noise is.
            let above = rise.total + 5.0 * voiced
                - 2.5
                - self.floors.threshold()
                - self.talker.doubt(loudness, self.activity.speaking);
            self.raw = if tonal { 0.0 } else { squash(above / 3.0) };
        } else {
            self.raw = 0.0;
        }

        self.decide(voiced > 0.5, tonal);
        let background =
            if self.talker.doubt(loudness, false) > 1.0 || (!self.activity.speaking && self.raw < 0.5) {
                Background::Surely
            } else if !self.activity.speaking && voiced < 0.5 {
                Background::Perhaps
            } else {
                Background::Hardly
            };
        self.floors.learn(&rise, background);
        self.talker.learn(loudness, voiced > 0.5 && self.raw > 0.5 && self.activity.speaking);

        // Up within three hops, down within a dozen: the closure of a "p" should not look like the end of a sentence.
        let share = if self.raw > self.activity.score { 0.4 } else { 0.08 };
        self.activity.score += (self.raw - self.activity.score) * share;
        if self.activity.score < 1e-3 {
            self.activity.score = 0.0;
        }
        self.activity.level_dbfs = level_dbfs;
    }

    fn decide(&mut self, voiced: bool, tonal: bool) {
        let active = self.raw > 0.5;
        self.since_voice = if active && voiced { 0 } else { self.since_voice.saturating_add(1) };

        self.evidence = match (active, voiced) {
            (true, true) => self.evidence + 1.0,
            (true, false) => self.evidence + VOICELESS_EVIDENCE,
            (false, _) if tonal => 0.0,
            (false, _) => (self.evidence - 1.0).max(0.0),
        }
        .min(self.onset_hops);

        let begins = self.evidence >= self.onset_hops;
        let goes_on =
            self.activity.speaking && self.raw > 0.45 && self.since_voice <= self.voiceless_hops_max;
        if begins || goes_on {
            self.hangover_left = self.hangover_hops;
        } else {
            self.hangover_left = self.hangover_left.saturating_sub(1);
        }
        self.activity.speaking = self.hangover_left > 0;
    }
}

/// How loud the person on this line speaks. Other people in the room speak as well, but further away.
#[derive(Clone, Debug, Default)]
struct Talker {
    /// Level of voiced sound, averaged over a syllable.
    syllable_db: f32,
    /// What the louder syllables reach; zero before anybody spoke.
    usual_db: f32,
}

impl Talker {
    /// So far below their usual level a talker is still believed without doubt.
    const BELOW_DB: f32 = 12.5;

    /// Decibels by which a sound has to stand out more, because the talker is usually that much louder.
    fn doubt(&self, loudness: f32, speaking: bool) -> f32 {
        let below = if speaking { Self::BELOW_DB + 5.0 } else { Self::BELOW_DB };
        (self.usual_db - below - loudness).max(0.0)
    }

    fn learn(&mut self, loudness: f32, is_voice: bool) {
        if is_voice {
            self.syllable_db += (loudness - self.syllable_db) * 0.1;
            if self.syllable_db > self.usual_db {
                self.usual_db += (self.syllable_db - self.usual_db) * 0.1;
            }
        }
        // A third of a decibel per second: the telephone may be handed to somebody quieter.
        self.usual_db -= 0.003;
    }
}

/// Collects hops of 10 ms at 8 kHz out of pieces of any length at any rate.
#[derive(Clone, Debug)]
struct Intake {
    /// Input samples per hop sample.
    ratio: u32,
    /// Two running sums and two differences make the mean of means over `ratio` samples: a soft low pass for two
    /// additions a sample. The sums wrap around, and the differences take that back.
    sums: [i32; 2],
    combs: [i32; 2],
    counted: u32,
    hop: [f32; HOP],
    filled: usize,
}

impl Intake {
    fn new(rate: Rate) -> Intake {
        let ratio = (rate.hz() + 4_000) / 8_000;
        Intake { ratio, sums: [0; 2], combs: [0; 2], counted: 0, hop: [0.0; HOP], filled: 0 }
    }

    fn hop_duration(&self, rate: Rate) -> Duration {
        rate.duration_of(HOP as u64 * self.ratio as u64)
    }

    fn take(&mut self, samples: &mut &[i16]) -> Option<[f32; HOP]> {
        if self.ratio == 1 {
            let wanted = (HOP - self.filled).min(samples.len());
            let (now, later) = samples.split_at(wanted);
            for (slot, &sample) in self.hop[self.filled..].iter_mut().zip(now) {
                *slot = sample as f32;
            }
            self.filled += wanted;
            *samples = later;
        } else {
            let scale = 1.0 / (self.ratio * self.ratio) as f32;
            while self.filled < HOP
                && let Some((&sample, later)) = samples.split_first()
            {
                *samples = later;
                self.sums[0] = self.sums[0].wrapping_add(sample as i32);
                self.sums[1] = self.sums[1].wrapping_add(self.sums[0]);
                self.counted += 1;
                if self.counted == self.ratio {
                    self.counted = 0;
                    let first = self.sums[1].wrapping_sub(self.combs[0]);
                    let second = first.wrapping_sub(self.combs[1]);
                    self.combs = [self.sums[1], first];
                    self.hop[self.filled] = second as f32 * scale;
                    self.filled += 1;
                }
            }
        }
        if self.filled < HOP {
            return None;
        }
        self.filled = 0;
        Some(self.hop)
    }
}

/// Power of full scale in dB, against a power of 1.
const FULL_SCALE_DB: f32 = 90.308_7;

/// Decibels of a power, good to a few hundredths.
fn decibels(power: f32) -> f32 {
    // log2 is the exponent plus a polynomial in the mantissa; 10 · log10(2) makes decibels of it.
    let bits = power.max(1e-3).to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let m = f32::from_bits(bits & 0x007F_FFFF | 0x3F80_0000);
    let log2 = exponent as f32 + (-2.153_620_7 + (3.047_884_7 + (-1.051_875 + 0.158_248_7 * m) * m) * m);
    std::f32::consts::LOG10_2 * 10.0 * log2
}

/// From any number to 0..1, one half at zero.
fn squash(x: f32) -> f32 {
    0.5 + 0.5 * x / (1.0 + x.abs())
}
