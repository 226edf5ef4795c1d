//! Misfortune on demand: a short script that says when a wire misbehaves, and how.
//!
//! One entry is `when: what`; entries are separated by semicolons or line ends, so a script fits on a command line:
//!
//! ```text
//! always: jitter 30ms; while_speaking: close 1011 going down; at 3s: garbage utf8
//! ```
//!
//! | when | the moment |
//! |---|---|
//! | `at_handshake` | before the WebSocket exists, and for REST answers |
//! | `before_metadata` | before the first descriptive message (`start` of a carrier, metadata of an agent) |
//! | `after_metadata` | right after it |
//! | `while_speaking` | while agent speech is on the wire (agent) or being played (carrier) |
//! | `during_tool_call` | right after a client tool was called |
//! | `after_messages 10` | when the tenth message has been sent |
//! | `at 3s` | that long after the socket opened |
//! | `always` | from the start; acts that happen once then happen to every message |
//!
//! | what | the misfortune |
//! |---|---|
//! | `delay 80ms`, `jitter 30ms` | from now on every message leaves late; order is kept |
//! | `stall 2s` | nothing is sent or read for so long, then all of it at once |
//! | `close 1011 reason` | a close frame |
//! | `drop` | TCP reset, no close frame |
//! | `garbage utf8` (or `json`, `base64`, `huge 1048576`, `odd_audio`, `binary`, `unknown_event`, `audio`) | one bad message |
//! | `duplicate`, `out_of_order`, `lose_mark` | the next message twice, the next two swapped, the next mark swallowed |
//! | `refuse 429 body` | the upgrade is answered with that status |
//! | `error_body 500 body` | REST requests are answered with that |
//! | `slow_reader 200ms` | from now on one message is read per so long |
//!
//! `seed 7` sets the seed of the jitter.

mod line;
mod text;

use std::time::Duration;

pub(crate) use line::{FaultLine, Moment, Struck};
pub use text::FaultError;

/// A script of misfortunes; empty means a well-behaved wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub list: Vec<(When, What)>,
    /// The same seed gives the same jitter.
    pub seed: u64,
}

impl Faults {
    pub fn none() -> Faults {
        Faults::default()
    }

    /// One single misfortune.
    pub fn one(when: When, what: What) -> Faults {
        Faults { list: vec![(when, what)], seed: 0 }
    }

    /// The answer a refused upgrade gets, if the script refuses it.
    pub(crate) fn refusal(&self) -> Option<(u16, String)> {
        self.list.iter().find_map(|(when, what)| match (when, what) {
            (When::AtHandshake | When::Always, What::RefuseHandshake { status, body }) => {
                Some((*status, body.clone()))
            }
            _ => None,
        })
    }

    /// The answer REST requests get, if the script spoils them.
    pub(crate) fn error_body(&self) -> Option<(u16, String)> {
        self.list.iter().find_map(|(when, what)| match (when, what) {
            (When::AtHandshake | When::Always, What::ErrorBody { status, body }) => {
                Some((*status, body.clone()))
            }
            _ => None,
        })
    }

    /// How long an HTTP answer is held back.
    pub(crate) fn handshake_delay(&self) -> Duration {
        self.list
            .iter()
            .filter_map(|(when, what)| match (when, what) {
                (When::AtHandshake, What::Delay(by) | What::Stall(by)) => Some(*by),
                _ => None,
            })
            .sum()
    }

    pub(crate) fn drops_handshake(&self) -> bool {
        self.list.iter().any(|entry| matches!(entry, (When::AtHandshake, What::Drop)))
    }

    /// A close frame right after an accepted upgrade.
    pub(crate) fn closes_handshake(&self) -> Option<(u16, String)> {
        self.list.iter().find_map(|(when, what)| match (when, what) {
            (When::AtHandshake, What::Close { code, reason }) => Some((*code, reason.clone())),
            _ => None,
        })
    }
}

/// The moment of a misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    AtHandshake,
    BeforeMetadata,
    AfterMetadata,
    WhileSpeaking,
    DuringToolCall,
    AfterMessages(u64),
    At(Duration),
    Always,
}

/// The misfortune itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Delay(Duration),
    Jitter(Duration),
    Stall(Duration),
    Close { code: u16, reason: String },
    Drop,
    Garbage(Garbage),
    Duplicate,
    LoseMark,
    RefuseHandshake { status: u16, body: String },
    ErrorBody { status: u16, body: String },
    SlowReader(Duration),
    OutOfOrder,
}

/// Ways for a message to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// A text frame that is not UTF-8.
    Utf8,
    /// Text that is not JSON.
    Json,
    /// An audio message whose payload is not base64.
    Base64,
    /// A message of about so many bytes, of a kind nobody knows.
    Huge(usize),
    /// An audio message that ends in the middle of a sample, or has none.
    OddAudio,
    /// A binary frame where only text is spoken.
    Binary,
    /// Well-formed, and of a kind nobody has announced.
    UnknownEvent,
    /// A perfectly good audio message; only its moment is wrong (`before_metadata`).
    Audio,
}
