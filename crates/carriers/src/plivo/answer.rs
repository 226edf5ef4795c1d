//! The documents that tell Plivo what to do with a call.
//!
//! Elements run from top to bottom. A [`Document`] can only be made of them here, so that what reaches Plivo is always
//! well-formed, escaped and within its limits; what would make it refuse the document at call time is an error now.

mod dial;
mod stream;

use std::fmt;

pub use self::dial::{Dial, Whom};
pub use self::stream::{Stream, WhenGone, content_type};

type Xml = crate::xml::Xml<AnswerError>;

/// What a document is served as.
pub const CONTENT_TYPE: &str = "application/xml";

/// What is said in one go. Nobody listens to more, and it keeps documents small.
const SPEAK_CHARS_MAX: usize = 3_000;

/// Plivo's bound for all extra headers together.
const EXTRA_HEADERS_BYTES_MAX: usize = 512;

const BUSY: &str = "All lines are busy. Please call again later.";

/// Why a document cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the stream's address {url:?} must begin with wss:// (ws:// only towards this machine itself)")]
    StreamNotWss { url: String },
    #[error("the stream's address {url:?} must have no query; pass what it says as extra headers")]
    StreamWithQuery { url: String },
    #[error("extra header {name:?} holds something other than letters and digits")]
    ExtraHeaderNotPlain { name: String },
    #[error("the extra headers have {bytes} bytes; Plivo takes {EXTRA_HEADERS_BYTES_MAX}")]
    ExtraHeadersTooLong { bytes: usize },
    #[error("{url:?} must be a whole address beginning with http:// or https://")]
    NotAbsolute { url: String },
    #[error("there is nothing to say")]
    NothingToSay,
    #[error("a text of {chars} characters is too long to be spoken; at most {SPEAK_CHARS_MAX} are")]
    TextTooLong { chars: usize },
    #[error("{to:?} is neither a telephone number nor a sip: address")]
    NoDestination { to: String },
}

/// A whole document, ready to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(String);

impl Document {
    /// A document of these elements.
    pub fn of(elements: &[Element<'_>]) -> Result<Document, AnswerError> {
        let mut xml = Xml::new();
        xml.element("Response", &[], |xml| elements.iter().try_for_each(|element| element.write(xml)))?;
        Ok(Document(xml.into_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Element<'a> {
    /// Two-way media, and what happens when it ends.
    Stream(Stream<'a>),
    Speak(Speak<'a>),
    Dial(Dial<'a>),
    /// Ends the call. With a reason and as the first element, the call is refused without being answered.
    HangUp {
        reason: Option<Refused>,
    },
}

/// Something to be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speak<'a> {
    pub text: &'a str,
    /// `de-DE`; Plivo's own default is American English.
    pub language: Option<&'a str>,
    /// `WOMAN`, `MAN`, or one of Polly's.
    pub voice: Option<&'a str>,
}

/// What the caller's telephone is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Rejected,
    Busy,
}

impl Element<'_> {
    fn write(&self, xml: &mut Xml) -> Result<(), AnswerError> {
        match self {
            Element::Stream(stream) => stream.write(xml),
            Element::Speak(speak) => speak.write(xml),
            Element::Dial(dial) => dial.write(xml),
            Element::HangUp { reason } => {
                let reason = reason.map(|reason| match reason {
                    Refused::Rejected => "rejected",
                    Refused::Busy => "busy",
                });
                xml.empty("Hangup", &[("reason", reason)])
            }
        }
    }
}

impl Speak<'_> {
    fn write(&self, xml: &mut Xml) -> Result<(), AnswerError> {
        let chars = self.text.chars().count();
        if self.text.trim().is_empty() {
            return Err(AnswerError::NothingToSay);
        }
        if chars > SPEAK_CHARS_MAX {
            return Err(AnswerError::TextTooLong { chars });
        }
        let attributes = [("voice", self.voice), ("language", self.language)];
        xml.element("Speak", &attributes, |xml| xml.text(self.text))
    }
}

/// Answer, and let us hold the conversation.
pub fn stream(stream: &Stream<'_>) -> Result<Document, AnswerError> {
    Document::of(&[Element::Stream(stream.clone())])
}

pub fn speak_and_hang_up(text: &str, language: Option<&str>) -> Result<Document, AnswerError> {
    let speak = Speak { text, language, voice: None };
    Document::of(&[Element::Speak(speak), Element::HangUp { reason: None }])
}

/// No room for another call: say so, then hang up.
pub fn busy() -> Result<Document, AnswerError> {
    speak_and_hang_up(BUSY, None)
}

/// Hand the caller over.
pub fn dial(dial: &Dial<'_>) -> Result<Document, AnswerError> {
    Document::of(&[Element::Dial(dial.clone())])
}

pub fn hang_up() -> Result<Document, AnswerError> {
    Document::of(&[Element::HangUp { reason: None }])
}

/// Refuse the call without answering it: nobody pays for it.
pub fn refuse(reason: Refused) -> Result<Document, AnswerError> {
    Document::of(&[Element::HangUp { reason: Some(reason) }])
}

fn absolute(url: &str) -> Result<&str, AnswerError> {
    match url::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && url.contains("://") => Ok(url),
        _ => Err(AnswerError::NotAbsolute { url: url.to_owned() }),
    }
}
