//! Carriers that are asked by message to let go, and answer by leaving.

use call::{
    CallPlan, CarrierCommand, CarrierDeparture, CarrierEvent, EndCause, Fact, Input, Order, ToolCall,
    Watchdog,
};
use serde_json::json;

use crate::scene::{BY_MESSAGE, Scene, plan};

const CLOSED: Input = Input::Carrier(CarrierEvent::Left(CarrierDeparture::SocketClosed { code: Some(1000) }));

fn talking() -> Scene {
    Scene::talking_with(CallPlan { carrier: BY_MESSAGE, ..plan() })
}

fn hand_over(scene: &mut Scene) {
    scene.tell(Input::Order(Order::Transfer { to: "+14155550123".into(), by: "a test".into() }));
    scene.wait(1_200);
    assert!(scene.carrier.contains(&CarrierCommand::Transfer { to: "+14155550123".into() }));
}

#[test]
fn a_caller_who_just_closes_has_hung_up() {
    let mut scene = talking();

    scene.tell(CLOSED);

    assert_eq!(scene.ends(), [&EndCause::CallerHungUp]);
}

#[test]
fn a_carrier_told_to_hang_up_has_two_seconds_to_leave() {
    let mut scene = talking();
    scene.tell(Input::Order(Order::HangUp { by: "a test".into() }));
    assert!(scene.hung_up());

    scene.wait(1_980);
    assert!(!scene.call.is_over(), "too early");
    scene.wait(40);

    assert_eq!(scene.ends(), [&EndCause::OperatorHungUp { by: "a test".into() }]);
    assert!(!scene.has(|fact| matches!(fact, Fact::Watchdog { .. })), "letting go is the agreed next step");
}

#[test]
fn a_carrier_that_leaves_when_told_to_ends_the_call_at_once() {
    let mut scene = talking();
    scene.tell(Input::Carrier(CarrierEvent::Left(CarrierDeparture::Stopped)));

    assert!(scene.call.is_over());
}

#[test]
fn leaving_after_a_transfer_was_asked_for_is_the_transfer() {
    let mut scene = talking();
    hand_over(&mut scene);

    scene.tell(CLOSED);

    assert_eq!(scene.ends(), [&EndCause::Transferred { to: "+14155550123".into() }]);
}

#[test]
fn a_transfer_without_an_answer_is_noted_as_unconfirmed() {
    let mut scene = talking();
    hand_over(&mut scene);

    scene.wait(2_100);

    assert_eq!(scene.ends(), [&EndCause::Transferred { to: "+14155550123".into() }]);
    assert!(scene.has(|fact| *fact == Fact::Watchdog { which: Watchdog::TransferNotConfirmed }));
}

#[test]
fn an_agent_that_ends_the_call_is_its_cause_even_though_the_carrier_only_closes() {
    let mut scene = talking();
    scene.tell(Input::Agent(call::AgentEvent::ToolCalled(ToolCall {
        id: "t1".into(),
        name: "end_call".into(),
        arguments: json!({"reason": "done"}),
        wants_answer: true,
    })));
    scene.wait(1_500);
    assert!(scene.hung_up());

    scene.tell(CLOSED);

    assert_eq!(scene.ends(), [&EndCause::AgentHungUp { reason: Some("done".into()) }]);
}
