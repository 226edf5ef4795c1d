//! How many calls may come in, and how a gateway goes down.

use std::time::Duration;

use agents::prompts::Prompt;
use call::{EndCause, Order};
use gateway::serve::Stopped;
use lab::caller::Caller;
use lab::elevenlabs::Act;
use lab::faults::{Faults, What, When};
use lab::twilio::{CallReport, End, Happening, How, LiveCall};

use crate::world::{Setup, World, agent, eventually, find, happens, prompt, soon};

const GREETING: &str = "Hello, this is the desk.";

/// A call in which somebody speaks.
async fn talking(world: &World) -> LiveCall {
    let call = world.call(Caller::silent());
    happens(&call, "somebody speaks", |what| *what == Happening::AgentSpeechBegan).await;
    call
}

/// What the carrier itself says to the caller.
fn told(report: &CallReport) -> Vec<String> {
    let said = report.timeline.iter().filter_map(|note| match &note.what {
        Happening::Said { text } => Some(text.to_lowercase()),
        _ => None,
    });
    said.collect()
}

#[tokio::test]
async fn the_caller_beyond_the_limit_hears_that_all_lines_are_busy() {
    let mut setup = Setup::demo();
    setup.config.limits.calls = 2;
    setup.network.say_per_character = Duration::from_millis(1);
    let world = setup.start().await;
    let (first, second) = (talking(&world).await, talking(&world).await);

    let third = soon("the third is told", world.call(Caller::silent()).finished()).await;

    assert!(matches!(told(&third).as_slice(), [said] if said.contains("busy")), "{:?}", told(&third));
    assert_eq!((third.end, third.stream_sids.len()), (End::HungUpByTwiml, 0));
    assert_eq!(world.gateway.switchboard.live_count(), 2, "the others are not disturbed");
    first.hang_up().await;
    world.over(first).await;
    let fourth = talking(&world).await;
    for call in [second, fourth] {
        call.hang_up().await;
        assert_eq!(world.over(call).await.1.end, EndCause::CallerHungUp);
    }
    world.nothing_is_held().await;
}

#[tokio::test]
async fn the_caller_beyond_the_agents_slots_hears_it_too() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.agents.elevenlabs.slots = 1;
    setup.network.say_per_character = Duration::from_millis(1);
    let world = setup.start().await;
    let first = talking(&world).await;

    let second = soon("the second is told", world.call(Caller::silent()).finished()).await;

    assert!(matches!(told(&second).as_slice(), [said] if said.contains("busy")), "{:?}", told(&second));
    assert_eq!(world.platform.sessions().len(), 1);
    first.hang_up().await;
    world.over(first).await;
    world.nothing_is_held().await;
}

#[tokio::test]
async fn every_ending_frees_the_only_line() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.limits.calls = 1;
    setup.config.agents.elevenlabs.slots = 1;
    let world = setup.start().await;

    for (number, ending) in
        ["hang up", "reset", "close", "stop", "order", "agent", "agent lost"].iter().enumerate()
    {
        // The carrier's report of the end would race with what its socket does, and both are right.
        let placed = lab::twilio::PlacedCall { status_callback: None, ..world.placed(Caller::silent()) };
        let call = world.network.place_call(placed);
        happens(&call, "somebody speaks", |what| *what == Happening::AgentSpeechBegan).await;
        match *ending {
            "hang up" => call.hang_up().await,
            "reset" => call.kill_socket(How::Reset).await,
            "close" => call.kill_socket(How::CloseWithoutStop).await,
            "stop" => call.kill_socket(How::StopWithoutClose).await,
            "order" => assert!(world.live(call.sid()).await.order(Order::HangUp { by: "a test".into() })),
            "agent" => {
                assert!(world.platform.act(number, Act::Close { code: 1000, reason: String::new() }).await)
            }
            _ => assert!(world.platform.act(number, Act::Close { code: 1008, reason: String::new() }).await),
        }
        let (_, record) = world.over(call).await;
        let expected = match *ending {
            "hang up" | "stop" => "caller_hung_up",
            "reset" | "close" => "carrier_lost",
            "order" => "operator_hung_up",
            "agent" => "agent_hung_up",
            _ => "agent_unavailable",
        };
        assert_eq!(record.end.name(), expected, "{ending}");
        world.nothing_is_held().await;
    }
}

#[tokio::test]
async fn a_caller_who_gives_up_before_the_media_leaves_no_seat_behind() {
    let mut setup = Setup::with(agent(GREETING));
    setup.config.limits.calls = 1;
    let world = setup.start().await;
    // The upgrade takes longer than this caller waits.
    let faults = Faults::one(When::AtHandshake, What::Delay(Duration::from_secs(600)));
    let placed = lab::twilio::PlacedCall { faults, ..world.placed(Caller::silent()) };
    let call = world.network.place_call(placed);
    happens(&call, "the document is followed", |what| matches!(what, Happening::Verb { .. })).await;
    assert_eq!(world.gateway.switchboard.seats().0, 1, "its place is kept");

    call.hang_up().await;
    soon("it is over", call.finished()).await;

    world.nothing_is_held().await;
    talking(&world).await.hang_up().await;
}

#[tokio::test]
async fn a_gateway_that_goes_down_lets_calls_finish_and_ends_the_rest_politely() {
    let mut setup = Setup::with(agent(GREETING));
    setup.network.say_per_character = Duration::from_millis(1);
    let world = setup.start().await;
    let (finishing, staying) = (talking(&world).await, talking(&world).await);
    let World { network, platform, gateway, serving, folder } = world;
    let webhook = format!("http://{}/webhooks/inbound", serving.address);

    let drain = tokio::spawn(serving.drain(Duration::from_millis(1_500)));
    eventually("it drains", || gateway.switchboard.is_draining()).await;
    let late = lab::twilio::PlacedCall { webhook_url: webhook, ..lab::twilio::PlacedCall::default() };
    let late = soon("a late caller is told", network.place_call(late).finished()).await;
    finishing.hang_up().await;
    let finished = soon("a call finishes by itself", finishing.finished()).await;
    let ended = soon("the rest ends", staying.finished()).await;
    let stopped = soon("it is down", drain).await.unwrap();

    assert_eq!(stopped, Stopped { abandoned: 0, tasks_left: 0, records_written: true });
    assert!(matches!(told(&late).as_slice(), [said] if said.contains("call again")), "{:?}", told(&late));
    assert_eq!((finished.end, late.stream_sids.len()), (End::CallerHungUp, 0));
    assert!(find(&prompt(Prompt::Closing), &ended.heard.samples).is_some(), "the closing words, all of them");
    assert_eq!(ended.end, End::CompletedByRest);
    let end_of = |sid: &str| {
        let all = gateway.records.recent(usize::MAX, None);
        all.iter().find(|record| record.carrier_call.as_deref() == Some(sid)).map(|record| record.end.clone())
    };
    assert_eq!(end_of(&finished.call_sid), Some(EndCause::CallerHungUp));
    assert_eq!(end_of(&ended.call_sid), Some(EndCause::Drained));
    let written = std::fs::read_to_string(folder.path().join("calls.jsonl")).unwrap();
    assert_eq!(written.lines().count(), 2);
    soon("the agent is let go", platform.session_ended(1)).await;
}

#[tokio::test]
async fn a_carrier_whose_service_does_not_answer_cannot_keep_the_gateway_up() {
    let mut setup = Setup::with(agent(GREETING));
    setup.bot().call.limits.goodbye_ms = 200;
    setup.bot().call.limits.hang_up_ms = 200;
    setup.network.rest_faults = Faults::one(When::AtHandshake, What::Delay(Duration::from_secs(600)));
    let world = setup.start().await;
    let call = talking(&world).await;
    let World { network: _network, platform: _platform, gateway, serving, folder: _folder } = world;

    let stopped = soon("it is down", serving.drain(Duration::ZERO)).await;

    assert_eq!(stopped, Stopped { abandoned: 0, tasks_left: 0, records_written: true });
    assert_eq!(gateway.records.recent(1, None)[0].end, EndCause::Drained);
    let report = soon("the carrier goes on as its document says", call.finished()).await;
    assert_eq!(report.end, End::HungUpByTwiml);
}

#[tokio::test]
async fn a_gateway_without_calls_goes_down_at_once() {
    let World { serving, folder, .. } = Setup::demo().start().await;

    let stopped = soon("it is down", serving.drain(Duration::from_secs(600))).await;

    assert_eq!(stopped, Stopped { abandoned: 0, tasks_left: 0, records_written: true });
    drop(folder);
}
