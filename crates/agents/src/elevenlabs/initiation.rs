//! The first message of a session: everything about it that can be chosen per call.
//!
//! Only what is set is sent. Each override has to be switched on in the agent's settings; one that is not fails the
//! whole conversation, so nothing is ever sent for good measure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// What this call tells the agent before it begins.
///
/// Prints without its contents: variables may be secrets (`secret__…`) or say who is calling.
#[derive(Clone, Default, PartialEq)]
pub struct Initiation {
    /// Values for the `{{placeholders}}` of the agent's prompt, first message and tools: text, number or truth value.
    /// Anything else is sent as JSON text, `null` not at all.
    pub dynamic_variables: BTreeMap<String, Value>,
    pub prompt: Option<String>,
    /// The empty text makes the agent wait for the caller to speak first.
    pub first_message: Option<String>,
    /// `en`, `hi`, `pt-br` …
    pub language: Option<String>,
    pub llm: Option<String>,
    pub voice_id: Option<String>,
    /// 0 to 1.
    pub stability: Option<f64>,
    /// 0.7 to 1.2.
    pub speed: Option<f64>,
    /// 0 to 1.
    pub similarity_boost: Option<f64>,
    /// Words that the speech recognition should expect.
    pub keywords: Vec<String>,
    /// Handed on to a language model of one's own, and only to that.
    pub custom_llm_extra_body: Option<Map<String, Value>>,
    pub user_id: Option<String>,
    /// Who is calling, for the provider's records: a program and its version.
    pub source: Option<(String, String)>,
}

impl Initiation {
    /// The message as it goes over the wire.
    pub fn message(&self) -> String {
        let message = Message {
            kind: "conversation_initiation_client_data",
            conversation_config_override: self.overrides(),
            dynamic_variables: self.dynamic_variables.iter().filter_map(sendable).collect(),
            custom_llm_extra_body: self.custom_llm_extra_body.as_ref(),
            user_id: set(&self.user_id),
            source_info: self.source.as_ref().map(|(source, version)| SourceInfo { source, version }),
        };
        #[expect(
            clippy::expect_used,
            reason = "a tree of strings, numbers and maps with string keys is always JSON"
        )]
        serde_json::to_string(&message).expect("plain data serialises")
    }

    /// The overrides that this message makes, by their path in the agent's settings.
    pub fn overrides_used(&self) -> Vec<Override> {
        let mut used = Vec::new();
        let mut note = |is_used: bool, which| {
            if is_used {
                used.push(which);
            }
        };
        note(set(&self.prompt).is_some(), Override::Prompt);
        note(set(&self.llm).is_some(), Override::Llm);
        note(self.first_message.is_some(), Override::FirstMessage);
        note(set(&self.language).is_some(), Override::Language);
        note(set(&self.voice_id).is_some(), Override::VoiceId);
        note(self.stability.is_some(), Override::Stability);
        note(self.speed.is_some(), Override::Speed);
        note(self.similarity_boost.is_some(), Override::SimilarityBoost);
        note(!self.keywords.is_empty(), Override::Keywords);
        note(self.custom_llm_extra_body.is_some(), Override::CustomLlmExtraBody);
        used
    }

    /// What the provider would not accept, in words. Empty when all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, value) in &self.dynamic_variables {
            if name.starts_with(RESERVED) {
                problems.push(format!(
                    "dynamic variable `{name}`: names that start with `{RESERVED}` are the provider's own"
                ));
            } else if !(value.is_string() || value.is_number() || value.is_boolean()) {
                problems.push(format!("dynamic variable `{name}` must be text, a number or true/false"));
            }
        }
        for (name, value, low, high) in [
            ("stability", self.stability, 0.0, 1.0),
            ("similarity_boost", self.similarity_boost, 0.0, 1.0),
            ("speed", self.speed, 0.7, 1.2),
        ] {
            if value.is_some_and(|value| !(low..=high).contains(&value)) {
                problems.push(format!("`{name}` must be between {low} and {high}"));
            }
        }
        problems
    }

    fn overrides(&self) -> Option<Overrides<'_>> {
        let overrides = Overrides {
            agent: some_unless_empty(AgentOverride {
                prompt: some_unless_empty(PromptOverride { prompt: set(&self.prompt), llm: set(&self.llm) }),
                first_message: self.first_message.as_deref(),
                language: set(&self.language),
            }),
            tts: some_unless_empty(TtsOverride {
                voice_id: set(&self.voice_id),
                stability: self.stability,
                speed: self.speed,
                similarity_boost: self.similarity_boost,
            }),
            asr: some_unless_empty(AsrOverride { keywords: &self.keywords }),
        };
        some_unless_empty(overrides)
    }
}

impl fmt::Debug for Initiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&String> = self.dynamic_variables.keys().collect();
        f.debug_struct("Initiation")
            .field("dynamic_variables", &variables)
            .field("overrides", &self.overrides_used())
            .finish_non_exhaustive()
    }
}

/// Names that the platform fills by itself and refuses from outside.
const RESERVED: &str = "system__";

/// One switch under *Security → Overrides* of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Override {
    Prompt,
    Llm,
    FirstMessage,
    Language,
    VoiceId,
    Stability,
    Speed,
    SimilarityBoost,
    Keywords,
    CustomLlmExtraBody,
}

impl Override {
    /// Its place in the agent's configuration, below `platform_settings.overrides`.
    pub fn path(self) -> &'static str {
        match self {
            Override::Prompt => "conversation_config_override.agent.prompt.prompt",
            Override::Llm => "conversation_config_override.agent.prompt.llm",
            Override::FirstMessage => "conversation_config_override.agent.first_message",
            Override::Language => "conversation_config_override.agent.language",
            Override::VoiceId => "conversation_config_override.tts.voice_id",
            Override::Stability => "conversation_config_override.tts.stability",
            Override::Speed => "conversation_config_override.tts.speed",
            Override::SimilarityBoost => "conversation_config_override.tts.similarity_boost",
            Override::Keywords => "conversation_config_override.asr.keywords",
            Override::CustomLlmExtraBody => "custom_llm_extra_body",
        }
    }
}

/// An empty prompt, language or voice may be taken literally or refused: it counts as not set.
fn set(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

fn sendable<'a>((name, value): (&'a String, &'a Value)) -> Option<(&'a str, Value)> {
    if name.starts_with(RESERVED) {
        return None;
    }
    let value = match value {
        Value::Null => return None,
        Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    };
    Some((name, value))
}

/// Leaves out what has nothing set: an empty object is an override, too.
fn some_unless_empty<T: Group>(group: T) -> Option<T> {
    (!group.is_empty()).then_some(group)
}

trait Group {
    fn is_empty(&self) -> bool;
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_config_override: Option<Overrides<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dynamic_variables: BTreeMap<&'a str, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_llm_extra_body: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<SourceInfo<'a>>,
}

#[derive(Serialize)]
struct SourceInfo<'a> {
    source: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Overrides<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentOverride<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tts: Option<TtsOverride<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asr: Option<AsrOverride<'a>>,
}

impl Group for Overrides<'_> {
    fn is_empty(&self) -> bool {
        self.agent.is_none() && self.tts.is_none() && self.asr.is_none()
    }
}

#[derive(Serialize)]
struct AgentOverride<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<PromptOverride<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
}

impl Group for AgentOverride<'_> {
    fn is_empty(&self) -> bool {
        self.prompt.is_none() && self.first_message.is_none() && self.language.is_none()
    }
}

#[derive(Serialize)]
struct PromptOverride<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    llm: Option<&'a str>,
}

impl Group for PromptOverride<'_> {
    fn is_empty(&self) -> bool {
        self.prompt.is_none() && self.llm.is_none()
    }
}

#[derive(Serialize)]
struct TtsOverride<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity_boost: Option<f64>,
}

impl Group for TtsOverride<'_> {
    fn is_empty(&self) -> bool {
        self.voice_id.is_none()
            && self.stability.is_none()
            && self.speed.is_none()
            && self.similarity_boost.is_none()
    }
}

#[derive(Serialize)]
struct AsrOverride<'a> {
    keywords: &'a [String],
}

impl Group for AsrOverride<'_> {
    fn is_empty(&self) -> bool {
        self.keywords.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(initiation: &Initiation) -> Value {
        serde_json::from_str(&initiation.message()).unwrap()
    }

    #[test]
    fn nothing_set_sends_the_bare_message() {
        let empty = Initiation {
            prompt: Some(String::new()),
            voice_id: Some(String::new()),
            ..Initiation::default()
        };

        assert_eq!(written(&empty), json!({"type": "conversation_initiation_client_data"}));
        assert_eq!(empty.overrides_used(), []);
    }

    #[test]
    fn an_empty_first_message_is_a_wish_and_is_sent() {
        let quiet = Initiation { first_message: Some(String::new()), ..Initiation::default() };

        assert_eq!(
            written(&quiet),
            json!({
                "type": "conversation_initiation_client_data",
                "conversation_config_override": {"agent": {"first_message": ""}},
            })
        );
    }

    #[test]
    fn printing_it_gives_nothing_away() {
        let secret = Initiation {
            dynamic_variables: [("secret__token".to_owned(), json!("hush"))].into(),
            prompt: Some("hush".into()),
            user_id: Some("hush".into()),
            ..Initiation::default()
        };

        let printed = format!("{secret:?}");

        assert!(printed.contains("secret__token") && !printed.contains("hush"), "{printed}");
    }

    #[test]
    fn variables_the_provider_would_refuse_are_reported_and_made_harmless() {
        let odd = Initiation {
            dynamic_variables: [
                ("system__caller_id".to_owned(), json!("+1")),
                ("nothing".to_owned(), json!(null)),
                ("list".to_owned(), json!([1, 2])),
                ("fine".to_owned(), json!(2)),
            ]
            .into(),
            speed: Some(3.0),
            ..Initiation::default()
        };

        assert_eq!(written(&odd)["dynamic_variables"], json!({"list": "[1,2]", "fine": 2}));
        assert_eq!(odd.problems().len(), 4, "{:?}", odd.problems());
    }
}
