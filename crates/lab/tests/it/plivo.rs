//! The emulated Plivo's calls: what it asks, what it says on a stream, when it plays, how it ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use lab::caller::{Caller, Step};
use lab::plivo::{
    CallReport, Dialling, End, ExtraHeaders, Happening, How, LiveCall, Method, PlacedCall, Plivo,
    PlivoConfig, StreamEnd, signature,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::{Gateway, Seen, Socket};

pub(crate) const MULAW: &str =
    "bidirectional=\"true\" keepCallAlive=\"true\" contentType=\"audio/x-mulaw;rate=8000\"";

/// An open stream: everything a test needs of both ends.
pub(crate) struct Open {
    pub(crate) gateway: Gateway,
    pub(crate) plivo: Plivo,
    pub(crate) live: LiveCall,
    pub(crate) socket: Socket,
    pub(crate) id: String,
}

pub(crate) fn xml(gateway: &Gateway, path: &str, inside: &str) {
    gateway.answer(path, 200, "application/xml", format!("<Response>{inside}</Response>"));
}

fn stream_xml(gateway: &Gateway, attributes: &str, behind: &str) {
    xml(gateway, "/answer", &format!("<Stream {attributes}>{}</Stream>{behind}", gateway.media_url));
}

pub(crate) async fn open(caller: Caller) -> Open {
    open_with(MULAW, "", PlivoConfig::default(), PlacedCall { caller, ..PlacedCall::default() }).await
}

pub(crate) async fn open_with(attributes: &str, behind: &str, config: PlivoConfig, call: PlacedCall) -> Open {
    let mut gateway = Gateway::start().await;
    let attributes = attributes.replace("$STATUS", &gateway.at("/status"));
    stream_xml(&gateway, &attributes, behind);
    let plivo = Plivo::start(config).await.unwrap();
    let live = plivo.place_call(PlacedCall { answer_url: gateway.at("/answer"), ..call });
    let mut socket = gateway.socket().await;
    let id = socket.next_event("start").await["start"]["streamId"].as_str().unwrap().to_owned();
    Open { gateway, plivo, live, socket, id }
}

fn play(content_type: &str, rate: u32, bytes: &[u8]) -> Value {
    let media = json!({"contentType": content_type, "sampleRate": rate, "payload": STANDARD.encode(bytes)});
    json!({"event": "playAudio", "media": media})
}

pub(crate) fn checkpoint(id: &str, name: &str) -> Value {
    json!({"event": "checkpoint", "streamId": id, "name": name})
}

async fn next_besides_media(socket: &mut Socket) -> Value {
    loop {
        let message = socket.next().await.unwrap();
        if message["event"] != "media" {
            return message;
        }
    }
}

pub(crate) fn texts(report: &CallReport) -> Vec<&str> {
    report.warnings.iter().map(|warning| warning.text.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn frames_are_exactly_as_documented() {
    let caller = Caller::with_steps(vec![Step::Wait(Duration::from_millis(40)), Step::Press("7".into())]);
    let mut gateway = Gateway::start().await;
    stream_xml(&gateway, &format!("{MULAW} extraHeaders=\"session=abc,tenant=t1\""), "");
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();
    let live = plivo.place_call(PlacedCall {
        answer_url: gateway.at("/answer"),
        caller,
        call_uuid: Some("97ceeb52-58b6-11e1-86da-77300b68f8bb".into()),
        ..PlacedCall::default()
    });
    let mut socket = gateway.socket().await;

    let start = socket.next().await.unwrap();
    let first = socket.next().await.unwrap();
    let second = socket.next().await.unwrap();
    let dtmf = socket.next_event("dtmf").await;

    let id = start["start"]["streamId"].as_str().unwrap();
    assert_eq!(
        start,
        json!({"event": "start", "sequenceNumber": 1, "extra_headers": "session=abc;tenant=t1", "start": {
            "callId": "97ceeb52-58b6-11e1-86da-77300b68f8bb", "streamId": id, "accountId": plivo.auth_id(),
            "tracks": ["inbound"], "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}})
    );
    let silence = STANDARD.encode([0xff; 160]);
    let began: i64 = first["media"]["timestamp"].as_str().unwrap().parse().unwrap();
    for (n, message) in [first, second].into_iter().enumerate() {
        assert_eq!(
            message,
            json!({"event": "media", "sequenceNumber": n + 2, "streamId": id,
                   "extra_headers": "session=abc;tenant=t1", "media": {
                "track": "inbound", "timestamp": (began + 20 * n as i64).to_string(), "chunk": n + 1,
                "payload": silence}})
        );
    }
    assert_eq!(dtmf["sequenceNumber"], 5);
    assert_eq!((&dtmf["dtmf"]["track"], &dtmf["dtmf"]["digit"]), (&json!("inbound"), &json!("7")));
    assert!(dtmf["dtmf"]["timestamp"].is_string());
    live.hang_up().await;
    while let Some(message) = socket.next().await {
        assert_eq!(message["event"], "media", "there is no goodbye");
    }
    assert_eq!(live.finished().await.end, End::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn extra_headers_may_be_an_object_and_a_stop_may_come() {
    let config =
        PlivoConfig { extra_headers: ExtraHeaders::Json, sends_stop: true, ..PlivoConfig::default() };
    let attributes = format!("{MULAW} extraHeaders=\"session=abc\"");
    let mut open = open_with(&attributes, "", config, PlacedCall::default()).await;

    let media = open.socket.next().await.unwrap();
    open.live.hang_up().await;
    let stop = open.socket.next_event("stop").await;

    assert_eq!(media["extra_headers"], r#"{"session":"abc"}"#);
    assert_eq!(stop["streamId"], open.id.as_str());
}

#[tokio::test(start_paused = true)]
async fn checkpoint_is_told_only_when_the_audio_before_it_has_been_heard() {
    let mut open = open(Caller::silent()).await;
    let began = tokio::time::Instant::now();

    for _ in 0..10 {
        open.socket.send(play("audio/x-mulaw", 8000, &[0x10; 160])).await;
    }
    open.socket.send(checkpoint(&open.id, "seg-1")).await;
    let played = next_besides_media(&mut open.socket).await;
    let took = began.elapsed();
    open.live.hang_up().await;
    let report = open.live.finished().await;

    assert_eq!((&played["event"], &played["name"]), (&json!("playedStream"), &json!("seg-1")));
    assert_eq!(played["streamId"], open.id.as_str());
    assert!(took >= Duration::from_millis(200) && took < Duration::from_millis(300), "{took:?}");
    assert_eq!(report.pieces, [160; 10]);
    assert_eq!(report.media.played, Duration::from_millis(200));
    assert_eq!(texts(&report), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn cleared_audio_is_told_and_its_checkpoints_vanish() {
    let mut open = open(Caller::silent()).await;

    for _ in 0..100 {
        open.socket.send(play("audio/x-mulaw", 8000, &[0x10; 160])).await;
    }
    open.socket.send(checkpoint(&open.id, "lost")).await;
    open.socket.send(json!({"event": "clearAudio", "streamId": open.id})).await;
    open.socket.send(checkpoint(&open.id, "after")).await;
    let cleared = next_besides_media(&mut open.socket).await;
    let after = next_besides_media(&mut open.socket).await;
    open.live.hang_up().await;
    let report = open.live.finished().await;

    assert_eq!((&cleared["event"], &cleared["streamId"]), (&json!("clearedAudio"), &json!(open.id)));
    assert_eq!(after["name"], "after");
    assert_eq!(report.count(|what| matches!(what, Happening::MarkEchoed { .. })), 1);
    assert!(report.media.cleared > Duration::from_millis(1_500));
}

#[tokio::test(start_paused = true)]
async fn what_is_played_is_kept_sample_for_sample_at_every_format() {
    for (content_type, bare, rate) in [
        ("audio/x-mulaw;rate=8000", "audio/x-mulaw", 8_000),
        ("audio/x-l16;rate=8000", "audio/x-l16", 8_000),
        ("audio/x-l16;rate=16000", "audio/x-l16", 16_000),
    ] {
        let attributes =
            format!("bidirectional=\"true\" keepCallAlive=\"true\" contentType=\"{content_type}\"");
        let mut open = open_with(&attributes, "", PlivoConfig::default(), PlacedCall::default()).await;
        let is_mulaw = bare == "audio/x-mulaw";
        let tone: Vec<i16> = (0..rate as usize).map(|n| ((n as f32 * 0.3).sin() * 9_000.0) as i16).collect();
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        if is_mulaw {
            audio::g711::pcm_to_ulaw(&tone, &mut bytes);
            audio::g711::ulaw_to_pcm(&bytes, &mut expected);
        } else {
            audio::pcm::pcm_to_le(&tone, &mut bytes);
            expected.clone_from(&tone);
        }
        let frame = bytes.len() / 50;

        assert_eq!(
            STANDARD
                .decode(open.socket.next_event("media").await["media"]["payload"].as_str().unwrap())
                .unwrap()
                .len(),
            frame
        );
        for piece in bytes.chunks(frame) {
            open.socket.send(play(bare, rate, piece)).await;
        }
        open.socket.send(checkpoint(&open.id, "end")).await;
        open.socket.next_event("playedStream").await;
        open.live.hang_up().await;
        let report = open.live.finished().await;

        assert_eq!(report.stream_heard.rate.hz(), rate);
        let begins = report.stream_heard.samples.iter().position(|sample| *sample != 0).unwrap();
        let begins = begins - usize::from(expected[0] == 0);
        assert!(report.stream_heard.samples[begins..].starts_with(&expected), "{content_type}");
        assert!(report.heard.samples.iter().any(|sample| sample.abs() > 8_000), "{content_type}");
        assert_eq!(texts(&report), Vec::<&str>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_messages_are_told_and_the_call_goes_on() {
    let mut open = open(Caller::silent()).await;

    open.socket.send(play("audio/x-mulaw;rate=8000", 8000, &[0; 160])).await;
    open.socket.send(play("audio/x-mulaw", 8000, &[0; 320])).await;
    open.socket.send(checkpoint("another", "x")).await;
    open.socket.ws.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    open.socket.send(checkpoint(&open.id, "end")).await;
    open.socket.next_event("playedStream").await;
    open.live.hang_up().await;
    let report = open.live.finished().await;

    let warnings = texts(&report);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for (warning, about) in
        warnings.iter().zip(["contentType", "incorrectPayload", "not this stream", "binary"])
    {
        assert!(warning.contains(about), "{warning}");
    }
    assert_eq!(report.pieces, [320]);
}

#[tokio::test(start_paused = true)]
async fn wrong_messages_may_be_answered_with_a_reason() {
    let config = PlivoConfig { tells_errors: true, ..PlivoConfig::default() };
    let mut open = open_with(MULAW, "", config, PlacedCall::default()).await;

    open.socket.send(play("audio/x-l16", 8000, &[0; 320])).await;
    let failed = next_besides_media(&mut open.socket).await;
    open.socket.send(json!({"event": "mark"})).await;
    let error = next_besides_media(&mut open.socket).await;

    assert_eq!((&failed["event"], &failed["streamId"]), (&json!("playFailed"), &json!(open.id)));
    assert!(failed["reason"].as_str().unwrap().starts_with("incorrectPayload"));
    assert_eq!(error["event"], "error");
}

#[tokio::test(start_paused = true)]
async fn digits_towards_the_caller_are_heard_and_counted() {
    let mut open = open(Caller::silent()).await;

    open.socket.send(json!({"event": "sendDTMF", "dtmf": "12#"})).await;
    let mut notes = open.live.notes();
    notes.until(|what| matches!(what, Happening::DigitsPlayed { .. })).await.unwrap();
    for _ in 0..40 {
        open.socket.next_event("media").await;
    }
    open.live.hang_up().await;
    let report = open.live.finished().await;

    assert_eq!(report.digits, "12#");
    let mut detector = audio::dtmf::Detector::new(audio::Rate::Hz8000);
    assert_eq!(detector.push(&report.heard.samples), ['1', '2', '#']);
    assert!(report.stream_heard.samples.iter().all(|sample| *sample == 0), "the stream did not play them");
}

#[tokio::test(start_paused = true)]
async fn stream_that_closes_ends_the_call_or_leads_to_the_next_element() {
    for (attributes, behind, end, verbs) in [
        (MULAW.to_owned(), "<Hangup/>", End::HungUpByXml, vec!["Stream", "Hangup"]),
        (MULAW.to_owned(), "", End::OutOfVerbs, vec!["Stream"]),
        (MULAW.replace("keepCallAlive=\"true\"", ""), "", End::StreamOver, vec!["Stream"]),
    ] {
        let open = open_with(&attributes, behind, PlivoConfig::default(), PlacedCall::default()).await;

        let mut ws = open.socket.ws;
        ws.close(None).await.unwrap();
        let report = open.live.finished().await;

        assert_eq!((&report.end, &report.verbs), (&end, &verbs.iter().map(ToString::to_string).collect()));
        assert!(report.end.is_by_gateway());
        let ended = |what: &Happening| {
            matches!(what, Happening::StreamEnded { why: StreamEnd::ClosedByGateway { .. }, .. })
        };
        assert_eq!(report.count(ended), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_cannot_be_opened_is_tried_three_times() {
    let gateway = Gateway::start().await;
    let refused = gateway.media_url.replace("/media", "/refused");
    xml(
        &gateway,
        "/answer",
        &format!(
            "<Stream {MULAW} statusCallbackUrl=\"{}\">{refused}</Stream><Speak>Sorry.</Speak>",
            gateway.at("/status")
        ),
    );
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();

    let placed = PlacedCall { answer_url: gateway.at("/answer"), ..PlacedCall::default() };
    let report = plivo.place_call(placed).finished().await;

    assert_eq!(report.count(|what| matches!(what, Happening::StreamRefused { status: Some(403), .. })), 3);
    assert_eq!(report.verbs, ["Stream", "Speak"]);
    let events: Vec<_> = gateway.seen("/status").iter().map(|seen| seen.field("Event").unwrap()).collect();
    assert_eq!(events, ["DroppedStream"]);
}

#[tokio::test(start_paused = true)]
async fn stream_events_are_reported_in_order_and_a_filling_buffer_with_them() {
    let attributes = format!("{MULAW} statusCallbackUrl=\"$STATUS\"");
    let mut open = open_with(&attributes, "", PlivoConfig::default(), PlacedCall::default()).await;
    open.gateway.answer("/status", 200, "text/plain", "");

    open.socket.send(checkpoint(&open.id, "at-once")).await;
    open.socket.next_event("playedStream").await;
    // 13 s of 40 s are more than 30 %.
    for _ in 0..13 * 50 {
        open.socket.send(play("audio/x-mulaw", 8000, &[0x10; 160])).await;
    }
    open.socket.send(json!({"event": "clearAudio", "streamId": open.id})).await;
    open.socket.next_event("clearedAudio").await;
    open.live.hang_up().await;
    open.live.finished().await;

    let seen = open.gateway.seen("/status");
    let events: Vec<_> = seen.iter().map(|seen| seen.field("Event").unwrap()).collect();
    assert_eq!(events, ["StartStream", "PlayedStream", "DegradedStream", "ClearedAudio", "StopStream"]);
    assert_eq!(seen[1].field("Name").as_deref(), Some("at-once"));
    assert!(seen.iter().all(|seen| seen.field("StreamID").as_deref() == Some(open.id.as_str())));
    assert!(
        seen.iter().all(|seen| seen.field("CallUUID").is_some() && verdict(&open.plivo, &open.gateway, seen))
    );
}

#[tokio::test(start_paused = true)]
async fn second_socket_is_a_stream_of_its_own_for_the_same_call() {
    let mut open = open(Caller::silent()).await;

    open.live.second_socket().await;
    let mut second = open.gateway.socket().await;
    let start = second.next_event("start").await;
    second.next_event("media").await;
    open.live.kill_socket(How::Reset).await;
    let report = open.live.finished().await;

    assert_eq!(start["start"]["callId"], report.call_sid.as_str());
    assert_ne!(start["start"]["streamId"], open.id.as_str());
    assert_eq!((start["sequenceNumber"].as_u64(), report.stream_sids.len()), (Some(1), 2));
    assert_eq!(report.end, End::SocketKilled);
}

#[tokio::test(start_paused = true)]
async fn document_of_the_wrong_type_leads_to_the_fallback() {
    let gateway = Gateway::start().await;
    gateway.answer("/answer", 200, "text/html", "<Response><Hangup/></Response>");
    xml(&gateway, "/fallback", "<Speak>Hello</Speak><Hangup/>");
    let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();

    let placed = PlacedCall {
        answer_url: gateway.at("/answer"),
        fallback_url: Some(gateway.at("/fallback")),
        hangup_url: Some(gateway.at("/hangup")),
        ..PlacedCall::default()
    };
    let report = plivo.place_call(placed).finished().await;

    assert_eq!(
        (report.end.clone(), report.verbs.clone()),
        (End::HungUpByXml, vec!["Speak".into(), "Hangup".into()])
    );
    assert!(texts(&report)[0].contains("not application/xml"));
    let hangup = gateway.seen("/hangup").remove(0);
    for (name, value) in [
        ("Event", "Hangup"),
        ("CallStatus", "completed"),
        ("HangupCause", "NORMAL_CLEARING"),
        ("Direction", "inbound"),
    ] {
        assert_eq!(hangup.field(name).as_deref(), Some(value));
    }
}

#[tokio::test(start_paused = true)]
async fn dial_talks_and_reports_to_its_action() {
    let gateway = Gateway::start().await;
    let action = gateway.at("/dialled");
    xml(&gateway, "/answer", &format!("<Dial action=\"{action}\"><Number>+14155550123</Number></Dial>"));
    xml(&gateway, "/dialled", "<Hangup/>");
    let dialling = Dialling::default();
    let plivo = Plivo::start(PlivoConfig { dialling, ..PlivoConfig::default() }).await.unwrap();

    let placed = PlacedCall { answer_url: gateway.at("/answer"), ..PlacedCall::default() };
    let report = plivo.place_call(placed).finished().await;

    assert_eq!(report.end, End::HungUpByXml);
    assert_eq!(gateway.seen("/dialled")[0].field("DialStatus").as_deref(), Some("completed"));
    let dialled = Happening::Dialled { numbers: vec!["+14155550123".into()], outcome: "completed".into() };
    assert_eq!(report.count(|what| *what == dialled), 1);
}

#[tokio::test(start_paused = true)]
async fn misfortunes_strike_this_wire_as_any_other() {
    for (script, end, refused) in [
        ("at 300ms: close 1011 gone", End::SocketKilled, 0),
        ("at 300ms: drop", End::SocketKilled, 0),
        ("at_handshake: drop", End::OutOfVerbs, 3),
    ] {
        let mut gateway = Gateway::start().await;
        stream_xml(&gateway, MULAW, "");
        let plivo = Plivo::start(PlivoConfig::default()).await.unwrap();
        let faults = script.parse().unwrap();
        let live = plivo.place_call(PlacedCall {
            answer_url: gateway.at("/answer"),
            faults,
            ..PlacedCall::default()
        });
        if refused == 0 {
            let mut socket = gateway.socket().await;
            while socket.next().await.is_some() {}
        }
        let report = live.finished().await;

        assert_eq!(report.end, end, "{script}");
        assert_eq!(report.count(|what| matches!(what, Happening::StreamRefused { .. })), refused, "{script}");
    }
    let faults = "before_metadata: garbage audio; at 200ms: garbage json".parse().unwrap();
    let mut open =
        open_with(MULAW, "", PlivoConfig::default(), PlacedCall { faults, ..PlacedCall::default() }).await;
    let Ok(garbage) = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Message::Text(text) = open.socket.ws.next().await.unwrap().unwrap()
                && serde_json::from_str::<Value>(&text).is_err()
            {
                return text;
            }
        }
    })
    .await
    else {
        panic!("no garbage came")
    };
    assert!(garbage.starts_with('{'));
}

#[tokio::test(start_paused = true)]
async fn stream_ends_when_its_time_is_up_or_the_emulator_is_shut_down() {
    let attributes = format!("{MULAW} streamTimeout=\"2\"");
    let open = open_with(&attributes, "<Hangup/>", PlivoConfig::default(), PlacedCall::default()).await;
    let Open { live, mut socket, .. } = open;
    while socket.next().await.is_some() {}
    let report = live.finished().await;
    assert_eq!(report.end, End::HungUpByXml);
    assert!(report.stream_heard.duration().abs_diff(Duration::from_secs(2)) < Duration::from_millis(50));

    let Open { plivo, live, mut socket, .. } = self::open(Caller::silent()).await;
    let reading = tokio::spawn(async move { while socket.next().await.is_some() {} });
    plivo.shut_down().await;
    reading.await.unwrap();
    assert_eq!(live.finished().await.end, End::ShutDown);
}

/// Is this request signed as the documents say?
fn verdict(plivo: &Plivo, gateway: &Gateway, seen: &Seen) -> bool {
    let header = |name: &str| seen.headers.get(name).unwrap().to_str().unwrap();
    let is_post = seen.method == axum::http::Method::POST;
    let (method, form) = if is_post { (Method::Post, seen.form()) } else { (Method::Get, Vec::new()) };
    let url = gateway.at(&seen.uri.to_string());
    let nonce = header(signature::NONCE_HEADER);
    header(signature::HEADER) == signature::v3(plivo.auth_token(), nonce, method, &url, &form)
}
