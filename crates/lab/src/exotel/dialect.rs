//! One Exotel media stream: its names and counters, its byte rules, its patience with gateways that do not pace.

use std::time::Duration;

use audio::Rate;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::shape::{Facts, FormatWords, Pen, Shape};
use super::strict::{self, Numbering, Reader, STEP_BYTES};
use crate::chance;
use crate::net::Life;
use crate::phone::dialect::{Dialect, Habits, Reading, Said, Stopping};
use crate::phone::order::Order;
use crate::phone::{Encoding, How, MarksOnClear, Sound, Warning};

/// How the streams of a call behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    pub shape: Shape,
    pub format: FormatWords,
    /// What the sound really is, whatever `format` says of it.
    pub encoding: Encoding,
    /// How much of the caller's speech goes into one message: 100 ms, though 20 ms have been seen.
    pub piece: Duration,
    pub marks_on_clear: MarksOnClear,
    pub farewell: Farewell,
    pub numbering: Numbering,
    pub pacing: Pacing,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner {
            shape: Shape::Documented,
            format: FormatWords::default(),
            encoding: Encoding::Pcm16,
            piece: Duration::from_millis(100),
            marks_on_clear: MarksOnClear::Silent,
            farewell: Farewell::Stop,
            numbering: Numbering::Wanted,
            pacing: Pacing::default(),
        }
    }
}

impl Manner {
    /// The default of streams that the Legs API starts.
    pub fn of_legs() -> Manner {
        let format = FormatWords { bit_rate: None, ..FormatWords::of("audio/x-mulaw;rate=8000") };
        Manner { encoding: Encoding::Mulaw, format, ..Manner::default() }
    }

    /// What the older voicebot service was sent: the flat `start`, and frames of 20 ms.
    pub fn of_older_service() -> Manner {
        Manner { shape: Shape::Older, piece: crate::sound::TICK, ..Manner::default() }
    }
}

/// The last word of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Farewell {
    /// `stop` with a reason.
    #[default]
    Stop,
    /// The same by the name of `closed`, which one of the carrier's own samples reads.
    Closed,
    /// Nothing but the close frame.
    Nothing,
}

/// What becomes of gateways that send faster than the caller can listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// So much may wait to be played.
    pub ahead_max: Duration,
    /// The call is dropped so long after more than that did; none means that it is only written down.
    pub drops_after: Option<Duration>,
}

impl Default for Pacing {
    fn default() -> Pacing {
        Pacing { ahead_max: Duration::from_secs(3), drops_after: Some(Duration::from_secs(4)) }
    }
}

/// What a stream tells of its call.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) call_sid: String,
    pub(super) account_sid: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) parameters: Vec<(String, String)>,
}

/// What a stream is opened with, besides its manner.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) told: Told,
    pub(super) rate: Rate,
    pub(super) lasts_at_most: Duration,
    /// For dropping the call of a gateway that does not pace.
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) life: Life,
}

#[derive(Debug)]
pub(super) struct ExotelDialect {
    manner: Manner,
    setting: Setting,
    sound: Sound,
    stream_sid: String,
    pen: Pen,
    reader: Reader,
    has_overrun: bool,
    is_doomed: bool,
}

impl ExotelDialect {
    pub(super) fn new(manner: &Manner, setting: Setting) -> ExotelDialect {
        let stream_sid = chance::sid("");
        ExotelDialect {
            pen: Pen::new(manner.shape, &stream_sid),
            reader: Reader::new(manner.shape, manner.encoding, manner.numbering, &stream_sid),
            manner: manner.clone(),
            sound: Sound { encoding: manner.encoding, rate: setting.rate },
            setting,
            stream_sid,
            has_overrun: false,
            is_doomed: false,
        }
    }

    /// The call is dropped a while from now, as it has been seen to happen.
    fn doom(&mut self) {
        let Some(after) = self.manner.pacing.drops_after else { return };
        if std::mem::replace(&mut self.is_doomed, true) {
            return;
        }
        let orders = self.setting.orders.clone();
        self.setting.life.spawn(async move {
            tokio::time::sleep(after).await;
            // The call may be over by then.
            let _ = orders.send(Order::KillSocket(How::CloseWithoutStop)).await;
        });
    }

    fn facts(told: &Told) -> Facts<'_> {
        Facts {
            call_sid: &told.call_sid,
            account_sid: &told.account_sid,
            from: &told.from,
            to: &told.to,
            parameters: &told.parameters,
        }
    }

    /// The platform plays in steps; a short remainder is given the time of a whole one.
    fn pad(&self, audio: &mut Vec<u8>) {
        let silence = match self.sound.encoding {
            Encoding::Pcm16 => 0,
            Encoding::Mulaw => 0xff,
        };
        audio.resize(audio.len().next_multiple_of(STEP_BYTES), silence);
    }
}

impl Dialect for ExotelDialect {
    fn stream_sid(&self) -> &str {
        &self.stream_sid
    }

    fn habits(&self) -> Habits {
        Habits {
            caller_piece: self.manner.piece,
            lasts_at_most: Some(self.setting.lasts_at_most),
            ..Habits::new(self.sound, self.manner.marks_on_clear)
        }
    }

    fn again(&self) -> Box<dyn Dialect> {
        Box::new(ExotelDialect::new(&self.manner, self.setting.clone()))
    }

    fn greet(&mut self, out: &mut Vec<Message>) {
        out.push(Message::text(self.pen.connected()));
    }

    fn start(&mut self, out: &mut Vec<Message>) {
        let facts = ExotelDialect::facts(&self.setting.told);
        out.push(Message::text(self.pen.start(&facts, self.sound.rate, &self.manner.format)));
    }

    fn media(&mut self, piece: &[u8], at: Duration, out: &mut Vec<Message>) {
        let until = at + self.sound.playing_time(piece.len());
        let payload = crate::b64::encode(piece);
        out.push(Message::text(self.pen.media(until.as_millis() as u64, &payload)));
    }

    fn digit(&mut self, digit: char, out: &mut Vec<Message>) {
        out.push(Message::text(self.pen.dtmf(digit)));
    }

    fn played(&mut self, name: &str, out: &mut Vec<Message>) {
        out.push(Message::text(self.pen.mark(name)));
    }

    fn stop(&mut self, why: Stopping, out: &mut Vec<Message>) {
        let event = match self.manner.farewell {
            Farewell::Stop => "stop",
            Farewell::Closed => "closed",
            Farewell::Nothing => return,
        };
        let reason = match why {
            Stopping::CallOver => "callended",
            Stopping::CallGoesOn => "stopped",
        };
        out.push(Message::text(self.pen.stop(event, &ExotelDialect::facts(&self.setting.told), reason)));
    }

    fn bad_media(&self, payload: &str) -> String {
        self.pen.stray_media(payload)
    }

    fn read_text(&mut self, text: &str, queued: Duration) -> Reading {
        let Reading { mut said, mut warnings, replies } = self.reader.read(text);
        if let Some(Said::Audio(audio)) = &mut said {
            self.pad(audio);
            let ahead = queued + self.sound.playing_time(audio.len());
            if ahead > self.manner.pacing.ahead_max && !std::mem::replace(&mut self.has_overrun, true) {
                warnings.push(Warning::plain(format!("pacing: {} ms wait to be played", ahead.as_millis())));
                self.doom();
            }
            if self.manner.numbering == Numbering::Enforced && self.reader.is_misnumbered() {
                self.doom();
            }
        }
        Reading { said, warnings, replies }
    }

    fn read_binary(&mut self, bytes: &[u8], _queued: Duration) -> Reading {
        Reading::wrong(strict::invalid(&format!("a binary message of {} bytes", bytes.len())))
    }

    fn refused(&self, _status: Option<u16>, problem: &str) -> Warning {
        Warning::plain(format!("the stream is refused: {problem}"))
    }

    fn lost(&self, _protocol_error: bool, why: &str) -> Warning {
        Warning::plain(format!("the stream is lost: {why}"))
    }
}
