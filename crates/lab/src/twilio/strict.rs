//! Reads what a gateway sends on a media stream, as strictly as Twilio's debugger does.

use serde_json::{Map, Value};

use crate::phone::Warning;
use crate::phone::dialect::{Reading, Said};

/// "Invalid message": unknown event, missing or extra field, wrong stream.
const INVALID_MESSAGE: u32 = 31951;
/// No limit is documented; a second of audio is 11 kB of text, so a mebibyte is a mistake rather than a burst.
const MESSAGE_BYTES_ODD: usize = 1 << 20;

/// The message, if it can be obeyed, and everything that is wrong with it.
pub(super) fn read(text: &str, stream_sid: &str) -> Reading {
    let mut complaints = Vec::new();
    if text.len() > MESSAGE_BYTES_ODD {
        complaints.push(Warning::plain(format!("a message of {} bytes", text.len())));
    }
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
        complaints.push(invalid("not a JSON object"));
        return Reading { warnings: complaints, ..Reading::default() };
    };
    let said = understand(&message, stream_sid, &mut complaints);
    Reading { said, warnings: complaints, ..Reading::default() }
}

fn understand(message: &Map<String, Value>, stream_sid: &str, complaints: &mut Vec<Warning>) -> Option<Said> {
    let Some(event) = message.get("event").and_then(Value::as_str) else {
        complaints.push(invalid("no event"));
        return None;
    };
    let body = match event {
        "media" => Some("media"),
        "mark" => Some("mark"),
        "clear" => None,
        other => {
            complaints.push(invalid(&format!("unknown event {other:?}")));
            return None;
        }
    };
    for name in message.keys() {
        if !["event", "streamSid"].contains(&name.as_str()) && Some(name.as_str()) != body {
            complaints.push(invalid(&format!("extra field {name:?} in {event:?}")));
        }
    }
    match message.get("streamSid").and_then(Value::as_str) {
        Some(sid) if sid == stream_sid => {}
        Some(sid) => {
            complaints.push(invalid(&format!("streamSid {sid:?} is not this stream")));
            return None;
        }
        None => {
            complaints.push(invalid(&format!("no streamSid in {event:?}")));
            return None;
        }
    }
    let Some(body) = body else { return Some(Said::Clear) };
    let Some(fields) = message.get(body).and_then(Value::as_object) else {
        complaints.push(invalid(&format!("no object {body:?}")));
        return None;
    };
    let key = if event == "media" { "payload" } else { "name" };
    for name in fields.keys().filter(|name| *name != key) {
        complaints.push(invalid(&format!("extra field {:?} in {event:?}", format!("{body}.{name}"))));
    }
    let Some(value) = fields.get(key).and_then(Value::as_str) else {
        complaints.push(invalid(&format!("no text {:?}", format!("{body}.{key}"))));
        return None;
    };
    if event == "mark" {
        if value.is_empty() {
            complaints.push(invalid("a mark without a name"));
        }
        return Some(Said::Mark(value.to_owned()));
    }
    let Some(audio) = crate::b64::decode(value) else {
        complaints.push(invalid("media.payload is not base64"));
        return None;
    };
    if audio.is_empty() {
        complaints.push(invalid("media.payload is empty"));
    }
    if audio.starts_with(b"RIFF") {
        complaints
            .push(Warning::plain("media.payload begins with a WAV header, which is heard as noise".into()));
    }
    Some(Said::Audio(audio))
}

pub(super) fn invalid(what: &str) -> Warning {
    Warning::coded(INVALID_MESSAGE, format!("Stream - Protocol - Invalid Message: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        read(text, "MZ1").warnings.into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn documented_messages_are_obeyed_without_a_word() {
        for (text, said) in [
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AQID"}}"#, Said::Audio(vec![1, 2, 3])),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"m"}}"#, Said::Mark("m".into())),
            (r#"{"event":"clear","streamSid":"MZ1"}"#, Said::Clear),
        ] {
            assert_eq!(read(text, "MZ1"), Reading { said: Some(said), ..Reading::default() });
        }
    }

    #[test]
    fn every_deviation_is_named() {
        for (text, wrong) in [
            ("[]", "not a JSON object"),
            ("{", "not a JSON object"),
            (r#"{"streamSid":"MZ1"}"#, "no event"),
            (r#"{"event":"dtmf","streamSid":"MZ1"}"#, "unknown event \"dtmf\""),
            (r#"{"event":"clear","streamSid":"MZ2"}"#, "is not this stream"),
            (r#"{"event":"clear"}"#, "no streamSid"),
            (r#"{"event":"clear","streamSid":"MZ1","x":1}"#, "extra field \"x\""),
            (
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AA==","track":"outbound"}}"#,
                "media.track",
            ),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"A!"}}"#, "not base64"),
            (r#"{"event":"media","streamSid":"MZ1","media":{}}"#, "media.payload"),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":""}}"#, "empty"),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"UklGRgAAAAA="}}"#, "WAV header"),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{"name":""}}"#, "without a name"),
        ] {
            assert!(complaints(text).iter().any(|c| c.contains(wrong)), "{text}: {:?}", complaints(text));
        }
    }

    #[test]
    fn an_extra_field_is_a_warning_and_the_message_still_counts() {
        let Reading { said, warnings, .. } =
            read(r#"{"event":"clear","streamSid":"MZ1","sequenceNumber":"4"}"#, "MZ1");

        assert_eq!(said, Some(Said::Clear));
        assert_eq!(warnings[0].code, Some(31951));
    }
}
