//! Who knocks: the upgrade's credentials, its second attempt, and a door that stays shut.

use std::time::Duration;

use lab::caller::Caller;
use lab::exotel::{Applet, Exotel, ExotelConfig, PlacedCall, Proof};
use lab::phone::{End, Happening};
use serde_json::json;
use tokio::net::TcpListener;

use super::bot::Bot;
use super::hangs_up_after;

#[tokio::test(start_paused = true)]
async fn every_kind_of_proof_reaches_the_gateway() {
    let mut bot = Bot::start().await;
    let exotel = Exotel::start(ExotelConfig::default()).await.unwrap();
    let with_credentials = bot.url.replace("ws://", "ws://key:t%40k+n@");
    let bare = bot.url.clone();
    let basic = Proof::Basic { user: "key".into(), password: "t@k+n".into() };
    let encoded = "Basic a2V5OnRAaytu";
    for (url, proof, header, query, parameters) in [
        (&bare, Proof::AsTheUrlSays, None, "a=1", json!({"a": "1"})),
        (&with_credentials, Proof::AsTheUrlSays, Some(encoded), "a=1", json!({"a": "1"})),
        (&bare, basic, Some(encoded), "a=1", json!({"a": "1"})),
        (&with_credentials, Proof::Bearer("tok".into()), Some("Bearer tok"), "a=1", json!({"a": "1"})),
        (&bare, Proof::Query("tok".into()), None, "a=1&token=tok", json!({"a": "1", "token": "tok"})),
        (&bare, Proof::Parameter("tok".into()), None, "a=1", json!({"a": "1", "token": "tok"})),
    ] {
        let call = PlacedCall { proof, ..PlacedCall::to(Applet::Static(format!("{url}?a=1"))) };
        let live = exotel.place_call(call);
        let mut socket = bot.socket().await;
        let start = socket.start().await;
        let given = socket.headers.get("authorization").map(|value| value.to_str().unwrap());
        assert_eq!(given, header);
        assert_eq!(socket.uri.query(), Some(query));
        assert!(socket.headers.get("sec-websocket-extensions").is_none());
        assert_eq!(start["start"]["custom_parameters"], parameters);
        socket.close().await;
        let report = live.finished().await;
        assert_eq!(report.end, End::StreamOver);
        // Credentials are not for the timeline.
        assert!(!format!("{:?}", report.timeline).contains("key:"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_handshake_is_tried_twice() {
    for (refusals, end) in
        [(1, End::StreamOver), (2, End::ApplicationError { problem: "the stream was refused".into() })]
    {
        let mut bot = Bot::start().await;
        bot.refuse(refusals);
        let exotel = Exotel::start(ExotelConfig::default()).await.unwrap();
        let live = exotel.place_call(PlacedCall::to(Applet::Static(bot.url.clone())));

        if refusals == 1 {
            let mut socket = bot.socket().await;
            socket.start().await;
            socket.close().await;
        }
        let report = live.finished().await;

        assert_eq!(bot.times_dialled(), 2);
        assert_eq!(report.end, end);
        let refused = |what: &Happening| matches!(what, Happening::StreamRefused { status: Some(503), .. });
        assert_eq!(report.count(refused), refusals);
    }
}

#[tokio::test(start_paused = true)]
async fn a_door_that_is_not_opened_in_ten_seconds_is_shut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let exotel = Exotel::start(ExotelConfig::default()).await.unwrap();
    let caller: Caller = hangs_up_after(Duration::from_secs(60));

    let live = exotel.place_call(PlacedCall { caller, ..PlacedCall::to(Applet::Static(url)) });
    let report = live.finished().await;

    let refused: Vec<u64> = report
        .timeline
        .iter()
        .filter(|note| matches!(note.what, Happening::StreamRefused { .. }))
        .map(|note| note.at.as_secs())
        .collect();
    assert_eq!(refused, [10, 21]);
    assert!(matches!(report.end, End::ApplicationError { .. }));
}
