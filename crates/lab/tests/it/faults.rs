//! Misfortunes do what they say, on both wires.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use lab::caller::Caller;
use lab::elevenlabs::{Act, AgentDoc, Config, ElevenLabs, SessionEnd, ToolCall, Turn};
use lab::faults::{Faults, Garbage, What, When};
use lab::twilio::{End, Happening, LiveCall, PlacedCall, Twilio, TwilioConfig};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::agent::{Client, lab_with, types};
use crate::gateway::{Gateway, Socket};

fn faults(script: &str) -> Faults {
    script.parse().unwrap()
}

async fn agent_with(script: &str) -> ElevenLabs {
    lab_with(Config { faults: vec![faults(script)], ..Config::default() }).await
}

async fn begun(lab: &ElevenLabs) -> Client {
    let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    client.start(json!({})).await;
    client
}

async fn carrier_with(script: &str) -> (Gateway, Twilio, LiveCall, Socket) {
    let mut gateway = Gateway::start().await;
    gateway.stream_twiml("/voice", "", "");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let live = twilio.place_call(PlacedCall {
        webhook_url: gateway.at("/voice"),
        caller: Caller::silent(),
        faults: faults(script),
        ..PlacedCall::default()
    });
    let socket = gateway.socket().await;
    (gateway, twilio, live, socket)
}

#[test]
fn scripts_are_read_and_written() {
    let script = "at_handshake: refuse 429 {\"detail\": \"a; b\"}; before_metadata: garbage audio\n\
                  at 1500ms: stall 2s ; after_messages 10: close 1011 going down; always: jitter 30ms; seed 7";

    let read = faults(script);

    assert_eq!(read.seed, 7);
    assert_eq!(
        read.list,
        [
            (When::AtHandshake, What::RefuseHandshake { status: 429, body: "{\"detail\": \"a; b\"}".into() }),
            (When::BeforeMetadata, What::Garbage(Garbage::Audio)),
            (When::At(Duration::from_millis(1_500)), What::Stall(Duration::from_secs(2))),
            (When::AfterMessages(10), What::Close { code: 1011, reason: "going down".into() }),
            (When::Always, What::Jitter(Duration::from_millis(30))),
        ]
    );
    assert_eq!(faults(&read.to_string()), read);
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Faults>(&json).unwrap(), read);
}

#[test]
fn wrong_scripts_say_what_is_wrong() {
    for (script, problem) in [
        ("drop", "write it as"),
        ("someday: drop", "no moment"),
        ("always: explode", "no fault"),
        ("at soon: drop", "not a time"),
        ("always: delay 5", "not a time"),
        ("always: close 99", "not a close code"),
        ("always: refuse 200", "refuses nothing"),
        ("always: garbage bin", "no garbage"),
        ("always: garbage huge 999999999999", "not a size"),
        ("seed x", "whole number"),
        ("after_messages many: drop", "number of messages"),
    ] {
        let error = script.parse::<Faults>().unwrap_err();
        assert!(error.problem.contains(problem), "{script}: {error}");
    }
}

fn any_faults() -> impl Strategy<Value = Faults> {
    let time = || (0u64..86_400_000).prop_map(Duration::from_millis);
    let text = || "[a-z]{0,8}( [a-z]{1,8}){0,3}".prop_map(|text| text.trim().to_owned());
    let when = prop_oneof![
        Just(When::AtHandshake),
        Just(When::BeforeMetadata),
        Just(When::AfterMetadata),
        Just(When::WhileSpeaking),
        Just(When::DuringToolCall),
        Just(When::Always),
        any::<u64>().prop_map(When::AfterMessages),
        time().prop_map(When::At),
    ];
    let garbage = prop_oneof![
        Just(Garbage::Utf8),
        Just(Garbage::Json),
        Just(Garbage::Base64),
        Just(Garbage::OddAudio),
        Just(Garbage::Binary),
        Just(Garbage::UnknownEvent),
        Just(Garbage::Audio),
        (0usize..1_000_000).prop_map(Garbage::Huge),
    ];
    let what = prop_oneof![
        time().prop_map(What::Delay),
        time().prop_map(What::Jitter),
        time().prop_map(What::Stall),
        time().prop_map(What::SlowReader),
        (1000u16..5000, text()).prop_map(|(code, reason)| What::Close { code, reason }),
        (400u16..600, text()).prop_map(|(status, body)| What::RefuseHandshake { status, body }),
        (400u16..600, text()).prop_map(|(status, body)| What::ErrorBody { status, body }),
        garbage.prop_map(What::Garbage),
        Just(What::Drop),
        Just(What::Duplicate),
        Just(What::LoseMark),
        Just(What::OutOfOrder),
    ];
    (proptest::collection::vec((when, what), 0..6), any::<u64>())
        .prop_map(|(list, seed)| Faults { list, seed })
}

proptest! {
    #[test]
    fn every_script_survives_being_written_down(faults in any_faults()) {
        prop_assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = text.parse::<Faults>();
    }
}

#[tokio::test(start_paused = true)]
async fn an_agents_handshake_can_be_refused_dropped_delayed_or_closed() {
    let lab = agent_with("at_handshake: refuse 403 {\"detail\":\"no\"}").await;
    match Client::dial(&lab.ws_url("agent_lab"), &[]).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
        _ => panic!("not refused"),
    }
    // Only the first conversation had a script.
    begun(&lab).await.until("agent_response").await;

    let lab = agent_with("at_handshake: drop").await;
    assert!(Client::dial(&lab.ws_url("agent_lab"), &[]).await.is_err());
    assert!(lab.sessions().is_empty());

    let lab = agent_with("at_handshake: delay 3s").await;
    let began = Instant::now();
    Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3));

    let lab = agent_with("at_handshake: close 1008 not authorised").await;
    let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    client.rest().await;
    assert_eq!(client.closed.unwrap(), (1008, "not authorised".into()));
}

#[tokio::test(start_paused = true)]
async fn an_agents_socket_can_die_at_every_stage() {
    for (script, metadata, audio) in [
        ("before_metadata: close 1011 x", false, false),
        ("after_metadata: close 1011 x", true, false),
        ("while_speaking: close 1011 x", true, true),
        ("before_metadata: drop", false, false),
        ("after_metadata: drop", true, false),
        ("while_speaking: drop", true, true),
    ] {
        let lab = agent_with(script).await;
        let mut client = begun(&lab).await;

        let messages = client.rest().await;

        let seen = types(&messages);
        assert_eq!(seen.contains(&"conversation_initiation_metadata"), metadata, "{script}");
        assert_eq!(seen.contains(&"audio"), audio, "{script}");
        let (code, end) = if script.ends_with("drop") {
            (1006, SessionEnd::Dropped)
        } else {
            (1011, SessionEnd::Agent { code: 1011, reason: "x".into() })
        };
        assert_eq!(client.closed.unwrap().0, code, "{script}");
        assert_eq!(lab.session_ended(0).await.end, Some(end));
    }
}

#[tokio::test(start_paused = true)]
async fn an_agents_socket_can_die_during_a_tool_call_and_by_the_clock() {
    let mut agent = AgentDoc::default();
    agent.script.turns = vec![Turn::acting("x", vec![Act::Tool(ToolCall::named("t", json!({})))])];
    let config =
        Config { agents: vec![agent], faults: vec![faults("during_tool_call: drop")], ..Config::default() };
    let lab = lab_with(config).await;
    let mut client = begun(&lab).await;
    client.send(json!({"type": "user_message", "text": "x"})).await;
    assert_eq!(types(&client.rest().await).last(), Some(&"client_tool_call"));

    let lab = agent_with("at 5s: drop").await;
    let mut client = begun(&lab).await;
    let began = Instant::now();
    client.rest().await;
    assert!((4_990..=5_010).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());

    let lab = agent_with("after_messages 3: close 1002 enough").await;
    let mut client = begun(&lab).await;
    assert_eq!(client.rest().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn garbage_of_every_kind_arrives() {
    for (kind, check) in [
        (
            "json",
            (|m| matches!(m, Ok(Message::Text(t)) if serde_json::from_str::<Value>(t).is_err())) as Check,
        ),
        ("base64", |m| matches!(m, Ok(Message::Text(t)) if t.contains("not base64"))),
        ("huge 300000", |m| matches!(m, Ok(Message::Text(t)) if t.len() > 300_000)),
        ("odd_audio", |m| matches!(m, Ok(Message::Text(t)) if t.contains("\"AAAA\""))),
        ("binary", |m| matches!(m, Ok(Message::Binary(_)))),
        ("unknown_event", |m| matches!(m, Ok(Message::Text(t)) if t.contains("weather_report"))),
        ("utf8", |m| matches!(m, Err(Error::Utf8(_)))),
    ] {
        let lab = agent_with(&format!("after_metadata: garbage {kind}")).await;
        let mut client = begun(&lab).await;
        let mut seen = Vec::new();
        while seen.len() < 5 {
            match client.ws.next().await {
                Some(message) => seen.push(message),
                None => break,
            }
        }
        assert!(seen.iter().any(check), "{kind}: {seen:?}");
    }
}

type Check = fn(&Result<Message, Error>) -> bool;

#[tokio::test(start_paused = true)]
async fn media_can_come_before_start() {
    let (_gateway, _twilio, live, mut socket) = carrier_with("before_metadata: garbage audio").await;

    let first: Vec<Value> =
        vec![socket.next().await.unwrap(), socket.next().await.unwrap(), socket.next().await.unwrap()];

    let events: Vec<&str> = first.iter().map(|message| message["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["connected", "media", "start"]);
    live.hang_up().await;
}

#[tokio::test(start_paused = true)]
async fn delay_and_jitter_make_messages_late_and_keep_their_order() {
    let (_gateway, _twilio, live, mut socket) =
        carrier_with("always: delay 200ms; always: jitter 90ms; seed 3").await;
    let mut notes = live.notes();
    let opened = notes.until(|what| matches!(what, Happening::StreamOpened { .. })).await.unwrap().at;
    let mut answered = live.notes();
    let zero = answered.until(|what| matches!(what, Happening::Answered)).await.unwrap().at;
    let began = Instant::now();

    let mut lateness = Vec::new();
    for n in 1..=100_u64 {
        let media = socket.next_event("media").await;
        assert_eq!(media["media"]["chunk"], n.to_string());
        let due = Duration::from_millis(20 * n);
        lateness.push((began.elapsed() + (opened - zero)).as_millis() as i64 - due.as_millis() as i64);
    }

    assert!(lateness.iter().all(|ms| (195..=300).contains(ms)), "{lateness:?}");
    assert!(lateness.iter().max().unwrap() - lateness.iter().min().unwrap() > 40, "{lateness:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_everything_and_then_lets_it_all_go() {
    let (_gateway, _twilio, live, mut socket) = carrier_with("after_messages 12: stall 2s").await;
    socket.start().await;
    for _ in 0..10 {
        socket.next_event("media").await;
    }

    let began = Instant::now();
    socket.next_event("media").await;
    let waited = began.elapsed();
    let burst = Instant::now();
    for _ in 0..95 {
        socket.next_event("media").await;
    }

    assert!((1_980..=2_040).contains(&waited.as_millis()), "{waited:?}");
    assert!(burst.elapsed() < Duration::from_millis(40), "{:?}", burst.elapsed());
    live.hang_up().await;
}

#[tokio::test(start_paused = true)]
async fn duplicates_swaps_and_lost_marks_happen_once_or_always() {
    let chunks = |messages: &[Value]| -> Vec<u32> {
        messages.iter().map(|m| m["media"]["chunk"].as_str().unwrap().parse().unwrap()).collect()
    };
    for (script, expected) in [
        ("after_messages 4: duplicate", vec![1, 2, 3, 3, 4, 5]),
        ("after_messages 4: out_of_order", vec![1, 2, 4, 3, 5, 6]),
        ("always: out_of_order", vec![2, 1, 4, 3, 6, 5]),
    ] {
        let (_gateway, _twilio, _live, mut socket) = carrier_with(script).await;
        let mut media = Vec::new();
        while media.len() < 6 {
            media.push(socket.next_event("media").await);
        }
        assert_eq!(chunks(&media), expected, "{script}");
    }

    let (_gateway, _twilio, live, mut socket) = carrier_with("after_metadata: lose_mark").await;
    let sid = socket.start().await;
    for name in ["lost", "kept"] {
        socket.send_mark(&sid, name).await;
    }
    assert_eq!(socket.next_event("mark").await["mark"]["name"], "kept");
    let mut notes = live.notes();
    assert!(notes.until(|what| *what == Happening::MarkLost { name: "lost".into() }).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_carriers_socket_can_be_closed_or_dropped() {
    for (script, closes) in [("at 1s: close 1011 bye", true), ("while_speaking: drop", false)] {
        let (_gateway, _twilio, live, mut socket) = carrier_with(script).await;
        let sid = socket.start().await;
        socket.send_media(&sid, &[0x20; 16_000]).await;

        let mut close = None;
        let mut broken = false;
        while let Some(message) = socket.ws.next().await {
            match message {
                Ok(Message::Close(frame)) => close = frame.map(|frame| u16::from(frame.code)),
                Ok(_) => {}
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let report = live.finished().await;

        assert_eq!((close, broken), if closes { (Some(1011), false) } else { (None, true) }, "{script}");
        assert_eq!(report.end, End::SocketKilled);
        assert_eq!(report.count(|what| matches!(what, Happening::FaultStruck { .. })), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_carriers_handshake_can_be_dropped() {
    let gateway = Gateway::start().await;
    gateway.stream_twiml("/voice", "", "<Hangup/>");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();

    let call = PlacedCall {
        webhook_url: gateway.at("/voice"),
        faults: faults("at_handshake: drop"),
        ..PlacedCall::default()
    };
    let report = twilio.place_call(call).finished().await;

    assert_eq!(report.verbs, ["Connect", "Hangup"]);
    assert_eq!(report.count(|what| matches!(what, Happening::StreamRefused { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_takes_its_time_for_each_message() {
    let lab = agent_with("after_metadata: slow_reader 500ms").await;
    let mut client = begun(&lab).await;
    client.until("conversation_initiation_metadata").await;

    let began = Instant::now();
    for _ in 0..8 {
        client.ws.send(Message::text(json!({"type": "user_activity"}).to_string())).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_millis(100));
    lab.session_when(0, |session| session.user_activities == 8).await;

    assert!((3_400..=4_100).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_read_is_noticed_and_costs_no_more_than_a_bounded_queue() {
    let (_gateway, _twilio, live, socket) = carrier_with("").await;
    let mut notes = live.notes();

    // Two hours of a call whose socket is held open and never read.
    let warned = notes
        .until(|what| matches!(what, Happening::Warned(warning) if warning.text.contains("does not read")));
    assert!(tokio::time::timeout(Duration::from_secs(7_200), warned).await.unwrap().is_some());
    live.hang_up().await;
    let report = live.finished().await;

    assert_eq!(report.end, End::CallerHungUp);
    drop(socket);
}
