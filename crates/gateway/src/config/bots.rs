//! `[[bots]]` and `[[lines]]`: who answers what.

use std::collections::BTreeMap;

use call::CallSettings;
use serde::{Deserialize, Serialize};
use url::Url;
use wire::Secret;

use super::keys::{Kind, leaf, section};
use super::known_url;
use crate::carrier_kind::CarrierKind;

section! {
    /// A named configuration of an agent. Without any, there is `demo` (built in, no account) and, with an ElevenLabs key
    /// and agent, `elevenlabs`.
    pub struct Bot {
        /// The name that lines, fallbacks and the API use. Letters, digits, `-`, `_` and `.`.
        /// Example: `"reception"`
        name: String = String::new(),
        /// Which agent talks.
        agent: AgentKind = AgentKind::Demo,
        /// ElevenLabs: the agent, instead of `agents.elevenlabs.agent_id`.
        /// Example: `"agent_0000000000000000000000000000"`
        agent_id: Option<String> = None,
        /// ElevenLabs: another voice. This and the overrides below must be allowed in the agent's security settings.
        /// Example: `"21m00Tcm4TlvDq8ikWAM"`
        voice_id: Option<String> = None,
        /// ElevenLabs: another greeting.
        /// Example: `"Hello, you have reached the reception. How can I help?"`
        first_message: Option<String> = None,
        /// ElevenLabs: another system prompt.
        /// Example: `"You are the receptionist of a dental practice."`
        prompt: Option<String> = None,
        /// ElevenLabs: another language, as an ISO code.
        /// Example: `"en"`
        language: Option<String> = None,
        /// ElevenLabs: another language model.
        /// Example: `"gemini-2.5-flash"`
        llm: Option<String> = None,
        /// ElevenLabs: how even the voice is, 0 to 1.
        /// Example: `0.5`
        stability: Option<f32> = None,
        /// ElevenLabs: how fast the voice speaks, 0.7 to 1.2.
        /// Example: `1.0`
        speed: Option<f32> = None,
        /// ElevenLabs: how close the voice keeps to its original, 0 to 1.
        /// Example: `0.8`
        similarity_boost: Option<f32> = None,
        /// ElevenLabs: values for the placeholders in the agent's prompt and greeting. Beside them the gateway gives
        /// `caller_number`, `called_number` and `call_id`.
        /// Example: `{ practice = "Dr Miller", open = true }`
        dynamic_variables: BTreeMap<String, Variable> = BTreeMap::new(),
        /// Demo: where the built-in agent "transfers" a caller to.
        /// Example: `"+14155550111"`
        transfer_to: Option<String> = None,
        /// Tools of this bot that are run over HTTP.
        tools: Vec<BotTool> = Vec::new(),
        /// How this bot's calls behave.
        call: CallSettings = CallSettings::default(),
    }
}

section! {
    /// A tool of a bot. The gateway posts `{call_id, tool, arguments, caller, called, bot}` as JSON and hands the answer's
    /// body to the agent.
    pub struct BotTool {
        /// The name under which the agent calls it.
        /// Example: `"find_appointment"`
        name: String = String::new(),
        /// Where it is. Private addresses are refused unless allowed below.
        /// Example: `"https://crm.example.com/appointments"`
        url: Url = known_url("https://tool.invalid"),
        /// `post` sends JSON; `get` sends the arguments as query parameters.
        method: ToolMethod = ToolMethod::Post,
        /// Headers to send along, such as `Authorization`. Their values are secrets.
        /// Example: `{ Authorization = "Bearer ..." }`
        headers: BTreeMap<String, Secret> = BTreeMap::new(),
        /// How long the agent waits for the answer, in milliseconds.
        timeout_ms: u32 = 8_000,
        /// Whether the tool may be on this machine or in a private network. An agent can be talked into odd arguments,
        /// so only for tools that you run yourself.
        allow_private_addresses: bool = false,
    }
}

section! {
    /// A phone number and the bot that answers it. Numbers without a line go to the default bot.
    pub struct Line {
        /// The number in international form, or an address such as `sip:desk@example.com`.
        /// Example: `"+14155550100"`
        number: String = String::new(),
        /// The name of the bot.
        /// Example: `"reception"`
        bot: String = String::new(),
        /// The carrier that brings this number. Default: any that is set up. The same number may have a line for each
        /// carrier.
        /// Example: `"twilio"`
        carrier: Option<String> = None,
    }
}

impl Line {
    /// The carrier that is named, if it exists.
    pub fn carrier_kind(&self) -> Option<CarrierKind> {
        CarrierKind::named(&self.carrier.as_deref()?.trim().to_ascii_lowercase())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Built in; no account, no network.
    Demo,
    #[serde(rename = "elevenlabs")]
    ElevenLabs,
}

leaf! {
    AgentKind => Kind::Choice(&["demo", "elevenlabs"]),
    ToolMethod => Kind::Choice(&["post", "get"]),
    Variable => Kind::Variable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolMethod {
    Post,
    Get,
}

/// The value of a placeholder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Variable {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

impl AgentKind {
    pub fn name(self) -> &'static str {
        match self {
            AgentKind::Demo => "demo",
            AgentKind::ElevenLabs => "elevenlabs",
        }
    }

    /// Whether it can say a given text.
    pub fn says(self) -> bool {
        crate::gateway::agent_capabilities(self).says
    }
}
