//! However a call ends, what was said is heard, and the phone call ends as its carrier has it.

use std::time::Duration;

use agents::prompts::{self, Prompt};
use audio::Rate;
use call::{Encoding, EndCause, Fact, GoodbyeProof, PhaseName, Watchdog};
use futures_util::future::join_all;
use gateway::carrier_kind::CarrierKind;
use gateway::records::CallRecord;
use gateway::serve::Stopped;
use lab::elevenlabs::{Act, AgentDoc, ToolCall, Turn};
use lab::faults::{Faults, What, When};
use lab::phone::{CallReport, Happening, How};
use lab::voice;
use serde_json::{Value, json};

use super::Line;
use super::bare::Bare;
use super::lines::{Dialled, Exchange, Habits, Telling};
use super::withstand::{GREETING, all_is_let_go, speaks, talking};
use crate::world::{
    PERSON, Setup, World, agent, count, eventually, find, happens, heard, on_the_phone, receipt, soon, spoken,
};

const FAREWELL: &str = "Thank you for calling, and goodbye.";
const ANNOUNCEMENT: &str = "I will connect you to a colleague.";
const ANSWER: &str = "We open at nine.";
const REGRET: &str = "I am sorry, nobody is there.";

/// An agent whose whole script this is.
fn doing(acts: Vec<Act>) -> AgentDoc {
    let mut doc = agent("");
    doc.script.at_start = acts;
    doc
}

fn handing_over() -> AgentDoc {
    let transfer = ToolCall {
        on_failure: vec![Act::Say(REGRET.into())],
        ..ToolCall::named("transfer_to_number", json!({"number": PERSON, "reason": "wants a person"}))
    };
    let mut doc = doing(vec![Act::Say(ANNOUNCEMENT.into()), Act::Tool(transfer)]);
    doc.client_tools = vec!["transfer_to_number".into()];
    doc
}

fn proofs(record: &CallRecord) -> Vec<GoodbyeProof> {
    let proofs = record.ledger.iter().filter_map(|entry| match entry.fact {
        Fact::GoodbyeHeard { proof, .. } => Some(proof),
        _ => None,
    });
    proofs.collect()
}

/// The carriers whose own interface hands a caller over.
fn asks_by_request(line: Line) -> bool {
    matches!(line.carrier, CarrierKind::Twilio | CarrierKind::Plivo)
}

/// What the carrier itself says to the caller.
fn told(report: &CallReport) -> String {
    let said = report.timeline.iter().filter_map(|note| match &note.what {
        Happening::Said { text } => Some(text.to_lowercase()),
        _ => None,
    });
    said.collect()
}

#[tokio::test]
async fn the_goodbye_is_heard_in_full_before_the_phone_call_ends() {
    let farewell = Act::EndCall { farewell: Some(FAREWELL.into()), reason: "done".into() };
    let exchange = Exchange::open(Setup::with(doing(vec![farewell]))).await;

    let calls = exchange.lines().into_iter().flat_map(|line| [(line, false), (line, true)]);
    join_all(calls.map(async |(line, marks_lost)| {
        let faults = if marks_lost { Faults::one(When::Always, What::LoseMark) } else { Faults::none() };
        let call = exchange.call(line, Dialled { faults, ..Dialled::default() });
        let (report, record) = exchange.world.over(call).await;

        let what = format!("{line:?}, marks lost: {marks_lost}");
        assert_eq!(record.end, EndCause::AgentHungUp { reason: None }, "{what}");
        assert!(report.end.is_by_gateway(), "{what}: {:?}", report.end);
        assert!(find(&spoken(FAREWELL), &report.heard.samples).is_some(), "{what}: heard in full");
        assert_eq!(report.media.unplayed, Duration::ZERO, "{what}");
        assert!(report.warnings.is_empty(), "{what}: {:?}", report.warnings);
        let proof = if marks_lost { GoodbyeProof::Elapsed } else { GoodbyeProof::Acknowledged };
        assert_eq!(proofs(&record), [proof], "{what}");
        let turn = &record.turns[0];
        assert_eq!((turn.text.as_str(), turn.interrupted), (FAREWELL, false), "{what}");
    }))
    .await;

    exchange.world.nothing_is_held().await;
}

#[tokio::test]
async fn an_operator_ends_the_phone_call_and_not_only_the_conversation() {
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let world = &exchange.world;

    join_all(exchange.lines().into_iter().map(async |line| {
        let call = talking(&exchange, line, Dialled::default()).await;
        let id = world.live_on(line.carrier.name(), call.sid()).await.id();
        let url = world.url(&format!("/api/v1/calls/{id}/hangup"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let status = http.post(url).json(&json!({})).send().await.unwrap().status();
        assert!(status.is_success(), "{line:?}: {status}");

        let (report, record) = world.over(call).await;
        assert!(matches!(record.end, EndCause::OperatorHungUp { .. }), "{line:?}: {:?}", record.end);
        assert!(report.end.is_by_gateway(), "{line:?}: {:?}", report.end);
    }))
    .await;

    all_is_let_go(world).await;
}

#[tokio::test]
async fn a_transfer_that_the_carrier_refuses_gives_the_caller_back_to_the_agent() {
    let mut setup = Setup::with(handing_over());
    let body = r#"{"api_id":"a","error":"not today","code":20001,"message":"not today","status":400}"#;
    let body = What::ErrorBody { status: 400, body: body.into() };
    setup.network.rest_faults = Faults::one(When::Always, body);
    let lines: Vec<Line> = Line::usual().into_iter().filter(|line| asks_by_request(*line)).collect();
    assert_eq!(lines.len(), 2);

    join_all(lines.into_iter().map(async |line| {
        let ring = line.ring(Setup { network: setup.network.clone(), ..Setup::with(handing_over()) }).await;
        let world = &ring.world;
        let call = ring.dial(Dialled::default());
        let live = world.live_on(line.carrier.name(), call.sid()).await;

        let session =
            soon("it is told", world.platform.session_when(0, |it| !it.contextual_updates.is_empty())).await;
        eventually("they talk again", || live.phase() == PhaseName::Talking).await;
        world.platform.act(0, Act::Say(FAREWELL.into())).await;
        let last = || live.turns().last().map(|turn| turn.text.clone());
        eventually("the agent goes on, and is heard", || last().as_deref() == Some(FAREWELL)).await;
        call.hang_up().await;
        let (report, record) = world.over(call).await;

        let told = &session.contextual_updates[0];
        assert!(told.contains("not today"), "{line:?}: {told}");
        assert_eq!(count(&record, |fact| matches!(fact, Fact::TransferFailed { .. })), 1, "{line:?}");
        assert_eq!(record.end, EndCause::CallerHungUp, "{line:?}");
        assert_eq!(heard(&report, &[ANNOUNCEMENT, FAREWELL]), [0, 1], "{line:?}");
        all_is_let_go(world).await;
    }))
    .await;
}

#[tokio::test]
async fn an_agent_whose_carrier_cannot_hand_over_is_told_so_at_once() {
    let mut setup = Setup::with(handing_over());
    // Whoever started the stream of a leg keeps it.
    setup.config.carriers.exotel.legs = true;
    let line = Line::usual().into_iter().find(|line| line.carrier == CarrierKind::Exotel).unwrap();
    let ring = line.ring(setup).await;
    let call = ring.call_with(Dialled::default().caller, Faults::none());
    let live = ring.world.live_on(line.carrier.name(), call.sid()).await;

    let last = || live.turns().last().map(|turn| turn.text.clone());
    eventually("the agent says so", || last().is_some_and(|text| text.ends_with(REGRET))).await;
    call.hang_up().await;
    let (report, record) = ring.world.over(call).await;

    let session = ring.world.platform.session_ended(0).await;
    let (words, is_error, _) = session.tools[0].result.clone().expect("every tool call is answered");
    assert!(is_error && !words.is_empty(), "{words}");
    assert_eq!(record.end, EndCause::CallerHungUp);
    assert_eq!(heard(&report, &[ANNOUNCEMENT, REGRET]), [0, 1]);
}

#[tokio::test]
async fn a_transfer_that_the_carrier_does_not_confirm_is_written_down_as_such() {
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let line = exchange.lines().into_iter().find(|line| line.carrier == CarrierKind::Mcube).unwrap();
    let world = &exchange.world;
    let mut bare = Bare::calling(world, line).await;
    bare.hears_sound().await;
    let id = world.live_on("mcube", &bare.call).await.id();

    let url = world.url(&format!("/api/v1/calls/{id}/transfer"));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(http.post(url).json(&json!({"to": PERSON})).send().await.unwrap().status().is_success());
    let asked: Value = bare.hears(|event| event == "transfer").await;
    let closed = bare.closed().await;

    assert!(asked["number"].as_str().is_some_and(|number| PERSON.ends_with(number)), "{asked}");
    assert_eq!(closed, Some(1000), "it had its time");
    let record = world.record(&bare.call).await;
    assert_eq!(record.end, EndCause::Transferred { to: PERSON.into() });
    let watchdog = |fact: &Fact| matches!(fact, Fact::Watchdog { which: Watchdog::TransferNotConfirmed });
    assert_eq!(count(&record, watchdog), 1);
    all_is_let_go(world).await;
}

#[tokio::test]
async fn an_agent_that_is_lost_is_called_back_and_does_not_greet_again() {
    join_all(Line::usual().into_iter().map(async |line| {
        let mut doc = agent(GREETING);
        doc.script.otherwise = Turn::saying("when do you open", ANSWER);
        let ring = line.ring(Setup::with(doc).agent_faults([(When::WhileSpeaking, What::Drop)])).await;
        let world = &ring.world;
        let call = ring.dial(Dialled::default());
        soon("the agent is back", world.platform.session_when(1, |it| !it.answers.is_empty())).await;
        call.speak(voice::speech("When do you open?", Rate::Hz8000)).await;
        let live = world.live_on(line.carrier.name(), call.sid()).await;
        let last = || live.turns().last().map(|turn| turn.text.clone());
        eventually("the answer is heard", || last().as_deref() == Some(ANSWER)).await;
        happens(&call, "it is over", |what| *what == Happening::AgentSpeechEnded).await;
        call.hang_up().await;
        let (report, record) = world.over(call).await;

        assert_eq!(record.end, EndCause::CallerHungUp, "{line:?}");
        let tally = receipt(&record).tally;
        assert_eq!((tally.agent_dials, tally.agent_losses), (2, 1), "{line:?}");
        assert_eq!(heard(&report, &[GREETING, ANSWER]), [0, 1], "{line:?}");
        assert!(report.warnings.is_empty(), "{line:?}: {:?}", report.warnings);
        world.nothing_is_held().await;
    }))
    .await;
}

#[tokio::test]
async fn every_ending_frees_the_only_line() {
    join_all(Line::usual().into_iter().map(async |line| {
        let mut setup = Setup::with(agent(GREETING));
        setup.config.limits.calls = 1;
        setup.config.agents.elevenlabs.slots = 1;
        let habits = Habits { says_stop: true, ..Habits::default() };
        let exchange = Exchange::of(vec![line], setup, habits).await;
        let world = &exchange.world;

        let endings = ["hang up", "reset", "close", "stop", "order", "agent", "agent lost"];
        for (number, ending) in endings.iter().enumerate() {
            // The carrier's report of the end would race with what its socket does, and both are right.
            let dialled = Dialled { reports: Telling::Nothing, ..Dialled::default() };
            let call = talking(&exchange, line, dialled).await;
            let close = |code| Act::Close { code, reason: String::new() };
            match *ending {
                "hang up" => call.hang_up().await,
                "reset" => call.kill_socket(How::Reset).await,
                "close" => call.kill_socket(How::CloseWithoutStop).await,
                "stop" => call.kill_socket(How::StopWithoutClose).await,
                "order" => {
                    let live = world.live_on(line.carrier.name(), call.sid()).await;
                    assert!(live.order(call::Order::HangUp { by: "a test".into() }));
                }
                "agent" => assert!(world.platform.act(number, close(1000)).await),
                _ => assert!(world.platform.act(number, close(1008)).await),
            }
            let (_, record) = world.over(call).await;
            let expected = match *ending {
                "hang up" | "stop" => "caller_hung_up",
                "close" if line.carrier.table().ends_by_closing => "caller_hung_up",
                "reset" | "close" => "carrier_lost",
                "order" => "operator_hung_up",
                "agent" => "agent_hung_up",
                _ => "agent_unavailable",
            };
            assert_eq!(record.end.name(), expected, "{line:?}: {ending}");
            world.nothing_is_held().await;
        }
    }))
    .await;
}

/// What a caller meets for whom there is no place: words, or an answer that its carrier takes as a no.
fn was_refused(line: Line, report: &CallReport, words: &str) {
    match line.carrier {
        CarrierKind::Twilio | CarrierKind::Plivo | CarrierKind::Browser => {
            assert!(told(report).contains(words), "{line:?}: {:?}", told(report));
            assert!(report.end.is_by_gateway(), "{line:?}: {:?}", report.end);
        }
        // Their next step, or their own words, follow from the status.
        CarrierKind::Exotel | CarrierKind::Mcube => {
            let refused = |what: &Happening| matches!(what, Happening::WebhookAnswered { status: 503, .. });
            assert!(report.count(refused) >= 1, "{line:?}: {:?}", report.timeline);
        }
    }
    assert!(report.stream_sids.is_empty(), "{line:?}: no socket was opened");
}

#[tokio::test]
async fn the_caller_beyond_the_last_line_hears_so_in_the_carriers_own_words() {
    join_all(Line::usual().into_iter().map(async |line| {
        let mut setup = Setup::with(agent(GREETING));
        setup.config.limits.calls = 1;
        setup.network.say_per_character = Duration::from_millis(1);
        let exchange = Exchange::of(vec![line], setup, Habits::default()).await;
        let first = talking(&exchange, line, Dialled::default()).await;

        let asking = Dialled { asks: true, ..Dialled::default() };
        let second = soon("the second is told", exchange.call(line, asking).finished()).await;

        was_refused(line, &second, "busy");
        let refused = exchange.world.gateway.metrics.render();
        assert!(refused.contains(r#"calls_refused_total{reason="all_lines_busy"}"#), "{line:?}: {refused}");
        assert_eq!(
            exchange.world.gateway.switchboard.live_count(),
            1,
            "{line:?}: the first is not disturbed"
        );
        first.hang_up().await;
        assert_eq!(exchange.world.over(first).await.1.end, EndCause::CallerHungUp, "{line:?}");
        exchange.world.nothing_is_held().await;
    }))
    .await;
}

#[tokio::test]
async fn a_gateway_that_goes_down_lets_calls_finish_and_ends_the_rest_politely() {
    join_all(Line::usual().into_iter().map(async |line| {
        let mut setup = Setup::with(agent(GREETING));
        setup.network.say_per_character = Duration::from_millis(1);
        let exchange = Exchange::of(vec![line], setup, Habits::default()).await;
        let finishing = talking(&exchange, line, Dialled::default()).await;
        let staying = talking(&exchange, line, Dialled::default()).await;
        let late = Dialled { asks: true, ..Dialled::default() };
        let Exchange { world, networks } = exchange;
        let (base, World { network, platform, gateway, serving, folder }) = (world.url(""), world);

        let drain = tokio::spawn(serving.drain(Duration::from_millis(1_500)));
        eventually("it drains", || gateway.switchboard.is_draining()).await;
        let late = networks[0].1.place(line, &network, &base, late);
        let late = soon("a late caller is told", late.finished()).await;
        finishing.hang_up().await;
        let finished = soon("a call finishes by itself", finishing.finished()).await;
        let ended = soon("the rest ends", staying.finished()).await;
        let stopped = soon("it is down", drain).await.unwrap();

        assert_eq!(stopped, Stopped { abandoned: 0, tasks_left: 0, records_written: true }, "{line:?}");
        was_refused(line, &late, "call again");
        let closing = prompts::samples(Prompt::Closing, line.rate);
        let closing = match line.encoding {
            Encoding::Mulaw => on_the_phone(closing),
            Encoding::Pcm16 => closing.to_vec(),
        };
        assert!(find(&closing, &ended.heard.samples).is_some(), "{line:?}: the closing words, all of them");
        assert!(ended.end.is_by_gateway(), "{line:?}: {:?}", ended.end);
        let end_of = |sid: &str| {
            let all = gateway.records.recent(usize::MAX, None);
            all.iter()
                .find(|record| record.carrier_call.as_deref() == Some(sid))
                .map(|record| record.end.clone())
        };
        assert_eq!(end_of(&finished.call_sid), Some(EndCause::CallerHungUp), "{line:?}");
        assert_eq!(end_of(&ended.call_sid), Some(EndCause::Drained), "{line:?}");
        let written = std::fs::read_to_string(folder.path().join("calls.jsonl")).unwrap();
        assert_eq!(written.lines().count(), 2, "{line:?}");
        soon("the agent is let go", platform.session_ended(1)).await;
    }))
    .await;
}

#[tokio::test]
async fn a_caller_who_gives_up_before_the_media_leaves_no_place_behind() {
    let exchange = Exchange::open(Setup::with(agent(GREETING))).await;
    let world = &exchange.world;
    let lines = exchange.lines();

    let calls: Vec<_> = lines
        .iter()
        .map(|line| {
            // The upgrade takes longer than this caller waits.
            let faults = Faults::one(When::AtHandshake, What::Delay(Duration::from_secs(600)));
            exchange.call(*line, Dialled { faults, asks: true, ..Dialled::default() })
        })
        .collect();
    let places = || world.gateway.switchboard.seats().0;
    eventually("a place is kept for each", || places() == lines.len()).await;
    for (line, call) in lines.iter().zip(calls) {
        happens(&call, &format!("{line:?}: it is told where to go"), |what| {
            matches!(what, Happening::WebhookAnswered { .. })
        })
        .await;
        call.hang_up().await;
        soon("it is over", call.finished()).await;
    }

    world.nothing_is_held().await;
    let again = exchange.call(lines[0], Dialled::default());
    speaks(&again, lines[0]).await;
}
