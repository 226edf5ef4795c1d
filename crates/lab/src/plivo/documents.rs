//! Plivo's XML, read as Plivo reads it: names are case-sensitive, and whatever its documents do not know is reported.

use std::time::Duration;

use audio::Rate;

use crate::phone::socket::is_secure_or_local;
use crate::phone::xml::{self, Element};
use crate::phone::{Encoding, Method, Sound, Warning};

/// Plivo's limit for the whole of `extraHeaders`.
const EXTRA_HEADERS_BYTES_MAX: usize = 512;
const STREAM_SECONDS_DEFAULT: u32 = 86_400;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb {
    Speak { text: String, times: u32 },
    Play { url: String, times: u32 },
    Wait { length: Duration },
    Redirect { url: String, method: Method },
    Dial { action: Option<Action>, timeout: Duration, limit: Option<Duration>, numbers: Vec<String> },
    Digits { digits: String },
    Hangup { reason: Option<String>, after: Option<Duration> },
    Stream(StreamSpec),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) url: String,
    pub(super) method: Method,
    /// Whether what the action answers is followed, or the next verb.
    pub(super) is_followed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamSpec {
    pub(super) url: String,
    pub(super) sound: Sound,
    pub(super) keep_call_alive: bool,
    pub(super) timeout: Duration,
    pub(super) status_callback: Option<(String, Method)>,
    pub(super) extra_headers: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Document {
    /// The verbs with the elements they came from.
    pub(super) verbs: Vec<(String, Verb)>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads a document. An error is one that ends the call.
pub(super) fn read(text: &str) -> Result<Document, String> {
    let root = xml::parse(text).map_err(|problem| format!("the document cannot be read: {problem}"))?;
    if root.name != "Response" {
        return Err(format!("the root is <{}>, not <Response>", root.name));
    }
    let mut reader = Reader { warnings: Vec::new() };
    let mut verbs = Vec::new();
    reader.attributes(&root, &[]);
    if !root.text.trim().is_empty() {
        reader.warn("text outside of any element".into());
    }
    for child in &root.children {
        if let Some(verb) = reader.verb(child) {
            verbs.push((child.opening_tag(), verb));
        }
    }
    Ok(Document { verbs, warnings: reader.warnings })
}

struct Reader {
    warnings: Vec<Warning>,
}

impl Reader {
    fn warn(&mut self, problem: String) {
        self.warnings.push(Warning::plain(format!("invalid XML: {problem}")));
    }

    fn attributes(&mut self, element: &Element, known: &[&str]) {
        for (name, _) in &element.attributes {
            if !known.contains(&name.as_str()) {
                self.warn(format!("attribute {name:?} is not allowed in <{}>", element.name));
            }
        }
    }

    fn only_text<'a>(&mut self, element: &'a Element) -> &'a str {
        if let Some(child) = element.children.first() {
            self.warn(format!("<{}> is not allowed in <{}>", child.name, element.name));
        }
        element.text.trim()
    }

    fn verb(&mut self, element: &Element) -> Option<Verb> {
        match element.name.as_str() {
            "Speak" => {
                self.attributes(element, &["voice", "language", "loop"]);
                let text = element.whole_text().trim().to_owned();
                if text.is_empty() {
                    self.warn("<Speak> has nothing to say".into());
                }
                Some(Verb::Speak { text, times: self.times(element) })
            }
            "Play" => {
                self.attributes(element, &["loop"]);
                let url = self.only_text(element).to_owned();
                Some(Verb::Play { url, times: self.times(element) })
            }
            "Wait" => {
                self.attributes(element, &["length", "silence", "minSilence", "beep"]);
                let length = self.number(element, "length", 1);
                Some(Verb::Wait { length: Duration::from_secs(length.into()) })
            }
            "Redirect" => {
                self.attributes(element, &["method"]);
                let url = self.only_text(element).to_owned();
                Some(Verb::Redirect { url, method: self.method(element, "method") })
            }
            "DTMF" => {
                self.attributes(element, &["async"]);
                Some(Verb::Digits { digits: self.only_text(element).to_owned() })
            }
            "Hangup" => {
                self.attributes(element, &["reason", "schedule"]);
                let reason = element.attribute("reason").map(str::to_owned);
                if let Some(odd) = reason.as_deref().filter(|reason| !["rejected", "busy"].contains(reason)) {
                    self.warn(format!("<Hangup> knows no reason {odd:?}"));
                }
                let after = element.attribute("schedule").is_some();
                let seconds = self.number(element, "schedule", 0);
                Some(Verb::Hangup { reason, after: after.then(|| Duration::from_secs(seconds.into())) })
            }
            "Dial" => self.dial(element),
            "Stream" => self.stream(element),
            "Conference" | "GetDigits" | "GetInput" | "Message" | "PreAnswer" | "Record"
            | "MultiPartyCall" => {
                self.warnings.push(Warning::plain(format!("<{}> is not emulated", element.name)));
                None
            }
            other => {
                self.warn(format!("<{other}> is not an element of Plivo's"));
                None
            }
        }
    }

    fn dial(&mut self, element: &Element) -> Option<Verb> {
        self.attributes(
            element,
            &[
                "action",
                "method",
                "hangupOnStar",
                "timeLimit",
                "timeout",
                "callerId",
                "callerName",
                "confirmSound",
                "confirmKey",
                "confirmTimeout",
                "dialMusic",
                "callbackUrl",
                "callbackMethod",
                "redirect",
                "digitsMatch",
                "digitsMatchBLeg",
                "sipHeaders",
            ],
        );
        let mut numbers = Vec::new();
        for child in &element.children {
            match child.name.as_str() {
                "Number" => self.attributes(child, &["sendDigits", "sendOnPreanswer", "sendDigitsMode"]),
                "User" => {
                    self.attributes(child, &["sendDigits", "sendOnPreanswer", "sipHeaders", "sendDigitsMode"])
                }
                other => {
                    self.warn(format!("<{other}> is not allowed in <Dial>"));
                    continue;
                }
            }
            numbers.push(child.text.trim().to_owned());
        }
        numbers.retain(|number| !number.is_empty());
        if !element.text.trim().is_empty() {
            self.warn("<Dial> holds <Number> or <User>, no text".into());
        }
        if numbers.is_empty() {
            self.warn("<Dial> has nobody to call".into());
            return None;
        }
        let is_followed = self.truth(element, "redirect", true);
        let action =
            element.attribute("action").map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned);
        let method = self.method(element, "method");
        Some(Verb::Dial {
            action: action.map(|url| Action { url, method, is_followed }),
            timeout: Duration::from_secs(self.number(element, "timeout", 120).into()),
            limit: element
                .attribute("timeLimit")
                .map(|_| Duration::from_secs(self.number(element, "timeLimit", 14_400).into())),
            numbers,
        })
    }

    fn stream(&mut self, element: &Element) -> Option<Verb> {
        self.attributes(
            element,
            &[
                "bidirectional",
                "keepCallAlive",
                "audioTrack",
                "contentType",
                "streamTimeout",
                "statusCallbackUrl",
                "statusCallbackMethod",
                "extraHeaders",
                "noiseCancellation",
                "noiseCancellationLevel",
            ],
        );
        let url = self.only_text(element).to_owned();
        if !is_secure_or_local(&url) {
            self.warn(format!("the text of <Stream>, {url:?}, is no wss URL"));
            return None;
        }
        let is_bidirectional = self.truth(element, "bidirectional", false);
        let track = element.attribute("audioTrack").unwrap_or("inbound");
        if !["inbound", "outbound", "both"].contains(&track) {
            self.warn(format!("audioTrack {track:?} is none of inbound, outbound and both"));
            return None;
        }
        if !is_bidirectional {
            self.warnings
                .push(Warning::plain("<Stream> without bidirectional: taps are not emulated".into()));
            return None;
        }
        if track != "inbound" {
            self.warn(format!("a bidirectional <Stream> has the audioTrack inbound, not {track:?}"));
            return None;
        }
        let sound = self.sound(element.attribute("contentType"))?;
        let timeout = match self.number(element, "streamTimeout", STREAM_SECONDS_DEFAULT) {
            0 => {
                self.warn("streamTimeout is not positive".into());
                STREAM_SECONDS_DEFAULT
            }
            seconds => seconds,
        };
        let callback = element.attribute("statusCallbackUrl").map(|url| url.trim().to_owned());
        let method = self.method(element, "statusCallbackMethod");
        Some(Verb::Stream(StreamSpec {
            url,
            sound,
            keep_call_alive: self.truth(element, "keepCallAlive", false),
            timeout: Duration::from_secs(timeout.into()),
            status_callback: callback.map(|url| (url, method)),
            extra_headers: self.extra_headers(element.attribute("extraHeaders").unwrap_or_default()),
        }))
    }

    fn sound(&mut self, content_type: Option<&str>) -> Option<Sound> {
        let (encoding, rate) = match content_type.unwrap_or("audio/x-l16;rate=8000") {
            "audio/x-l16;rate=8000" => (Encoding::Pcm16, Rate::Hz8000),
            "audio/x-l16;rate=16000" => (Encoding::Pcm16, Rate::Hz16000),
            "audio/x-mulaw;rate=8000" => (Encoding::Mulaw, Rate::Hz8000),
            other => {
                self.warn(format!("<Stream> knows no contentType {other:?}"));
                return None;
            }
        };
        Some(Sound { encoding, rate })
    }

    fn extra_headers(&mut self, text: &str) -> Vec<(String, String)> {
        if text.len() > EXTRA_HEADERS_BYTES_MAX {
            self.warn(format!("extraHeaders has more than {EXTRA_HEADERS_BYTES_MAX} bytes, and is left out"));
            return Vec::new();
        }
        let mut headers = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let fine = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
            match pair.split_once('=') {
                Some((name, value)) if fine(name) && fine(value) => {
                    headers.push((name.to_owned(), value.to_owned()));
                }
                _ => self.warn(format!("{pair:?} of extraHeaders is not alphanumeric, and is left out")),
            }
        }
        headers
    }

    fn truth(&mut self, element: &Element, attribute: &str, default: bool) -> bool {
        match element.attribute(attribute) {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                self.warn(format!("{attribute}={other:?} is neither true nor false"));
                default
            }
        }
    }

    fn method(&mut self, element: &Element, attribute: &str) -> Method {
        match element.attribute(attribute) {
            None | Some("POST") => Method::Post,
            Some("GET") => Method::Get,
            Some(other) => {
                self.warn(format!("{attribute}={other:?} is neither GET nor POST"));
                Method::Post
            }
        }
    }

    /// Zero means without end; a caller hangs up long before so many.
    fn times(&mut self, element: &Element) -> u32 {
        match self.number(element, "loop", 1) {
            0 => u32::MAX,
            count => count,
        }
    }

    fn number(&mut self, element: &Element, attribute: &str, default: u32) -> u32 {
        let Some(text) = element.attribute(attribute) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.warn(format!("{attribute}={text:?} is not a number"));
            default
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(attributes: &str) -> (Option<StreamSpec>, Vec<String>) {
        let text =
            format!("<Response><Stream {attributes}>wss://gw.example.com/ws/plivo</Stream></Response>");
        let document = read(&text).unwrap();
        let warnings = document.warnings.into_iter().map(|warning| warning.text).collect();
        let spec = document.verbs.into_iter().find_map(|(_, verb)| match verb {
            Verb::Stream(spec) => Some(spec),
            _ => None,
        });
        (spec, warnings)
    }

    #[test]
    fn documented_stream_is_read_without_a_word() {
        let (spec, warnings) = stream(
            "bidirectional=\"true\" keepCallAlive=\"true\" audioTrack=\"inbound\" \
             contentType=\"audio/x-mulaw;rate=8000\" streamTimeout=\"600\" \
             statusCallbackUrl=\"https://gw.example.com/s\" statusCallbackMethod=\"POST\" \
             extraHeaders=\"session=abc,tenant=t1\"",
        );

        assert_eq!(warnings, Vec::<String>::new());
        let expected = StreamSpec {
            url: "wss://gw.example.com/ws/plivo".into(),
            sound: Sound::MULAW_8000,
            keep_call_alive: true,
            timeout: Duration::from_secs(600),
            status_callback: Some(("https://gw.example.com/s".into(), Method::Post)),
            extra_headers: vec![("session".into(), "abc".into()), ("tenant".into(), "t1".into())],
        };
        assert_eq!(spec, Some(expected));
    }

    #[test]
    fn what_is_not_said_is_linear_sound_and_a_call_that_ends_with_its_stream() {
        let (spec, _) = stream("bidirectional=\"true\"");

        let spec = spec.unwrap();
        assert_eq!(spec.sound, Sound { encoding: Encoding::Pcm16, rate: Rate::Hz8000 });
        assert!(!spec.keep_call_alive);
        assert_eq!(spec.timeout, Duration::from_secs(86_400));
    }

    #[test]
    fn every_deviation_of_a_stream_is_named() {
        for (attributes, wrong, opens) in [
            ("bidirectional=\"true\" audioTrack=\"both\"", "audioTrack inbound", false),
            ("", "taps are not emulated", false),
            ("bidirectional=\"yes\"", "neither true nor false", false),
            ("bidirectional=\"true\" contentType=\"audio/x-mulaw\"", "no contentType", false),
            ("bidirectional=\"true\" url=\"wss://x\"", "attribute \"url\"", true),
            ("bidirectional=\"true\" extraHeaders=\"a-b=1,c=2\"", "not alphanumeric", true),
            ("bidirectional=\"true\" streamTimeout=\"long\"", "not a number", true),
        ] {
            let (spec, warnings) = stream(attributes);
            assert!(warnings.iter().any(|warning| warning.contains(wrong)), "{attributes}: {warnings:?}");
            assert_eq!(spec.is_some(), opens, "{attributes}");
        }
        let long = format!("bidirectional=\"true\" extraHeaders=\"a={}\"", "x".repeat(520));
        assert!(stream(&long).1[0].contains("more than 512 bytes"));
    }
}
