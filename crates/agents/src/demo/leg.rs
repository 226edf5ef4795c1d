//! What the built-in agent does about what it hears.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{AgentCommand, AgentDeparture, AgentEvent, AgentLeft, AgentReady, Retry, Said, ToolCall};
use serde_json::json;

use super::ear::{Ear, Heard};
use super::mouth::{self, Mouth, Part};
use crate::prompts::Prompt;

/// Silence from both sides before it asks whether anybody is there, and again before it gives up.
const IDLE: Duration = Duration::from_secs(10);

/// How often it asks.
const ASKS_MAX: u8 = 2;

/// Every so many answers it reminds the caller of what can be done.
const REMINDER_EVERY: u64 = 3;

/// How a conversation with the built-in agent begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rate of the caller's leg, both ways.
    pub caller_rate: Rate,
    /// The conversation that goes on: there is no greeting then, unless nothing was said yet.
    pub resume: Option<Vec<Said>>,
    /// Chance, for a little variety.
    pub seed: u64,
    /// Whom key 2 hands the caller to. Without anybody it says that it cannot.
    pub transfer_to: Option<String>,
}

/// The built-in agent in one call.
#[derive(Debug)]
pub struct Leg {
    /// The sum of what was heard: there is no other clock.
    now: Duration,
    ear: Ear,
    mouth: Mouth,
    mood: Mood,
    is_resumed: bool,
    chance: u64,
    turns: u64,
    tools: u64,
    transfer_to: Option<String>,
}

#[derive(Debug)]
enum Mood {
    Talking {
        /// When the caller last gave a sign of life.
        active: Duration,
        asked: u8,
    },
    /// Something was asked of the call that ends this conversation, unless it fails.
    Parting {
        tool: String,
    },
    Gone,
}

impl Leg {
    pub fn new(plan: Plan) -> Leg {
        Leg {
            now: Duration::ZERO,
            ear: Ear::new(plan.caller_rate),
            mouth: Mouth::new(plan.caller_rate),
            mood: Mood::Talking { active: Duration::ZERO, asked: 0 },
            is_resumed: plan.resume.is_some_and(|conversation| !conversation.is_empty()),
            chance: plan.seed,
            turns: 0,
            tools: 0,
            transfer_to: plan.transfer_to,
        }
    }

    /// Begins the conversation.
    pub fn open(&mut self, events: &mut Vec<AgentEvent>) {
        events.push(AgentEvent::Ready(AgentReady { session: None, formats: None }));
        if !self.is_resumed {
            self.say(&[Prompt::Greeting], events);
        }
    }

    /// Does what the call asks.
    pub fn write(&mut self, command: &AgentCommand, events: &mut Vec<AgentEvent>) {
        if matches!(self.mood, Mood::Gone) {
            return;
        }
        match command {
            AgentCommand::Hear(frame) => self.hear(frame, events),
            AgentCommand::Digits(digits) => self.pressed(digits, events),
            AgentCommand::ToolResult { id, is_error, .. } => self.tool_ended(id, *is_error, events),
            AgentCommand::Say { .. } => events.push(AgentEvent::CannotSay),
            AgentCommand::HeardUpTo { .. } | AgentCommand::Context { .. } => {}
            AgentCommand::Leave => {
                self.mood = Mood::Gone;
                events.push(AgentEvent::Left(AgentDeparture {
                    cause: AgentLeft::Finished,
                    retry: Retry::Over,
                    detail: "the built-in agent left as asked".to_owned(),
                }));
            }
        }
    }

    fn hear(&mut self, frame: &Frame, events: &mut Vec<AgentEvent>) {
        self.now += frame.duration();
        let heard = self.ear.hear(&frame.samples);
        let Mood::Talking { active, asked } = &mut self.mood else {
            return;
        };
        if self.ear.is_hearing_speech() || heard.is_some() {
            (*active, *asked) = (self.now, 0);
        }
        match heard {
            Some(Heard::Began) => self.mouth.stop(self.now, events),
            Some(Heard::Turn { samples, spoken }) => self.answer(samples, spoken, events),
            None => self.mind_the_silence(events),
        }
    }

    fn answer(&mut self, samples: Vec<i16>, spoken: Duration, events: &mut Vec<AgentEvent>) {
        // It understands no words, and does not pretend to.
        let text = format!("({:.1} s of speech)", spoken.as_secs_f32());
        events.push(AgentEvent::CallerSaid { text, is_final: true });

        let mut parts = vec![Part::Prompt(Prompt::YouSaid), Part::Playback { samples, spoken }];
        if self.turns.is_multiple_of(REMINDER_EVERY) {
            parts.push(Part::Prompt(Prompt::GoOn));
        } else if self.toss() {
            parts.push(Part::Prompt(Prompt::YourTurn));
        }
        self.turns += 1;
        self.mouth.say(self.now, parts, events);
    }

    fn pressed(&mut self, digits: &str, events: &mut Vec<AgentEvent>) {
        let Mood::Talking { active, asked } = &mut self.mood else {
            return;
        };
        (*active, *asked) = (self.now, 0);
        self.mouth.stop(self.now, events);
        match digits {
            "1" => self.tell_the_time(events),
            "2" => match self.transfer_to.clone() {
                Some(number) => {
                    self.say(&[Prompt::Transfer], events);
                    let arguments = json!({"number": number, "reason": "the caller pressed 2"});
                    self.part("transfer_to_number", arguments, events);
                }
                None => self.say(&[Prompt::NoTransfer], events),
            },
            "9" | "#" => {
                self.say(&[Prompt::Goodbye], events);
                self.part("end_call", json!({"reason": format!("the caller pressed {digits}")}), events);
            }
            _ => {
                let mut prompts = vec![Prompt::YouPressed];
                prompts.extend(digits.chars().take(KEYS_MAX).map(mouth::key));
                self.say(&prompts, events);
            }
        }
    }

    fn tell_the_time(&mut self, events: &mut Vec<AgentEvent>) {
        let (minutes, seconds) = (self.now.as_secs() / 60, self.now.as_secs() % 60);
        let mut prompts = vec![Prompt::TalkedFor];
        if minutes >= 60 {
            prompts.push(Prompt::OverAnHour);
        } else {
            if minutes > 0 {
                prompts.extend(mouth::number(minutes));
                prompts.push(if minutes == 1 { Prompt::Minute } else { Prompt::Minutes });
                prompts.push(Prompt::And);
            }
            prompts.extend(mouth::number(seconds));
            prompts.push(if seconds == 1 { Prompt::Second } else { Prompt::Seconds });
        }
        self.say(&prompts, events);
    }

    fn mind_the_silence(&mut self, events: &mut Vec<AgentEvent>) {
        let Mood::Talking { active, asked } = &mut self.mood else {
            return;
        };
        if self.now < self.mouth.heard_by().max(*active) + IDLE {
            return;
        }
        if *asked < ASKS_MAX {
            *asked += 1;
            self.say(&[Prompt::StillThere], events);
        } else {
            self.say(&[Prompt::NobodyThere], events);
            self.part("end_call", json!({"reason": "nobody said anything"}), events);
        }
    }

    fn tool_ended(&mut self, id: &str, is_error: bool, events: &mut Vec<AgentEvent>) {
        if is_error && matches!(&self.mood, Mood::Parting { tool } if tool == id) {
            self.mood = Mood::Talking { active: self.now, asked: 0 };
            self.say(&[Prompt::NoTransfer], events);
        }
    }

    fn say(&mut self, prompts: &[Prompt], events: &mut Vec<AgentEvent>) {
        let parts = prompts.iter().map(|&prompt| Part::Prompt(prompt)).collect();
        self.mouth.say(self.now, parts, events);
    }

    /// Asks the call for what ends this conversation.
    fn part(&mut self, name: &str, arguments: serde_json::Value, events: &mut Vec<AgentEvent>) {
        self.tools += 1;
        let id = format!("demo-{}", self.tools);
        events.push(AgentEvent::ToolCalled(ToolCall {
            id: id.clone(),
            name: name.to_owned(),
            arguments,
            wants_answer: true,
        }));
        self.mood = Mood::Parting { tool: id };
    }

    /// One chance in two. xorshift64: enough for table manners.
    fn toss(&mut self) -> bool {
        let mut x = self.chance.max(1);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.chance = x;
        x.count_ones().is_multiple_of(2)
    }
}

/// More keys than anybody listens to being read out.
const KEYS_MAX: usize = 20;
