//! The Legs API: events, streams on demand, bridges.

use std::time::Duration;

use lab::exotel::{Exotel, ExotelConfig, PlacedLeg};
use lab::phone::{Callee, DialOutcome, End, Happening};
use serde_json::{Value, json};

use super::bot::{Bot, bytes_of};
use super::complaints;
use super::rest::Api;
use crate::gateway::Gateway;

fn events(gateway: &Gateway) -> Vec<String> {
    let name =
        |body: &str| serde_json::from_str::<Value>(body).unwrap()["event_name"].as_str().unwrap().to_owned();
    gateway.seen("/events").iter().map(|seen| name(&seen.body)).collect()
}

async fn start() -> (Bot, Gateway, Exotel, Api) {
    let gateway = Gateway::start().await;
    gateway.answer("/events", 204, "text/plain", "");
    let config =
        ExotelConfig { leg_events_as: Some(("me".into(), "secret".into())), ..ExotelConfig::default() };
    let exotel = Exotel::start(config).await.unwrap();
    let api = Api::of(&exotel);
    (Bot::start().await, gateway, exotel, api)
}

async fn create(api: &Api, gateway: &Gateway, number: &str) -> (u16, Value) {
    let order = json!({"contact_uri": number, "exophone": "08040001234",
        "leg_event_endpoint": gateway.at("/events"), "custom_param": "mine", "timeout": 20});
    api.post_json("/legs", &order).await
}

async fn answered(live: &lab::phone::LiveCall) {
    live.notes().until(|what| *what == Happening::Answered).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_leg_is_called_streamed_and_hung_up() {
    let (mut bot, gateway, exotel, api) = start().await;

    let (status, leg) = create(&api, &gateway, "+919999900000").await;
    let live = exotel.originated().await.unwrap();
    answered(&live).await;
    let at = |action: &str| format!("/legs/{}/actions/{action}", live.sid());
    let stream = json!({"direction": "bidirectional", "url": bot.url});
    let (streaming, _) = api.post_json(&at("start_stream"), &stream).await;
    let mut socket = bot.socket().await;
    let start = socket.start().await;
    let media = socket.next_event("media").await;
    // 400 ms of µ-law.
    socket.say(&[0x20; 3_200]).await;
    socket.mark("end").await;
    socket.next_event("mark").await;
    let (stopped, _) = api.post_json(&at("stop_stream"), &json!({})).await;
    let rest = socket.drain().await;
    // The leg is still there; another stream with another sound, ordered in XML.
    let exoml = format!(
        "<?xml version=\"1.0\"?><Flow><StartStream streamType=\"bidirectional\" url=\"{}\" \
         contentType=\"audio/L16;rate=16000\"/></Flow>",
        bot.url
    );
    api.post_json(&format!("/legs/{}/actions", live.sid()), &json!({"exoml": exoml})).await;
    let mut wide = bot.socket().await;
    let wide_start = wide.start().await;
    let wide_media = wide.next_event("media").await;
    let reading = tokio::spawn(wide.drain());
    let (hung_up, _) = api.post_json(&at("hangup"), &json!({})).await;
    let last = reading.await.unwrap();
    let report = live.finished().await;

    assert_eq!((status, streaming, stopped, hung_up), (200, 200, 200, 200));
    assert_eq!(leg["response"]["data"]["leg_sid"], report.call_sid.as_str());
    assert_eq!(
        start["start"]["media_format"],
        json!({"encoding": "audio/x-mulaw;rate=8000", "sample_rate": "8000"})
    );
    assert_eq!(bytes_of(&media).len(), 800);
    assert_eq!(rest.last().unwrap()["stop"]["reason"], "stopped");
    assert_eq!(wide_start["start"]["media_format"]["encoding"], "audio/L16;rate=16000");
    assert_eq!(bytes_of(&wide_media).len(), 3_200);
    assert_eq!(last.last().unwrap()["stop"]["reason"], "callended");
    assert_eq!(complaints(&report), [""; 0]);
    assert_eq!(report.media.played, Duration::from_millis(400));
    assert_eq!(report.verbs, ["StartStream", "StartStream"]);
    assert_eq!(report.end, End::CompletedByRest);
    assert_eq!(events(&gateway), ["leg_connecting", "leg_ringing", "leg_answered", "leg_terminated"]);
    let last = gateway.seen("/events").pop().unwrap();
    let body: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(last.headers["authorization"], "Basic bWU6c2VjcmV0");
    assert_eq!(last.headers["x-exotel-event-sid"], body["event_sid"].as_str().unwrap());
    assert_eq!(last.headers["x-exotel-request-id"], format!("{}-1", body["event_sid"].as_str().unwrap()));
    assert_eq!(body["action_custom_parameter"], "mine");
    assert_eq!(body["data"]["leg_sid"], report.call_sid.as_str());
    assert_eq!(body["data"]["contact_uri"], "+919999900000");
}

#[tokio::test(start_paused = true)]
async fn two_legs_are_bridged() {
    let (_bot, gateway, exotel, api) = start().await;
    let inbound = exotel.place_leg(PlacedLeg {
        from: "09999900100".into(),
        to: "08040001234".into(),
        event_endpoint: gateway.at("/events"),
        caller: lab::caller::Caller::silent(),
        faults: lab::faults::Faults::none(),
    });
    answered(&inbound).await;
    create(&api, &gateway, "+919999900000").await;
    let person = exotel.originated().await.unwrap();
    let order =
        json!({"leg_sids": [inbound.sid(), person.sid()], "bridge_event_endpoint": gateway.at("/events")});
    // Nobody can be bridged who has not answered.
    let early = api.post_json("/bridges", &order).await.0;
    answered(&person).await;

    let (status, _) = api.post_json("/bridges", &order).await;

    assert_eq!((early, status), (400, 200));
    assert_eq!(inbound.finished().await.end, End::Transferred { number: "+919999900000".into() });
    assert!(matches!(person.finished().await.end, End::Transferred { .. }));
}

#[tokio::test(start_paused = true)]
async fn legs_that_fail_say_so_and_wrong_orders_are_refused() {
    let (bot, gateway, exotel, api) = start().await;
    exotel.expect_callee("+919999900000", Callee { outcome: DialOutcome::Failed, ..Callee::default() });

    create(&api, &gateway, "+919999900000").await;
    let report = exotel.originated().await.unwrap().finished().await;

    assert_eq!(report.end, End::NotAnswered { status: "failed".into() });
    assert_eq!(events(&gateway).last().unwrap(), "leg_failed_to_create");
    let stream = json!({"direction": "bidirectional", "url": bot.url});
    let over = format!("/legs/{}/actions/start_stream", report.call_sid);
    assert_eq!(api.post_json(&over, &stream).await.0, 400);
    assert_eq!(api.post_json("/legs/nobody/actions/hangup", &json!({})).await.0, 404);
    for wrong in [
        json!({"contact_uri": "+919999900000", "exophone": "1"}),
        json!({"contact_uri": "+91", "exophone": "1", "leg_event_endpoint": "http://h/"}),
        json!({"contact_uri": "+919999900000", "exophone": "1", "leg_event_endpoint": "grpc://h"}),
        json!({"contact_uri": "sip:a@b", "exophone": "1", "leg_event_endpoint": "http://h/"}),
        json!({"contact_uri": "+919999900000", "exophone": "1", "leg_event_endpoint": "http://h/", "timeout": "x"}),
    ] {
        assert_eq!(api.post_json("/legs", &wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_are_not_taken_are_sent_three_times() {
    let gateway = Gateway::start().await;
    for status in [503, 429, 200, 404] {
        gateway.answer("/events", status, "text/plain", "");
    }
    let exotel = Exotel::start(ExotelConfig::default()).await.unwrap();
    let api = Api::of(&exotel);
    exotel.expect_callee("+919999900000", Callee { outcome: DialOutcome::Busy, ..Callee::default() });

    create(&api, &gateway, "+919999900000").await;
    exotel.originated().await.unwrap().finished().await;

    // What is refused for good is not repeated.
    assert_eq!(
        events(&gateway),
        ["leg_connecting", "leg_connecting", "leg_connecting", "leg_ringing", "leg_terminated"]
    );
    let attempts: Vec<String> = gateway.seen("/events")[..3]
        .iter()
        .map(|seen| {
            seen.headers["x-exotel-request-id"].to_str().unwrap().rsplit('-').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(attempts, ["1", "2", "3"]);
}
