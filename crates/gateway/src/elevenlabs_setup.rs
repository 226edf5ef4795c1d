//! How the configuration describes an ElevenLabs agent: the account to dial with, and what is said before a conversation
//! begins. Calls, the start-up check and the doctor must agree on it.

use std::collections::BTreeMap;
use std::time::Duration;

use agents::elevenlabs::inspect::{AgentReport, Finding, Wanted};
use agents::elevenlabs::{Account, Auth, BaseUrl, Initiation};
use serde_json::Value;

use crate::config::{Bot, Config, ElevenLabs, ElevenLabsAuth, Variable};

/// The account that a bot's agent lives in; in words, why there is none.
pub fn account(settings: &ElevenLabs, bot: &Bot) -> Result<Account, String> {
    let agent_id = bot.agent_id.clone().or_else(|| settings.agent_id.clone());
    Ok(Account {
        api_key: settings.api_key.clone(),
        agent_id: agent_id.ok_or_else(|| {
            format!("bot {}: no agent is named; set `agents.elevenlabs.agent_id`", bot.name)
        })?,
        base_url: BaseUrl::parse(settings.base_url.as_str())
            .map_err(|error| format!("`agents.elevenlabs.base_url`: {error}"))?,
        auth: auth(settings),
    })
}

fn auth(settings: &ElevenLabs) -> Auth {
    match settings.auth {
        ElevenLabsAuth::SignedUrl => Auth::SignedUrl,
        ElevenLabsAuth::ApiKey => Auth::ApiKey,
        ElevenLabsAuth::Public => Auth::Public,
    }
}

/// What every call adds to a bot's own variables.
#[derive(Clone, Debug, Default)]
pub struct CallFacts {
    pub caller_number: Option<String>,
    pub called_number: Option<String>,
    pub call_id: Option<String>,
}

/// What a call tells its agent before it begins. A fact that is not known is sent empty: a placeholder without a value
/// would end the conversation.
pub fn initiation(bot: &Bot, facts: CallFacts) -> Initiation {
    let mut variables: BTreeMap<String, Value> =
        bot.dynamic_variables.iter().map(|(name, value)| (name.clone(), variable(value))).collect();
    let facts = [
        ("caller_number", facts.caller_number),
        ("called_number", facts.called_number),
        ("call_id", facts.call_id),
    ];
    for (name, value) in facts {
        variables.entry(name.to_owned()).or_insert_with(|| value.unwrap_or_default().into());
    }
    Initiation {
        dynamic_variables: variables,
        prompt: bot.prompt.clone(),
        first_message: bot.first_message.clone(),
        language: bot.language.clone(),
        llm: bot.llm.clone(),
        voice_id: bot.voice_id.clone(),
        stability: bot.stability.map(f64::from),
        speed: bot.speed.map(f64::from),
        similarity_boost: bot.similarity_boost.map(f64::from),
        source: Some(("trunkline".into(), env!("CARGO_PKG_VERSION").into())),
        ..Initiation::default()
    }
}

fn variable(value: &Variable) -> Value {
    match value {
        Variable::Flag(flag) => (*flag).into(),
        Variable::Whole(whole) => (*whole).into(),
        Variable::Number(number) => (*number).into(),
        Variable::Text(text) => text.clone().into(),
    }
}

/// What in the agent's own settings does not fit this bot, the worst first.
pub fn findings(config: &Config, bot: &Bot, report: &AgentReport) -> Vec<Finding> {
    let settings = &config.agents.elevenlabs;
    let tools: Vec<String> = bot.tools.iter().map(|tool| tool.name.clone()).collect();
    report.findings(&Wanted {
        initiation: &initiation(bot, CallFacts::default()),
        auth: auth(settings),
        caller_rate: carriers::twilio::CAPABILITIES.rate,
        tools: &tools,
        max_duration: Duration::from_millis(u64::from(bot.call.limits.max_duration_ms)),
        sessions: settings.slots,
    })
}
