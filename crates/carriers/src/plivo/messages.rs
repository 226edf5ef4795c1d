//! What goes over a Plivo audio stream's socket, both ways.
//!
//! Reading is tolerant: unknown fields are skipped, unknown events are [`FromPlivo::Unknown`], a string may stand where a
//! number is documented and the other way round, and almost everything may be missing. What a call has no use for is
//! kept as it came, whatever it is. Writing is exact.

mod extra_headers;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::extra_headers::ExtraHeaders;
pub use crate::numeral::Number;

/// A message from Plivo.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum FromPlivo<'a> {
    /// Media begins. There is nothing before it.
    Start(StartMessage<'a>),
    /// 20 ms of the caller.
    Media(MediaMessage<'a>),
    /// The caller pressed a key.
    Dtmf(DtmfMessage<'a>),
    /// Everything before our checkpoint has been played.
    PlayedStream(PlayedMessage<'a>),
    /// What had not been played is thrown away; its checkpoints never come.
    ClearedAudio(PlainMessage<'a>),
    /// Media is over. Not documented, and seen; the rule is that the socket closes.
    Stop(PlainMessage<'a>),
    /// Something of ours could not be played.
    PlayFailed(ReasonMessage<'a>),
    /// Something of ours was not understood.
    Error(ReasonMessage<'a>),
    /// Plivo adds events without notice; a call must outlive them.
    #[serde(skip)]
    Unknown,
}

impl<'a> FromPlivo<'a> {
    /// Reads one message: the event's name first, and then the one struct for it.
    pub fn read(text: &'a str) -> Result<FromPlivo<'a>, serde_json::Error> {
        let Head { event } = serde_json::from_str(text)?;
        Ok(match event.as_ref() {
            "start" => FromPlivo::Start(serde_json::from_str(text)?),
            "media" => FromPlivo::Media(serde_json::from_str(text)?),
            "dtmf" => FromPlivo::Dtmf(serde_json::from_str(text)?),
            "playedStream" => FromPlivo::PlayedStream(serde_json::from_str(text)?),
            "clearedAudio" => FromPlivo::ClearedAudio(serde_json::from_str(text)?),
            "stop" => FromPlivo::Stop(serde_json::from_str(text)?),
            "playFailed" => FromPlivo::PlayFailed(serde_json::from_str(text)?),
            "error" => FromPlivo::Error(serde_json::from_str(text)?),
            _ => FromPlivo::Unknown,
        })
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartMessage<'a> {
    /// Counts the messages, from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Number>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub start: Start<'a>,
    /// What our own answer document gave along. In snake case, unlike everything else.
    #[serde(rename = "extra_headers", default, skip_serializing_if = "Option::is_none")]
    pub extra_headers: Option<ExtraHeaders>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracks: Option<Value>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub media_format: Option<MediaFormat<'a>>,
    /// Where some write them.
    #[serde(rename = "extra_headers", default, skip_serializing_if = "Option::is_none")]
    pub extra_headers: Option<ExtraHeaders>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFormat<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<Number>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Number>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub media: Media<'a>,
    /// With every message again.
    #[serde(rename = "extra_headers", default, skip_serializing_if = "Option::is_none")]
    pub extra_headers: Option<ExtraHeaders>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media<'a> {
    /// `inbound` is the caller; `outbound`, only on tapped streams, is what the caller hears.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<Value>,
    /// In base64, in the stream's format.
    #[serde(borrow)]
    pub payload: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DtmfMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Number>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub dtmf: Dtmf<'a>,
    #[serde(rename = "extra_headers", default, skip_serializing_if = "Option::is_none")]
    pub extra_headers: Option<ExtraHeaders>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dtmf<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Cow<'a, str>>,
    /// A string; a number where somebody takes the key for one.
    pub digit: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayedMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Number>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlainMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Number>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonMessage<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<Number>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Value>,
}

/// A message to Plivo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", deny_unknown_fields)]
pub enum ToPlivo<'a> {
    /// 20 ms of sound for the caller, played after everything sent before.
    PlayAudio { media: Sounding<'a> },
    /// Comes back as `playedStream` when everything sent before has really been played.
    #[serde(rename_all = "camelCase")]
    Checkpoint { stream_id: Cow<'a, str>, name: Cow<'a, str> },
    /// Throws away what has not been played, and every checkpoint in it.
    #[serde(rename_all = "camelCase")]
    ClearAudio { stream_id: Cow<'a, str> },
    /// Presses keys, all in one string.
    #[serde(rename = "sendDTMF")]
    SendDtmf { dtmf: Cow<'a, str> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sounding<'a> {
    /// Bare: the form with the rate behind a semicolon, as in the answer document, is refused here.
    pub content_type: Cow<'a, str>,
    pub sample_rate: u32,
    pub payload: Cow<'a, str>,
}
