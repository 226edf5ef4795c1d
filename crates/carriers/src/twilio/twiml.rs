//! The documents that tell Twilio what to do with a call.
//!
//! Verbs run from top to bottom. A [`Document`] can only be made of them here, so that what reaches Twilio is always
//! well-formed, escaped and within its limits; what would make it refuse the document at call time is an error now.

mod dial;
mod stream;

use std::fmt;

pub use self::dial::{Dial, Noun, RecordDial};
pub use self::stream::{ConnectStream, StartStream, Track, WhenGone};
pub(super) use self::stream::{parameter, stream_url};

type Xml = crate::xml::Xml<TwimlError>;

/// What a document is served as.
pub const CONTENT_TYPE: &str = "text/xml";

/// Twilio's bound for a document inside a REST request.
const INLINE_CHARS_MAX: usize = 4_000;

/// Twilio's bound for the text of one `<Say>`.
const SAY_CHARS_MAX: usize = 4_096;

/// Twilio's bound for name and value of a `<Parameter>` together.
const PARAMETER_CHARS_MAX: usize = 500;

const BUSY: &str = "All lines are busy. Please call again later.";

/// Why a document cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    #[error(
        "parameter {name:?} of the stream has {chars} characters, name and value together; Twilio takes \
         {PARAMETER_CHARS_MAX}"
    )]
    ParameterTooLong { name: String, chars: usize },
    #[error("a parameter of the stream has no name")]
    ParameterWithoutName,
    #[error("a stream started by request takes at most 99 parameters, not {count}")]
    TooManyParameters { count: usize },
    #[error("the stream's address {url:?} must begin with wss:// (ws:// only towards this machine itself)")]
    StreamNotWss { url: String },
    #[error("the stream's address {url:?} must have no query; pass what it says as parameters")]
    StreamWithQuery { url: String },
    #[error("{url:?} must be a whole address beginning with http:// or https://")]
    NotAbsolute { url: String },
    #[error("there is nothing to say")]
    NothingToSay,
    #[error("a text of {chars} characters is too long to be spoken; Twilio takes {SAY_CHARS_MAX}")]
    TextTooLong { chars: usize },
    #[error("{to:?} is neither a telephone number nor a sip: or client: address")]
    NoDestination { to: String },
    #[error("{digits:?} holds something other than keys and waits")]
    NotKeys { digits: String },
    #[error("a document of {chars} characters is too long to be sent along; Twilio takes {INLINE_CHARS_MAX}")]
    TooLongInline { chars: usize },
}

/// A whole document, ready to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(String);

impl Document {
    /// A document of these verbs.
    pub fn of(verbs: &[Verb<'_>]) -> Result<Document, TwimlError> {
        let mut xml = Xml::new();
        xml.element("Response", &[], |xml| verbs.iter().try_for_each(|verb| verb.write(xml)))?;
        Ok(Document(xml.into_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// The document as it may stand in a REST request, where there is less room.
    pub fn inline(&self) -> Result<&str, TwimlError> {
        let chars = self.0.chars().count();
        if chars > INLINE_CHARS_MAX {
            return Err(TwimlError::TooLongInline { chars });
        }
        Ok(&self.0)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb<'a> {
    /// Two-way media, and what happens when we let go of it.
    Connect(ConnectStream<'a>),
    /// Listen in, and go on with the next verb.
    Start(StartStream<'a>),
    /// Stop listening in on the stream of this name.
    Stop {
        name: &'a str,
    },
    Say(Say<'a>),
    /// Play a file.
    Play {
        url: &'a str,
        times: Option<u32>,
    },
    /// Press keys; `w` waits half a second.
    PlayDigits {
        digits: &'a str,
    },
    Pause {
        seconds: u32,
    },
    /// Go on with the document at this address.
    Redirect {
        url: &'a str,
    },
    Dial(Dial<'a>),
    HangUp,
    /// Refuse the call without answering it. Only as the first verb.
    Reject(RejectReason),
}

/// Something to be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Say<'a> {
    pub text: &'a str,
    /// `de-DE`; Twilio's own default is American English.
    pub language: Option<&'a str>,
    pub voice: Option<&'a str>,
    pub times: Option<u32>,
}

/// What the caller's telephone is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RejectReason {
    /// "This number is not in service."
    #[default]
    Rejected,
    /// The busy tone.
    Busy,
}

impl Verb<'_> {
    fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        match self {
            Verb::Connect(connect) => connect.write(xml),
            Verb::Start(start) => start.write(xml),
            Verb::Stop { name } => {
                xml.element("Stop", &[], |xml| xml.empty("Stream", &[("name", Some(name))]))
            }
            Verb::Say(say) => say.write(xml),
            Verb::Play { url, times } => {
                absolute(url)?;
                let times = times.map(|times| times.to_string());
                xml.element("Play", &[("loop", times.as_deref())], |xml| xml.text(url))
            }
            Verb::PlayDigits { digits } => xml.empty("Play", &[("digits", Some(keys(digits)?))]),
            Verb::Pause { seconds } => xml.empty("Pause", &[("length", Some(&seconds.to_string()))]),
            Verb::Redirect { url } => {
                absolute(url)?;
                xml.element("Redirect", &[("method", Some("POST"))], |xml| xml.text(url))
            }
            Verb::Dial(dial) => dial.write(xml),
            Verb::HangUp => xml.empty("Hangup", &[]),
            Verb::Reject(reason) => {
                let reason = match reason {
                    RejectReason::Rejected => "rejected",
                    RejectReason::Busy => "busy",
                };
                xml.empty("Reject", &[("reason", Some(reason))])
            }
        }
    }
}

impl Say<'_> {
    fn write(&self, xml: &mut Xml) -> Result<(), TwimlError> {
        let chars = self.text.chars().count();
        if self.text.trim().is_empty() {
            return Err(TwimlError::NothingToSay);
        }
        if chars > SAY_CHARS_MAX {
            return Err(TwimlError::TextTooLong { chars });
        }
        let times = self.times.map(|times| times.to_string());
        let attributes = [("voice", self.voice), ("language", self.language), ("loop", times.as_deref())];
        xml.element("Say", &attributes, |xml| xml.text(self.text))
    }
}

/// Answer, and let us hold the conversation.
pub fn connect_stream(connect: &ConnectStream<'_>) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Connect(connect.clone())])
}

pub fn say_and_hang_up(text: &str, language: Option<&str>) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Say(Say { text, language, ..Say::default() }), Verb::HangUp])
}

/// No room for another call: say so, then hang up. `say` replaces the built-in English sentence.
pub fn busy(say: Option<Say<'_>>) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Say(say.unwrap_or(Say { text: BUSY, ..Say::default() })), Verb::HangUp])
}

pub fn reject(reason: RejectReason) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Reject(reason)])
}

/// Hand the caller over.
pub fn dial(dial: &Dial<'_>) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Dial(dial.clone())])
}

pub fn play(url: &str) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Play { url, times: None }])
}

pub fn pause(seconds: u32) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Pause { seconds }])
}

pub fn redirect(url: &str) -> Result<Document, TwimlError> {
    Document::of(&[Verb::Redirect { url }])
}

pub fn hang_up() -> Result<Document, TwimlError> {
    Document::of(&[Verb::HangUp])
}

/// Relative addresses are refused in inline documents (15004), so there are none at all.
fn absolute(url: &str) -> Result<&str, TwimlError> {
    match url::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && url.contains("://") => Ok(url),
        _ => Err(TwimlError::NotAbsolute { url: url.to_owned() }),
    }
}

/// Keys as Twilio presses them.
fn keys(digits: &str) -> Result<&str, TwimlError> {
    let is_key = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | 'w' | 'W');
    match !digits.is_empty() && digits.chars().all(is_key) {
        true => Ok(digits),
        false => Err(TwimlError::NotKeys { digits: digits.to_owned() }),
    }
}
