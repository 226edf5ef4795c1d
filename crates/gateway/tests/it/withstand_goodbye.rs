//! The agent says goodbye or hands the caller over: first it is heard, then it happens.

use std::time::Duration;

use call::{EndCause, Fact, GoodbyeProof, PhaseName};
use futures_util::future::join_all;
use gateway::records::CallRecord;
use lab::caller::Caller;
use lab::elevenlabs::{Act, AgentDoc, ToolCall};
use lab::faults::{Faults, What, When};
use lab::twilio::{CallReport, DialOutcome, Dialling, End, Happening};
use lab::voice;
use serde_json::json;

use crate::world::{PERSON, Setup, World, agent, count, eventually, find, happens, receipt, soon, spoken};

const FAREWELL: &str = "Thank you for calling, and goodbye.";
const ANNOUNCEMENT: &str = "I will connect you to a colleague.";

/// An agent whose whole script this is.
fn doing(acts: Vec<Act>) -> AgentDoc {
    let mut doc = agent("");
    doc.script.at_start = acts;
    doc
}

fn farewell() -> Act {
    Act::EndCall { farewell: Some(FAREWELL.into()), reason: "done".into() }
}

fn handing_over() -> Vec<Act> {
    vec![
        Act::Say(ANNOUNCEMENT.into()),
        Act::Tool(ToolCall::named(
            "transfer_to_number",
            json!({"number": PERSON, "reason": "wants a person"}),
        )),
    ]
}

fn quick_dialling(setup: &mut Setup) {
    setup.network.dialling = Dialling {
        outcome: DialOutcome::Completed,
        rings_for: Duration::from_millis(20),
        talks_for: Duration::from_millis(20),
    };
}

/// The call that follows from it, on a carrier whose marks come back or do not.
async fn call_through(setup: Setup, marks_lost: bool) -> (World, CallReport, CallRecord) {
    let world = setup.start().await;
    let call = match marks_lost {
        true => world.call_with(Caller::silent(), When::Always, What::LoseMark),
        false => world.call(Caller::silent()),
    };
    let (report, record) = world.over(call).await;
    world.nothing_is_held().await;
    (world, report, record)
}

fn proofs(record: &CallRecord) -> Vec<GoodbyeProof> {
    let proofs = record.ledger.iter().filter_map(|entry| match entry.fact {
        Fact::GoodbyeHeard { proof, .. } => Some(proof),
        _ => None,
    });
    proofs.collect()
}

#[tokio::test]
async fn the_goodbye_is_heard_in_full_before_the_call_ends() {
    join_all([(false, GoodbyeProof::Acknowledged), (true, GoodbyeProof::Elapsed)].map(
        |(marks_lost, proof)| async move {
            let (world, report, record) =
                call_through(Setup::with(doing(vec![farewell()])), marks_lost).await;

            assert_eq!(record.end, EndCause::AgentHungUp { reason: None });
            assert_eq!(report.end, End::CompletedByRest, "the phone call ends with it");
            assert!(find(&spoken(FAREWELL), &report.heard.samples).is_some(), "marks lost: {marks_lost}");
            assert_eq!(proofs(&record), [proof]);
            assert_eq!(record.turns[0].text, FAREWELL);
            assert!(!record.turns[0].interrupted);
            // The agent was gone long before.
            let session = &world.platform.sessions()[0];
            assert!(session.duration < voice::duration(FAREWELL), "{:?}", session.duration);
        },
    ))
    .await;
}

#[tokio::test]
async fn an_agent_that_ends_the_call_by_a_tool_of_ours_is_heard_out_as_well() {
    let hang_up = Act::Tool(ToolCall::named("end_call", json!({"reason": "all is said"})));
    let setup = Setup::with(doing(vec![Act::Say(FAREWELL.into()), hang_up]));

    let (world, report, record) = call_through(setup, false).await;

    assert_eq!(record.end, EndCause::AgentHungUp { reason: Some("all is said".into()) });
    assert!(find(&spoken(FAREWELL), &report.heard.samples).is_some());
    let answered = world.platform.sessions()[0].tools[0].result.clone().expect("every tool call is answered");
    assert!(!answered.1, "{answered:?}");
}

#[tokio::test]
async fn a_goodbye_that_takes_too_long_is_cut_by_its_deadline() {
    let mut setup = Setup::with(doing(vec![Act::EndCall {
        farewell: Some("And another thing. ".repeat(20)),
        reason: "done".into(),
    }]));
    setup.bot().call.limits.goodbye_ms = 600;

    let (_, report, record) = call_through(setup, true).await;

    assert_eq!(proofs(&record), [GoodbyeProof::Deadline]);
    assert_eq!(record.end, EndCause::AgentHungUp { reason: None });
    assert!(report.media.played < Duration::from_secs(5), "{:?}", report.media);
}

#[tokio::test]
async fn the_announcement_is_heard_in_full_before_the_caller_is_handed_over() {
    join_all([false, true].map(|marks_lost| async move {
        let mut setup = Setup::with(doing(handing_over()));
        quick_dialling(&mut setup);
        let (_, report, record) = call_through(setup, marks_lost).await;

        assert_eq!(record.end, EndCause::Transferred { to: PERSON.into() });
        assert!(find(&spoken(ANNOUNCEMENT), &report.heard.samples).is_some(), "marks lost: {marks_lost}");
        let dialled =
            |what: &Happening| matches!(what, Happening::Dialled { numbers, .. } if numbers == &[PERSON]);
        assert_eq!(report.count(dialled), 1, "{:?}", report.verbs);
        assert_eq!(report.media.unplayed, Duration::ZERO);
        let expected = if marks_lost { GoodbyeProof::Elapsed } else { GoodbyeProof::Acknowledged };
        assert_eq!(proofs(&record), [expected]);
        let place = |is_it: fn(&Fact) -> bool| record.ledger.iter().position(|entry| is_it(&entry.fact));
        let heard = place(|fact| matches!(fact, Fact::GoodbyeHeard { .. })).unwrap();
        assert!(heard < place(|fact| matches!(fact, Fact::TransferStarted { .. })).unwrap());
    }))
    .await;
}

#[tokio::test]
async fn a_failed_transfer_gives_the_caller_back_to_the_agent() {
    let mut setup = Setup::with(doing(handing_over()));
    let body = r#"{"code":20001,"message":"not today","status":400}"#.to_owned();
    setup.network.rest_faults = Faults::one(When::Always, What::ErrorBody { status: 400, body });
    let world = setup.start().await;
    let call = world.call(Caller::silent());
    let live = world.live(call.sid()).await;

    let told = soon(
        "the agent is told",
        world.platform.session_when(0, |session| !session.contextual_updates.is_empty()),
    )
    .await;
    eventually("they talk again", || live.phase() == PhaseName::Talking).await;
    world.platform.act(0, Act::Say(FAREWELL.into())).await;
    happens(&call, "the agent goes on", |what| *what == Happening::AgentSpeechEnded).await;
    let last = || live.turns().last().map(|turn| turn.text.clone());
    eventually("and is heard", || last().as_deref() == Some(FAREWELL)).await;
    call.hang_up().await;
    let (_, record) = world.over(call).await;

    assert!(told.contextual_updates[0].contains("not today"), "{:?}", told.contextual_updates);
    assert_eq!(count(&record, |fact| matches!(fact, Fact::TransferFailed { .. })), 1);
    assert_eq!(record.end, EndCause::CallerHungUp);
}

#[tokio::test]
async fn a_caller_who_does_not_wait_for_the_goodbye_has_hung_up() {
    let world = Setup::with(doing(vec![farewell()])).start().await;
    let call = world.call(Caller::silent());
    happens(&call, "the goodbye begins", |what| *what == Happening::AgentSpeechBegan).await;

    call.hang_up().await;
    let (_, record) = world.over(call).await;

    assert_eq!(record.end, EndCause::CallerHungUp);
    let turn = &record.turns[0];
    assert!(turn.interrupted && FAREWELL.starts_with(&turn.text), "{turn:?}");
    assert!(receipt(&record).tally.heard_ms < voice::duration(FAREWELL).as_millis() as u64);
}
