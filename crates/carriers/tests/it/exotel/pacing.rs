//! A whole call over Exotel's leg: whatever the agent says and whenever it is interrupted, what goes out is lawful, and
//! the call's own account of it is true.

use std::time::Duration;

use audio::{Frame, Rate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{
    AgentCapabilities, AgentEvent, AgentReady, AnswerId, Call, CallId, CallPlan, CallSettings,
    CarrierCommand, CarrierEvent, Command, Input, MediaStart, Moment, Order, Prompts,
};
use carriers::Upgrade;
use carriers::exotel::{Leg, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

#[derive(Clone, Debug)]
enum Step {
    /// So many samples of an answer.
    Speaks(usize),
    NextAnswer,
    Waits(u64),
    /// The agent says that the caller spoke over it.
    Interrupts,
    HangsUp,
}

struct Line {
    call: Call,
    leg: Leg,
    now: Moment,
    answer: i64,
    played: Vec<Frame>,
    sent: Vec<usize>,
}

impl Line {
    fn tell(&mut self, input: Input) {
        self.call.handle(self.now, input);
        while let Some(command) = self.call.poll() {
            let Command::ToCarrier(command) = command else { continue };
            if let CarrierCommand::Play(frame) = &command {
                self.played.push(frame.clone());
            }
            let mut outbox = Outbox::new();
            let _ = self.leg.write(&command, &mut outbox);
            for text in outbox.texts() {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["event"] == "media" {
                    let payload = message["media"]["payload"].as_str().unwrap();
                    self.sent.push(STANDARD.decode(payload).unwrap().len());
                }
            }
        }
    }

    /// Lets time pass; only deadlines wake the call.
    fn wait(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        for _ in 0..10_000 {
            let Some(next) = self.call.deadline().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.tell(Input::Deadline);
        }
        self.now = until;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn everything_a_call_sends_obeys_the_byte_rule(
        format in prop::sample::select(vec!["8000", "16000", "24000", "audio/x-mulaw"]),
        piece_ms in prop::option::of(0u64..400),
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let is_mulaw = format == "audio/x-mulaw";
        let settings = Settings { piece: piece_ms.map(Duration::from_millis), ..Settings::default() };
        let mut leg = Leg::new(Upgrade::default(), settings);
        let media_format = if is_mulaw { json!(format) } else { json!({"sample_rate": format}) };
        let start = json!({"event": "start", "stream_sid": "s1", "media_format": media_format});
        leg.read(Incoming::Text(&start.to_string()), &mut Vec::new());
        let can = leg.capabilities();
        let mut line = Line {
            call: Call::new(CallPlan {
                id: CallId::mint(0, [0; 10]),
                carrier: can,
                agent: AgentCapabilities { name: "stage", interrupts: true, truncates: false, says: true, pings: true },
                fallback_agent: None,
                settings: CallSettings::default(),
                prompts: Prompts { apology: vec![900; 8_111].into(), closing: vec![700; 4_007].into() },
                tools: Vec::new(),
                seed: 1,
            }),
            leg,
            now: Moment::START,
            answer: 1,
            played: Vec::new(),
            sent: Vec::new(),
        };
        line.tell(Input::Carrier(CarrierEvent::Started(MediaStart::default())));
        line.tell(Input::Agent(AgentEvent::Ready(AgentReady::default())));
        for step in steps {
            match step {
                Step::Speaks(samples) => {
                    let frame = Frame::new(can.rate, vec![1_000; samples]);
                    line.tell(Input::Agent(AgentEvent::Audio { answer: AnswerId(line.answer), frame }));
                }
                Step::NextAnswer => line.answer += 1,
                Step::Waits(ms) => line.wait(ms),
                Step::Interrupts => {
                    line.tell(Input::Agent(AgentEvent::Interrupted { answer: AnswerId(line.answer) }));
                    line.answer += 1;
                }
                Step::HangsUp => line.tell(Input::Order(Order::HangUp { by: "test".into() })),
            }
        }
        line.wait(30_000);

        let bytes = if is_mulaw { 1 } else { 2 };
        let least = can.rate.samples_in(can.piece) as usize * bytes;
        for size in &line.sent {
            prop_assert_eq!(size % 320, 0);
            prop_assert!((least..=100_000).contains(size), "{} bytes", size);
        }
        if piece_ms.is_none() && !is_mulaw {
            prop_assert!(least >= 3_200);
        }
        // The call cuts the pieces, so nothing is added that its account of what was heard does not know.
        let played: Vec<usize> = line.played.iter().map(|frame| frame.samples.len() * bytes).collect();
        prop_assert_eq!(&line.sent, &played);
        prop_assert!(line.played.iter().all(|frame| frame.rate == can.rate));
    }
}

/// In the middle of an utterance nothing is filled up: what the caller hears is what the agent said, then silence.
#[test]
fn only_the_last_piece_of_an_utterance_is_filled_up() {
    let mut leg = Leg::new(Upgrade::default(), Settings::default());
    leg.read(Incoming::Text(r#"{"event":"start","stream_sid":"s1"}"#), &mut Vec::new());
    let can = leg.capabilities();
    let mut line = Line {
        call: Call::new(CallPlan {
            id: CallId::mint(0, [0; 10]),
            carrier: can,
            agent: AgentCapabilities {
                name: "stage",
                interrupts: true,
                truncates: false,
                says: true,
                pings: true,
            },
            fallback_agent: None,
            settings: CallSettings::default(),
            prompts: Prompts { apology: Vec::new().into(), closing: Vec::new().into() },
            tools: Vec::new(),
            seed: 1,
        }),
        leg,
        now: Moment::START,
        answer: 1,
        played: Vec::new(),
        sent: Vec::new(),
    };
    line.tell(Input::Carrier(CarrierEvent::Started(MediaStart::default())));
    line.tell(Input::Agent(AgentEvent::Ready(AgentReady::default())));
    // A second and a bit, in pieces that fit nothing.
    let said: Vec<i16> = (1..=9_001).collect();
    for piece in said.chunks(333) {
        let frame = Frame::new(Rate::Hz8000, piece.to_vec());
        line.tell(Input::Agent(AgentEvent::Audio { answer: AnswerId(1), frame }));
        line.wait(30);
    }
    line.wait(3_000);

    let mut heard: Vec<i16> = line.played.iter().flat_map(|frame| frame.samples.clone()).collect();
    let silence = heard.split_off(said.len());
    assert_eq!(heard, said);
    assert_eq!(silence, vec![0; 9_600 - 9_001], "six pieces of 200 ms");
    assert_eq!(line.sent, vec![3_200; 6]);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..9_000).prop_map(Step::Speaks),
        2 => (1usize..200).prop_map(Step::Speaks),
        1 => Just(Step::NextAnswer),
        6 => (0u64..900).prop_map(Step::Waits),
        2 => Just(Step::Interrupts),
        1 => Just(Step::HangsUp),
    ]
}
