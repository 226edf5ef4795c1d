//! Bots, their tools, how their calls behave, and the lines that lead to them.

use call::{CallSettings, Fallback, OwnTool};

use super::{Check, base_url};
use crate::config::{AgentKind, Bot, BotTool, is_dialable};

/// The most that makes sense for anything counted in milliseconds: one day.
const DAY_MS: u32 = 86_400_000;

impl Check<'_> {
    pub(super) fn bots(&mut self) {
        let config = self.config;
        for (at, bot) in config.bots.iter().enumerate() {
            let key = format!("bots.{at}");
            self.bot(&key, bot);
            if let Some(first) = config.bots.iter().take(at).position(|other| other.name == bot.name)
                && !bot.name.is_empty()
            {
                self.wrong(
                    format!("{key}.name"),
                    format!("is `{}`, as is bots.{first}.name", bot.name),
                    "give each bot its own name",
                );
            }
            for (tool_at, tool) in bot.tools.iter().enumerate() {
                let key = format!("{key}.tools.{tool_at}");
                self.tool(&key, tool);
                if bot.tools.iter().take(tool_at).any(|other| other.name == tool.name) {
                    self.wrong(
                        format!("{key}.name"),
                        format!("is `{}` again", tool.name),
                        "give each tool its own name",
                    );
                }
            }
            self.call(&format!("{key}.call"), bot);
        }
        if config.bot(&config.default_bot).is_none() {
            self.wrong(
                "default_bot",
                format!("is `{}`, which is not a bot", config.default_bot),
                self.bots_there_are(),
            );
        }
    }

    pub(super) fn bots_there_are(&self) -> String {
        let names: Vec<&str> = self.config.bots.iter().map(|bot| bot.name.as_str()).collect();
        format!("name one of: {}", names.join(", "))
    }

    fn bot(&mut self, key: &str, bot: &Bot) {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if bot.name.is_empty() {
            self.wrong(format!("{key}.name"), "is missing", "give the bot a name, such as \"reception\"");
        } else if bot.name.len() > 64 || !bot.name.bytes().all(good) {
            self.wrong(
                format!("{key}.name"),
                format!("is `{}`", bot.name),
                "use up to 64 letters, digits, - _ and .",
            );
        }
        if !self.given(&format!("{key}.agent")) {
            self.wrong(
                format!("{key}.agent"),
                "is missing",
                "say which agent talks: \"elevenlabs\", or \"demo\" for the built-in one",
            );
        }
        match bot.agent {
            AgentKind::ElevenLabs => self.elevenlabs_bot(key, bot),
            AgentKind::Demo => {
                let foreign = [
                    ("agent_id", bot.agent_id.is_some()),
                    ("voice_id", bot.voice_id.is_some()),
                    ("first_message", bot.first_message.is_some()),
                    ("prompt", bot.prompt.is_some()),
                ];
                for (name, _) in foreign.into_iter().filter(|(_, given)| *given) {
                    self.warn(
                        format!("{key}.{name}"),
                        "means nothing to the built-in agent",
                        "set agent = \"elevenlabs\", or take it out",
                    );
                }
            }
        }
        if let Some(number) = &bot.transfer_to
            && !is_dialable(number)
        {
            self.number(format!("{key}.transfer_to"), number);
        }
    }

    fn elevenlabs_bot(&mut self, key: &str, bot: &Bot) {
        let elevenlabs = &self.config.agents.elevenlabs;
        if bot.agent_id.is_none() && elevenlabs.agent_id.is_none() {
            self.wrong(
                format!("{key}.agent_id"),
                "is missing, and there is no agents.elevenlabs.agent_id either",
                "set it to the id of the agent that answers",
            );
        }
        if elevenlabs.needs_key() && elevenlabs.api_key.is_none() {
            self.wrong(
                "agents.elevenlabs.api_key",
                format!("is missing, and {key} needs it"),
                "set it (ELEVENLABS_API_KEY), or agents.elevenlabs.auth = \"public\" for an agent that asks for no key",
            );
        }
        for (name, value, range) in [
            ("stability", bot.stability, 0.0..=1.0),
            ("similarity_boost", bot.similarity_boost, 0.0..=1.0),
            ("speed", bot.speed, 0.7..=1.2),
        ] {
            if let Some(value) = value {
                self.range(format!("{key}.{name}"), value, range);
            }
        }
        for name in bot.dynamic_variables.keys().filter(|name| name.starts_with("system__")) {
            self.wrong(
                format!("{key}.dynamic_variables.{name}"),
                "begins with system__, which ElevenLabs keeps for itself",
                "choose another name",
            );
        }
    }

    fn tool(&mut self, key: &str, tool: &BotTool) {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if tool.name.is_empty() || tool.name.len() > 64 || !tool.name.bytes().all(good) {
            self.wrong(
                format!("{key}.name"),
                format!("is `{}`", tool.name),
                "name the tool as the agent does, in up to 64 letters, digits, - and _",
            );
        } else if OwnTool::by_name(&tool.name).is_some() {
            self.wrong(
                format!("{key}.name"),
                format!("is `{}`, which every call does by itself", tool.name),
                "choose another name, or take the tool out",
            );
        }
        if !self.given(&format!("{key}.url")) {
            self.wrong(format!("{key}.url"), "is missing", "say where the tool is, with https://");
        } else if !matches!(tool.url.scheme(), "http" | "https") {
            self.wrong(format!("{key}.url"), format!("has the scheme `{}`", tool.url.scheme()), "use https");
        } else if !tool.allow_private_addresses {
            let mut bare = tool.url.clone();
            bare.set_query(None);
            if let Err((wrong, mend)) = base_url(&bare) {
                self.wrong(format!("{key}.url"), wrong, mend);
            }
        }
        self.range(format!("{key}.timeout_ms"), tool.timeout_ms, 100..=120_000);
        for (name, value) in &tool.headers {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(token) {
                self.wrong(
                    format!("{key}.headers.{name}"),
                    "is not the name of a header",
                    "see RFC 9110 §5.1",
                );
            }
            if value.reveal().bytes().any(|byte| byte.is_ascii_control()) {
                self.wrong(
                    format!("{key}.headers.{name}"),
                    "has a line break or control character in its value",
                    "write it on one line",
                );
            }
        }
    }

    fn call(&mut self, key: &str, bot: &Bot) {
        let CallSettings { barge_in, reconnect, limits, fallback, transfer_to, .. } = &bot.call;
        self.range(format!("{key}.digit_gap_ms"), bot.call.digit_gap_ms, 0..=60_000);
        self.range(format!("{key}.barge_in.score_threshold"), barge_in.score_threshold, 0.0..=1.0);
        self.range(format!("{key}.barge_in.score_sustained_ms"), barge_in.score_sustained_ms, 0..=5_000);
        self.range(
            format!("{key}.barge_in.detector_sustained_ms"),
            barge_in.detector_sustained_ms,
            20..=5_000,
        );
        self.range(format!("{key}.barge_in.debounce_ms"), barge_in.debounce_ms, 0..=10_000);
        self.range(format!("{key}.reconnect.attempts"), reconnect.attempts, 0..=100);
        self.range(format!("{key}.reconnect.backoff_ms"), reconnect.backoff_ms, 1..=60_000);
        self.range(format!("{key}.reconnect.jitter"), reconnect.jitter, 0.0..=1.0);
        self.range(format!("{key}.reconnect.patience_ms"), reconnect.patience_ms, 1..=600_000);
        self.range(format!("{key}.reconnect.healthy_after_ms"), reconnect.healthy_after_ms, 0..=DAY_MS);
        if reconnect.backoff_ms_max < reconnect.backoff_ms {
            self.wrong(
                format!("{key}.reconnect.backoff_ms_max"),
                format!(
                    "is {}, less than backoff_ms, which is {}",
                    reconnect.backoff_ms_max, reconnect.backoff_ms
                ),
                "make it at least as long",
            );
        }
        for (name, value) in [
            ("start_ms", limits.start_ms),
            ("no_media_ms", limits.no_media_ms),
            ("agent_ready_ms", limits.agent_ready_ms),
            ("agent_stalled_ms", limits.agent_stalled_ms),
            ("agent_silent_ms", limits.agent_silent_ms),
            ("max_duration_ms", limits.max_duration_ms),
            ("stale_ms", limits.stale_ms),
            ("goodbye_ms", limits.goodbye_ms),
            ("hang_up_ms", limits.hang_up_ms),
            ("playout_ms", limits.playout_ms),
        ] {
            self.range(format!("{key}.limits.{name}"), value, 100..=DAY_MS);
        }
        self.range(format!("{key}.limits.history_messages"), limits.history_messages, 1..=10_000);
        if limits.stale_ms <= limits.agent_silent_ms {
            self.wrong(
                format!("{key}.limits.stale_ms"),
                format!(
                    "is {}, not longer than agent_silent_ms, which is {}",
                    limits.stale_ms, limits.agent_silent_ms
                ),
                "make it longer, so that a silent agent is noticed before the call is given up",
            );
        }
        for (at, number) in transfer_to.iter().enumerate() {
            if !is_dialable(number) {
                self.number(format!("{key}.transfer_to.{at}"), number);
            }
        }
        self.fallback(&format!("{key}.fallback"), bot, fallback);
    }

    fn fallback(&mut self, key: &str, bot: &Bot, fallback: &Fallback) {
        match fallback {
            Fallback::Apologise => {}
            Fallback::Transfer { to } => {
                if !is_dialable(to) {
                    self.number(format!("{key}.to"), to);
                }
            }
            Fallback::Bot { name } if *name == bot.name => {
                self.wrong(
                    format!("{key}.name"),
                    "is the bot itself",
                    "name another bot, or do = \"apologise\"",
                );
            }
            Fallback::Bot { name } => {
                if self.config.bot(name).is_none() {
                    let there_are = self.bots_there_are();
                    self.wrong(format!("{key}.name"), format!("is `{name}`, which is not a bot"), there_are);
                }
            }
        }
    }

    pub(super) fn number(&mut self, key: String, number: &str) {
        self.wrong(
            key,
            format!("is `{number}`, which is not a telephone number"),
            "write it in international form, such as +14155550100",
        );
    }
}
