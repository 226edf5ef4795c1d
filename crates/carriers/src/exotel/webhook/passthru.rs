//! What a Passthru applet behind the stream tells, and asks: is the caller to be handed over, or is the call to end?

use serde_json::Value;

use super::{Params, ReportError, call_of, filled};
use crate::exotel::names::Object;

/// A report of a stream, in whichever of Exotel's three shapes: `Stream[Status]=…`, `Stream={…}`, or a JSON body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passthru {
    pub call_sid: String,
    pub stream_sid: Option<String>,
    /// `completed`, `failed`, … in Exotel's words.
    pub status: Option<String>,
    pub duration_s: Option<u64>,
    pub disconnected_by: Option<DisconnectedBy>,
    /// `stream-start` and its like: a report during the call that asks nothing.
    pub event: Option<String>,
    /// Why a stream failed, in Exotel's words.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectedBy {
    /// We closed the socket.
    Bot,
    /// The caller hung up.
    User,
    /// A word that Exotel did not have when this was written.
    Unlisted(String),
}

impl Passthru {
    pub fn read(params: &Params) -> Result<Passthru, ReportError> {
        let whole: Option<Value> =
            filled(params, "Stream").and_then(|stream| serde_json::from_str(stream).ok());
        let object = whole.as_ref().and_then(Object::of);
        let of_stream = |name: &str| {
            let bracketed = filled(params, &format!("Stream[{name}]")).map(str::to_owned);
            bracketed.or_else(|| object.and_then(|object| object.text(name))).filter(|text| !text.is_empty())
        };
        let plain = |name: &str| filled(params, name).map(str::to_owned);
        Ok(Passthru {
            call_sid: call_of(params)?,
            stream_sid: of_stream("StreamSID").or_else(|| plain("StreamSid")),
            status: of_stream("Status"),
            duration_s: of_stream("Duration").and_then(|seconds| seconds.parse().ok()),
            disconnected_by: of_stream("DisconnectedBy").map(|word| {
                match word.to_ascii_lowercase().as_str() {
                    "bot" => DisconnectedBy::Bot,
                    "user" => DisconnectedBy::User,
                    _ => DisconnectedBy::Unlisted(word),
                }
            }),
            event: plain("EventType"),
            error: of_stream("Error").or_else(|| of_stream("DetailedStatus")),
        })
    }

    /// The stream is over, and what comes next is asked. A report of a start asks nothing.
    pub fn is_after_the_stream(&self) -> bool {
        let begins = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "stream-start" | "started");
        !self.event.as_deref().is_some_and(begins)
    }
}
