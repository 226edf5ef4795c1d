//! What happened in a call, as it happens and afterwards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio::{Frame, Rate};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::locked;

/// Notes kept per call. A media message is a note, so this is more than half an hour of speech; beyond it only the
/// count goes on.
const NOTES_MAX: usize = 200_000;

/// Something that happened, and when, counted from the moment the call was placed.
#[derive(Clone, Debug, PartialEq)]
pub struct CallNote {
    pub at: Duration,
    pub what: Happening,
}

/// Everything that can happen in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    WebhookAsked {
        url: String,
    },
    WebhookAnswered {
        url: String,
        status: u16,
        took: Duration,
    },
    WebhookFailed {
        url: String,
        problem: String,
    },
    Answered,
    /// A verb begins; its element as it was written, without children.
    Verb {
        element: String,
    },
    Said {
        text: String,
    },
    Played {
        url: String,
        duration: Duration,
    },
    StreamOpened {
        stream_sid: String,
        url: String,
        parameters: Vec<(String, String)>,
    },
    StreamRefused {
        url: String,
        status: Option<u16>,
        problem: String,
    },
    StreamEnded {
        stream_sid: String,
        why: StreamEnd,
    },
    /// Audio arrived; how long it lasts, and how much now waits to be played.
    Media {
        duration: Duration,
        queued: Duration,
    },
    MarkReceived {
        name: String,
    },
    MarkEchoed {
        name: String,
        cleared: bool,
    },
    /// The script swallowed the echo.
    MarkLost {
        name: String,
    },
    Cleared {
        dropped: Duration,
    },
    /// A piece of the caller's own speech begins.
    CallerSpeaks,
    CallerPressed {
        digit: char,
    },
    /// The caller begins or ceases to hear something like speech.
    AgentSpeechBegan,
    AgentSpeechEnded,
    CallerLostPatience,
    /// The gateway asked for this on the media socket.
    HangUpAsked,
    TransferAsked {
        number: String,
    },
    /// Keys pressed on the gateway's behalf, towards the caller.
    DigitsPlayed {
        digits: String,
    },
    /// The carrier told the gateway that its audio is gone.
    ClearedTold,
    /// An order through the carrier's API ended the stream, and only that.
    StreamStopped,
    Dialled {
        numbers: Vec<String>,
        outcome: String,
    },
    /// New instructions came by REST.
    Redirected,
    CallbackSent {
        event: String,
        status: Option<u16>,
    },
    FaultStruck {
        fault: String,
    },
    SocketKilled {
        how: How,
    },
    SecondSocketOpened {
        stream_sid: String,
    },
    /// The socket that a second one has replaced is gone.
    FirstSocketEnded {
        why: StreamEnd,
    },
    Warned(Warning),
    Ended(End),
}

/// How a media stream came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The gateway sent a close frame.
    ClosedByGateway { code: u16, reason: String },
    /// The connection broke.
    Lost { why: String },
    /// The carrier sent `stop`, if it has one, and closed; whether the gateway answered the close frame.
    Stopped { answered: bool },
    /// This emulator did it on purpose.
    Killed,
}

/// Ways to lose a media socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A close frame, but no `stop` before it.
    CloseWithoutStop,
    /// `stop`, and then nothing: the socket stays open until the gateway closes it or a minute has passed.
    StopWithoutClose,
    /// TCP reset.
    Reset,
}

/// Something the gateway did that the carrier's documents forbid: like an entry in Twilio's debugger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub code: Option<u32>,
    pub text: String,
}

impl Warning {
    pub(crate) fn coded(code: u32, text: String) -> Warning {
        Warning { code: Some(code), text }
    }

    /// Something the carrier has no number for.
    pub(crate) fn plain(text: String) -> Warning {
        Warning { code: None, text }
    }
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    CallerHungUp,
    /// `<Hangup/>` in TwiML.
    HungUpByTwiml,
    /// `<Hangup/>` in another carrier's document.
    HungUpByXml,
    /// A command on the media socket.
    HungUpByMessage,
    /// The media stream ended, and the call with it.
    StreamOver,
    /// The caller talked to somebody else, who hung up.
    Transferred {
        number: String,
    },
    Rejected {
        reason: String,
    },
    /// No verb was left.
    OutOfVerbs,
    /// An order through the carrier's API to end the call.
    CompletedByRest,
    /// An order through the carrier's API to end the call before it was answered.
    Canceled,
    /// The callee of an originated call did not take it.
    NotAnswered {
        status: String,
    },
    /// The caller heard "an application error has occurred".
    ApplicationError {
        problem: String,
    },
    SocketKilled,
    /// The emulator was shut down.
    ShutDown,
}

impl End {
    /// Did the gateway let the caller go, by whichever way its carrier has for that?
    pub fn is_by_gateway(&self) -> bool {
        match self {
            End::HungUpByTwiml
            | End::HungUpByXml
            | End::HungUpByMessage
            | End::StreamOver
            | End::OutOfVerbs
            | End::CompletedByRest => true,
            End::CallerHungUp
            | End::Transferred { .. }
            | End::Rejected { .. }
            | End::Canceled
            | End::NotAnswered { .. }
            | End::ApplicationError { .. }
            | End::SocketKilled
            | End::ShutDown => false,
        }
    }
}

/// Sums over a call's media streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaSums {
    /// Frames of caller audio sent to the gateway.
    pub frames_sent: u64,
    pub messages_received: u64,
    pub received: Duration,
    pub played: Duration,
    /// Dropped by a command to do so.
    pub cleared: Duration,
    /// Still waiting when the stream ended.
    pub unplayed: Duration,
}

/// Everything about a call that is over.
#[derive(Clone, Debug)]
pub struct CallReport {
    pub call_sid: String,
    pub stream_sids: Vec<String>,
    /// What came out of the caller's receiver, from answer to end, silence included, at 8 kHz.
    pub heard: Frame,
    /// What went into the caller's microphone in the same time.
    pub spoken: Frame,
    pub media: MediaSums,
    pub timeline: Vec<CallNote>,
    pub notes_dropped: u64,
    pub warnings: Vec<Warning>,
    /// The verbs' names in the order of execution.
    pub verbs: Vec<String>,
    /// What the media streams played to the caller, at the rate of the first one, from its opening on; silence where
    /// nothing was queued.
    pub stream_heard: Frame,
    /// The size of every piece of audio that arrived, in bytes as the carrier counts them.
    pub pieces: Vec<usize>,
    /// Keys pressed on the gateway's behalf, towards the caller.
    pub digits: String,
    pub end: End,
}

impl CallReport {
    /// The report of a call in which nothing happened but its end.
    pub fn nothing(call_sid: &str, end: End) -> CallReport {
        let silence = Frame::new(Rate::Hz8000, Vec::new());
        CallReport {
            call_sid: call_sid.to_owned(),
            stream_sids: Vec::new(),
            heard: silence.clone(),
            spoken: silence.clone(),
            media: MediaSums::default(),
            timeline: Vec::new(),
            notes_dropped: 0,
            warnings: Vec::new(),
            verbs: Vec::new(),
            stream_heard: silence,
            pieces: Vec::new(),
            digits: String::new(),
            end,
        }
    }

    /// What the caller heard, as a WAV file.
    pub fn heard_wav(&self) -> Vec<u8> {
        audio::wav::write(&self.heard)
    }

    /// How often something of this kind is in the timeline.
    pub fn count(&self, is_it: impl Fn(&Happening) -> bool) -> usize {
        self.timeline.iter().filter(|note| is_it(&note.what)).count()
    }
}

#[derive(Debug, Default)]
struct Book {
    notes: Vec<CallNote>,
    dropped: u64,
}

/// The timeline being written.
#[derive(Debug)]
pub(crate) struct Timeline {
    placed: Instant,
    book: Mutex<Book>,
    length: watch::Sender<usize>,
    over: watch::Sender<bool>,
}

impl Timeline {
    pub(crate) fn start() -> Arc<Timeline> {
        Arc::new(Timeline {
            placed: Instant::now(),
            book: Mutex::default(),
            length: watch::Sender::new(0),
            over: watch::Sender::new(false),
        })
    }

    pub(crate) fn note(&self, what: Happening) {
        let length = {
            let mut book = locked(&self.book);
            if book.notes.len() >= NOTES_MAX {
                book.dropped += 1;
                return;
            }
            book.notes.push(CallNote { at: self.placed.elapsed(), what });
            book.notes.len()
        };
        self.length.send_replace(length);
    }

    pub(crate) fn warn(&self, warning: Warning) {
        self.note(Happening::Warned(warning));
    }

    pub(crate) fn end(&self, end: End) {
        self.note(Happening::Ended(end));
        self.over.send_replace(true);
    }

    pub(crate) fn copy(&self) -> (Vec<CallNote>, u64) {
        let book = locked(&self.book);
        (book.notes.clone(), book.dropped)
    }

    pub(crate) fn read(self: &Arc<Timeline>) -> Notes {
        Notes {
            length: self.length.subscribe(),
            over: self.over.subscribe(),
            timeline: Arc::clone(self),
            at: 0,
        }
    }
}

/// A reader of a call's timeline, from its beginning.
#[derive(Debug)]
pub struct Notes {
    timeline: Arc<Timeline>,
    length: watch::Receiver<usize>,
    over: watch::Receiver<bool>,
    at: usize,
}

impl Notes {
    /// The next note, or none when the call is over and all is told.
    pub async fn next(&mut self) -> Option<CallNote> {
        loop {
            // Read before the notes: a note that comes with the end is then not missed.
            let over = *self.over.borrow_and_update();
            let _ = self.length.borrow_and_update();
            if let Some(note) = locked(&self.timeline.book).notes.get(self.at).cloned() {
                self.at += 1;
                return Some(note);
            }
            if over {
                return None;
            }
            tokio::select! {
                changed = self.length.changed() => changed.ok()?,
                changed = self.over.changed() => changed.ok()?,
            }
        }
    }

    /// Reads on until something of this kind has happened; none if the call ended without it.
    pub async fn until(&mut self, is_it: impl Fn(&Happening) -> bool) -> Option<CallNote> {
        while let Some(note) = self.next().await {
            if is_it(&note.what) {
                return Some(note);
            }
        }
        None
    }
}
