//! What can be ordered of a call, by a test or through the carrier's API.

use audio::Frame;

use super::timeline::{End, How};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

#[derive(Debug)]
pub(crate) enum Order {
    Press(String),
    Speak(Frame),
    HangUp,
    KillSocket(How),
    SecondSocket,
    SendText(String),
    SendBinary(Vec<u8>),
    /// API: new instructions.
    Replace(Source),
    /// API: the call is to end.
    Complete,
    /// API: the call is not wanted any more, if it has not been answered.
    Cancel,
    /// API: keys, towards the caller.
    PlayDigits(String),
    /// API: the media stream is to end, and only that.
    StopStream,
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Inline(String),
    Url { url: String, method: Method, form: Vec<(String, String)> },
}

/// Why what the call is doing is left.
#[derive(Debug)]
pub(crate) enum Leave {
    Goto(Source),
    End(End),
}
