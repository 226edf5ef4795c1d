//! A JSON message read field by field: what is missing, of the wrong kind or too much is written down.

use serde_json::{Map, Value};

use super::sound::{Encoding, Sound};

#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// What is read, for people: `playAudio`, `playAudio.media`.
    what: String,
    read: Vec<&'a str>,
    pub(crate) problems: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(object: &'a Map<String, Value>, what: &str) -> Fields<'a> {
        Fields { object, what: what.to_owned(), read: vec!["event"], problems: Vec::new() }
    }

    pub(crate) fn optional(&mut self, name: &'a str) -> Option<&'a Value> {
        self.read.push(name);
        self.object.get(name)
    }

    pub(crate) fn text(&mut self, name: &'a str) -> Option<&'a str> {
        let text = self.optional(name).and_then(Value::as_str);
        if text.is_none() {
            self.problems.push(format!("no text {name:?} in {}", self.what));
        }
        text
    }

    /// A number; digits in quotes are wrong, but understood.
    pub(crate) fn number(&mut self, name: &'a str) -> Option<u64> {
        match self.optional(name) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => {
                self.problems.push(format!("{}.{name} is a text, not a number", self.what));
                text.parse().ok()
            }
            _ => {
                self.problems.push(format!("no number {name:?} in {}", self.what));
                None
            }
        }
    }

    pub(crate) fn object(&mut self, name: &'a str) -> Option<Fields<'a>> {
        let Some(object) = self.optional(name).and_then(Value::as_object) else {
            self.problems.push(format!("no object {name:?} in {}", self.what));
            return None;
        };
        Some(Fields::new(object, &format!("{}.{name}", self.what)))
    }

    /// The name of this stream and no other.
    pub(crate) fn stream(&mut self, stream_id: &str) -> Option<()> {
        match self.text("streamId")? {
            given if given == stream_id => Some(()),
            given => {
                self.problems.push(format!("streamId {given:?} is not this stream"));
                None
            }
        }
    }

    /// Everything that was wrong, and every field nobody asked for.
    pub(crate) fn finish(mut self) -> Vec<String> {
        for name in self.object.keys().filter(|name| !self.read.contains(&name.as_str())) {
            self.problems.push(format!("extra field {name:?} in {}", self.what));
        }
        self.problems
    }

    /// `contentType`, `sampleRate` and `payload` of a `playAudio`; none if that cannot be played on this stream.
    pub(crate) fn audio(&mut self, sound: Sound) -> Option<Vec<u8>> {
        let content_type = self.text("contentType");
        let rate = self.number("sampleRate");
        let payload = self.text("payload")?;
        let wanted = content_type_of(sound.encoding);
        if let Some(given) = content_type.filter(|given| *given != wanted) {
            self.problems.push(format!("contentType {given:?} is not {wanted:?}"));
            return None;
        }
        if rate != Some(u64::from(sound.rate.hz())) {
            self.problems.push(format!("sampleRate is not {}", sound.rate.hz()));
            return None;
        }
        content_type?;
        let Some(audio) = crate::b64::decode(payload) else {
            self.problems.push("media.payload is not base64".into());
            return None;
        };
        if audio.is_empty() {
            self.problems.push("media.payload is empty".into());
        }
        if !audio.len().is_multiple_of(sound.encoding.sample_bytes()) {
            self.problems.push(format!("media.payload of {} bytes ends within a sample", audio.len()));
        }
        if audio.starts_with(b"RIFF") {
            self.problems.push("media.payload begins with a WAV header, which is heard as noise".into());
        }
        Some(audio)
    }
}

/// The bare media type of an encoding, as Plivo and Mcube write it.
pub(crate) fn content_type_of(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Mulaw => "audio/x-mulaw",
        Encoding::Pcm16 => "audio/x-l16",
    }
}

/// A text message as a JSON object with an event.
pub(crate) fn event_of(text: &str) -> Result<(String, Map<String, Value>), String> {
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
        return Err("not a JSON object".into());
    };
    match message.get("event").and_then(Value::as_str) {
        Some(event) => Ok((event.to_owned(), message)),
        None => Err("no event".into()),
    }
}
