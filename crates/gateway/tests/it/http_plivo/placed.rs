//! Calls that we place with Plivo.

use call::{EndCause, Unreached};
use gateway::config::Config;
use gateway::events::Event;
use serde_json::{Value, json};
use wire::Secret;

use super::{AUTH_ID, MEDIA, extra_header, rest, start, webhook};
use crate::stage::{AUTH_TOKEN, MediaSocket, Stage, until, until_over};

const REQUEST: &str = "9834029e-58b6-11e1-b8b7-a5bd0e4e126f";

fn fired() -> (u16, Value) {
    (201, json!({"message": "call fired", "request_uuid": REQUEST, "api_id": "a"}))
}

/// A gateway that may call America with Plivo.
fn may_call(config: &mut Config, url: url::Url) {
    let plivo = &mut config.carriers.plivo;
    plivo.auth_id = Some(AUTH_ID.to_owned());
    plivo.auth_token = Some(Secret::new(AUTH_TOKEN));
    plivo.phone_number = Some("+14155550100".to_owned());
    plivo.api_base_url = url;
    config.outbound.allow = vec!["+1".to_owned()];
}

async fn place(stage: &Stage) -> reqwest::Response {
    stage.post_json("/api/v1/calls", json!({"to": "+1 415 555 0123", "carrier": "plivo"})).await
}

/// Where Plivo was told to go, below our own address.
fn told(stage: &Stage, body: &Value, key: &str) -> String {
    let url = body[key].as_str().unwrap_or_else(|| panic!("{key} in {body}"));
    url.strip_prefix(&stage.base).expect("an address of ours").to_owned()
}

fn report<'a>(status: &'a str, event: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("CallUUID", "c-9"),
        ("RequestUUID", REQUEST),
        ("Direction", "outbound"),
        ("CallStatus", status),
        ("Event", event),
    ]
}

#[tokio::test]
async fn a_call_is_placed_rings_is_answered_and_lives() {
    let (url, asked) = rest(vec![fired()]).await;
    let stage = Stage::open(|config| may_call(config, url)).await;

    let accepted = place(&stage).await;

    assert_eq!(accepted.status(), 202);
    let accepted: Value = accepted.json().await.unwrap();
    let id = accepted["id"].as_str().unwrap().to_owned();
    let order = asked.lock().unwrap()[0].clone();
    assert_eq!(
        (order.method.as_str(), order.path.as_str()),
        ("POST", format!("/v1/Account/{AUTH_ID}/Call/").as_str())
    );
    assert_eq!((&order.body["from"], &order.body["to"]), (&json!("+14155550100"), &json!("+14155550123")));
    let answer = told(&stage, &order.body, "answer_url");
    assert_eq!(answer, format!("/plivo/answer?call={id}"));

    let rings = webhook(&stage, &told(&stage, &order.body, "ring_url"), &report("ringing", "Ring")).await;
    assert_eq!(rings.status(), 204);
    let document = webhook(&stage, &answer, &report("in-progress", "StartApp")).await.text().await.unwrap();
    let again = webhook(&stage, &answer, &report("in-progress", "StartApp")).await.text().await.unwrap();
    assert_eq!(document, again, "asked again, it is the same place");
    let mut events = stage.gateway.events.listen();
    let mut socket = MediaSocket::open(&stage, MEDIA, &[]).await.unwrap();
    start(&mut socket, "c-9", &format!("token={}", extra_header(&document, "token").unwrap())).await;
    until(&mut events, |event| matches!(event, Event::Fact(_))).await;

    let call = stage.get_json(&format!("/api/v1/calls/{id}")).await;
    assert_eq!((&call["direction"], &call["carrier_call"]), (&json!("outbound"), &json!("c-9")));
    let over =
        webhook(&stage, &told(&stage, &order.body, "hangup_url"), &report("completed", "Hangup")).await;
    assert_eq!(over.status(), 204);
    until_over(&mut events).await;
    stage.close().await;
}

#[tokio::test]
async fn why_nobody_was_reached_is_on_the_record() {
    for (status, why) in [
        ("busy", Unreached::Busy),
        ("no-answer", Unreached::NoAnswer),
        ("timeout", Unreached::NoAnswer),
        ("rejected", Unreached::Rejected),
        ("failed", Unreached::Failed),
        ("cancel", Unreached::Cancelled),
    ] {
        let (url, asked) = rest(vec![fired()]).await;
        let stage = Stage::open(|config| may_call(config, url)).await;
        assert_eq!(place(&stage).await.status(), 202);
        let order = asked.lock().unwrap()[0].clone();
        let mut events = stage.gateway.events.listen();

        webhook(&stage, &told(&stage, &order.body, "hangup_url"), &report(status, "Hangup")).await;

        let event = until_over(&mut events).await;
        let Event::Call(view) = &*event else { panic!("{event:?}") };
        let Some(EndCause::NotReached { why: found, detail }) = &view.end else { panic!("{:?}", view.end) };
        assert_eq!((*found, detail.as_str()), (why, format!("Plivo says: {status}").as_str()));
        assert_eq!(stage.gateway.switchboard.seats().0, 0);
        // Whoever answers now hears nothing from us.
        let answer = told(&stage, &order.body, "answer_url");
        let late = webhook(&stage, &answer, &report("in-progress", "StartApp")).await.text().await.unwrap();
        assert!(late.ends_with("<Response><Hangup/></Response>"), "{late}");
        stage.close().await;
    }
}

#[tokio::test]
async fn what_plivo_says_no_to_is_told_in_its_words_and_holds_no_place() {
    for (status, body, words) in [
        (400, json!({"api_id": "a", "error": "missing to"}), "missing to"),
        (400, json!({"api_id": "a", "error": {"to": ["is not a number"]}}), "is not a number"),
        (401, json!("Could not verify your access level"), "auth token"),
        (429, json!({"api_id": "a", "error": "too many requests"}), "too many requests"),
    ] {
        let (url, _) = rest(vec![(status, body)]).await;
        let stage = Stage::open(|config| may_call(config, url)).await;

        let refused = place(&stage).await;

        assert!(!refused.status().is_success());
        let said = refused.text().await.unwrap();
        assert!(said.contains(words), "{status}: {said}");
        assert_eq!(stage.gateway.switchboard.seats().0, 0, "{status}");
        stage.close().await;
    }
}

#[tokio::test]
async fn without_an_account_or_a_way_back_no_call_is_placed() {
    for take_away in [
        |config: &mut Config| config.carriers.plivo.auth_id = None,
        |config: &mut Config| {
            config.carriers.plivo.api_base_url = url::Url::parse("https://api.plivo.example").unwrap();
        },
        |config: &mut Config| config.carriers.plivo.phone_number = None,
    ] {
        let (url, asked) = rest(vec![fired()]).await;
        let stage = Stage::open(|config| {
            may_call(config, url);
            take_away(config);
        })
        .await;

        let refused = place(&stage).await;

        assert!(refused.status().is_client_error() || refused.status().is_server_error());
        assert!(asked.lock().unwrap().is_empty());
        stage.close().await;
    }
}
