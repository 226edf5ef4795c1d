//! The emulated Mcube's HTTP side: the `refurl`, and the API for outbound calls.

use std::time::Duration;

use lab::faults::Faults;
use lab::mcube::{
    ApiHabits, CallReport, Callee, Casing, Clock, DialOutcome, End, Happening, Mcube, McubeConfig,
    PlacedCall, Way, Webhooks,
};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Socket};

/// A gateway whose `refurl` names its media socket.
async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    let body = json!({"wss_url": gateway.media_url}).to_string();
    gateway.answer("/mcube", 200, "application/json", body);
    gateway
}

fn call(gateway: &Gateway) -> PlacedCall {
    PlacedCall { way: Way::Webhook { refurl: gateway.at("/mcube") }, ..PlacedCall::default() }
}

fn told(gateway: &Gateway) -> Vec<Value> {
    gateway.seen("/mcube").iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

async fn terminated(mut socket: Socket) {
    let start = socket.next_event("start").await;
    let stream = &start["start"]["streamId"];
    socket.send(json!({"event": "terminate", "streamId": stream})).await;
    while socket.next().await.is_some() {}
}

async fn talked(gateway: &mut Gateway, mcube: &Mcube, call: PlacedCall) -> CallReport {
    let live = mcube.place_call(call);
    terminated(gateway.socket().await).await;
    live.finished().await
}

#[tokio::test(start_paused = true)]
async fn refurl_is_asked_and_told_by_one_address() {
    let mut gateway = gateway().await;
    let mcube = Mcube::start(McubeConfig::default()).await.unwrap();

    let webhooks = Some(Webhooks { secret: Some("s3".into()), ..Webhooks::default() });
    let placed = PlacedCall { webhooks, ..call(&gateway) };
    let report = talked(&mut gateway, &mcube, placed).await;

    let told = told(&gateway);
    assert_eq!(report.end, End::HungUpByMessage);
    let statuses: Vec<&str> = told.iter().map(|body| body["dialStatus"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["CONNECTING", "ANSWER", "ANSWER"]);
    assert_eq!(
        (&told[0]["callId"], &told[0]["callDirection"], &told[0]["fromNumber"], &told[0]["toNumber"]),
        (&json!(report.call_sid), &json!("inbound"), &json!("9123456780"), &json!("8047654321"))
    );
    assert!(told[1].get("endTime").is_none() && told[2]["endTime"].is_string());
    assert!(gateway.seen("/mcube").iter().all(|seen| seen.headers["x-mcube-webhook-secret"] == "s3"));
    assert_eq!(mcube.live_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn webhooks_come_in_every_spelling_twice_and_in_the_wrong_order() {
    for (casing, call_id) in
        [(Casing::Snake, "call_id"), (Casing::Lower, "callid"), (Casing::Older, "callid")]
    {
        let mut gateway = gateway().await;
        let webhooks = Webhooks {
            casing,
            clock: Clock::HoursMinutesSeconds,
            says_connecting: false,
            asks_again: true,
            reports_twice: true,
            small_statuses: true,
            ..Webhooks::default()
        };
        let mcube = Mcube::start(McubeConfig { webhooks, ..McubeConfig::default() }).await.unwrap();

        let placed = call(&gateway);
        let report = talked(&mut gateway, &mcube, placed).await;

        let told = told(&gateway);
        assert_eq!(told.len(), 6, "asked twice, told twice of the answer and twice of the end");
        assert!(told.iter().all(|body| body[call_id] == report.call_sid.as_str()));
        assert!(told[..2].iter().all(|body| body.get("dialstatus").is_none()));
        let answered = if casing == Casing::Snake { "answered_time" } else { "answeredtime" };
        assert_eq!(told[5][answered], "00:00:00", "{casing:?}");
        assert_eq!(told[4], told[5]);
    }
    let mut gateway = gateway().await;
    let content_type = Some("text/plain".to_owned());
    let webhooks = Webhooks { out_of_order: true, content_type, ..Webhooks::default() };
    let mcube = Mcube::start(McubeConfig { webhooks, ..McubeConfig::default() }).await.unwrap();
    let placed = call(&gateway);
    talked(&mut gateway, &mcube, placed).await;
    let told = told(&gateway);
    assert!(told[1]["endTime"].is_string() && told[2].get("endTime").is_none());
    assert!(gateway.seen("/mcube").iter().all(|seen| seen.headers["content-type"] == "text/plain"));
}

#[tokio::test(start_paused = true)]
async fn refurl_that_names_no_socket_is_asked_again_and_then_given_up() {
    for (status, content_type, body, problem) in [
        (500, "application/json", "{}", "status 500"),
        (200, "text/html", "{}", "not application/json"),
        (200, "application/json", "[]", "not a JSON object"),
        (200, "application/json", r#"{"status":"ok"}"#, "no wss_url"),
        (200, "application/json", r#"{"wss_url":"http://gw"}"#, "is not wss"),
    ] {
        let gateway = Gateway::start().await;
        gateway.answer("/mcube", status, content_type, body);
        let mcube = Mcube::start(McubeConfig::default()).await.unwrap();

        let report = mcube.place_call(call(&gateway)).finished().await;

        let End::ApplicationError { problem: given } = &report.end else { panic!("{:?}", report.end) };
        assert!(given.contains(problem), "{given}");
        let told = told(&gateway);
        assert_eq!(told.len(), 3);
        assert_eq!(told[2]["dialStatus"], "CANCEL");
    }
}

async fn ordered(mcube: &Mcube, change: impl FnOnce(&mut Value)) -> Value {
    let mut order = json!({"HTTP_AUTHORIZATION": mcube.token(), "exenumber": "8047654321",
                           "custnumber": "9123456780", "refurl": "http://127.0.0.1:9/mcube", "refid": "our-1"});
    change(&mut order);
    let url = format!("{}/Restmcube-api/outbound-calls-websocket", mcube.base_url());
    let answer = reqwest::Client::new().post(url).json(&order).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn outbound_call_rings_and_then_asks_the_refurl() {
    let mut gateway = gateway().await;
    let webhooks = Webhooks { casing: Casing::Older, ..Webhooks::default() };
    let mcube = Mcube::start(McubeConfig { webhooks, ..McubeConfig::default() }).await.unwrap();
    mcube
        .expect_callee("+919123456780", Callee { rings_for: Duration::from_millis(30), ..Callee::default() });

    let answer = ordered(&mcube, |order| order["refurl"] = gateway.at("/mcube").into()).await;
    let live = mcube.originated().await.unwrap();
    terminated(gateway.socket().await).await;
    let report = live.finished().await;

    assert_eq!((&answer["status"], &answer["callid"]), (&json!(true), &json!(report.call_sid)));
    let told = told(&gateway);
    assert_eq!(
        (&told[0]["calldirection"], &told[0]["fromnumber"], &told[0]["tonumber"]),
        (&json!("outbound"), &json!("8047654321"), &json!("9123456780"))
    );
    assert_eq!((&told[2]["refid"], &told[2]["callto"]), (&json!("our-1"), &json!("9123456780")));
    assert_eq!(report.count(|what| *what == Happening::Answered), 1);
}

#[tokio::test]
async fn unanswered_calls_are_reported_by_their_words() {
    for (outcome, word) in [
        (DialOutcome::Busy, "BUSY"),
        (DialOutcome::NoAnswer, "NOANSWER"),
        (DialOutcome::Failed, "EXECUTIVE BUSY"),
    ] {
        let gateway = gateway().await;
        let callee = Callee { outcome, rings_for: Duration::from_millis(10), ..Callee::default() };
        let mcube = Mcube::start(McubeConfig { callee, ..McubeConfig::default() }).await.unwrap();

        ordered(&mcube, |order| order["refurl"] = gateway.at("/mcube").into()).await;
        let report = mcube.originated().await.unwrap().finished().await;

        assert!(matches!(report.end, End::NotAnswered { .. }));
        let told = told(&gateway);
        assert_eq!((told.len(), &told[0]["dialStatus"]), (1, &json!(word)));
        assert!(told[0]["endTime"].is_string());
    }
}

#[tokio::test]
async fn failures_come_with_status_200_and_say_so_inside() {
    let mcube = Mcube::start(McubeConfig::default()).await.unwrap();
    for (field, value, why) in [
        ("HTTP_AUTHORIZATION", json!("wrong"), "Invalid token"),
        ("exenumber", json!("+918047654321"), "exenumber is not a valid number"),
        ("custnumber", json!("09123456780"), "custnumber is not a valid number"),
        ("custnumber", Value::Null, "custnumber is required"),
        ("refurl", json!("gw"), "refurl is not a valid URL"),
    ] {
        let answer = ordered(&mcube, |order| order[field] = value).await;
        assert_eq!(answer, json!({"status": false, "msg": why}));
    }

    let api =
        ApiHabits { status_as_text: true, refuses: Some("Executive is busy".into()), ..ApiHabits::default() };
    let mcube = Mcube::start(McubeConfig { api, ..McubeConfig::default() }).await.unwrap();
    assert_eq!(ordered(&mcube, |_| {}).await, json!({"status": "false", "msg": "Executive is busy"}));

    let api = ApiHabits { forgets_call_id: true, ..ApiHabits::default() };
    let mcube = Mcube::start(McubeConfig { api, ..McubeConfig::default() }).await.unwrap();
    assert_eq!(ordered(&mcube, |_| {}).await, json!({"status": true, "msg": "Call Initiated"}));

    let api_faults: Faults = "at_handshake: error_body 502 bad gateway".parse().unwrap();
    let mcube = Mcube::start(McubeConfig { api_faults, ..McubeConfig::default() }).await.unwrap();
    let url = format!("{}/Restmcube-api/outbound-calls-websocket", mcube.base_url());
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 502);
}
