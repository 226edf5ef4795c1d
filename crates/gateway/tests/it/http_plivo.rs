//! Plivo's webhooks, its media socket's upgrade and its REST interface, at a gateway's front door.

mod placed;

use std::sync::{Arc, Mutex};

use call::{EndCause, PhaseName};
use carriers::plivo::signature::{self, sign, sign_v2};
use carriers::plivo::webhook::Params;
use gateway::config::{Bot, Config, ContentType, Line, WhenGone};
use gateway::events::Event;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;
use url::Url;
use wire::Secret;

use crate::stage::{AUTH_TOKEN, MediaSocket, Stage, attribute, until, until_over};

const AUTH_ID: &str = "MAXXXXXXXXXXXXXXXXXX";
const ANSWER: &str = "/plivo/answer";
const HANGUP: &str = "/plivo/hangup";
const STREAM_STATUS: &str = "/plivo/stream-status";
const MEDIA: &str = "/plivo/stream";
const NONCE: &str = "05429567804466091622";
const FORM: &str = "application/x-www-form-urlencoded";

/// A gateway with Plivo's auth token and no public address.
async fn with_plivo(change: impl FnOnce(&mut Config)) -> Stage {
    Stage::open(|config| {
        config.carriers.plivo.auth_token = Some(Secret::new(AUTH_TOKEN));
        change(config);
    })
    .await
}

/// Sends a webhook as Plivo signs it for this gateway's own address.
async fn webhook(stage: &Stage, target: &str, form: &[(&str, &str)]) -> Response {
    let url = stage.at(target);
    let signed = sign(&Secret::new(AUTH_TOKEN), &url, &Params::from_pairs(form.to_vec()), NONCE);
    post(stage, &url, form, &[(signature::V3, &signed), (signature::V3_NONCE, NONCE)]).await
}

async fn post(stage: &Stage, url: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Response {
    let mut request = stage.http.post(url).form(form);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// The form of an inbound call.
fn knocking(call: &str) -> Vec<(&str, &str)> {
    vec![
        ("CallUUID", call),
        ("From", "14155550123"),
        ("To", "14155550100"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("Event", "StartApp"),
        ("X-PH-tenant", "t1"),
    ]
}

async fn knock(stage: &Stage, call: &str) -> String {
    webhook(stage, ANSWER, &knocking(call)).await.text().await.unwrap()
}

/// The form of a hangup report.
fn over<'a>(call: &'a str, status: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("CallUUID", call),
        ("CallStatus", status),
        ("Event", "Hangup"),
        ("HangupCauseName", "Normal Hangup"),
    ]
}

/// One of the extra headers of a document.
fn extra_header(document: &str, name: &str) -> Option<String> {
    let headers = attribute(document, "extraHeaders")?;
    let found = headers.split(',').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(found.to_owned())
}

fn media_url(document: &str) -> Option<&str> {
    let (_, rest) = document.split_once("<Stream ")?;
    let (_, rest) = rest.split_once('>')?;
    rest.split_once("</Stream>").map(|(url, _)| url)
}

async fn start(socket: &mut MediaSocket, call: &str, headers: &str) {
    socket
        .send(json!({"sequenceNumber": 1, "event": "start", "start": {
            "callId": call, "streamId": "S1", "accountId": AUTH_ID, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }, "extra_headers": headers}))
        .await;
}

/// The whole way in; returns when both sides talk.
async fn live_call(stage: &Stage, call: &str) -> MediaSocket {
    let document = knock(stage, call).await;
    let token = extra_header(&document, "token").unwrap();
    let mut events = stage.gateway.events.listen();
    let mut socket = MediaSocket::open(stage, MEDIA, &[]).await.unwrap();
    start(&mut socket, call, &format!("token={token};call={}", extra_header(&document, "call").unwrap()))
        .await;
    let talks = |event: &Event| match event {
        Event::Call(view) => view.carrier_call.as_deref() == Some(call) && view.phase == PhaseName::Talking,
        Event::Fact(_) | Event::Levels(_) => false,
    };
    until(&mut events, talks).await;
    socket.id = stage.gateway.switchboard.find_by_name("plivo", call).unwrap().id().to_string();
    socket
}

/// A request that our gateway made of Plivo.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    method: String,
    path: String,
    body: Value,
}

/// Plivo's REST interface, as far as it is asked: answers in turn, the last answer over and over.
async fn rest(answers: Vec<(u16, Value)>) -> (Url, Arc<Mutex<Vec<Asked>>>) {
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let log = Arc::clone(&asked);
    let app = axum::Router::new().fallback(move |request: axum::extract::Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
        assert!(parts.headers["authorization"].to_str().unwrap().starts_with("Basic "));
        let (status, answer) = {
            let mut log = log.lock().unwrap();
            let answer = answers[log.len().min(answers.len() - 1)].clone();
            log.push(Asked {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            });
            answer
        };
        (axum::http::StatusCode::from_u16(status).unwrap(), answer.to_string())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn a_signed_webhook_is_answered_with_a_stream_of_its_own() {
    let stage = with_plivo(|_| {}).await;

    let response = webhook(&stage, ANSWER, &knocking("c-1")).await;

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/xml");
    let document = response.text().await.unwrap();
    assert_eq!(media_url(&document).unwrap(), stage.socket_at(MEDIA));
    assert_eq!(attribute(&document, "statusCallbackUrl").unwrap(), stage.at(STREAM_STATUS));
    assert_eq!(attribute(&document, "contentType").as_deref(), Some("audio/x-mulaw;rate=8000"));
    assert_eq!(extra_header(&document, "token").unwrap().len(), 48);
    assert_eq!(extra_header(&document, "call").unwrap().len(), 32);
    assert!(document.ends_with("</Stream><Hangup/></Response>"), "{document}");
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
    assert_eq!(stage.gateway.switchboard.live_count(), 0, "it is expected, not there");
}

#[tokio::test]
async fn webhooks_without_a_right_signature_stay_outside() {
    let stage = with_plivo(|_| {}).await;
    let form = knocking("c-1");
    let url = stage.at(ANSWER);
    let params = Params::from_pairs(form.clone());
    let right = sign(&Secret::new(AUTH_TOKEN), &url, &params, NONCE);
    let other = sign(&Secret::new("another token"), &url, &params, NONCE);
    let old = sign_v2(&Secret::new(AUTH_TOKEN), &url, NONCE);
    let mut tampered = form.clone();
    tampered[1].1 = "+19995550123";
    let nonce = (signature::V3_NONCE, NONCE);

    for (form, headers, status) in [
        (&form, vec![], 400),
        (&form, vec![(signature::V3, right.as_str())], 400),
        (&form, vec![(signature::V3, other.as_str()), nonce], 403),
        (&tampered, vec![(signature::V3, right.as_str()), nonce], 403),
        (&form, vec![(signature::V2, old.as_str()), (signature::V2_NONCE, NONCE)], 403),
    ] {
        assert_eq!(post(&stage, &url, form, &headers).await.status(), status, "{headers:?}");
    }

    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert_eq!(stage.gateway.metrics.signature_failures.get(), 5);
    let by_main = [(signature::V3, "AAAA"), (signature::V3_OF_MAIN_ACCOUNT, &right), nonce];
    assert_eq!(post(&stage, &url, &form, &by_main).await.status(), 200);
    let twice = [(signature::V3, "AAAA"), (signature::V3, &right), nonce];
    assert_eq!(post(&stage, &url, &form, &twice).await.status(), 200, "several headers are one list");
}

#[tokio::test]
async fn an_older_signature_counts_where_the_operator_says_so() {
    let stage = with_plivo(|config| config.carriers.plivo.accept_v2_signatures = true).await;
    let url = stage.at(ANSWER);
    let old = sign_v2(&Secret::new(AUTH_TOKEN), &url, NONCE);

    let headers = [(signature::V2, old.as_str()), (signature::V2_NONCE, NONCE)];
    assert_eq!(post(&stage, &url, &knocking("c-1"), &headers).await.status(), 200);
}

#[tokio::test]
async fn without_a_token_nothing_can_be_checked_and_nobody_comes_in() {
    let stage = Stage::open(|_| {}).await;

    let response = webhook(&stage, ANSWER, &knocking("c-1")).await;

    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("PLIVO_AUTH_TOKEN"));
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn unsigned_webhooks_come_in_where_the_operator_says_so() {
    let stage = Stage::open(|config| config.carriers.plivo.skip_signature_validation = true).await;

    let response = post(&stage, &stage.at(ANSWER), &knocking("c-1"), &[]).await;

    let document = response.text().await.unwrap();
    assert_eq!(media_url(&document).unwrap(), stage.socket_at(MEDIA));
}

#[tokio::test]
async fn a_webhook_may_come_as_a_query() {
    let stage = with_plivo(|config| config.carriers.plivo.content_type = ContentType::Pcm16000).await;
    let url = stage.at(&format!("{ANSWER}?To=14155550100&CallUUID=c-1&From=%2B1415&Direction=inbound"));
    let signed = sign(&Secret::new(AUTH_TOKEN), &url, &Params::default(), NONCE);

    let request = stage.http.get(&url).header(signature::V3, signed).header(signature::V3_NONCE, NONCE);
    let document = request.send().await.unwrap().text().await.unwrap();

    assert_eq!(attribute(&document, "contentType").as_deref(), Some("audio/x-l16;rate=16000"));
    let unsigned = url.replace("%2B1415", "%2B1999");
    let request = stage.http.get(&unsigned).header(signature::V3, "AAAA").header(signature::V3_NONCE, NONCE);
    assert_eq!(request.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn what_is_not_a_webhook_is_refused_in_words() {
    let stage = with_plivo(|config| config.limits.request_bytes = 4_096).await;
    let send = |kind: Option<&'static str>, body: Vec<u8>| {
        let request = stage.http.post(stage.at(ANSWER)).body(body);
        let request = match kind {
            Some(kind) => request.header(CONTENT_TYPE, kind),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };

    assert_eq!(send(None, b"CallUUID=c-1".to_vec()).await, 415);
    assert_eq!(send(Some("application/json"), b"{}".to_vec()).await, 415);
    assert_eq!(send(Some(FORM), vec![b'a'; 4_097]).await, 413);
    assert_eq!(send(Some(FORM), b"CallUUID=%FF".to_vec()).await, 400);
    assert_eq!(send(Some(FORM), "a=1&".repeat(300).into_bytes()).await, 413);
    assert_eq!(webhook(&stage, ANSWER, &[("From", "+1415")]).await.status(), 400, "which call?");
    assert_eq!(webhook(&stage, ANSWER, &[("CallUUID", "../x")]).await.status(), 400);
    assert_eq!(webhook(&stage, &format!("{ANSWER}?call=x"), &knocking("c-1")).await.status(), 400);
    assert_eq!(webhook(&stage, STREAM_STATUS, &[("CallUUID", "c-1")]).await.status(), 400);
    assert_eq!(stage.http.delete(stage.at(ANSWER)).send().await.unwrap().status(), 405);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn a_webhook_that_is_asked_again_gets_the_same_place() {
    let stage = with_plivo(|_| {}).await;

    let (first, again, other) =
        (knock(&stage, "c-1").await, knock(&stage, "c-1").await, knock(&stage, "c-2").await);

    assert_eq!(first, again);
    assert_ne!(extra_header(&first, "token"), extra_header(&other, "token"));
    assert_eq!(stage.gateway.switchboard.seats().0, 2);
}

#[tokio::test]
async fn beyond_the_last_line_callers_hear_that_all_are_busy() {
    let stage = with_plivo(|config| config.limits.calls = 1).await;
    knock(&stage, "c-1").await;

    let busy = knock(&stage, "c-2").await;

    assert!(busy.contains("<Speak>All lines are busy.") && busy.contains("<Hangup/>"), "{busy}");
    // The first caller hangs up before media comes: Plivo says so, and the line is free.
    assert_eq!(webhook(&stage, HANGUP, &over("c-1", "completed")).await.status(), 204);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert!(knock(&stage, "c-3").await.contains("<Stream "));
}

#[tokio::test]
async fn while_the_gateway_goes_down_callers_are_told_so() {
    let stage = with_plivo(|_| {}).await;
    stage.gateway.switchboard.drain(crate::stage::LONG);

    let document = knock(&stage, "c-1").await;

    assert!(document.contains("<Speak>This line is closed for a moment.") && document.contains("<Hangup/>"));
}

#[tokio::test]
async fn callers_and_addresses_that_come_too_often_hear_the_busy_sentence() {
    let stage = with_plivo(|config| {
        config.limits.calls_per_minute_per_caller = 2;
        config.limits.calls_per_minute_per_address = 4;
    })
    .await;
    let mut answers = Vec::new();
    for call in ["c-1", "c-2", "c-3"] {
        answers.push(knock(&stage, call).await.contains("<Stream "));
    }
    for call in ["c-4", "c-5"] {
        let mut others = knocking(call);
        others[1].1 = "14155559999";
        let document = webhook(&stage, ANSWER, &others).await.text().await.unwrap();
        answers.push(document.contains("<Stream "));
    }

    assert_eq!(answers, [true, true, false, true, false]);
    let metrics = stage.gateway.metrics.render();
    assert!(metrics.contains("calls_refused_total{reason=\"caller_too_often\"} 1"), "{metrics}");
    assert!(metrics.contains("calls_refused_total{reason=\"address_too_often\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_public_address_is_what_signatures_and_media_go_by() {
    let change = |config: &mut Config| {
        config.server.public_url = Some(Url::parse("https://voice.example.com/phone").unwrap());
        config.carriers.plivo.when_gone = WhenGone::Say { text: "Sorry.".to_owned() };
    };
    let stage = with_plivo(change).await;
    let form = knocking("c-1");
    let public = "https://voice.example.com/phone/plivo/answer";
    let signed = sign(&Secret::new(AUTH_TOKEN), public, &Params::from_pairs(form.clone()), NONCE);

    let headers = [(signature::V3, signed.as_str()), (signature::V3_NONCE, NONCE)];
    let document = post(&stage, &stage.at(ANSWER), &form, &headers).await.text().await.unwrap();

    assert_eq!(media_url(&document), Some("wss://voice.example.com/phone/plivo/stream"));
    assert!(document.ends_with("</Stream><Speak>Sorry.</Speak><Hangup/></Response>"), "{document}");
    let foreign = webhook(&stage, ANSWER, &knocking("c-2")).await;
    assert_eq!(foreign.status(), 403, "signed for an address that is not ours");
}

#[tokio::test]
async fn the_pretended_plivo_of_this_machine_is_answered_on_this_machine() {
    let change = |config: &mut Config| {
        config.server.public_url = Some(Url::parse("https://voice.example.com").unwrap());
    };
    let stage = Stage::open_with(change, Some(Secret::new(AUTH_TOKEN))).await;

    let document = knock(&stage, "c-1").await;

    assert_eq!(media_url(&document).unwrap(), stage.socket_at(MEDIA));
}

#[tokio::test]
async fn the_number_that_was_called_decides_who_answers_and_headers_are_kept() {
    let stage = with_plivo(|config| {
        config.bots.push(Bot { name: "night".into(), ..Bot::default() });
        config.lines =
            vec![Line { number: "+1 415 555 0100".into(), bot: "night".into(), carrier: None }].into();
    })
    .await;

    let socket = live_call(&stage, "c-1").await;

    let call = stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await;
    assert_eq!((call["bot"].as_str(), call["carrier"].as_str()), (Some("night"), Some("plivo")));
    assert_eq!(call["carrier_call"], "c-1");
    assert_eq!((call["from"].as_str(), call["to"].as_str()), (Some("14155550123"), Some("14155550100")));
    let live = stage.gateway.switchboard.find_by_name("plivo", "c-1").unwrap();
    assert_eq!(live.knock().facts, [("tenant".to_owned(), "t1".to_owned())]);
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn a_live_call_ends_when_its_carrier_says_so_once() {
    let stage = with_plivo(|_| {}).await;
    let mut socket = live_call(&stage, "c-1").await;
    let mut events = stage.gateway.events.listen();

    for status in ["completed", "completed", "failed"] {
        assert_eq!(webhook(&stage, HANGUP, &over("c-1", status)).await.status(), 204);
    }

    let event = until_over(&mut events).await;
    let Event::Call(view) = &*event else { panic!("{event:?}") };
    assert_eq!(view.end, Some(EndCause::CallerHungUp));
    assert_eq!(socket.closed().await, Some(1000));
    let record = stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await;
    let said: Vec<&Value> = record["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["what"] == "carrier_says_over")
        .collect();
    assert_eq!(said.len(), 1, "reports that come again are no news");
    assert_eq!(said[0]["by"], "Plivo says: completed, Normal Hangup");
    let metrics = stage.gateway.metrics.render();
    assert!(metrics.contains(r#"webhooks_total{path="plivo_hangup",outcome="overtaken"} 2"#), "{metrics}");
}

#[tokio::test]
async fn a_hangup_report_at_the_answer_url_is_understood_and_one_unsigned_is_not() {
    let stage = with_plivo(|_| {}).await;
    knock(&stage, "c-1").await;

    let unsigned = post(&stage, &stage.at(HANGUP), &over("c-1", "completed"), &[]).await;
    assert_eq!(unsigned.status(), 400);
    assert_eq!(stage.gateway.switchboard.seats().0, 1, "anybody could end anybody's call otherwise");
    assert_eq!(webhook(&stage, ANSWER, &over("c-1", "busy")).await.status(), 204);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn a_stream_that_could_not_be_opened_frees_its_place() {
    let stage = with_plivo(|_| {}).await;
    knock(&stage, "c-1").await;
    let report = |event| vec![("CallUUID", "c-1"), ("StreamID", "s-1"), ("Event", event)];

    for event in
        ["StartStream", "PlayedStream", "ClearedAudio", "DegradedStream", "SomethingNew", "StopStream"]
    {
        assert_eq!(webhook(&stage, STREAM_STATUS, &report(event)).await.status(), 204, "{event}");
        assert_eq!(stage.gateway.switchboard.seats().0, 1, "{event}");
    }
    assert_eq!(webhook(&stage, STREAM_STATUS, &report("DroppedStream")).await.status(), 204);

    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn a_media_socket_shows_a_token_that_works_once() {
    let stage = with_plivo(|_| {}).await;
    let document = knock(&stage, "c-1").await;
    let token = extra_header(&document, "token").unwrap();
    let mut events = stage.gateway.events.listen();
    let mut first = MediaSocket::open(&stage, MEDIA, &[]).await.unwrap();
    start(&mut first, "c-1", &format!(r#"{{"X-PH-Token":"{token}"}}"#)).await;
    until(&mut events, |event| matches!(event, Event::Fact(_))).await;

    for headers in [format!("token={token}"), "token=madeup".to_owned(), String::new()] {
        let mut socket = MediaSocket::open(&stage, MEDIA, &[]).await.unwrap();
        start(&mut socket, "c-1", &headers).await;
        assert_eq!(socket.closed().await, Some(1008), "{headers}");
    }

    assert_eq!(stage.gateway.switchboard.live_count(), 1);
    drop(first);
    stage.close().await;
}

#[tokio::test]
async fn a_media_socket_with_a_signature_is_let_in_by_it_or_refused_by_it() {
    let stage = with_plivo(|_| {}).await;
    let upgrade = |token: &str, url: &str| sign(&Secret::new(token), url, &Params::default(), NONCE);
    let wrong = upgrade("another token", &stage.socket_at(MEDIA));

    let headers = [(signature::V3, wrong.as_str()), (signature::V3_NONCE, NONCE)];
    let refused = MediaSocket::open(&stage, MEDIA, &headers).await.err().unwrap();
    let Error::Http(response) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), 403);
    assert_eq!(stage.get(MEDIA).await.status(), 426, "and what is no upgrade is told so");

    // Which scheme it would sign is nowhere said.
    for (call, url) in [("c-1", stage.socket_at(MEDIA)), ("c-2", stage.at(MEDIA))] {
        let mut events = stage.gateway.events.listen();
        let right = upgrade(AUTH_TOKEN, &url);
        let headers = [(signature::V3, right.as_str()), (signature::V3_NONCE, NONCE)];
        let mut socket = MediaSocket::open(&stage, MEDIA, &headers).await.unwrap();
        start(&mut socket, call, "").await;
        // The end of the call before has its events, too.
        until(&mut events, |_| stage.gateway.switchboard.find_by_name("plivo", call).is_some()).await;
        drop(socket);
    }
    stage.close().await;
}

#[tokio::test]
async fn a_call_is_hung_up_by_request() {
    let (url, asked) = rest(vec![(204, Value::Null)]).await;
    let stage = with_plivo(|config| {
        config.carriers.plivo.auth_id = Some(AUTH_ID.to_owned());
        config.carriers.plivo.api_base_url = url;
    })
    .await;
    let socket = live_call(&stage, "c-1").await;
    let mut events = stage.gateway.events.listen();

    let hung_up = stage.post_json(&format!("/api/v1/calls/{}/hangup", socket.id), json!({})).await;

    assert!(hung_up.status().is_success(), "{}", hung_up.status());
    until_over(&mut events).await;
    let asked = asked.lock().unwrap().clone();
    let path = format!("/v1/Account/{AUTH_ID}/Call/c-1/");
    assert_eq!(asked, [Asked { method: "DELETE".to_owned(), path, body: Value::Null }]);
    stage.close().await;
}

#[tokio::test]
async fn a_caller_is_handed_over_by_a_document_that_only_plivo_can_fetch_and_only_for_that_call() {
    let (url, asked) = rest(vec![(202, json!({"message": "call transfered", "api_id": "a"}))]).await;
    let stage = with_plivo(|config| {
        config.carriers.plivo.auth_id = Some(AUTH_ID.to_owned());
        config.carriers.plivo.api_base_url = url;
        config.carriers.plivo.transfer_caller_id = Some("+14155550100".to_owned());
    })
    .await;
    let socket = live_call(&stage, "c-1").await;
    let mut events = stage.gateway.events.listen();

    let path = format!("/api/v1/calls/{}/transfer", socket.id);
    let accepted = stage.post_json(&path, json!({"to": "+1 415 555 0111"})).await;

    assert!(accepted.status().is_success(), "{}", accepted.status());
    let event = until_over(&mut events).await;
    let Event::Call(view) = &*event else { panic!("{event:?}") };
    assert!(matches!(&view.end, Some(EndCause::Transferred { .. })), "{:?}", view.end);
    let asked = asked.lock().unwrap()[0].clone();
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", format!("/v1/Account/{AUTH_ID}/Call/c-1/").as_str())
    );
    assert_eq!((&asked.body["legs"], &asked.body["aleg_method"]), (&json!("aleg"), &json!("POST")));
    let address = asked.body["aleg_url"].as_str().unwrap();
    let target = address.strip_prefix(&stage.base).expect("an address of ours");
    let fetch = |target: String, call: &'static str| {
        let stage = &stage;
        async move { webhook(stage, &target, &[("CallUUID", call), ("CallStatus", "in-progress")]).await }
    };
    let document = fetch(target.to_owned(), "c-1").await;
    assert_eq!(document.status(), 200);
    let document = document.text().await.unwrap();
    let dial = r#"<Dial timeout="30" callerId="+14155550100"><Number>+14155550111</Number></Dial>"#;
    assert!(document.contains(dial), "{document}");

    // Nobody else's call, nobody else's number, and nobody but Plivo.
    assert_eq!(fetch(target.to_owned(), "c-2").await.status(), 403);
    assert_eq!(fetch(target.replace("0111", "0999"), "c-1").await.status(), 403);
    assert_eq!(fetch("/plivo/transfer?to=%2B1415".to_owned(), "c-1").await.status(), 403);
    assert_eq!(post(&stage, address, &[("CallUUID", "c-1")], &[]).await.status(), 400);
    stage.close().await;
}
