//! Exotel's questions, reports and media socket at a gateway's front door, and the older service's own interface.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{EndCause, PhaseName};
use gateway::config::{Bot, Config};
use gateway::events::Event;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, redirect};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;
use url::Url;
use wire::Secret;

use crate::stage::{API_TOKEN, MediaSocket, Stage, until, until_over};

const TOKEN: &str = "the-secret-of-the-flow";
const MEDIA: &str = "/voicebot/ws";
const CONNECT: &str = "/api/v1/exotel/voice/connect";
const STATUS: &str = "/webhooks/exotel/status";
const PASSTHRU: &str = "/webhooks/exotel/passthru";
const TRANSFER: &str = "/webhooks/exotel/transfer";

/// A gateway with a secret for Exotel.
async fn with_exotel(change: impl FnOnce(&mut Config)) -> Stage {
    Stage::open(|config| {
        config.carriers.exotel.ws_token = Some(Secret::new(TOKEN));
        change(config);
    })
    .await
}

/// Asks with the secret; does not follow redirects, as Exotel does not.
async fn ask(stage: &Stage, path: &str, query: &str) -> Response {
    let client = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    client.get(stage.at(&format!("{path}?token={TOKEN}&{query}"))).send().await.unwrap()
}

async fn report(stage: &Stage, query: &str, form: &[(&str, &str)]) -> u16 {
    let boundary = "------------------------9b1d";
    let mut body = String::new();
    for (name, value) in form {
        body.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    let url = stage.at(&format!("{STATUS}?token={TOKEN}{query}"));
    let kind = format!("multipart/form-data; boundary={boundary}");
    stage.http.post(url).header(CONTENT_TYPE, kind).body(body).send().await.unwrap().status().as_u16()
}

async fn media_address(response: Response) -> Url {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1, "Exotel knows one field: {answer}");
    Url::parse(answer["url"].as_str().unwrap()).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn path_of(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

fn start(call: &str, parameters: Value) -> Value {
    json!({"event": "start", "sequence_number": "1", "stream_sid": "s1", "start": {
        "stream_sid": "s1", "call_sid": call, "account_sid": "acme1", "from": "09876543210", "to": "08047112233",
        "custom_parameters": parameters,
        "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}}})
}

/// Starts a call on an open socket and waits until both sides talk.
async fn talk(stage: &Stage, socket: &mut MediaSocket, call: &str) {
    let mut events = stage.gateway.events.listen();
    socket.send(json!({"event": "connected"})).await;
    socket.send(start(call, json!({}))).await;
    let talks = |event: &Event| matches!(event, Event::Call(view) if view.phase == PhaseName::Talking);
    until(&mut events, talks).await;
    socket.id = stage.gateway.switchboard.find_by_name("exotel", call).unwrap().id().to_string();
}

async fn live_call(stage: &Stage, call: &str) -> MediaSocket {
    let bearer = format!("Bearer {TOKEN}");
    let mut socket = MediaSocket::open(stage, MEDIA, &[("authorization", &bearer)]).await.unwrap();
    talk(stage, &mut socket, call).await;
    socket
}

fn status_of(error: Error) -> u16 {
    match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_question_for_the_media_address_is_answered_with_a_socket_of_its_own() {
    let stage = with_exotel(|config| config.carriers.exotel.sample_rate = 16_000).await;

    let query = "CallSid=c1&CallFrom=09876543210&CallTo=08047112233&Direction=incoming&flow_id=1118";
    let address = media_address(ask(&stage, CONNECT, query).await).await;

    assert!(address.as_str().starts_with(&stage.socket_at(MEDIA)), "{address}");
    assert_eq!(parameter(&address, "call_id").as_deref(), Some("c1"));
    assert_eq!(parameter(&address, "sample-rate").as_deref(), Some("16000"));
    assert_eq!(parameter(&address, "token").unwrap().len(), 48);
    assert!(address.query_pairs().count() <= 3 && address.query().unwrap().len() <= 256);
    assert_eq!(stage.gateway.switchboard.seats().0, 1);

    // The token of the answer opens the socket, once; what the question said is on the call.
    let mut socket = MediaSocket::open(&stage, &path_of(&address), &[]).await.unwrap();
    talk(&stage, &mut socket, "c1").await;
    let call = stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await;
    assert_eq!((call["carrier"].as_str(), call["carrier_call"].as_str()), (Some("exotel"), Some("c1")));
    assert_eq!(call["from"], "09876543210");
    let live = stage.gateway.switchboard.find_by_name("exotel", "c1").unwrap();
    assert!(live.knock().facts.contains(&("flow_id".to_owned(), "1118".to_owned())), "{:?}", live.knock());
    assert_eq!(stage.gateway.switchboard.seats().0, 1, "the place that waited is the call's");
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn the_question_may_come_in_any_form_and_again() {
    let stage = with_exotel(|_| {}).await;
    let url = stage.at(&format!("{CONNECT}?token={TOKEN}"));
    let pairs = [("callSid", "c1"), ("From", "09876543210")];

    let query = media_address(ask(&stage, CONNECT, "CallSid=c1").await).await;
    let form = media_address(stage.http.post(&url).form(&pairs).send().await.unwrap()).await;
    let body = json!({"call_id": "c1", "from": "09876543210"});
    let json = media_address(stage.http.post(&url).json(&body).send().await.unwrap()).await;
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"CallSid\"\r\n\r\nc1\r\n--b--";
    let request =
        stage.http.post(&url).header(CONTENT_TYPE, "multipart/form-data; boundary=b").body(multipart);
    let multipart = media_address(request.send().await.unwrap()).await;

    assert!(
        [&form, &json, &multipart].iter().all(|answer| **answer == query),
        "a retry gets the same answer"
    );
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
    let nameless = media_address(ask(&stage, CONNECT, "CallFrom=1").await).await;
    assert_eq!(parameter(&nameless, "call_id").unwrap().len(), 36, "a call without a name goes by ours");
    assert_eq!(stage.gateway.switchboard.seats().0, 2);
}

#[tokio::test]
async fn what_does_not_show_the_secret_stays_outside() {
    let stage = with_exotel(|config| config.limits.request_bytes = 4_096).await;
    let get = |path: &str, header: Option<String>| {
        let request = stage.http.get(stage.at(path));
        let request = match header {
            Some(header) => request.header(AUTHORIZATION, header),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };

    for path in [CONNECT, STATUS, PASSTHRU, TRANSFER] {
        for header in
            [None, Some("Bearer wrong".to_owned()), Some(format!("Basic {}", STANDARD.encode("a:b")))]
        {
            let refused = get(&format!("{path}?CallSid=c1&Status=busy"), header).await;
            assert_eq!(refused.status(), 401, "{path}");
            assert!(refused.headers().contains_key("www-authenticate"));
            assert!(refused.text().await.unwrap().contains("EXOTEL_WS_TOKEN"));
        }
        assert_eq!(get(&format!("{path}?CallSid=c1&token=wrong"), None).await.status(), 401);
    }
    assert_eq!(stage.gateway.metrics.signature_failures.get(), 16);
    for header in [
        format!("bearer {TOKEN}"),
        format!("Basic {}", STANDARD.encode(format!("key:{TOKEN}"))),
        format!("Basic {}", STANDARD.encode(format!("{TOKEN}:"))),
    ] {
        assert_eq!(get(&format!("{CONNECT}?CallSid=c1"), Some(header)).await.status(), 200);
    }
    assert_eq!(stage.get(&format!("{CONNECT}?CallSid=c1&token={TOKEN}")).await.status(), 200);
}

#[tokio::test]
async fn what_is_no_question_is_refused_in_words() {
    let stage = with_exotel(|config| config.limits.request_bytes = 4_096).await;
    let post = |kind: Option<&'static str>, body: Vec<u8>| {
        let request = stage.http.post(stage.at(&format!("{STATUS}?token={TOKEN}"))).body(body);
        let request = match kind {
            Some(kind) => request.header(CONTENT_TYPE, kind),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };

    assert_eq!(post(None, b"CallSid=c1".to_vec()).await, 415);
    assert_eq!(post(Some("text/xml"), b"<x/>".to_vec()).await, 415);
    assert_eq!(post(Some("application/json"), b"[1]".to_vec()).await, 400);
    assert_eq!(post(Some("multipart/form-data"), b"--b--".to_vec()).await, 400);
    assert_eq!(post(Some("application/x-www-form-urlencoded"), vec![b'a'; 4_097]).await, 413);
    assert_eq!(post(Some("application/x-www-form-urlencoded"), b"CallSid=%FF".to_vec()).await, 400);
    assert_eq!(post(Some("application/x-www-form-urlencoded"), b"CallSid=c1".to_vec()).await, 400);
    assert_eq!(ask(&stage, CONNECT, "CallSid=../x").await.status(), 400);
    assert_eq!(ask(&stage, PASSTHRU, "flow_id=1").await.status(), 400);
    assert_eq!(ask(&stage, TRANSFER, "flow_id=1").await.status(), 400);
    assert_eq!(stage.http.delete(stage.at(STATUS)).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn calls_that_find_no_place_are_told_so_before_their_media_comes() {
    let stage = with_exotel(|config| {
        config.limits.calls = 1;
        config.limits.calls_per_minute_per_caller = 2;
    })
    .await;
    let refusal = |response: Response| async move {
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    };

    ask(&stage, CONNECT, "CallSid=c1&CallFrom=1").await;
    let busy = refusal(ask(&stage, CONNECT, "CallSid=c2&CallFrom=1").await).await;
    assert_eq!(busy, (503, "all_lines_busy".to_owned()));
    let often = ask(&stage, CONNECT, "CallSid=c3&CallFrom=1").await;
    assert!(often.headers().contains_key("retry-after"));
    assert_eq!(refusal(often).await, (429, "caller_too_often".to_owned()));
    let nobody = refusal(ask(&stage, CONNECT, "CallSid=c4&bot=nobody").await).await;
    assert_eq!(nobody, (404, "no_such_bot".to_owned()));

    // The caller leaves before media comes: the place is free again.
    assert_eq!(report(&stage, "", &[("CallSid", "c1"), ("Status", "completed")]).await, 200);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    let metrics = stage.gateway.metrics.render();
    assert!(metrics.contains("calls_refused_total{reason=\"all_lines_busy\"} 1"), "{metrics}");
    assert!(metrics.contains("path=\"exotel_connect\",outcome=\"connected\""), "{metrics}");
}

#[tokio::test]
async fn a_flow_may_name_the_bot_that_answers() {
    let stage = with_exotel(|config| config.bots.push(Bot { name: "night".into(), ..Bot::default() })).await;

    let address = media_address(ask(&stage, CONNECT, "CallSid=c1&bot=night").await).await;
    let mut socket = MediaSocket::open(&stage, &path_of(&address), &[]).await.unwrap();
    talk(&stage, &mut socket, "c1").await;

    assert_eq!(stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await["bot"], "night");
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn a_public_address_is_what_others_are_told() {
    let stage = with_exotel(|config| {
        config.server.public_url = Some(Url::parse("https://voice.example.com/phone/").unwrap());
    })
    .await;
    let url = stage.at(&format!("{CONNECT}?token={TOKEN}&CallSid=c1"));

    let told = stage.http.get(url).header("host", "voice.example.com").send().await.unwrap();

    let address = media_address(told).await;
    assert!(address.as_str().starts_with("wss://voice.example.com/phone/voicebot/ws?"), "{address}");
    // A proxy on this machine may send its own idea of the host.
    let proxied = media_address(ask(&stage, CONNECT, "CallSid=c2").await).await;
    assert!(proxied.as_str().starts_with("wss://voice.example.com/phone/voicebot/ws?"), "{proxied}");
}

#[tokio::test]
async fn a_media_socket_comes_in_by_each_way_of_showing_the_secret() {
    let stage = with_exotel(|_| {}).await;
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    let ways: [(String, Option<String>, Value); 5] = [
        (MEDIA.to_owned(), Some(format!("Bearer {TOKEN}")), json!({})),
        (MEDIA.to_owned(), Some(basic(format!("key:{TOKEN}"))), json!({})),
        (MEDIA.to_owned(), Some(basic(format!("{TOKEN}:x"))), json!({})),
        (format!("{MEDIA}?token={TOKEN}"), None, json!({})),
        (MEDIA.to_owned(), None, json!({"token": TOKEN})),
    ];

    for (at, (path, header, parameters)) in ways.into_iter().enumerate() {
        let headers: Vec<(&'static str, &str)> =
            header.iter().map(|header| ("authorization", header.as_str())).collect();
        let mut events = stage.gateway.events.listen();
        let mut socket = MediaSocket::open(&stage, &path, &headers).await.unwrap();
        socket.send(start(&format!("c{at}"), parameters)).await;
        until(&mut events, |event| matches!(event, Event::Fact(_))).await;
        assert!(stage.gateway.switchboard.find_by_name("exotel", &format!("c{at}")).is_some(), "way {at}");
        socket.send(json!({"event": "stop", "stream_sid": "s1"})).await;
        assert_eq!(socket.closed().await, Some(1000));
    }
    stage.close().await;
}

#[tokio::test]
async fn a_media_socket_without_the_secret_gets_no_further_than_its_start() {
    let stage = with_exotel(|_| {}).await;
    let open = |path: &'static str, header: &'static str| {
        let stage = &stage;
        async move {
            let headers = [("authorization", header)];
            MediaSocket::open(stage, path, if header.is_empty() { &[] } else { &headers }).await
        }
    };

    assert_eq!(status_of(open(MEDIA, "Bearer wrong").await.err().unwrap()), 401);
    assert_eq!(status_of(open("/voicebot/ws?token=wrong", "").await.err().unwrap()), 401);
    assert_eq!(stage.get(MEDIA).await.status(), 426, "what is no upgrade is told so");
    for parameters in [json!({}), json!({"token": "made-up"})] {
        let mut socket = open(MEDIA, "").await.unwrap();
        socket.send(start("c1", parameters)).await;
        assert_eq!(socket.closed().await, Some(1008));
    }
    // A token that was given out works once.
    let address = media_address(ask(&stage, CONNECT, "CallSid=c1").await).await;
    let mut socket = MediaSocket::open(&stage, &path_of(&address), &[]).await.unwrap();
    talk(&stage, &mut socket, "c1").await;
    let again = MediaSocket::open(&stage, &path_of(&address), &[]).await.err().unwrap();
    assert_eq!(status_of(again), 401);
    assert_eq!(stage.gateway.switchboard.live_count(), 1);
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn a_token_once_given_out_counts_also_as_custom_parameter_and_beside_a_wrong_header() {
    let stage = with_exotel(|_| {}).await;
    for (call, path_has_it) in [("c1", true), ("c2", false)] {
        let address = media_address(ask(&stage, CONNECT, &format!("CallSid={call}")).await).await;
        let token = parameter(&address, "token").unwrap();
        let mut events = stage.gateway.events.listen();
        let (path, headers, parameters) = match path_has_it {
            true => (path_of(&address), vec![("authorization", "Basic a2V5OmFwaS10b2tlbg==")], json!({})),
            false => (MEDIA.to_owned(), vec![], json!({"token": token})),
        };
        let mut socket = MediaSocket::open(&stage, &path, &headers).await.unwrap();
        socket.send(start(call, parameters)).await;
        until(&mut events, |event| matches!(event, Event::Fact(_))).await;
        socket.send(json!({"event": "stop"})).await;
        socket.closed().await;
    }
    stage.close().await;
}

#[tokio::test]
async fn without_a_secret_this_machine_alone_may_try_it() {
    let trial = Stage::open(|_| {}).await;
    let mut socket = MediaSocket::open(&trial, MEDIA, &[]).await.unwrap();
    talk(&trial, &mut socket, "c1").await;
    let from_elsewhere = [("x-forwarded-for", "203.0.113.9")];
    let refused = MediaSocket::open(&trial, MEDIA, &from_elsewhere).await.err().unwrap();
    assert_eq!(status_of(refused), 401);
    drop(socket);
    trial.close().await;

    let reachable = |config: &mut Config| config.server.api_token = Some(Secret::new(API_TOKEN));
    let nobody = Stage::open(reachable).await;
    let refused = nobody.get(&format!("{CONNECT}?CallSid=c1")).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.text().await.unwrap().contains("carriers.exotel.ws_token"));
    assert_eq!(status_of(MediaSocket::open(&nobody, MEDIA, &[]).await.err().unwrap()), 401);

    let insisting = Stage::open(|config| {
        reachable(config);
        config.carriers.exotel.allow_unauthenticated = true;
    })
    .await;
    assert_eq!(insisting.get(&format!("{CONNECT}?CallSid=c1")).await.status(), 200);
    assert!(MediaSocket::open(&insisting, MEDIA, &[]).await.is_ok());
}

#[tokio::test]
async fn the_pretended_exotel_of_this_machine_shows_a_token_of_its_own() {
    let lab = "a-token-of-this-machine-alone";
    let change = |config: &mut Config| config.carriers.exotel.ws_token = Some(Secret::new(TOKEN));
    let stage = Stage::open_with(change, Some(Secret::new(lab))).await;

    assert_eq!(stage.get(&format!("{CONNECT}?CallSid=c1&token={lab}")).await.status(), 200);
    assert!(MediaSocket::open(&stage, &format!("{MEDIA}?token={lab}"), &[]).await.is_ok());
}

#[tokio::test]
async fn the_older_services_shape_is_understood() {
    let stage = with_exotel(|_| {}).await;
    let path = format!("{MEDIA}?callLogId=c7&sample-rate=16000&token={TOKEN}&campaign=spring");
    let mut events = stage.gateway.events.listen();
    let mut socket = MediaSocket::open(&stage, &path, &[]).await.unwrap();

    socket.send(json!({"event": "start", "stream_sid": "s7"})).await;

    until(&mut events, |event| matches!(event, Event::Fact(_))).await;
    let live =
        stage.gateway.switchboard.find_by_name("exotel", "c7").expect("its name stands in the address");
    assert_eq!(live.knock().facts, [("campaign".to_owned(), "spring".to_owned())]);
    assert_eq!(live.stream(), Some("s7"));
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn sessions_are_listed_as_the_older_service_did() {
    let stage = with_exotel(|_| {}).await;
    assert_eq!(stage.get_json("/voicebot/sessions").await, json!({"total": 0, "sessions": []}));
    let mut socket = live_call(&stage, "c1").await;
    let mut events = stage.gateway.events.listen();
    // The key tells when the message before it has been taken in.
    let media =
        json!({"event": "media", "sequence_number": "41", "stream_sid": "s1", "media": {"payload": "AAA="}});
    socket.send(media).await;
    socket
        .send(json!({"event": "dtmf", "sequence_number": "42", "stream_sid": "s1", "dtmf": {"digit": "1"}}))
        .await;
    let key = |event: &Event| match event {
        Event::Fact(fact) => matches!(fact.entry.fact, call::Fact::Digit { .. }),
        Event::Call(_) | Event::Levels(_) => false,
    };
    until(&mut events, key).await;

    let listed = tokio::time::timeout(crate::stage::LONG, async {
        loop {
            let listed = stage.get_json("/voicebot/sessions").await;
            if listed["sessions"][0]["sequenceNumber"] == 42 {
                return listed;
            }
        }
    })
    .await
    .unwrap();

    assert_eq!(listed["total"], 1);
    let session = listed["sessions"][0].as_object().unwrap();
    let names: Vec<&String> = session.keys().collect();
    let mut expected = vec![
        "audioChunksBuffered",
        "callId",
        "connectedAt",
        "isActive",
        "lastActivity",
        "sequenceNumber",
        "streamSid",
    ];
    expected.sort_unstable();
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!((session["callId"].as_str(), session["streamSid"].as_str()), (Some("c1"), Some("s1")));
    assert_eq!((&session["isActive"], &session["audioChunksBuffered"]), (&json!(true), &json!(0)));
    let time = |name: &str| session[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("lastActivity") >= time("connectedAt"));
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn sessions_and_calls_are_the_apis_business() {
    let stage = with_exotel(|config| config.server.api_token = Some(Secret::new(API_TOKEN))).await;

    assert_eq!(stage.get("/voicebot/sessions").await.status(), 401);
    assert_eq!(stage.post_json("/call", json!({"to": "+919876543210"})).await.status(), 401);
    let shown = stage.http.get(stage.at("/voicebot/sessions")).bearer_auth(API_TOKEN).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    let exotels = stage.http.get(stage.at("/voicebot/sessions")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(exotels.status(), 401, "Exotel's secret is not the API's");
    assert_eq!(ask(&stage, CONNECT, "CallSid=c1").await.status(), 200, "and Exotel knows no API token");
}

#[tokio::test]
async fn a_live_call_ends_when_its_carrier_says_so_once() {
    let stage = with_exotel(|_| {}).await;
    let mut socket = live_call(&stage, "c1").await;
    let mut events = stage.gateway.events.listen();
    let over = [("CallSid", "c1"), ("EventType", "terminal"), ("Status", "completed"), ("To", "08047112233")];

    assert_eq!(
        report(&stage, "", &[("CallSid", "c1"), ("EventType", "answered"), ("Status", "in-progress")]).await,
        200
    );
    assert_eq!(report(&stage, "", &over).await, 200);
    assert_eq!(report(&stage, "", &over).await, 200);

    let event = until_over(&mut events).await;
    let Event::Call(view) = &*event else { panic!("{event:?}") };
    assert_eq!(view.end, Some(EndCause::CallerHungUp));
    assert_eq!(socket.closed().await, Some(1000));
    let metrics = stage.gateway.metrics.render();
    assert!(metrics.contains("path=\"exotel_status\",outcome=\"ok\"} 2"), "{metrics}");
    assert!(metrics.contains("path=\"exotel_status\",outcome=\"repeated\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_transfer_is_what_the_flow_is_told_when_it_asks() {
    let stage = with_exotel(|config| config.carriers.exotel.phone_number = Some("08047112233".into())).await;
    let mut socket = live_call(&stage, "c1").await;
    let mut events = stage.gateway.events.listen();
    assert_eq!(ask(&stage, TRANSFER, "CallSid=c1").await.status(), 404, "nobody wants it yet");

    let order = json!({"to": "+919876500000"});
    let ordered = stage.post_json(&format!("/api/v1/calls/{}/transfer", socket.id), order).await;
    assert_eq!(ordered.status(), 202);

    assert_eq!(socket.closed().await, Some(1000), "Exotel goes on when the socket closes");
    let event = until_over(&mut events).await;
    let Event::Call(view) = &*event else { panic!("{event:?}") };
    assert!(matches!(view.end, Some(EndCause::Transferred { .. })), "{:?}", view.end);
    let bracketed = "CallSid=c1&flow_id=1&Stream%5BStreamSID%5D=s1&Stream%5BStatus%5D=completed&Stream%5BDisconnectedBy%5D=bot";
    let object = "CallSid=c1&Stream=%7B%22StreamSID%22%3A%22s1%22%2C%22Status%22%3A%22completed%22%7D";
    assert_eq!(ask(&stage, PASSTHRU, bracketed).await.status(), 200, "branch A");
    assert_eq!(ask(&stage, PASSTHRU, object).await.status(), 200, "and again");
    let url = stage.at(&format!("{PASSTHRU}?token={TOKEN}"));
    let json =
        json!({"CallSid": "c1", "StreamSid": "s1", "EventType": "stream-start", "Direction": "incoming"});
    assert_eq!(stage.http.post(url).json(&json).send().await.unwrap().status(), 200);

    let plain = ask(&stage, TRANSFER, "CallSid=c1").await;
    assert!(plain.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(plain.text().await.unwrap(), "+919876500000");
    let url = stage.at(&format!("{TRANSFER}?token={TOKEN}&CallSid=c1"));
    let whole = stage.http.get(url).header("Exotel-Version", "1.0").send().await.unwrap();
    assert_eq!(
        whole.json::<Value>().await.unwrap(),
        json!({"fetch_after_attempt": false, "destination": {"numbers": ["+919876500000"]},
               "outgoing_phone_number": "08047112233"})
    );
}

#[tokio::test]
async fn a_call_that_ends_leads_the_flow_to_its_end() {
    let stage = with_exotel(|_| {}).await;
    let mut socket = live_call(&stage, "c1").await;
    let started = "CallSid=c1&EventType=stream-start";
    assert_eq!(ask(&stage, PASSTHRU, started).await.status(), 200, "it goes on");
    assert_eq!(stage.gateway.switchboard.live_count(), 1);

    stage.post_json(&format!("/api/v1/calls/{}/hangup", socket.id), json!({})).await;

    assert_eq!(socket.closed().await, Some(1000));
    let over = "CallSid=c1&Stream%5BStatus%5D=completed&Stream%5BDisconnectedBy%5D=bot";
    assert_eq!(ask(&stage, PASSTHRU, over).await.status(), 302, "branch B");
    assert_eq!(ask(&stage, TRANSFER, "CallSid=c1").await.status(), 404);
    assert_eq!(ask(&stage, PASSTHRU, "CallSid=unknown").await.status(), 302, "what nobody knows ends");
}

#[tokio::test]
async fn a_flow_that_goes_on_by_itself_ends_the_call_here() {
    let stage = with_exotel(|_| {}).await;
    let socket = live_call(&stage, "c1").await;
    let mut events = stage.gateway.events.listen();

    let by_user = "CallSid=c1&Stream%5BStatus%5D=completed&Stream%5BDisconnectedBy%5D=user";
    assert_eq!(ask(&stage, PASSTHRU, by_user).await.status(), 302);

    let event = until_over(&mut events).await;
    let Event::Call(view) = &*event else { panic!("{event:?}") };
    assert_eq!(view.end, Some(EndCause::CallerHungUp));
    drop(socket);
}

#[tokio::test]
async fn a_leg_is_hung_up_by_request() {
    let hung_up = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hung_up);
    let routes = Router::new().route(
        "/v2/accounts/acme1/legs/{leg}/actions/hangup",
        post(move |uri: Uri| async move {
            seen.lock().unwrap().push(uri.path().to_owned());
            r#"{"request_id":"r","http_code":200,"response":{"code":200,"data":{"leg_sid":"leg1"}}}"#
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let stage = with_exotel(|config| {
        let exotel = &mut config.carriers.exotel;
        exotel.legs = true;
        exotel.account_sid = Some("acme1".into());
        exotel.api_key = Some("key".into());
        exotel.api_token = Some(Secret::new("secret"));
        exotel.legs_base_url = Some(base);
    })
    .await;
    let mut socket = live_call(&stage, "leg1").await;

    stage.post_json(&format!("/api/v1/calls/{}/hangup", socket.id), json!({})).await;

    assert_eq!(socket.closed().await, Some(1000));
    assert_eq!(*hung_up.lock().unwrap(), ["/v2/accounts/acme1/legs/leg1/actions/hangup"]);
}

type Form = Vec<(String, String)>;

/// Exotel's REST interface, as far as these tests need it: how many streams it says, and what it was asked.
#[derive(Clone, Default)]
struct Interface {
    full: bool,
    refuses: bool,
    asked: Arc<Mutex<Vec<Form>>>,
}

impl Interface {
    async fn start(self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/v1/Accounts/acme1/ActiveStreams", get(Interface::streams))
            .route("/v1/Accounts/acme1/Calls/connect.json", post(Interface::connect))
            .with_state(self);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Url::parse(&format!("http://{address}")).unwrap()
    }

    async fn streams(State(this): State<Interface>) -> String {
        let active = if this.full { 5 } else { 4 };
        format!(
            "<TwilioResponse><Stream><ActiveStreamCount>{active}</ActiveStreamCount><ThrottleLimit>5</ThrottleLimit></Stream></TwilioResponse>"
        )
    }

    async fn connect(State(this): State<Interface>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
        let right = format!("Basic {}", STANDARD.encode("key:secret"));
        assert_eq!(headers["authorization"], right.as_str());
        let form: Form = url::form_urlencoded::parse(&body).into_owned().collect();
        this.asked.lock().unwrap().push(form);
        match this.refuses {
            true => (
                StatusCode::BAD_REQUEST,
                r#"{"RestException":{"Status":400,"Message":"Number is DND","Code":34001}}"#,
            ),
            false => (StatusCode::OK, r#"{"Call":{"Sid":"c9","Status":"queued"}}"#),
        }
    }
}

async fn placing(interface: Interface, change: impl FnOnce(&mut Config)) -> Stage {
    let base = interface.start().await;
    with_exotel(|config| {
        let exotel = &mut config.carriers.exotel;
        exotel.account_sid = Some("acme1".into());
        exotel.api_key = Some("key".into());
        exotel.api_token = Some(Secret::new("secret"));
        exotel.api_base_url = Some(base);
        exotel.phone_number = Some("08047112233".into());
        config.server.public_url = Some(Url::parse("https://voice.example.com").unwrap());
        config.outbound.allow = vec!["+91".into()];
        change(config);
    })
    .await
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_call_is_placed_and_its_media_finds_its_place() {
    let interface = Interface::default();
    let stage = placing(interface.clone(), |_| {}).await;

    let placed = stage.post_json("/call", json!({"to": "+91 98765 43210"})).await;

    assert_eq!(placed.status(), 200);
    let placed: Value = placed.json().await.unwrap();
    assert_eq!((&placed["success"], &placed["callSid"]), (&json!(true), &json!("c9")));
    let form = interface.asked.lock().unwrap()[0].clone();
    assert_eq!(field(&form, "From"), Some("+919876543210"));
    assert_eq!(field(&form, "CallerId"), Some("08047112233"));
    assert_eq!(field(&form, "StreamType"), Some("bidirectional"));
    assert_eq!(field(&form, "Url"), None, "never both");
    assert_eq!(field(&form, "CustomField"), placed["id"].as_str());
    let callback = Url::parse(field(&form, "StatusCallback").unwrap()).unwrap();
    assert_eq!(callback.path(), STATUS);
    assert_eq!(parameter(&callback, "call_id").as_deref(), placed["id"].as_str());
    assert_eq!(parameter(&callback, "token").as_deref(), Some(TOKEN));
    let media = Url::parse(field(&form, "StreamUrl").unwrap()).unwrap();
    assert!(media.as_str().starts_with("wss://voice.example.com/voicebot/ws?"), "{media}");
    assert!(!media.as_str().contains(TOKEN), "the socket shows a token of its own");

    // It rings, is answered, and the socket opens.
    let ours = format!("&call_id={}", placed["id"].as_str().unwrap());
    for (event, status) in [("ringing", "ringing"), ("answered", "in-progress")] {
        assert_eq!(
            report(&stage, &ours, &[("CallSid", "c9"), ("EventType", event), ("Status", status)]).await,
            200
        );
    }
    let mut socket = MediaSocket::open(&stage, &path_of(&media), &[]).await.unwrap();
    talk(&stage, &mut socket, "c9").await;
    assert_eq!(Some(socket.id.as_str()), placed["id"].as_str());
    let call = stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await;
    assert_eq!((call["direction"].as_str(), call["to"].as_str()), (Some("outbound"), Some("+919876543210")));

    // It was joined to the socket directly, so it cannot be handed over.
    let mut events = stage.gateway.events.listen();
    stage.post_json(&format!("/api/v1/calls/{}/transfer", socket.id), json!({"to": "+919876500000"})).await;
    let failed = |event: &Event| match event {
        Event::Fact(fact) => matches!(fact.entry.fact, call::Fact::TransferFailed { .. }),
        Event::Call(_) | Event::Levels(_) => false,
    };
    until(&mut events, failed).await;
    let mut events = stage.gateway.events.listen();
    assert_eq!(
        report(&stage, &ours, &[("CallSid", "c9"), ("EventType", "terminal"), ("Status", "completed")]).await,
        200
    );
    until_over(&mut events).await;
    stage.close().await;
}

#[tokio::test]
async fn a_call_through_a_flow_is_found_by_what_it_was_given_along() {
    let interface = Interface::default();
    let stage =
        placing(interface.clone(), |config| config.carriers.exotel.flow_id = Some("1118".into())).await;

    let placed: Value = stage.post_json("/call", json!({"to": "+919876543210"})).await.json().await.unwrap();

    let form = interface.asked.lock().unwrap()[0].clone();
    assert_eq!(field(&form, "Url"), Some("https://my.exotel.com/acme1/exoml/start_voice/1118"));
    assert_eq!(field(&form, "StreamUrl"), None, "never both");
    let id = placed["id"].as_str().unwrap();
    let query = format!(
        "CallSid=c9&CallFrom=08047112233&CallTo=09876543210&Direction=outbound-dial&CustomField={id}"
    );
    let address = media_address(ask(&stage, CONNECT, &query).await).await;
    let mut socket = MediaSocket::open(&stage, &path_of(&address), &[]).await.unwrap();
    talk(&stage, &mut socket, "c9").await;
    assert_eq!(socket.id, id);
    assert_eq!(stage.gateway.switchboard.seats().0, 1);

    let ordered = json!({"to": "+919876500000"});
    stage.post_json(&format!("/api/v1/calls/{}/transfer", socket.id), ordered).await;
    assert_eq!(socket.closed().await, Some(1000));
    assert_eq!(ask(&stage, PASSTHRU, "CallSid=c9").await.status(), 200, "a flow can hand over");
    stage.close().await;
}

#[tokio::test]
async fn a_call_that_nobody_answers_says_why() {
    let stage = placing(Interface::default(), |_| {}).await;
    let placed: Value = stage.post_json("/call", json!({"to": "+919876543210"})).await.json().await.unwrap();
    let id = placed["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.gateway.switchboard.seats().0, 1);

    // By Exotel's own name alone: a callback whose query was lost.
    let busy = [("CallSid", "c9"), ("EventType", "terminal"), ("Status", "busy")];
    assert_eq!(report(&stage, "", &busy).await, 200);

    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    let record = stage.get_json(&format!("/api/v1/calls/{id}")).await;
    assert_eq!(
        (record["end"]["cause"].as_str(), record["end"]["why"].as_str()),
        (Some("not_reached"), Some("busy"))
    );
}

#[tokio::test]
async fn a_call_that_cannot_be_placed_says_why() {
    let refusal = |response: Response| async move {
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["success"], false);
        (status, body["error"]["message"].as_str().unwrap().to_owned())
    };
    let to = json!({"to": "+919876543210"});

    let full = Interface { full: true, ..Interface::default() };
    let stage = placing(full.clone(), |_| {}).await;
    let (status, words) = refusal(stage.post_json("/call", to.clone()).await).await;
    assert!(status == 503 && words.contains("5 of the account's 5 streams"), "{status} {words}");
    assert!(full.asked.lock().unwrap().is_empty(), "nobody was rung");
    assert_eq!(stage.gateway.switchboard.seats().0, 0);

    let stage = placing(Interface { refuses: true, ..Interface::default() }, |_| {}).await;
    let (status, words) = refusal(stage.post_json("/call", to.clone()).await).await;
    assert!(status == 422 && words.contains("Number is DND"), "{status} {words}");

    let stage = placing(Interface::default(), |config| config.carriers.exotel.api_key = None).await;
    let (status, _) = refusal(stage.post_json("/call", to.clone()).await).await;
    assert_eq!(status, 409);
    let stage = placing(Interface::default(), |_| {}).await;
    let elsewhere = json!({"to": "+14155550123"});
    let (status, _) = refusal(stage.post_json("/call", elsewhere).await).await;
    assert_eq!(status, 403, "only where calls are allowed to go");
    assert_eq!(stage.post_json("/call", json!({"number": 1})).await.status(), 422);
}
