//! What is particular about placed calls of one carrier.

use std::time::Duration;

use call::{EndCause, PhaseName, Unreached};
use gateway::carrier_kind::CarrierKind;
use gateway::config::Log;
use gateway::ops::logs::build;
use gateway::switchboard::Direction;
use lab::exotel::{Applet, Flow, Passthru, PassthruWay, Then};
use lab::mcube::{self, Way};
use lab::phone::{Callee, DialOutcome, End, Happening, Method};
use serde_json::{Value, json};

use super::super::lines::{Network, SECRET};
use super::{
    GREETING, Habits, Line, OTHERS, RINGS_ON, Ring, THEIRS, ask, callee, get, hang_up, heard, listener,
    nothing_is_left, only_record, place, post, records, refused, reports_were_taken, setup, state_is,
    take_down, unreached,
};
use crate::world::{PERSON, agent, eventually, soon};

fn usual(carrier: CarrierKind) -> Line {
    Line::usual().into_iter().find(|line| line.carrier == carrier).unwrap()
}

fn secret() -> String {
    format!("token={}", SECRET.replace(' ', "%20"))
}

/// An Exotel whose flow 77 leads to the gateway, and a gateway that joins calls to it.
async fn with_flow() -> Ring {
    let mut setup = setup(agent(GREETING));
    setup.config.carriers.exotel.flow_id = Some("77".into());
    let ring = usual(CarrierKind::Exotel).ring(setup).await;
    let Network::Exotel(exotel) = &ring.network else { unreachable!() };
    let at = |path: &str| ring.world.url(&format!("{path}?{}", secret()));
    exotel.add_flow(Flow {
        id: "77".into(),
        applet: Applet::Dynamic { url: at("/api/v1/exotel/voice/connect"), method: Method::Get },
        then: Then::Passthru(Passthru {
            url: at("/webhooks/exotel/passthru"),
            way: PassthruWay::Brackets,
            connect: Some(at("/webhooks/exotel/transfer")),
        }),
    });
    ring
}

#[tokio::test]
async fn exotel_joins_a_call_to_a_flow_which_can_hand_it_over() {
    let ring = with_flow().await;
    ring.expect_callee(THEIRS, Callee { caller: listener(), ..Callee::default() });
    let (id, call) = place(&ring, THEIRS).await;
    let (report, record) = ring.world.over(call).await;
    assert_eq!(heard(&report, &[GREETING]), [0]);
    assert_eq!((record.id.to_string(), record.direction), (id, Direction::Outbound));
    assert_eq!(record.end, EndCause::CallerHungUp);
    reports_were_taken(ring.line, &report);

    let (id, call) = place(&ring, OTHERS).await;
    let live = ring.world.live_on("exotel", call.sid()).await;
    eventually("it talks", || live.phase() == PhaseName::Talking).await;
    let order = json!({"to": PERSON});
    assert_eq!(post(&ring.world, &format!("/api/v1/calls/{id}/transfer"), &order, None).await.status(), 202);
    let (report, record) = ring.world.over(call).await;
    assert_eq!(record.end, EndCause::Transferred { to: PERSON.into() });
    assert_eq!(report.end, End::Transferred { number: PERSON.into() });
    nothing_is_left(&ring).await;
    assert_eq!(records(&ring.world).len(), 2);
}

#[tokio::test]
async fn whoever_answers_a_flow_that_was_given_up_gets_no_bot() {
    let ring = with_flow().await;
    ring.expect_callee(THEIRS, callee(DialOutcome::Completed, Duration::from_secs(1)));
    let (id, call) = place(&ring, THEIRS).await;
    assert_eq!(hang_up(&ring, &id).await.status(), 202);

    let report = soon("the phone call is over", call.finished()).await;

    let asked = |what: &Happening| matches!(what, Happening::WebhookAnswered { status: 410, .. });
    assert!(report.count(asked) > 0, "{:?}", report.timeline);
    assert!(ring.world.platform.sessions().is_empty());
    nothing_is_left(&ring).await;
    assert_eq!(unreached(&*only_record(&ring).await), Some(Unreached::Cancelled));
}

#[tokio::test]
async fn a_call_that_somebody_else_placed_through_a_flow_has_a_bot_too() {
    let ring = with_flow().await;
    let query = format!(
        "CallSid=theirs1&CallFrom=08040001234&CallTo=09876543210&Direction=outbound-dial&CustomField=x&{}",
        secret()
    );
    let answer = get(&ring.world, &format!("/api/v1/exotel/voice/connect?{query}")).await;
    let Network::Exotel(exotel) = &ring.network else { unreachable!() };

    let url = answer["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let placed =
        lab::exotel::PlacedCall { caller: listener(), ..lab::exotel::PlacedCall::to(Applet::Static(url)) };
    let report = soon("the phone call is over", exotel.place_call(placed).finished()).await;

    assert_eq!(heard(&report, &[GREETING]), [0], "{:?}", report.end);
    let record = only_record(&ring).await;
    assert_eq!((record.direction, &record.end), (Direction::Inbound, &EndCause::CallerHungUp));
    assert_eq!(record.carrier_facts["direction"], "outbound");
}

#[tokio::test]
async fn an_account_of_exotels_without_a_free_stream_is_not_asked_to_call() {
    for flow in [None, Some("77".to_owned())] {
        let mut setup = setup(agent(GREETING));
        setup.config.carriers.exotel.flow_id = flow;
        let ring =
            usual(CarrierKind::Exotel).ring_with(setup, Habits { is_full: true, ..Habits::default() }).await;

        let response = ask(&ring, THEIRS).await;
        assert!(response.headers().contains_key("retry-after"));
        let (status, code, error) = refused(response).await;
        assert_eq!((status, code.as_str()), (503, "carrier_busy"), "{error}");
        assert!(error["message"].as_str().unwrap().contains("0 of the account's 0 streams"), "{error}");
        let older = post(&ring.world, "/call", &json!({"to": THEIRS}), None).await;
        assert_eq!(older.status(), 503);
        assert_eq!(older.json::<Value>().await.unwrap()["success"], false);

        assert_eq!(ring.live_calls(), 0, "nobody was rung");
        nothing_is_left(&ring).await;
        take_down(ring).await;
    }
}

#[tokio::test]
async fn the_older_exotel_services_request_places_a_call() {
    for through_flow in [false, true] {
        let ring = match through_flow {
            true => with_flow().await,
            false => usual(CarrierKind::Exotel).ring(setup(agent(GREETING))).await,
        };
        ring.expect_callee(THEIRS, Callee { caller: listener(), ..Callee::default() });

        let answer = post(&ring.world, "/call", &json!({"to": THEIRS}), None).await;

        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        let call = ring.originated().await;
        assert_eq!((&answer["success"], &answer["callSid"]), (&json!(true), &json!(call.sid())));
        let (report, record) = ring.world.over(call).await;
        assert_eq!(heard(&report, &[GREETING]), [0], "through a flow: {through_flow}");
        assert_eq!(
            (record.id.to_string().as_str(), record.direction),
            (answer["id"].as_str().unwrap(), Direction::Outbound)
        );
        nothing_is_left(&ring).await;
    }
}

#[tokio::test]
async fn mcube_is_shown_its_token_and_nobody_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = Log { level: "trace".into(), ..Log::default() };
    let (subscriber, guard) = build(&log, Some(path.clone()), None, Box::new(std::io::sink()));
    let logging = tracing::subscriber::set_default(subscriber);
    // With one listener alone, a line that another test's thread reaches first would be taken for unwanted by all.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let ring = usual(CarrierKind::Mcube).ring(setup(agent(GREETING))).await;
    let Network::Mcube(mcube) = &ring.network else { unreachable!() };
    // The emulator refuses another token, and numbers that are not ten digits.
    ring.expect_callee("9123456780", callee(DialOutcome::Busy, Duration::from_millis(20)));

    let answer = ask(&ring, "0091 (91234) 56780").await;
    assert_eq!(answer.status(), 202);
    let answer: Value = answer.json().await.unwrap();
    let call = ring.originated().await;
    assert_eq!(answer["carrier_call"], call.sid());
    let token = mcube.token().to_owned();
    soon("the phone call is over", call.finished()).await;
    assert_eq!(unreached(&*only_record(&ring).await), Some(Unreached::Busy));
    nothing_is_left(&ring).await;
    drop(logging);
    drop(guard);

    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("placing a call"), "what is logged is seen here: {text}");
    for secret in [token.as_str(), SECRET, &SECRET.replace(' ', "+"), &SECRET.replace(' ', "%20")] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    assert!(!text.contains("9123456780"), "the number is in the log");
}

#[tokio::test]
async fn mcube_may_ask_twice_before_and_again_while_the_call_lives() {
    let ring = usual(CarrierKind::Mcube)
        .ring_with(
            setup(agent(GREETING)),
            Habits { asks_twice: true, outlives_socket: true, ..Habits::default() },
        )
        .await;
    let Network::Mcube(mcube) = &ring.network else { unreachable!() };
    let (id, call) = place(&ring, THEIRS).await;
    let sid = call.sid().to_owned();
    let first = ring.world.live_on("mcube", &sid).await;
    assert_eq!(first.id().to_string(), id);
    eventually("it talks", || first.phase() == PhaseName::Talking).await;

    // The same call asks once more, and comes with another socket.
    let refurl = ring.world.url(&format!("/mcube/call?call={id}&{}", secret()));
    let again = mcube.place_call(mcube::PlacedCall {
        call_id: Some(sid.clone()),
        way: Way::Webhook { refurl },
        caller: listener(),
        ..mcube::PlacedCall::default()
    });
    let second = || ring.world.gateway.switchboard.find_by_name("mcube", &sid);
    eventually("the second is the call", || second().is_some_and(|live| live.id() != first.id())).await;
    let second = second().unwrap();
    assert_eq!(second.knock().direction, Direction::Outbound);
    let shown = get(&ring.world, "/api/v1/calls").await;
    let second_id = second.id().to_string();
    let listed: Vec<&Value> =
        shown["live"].as_array().unwrap().iter().filter(|live| live["id"] == second_id.as_str()).collect();
    assert_eq!(listed.len(), 1, "{shown}");
    let report = soon("the phone call is over", again.finished()).await;

    assert_eq!(heard(&report, &[GREETING]), [0], "{:?}", report.end);
    drop(call);
    eventually("both have their record", || ring.world.records(&sid).len() == 2).await;
    let of =
        |id: &str| ring.world.records(&sid).into_iter().find(|record| record.id.to_string() == id).unwrap();
    assert_eq!(of(&id).end, EndCause::Replaced);
    assert_eq!((of(&second_id).end, of(&second_id).direction), (EndCause::CallerHungUp, Direction::Outbound));
    nothing_is_left(&ring).await;
}

#[tokio::test]
async fn plivos_name_for_our_request_is_not_its_name_for_the_call() {
    let ring = usual(CarrierKind::Plivo).ring(setup(agent(GREETING))).await;
    ring.expect_callee(
        THEIRS,
        Callee { caller: listener(), rings_for: Duration::from_secs(1), ..Callee::default() },
    );

    let accepted: Value = ask(&ring, THEIRS).await.json().await.unwrap();
    let call = ring.originated().await;
    assert_eq!(accepted["carrier_call"], Value::Null, "it is not known yet: {accepted}");
    let id = accepted["id"].as_str().unwrap();
    state_is(&ring, id, "ringing").await;
    assert_eq!(get(&ring.world, &format!("/api/v1/calls/{id}")).await["carrier_call"], call.sid());
    let (report, record) = ring.world.over(call).await;

    assert_eq!(heard(&report, &[GREETING]), [0]);
    assert_eq!((record.id.to_string().as_str(), record.direction), (id, Direction::Outbound));
    nothing_is_left(&ring).await;

    // Answered, and its socket does not come: it goes by its own name only.
    let at_the_door =
        lab::faults::Faults::one(lab::faults::When::BeforeMetadata, lab::faults::What::Stall(RINGS_ON));
    ring.expect_callee(OTHERS, Callee { faults: at_the_door, ..Callee::default() });
    let (id, call) = place(&ring, OTHERS).await;
    state_is(&ring, &id, "answered").await;
    assert_eq!(hang_up(&ring, &id).await.status(), 202);
    let report = soon("the phone call is over", call.finished()).await;
    assert_eq!(report.end, End::CompletedByRest);
    nothing_is_left(&ring).await;
    assert_eq!(records(&ring.world).len(), 2);
}
