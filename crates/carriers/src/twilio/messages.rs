//! What goes over a Twilio media socket, both ways.
//!
//! Reading is tolerant: unknown fields are skipped, unknown events are [`FromTwilio::Unknown`], a number may stand where
//! a string is documented and the other way round, and almost everything may be missing. Writing is exact: one field
//! too many, and Twilio counts it as a protocol error (31951).

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::numeral::{Number, Numeral};

/// A message from Twilio.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum FromTwilio<'a> {
    /// The socket stands. Has no number, and nothing of use.
    Connected(Connected<'a>),
    /// Media begins.
    Start(StartMessage<'a>),
    /// 20 ms of the caller.
    Media(MediaMessage<'a>),
    /// The caller pressed a key.
    Dtmf(DtmfMessage<'a>),
    /// Our mark came back: played, or thrown away by a `clear`.
    Mark(MarkMessage<'a>),
    /// Media is over: the call has ended or goes on with other TwiML.
    Stop(StopMessage<'a>),
    /// Twilio adds events without notice; a call must outlive them.
    #[serde(skip)]
    Unknown,
}

impl<'a> FromTwilio<'a> {
    /// Reads one message. The event's name is read first and then the one struct for it: an internally tagged enum
    /// would buffer everything first and take twice as long.
    pub fn read(text: &'a str) -> Result<FromTwilio<'a>, serde_json::Error> {
        let Head { event } = serde_json::from_str(text)?;
        Ok(match event.as_ref() {
            "connected" => FromTwilio::Connected(serde_json::from_str(text)?),
            "start" => FromTwilio::Start(serde_json::from_str(text)?),
            "media" => FromTwilio::Media(serde_json::from_str(text)?),
            "dtmf" => FromTwilio::Dtmf(serde_json::from_str(text)?),
            "mark" => FromTwilio::Mark(serde_json::from_str(text)?),
            "stop" => FromTwilio::Stop(serde_json::from_str(text)?),
            _ => FromTwilio::Unknown,
        })
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connected<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartMessage<'a> {
    /// 1, and counts every message from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub start: Start<'a>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracks: Option<Vec<String>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub media_format: Option<MediaFormat<'a>>,
    /// The `<Parameter>`s of our own TwiML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_parameters: Option<Parameters>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFormat<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Number>,
}

impl MediaFormat<'_> {
    /// µ-law, 8 kHz, one channel: the only sound that this socket has. What is left out is taken to be that.
    pub fn is_mulaw_8k_mono(&self) -> bool {
        let mulaw = |encoding: &str| {
            let encoding = encoding.to_ascii_lowercase();
            ["mulaw", "ulaw", "pcmu"].iter().any(|name| encoding.contains(name))
        };
        self.encoding.as_deref().is_none_or(mulaw)
            && self.sample_rate.is_none_or(|rate| rate == Number(8000))
            && self.channels.is_none_or(|channels| channels == Number(1))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub media: Media<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media<'a> {
    /// `inbound` is the caller; `outbound`, only on tapped streams, is what the caller hears.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Cow<'a, str>>,
    /// Counts the media messages of one track from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<Numeral>,
    /// Milliseconds since the stream began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Numeral>,
    /// µ-law in base64.
    #[serde(borrow)]
    pub payload: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DtmfMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub dtmf: Dtmf<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dtmf<'a> {
    /// `inbound_track` here, although media says `inbound`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub digit: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub mark: MarkName<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkName<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Numeral>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<Cow<'a, str>>,
}

/// A message to Twilio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", deny_unknown_fields)]
pub enum ToTwilio<'a> {
    /// Sound for the caller, of any length, played after everything sent before.
    #[serde(rename_all = "camelCase")]
    Media { stream_sid: Cow<'a, str>, media: Payload<'a> },
    /// Comes back when everything sent before has been played, or thrown away.
    #[serde(rename_all = "camelCase")]
    Mark {
        stream_sid: Cow<'a, str>,
        #[serde(borrow)]
        mark: MarkName<'a>,
    },
    /// Throws away what has not been played, and sends back every mark in it.
    #[serde(rename_all = "camelCase")]
    Clear { stream_sid: Cow<'a, str> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload<'a> {
    pub payload: Cow<'a, str>,
}

/// Names and values in the order they came, repeated names included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(pub Vec<(String, String)>);

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parameters, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
            let value = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Null => String::new(),
                // Twilio has strings alone; emulators send numbers and truth values as they are.
                other => other.to_string(),
            };
            pairs.push((name, value));
        }
        Ok(Parameters(pairs))
    }
}
