//! Recorded messages: nothing is lost of them, nothing invented, and each means what it should.

use std::collections::BTreeSet;

use agents::elevenlabs::Initiation;
use agents::elevenlabs::messages::{FromAgent, ToAgent};
use call::{AgentEvent, QueueStatus, ToolStage};
use serde_json::{Value, json};

use crate::sessions::Session;

const SERVER: &str = include_str!("../../fixtures/elevenlabs/server-every-event.jsonl");
const UNDOCUMENTED: &str = include_str!("../../fixtures/elevenlabs/server-undocumented.jsonl");
const CLIENT: &str = include_str!("../../fixtures/elevenlabs/client-every-message.jsonl");
const START: &str = include_str!("../../fixtures/elevenlabs/client-start.jsonl");

pub(crate) fn server_lines() -> impl Iterator<Item = &'static str> {
    SERVER.lines().chain(UNDOCUMENTED.lines())
}

/// `null` and absent are the same to us.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        // 40 and 40.0 are the same number.
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

#[test]
fn server_messages_survive_a_round_trip() {
    for line in server_lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let message: FromAgent = serde_json::from_str(line).unwrap();
        assert_ne!(message, FromAgent::Unknown, "{line}");
        assert_eq!(
            without_nulls(serde_json::to_value(&message).unwrap()),
            without_nulls(recorded),
            "lost or invented a field"
        );
    }
}

#[test]
fn client_messages_survive_a_round_trip() {
    for line in CLIENT.lines() {
        let message: ToAgent = serde_json::from_str(line).unwrap();
        assert_eq!(
            serde_json::to_value(&message).unwrap(),
            serde_json::from_str::<Value>(line).unwrap(),
            "lost or invented a field"
        );
    }
}

#[test]
fn the_first_message_is_written_as_the_provider_documents_it() {
    let text = |text: &str| Some(text.to_owned());
    let full = Initiation {
        dynamic_variables: [("name", json!("Asha")), ("tries", json!(2)), ("vip", json!(true))]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        prompt: text("You answer for a tea shop."),
        first_message: text("Tea shop, hello!"),
        language: text("hi"),
        llm: text("gemini-2.5-flash"),
        voice_id: text("21m00Tcm4TlvDq8ikWAM"),
        stability: Some(0.5),
        speed: Some(1.0),
        similarity_boost: Some(0.8),
        keywords: vec!["oolong".into()],
        custom_llm_extra_body: json!({"temperature": 0.4}).as_object().cloned(),
        user_id: text("crm-42"),
        source: Some(("trunkline".into(), "0.1.0".into())),
    };

    let written: Vec<Value> = [Initiation::default(), full]
        .iter()
        .map(|initiation| serde_json::from_str(&initiation.message()).unwrap())
        .collect();

    let recorded: Vec<Value> = START.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written, recorded);
}

#[test]
fn every_recorded_message_is_understood() {
    let mut session = Session::new(crate::sessions::plan(audio::Rate::Hz8000));
    for line in server_lines() {
        session.read_text(line);
        let told = session.told();
        assert!(!told.is_empty(), "nothing came of {line}");
        assert!(!told.iter().any(|event| matches!(event, AgentEvent::Odd(_))), "{line}: {told:?}");
    }
}

#[test]
fn recorded_messages_mean_what_they_should() {
    let mut session = Session::new(crate::sessions::plan(audio::Rate::Hz8000));
    for line in server_lines() {
        session.read_text(line);
    }
    let told = session.told();

    let count = |wanted: fn(&AgentEvent) -> bool| told.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, AgentEvent::Ready(_))), 1);
    assert_eq!(count(|event| matches!(event, AgentEvent::Audio { .. })), 2);
    assert_eq!(count(|event| matches!(event, AgentEvent::CallerSaid { is_final: true, .. })), 1);
    assert_eq!(count(|event| matches!(event, AgentEvent::CallerSaid { is_final: false, .. })), 1);
    assert_eq!(count(|event| matches!(event, AgentEvent::Says { .. })), 2);
    assert_eq!(count(|event| matches!(event, AgentEvent::Interrupted { .. })), 1);
    assert_eq!(count(|event| matches!(event, AgentEvent::Corrected { .. })), 1);
    assert_eq!(count(|event| matches!(event, AgentEvent::SpeechScore(_))), 1);
    assert_eq!(count(|event| matches!(event, AgentEvent::Fault(_))), 2);
    let queue: Vec<QueueStatus> = told
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Queue(status) => Some(*status),
            _ => None,
        })
        .collect();
    assert_eq!(queue, [QueueStatus::Waiting, QueueStatus::Admitted, QueueStatus::TimedOut]);

    let called: Vec<(&str, bool)> = told
        .iter()
        .filter_map(|event| match event {
            AgentEvent::ToolCalled(tool) => Some((tool.id.as_str(), tool.wants_answer)),
            _ => None,
        })
        .collect();
    assert_eq!(called, [("call_8f", true), ("call_90", false), ("call_91", true), ("transfer_1", false)]);

    let traced: BTreeSet<(&str, &str)> = told
        .iter()
        .filter_map(|event| match event {
            AgentEvent::ToolTraced(trace) => {
                let stage = match trace.stage {
                    ToolStage::Requested => "requested",
                    ToolStage::Done => "done",
                    ToolStage::Failed => "failed",
                };
                Some((trace.id.as_str(), stage))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        traced,
        BTreeSet::from([
            ("skip_turn_a1", "requested"),
            ("end_call_1", "done"),
            ("transfer_1", "done"),
            ("mcp_1", "requested"),
            ("mcp_1", "failed"),
            ("mcp_2", "done"),
            ("mcp_3", "failed"),
        ])
    );

    let sent = session.sent();
    let pongs: Vec<i64> = sent
        .iter()
        .filter(|sent| sent["type"] == "pong")
        .map(|sent| sent["event_id"].as_i64().unwrap())
        .collect();
    assert_eq!(pongs, [2, 3, 4]);
    assert!(sent.contains(
        &json!({"type": "mcp_tool_approval_result", "tool_call_id": "mcp_1", "is_approved": false})
    ));
}
