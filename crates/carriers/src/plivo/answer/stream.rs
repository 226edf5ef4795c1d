//! The element that brings media to us.

use audio::Rate;
use call::{Encoding, Sound};
use url::{Host, Url};

use super::{AnswerError, Dial, EXTRA_HEADERS_BYTES_MAX, Element, Speak, Xml, absolute};

/// Two-way media. Plivo stays with it until the stream ends, and then goes on with `when_gone`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream<'a> {
    /// `wss://`, without a query.
    pub url: &'a str,
    /// The form of the sound, in both directions.
    pub sound: Sound,
    /// Told when the stream starts, stops, drops or lags.
    pub status_callback: Option<&'a str>,
    /// Come back in the `start` message: the only way to tell our socket which call it belongs to. Letters and digits.
    pub extra_headers: &'a [(&'a str, &'a str)],
    /// How long it may last; Plivo's default is a day.
    pub timeout_s: Option<u32>,
    pub when_gone: WhenGone<'a>,
}

/// What becomes of the call when the media socket is closed, by us or by an accident of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum WhenGone<'a> {
    HangUp,
    SpeakAndHangUp {
        text: &'a str,
        language: Option<&'a str>,
    },
    /// Hand the caller to a person.
    Dial {
        to: &'a str,
        caller_id: Option<&'a str>,
        timeout_s: Option<u32>,
    },
}

impl Stream<'_> {
    pub(super) fn write(&self, xml: &mut Xml) -> Result<(), AnswerError> {
        let url = stream_url(self.url)?;
        let status_callback = self.status_callback.map(absolute).transpose()?;
        let timeout = self.timeout_s.map(|seconds| seconds.to_string());
        let extra_headers = extra_headers(self.extra_headers)?;
        let attributes = [
            ("bidirectional", Some("true")),
            // Without it Plivo goes on at once with what follows, and the call would be over before it began.
            ("keepCallAlive", Some("true")),
            // The only track that a two-way stream may have.
            ("audioTrack", Some("inbound")),
            ("contentType", Some(content_type(self.sound))),
            ("streamTimeout", timeout.as_deref()),
            ("statusCallbackUrl", status_callback),
            ("statusCallbackMethod", status_callback.map(|_| "POST")),
            ("extraHeaders", Some(extra_headers.as_str()).filter(|headers| !headers.is_empty())),
        ];
        // The address is the element's text; there is no attribute for it.
        xml.element("Stream", &attributes, |xml| xml.text(url))?;
        match self.when_gone {
            WhenGone::HangUp => Element::HangUp { reason: None }.write(xml),
            WhenGone::SpeakAndHangUp { text, language } => {
                Speak { text, language, voice: None }.write(xml)?;
                Element::HangUp { reason: None }.write(xml)
            }
            WhenGone::Dial { to, caller_id, timeout_s } => {
                Dial { caller_id, timeout_s, ..Dial::to(to)? }.write(xml)
            }
        }
    }
}

/// The form of the sound as a document names it: here, and here alone, with the rate.
pub fn content_type(sound: Sound) -> &'static str {
    match (sound.encoding, sound.rate) {
        (Encoding::Pcm16, Rate::Hz16000) => "audio/x-l16;rate=16000",
        (Encoding::Pcm16, _) => "audio/x-l16;rate=8000",
        (Encoding::Mulaw, _) => "audio/x-mulaw;rate=8000",
    }
}

fn extra_headers(headers: &[(&str, &str)]) -> Result<String, AnswerError> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some((name, _)) = headers.iter().find(|(name, value)| !plain(name) || !plain(value)) {
        return Err(AnswerError::ExtraHeaderNotPlain { name: (*name).to_owned() });
    }
    let pairs: Vec<String> = headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let written = pairs.join(",");
    match written.len() <= EXTRA_HEADERS_BYTES_MAX {
        true => Ok(written),
        false => Err(AnswerError::ExtraHeadersTooLong { bytes: written.len() }),
    }
}

/// The address of a media socket. Plivo takes `wss` alone; an emulator on this machine may do without certificates.
fn stream_url(url: &str) -> Result<&str, AnswerError> {
    let not_wss = || AnswerError::StreamNotWss { url: url.to_owned() };
    let parsed = Url::parse(url).map_err(|_| not_wss())?;
    let is_here = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if parsed.scheme() != "wss" && !(parsed.scheme() == "ws" && is_here) {
        return Err(not_wss());
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(AnswerError::StreamWithQuery { url: url.to_owned() });
    }
    Ok(url)
}
