//! Reads what a gateway sends on a media stream: the documents' rules, and which of them it breaks.
//!
//! The texts of the complaints begin with a word that can be counted: `jitter`, `gap`, `timeout` for the byte rules,
//! `numbering` for the fields without which streams have been seen to end early, `invalid` for everything else.

use serde_json::{Map, Value};

use super::shape::Shape;
use crate::phone::dialect::{Reading, Said};
use crate::phone::{Encoding, Warning};

/// Bytes of one step of the platform's playing; whatever is shorter waits a whole step.
pub(super) const STEP_BYTES: usize = 320;
/// Below it the sound is noisy, above it the platform runs into its own timeouts.
const PAYLOAD_BYTES: std::ops::RangeInclusive<usize> = 3_200..=100_000;

/// No document names a least for µ-law, which only the Legs API brings: the 100 ms of the carrier's own samples.
const MULAW_BYTES_MIN: usize = 800;

/// What becomes of media without `chunk`, `timestamp` and a sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbering {
    /// As the public serializers send it.
    Ignored,
    /// A warning, once per stream and kind.
    #[default]
    Wanted,
    /// A warning, and the call is dropped as it is for unpaced sound.
    Enforced,
}

/// The reader of one stream.
#[derive(Debug)]
pub(super) struct Reader {
    shape: Shape,
    encoding: Encoding,
    numbering: Numbering,
    stream_sid: String,
    last_chunk: Option<u64>,
    last_timestamp: Option<u64>,
    /// Complaints about numbering are made once each.
    complained_of: Vec<&'static str>,
}

impl Reader {
    pub(super) fn new(shape: Shape, encoding: Encoding, numbering: Numbering, stream_sid: &str) -> Reader {
        Reader {
            shape,
            encoding,
            numbering,
            stream_sid: stream_sid.to_owned(),
            last_chunk: None,
            last_timestamp: None,
            complained_of: Vec::new(),
        }
    }

    /// Media came without what [`Numbering`] asks for.
    pub(super) fn is_misnumbered(&self) -> bool {
        !self.complained_of.is_empty()
    }

    /// The message, if it can be obeyed, and everything that is wrong with it.
    pub(super) fn read(&mut self, text: &str) -> Reading {
        let mut warnings = Vec::new();
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
            return Reading::wrong(invalid("not a JSON object"));
        };
        let said = self.understand(&message, &mut warnings);
        Reading { said, warnings, ..Reading::default() }
    }

    fn understand(&mut self, message: &Map<String, Value>, complaints: &mut Vec<Warning>) -> Option<Said> {
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
        let known = ["event", "stream_sid", "streamSid", "sequence_number", "sequenceNumber"];
        for name in message.keys() {
            if !known.contains(&name.as_str()) && Some(name.as_str()) != body {
                complaints.push(invalid(&format!("extra field {name:?} in {event:?}")));
            }
        }
        let key = if self.shape == Shape::Camel { "streamSid" } else { "stream_sid" };
        match message.get(key).and_then(Value::as_str) {
            Some(sid) if sid == self.stream_sid => {}
            Some(sid) => {
                complaints.push(invalid(&format!("{key} {sid:?} is not this stream")));
                return None;
            }
            None => {
                complaints.push(invalid(&format!("no {key} in {event:?}")));
                return None;
            }
        }
        let Some(body) = body else { return Some(Said::Clear) };
        let Some(fields) = message.get(body).and_then(Value::as_object) else {
            complaints.push(invalid(&format!("no object {body:?}")));
            return None;
        };
        if event == "mark" {
            let name = fields.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
            if name.is_none() {
                complaints.push(invalid("a mark without a name"));
            }
            return name.map(|name| Said::Mark(name.to_owned()));
        }
        let known = ["payload", "chunk", "timestamp", "sequence_number", "sequenceNumber"];
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            complaints.push(invalid(&format!("extra field {:?} in {event:?}", format!("media.{name}"))));
        }
        if self.numbering != Numbering::Ignored {
            self.check_numbering(message, fields, complaints);
        }
        let Some(payload) = fields.get("payload").and_then(Value::as_str) else {
            complaints.push(invalid("no text \"media.payload\""));
            return None;
        };
        let Some(audio) = crate::b64::decode(payload) else {
            complaints.push(invalid("media.payload is not base64"));
            return None;
        };
        self.check_payload(&audio, complaints).then_some(Said::Audio(audio))
    }

    /// The rules for bytes. False if nothing of it will be heard.
    fn check_payload(&self, audio: &[u8], complaints: &mut Vec<Warning>) -> bool {
        let length = audio.len();
        if length == 0 {
            complaints.push(invalid("media.payload is empty"));
            return false;
        }
        if length > *PAYLOAD_BYTES.end() {
            complaints
                .push(Warning::plain(format!("timeout: a payload of {length} bytes, 100000 are allowed")));
            return false;
        }
        if self.encoding == Encoding::Pcm16 && !length.is_multiple_of(2) {
            complaints.push(invalid(&format!("{length} bytes are not a whole number of 16-bit samples")));
            return false;
        }
        // The documents speak of PCM16, where the least is 200 ms at 8 kHz; a byte of µ-law lasts twice as long.
        let least = match self.encoding {
            Encoding::Pcm16 => *PAYLOAD_BYTES.start(),
            Encoding::Mulaw => MULAW_BYTES_MIN,
        };
        if length < least {
            complaints
                .push(Warning::plain(format!("jitter: a payload of {length} bytes, {least} are wanted")));
        }
        if !length.is_multiple_of(STEP_BYTES) {
            complaints
                .push(Warning::plain(format!("gap: {length} bytes are not a multiple of {STEP_BYTES}")));
        }
        if audio.starts_with(b"RIFF") {
            complaints.push(invalid("media.payload begins with a WAV header, which is heard as noise"));
        }
        true
    }

    fn check_numbering(
        &mut self,
        message: &Map<String, Value>,
        media: &Map<String, Value>,
        complaints: &mut Vec<Warning>,
    ) {
        let mut complain = |kind: &'static str, what: String| {
            if !self.complained_of.contains(&kind) {
                self.complained_of.push(kind);
                complaints.push(Warning::plain(format!("numbering: {what}")));
            }
        };
        let sequence = ["sequence_number", "sequenceNumber"];
        let sequences: Vec<&Value> =
            sequence.iter().flat_map(|name| [message.get(*name), media.get(*name)]).flatten().collect();
        if sequences.is_empty() {
            complain("sequence", "media without a sequence number".into());
        }
        if let Some(odd) = sequences.iter().find(|value| counted(value).is_none()) {
            complain("sequence", format!("the sequence number {odd} is not a text of digits"));
        }
        for (name, last, may_stay) in
            [("chunk", &mut self.last_chunk, false), ("timestamp", &mut self.last_timestamp, true)]
        {
            let Some(value) = media.get(name) else {
                complain(name, format!("media without {name:?}"));
                continue;
            };
            let Some(number) = counted(value) else {
                complain(name, format!("the {name} {value} is not a text of digits"));
                continue;
            };
            if let Some(last) = *last
                && (number < last || (number == last && !may_stay))
            {
                complain(name, format!("the {name} {number} comes after {last}"));
            }
            *last = Some(number);
        }
    }
}

fn counted(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

pub(super) fn invalid(what: &str) -> Warning {
    Warning::plain(format!("invalid: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reader() -> Reader {
        Reader::new(Shape::Documented, Encoding::Pcm16, Numbering::Wanted, "s1")
    }

    fn complaints(reader: &mut Reader, message: &Value) -> Vec<String> {
        reader.read(&message.to_string()).warnings.into_iter().map(|warning| warning.text).collect()
    }

    fn obeyed(said: Said) -> Reading {
        Reading { said: Some(said), ..Reading::default() }
    }

    fn media(bytes: usize, chunk: u64) -> Value {
        let payload = crate::b64::encode(&vec![0; bytes]);
        json!({"event": "media", "stream_sid": "s1", "sequence_number": chunk.to_string(),
            "media": {"chunk": chunk.to_string(), "timestamp": (chunk * 100).to_string(), "payload": payload}})
    }

    #[test]
    fn documented_messages_are_obeyed_without_a_word() {
        let mut reader = reader();
        for (chunk, bytes) in [(1, 3_200), (2, 4_800), (3, 99_840)] {
            let read = reader.read(&media(bytes, chunk).to_string());
            assert_eq!(read, obeyed(Said::Audio(vec![0; bytes])));
        }
        let mark = json!({"event": "mark", "stream_sid": "s1", "mark": {"name": "m"}});
        assert_eq!(reader.read(&mark.to_string()), obeyed(Said::Mark("m".into())));
        let clear = json!({"event": "clear", "stream_sid": "s1"});
        assert_eq!(reader.read(&clear.to_string()), obeyed(Said::Clear));
    }

    #[test]
    fn byte_rules_are_told_apart_and_only_the_largest_is_not_heard() {
        for (bytes, words, heard) in [
            (0, vec!["invalid"], false),
            (320, vec!["jitter"], true),
            (1_600, vec!["jitter"], true),
            (3_300, vec!["gap"], true),
            (300, vec!["jitter", "gap"], true),
            (3_201, vec!["invalid"], false),
            (100_000, vec!["gap"], true),
            (100_160, vec!["timeout"], false),
        ] {
            let Reading { said, warnings, .. } = reader().read(&media(bytes, 1).to_string());

            let begin: Vec<&str> =
                warnings.iter().map(|warning| warning.text.split(':').next().unwrap()).collect();
            assert_eq!((begin, said.is_some()), (words, heard), "{bytes}");
        }
    }

    #[test]
    fn numbering_is_wanted_in_texts_and_ascending_and_complained_of_once() {
        let mut bare = reader();
        let mut message = media(3_200, 1);
        message["media"] = json!({"payload": message["media"]["payload"]});
        message.as_object_mut().unwrap().remove("sequence_number");
        let first = complaints(&mut bare, &message);
        assert_eq!(first.len(), 3, "{first:?}");
        assert!(bare.is_misnumbered());
        assert_eq!(complaints(&mut bare, &message), Vec::<String>::new());

        let mut numbers = reader();
        let mut message = media(3_200, 1);
        message["media"]["chunk"] = json!(1);
        assert_eq!(complaints(&mut numbers, &message), ["numbering: the chunk 1 is not a text of digits"]);

        let mut same_again = reader();
        complaints(&mut same_again, &media(3_200, 5));
        assert_eq!(
            complaints(&mut same_again, &media(3_200, 4)),
            ["numbering: the chunk 4 comes after 5", "numbering: the timestamp 400 comes after 500"]
        );

        let mut ignoring = Reader::new(Shape::Documented, Encoding::Pcm16, Numbering::Ignored, "s1");
        assert_eq!(complaints(&mut ignoring, &message), Vec::<String>::new());
        assert!(!ignoring.is_misnumbered());

        let mut sample = media(3_200, 1);
        sample.as_object_mut().unwrap().remove("sequence_number");
        sample["media"]["sequenceNumber"] = json!("1");
        assert_eq!(complaints(&mut reader(), &sample), Vec::<String>::new());
    }

    #[test]
    fn every_other_deviation_is_named() {
        for (message, wrong) in [
            (json!([]), "not a JSON object"),
            (json!({"stream_sid": "s1"}), "no event"),
            (json!({"event": "dtmf", "stream_sid": "s1"}), "unknown event \"dtmf\""),
            (json!({"event": "clear", "stream_sid": "s2"}), "is not this stream"),
            (json!({"event": "clear", "streamSid": "s1"}), "no stream_sid"),
            (json!({"event": "clear", "stream_sid": "s1", "x": 1}), "extra field \"x\""),
            (json!({"event": "mark", "stream_sid": "s1", "mark": {"name": ""}}), "without a name"),
            (json!({"event": "media", "stream_sid": "s1", "media": {}}), "media.payload"),
            (json!({"event": "media", "stream_sid": "s1", "media": {"payload": "A!"}}), "not base64"),
            (json!({"event": "media", "stream_sid": "s1", "media": {"payload": "", "track": "x"}}), "track"),
        ] {
            let said = complaints(&mut reader(), &message);
            assert!(said.iter().any(|text| text.starts_with("invalid") && text.contains(wrong)), "{said:?}");
        }
        let mut camel = Reader::new(Shape::Camel, Encoding::Pcm16, Numbering::Wanted, "s1");
        assert_eq!(
            complaints(&mut camel, &json!({"event": "clear", "streamSid": "s1"})),
            Vec::<String>::new()
        );
    }
}
