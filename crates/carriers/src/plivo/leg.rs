//! The phone side of a call over a Plivo audio stream.

use std::fmt;
use std::io::Write;

use audio::{Frame, Rate};
use call::{
    CarrierCapabilities, CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Encoding, Generation, Mark,
    MarkFate, MediaStart, Oddity, Sound,
};
use serde_json::Value;
use wire::{Incoming, Outbox};

use super::CAPABILITIES;
use super::messages::{FromPlivo, MediaFormat, Number, StartMessage};
use crate::marks::Marks;
use crate::numbering::{Numbered, Numbering};
use crate::numeral::Numeral;
use crate::payload::Payload;
use crate::{Control, Obeyed, Upgrade, digits};

/// A 20 ms message has some 500 bytes, at 16 kHz a thousand; one with a whole second of it fits as well.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Twenty seconds of media messages without one that can be read: whoever speaks there does not speak this protocol.
const UNREADABLE_IN_A_ROW_MAX: u32 = 1_000;

/// Real ones are UUIDs. It stands in what we send.
const STREAM_ID_BYTES_MAX: usize = 256;

/// Turns Plivo's messages into call events and call commands into Plivo's messages.
#[derive(Debug)]
pub struct Leg {
    phase: Phase,
    /// Holds where `start` does not say what the sound is.
    asked_for: Sound,
    call: Option<String>,
    marks: Marks,
    /// The clear that Plivo has not confirmed yet.
    clearing: Option<Generation>,
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
    id: String,
    sound: Sound,
    numbering: Numbering,
    payload: Payload,
    /// Outgoing messages up to the one thing in them that changes.
    play_prefix: Vec<u8>,
    checkpoint_prefix: Vec<u8>,
    clear: Vec<u8>,
}

/// Ends a message with sound.
const PLAY_SUFFIX: &[u8] = br#""}}"#;

impl Leg {
    /// A leg for sound in the usual form.
    pub fn new(upgrade: Upgrade) -> Leg {
        Leg {
            phase: Phase::Arriving,
            asked_for: Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 },
            call: upgrade.call,
            marks: Marks::default(),
            clearing: None,
            unreadable_in_a_row: 0,
        }
    }

    /// Says in which form our own answer document asked for the sound.
    #[must_use]
    pub fn asked_for(self, sound: Sound) -> Leg {
        Leg { asked_for: sound, ..self }
    }

    /// What this call's carrier can do; after its start, with the sound that was agreed on.
    pub fn capabilities(&self) -> CarrierCapabilities {
        let sound = match &self.phase {
            Phase::Streaming(stream) => stream.sound,
            Phase::Arriving | Phase::Over => self.asked_for,
        };
        let known = CAPABILITIES.sounds.iter().position(|known| *known == sound);
        CarrierCapabilities {
            rate: sound.rate,
            sounds: known.map_or(CAPABILITIES.sounds, |at| &CAPABILITIES.sounds[at..=at]),
            ..CAPABILITIES
        }
    }

    /// Takes one message and appends what it means. After [`CarrierEvent::Left`] nothing follows.
    pub fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let taken = match incoming {
            // Plivo's socket is text throughout.
            Incoming::Binary(_) => Err(Oddity::Malformed),
            Incoming::Text(text) if text.len() > MESSAGE_BYTES_MAX => Err(Oddity::TooLarge),
            Incoming::Text(text) => match FromPlivo::read(text) {
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
                if self.unreadable_in_a_row >= UNREADABLE_IN_A_ROW_MAX {
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
            CarrierCommand::Mark(mark) => {
                if let Phase::Streaming(stream) = &self.phase {
                    self.marks.set(*mark);
                    outbox.text(|bytes| {
                        bytes.extend_from_slice(&stream.checkpoint_prefix);
                        append(format_args!("{mark}\"}}"), bytes);
                    });
                }
            }
            CarrierCommand::Clear { generation } => {
                self.marks.cleared(*generation);
                if let Phase::Streaming(stream) = &self.phase {
                    self.clearing = Some(*generation);
                    outbox.text(|bytes| bytes.extend_from_slice(&stream.clear));
                }
            }
            CarrierCommand::Digits(keys) => self.press(keys, outbox),
            CarrierCommand::Transfer { to } => {
                return Obeyed::ByControl(Control::Transfer { to: to.clone() });
            }
            CarrierCommand::HangUp => return Obeyed::ByControl(Control::HangUp),
            // Closing the socket is all there is to it.
            CarrierCommand::Close => {}
        }
        Obeyed::Done
    }

    /// One message for every 20 ms: of Plivo's two documents on it, one refuses longer ones.
    fn play(&mut self, frame: &Frame, outbox: &mut Outbox) {
        let Phase::Streaming(stream) = &mut self.phase else { return };
        debug_assert_eq!(frame.rate, stream.sound.rate, "the leg's rate is in its capabilities");
        let piece = stream.sound.rate.samples_in(CAPABILITIES.piece) as usize;
        for samples in frame.samples.chunks(piece) {
            outbox.text(|bytes| {
                bytes.extend_from_slice(&stream.play_prefix);
                stream.payload.encode(samples, bytes);
                bytes.extend_from_slice(PLAY_SUFFIX);
            });
        }
    }

    fn press(&mut self, keys: &[Digit], outbox: &mut Outbox) {
        if !matches!(self.phase, Phase::Streaming(_)) || keys.is_empty() {
            return;
        }
        let keys: String = keys.iter().take(digits::DIGITS_MAX).map(|key| key.symbol()).collect();
        outbox.text(|bytes| append(format_args!(r#"{{"event":"sendDTMF","dtmf":"{keys}"}}"#), bytes));
    }

    fn take(&mut self, message: &FromPlivo<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        match message {
            FromPlivo::Start(message) => self.start(message, events),
            FromPlivo::Media(message) => {
                let stream = self.admit(message.sequence_number, message.stream_id.as_deref(), events)?;
                if message.media.track.as_deref().is_some_and(|track| track != "inbound") {
                    // What the caller hears, not what they say. A two-way stream has no such track.
                    return Err(Oddity::UnknownMessage);
                }
                let samples = stream.payload.decode(&message.media.payload)?;
                if !samples.is_empty() {
                    events.push(CarrierEvent::Audio(Frame::new(stream.sound.rate, samples)));
                }
                Ok(())
            }
            FromPlivo::Dtmf(message) => {
                self.admit(message.sequence_number, message.stream_id.as_deref(), events)?;
                let digit = key(&message.dtmf.digit).ok_or(Oddity::Malformed)?;
                events.push(CarrierEvent::Digit(digit));
                Ok(())
            }
            FromPlivo::PlayedStream(message) => {
                self.admit(message.sequence_number, message.stream_id.as_deref(), events)?;
                let mark: Mark = message.name.parse().map_err(|_| Oddity::ForeignMark)?;
                self.marks.fate(mark).ok_or(Oddity::ForeignMark)?;
                // Plivo says so only of what it has really played. One from before a clear crossed it on the wire.
                events.push(CarrierEvent::Mark { mark, fate: MarkFate::Played });
                Ok(())
            }
            FromPlivo::ClearedAudio(message) => {
                self.admit(message.sequence_number, message.stream_id.as_deref(), events)?;
                let Generation(next) = self.clearing.take().ok_or(Oddity::Repeated)?;
                // The checkpoints that vanished, as one: whatever was before the clear is silent now.
                let mark = Mark { generation: Generation(next.wrapping_sub(1)), serial: 0 };
                events.push(CarrierEvent::Mark { mark, fate: MarkFate::Cleared });
                Ok(())
            }
            FromPlivo::Stop(message) => {
                // Its number does not matter: a call that is over is over, even if it says so twice.
                if let Phase::Streaming(stream) = &self.phase
                    && message.stream_id.as_deref().is_some_and(|id| id != stream.id)
                {
                    return Err(Oddity::WrongStream);
                }
                self.leave(CarrierDeparture::Stopped, events);
                Ok(())
            }
            // Plivo found fault with what we sent: told, and no sign that we cannot understand Plivo.
            FromPlivo::PlayFailed(message) => {
                self.admit(message.sequence_number, message.stream_id.as_deref(), events)?;
                events.push(CarrierEvent::Odd(Oddity::BadAudio));
                Ok(())
            }
            FromPlivo::Error(message) => {
                if matches!(self.phase, Phase::Streaming(_)) {
                    self.admit(message.sequence_number, message.stream_id.as_deref(), events)?;
                }
                events.push(CarrierEvent::Odd(Oddity::Malformed));
                Ok(())
            }
            FromPlivo::Unknown => Err(Oddity::UnknownMessage),
        }
    }

    fn start(&mut self, message: &StartMessage<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        if let Phase::Streaming(_) = self.phase {
            return Err(Oddity::Repeated);
        }
        let start = &message.start;
        // Without the stream's name neither checkpoints nor clears can be sent.
        let id = start.stream_id.as_deref().or(message.stream_id.as_deref()).ok_or(Oddity::Malformed)?;
        if id.is_empty() || id.len() > STREAM_ID_BYTES_MAX {
            return Err(Oddity::Malformed);
        }
        let Some(sound) = self.agree(start.media_format.as_ref()) else {
            // Every frame would be noise, in both directions.
            events.push(CarrierEvent::Odd(Oddity::BadAudio));
            self.leave(CarrierDeparture::Unintelligible, events);
            return Ok(());
        };
        let headers = message.extra_headers.as_ref().or(start.extra_headers.as_ref());
        let mut facts = headers.map(|headers| headers.pairs()).unwrap_or_default();
        let mut fact = |wanted: &str| {
            let at = facts.iter().position(|(name, _)| name == wanted)?;
            Some(facts.remove(at).1)
        };
        let (from, to) = (fact("from"), fact("to"));
        let call = start.call_id.as_deref().filter(|call| !call.is_empty()).map(str::to_owned);
        events.push(CarrierEvent::Started(MediaStart {
            carrier_call: call.or_else(|| self.call.clone()),
            stream: Some(id.to_owned()),
            from,
            to,
            facts,
            raw: None,
        }));
        self.phase = Phase::Streaming(Box::new(Stream::new(id, sound, message.sequence_number)));
        Ok(())
    }

    /// The form of the sound; `None` for one that is not Plivo's.
    fn agree(&self, format: Option<&MediaFormat<'_>>) -> Option<Sound> {
        let Some(format) = format else { return Some(self.asked_for) };
        let named = format.encoding.as_deref().unwrap_or_default().to_ascii_lowercase();
        let (name, parameters) = named.split_once(';').unwrap_or((&named, ""));
        let encoding = match name.trim() {
            "" => self.asked_for.encoding,
            name if ["mulaw", "ulaw", "pcmu"].iter().any(|known| name.contains(known)) => Encoding::Mulaw,
            name if ["l16", "linear16", "pcm"].iter().any(|known| name.contains(known)) => Encoding::Pcm16,
            _ => return None,
        };
        let beside = parameters.split(';').find_map(|part| part.trim().strip_prefix("rate=")?.parse().ok());
        let rate = match format.sample_rate.map(|Number(hz)| hz).or(beside) {
            Some(hz) => Rate::from_hz(u32::try_from(hz).ok()?)?,
            None if encoding == self.asked_for.encoding => self.asked_for.rate,
            None => Rate::Hz8000,
        };
        let sound = Sound { encoding, rate };
        CAPABILITIES.sounds.contains(&sound).then_some(sound)
    }

    /// The running stream, if a message of it counts: it comes after the start, for this stream, and for the first time.
    fn admit(
        &mut self,
        sequence: Option<Number>,
        stream_id: Option<&str>,
        events: &mut Vec<CarrierEvent>,
    ) -> Result<&mut Stream, Oddity> {
        let Phase::Streaming(stream) = &mut self.phase else { return Err(Oddity::BeforeStart) };
        if stream_id.is_some_and(|id| id != stream.id) {
            return Err(Oddity::WrongStream);
        }
        match sequence.map(|Number(number)| stream.numbering.take(number)) {
            None | Some(Numbered::Next) => {}
            // Counted, and taken all the same: a hole in what the caller says would be worse.
            Some(Numbered::OutOfOrder) => events.push(CarrierEvent::Odd(Oddity::OutOfOrder)),
            Some(Numbered::Again) => return Err(Oddity::Repeated),
        }
        Ok(stream)
    }

    fn leave(&mut self, departure: CarrierDeparture, events: &mut Vec<CarrierEvent>) {
        self.phase = Phase::Over;
        events.push(CarrierEvent::Left(departure));
    }
}

impl Stream {
    fn new(id: &str, sound: Sound, first: Option<Number>) -> Stream {
        let name = Value::from(id).to_string();
        let content_type = content_type(sound.encoding);
        let hz = sound.rate.hz();
        Stream {
            id: id.to_owned(),
            sound,
            numbering: Numbering::from(first.map(|Number(number)| Numeral(number))),
            // One second. Plivo sends 20 ms; more at once would jump the queue of real time.
            payload: Payload::new(sound, hz as usize),
            play_prefix: format!(
                r#"{{"event":"playAudio","media":{{"contentType":"{content_type}","sampleRate":{hz},"payload":""#
            )
            .into_bytes(),
            checkpoint_prefix: format!(r#"{{"event":"checkpoint","streamId":{name},"name":""#).into_bytes(),
            clear: format!(r#"{{"event":"clearAudio","streamId":{name}}}"#).into_bytes(),
        }
    }
}

/// Plivo's name for it, without the rate.
fn content_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Mulaw => "audio/x-mulaw",
        Encoding::Pcm16 => "audio/x-l16",
    }
}

fn key(written: &Value) -> Option<Digit> {
    let written = match written {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let mut symbols = written.chars();
    let digit = symbols.next().and_then(Digit::parse)?;
    symbols.next().is_none().then_some(digit)
}

#[expect(clippy::expect_used, reason = "a Vec takes whatever is written to it")]
fn append(text: fmt::Arguments<'_>, bytes: &mut Vec<u8>) {
    bytes.write_fmt(text).expect("writing to a Vec");
}
