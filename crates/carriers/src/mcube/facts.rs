//! What a `start` says about its call, wherever it says it.
//!
//! Nobody has written down under which names and where the facts travel, so a list of names is looked for in four
//! places: beside `start`, in it, in its custom parameters, and in the extra headers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Facts beyond these are left out; they stand in every record of the call.
const FACTS_MAX: usize = 64;

/// Longer than any name or number that says something about a call.
const VALUE_CHARS_MAX: usize = 512;

/// What is kept of a `start` for the record.
const RAW_BYTES_MAX: usize = 8 * 1024;

/// Under which names the facts travel; the first that is found counts. Upper and lower case are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub business_id: Vec<String>,
    pub agent_id: Vec<String>,
    /// The number that was called.
    pub did: Vec<String>,
    pub customer_number: Vec<String>,
    pub customer_name: Vec<String>,
}

impl Fields {
    fn all(&self) -> impl Iterator<Item = &str> {
        let Fields { business_id, agent_id, did, customer_number, customer_name } = self;
        let lists = [business_id, agent_id, did, customer_number, customer_name];
        lists.into_iter().flatten().map(String::as_str)
    }
}

impl Default for Fields {
    fn default() -> Fields {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Fields {
            business_id: names(&["businessId", "business_id", "bid"]),
            agent_id: names(&["agentId", "agent_id", "botId", "bot_id"]),
            did: names(&["did", "didNumber", "did_number", "to", "exenumber"]),
            customer_number: names(&["from", "customerNumber", "customer_number", "custnumber"]),
            customer_name: names(&["customerName", "customer_name"]),
        }
    }
}

/// A `start` with its four places laid open.
pub(super) struct Told<'a> {
    places: Vec<Vec<(&'a str, String)>>,
    /// How many of the places, from the end, are for whoever set the call up, so that all that stands there is a fact.
    free: usize,
}

/// What a `start` said about its call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) others: Vec<(String, String)>,
}

impl<'a> Told<'a> {
    pub(super) fn new(message: &'a Map<String, Value>, headers: &'a Headers) -> Told<'a> {
        let start = object(message, &["start"]);
        let parameters = start.and_then(|start| object(start, &["customParameters", "custom_parameters"]));
        let parameters = parameters.or_else(|| object(message, &["customParameters", "custom_parameters"]));
        let of = |place: Option<&'a Map<String, Value>>| {
            let pairs = place.into_iter().flatten();
            pairs.filter_map(|(name, value)| Some((name.as_str(), plain(value)?))).collect()
        };
        let headers = headers.0.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        Told { places: vec![of(Some(message)), of(start), of(parameters), headers], free: 2 }
    }

    /// The first of these names that stands anywhere and is not empty.
    pub(super) fn find(&self, names: &[impl AsRef<str>]) -> Option<&str> {
        names.iter().find_map(|name| {
            let mut everywhere = self.places.iter().flatten();
            let found = everywhere.find(|(known, value)| {
                known.eq_ignore_ascii_case(name.as_ref()) && !value.trim().is_empty()
            })?;
            Some(found.1.trim())
        })
    }

    pub(super) fn facts(&self, fields: &Fields, bots: &BTreeMap<String, String>) -> Facts {
        let fact = |names: &[String]| self.find(names).map(cut);
        let agent = fact(&fields.agent_id);
        // A bot is named by the agent's id, or asked for by its own name; another's word is no name of ours.
        let named = self.find(&["bot"]).filter(|name| bots.values().any(|bot| bot == name));
        let bot = agent.as_ref().and_then(|agent| bots.get(agent).map(String::as_str)).or(named);
        let mut others: Vec<(String, String)> = [
            ("business_id", fact(&fields.business_id)),
            ("agent_id", agent.clone()),
            ("customer_name", fact(&fields.customer_name)),
            ("direction", fact(&["callDirection".to_owned(), "direction".to_owned()])),
            ("token", fact(&["token".to_owned()])),
            ("bot", bot.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
        for (name, value) in self.places.iter().rev().take(self.free).rev().flatten() {
            // What has been found under one of its names stands there under ours.
            let found = fields.all().any(|known| known.eq_ignore_ascii_case(name));
            let known = found || others.iter().any(|(other, _)| other == name);
            // A foreign name for a bot must not choose one of ours, and a secret is no fact.
            if !known && !name.is_empty() && *name != "bot" && !is_secret(name) && others.len() < FACTS_MAX {
                others.push((cut(name), cut(value)));
            }
        }
        Facts { from: fact(&fields.customer_number), to: fact(&fields.did), others }
    }
}

/// The extra headers of a `start`: `k=v;k2=v2`, JSON in a string, or an object.
#[derive(Debug, Default)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn of(message: &Map<String, Value>) -> Headers {
        const NAMES: [&str; 2] = ["extra_headers", "extraHeaders"];
        let start = object(message, &["start"]);
        let everywhere = [Some(message), start].into_iter().flatten();
        let values = everywhere.flat_map(|place| NAMES.iter().filter_map(|name| place.get(*name)));
        Headers(values.flat_map(pairs_of_headers).take(FACTS_MAX).collect())
    }
}

fn pairs_of_headers(value: &Value) -> Vec<(String, String)> {
    let of_object = |object: &Map<String, Value>| {
        object.iter().filter_map(|(name, value)| Some((name.clone(), plain(value)?))).collect()
    };
    match value {
        Value::Object(object) => of_object(object),
        Value::String(text) => {
            if let Ok(Value::Object(object)) = serde_json::from_str(text) {
                return of_object(&object);
            }
            let between = if text.contains(';') { ';' } else { ',' };
            let pairs = text.split(between).filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// The `start` for the record, with the secrets in it made unreadable.
pub(super) fn raw(message: &Map<String, Value>) -> String {
    let mut kept = Value::Object(message.clone());
    hide(&mut kept);
    let mut text = kept.to_string();
    if text.len() > RAW_BYTES_MAX {
        let mut end = RAW_BYTES_MAX - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                match value {
                    Value::Object(_) | Value::Array(_) => hide(value),
                    _ if is_secret(name) => *value = Value::from("***"),
                    Value::String(text) if is_headers(name) => {
                        let pairs =
                            pairs_of_headers(&Value::from(text.as_str())).into_iter().map(|(name, value)| {
                                let value = if is_secret(&name) { "***".to_owned() } else { value };
                                (name, Value::from(value))
                            });
                        *value = Value::Object(pairs.collect());
                    }
                    _ => {}
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "secret", "authorization", "password"].iter().any(|word| name.contains(word))
}

fn is_headers(name: &str) -> bool {
    name.eq_ignore_ascii_case("extra_headers") || name.eq_ignore_ascii_case("extraHeaders")
}

/// The first of these fields that is an object.
pub(super) fn object<'a>(place: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Map<String, Value>> {
    names.iter().find_map(|name| place.get(*name)?.as_object())
}

/// A value that is one word or number.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(VALUE_CHARS_MAX).collect()
}
