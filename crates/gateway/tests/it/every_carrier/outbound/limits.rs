//! What stands between a stolen key and a telephone bill, and between a retry and a second ring.

use futures_util::future::join_all;
use gateway::config::OutboundPrefix;
use lab::phone::DialOutcome;
use serde_json::{Value, json};

use super::{
    GREETING, Line, OTHERS, RINGS_ON, THEIRS, ask, callee, hang_up, nothing_is_left, place, post, records,
    refused, setup,
};
use crate::world::agent;

/// The status and the code; with 429 there is a time to wait.
async fn is_refused(ring: &super::Ring, to: &str) -> (u16, String) {
    let response = ask(ring, to).await;
    let patience =
        response.headers().get("retry-after").map(|wait| wait.to_str().unwrap().parse::<u32>().unwrap());
    let (status, code, _) = refused(response).await;
    assert_eq!(patience.is_some_and(|seconds| seconds > 0), status == 429, "{:?} {code}", ring.line);
    (status, code)
}

#[tokio::test]
async fn each_destination_and_each_key_has_its_limits() {
    join_all(Line::usual().into_iter().map(|line| async move {
        let mut setup = setup(agent(GREETING));
        let outbound = &mut setup.config.outbound;
        outbound.block = vec!["+91900".into()];
        outbound.calls_per_minute_per_key = 2;
        outbound.prefixes = vec![OutboundPrefix {
            prefix: "+91912345678".into(),
            concurrent: 1,
            ..OutboundPrefix::default()
        }];
        let ring = line.ring(setup).await;
        ring.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
        ring.expect_callee("+919876543210", callee(DialOutcome::Completed, RINGS_ON));

        for (to, code) in [
            ("+14155550777", "destination_not_allowed"),
            ("9123456780", "destination_not_allowed"),
            ("+919001234567", "destination_blocked"),
            ("112", "short_number"),
        ] {
            assert_eq!(is_refused(&ring, to).await, (403, code.to_owned()), "{line:?}");
        }
        assert!(records(&ring.world).is_empty(), "what was not placed has no record");

        let (id, _first) = place(&ring, THEIRS).await;
        let full = (429, "too_many_placed_calls".to_owned());
        assert_eq!(is_refused(&ring, OTHERS).await, full, "{line:?}: one there at a time");
        let (elsewhere, _second) = place(&ring, "+919876543210").await;
        for id in [&id, &elsewhere] {
            assert_eq!(hang_up(&ring, id).await.status(), 202);
        }
        nothing_is_left(&ring).await;

        let often = (429, "too_many_calls_a_minute".to_owned());
        assert_eq!(
            is_refused(&ring, OTHERS).await,
            often,
            "{line:?}: what is over still counts for its minute"
        );
        assert_eq!(records(&ring.world).len(), 2, "{line:?}");
    }))
    .await;
}

#[tokio::test]
async fn asking_twice_with_one_key_rings_once_on_every_carrier() {
    join_all(Line::usual().into_iter().map(|line| async move {
        let ring = line.ring(setup(agent(GREETING))).await;
        ring.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
        let name = line.carrier.name();
        let ask = |carrier: &'static str| {
            let world = &ring.world;
            async move {
                let body = json!({"to": THEIRS, "carrier": carrier});
                post(world, "/api/v1/calls", &body, Some("order-7")).await
            }
        };

        let mut told: Vec<Value> = Vec::new();
        for answer in join_all((0..4).map(|_| ask(name))).await {
            assert_eq!(answer.status(), 202, "{line:?}");
            told.push(answer.json().await.unwrap());
        }
        let call = ring.originated().await;
        assert!(told.iter().all(|answer| *answer == told[0]), "{line:?}: {told:?}");
        assert_eq!(ring.live_calls(), 1, "{line:?}");
        let other = if name == "twilio" { "plivo" } else { "twilio" };
        let (status, code, _) = refused(ask(other).await).await;
        assert_eq!(
            (status, code.as_str()),
            (409, "idempotency_key_used"),
            "another carrier is another request"
        );

        let id = told[0]["id"].as_str().unwrap();
        assert_eq!(hang_up(&ring, id).await.status(), 202);
        nothing_is_left(&ring).await;
        let later: Value = ask(name).await.json().await.unwrap();
        assert_eq!(later, told[0], "{line:?}: also when it is over");
        assert_eq!(records(&ring.world).len(), 1, "{line:?}");
        drop(call);
    }))
    .await;
}
