//! Everything a client did, kept for the test that asks.

use std::time::Duration;

use audio::Frame;
use serde_json::{Value, json};

use super::format::Format;

/// Messages kept per session, audio not counted.
const MESSAGES_MAX: usize = 20_000;
/// Two hours at 16 kHz.
const SAMPLES_MAX: usize = 16_000 * 7_200;
const CHUNKS_MAX: usize = 400_000;

/// One conversation, as far as it has come. Times count from the opening of its socket.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    pub conversation_id: String,
    pub agent_id: String,
    pub authorization: Authorization,
    /// The query of the upgrade, as sent.
    pub query: String,
    /// The sub-protocol that was offered and echoed.
    pub subprotocol: Option<String>,
    /// The first message, whole.
    pub initiation: Option<Value>,
    /// What the client sent, audio left out.
    pub received: Vec<(Duration, Value)>,
    /// The caller's audio as it arrived.
    pub audio: Frame,
    /// When each chunk arrived, and how many bytes it had.
    pub chunks: Vec<(Duration, usize)>,
    pub user_messages: Vec<String>,
    pub contextual_updates: Vec<String>,
    pub user_activities: u64,
    pub tools: Vec<ToolRecord>,
    /// Pings answered: event id and how long it took.
    pub pongs: Vec<(u64, Duration)>,
    pub missed_pongs: u64,
    /// The types of what was sent, in order.
    pub sent: Vec<(Duration, String)>,
    pub answers: Vec<AnswerRecord>,
    pub interruptions: Vec<(Duration, u64)>,
    /// Deviations from the protocol that do not end the conversation.
    pub complaints: Vec<String>,
    pub faults: Vec<String>,
    pub end: Option<SessionEnd>,
    pub duration: Duration,
    pub input_format: Format,
    pub(super) started_unix: i64,
    /// Messages that were received and not kept.
    pub dropped: u64,
    /// Messages given up because the client does not read.
    pub unsent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    Public,
    SignedUrl,
    ApiKey,
}

impl Authorization {
    pub(super) fn token(self) -> &'static str {
        match self {
            Authorization::Public => "public",
            Authorization::SignedUrl => "signed_url",
            Authorization::ApiKey => "authorization_header",
        }
    }
}

/// A tool call and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRecord {
    pub at: Duration,
    pub name: String,
    pub call_id: String,
    pub parameters: Value,
    /// `(result, is_error)` and how long the client took; none if it never answered.
    pub result: Option<(String, bool, Duration)>,
}

/// An answer of the agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRecord {
    pub at: Duration,
    pub text: String,
    pub event_id: u64,
    /// Set when the user interrupted it: what the agent thinks was heard.
    pub interrupted: Option<String>,
}

/// Who ended a conversation, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    Client {
        code: u16,
        reason: String,
    },
    Agent {
        code: u16,
        reason: String,
    },
    /// No close frame.
    Lost {
        why: String,
    },
    /// A fault script dropped the connection.
    Dropped,
    /// The emulator was shut down.
    ShutDown,
}

impl SessionRecord {
    pub(super) fn new(
        conversation_id: String,
        agent_id: String,
        authorization: Authorization,
        format: Format,
    ) -> Self {
        SessionRecord {
            conversation_id,
            agent_id,
            authorization,
            query: String::new(),
            subprotocol: None,
            initiation: None,
            received: Vec::new(),
            audio: Frame::new(format.rate(), Vec::new()),
            chunks: Vec::new(),
            user_messages: Vec::new(),
            contextual_updates: Vec::new(),
            user_activities: 0,
            tools: Vec::new(),
            pongs: Vec::new(),
            missed_pongs: 0,
            sent: Vec::new(),
            answers: Vec::new(),
            interruptions: Vec::new(),
            complaints: Vec::new(),
            faults: Vec::new(),
            end: None,
            duration: Duration::ZERO,
            input_format: format,
            started_unix: jiff::Timestamp::now().as_second(),
            dropped: 0,
            unsent: 0,
        }
    }

    pub(super) fn receive(&mut self, at: Duration, message: Value) {
        if self.received.len() < MESSAGES_MAX {
            self.received.push((at, message));
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn hear(&mut self, at: Duration, samples: &[i16], bytes: usize) {
        if self.chunks.len() < CHUNKS_MAX {
            self.chunks.push((at, bytes));
        }
        let room = SAMPLES_MAX.saturating_sub(self.audio.samples.len());
        self.audio.samples.extend(samples.iter().take(room));
    }

    pub(super) fn send(&mut self, at: Duration, kind: &str) {
        if self.sent.len() < MESSAGES_MAX {
            self.sent.push((at, kind.to_owned()));
        }
    }

    pub(super) fn complain(&mut self, complaint: impl Into<String>) {
        if self.complaints.len() < 1_000 {
            self.complaints.push(complaint.into());
        }
    }

    /// How often a message of this type was sent.
    pub fn sent_count(&self, kind: &str) -> usize {
        self.sent.iter().filter(|(_, sent)| sent == kind).count()
    }

    /// The record that `GET /v1/convai/conversations/{id}` gives.
    pub(super) fn document(&self, agent_name: &str, status: &str) -> Value {
        let mut transcript: Vec<(Duration, Value)> = self
            .answers
            .iter()
            .map(|answer| {
                let seconds = answer.at.as_secs();
                let message = answer.interrupted.as_ref().unwrap_or(&answer.text);
                let entry = json!({
                    "role": "agent", "message": message, "time_in_call_secs": seconds,
                    "interrupted": answer.interrupted.is_some(),
                    "original_message": answer.interrupted.as_ref().map(|_| &answer.text),
                    "tool_calls": [], "tool_results": [],
                });
                (answer.at, entry)
            })
            .collect();
        transcript.extend(self.tools.iter().map(|tool| {
            let (result, is_error) = match &tool.result {
                Some((result, is_error, _)) => (result.as_str(), *is_error),
                None => ("", true),
            };
            let entry = json!({
                "role": "agent", "message": null, "time_in_call_secs": tool.at.as_secs(), "interrupted": false,
                "tool_calls": [{
                    "type": "client", "request_id": tool.call_id, "tool_name": tool.name,
                    "params_as_json": tool.parameters.to_string(), "tool_has_been_called": true,
                }],
                "tool_results": [{
                    "type": "client", "request_id": tool.call_id, "tool_name": tool.name,
                    "result_value": result, "is_error": is_error, "tool_has_been_called": true,
                    "tool_latency_secs": tool.result.as_ref().map_or(0.0, |(_, _, took)| took.as_secs_f64()),
                }],
            });
            (tool.at, entry)
        }));
        transcript.extend(self.user_messages.iter().map(|text| {
            let entry =
                json!({"role": "user", "message": text, "time_in_call_secs": 0, "source_medium": "text"});
            (Duration::ZERO, entry)
        }));
        transcript.sort_by_key(|(at, _)| *at);
        let (reason, error) = match &self.end {
            Some(SessionEnd::Agent { code, reason }) if *code != 1000 => {
                (reason.clone(), json!({"code": code, "reason": reason}))
            }
            Some(SessionEnd::Agent { reason, .. }) => (reason.clone(), Value::Null),
            Some(SessionEnd::Client { .. }) => ("Call ended by remote party".to_owned(), Value::Null),
            Some(SessionEnd::Lost { .. } | SessionEnd::Dropped) => {
                ("Client disconnected: 1006".to_owned(), json!({"code": 1006, "reason": "connection lost"}))
            }
            Some(SessionEnd::ShutDown) | None => (String::new(), Value::Null),
        };
        let analysis = json!({"call_successful": "unknown", "transcript_summary": "A conversation with the lab.",
                              "evaluation_criteria_results": {}, "data_collection_results": {}});
        json!({
            "agent_id": self.agent_id,
            "agent_name": agent_name,
            "conversation_id": self.conversation_id,
            "status": status,
            "user_id": self.initiation.as_ref().and_then(|start| start.get("user_id")),
            "has_audio": !self.audio.is_empty(),
            "has_user_audio": !self.audio.is_empty(),
            "has_response_audio": self.sent_count("audio") > 0,
            "transcript": transcript.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(),
            "metadata": {
                "start_time_unix_secs": self.started_unix,
                "accepted_time_unix_secs": self.started_unix,
                "call_duration_secs": self.duration.as_secs(),
                "cost": self.duration.as_secs() * 10,
                "termination_reason": reason,
                "error": error,
                "warnings": [],
                "authorization_method": self.authorization.token(),
                "main_language": "en",
                "text_only": false,
            },
            "analysis": if status == "done" { analysis } else { Value::Null },
            "conversation_initiation_client_data": {
                "conversation_config_override":
                    self.initiation.as_ref().and_then(|start| start.get("conversation_config_override")).cloned()
                        .unwrap_or_else(|| json!({})),
                "custom_llm_extra_body": {},
                "dynamic_variables":
                    self.initiation.as_ref().and_then(|start| start.get("dynamic_variables")).cloned()
                        .unwrap_or_else(|| json!({})),
            },
        })
    }
}
