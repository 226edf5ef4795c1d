//! What follows from the settings without being one of them: the platform's port, the bots and lines that exist by
//! themselves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::environment::Variables;
use super::problems::{Origin, Problem};
use super::settings::{KeyPath, Settings};
use super::{AgentKind, Bot, Config, Line};
use crate::carrier_kind::CarrierKind;

/// Identifying texts that mean "none" when a template leaves them empty.
const NONE_WHEN_EMPTY: [&str; 16] = [
    "auth_id",
    "account_sid",
    "api_key",
    "subdomain",
    "flow_id",
    "agent_id",
    "exe_number",
    "phone_number",
    "voice_id",
    "transfer_caller_id",
    "transfer_to",
    "default_bot",
    "llm",
    "language",
    "carrier",
    "country",
];

fn path(key: &str) -> KeyPath {
    key.split('.').map(str::to_owned).collect()
}

/// What `PORT` asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortAsked {
    port: u16,
    /// The address that the file listens on: it stays, `PORT` changes the port alone.
    host: Option<IpAddr>,
}

/// Applies `PORT` above the file and below our own variables.
pub(super) fn port(variables: &Variables, settings: &mut Settings) -> Option<PortAsked> {
    let (text, origin) = variables.find("PORT")?;
    let Ok(port) = text.trim().parse::<u16>() else {
        settings.problem("server.listen", origin, "is not a port number", "write a number from 1 to 65535");
        return None;
    };
    let listen = settings.values.get(&path("server.listen"));
    let host = listen
        .and_then(|setting| setting.value.as_str()?.parse::<SocketAddr>().ok())
        .map(|address| address.ip());
    let address = SocketAddr::new(host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port);
    settings.put(path("server.listen"), toml::Value::String(address.to_string()), origin);
    Some(PortAsked { port, host })
}

/// Hosting platforms set `PORT` and expect the program on all addresses. That is only done where it is safe (there is an
/// API token) or certain (it is such a platform, and the check that follows asks for the token).
pub(super) fn platform_port(
    asked: Option<PortAsked>,
    variables: &Variables,
    settings: &mut Settings,
    warnings: &mut Vec<Problem>,
) {
    let Some(PortAsked { port, host: None }) = asked else { return };
    let key = path("server.listen");
    let origin = match settings.values.get(&key) {
        Some(setting) if is_port(&setting.origin) => setting.origin.clone(),
        _ => return,
    };
    let has_token = settings.values.contains_key(&path("server.api_token"));
    if has_token || variables.find("RENDER_EXTERNAL_URL").is_some() {
        let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        settings.put(key, toml::Value::String(everywhere.to_string()), origin);
    } else if matches!(origin, Origin::Environment { .. }) {
        warnings.push(Problem {
            key: "server.listen".to_owned(),
            origin,
            wrong: format!(
                "is 127.0.0.1:{port}: without an API token, PORT opens the port on this machine only"
            ),
            mend: "to be reachable from outside, set server.api_token (TRUNKLINE__SERVER__API_TOKEN)"
                .to_owned(),
        });
    }
}

fn is_port(origin: &Origin) -> bool {
    match origin {
        Origin::Environment { name } | Origin::DotEnv { name } => name == "PORT",
        Origin::File { .. } | Origin::Flag { .. } | Origin::Default => false,
    }
}

/// Render tells its services their address; it counts when nothing else names one.
pub(super) fn fallback_public_url(variables: &Variables, settings: &mut Settings) {
    let key = path("server.public_url");
    if let Some((url, origin)) = variables.find("RENDER_EXTERNAL_URL")
        && !settings.values.contains_key(&key)
    {
        settings.put(key, toml::Value::String(url.to_owned()), origin);
    }
}

pub(super) fn drop_empty(settings: &mut Settings) {
    settings.values.retain(|path, setting| {
        let empty = setting.value.as_str().is_some_and(|text| text.trim().is_empty());
        let none = path.last().is_some_and(|last| NONE_WHEN_EMPTY.contains(&last.as_str()));
        !(empty && none)
    });
}

/// The bots that exist by themselves, the default bot, and the lines that older variables name.
pub(super) fn bots_and_lines(
    config: &mut Config,
    variables: &Variables,
    origins: &mut BTreeMap<String, Origin>,
) {
    if config.bots.is_empty() {
        let elevenlabs = &config.agents.elevenlabs;
        let usable =
            elevenlabs.agent_id.is_some() && (elevenlabs.api_key.is_some() || !elevenlabs.needs_key());
        if usable {
            config.bots.push(Bot {
                name: "elevenlabs".to_owned(),
                agent: AgentKind::ElevenLabs,
                ..Bot::default()
            });
        }
        config.bots.push(Bot { name: "demo".to_owned(), agent: AgentKind::Demo, ..Bot::default() });
        // They have no place in any file, but the checks may speak of them.
        for (at, _) in config.bots.iter().enumerate() {
            origins.insert(format!("bots.{at}.agent"), Origin::Default);
        }
    }
    if config.default_bot.is_empty()
        && let Some(first) = config.bots.first()
    {
        config.default_bot.clone_from(&first.name);
    }
    let agent_number =
        variables.find("AGENT_PHONE_NUMBER").map(|(number, origin)| (None, number.to_owned(), origin));
    let twilio_number = config.carriers.twilio.phone_number.clone().map(|number| {
        let origin = origins.get("carriers.twilio.phone_number").cloned().unwrap_or(Origin::Default);
        (Some(CarrierKind::Twilio), number, origin)
    });
    let plivo_number = config.carriers.plivo.phone_number.clone().map(|number| {
        let origin = origins.get("carriers.plivo.phone_number").cloned().unwrap_or(Origin::Default);
        (Some(CarrierKind::Plivo), number, origin)
    });
    for (carrier, number, origin) in [agent_number, twilio_number, plivo_number].into_iter().flatten() {
        if config.line(carrier, Some(&number)).is_none() {
            origins.insert(format!("lines.{}.number", config.lines.len()), origin);
            config.lines.push(Line { number, bot: config.default_bot.clone(), carrier: None });
        }
    }
}
