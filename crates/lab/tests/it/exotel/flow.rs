//! The applets around the stream: where the bot is, what comes after it, who is told.

use std::time::Duration;

use lab::exotel::{
    Applet, Exotel, ExotelConfig, FormKind, Passthru, PassthruWay, PlacedCall, StatusCallback, Then,
};
use lab::faults::Faults;
use lab::phone::{CallReport, End, Happening, Method};
use serde_json::{Value, json};

use super::bot::Bot;
use super::{complaints, hangs_up_after};
use crate::gateway::{Gateway, Seen};

async fn exotel() -> Exotel {
    Exotel::start(ExotelConfig::default()).await.unwrap()
}

fn passthru(gateway: &Gateway, way: PassthruWay) -> Then {
    let connect = Some(gateway.at("/whom"));
    Then::Passthru(Passthru { url: gateway.at("/after"), way, connect })
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_url_is_asked_with_everything_about_the_call() {
    for method in [Method::Get, Method::Post] {
        let (mut bot, gateway, exotel) = (Bot::start().await, Gateway::start().await, exotel().await);
        let answer = json!({"url": format!("{}?call_id=x&sample-rate=16000", bot.url)});
        gateway.answer("/connect", 200, "application/json", answer.to_string());
        let url = gateway.at("/connect");
        let applet = Applet::Dynamic { url: url.replace("http://", "http://key:secret@"), method };
        let extra_params = vec![("digits".to_owned(), "12".to_owned())];
        let live = exotel.place_call(PlacedCall { extra_params, ..PlacedCall::to(applet) });

        let mut socket = bot.socket().await;
        let start = socket.start().await;
        socket.close().await;
        let report = live.finished().await;

        let asked = &gateway.seen("/connect")[0];
        assert_eq!(asked.method.as_str(), if method == Method::Get { "GET" } else { "POST" });
        for (name, value) in [
            ("CallSid", report.call_sid.as_str()),
            ("CallFrom", "09999900100"),
            ("CallTo", "08040001234"),
            ("Direction", "incoming"),
            ("flow_id", "1"),
            ("digits", "12"),
        ] {
            assert_eq!(asked.field(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(asked.headers["authorization"], "Basic a2V5OnNlY3JldA==");
        assert_eq!(report.count(|what| *what == Happening::WebhookAsked { url: url.clone() }), 1);
        assert_eq!(socket_query(&start), json!({"call_id": "x"}));
        assert_eq!(start["start"]["media_format"]["sample_rate"], "16000");
        assert_eq!((report.end, report.verbs), (End::StreamOver, vec!["Voicebot".to_owned()]));
    }
}

fn socket_query(start: &Value) -> Value {
    start["start"]["custom_parameters"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_url_that_answers_wrongly_connects_nobody() {
    let (mut bot, gateway, exotel) = (Bot::start().await, Gateway::start().await, exotel().await);
    let right = json!({"url": bot.url}).to_string();
    for (path, status, content_type, body, problem) in [
        ("/created", 201, "application/json", right.as_str(), "status 201"),
        ("/text", 200, "text/plain", right.as_str(), "content type"),
        ("/empty", 200, "application/json", "", "not a JSON object"),
        ("/pairs", 200, "application/json", r#"{"url":"wss://h/?a=1&b=2&c=3&d=4"}"#, "4 pairs"),
    ] {
        gateway.answer(path, status, content_type, body);
        let applet = Applet::Dynamic { url: gateway.at(path), method: Method::Get };

        let report = exotel.place_call(PlacedCall::to(applet)).finished().await;

        let End::ApplicationError { problem: said } = &report.end else { panic!("{:?}", report.end) };
        assert!(said.contains(problem), "{said}");
        assert_eq!(complaints(&report), ["invalid"]);
    }
    assert_eq!(bot.times_dialled(), 0);
    // Nobody is there at all.
    let applet = Applet::Dynamic { url: "http://127.0.0.1:1/".into(), method: Method::Get };
    let report = exotel.place_call(PlacedCall::to(applet)).finished().await;
    assert_eq!(report.count(|what| matches!(what, Happening::WebhookFailed { .. })), 1);
    // The next call is not the worse for it.
    let live = exotel.place_call(PlacedCall::to(Applet::Static(bot.url.clone())));
    bot.socket().await.close().await;
    assert_eq!(live.finished().await.end, End::StreamOver);
}

/// A call whose bot leaves, with what the gateway was asked afterwards.
async fn after_the_bot(way: PassthruWay, status: u16) -> (Seen, CallReport, Gateway) {
    let (mut bot, gateway, exotel) = (Bot::start().await, Gateway::start().await, exotel().await);
    gateway.answer("/after", status, "text/plain", "");
    gateway.answer("/whom", 200, "text/plain", "+919999900000");
    let mut call = PlacedCall::to(Applet::Static(bot.url.clone()));
    call.flow.then = passthru(&gateway, way);
    let live = exotel.place_call(call);
    let mut socket = bot.socket().await;
    socket.start().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    socket.close().await;
    let report = live.finished().await;
    (gateway.seen("/after").remove(0), report, gateway)
}

#[tokio::test(start_paused = true)]
async fn passthru_reports_the_stream_in_three_shapes() {
    let (seen, report, _gateway) = after_the_bot(PassthruWay::Brackets, 302).await;
    let field = |name: &str| seen.field(name).unwrap();
    assert_eq!(field("CallSid"), report.call_sid);
    assert_eq!(field("Stream[StreamSID]"), report.stream_sids[0]);
    assert_eq!(field("Stream[Status]"), "completed");
    assert_eq!(field("Stream[Duration]"), "3");
    assert_eq!(field("Stream[DisconnectedBy]"), "bot");
    assert!(field("Stream[StreamUrl]").starts_with("ws://"));

    let (seen, report, _gateway) = after_the_bot(PassthruWay::Object, 302).await;
    let stream: Value = serde_json::from_str(&seen.field("Stream").unwrap()).unwrap();
    assert_eq!(
        (&stream["StreamSID"], &stream["DisconnectedBy"]),
        (&json!(report.stream_sids[0]), &json!("bot"))
    );
    assert_eq!(seen.field("CallSid").unwrap(), report.call_sid);

    let (seen, report, _gateway) = after_the_bot(PassthruWay::Post, 302).await;
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(
        body,
        json!({"CallSid": report.call_sid, "StreamSid": report.stream_sids[0], "StreamUrl": body["StreamUrl"],
            "AccountSid": "exolab1", "EventType": "stream-start", "From": "09999900100", "To": "08040001234",
            "Direction": "incoming"})
    );
}

#[tokio::test(start_paused = true)]
async fn passthru_leads_to_a_person_or_to_the_end() {
    let (_, report, gateway) = after_the_bot(PassthruWay::Brackets, 200).await;
    let asked = &gateway.seen("/whom")[0];
    assert_eq!(asked.headers["exotel-version"], "1.0");
    assert_eq!(asked.field("CallSid").unwrap(), report.call_sid);
    assert_eq!(report.verbs, ["Voicebot", "Passthru", "Connect"]);
    assert_eq!(report.end, End::Transferred { number: "+919999900000".into() });
    let dialled = Happening::Dialled { numbers: vec!["+919999900000".into()], outcome: "completed".into() };
    assert_eq!(report.count(|what| *what == dialled), 1);

    let (_, report, gateway) = after_the_bot(PassthruWay::Brackets, 302).await;
    assert_eq!(gateway.seen("/whom").len(), 0);
    assert_eq!((report.end.is_by_gateway(), report.verbs.last().unwrap().as_str()), (true, "Hangup"));

    let (_, report, _gateway) = after_the_bot(PassthruWay::Brackets, 500).await;
    assert!(matches!(report.end, End::ApplicationError { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_is_reported_too() {
    let (mut bot, gateway, exotel) = (Bot::start().await, Gateway::start().await, exotel().await);
    gateway.answer("/after", 200, "text/plain", "");
    let caller = hangs_up_after(Duration::from_secs(2));
    let mut call = PlacedCall { caller, ..PlacedCall::to(Applet::Static(bot.url.clone())) };
    call.flow.then = passthru(&gateway, PassthruWay::Brackets);
    let live = exotel.place_call(call);

    bot.socket().await.drain().await;
    let report = live.finished().await;

    assert_eq!(report.end, End::CallerHungUp);
    let seen = gateway.seen("/after");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].field("Stream[DisconnectedBy]").unwrap(), "user");
}

#[tokio::test(start_paused = true)]
async fn reports_are_multipart_and_sent_until_they_are_taken() {
    for (kind, twice, answers, sent) in [
        (FormKind::Multipart, false, [200, 200], 2),
        (FormKind::Urlencoded, true, [200, 200], 4),
        (FormKind::Multipart, false, [503, 200], 3),
        (FormKind::Multipart, false, [503, 503], 6),
    ] {
        let (mut bot, gateway, exotel) = (Bot::start().await, Gateway::start().await, exotel().await);
        for status in answers {
            gateway.answer("/status", status, "text/plain", "");
        }
        let callback = StatusCallback {
            url: gateway.at("/status"),
            events: vec!["answered".into(), "terminal".into()],
            kind,
            twice,
            ..StatusCallback::default()
        };
        let call =
            PlacedCall { status_callback: Some(callback), ..PlacedCall::to(Applet::Static(bot.url.clone())) };
        let live = exotel.place_call(call);
        bot.socket().await.close().await;
        let report = live.finished().await;

        let seen = gateway.seen("/status");
        assert_eq!(seen.len(), sent, "{answers:?}");
        assert_eq!(report.count(|what| matches!(what, Happening::CallbackSent { .. })), sent);
        let last = seen.last().unwrap();
        if kind == FormKind::Multipart {
            assert!(last.headers["content-type"].to_str().unwrap().starts_with("multipart/form-data"));
            assert!(last.body.contains("name=\"EventType\"\r\n\r\nterminal\r\n"), "{}", last.body);
            assert!(last.body.contains(&format!("name=\"CallSid\"\r\n\r\n{}\r\n", report.call_sid)));
        } else {
            assert_eq!(last.field("EventType").unwrap(), "terminal");
            assert_eq!(last.field("Status").unwrap(), "completed");
            let created = last.field("DateCreated").unwrap();
            assert!(created.len() == 19 && created.as_bytes()[10] == b' ', "{created}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reports_arrive_in_the_wrong_order_on_demand() {
    let (mut bot, gateway, exotel) = (Bot::start().await, Gateway::start().await, exotel().await);
    gateway.answer("/status", 200, "text/plain", "");
    let callback = StatusCallback {
        url: gateway.at("/status"),
        events: vec!["answered".into(), "terminal".into()],
        kind: FormKind::Urlencoded,
        out_of_order: true,
        ..StatusCallback::default()
    };
    let call =
        PlacedCall { status_callback: Some(callback), ..PlacedCall::to(Applet::Static(bot.url.clone())) };
    let live = exotel.place_call(call);
    bot.socket().await.close().await;
    live.finished().await;

    let events: Vec<String> =
        gateway.seen("/status").iter().map(|seen| seen.field("EventType").unwrap()).collect();
    assert_eq!(events, ["terminal", "answered"]);
}

#[tokio::test(start_paused = true)]
async fn a_media_socket_misbehaves_on_demand() {
    let (mut bot, exotel) = (Bot::start().await, exotel().await);
    let faults: Faults = "before_metadata: garbage unknown_event; after_messages 8: drop".parse().unwrap();
    let live = exotel.place_call(PlacedCall { faults, ..PlacedCall::to(Applet::Static(bot.url.clone())) });

    let messages = bot.socket().await.drain().await;
    let report = live.finished().await;

    let events: Vec<&str> =
        messages.iter().take(3).map(|message| message["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["connected", "weather_report", "start"]);
    assert_eq!(report.end, End::SocketKilled);
}
