//! The carrier's socket dies, doubles, lies or babbles; the call ends with its true cause or goes on.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{CarrierDeparture, EndCause, Fact, Oddity, PhaseName};
use futures_util::future::join_all;
use lab::caller::Caller;
use lab::elevenlabs::SessionEnd;
use lab::faults::{Garbage, What, When};
use lab::twilio::{End, Happening, How, LiveCall, StreamEnd};
use serde_json::json;

use crate::bare_carrier::{BareCarrier, CALL, STREAM, media, reserve};
use crate::world::{Setup, World, agent, eventually, find, happens, heard, receipt, soon, spoken};

const GREETING: &str = "Hello, this is the desk.";
const SILENCE: [u8; 160] = [0xff; 160];

#[tokio::test]
async fn a_media_socket_that_dies_ends_the_call_by_its_own_name() {
    let ends = [
        (How::Reset, None),
        (How::CloseWithoutStop, Some(CarrierDeparture::SocketClosed { code: Some(1000) })),
    ];
    let lost = join_all(ends.map(|(how, departure)| async move {
        let world = Setup::with(agent(GREETING)).start().await;
        // Its report of the end would race with the end of its socket, and both are right.
        let placed = lab::twilio::PlacedCall { status_callback: None, ..world.placed(Caller::silent()) };
        let call = world.network.place_call(placed);
        happens(&call, "somebody speaks", |what| *what == Happening::AgentSpeechBegan).await;
        call.kill_socket(how).await;
        let (report, record) = world.over(call).await;
        assert_eq!(report.end, End::SocketKilled);
        match (&record.end, departure) {
            (EndCause::CarrierLost { departure: CarrierDeparture::SocketFailed { .. } }, None) => {}
            (EndCause::CarrierLost { departure }, Some(expected)) => assert_eq!(*departure, expected),
            (end, _) => panic!("{how:?} ended the call as {end:?}"),
        }
        agent_was_let_go(&world).await;
    }));
    let stopped = async {
        let world = Setup::with(agent(GREETING)).start().await;
        let call = talking(&world).await;
        call.kill_socket(How::StopWithoutClose).await;
        let (report, record) = world.over(call).await;
        assert_eq!(record.end, EndCause::CallerHungUp);
        let closed = |what: &Happening| {
            matches!(what, Happening::StreamEnded { why: StreamEnd::ClosedByGateway { code: 1000, .. }, .. })
        };
        assert_eq!(
            report.count(closed),
            1,
            "the gateway closes what the carrier leaves open: {:?}",
            report.timeline
        );
        agent_was_let_go(&world).await;
    };

    futures_util::join!(lost, stopped);
}

#[tokio::test]
async fn a_second_socket_of_the_same_call_takes_it_over_and_its_slot_with_it() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.agents.elevenlabs.slots = 1;
    let world = setup.start().await;
    let call = talking(&world).await;
    let sid = call.sid().to_owned();
    let first = world.live(&sid).await.id();

    call.second_socket().await;
    happens(&call, "the first socket is let go", |what| {
        matches!(what, Happening::FirstSocketEnded { why: StreamEnd::ClosedByGateway { code: 1000, .. } })
    })
    .await;
    let second = world.live(&sid).await;
    assert_ne!(second.id(), first);
    eventually("the second one talks", || second.phase() == PhaseName::Talking).await;
    call.hang_up().await;
    let report = soon("the call is over", call.finished()).await;

    eventually("both have their record", || world.records(&sid).len() == 2).await;
    let by_id = |id| world.records(&sid).into_iter().find(|record| record.id == id).unwrap().end;
    assert_eq!(by_id(first), EndCause::Replaced);
    assert_eq!(by_id(second.id()), EndCause::CallerHungUp);
    assert_eq!(report.end, End::CallerHungUp);
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_second_socket_needs_no_second_line() {
    let mut setup = Setup::demo();
    setup.config.limits.calls = 1;
    let world = setup.start().await;
    let call = talking(&world).await;
    let sid = call.sid().to_owned();

    call.second_socket().await;
    happens(&call, "the first socket is let go", |what| matches!(what, Happening::FirstSocketEnded { .. }))
        .await;
    eventually("one record", || world.records(&sid).len() == 1).await;
    assert_eq!(world.records(&sid)[0].end, EndCause::Replaced);
    assert_eq!(world.gateway.switchboard.live_count(), 1, "the second one is the call now");
    call.hang_up().await;
    soon("the call is over", call.finished()).await;

    eventually("both have their record", || world.records(&sid).len() == 2).await;
    world.nothing_is_held().await;
}

#[tokio::test]
async fn only_a_signature_or_an_unused_token_opens_the_door() {
    let world = Setup::with(agent(GREETING)).start().await;

    for wrong in [json!({}), json!({"token": "wrong"}), json!({"token": ""})] {
        let mut carrier = BareCarrier::unsigned(&world).await;
        carrier.start(wrong.clone()).await;
        assert_eq!(carrier.closed().await.map(|frame| u16::from(frame.code)), Some(1008), "{wrong}");
    }
    let (id, token) = reserve(&world);
    let mut carrier = BareCarrier::unsigned(&world).await;
    carrier.start(json!({"token": token})).await;
    carrier.hears("media").await;
    assert_eq!(world.live(CALL).await.id(), id, "the call that the token was given out for");

    let mut again = BareCarrier::unsigned(&world).await;
    again.start(json!({"token": token})).await;
    assert_eq!(again.closed().await.map(|frame| u16::from(frame.code)), Some(1008), "a token works once");
    assert_eq!(world.live(CALL).await.id(), id, "and the call goes on");

    carrier.stop().await;
    assert_eq!(world.record(CALL).await.end, EndCause::CallerHungUp);
    world.nothing_is_held().await;
    let refused = world.gateway.metrics.render();
    assert!(refused.contains(r#"reason="no_token"} 4"#), "{refused}");
}

#[tokio::test]
async fn a_socket_that_never_starts_gets_little_time_and_leaves_nothing() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.limits.token_ms = 300;
    let world = setup.start().await;
    let mut quiet = BareCarrier::signed(&world).await;
    let mut early = BareCarrier::signed(&world).await;
    let mut babbling = BareCarrier::signed(&world).await;

    early.media(&SILENCE).await;
    for _ in 0..200 {
        babbling.text("{").await;
    }

    for carrier in [&mut quiet, &mut early, &mut babbling] {
        assert_eq!(carrier.closed().await.map(|frame| u16::from(frame.code)), Some(1008));
    }
    assert!(world.platform.sessions().is_empty(), "no agent was dialled for any of them");
    world.nothing_is_held().await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_counted_and_the_call_goes_on() {
    let world = Setup::with(agent("")).start().await;
    let mut carrier = BareCarrier::signed(&world).await;
    carrier.media(&SILENCE).await;
    carrier.start(json!({})).await;
    soon("the agent is there", world.platform.session_when(0, |session| session.initiation.is_some())).await;

    for text in
        ["", "{", "[]", "null", r#"{"event":7}"#, r#"{"event":"media"}"#, r#"{"event":"media","media":{}}"#]
    {
        carrier.text(text).await;
    }
    carrier.send(vec![0_u8; 160].into()).await;
    carrier.text(r#"{"event":"weather","sky":"clear"}"#).await;
    carrier.media_numbered(carrier.next_number(), "!!! not base64 ===").await;
    carrier.text(format!(r#"{{"event":"padding","padding":"{}"}}"#, "x".repeat(60_000))).await;
    let (minute, number) = (STANDARD.encode([0xff; 48_000]), carrier.next_number());
    carrier.media_numbered(number, &minute).await;
    carrier.text(media(number, &STANDARD.encode(SILENCE)).replace(STREAM, "MZother")).await;
    carrier.start(json!({})).await;
    carrier
        .text(json!({"event": "mark", "streamSid": STREAM, "mark": {"name": "never set"}}).to_string())
        .await;
    carrier.media(&SILENCE).await;
    let live = world.live(CALL).await;
    eventually("the last message is taken", || {
        count_live(&live, |fact| matches!(fact, Fact::Odd { oddity: Oddity::OutOfOrder, .. })) == 1
    })
    .await;
    carrier.stop().await;
    let record = world.record(CALL).await;

    assert_eq!(record.end, EndCause::CallerHungUp);
    let odd = receipt(&record).tally.oddities;
    let kinds: Vec<&str> = odd.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "caller.bad_audio",
            "caller.before_start",
            "caller.foreign_mark",
            "caller.malformed",
            // The second start took a number with it.
            "caller.out_of_order",
            "caller.repeated",
            "caller.too_large",
            "caller.unknown_message",
            "caller.wrong_stream",
        ],
        "{odd:?}"
    );
    let expected =
        BTreeMap::from([("caller.malformed", 8), ("caller.repeated", 2), ("caller.unknown_message", 2)]);
    for (kind, times) in expected {
        assert_eq!(odd[kind], times, "{kind}: {odd:?}");
    }
    agent_was_let_go(&world).await;
}

#[tokio::test]
async fn what_breaks_the_websocket_ends_the_call_with_the_right_code() {
    let world = Setup::with(agent("")).start().await;

    let mut carrier = BareCarrier::calling(&world).await;
    world.live(CALL).await;
    carrier.raw_text(b"{\"event\":\"media\",\"payload\":\"\xff\xfe\xc0\"}").await;
    assert_eq!(carrier.closed().await.map(|frame| u16::from(frame.code)), Some(1007), "not UTF-8");
    let record = world.record(CALL).await;
    assert!(matches!(record.end, EndCause::CarrierLost { .. }), "{:?}", record.end);

    let mut carrier = BareCarrier::calling(&world).await;
    world.live(CALL).await;
    carrier.text("x".repeat(1_000_000)).await;
    let closed = carrier.closed().await.map(|frame| u16::from(frame.code));
    assert!(closed.is_none_or(|code| code == 1009), "too large: {closed:?}");
    eventually("its record", || world.records(CALL).len() == 2).await;
    assert!(world.records(CALL).iter().all(|record| matches!(record.end, EndCause::CarrierLost { .. })));
    world.nothing_is_held().await;
}

#[tokio::test]
async fn messages_out_of_order_are_taken_and_repeated_ones_are_not() {
    let world = Setup::with(agent("")).start().await;
    let mut carrier = BareCarrier::calling(&world).await;
    soon("the agent is there", world.platform.session_when(0, |session| session.initiation.is_some())).await;
    let piece = |level: u8| STANDARD.encode([level; 160]);
    let first = carrier.next_number();

    for (number, level) in [(0, 1), (2, 3), (1, 2), (1, 9), (3, 4), (0, 9), (3, 9)] {
        carrier.media_numbered(first + number, &piece(level)).await;
    }
    // Each once, as it came.
    let expected: Vec<u8> = [1_u8, 3, 2, 4].iter().flat_map(|level| [*level; 160]).collect();
    let expected = on_the_phone_codes(&expected);
    let is_heard = |heard: &[i16]| heard.len() >= expected.len() && find(&expected, heard).is_some();
    soon("four pieces are heard", world.platform.session_when(0, |session| is_heard(&session.audio.samples)))
        .await;
    carrier.stop().await;
    let record = world.record(CALL).await;

    let odd = receipt(&record).tally.oddities;
    assert_eq!(odd["caller.repeated"], 3, "{odd:?}");
    assert!(odd["caller.out_of_order"] >= 1, "{odd:?}");
}

#[tokio::test]
async fn audio_of_any_length_reaches_the_agent_complete() {
    let world = Setup::with(agent("")).start().await;
    let mut carrier = BareCarrier::calling(&world).await;
    soon("the agent is there", world.platform.session_when(0, |session| session.initiation.is_some())).await;
    let live = world.live(CALL).await;
    eventually("it is ready", || live.phase() == PhaseName::Talking).await;

    let lengths = [1, 159, 160, 161, 7, 333, 0, 800, 3_999, 4_000, 2];
    let sound: Vec<u8> = (0..lengths.iter().sum::<usize>()).map(|n| (n % 251) as u8 & 0x7e).collect();
    let mut rest = sound.as_slice();
    for length in lengths {
        let (piece, after) = rest.split_at(length);
        carrier.media(piece).await;
        rest = after;
    }
    // What is left of a batch goes with the sound that follows.
    for _ in 0..5 {
        carrier.media(&SILENCE).await;
    }
    let heard = soon(
        "all of it",
        world
            .platform
            .session_when(0, |session| find(&on_the_phone_codes(&sound), &session.audio.samples).is_some()),
    )
    .await;
    carrier.stop().await;

    assert!(heard.complaints.is_empty(), "{:?}", heard.complaints);
    assert_eq!(receipt(&world.record(CALL).await).tally.oddities, BTreeMap::new());
}

#[tokio::test]
async fn a_carrier_that_garbles_doubles_and_swaps_still_carries_the_conversation() {
    let faults = [
        (When::Always, What::Duplicate),
        (When::AfterMessages(20), What::OutOfOrder),
        (When::AfterMessages(5), What::Garbage(Garbage::Json)),
        (When::AfterMessages(6), What::Garbage(Garbage::Base64)),
        (When::AfterMessages(7), What::Garbage(Garbage::OddAudio)),
        (When::AfterMessages(8), What::Garbage(Garbage::Binary)),
        (When::AfterMessages(9), What::Garbage(Garbage::UnknownEvent)),
        (When::AfterMessages(10), What::Garbage(Garbage::Huge(50_000))),
        (When::BeforeMetadata, What::Garbage(Garbage::Audio)),
    ];
    join_all(faults.map(|(when, what)| async move {
        let world = Setup::with(agent(GREETING)).start().await;
        let call = world.call_with(Caller::silent(), when, what.clone());
        happens(&call, "the greeting is over", |what| *what == Happening::AgentSpeechEnded).await;
        call.hang_up().await;
        let (report, record) = world.over(call).await;
        assert_eq!(record.end, EndCause::CallerHungUp, "{what:?}");
        assert!(find(&spoken(GREETING), &report.heard.samples).is_some(), "{what:?}: heard in full");
        assert!(
            !receipt(&record).tally.oddities.is_empty() || what == What::Garbage(Garbage::OddAudio),
            "{what:?}"
        );
        assert_eq!(heard(&report, &[GREETING]), [0], "{what:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_carrier_that_stops_reading_is_let_go() {
    let mut doc = agent(&"A very long speech. ".repeat(60));
    doc.script.hearing.speech_ms = 600_000;
    let world = Setup::with(doc).start().await;
    let mut carrier = BareCarrier::with_little_room(&world).await;
    carrier.start(json!({})).await;
    carrier.hears("media").await;
    let live = world.live(CALL).await;

    // Answers that nobody reads fill what the kernel keeps; the speech does the rest.
    let flood = async {
        while live.end().is_none() {
            carrier.ping_without_reading(500).await;
            tokio::task::yield_now().await;
        }
    };
    soon("the call is given up", flood).await;
    let record = world.record(CALL).await;

    assert_eq!(record.end, EndCause::CarrierLost { departure: CarrierDeparture::StoppedReading });
    agent_was_let_go(&world).await;
}

#[tokio::test]
async fn a_carrier_that_goes_quiet_is_hung_up() {
    let mut setup = Setup::with(agent(GREETING));
    setup.bot().call.limits.no_media_ms = 500;
    setup.bot().call.limits.hang_up_ms = 500;
    let world = setup.start().await;
    let mut carrier = BareCarrier::calling(&world).await;

    let closed = carrier.closed().await.map(|frame| u16::from(frame.code));

    assert_eq!(closed, Some(1000));
    assert_eq!(world.record(CALL).await.end, EndCause::NoMedia);
    agent_was_let_go(&world).await;
}

/// A call in which the agent has begun to speak.
async fn talking(world: &World) -> LiveCall {
    let call = world.call(Caller::silent());
    happens(&call, "the agent speaks", |what| *what == Happening::AgentSpeechBegan).await;
    call
}

async fn agent_was_let_go(world: &World) {
    let session = soon("the session is over", world.platform.session_ended(0)).await;
    assert_eq!(session.end, Some(SessionEnd::Client { code: 1000, reason: String::new() }));
    world.nothing_is_held().await;
}

fn count_live(live: &gateway::switchboard::LiveCall, is_it: impl Fn(&Fact) -> bool) -> usize {
    live.entries().iter().filter(|entry| is_it(&entry.fact)).count()
}

fn on_the_phone_codes(codes: &[u8]) -> Vec<i16> {
    let mut samples = Vec::new();
    audio::g711::ulaw_to_pcm(codes, &mut samples);
    samples
}
