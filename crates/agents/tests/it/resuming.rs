//! A new session that goes on where a lost one stopped.

use agents::elevenlabs::{Initiation, LegPlan};
use audio::Rate;
use call::{AgentCommand, AgentEvent, AnswerId, Said, Side};
use serde_json::{Value, json};

use crate::sessions::{Session, agent_response, audio, plan, user_transcript};

fn said(side: Side, text: &str) -> Said {
    Said { side, text: text.into() }
}

fn unanswered() -> Vec<Said> {
    vec![said(Side::Agent, "Hello, tea shop."), said(Side::Caller, "Where is my order?")]
}

fn answered() -> Vec<Said> {
    vec![said(Side::Caller, "Where is my order?"), said(Side::Agent, "Let me look.")]
}

fn answers(events: &[AgentEvent]) -> Vec<i64> {
    events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Audio { answer, .. } | AgentEvent::Says { answer, .. } => Some(answer.0),
            _ => None,
        })
        .collect()
}

fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap_or("audio")).collect()
}

#[test]
fn the_conversation_so_far_follows_the_first_message() {
    let mut session = Session::resumed(answered(), false);

    let sent = session.sent();
    assert_eq!(kinds(&sent), ["conversation_initiation_client_data", "contextual_update"]);
    let text = sent[1]["text"].as_str().unwrap();
    assert!(text.contains("Caller: Where is my order?\nYou: Let me look."), "{text}");
}

#[test]
fn where_nothing_was_said_the_conversation_begins() {
    let mut session = Session::resumed(vec![], true);

    assert_eq!(session.sent(), [json!({"type": "conversation_initiation_client_data"})]);
    session.read(&agent_response(1, "Hello, tea shop."));
    assert_eq!(answers(&session.told()), [1], "lost before the greeting, greeted now");
}

#[test]
fn the_greeting_is_switched_off_where_that_is_allowed() {
    let mut session = Session::resumed(answered(), true);

    assert_eq!(session.sent()[0]["conversation_config_override"], json!({"agent": {"first_message": ""}}));
}

#[test]
fn no_override_is_sent_where_it_would_fail_the_session() {
    let initiation = Initiation { first_message: Some("Hi!".into()), ..Initiation::default() };
    let mut session = Session::new(LegPlan { initiation, resume: Some(answered()), ..plan(Rate::Hz8000) });

    assert_eq!(session.sent(), [json!({"type": "conversation_initiation_client_data"})]);
}

#[test]
fn a_second_greeting_is_kept_from_the_caller() {
    for allowed in [false, true] {
        let mut session = Session::resumed(answered(), allowed);
        session.told();

        session.read(&agent_response(1, "Hello, tea shop."));
        session.read(&audio(1, &[0; 160]));
        session.read(&user_transcript(2, "Hello?"));
        session.read(&audio(1, &[0; 160]));
        session.read(&json!({"type": "agent_response_correction", "agent_response_correction_event":
            {"original_agent_response": "Hello, tea shop.", "corrected_agent_response": "Hello", "event_id": 1}}));
        session.read(&agent_response(3, "It is on its way."));
        session.read(&audio(3, &[0; 160]));

        let told = session.told();
        assert_eq!(answers(&told), [3, 3], "{told:?}");
        assert!(!told.iter().any(|event| matches!(event, AgentEvent::Corrected { .. })));
        assert!(told.contains(&AgentEvent::CallerSaid { text: "Hello?".into(), is_final: true }));
        assert!(!told.contains(&AgentEvent::AnswerEnded { answer: AnswerId(1) }));
    }
}

#[test]
fn words_that_nobody_answered_are_put_to_the_new_session() {
    let mut session = Session::resumed(unanswered(), false);
    assert_eq!(kinds(&session.sent()), ["conversation_initiation_client_data", "contextual_update"]);

    session.read(&agent_response(1, "Hello, tea shop."));
    assert_eq!(session.sent(), [json!({"type": "user_message", "text": "Where is my order?"})]);
    session.read(&agent_response(3, "It is on its way."));

    assert_eq!(answers(&session.told()), [3]);

    let mut silent = Session::resumed(unanswered(), true);
    assert_eq!(
        kinds(&silent.sent()),
        ["conversation_initiation_client_data", "contextual_update", "user_message"]
    );
    silent.read(&agent_response(1, "It is on its way."));
    assert_eq!(answers(&silent.told()), [1], "without a greeting the first answer is the answer");
}

#[test]
fn an_agent_without_a_greeting_is_asked_after_a_while() {
    let mut session = Session::resumed(unanswered(), false);
    session.sent();

    for _ in 0..250 {
        session.hear(Rate::Hz8000, &[0; 160]);
    }

    let asked: Vec<Value> =
        session.sent().into_iter().filter(|sent| sent["type"] == "user_message").collect();
    assert_eq!(asked, [json!({"type": "user_message", "text": "Where is my order?"})]);
    session.read(&agent_response(1, "It is on its way."));
    assert_eq!(answers(&session.told()), [1]);
}

#[test]
fn keys_and_sentences_to_be_said_are_reasons_to_speak() {
    for command in [AgentCommand::Digits("1".into()), AgentCommand::Say { text: "We close.".into() }] {
        let mut session = Session::resumed(answered(), false);

        session.write(command);
        session.read(&agent_response(1, "We close."));

        assert_eq!(answers(&session.told()), [1]);
    }
}
