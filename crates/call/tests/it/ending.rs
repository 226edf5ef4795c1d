//! Every call ends once, for one reason, after the goodbye was heard.

use std::time::Duration;

use call::{
    AgentCommand, AgentEvent, CarrierCommand, CarrierDeparture, CarrierEvent, Command, ControlOutcome,
    EndCause, Fact, GoodbyeProof, Input, Order, PhaseName, Retry, ToolCall, ToolStage, ToolTrace, Watchdog,
};
use serde_json::json;

use crate::scene::{Marks, Scene, plan};

fn tool(name: &str, arguments: serde_json::Value) -> Input {
    Input::Agent(AgentEvent::ToolCalled(ToolCall {
        id: "t1".into(),
        name: name.into(),
        arguments,
        wants_answer: true,
    }))
}

fn proof(scene: &Scene) -> Option<GoodbyeProof> {
    scene.facts.iter().find_map(|entry| match entry.fact {
        Fact::GoodbyeHeard { proof, .. } => Some(proof),
        _ => None,
    })
}

#[test]
fn end_call_while_the_goodbye_is_queued_lets_it_be_heard_in_full() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "Thank you for calling, goodbye", 3_000);
    scene.tell(tool("end_call", json!({"reason": "done"})));
    scene.wait(2_900);
    assert!(!scene.hung_up(), "too early");

    scene.wait(400);

    assert_eq!(scene.heard_of(1), 24_000);
    assert!(scene.hung_up());
    assert_eq!(proof(&scene), Some(GoodbyeProof::Acknowledged));
    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));
    assert_eq!(scene.ends(), [&EndCause::AgentHungUp { reason: Some("done".into()) }]);
}

#[test]
fn a_goodbye_that_follows_the_tool_is_heard_too() {
    let mut scene = Scene::talking();
    scene.tell(tool("end_call", json!({})));
    scene.wait(600);
    scene.agent_says(1, "Goodbye", 1_000);
    scene.wait(900);
    assert!(!scene.hung_up());

    scene.wait(1_200);

    assert_eq!(scene.heard_of(1), 8_000);
    assert!(scene.hung_up());
}

#[test]
fn goodbye_is_waited_for_by_time_when_acknowledgements_never_come() {
    let mut scene = Scene::talking();
    scene.marks = Marks::Lose;
    scene.agent_says(1, "Goodbye", 2_000);
    scene.tell(tool("end_call", json!({})));

    scene.wait(3_900);
    assert!(!scene.hung_up());
    scene.wait(200);

    assert!(scene.hung_up());
    assert_eq!(proof(&scene), Some(GoodbyeProof::Elapsed));
}

#[test]
fn a_goodbye_without_end_is_cut_by_the_deadline() {
    let mut scene = Scene::talking();
    scene.marks = Marks::Lose;
    scene.agent_says(1, "I go on and on", 60_000);
    scene.tell(tool("end_call", json!({})));

    scene.wait(15_020);

    assert!(scene.hung_up());
    assert_eq!(proof(&scene), Some(GoodbyeProof::Deadline));
}

#[test]
fn an_agent_that_closes_in_order_is_heard_to_the_end() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "Goodbye", 1_000);
    scene.agent_lost(Retry::Over);
    scene.wait(900);
    assert!(!scene.hung_up());

    scene.wait(300);

    assert!(scene.hung_up());
    assert_eq!(scene.heard_of(1), 8_000);
}

#[test]
fn a_system_tools_trace_ends_the_call_like_the_tool_itself() {
    for (name, cause) in
        [("end_call", EndCause::AgentHungUp { reason: None }), ("voicemail_detection", EndCause::Voicemail)]
    {
        let mut scene = Scene::talking();
        let trace = ToolTrace { id: "s1".into(), name: name.into(), stage: ToolStage::Done };
        scene.tell(Input::Agent(AgentEvent::ToolTraced(trace)));
        scene.wait(1_200);
        scene.tell(Input::Control(ControlOutcome::HungUp));

        assert_eq!(scene.ends(), [&cause]);
    }
}

#[test]
fn transfer_waits_for_the_last_words_then_asks_the_carrier() {
    for marks in [Marks::Echo, Marks::Lose] {
        let mut scene = Scene::talking();
        scene.marks = marks;
        scene.agent_says(1, "I will put you through", 2_000);
        scene.tell(tool("transfer_to_number", json!({"number": "+4930123"})));
        scene.wait(1_900);
        assert!(!scene.carrier.iter().any(|c| matches!(c, CarrierCommand::Transfer { .. })));

        scene.wait(2_200);

        assert_eq!(scene.heard_of(1), 16_000);
        assert_eq!(scene.carrier.last(), Some(&CarrierCommand::Transfer { to: "+4930123".into() }));
        scene.tell(Input::Control(ControlOutcome::Transferred));
        assert_eq!(scene.ends(), [&EndCause::Transferred { to: "+4930123".into() }]);
        assert!(!scene.hung_up(), "the caller belongs to somebody else now");
    }
}

#[test]
fn transfer_deadline_holds_when_the_agent_never_falls_silent() {
    let mut scene = Scene::talking();
    scene.tell(tool("transfer_to_number", json!({"number": "+4930123"})));
    for second in 0..16 {
        scene.agent_sounds(second, 1_000);
        scene.wait(1_000);
    }

    assert!(scene.has(|f| matches!(f, Fact::TransferStarted { .. })));
}

#[test]
fn a_failed_transfer_gives_the_caller_back_to_the_agent() {
    let mut scene = Scene::talking();
    scene.tell(tool("transfer_to_number", json!({"number": "+4930123"})));
    scene.wait(1_200);

    scene.tell(Input::Control(ControlOutcome::TransferFailed { detail: "no such number".into() }));

    assert_eq!(scene.call.phase(), PhaseName::Talking);
    assert!(
        scene
            .agent
            .iter()
            .any(|c| matches!(c, AgentCommand::Context { text } if text.contains("no such number")))
    );
    let before = scene.heard_by_agent_ms();
    scene.wait(1_000);
    assert_eq!(scene.heard_by_agent_ms() - before, 1_000, "and is heard again");
}

#[test]
fn media_that_stops_once_the_transfer_was_asked_for_is_success() {
    let mut scene = Scene::talking();
    scene.tell(tool("transfer_to_number", json!({"number": "+4930123"})));
    scene.wait(1_200);

    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));

    assert_eq!(scene.ends(), [&EndCause::Transferred { to: "+4930123".into() }]);
}

#[test]
fn the_ways_a_carrier_leaves_have_their_own_causes() {
    let lost = CarrierDeparture::SocketClosed { code: None };
    for (departure, cause) in [
        (CarrierDeparture::Stopped, EndCause::CallerHungUp),
        (lost.clone(), EndCause::CarrierLost { departure: lost }),
        (
            CarrierDeparture::StoppedReading,
            EndCause::CarrierLost { departure: CarrierDeparture::StoppedReading },
        ),
    ] {
        let mut scene = Scene::talking();
        scene.tell(Input::Carrier(CarrierEvent::Left(departure)));

        assert_eq!(scene.ends(), [&cause]);
        assert!(scene.other.contains(&Command::DropAgent));
        assert_eq!(scene.carrier.last(), Some(&CarrierCommand::Close));
    }
}

#[test]
fn operator_orders_are_obeyed_at_once() {
    let mut scene = Scene::talking();
    scene.agent_says(1, "a very long speech", 10_000);
    scene.tell(Input::Order(Order::Say { text: "hello".into() }));
    assert!(scene.agent.contains(&AgentCommand::Say { text: "hello".into() }));

    scene.tell(Input::Order(Order::HangUp { by: "console".into() }));

    assert!(scene.hung_up());
    scene.tell(Input::Control(ControlOutcome::HungUp));
    assert_eq!(scene.ends(), [&EndCause::OperatorHungUp { by: "console".into() }]);
}

#[test]
fn draining_lets_a_call_finish_in_time_and_ends_the_rest_politely() {
    let mut scene = Scene::talking();
    scene.tell(Input::Order(Order::Drain { within: Duration::from_secs(10) }));
    scene.agent_says(1, "still talking", 30_000);
    scene.wait(9_900);
    assert_eq!(scene.call.phase(), PhaseName::Talking);

    scene.wait(1_500);

    assert!(scene.heard.iter().filter(|s| **s == 700).count() == 4_000, "the closing words");
    assert!(scene.hung_up());
    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));
    assert_eq!(scene.ends(), [&EndCause::Drained]);
}

#[test]
fn a_second_socket_ends_this_one_without_hanging_up() {
    let mut scene = Scene::talking();
    scene.tell(Input::Order(Order::Replaced));

    assert_eq!(scene.ends(), [&EndCause::Replaced]);
    assert!(!scene.hung_up());
}

#[test]
fn a_carrier_that_does_not_hang_up_is_left_behind() {
    let mut scene = Scene::talking();
    scene.tell(Input::Order(Order::HangUp { by: "test".into() }));

    scene.wait_without_media(5_100);

    assert!(scene.call.is_over());
    assert!(scene.has(|f| matches!(f, Fact::Watchdog { which: Watchdog::NotHungUp })));
}

#[test]
fn watchdogs_end_calls_that_nobody_ends() {
    let mut never = Scene::with(plan());
    never.wait_without_media(20_000);
    assert_eq!(never.ends(), [&EndCause::NeverStarted]);

    let mut quiet = Scene::talking();
    quiet.wait_without_media(25_000);
    assert_eq!(quiet.ends(), [&EndCause::NoMedia]);

    let mut stale = Scene::talking();
    for _ in 0..310 {
        stale.tell(Input::Agent(AgentEvent::Alive));
        stale.wait(1_000);
    }
    assert_eq!(stale.ends(), [&EndCause::Stale]);

    let mut plan = plan();
    plan.settings.limits.max_duration_ms = 60_000;
    let mut endless = Scene::talking_with(plan);
    for answer in 0..70 {
        endless.agent_sounds(answer, 1_000);
        endless.wait(1_000);
    }
    assert_eq!(endless.ends(), [&EndCause::MaxDuration]);
}

#[test]
fn nothing_happens_after_the_end() {
    let mut scene = Scene::talking();
    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));
    let facts = scene.facts.len();

    scene.tell(Input::Order(Order::HangUp { by: "late".into() }));
    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));
    scene.wait(1_000);

    assert_eq!(scene.facts.len(), facts);
    assert_eq!(scene.call.deadline(), None);
}
