//! A media socket dies, falls silent, never begins or comes twice.

use call::{CarrierDeparture, EndCause, PhaseName};
use futures_util::future::join_all;
use gateway::config::Config;
use lab::phone::{End, Happening, How, StreamEnd};

use super::Line;
use super::bare::Bare;
use super::lines::{Dialled, Exchange, Habits, Telling};
use super::withstand::{GREETING, all_is_let_go, talking};
use crate::world::{Setup, agent, eventually, happens, soon};

/// Only the media socket speaks: what the carrier says beside it would race with it, and both would be right.
fn quiet() -> Dialled {
    Dialled { reports: Telling::Nothing, ..Dialled::default() }
}

#[tokio::test]
async fn a_media_socket_that_dies_ends_the_call_by_its_own_name() {
    let habits = Habits { says_stop: true, ..Habits::default() };
    let exchange = Exchange::of(Line::usual(), Setup::with(agent(GREETING)), habits).await;

    let ways = [How::Reset, How::CloseWithoutStop, How::StopWithoutClose];
    let calls = exchange.lines().into_iter().flat_map(|line| ways.map(|how| (line, how)));
    join_all(calls.map(async |(line, how)| {
        let call = talking(&exchange, line, quiet()).await;
        call.kill_socket(how).await;
        let (report, record) = exchange.world.over(call).await;

        let what = format!("{line:?} {how:?}: {:?}", record.end);
        assert_eq!(report.end, End::SocketKilled, "{what}");
        match how {
            How::Reset => {
                let departure = CarrierDeparture::SocketFailed { detail: String::new() };
                assert_eq!(without_detail(&record.end), EndCause::CarrierLost { departure }, "{what}");
            }
            // With some carriers this is how a caller hangs up.
            How::CloseWithoutStop if line.carrier.table().ends_by_closing => {
                assert_eq!(record.end, EndCause::CallerHungUp, "{what}");
            }
            How::CloseWithoutStop => {
                let departure = CarrierDeparture::SocketClosed { code: Some(1000) };
                assert_eq!(record.end, EndCause::CarrierLost { departure }, "{what}");
            }
            How::StopWithoutClose => {
                assert_eq!(record.end, EndCause::CallerHungUp, "{what}");
                let closed = |what: &Happening| {
                    let why = StreamEnd::ClosedByGateway { code: 1000, reason: String::new() };
                    matches!(what, Happening::StreamEnded { why: ended, .. } if *ended == why)
                };
                assert_eq!(report.count(closed), 1, "{what}: the gateway closes what is left open");
            }
        }
    }))
    .await;
    all_is_let_go(&exchange.world).await;
}

fn without_detail(end: &EndCause) -> EndCause {
    match end {
        EndCause::CarrierLost { departure: CarrierDeparture::SocketFailed { .. } } => {
            EndCause::CarrierLost { departure: CarrierDeparture::SocketFailed { detail: String::new() } }
        }
        end => end.clone(),
    }
}

#[tokio::test]
async fn a_second_socket_of_the_same_call_takes_it_over_and_its_place_with_it() {
    join_all(Line::usual().into_iter().map(async |line| {
        let mut setup = Setup::with(agent(GREETING));
        setup.config.agents.elevenlabs.slots = 1;
        setup.config.limits.calls = 1;
        let habits = Habits { signs_sockets: true, ..Habits::default() };
        let exchange = Exchange::of(vec![line], setup, habits).await;
        let world = &exchange.world;
        let call = talking(&exchange, line, quiet()).await;
        let sid = call.sid().to_owned();
        let first = world.live_on(line.carrier.name(), &sid).await.id();

        call.second_socket().await;
        let let_go = |what: &Happening| {
            let why = StreamEnd::ClosedByGateway { code: 1000, reason: String::new() };
            matches!(what, Happening::FirstSocketEnded { why: ended } if *ended == why)
        };
        happens(&call, &format!("{line:?}: the first socket is let go"), let_go).await;
        let second = world.live_on(line.carrier.name(), &sid).await;
        assert_ne!(second.id(), first, "{line:?}");
        eventually("the second one talks", || second.phase() == PhaseName::Talking).await;
        call.hang_up().await;
        let report = soon("the call is over", call.finished()).await;

        eventually("both have their record", || world.records(&sid).len() == 2).await;
        let by_id = |id| world.records(&sid).into_iter().find(|record| record.id == id).unwrap().end;
        assert_eq!(by_id(first), EndCause::Replaced, "{line:?}");
        assert_eq!(by_id(second.id()), EndCause::CallerHungUp, "{line:?}");
        assert_eq!(report.end, End::CallerHungUp, "{line:?}");
        all_is_let_go(world).await;
    }))
    .await;
}

#[tokio::test]
async fn a_socket_that_never_starts_gets_little_time_and_leaves_nothing() {
    assert_eq!(Config::default().limits.token_ms, 10_000, "as the manual says");
    let mut setup = Setup::with(agent(GREETING));
    setup.config.limits.token_ms = 300;
    let exchange = Exchange::open(setup).await;
    let world = &exchange.world;

    join_all(exchange.lines().into_iter().map(async |line| {
        let mut quiet = Bare::open(world, line).await;
        let mut early = Bare::open(world, line).await;
        let mut babbling = Bare::open(world, line).await;
        let silence = early.silence();
        early.media(&silence).await;
        for _ in 0..200 {
            babbling.text("{").await;
        }
        for (bare, what) in [(&mut quiet, "quiet"), (&mut early, "early"), (&mut babbling, "babbling")] {
            assert_eq!(bare.closed().await, Some(1008), "{line:?}, {what}");
        }
    }))
    .await;

    assert!(world.platform.sessions().is_empty(), "no agent was dialled for any of them");
    let refused = world.gateway.metrics.render();
    assert!(refused.contains(r#"reason="never_started"} 12"#), "{refused}");
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_carrier_that_goes_quiet_is_hung_up() {
    let mut setup = Setup::with(agent(GREETING));
    setup.bot().call.limits.no_media_ms = 500;
    setup.bot().call.limits.hang_up_ms = 500;
    let exchange = Exchange::open(setup).await;

    join_all(exchange.lines().into_iter().map(async |line| {
        let mut bare = Bare::calling(&exchange.world, line).await;
        assert_eq!(bare.closed().await, Some(1000), "{line:?}");
        assert_eq!(exchange.world.record(&bare.call).await.end, EndCause::NoMedia, "{line:?}");
    }))
    .await;

    all_is_let_go(&exchange.world).await;
}

#[tokio::test]
async fn a_carrier_that_stops_reading_is_let_go() {
    let mut doc = agent(&"A very long speech. ".repeat(60));
    doc.script.hearing.speech_ms = 600_000;
    let mut setup = Setup::with(doc);
    // No sound comes from it either, and that is another test's matter.
    setup.bot().call.limits.no_media_ms = 60_000;
    let exchange = Exchange::open(setup).await;
    let world = &exchange.world;

    join_all(exchange.lines().into_iter().map(async |line| {
        let mut bare = Bare::with_little_room(world, line).await;
        bare.start().await;
        bare.hears_sound().await;
        let live = world.live_on(line.carrier.name(), &bare.call).await;
        // Answers that nobody reads fill what the kernel keeps; the speech does the rest.
        let flood = async {
            while live.end().is_none() {
                bare.ping_without_reading(500).await;
                tokio::task::yield_now().await;
            }
        };
        soon("the call is given up", flood).await;
        let record = world.record(&bare.call).await;
        let departure = CarrierDeparture::StoppedReading;
        assert_eq!(record.end, EndCause::CarrierLost { departure }, "{line:?}");
    }))
    .await;

    // Their agents were in the middle of a very long speech, and may have met the end before they read of it.
    for number in 0..world.platform.sessions().len() {
        soon("the session is over", world.platform.session_ended(number)).await;
    }
    world.nothing_is_held().await;
}

#[tokio::test]
async fn what_breaks_the_websocket_ends_the_call_with_the_right_code() {
    let exchange = Exchange::open(Setup::with(agent(""))).await;
    let world = &exchange.world;

    join_all(exchange.lines().into_iter().map(async |line| {
        let mut bare = Bare::calling(world, line).await;
        world.live_on(line.carrier.name(), &bare.call).await;
        bare.raw_text(b"{\"event\":\"media\",\"payload\":\"\xff\xfe\xc0\"}").await;
        assert_eq!(bare.closed().await, Some(1007), "{line:?}: not UTF-8");
        let end = world.record(&bare.call).await.end;
        assert!(matches!(end, EndCause::CarrierLost { .. }), "{line:?}: {end:?}");

        let mut bare = Bare::calling(world, line).await;
        world.live_on(line.carrier.name(), &bare.call).await;
        bare.text("x".repeat(1_000_000)).await;
        let closed = bare.closed().await;
        assert!(closed.is_none_or(|code| code == 1009), "{line:?}: too large: {closed:?}");
        let end = world.record(&bare.call).await.end;
        assert!(matches!(end, EndCause::CarrierLost { .. }), "{line:?}: {end:?}");
    }))
    .await;

    world.nothing_is_held().await;
}
