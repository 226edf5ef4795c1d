//! The page's socket in bad hands: it babbles, vanishes, comes from elsewhere.

use call::{CarrierDeparture, EndCause};
use futures_util::{SinkExt, StreamExt};
use gateway::records::CallRecord;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{Setup, World, eventually, receipt, soon};

type Page = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test]
async fn a_page_that_babbles_is_counted_and_served_all_the_same() {
    let world = Setup::demo().start().await;
    let mut page = opened(&world).await;
    page.send(Message::binary(vec![0_u8; 640])).await.unwrap();
    let ready = start(&mut page).await;
    assert_eq!(ready["rate"], 16_000);

    for text in ["", "{", "[]", r#"{"type":7}"#, r#"{"type":"digit"}"#, r#"{"type":"digit","digit":"55"}"#] {
        page.send(Message::text(text)).await.unwrap();
    }
    page.send(Message::text(r#"{"type":"weather"}"#)).await.unwrap();
    page.send(Message::text(r#"{"type":"played","generation":4000000000,"ms":1e300}"#)).await.unwrap();
    page.send(Message::text(json!({"type": "start", "token": "x".repeat(20_000)}).to_string()))
        .await
        .unwrap();
    for length in [1_usize, 0, 641, 50_000] {
        page.send(Message::binary(vec![0_u8; length])).await.unwrap();
    }
    page.send(Message::text(r#"{"type":"bye"}"#)).await.unwrap();
    let record = only_record(&world).await;

    assert_eq!(record.end, EndCause::CallerHungUp);
    let odd = receipt(&record).tally.oddities;
    for kind in ["malformed", "unknown_message", "too_large", "bad_audio", "before_start"] {
        assert!(odd.contains_key(&format!("caller.{kind}")), "{kind}: {odd:?}");
    }
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_page_that_vanishes_ends_its_call() {
    let world = Setup::demo().start().await;
    let mut page = opened(&world).await;
    start(&mut page).await;
    eventually("the call lives", || world.gateway.switchboard.live_count() == 1).await;

    if let MaybeTlsStream::Plain(tcp) = page.get_ref() {
        tcp.set_zero_linger().unwrap();
    }
    drop(page);

    let record = only_record(&world).await;
    assert!(
        matches!(record.end, EndCause::CarrierLost { departure: CarrierDeparture::SocketFailed { .. } }),
        "{:?}",
        record.end
    );
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_page_of_another_site_cannot_place_a_call() {
    let world = Setup::demo().start().await;
    let mut request = address(&world).into_client_request().unwrap();
    request.headers_mut().insert("Origin", "https://evil.example".parse().unwrap());

    match soon("an answer", Box::pin(connect_async(request))).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.gateway.switchboard.live_count(), 0);
}

fn address(world: &World) -> String {
    world.url("/browser").replace("http://", "ws://")
}

async fn opened(world: &World) -> Page {
    soon("the upgrade", Box::pin(connect_async(address(world)))).await.unwrap().0
}

/// Starts the call and gives the gateway's answer.
async fn start(page: &mut Page) -> Value {
    page.send(Message::text(r#"{"type":"start","rate":16000}"#)).await.unwrap();
    let answering = async {
        while let Some(Ok(message)) = page.next().await {
            if let Message::Text(text) = message {
                return serde_json::from_str::<Value>(&text).unwrap();
            }
        }
        panic!("the socket ended")
    };
    let ready = soon("it is ready", answering).await;
    assert_eq!(ready["type"], "ready");
    ready
}

async fn only_record(world: &World) -> CallRecord {
    let records = || world.gateway.records.recent(10, None);
    eventually("its record", || !records().is_empty()).await;
    let records = records();
    assert_eq!(records.len(), 1);
    CallRecord::clone(&records[0])
}
