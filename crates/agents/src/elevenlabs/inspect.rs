//! Reads an agent's own settings and says what would break a call, before a caller finds out.
//!
//! Half of what makes a telephone conversation work is set at the provider: which events are sent, which overrides are
//! allowed, which audio format is spoken. Some of it fails the session with a code, some of it only makes the agent
//! deaf or rude. Every finding names the setting by its path in the agent's configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use audio::Rate;
use call::{AgentDeparture, AgentLeft, OwnTool, Retry};
use serde::Serialize;
use serde_json::Value;
use wire::{Reply, Request};

use super::account::{Account, Auth};
use super::format::Format;
use super::initiation::{Initiation, Override};
use super::refusal;

/// The request for the agent's settings. Needs a key; read its answer with [`read_agent`].
pub fn agent_request(account: &Account) -> Request {
    account.get(&["v1", "convai", "agents", &account.agent_id], None)
}

/// What came back for [`agent_request`].
pub fn read_agent(reply: &Reply) -> Result<AgentReport, AgentDeparture> {
    if reply.status != 200 {
        return Err(refusal::refused(reply.status, &reply.body, reply.retry_after_s));
    }
    match serde_json::from_str(&reply.body) {
        Ok(settings @ Value::Object(_)) => Ok(AgentReport { settings }),
        _ => Err(AgentDeparture {
            cause: AgentLeft::Refused { status: reply.status },
            retry: Retry::Never,
            detail: "ElevenLabs was asked for the agent's settings and sent something else; check `base_url`"
                .to_owned(),
        }),
    }
}

/// What our side means to do with the agent.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub initiation: &'a Initiation,
    pub auth: Auth,
    pub caller_rate: Rate,
    /// The bot's own tools.
    pub tools: &'a [String],
    /// How long a call may last.
    pub max_duration: Duration,
    /// How many sessions there may be at a time.
    pub sessions: u32,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Calls fail or the caller hears nothing.
    Breaks,
    /// Calls work, and something about them does not.
    Warns,
    /// It could be better.
    Hint,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// What is so, and what follows from it.
    pub words: String,
    /// What to do about it.
    pub mend: String,
}

/// An agent's settings, as the provider gave them.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentReport {
    settings: Value,
}

const EVENTS: &str = "conversation_config.conversation.client_events";
pub(super) const HEARS: &str = "conversation_config.asr.user_input_audio_format";
pub(super) const SPEAKS: &str = "conversation_config.tts.agent_output_audio_format";
const TEXT_ONLY: &str = "conversation_config.conversation.text_only";
const MAX_DURATION: &str = "conversation_config.conversation.max_duration_seconds";
const PROMPT: &str = "conversation_config.agent.prompt.prompt";
const FIRST_MESSAGE: &str = "conversation_config.agent.first_message";
const TOOLS: &str = "conversation_config.agent.prompt.tools";
const BUILT_IN: &str = "conversation_config.agent.prompt.built_in_tools";
const PLACEHOLDERS: &str = "conversation_config.agent.dynamic_variables.dynamic_variable_placeholders";
const OVERRIDES: &str = "platform_settings.overrides";
const ENABLE_AUTH: &str = "platform_settings.auth.enable_auth";
const ALLOWLIST: &str = "platform_settings.auth.allowlist";
const REQUIRE_ORIGIN: &str = "platform_settings.auth.require_origin_header";
const CONCURRENCY: &str = "platform_settings.call_limits.agent_concurrency_limit";
const DAILY: &str = "platform_settings.call_limits.daily_limit";
const QUEUEING: &str = "platform_settings.queueing_config.enabled";

/// Sent by agents whose events were never chosen.
const EVENTS_BY_DEFAULT: &[&str] = &[
    "conversation_initiation_metadata",
    "ping",
    "audio",
    "user_transcript",
    "tentative_user_transcript",
    "agent_response",
    "interruption",
];

/// The longest conversation of agents where it was never chosen, in seconds.
const MAX_DURATION_BY_DEFAULT_S: u64 = 600;

impl AgentReport {
    pub fn name(&self) -> Option<&str> {
        self.at("name").and_then(Value::as_str)
    }

    /// The audio formats that sessions will have: what the agent hears and what it speaks.
    pub fn formats(&self) -> (&str, &str) {
        let token = |path| self.at(path).and_then(Value::as_str).unwrap_or("pcm_16000");
        (token(HEARS), token(SPEAKS))
    }

    /// Whether calls may set this.
    pub fn allows(&self, which: Override) -> bool {
        self.at(&format!("{OVERRIDES}.{}", which.path())) == Some(&Value::Bool(true))
    }

    /// What does not fit, the worst first.
    pub fn findings(&self, wanted: &Wanted<'_>) -> Vec<Finding> {
        let mut findings = Findings(Vec::new());
        self.judge_events(wanted, &mut findings);
        self.judge_overrides(wanted, &mut findings);
        self.judge_variables(wanted, &mut findings);
        self.judge_audio(wanted, &mut findings);
        self.judge_access(wanted, &mut findings);
        self.judge_tools(wanted, &mut findings);
        self.judge_limits(wanted, &mut findings);
        findings.0.sort_by_key(|finding| finding.severity);
        findings.0
    }

    fn judge_events(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        if self.at(TEXT_ONLY) == Some(&Value::Bool(true)) {
            findings.breaks(
                "the agent is set to text only: callers hear nothing",
                format!("set `{TEXT_ONLY}` to false"),
            );
        }
        let sent = self.events();
        let mut judge = |event: &str, severity, what_follows: &str| {
            if !sent.contains(event) {
                findings.add(
                    severity,
                    format!("the agent does not send `{event}`: {what_follows}"),
                    format!("add `{event}` to `{EVENTS}`"),
                );
            }
        };
        judge("audio", Severity::Breaks, "callers hear nothing");
        judge("interruption", Severity::Breaks, "callers cannot interrupt the agent");
        judge(
            "conversation_initiation_metadata",
            Severity::Breaks,
            "the session is never known to stand, nor its audio formats",
        );
        if !wanted.tools.is_empty() || self.client_tools().next().is_some() {
            judge(
                "client_tool_call",
                Severity::Breaks,
                "its tools are never run, and it waits for them in vain",
            );
        }
        judge(
            "ping",
            Severity::Warns,
            "a lost agent cannot be told from a silent one, and long silences end calls",
        );
        judge("agent_response", Severity::Warns, "transcripts lack what the agent said");
        judge("user_transcript", Severity::Warns, "transcripts lack what the caller said");
        if self.has_built_in("end_call") {
            judge(
                "agent_tool_response",
                Severity::Warns,
                "its hanging up shows only when the session closes",
            );
        }
        judge("agent_response_correction", Severity::Hint, "its own idea of what was heard stays unknown");
        judge("vad_score", Severity::Hint, "interruptions are noticed a little later");
    }

    fn judge_overrides(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        for which in wanted.initiation.overrides_used() {
            if !self.allows(which) {
                findings.breaks(
                    format!("this bot sets `{}`, which the agent does not allow: every session fails", which.path()),
                    format!(
                        "set `{OVERRIDES}.{}` to true (Security → Overrides), or stop setting it for this bot",
                        which.path()
                    ),
                );
            }
        }
        if !self.allows(Override::FirstMessage) && self.greets() {
            findings.hint(
                "after a lost connection the agent greets again; the caller is spared it, but waits for it to end",
                format!("set `{OVERRIDES}.{}` to true", Override::FirstMessage.path()),
            );
        }
        for problem in wanted.initiation.problems() {
            findings.breaks(problem, "change this bot's settings");
        }
    }

    fn judge_variables(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        let has_default = |name: &str| {
            self.at(PLACEHOLDERS)
                .and_then(|defaults| defaults.get(name))
                .is_some_and(|value| !value.is_null())
        };
        let text = |path: &str, own: &Option<String>| {
            own.clone()
                .or_else(|| self.at(path).and_then(Value::as_str).map(str::to_owned))
                .unwrap_or_default()
        };
        let prompt = text(PROMPT, &wanted.initiation.prompt);
        let first_message = text(FIRST_MESSAGE, &wanted.initiation.first_message);
        let named: BTreeSet<&str> = placeholders(&prompt).chain(placeholders(&first_message)).collect();
        for name in named {
            let is_given = name.starts_with("system__")
                || wanted.initiation.dynamic_variables.contains_key(name)
                || has_default(name);
            if !is_given {
                findings.breaks(
                    format!("the agent speaks of `{{{{{name}}}}}`, and nothing gives it a value: every session fails"),
                    format!("set the dynamic variable `{name}` for this bot, or a default in `{PLACEHOLDERS}`"),
                );
            }
        }
    }

    fn judge_audio(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        let suitable = match wanted.caller_rate {
            Rate::Hz8000 => "ulaw_8000".to_owned(),
            rate => format!("pcm_{}", rate.hz()),
        };
        let (hears, speaks) = self.formats();
        for (path, token, what) in [(HEARS, hears, "listens in"), (SPEAKS, speaks, "speaks")] {
            match Format::parse(token) {
                None => findings.breaks(
                    format!("the agent {what} `{token}`, which cannot be carried"),
                    format!("set `{path}` to `{suitable}`"),
                ),
                Some(format) if format.rate() != wanted.caller_rate => findings.hint(
                    format!(
                        "the agent {what} `{token}` and the line has {} Hz: every call is resampled",
                        wanted.caller_rate.hz()
                    ),
                    format!("set `{path}` to `{suitable}`"),
                ),
                Some(_) => {}
            }
        }
    }

    fn judge_access(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        let is_private = self.at(ENABLE_AUTH) == Some(&Value::Bool(true));
        let is_listed = self.at(ALLOWLIST).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if is_private && wanted.auth == Auth::Public {
            findings.breaks(
                "the agent is private and this bot dials it as a public one",
                format!("set this bot's `auth` to `signed_url`, or `{ENABLE_AUTH}` to false"),
            );
        }
        if self.at(REQUIRE_ORIGIN) == Some(&Value::Bool(true)) {
            findings.breaks(
                "the agent lets in only clients that name a web page they come from, and a telephone has none",
                format!("set `{REQUIRE_ORIGIN}` to false"),
            );
        } else if is_listed {
            findings.hint(
                "the agent has a list of web pages that may use it; telephone calls name none and pass as things are",
                format!("empty `{ALLOWLIST}` if sessions are refused"),
            );
        }
        if !is_private && !is_listed {
            findings.hint(
                "everybody who knows the agent's id can talk to it at your expense",
                format!("set `{ENABLE_AUTH}` to true"),
            );
        }
    }

    fn judge_tools(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        let known: BTreeSet<&str> = self.client_tools().collect();
        for tool in known.iter().filter(|tool| OwnTool::by_name(tool).is_none()) {
            if !wanted.tools.iter().any(|own| own == tool) {
                findings.warns(
                    format!("the agent has a client tool `{tool}` that this bot does not know: calling it is an error"),
                    format!("give this bot a tool of that name, or remove it from `{TOOLS}`"),
                );
            }
        }
        // Tools may be kept apart from the agent; a list that holds none of ours says nothing then.
        let is_listed = self.at(TOOLS).and_then(Value::as_array).is_some_and(|tools| !tools.is_empty());
        for tool in wanted.tools.iter().filter(|tool| is_listed && !known.contains(tool.as_str())) {
            findings.warns(
                format!("this bot has a tool `{tool}` that the agent does not know: it is never called"),
                format!("add a client tool of that name to `{TOOLS}`"),
            );
        }
        let tells_all = self.events().contains("agent_tool_response_full_payload");
        for tool in ["transfer_to_number", "play_keypad_touch_tone"] {
            if self.has_built_in(tool) && !tells_all {
                findings.warns(
                    format!(
                        "the agent's system tool `{tool}` works on telephones of the provider only, and nobody is \
                         told what it was to do: the agent says that it is done, and nothing happens"
                    ),
                    format!(
                        "make `{tool}` a client tool instead of one in `{BUILT_IN}`, or add \
                         `agent_tool_response_full_payload` to `{EVENTS}`"
                    ),
                );
            }
        }
    }

    fn judge_limits(&self, wanted: &Wanted<'_>, findings: &mut Findings) {
        let limit_s = self.at(MAX_DURATION).and_then(Value::as_u64).unwrap_or(MAX_DURATION_BY_DEFAULT_S);
        if Duration::from_secs(limit_s) < wanted.max_duration {
            findings.warns(
                format!(
                    "the agent ends every conversation after {limit_s} s, calls may last {} s",
                    wanted.max_duration.as_secs()
                ),
                format!("raise `{MAX_DURATION}`, or lower this bot's longest call"),
            );
        }
        // −1 is no limit.
        if let Some(limit) = self.at(CONCURRENCY).and_then(Value::as_u64)
            && limit < u64::from(wanted.sessions)
        {
            findings.warns(
                format!(
                    "the agent holds {limit} conversations at a time, {} calls are let in",
                    wanted.sessions
                ),
                format!("raise `{CONCURRENCY}`, or lower the number of agent slots"),
            );
        }
        if self.at(DAILY).and_then(Value::as_u64) == Some(0) {
            findings.breaks("the agent holds no conversation on any day", format!("raise `{DAILY}`"));
        }
        if self.at(QUEUEING) == Some(&Value::Bool(true)) {
            findings.hint(
                "callers over the limit wait in the agent's own queue and hear its hold music",
                format!("set `{QUEUEING}` to false if they should hear that all lines are busy instead"),
            );
        }
    }

    fn events(&self) -> BTreeSet<&str> {
        match self.at(EVENTS).and_then(Value::as_array) {
            Some(chosen) => chosen.iter().filter_map(Value::as_str).collect(),
            None => EVENTS_BY_DEFAULT.iter().copied().collect(),
        }
    }

    fn client_tools(&self) -> impl Iterator<Item = &str> {
        let tools = self.at(TOOLS).and_then(Value::as_array).into_iter().flatten();
        tools
            .filter(|tool| tool.get("type").and_then(Value::as_str) == Some("client"))
            .filter_map(|tool| tool.get("name").and_then(Value::as_str))
    }

    fn has_built_in(&self, tool: &str) -> bool {
        self.at(&format!("{BUILT_IN}.{tool}")).is_some_and(Value::is_object)
    }

    /// Whether sessions begin with words of the agent.
    fn greets(&self) -> bool {
        self.at(FIRST_MESSAGE).and_then(Value::as_str).is_none_or(|message| !message.is_empty())
    }

    fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.settings, |value, name| value.get(name))
    }
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, words: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { severity, words: words.into(), mend: mend.into() });
    }

    fn breaks(&mut self, words: impl Into<String>, mend: impl Into<String>) {
        self.add(Severity::Breaks, words, mend);
    }

    fn warns(&mut self, words: impl Into<String>, mend: impl Into<String>) {
        self.add(Severity::Warns, words, mend);
    }

    fn hint(&mut self, words: impl Into<String>, mend: impl Into<String>) {
        self.add(Severity::Hint, words, mend);
    }
}

/// The names between `{{` and `}}`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|after| {
        let name = after.split_once("}}")?.0.trim();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        is_name.then_some(name)
    })
}
