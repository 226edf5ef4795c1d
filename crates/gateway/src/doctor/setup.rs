//! The configuration as a whole: what works but will surprise, and what is still missing for a phone number.

use std::collections::BTreeSet;

use url::{Host, Url};

use super::{Area, Findings};
use crate::bot_tools::is_public;
use crate::carrier_kind::CarrierKind;
use crate::carrier_setup::{self, CarrierSetup};
use crate::config::{AgentKind, Config, Loaded, Origin};

pub(super) fn configuration(loaded: &Loaded, findings: &mut Findings) {
    let files: BTreeSet<String> = loaded
        .origins
        .values()
        .filter_map(|origin| match origin {
            Origin::File { path, .. } => Some(path.display().to_string()),
            _ => None,
        })
        .collect();
    let from = match files.first() {
        Some(file) => format!("{file} is read and understood"),
        None => "no configuration file: the environment and the defaults hold".to_owned(),
    };
    findings.ok(Area::Configuration, from);
    for warning in &loaded.warnings {
        let place = match &warning.origin {
            Origin::Default => warning.key.clone(),
            origin => format!("{} ({origin})", warning.key),
        };
        findings.warn(Area::Configuration, format!("{place} {}", warning.wrong), &warning.mend);
    }
}

pub(super) fn network(config: &Config, findings: &mut Findings) {
    let area = Area::Network;
    let server = &config.server;
    let wants_webhooks = !carrier_setup::phone_carriers(config).is_empty();
    match &server.public_url {
        // Each carrier says it.
        None if wants_webhooks => {}
        None => findings.hint(
            area,
            "no public address: calls come from the page of this gateway and from `trunkline dial` alone",
            "set server.public_url (WEBHOOK_BASE_URL) to have a carrier bring calls",
        ),
        Some(url) => public_url(url, findings),
    }
    if !wants_webhooks {
        findings.hint(
            area,
            "no carrier is set up: no phone number leads here",
            "set up Twilio (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN), Plivo (PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN), \
             Exotel (EXOTEL_WS_TOKEN) or Mcube (MCUBE_WEBHOOK_SECRET), and WEBHOOK_BASE_URL; see docs/CARRIERS.md",
        );
    }
    match &server.api_token {
        Some(_) => findings.ok(area, "the API and the console ask for the token"),
        None => findings
            .ok(area, format!("the API and the console answer this machine alone ({})", server.listen)),
    }
}

fn public_url(url: &Url, findings: &mut Findings) {
    let area = Area::Network;
    let private = match url.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(name)) => {
            !name.contains('.') || name.ends_with(".local") || name.ends_with(".localhost")
        }
        None => true,
    };
    let placeholder =
        url.host_str().is_some_and(|host| host.ends_with("example.com") || host.ends_with(".example"));
    if placeholder {
        findings.fail(
            area,
            format!("the public address is {url}, a placeholder"),
            "set server.public_url (WEBHOOK_BASE_URL) to your own",
        );
    } else if private {
        findings.warn(
            area,
            format!("the public address {url} is known in your own network alone: no carrier reaches it"),
            "use the address of a tunnel or of a proxy on the internet",
        );
    } else if !matches!(url.port_or_known_default(), Some(443)) {
        findings.warn(
            area,
            format!(
                "the public address {url} has an unusual port; carriers open media sockets on port 443 alone"
            ),
            "put a proxy with TLS on port 443 before the gateway",
        );
    } else {
        findings.ok(area, format!("the public address is {url}"));
    }
    if url.path() != "/" {
        findings.hint(
            area,
            format!("the public address has the path {}", url.path()),
            "fine when your proxy takes it away before handing on; otherwise leave it out",
        );
    }
}

pub(super) fn bots(config: &Config, findings: &mut Findings) {
    let area = Area::Bots;
    for bot in &config.bots {
        let lines: Vec<&str> = config
            .lines
            .iter()
            .filter(|line| line.bot == bot.name)
            .map(|line| line.number.as_str())
            .collect();
        let default = if bot.name == config.default_bot { " and every number without a line" } else { "" };
        let answers = match (lines.is_empty(), default.is_empty()) {
            (true, true) => "no line".to_owned(),
            (true, false) => "every number without a line".to_owned(),
            (false, _) => format!("{}{default}", lines.join(", ")),
        };
        findings.ok(area, format!("{} ({}) answers {answers}", bot.name, bot.agent.name()));
    }
    let elevenlabs = &config.agents.elevenlabs;
    let demo_answers = config.bot_for(None).is_some_and(|bot| bot.agent == AgentKind::Demo);
    let with_elevenlabs = config.bots.iter().find(|bot| bot.agent == AgentKind::ElevenLabs);
    if let Some(bot) = with_elevenlabs
        && demo_answers
    {
        findings.hint(
            area,
            format!(
                "bot {} talks to ElevenLabs, but the built-in agent answers numbers without a line",
                bot.name
            ),
            format!("set default_bot = \"{}\" if it should be the other way round", bot.name),
        );
    }
    if with_elevenlabs.is_some() && elevenlabs.slots < config.limits.calls {
        findings.hint(
            area,
            format!(
                "{} calls may come, but only {} of them can talk to ElevenLabs at a time; the others hear that all \
                 lines are busy",
                config.limits.calls, elevenlabs.slots
            ),
            "raise agents.elevenlabs.slots as far as your plan allows, or lower limits.calls",
        );
    }
}

pub(super) fn twilio(config: &Config, findings: &mut Findings) {
    let area = Area::Twilio;
    let twilio = &config.carriers.twilio;
    if !carrier_setup::of(config, CarrierKind::Twilio).begun {
        return;
    }
    let Some(token) = &twilio.auth_token else {
        let (words, mend) = match twilio.account_sid {
            Some(_) => (
                "set up by half: there is no auth token, so no phone number leads here",
                "set TWILIO_AUTH_TOKEN too",
            ),
            None => (
                "there is no auth token, and webhooks are accepted from anybody",
                "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, and take carriers.twilio.skip_signature_validation out",
            ),
        };
        findings.hint(area, words, mend);
        return;
    };
    let hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex(token.reveal()) {
        findings.warn(
            area,
            "the auth token does not look like one: they are 32 hexadecimal digits",
            "copy it again from the first page of Twilio's console; API keys and their secrets do not sign webhooks",
        );
    }
    match twilio.account_sid.as_deref() {
        Some(sid) if sid.strip_prefix("AC").is_some_and(hex) => {}
        Some(_) => findings.warn(
            area,
            "the account SID does not look like one: AC and 32 hexadecimal digits",
            "copy it again from the first page of Twilio's console",
        ),
        None => findings.warn(
            area,
            "no account SID: calls can be answered, but neither handed over nor hung up",
            "set carriers.twilio.account_sid (TWILIO_ACCOUNT_SID)",
        ),
    }
    if let Some(webhook) = config.server.public(&twilio.inbound_path) {
        findings.ok(area, format!("point your number's voice webhook at POST {webhook}"));
    }
    abilities(area, &carrier_setup::of(config, CarrierKind::Twilio), findings);
}

/// The other carriers. Of those that nobody has begun to set up, nothing is said.
pub(super) fn carriers(config: &Config, findings: &mut Findings) {
    for (area, carrier) in [
        (Area::Plivo, CarrierKind::Plivo),
        (Area::Exotel, CarrierKind::Exotel),
        (Area::Mcube, CarrierKind::Mcube),
    ] {
        let setup = carrier_setup::of(config, carrier);
        if !setup.begun {
            continue;
        }
        if setup.is_ready() {
            for words in setup.to_enter() {
                findings.ok(area, format!("enter {words}"));
            }
        } else {
            findings.warn(
                area,
                format!(
                    "not ready: {} missing",
                    if setup.missing.len() == 1 { "a setting is" } else { "settings are" }
                ),
                format!("set {}; see docs/CARRIERS.md", setup.missing_words()),
            );
        }
        for remark in &setup.remarks {
            findings.warn(area, remark.trim_end_matches('.'), "see docs/CARRIERS.md");
        }
        abilities(area, &setup, findings);
    }
}

/// What a carrier that is ready can do beside bringing calls.
fn abilities(area: Area, setup: &CarrierSetup, findings: &mut Findings) {
    if !setup.is_ready() {
        return;
    }
    match &setup.places_calls {
        Ok(()) if setup.placing_hints.is_empty() => {
            findings.ok(area, "calls can be placed too (POST /api/v1/calls)");
        }
        Ok(()) => {
            for hint in &setup.placing_hints {
                findings.hint(area, format!("calls come in; {}", hint.words), hint.mend.clone());
            }
        }
        Err(missing) => findings.hint(area, "calls come in, but none can be placed", missing.clone()),
    }
}

pub(super) fn elevenlabs(config: &Config, findings: &mut Findings) {
    let area = Area::ElevenLabs;
    let elevenlabs = &config.agents.elevenlabs;
    let bots = config.bots.iter().filter(|bot| bot.agent == AgentKind::ElevenLabs).count();
    if bots == 0 {
        let has_key = elevenlabs.api_key.is_some() || !elevenlabs.needs_key();
        let (words, mend) = match (has_key, elevenlabs.agent_id.is_some()) {
            (true, true) => (
                "set up, but no bot talks to it",
                "add a bot with agent = \"elevenlabs\" to [[bots]], and name it in default_bot or a line",
            ),
            (false, true) => (
                "set up by half: there is no key, so the built-in agent answers",
                "set ELEVENLABS_API_KEY too",
            ),
            (true, false) if elevenlabs.api_key.is_some() => (
                "set up by half: there is a key but no agent, so the built-in agent answers",
                "set ELEVENLABS_AGENT_ID too",
            ),
            (_, false) => (
                "not set up: the built-in agent answers",
                "set ELEVENLABS_API_KEY and ELEVENLABS_AGENT_ID; see docs/AGENTS.md",
            ),
        };
        findings.hint(area, words, mend);
        return;
    }
    if elevenlabs.needs_key() && elevenlabs.api_key.as_ref().is_some_and(|key| key.reveal().len() < 20) {
        findings.warn(
            area,
            "the API key is short for one",
            "copy it again from ElevenLabs' developer settings",
        );
    }
    // Whether it can be reached is not known here.
    let are_set = if bots == 1 { "bot is set" } else { "bots are set" };
    findings.ok(area, format!("{bots} {are_set} to talk to it at {}", elevenlabs.base_url));
}
