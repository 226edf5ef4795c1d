//! The REST side of the emulated agent platform.

use std::time::Duration;

use lab::elevenlabs::{AgentDoc, Config, ElevenLabs};
use lab::faults::Faults;
use serde_json::{Value, json};

use crate::agent::{Client, lab, lab_with};

async fn get(lab: &ElevenLabs, path: &str, key: &str) -> (u16, Value) {
    let url = format!("{}{path}", lab.base_url());
    let answer = reqwest::Client::new().get(url).header("xi-api-key", key).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn errors_come_in_all_four_shapes() {
    let lab = lab(AgentDoc::default()).await;
    let key = lab.api_key().to_owned();

    let (status, named) = get(&lab, "/v1/convai/conversation/get-signed-url?agent_id=nobody", &key).await;
    assert_eq!(status, 404);
    for field in ["type", "code", "message", "status", "request_id"] {
        assert!(named["detail"][field].is_string(), "{field}");
    }
    let (status, legacy) = get(&lab, "/v1/convai/agents/agent_lab", "wrong").await;
    assert_eq!((status, legacy["detail"]["status"].as_str()), (401, Some("invalid_api_key")));
    let (status, list) = get(&lab, "/v1/convai/conversation/get-signed-url", &key).await;
    assert_eq!((status, list["detail"][0]["loc"].clone()), (422, json!(["query", "agent_id"])));
    let (status, plain) = get(&lab, "/v1/voice_lab", &key).await;
    assert_eq!((status, plain), (404, json!({"detail": "Not Found"})));

    let statuses: Vec<u16> = lab.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [404, 401, 422]);
}

#[tokio::test(start_paused = true)]
async fn the_agents_document_says_what_is_switched_on() {
    let agent = AgentDoc {
        overrides_allowed: vec!["agent.prompt.prompt".into(), "tts.voice_id".into()],
        ..AgentDoc::for_telephony("agent_lab")
    };
    let lab = lab(agent).await;

    let (status, document) = get(&lab, "/v1/convai/agents/agent_lab", lab.api_key()).await;

    assert_eq!(status, 200);
    let config = &document["conversation_config"];
    assert_eq!(config["asr"]["user_input_audio_format"], "ulaw_8000");
    assert_eq!(config["tts"]["agent_output_audio_format"], "ulaw_8000");
    assert!(config["conversation"]["client_events"].as_array().unwrap().contains(&json!("vad_score")));
    let allowed = &document["platform_settings"]["overrides"]["conversation_config_override"];
    assert_eq!(allowed["agent"]["prompt"], json!({"prompt": true, "llm": false}));
    assert_eq!(allowed["agent"]["first_message"], false);
    assert_eq!(allowed["tts"]["voice_id"], true);
}

#[tokio::test(start_paused = true)]
async fn a_conversations_record_follows_its_life() {
    let lab = lab_with(Config { processing: Duration::from_secs(5), ..Config::default() }).await;
    let mut client = Client::begin(&lab).await;
    let id = lab.sessions()[0].conversation_id.clone();
    let path = format!("/v1/convai/conversations/{id}");
    client.send(json!({"type": "user_message", "text": "1"})).await;
    lab.session_when(0, |session| session.answers.len() == 2).await;

    let (_, live) = get(&lab, &path, lab.api_key()).await;
    let (_, count) = get(&lab, "/v1/convai/analytics/live-count", lab.api_key()).await;
    client.ws.close(None).await.unwrap();
    client.rest().await;
    lab.session_ended(0).await;
    let (_, processing) = get(&lab, &path, lab.api_key()).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let (_, done) = get(&lab, &path, lab.api_key()).await;

    let states = [&live, &processing, &done].map(|record| record["status"].as_str().unwrap());
    assert_eq!(states, ["in-progress", "processing", "done"]);
    assert_eq!(count, json!({"count": 1}));
    assert_eq!(live["analysis"], Value::Null);
    assert_eq!(done["analysis"]["call_successful"], "unknown");
    assert_eq!(done["metadata"]["authorization_method"], "public");
    let roles: Vec<&str> =
        done["transcript"].as_array().unwrap().iter().map(|t| t["role"].as_str().unwrap()).collect();
    assert_eq!(roles.iter().filter(|role| **role == "agent").count(), 2);
    assert_eq!(roles.iter().filter(|role| **role == "user").count(), 1);
    let (status, _) = get(&lab, "/v1/convai/conversations/conv_none", lab.api_key()).await;
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_ended_by_an_error_says_why() {
    let faults: Faults = "after_metadata: close 1011 internal".parse().unwrap();
    let lab = lab_with(Config { faults: vec![faults], ..Config::default() }).await;
    let mut client = Client::begin(&lab).await;
    client.rest().await;
    let id = lab.session_ended(0).await.conversation_id;

    let (_, record) = get(&lab, &format!("/v1/convai/conversations/{id}"), lab.api_key()).await;

    assert_eq!(record["status"], "failed");
    assert_eq!(record["metadata"]["error"], json!({"code": 1011, "reason": "internal"}));
}

#[tokio::test(start_paused = true)]
async fn a_key_can_be_checked_cheaply() {
    let lab = lab(AgentDoc::default()).await;

    let (status, user) = get(&lab, "/v1/user", lab.api_key()).await;
    let (refused, _) = get(&lab, "/v1/user", "wrong").await;

    assert_eq!((status, refused), (200, 401));
    assert_eq!(user["subscription"]["status"], "active");
}

#[tokio::test(start_paused = true)]
async fn rest_can_be_made_to_fail() {
    let body = r#"{"detail":{"status":"quota_exceeded","message":"no credits left"}}"#;
    let rest_faults: Faults = format!("at_handshake: error_body 401 {body}").parse().unwrap();
    let lab = lab_with(Config { rest_faults, ..Config::default() }).await;

    let (status, error) = get(&lab, "/v1/user", lab.api_key()).await;

    assert_eq!((status, error["detail"]["status"].as_str()), (401, Some("quota_exceeded")));
}
