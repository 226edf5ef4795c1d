//! Reads what a client sends. What the schema requires is required here.

use serde_json::{Map, Value};

/// A message of the client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FromClient {
    Start(Box<Value>),
    Audio(Vec<u8>),
    Pong(u64),
    ToolResult { call_id: String, result: String, is_error: bool },
    ContextualUpdate(String),
    UserMessage(String),
    UserActivity,
    Feedback,
    McpApproval,
}

/// A message the server would not accept: `error_type` and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unacceptable {
    pub(super) error_type: &'static str,
    pub(super) problem: String,
}

fn invalid(problem: impl Into<String>) -> Unacceptable {
    Unacceptable { error_type: "invalid_message", problem: problem.into() }
}

fn missing(kind: &str, field: &str) -> Unacceptable {
    Unacceptable { error_type: "missing_fields", problem: format!("{kind} needs {field}") }
}

pub(super) fn read(text: &str) -> Result<FromClient, Unacceptable> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Err(invalid("not JSON")) };
    let Some(message) = value.as_object() else { return Err(invalid("not an object")) };
    let Some(kind) = message.get("type") else {
        let Some(chunk) = message.get("user_audio_chunk") else {
            return Err(invalid("neither a type nor user_audio_chunk"));
        };
        let chunk = chunk.as_str().ok_or_else(|| invalid("user_audio_chunk is not text"))?;
        return crate::b64::decode(chunk)
            .map(FromClient::Audio)
            .ok_or_else(|| invalid("user_audio_chunk is not base64"));
    };
    let kind = kind.as_str().ok_or_else(|| invalid("type is not text"))?;
    match kind {
        "conversation_initiation_client_data" => Ok(FromClient::Start(Box::new(value))),
        "pong" => integer(message, "event_id").map(FromClient::Pong).ok_or_else(|| missing(kind, "event_id")),
        "client_tool_result" => Ok(FromClient::ToolResult {
            call_id: text_of(message, kind, "tool_call_id")?,
            result: text_of(message, kind, "result")?,
            is_error: message
                .get("is_error")
                .and_then(Value::as_bool)
                .ok_or_else(|| missing(kind, "is_error"))?,
        }),
        "contextual_update" => text_of(message, kind, "text").map(FromClient::ContextualUpdate),
        "user_message" => text_of(message, kind, "text").map(FromClient::UserMessage),
        "user_activity" => Ok(FromClient::UserActivity),
        "feedback" => integer(message, "event_id")
            .map(|_| FromClient::Feedback)
            .ok_or_else(|| missing(kind, "event_id")),
        "mcp_tool_approval_result" => {
            text_of(message, kind, "tool_call_id")?;
            let approved = message.get("is_approved").and_then(Value::as_bool);
            approved.map(|_| FromClient::McpApproval).ok_or_else(|| missing(kind, "is_approved"))
        }
        "multimodal_message" => {
            let text = message.get("text").and_then(|text| text.get("text")).and_then(Value::as_str);
            if text.is_none() && !message.contains_key("file") && !message.contains_key("files") {
                return Err(missing(kind, "text or a file"));
            }
            Ok(FromClient::UserMessage(text.unwrap_or_default().to_owned()))
        }
        other => Err(invalid(format!("unknown type {other:?}"))),
    }
}

fn text_of(message: &Map<String, Value>, kind: &str, field: &str) -> Result<String, Unacceptable> {
    match message.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(invalid(format!("{field} of {kind} is not text"))),
        None => Err(missing(kind, field)),
    }
}

fn integer(message: &Map<String, Value>, field: &str) -> Option<u64> {
    let value = message.get(field)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_message_is_understood() {
        for (text, read_as) in [
            (r#"{"user_audio_chunk":"AQI="}"#, FromClient::Audio(vec![1, 2])),
            (r#"{"type":"pong","event_id":7}"#, FromClient::Pong(7)),
            (
                r#"{"type":"client_tool_result","tool_call_id":"c","result":"ok","is_error":false}"#,
                FromClient::ToolResult { call_id: "c".into(), result: "ok".into(), is_error: false },
            ),
            (
                r#"{"type":"contextual_update","text":"t","context_id":"x"}"#,
                FromClient::ContextualUpdate("t".into()),
            ),
            (r#"{"type":"user_message","text":"t"}"#, FromClient::UserMessage("t".into())),
            (r#"{"type":"user_activity"}"#, FromClient::UserActivity),
            (r#"{"type":"feedback","event_id":1,"score":"like"}"#, FromClient::Feedback),
            (
                r#"{"type":"mcp_tool_approval_result","tool_call_id":"c","is_approved":true}"#,
                FromClient::McpApproval,
            ),
            (
                r#"{"type":"multimodal_message","text":{"type":"user_message","text":"t"}}"#,
                FromClient::UserMessage("t".into()),
            ),
        ] {
            assert_eq!(read(text), Ok(read_as), "{text}");
        }
    }

    #[test]
    fn what_the_schema_requires_is_required() {
        for (text, error_type) in [
            ("nonsense", "invalid_message"),
            ("[1]", "invalid_message"),
            ("{}", "invalid_message"),
            (r#"{"user_audio_chunk":"!"}"#, "invalid_message"),
            (r#"{"type":"cancel_response"}"#, "invalid_message"),
            (r#"{"type":"pong"}"#, "missing_fields"),
            (r#"{"type":"client_tool_result","tool_call_id":"c","result":"ok"}"#, "missing_fields"),
            (
                r#"{"type":"client_tool_result","tool_call_id":"c","result":{"a":1},"is_error":false}"#,
                "invalid_message",
            ),
            (r#"{"type":"user_message"}"#, "missing_fields"),
        ] {
            assert_eq!(read(text).unwrap_err().error_type, error_type, "{text}");
        }
    }
}
