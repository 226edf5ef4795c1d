//! Every message of the Agents WebSocket, in both directions.
//!
//! Reading is tolerant: fields that are not needed may be missing, numbers may come as text, unknown fields and
//! message kinds are let through. Writing is exact.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What the agent's platform sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromAgent {
    ConversationInitiationMetadata {
        conversation_initiation_metadata_event: Metadata,
    },
    Ping {
        ping_event: PingEvent,
    },
    Audio {
        audio_event: AudioEvent,
    },
    UserTranscript {
        user_transcription_event: UserTranscription,
    },
    TentativeUserTranscript {
        tentative_user_transcription_event: UserTranscription,
    },
    AgentResponse {
        agent_response_event: AgentResponse,
    },
    Interruption {
        interruption_event: EventId,
    },
    AgentResponseCorrection {
        agent_response_correction_event: Correction,
    },
    /// Its payload is not documented; the id is all we use.
    AgentResponseComplete {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_response_complete_event: Option<EventId>,
    },
    VadScore {
        vad_score_event: VadScore,
    },
    ClientToolCall {
        client_tool_call: ClientToolCall,
    },
    AgentToolRequest {
        agent_tool_request: AgentTool,
    },
    AgentToolResponse {
        agent_tool_response: AgentTool,
    },
    AgentToolResponseFullPayload {
        agent_tool_response_full_payload: AgentTool,
    },
    McpToolCall {
        mcp_tool_call: McpToolCall,
    },
    QueueStatus {
        queue_status_event: QueueStatusEvent,
    },
    /// Comes in two shapes: with everything in `error_event`, or flat.
    Error {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_event: Option<ErrorEvent>,
        #[serde(flatten)]
        flat: ErrorEvent,
    },
    // Known, and nothing for a telephone call follows from them.
    AgentChatResponsePart(Rest),
    AgentReasoningResponsePart(Rest),
    AgentResponseMetadata(Rest),
    AudioAlignment(Rest),
    McpConnectionStatus(Rest),
    GuardrailTriggered(Rest),
    ContextUsage(Rest),
    AsrInitiationMetadata(Rest),
    RichContent(Rest),
    AgentTyping(Rest),
    ExternalAgentConnected(Rest),
    ExternalAgentDisconnected(Rest),
    InternalTurnProbability(Rest),
    InternalTentativeAgentResponse(Rest),
    DtmfRequest(Rest),
    #[serde(other, skip_serializing)]
    Unknown,
}

/// The fields of a message that we only let pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rest(pub Map<String, Value>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_output_audio_format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_input_audio_format: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PingEvent {
    #[serde(deserialize_with = "whole_number")]
    pub event_id: i64,
    /// The platform's own estimate of the way there and back. Nothing to wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping_ms: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioEvent {
    /// One of the provider's own clients knows it without the last underscore.
    #[serde(alias = "audio_base64")]
    pub audio_base_64: String,
    #[serde(deserialize_with = "whole_number")]
    pub event_id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserTranscription {
    pub user_transcript: String,
    #[serde(default, deserialize_with = "maybe_whole_number", skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentResponse {
    pub agent_response: String,
    #[serde(default, deserialize_with = "maybe_whole_number", skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventId {
    #[serde(deserialize_with = "whole_number")]
    pub event_id: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    #[serde(default)]
    pub original_agent_response: String,
    pub corrected_agent_response: String,
    #[serde(default, deserialize_with = "maybe_whole_number", skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VadScore {
    pub vad_score: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientToolCall {
    pub tool_name: String,
    pub tool_call_id: String,
    #[serde(default)]
    pub parameters: Value,
    #[serde(default, deserialize_with = "maybe_whole_number", skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expects_response: Option<bool>,
}

/// A tool that the platform itself ran, asked for or answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentTool {
    pub tool_name: String,
    pub tool_call_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_called: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_blocked: Option<bool>,
    #[serde(default, deserialize_with = "maybe_whole_number", skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
    /// JSON in a string, and not described anywhere.
    #[serde(default, deserialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub full_tool_result: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct McpToolCall {
    pub tool_call_id: String,
    pub tool_name: String,
    /// `loading`, `awaiting_approval`, `success` or `failure`.
    pub state: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStatusEvent {
    /// `waiting`, `admitted` or `timed_out`.
    pub status: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorEvent {
    #[serde(default, deserialize_with = "maybe_whole_number", skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    #[serde(default, deserialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, deserialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, deserialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub debug_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// What we send, except for the caller's audio, which is written by hand (see [`super::Leg`]), and the first message
/// (see [`super::Initiation`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToAgent {
    Pong {
        event_id: i64,
    },
    ClientToolResult {
        tool_call_id: String,
        /// Always a string; objects are JSON inside it.
        result: String,
        is_error: bool,
    },
    /// Something to know, without a turn.
    ContextualUpdate {
        text: String,
    },
    /// Counts as the user's turn: the agent answers.
    UserMessage {
        text: String,
    },
    McpToolApprovalResult {
        tool_call_id: String,
        is_approved: bool,
    },
}

/// A number that some servers write as text.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    maybe_whole_number(deserializer)?.ok_or_else(|| serde::de::Error::custom("not a whole number"))
}

fn maybe_whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    /// `f64` last: whatever fits the others keeps all its digits.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number<'a> {
        Whole(i64),
        #[serde(borrow)]
        Text(std::borrow::Cow<'a, str>),
        Broken(f64),
        Nothing(()),
    }

    Ok(match Number::deserialize(deserializer) {
        Ok(Number::Whole(number)) => Some(number),
        Ok(Number::Text(text)) => text.trim().parse().ok(),
        // Every whole number below 2^53 is exact in a float, and no id gets there.
        Ok(Number::Broken(number)) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
        Ok(Number::Broken(_) | Number::Nothing(())) | Err(_) => None,
    })
}

/// A text, whatever was sent in its place: what went wrong must not get lost over the form it is told in.
fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}
