//! The person who calls: what they say, when, and what they make of what they hear.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use audio::resample::Resampler;
use audio::vad::{Config, Detector};
use audio::{Frame, Rate};
use lab::caller::{Afterwards, Caller, Step, bundled_interruption, bundled_sample};

use super::Words;

/// Ten minutes of speech at the best rate we read; more is a mistake, not a question.
const WAV_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A greeting is over when nothing followed for so long. Shorter, and its pauses are taken for its end.
const GREETING_ENDS: Duration = Duration::from_millis(900);

/// An answer may have longer pauses: an agent that thinks, a sentence played back.
const ANSWER_ENDS: Duration = Duration::from_millis(1_200);

/// How far into an answer the caller cuts in.
const CUTS_IN_AFTER: Duration = Duration::from_millis(1_200);

/// For how long a caller waits for an agent that says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the caller says.
pub(super) fn what_to_say(wav: Option<&Path>) -> Result<Frame, Words> {
    let Some(path) = wav else { return Ok(bundled_sample()) };
    let name = path.display();
    let length = std::fs::metadata(path).map_err(|error| format!("{name} cannot be read: {error}"))?.len();
    if length > WAV_BYTES_MAX {
        return Err(format!("{name} is larger than {} MB; cut it", WAV_BYTES_MAX >> 20));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let says = audio::wav::read(&bytes).map_err(|error| format!("{name}: {error}"))?;
    if says.duration() < Duration::from_millis(100) {
        return Err(format!("{name} holds no speech: it lasts {} ms", says.duration().as_millis()));
    }
    Ok(says)
}

/// What the person at the keyboard wants of the caller.
#[derive(Debug)]
pub(super) struct Wishes<'a> {
    pub(super) says: &'a Frame,
    pub(super) interrupts: bool,
    pub(super) digits: &'a str,
    /// The built-in agent hangs up when told to by key 9. Others are hung up on.
    pub(super) built_in_agent: bool,
}

/// Greeting, question, answer, keys, goodbye.
pub(super) fn script(wishes: &Wishes<'_>) -> Result<Caller, Words> {
    if let Some(no_key) = wishes.digits.chars().find(|key| call::Digit::parse(*key).is_none()) {
        return Err(format!("`{no_key}` is no telephone key; --digits takes 0 to 9, *, # and A to D"));
    }
    let mut steps = vec![
        Step::WaitForAgentSpeech,
        Step::WaitForAgentSilence(GREETING_ENDS),
        Step::Speak(wishes.says.clone()),
    ];
    if wishes.interrupts {
        steps.extend([
            Step::WaitForAgentSpeech,
            Step::Wait(CUTS_IN_AFTER),
            Step::Speak(bundled_interruption()),
        ]);
    }
    let answer = [Step::WaitForAgentSpeech, Step::WaitForAgentSilence(ANSWER_ENDS)];
    steps.extend(answer.clone());
    for key in wishes.digits.chars() {
        steps.push(Step::Press(key.to_string()));
        steps.extend(answer.clone());
    }
    if wishes.built_in_agent {
        // It says goodbye and hangs up. A caller who is left hanging does so after a while.
        steps.extend([Step::Press("9".to_owned()), Step::Wait(Duration::from_secs(8))]);
    }
    steps.push(Step::HangUp);
    Ok(Caller { steps, afterwards: Afterwards::HangUp, patience: PATIENCE, ..Caller::default() })
}

/// How long the caller speaks in all.
pub(super) fn speech_in(caller: &Caller) -> Duration {
    let speech = caller.steps.iter().map(|step| match step {
        Step::Speak(frame) => frame.duration(),
        _ => Duration::ZERO,
    });
    speech.sum()
}

/// A line's clock.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Keys are pressed so far apart.
const BETWEEN_KEYS: Duration = Duration::from_millis(200);

/// A caller in the middle of a call, on the line's 20 ms clock.
pub(super) struct Person {
    rate: Rate,
    steps: VecDeque<Step>,
    patience: Duration,
    entered: bool,
    in_step: Duration,
    speech: VecDeque<i16>,
    keys: VecDeque<char>,
    until_next_key: Duration,
    ear: Detector,
    hears_agent: bool,
    heard_agent_in_step: bool,
    quiet_for: Duration,
}

/// What a caller does in 20 ms.
#[derive(Debug, Default)]
pub(super) struct Tick {
    pub(super) frame: Vec<i16>,
    pub(super) pressed: Option<char>,
    pub(super) began_speaking: bool,
    /// Whether the agent has just begun, or ceased, to be heard.
    pub(super) noticed: Option<bool>,
    pub(super) hangs_up: bool,
    pub(super) lost_patience: bool,
}

impl Person {
    pub(super) fn new(caller: &Caller, rate: Rate) -> Person {
        let at_rate = |step: &Step| match step {
            Step::Speak(frame) => Step::Speak(Frame::new(rate, resampled(frame, rate))),
            other => other.clone(),
        };
        let attentive = Config { hangover: Duration::from_millis(100), ..Config::default() };
        Person {
            rate,
            steps: caller.steps.iter().map(at_rate).collect(),
            patience: caller.patience,
            entered: false,
            in_step: Duration::ZERO,
            speech: VecDeque::new(),
            keys: VecDeque::new(),
            until_next_key: Duration::ZERO,
            ear: Detector::with_config(rate, &attentive),
            hears_agent: false,
            heard_agent_in_step: false,
            quiet_for: Duration::ZERO,
        }
    }

    /// Lives through 20 ms in which `heard` came out of the receiver.
    pub(super) fn tick(&mut self, heard: &[i16]) -> Tick {
        let hears_agent = self.ear.push(heard).speaking;
        let noticed = (hears_agent != self.hears_agent).then_some(hears_agent);
        self.hears_agent = hears_agent;
        self.quiet_for = if hears_agent { Duration::ZERO } else { self.quiet_for + TICK };

        let was_silent = self.speech.is_empty();
        let (hangs_up, lost_patience) = self.follow_script();
        let began_speaking = was_silent && !self.speech.is_empty();

        let samples = self.rate.samples_in(TICK) as usize;
        let mut frame: Vec<i16> = self.speech.drain(..samples.min(self.speech.len())).collect();
        frame.resize(samples, 0);
        let pressed = if self.until_next_key.is_zero() { self.keys.pop_front() } else { None };
        if pressed.is_some() {
            self.until_next_key = BETWEEN_KEYS;
        }
        self.until_next_key = self.until_next_key.saturating_sub(TICK);
        Tick { frame, pressed, began_speaking, noticed, hangs_up, lost_patience }
    }

    /// Takes as many steps as this moment allows. Says whether to hang up, and whether out of impatience.
    fn follow_script(&mut self) -> (bool, bool) {
        while let Some(step) = self.steps.front() {
            if !self.entered {
                self.entered = true;
                self.in_step = Duration::ZERO;
                self.heard_agent_in_step = false;
                match step {
                    Step::Speak(frame) => self.speech.extend(&frame.samples),
                    Step::Press(keys) => self.keys.extend(keys.chars()),
                    _ => {}
                }
            }
            self.heard_agent_in_step |= self.hears_agent;
            let done = match step {
                Step::Speak(_) => self.speech.is_empty(),
                Step::Press(_) => self.keys.is_empty(),
                Step::Wait(time) => self.in_step >= *time,
                Step::WaitForAgentSpeech => self.hears_agent,
                Step::WaitForAgentSilence(time) => self.heard_agent_in_step && self.quiet_for >= *time,
                Step::HangUp => return (true, false),
            };
            let waits = matches!(step, Step::WaitForAgentSpeech | Step::WaitForAgentSilence(_));
            if !done {
                self.in_step += TICK;
                let lost_patience = waits && self.in_step > self.patience;
                return (lost_patience, lost_patience);
            }
            self.steps.pop_front();
            self.entered = false;
        }
        (true, false)
    }
}

/// The whole of a sound at another rate, without the resampler's delay.
fn resampled(frame: &Frame, to: Rate) -> Vec<i16> {
    let mut resampler = Resampler::new(frame.rate, to);
    let delay = resampler.group_delay();
    let mut out = Vec::new();
    resampler.process(&frame.samples, &mut out);
    // What is still inside comes out behind silence.
    let behind = vec![0; frame.rate.samples_in(delay * 2) as usize + 64];
    resampler.process(&behind, &mut out);
    out.drain(..(to.samples_in(delay) as usize).min(out.len()));
    out.truncate(to.samples_in(frame.duration()) as usize);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live_through(person: &mut Person, heard: &[i16], ticks: usize) -> Vec<Tick> {
        let mut pieces = heard.chunks_exact(320);
        (0..ticks).map(|_| person.tick(pieces.next().unwrap_or(&[0; 320]))).collect()
    }

    fn greeting() -> Vec<i16> {
        lab::voice::speech("Hello, this is the front desk.", Rate::Hz16000).samples
    }

    #[test]
    fn a_caller_speaks_when_the_greeting_is_over_and_not_before() {
        let says = bundled_sample();
        let wishes = Wishes { says: &says, interrupts: false, digits: "", built_in_agent: true };
        let mut person = Person::new(&script(&wishes).unwrap(), Rate::Hz16000);

        let ticks = live_through(&mut person, &greeting(), 250);

        let began = ticks.iter().position(|tick| tick.began_speaking).unwrap();
        // 1.8 s of greeting, whose last sign is a stop, and 0.9 s of silence.
        assert!((125..=150).contains(&began), "{began}");
        assert!(ticks[..began].iter().all(|tick| tick.frame.iter().all(|sample| *sample == 0)));
        assert!(ticks.iter().all(|tick| !tick.hangs_up));
    }

    #[test]
    fn a_caller_without_an_agent_loses_patience() {
        let caller =
            Caller { patience: Duration::from_secs(1), ..Caller::with_steps(vec![Step::WaitForAgentSpeech]) };

        let ticks = live_through(&mut Person::new(&caller, Rate::Hz16000), &[], 60);

        assert_eq!(ticks.iter().position(|tick| tick.lost_patience && tick.hangs_up), Some(50));
    }

    #[test]
    fn keys_are_pressed_one_after_the_other_and_then_the_caller_hangs_up() {
        let caller = Caller::with_steps(vec![Step::Press("12".to_owned()), Step::HangUp]);

        let ticks = live_through(&mut Person::new(&caller, Rate::Hz16000), &[], 30);

        let pressed: Vec<(usize, char)> =
            ticks.iter().enumerate().filter_map(|(at, tick)| Some((at, tick.pressed?))).collect();
        assert_eq!(pressed, [(0, '1'), (10, '2')]);
        assert_eq!(ticks.iter().position(|tick| tick.hangs_up), Some(11));
    }

    #[test]
    fn speech_of_any_rate_keeps_its_length() {
        for rate in Rate::ALL {
            let second = Frame::new(rate, vec![1_000; rate.hz() as usize]);
            assert_eq!(resampled(&second, Rate::Hz16000).len(), 16_000, "{rate:?}");
        }
    }

    #[test]
    fn only_telephone_keys_are_keys() {
        let says = bundled_sample();
        let wishes = Wishes { says: &says, interrupts: false, digits: "1x", built_in_agent: false };

        assert!(script(&wishes).unwrap_err().contains("`x`"));
    }
}
