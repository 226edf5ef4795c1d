//! What goes over a Mcube media socket, both ways.
//!
//! Reading is tolerant: unknown fields are skipped, unknown events are [`FromMcube::Unknown`], a number may stand where
//! a string is expected and the other way round, and almost everything may be missing. A `start` is kept whole, because
//! nobody has written down what travels in it. Writing is exact.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use crate::numeral::Number;

/// A message from Mcube.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum FromMcube<'a> {
    /// Media begins.
    Start(StartMessage),
    /// A piece of the caller.
    Media(MediaMessage<'a>),
    /// The caller pressed a key.
    Dtmf(DtmfMessage<'a>),
    /// Everything before our checkpoint has been played.
    PlayedStream(PlayedMessage<'a>),
    /// The queue has been emptied, as we asked.
    ClearedAudio(StreamMessage<'a>),
    /// Media is over.
    Stop(StreamMessage<'a>),
    /// A call must outlive events that nobody has announced.
    #[serde(skip)]
    Unknown,
}

impl<'a> FromMcube<'a> {
    /// Reads one message: in one go what comes fifty times a second; of everything else the event's name first, then
    /// the one struct for it.
    pub fn read(text: &'a str) -> Result<FromMcube<'a>, serde_json::Error> {
        if let Ok(Quick { event, stream_id, media }) = serde_json::from_str(text)
            && event == "media"
        {
            return Ok(FromMcube::Media(MediaMessage { stream_id, media }));
        }
        let Head { event } = serde_json::from_str(text)?;
        Ok(match event.as_ref() {
            "media" => FromMcube::Media(serde_json::from_str(text)?),
            "playedStream" => FromMcube::PlayedStream(serde_json::from_str(text)?),
            "clearedAudio" => FromMcube::ClearedAudio(serde_json::from_str(text)?),
            "dtmf" => FromMcube::Dtmf(serde_json::from_str(text)?),
            "start" => {
                let mut message: StartMessage = serde_json::from_str(text)?;
                message.0.remove("event");
                FromMcube::Start(message)
            }
            "stop" => FromMcube::Stop(serde_json::from_str(text)?),
            _ => FromMcube::Unknown,
        })
    }
}

/// A media message and its name, without the detour through a buffer that `flatten` takes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Quick<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    stream_id: Option<Name<'a>>,
    #[serde(borrow)]
    media: Media<'a>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

/// All of a `start` but the event's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StartMessage(pub Map<String, Value>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaMessage<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Name<'a>>,
    #[serde(borrow)]
    pub media: Media<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Media<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<Number>,
    #[serde(borrow)]
    pub payload: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DtmfMessage<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Name<'a>>,
    #[serde(borrow)]
    pub dtmf: Dtmf<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dtmf<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub digit: Name<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayedMessage<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Name<'a>>,
    #[serde(borrow)]
    pub name: Name<'a>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamMessage<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Name<'a>>,
}

/// A name or an identifier. Identifiers made of digits come as numbers now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'a>, D::Error> {
        deserializer.deserialize_any(TextOrNumber)
    }
}

struct TextOrNumber;

impl<'de> Visitor<'de> for TextOrNumber {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, as a string or as a number")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(number.to_string())))
    }
}

/// A message to Mcube.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum ToMcube<'a> {
    /// Sound for the caller, of any length, played after everything sent before.
    PlayAudio {
        #[serde(borrow)]
        media: PlayMedia<'a>,
    },
    /// Comes back as `playedStream` when everything sent before has been played.
    #[serde(rename_all = "camelCase")]
    Checkpoint { stream_id: Cow<'a, str>, name: Cow<'a, str> },
    /// Throws away what has not been played.
    #[serde(rename_all = "camelCase")]
    ClearAudio { stream_id: Cow<'a, str> },
    /// Hands the caller over. The field that holds the number is called as the customer of Mcube says.
    #[serde(rename_all = "camelCase")]
    Transfer {
        stream_id: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<Cow<'a, str>>,
        #[serde(flatten)]
        number: BTreeMap<String, String>,
    },
    /// Ends the phone call.
    #[serde(rename_all = "camelCase")]
    Terminate { stream_id: Cow<'a, str> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlayMedia<'a> {
    pub content_type: Cow<'a, str>,
    pub sample_rate: Number,
    pub payload: Cow<'a, str>,
    /// A name for this piece; we name checkpoints alone.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
}
