//! The phone side of a call over an Exotel media socket.

mod order;

use std::fmt;
use std::io::Write;
use std::time::Duration;

use audio::Frame;
use call::{
    CarrierCapabilities, CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Mark, MediaStart, Oddity,
    Sound,
};
use wire::{Incoming, Outbox};

use self::order::{Came, Identity, Order};
use super::CAPABILITIES;
use super::messages::{FromExotel, MediaMessage, Naming, Start, StartMessage};
use super::sound::{Pieces, agreed};
use crate::marks::Marks;
use crate::payload::Payload;
use crate::{Control, Obeyed, Upgrade, digits};

/// One second of PCM16 at 24 kHz in base64, and what surrounds it.
const MESSAGE_BYTES_MAX: usize = 65_536;

/// In messages as Exotel sends them at most, twenty seconds without one that can be read.
const UNREADABLE_IN_A_ROW_MAX: u32 = 1_000;

/// Real ones have some thirty characters. It stands in every message we send.
const STREAM_SID_BYTES_MAX: usize = 256;

/// Exotel passes three on.
const PARAMETERS_MAX: usize = 32;

/// What the operator has set about the media socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How long an outgoing piece is; by default what the byte rule asks for.
    pub piece: Option<Duration>,
    /// Write the stream's name in both ways, whatever the start did.
    pub both_names: bool,
    /// A start that names no encoding means µ-law: streams of the Legs interface.
    pub mulaw_unless_said: bool,
}

/// Turns Exotel's messages into call events and call commands into Exotel's messages.
#[derive(Debug)]
pub struct Leg {
    upgrade: Upgrade,
    settings: Settings,
    /// What was agreed on, or is assumed until then.
    sound: Sound,
    pieces: Pieces,
    phase: Phase,
    marks: Marks,
    connected: bool,
    unreadable_in_a_row: u32,
}

#[derive(Debug)]
enum Phase {
    Arriving,
    Streaming(Box<Stream>),
    Over,
}

#[derive(Debug)]
struct Stream {
    sid: String,
    order: Order,
    payload: Payload,
    /// Media messages sent.
    chunks: u64,
    /// Samples sent.
    sent: u64,
    /// Outgoing messages up to the first thing in them that changes. They hold the stream's name, escaped once.
    media_prefix: Vec<u8>,
    mark_prefix: Vec<u8>,
    clear: Vec<u8>,
}

/// Ends a media message and a mark alike.
const SUFFIX: &[u8] = br#""}}"#;

impl Leg {
    pub fn new(upgrade: Upgrade, settings: Settings) -> Leg {
        let assumed = agreed(None, upgrade.rate, settings.mulaw_unless_said);
        let sound = assumed.unwrap_or(CAPABILITIES.sounds[0]);
        Leg {
            pieces: Pieces::of(sound, settings.piece),
            upgrade,
            settings,
            sound,
            phase: Phase::Arriving,
            marks: Marks::default(),
            connected: false,
            unreadable_in_a_row: 0,
        }
    }

    /// What this call's carrier can do; after its start, with the sound that was agreed on.
    pub fn capabilities(&self) -> CarrierCapabilities {
        let piece = self.pieces.duration();
        let lead_low = CAPABILITIES.lead_low.max(piece);
        CarrierCapabilities {
            rate: self.sound.rate,
            piece,
            lead_low,
            lead_high: lead_low + piece,
            ..CAPABILITIES
        }
    }

    /// The number of the last message that had one.
    pub fn sequence_number(&self) -> Option<u64> {
        match &self.phase {
            Phase::Streaming(stream) => stream.order.highest(),
            Phase::Arriving | Phase::Over => None,
        }
    }

    /// Takes one message and appends what it means. After [`CarrierEvent::Left`] nothing follows.
    pub fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let taken = match incoming {
            // Exotel's socket is text throughout.
            Incoming::Binary(_) => Err(Oddity::Malformed),
            Incoming::Text(text) if text.len() > MESSAGE_BYTES_MAX => Err(Oddity::TooLarge),
            Incoming::Text(text) => match FromExotel::read(text) {
                Ok(message) => self.take(&message, events),
                Err(_) => Err(Oddity::Malformed),
            },
        };
        match taken {
            Ok(()) => self.unreadable_in_a_row = 0,
            Err(oddity) => {
                events.push(CarrierEvent::Odd(oddity));
                if matches!(oddity, Oddity::Malformed | Oddity::TooLarge | Oddity::BadAudio) {
                    self.unreadable_in_a_row += 1;
                }
                if self.unreadable_in_a_row >= UNREADABLE_IN_A_ROW_MAX && !matches!(self.phase, Phase::Over) {
                    self.leave(CarrierDeparture::Unintelligible, events);
                }
            }
        }
    }

    /// Writes what the command needs written. Before media has started and after it is over there is nobody to write
    /// to, so nothing is.
    pub fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        match command {
            CarrierCommand::Play(frame) => self.play(frame, outbox),
            CarrierCommand::Mark(mark) => self.mark(*mark, outbox),
            CarrierCommand::Clear { generation } => {
                self.marks.cleared(*generation);
                if let Phase::Streaming(stream) = &self.phase {
                    outbox.text(|bytes| bytes.extend_from_slice(&stream.clear));
                }
            }
            CarrierCommand::Digits(keys) => {
                // One message a key, so that a clear in between is a clear in between.
                for key in keys.iter().take(digits::DIGITS_MAX) {
                    self.play(&digits::sound(*key, self.sound.rate), outbox);
                }
            }
            // Both are Exotel's next step, which it asks for when the socket is gone.
            CarrierCommand::Transfer { to } => {
                return Obeyed::ByControl(Control::Transfer { to: to.clone() });
            }
            CarrierCommand::HangUp => return Obeyed::ByControl(Control::HangUp),
            // Closing the socket is all there is to it.
            CarrierCommand::Close => {}
        }
        Obeyed::Done
    }

    fn play(&mut self, frame: &Frame, outbox: &mut Outbox) {
        let Phase::Streaming(stream) = &mut self.phase else { return };
        debug_assert_eq!(frame.rate, self.sound.rate, "the leg's rate is in its capabilities");
        for piece in self.pieces.cut(&frame.samples) {
            stream.chunks += 1;
            let (number, ms) = (stream.chunks, self.sound.rate.duration_of(stream.sent).as_millis());
            stream.sent += piece.len() as u64;
            let (prefix, payload) = (&stream.media_prefix, &mut stream.payload);
            outbox.text(|bytes| {
                bytes.extend_from_slice(prefix);
                append(
                    format_args!(
                        r#"{number}","media":{{"chunk":"{number}","sequenceNumber":"{number}","timestamp":"{ms}","payload":""#
                    ),
                    bytes,
                );
                payload.encode(&piece, bytes);
                bytes.extend_from_slice(SUFFIX);
            });
        }
    }

    fn mark(&mut self, mark: Mark, outbox: &mut Outbox) {
        let Phase::Streaming(stream) = &self.phase else { return };
        self.marks.set(mark);
        outbox.text(|bytes| {
            bytes.extend_from_slice(&stream.mark_prefix);
            append(format_args!("{mark}"), bytes);
            bytes.extend_from_slice(SUFFIX);
        });
    }

    fn take(&mut self, message: &FromExotel<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        match message {
            FromExotel::Connected {} => match std::mem::replace(&mut self.connected, true) {
                true => Err(Oddity::Repeated),
                false => Ok(()),
            },
            FromExotel::Start(message) => self.start(message, events),
            FromExotel::Media(message) => self.hear(message, events),
            FromExotel::Dtmf(message) => {
                self.admit(message.beside.stream_sid.as_deref())?.count(message.beside.sequence_number);
                let mut symbols = message.dtmf.digit.trim().chars();
                let digit = match (symbols.next().and_then(Digit::parse), symbols.next()) {
                    (Some(digit), None) => digit,
                    _ => return Err(Oddity::Malformed),
                };
                events.push(CarrierEvent::Digit(digit));
                Ok(())
            }
            FromExotel::Mark(message) => {
                self.admit(message.beside.stream_sid.as_deref())?.count(message.beside.sequence_number);
                let mark = message.mark.name.parse().map_err(|_| Oddity::ForeignMark)?;
                let fate = self.marks.fate(mark).ok_or(Oddity::ForeignMark)?;
                events.push(CarrierEvent::Mark { mark, fate });
                Ok(())
            }
            FromExotel::Clear(beside) => {
                self.admit(beside.stream_sid.as_deref())?.count(beside.sequence_number);
                Ok(())
            }
            FromExotel::Stop(message) => self.stop(message.beside.stream_sid.as_deref(), events),
            FromExotel::Closed(beside) => self.stop(beside.stream_sid.as_deref(), events),
            FromExotel::Unknown => Err(Oddity::UnknownMessage),
        }
    }

    fn start(&mut self, message: &StartMessage, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        if matches!(self.phase, Phase::Streaming(_)) {
            return Err(Oddity::Repeated);
        }
        let nothing = Start::default();
        let (inner, beside) = (message.start.as_ref().unwrap_or(&nothing), &message.beside);
        let call = filled(&inner.call_sid).or_else(|| filled(&beside.call_sid));
        let call = call.or(self.upgrade.call.as_deref().filter(|call| !call.is_empty()));
        // The messages that follow name the stream beside their event, so that is its name. A stream without one goes by
        // its call's: Exotel is not known to look at it.
        let sid = filled(&beside.stream_sid).or_else(|| filled(&inner.stream_sid)).or(call);
        let sid = sid.filter(|sid| sid.len() <= STREAM_SID_BYTES_MAX).ok_or(Oddity::Malformed)?.to_owned();
        let format = inner.media_format.as_ref().or(beside.media_format.as_ref());
        let Some(sound) = agreed(format, self.upgrade.rate, self.settings.mulaw_unless_said) else {
            events.push(CarrierEvent::Odd(Oddity::BadAudio));
            self.leave(CarrierDeparture::Unintelligible, events);
            return Ok(());
        };
        let parameters = inner.custom_parameters.as_ref().or(beside.custom_parameters.as_ref());
        let facts = parameters.into_iter().flatten().take(PARAMETERS_MAX);
        let text = |one: &Option<String>, other: &Option<String>| {
            filled(one).or_else(|| filled(other)).map(str::to_owned)
        };
        events.push(CarrierEvent::Started(MediaStart {
            carrier_call: call.map(str::to_owned),
            stream: Some(sid.clone()),
            from: text(&inner.from, &beside.from),
            to: text(&inner.to, &beside.to),
            facts: facts.map(|(name, value)| (name.clone(), value.clone())).collect(),
            raw: None,
        }));
        self.sound = sound;
        self.pieces = Pieces::of(sound, self.settings.piece);
        let naming = if self.settings.both_names { Naming::Both } else { message.naming };
        self.phase =
            Phase::Streaming(Box::new(Stream::new(sid, naming, sound, Order::from(message.sequence_number))));
        Ok(())
    }

    fn hear(&mut self, message: &MediaMessage<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        let rate = self.sound.rate;
        let stream = self.streaming(message.stream_sid.as_deref())?;
        let media = &message.media;
        let identity =
            Identity { sequence: message.sequence_number, chunk: media.chunk, timestamp: media.timestamp };
        match stream.order.take(identity) {
            Came::InTurn => {}
            // Counted, and taken all the same: a hole in what the caller says would be worse.
            Came::OutOfOrder => events.push(CarrierEvent::Odd(Oddity::OutOfOrder)),
            Came::Again => return Err(Oddity::Repeated),
        }
        let samples = stream.payload.decode(&media.payload)?;
        if !samples.is_empty() {
            events.push(CarrierEvent::Audio(Frame::new(rate, samples)));
        }
        Ok(())
    }

    /// A message of a running stream comes after the start, and for this stream.
    fn streaming(&mut self, stream_sid: Option<&str>) -> Result<&mut Stream, Oddity> {
        let Phase::Streaming(stream) = &mut self.phase else { return Err(Oddity::BeforeStart) };
        match stream_sid.is_some_and(|sid| !sid.is_empty() && sid != stream.sid) {
            true => Err(Oddity::WrongStream),
            false => Ok(stream),
        }
    }

    fn admit(&mut self, stream_sid: Option<&str>) -> Result<&mut Order, Oddity> {
        self.streaming(stream_sid).map(|stream| &mut stream.order)
    }

    fn stop(&mut self, stream_sid: Option<&str>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        match self.streaming(stream_sid) {
            Err(Oddity::WrongStream) => Err(Oddity::WrongStream),
            Ok(_) | Err(_) => {
                self.leave(CarrierDeparture::Stopped, events);
                Ok(())
            }
        }
    }

    fn leave(&mut self, departure: CarrierDeparture, events: &mut Vec<CarrierEvent>) {
        self.phase = Phase::Over;
        events.push(CarrierEvent::Left(departure));
    }
}

impl Stream {
    fn new(sid: String, naming: Naming, sound: Sound, order: Order) -> Stream {
        let escaped = serde_json::Value::from(sid.as_str()).to_string();
        let name = match naming {
            Naming::Snake => format!(r#""stream_sid":{escaped}"#),
            Naming::Camel => format!(r#""streamSid":{escaped}"#),
            Naming::Both => format!(r#""stream_sid":{escaped},"streamSid":{escaped}"#),
        };
        // A second: more at once would jump the queue of real time and empty the call's own bounded buffers in one step.
        let samples_max = sound.rate.hz() as usize;
        Stream {
            media_prefix: format!(r#"{{"event":"media",{name},"sequence_number":""#).into_bytes(),
            mark_prefix: format!(r#"{{"event":"mark",{name},"mark":{{"name":""#).into_bytes(),
            clear: format!(r#"{{"event":"clear",{name}}}"#).into_bytes(),
            sid,
            order,
            payload: Payload::new(sound, samples_max),
            chunks: 0,
            sent: 0,
        }
    }
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

#[expect(clippy::expect_used, reason = "a Vec takes whatever is written to it")]
fn append(text: fmt::Arguments<'_>, bytes: &mut Vec<u8>) {
    bytes.write_fmt(text).expect("writing to a Vec");
}
