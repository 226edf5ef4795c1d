//! The webhook: who may come in, which call it is, and what is answered.

use std::time::Duration;

use call::EndCause;
use gateway::config::{AgentKind, Bot, Config, Line};
use gateway::events::Event;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use wire::Secret;

use super::{Socket, TOKEN, WEBHOOK, connecting, post, report, talks, with_mcube, with_placed, wss_url};
use crate::stage::{Stage, until_over};

#[tokio::test]
async fn a_call_that_connects_is_given_a_media_socket_of_its_own() {
    let stage = with_mcube(|_| {}).await;

    let response = report(&stage, connecting("C1")).await;

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let answer: Value = response.json().await.unwrap();
    let address = answer["wss_url"].as_str().unwrap();
    let (path, token) = address.split_once("?token=").unwrap();
    assert_eq!(path, stage.socket_at("/ws/mcube/C1"));
    assert_eq!(token.len(), 48);
    assert_eq!(answer.as_object().unwrap().len(), 1);
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
    let again = wss_url(report(&stage, connecting("C1")).await).await;
    assert_eq!(again, address, "a retried webhook gets the same place");
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
}

#[tokio::test]
async fn a_status_that_is_missing_means_that_the_call_connects_and_names_come_in_any_spelling() {
    let stage = with_mcube(|_| {}).await;

    for (call, body) in [
        ("C1", json!({"callId": "C1", "fromNumber": "9123456780", "toNumber": "8046800900"})),
        ("C2", json!({"call_id": "C2", "from_number": "9123456781", "to_number": "8046800900"})),
        ("C3", json!({"callid": "C3", "dialstatus": "connecting", "direction": "inbound"})),
    ] {
        let address = wss_url(report(&stage, body).await).await;
        assert!(address.contains(&format!("/ws/mcube/{call}?token=")), "{address}");
    }
}

#[tokio::test]
async fn who_shows_no_right_token_stays_outside() {
    let stage =
        with_mcube(|config| config.carriers.mcube.more_tokens = vec![Secret::new("the-former-token")]).await;
    let post = |query: &str, header: Option<&'static str>| {
        let request = stage.http.post(stage.at(&format!("{WEBHOOK}{query}"))).json(&connecting("C1"));
        let request = match header {
            Some(secret) => request.header("x-mcube-webhook-secret", secret),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };

    assert_eq!(post("", None).await, 401);
    assert_eq!(post("?token=", None).await, 401);
    assert_eq!(post("?token=wrong", None).await, 401);
    assert_eq!(post("", Some("wrong")).await, 401);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert_eq!(stage.gateway.metrics.signature_failures.get(), 4);
    assert_eq!(post("", Some(TOKEN)).await, 200);
    assert_eq!(post("?token=the-former-token", None).await, 200, "for the time of a rotation");
}

#[tokio::test]
async fn without_a_token_nobody_comes_in_from_outside_unless_the_operator_insists() {
    let public = |config: &mut Config| {
        config.server.public_url = Some("https://voice.example.com".parse().unwrap());
    };
    let closed = Stage::open(public).await;
    let open = Stage::open(|config| {
        public(config);
        config.carriers.mcube.allow_unauthenticated = true;
    })
    .await;
    let knock = |stage: &Stage| stage.http.post(stage.at(WEBHOOK)).json(&connecting("C1")).send();

    let refused = knock(&closed).await.unwrap();
    assert_eq!(refused.status(), 500);
    assert!(refused.text().await.unwrap().contains("carriers.mcube.token"));
    let through_a_tunnel = open.http.post(open.at(WEBHOOK)).header("host", "voice.example.com");
    let answer = through_a_tunnel.json(&connecting("C1")).send().await.unwrap();
    assert!(wss_url(answer).await.starts_with("wss://voice.example.com/ws/mcube/C1?token="));
}

#[tokio::test]
async fn on_one_machine_a_trial_needs_no_token_but_a_tunnel_does() {
    let stage = Stage::open(|_| {}).await;
    let knock = || stage.http.post(stage.at(WEBHOOK)).json(&connecting("C1"));

    assert_eq!(knock().send().await.unwrap().status(), 200);
    let forwarded = knock().header("x-forwarded-for", "203.0.113.7").send().await.unwrap();
    assert_eq!(forwarded.status(), 500);
    let foreign_page = knock().header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(foreign_page.status(), 500);
}

#[tokio::test]
async fn what_is_not_a_webhook_is_refused_in_words() {
    let stage = with_mcube(|config| config.limits.request_bytes = 4_096).await;
    let post = |kind: Option<&'static str>, body: Vec<u8>| {
        let request = stage.http.post(stage.at(&format!("{WEBHOOK}?token={TOKEN}"))).body(body);
        let request = match kind {
            Some(kind) => request.header(CONTENT_TYPE, kind),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };

    for (kind, body, status) in [
        (None, b"{}".to_vec(), 415),
        (Some("text/xml"), b"<x/>".to_vec(), 415),
        (Some("application/json"), b"{".to_vec(), 400),
        (Some("application/json"), b"[]".to_vec(), 400),
        (Some("application/json"), b"{}".to_vec(), 400),
        (Some("application/json"), br#"{"callId":"../../etc"}"#.to_vec(), 400),
        (Some("application/json"), vec![b' '; 4_097], 413),
        (Some("application/x-www-form-urlencoded"), b"callid=%FF".to_vec(), 400),
    ] {
        let response = post(kind, body.clone()).await;
        assert_eq!(response.status().as_u16(), status, "{kind:?} {}", String::from_utf8_lossy(&body));
        let words: Value = response.json().await.unwrap();
        assert!(words["message"].as_str().is_some_and(|words| !words.is_empty()), "{words}");
    }
    let form = b"callid=C1&dialstatus=CONNECTING".to_vec();
    let answer = post(Some("application/x-www-form-urlencoded; charset=utf-8"), form).await;
    assert!(wss_url(answer).await.contains("/ws/mcube/C1?"));
    assert_eq!(stage.get(WEBHOOK).await.status(), 405);
}

#[tokio::test]
async fn a_number_finds_its_line_with_and_without_its_country() {
    let stage = with_mcube(|config| {
        config.bots.push(Bot { name: "reception".to_owned(), agent: AgentKind::Demo, ..Bot::default() });
        config.lines.push(Line {
            number: "+91 80468 00900".to_owned(),
            bot: "reception".to_owned(),
            ..Line::default()
        });
    })
    .await;
    let bot_of = |call: &str, body: Value| {
        let call = call.to_owned();
        let stage = &stage;
        async move {
            report(stage, body).await;
            stage.gateway.switchboard.claim_named("mcube", &call).unwrap().bot.name.clone()
        }
    };

    for (at, number) in ["8046800900", "08046800900", "918046800900", "+918046800900"].into_iter().enumerate()
    {
        let call = format!("C{at}");
        let body = json!({"callId": call, "callDirection": "inbound", "toNumber": number, "fromNumber": "9123456780"});
        assert_eq!(bot_of(&call, body).await, "reception", "{number}");
    }
    let outward =
        json!({"callId": "C8", "callDirection": "outbound", "fromNumber": "8046800900", "toNumber": "9"});
    assert_eq!(bot_of("C8", outward).await, "reception", "of a call that goes out, our number is the first");
    let other = json!({"callId": "C9", "toNumber": "8046800901"});
    assert_eq!(bot_of("C9", other).await, "demo");
}

#[tokio::test]
async fn reports_end_calls_and_free_places_once_whatever_their_order() {
    let stage = with_mcube(|_| {}).await;
    let mut events = stage.gateway.events.listen();
    let address = wss_url(report(&stage, connecting("C1")).await).await;
    let mut socket = Socket::at(&address).await;
    socket.start("C1", json!({})).await;
    talks(&mut events).await;
    report(&stage, connecting("C2")).await;
    assert_eq!(stage.gateway.switchboard.seats().0, 2);

    let over = json!({"callId": "C1", "dialStatus": "ANSWER", "endTime": "2026-05-01 10:00:00", "answeredTime": "00:00:08"});
    for _ in 0..2 {
        let answer: Value = report(&stage, over.clone()).await.json().await.unwrap();
        assert_eq!(answer, json!({"status": "ok"}));
    }
    let ended = until_over(&mut events).await;
    let Event::Call(view) = &*ended else { panic!("{ended:?}") };
    assert!(
        matches!(view.end, Some(EndCause::CallerHungUp | EndCause::CarrierLost { .. })),
        "{:?}",
        view.end
    );
    // One that was overtaken, one of a call that nobody knows, and a word that nobody knows.
    for late in [
        json!({"callId": "C1", "dialStatus": "ANSWER"}),
        json!({"callId": "C7", "dialStatus": "BUSY"}),
        json!({"callId": "C2", "dialStatus": "RINGING"}),
    ] {
        assert_eq!(report(&stage, late).await.status(), 200);
    }
    let cancelled = json!({"callid": "C2", "dialstatus": "cancel"});
    assert_eq!(report(&stage, cancelled).await.status(), 200);
    drop(socket);
    let metrics = stage.get("/metrics").await.text().await.unwrap();
    for (outcome, times) in [("ok", 3), ("overtaken", 2), ("unlisted", 1), ("connected", 2)] {
        let series = format!(r#"path="mcube",outcome="{outcome}"}} {times}"#);
        assert!(metrics.contains(&series), "{series}");
    }
    assert_eq!(stage.close().await.abandoned, 0);
}

#[tokio::test]
async fn no_place_is_said_in_words_that_hold_no_address() {
    let stage = with_mcube(|config| config.limits.calls = 1).await;
    assert_eq!(report(&stage, connecting("C1")).await.status(), 200);

    let full = report(&stage, connecting("C2")).await;
    assert_eq!(full.status(), 503);
    let words: Value = full.json().await.unwrap();
    assert_eq!(words["error"], "all_lines_busy");
    assert!(words.get("wss_url").is_none());

    stage.gateway.switchboard.drain(Duration::ZERO);
    let draining: Value = report(&stage, connecting("C3")).await.json().await.unwrap();
    assert_eq!(draining["error"], "draining");
}

#[tokio::test]
async fn one_caller_cannot_knock_without_end() {
    let stage = with_mcube(|config| config.limits.calls_per_minute_per_caller = 2).await;

    let mut answers = Vec::new();
    for call in ["C1", "C2", "C3"] {
        answers.push(report(&stage, connecting(call)).await.status().as_u16());
    }

    assert_eq!(answers, [200, 200, 429]);
    let other = json!({"callId": "C4", "fromNumber": "9123450000", "toNumber": "8046800900"});
    assert_eq!(report(&stage, other).await.status(), 200);
}

#[tokio::test]
async fn a_call_that_we_placed_finds_its_place_by_our_name() {
    let (stage, id, token) = with_placed().await;
    let ours = |body: Value| post(&stage, format!("?call={id}&token={TOKEN}"), body);
    let mut body = connecting("C1");
    body["callDirection"] = json!("outbound");

    let address = wss_url(ours(body.clone()).await).await;
    assert_eq!(address, format!("{}?token={token}", stage.socket_at("/ws/mcube/C1")));
    assert_eq!(wss_url(ours(body.clone()).await).await, address);
    assert_eq!(stage.gateway.switchboard.seats().0, 1, "the place was there already");

    let end = json!({"callId": "C1", "dialStatus": "ANSWER", "endTime": 1_746_093_683});
    assert_eq!(ours(end).await.status(), 200);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert_eq!(ours(body).await.status(), 410, "nobody waits for it any more");
    stage.close().await;
}

#[tokio::test]
async fn a_call_that_we_placed_and_nobody_answers_frees_its_place() {
    let (stage, id, _) = with_placed().await;

    // Mcube has lost our query here; its report still has our name for the call.
    let report =
        report(&stage, json!({"callId": "C1", "refid": id.to_string(), "dialStatus": "NOANSWER"})).await;

    assert_eq!(report.status(), 200);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    let foreign = json!({"callId": "C2", "refid": "3f1c0a52-0000-7000-8000-000000000001", "toNumber": "1"});
    assert_eq!(
        self::report(&stage, foreign).await.status(),
        200,
        "somebody else's name for a call is no name of ours"
    );
}

#[tokio::test]
async fn the_same_name_on_two_carriers_is_two_calls() {
    let stage = Stage::with_twilio(|config| config.carriers.mcube.token = Some(Secret::new(TOKEN))).await;
    assert_eq!(stage.knock("C1").await.status(), 200);
    let mut events = stage.gateway.events.listen();
    let address = wss_url(report(&stage, connecting("C1")).await).await;
    let mut socket = Socket::at(&address).await;
    socket.start("C1", json!({})).await;
    talks(&mut events).await;
    assert_eq!(stage.gateway.switchboard.seats().0, 2);

    assert_eq!(report(&stage, json!({"callId": "C1", "dialStatus": "CANCEL"})).await.status(), 200);
    until_over(&mut events).await;

    assert!(
        stage.gateway.switchboard.claim_named("twilio", "C1").is_some(),
        "Twilio's call is still expected"
    );
    stage.close().await;
}
