//! The media stream: what it sends, when it plays, how it ends.

use std::time::Duration;

use audio::{Frame, Rate, g711};
use base64::Engine;
use futures_util::{SinkExt, StreamExt};
use lab::caller::{Caller, Step};
use lab::twilio::{
    CallReport, End, Happening, How, LiveCall, PlacedCall, Signing, StreamEnd, Twilio, TwilioConfig,
    signature,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::{Gateway, Socket};

/// An open stream: everything a test needs of both ends.
struct Open {
    gateway: Gateway,
    twilio: Twilio,
    live: LiveCall,
    socket: Socket,
    sid: String,
}

async fn open(caller: Caller) -> Open {
    open_with(PlacedCall { caller, ..PlacedCall::default() }, "", "").await
}

async fn open_with(call: PlacedCall, inside: &str, behind: &str) -> Open {
    let mut gateway = Gateway::start().await;
    gateway.stream_twiml("/voice", inside, behind);
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let live = twilio.place_call(PlacedCall { webhook_url: gateway.at("/voice"), ..call });
    let mut socket = gateway.socket().await;
    let sid = socket.start().await;
    Open { gateway, twilio, live, socket, sid }
}

/// Reads until the socket ends, so that its peer is never held up.
async fn drain(mut socket: Socket) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some(message) = socket.next().await {
        messages.push(message);
    }
    messages
}

fn hangs_up_after(time: Duration) -> Caller {
    Caller::with_steps(vec![Step::Wait(time), Step::HangUp])
}

fn bytes_of(message: &Value) -> Vec<u8> {
    let payload = message["media"]["payload"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(payload).unwrap()
}

fn heard_loud_ms(report: &CallReport) -> u64 {
    report.heard.samples.iter().filter(|sample| sample.abs() > 100).count() as u64 / 8
}

#[tokio::test(start_paused = true)]
async fn frames_are_exactly_as_documented() {
    let mut gateway = Gateway::start().await;
    gateway.stream_twiml("/voice", "<Parameter name=\"k\" value=\"v\"/>", "");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let caller = Caller::with_steps(vec![Step::Wait(Duration::from_millis(40)), Step::Press("7".into())]);
    let live =
        twilio.place_call(PlacedCall { webhook_url: gateway.at("/voice"), caller, ..PlacedCall::default() });
    let mut socket = gateway.socket().await;

    let connected = socket.next().await.unwrap();
    let start = socket.next().await.unwrap();
    let sid = start["streamSid"].as_str().unwrap().to_owned();
    let first = socket.next().await.unwrap();
    let second = socket.next().await.unwrap();
    let dtmf = socket.next_event("dtmf").await;
    live.hang_up().await;
    let stop = socket.next_event("stop").await;

    assert_eq!(connected, json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    assert!(sid.starts_with("MZ") && sid.len() == 34);
    assert_eq!(
        start,
        json!({"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": {
            "accountSid": twilio.account_sid(), "streamSid": sid, "callSid": live.sid(), "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"k": "v"},
        }})
    );
    let silence = base64::engine::general_purpose::STANDARD.encode([0xff; 160]);
    let media = |sequence: &str, chunk: &str, timestamp: &str| {
        json!({"event": "media", "sequenceNumber": sequence, "streamSid": sid, "media": {
            "track": "inbound", "chunk": chunk, "timestamp": timestamp, "payload": silence}})
    };
    assert_eq!(first, media("2", "1", "0"));
    assert_eq!(second, media("3", "2", "20"));
    // The third frame has the number 4, and the key is pressed within it.
    assert_eq!(
        dtmf,
        json!({"event": "dtmf", "sequenceNumber": "5", "streamSid": sid,
               "dtmf": {"track": "inbound_track", "digit": "7"}})
    );
    assert_eq!(
        stop,
        json!({"event": "stop", "sequenceNumber": stop["sequenceNumber"], "streamSid": sid,
               "stop": {"accountSid": twilio.account_sid(), "callSid": live.sid()}})
    );
}

#[tokio::test(start_paused = true)]
async fn upgrade_is_signed_and_offers_no_compression() {
    let token = TwilioConfig::default().auth_token;
    for (signing, suffix) in [(Signing::Right, ""), (Signing::TrailingSlashOnUpgrade, "/")] {
        let open = open_with(PlacedCall { signing, ..PlacedCall::default() }, "", "").await;

        let given = open.socket.upgrade.get("x-twilio-signature").unwrap().to_str().unwrap();

        let url = format!("{}{suffix}", open.gateway.media_url);
        assert_eq!(given, signature::of_url(&token, &url));
        assert!(open.socket.upgrade.get("sec-websocket-extensions").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn frames_keep_an_absolute_schedule() {
    let Open { twilio: _twilio, live, socket, .. } = open(hangs_up_after(Duration::from_secs(10))).await;

    let messages = drain(socket).await;
    let report = live.finished().await;

    let media: Vec<&Value> = messages.iter().filter(|message| message["event"] == "media").collect();
    // 10 s of frames and the one in which the caller hangs up.
    assert_eq!(media.len(), 501);
    for (n, message) in media.iter().enumerate() {
        assert_eq!(message["media"]["chunk"], (n + 1).to_string());
        assert_eq!(message["media"]["timestamp"], (n * 20).to_string());
        assert_eq!(message["sequenceNumber"], (n + 2).to_string());
        assert_eq!(bytes_of(message).len(), 160);
    }
    assert_eq!(report.media.frames_sent, 501);
    assert_eq!(report.heard.duration(), Duration::from_millis(10_020));
    assert_eq!(report.end, End::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn frames_missed_while_nothing_runs_are_made_up_for() {
    let Open { twilio: _twilio, live, socket, .. } = open(hangs_up_after(Duration::from_secs(2))).await;
    let reading = tokio::spawn(drain(socket));

    // The whole machine stands still for a second.
    tokio::time::advance(Duration::from_secs(1)).await;
    let report = live.finished().await;

    assert_eq!(reading.await.unwrap().iter().filter(|message| message["event"] == "media").count(), 101);
    let ended = report.timeline.last().unwrap().at;
    assert!(ended < Duration::from_millis(2_200), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn audio_plays_in_real_time_and_marks_come_back_when_it_has_played() {
    let Open { twilio: _twilio, live, mut socket, sid, .. } = open(Caller::silent()).await;
    let mut notes = live.notes();

    socket.send_mark(&sid, "before").await;
    socket.send_media(&sid, &[0x20; 8_000]).await;
    socket.send_mark(&sid, "middle").await;
    socket.send_media(&sid, &[0x20; 4_000]).await;
    socket.send_mark(&sid, "end").await;
    let mut echoed = Vec::new();
    while echoed.len() < 3 {
        let mark = socket.next_event("mark").await;
        assert_eq!(mark["streamSid"], sid);
        echoed.push(mark["mark"]["name"].as_str().unwrap().to_owned());
    }
    live.hang_up().await;
    drain(socket).await;

    assert_eq!(echoed, ["before", "middle", "end"]);
    let mut at = Vec::new();
    while let Some(note) = notes.until(|what| matches!(what, Happening::MarkEchoed { .. })).await {
        assert!(matches!(note.what, Happening::MarkEchoed { cleared: false, .. }));
        at.push(note.at);
    }
    // One second to the middle, half a second more to the end, each on the line's 20 ms clock.
    assert!((980..=1_040).contains(&(at[1] - at[0]).as_millis()), "{at:?}");
    assert!((480..=520).contains(&(at[2] - at[1]).as_millis()), "{at:?}");
    let report = live.finished().await;
    assert_eq!(report.media.received, Duration::from_millis(1_500));
    assert_eq!(report.media.played, Duration::from_millis(1_500));
    assert_eq!(heard_loud_ms(&report), 1_500);
}

#[tokio::test(start_paused = true)]
async fn clear_silences_at_once_and_echoes_every_pending_mark() {
    let Open { twilio: _twilio, live, mut socket, sid, .. } = open(Caller::silent()).await;
    let mut notes = live.notes();

    socket.send_media(&sid, &[0x20; 16_000]).await;
    socket.send_mark(&sid, "a").await;
    socket.send_media(&sid, &[0x20; 16_000]).await;
    socket.send_mark(&sid, "b").await;
    // Ten frames of the call go by, then the gateway changes its mind.
    for _ in 0..10 {
        socket.next_event("media").await;
    }
    socket.send(json!({"event": "clear", "streamSid": sid})).await;
    let echoed = [socket.next_event("mark").await, socket.next_event("mark").await];
    live.hang_up().await;
    drain(socket).await;
    let report = live.finished().await;

    assert_eq!(echoed.each_ref().map(|mark| mark["mark"]["name"].as_str().unwrap()), ["a", "b"]);
    let first = notes.until(|what| matches!(what, Happening::MarkEchoed { .. })).await.unwrap();
    assert_eq!(first.what, Happening::MarkEchoed { name: "a".into(), cleared: true });
    assert!(report.media.played < Duration::from_millis(400), "{:?}", report.media);
    assert_eq!(report.media.played + report.media.cleared, Duration::from_secs(4));
    assert_eq!(Duration::from_millis(heard_loud_ms(&report)), report.media.played);
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_sent_as_spoken() {
    let Open { twilio: _twilio, live, mut socket, .. } = open(Caller::silent()).await;
    let spoken = Frame::new(Rate::Hz8000, (0..800).map(|n| (n * 31 % 9_000) as i16).collect());

    live.speak(spoken.clone()).await;
    let mut got = Vec::new();
    while got.len() < spoken.samples.len() {
        let bytes = bytes_of(&socket.next_event("media").await);
        if !got.is_empty() || bytes.iter().any(|byte| *byte != 0xff) {
            got.extend(bytes);
        }
    }

    let mut expected = Vec::new();
    g711::pcm_to_ulaw(&spoken.samples, &mut expected);
    assert_eq!(got, expected);
}

#[tokio::test(start_paused = true)]
async fn a_caller_hears_the_agent_and_answers_when_it_falls_silent() {
    let answer = Frame::new(Rate::Hz8000, vec![6_000; 1_600]);
    let caller = Caller::with_steps(vec![
        Step::WaitForAgentSpeech,
        Step::WaitForAgentSilence(Duration::from_millis(500)),
        Step::Speak(answer),
        Step::HangUp,
    ]);
    let Open { twilio: _twilio, live, mut socket, sid, .. } = open(caller).await;
    let mut speech = Vec::new();
    g711::pcm_to_ulaw(&lab::voice::speech("Hello, who is calling?", Rate::Hz8000).samples, &mut speech);

    socket.send_media(&sid, &speech).await;
    drain(socket).await;
    let report = live.finished().await;

    let at = |is_it: fn(&Happening) -> bool| {
        report.timeline.iter().find(|n| is_it(&n.what)).map(|n| n.at).unwrap()
    };
    let began = at(|what| *what == Happening::AgentSpeechBegan);
    let ended = at(|what| *what == Happening::AgentSpeechEnded);
    let answered = at(|what| *what == Happening::CallerSpeaks);
    assert!(began < ended && ended < answered, "{began:?} {ended:?} {answered:?}");
    assert_eq!(report.end, End::CallerHungUp);
    let utterances = lab::voice::recognise(&report.heard, &["Hello, who is calling?", "Somebody else"]);
    assert!(
        !utterances.is_empty() && utterances.iter().all(|utterance| utterance.text == 0),
        "{utterances:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_pressed_one_after_the_other() {
    let Open { twilio: _twilio, live, mut socket, .. } = open(Caller::silent()).await;

    live.press("1x2#").await;
    let mut digits = String::new();
    while digits.len() < 3 {
        digits.push_str(socket.next_event("dtmf").await["dtmf"]["digit"].as_str().unwrap());
    }

    assert_eq!(digits, "12#");
}

#[tokio::test(start_paused = true)]
async fn when_the_gateway_closes_the_next_verb_follows() {
    let open = open_with(PlacedCall::default(), "", "<Say>bye</Say>").await;
    let Open { twilio: _twilio, live, mut socket, sid, .. } = open;

    socket.send_media(&sid, &[0x20; 8_000]).await;
    socket.next_event("media").await;
    socket.ws.close(None).await.unwrap();
    drain(socket).await;
    let report = live.finished().await;

    assert_eq!(report.verbs, ["Connect", "Say"]);
    assert_eq!(report.end, End::OutOfVerbs);
    let closed = report.timeline.iter().find_map(|note| match &note.what {
        Happening::StreamEnded { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert!(matches!(closed, Some(StreamEnd::ClosedByGateway { .. })), "{closed:?}");
    // What had not been played is never heard.
    assert!(report.media.unplayed > Duration::from_millis(800), "{:?}", report.media);
    assert_eq!(report.media.unplayed + report.media.played, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_action_of_connect_is_asked_when_the_stream_is_over() {
    let mut gateway = Gateway::start().await;
    let stream = format!(
        "<Connect action=\"/after\"><Stream url=\"{}\"/></Connect><Say>never</Say>",
        gateway.media_url
    );
    gateway.twiml("/voice", &stream);
    gateway.twiml("/after", "<Hangup/>");
    let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
    let live = twilio.place_call(PlacedCall { webhook_url: gateway.at("/voice"), ..PlacedCall::default() });
    let mut socket = gateway.socket().await;
    socket.start().await;

    socket.ws.close(None).await.unwrap();
    let report = live.finished().await;

    assert_eq!(report.verbs, ["Connect", "Hangup"]);
    assert_eq!(gateway.seen("/after").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn stream_callbacks_tell_of_start_stop_and_errors() {
    for (url, expected) in
        [("/media", vec!["stream-started", "stream-stopped"]), ("/refused", vec!["stream-error"])]
    {
        let gateway = Gateway::start().await;
        let media = gateway.media_url.replace("/media", url);
        let stream =
            format!("<Connect><Stream url=\"{media}\" name=\"leg\" statusCallback=\"/stream\"/></Connect>");
        gateway.twiml("/voice", &stream);
        gateway.answer("/stream", 204, "text/plain", "");
        let twilio = Twilio::start(TwilioConfig::default()).await.unwrap();
        let call = PlacedCall {
            webhook_url: gateway.at("/voice"),
            caller: hangs_up_after(Duration::from_secs(1)),
            ..PlacedCall::default()
        };

        let live = twilio.place_call(call);
        let mut gateway = gateway;
        if url == "/media" {
            let socket = gateway.socket().await;
            drain(socket).await;
        }
        let report = live.finished().await;

        let seen = gateway.seen("/stream");
        let events: Vec<String> = seen.iter().map(|s| s.field("StreamEvent").unwrap()).collect();
        assert_eq!(events, expected);
        for request in &seen {
            assert_eq!(request.field("StreamName").as_deref(), Some("leg"));
            assert_eq!(request.field("CallSid").as_ref(), Some(&report.call_sid));
            assert!(request.field("StreamSid").unwrap().starts_with("MZ"));
            assert!(request.field("Timestamp").unwrap().ends_with('Z'));
            let expected = signature::of_form(twilio.auth_token(), &gateway.at("/stream"), &request.form());
            assert_eq!(request.signature(), Some(expected.as_str()));
        }
        if url == "/refused" {
            assert_eq!(report.warnings[0].code, Some(31920));
            assert!(seen[0].field("StreamError").unwrap().contains("403"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deviations_are_written_down_and_not_fatal() {
    let Open { twilio: _twilio, live, mut socket, sid, .. } = open(Caller::silent()).await;

    socket.send(json!({"event": "mark", "streamSid": sid, "mark": {"name": "m"}, "extra": 1})).await;
    socket.send(json!({"event": "media", "streamSid": "MZother", "media": {"payload": "AAAA"}})).await;
    socket.ws.send(Message::text("not json")).await.unwrap();
    socket.ws.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    socket.send(json!({"event": "clear", "streamSid": sid})).await;
    socket.send_mark(&sid, "still alive").await;
    // The mark with the extra field still counts.
    assert_eq!(socket.next_event("mark").await["mark"]["name"], "m");
    assert_eq!(socket.next_event("mark").await["mark"]["name"], "still alive");
    live.hang_up().await;
    drain(socket).await;
    let report = live.finished().await;

    assert_eq!(report.warnings.len(), 4, "{:?}", report.warnings);
    assert!(report.warnings.iter().all(|warning| warning.code == Some(31951)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_protocol_and_a_broken_connection_are_told_apart() {
    let Open { twilio: _twilio, live, socket, .. } = open(Caller::silent()).await;
    socket.ws.get_ref().set_zero_linger().unwrap();
    drop(socket);
    assert_eq!(live.finished().await.warnings[0].code, Some(31903));

    let Open { twilio: _twilio, live, mut socket, .. } = open(Caller::silent()).await;
    use tokio::io::AsyncWriteExt;
    // A text frame with a reserved bit set, as compression would have it.
    socket.ws.get_mut().write_all(&[0xc1, 0x01, b'x']).await.unwrap();
    assert_eq!(live.finished().await.warnings[0].code, Some(31924));
}

#[tokio::test(start_paused = true)]
async fn sockets_can_be_killed_in_three_ways() {
    for how in [How::CloseWithoutStop, How::StopWithoutClose, How::Reset] {
        let Open { twilio: _twilio, live, mut socket, .. } = open(Caller::silent()).await;

        live.kill_socket(how).await;
        let (mut stopped, mut closed, mut lost) = (false, false, false);
        while let Some(message) = socket.ws.next().await {
            match message {
                Ok(Message::Text(text)) if text.contains("\"stop\"") => {
                    stopped = true;
                    // Nothing more will come: the gateway must draw its own conclusion.
                    socket.ws.close(None).await.unwrap();
                }
                Ok(Message::Close(_)) => closed = true,
                Ok(_) => {}
                Err(_) => {
                    lost = true;
                    break;
                }
            }
        }
        let report = live.finished().await;

        assert_eq!(report.end, End::SocketKilled);
        let expected = match how {
            How::CloseWithoutStop => (false, true, false),
            // The close frame is the answer to ours.
            How::StopWithoutClose => (true, true, false),
            How::Reset => (false, false, true),
        };
        assert_eq!((stopped, closed, lost), expected, "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_socket_takes_the_call_over() {
    let Open { mut gateway, twilio: _twilio, live, socket: mut first, sid } = open(Caller::silent()).await;

    live.second_socket().await;
    let mut second = gateway.socket().await;
    let second_sid = second.start().await;
    second.send_mark(&second_sid, "here").await;
    assert_eq!(second.next_event("mark").await["mark"]["name"], "here");
    first.ws.close(None).await.unwrap();
    let old = drain(first).await;
    live.hang_up().await;
    let new = drain(second).await;
    let report = live.finished().await;

    assert_ne!(sid, second_sid);
    assert_eq!(report.stream_sids, [sid, second_sid]);
    assert!(old.iter().all(|message| message["event"] == "media"));
    assert_eq!(new.last().unwrap()["event"], "stop");
    assert_eq!(report.count(|what| matches!(what, Happening::FirstSocketEnded { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_emulator_goes() {
    let Open { twilio, live, socket, .. } = open(Caller::silent()).await;
    assert_eq!(twilio.live_calls(), 1);
    let reading = tokio::spawn(drain(socket));

    twilio.shut_down().await;

    assert_eq!(live.finished().await.end, End::ShutDown);
    assert_eq!(reading.await.unwrap().last().unwrap()["event"], "stop");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_emulator_ends_its_calls() {
    let Open { twilio, live, socket, .. } = open(Caller::silent()).await;
    let reading = tokio::spawn(drain(socket));

    drop(twilio);

    assert_eq!(live.finished().await.end, End::ShutDown);
    reading.await.unwrap();
}
