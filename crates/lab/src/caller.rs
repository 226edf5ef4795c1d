//! The person on the phone: a short script of speaking, waiting, listening and pressing keys.
//!
//! A caller lives on the line's 20 ms clock and knows only what a person would: what has been heard so far.

use std::collections::VecDeque;
use std::time::Duration;

use audio::{Frame, Rate};

use crate::chance::Chance;
use crate::hearing::{Change, Hearing};
use crate::sound::{TICK, TICK_SAMPLES, resampled};

/// A scripted caller.
#[derive(Clone, Debug)]
pub struct Caller {
    pub steps: Vec<Step>,
    /// What the caller does when the script is done.
    pub afterwards: Afterwards,
    /// Level of the noise on the caller's line; none means digital silence between words.
    pub noise_dbfs: Option<f32>,
    /// A caller who waits longer than this in one step for something to happen hangs up.
    pub patience: Duration,
    /// The same seed gives the same noise.
    pub seed: u64,
}

impl Default for Caller {
    fn default() -> Caller {
        Caller {
            steps: Vec::new(),
            afterwards: Afterwards::StayOnTheLine,
            noise_dbfs: None,
            patience: Duration::from_secs(60),
            seed: 1,
        }
    }
}

impl Caller {
    /// Somebody who says nothing and stays until the other side hangs up.
    pub fn silent() -> Caller {
        Caller::default()
    }

    /// Goes through `steps`, then stays on the line.
    pub fn with_steps(steps: Vec<Step>) -> Caller {
        Caller { steps, ..Caller::default() }
    }
}

/// One thing a caller does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Says this, to its end.
    Speak(Frame),
    Wait(Duration),
    /// Until something like speech is heard.
    WaitForAgentSpeech,
    /// Until nothing has been heard for so long. Silence before the first word does not count as an answer's end.
    WaitForAgentSilence(Duration),
    /// Keys, a fifth of a second apart.
    Press(String),
    HangUp,
}

/// What a caller does after the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    HangUp,
    StayOnTheLine,
}

/// A short spoken sentence at 8 kHz ("Hello, I would like to know your opening hours, please.").
// Made by: espeak-ng -v en-us -s 160 -w a.wav "Hello, I would like to know your opening hours, please." &&
//          sox a.wav -r 8000 -c 1 -e u-law crates/lab/assets/opening-hours.wav norm -6
pub fn bundled_sample() -> Frame {
    bundled(include_bytes!("../assets/opening-hours.wav"))
}

/// A second one, for interrupting ("No, wait. Please connect me to a person.").
// Made by: espeak-ng -v en-gb -s 165 -w a.wav "No, wait. Please connect me to a person." &&
//          sox a.wav -r 8000 -c 1 -e u-law crates/lab/assets/connect-me.wav norm -6
pub fn bundled_interruption() -> Frame {
    bundled(include_bytes!("../assets/connect-me.wav"))
}

fn bundled(file: &[u8]) -> Frame {
    #[expect(clippy::expect_used, reason = "a file of this crate, read by a test")]
    audio::wav::read(file).expect("a bundled sample is a readable WAV")
}

/// What a caller does in one tick of the line.
#[derive(Debug)]
pub(crate) struct Tick {
    /// 20 ms at 8 kHz.
    pub(crate) frame: Vec<i16>,
    pub(crate) pressed: Option<char>,
    pub(crate) hangs_up: bool,
    /// The caller noticed the other side beginning or ceasing to speak.
    pub(crate) noticed: Option<Change>,
    pub(crate) began_speaking: bool,
    pub(crate) lost_patience: bool,
}

const BETWEEN_KEYS: Duration = Duration::from_millis(200);
/// Ten minutes of speech waiting to be said; more is not a caller but a mistake.
const SPEECH_SAMPLES_MAX: usize = 8_000 * 600;

/// A caller in the middle of a call.
#[derive(Debug)]
pub(crate) struct Calling {
    steps: VecDeque<Step>,
    afterwards: Afterwards,
    patience: Duration,
    noise: Option<(f64, Chance)>,
    speech: VecDeque<i16>,
    keys: VecDeque<char>,
    until_next_key: Duration,
    in_step: Duration,
    entered: bool,
    hearing: Hearing,
    hears_agent: bool,
    heard_agent_in_step: bool,
}

impl Calling {
    pub(crate) fn new(caller: Caller) -> Calling {
        let noise = caller.noise_dbfs.map(|dbfs| {
            // Even noise from -a to a has the effective value a/√3.
            (32_768.0 * 10f64.powf(f64::from(dbfs) / 20.0) * 3f64.sqrt(), Chance::seeded(caller.seed))
        });
        Calling {
            steps: caller.steps.into(),
            afterwards: caller.afterwards,
            patience: caller.patience,
            noise,
            speech: VecDeque::new(),
            keys: VecDeque::new(),
            until_next_key: Duration::ZERO,
            in_step: Duration::ZERO,
            entered: false,
            hearing: Hearing::new(Duration::from_millis(60), Duration::from_millis(300)),
            hears_agent: false,
            heard_agent_in_step: false,
        }
    }

    pub(crate) fn speak(&mut self, frame: &Frame) {
        let room = SPEECH_SAMPLES_MAX.saturating_sub(self.speech.len());
        self.speech.extend(resampled(frame, Rate::Hz8000).into_iter().take(room));
    }

    pub(crate) fn press(&mut self, digits: &str) {
        self.keys.extend(digits.chars().filter(|c| "0123456789*#ABCD".contains(*c)).take(200));
    }

    /// Lives through 20 ms in which `heard` came out of the receiver.
    pub(crate) fn tick(&mut self, heard: &[i16]) -> Tick {
        let noticed = self.hearing.hear(heard, TICK);
        match noticed {
            Some(Change::Started) => self.hears_agent = true,
            Some(Change::Stopped) => self.hears_agent = false,
            None => {}
        }
        let was_silent = self.speech.is_empty();
        let (hangs_up, lost_patience) = self.follow_script();
        let began_speaking = was_silent && !self.speech.is_empty();

        let mut frame: Vec<i16> = self.speech.drain(..TICK_SAMPLES.min(self.speech.len())).collect();
        frame.resize(TICK_SAMPLES, 0);
        if let Some((amplitude, chance)) = &mut self.noise {
            for sample in &mut frame {
                let noise = (chance.fraction() * 2.0 - 1.0) * *amplitude;
                *sample = sample.saturating_add(noise as i16);
            }
        }
        let pressed = if self.until_next_key.is_zero() { self.keys.pop_front() } else { None };
        if pressed.is_some() {
            self.until_next_key = BETWEEN_KEYS;
        }
        self.until_next_key = self.until_next_key.saturating_sub(TICK);
        Tick { frame, pressed, hangs_up, noticed, began_speaking, lost_patience }
    }

    /// Takes as many steps as this moment allows. Says whether to hang up, and whether out of impatience.
    fn follow_script(&mut self) -> (bool, bool) {
        loop {
            let Some(step) = self.steps.front().cloned() else {
                let done = self.speech.is_empty() && self.keys.is_empty();
                return (self.afterwards == Afterwards::HangUp && done, false);
            };
            if !self.entered {
                self.entered = true;
                self.in_step = Duration::ZERO;
                self.heard_agent_in_step = self.hears_agent;
                match &step {
                    Step::Speak(frame) => self.speak(frame),
                    Step::Press(digits) => self.press(digits),
                    _ => {}
                }
            }
            self.heard_agent_in_step |= self.hears_agent;
            let (done, may_wait_forever) = match step {
                Step::Speak(_) => (self.speech.is_empty(), true),
                Step::Press(_) => (self.keys.is_empty(), true),
                Step::Wait(time) => (self.in_step >= time, true),
                Step::WaitForAgentSpeech => (self.hears_agent, false),
                Step::WaitForAgentSilence(time) => {
                    (self.heard_agent_in_step && self.hearing.quiet_for() >= time, false)
                }
                Step::HangUp => return (true, false),
            };
            if !done {
                self.in_step += TICK;
                let lost_patience = !may_wait_forever && self.in_step > self.patience;
                return (lost_patience, lost_patience);
            }
            self.steps.pop_front();
            self.entered = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: [i16; TICK_SAMPLES] = [0; TICK_SAMPLES];

    #[test]
    fn bundled_samples_are_speech_at_telephone_rate() {
        for sample in [bundled_sample(), bundled_interruption()] {
            assert_eq!(sample.rate, Rate::Hz8000);
            assert!(sample.duration() > Duration::from_secs(1) && sample.duration() < Duration::from_secs(7));
            assert!(crate::hearing::level_dbfs(&sample.samples) > -35.0);
        }
    }

    #[test]
    fn caller_speaks_waits_presses_and_hangs_up_on_the_clock() {
        let mut caller = Calling::new(Caller::with_steps(vec![
            Step::Wait(Duration::from_millis(100)),
            Step::Speak(Frame::new(Rate::Hz8000, vec![9_000; 320])),
            Step::Press("12".into()),
            Step::HangUp,
        ]));

        let ticks: Vec<Tick> = (0..40).map(|_| caller.tick(&SILENCE)).collect();

        assert!(ticks[..5].iter().all(|tick| tick.frame.iter().all(|s| *s == 0)));
        assert_eq!(ticks[5].frame, vec![9_000; 160]);
        assert_eq!(ticks[6].frame, vec![9_000; 160]);
        assert!(ticks[7].frame.iter().all(|s| *s == 0));
        let pressed: Vec<(usize, char)> =
            ticks.iter().enumerate().filter_map(|(n, tick)| Some((n, tick.pressed?))).collect();
        assert_eq!(pressed, [(7, '1'), (17, '2')]);
        assert!(ticks.iter().position(|tick| tick.hangs_up) > Some(17));
    }

    #[test]
    fn caller_waits_for_the_agent_to_begin_and_to_finish() {
        let mut caller = Calling::new(Caller {
            steps: vec![Step::WaitForAgentSpeech, Step::WaitForAgentSilence(Duration::from_millis(400))],
            afterwards: Afterwards::HangUp,
            ..Caller::default()
        });
        let speech = crate::voice::speech("Hello there, caller", Rate::Hz8000);

        for _ in 0..50 {
            assert!(!caller.tick(&SILENCE).hangs_up);
        }
        for piece in speech.samples.chunks_exact(TICK_SAMPLES) {
            assert!(!caller.tick(piece).hangs_up);
        }
        let silent_ticks = (0..60).position(|_| caller.tick(&SILENCE).hangs_up);

        assert!(silent_ticks.is_some_and(|ticks| (15..=25).contains(&ticks)), "{silent_ticks:?}");
    }

    #[test]
    fn caller_without_an_answer_loses_patience() {
        let mut caller = Calling::new(Caller {
            steps: vec![Step::WaitForAgentSpeech],
            patience: Duration::from_secs(2),
            ..Caller::default()
        });

        let gave_up = (0..200).position(|_| caller.tick(&SILENCE).lost_patience);

        assert_eq!(gave_up, Some(100));
    }
}
