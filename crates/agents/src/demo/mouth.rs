//! Speaking, and knowing about when it will have been heard.
//!
//! Like a real provider's, an answer is given all at once and faster than it is spoken. What the caller has heard of it
//! by now can only be guessed from the time that has passed since.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{AgentEvent, AnswerId};

use crate::prompts::{self, Prompt};

/// The longest piece of an answer.
const PIECE_MAX: Duration = Duration::from_millis(500);

/// Between words put together to a sentence.
const GAP: Duration = Duration::from_millis(90);

/// What an answer is made of.
#[derive(Debug)]
pub(super) enum Part {
    Prompt(Prompt),
    /// The caller's own words.
    Playback {
        samples: Vec<i16>,
        spoken: Duration,
    },
}

#[derive(Debug)]
pub(super) struct Mouth {
    rate: Rate,
    answer: AnswerId,
    /// When the last answer will have been heard in full, on the leg's clock.
    heard_by: Duration,
}

impl Mouth {
    pub(super) fn new(rate: Rate) -> Mouth {
        Mouth { rate, answer: AnswerId(0), heard_by: Duration::ZERO }
    }

    /// Gives one answer.
    pub(super) fn say(&mut self, now: Duration, parts: Vec<Part>, events: &mut Vec<AgentEvent>) {
        let gap = vec![0; self.rate.samples_in(GAP) as usize];
        let (mut text, mut samples) = (String::new(), Vec::new());
        for part in parts {
            if !text.is_empty() {
                text.push(' ');
                samples.extend_from_slice(&gap);
            }
            match part {
                Part::Prompt(prompt) => {
                    text.push_str(prompts::text(prompt));
                    samples.extend_from_slice(prompts::samples(prompt, self.rate));
                }
                Part::Playback { samples: words, spoken } => {
                    text.push_str(&format!("({:.1} s of the caller's own words)", spoken.as_secs_f32()));
                    samples.extend_from_slice(&words);
                }
            }
        }

        self.answer = AnswerId(self.answer.0 + 1);
        let answer = self.answer;
        events.push(AgentEvent::Says { answer, text });
        for piece in samples.chunks(self.rate.samples_in(PIECE_MAX) as usize) {
            events.push(AgentEvent::Audio { answer, frame: Frame::new(self.rate, piece.to_vec()) });
        }
        events.push(AgentEvent::AnswerEnded { answer });
        self.heard_by = self.heard_by.max(now) + self.rate.duration_of(samples.len() as u64);
    }

    /// Falls silent, if there is anything to be silent about.
    pub(super) fn stop(&mut self, now: Duration, events: &mut Vec<AgentEvent>) {
        if now < self.heard_by {
            self.heard_by = now;
            events.push(AgentEvent::Interrupted { answer: self.answer });
        }
    }

    pub(super) fn heard_by(&self) -> Duration {
        self.heard_by
    }
}

/// A number of telephone size in words.
pub(super) fn number(value: u64) -> Vec<Prompt> {
    use Prompt::*;
    const BELOW_TWENTY: [Prompt; 20] = [
        Zero, One, Two, Three, Four, Five, Six, Seven, Eight, Nine, Ten, Eleven, Twelve, Thirteen, Fourteen,
        Fifteen, Sixteen, Seventeen, Eighteen, Nineteen,
    ];
    const TENS: [Prompt; 4] = [Twenty, Thirty, Forty, Fifty];
    let value = value.min(59) as usize;
    match value {
        0..20 => vec![BELOW_TWENTY[value]],
        _ if value.is_multiple_of(10) => vec![TENS[value / 10 - 2]],
        _ => vec![TENS[value / 10 - 2], BELOW_TWENTY[value % 10]],
    }
}

/// A key by its name.
pub(super) fn key(symbol: char) -> Prompt {
    match symbol {
        '*' => Prompt::Star,
        '#' => Prompt::Hash,
        _ => symbol.to_digit(10).map_or(Prompt::UnknownKey, |digit| number(u64::from(digit))[0]),
    }
}
