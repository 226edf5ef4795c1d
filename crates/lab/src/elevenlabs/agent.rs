//! An agent as its owner configured it, and the document REST shows of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::format::Format;
use super::script::Script;

/// The events an agent sends when its list was never edited.
pub const DEFAULT_EVENTS: [&str; 7] = [
    "conversation_initiation_metadata",
    "ping",
    "audio",
    "user_transcript",
    "tentative_user_transcript",
    "agent_response",
    "interruption",
];

/// What a caller of the API may override, by its path below `conversation_config_override`.
pub(super) const OVERRIDES: [&str; 17] = [
    "agent.first_message",
    "agent.language",
    "agent.prompt.prompt",
    "agent.prompt.llm",
    "agent.native_mcp_server_ids",
    "agent.max_conversation_duration_message",
    "asr.keywords",
    "tts.voice_id",
    "tts.stability",
    "tts.similarity_boost",
    "tts.speed",
    "tts.model_id",
    "tts.supported_voices",
    "turn.soft_timeout_config",
    "conversation.text_only",
    "conversation.max_duration_seconds",
    "conversation.client_events",
];

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentDoc {
    pub agent_id: String,
    pub name: String,
    /// `auth.enable_auth`: only signed URLs and API keys get in.
    pub requires_auth: bool,
    pub input_format: Format,
    pub output_format: Format,
    pub client_events: Vec<String>,
    /// Paths that may be overridden, such as `agent.first_message`.
    pub overrides_allowed: Vec<String>,
    pub prompt: String,
    /// Spoken at the start; empty means that the agent waits for the user.
    pub first_message: String,
    pub language: String,
    pub voice_id: String,
    /// Values of `{{name}}` placeholders where the client gives none.
    pub variable_defaults: BTreeMap<String, Value>,
    pub client_tools: Vec<String>,
    /// Simultaneous conversations; none means no limit of its own.
    pub concurrency: Option<usize>,
    pub max_duration_seconds: u64,
    pub turn_timeout_seconds: u64,
    pub script: Script,
}

impl Default for AgentDoc {
    fn default() -> AgentDoc {
        AgentDoc {
            agent_id: "agent_lab".into(),
            name: "Lab".into(),
            requires_auth: false,
            input_format: Format::Pcm16000,
            output_format: Format::Pcm16000,
            client_events: DEFAULT_EVENTS.map(str::to_owned).to_vec(),
            overrides_allowed: Vec::new(),
            prompt: "You are a friendly receptionist.".into(),
            first_message: "Hello, how can I help you today?".into(),
            language: "en".into(),
            voice_id: "voice_lab".into(),
            variable_defaults: BTreeMap::new(),
            client_tools: Vec::new(),
            concurrency: None,
            max_duration_seconds: 600,
            turn_timeout_seconds: 7,
            script: Script::default(),
        }
    }
}

impl AgentDoc {
    /// An agent set up for telephony: µ-law both ways, and every event a gateway can use.
    pub fn for_telephony(agent_id: &str) -> AgentDoc {
        let more = [
            "agent_response_correction",
            "vad_score",
            "client_tool_call",
            "agent_tool_request",
            "agent_tool_response",
        ];
        AgentDoc {
            agent_id: agent_id.into(),
            input_format: Format::Ulaw8000,
            output_format: Format::Ulaw8000,
            client_events: DEFAULT_EVENTS.into_iter().chain(more).map(str::to_owned).collect(),
            ..AgentDoc::default()
        }
    }

    pub fn sends(&self, event: &str) -> bool {
        self.client_events.iter().any(|known| known == event)
    }

    pub(super) fn may_override(&self, path: &str) -> bool {
        self.overrides_allowed.iter().any(|known| known == path)
    }

    /// The names of all `{{placeholders}}` that need a value from the client.
    pub(super) fn required_variables(&self, first_message: &str, prompt: &str) -> Vec<String> {
        let mut names: Vec<String> = [first_message, prompt]
            .into_iter()
            .flat_map(placeholders)
            .filter(|name| !name.starts_with("system__") && !self.variable_defaults.contains_key(name))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// The answer of `GET /v1/convai/agents/{agent_id}`.
    pub(super) fn document(&self) -> Value {
        let mut allowed = json!({});
        for path in OVERRIDES {
            let mut at = &mut allowed;
            for part in path.split('.') {
                at = &mut at[part];
            }
            *at = self.may_override(path).into();
        }
        // The document wants a switch per prompt field, not for the prompt as a whole.
        let tools: Vec<Value> = self
            .client_tools
            .iter()
            .map(|name| {
                json!({"type": "client", "name": name, "description": name, "expects_response": true,
                       "parameters": {"type": "object", "properties": {}}})
            })
            .collect();
        json!({
            "agent_id": self.agent_id,
            "name": self.name,
            "conversation_config": {
                "asr": {
                    "quality": "high", "provider": "elevenlabs",
                    "user_input_audio_format": self.input_format.token(), "keywords": [],
                },
                "turn": {"turn_timeout": self.turn_timeout_seconds, "silence_end_call_timeout": -1, "mode": "turn"},
                "tts": {
                    "model_id": "eleven_flash_v2", "voice_id": self.voice_id,
                    "agent_output_audio_format": self.output_format.token(),
                    "optimize_streaming_latency": 3, "stability": 0.5, "speed": 1.0, "similarity_boost": 0.8,
                },
                "conversation": {
                    "text_only": !self.sends("audio"), "max_duration_seconds": self.max_duration_seconds,
                    "client_events": self.client_events,
                },
                "language_presets": {},
                "agent": {
                    "first_message": self.first_message, "language": self.language,
                    "dynamic_variables": {"dynamic_variable_placeholders": self.variable_defaults},
                    "prompt": {"prompt": self.prompt, "llm": "gemini-2.0-flash", "temperature": 0.0, "tools": tools},
                },
            },
            "platform_settings": {
                "auth": {"enable_auth": self.requires_auth, "allowlist": []},
                "overrides": {"conversation_config_override": allowed},
                "call_limits": {
                    "agent_concurrency_limit": self.concurrency.map_or(-1, |limit| limit as i64),
                    "daily_limit": 100_000, "bursting_enabled": true,
                },
            },
            "metadata": {"created_at_unix_secs": 1_767_225_600, "updated_at_unix_secs": 1_767_225_600},
            "phone_numbers": [], "tags": [], "access_info": null, "workflow": {"nodes": {}, "edges": {}},
        })
    }
}

/// The names inside `{{ }}`.
pub(super) fn placeholders(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        names.push(name.trim().to_owned());
        rest = behind;
    }
    names
}

/// Puts values where placeholders are; one without a value stays as it is.
pub(super) fn fill_in(text: &str, variables: &Map<String, Value>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        filled.push_str(before);
        match variables.get(name.trim()) {
            Some(Value::String(value)) => filled.push_str(value),
            Some(value) => filled.push_str(&value.to_string()),
            None => {
                filled.push_str("{{");
                filled.push_str(name);
                filled.push_str("}}");
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}
