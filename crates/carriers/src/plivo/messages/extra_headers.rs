//! What our answer document gave along, in the shapes in which it comes back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Ours are two; the document has room for 512 bytes.
const PAIRS_MAX: usize = 64;

/// The prefix under which telephony carries headers of one's own.
const PREFIX: &str = "X-PH-";

/// Names that mean something to us: they are known in whatever case they come back.
const KNOWN: [&str; 5] = ["token", "call", "bot", "from", "to"];

/// `token=abc;call=1` as a rule, with commas now and then, or JSON: as an object, or as a string that holds one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExtraHeaders(pub Value);

impl ExtraHeaders {
    /// Names and values, in the order they came.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = match &self.0 {
            Value::Object(object) => of_object(object),
            Value::String(text) => of_text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Vec::new(),
        };
        pairs.truncate(PAIRS_MAX);
        pairs
    }
}

fn of_object(object: &serde_json::Map<String, Value>) -> Vec<(String, String)> {
    let pair = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Some((bare(name)?, value))
    };
    object.iter().filter_map(pair).collect()
}

fn of_text(text: &str) -> Vec<(String, String)> {
    let text = text.trim();
    if text.starts_with('{')
        && let Ok(Value::Object(object)) = serde_json::from_str(text)
    {
        return of_object(&object);
    }
    // Braces around it do not make it JSON.
    let text = text.trim_matches(|c: char| matches!(c, '{' | '}') || c.is_whitespace());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((bare(name)?, value.trim().to_owned()))
    };
    text.split([';', ',']).filter_map(pair).collect()
}

/// The name as our document wrote it.
fn bare(name: &str) -> Option<String> {
    let name = name.trim();
    let has_prefix = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let name = if has_prefix { &name[PREFIX.len()..] } else { name };
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    (!name.is_empty()).then(|| known.unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_says_the_same() {
        let expected = [("token".to_owned(), "abc".to_owned()), ("tenant".to_owned(), "t1".to_owned())];

        for shape in [
            r#""token=abc;tenant=t1""#,
            r#""token=abc,tenant=t1""#,
            r#"" token = abc ; tenant = t1 ; ""#,
            r#""{token=abc,tenant=t1}""#,
            r#""{\"token\":\"abc\",\"tenant\":\"t1\"}""#,
            r#"{"token":"abc","tenant":"t1"}"#,
            r#""X-PH-Token=abc;x-ph-tenant=t1""#,
            r#"{"X-PH-Token":"abc","X-PH-tenant":"t1"}"#,
        ] {
            let headers: ExtraHeaders = serde_json::from_str(shape).unwrap();
            let mut pairs = headers.pairs();
            // JSON's objects have no order.
            pairs.sort_by(|a, b| b.cmp(a));
            assert_eq!(pairs, expected, "{shape}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for shape in ["null", "7", "[]", r#""""#, r#""{}""#, r#""{{{""#, r#""=;=,;""#, r#""word""#, "{}"] {
            let headers: ExtraHeaders = serde_json::from_str(shape).unwrap();
            assert_eq!(headers.pairs(), [], "{shape}");
        }
        let many = ExtraHeaders(Value::from("a=1;".repeat(10_000)));
        assert_eq!(many.pairs().len(), PAIRS_MAX);
        let deep = ExtraHeaders(Value::from(format!("{{{}", "{ ".repeat(30_000))));
        assert_eq!(deep.pairs(), []);
    }
}
