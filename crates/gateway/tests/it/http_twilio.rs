//! Twilio's webhooks and its media socket's upgrade, at a gateway's front door.

use call::EndCause;
use gateway::config::{AgentKind, Bot, Line};
use gateway::events::Event;
use lab::twilio::signature::{self, HEADER};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Error;
use url::Url;
use wire::Secret;

use crate::stage::{
    ACCOUNT, AUTH_TOKEN, LONG, MediaSocket, Stage, attribute, knocking, owned, parameter, status_of, until,
    until_over,
};

const INBOUND: &str = "/webhooks/inbound";
const STATUS: &str = "/webhooks/status-callback";
const STREAM_STATUS: &str = "/webhooks/stream-status";
const MEDIA: &str = "/twilio/media-stream";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_signed_webhook_is_answered_with_a_stream_of_its_own() {
    let stage = Stage::with_twilio(|_| {}).await;

    let response = stage.knock("CA1").await;

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "text/xml");
    let document = response.text().await.unwrap();
    assert_eq!(attribute(&document, "url").unwrap(), stage.socket_at(MEDIA));
    assert_eq!(attribute(&document, "statusCallback").unwrap(), stage.at(STREAM_STATUS));
    assert_eq!(parameter(&document, "token").unwrap().len(), 48);
    assert_eq!(parameter(&document, "call").unwrap().len(), 36);
    assert_eq!(parameter(&document, "from").as_deref(), Some("+14155550123"));
    assert_eq!(parameter(&document, "to").as_deref(), Some("+14155550100"));
    assert!(document.ends_with("</Connect><Hangup/></Response>"), "{document}");
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
    assert_eq!(stage.gateway.switchboard.live_count(), 0, "it is expected, not there");
}

#[tokio::test]
async fn webhooks_without_a_right_signature_stay_outside() {
    let stage = Stage::with_twilio(|_| {}).await;
    let form = owned(&knocking("CA1"));
    let url = stage.at(INBOUND);
    let right = signature::of_form(AUTH_TOKEN, &url, &form);
    let post = |signed: Option<String>, form: Vec<(String, String)>| {
        let request = stage.http.post(&url).form(&form);
        let request = match signed {
            Some(signed) => request.header(HEADER, signed),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };

    assert_eq!(post(None, form.clone()).await, 400);
    assert_eq!(post(Some(String::new()), form.clone()).await, 400);
    assert_eq!(post(Some(signature::of_form("another token", &url, &form)), form.clone()).await, 403);
    let mut tampered = form.clone();
    tampered[2].1 = "+19995550123".to_owned();
    assert_eq!(post(Some(right.clone()), tampered).await, 403);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert_eq!(stage.gateway.metrics.signature_failures.get(), 4);
    assert_eq!(post(Some(right), form).await, 200);
}

#[tokio::test]
async fn without_a_token_nothing_can_be_checked_and_nobody_comes_in() {
    let stage = Stage::open(|_| {}).await;

    let response = stage.knock("CA1").await;

    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("auth token"));
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn every_token_of_a_rotation_is_accepted() {
    let stage = Stage::with_twilio(|config| {
        config.carriers.twilio.auth_token = Some(Secret::new("the-next-token"));
        config.carriers.twilio.more_auth_tokens = vec![Secret::new(AUTH_TOKEN)];
    })
    .await;

    assert_eq!(stage.knock("CA1").await.status(), 200);
}

#[tokio::test]
async fn unsigned_webhooks_come_in_where_the_operator_says_so() {
    let stage = Stage::open(|config| config.carriers.twilio.skip_signature_validation = true).await;

    let response = stage.http.post(stage.at(INBOUND)).form(&knocking("CA1")).send().await.unwrap();

    let document = response.text().await.unwrap();
    assert_eq!(attribute(&document, "url").unwrap(), stage.socket_at(MEDIA));
}

#[tokio::test]
async fn a_webhook_may_come_as_a_query_and_as_signed_json() {
    let stage = Stage::with_twilio(|_| {}).await;
    let by_query = stage.at(&format!("{INBOUND}?CallSid=CA1&AccountSid={ACCOUNT}&From=%2B1415"));
    let signed = signature::of_url(AUTH_TOKEN, &by_query);
    let body = json!({"CallSid": "CA2", "AccountSid": ACCOUNT, "From": "+1416"}).to_string();
    let (by_json, json_signed) = signature::of_json(AUTH_TOKEN, &stage.at(INBOUND), body.as_bytes());
    let post_json = |body: String| {
        let request = stage.http.post(&by_json).header(HEADER, &json_signed);
        async move { request.header(CONTENT_TYPE, "application/json").body(body).send().await.unwrap() }
    };

    let query = stage.http.get(&by_query).header(HEADER, signed).send().await.unwrap().text().await.unwrap();
    let json = post_json(body.clone()).await.text().await.unwrap();

    assert_eq!(parameter(&query, "from").as_deref(), Some("+1415"));
    assert_eq!(parameter(&json, "from").as_deref(), Some("+1416"));
    assert_eq!(post_json(body.replace("1416", "1999")).await.status(), 403, "the digest is of another body");
}

#[tokio::test]
async fn what_is_not_a_webhook_is_refused_in_words() {
    let stage = Stage::with_twilio(|config| config.limits.request_bytes = 4_096).await;
    let post = |kind: Option<&'static str>, body: Vec<u8>| {
        let request = stage.http.post(stage.at(INBOUND)).body(body);
        let request = match kind {
            Some(kind) => request.header(CONTENT_TYPE, kind),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };

    assert_eq!(post(None, b"CallSid=CA1".to_vec()).await, 415);
    assert_eq!(post(Some("text/xml"), b"<x/>".to_vec()).await, 415);
    assert_eq!(post(Some(FORM), vec![b'a'; 4_097]).await, 413);
    assert_eq!(post(Some(FORM), b"CallSid=%FF".to_vec()).await, 400);
    assert_eq!(post(Some(FORM), "a=1&".repeat(300).into_bytes()).await, 413);
    assert_eq!(stage.webhook(INBOUND, &[("From", "+1415")]).await.status(), 400, "which call?");
    assert_eq!(stage.webhook(INBOUND, &[("CallSid", "../x"), ("AccountSid", "AC1")]).await.status(), 400);
    assert_eq!(stage.http.delete(stage.at(INBOUND)).send().await.unwrap().status(), 405);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn a_body_of_gigabytes_is_refused_before_it_is_sent() {
    let stage = Stage::with_twilio(|_| {}).await;
    let mut socket = tokio::net::TcpStream::connect(stage.base.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {INBOUND} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 10000000000\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();

    let mut answer = Vec::new();
    tokio::time::timeout(LONG, socket.read_to_end(&mut answer)).await.unwrap().unwrap();

    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 413"), "{answer:?}");
}

#[tokio::test]
async fn a_webhook_that_is_asked_again_gets_the_same_place() {
    let stage = Stage::with_twilio(|_| {}).await;

    let first = stage.knock("CA1").await.text().await.unwrap();
    let again = stage.knock("CA1").await.text().await.unwrap();
    let other = stage.knock("CA2").await.text().await.unwrap();

    assert_eq!(parameter(&first, "token"), parameter(&again, "token"));
    assert_eq!(parameter(&first, "call"), parameter(&again, "call"));
    assert_ne!(parameter(&first, "token"), parameter(&other, "token"));
    assert_eq!(stage.gateway.switchboard.seats().0, 2);
}

#[tokio::test]
async fn beyond_the_last_line_callers_hear_that_all_are_busy() {
    let stage = Stage::with_twilio(|config| config.limits.calls = 1).await;
    stage.knock("CA1").await;

    let busy = stage.knock("CA2").await;

    assert_eq!(busy.status(), 200, "Twilio would play an error message of its own otherwise");
    let document = busy.text().await.unwrap();
    assert!(document.contains("<Say>All lines are busy.") && document.contains("<Hangup/>"), "{document}");
    assert_eq!(stage.get("/readyz").await.status(), 503);

    // The first caller hangs up before media comes: Twilio says so, and the line is free.
    let over = stage.webhook(STATUS, &status_of("CA1", "completed", "3")).await;
    assert_eq!(over.status(), 204);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert_eq!(stage.get("/readyz").await.status(), 200);
    assert!(stage.knock("CA3").await.text().await.unwrap().contains("<Connect>"));
}

#[tokio::test]
async fn agent_slots_are_held_by_expected_calls_and_come_back() {
    let stage = Stage::with_twilio(|config| {
        config.agents.elevenlabs.slots = 1;
        config.bots = vec![Bot { name: "desk".into(), agent: AgentKind::ElevenLabs, ..Bot::default() }];
        config.default_bot = "desk".into();
    })
    .await;
    assert!(stage.knock("CA1").await.text().await.unwrap().contains("<Connect>"));
    assert_eq!(stage.gateway.switchboard.slots(), (1, 1));

    assert!(stage.knock("CA2").await.text().await.unwrap().contains("<Say>All lines are busy."));
    assert_eq!(stage.gateway.switchboard.seats().0, 1, "a call that was refused holds nothing");

    stage.webhook(STATUS, &status_of("CA1", "canceled", "1")).await;
    assert_eq!(stage.gateway.switchboard.slots(), (0, 1));
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn while_the_gateway_goes_down_callers_are_told_so() {
    let stage = Stage::with_twilio(|_| {}).await;
    stage.knock("CA1").await;
    stage.gateway.switchboard.drain(LONG);

    let document = stage.knock("CA2").await.text().await.unwrap();

    assert!(document.contains("<Say>This line is closed for a moment.") && document.contains("<Hangup/>"));
    assert_eq!(stage.gateway.switchboard.seats().0, 0, "those that were expected are not waited for");
}

#[tokio::test]
async fn callers_and_addresses_that_come_too_often_hear_the_busy_sentence() {
    let stage = Stage::with_twilio(|config| {
        config.limits.calls_per_minute_per_caller = 2;
        config.limits.calls_per_minute_per_address = 4;
    })
    .await;
    let mut from_others = knocking("CA9");
    from_others[2].1 = "+14155559999";
    let connected = |document: String| document.contains("<Connect>");

    let mut answers = Vec::new();
    for call in ["CA1", "CA2", "CA3"] {
        answers.push(connected(stage.knock(call).await.text().await.unwrap()));
    }
    answers.push(connected(stage.webhook(INBOUND, &from_others).await.text().await.unwrap()));
    from_others[0].1 = "CA10";
    answers.push(connected(stage.webhook(INBOUND, &from_others).await.text().await.unwrap()));

    assert_eq!(answers, [true, true, false, true, false]);
    let metrics = stage.gateway.metrics.render();
    assert!(metrics.contains("calls_refused_total{reason=\"caller_too_often\"} 1"), "{metrics}");
    assert!(metrics.contains("calls_refused_total{reason=\"address_too_often\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_public_address_is_what_signatures_and_media_go_by() {
    let stage = Stage::with_twilio(|config| {
        config.server.public_url = Some(Url::parse("https://voice.example.com/phone").unwrap());
    })
    .await;
    let form = owned(&knocking("CA1"));
    let signed = signature::of_form(AUTH_TOKEN, "https://voice.example.com/phone/webhooks/inbound", &form);

    let sent = stage.http.post(stage.at(INBOUND)).header(HEADER, signed).form(&form).send().await.unwrap();

    let document = sent.text().await.unwrap();
    let media = "wss://voice.example.com/phone/twilio/media-stream";
    assert_eq!(attribute(&document, "url").as_deref(), Some(media));
    assert_eq!(stage.knock("CA2").await.status(), 403, "signed for an address that is not ours");
}

#[tokio::test]
async fn the_pretended_twilio_of_this_machine_is_answered_on_this_machine() {
    let change = |config: &mut gateway::config::Config| {
        config.server.public_url = Some(Url::parse("https://voice.example.com").unwrap());
    };
    let stage = Stage::open_with(change, Some(Secret::new(AUTH_TOKEN))).await;

    let document = stage.knock("CA1").await.text().await.unwrap();

    assert_eq!(attribute(&document, "url").unwrap(), stage.socket_at(MEDIA));
}

#[tokio::test]
async fn the_number_that_was_called_decides_who_answers() {
    let stage = Stage::with_twilio(|config| {
        config.bots.push(Bot { name: "night".into(), ..Bot::default() });
        config.lines =
            vec![Line { number: "+1 415 555 0100".into(), bot: "night".into(), carrier: None }].into();
    })
    .await;

    let socket = stage.place_call("CA1").await;

    let call = stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await;
    assert_eq!((call["bot"].as_str(), call["agent"].as_str()), (Some("night"), Some("demo")));
    assert_eq!((call["carrier"].as_str(), call["carrier_call"].as_str()), (Some("twilio"), Some("CA1")));
    assert_eq!((call["from"].as_str(), call["to"].as_str()), (Some("+14155550123"), Some("+14155550100")));
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn a_live_call_ends_when_its_carrier_says_so() {
    let stage = Stage::with_twilio(|_| {}).await;
    let mut socket = stage.place_call("CA1").await;
    let mut events = stage.gateway.events.listen();

    for (status, sequence) in [("in-progress", "1"), ("completed", "2")] {
        assert_eq!(stage.webhook(STATUS, &status_of("CA1", status, sequence)).await.status(), 204);
    }

    let event = until_over(&mut events).await;
    let Event::Call(view) = &*event else { panic!("{event:?}") };
    assert_eq!(view.end, Some(EndCause::CallerHungUp));
    assert_eq!(socket.closed().await, Some(1000));
    let record = stage.get_json(&format!("/api/v1/calls/{}", socket.id)).await;
    assert_eq!(record["end"]["cause"], "caller_hung_up");
    let ordered = |entry: &&serde_json::Value| entry["what"] == "carrier_says_over";
    let entries = record["entries"].as_array().unwrap();
    assert_eq!(entries.iter().find(ordered).unwrap()["by"], "Twilio says: completed");
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn a_report_that_was_overtaken_is_no_news() {
    let stage = Stage::with_twilio(|_| {}).await;
    stage.knock("CA1").await;

    stage.webhook(STATUS, &status_of("CA1", "in-progress", "5")).await;
    let overtaken = stage.webhook(STATUS, &status_of("CA1", "failed", "4")).await;

    assert_eq!(overtaken.status(), 204);
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
    let unsigned =
        stage.http.post(stage.at(STATUS)).form(&status_of("CA1", "completed", "6")).send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    assert_eq!(stage.gateway.switchboard.seats().0, 1, "anybody could end anybody's call otherwise");
}

#[tokio::test]
async fn a_status_report_at_the_voice_webhook_is_understood() {
    let stage = Stage::with_twilio(|_| {}).await;
    stage.knock("CA1").await;
    let mut form = knocking("CA1");
    form[4].1 = "completed";

    let response = stage.webhook(INBOUND, &form).await;

    assert_eq!(response.status(), 204);
    assert_eq!(stage.gateway.switchboard.seats().0, 0);
}

#[tokio::test]
async fn a_stream_that_cannot_come_about_is_not_waited_for() {
    let stage = Stage::with_twilio(|_| {}).await;
    stage.knock("CA1").await;
    let report = |event| {
        vec![("CallSid", "CA1"), ("AccountSid", ACCOUNT), ("StreamSid", "MZ1"), ("StreamEvent", event)]
    };

    assert_eq!(stage.webhook(STREAM_STATUS, &report("stream-started")).await.status(), 204);
    assert_eq!(stage.gateway.switchboard.seats().0, 1);
    let mut failed = report("stream-error");
    failed.push(("StreamError", "31920: handshake failed"));
    assert_eq!(stage.webhook(STREAM_STATUS, &failed).await.status(), 204);

    assert_eq!(stage.gateway.switchboard.seats().0, 0);
    assert_eq!(
        stage.webhook(STREAM_STATUS, &[("CallSid", "CA1"), ("AccountSid", ACCOUNT)]).await.status(),
        400
    );
}

#[tokio::test]
async fn a_media_socket_with_a_wrong_signature_is_refused_at_once() {
    let stage = Stage::with_twilio(|_| {}).await;
    let wrong = signature::of_url("another token", &stage.socket_at(MEDIA));

    let refused = MediaSocket::open(&stage, MEDIA, &[("x-twilio-signature", &wrong)]).await.err().unwrap();

    let Error::Http(response) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), 403);
    assert_eq!(stage.gateway.metrics.signature_failures.get(), 1);
    assert_eq!(stage.get(MEDIA).await.status(), 426, "and what is no upgrade is told so");
}

#[tokio::test]
async fn a_media_socket_with_a_right_signature_needs_no_token() {
    let stage = Stage::with_twilio(|_| {}).await;
    let mut events = stage.gateway.events.listen();
    let signed = signature::of_url(AUTH_TOKEN, &stage.socket_at(MEDIA));

    let mut socket = MediaSocket::open(&stage, MEDIA, &[("x-twilio-signature", &signed)]).await.unwrap();
    socket.start("CA1", &[]).await;

    until(&mut events, |event| matches!(event, Event::Fact(_))).await;
    assert_eq!(stage.gateway.switchboard.live_count(), 1);
    assert_eq!(stage.gateway.switchboard.live()[0].carrier(), "twilio");
    drop(socket);
    stage.close().await;
}

#[tokio::test]
async fn a_media_socket_without_a_signature_shows_a_token_that_works_once() {
    let stage = Stage::with_twilio(|_| {}).await;
    let document = stage.knock("CA1").await.text().await.unwrap();
    let token = parameter(&document, "token").unwrap();
    let mut events = stage.gateway.events.listen();
    let mut first = MediaSocket::open(&stage, MEDIA, &[]).await.unwrap();
    first.start("CA1", &[("token", &token)]).await;
    until(&mut events, |event| matches!(event, Event::Fact(_))).await;

    for parameters in [vec![("token", token.as_str())], vec![("token", "made-up")], vec![]] {
        let mut socket = MediaSocket::open(&stage, MEDIA, &[]).await.unwrap();
        socket.start("CA1", &parameters).await;
        assert_eq!(socket.closed().await, Some(1008), "{parameters:?}");
    }

    assert_eq!(stage.gateway.switchboard.live_count(), 1);
    drop(first);
    stage.close().await;
}
