//! The media sockets: who may come in, and how calls end on them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::EndCause;
use gateway::config::{AgentKind, Bot, Config};
use gateway::events::Event;
use serde_json::{Value, json};
use wire::Secret;

use super::{Socket, TOKEN, connecting, post, report, talks, with_mcube, wss_url};
use crate::stage::{LONG, Stage, until_over};

#[tokio::test]
async fn the_terminals_pretended_mcube_shows_its_own_token() {
    let lab = Secret::new("a-token-of-this-machine");
    let with_token = |config: &mut Config| config.carriers.mcube.token = Some(Secret::new(TOKEN));
    let stage = Stage::open_with(with_token, Some(lab)).await;
    let knock = |token: &str| post(&stage, format!("?token={token}"), connecting("C1"));

    assert_eq!(knock("a-token-of-another-machine").await.status(), 401);
    assert_eq!(knock("a-token-of-this-machine").await.status(), 200);
    let mut events = stage.gateway.events.listen();
    let mut socket = Socket::open(&stage, "/ws/session-1?token=a-token-of-this-machine").await;
    socket.start("C2", json!({})).await;
    talks(&mut events).await;
}

#[tokio::test]
async fn the_whole_way_in_leaves_a_record_with_everything_mcube_said() {
    let stage = with_mcube(|_| {}).await;
    let mut events = stage.gateway.events.listen();
    let address = wss_url(report(&stage, connecting("C1")).await).await;
    let mut socket = Socket::at(&address).await;

    let parameters = json!({"customerName": "Asha", "campaign": "spring", "token": "somebodys-secret"});
    socket.start("C1", json!({"businessId": "B7", "customParameters": parameters})).await;
    let id = talks(&mut events).await;

    let live = stage.gateway.switchboard.live().remove(0);
    assert_eq!((live.carrier(), live.carrier_call().as_deref()), ("mcube", Some("C1")));
    socket.send(json!({"event": "stop", "streamId": "S1"})).await;
    let over = until_over(&mut events).await;
    let Event::Call(view) = &*over else { panic!("{over:?}") };
    assert_eq!(view.end, Some(EndCause::CallerHungUp));
    assert!(stage.gateway.records.flush(LONG).await);
    let record = stage.gateway.records.find(id.parse().unwrap()).unwrap();
    assert_eq!((record.from.as_deref(), record.to.as_deref()), (Some("9123456780"), Some("8046800900")));
    let facts: Vec<(&str, &str)> =
        record.carrier_facts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        facts,
        [("account_id", "77"), ("business_id", "B7"), ("campaign", "spring"), ("customer_name", "Asha")]
    );
    let start: Value = serde_json::from_str(record.carrier_start.as_deref().unwrap()).unwrap();
    assert_eq!((&start["start"]["callId"], &start["start"]["businessId"]), (&json!("C1"), &json!("B7")));
    let record = serde_json::to_string(&*record).unwrap();
    assert!(!record.contains("somebodys-secret"), "{record}");
    stage.close().await;
}

#[tokio::test]
async fn a_place_is_for_one_socket_and_a_second_one_with_the_secret_takes_over() {
    let stage = with_mcube(|_| {}).await;
    let mut events = stage.gateway.events.listen();
    let address = wss_url(report(&stage, connecting("C1")).await).await;
    let mut first = Socket::at(&address).await;
    first.start("C1", json!({})).await;
    talks(&mut events).await;

    let mut thief = Socket::at(&address).await;
    thief.start("C1", json!({})).await;
    assert_eq!(thief.closed().await, Some(1008));
    assert_eq!(stage.gateway.switchboard.live_count(), 1);

    let mut second = Socket::open(&stage, &format!("/ws/mcube/C1?token={TOKEN}")).await;
    second.start("C1", json!({})).await;
    let over = until_over(&mut events).await;
    let Event::Call(view) = &*over else { panic!("{over:?}") };
    assert!(matches!(view.end, Some(EndCause::Replaced)), "{:?}", view.end);
    stage.close().await;
}

#[tokio::test]
async fn the_older_services_sockets_come_without_a_webhook_and_show_the_token_anywhere() {
    let stage = with_mcube(|config| {
        config.bots.push(Bot { name: "sales".to_owned(), agent: AgentKind::Demo, ..Bot::default() });
        config.bots.push(Bot { name: "reception".to_owned(), agent: AgentKind::Demo, ..Bot::default() });
        config.carriers.mcube.agents = [("17".to_owned(), "reception".to_owned())].into();
    })
    .await;
    let by_query = format!("/ws/session-1?token={TOKEN}");

    for (path, start, bot) in [
        (by_query.as_str(), json!({"agentId": 17}), "reception"),
        (by_query.as_str(), json!({"agent_id": "sales"}), "sales"),
        ("/ws/session-1", json!({"customParameters": {"token": TOKEN}}), "demo"),
        ("/ws/mcube/C1", json!({"extra_headers": format!("token={TOKEN};agentId=17")}), "reception"),
    ] {
        let mut events = stage.gateway.events.listen();
        let mut socket = Socket::open(&stage, path).await;
        socket.start_bare(start.clone()).await;
        talks(&mut events).await;
        let live = stage.gateway.switchboard.live().remove(0);
        assert_eq!(live.bot(), bot, "{start}");
        let name = live.carrier_call();
        assert!(path.contains(name.as_deref().unwrap()), "the path names the call: {path} {name:?}");
        socket.send(json!({"event": "stop"})).await;
        until_over(&mut events).await;
    }
    stage.close().await;
}

#[tokio::test]
async fn sockets_that_show_nothing_or_say_nothing_are_closed_with_1008() {
    let stage = with_mcube(|config| config.limits.token_ms = 200).await;

    for token in ["", "?token=made-up"] {
        let mut socket = Socket::open(&stage, &format!("/ws/session-1{token}")).await;
        socket.start("C1", json!({})).await;
        assert_eq!(socket.closed().await, Some(1008), "{token}");
    }
    let mut silent = Socket::open(&stage, &format!("/ws/session-1?token={TOKEN}")).await;
    assert_eq!(silent.closed().await, Some(1008), "no start, no call");
    assert_eq!(stage.get("/ws/a%2Fb").await.status(), 400);
    assert_eq!(stage.get("/ws/session-1").await.status(), 426);
}

#[tokio::test]
async fn hanging_up_and_handing_over_are_messages() {
    let stage = with_mcube(|config| {
        config.bots[0].call.transfer_to = vec!["+919876543210".into()];
        config.carriers.mcube.transfer_number_field = "transferTo".to_owned();
    })
    .await;
    let mut events = stage.gateway.events.listen();
    for (order, body, event, end) in [
        ("hangup", json!({}), json!({"event": "terminate", "streamId": "S1"}), "operator_hung_up"),
        (
            "transfer",
            json!({"to": "+919876543210"}),
            json!({"event": "transfer", "streamId": "S1", "callId": "C1", "transferTo": "9876543210"}),
            "transferred",
        ),
    ] {
        let mut socket = Socket::open(&stage, &format!("/ws/mcube/C1?token={TOKEN}")).await;
        socket.start("C1", json!({})).await;
        let id = talks(&mut events).await;

        let answer = stage.post_json(&format!("/api/v1/calls/{id}/{order}"), body).await;

        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        assert_eq!(socket.told(event["event"].as_str().unwrap()).await, event);
        // Mcube lets go in its own time.
        socket.0.close(None).await.unwrap();
        let over = until_over(&mut events).await;
        let Event::Call(view) = &*over else { panic!("{over:?}") };
        assert_eq!(view.end.as_ref().map(EndCause::name), Some(end));
    }
    stage.close().await;
}

#[tokio::test]
async fn a_mcube_that_does_not_let_go_is_let_go_of() {
    let stage = with_mcube(|_| {}).await;
    let mut events = stage.gateway.events.listen();
    let mut socket = Socket::open(&stage, &format!("/ws/mcube/C1?token={TOKEN}")).await;
    socket.start("C1", json!({})).await;
    let id = talks(&mut events).await;

    stage.post_json(&format!("/api/v1/calls/{id}/hangup"), json!({})).await;
    socket.told("terminate").await;
    let told = tokio::time::Instant::now();
    socket.closed().await;

    let waited = told.elapsed();
    assert!(
        waited >= Duration::from_millis(1_800),
        "terminate first, the close two seconds later: {waited:?}"
    );
    stage.close().await;
}

#[tokio::test]
async fn the_caller_is_spoken_to_in_the_sound_that_the_start_names() {
    let stage = with_mcube(|_| {}).await;
    let mut events = stage.gateway.events.listen();

    for (encoding, rate, bytes_a_piece) in [
        ("audio/x-mulaw", 8_000, 160),
        ("audio/x-mulaw", 16_000, 320),
        ("audio/x-l16", 8_000, 320),
        ("audio/x-l16", 16_000, 640),
    ] {
        let mut socket = Socket::open(&stage, &format!("/ws/mcube/C1?token={TOKEN}")).await;
        let format = json!({"encoding": encoding, "sampleRate": rate});
        socket.start_bare(json!({"callId": "C1", "streamId": "S1", "mediaFormat": format})).await;

        let played = socket.told("playAudio").await;
        let media = &played["media"];
        assert_eq!((&media["contentType"], &media["sampleRate"]), (&json!(encoding), &json!(rate)));
        let sound = STANDARD.decode(media["payload"].as_str().unwrap()).unwrap();
        assert_eq!(sound.len() % bytes_a_piece, 0, "{encoding} at {rate}: {}", sound.len());
        let checkpoint = socket.told("checkpoint").await;
        assert_eq!(checkpoint["streamId"], "S1");
        socket.send(json!({"event": "stop", "streamId": "S1"})).await;
        until_over(&mut events).await;
    }
    stage.close().await;
}
