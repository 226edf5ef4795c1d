//! What the emulated agent says, hears and does, from the client's side.

use std::time::Duration;

use lab::elevenlabs::{
    Act, AgentDoc, Config, ErrorAct, ErrorShape, HearingSettings, Script, SessionEnd, ToolCall, Turn,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::agent::{Client, answers, audio_of, lab, lab_with, types};

const LONG: &str =
    "This is a very long answer that goes on and on, so that there is time enough to cut into it.";

fn telling(turns: Vec<Turn>) -> AgentDoc {
    let more = [
        "agent_response_correction",
        "vad_score",
        "client_tool_call",
        "agent_tool_request",
        "agent_tool_response",
        "agent_tool_response_full_payload",
    ];
    let mut agent = AgentDoc { script: Script { turns, ..Script::default() }, ..AgentDoc::default() };
    agent.client_events.extend(more.map(str::to_owned));
    agent
}

#[tokio::test(start_paused = true)]
async fn the_greeting_arrives_much_faster_than_real_time() {
    let lab = lab(AgentDoc { first_message: LONG.into(), ..AgentDoc::default() }).await;
    let mut client = Client::begin(&lab).await;

    let answer = client.until("agent_response").await;
    let began = Instant::now();
    let mut bytes = 0;
    let mut ids = Vec::new();
    while bytes < LONG.len() * 60 * 32 {
        let audio = client.until("audio").await;
        bytes += audio_of(&audio).len();
        ids.push(audio["audio_event"]["event_id"].as_u64().unwrap());
    }

    assert_eq!(bytes, LONG.len() * 60 * 32);
    // 5.6 s of speech in pieces of half a second, twenty times faster.
    assert!(ids.len() == 12 && began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(ids.iter().all(|id| *id == answer["agent_response_event"]["event_id"].as_u64().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn chunk_size_burst_and_alignment_are_a_matter_of_configuration() {
    let config =
        Config { chunk: Duration::from_millis(120), burst: 0.0, alignment: true, ..Config::default() };
    let lab = lab_with(config).await;
    let mut client = Client::begin(&lab).await;

    client.until("agent_response").await;
    let began = Instant::now();
    let mut spoken = String::new();
    while spoken.len() < "Hello, how can I help you today?".len() {
        let audio = client.until("audio").await;
        assert_eq!(audio_of(&audio).len(), 120 * 32);
        let alignment = &audio["audio_event"]["alignment"];
        assert_eq!(alignment["char_start_times_ms"], json!([0, 60]));
        assert_eq!(alignment["char_durations_ms"], json!([60, 60]));
        spoken.extend(alignment["chars"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()));
    }

    assert_eq!(spoken, "Hello, how can I help you today?");
    assert!(began.elapsed() < Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_speech_is_understood_and_answered() {
    let turn = Turn { tentative: vec!["what".into()], ..Turn::saying("what is the time", "It is noon.") };
    let lab = lab(telling(vec![turn])).await;
    let mut client = Client::begin(&lab).await;
    client.until("agent_response").await;
    // The greeting is over by the clock.
    tokio::time::sleep(Duration::from_secs(3)).await;

    client.speak("what is the time please", Duration::from_secs(1)).await;
    let mut order = Vec::new();
    let answer = loop {
        let message = client.next().await.unwrap();
        let kind = message["type"].as_str().unwrap().to_owned();
        if kind == "agent_response" {
            break message;
        }
        order.push(kind);
    };

    order.retain(|kind| kind.ends_with("transcript"));
    assert_eq!(order, ["tentative_user_transcript", "user_transcript"]);
    assert_eq!(answer["agent_response_event"]["agent_response"], "It is noon.");
    let session = &lab.sessions()[0];
    assert!(session.interruptions.is_empty());
    assert_eq!(answers(session), ["Hello, how can I help you today?", "It is noon."]);
}

#[tokio::test(start_paused = true)]
async fn vad_scores_rise_with_speech() {
    let lab = lab(telling(vec![])).await;
    let mut client = Client::begin(&lab).await;
    let score = |message: Value| message["vad_score_event"]["vad_score"].as_f64().unwrap();

    client.speak("", Duration::from_millis(400)).await;
    let silent = score(client.until("vad_score").await);
    for _ in 0..3 {
        client.until("vad_score").await;
    }
    client.speak("aaaaaaaaaa", Duration::ZERO).await;
    client.until("vad_score").await;
    let loud = score(client.until("vad_score").await);

    assert!(silent < 0.1 && loud > 0.9, "{silent} {loud}");
}

#[tokio::test(start_paused = true)]
async fn speaking_over_the_agent_interrupts_it() {
    let mut agent = telling(vec![Turn::saying("stop", "Yes?")]);
    agent.first_message = LONG.into();
    agent.script.late_audio_after_interruption = true;
    let lab = lab(agent).await;
    let mut client = Client::begin(&lab).await;
    let id = client.until("agent_response").await["agent_response_event"]["event_id"].clone();
    // All of its audio has long been sent when a third of it has been heard.
    tokio::time::sleep(Duration::from_secs(2)).await;

    client.speak("stop stop stop", Duration::from_secs(1)).await;
    let interruption = client.until("interruption").await;
    let late = client.until("audio").await;
    let correction = client.until("agent_response_correction").await;
    let answer = client.until("agent_response").await;

    assert_eq!(interruption["interruption_event"]["event_id"], id);
    assert_eq!(late["audio_event"]["event_id"], id);
    let correction = &correction["agent_response_correction_event"];
    assert_eq!((correction["original_agent_response"].as_str(), &correction["event_id"]), (Some(LONG), &id));
    let corrected = correction["corrected_agent_response"].as_str().unwrap();
    assert!(LONG.starts_with(corrected) && (30..50).contains(&corrected.len()), "{corrected:?}");
    assert!(answer["agent_response_event"]["event_id"].as_u64() > id.as_u64());
    let session = &lab.sessions()[0];
    assert_eq!(session.interruptions.len(), 1);
    assert_eq!(session.answers[0].interrupted.as_deref(), Some(corrected));
}

#[tokio::test(start_paused = true)]
async fn without_the_event_in_its_list_the_agent_cannot_be_interrupted() {
    let mut agent = telling(vec![Turn::saying("stop", "Yes?")]);
    agent.first_message = LONG.into();
    agent.client_events.retain(|event| event != "interruption");
    let lab = lab(agent).await;
    let mut client = Client::begin(&lab).await;

    client.until("agent_response").await;
    client.speak("stop stop stop", Duration::from_secs(1)).await;
    client.until("user_transcript").await;

    let session = &lab.sessions()[0];
    assert!(session.interruptions.is_empty());
    assert_eq!(session.answers[0].interrupted, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_tool_holds_the_turn_until_it_is_answered() {
    let turn = Turn::acting(
        "look",
        vec![Act::Tool(ToolCall::named("look_up", json!({"day": "today"}))), Act::Say("Found.".into())],
    );
    let lab = lab(telling(vec![turn])).await;
    let mut client = Client::begin(&lab).await;
    client.until("agent_response").await;

    client.send(json!({"type": "user_message", "text": "look"})).await;
    let call = client.until("client_tool_call").await["client_tool_call"].clone();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(lab.sessions()[0].answers.len(), 1);
    let result = json!({"type": "client_tool_result", "tool_call_id": call["tool_call_id"], "result": "until six",
                        "is_error": false});
    client.send(result.clone()).await;
    let response = client.until("agent_tool_response").await;
    client.until("agent_response").await;
    client.send(result).await;
    let session = lab.session_when(0, |session| !session.complaints.is_empty()).await;

    assert_eq!(call["tool_name"], "look_up");
    assert_eq!(call["parameters"], json!({"day": "today"}));
    assert_eq!(call["expects_response"], true);
    assert_eq!(response["agent_tool_response"]["tool_type"], "client");
    let tool = &session.tools[0];
    let (text, is_error, took) = tool.result.clone().unwrap();
    assert_eq!((text.as_str(), is_error), ("until six", false));
    assert!((700..=702).contains(&took.as_millis()), "{took:?}");
    assert_eq!(answers(&session)[1], "Found.");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_fails_or_is_silent_takes_the_other_way() {
    for silent in [true, false] {
        let call = ToolCall {
            timeout_ms: 3_000,
            on_failure: vec![Act::Say("Sorry.".into())],
            ..ToolCall::named("look_up", json!({}))
        };
        let lab =
            lab(telling(vec![Turn::acting("x", vec![Act::Tool(call), Act::Say("Found.".into())])])).await;
        let mut client = Client::begin(&lab).await;
        client.until("agent_response").await;

        client.send(json!({"type": "user_message", "text": "x"})).await;
        let id = client.until("client_tool_call").await["client_tool_call"]["tool_call_id"].clone();
        if !silent {
            client
                .send(json!({"type": "client_tool_result", "tool_call_id": id, "result": "no", "is_error": true}))
                .await;
        }
        let answer = client.until("agent_response").await;

        assert_eq!(answer["agent_response_event"]["agent_response"], "Sorry.");
        assert_eq!(answers(&lab.sessions()[0]).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_expects_nothing_does_not_hold_anything_up() {
    let call = ToolCall { expects_response: false, ..ToolCall::named("note", json!({})) };
    let lab = lab(telling(vec![Turn::acting("x", vec![Act::Tool(call), Act::Say("Noted.".into())])])).await;
    let mut client = Client::begin(&lab).await;
    client.until("agent_response").await;

    client.send(json!({"type": "user_message", "text": "x"})).await;
    let call = client.until("client_tool_call").await;
    client.until("agent_response").await;

    assert_eq!(call["client_tool_call"]["expects_response"], false);
    assert_eq!(lab.sessions()[0].tools[0].result, None);
}

#[tokio::test(start_paused = true)]
async fn end_call_closes_before_the_farewell_can_have_been_played() {
    let farewell = "Thank you for calling, have a nice day, goodbye.";
    let end = Act::EndCall { farewell: Some(farewell.into()), reason: "done".into() };
    let lab = lab(telling(vec![Turn::acting("bye", vec![end])])).await;
    let mut client = Client::begin(&lab).await;
    client.until("agent_response").await;

    client.send(json!({"type": "user_message", "text": "bye"})).await;
    client.until("agent_response").await;
    let began = Instant::now();
    let messages = client.rest().await;

    let audio: usize = messages.iter().filter(|m| m["type"] == "audio").map(|m| audio_of(m).len()).sum();
    // What was left of the greeting comes first; the farewell is whole.
    assert!(audio >= farewell.len() * 60 * 32, "{audio}");
    let tail = types(&messages);
    assert_eq!(
        tail[tail.len() - 3..],
        ["agent_tool_request", "agent_tool_response", "agent_tool_response_full_payload"]
    );
    let response = &messages[messages.len() - 1]["agent_tool_response_full_payload"];
    assert_eq!(
        (response["tool_name"].as_str(), response["tool_type"].as_str()),
        (Some("end_call"), Some("system"))
    );
    assert!(response["tool_call_id"].as_str().unwrap().starts_with("end_call_"));
    assert!(response["full_tool_result"].as_str().unwrap().contains("done"));
    assert_eq!(client.closed.unwrap().0, 1000);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(matches!(lab.session_ended(0).await.end, Some(SessionEnd::Agent { code: 1000, .. })));
}

#[tokio::test(start_paused = true)]
async fn the_language_and_the_agent_can_change_on_the_way() {
    let acts = vec![Act::Language("hi".into()), Act::TransferToAgent { agent_id: "agent_two".into() }];
    let first = telling(vec![Turn::acting("x", acts)]);
    let second = AgentDoc {
        agent_id: "agent_two".into(),
        first_message: "I am the second.".into(),
        script: Script { turns: vec![Turn::saying("y", "Still here.")], ..Script::default() },
        ..AgentDoc::for_telephony("agent_two")
    };
    let lab = lab_with(Config { agents: vec![first, second], ..Config::default() }).await;
    let mut client = Client::begin(&lab).await;
    client.until("agent_response").await;

    client.send(json!({"type": "user_message", "text": "x"})).await;
    let traces = [
        client.until("agent_tool_response_full_payload").await,
        client.until("agent_tool_response_full_payload").await,
    ];
    let greeting = client.until("agent_response").await;
    client.send(json!({"type": "user_message", "text": "y"})).await;
    let answer = client.until("agent_response").await;

    let names = traces.map(|trace| trace["agent_tool_response_full_payload"]["tool_name"].clone());
    assert_eq!(names, ["language_detection", "transfer_to_agent"]);
    assert_eq!(greeting["agent_response_event"]["agent_response"], "I am the second.");
    assert_eq!(answer["agent_response_event"]["agent_response"], "Still here.");
}

#[tokio::test(start_paused = true)]
async fn errors_come_in_both_shapes_with_their_close() {
    for (shape, path) in [(ErrorShape::Nested, "/error_event/message"), (ErrorShape::Flat, "/message")] {
        let error = ErrorAct {
            shape,
            code: 1002,
            error_type: "llm_timeout".into(),
            message: "the model said nothing".into(),
            close: true,
        };
        let lab = lab(telling(vec![Turn::acting("x", vec![Act::Error(error)])])).await;
        let mut client = Client::begin(&lab).await;

        client.send(json!({"type": "user_message", "text": "x"})).await;
        let error = client.until("error").await;
        client.rest().await;

        assert_eq!(error.pointer(path).unwrap(), "the model said nothing");
        assert_eq!(client.closed.unwrap().0, 1002);
    }
}

#[tokio::test(start_paused = true)]
async fn any_event_can_be_sent_at_the_start_and_on_demand() {
    let mut agent = AgentDoc::default();
    agent.script.at_start = vec![Act::Send(
        json!({"type": "asr_initiation_metadata", "asr_initiation_metadata_event": {"a": 1}}),
    )];
    let lab = lab(agent).await;
    let mut client = Client::begin(&lab).await;
    let first = client.next().await.unwrap();

    let status = json!({"type": "mcp_connection_status", "mcp_connection_status": {"integrations": []}});
    assert!(lab.act(0, Act::Send(status.clone())).await);
    let sent = client.until("mcp_connection_status").await;
    assert!(lab.act(0, Act::Close { code: 1011, reason: "on demand".into() }).await);
    client.rest().await;

    assert_eq!(first["type"], "asr_initiation_metadata");
    assert_eq!(sent, status);
    assert_eq!(client.closed.unwrap(), (1011, "on demand".into()));
    assert!(!lab.act(7, Act::Ping).await);
}

#[tokio::test(start_paused = true)]
async fn an_echoing_agent_sends_back_what_it_hears() {
    let agent = AgentDoc {
        script: Script { echo: true, ..Script::default() },
        ..AgentDoc::for_telephony("agent_lab")
    };
    let lab = lab(agent).await;
    let mut client = Client::begin(&lab).await;

    let mut ids = Vec::new();
    for n in 0..5_u8 {
        client.send_audio(&[n; 160]).await;
        let echo = client.until("audio").await;
        assert_eq!(audio_of(&echo), [n; 160]);
        ids.push(echo["audio_event"]["event_id"].as_u64().unwrap());
    }

    assert!(ids.is_sorted());
    assert!(lab.sessions()[0].answers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_user_is_addressed_again_unless_busy() {
    let mut agent = AgentDoc { turn_timeout_seconds: 7, ..AgentDoc::default() };
    agent.script.reengage = Some("Are you still there?".into());
    let lab = lab(agent).await;
    let mut client = Client::begin(&lab).await;
    client.until("agent_response").await;

    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        client.send(json!({"type": "user_activity"})).await;
    }
    lab.session_when(0, |session| session.user_activities == 3).await;
    assert_eq!(lab.sessions()[0].answers.len(), 1);
    let again = client.until("agent_response").await;

    assert_eq!(again["agent_response_event"]["agent_response"], "Are you still there?");
}

#[tokio::test(start_paused = true)]
async fn a_text_agent_sends_no_audio() {
    let mut agent =
        AgentDoc { overrides_allowed: vec!["conversation.text_only".into()], ..AgentDoc::default() };
    agent.script.turns = vec![Turn::acting("x", vec![Act::Close { code: 1000, reason: String::new() }])];
    let lab = lab(agent).await;
    let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();

    client.start(json!({"conversation_config_override": {"conversation": {"text_only": true}}})).await;
    client.until("agent_response").await;
    client.send(json!({"type": "user_message", "text": "x"})).await;
    let messages = client.rest().await;

    assert!(!types(&messages).contains(&"audio"));
}

#[tokio::test(start_paused = true)]
async fn context_and_activity_are_kept_and_cause_no_turn() {
    let lab = lab(AgentDoc::default()).await;
    let mut client = Client::begin(&lab).await;

    client.send(json!({"type": "contextual_update", "text": "the caller is on hold"})).await;
    client.send(json!({"type": "feedback", "event_id": 1, "score": "like"})).await;
    client.send(json!({"type": "user_activity"})).await;
    let session = lab.session_when(0, |session| session.user_activities == 1).await;

    assert_eq!(session.contextual_updates, ["the caller is on hold"]);
    assert_eq!(session.received.len(), 4);
    assert_eq!(session.answers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_ear_can_be_made_quicker() {
    let mut agent = telling(vec![Turn::saying("a", "b")]);
    agent.first_message = String::new();
    agent.script.hearing = HearingSettings { speech_ms: 60, silence_ms: 200 };
    let lab = lab(agent).await;
    let mut client = Client::begin(&lab).await;

    client.speak("aaaaa", Duration::from_millis(400)).await;

    let session = lab.session_when(0, |session| session.sent_count("user_transcript") == 1).await;
    let at = session.sent.iter().find(|(_, kind)| kind == "user_transcript").unwrap().0;
    assert!((480..700).contains(&at.as_millis()), "{at:?}");
}
