//! The emulated Mcube's media socket: what it says, when it plays, how it ends.

use std::time::Duration;

use audio::Rate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use lab::caller::{Caller, Step};
use lab::mcube::{
    CallReport, Encoding, End, FactsAt, Happening, How, LiveCall, MarksOnClear, Mcube, McubeConfig,
    PlacedCall, Sound, StreamHabits, Way,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::{Gateway, Socket};

/// An open socket: everything a test needs of both ends.
struct Open {
    gateway: Gateway,
    mcube: Mcube,
    live: LiveCall,
    socket: Socket,
    start: Value,
}

async fn placed(call: PlacedCall) -> (Gateway, Mcube, LiveCall, Socket) {
    let mut gateway = Gateway::start().await;
    let mcube = Mcube::start(McubeConfig::default()).await.unwrap();
    let way = Way::Socket { url: gateway.media_url.replace("/media", "/ws/session-1") };
    let live = mcube.place_call(PlacedCall { way, ..call });
    let socket = gateway.socket().await;
    (gateway, mcube, live, socket)
}

async fn open(stream: StreamHabits) -> Open {
    open_with(PlacedCall { stream: Some(stream), ..PlacedCall::default() }).await
}

async fn open_with(call: PlacedCall) -> Open {
    let (gateway, mcube, live, mut socket) = placed(call).await;
    let start = socket.next_event("start").await;
    Open { gateway, mcube, live, socket, start }
}

impl Open {
    fn stream(&self) -> &str {
        self.start["start"]["streamId"].as_str().unwrap()
    }

    /// Sends a command about this stream.
    async fn order(&mut self, event: &str, more: Value) {
        let mut message = json!({"event": event, "streamId": self.stream()});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.socket.send(message).await;
    }
}

fn play(sound: Sound, bytes: &[u8]) -> Value {
    let content_type = match sound.encoding {
        Encoding::Mulaw => "audio/x-mulaw",
        Encoding::Pcm16 => "audio/x-l16",
    };
    json!({"event": "playAudio", "media": {
        "contentType": content_type, "sampleRate": sound.rate.hz(), "payload": STANDARD.encode(bytes)}})
}

async fn next_besides_media(socket: &mut Socket) -> Value {
    loop {
        let message = socket.next().await.unwrap();
        if message["event"] != "media" {
            return message;
        }
    }
}

fn texts(report: &CallReport) -> Vec<&str> {
    report.warnings.iter().map(|warning| warning.text.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn frames_are_as_recommended() {
    let caller = Caller::with_steps(vec![Step::Press("5".into())]);
    let call = PlacedCall { caller, call_id: Some("call-7".into()), ..PlacedCall::default() };
    let mut open = open_with(call).await;

    let media = open.socket.next().await.unwrap();
    let dtmf = open.socket.next_event("dtmf").await;

    let stream = open.stream();
    assert_eq!(
        open.start,
        json!({"event": "start", "start": {
            "callId": "call-7", "streamId": stream, "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}})
    );
    assert_eq!(
        media,
        json!({"event": "media", "media": {
            "payload": STANDARD.encode([0xff; 160]), "contentType": "audio/x-mulaw", "sampleRate": 8000}})
    );
    assert_eq!((&dtmf["streamId"], &dtmf["dtmf"]["digit"]), (&json!(stream), &json!("5")));
    assert_eq!(open.live.sid(), "call-7");
}

#[tokio::test(start_paused = true)]
async fn business_facts_travel_where_they_are_told_to() {
    for facts_at in [FactsAt::TopLevel, FactsAt::Start, FactsAt::CustomParameters, FactsAt::ExtraHeaders] {
        let stream = StreamHabits { facts_at, ..StreamHabits::default() };
        let facts = vec![("businessId".into(), "b9".into()), ("agentId".into(), "a1".into())];
        let call = PlacedCall { facts, stream: Some(stream), ..PlacedCall::default() };

        let Open { start, .. } = open_with(call).await;

        let found = match facts_at {
            FactsAt::TopLevel => &start["businessId"],
            FactsAt::Start => &start["start"]["businessId"],
            FactsAt::CustomParameters => &start["start"]["customParameters"]["businessId"],
            FactsAt::ExtraHeaders => {
                assert_eq!(start["extra_headers"], "businessId=b9;agentId=a1");
                continue;
            }
        };
        assert_eq!(found, "b9", "{facts_at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn start_may_name_neither_stream_nor_format_and_media_neither_type_nor_rate() {
    let stream = StreamHabits {
        names_stream: false,
        names_format: false,
        describes_media: false,
        ..StreamHabits::default()
    };
    let mut open = open(stream).await;

    let media = open.socket.next().await.unwrap();
    open.socket.send(json!({"event": "terminate", "streamId": "made-up"})).await;
    let report = open.live.finished().await;

    assert_eq!(open.start["start"], json!({"callId": report.call_sid, "tracks": ["inbound", "outbound"]}));
    assert_eq!(media["media"], json!({"payload": STANDARD.encode([0xff; 160])}));
    assert_eq!((report.end.clone(), texts(&report)), (End::HungUpByMessage, vec![]));
}

#[tokio::test(start_paused = true)]
async fn every_sound_is_kept_sample_for_sample_and_may_come_in_binary() {
    for (encoding, rate) in [
        (Encoding::Mulaw, Rate::Hz8000),
        (Encoding::Mulaw, Rate::Hz16000),
        (Encoding::Pcm16, Rate::Hz8000),
        (Encoding::Pcm16, Rate::Hz16000),
    ] {
        let sound = Sound { encoding, rate };
        let mut open = open(StreamHabits { sound, binary: true, ..StreamHabits::default() }).await;
        let tone: Vec<i16> = (1..=rate.hz() / 2).map(|n| ((n as f32 * 0.3).sin() * 9_000.0) as i16).collect();
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        match encoding {
            Encoding::Mulaw => {
                audio::g711::pcm_to_ulaw(&tone, &mut bytes);
                audio::g711::ulaw_to_pcm(&bytes, &mut expected);
            }
            Encoding::Pcm16 => {
                audio::pcm::pcm_to_le(&tone, &mut bytes);
                expected.clone_from(&tone);
            }
        }

        let Some(Ok(Message::Binary(spoken))) = open.socket.ws.next().await else {
            panic!("no binary frame at {sound:?}");
        };
        // In one piece: nobody has documented a limit.
        open.socket.send(play(sound, &bytes)).await;
        open.order("checkpoint", json!({"name": "end"})).await;
        open.socket.next_event("playedStream").await;
        open.order("terminate", json!({})).await;
        let report = open.live.finished().await;

        assert_eq!(spoken.len(), bytes.len() / 25, "{sound:?}");
        assert_eq!(report.stream_heard.rate, rate);
        let begins = report.stream_heard.samples.iter().position(|sample| *sample != 0).unwrap();
        assert!(report.stream_heard.samples[begins..].starts_with(&expected), "{sound:?}");
        assert_eq!(report.pieces, [bytes.len()]);
        assert_eq!(texts(&report), Vec::<&str>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn marks_of_cleared_audio_vanish_or_come_back() {
    for (marks_on_clear, tells_cleared, expected) in [
        (MarksOnClear::Silent, false, vec!["playedStream after"]),
        (MarksOnClear::Silent, true, vec!["clearedAudio ", "playedStream after"]),
        (MarksOnClear::Echoed, false, vec!["playedStream lost", "playedStream after"]),
    ] {
        let mut open = open(StreamHabits { marks_on_clear, tells_cleared, ..StreamHabits::default() }).await;

        open.socket.send(play(Sound::MULAW_8000, &[0x10; 8_000])).await;
        open.order("checkpoint", json!({"name": "lost"})).await;
        open.order("clearAudio", json!({})).await;
        open.order("checkpoint", json!({"name": "after"})).await;
        let mut told = Vec::new();
        while told.len() < expected.len() {
            let message = next_besides_media(&mut open.socket).await;
            let name = message["name"].as_str().unwrap_or_default();
            told.push(format!("{} {name}", message["event"].as_str().unwrap()));
        }

        assert_eq!(told, expected, "{marks_on_clear:?} {tells_cleared}");
    }
}

#[tokio::test(start_paused = true)]
async fn terminate_is_obeyed_or_ignored_until_the_socket_closes() {
    let mut obeying = open(StreamHabits { sends_stop: true, ..StreamHabits::default() }).await;
    obeying.order("terminate", json!({})).await;
    obeying.socket.next_event("stop").await;
    assert!(obeying.socket.next().await.is_none());
    assert_eq!(obeying.live.finished().await.end, End::HungUpByMessage);

    let mut ignoring = open(StreamHabits { obeys_terminate: false, ..StreamHabits::default() }).await;
    ignoring.order("terminate", json!({})).await;
    let mut notes = ignoring.live.notes();
    notes.until(|what| *what == Happening::HangUpAsked).await.unwrap();
    ignoring.socket.next_event("media").await;
    ignoring.socket.ws.close(None).await.unwrap();
    let report = ignoring.live.finished().await;
    assert_eq!(report.end, End::StreamOver);
    assert!(report.end.is_by_gateway());
}

#[tokio::test(start_paused = true)]
async fn caller_may_be_left_in_silence_when_the_socket_closes() {
    let mut open = open(StreamHabits { ends_with_socket: false, ..StreamHabits::default() }).await;

    open.socket.ws.close(None).await.unwrap();
    let mut notes = open.live.notes();
    notes.until(|what| matches!(what, Happening::StreamEnded { .. })).await.unwrap();
    open.live.hang_up().await;

    assert_eq!(open.live.finished().await.end, End::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn transfer_calls_the_number_by_whichever_field_is_set() {
    for field in ["number", "transferTo"] {
        let stream = StreamHabits { transfer_field: field.into(), ..StreamHabits::default() };
        let mut open = open(stream).await;
        let call = open.live.sid().to_owned();

        open.order("transfer", json!({"callId": call, field: "9876543210"})).await;
        while open.socket.next().await.is_some() {}
        let report = open.live.finished().await;

        assert_eq!(report.end, End::Transferred { number: "9876543210".into() });
        let dialled = Happening::Dialled { numbers: vec!["9876543210".into()], outcome: "completed".into() };
        assert_eq!(report.count(|what| *what == dialled), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn socket_may_stay_silent_for_ever() {
    let stream = StreamHabits { never_starts: true, ..StreamHabits::default() };
    let call = PlacedCall { stream: Some(stream), ..PlacedCall::default() };
    let (_gateway, _mcube, live, mut socket) = placed(call).await;

    let first = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
    socket.ws.close(None).await.unwrap();
    let report = live.finished().await;

    assert!(first.is_err(), "{first:?}");
    assert_eq!((report.end, report.media.frames_sent), (End::StreamOver, 0));
}

#[tokio::test(start_paused = true)]
async fn second_socket_starts_anew_for_the_same_call() {
    let Open { mut gateway, live, mut socket, start, mcube } = open(StreamHabits::default()).await;

    live.second_socket().await;
    let mut second = gateway.socket().await;
    let again = second.next_event("start").await;
    let reading = tokio::spawn(async move { while socket.next().await.is_some() {} });
    second.send(json!({"event": "terminate", "streamId": again["start"]["streamId"]})).await;
    while second.next().await.is_some() {}
    let report = live.finished().await;

    assert_eq!(again["start"]["callId"], start["start"]["callId"]);
    assert_ne!(again["start"]["streamId"], start["start"]["streamId"]);
    assert_eq!((report.end, report.stream_sids.len()), (End::HungUpByMessage, 2));
    mcube.shut_down().await;
    reading.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_messages_are_told_and_killed_sockets_noted() {
    let mut open = open(StreamHabits::default()).await;

    open.socket.send(json!({"event": "playAudio", "media": {"payload": "AA=="}})).await;
    open.socket.send(json!({"event": "terminate", "streamId": "another"})).await;
    open.order("checkpoint", json!({"name": "end"})).await;
    open.socket.next_event("playedStream").await;
    open.live.kill_socket(How::Reset).await;
    let report = open.live.finished().await;

    assert_eq!(report.end, End::SocketKilled);
    let warnings = texts(&report);
    for about in ["contentType", "sampleRate", "not this stream"] {
        assert!(warnings.iter().any(|warning| warning.contains(about)), "{warnings:?}");
    }
}
