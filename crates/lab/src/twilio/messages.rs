//! What Twilio writes on a media stream: exactly the documented fields, numbers as strings.

use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connected {
    event: &'static str,
    protocol: &'static str,
    version: &'static str,
}

impl Connected {
    pub(super) fn text() -> String {
        write(&Connected { event: "connected", protocol: "Call", version: "1.0.0" })
    }
}

/// The envelope around everything but `connected`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    event: &'static str,
    sequence_number: String,
    stream_sid: &'a str,
    #[serde(flatten)]
    body: Body<'a>,
}

impl<'a> Event<'a> {
    pub(super) fn text(sequence: u64, stream_sid: &'a str, body: Body<'a>) -> String {
        let event = match body {
            Body::Start(_) => "start",
            Body::Media(_) => "media",
            Body::Dtmf(_) => "dtmf",
            Body::Mark(_) => "mark",
            Body::Stop(_) => "stop",
        };
        write(&Event { event, sequence_number: sequence.to_string(), stream_sid, body })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body<'a> {
    Start(Start<'a>),
    Media(Media<'a>),
    Dtmf(Dtmf),
    Mark(Mark<'a>),
    Stop(Stop<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    pub(super) account_sid: &'a str,
    pub(super) stream_sid: &'a str,
    pub(super) call_sid: &'a str,
    pub(super) tracks: [&'static str; 1],
    pub(super) media_format: MediaFormat,
    pub(super) custom_parameters: Map<String, Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MediaFormat {
    pub(super) encoding: &'static str,
    pub(super) sample_rate: u32,
    pub(super) channels: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Media<'a> {
    pub(super) track: &'static str,
    pub(super) chunk: String,
    pub(super) timestamp: String,
    pub(super) payload: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Dtmf {
    pub(super) track: &'static str,
    pub(super) digit: char,
}

#[derive(Debug, Serialize)]
pub(super) struct Mark<'a> {
    pub(super) name: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stop<'a> {
    pub(super) account_sid: &'a str,
    pub(super) call_sid: &'a str,
}

fn write(message: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "these types have only string keys and nothing that can fail")]
    serde_json::to_string(message).expect("plain data")
}
