//! The environment: `TRUNKLINE__SECTION__KEY` for every key, and the names that older services used.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Sources;
use super::keys::{Item, Key, Kind, Section};
use super::problems::Origin;
use super::settings::{Found, KeyPath, Settings, find, nearest};

pub(super) const PREFIX: &str = "TRUNKLINE__";

/// Variables of older services that are one key each.
pub(super) const OLDER_NAMES: [(&str, &str); 24] = [
    ("ELEVENLABS_API_KEY", "agents.elevenlabs.api_key"),
    ("ELEVENLABS_AGENT_ID", "agents.elevenlabs.agent_id"),
    ("ELEVENLABS_BASE_URL", "agents.elevenlabs.base_url"),
    ("TWILIO_ACCOUNT_SID", "carriers.twilio.account_sid"),
    ("TWILIO_AUTH_TOKEN", "carriers.twilio.auth_token"),
    ("TWILIO_PHONE_NUMBER", "carriers.twilio.phone_number"),
    ("TWILIO_API_BASE_URL", "carriers.twilio.api_base_url"),
    // The later one counts where both are given.
    ("MCUBE_TOKEN", "carriers.mcube.api_token"),
    ("MCUBE_API_TOKEN", "carriers.mcube.api_token"),
    ("MCUBE_BASE_URL", "carriers.mcube.api_base_url"),
    ("MCUBE_EXE_NUMBER", "carriers.mcube.exe_number"),
    ("MCUBE_WEBHOOK_SECRET", "carriers.mcube.token"),
    ("PLIVO_AUTH_ID", "carriers.plivo.auth_id"),
    ("PLIVO_AUTH_TOKEN", "carriers.plivo.auth_token"),
    ("PLIVO_PHONE_NUMBER", "carriers.plivo.phone_number"),
    ("EXOTEL_WS_TOKEN", "carriers.exotel.ws_token"),
    ("WS_PATH", "carriers.exotel.ws_path"),
    ("EXOTEL_ACCOUNT_SID", "carriers.exotel.account_sid"),
    ("EXOTEL_API_KEY", "carriers.exotel.api_key"),
    ("EXOTEL_API_TOKEN", "carriers.exotel.api_token"),
    ("EXOTEL_SUBDOMAIN", "carriers.exotel.subdomain"),
    // The later of two wins: the number that is meant to be shown.
    ("EXOTEL_PHONE_NUMBER", "carriers.exotel.phone_number"),
    ("EXOTEL_CALLER_ID", "carriers.exotel.phone_number"),
    ("WEBHOOK_BASE_URL", "server.public_url"),
];

/// The variable of older services that is this key; of several the one that counts.
pub fn older_name(key: &str) -> Option<&'static str> {
    OLDER_NAMES.iter().rev().find(|(_, of)| *of == key).map(|(name, _)| *name)
}

/// As the others, but a word of a kind that the older services wrote in their own way.
pub(super) const OLDER_SKIP: (&str, &str) =
    ("SKIP_WEBHOOK_SIGNATURE_VALIDATION", "carriers.twilio.skip_signature_validation");

/// The real environment over `.env`; empty values are no values, as container files leave many of them.
pub(super) struct Variables(BTreeMap<String, (String, Origin)>);

impl Variables {
    pub(super) fn of(sources: &Sources) -> Variables {
        let mut all = BTreeMap::new();
        for (name, value) in &sources.dotenv {
            all.insert(name.clone(), (value.clone(), Origin::DotEnv { name: name.clone() }));
        }
        for (name, value) in &sources.env {
            all.insert(name.clone(), (value.clone(), Origin::Environment { name: name.clone() }));
        }
        all.retain(|_, (value, _)| !value.is_empty());
        Variables(all)
    }

    pub(super) fn find(&self, name: &str) -> Option<(&str, Origin)> {
        self.0.get(name).map(|(value, origin)| (value.as_str(), origin.clone()))
    }
}

/// The older services' names. They are weaker than our own names and stronger than the file.
pub(super) fn read_older(
    variables: &Variables,
    schema: &Section,
    secret_file: fn(&Path) -> io::Result<String>,
    settings: &mut Settings,
) {
    for (name, key) in OLDER_NAMES.into_iter().chain([OLDER_SKIP]) {
        let segments: Vec<&str> = key.split('.').collect();
        if let Some((value, origin)) = variables.find(name) {
            put(schema, &segments, value, origin, secret_file, settings);
        }
        let in_file = format!("{name}_FILE");
        if let Some((value, origin)) = variables.find(&in_file)
            && let Some((path, Found::Key(Key { kind: Kind::Secret, .. }))) = find(schema, &segments)
        {
            settings.put_secret_file(path, value, origin, secret_file);
        }
    }
}

/// Our own names.
pub(super) fn read_own(
    variables: &Variables,
    schema: &Section,
    secret_file: fn(&Path) -> io::Result<String>,
    settings: &mut Settings,
) {
    for (name, (value, origin)) in &variables.0 {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let lower = rest.to_ascii_lowercase();
        let segments: Vec<&str> = lower.split("__").collect();
        if !put(schema, &segments, value, origin.clone(), secret_file, settings) {
            let known = names(schema);
            let mend = match nearest(&numbered(name), known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => "take it out, or look it up with `trunkline config reference`".to_owned(),
            };
            settings.problem(lower.replace("__", "."), origin.clone(), "is not a key of this program", mend);
        }
    }
}

/// Flags of the command line, by key.
pub(super) fn read_flags(
    flags: &BTreeMap<String, String>,
    schema: &Section,
    secret_file: fn(&Path) -> io::Result<String>,
    settings: &mut Settings,
) {
    for (key, value) in flags {
        let origin = Origin::Flag { key: key.clone() };
        let segments: Vec<&str> = key.split('.').collect();
        if !put(schema, &segments, value, origin.clone(), secret_file, settings) {
            let known: Vec<String> = names(schema).iter().map(|name| dotted(name)).collect();
            let mend = match nearest(
                &dotted(&numbered(&key.replace('.', "__"))),
                known.iter().map(String::as_str),
            ) {
                Some(near) => format!("did you mean {near}?"),
                None => "look it up with `trunkline config reference`".to_owned(),
            };
            settings.problem(key.clone(), origin, "is not a key of this program", mend);
        }
    }
}

fn put(
    schema: &Section,
    segments: &[&str],
    value: &str,
    origin: Origin,
    secret_file: fn(&Path) -> io::Result<String>,
    settings: &mut Settings,
) -> bool {
    let Some((path, found)) = find(schema, segments) else { return false };
    match found {
        Found::Key(key) => settings.put(path, typed(key, value), origin),
        Found::Entry(key) => settings.put(header_name(key, path), typed(key, value), origin),
        Found::SecretFile(key) => {
            settings.put_secret_file(header_name(key, path), value, origin, secret_file)
        }
    }
    true
}

/// Variable names have no dashes and HTTP headers no underscores.
fn header_name(key: &Key, mut path: KeyPath) -> KeyPath {
    if key.name == "headers"
        && let Some(last) = path.last_mut()
    {
        *last = last.replace('_', "-");
    }
    path
}

/// Text as the kind of value that the key takes. What cannot be read stays text and is reported with the rest.
fn typed(key: &Key, text: &str) -> toml::Value {
    if key.list {
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
        return toml::Value::Array(elements.map(|element| single(key.kind, element)).collect());
    }
    single(key.kind, text)
}

fn single(kind: Kind, text: &str) -> toml::Value {
    let as_text = || toml::Value::String(text.to_owned());
    match kind {
        Kind::Text | Kind::Secret | Kind::Path => as_text(),
        Kind::Url | Kind::Address | Kind::Network => toml::Value::String(text.trim().to_owned()),
        Kind::Choice(_) => toml::Value::String(text.trim().to_ascii_lowercase().replace('-', "_")),
        Kind::Whole => text.trim().replace('_', "").parse().map_or_else(|_| as_text(), toml::Value::Integer),
        Kind::Number => text.trim().parse().map_or_else(|_| as_text(), toml::Value::Float),
        Kind::Flag => flag(text).map_or_else(as_text, toml::Value::Boolean),
        Kind::Variable => variable(text),
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A number only when it is written as numbers are: `0123` is somebody's code, not one hundred and twenty-three.
fn variable(text: &str) -> toml::Value {
    match text {
        "true" => return toml::Value::Boolean(true),
        "false" => return toml::Value::Boolean(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return toml::Value::Integer(number);
    }
    if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
        && number.to_string() == text
    {
        return toml::Value::Float(number);
    }
    toml::Value::String(text.to_owned())
}

/// Every variable's name; list positions are `0`, free names `NAME`.
pub(super) fn names(schema: &Section) -> Vec<String> {
    let mut names = Vec::new();
    collect(schema, PREFIX, &mut names);
    names
}

fn collect(section: &Section, above: &str, names: &mut Vec<String>) {
    for item in &section.items {
        let name = format!("{above}{}", item.name().to_ascii_uppercase());
        match item {
            Item::Key(_) => names.push(name),
            Item::Map(_) => names.push(format!("{name}__NAME")),
            Item::Section(inner) => collect(inner, &format!("{name}__"), names),
            Item::List(inner) => collect(inner, &format!("{name}__0__"), names),
        }
    }
}

/// A variable's name as the key it stands for.
fn dotted(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace("__", ".")
}

/// The name with every list position made `0`, as [`names`] has them.
fn numbered(name: &str) -> String {
    let part = |part: &str| if part.parse::<usize>().is_ok() { "0".to_owned() } else { part.to_owned() };
    name.split("__").map(part).collect::<Vec<_>>().join("__")
}
