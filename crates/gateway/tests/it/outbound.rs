//! Calls that we place, from the request to the record, over an emulated Twilio.

use std::time::Duration;

use call::{EndCause, Fact, PhaseName, Unreached, Voicemail};
use futures_util::future::join_all;
use gateway::events::Event;
use gateway::records::CallRecord;
use gateway::switchboard::Direction;
use lab::caller::{Afterwards, Caller, Step};
use lab::elevenlabs::{AgentDoc, Turn};
use lab::twilio::{Callee, DialOutcome, End, Happening, LiveCall};
use reqwest::Response;
use serde_json::{Value, json};

use crate::world::{Setup, World, agent, count, eventually, find, happens, soon, spoken};

const OURS: &str = "+14155550100";
const THEIRS: &str = "+14155550777";
const OTHERS: &str = "+14155550778";
const GREETING: &str = "Hello, this is the practice of Dr Miller.";
const MESSAGE: &str = "Please call the practice back.";

/// A long time for a telephone to ring in a test; nobody waits for its end.
const RINGS_ON: Duration = Duration::from_secs(40);

fn setup(agent: AgentDoc) -> Setup {
    let mut setup = Setup::with(agent);
    setup.config.carriers.twilio.phone_number = Some(OURS.into());
    setup.config.outbound.allow = vec!["+1415".into()];
    setup
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

async fn ask(world: &World, to: &str) -> Response {
    post(world, "/api/v1/calls", &json!({"to": to, "carrier": "twilio"}), None).await
}

/// Has a call placed, and waits until the telephone rings. Returns our id of the call.
async fn place(world: &World, to: &str) -> (String, LiveCall) {
    let response = ask(world, to).await;
    assert_eq!(response.status(), 202);
    let accepted: Value = response.json().await.unwrap();
    let call = soon("the carrier has the call", world.network.originated()).await.unwrap();
    (accepted["id"].as_str().unwrap().to_owned(), call)
}

async fn refused(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let error = &body["error"];
    assert!(!error["message"].as_str().unwrap().is_empty(), "{body}");
    assert!(!error["mend"].as_str().unwrap().is_empty(), "{body}");
    (status, error["code"].as_str().unwrap().to_owned())
}

fn callee(outcome: DialOutcome, rings_for: Duration) -> Callee {
    Callee { outcome, rings_for, ..Callee::default() }
}

/// The record of the call by our name for it; one and no more.
async fn record(world: &World, id: &str) -> CallRecord {
    let all = || {
        let all = world.gateway.records.recent(usize::MAX, None);
        all.into_iter().filter(|record| record.id.to_string() == id).collect::<Vec<_>>()
    };
    eventually("the call's record is there", || !all().is_empty()).await;
    assert_eq!(all().len(), 1, "one call, one record");
    CallRecord::clone(&all()[0])
}

fn unreached(record: &CallRecord) -> Option<Unreached> {
    match &record.end {
        EndCause::NotReached { why, .. } => Some(*why),
        _ => None,
    }
}

fn metric(world: &World, series: &str) -> String {
    let text = world.gateway.metrics.render();
    let line = text.lines().find(|line| line.starts_with(series)).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {series}: {text}"))[series.len()..].trim().to_owned()
}

async fn state_is(world: &World, id: &str, state: &str) {
    let reached = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        loop {
            let live = get(world, "/api/v1/calls").await["live"].clone();
            let ours = live.as_array().unwrap().iter().find(|call| call["id"] == id).cloned();
            if ours.is_some_and(|call| call["state"] == state) {
                return;
            }
            look.tick().await;
        }
    };
    soon(state, reached).await;
}

#[tokio::test]
async fn a_call_is_placed_answered_and_recorded_like_any_other() {
    let world = setup(agent("Hello {{customer}}, you have {{orders}} orders.")).start().await;
    let caller = Caller {
        steps: vec![Step::WaitForAgentSpeech, Step::WaitForAgentSilence(Duration::from_millis(300))],
        afterwards: Afterwards::HangUp,
        ..Caller::default()
    };
    world.network.expect_callee(THEIRS, Callee { caller, ..Callee::default() });
    let mut events = world.gateway.events.listen();

    let body = json!({"to": "+1 (415) 555-0777", "from": OURS,
        "variables": {"customer": "Mrs Brown", "orders": 2}});
    let response = post(&world, "/api/v1/calls", &body, None).await;

    assert_eq!(response.status(), 202);
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let accepted: Value = response.json().await.unwrap();
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(place, format!("/api/v1/calls/{id}"));
    assert_eq!(
        (&accepted["to"], &accepted["from"], &accepted["carrier"], &accepted["bot"]),
        (&json!(THEIRS), &json!(OURS), &json!("twilio"), &json!("lab"))
    );
    let call = soon("the carrier has the call", world.network.originated()).await.unwrap();
    assert_eq!(accepted["carrier_call"], call.sid());
    let (report, record) = world.over(call).await;

    assert_eq!(record.id.to_string(), id);
    assert_eq!(record.direction, Direction::Outbound);
    assert_eq!((record.from.as_deref(), record.to.as_deref()), (Some(OURS), Some(THEIRS)));
    assert_eq!(record.end, EndCause::CallerHungUp);
    assert!(!record.receipt.is_null());
    let said = spoken("Hello Mrs Brown, you have 2 orders.");
    assert!(find(&said, &report.heard.samples).is_some(), "the variables reached the agent");
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let callbacks = report.timeline.iter().filter_map(|note| match &note.what {
        Happening::CallbackSent { status, .. } => Some(*status),
        _ => None,
    });
    assert!(callbacks.into_iter().all(|status| status == Some(204)));
    let mut phases = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Call(view) = &*event {
            assert_eq!(view.id.to_string(), id);
            phases.push((view.phase, view.state.map(|state| json!(state))));
        }
    }
    let state = |state: &str| Some(json!(state));
    assert_eq!(phases[0], (PhaseName::Arriving, state("placing")));
    assert!(phases.contains(&(PhaseName::Arriving, state("ringing"))), "{phases:?}");
    assert!(phases.contains(&(PhaseName::Talking, state("answered"))), "{phases:?}");
    assert_eq!(phases.last(), Some(&(PhaseName::Over, None)));
    world.nothing_is_held().await;
    assert_eq!(metric(&world, r#"trunkline_outbound_calls_total{carrier="twilio",outcome="answered"}"#), "1");
}

#[tokio::test]
async fn a_call_that_is_not_answered_says_why() {
    let outcomes = [
        (DialOutcome::Busy, Unreached::Busy, "busy"),
        (DialOutcome::NoAnswer, Unreached::NoAnswer, "no_answer"),
        (DialOutcome::Failed, Unreached::Failed, "failed"),
    ];
    join_all(outcomes.map(|(outcome, why, name)| async move {
        let world = setup(agent(GREETING)).start().await;
        world.network.expect_callee(THEIRS, callee(outcome, Duration::from_millis(50)));

        let (id, call) = place(&world, THEIRS).await;
        let report = soon("the phone call is over", call.finished()).await;
        let record = record(&world, &id).await;

        assert!(matches!(report.end, End::NotAnswered { .. }), "{:?}", report.end);
        assert_eq!(unreached(&record), Some(why));
        assert_eq!(record.carrier_call.as_deref(), Some(report.call_sid.as_str()));
        assert!(record.end.words().contains("Twilio says"), "{}", record.end.words());
        assert!(world.platform.sessions().is_empty(), "no agent was dialled for it");
        world.nothing_is_held().await;
        let series = format!("trunkline_outbound_calls_total{{carrier=\"twilio\",outcome=\"{name}\"}}");
        assert_eq!(metric(&world, &series), "1");
        let shown = get(&world, &format!("/api/v1/calls/{id}")).await;
        assert_eq!((&shown["phase"], &shown["direction"]), (&json!("over"), &json!("outbound")));
        assert_eq!((&shown["end"]["cause"], &shown["end"]["why"]), (&json!("not_reached"), &json!(name)));
    }))
    .await;
}

#[tokio::test]
async fn while_it_rings_it_is_on_the_list_and_can_be_taken_back() {
    let world = setup(agent(GREETING)).start().await;
    world.network.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
    let (id, call) = place(&world, THEIRS).await;
    let path = format!("/api/v1/calls/{id}");

    state_is(&world, &id, "ringing").await;
    let shown = get(&world, &path).await;
    assert_eq!((&shown["phase"], &shown["state"]), (&json!("arriving"), &json!("ringing")));
    assert_eq!((&shown["to"], &shown["carrier_call"]), (&json!(THEIRS), &json!(call.sid())));
    assert_eq!(world.gateway.switchboard.slots().0, 1, "whoever answers has an agent");
    for (order, body) in [("transfer", json!({"to": OTHERS})), ("say", json!({"text": "Hello"}))] {
        let answer = post(&world, &format!("{path}/{order}"), &body, None).await;
        assert_eq!(refused(answer).await, (409, "not_now".into()));
    }
    let answer = post(&world, &format!("{path}/hangup"), &json!({}), None).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"id": id, "ordered": "hangup"}));

    let report = soon("the telephone is silent", call.finished()).await;
    assert_eq!(report.end, End::Canceled);
    let record = record(&world, &id).await;
    assert_eq!(unreached(&record), Some(Unreached::Cancelled));
    let again = post(&world, &format!("{path}/hangup"), &json!({}), None).await;
    assert_eq!(refused(again).await, (409, "call_over".into()));
    assert_eq!(get(&world, "/api/v1/calls").await["live"], json!([]));
    world.nothing_is_held().await;
    let all = world.gateway.records.recent(usize::MAX, None);
    assert_eq!(all.len(), 1, "the carrier's own word for it makes no second record");
}

#[tokio::test]
async fn a_machine_gets_what_the_bot_has_for_machines() {
    let answer = |voicemail: Voicemail, is_machine: bool| async move {
        let mut doc = agent(GREETING);
        doc.script.otherwise = Turn::saying("", MESSAGE);
        let mut setup = setup(doc);
        setup.bot().call.voicemail = voicemail;
        let world = setup.start().await;
        let caller = Caller::with_steps(vec![
            Step::WaitForAgentSpeech,
            Step::WaitForAgentSilence(Duration::from_millis(1_500)),
            Step::HangUp,
        ]);
        world.network.expect_callee(THEIRS, Callee { is_machine, caller, ..Callee::default() });
        let (_, call) = place(&world, THEIRS).await;
        let (report, record) = world.over(call).await;
        world.nothing_is_held().await;
        (report, record, world)
    };
    let message = || Voicemail::Say { text: MESSAGE.into() };
    let known = |record: &CallRecord| count(record, |fact| *fact == Fact::MachineAnswered);

    let (left, said, person, talked) = futures_util::join!(
        answer(Voicemail::HangUp, true),
        answer(message(), true),
        answer(Voicemail::HangUp, false),
        answer(Voicemail::Continue, true),
    );

    let (report, record, _) = left;
    assert_eq!((&record.end, known(&record)), (&EndCause::Voicemail, 1));
    assert_eq!(report.end, End::CompletedByRest);

    let (report, record, world) = said;
    assert_eq!((&record.end, known(&record)), (&EndCause::Voicemail, 1));
    assert_eq!(report.end, End::CompletedByRest, "we hang up, not the machine");
    assert!(find(&spoken(MESSAGE), &report.heard.samples).is_some(), "in full");
    assert!(find(&spoken(GREETING), &report.heard.samples).is_none(), "the greeting was cut");
    assert!(world.platform.sessions()[0].user_messages[0].contains(MESSAGE));

    let (report, record, _) = person;
    assert_eq!((&record.end, known(&record)), (&EndCause::CallerHungUp, 0));
    assert!(find(&spoken(GREETING), &report.heard.samples).is_some());

    let (_, record, _) = talked;
    assert_eq!((&record.end, known(&record)), (&EndCause::CallerHungUp, 0), "nobody asked what it is");
}

#[tokio::test]
async fn asking_twice_with_one_key_rings_once() {
    let world = setup(agent(GREETING)).start().await;
    world.network.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
    let body = json!({"to": THEIRS, "carrier": "twilio", "variables": {"order": 7}});

    let answers = join_all((0..5).map(|_| post(&world, "/api/v1/calls", &body, Some("order-7")))).await;
    let mut told = Vec::new();
    for answer in answers {
        assert_eq!(answer.status(), 202);
        told.push(answer.json::<Value>().await.unwrap());
    }
    told.push(post(&world, "/api/v1/calls", &body, Some("order-7")).await.json().await.unwrap());
    let other = json!({"to": THEIRS, "carrier": "twilio", "variables": {"order": 8}});
    let taken = post(&world, "/api/v1/calls", &other, Some("order-7")).await;

    assert!(told.iter().all(|answer| *answer == told[0]), "{told:?}");
    assert_eq!(refused(taken).await, (409, "idempotency_key_used".into()));
    let unusable = post(&world, "/api/v1/calls", &body, Some("a key with spaces")).await;
    assert_eq!(refused(unusable).await, (422, "bad_idempotency_key".into()));
    assert_eq!(world.network.live_calls(), 1);
    assert_eq!(world.gateway.outbound_views().len(), 1);
    let id = told[0]["id"].as_str().unwrap();
    post(&world, &format!("/api/v1/calls/{id}/hangup"), &json!({}), None).await;
    world.nothing_is_held().await;
    let later: Value = post(&world, "/api/v1/calls", &body, Some("order-7")).await.json().await.unwrap();
    assert_eq!(later, told[0], "also when it is over");
}

#[tokio::test]
async fn nothing_is_dialled_but_what_is_allowed() {
    let world = setup(agent(GREETING)).start().await;
    let mut closed = setup(agent(GREETING));
    closed.config.outbound.allow.clear();
    let closed = closed.start().await;

    assert_eq!(refused(ask(&closed, THEIRS).await).await, (403, "outbound_off".into()));
    for (to, code) in [
        ("+4989123456", "destination_not_allowed"),
        ("4155550777", "destination_not_allowed"),
        ("911", "short_number"),
        ("sip:desk@example.com", "destination_not_allowed"),
    ] {
        assert_eq!(refused(ask(&world, to).await).await, (403, code.into()), "{to}");
        let series = format!("trunkline_outbound_refused_total{{reason=\"{code}\"}}");
        assert_ne!(metric(&world, &series), "0");
    }
    for (to, code) in [("the boss", "bad_destination"), ("", "bad_destination"), ("+1", "bad_destination")] {
        assert_eq!(refused(ask(&world, to).await).await, (422, code.into()), "{to}");
    }
    let asked = |body: Value| {
        let world = &world;
        async move { refused(post(world, "/api/v1/calls", &body, None).await).await }
    };
    let with = |more: Value| {
        let mut body = json!({"to": THEIRS, "carrier": "twilio"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked(body)
    };
    assert_eq!(with(json!({"from": "me"})).await, (422, "bad_caller_id".into()));
    assert_eq!(with(json!({"bot": "nobody"})).await, (422, "no_such_bot".into()));
    assert_eq!(with(json!({"carrier": "pigeon"})).await, (422, "no_such_carrier".into()));
    assert_eq!(with(json!({"carrier": "browser"})).await, (409, "carrier_cannot_place".into()));
    assert_eq!(with(json!({"variables": {"a b": 1}})).await, (422, "bad_variables".into()));
    assert_eq!(with(json!({"variables": {"a": [1]}})).await, (422, "bad_body".into()));
    assert_eq!(with(json!({"nubmer": 1})).await, (422, "bad_body".into()));
    assert_eq!(asked(json!({"from": OURS})).await, (422, "bad_body".into()));
    assert_eq!(world.network.live_calls(), 0);
    assert!(world.gateway.records.recent(usize::MAX, None).is_empty(), "what was not placed has no record");
    world.nothing_is_held().await;
}

#[tokio::test]
async fn as_many_calls_as_are_allowed_and_then_patience() {
    let mut setup = setup(agent(GREETING));
    setup.config.outbound.concurrent = 1;
    setup.config.outbound.calls_per_minute_per_key = 2;
    let world = setup.start().await;
    world.network.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));

    let (id, _call) = place(&world, THEIRS).await;
    let second = ask(&world, THEIRS).await;
    assert!(second.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(refused(second).await, (429, "too_many_placed_calls".into()));
    post(&world, &format!("/api/v1/calls/{id}/hangup"), &json!({}), None).await;
    world.nothing_is_held().await;

    let (id, _call) = place(&world, THEIRS).await;
    post(&world, &format!("/api/v1/calls/{id}/hangup"), &json!({}), None).await;
    world.nothing_is_held().await;
    let too_often = ask(&world, THEIRS).await;
    let wait: u32 = too_often.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    assert_eq!(refused(too_often).await, (429, "too_many_calls_a_minute".into()));
}

#[tokio::test]
async fn without_a_line_or_an_agent_nobody_is_rung() {
    let mut one_line = setup(agent(GREETING));
    one_line.config.limits.calls = 1;
    let one_line = one_line.start().await;
    let mut one_agent = setup(agent(GREETING));
    one_agent.config.agents.elevenlabs.slots = 1;
    let one_agent = one_agent.start().await;

    for (world, code) in [(&one_line, "all_lines_busy"), (&one_agent, "no_agent_slot")] {
        world.network.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
        let (id, _call) = place(world, THEIRS).await;
        let second = ask(world, THEIRS).await;
        assert!(second.headers().contains_key("retry-after"));
        assert_eq!(refused(second).await, (503, code.into()));
        post(world, &format!("/api/v1/calls/{id}/hangup"), &json!({}), None).await;
        world.nothing_is_held().await;
    }
}

#[tokio::test]
async fn a_gateway_that_goes_down_takes_back_what_nobody_has_answered() {
    let world = setup(agent(GREETING)).start().await;
    world.network.expect_callee(THEIRS, callee(DialOutcome::Completed, RINGS_ON));
    let (id, ringing) = place(&world, THEIRS).await;
    let (other, answered) = place(&world, OTHERS).await;
    happens(&answered, "it is answered", |what| *what == Happening::AgentSpeechBegan).await;

    let World { serving, gateway, network, folder, .. } = world;
    let draining = serving.drain(Duration::from_millis(100));
    let (stopped, report) = futures_util::join!(draining, ringing.finished());

    assert_eq!(report.end, End::Canceled);
    assert_eq!((stopped.abandoned, stopped.tasks_left, stopped.records_written), (0, 0, true));
    let records = gateway.records.recent(usize::MAX, None);
    let of = |id: &str| {
        let mut of = records.iter().filter(|record| record.id.to_string() == id);
        let record = of.next().unwrap();
        assert!(of.next().is_none(), "one call, one record");
        record
    };
    assert_eq!(unreached(of(&id)), Some(Unreached::Cancelled));
    assert_eq!(of(&other).end, EndCause::Drained);
    let late = gateway
        .place_call(gateway::outbound::Request {
            to: THEIRS.into(),
            carrier: Some("twilio".into()),
            ..gateway::outbound::Request::default()
        })
        .await
        .unwrap_err();
    assert_eq!((late.status().as_u16(), late.code()), (503, "draining"));
    assert_eq!((gateway.switchboard.seats().0, gateway.switchboard.slots().0), (0, 0));
    drop((network, folder));
}

#[tokio::test]
async fn a_placed_call_does_not_last_longer_than_placed_calls_may() {
    let mut setup = setup(agent(GREETING));
    setup.config.outbound.max_duration_s = 1;
    let world = setup.start().await;

    let (_, call) = place(&world, THEIRS).await;
    let (_, record) = world.over(call).await;

    assert_eq!(record.end, EndCause::MaxDuration);
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_number_as_it_is_written_at_home_is_checked_and_dialled_with_its_country() {
    let mut setup = setup(agent(GREETING));
    setup.config.numbers.country = Some("1".into());
    let world = setup.start().await;
    for written in ["4155550777", "(415) 555-0777", "14155550777"] {
        world.network.expect_callee(THEIRS, callee(DialOutcome::Busy, Duration::ZERO));
        let response = ask(&world, written).await;
        assert_eq!(response.status(), 202, "{written}");
        let accepted: Value = response.json().await.unwrap();
        assert_eq!(accepted["to"], THEIRS, "{written}");
        let call = soon("the carrier has the call", world.network.originated()).await.unwrap();
        drop(call);
        record(&world, accepted["id"].as_str().unwrap()).await;
    }
    world.nothing_is_held().await;
}

#[tokio::test]
async fn a_carrier_without_a_connection_is_asked_again_with_the_same_key() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut setup = setup(agent(GREETING));
    setup.config.carriers.plivo.auth_id = Some("MAXXXXXXXXXXXXXXXXXX".into());
    setup.config.carriers.plivo.auth_token = Some(wire::Secret::new("token"));
    setup.config.carriers.plivo.phone_number = Some(OURS.into());
    setup.config.carriers.plivo.api_base_url = format!("http://{nobody}").parse().unwrap();
    let world = setup.start().await;
    let body = json!({"to": THEIRS, "carrier": "plivo"});
    let mut calls = Vec::new();
    for _ in 0..2 {
        let response = post(&world, "/api/v1/calls", &body, Some("order-8")).await;
        assert_eq!(response.status(), 502);
        let error = response.json::<Value>().await.unwrap()["error"].clone();
        assert_eq!(error["code"], "carrier_unreachable");
        assert!(error["mend"].as_str().unwrap().contains("nobody was rung"), "{error}");
        let call = error["call"].as_str().unwrap().to_owned();
        assert_eq!(unreached(&record(&world, &call).await), Some(Unreached::Failed));
        calls.push(call);
    }
    assert_ne!(calls[0], calls[1], "the key is not spent");
    world.nothing_is_held().await;
}
