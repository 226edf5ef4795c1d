//! Whatever happens, in whatever order: a call ends, once, within its bounds, and never claims too much.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{
    AgentDeparture, AgentEvent, AgentFault, AgentLeft, AgentReady, AnswerId, Call, CarrierCommand,
    CarrierDeparture, CarrierEvent, Command, ControlOutcome, DetectorUse, Digit, Fact, Fallback, Generation,
    Input, Mark, MarkFate, MediaStart, Moment, Oddity, Order, QueueStatus, Retry, ToolCall, ToolOutcome,
    ToolStage, ToolTrace, Voicemail,
};
use proptest::prelude::*;
use serde_json::json;

use crate::scene::{BY_MESSAGE, CARRIER, WHOLE_PIECES, plan};

fn carrier_event() -> impl Strategy<Value = CarrierEvent> {
    prop_oneof![
        8 => (0usize..400, any::<i16>()).prop_map(|(n, v)| CarrierEvent::Audio(Frame::new(Rate::Hz8000, vec![v; n]))),
        1 => Just(CarrierEvent::Audio(Frame::new(Rate::Hz16000, vec![1; 100]))),
        2 => Just(CarrierEvent::Started(MediaStart::default())),
        1 => prop::sample::select("0123456789*#ABCD".chars().filter_map(Digit::parse).collect::<Vec<_>>()).prop_map(CarrierEvent::Digit),
        4 => (0u32..6, 0u32..12, prop_oneof![Just(MarkFate::Played), Just(MarkFate::Cleared), Just(MarkFate::Unknown)])
            .prop_map(|(g, serial, fate)| CarrierEvent::Mark { mark: Mark { generation: Generation(g), serial }, fate }),
        1 => (0u32..4, 0u64..100_000).prop_map(|(g, ms)| CarrierEvent::Position { generation: Generation(g), played: Duration::from_millis(ms) }),
        1 => prop::sample::select(Oddity::ALL.to_vec()).prop_map(CarrierEvent::Odd),
    ]
}

fn agent_event() -> impl Strategy<Value = AgentEvent> {
    let answer = || (0i64..8).prop_map(AnswerId);
    let retry = prop_oneof![
        Just(Retry::Backoff),
        Just(Retry::Never),
        Just(Retry::Over),
        (0u64..30_000).prop_map(|ms| Retry::After(Duration::from_millis(ms)))
    ];
    prop_oneof![
        6 => (answer(), 0usize..8000).prop_map(|(answer, n)| AgentEvent::Audio { answer, frame: Frame::new(Rate::Hz8000, vec![500; n]) }),
        2 => Just(AgentEvent::Ready(AgentReady::default())),
        2 => (answer(), ".{0,40}").prop_map(|(answer, text)| AgentEvent::Says { answer, text }),
        1 => (answer(), ".{0,10}").prop_map(|(answer, text)| AgentEvent::Corrected { answer, text }),
        1 => answer().prop_map(|answer| AgentEvent::AnswerEnded { answer }),
        1 => (".{0,20}", any::<bool>()).prop_map(|(text, is_final)| AgentEvent::CallerSaid { text, is_final }),
        2 => answer().prop_map(|answer| AgentEvent::Interrupted { answer }),
        2 => any::<f32>().prop_map(AgentEvent::SpeechScore),
        2 => (0u8..4, prop::sample::select(vec!["end_call", "transfer_to_number", "weather", "nonsense", "skip_turn"]), any::<bool>())
            .prop_map(|(id, name, wants_answer)| AgentEvent::ToolCalled(ToolCall { id: id.to_string(), name: name.into(), arguments: json!({"number": "+1"}), wants_answer })),
        1 => prop::sample::select(vec!["end_call", "voicemail_detection", "other"]).prop_map(|name| AgentEvent::ToolTraced(ToolTrace { id: "s".into(), name: name.into(), stage: ToolStage::Done })),
        1 => Just(AgentEvent::Queue(QueueStatus::Waiting)),
        1 => Just(AgentEvent::Fault(AgentFault::default())),
        1 => Just(AgentEvent::Alive),
        1 => Just(AgentEvent::CannotSay),
        2 => retry.prop_map(|retry| AgentEvent::Left(AgentDeparture { cause: AgentLeft::Lost, retry, detail: "x".into() })),
        1 => prop::sample::select(Oddity::ALL.to_vec()).prop_map(AgentEvent::Odd),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        12 => carrier_event().prop_map(Input::Carrier),
        10 => agent_event().prop_map(Input::Agent),
        1 => prop_oneof![
            Just(Order::Transfer { to: "+1".into(), by: "x".into() }),
            Just(Order::Say { text: "hi".into() }),
            Just(Order::MachineAnswered),
            (0u64..60_000).prop_map(|ms| Order::Drain { within: Duration::from_millis(ms) }),
        ].prop_map(Input::Order),
        1 => (0u8..4, any::<bool>()).prop_map(|(id, is_error)| Input::Tool(ToolOutcome { id: id.to_string(), result: "r".into(), is_error })),
        1 => prop_oneof![
            Just(ControlOutcome::TransferFailed { detail: "no".into() }),
            Just(ControlOutcome::HangUpFailed { detail: "no".into() }),
        ].prop_map(Input::Control),
        3 => Just(Input::Deadline),
    ]
}

fn ending() -> impl Strategy<Value = Option<Input>> {
    prop_oneof![
        Just(None),
        Just(Some(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)))),
        Just(Some(Input::Carrier(CarrierEvent::Left(CarrierDeparture::SocketClosed { code: None })))),
        Just(Some(Input::Order(Order::HangUp { by: "x".into() }))),
        Just(Some(Input::Order(Order::Replaced))),
        Just(Some(Input::Order(Order::CarrierSaysOver { detail: "completed".into() }))),
        Just(Some(Input::Control(ControlOutcome::HungUp))),
        Just(Some(Input::Control(ControlOutcome::Transferred))),
    ]
}

/// What an onlooker knows of the call.
#[derive(Default)]
struct Onlooker {
    generation: u32,
    sent: u64,
    answered_tools: usize,
    called_tools: usize,
    ends: usize,
}

impl Onlooker {
    fn watch(&mut self, call: &mut Call, now: Moment) {
        while let Some(command) = call.poll() {
            match command {
                Command::ToCarrier(CarrierCommand::Clear { generation }) => {
                    assert!(generation.0 > self.generation, "generations only grow");
                    self.generation = generation.0;
                }
                Command::ToCarrier(CarrierCommand::Mark(mark)) => {
                    assert!(mark.generation.0 >= self.generation, "a mark of an older generation");
                }
                Command::ToCarrier(CarrierCommand::Play(frame)) => {
                    assert!(!frame.is_empty() && frame.duration() <= Duration::from_millis(320));
                    self.sent += frame.samples.len() as u64;
                }
                Command::Note(entry) => match entry.fact {
                    Fact::Ended { .. } => self.ends += 1,
                    Fact::Turn { turn } => assert!(turn.from <= turn.to, "{turn:?}"),
                    Fact::ToolCalled { .. } => self.called_tools += 1,
                    Fact::ToolAnswered { .. } => self.answered_tools += 1,
                    _ => {}
                },
                Command::ToCarrier(_)
                | Command::ToAgent(_)
                | Command::DialAgent(_)
                | Command::DropAgent
                | Command::RunTool(_) => {}
            }
        }
        let tally = call.receipt(now).tally;
        assert!(tally.heard_ms <= tally.sent_ms, "{} heard of {} sent", tally.heard_ms, tally.sent_ms);
        assert!(tally.sent_ms <= self.sent / 8 + 1, "{} counted of {} sent", tally.sent_ms, self.sent / 8);
        assert!(call.history().count() <= 5);
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to search is the tester's choice, not the call's")]
fn cases() -> u32 {
    // Each case is a call of up to 400 inputs; PROPTEST_CASES turns it up to the millions.
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_always_ends_once_and_never_claims_more_than_is_true(
        steps in prop::collection::vec((0u64..400, input()), 0..400),
        last in ending(),
        fallback in prop_oneof![Just(Fallback::Apologise), Just(Fallback::Transfer { to: "+2".into() }), Just(Fallback::Bot { name: "b".into() })],
        voicemail in prop_oneof![Just(Voicemail::Continue), Just(Voicemail::HangUp), Just(Voicemail::Say { text: "hi".into() })],
        detector in prop_oneof![Just(DetectorUse::Auto), Just(DetectorUse::Always), Just(DetectorUse::Never)],
        carrier in prop_oneof![3 => Just(CARRIER), 1 => Just(WHOLE_PIECES), 1 => Just(BY_MESSAGE)],
        seed in any::<u64>(),
    ) {
        let mut plan = plan();
        plan.carrier = carrier;
        plan.seed = seed;
        plan.settings.fallback = fallback;
        plan.settings.voicemail = voicemail;
        plan.settings.barge_in.detector = detector;
        plan.settings.limits.history_messages = 5;
        plan.settings.limits.playout_ms = 3_000;
        plan.settings.limits.max_duration_ms = 600_000;
        let mut call = Call::new(plan);
        let mut onlooker = Onlooker::default();
        let mut now = Moment::START;

        for (gap, input) in steps {
            now += Duration::from_millis(gap);
            call.handle(now, input);
            onlooker.watch(&mut call, now);
        }
        if let Some(last) = last {
            call.handle(now, last);
            onlooker.watch(&mut call, now);
        }
        // Left alone, it ends by its own deadlines.
        let mut wakes = 0;
        while let Some(deadline) = call.deadline() {
            now = now.max(deadline);
            call.handle(now, Input::Deadline);
            onlooker.watch(&mut call, now);
            wakes += 1;
            prop_assert!(wakes < 20_000, "wakes for ever at {now:?} in {:?}", call.phase());
        }

        prop_assert!(call.is_over());
        prop_assert_eq!(onlooker.ends, 1);
        prop_assert!(onlooker.answered_tools <= onlooker.called_tools);
    }
}
