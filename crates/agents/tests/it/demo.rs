//! Conversations with the built-in agent. The caller is a recorded voice.

use std::time::Duration;

use agents::demo::{Leg, Plan};
use agents::prompts::{self, Prompt};
use audio::{Frame, Rate, tone};
use call::{AgentCommand, AgentEvent, AgentLeft, AnswerId, Retry, Said, Side, ToolCall};
use proptest::prelude::*;

pub(crate) struct Conversation {
    leg: Leg,
    rate: Rate,
    pub(crate) events: Vec<AgentEvent>,
}

impl Conversation {
    pub(crate) fn with(plan: Plan) -> Conversation {
        let rate = plan.caller_rate;
        let mut conversation = Conversation { leg: Leg::new(plan), rate, events: Vec::new() };
        conversation.leg.open(&mut conversation.events);
        conversation
    }

    pub(crate) fn at(rate: Rate) -> Conversation {
        Conversation::with(Plan {
            caller_rate: rate,
            resume: None,
            seed: 7,
            transfer_to: Some("+4930123".to_owned()),
        })
    }

    /// Past the greeting.
    fn under_way() -> Conversation {
        let mut conversation = Conversation::at(Rate::Hz8000);
        let greeting = speech_of(&conversation.told());
        conversation.silence(greeting.len() as u64 / 8 + 500);
        conversation
    }

    pub(crate) fn write(&mut self, command: AgentCommand) {
        self.leg.write(&command, &mut self.events);
    }

    pub(crate) fn hear(&mut self, samples: &[i16]) {
        for piece in samples.chunks(self.rate.samples_in(Duration::from_millis(20)) as usize) {
            self.write(AgentCommand::Hear(Frame::new(self.rate, piece.to_vec())));
        }
    }

    pub(crate) fn say(&mut self, prompt: Prompt) {
        self.hear(prompts::samples(prompt, self.rate));
    }

    pub(crate) fn silence(&mut self, ms: u64) {
        self.hear(&vec![0; self.rate.samples_in(Duration::from_millis(ms)) as usize]);
    }

    pub(crate) fn told(&mut self) -> Vec<AgentEvent> {
        std::mem::take(&mut self.events)
    }
}

fn speech_of(events: &[AgentEvent]) -> Vec<i16> {
    events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Audio { frame, .. } => Some(frame.samples.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

fn texts(events: &[AgentEvent]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Says { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect()
}

fn tool(events: &[AgentEvent]) -> Option<&ToolCall> {
    events.iter().find_map(|event| match event {
        AgentEvent::ToolCalled(tool) => Some(tool),
        _ => None,
    })
}

#[test]
fn it_greets_with_what_it_says_in_letters() {
    for rate in [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000] {
        let told = Conversation::at(rate).told();

        assert!(matches!(told[0], AgentEvent::Ready(_)));
        assert_eq!(texts(&told), [prompts::text(Prompt::Greeting)]);
        assert_eq!(speech_of(&told), prompts::samples(Prompt::Greeting, rate));
        assert_eq!(told.last(), Some(&AgentEvent::AnswerEnded { answer: AnswerId(1) }));
        for event in &told {
            if let AgentEvent::Audio { frame, .. } = event {
                assert!(frame.rate == rate && frame.duration() <= Duration::from_millis(500));
            }
        }
    }
}

#[test]
fn it_plays_back_what_it_heard() {
    let mut conversation = Conversation::under_way();

    conversation.say(Prompt::Busy);
    assert_eq!(conversation.told(), [], "it waits for the end");
    conversation.silence(1000);

    let told = conversation.told();
    let AgentEvent::CallerSaid { text, is_final: true } = &told[0] else { panic!("{told:?}") };
    let seconds: f32 = text.trim_start_matches('(').split(' ').next().unwrap().parse().unwrap();
    let spoken = prompts::samples(Prompt::Busy, Rate::Hz8000);
    assert!((seconds - spoken.len() as f32 / 8000.0).abs() < 0.4, "{text}");
    assert!(texts(&told)[0].starts_with("You said: ("), "{:?}", texts(&told));

    let answer = speech_of(&told);
    let middle = &spoken[spoken.len() / 4..spoken.len() * 3 / 4];
    assert!(answer.windows(middle.len()).any(|window| window == middle), "the caller's own words come back");
}

#[test]
fn it_waits_through_a_pause_for_thought() {
    let mut conversation = Conversation::under_way();

    conversation.say(Prompt::YouSaid);
    conversation.silence(400);
    conversation.say(Prompt::Busy);
    conversation.silence(1000);

    let said =
        conversation.told().iter().filter(|event| matches!(event, AgentEvent::CallerSaid { .. })).count();
    assert_eq!(said, 1);
}

#[test]
fn the_caller_interrupts_by_speaking() {
    let mut conversation = Conversation::at(Rate::Hz8000);
    conversation.told();
    conversation.silence(2000);

    conversation.say(Prompt::StillThere);

    assert_eq!(conversation.told(), [AgentEvent::Interrupted { answer: AnswerId(1) }], "once");
    conversation.silence(1000);
    assert!(texts(&conversation.told())[0].starts_with("You said:"));
}

#[test]
fn nothing_is_interrupted_when_nothing_plays() {
    let mut conversation = Conversation::under_way();

    conversation.say(Prompt::StillThere);
    conversation.silence(1000);

    assert!(!conversation.told().iter().any(|event| matches!(event, AgentEvent::Interrupted { .. })));
}

#[test]
fn a_cough_and_keypad_tones_are_no_turns() {
    let mut conversation = Conversation::at(Rate::Hz8000);
    conversation.told();
    conversation.silence(1000);

    let click: Vec<i16> = (0..400).map(|n| if n % 7 < 3 { 8_000 } else { -8_000 }).collect();
    conversation.hear(&click);
    conversation.silence(1500);
    let key = tone::Tone::dual(Rate::Hz8000, [770.0, 1336.0], -8.0);
    conversation.hear(&tone::burst(Rate::Hz8000, key, Duration::from_millis(300)).samples);
    conversation.silence(1500);

    assert_eq!(conversation.told(), []);
}

#[test]
fn a_very_long_turn_is_remembered_from_its_beginning_and_bounded() {
    let mut conversation = Conversation::under_way();

    for _ in 0..10 {
        conversation.say(Prompt::Closing);
    }
    conversation.silence(1000);

    let told = conversation.told();
    let seconds = speech_of(&told).len() as f32 / 8000.0;
    assert!((15.0..20.0).contains(&seconds), "{seconds} s");
}

#[test]
fn keys_are_named() {
    let mut conversation = Conversation::under_way();

    for (keys, words) in [
        ("5", "You pressed five"),
        ("*", "You pressed star"),
        ("307", "You pressed three zero seven"),
        ("A", "You pressed a key that I do not know."),
    ] {
        conversation.write(AgentCommand::Digits(keys.into()));
        let told = conversation.told();
        assert_eq!(texts(&told), [words]);
        assert!(speech_of(&told).len() > 8_000);
    }
}

#[test]
fn a_key_stops_what_is_being_said() {
    let mut conversation = Conversation::at(Rate::Hz8000);
    conversation.told();
    conversation.silence(1000);

    conversation.write(AgentCommand::Digits("5".into()));

    assert_eq!(conversation.told()[0], AgentEvent::Interrupted { answer: AnswerId(1) });
}

#[test]
fn key_one_tells_how_long_the_call_has_lasted() {
    let cases = [
        (1, "one second."),
        (42, "forty two seconds."),
        (60, "one minute and zero seconds."),
        (3540 + 13, "fifty nine minutes and thirteen seconds."),
        (3600, "more than an hour."),
    ];
    for (seconds, words) in cases {
        let mut conversation = Conversation::at(Rate::Hz8000);
        // One long frame is as good a clock as many short ones.
        conversation.write(AgentCommand::Hear(Frame::silence(Rate::Hz8000, Duration::from_secs(seconds))));
        conversation.told();

        conversation.write(AgentCommand::Digits("1".into()));

        assert_eq!(texts(&conversation.told()), [format!("We have been talking for {words}")]);
    }
}

#[test]
fn key_two_hands_over_and_goes_on_when_that_fails() {
    let plan = Plan {
        caller_rate: Rate::Hz8000,
        resume: None,
        seed: 0,
        transfer_to: Some("sip:desk@example.com".into()),
    };
    let mut conversation = Conversation::with(plan);
    conversation.told();

    conversation.write(AgentCommand::Digits("2".into()));
    let told = conversation.told();
    let call = tool(&told).unwrap();
    assert_eq!(texts(&told), [prompts::text(Prompt::Transfer)]);
    assert_eq!((call.name.as_str(), call.wants_answer), ("transfer_to_number", true));
    assert_eq!(call.arguments["number"], "sip:desk@example.com");

    conversation.say(Prompt::Busy);
    conversation.silence(20_000);
    conversation.write(AgentCommand::Digits("5".into()));
    assert_eq!(conversation.told(), [], "it has said what it had to say");

    let result = |id: &str| AgentCommand::ToolResult { id: id.into(), result: "no".into(), is_error: true };
    conversation.write(result("another"));
    assert_eq!(conversation.told(), []);
    conversation.write(result(&call.id));
    assert_eq!(texts(&conversation.told()), [prompts::text(Prompt::NoTransfer)]);
    conversation.write(AgentCommand::Digits("5".into()));
    assert!(!conversation.told().is_empty());
}

#[test]
fn keys_nine_and_hash_end_the_call_after_a_goodbye() {
    for key in ["9", "#"] {
        let mut conversation = Conversation::under_way();

        conversation.write(AgentCommand::Digits(key.into()));

        let told = conversation.told();
        assert_eq!(texts(&told), [prompts::text(Prompt::Goodbye)]);
        assert!(
            matches!(told.last(), Some(AgentEvent::ToolCalled(call)) if call.name == "end_call"),
            "{told:?}"
        );
    }
}

#[test]
fn a_silent_caller_is_asked_twice_and_then_left() {
    let mut conversation = Conversation::under_way();

    conversation.silence(60_000);

    let told = conversation.told();
    assert_eq!(
        texts(&told),
        [Prompt::StillThere, Prompt::StillThere, Prompt::NobodyThere].map(prompts::text)
    );
    assert_eq!(tool(&told).unwrap().name, "end_call");

    let mut conversation = Conversation::under_way();
    conversation.silence(9_000);
    assert_eq!(conversation.told(), [], "not before its time");
}

#[test]
fn a_caller_who_answers_is_not_left() {
    let mut conversation = Conversation::under_way();

    for _ in 0..5 {
        conversation.silence(24_000);
        conversation.say(Prompt::YourTurn);
        conversation.silence(1_000);
    }

    assert_eq!(tool(&conversation.told()), None);
}

#[test]
fn a_conversation_that_goes_on_has_no_second_greeting() {
    let said = vec![Said { side: Side::Agent, text: "Hello.".into() }];
    let plan = Plan { caller_rate: Rate::Hz8000, resume: Some(said), seed: 1, transfer_to: None };
    let mut conversation = Conversation::with(plan);

    assert!(matches!(conversation.told()[..], [AgentEvent::Ready(_)]));
    conversation.say(Prompt::Busy);
    conversation.silence(1_000);
    assert!(texts(&conversation.told())[0].starts_with("You said:"));
}

#[test]
fn it_leaves_when_asked_and_is_silent_then() {
    let mut conversation = Conversation::under_way();
    conversation.write(AgentCommand::Say { text: "x".into() });
    assert_eq!(conversation.told(), [AgentEvent::CannotSay]);

    conversation.write(AgentCommand::Leave);

    assert!(matches!(
        &conversation.told()[..],
        [AgentEvent::Left(departure)] if departure.cause == AgentLeft::Finished && departure.retry == Retry::Over
    ));
    conversation.write(AgentCommand::Digits("1".into()));
    conversation.silence(60_000);
    assert_eq!(conversation.told(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_caller_does_answers_are_numbered_and_bounded(
        acts in prop::collection::vec((0..5u8, any::<u16>(), "[0-9*#A-Z ]{0,4}"), 0..25),
        seed in any::<u64>(),
    ) {
        let mut conversation =
            Conversation::with(Plan { caller_rate: Rate::Hz8000, resume: None, seed, transfer_to: None });
        for (act, length, keys) in acts {
            match act {
                0 => conversation.silence(u64::from(length) / 4),
                1 => conversation.say(Prompt::ALL[usize::from(length) % Prompt::ALL.len()]),
                2 => conversation.write(AgentCommand::Digits(keys)),
                3 => {
                    let id = format!("demo-{}", length % 4);
                    conversation.write(AgentCommand::ToolResult { id, result: keys, is_error: length % 2 == 0 });
                }
                _ => {
                    let noise: Vec<i16> = (0..length).map(|n| (n.wrapping_mul(length) as i16) >> 3).collect();
                    conversation.hear(&noise);
                }
            }
        }
        let mut latest = 0;
        for event in conversation.told() {
            match event {
                AgentEvent::Says { answer, text } => {
                    prop_assert_eq!(answer.0, latest + 1);
                    prop_assert!(!text.is_empty());
                    latest = answer.0;
                }
                AgentEvent::Audio { answer, frame } => {
                    prop_assert_eq!(answer.0, latest);
                    prop_assert!(!frame.is_empty() && frame.duration() <= Duration::from_millis(500));
                }
                AgentEvent::Interrupted { answer } => prop_assert_eq!(answer.0, latest),
                _ => {}
            }
        }
    }
}

#[test]
fn without_anybody_to_hand_over_to_it_says_so_and_goes_on() {
    let plan = Plan { caller_rate: Rate::Hz8000, resume: None, seed: 7, transfer_to: None };
    let mut conversation = Conversation::with(plan);
    conversation.told();

    conversation.write(AgentCommand::Digits("2".into()));
    let told = conversation.told();

    assert_eq!(texts(&told), [prompts::text(Prompt::NoTransfer)]);
    assert_eq!(tool(&told), None);
}
