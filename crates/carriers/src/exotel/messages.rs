//! What goes over an Exotel media socket, both ways.
//!
//! Reading is tolerant: names in any case, facts inside `start` or beside it, strings or numbers, unknown fields and
//! events skipped, almost everything missing. Read messages are written in one way, the documented one. What we write
//! ourselves is exact.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::{Object, text};
use crate::numeral::Numeral;

/// A message from Exotel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum FromExotel<'a> {
    /// The socket stands.
    Connected {},
    /// Media begins.
    Start(Box<StartMessage>),
    /// Some 100 ms of the caller, or 20.
    Media(MediaMessage<'a>),
    /// The caller pressed a key.
    Dtmf(DtmfMessage),
    /// Our mark came back.
    Mark(MarkMessage),
    /// Seen from services between Exotel and us. What is ours to clear is not Exotel's to tell.
    Clear(Beside),
    /// Media is over.
    Stop(StopMessage),
    /// The same, in the words of one of Exotel's samples.
    Closed(Beside),
    #[serde(skip)]
    Unknown,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("a message is not a JSON object")]
    NotAnObject,
    #[error("a message does not say what it is")]
    NoEvent,
    #[error("{0} is missing")]
    Missing(&'static str),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StartMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    /// What stands beside `start`; for the older service, everything.
    #[serde(flatten)]
    pub beside: Start,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// How this message writes the stream's name.
    #[serde(skip)]
    pub naming: Naming,
}

/// How the name of the stream is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// `stream_sid`
    #[default]
    Snake,
    /// `streamSid`
    Camel,
    /// Both.
    Both,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Start {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What stood in the query of our own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_parameters: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_format: Option<MediaFormat>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MediaFormat {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// `8000`, `"8000"`, `"8000Hz"`, `"16kHz"` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<String>,
    /// `"16"` bits or `"128kbps"`: nothing follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MediaMessage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    pub media: Media<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Media<'a> {
    /// Counts the media messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<Numeral>,
    /// Milliseconds since the stream began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Numeral>,
    /// Samples in base64.
    pub payload: Cow<'a, str>,
}

/// What stands beside the body of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Beside {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DtmfMessage {
    #[serde(flatten)]
    pub beside: Beside,
    pub dtmf: Dtmf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dtmf {
    pub digit: String,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Numeral>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkMessage {
    #[serde(flatten)]
    pub beside: Beside,
    pub mark: MarkName,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkName {
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StopMessage {
    #[serde(flatten)]
    pub beside: Beside,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stop {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<String>,
    /// `callended`, `stopped`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl<'a> FromExotel<'a> {
    pub fn read(text: &'a str) -> Result<FromExotel<'a>, MessageError> {
        // Nearly every message is sound as the documents have it. Those are not taken apart twice.
        if let Ok(quick) = serde_json::from_str::<QuickMedia<'a>>(text)
            && quick.event == "media"
        {
            return Ok(FromExotel::Media(quick.message()));
        }
        let value: Value = serde_json::from_str(text).map_err(|_| MessageError::NotAnObject)?;
        let message = Object::of(&value).ok_or(MessageError::NotAnObject)?;
        let event = message.get("event").and_then(Value::as_str).ok_or(MessageError::NoEvent)?;
        Ok(match event.to_ascii_lowercase().as_str() {
            "connected" => FromExotel::Connected {},
            "start" => FromExotel::Start(Box::new(read_start(message))),
            "media" => FromExotel::Media(read_media(message)?),
            "dtmf" => FromExotel::Dtmf(DtmfMessage { beside: beside(message), dtmf: read_dtmf(message)? }),
            "mark" => FromExotel::Mark(MarkMessage { beside: beside(message), mark: read_mark(message)? }),
            "clear" => FromExotel::Clear(beside(message)),
            "stop" => FromExotel::Stop(StopMessage {
                beside: beside(message),
                stop: message.object("stop").map(|stop| Stop {
                    call_sid: stop.text("call_sid"),
                    account_sid: stop.text("account_sid"),
                    reason: stop.text("reason"),
                }),
            }),
            "closed" => FromExotel::Closed(beside(message)),
            _ => FromExotel::Unknown,
        })
    }
}

/// Sound as it is documented. Anything else is read the long way.
#[derive(Deserialize)]
struct QuickMedia<'a> {
    event: &'a str,
    #[serde(default)]
    sequence_number: Option<Numeral>,
    #[serde(borrow)]
    stream_sid: Cow<'a, str>,
    #[serde(borrow)]
    media: QuickBody<'a>,
}

#[derive(Deserialize)]
struct QuickBody<'a> {
    #[serde(default)]
    chunk: Option<Numeral>,
    #[serde(default)]
    timestamp: Option<Numeral>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

impl<'a> QuickMedia<'a> {
    fn message(self) -> MediaMessage<'a> {
        let QuickBody { chunk, timestamp, payload } = self.media;
        MediaMessage {
            sequence_number: self.sequence_number,
            stream_sid: Some(self.stream_sid),
            media: Media { chunk, timestamp, payload },
        }
    }
}

fn beside(message: Object<'_>) -> Beside {
    Beside { sequence_number: numeral(message, "sequence_number"), stream_sid: message.text("stream_sid") }
}

fn numeral(object: Object<'_>, name: &str) -> Option<Numeral> {
    object.number(name).map(Numeral)
}

fn read_start(message: Object<'_>) -> StartMessage {
    let inner = message.object("start");
    let names = [Some(message), inner].into_iter().flatten();
    let names: Vec<&str> =
        names.filter_map(|object| object.entry("stream_sid")).map(|(name, _)| name).collect();
    let is_snake = |name: &&str| name.contains('_');
    let naming = match (names.iter().any(is_snake), names.iter().all(is_snake)) {
        // No name at all is written as documented.
        (_, true) => Naming::Snake,
        (true, false) => Naming::Both,
        (false, false) => Naming::Camel,
    };
    StartMessage {
        sequence_number: numeral(message, "sequence_number"),
        beside: facts(message),
        start: inner.map(facts),
        naming,
    }
}

fn facts(object: Object<'_>) -> Start {
    let custom_parameters = object.object("custom_parameters").map(|parameters| {
        parameters.iter().map(|(name, value)| (name.to_owned(), text(value).unwrap_or_default())).collect()
    });
    let media_format = object.get("media_format").and_then(|format| match format {
        Value::Object(_) => Object::of(format).map(|format| MediaFormat {
            encoding: format.text("encoding"),
            sample_rate: format.text("sample_rate"),
            bit_rate: format.text("bit_rate"),
        }),
        // `"audio/x-mulaw;rate=8000"`, as the Legs interface writes it.
        Value::String(encoding) => {
            Some(MediaFormat { encoding: Some(encoding.clone()), ..MediaFormat::default() })
        }
        _ => None,
    });
    Start {
        stream_sid: object.text("stream_sid"),
        call_sid: object.text("call_sid"),
        account_sid: object.text("account_sid"),
        from: object.text("from"),
        to: object.text("to"),
        custom_parameters,
        media_format,
    }
}

fn read_media<'a>(message: Object<'_>) -> Result<MediaMessage<'a>, MessageError> {
    let media = message.object("media").ok_or(MessageError::Missing("media"))?;
    let payload = media.get("payload").and_then(Value::as_str).ok_or(MessageError::Missing("payload"))?;
    // Beside the payload in the samples, beside the event in the documents.
    let sequence_number = numeral(message, "sequence_number").or_else(|| numeral(media, "sequence_number"));
    Ok(MediaMessage {
        sequence_number,
        stream_sid: message.text("stream_sid").map(Cow::Owned),
        media: Media {
            chunk: numeral(media, "chunk"),
            timestamp: numeral(media, "timestamp"),
            payload: Cow::Owned(payload.to_owned()),
        },
    })
}

fn read_dtmf(message: Object<'_>) -> Result<Dtmf, MessageError> {
    match message.get("dtmf") {
        Some(Value::Object(_)) => {
            let dtmf = message.object("dtmf").ok_or(MessageError::Missing("dtmf"))?;
            let digit = dtmf.text("digit").ok_or(MessageError::Missing("digit"))?;
            Ok(Dtmf { digit, duration: numeral(dtmf, "duration") })
        }
        Some(key) => Ok(Dtmf { digit: text(key).ok_or(MessageError::Missing("digit"))?, duration: None }),
        None => Err(MessageError::Missing("dtmf")),
    }
}

fn read_mark(message: Object<'_>) -> Result<MarkName, MessageError> {
    match message.get("mark") {
        Some(Value::String(name)) => Ok(MarkName { name: name.clone() }),
        Some(mark) => {
            let name = Object::of(mark).and_then(|mark| mark.text("name"));
            Ok(MarkName { name: name.ok_or(MessageError::Missing("name"))? })
        }
        None => Err(MessageError::Missing("mark")),
    }
}

/// A message to Exotel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum ToExotel<'a> {
    /// Sound for the caller: whole steps of 320 bytes, 3,200 bytes at least.
    Media {
        #[serde(flatten, borrow)]
        stream: StreamName<'a>,
        sequence_number: Numeral,
        #[serde(borrow)]
        media: MediaOut<'a>,
    },
    /// Comes back when everything sent before has been played.
    Mark {
        #[serde(flatten, borrow)]
        stream: StreamName<'a>,
        mark: MarkName,
    },
    /// Throws away what has not been played.
    Clear {
        #[serde(flatten, borrow)]
        stream: StreamName<'a>,
    },
}

/// The stream's name, written as its start wrote it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamName<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "streamSid", skip_serializing_if = "Option::is_none")]
    pub stream_sid_camel: Option<Cow<'a, str>>,
}

/// The documents have the message's number beside the event, Exotel's samples here: it is in both places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaOut<'a> {
    pub chunk: Numeral,
    pub sequence_number: Numeral,
    /// Milliseconds of sound sent before this.
    pub timestamp: Numeral,
    #[serde(borrow)]
    pub payload: Cow<'a, str>,
}
