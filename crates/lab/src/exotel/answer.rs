//! What a gateway answers to Exotel's questions, read as strictly as the documents are written.

use serde_json::Value;

use crate::phone::web::Answer;

/// Of a stream's URL, whole and of the query in it.
const URL_CHARACTERS: usize = 600;
const QUERY_CHARACTERS_MAX: usize = 256;
const QUERY_PAIRS_MAX: usize = 3;
/// Numbers that one Connect applet rings.
const NUMBERS_MAX: usize = 50;

fn kind(answer: &Answer) -> String {
    answer.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The `url` of a Voicebot applet's dynamic URL: `200`, `application/json`, `{"url": "wss://…"}`.
pub(super) fn stream_url(answer: &Answer) -> Result<String, String> {
    if answer.status != 200 {
        return Err(format!("answered with status {}, not 200", answer.status));
    }
    if kind(answer) != "application/json" {
        return Err(format!("the content type is {:?}, not application/json", answer.content_type));
    }
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(&answer.body) else {
        return Err("the answer is not a JSON object".into());
    };
    let Some(url) = object.get("url").and_then(Value::as_str) else {
        return Err("the answer has no text \"url\"".into());
    };
    within_limits(url)?;
    Ok(url.to_owned())
}

/// Whether Exotel would take this for a stream's URL.
pub(super) fn within_limits(url: &str) -> Result<(), String> {
    let parsed = url::Url::parse(url).map_err(|error| format!("{url:?} is not a URL: {error}"))?;
    if !["ws", "wss"].contains(&parsed.scheme()) {
        return Err(format!("{url:?} is not ws:// or wss://"));
    }
    if url.chars().count() >= URL_CHARACTERS {
        return Err(format!("the URL has {} characters; it must have less than 600", url.chars().count()));
    }
    let query = parsed.query().unwrap_or_default();
    if query.chars().count() > QUERY_CHARACTERS_MAX {
        return Err(format!("the URL's query has {} characters; 256 are allowed", query.chars().count()));
    }
    let pairs = parsed.query_pairs().count();
    if pairs > QUERY_PAIRS_MAX {
        return Err(format!("the URL's query has {pairs} pairs; 3 are allowed"));
    }
    Ok(())
}

/// The custom parameters that come back in `start`: the query, without the one that Exotel itself reads.
pub(super) fn custom_parameters(url: &str) -> Vec<(String, String)> {
    let Ok(parsed) = url::Url::parse(url) else { return Vec::new() };
    parsed.query_pairs().into_owned().filter(|(name, _)| name != SAMPLE_RATE).collect()
}

pub(super) const SAMPLE_RATE: &str = "sample-rate";

/// The numbers that a Connect applet shall ring: a plain list, or the JSON of the programmable applet.
pub(super) fn numbers(answer: &Answer) -> Result<Vec<String>, String> {
    if answer.status != 200 {
        return Err(format!("answered with status {}, not 200", answer.status));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|_| "the answer is not UTF-8".to_owned())?;
    let numbers: Vec<String> = match kind(answer).as_str() {
        "text/plain" => text.split(',').map(|number| number.trim().to_owned()).collect(),
        "application/json" => {
            let value: Value =
                serde_json::from_str(text).map_err(|error| format!("the answer is not JSON: {error}"))?;
            let listed = value.pointer("/destination/numbers").and_then(Value::as_array);
            let Some(listed) = listed else {
                return Err("the answer has no list \"destination.numbers\"".into());
            };
            listed.iter().map(|number| number.as_str().unwrap_or_default().to_owned()).collect()
        }
        other => {
            return Err(format!("the content type is {other:?}, neither text/plain nor application/json"));
        }
    };
    if numbers.len() > NUMBERS_MAX {
        return Err(format!("{} numbers; {NUMBERS_MAX} are rung at most", numbers.len()));
    }
    match numbers.iter().find(|number| !is_number(number)) {
        Some(odd) => Err(format!("{odd:?} is not a phone number")),
        None => Ok(numbers),
    }
}

/// A phone number as India writes it or as the world does.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer { status, content_type: content_type.into(), body: body.into() }
    }

    #[test]
    fn a_stream_url_is_taken_only_as_documented() {
        let json = |body: &str| stream_url(&answer(200, "application/json; charset=utf-8", body));
        assert_eq!(
            json(r#"{"url":"wss://h/ws?call_id=1&sample-rate=16000"}"#).unwrap(),
            "wss://h/ws?call_id=1&sample-rate=16000"
        );
        let long = format!(r#"{{"url":"wss://h/{}"}}"#, "x".repeat(600));
        let long_query = format!(r#"{{"url":"wss://h/?a={}"}}"#, "x".repeat(255));
        for (body, why) in [
            ("[]", "not a JSON object"),
            (r#"{"ws":"wss://h/"}"#, "no text \"url\""),
            (r#"{"url":"https://h/"}"#, "not ws://"),
            (r#"{"url":"h"}"#, "not a URL"),
            (r#"{"url":"wss://h/?a=1&b=2&c=3&d=4"}"#, "4 pairs"),
            (&long, "less than 600"),
            (&long_query, "257 characters"),
        ] {
            assert!(json(body).unwrap_err().contains(why), "{body}");
        }
        assert!(stream_url(&answer(201, "application/json", r#"{"url":"wss://h/"}"#)).is_err());
        assert!(stream_url(&answer(200, "text/plain", r#"{"url":"wss://h/"}"#)).is_err());
    }

    #[test]
    fn custom_parameters_are_the_query_without_the_rate() {
        let url = "wss://h/ws?call_id=a%20b&sample-rate=8000&x=";
        assert_eq!(
            custom_parameters(url),
            [("call_id".to_owned(), "a b".to_owned()), ("x".into(), String::new())]
        );
    }

    #[test]
    fn numbers_are_read_from_both_kinds_of_connect_applets() {
        assert_eq!(
            numbers(&answer(200, "text/plain", "+919999900000, 08040001234\n")).unwrap(),
            ["+919999900000", "08040001234"]
        );
        let json = r#"{"destination":{"numbers":["+919999900000"]},"record":true}"#;
        assert_eq!(numbers(&answer(200, "application/json", json)).unwrap(), ["+919999900000"]);
        for wrong in [
            answer(404, "text/plain", "1"),
            answer(200, "text/html", "+919999900000"),
            answer(200, "text/plain", ""),
            answer(200, "application/json", r#"{"numbers":["+919999900000"]}"#),
            answer(200, "application/json", r#"{"destination":{"numbers":[919]}}"#),
        ] {
            assert!(numbers(&wrong).is_err(), "{wrong:?}");
        }
    }
}
