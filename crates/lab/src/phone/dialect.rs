//! What differs between carriers on a media socket.
//!
//! A dialect writes the carrier's messages and reads the gateway's, from the carrier's documents alone. It knows its
//! own counters and names; when things are played, echoed and ended is the stream's business.

use std::fmt::Debug;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;

use super::sound::Sound;
use super::timeline::{StreamEnd, Warning};

/// What a carrier does with marks that are waiting when the gateway drops its audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarksOnClear {
    /// They come back as if they had been played.
    Echoed,
    /// They are forgotten.
    Silent,
}

/// How one stream behaves, fixed when it opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) sound: Sound,
    /// How much of the caller's speech goes into one message; whole ticks of 20 ms.
    pub(crate) caller_piece: Duration,
    pub(crate) marks_on_clear: MarksOnClear,
    /// Whether a hang-up command is obeyed; otherwise it is noted, and the call goes on.
    pub(crate) obeys_hang_up: bool,
    /// How long the stream may last before the carrier ends it.
    pub(crate) lasts_at_most: Option<Duration>,
}

impl Habits {
    pub(crate) fn new(sound: Sound, marks_on_clear: MarksOnClear) -> Habits {
        Habits {
            sound,
            caller_piece: crate::sound::TICK,
            marks_on_clear,
            obeys_hang_up: true,
            lasts_at_most: None,
        }
    }
}

/// What a gateway says that can be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Audio in the stream's own encoding.
    Audio(Vec<u8>),
    Mark(String),
    Clear,
    /// Keys, towards the caller.
    Digits(String),
    HangUp,
    Transfer {
        number: String,
    },
}

/// A message, if it can be obeyed, and everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) said: Option<Said>,
    pub(crate) warnings: Vec<Warning>,
    /// What the carrier says to it at once, before obeying.
    pub(crate) replies: Vec<Message>,
}

impl Reading {
    /// Nothing that can be obeyed.
    pub(crate) fn wrong(warning: Warning) -> Reading {
        Reading { warnings: vec![warning], ..Reading::default() }
    }
}

/// What happens to a stream, for carriers that report it somewhere else than on the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamEvent<'a> {
    Opened,
    Refused { problem: &'a str },
    Played { name: &'a str },
    Cleared,
    Ended { why: &'a StreamEnd },
}

/// Why the carrier itself ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// The call is over for whichever reason: the caller, the API, the emulator's end.
    CallOver,
    /// The call goes on without the stream: new instructions, a transfer, a stop order, its time is up.
    CallGoesOn,
}

/// One carrier's language on one media socket. Messages are pushed to `out` in the order in which they leave.
pub(crate) trait Dialect: Debug + Send + Sync {
    fn stream_sid(&self) -> &str;

    fn habits(&self) -> Habits;

    /// The same stream on another socket, with everything that counts starting anew.
    fn again(&self) -> Box<dyn Dialect>;

    /// What comes before the descriptive message.
    fn greet(&mut self, _out: &mut Vec<Message>) {}

    /// The descriptive message.
    fn start(&mut self, out: &mut Vec<Message>);

    /// A piece of the caller's speech that began `at` into the stream.
    fn media(&mut self, piece: &[u8], at: Duration, out: &mut Vec<Message>);

    fn digit(&mut self, digit: char, out: &mut Vec<Message>);

    /// Everything before this mark has been played, or it was dropped and this carrier echoes it all the same.
    fn played(&mut self, name: &str, out: &mut Vec<Message>);

    /// The gateway's audio is dropped.
    fn cleared(&mut self, _out: &mut Vec<Message>) {}

    /// The last word before the close frame.
    fn stop(&mut self, _why: Stopping, _out: &mut Vec<Message>) {}

    /// An audio message with this payload, however wrong the payload is.
    fn bad_media(&self, payload: &str) -> String;

    /// `queued` is how much audio waits to be played.
    fn read_text(&mut self, text: &str, queued: Duration) -> Reading;

    fn read_binary(&mut self, bytes: &[u8], queued: Duration) -> Reading;

    fn refused(&self, status: Option<u16>, problem: &str) -> Warning;

    fn lost(&self, protocol_error: bool, why: &str) -> Warning;

    fn happened(&mut self, _what: StreamEvent<'_>) {}
}
