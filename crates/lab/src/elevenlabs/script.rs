//! What the emulated agent says and does: plain data, also as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A whole conversation from the agent's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Done right after the metadata, before the greeting.
    pub at_start: Vec<Act>,
    /// What happens at each turn of the user, in order.
    pub turns: Vec<Turn>,
    /// What happens at every further turn.
    pub otherwise: Turn,
    /// Sends the caller's audio back instead of talking.
    pub echo: bool,
    /// Said when the user has been silent for the agent's `turn_timeout`; none means never.
    pub reengage: Option<String>,
    /// A chunk of the interrupted answer that comes after the interruption, as happens on real wires.
    pub late_audio_after_interruption: bool,
    pub hearing: HearingSettings,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            at_start: Vec::new(),
            turns: Vec::new(),
            otherwise: Turn::saying("hello there", "I see. Please go on."),
            echo: false,
            reengage: None,
            late_audio_after_interruption: false,
            hearing: HearingSettings::default(),
        }
    }
}

/// One turn of the user, and the reaction to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What speech recognition "understood".
    pub heard: String,
    /// Guesses sent while the user still speaks.
    pub tentative: Vec<String>,
    pub acts: Vec<Act>,
}

impl Turn {
    pub fn saying(heard: &str, answer: &str) -> Turn {
        Turn::acting(heard, vec![Act::Say(answer.into())])
    }

    pub fn acting(heard: &str, acts: Vec<Act>) -> Turn {
        Turn { heard: heard.into(), tentative: Vec::new(), acts }
    }
}

/// One thing the agent does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Speaks. `{{name}}` is replaced by the dynamic variable of that name.
    Say(String),
    /// Waits until what was said has been spoken, by the clock: there is no other way to know.
    WaitUntilSpoken,
    PauseMs(u64),
    /// Calls a client tool and, if it expects a response, waits for it.
    Tool(ToolCall),
    /// A system tool, visible only by its traces.
    SystemTool {
        name: String,
        result: Value,
    },
    /// Says the farewell and hangs up: close 1000 comes before the farewell can have been played.
    EndCall {
        farewell: Option<String>,
        reason: String,
    },
    /// `language_detection`: goes on in another language.
    Language(String),
    /// `transfer_to_agent`: the same socket goes on with another agent's script, from its greeting.
    TransferToAgent {
        agent_id: String,
    },
    /// A ping out of turn.
    Ping,
    /// Any message, sent as it is, whether the agent's events include it or not.
    Send(Value),
    /// An error event in one of the two shapes, and the close that follows it.
    Error(ErrorAct),
    Close {
        code: u16,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    pub name: String,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default = "yes")]
    pub expects_response: bool,
    /// The turn goes on without an answer after this.
    #[serde(default = "twenty_seconds")]
    pub timeout_ms: u64,
    /// Done when the answer is an error or does not come; then the rest of the turn is skipped.
    #[serde(default)]
    pub on_failure: Vec<Act>,
}

impl ToolCall {
    pub fn named(name: &str, parameters: Value) -> ToolCall {
        let parameters = match parameters {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        ToolCall {
            name: name.into(),
            parameters,
            expects_response: true,
            timeout_ms: twenty_seconds(),
            on_failure: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

fn twenty_seconds() -> u64 {
    20_000
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorAct {
    pub shape: ErrorShape,
    pub code: u16,
    #[serde(default)]
    pub error_type: String,
    pub message: String,
    /// Whether the socket is closed with `code` right after.
    #[serde(default = "yes")]
    pub close: bool,
}

/// Two shapes of `{"type":"error"}` are seen in the wild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    Nested,
    Flat,
}

/// The agent's own speech detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HearingSettings {
    /// Speech needed before it counts, and before it interrupts.
    pub speech_ms: u64,
    /// Silence that ends a turn.
    pub silence_ms: u64,
}

impl Default for HearingSettings {
    fn default() -> HearingSettings {
        HearingSettings { speech_ms: 160, silence_ms: 600 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_can_live_in_a_file() {
        let text = r#"{
            "turns": [
                {"heard": "book a table", "tentative": ["book"], "acts": [
                    {"tool": {"name": "find_table", "parameters": {"guests": 2}}},
                    {"say": "Booked."},
                    "wait_until_spoken",
                    {"end_call": {"farewell": "Goodbye.", "reason": "done"}}
                ]}
            ],
            "hearing": {"silence_ms": 400}
        }"#;

        let script: Script = serde_json::from_str(text).unwrap();

        assert_eq!(script.turns[0].acts.len(), 4);
        assert_eq!(script.hearing, HearingSettings { speech_ms: 160, silence_ms: 400 });
        let again: Script = serde_json::from_str(&serde_json::to_string(&script).unwrap()).unwrap();
        assert_eq!(again, script);
        assert!(serde_json::from_str::<Script>(r#"{"trunks": []}"#).is_err());
    }
}
