//! What a carrier leg can say, do, and cannot do.
//!
//! No carrier's name appears here. A leg turns its wire into these events and these commands into its wire; what
//! differs between carriers is said once, in [`CarrierCapabilities`].

use std::time::Duration;

use audio::{Frame, Rate};
use serde::{Deserialize, Serialize};

use crate::{Digit, Generation, Mark};

/// What the phone side tells the call.
#[derive(Clone, Debug, PartialEq)]
pub enum CarrierEvent {
    /// Media is flowing; these are the facts that came with it.
    Started(MediaStart),
    /// What the caller says, at the leg's own rate.
    Audio(Frame),
    Digit(Digit),
    /// A mark came back, and what that means.
    Mark {
        mark: Mark,
        fate: MarkFate,
    },
    /// A carrier that can say how far it has played: this much of this generation was heard.
    Position {
        generation: Generation,
        played: Duration,
    },
    /// The phone side is gone. Nothing follows.
    Left(CarrierDeparture),
    /// Something outside the protocol: counted, never fatal by itself.
    Odd(Oddity),
}

/// The facts that a carrier gives when media starts. Which of them are known differs between carriers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaStart {
    /// The carrier's own name for the call.
    pub carrier_call: Option<String>,
    /// The carrier's own name for the media stream.
    pub stream: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Whatever else came along, by name.
    pub facts: Vec<(String, String)>,
    /// The message itself, where its meaning is not settled and the record should keep it. Bounded by the leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// What happened to the audio before a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkFate {
    /// The caller has heard everything before it.
    Played,
    /// It came back because the queue was emptied: not heard.
    Cleared,
    /// The carrier does not say which.
    Unknown,
}

/// How the phone side left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum CarrierDeparture {
    /// The carrier said that the media is over, in order.
    Stopped,
    /// The socket closed without a word before it.
    SocketClosed { code: Option<u16> },
    /// The socket broke.
    SocketFailed { detail: String },
    /// The carrier stopped reading what we send.
    StoppedReading,
    /// So much outside the protocol that going on makes no sense.
    Unintelligible,
}

/// Something a peer sent that its protocol does not allow, or that we do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// Not readable at all: invalid JSON or UTF-8, wrong types.
    Malformed,
    /// A message kind we do not know. Providers add these without notice.
    UnknownMessage,
    /// Audio that is not what was agreed: bad base64, half a sample.
    BadAudio,
    /// Larger than anything legitimate.
    TooLarge,
    /// Came before the message that must come first.
    BeforeStart,
    /// A second start, or another message that may come once.
    Repeated,
    /// Names another stream or call.
    WrongStream,
    /// Sequence numbers that jump or go back.
    OutOfOrder,
    /// A mark that we did not set.
    ForeignMark,
}

impl Oddity {
    pub const ALL: [Oddity; 9] = [
        Oddity::Malformed,
        Oddity::UnknownMessage,
        Oddity::BadAudio,
        Oddity::TooLarge,
        Oddity::BeforeStart,
        Oddity::Repeated,
        Oddity::WrongStream,
        Oddity::OutOfOrder,
        Oddity::ForeignMark,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Oddity::Malformed => "malformed",
            Oddity::UnknownMessage => "unknown_message",
            Oddity::BadAudio => "bad_audio",
            Oddity::TooLarge => "too_large",
            Oddity::BeforeStart => "before_start",
            Oddity::Repeated => "repeated",
            Oddity::WrongStream => "wrong_stream",
            Oddity::OutOfOrder => "out_of_order",
            Oddity::ForeignMark => "foreign_mark",
        }
    }
}

/// What the call asks of the phone side.
#[derive(Clone, Debug, PartialEq)]
pub enum CarrierCommand {
    /// Sound for the caller, at the leg's own rate, to be played after everything sent before.
    Play(Frame),
    /// Report back when everything played so far has been heard.
    Mark(Mark),
    /// Forget everything not yet played. What follows belongs to this generation.
    Clear { generation: Generation },
    /// Play these keys to the far side.
    Digits(Vec<Digit>),
    /// Hand the caller over to somebody else. The outcome comes back as [`crate::ControlOutcome`].
    Transfer { to: String },
    /// End the phone call.
    HangUp,
    /// Let go of the media socket without a word on the phone call: it is over already, or belongs to another now.
    Close,
}

/// What a carrier does when audio with marks in it is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkOnFlush {
    /// Every outstanding mark comes back, as if played.
    Echoed,
    /// Outstanding marks never come back.
    Silent,
    /// Nobody knows.
    Unknown,
    /// The carrier has no marks; time is all there is.
    NoMarks,
}

/// How samples are written on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// G.711 µ-law, a byte a sample, at whatever rate.
    Mulaw,
    /// Signed 16-bit little-endian.
    Pcm16,
}

/// A form in which sound travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sound {
    pub encoding: Encoding,
    pub rate: Rate,
}

/// What becomes of an outgoing piece that is shorter than the carrier's piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortPiece {
    /// It goes out as it is.
    Allowed,
    /// It waits for more sound; what is left at the end of an utterance is filled up with silence.
    Filled,
}

/// How a leg does what only some carriers can do on the media socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Not at all.
    No,
    /// By a message on the media socket.
    Message,
    /// As sound, or as a key heard in the sound.
    Sound,
    /// By a request to the carrier's own interface.
    Request,
    /// By letting go of the media socket: the carrier goes on with what it was told before, or asks what comes next.
    NextStep,
}

impl Way {
    pub fn exists(self) -> bool {
        self != Way::No
    }
}

/// What closing the media socket does to the phone call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    EndsCall,
    /// The carrier goes on with its own next step.
    GoesOn,
    /// It depends on how the call came to the media socket.
    Depends,
    /// Nobody knows.
    Unknown,
}

/// How a carrier proves that it is the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Requests carry a signature over what they say.
    Signature,
    /// It shows a secret that was agreed on.
    SharedSecret,
    /// The gateway's own page: it shows the API token.
    ApiToken,
}

/// Everything that differs between carriers, in one table per carrier. A call reads it, the configuration is checked
/// against it, and the manual's tables are made from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarrierCapabilities {
    /// The carrier's name for configuration and records. Nothing is decided by it.
    pub name: &'static str,
    /// The carrier's name for people.
    pub title: &'static str,
    /// The rate of the leg's sound in both directions; in the table, the one that is usual.
    pub rate: Rate,
    /// Every form that its sound may have, the usual one first.
    pub sounds: &'static [Sound],
    /// Outgoing pieces are whole multiples of this.
    pub piece: Duration,
    pub short_piece: ShortPiece,
    /// How much the carrier should hold at least while there is more to say.
    pub lead_low: Duration,
    /// How much it is topped up to. Small, so that silence comes at once when the clear is late.
    pub lead_high: Duration,
    pub mark_on_flush: MarkOnFlush,
    /// How keys of the caller are learnt.
    pub digits_in: Way,
    /// How keys are pressed for the far side.
    pub digits_out: Way,
    pub hang_up: Way,
    /// How long the carrier may take to let go of the media socket after a message asked it to hang up or to hand over;
    /// then we close it.
    pub lets_go_within: Duration,
    pub transfer: Way,
    pub closing: Closing,
    /// A caller who hangs up shows as a closed media socket, with no message before it.
    pub ends_by_closing: bool,
    pub proof: Proof,
    /// It can place calls for us.
    pub places_calls: bool,
    /// It tells whether a person or a machine answered a call that we placed.
    pub detects_machines: bool,
}
