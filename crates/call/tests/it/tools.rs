//! Every tool call is answered.

use call::{AgentCommand, AgentEvent, CarrierCommand, Command, Input, Retry, ToolCall, ToolOutcome, Way};
use serde_json::json;

use crate::scene::{CARRIER, Scene, plan};

fn called(id: &str, name: &str, arguments: serde_json::Value) -> Input {
    Input::Agent(AgentEvent::ToolCalled(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments,
        wants_answer: true,
    }))
}

fn answers(scene: &Scene) -> Vec<(&str, bool)> {
    scene
        .agent
        .iter()
        .filter_map(|c| match c {
            AgentCommand::ToolResult { id, is_error, .. } => Some((id.as_str(), *is_error)),
            _ => None,
        })
        .collect()
}

#[test]
fn tools_of_the_bot_run_beside_each_other_and_answer_as_they_finish() {
    let mut scene = Scene::talking();
    scene.tell(called("a", "weather", json!({"city": "Pune"})));
    scene.tell(called("b", "weather", json!({"city": "Graz"})));
    assert_eq!(scene.other.iter().filter(|c| matches!(c, Command::RunTool(_))).count(), 2);

    scene.tell(Input::Tool(ToolOutcome { id: "b".into(), result: "snow".into(), is_error: false }));
    scene.tell(Input::Tool(ToolOutcome { id: "a".into(), result: "timeout".into(), is_error: true }));
    scene.tell(Input::Tool(ToolOutcome { id: "a".into(), result: "again".into(), is_error: false }));

    assert_eq!(answers(&scene), [("b", false), ("a", true)]);
}

#[test]
fn unknown_and_impossible_tools_are_answered_with_an_error() {
    let mut plan = plan();
    plan.carrier = call::CarrierCapabilities { transfer: Way::No, digits_out: Way::No, ..CARRIER };
    let mut scene = Scene::talking_with(plan);

    scene.tell(called("1", "make_coffee", json!({})));
    scene.tell(called("2", "transfer_to_number", json!({"number": "+1"})));
    scene.tell(called("3", "play_keypad_touch_tone", json!({"dtmf_tones": "1"})));
    scene.tell(called("4", "transfer_to_agent", json!(null)));
    scene.tell(called("5", "skip_turn", json!("confused")));

    assert_eq!(answers(&scene), [("1", true), ("2", true), ("3", true), ("4", true), ("5", false)]);
}

#[test]
fn transfers_go_only_where_the_bot_may_transfer() {
    let mut plan = plan();
    plan.settings.transfer_to = vec!["+4930123".into()];
    let mut scene = Scene::talking_with(plan);

    scene.tell(called("1", "transfer_to_number", json!({"number": "+1900666"})));
    scene.tell(called("2", "transfer_to_number", json!({})));
    assert_eq!(answers(&scene), [("1", true), ("2", true)]);
    scene.tell(called("3", "transfer_to_number", json!({"number": "+4930123"})));

    assert_eq!(answers(&scene).last(), Some(&("3", false)));
}

#[test]
fn keys_are_played_to_the_far_side() {
    let mut scene = Scene::talking();
    scene.tell(called("1", "play_keypad_touch_tone", json!({"dtmf_tones": "1w2#x"})));

    assert!(scene.carrier.iter().any(|c| matches!(c, CarrierCommand::Digits(d) if d.len() == 3)));
}

#[test]
fn a_result_whose_session_died_reaches_the_next_one_in_words() {
    let mut scene = Scene::talking();
    scene.tell(called("a", "weather", json!({})));
    scene.agent_lost(Retry::Backoff);
    scene.tell(Input::Tool(ToolOutcome { id: "a".into(), result: "snow".into(), is_error: false }));
    scene.wait(300);
    scene.ready();

    assert!(answers(&scene).is_empty(), "the new session never asked");
    assert!(scene.agent.iter().any(|c| matches!(c, AgentCommand::Context { text } if text.contains("snow"))));
}

#[test]
fn a_flood_of_tools_is_bounded_and_told_so() {
    let mut scene = Scene::talking();
    for n in 0..100 {
        scene.tell(called(&n.to_string(), "weather", json!({})));
    }

    assert_eq!(scene.other.iter().filter(|c| matches!(c, Command::RunTool(_))).count(), 32);
    assert_eq!(answers(&scene).len(), 68);
}

#[test]
fn no_answer_is_sent_where_none_is_wanted() {
    let mut scene = Scene::talking();
    scene.tell(Input::Agent(AgentEvent::ToolCalled(ToolCall {
        id: "1".into(),
        name: "nonsense".into(),
        arguments: json!({}),
        wants_answer: false,
    })));

    assert!(answers(&scene).is_empty());
}
