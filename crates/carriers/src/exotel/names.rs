//! Fields whatever way their names are written: `call_sid`, `callSid` and `CallSid` are one.
//!
//! Exotel's documents, its samples and the services built on either disagree about it, sometimes within one message.

use serde_json::{Map, Value};

/// An object of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    pub(super) fn of(value: &'a Value) -> Option<Object<'a>> {
        value.as_object().map(Object)
    }

    /// The field of this name and the name as it is written; the name as given goes before others that mean the same.
    pub(super) fn entry(self, name: &str) -> Option<(&'a str, &'a Value)> {
        let exact = self.0.get_key_value(name);
        let found = exact.or_else(|| self.0.iter().find(|(found, _)| is_same(found, name)));
        found.map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.entry(name).map(|(_, value)| value)
    }

    pub(super) fn object(self, name: &str) -> Option<Object<'a>> {
        self.get(name).and_then(Object::of)
    }

    /// Text, or a number as text.
    pub(super) fn text(self, name: &str) -> Option<String> {
        self.get(name).and_then(text)
    }

    /// A whole number, in whatever form. What is none is as good as nothing: no call depends on it.
    pub(super) fn number(self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Text, or a number or flag as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether two names differ in nothing but case and `_` or `-`.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let plain = |name: &str| {
        let bytes = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
        bytes.map(|byte| byte.to_ascii_lowercase()).collect::<Vec<u8>>()
    };
    plain(one) == plain(other)
}
