//! What Exotel writes on a media stream, in every shape it has been seen to have.
//!
//! The documents' shape is nested and snake_case; the samples of the Connect path read camelCase, one of them reads
//! names that begin with a capital, and an older service is sent a flat `start`. Numbers are strings in all of them.

use audio::Rate;
use serde_json::{Map, Value, json};

/// How the names are written, and where the facts of a call are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `stream_sid`, and a `start` object with everything in it.
    #[default]
    Documented,
    /// `streamSid`, and a `start` object in camelCase.
    Camel,
    /// As documented, but `Event`, `Media` and `Payload`.
    Capitals,
    /// What the older voicebot service reads: `stream_sid` and `callSid` at the top, no `start` object.
    Older,
}

/// How `start` writes the sample rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateWords {
    /// `"8000"`
    #[default]
    Text,
    /// `8000`
    Number,
    /// `"8000Hz"`
    Hertz,
    /// `"8kHz"`
    Kilohertz,
    /// Not at all.
    Missing,
}

/// What `start` says of the sound, whatever it really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatWords {
    /// None leaves the name out.
    pub encoding: Option<String>,
    pub rate: RateWords,
    pub bit_rate: Option<String>,
    /// No `media_format` at all.
    pub missing: bool,
}

impl Default for FormatWords {
    fn default() -> FormatWords {
        FormatWords {
            encoding: Some("audio/x-raw".into()),
            rate: RateWords::Text,
            bit_rate: Some("16".into()),
            missing: false,
        }
    }
}

impl FormatWords {
    /// As documented, but with this encoding.
    pub fn of(encoding: &str) -> FormatWords {
        FormatWords { encoding: Some(encoding.to_owned()), ..FormatWords::default() }
    }

    fn write(&self, rate: Rate, camel: bool) -> Option<Value> {
        if self.missing {
            return None;
        }
        let name = |snake: &'static str, other: &'static str| if camel { other } else { snake }.to_owned();
        let hertz = rate.hz();
        let mut format = Map::new();
        if let Some(encoding) = &self.encoding {
            format.insert("encoding".into(), encoding.as_str().into());
        }
        let rate = match self.rate {
            RateWords::Text => Some(Value::from(hertz.to_string())),
            RateWords::Number => Some(Value::from(hertz)),
            RateWords::Hertz => Some(Value::from(format!("{hertz}Hz"))),
            RateWords::Kilohertz => Some(Value::from(format!("{}kHz", hertz / 1_000))),
            RateWords::Missing => None,
        };
        if let Some(rate) = rate {
            format.insert(name("sample_rate", "sampleRate"), rate);
        }
        if let Some(bit_rate) = &self.bit_rate {
            format.insert(name("bit_rate", "bitRate"), bit_rate.as_str().into());
        }
        Some(format.into())
    }
}

/// The facts that `start` and `stop` tell.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) call_sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) parameters: &'a [(String, String)],
}

/// Writes the messages of one stream.
#[derive(Debug)]
pub(super) struct Pen {
    pub(super) shape: Shape,
    stream_sid: String,
    sequence: u64,
    chunk: u64,
}

impl Pen {
    pub(super) fn new(shape: Shape, stream_sid: &str) -> Pen {
        Pen { shape, stream_sid: stream_sid.to_owned(), sequence: 0, chunk: 0 }
    }

    pub(super) fn connected(&self) -> String {
        json!({self.event_name(): "connected"}).to_string()
    }

    pub(super) fn start(&mut self, facts: &Facts<'_>, rate: Rate, words: &FormatWords) -> String {
        let parameters: Map<String, Value> =
            facts.parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let camel = self.shape == Shape::Camel;
        let format = words.write(rate, camel);
        if self.shape == Shape::Older {
            self.sequence += 1;
            let mut message = self.envelope("start");
            message.insert("callSid".into(), facts.call_sid.into());
            if let Some(format) = format {
                message.insert("media_format".into(), format);
            }
            if !parameters.is_empty() {
                message.insert("custom_parameters".into(), parameters.into());
            }
            return Value::from(message).to_string();
        }
        let names = if camel {
            ["streamSid", "callSid", "accountSid", "customParameters", "mediaFormat"]
        } else {
            ["stream_sid", "call_sid", "account_sid", "custom_parameters", "media_format"]
        };
        let mut start = Map::new();
        start.insert(names[0].into(), self.stream_sid.as_str().into());
        start.insert(names[1].into(), facts.call_sid.into());
        start.insert(names[2].into(), facts.account_sid.into());
        start.insert("from".into(), facts.from.into());
        start.insert("to".into(), facts.to.into());
        start.insert(names[3].into(), parameters.into());
        if let Some(format) = format {
            start.insert(names[4].into(), format);
        }
        self.post("start", start)
    }

    /// `until_ms` is when the last sample of it was spoken, counted from the stream's beginning: the documents' second
    /// chunk of 100 ms has the timestamp 200.
    pub(super) fn media(&mut self, until_ms: u64, payload: &str) -> String {
        self.chunk += 1;
        self.sequence += 1;
        self.write_media(self.chunk, until_ms, payload)
    }

    /// A media message that does not count, for messages that are wrong on purpose.
    pub(super) fn stray_media(&self, payload: &str) -> String {
        self.write_media(0, 0, payload)
    }

    fn write_media(&self, chunk: u64, until_ms: u64, payload: &str) -> String {
        let (media, sound) =
            if self.shape == Shape::Capitals { ("Media", "Payload") } else { ("media", "payload") };
        let mut body = Map::new();
        body.insert("chunk".into(), chunk.to_string().into());
        body.insert("timestamp".into(), until_ms.to_string().into());
        body.insert(sound.into(), payload.into());
        let mut message = self.envelope("media");
        message.insert(media.into(), body.into());
        Value::from(message).to_string()
    }

    pub(super) fn dtmf(&mut self, digit: char) -> String {
        let mut body = Map::new();
        body.insert("digit".into(), digit.to_string().into());
        body.insert("duration".into(), "100".into());
        self.post("dtmf", body)
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        let mut body = Map::new();
        body.insert("name".into(), name.into());
        self.post("mark", body)
    }

    pub(super) fn stop(&mut self, event: &'static str, facts: &Facts<'_>, reason: &str) -> String {
        let names =
            if self.shape == Shape::Camel { ["callSid", "accountSid"] } else { ["call_sid", "account_sid"] };
        let mut body = Map::new();
        body.insert(names[0].into(), facts.call_sid.into());
        body.insert(names[1].into(), facts.account_sid.into());
        body.insert("reason".into(), reason.into());
        self.post(event, body)
    }

    fn post(&mut self, event: &str, body: Map<String, Value>) -> String {
        self.sequence += 1;
        let mut message = self.envelope(event);
        message.insert(event.to_owned(), body.into());
        Value::from(message).to_string()
    }

    fn event_name(&self) -> &'static str {
        if self.shape == Shape::Capitals { "Event" } else { "event" }
    }

    fn envelope(&self, event: &str) -> Map<String, Value> {
        let mut message = Map::new();
        let (sid, sequence) = if self.shape == Shape::Camel {
            ("streamSid", "sequenceNumber")
        } else {
            ("stream_sid", "sequence_number")
        };
        message.insert(self.event_name().into(), event.into());
        message.insert(sequence.into(), self.sequence.to_string().into());
        message.insert(sid.into(), self.stream_sid.as_str().into());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(parameters: &[(String, String)]) -> Facts<'_> {
        Facts { call_sid: "c1", account_sid: "a1", from: "0771", to: "0804", parameters }
    }

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn documented_shape_is_nested_and_numbered_with_strings() {
        let parameters = [("k".to_owned(), "v".to_owned())];
        let mut pen = Pen::new(Shape::Documented, "s1");

        assert_eq!(pen.connected(), r#"{"event":"connected"}"#);
        assert_eq!(
            read(&pen.start(&facts(&parameters), Rate::Hz8000, &FormatWords::default())),
            json!({"event": "start", "sequence_number": "1", "stream_sid": "s1", "start": {
                "stream_sid": "s1", "call_sid": "c1", "account_sid": "a1", "from": "0771", "to": "0804",
                "custom_parameters": {"k": "v"},
                "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}}})
        );
        assert_eq!(
            read(&pen.media(100, "AAA=")),
            json!({"event": "media", "sequence_number": "2", "stream_sid": "s1",
                "media": {"chunk": "1", "timestamp": "100", "payload": "AAA="}})
        );
        assert_eq!(
            read(&pen.dtmf('5')),
            json!({"event": "dtmf", "sequence_number": "3", "stream_sid": "s1",
                "dtmf": {"digit": "5", "duration": "100"}})
        );
        assert_eq!(
            read(&pen.mark("m")),
            json!({"event": "mark", "sequence_number": "4", "stream_sid": "s1", "mark": {"name": "m"}})
        );
        assert_eq!(
            read(&pen.stop("stop", &facts(&[]), "callended")),
            json!({"event": "stop", "sequence_number": "5", "stream_sid": "s1",
                "stop": {"call_sid": "c1", "account_sid": "a1", "reason": "callended"}})
        );
    }

    #[test]
    fn other_shapes_say_the_same_elsewhere() {
        let mut camel = Pen::new(Shape::Camel, "s1");
        assert_eq!(
            read(&camel.start(&facts(&[]), Rate::Hz16000, &FormatWords::of("raw"))),
            json!({"event": "start", "sequenceNumber": "1", "streamSid": "s1", "start": {
                "streamSid": "s1", "callSid": "c1", "accountSid": "a1", "from": "0771", "to": "0804",
                "customParameters": {},
                "mediaFormat": {"encoding": "raw", "sampleRate": "16000", "bitRate": "16"}}})
        );
        let nothing_said = FormatWords { missing: true, ..FormatWords::default() };
        let mut older = Pen::new(Shape::Older, "s1");
        assert_eq!(
            read(&older.start(&facts(&[]), Rate::Hz8000, &nothing_said)),
            json!({"event": "start", "sequence_number": "1", "stream_sid": "s1", "callSid": "c1"})
        );
        let mut capitals = Pen::new(Shape::Capitals, "s1");
        assert_eq!(
            read(&capitals.media(0, "AAA=")),
            json!({"Event": "media", "sequence_number": "1", "stream_sid": "s1",
                "Media": {"chunk": "1", "timestamp": "0", "Payload": "AAA="}})
        );
    }

    #[test]
    fn the_rate_is_written_in_every_way_seen() {
        for (rate, words, written) in [
            (Rate::Hz8000, RateWords::Text, json!("8000")),
            (Rate::Hz16000, RateWords::Number, json!(16_000)),
            (Rate::Hz24000, RateWords::Hertz, json!("24000Hz")),
            (Rate::Hz16000, RateWords::Kilohertz, json!("16kHz")),
            (Rate::Hz8000, RateWords::Missing, Value::Null),
        ] {
            let words = FormatWords { rate: words, ..FormatWords::default() };
            assert_eq!(words.write(rate, false).unwrap()["sample_rate"], written);
        }
    }
}
