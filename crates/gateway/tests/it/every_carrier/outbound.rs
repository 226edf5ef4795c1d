//! Calls that we place, on every carrier: the request, what becomes of it at the carrier, the conversation if there is one,
//! and the one record.

mod limits;
mod particular;
mod refusals;

use std::sync::Arc;
use std::time::Duration;

use call::{EndCause, Fact, Unreached, Voicemail};
use futures_util::future::join_all;
use gateway::carrier_kind::CarrierKind;
use gateway::records::CallRecord;
use gateway::switchboard::Direction;
use lab::caller::{Afterwards, Caller, Step};
use lab::elevenlabs::{AgentDoc, Turn};
use lab::phone::{CallReport, Callee, DialOutcome, End, Happening, LiveCall};
use reqwest::Response;
use serde_json::{Value, json};

use super::placing::Habits;
use super::{Line, Ring};
use crate::world::{Setup, World, agent, count, eventually, heard, soon};

const THEIRS: &str = "+919123456780";
const OTHERS: &str = "+919123456781";
const GREETING: &str = "Hello, this is the practice of Dr Miller.";
const MESSAGE: &str = "Please call the practice back.";

/// A long time for a telephone to ring in a test; nobody waits for its end.
const RINGS_ON: Duration = Duration::from_secs(40);

/// With a number of ours at every carrier, and India to call.
fn setup(agent: AgentDoc) -> Setup {
    let mut setup = Setup::with(agent);
    let carriers = &mut setup.config.carriers;
    carriers.twilio.phone_number = Some(ours(CarrierKind::Twilio).into());
    carriers.plivo.phone_number = Some(ours(CarrierKind::Plivo).into());
    carriers.exotel.phone_number = Some(ours(CarrierKind::Exotel).into());
    carriers.mcube.exe_number = Some(ours(CarrierKind::Mcube).into());
    setup.config.outbound.allow = vec!["+91".into()];
    setup
}

fn ours(carrier: CarrierKind) -> &'static str {
    match carrier {
        CarrierKind::Twilio | CarrierKind::Plivo | CarrierKind::Browser => "+14155550100",
        CarrierKind::Exotel => "08040001234",
        CarrierKind::Mcube => "+91 80476 54321",
    }
}

/// Whether the carrier takes a call back that rings.
fn takes_back(line: Line) -> bool {
    matches!(line.carrier, CarrierKind::Twilio | CarrierKind::Plivo)
}

async fn post(world: &World, path: &str, body: &Value, key: Option<&str>) -> Response {
    let mut request = reqwest::Client::builder().no_proxy().build().unwrap().post(world.url(path)).json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    soon("an answer", request.send()).await.unwrap()
}

async fn get(world: &World, path: &str) -> Value {
    let asking = reqwest::Client::builder().no_proxy().build().unwrap().get(world.url(path)).send();
    soon("an answer", asking).await.unwrap().json().await.unwrap()
}

async fn ask(ring: &Ring, to: &str) -> Response {
    post(&ring.world, "/api/v1/calls", &json!({"to": to, "carrier": ring.line.carrier.name()}), None).await
}

/// Has a call placed that the carrier takes on. Returns our id of it.
async fn place(ring: &Ring, to: &str) -> (String, LiveCall) {
    let response = ask(ring, to).await;
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(status, 202, "{:?}: {body}", ring.line);
    (body["id"].as_str().unwrap().to_owned(), ring.originated().await)
}

async fn hang_up(ring: &Ring, id: &str) -> Response {
    post(&ring.world, &format!("/api/v1/calls/{id}/hangup"), &json!({}), None).await
}

/// The status, the code, and the error itself.
async fn refused(response: Response) -> (u16, String, Value) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let error = body["error"].clone();
    assert!(!error["message"].as_str().unwrap_or_default().is_empty(), "{body}");
    assert!(!error["mend"].as_str().unwrap_or_default().is_empty(), "{body}");
    (status, error["code"].as_str().unwrap().to_owned(), error)
}

fn callee(outcome: DialOutcome, rings_for: Duration) -> Callee {
    Callee { outcome, rings_for, ..Callee::default() }
}

/// Somebody who listens to what is said first, and leaves.
fn listener() -> Caller {
    Caller {
        steps: vec![Step::WaitForAgentSpeech, Step::WaitForAgentSilence(Duration::from_millis(700))],
        afterwards: Afterwards::HangUp,
        ..Caller::default()
    }
}

fn records(world: &World) -> Vec<Arc<CallRecord>> {
    world.gateway.records.recent(usize::MAX, None)
}

/// The only record there is.
async fn only_record(ring: &Ring) -> Arc<CallRecord> {
    eventually("the call's record is there", || !records(&ring.world).is_empty()).await;
    let mut all = records(&ring.world);
    assert_eq!(all.len(), 1, "{:?}: one call, one record: {all:#?}", ring.line);
    all.remove(0)
}

fn unreached(record: &CallRecord) -> Option<Unreached> {
    match &record.end {
        EndCause::NotReached { why, .. } => Some(*why),
        _ => None,
    }
}

/// Nothing of any call is left, on the list of placed calls neither, and no second record comes.
async fn nothing_is_left(ring: &Ring) {
    ring.world.nothing_is_held().await;
    eventually("no placed call is on the list", || ring.world.gateway.outbound_views().is_empty()).await;
}

/// Takes everything down and sees that no task is left.
async fn take_down(ring: Ring) {
    let Ring { line, world, network } = ring;
    let World { serving, network: twilio, platform, folder, .. } = world;
    let stopped = soon("the gateway goes", serving.drain(Duration::from_millis(100))).await;
    assert_eq!((stopped.abandoned, stopped.tasks_left, stopped.records_written), (0, 0, true), "{line:?}");
    drop((network, twilio, platform, folder));
}

async fn state_is(ring: &Ring, id: &str, state: &str) {
    let path = format!("/api/v1/calls/{id}");
    let reached = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while get(&ring.world, &path).await["state"] != state {
            look.tick().await;
        }
    };
    soon(state, reached).await;
}

#[tokio::test]
async fn a_call_is_placed_answered_and_recorded_on_every_line() {
    join_all(Line::all().into_iter().map(|line| async move {
        let ring = line.ring(setup(agent("Hello {{customer}}, you have {{orders}} orders."))).await;
        ring.expect_callee(THEIRS, Callee { caller: listener(), ..Callee::default() });

        let body = json!({"to": "+91 91234-56780", "carrier": line.carrier.name(),
            "variables": {"customer": "Mrs Brown", "orders": 2}});
        let response = post(&ring.world, "/api/v1/calls", &body, None).await;

        assert_eq!(response.status(), 202, "{line:?}");
        let place = response.headers()["location"].to_str().unwrap().to_owned();
        let accepted: Value = response.json().await.unwrap();
        let id = accepted["id"].as_str().unwrap().to_owned();
        assert_eq!(place, format!("/api/v1/calls/{id}"));
        assert_eq!((&accepted["to"], &accepted["carrier"]), (&json!(THEIRS), &json!(line.carrier.name())));
        let call = ring.originated().await;
        let (report, record) = ring.world.over(call).await;

        let texts = ["Hello Mrs Brown, you have 2 orders.", GREETING];
        assert_eq!(heard(&report, &texts), [0], "{line:?}: the variables reached the agent");
        assert!(report.warnings.is_empty(), "{line:?} objects: {:?}", report.warnings);
        assert_eq!(report.end, End::CallerHungUp, "{line:?}");
        assert_eq!(record.id.to_string(), id);
        assert_eq!((record.direction, record.carrier.as_str()), (Direction::Outbound, line.carrier.name()));
        assert_eq!(record.to.as_deref(), Some(THEIRS));
        assert_eq!(record.end, EndCause::CallerHungUp, "{line:?}");
        reports_were_taken(line, &report);
        let shown = get(&ring.world, &place).await;
        assert_eq!((&shown["phase"], &shown["direction"]), (&json!("over"), &json!("outbound")));
        assert!(shown["receipt"].is_object(), "{shown}");
        assert!(shown["carrier_facts"].is_object(), "{shown}");
        // Mcube's first message is kept as it came.
        assert_eq!(shown["carrier_start"].is_string(), line.carrier == CarrierKind::Mcube, "{shown}");
        nothing_is_left(&ring).await;
        only_record(&ring).await;
        let metrics = ring.world.gateway.metrics.render();
        let answered = format!(
            "trunkline_outbound_calls_total{{carrier=\"{}\",outcome=\"answered\"}} 1",
            line.carrier.name()
        );
        assert!(metrics.contains(&answered), "{line:?}");
        take_down(ring).await;
    }))
    .await;
}

/// Every report of the carrier's was answered with a yes.
fn reports_were_taken(line: Line, report: &CallReport) {
    let answers: Vec<Option<u16>> = report
        .timeline
        .iter()
        .filter_map(|note| match &note.what {
            // A flow's question for its next step is no report.
            Happening::CallbackSent { event, status } if event != "passthru" => Some(*status),
            _ => None,
        })
        .collect();
    assert!(!answers.is_empty(), "{line:?}");
    assert!(answers.iter().all(|answer| matches!(answer, Some(200 | 204))), "{line:?}: {answers:?}");
}

#[tokio::test]
async fn a_call_that_nobody_takes_says_why_however_its_reports_come() {
    let outcomes = [
        (DialOutcome::Busy, Unreached::Busy, "busy"),
        (DialOutcome::NoAnswer, Unreached::NoAnswer, "no_answer"),
        (DialOutcome::Failed, Unreached::Failed, "failed"),
    ];
    for mixed in [false, true] {
        let all = Line::usual().into_iter().flat_map(|line| outcomes.map(|outcome| (line, outcome)));
        join_all(all.map(|(line, (outcome, why, name))| async move {
            let habits = Habits { reports_out_of_order: mixed, reports_twice: mixed, ..Habits::default() };
            let ring = line.ring_with(setup(agent(GREETING)), habits).await;
            ring.expect_callee(THEIRS, callee(outcome, Duration::from_millis(50)));

            let (id, call) = place(&ring, THEIRS).await;
            let report = soon("the phone call is over", call.finished()).await;
            let record = only_record(&ring).await;

            let what = format!("{line:?} {name}, mixed: {mixed}");
            assert!(matches!(report.end, End::NotAnswered { .. }), "{what}: {:?}", report.end);
            assert_eq!(unreached(&record), Some(why), "{what}: {:?}", record.end);
            assert_eq!(record.direction, Direction::Outbound);
            assert_eq!(record.carrier_call.as_deref(), Some(report.call_sid.as_str()), "{what}");
            assert!(
                record.end.words().contains(line.carrier.table().title),
                "{what}: {}",
                record.end.words()
            );
            assert!(ring.world.platform.sessions().is_empty(), "no agent was dialled for it");
            reports_were_taken(line, &report);
            nothing_is_left(&ring).await;
            only_record(&ring).await;
            let shown = get(&ring.world, &format!("/api/v1/calls/{id}")).await;
            assert_eq!((&shown["end"]["cause"], &shown["end"]["why"]), (&json!("not_reached"), &json!(name)));
        }))
        .await;
    }
}

#[tokio::test]
async fn a_conversation_is_the_same_when_its_reports_come_twice_and_in_the_wrong_order() {
    join_all(Line::usual().into_iter().map(|line| async move {
        let habits = Habits { reports_out_of_order: true, reports_twice: true, ..Habits::default() };
        let ring = line.ring_with(setup(agent(GREETING)), habits).await;
        ring.expect_callee(THEIRS, Callee { caller: listener(), ..Callee::default() });

        let (_, call) = place(&ring, THEIRS).await;
        let (report, record) = ring.world.over(call).await;

        assert_eq!(heard(&report, &[GREETING]), [0], "{line:?}");
        assert_eq!(record.end, EndCause::CallerHungUp, "{line:?}");
        reports_were_taken(line, &report);
        nothing_is_left(&ring).await;
        only_record(&ring).await;
    }))
    .await;
}

#[tokio::test]
async fn while_it_rings_it_can_be_taken_back_or_it_is_said_why_not() {
    join_all(Line::usual().into_iter().map(|line| async move {
        let ring = line.ring(setup(agent(GREETING))).await;
        // Of a carrier that takes nothing back it is interesting what whoever answers gets.
        let rings_for = if takes_back(line) { RINGS_ON } else { Duration::from_secs(2) };
        ring.expect_callee(THEIRS, callee(DialOutcome::Completed, rings_for));
        let (id, call) = place(&ring, THEIRS).await;
        let sid = call.sid().to_owned();
        if line.carrier != CarrierKind::Mcube {
            // Mcube does not tell that it rings.
            state_is(&ring, &id, "ringing").await;
        }
        assert_eq!(ring.world.gateway.switchboard.slots().0, 1, "whoever answers has an agent");

        assert_eq!(hang_up(&ring, &id).await.status(), 202);

        let record = only_record(&ring).await;
        assert_eq!(unreached(&record), Some(Unreached::Cancelled), "{line:?}");
        assert_eq!(record.carrier_call.as_deref(), Some(sid.as_str()), "{line:?}");
        let words = record.end.words();
        assert_eq!(words.contains("takes no call back"), !takes_back(line), "{line:?}: {words}");
        let (status, code, _) = refused(hang_up(&ring, &id).await).await;
        assert_eq!((status, code.as_str()), (409, "call_over"));
        nothing_is_left(&ring).await;
        let report = soon("the telephone is silent", call.finished()).await;
        if takes_back(line) {
            assert_eq!(report.end, End::Canceled, "{line:?}");
        } else {
            assert_ne!(report.end, End::CallerHungUp, "{line:?}: whoever answered was let go");
            assert!(heard(&report, &[GREETING]).is_empty());
        }
        assert!(ring.world.platform.sessions().is_empty(), "no agent was dialled for it");
        nothing_is_left(&ring).await;
        only_record(&ring).await;
        take_down(ring).await;
    }))
    .await;
}

#[tokio::test]
async fn a_machine_gets_what_the_bot_has_for_machines() {
    let detecting = || Line::usual().into_iter().filter(|line| line.carrier.table().detects_machines);
    assert_eq!(detecting().count(), 2);
    let ways = [
        (Voicemail::HangUp, true, EndCause::Voicemail),
        (Voicemail::Say { text: MESSAGE.into() }, true, EndCause::Voicemail),
        (Voicemail::HangUp, false, EndCause::CallerHungUp),
        (Voicemail::Continue, true, EndCause::CallerHungUp),
    ];
    let all = detecting().flat_map(|line| ways.clone().map(|way| (line, way)));
    join_all(all.map(|(line, (voicemail, is_machine, end))| async move {
        let mut doc = agent(GREETING);
        doc.script.otherwise = Turn::saying("", MESSAGE);
        let mut setup = setup(doc);
        setup.bot().call.voicemail = voicemail.clone();
        let ring = line.ring(setup).await;
        let caller = Caller::with_steps(vec![
            Step::WaitForAgentSpeech,
            Step::WaitForAgentSilence(Duration::from_millis(1_500)),
            Step::HangUp,
        ]);
        ring.expect_callee(THEIRS, Callee { is_machine, caller, ..Callee::default() });

        let (_, call) = place(&ring, THEIRS).await;
        let (report, record) = ring.world.over(call).await;

        let what = format!("{line:?} {voicemail:?} {is_machine}");
        let told = is_machine && voicemail != Voicemail::Continue;
        assert_eq!(record.end, end, "{what}");
        assert_eq!(count(&record, |fact| *fact == Fact::MachineAnswered), usize::from(told), "{what}");
        let texts = heard(&report, &[GREETING, MESSAGE]);
        match &voicemail {
            Voicemail::Say { .. } => assert!(texts.contains(&1), "{what}: {texts:?}"),
            Voicemail::HangUp if is_machine => assert!(!texts.contains(&1), "{what}: {texts:?}"),
            Voicemail::HangUp | Voicemail::Continue => assert_eq!(texts, [0], "{what}"),
        }
        nothing_is_left(&ring).await;
        only_record(&ring).await;
    }))
    .await;
}

#[tokio::test]
async fn a_gateway_that_goes_down_gives_up_what_nobody_has_answered() {
    join_all(Line::usual().into_iter().map(|line| async move {
        let ring = line.ring(setup(agent(GREETING))).await;
        ring.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
        let (id, ringing) = place(&ring, THEIRS).await;
        let (other, answered) = place(&ring, OTHERS).await;
        crate::world::happens(&answered, "it is answered", |what| *what == Happening::AgentSpeechBegan).await;

        let Ring { world, network, .. } = ring;
        let World { serving, gateway, network: twilio, platform, folder, .. } = world;
        let stopped = soon("the gateway goes", serving.drain(Duration::from_millis(100))).await;

        assert_eq!(
            (stopped.abandoned, stopped.tasks_left, stopped.records_written),
            (0, 0, true),
            "{line:?}"
        );
        let all = gateway.records.recent(usize::MAX, None);
        assert_eq!(all.len(), 2, "{line:?}: {all:#?}");
        let of = |id: &str| all.iter().find(|record| record.id.to_string() == id).unwrap();
        assert_eq!(unreached(of(&id)), Some(Unreached::Cancelled), "{line:?}");
        assert_eq!(of(&other).end, EndCause::Drained, "{line:?}");
        assert_eq!((gateway.switchboard.seats().0, gateway.switchboard.slots().0), (0, 0));
        assert!(gateway.outbound_views().is_empty());
        if takes_back(line) {
            let report = soon("the telephone is silent", ringing.finished()).await;
            assert_eq!(report.end, End::Canceled, "{line:?}");
        }
        drop((network, twilio, platform, folder));
    }))
    .await;
}

#[tokio::test]
async fn another_media_socket_goes_on_with_the_placed_call() {
    // Carriers whose sockets prove themselves without a token that works once.
    let lines = Line::usual().into_iter().filter(|line| line.carrier == CarrierKind::Twilio);
    join_all(lines.map(|line| async move {
        let mut setup = setup(agent(GREETING));
        setup.config.outbound.concurrent = 1;
        let ring = line.ring(setup).await;
        let (id, call) = place(&ring, THEIRS).await;
        let sid = call.sid().to_owned();
        let first = ring.world.live_on(line.carrier.name(), &sid).await;
        eventually("it talks", || first.phase() == call::PhaseName::Talking).await;

        call.second_socket().await;
        let name = line.carrier.name();
        let goes_on = || ring.world.gateway.switchboard.find_by_name(name, &sid);
        eventually("the second is the call", || goes_on().is_some_and(|live| live.id() != first.id())).await;
        let second = goes_on().unwrap();
        eventually("the first has its record", || !records(&ring.world).is_empty()).await;
        let (status, code, _) = refused(ask(&ring, OTHERS).await).await;
        assert_eq!((status, code.as_str()), (429, "too_many_placed_calls"), "it still counts");
        call.hang_up().await;
        let report = soon("the phone call is over", call.finished()).await;

        eventually("both have their record", || ring.world.records(&sid).len() == 2).await;
        reports_were_taken(line, &report);
        let of = |id: &str| ring.world.records(&sid).into_iter().find(|record| record.id.to_string() == id);
        assert_eq!(of(&id).unwrap().end, EndCause::Replaced);
        let second = of(&second.id().to_string()).unwrap();
        assert_eq!((second.direction, &second.end), (Direction::Outbound, &EndCause::CallerHungUp));
        assert_eq!(second.to.as_deref(), Some(THEIRS));
        nothing_is_left(&ring).await;
    }))
    .await;
}
