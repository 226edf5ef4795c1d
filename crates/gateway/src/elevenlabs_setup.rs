//! How the configuration describes an ElevenLabs agent: the account to dial with, and what is said before a conversation
//! begins. Calls, the start-up check and the doctor must agree on it.

use std::collections::BTreeMap;
use std::time::Duration;

use agents::elevenlabs::inspect::{AgentReport, Finding, Wanted};
use agents::elevenlabs::{Account, Auth, BaseUrl, Initiation};
use audio::Rate;
use serde_json::Value;

use crate::carrier_kind::CarrierKind;
use crate::carrier_setup;
use crate::config::{Bot, Config, ElevenLabs, ElevenLabsAuth, Line, Variable};

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
    /// What the carrier said about the call beside numbers and names.
    pub carrier: Vec<(String, String)>,
    /// What whoever had the call placed gave along. It goes before everything else.
    pub variables: BTreeMap<String, Variable>,
}

/// What a call tells its agent before it begins. A fact that is not known is sent empty: a placeholder without a value
/// would end the conversation.
pub fn initiation(bot: &Bot, facts: CallFacts) -> Initiation {
    let mut variables: BTreeMap<String, Value> =
        bot.dynamic_variables.iter().map(|(name, value)| (name.clone(), variable(value))).collect();
    variables.extend(facts.variables.iter().map(|(name, value)| (name.clone(), variable(value))));
    let carrier = facts.carrier;
    let facts = [
        ("caller_number", facts.caller_number),
        ("called_number", facts.called_number),
        ("call_id", facts.call_id),
    ];
    let known = facts.into_iter().map(|(name, value)| (name.to_owned(), value));
    let told = carrier.into_iter().map(|(name, value)| (name, Some(value)));
    for (name, value) in known.chain(told) {
        variables.entry(name).or_insert_with(|| value.unwrap_or_default().into());
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
        caller_rate: line_rate(config, bot),
        tools: &tools,
        max_duration: Duration::from_millis(u64::from(bot.call.limits.max_duration_ms)),
        sessions: settings.slots,
    })
}

/// The rate at which this bot's callers usually sound: that of the carriers that bring its lines, or of all that are set
/// up. Where they differ, the telephone's own counts.
fn line_rate(config: &Config, bot: &Bot) -> Rate {
    let named: Vec<CarrierKind> =
        config.lines.iter().filter(|line| line.bot == bot.name).filter_map(Line::carrier_kind).collect();
    let carriers = match named.is_empty() {
        true => carrier_setup::phone_carriers(config),
        false => named,
    };
    let mut rates = carriers.iter().map(|carrier| carrier.table().rate);
    match rates.next() {
        Some(first) if rates.all(|rate| rate == first) => first,
        _ => Rate::Hz8000,
    }
}

#[cfg(test)]
mod tests {
    use wire::Secret;

    use super::*;

    #[test]
    fn a_bot_is_judged_by_the_sound_of_the_carriers_that_bring_its_calls() {
        let mut config = Config::default();
        let bot = Bot { name: "a".into(), ..Bot::default() };
        assert_eq!(line_rate(&config, &bot), Rate::Hz8000, "the page alone says nothing about telephones");

        config.carriers.twilio.auth_token = Some(Secret::new("token"));
        assert_eq!(line_rate(&config, &bot), CarrierKind::Twilio.table().rate);
        let line = |number: &str, carrier: CarrierKind| Line {
            number: number.into(),
            bot: "a".into(),
            carrier: Some(carrier.name().into()),
        };
        config.lines.push(line("+14155550100", CarrierKind::Browser));
        assert_eq!(line_rate(&config, &bot), Rate::Hz16000, "its lines go before all that is set up");
        config.lines.push(line("+14155550101", CarrierKind::Twilio));
        assert_eq!(line_rate(&config, &bot), Rate::Hz8000, "they differ");
    }
}
