//! The phone side of a call over a Twilio media socket.

use std::fmt;
use std::io::Write;
use std::sync::LazyLock;

use audio::{Frame, Rate, g711};
use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD_INDIFFERENT;
use call::{CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Mark, MediaStart, Oddity};
use wire::{Incoming, Outbox};

use super::messages::{FromTwilio, Numeral, StartMessage};
use super::quick_media::{self, MediaView};
use crate::marks::Marks;
use crate::numbering::{Numbered, Numbering};
use crate::{Control, Obeyed, digits};

/// A 20 ms message has some 400 bytes, a `start` with every parameter full some kilobytes. Ten times the second of
/// sound that we accept is nothing that Twilio sends.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// One second in base64. Twilio sends 20 ms; emulators and bridges batch up to half a second. More at once would jump the
/// queue of real time and empty the call's own bounded buffers in one step.
const PAYLOAD_CHARS_MAX: usize = 8_000usize.div_ceil(3) * 4;

/// Twenty seconds of media messages without one that can be read: whoever speaks there does not speak this protocol.
const UNREADABLE_IN_A_ROW_MAX: u32 = 1_000;

/// Real ones have 34 characters. It stands in every message we send.
const STREAM_SID_BYTES_MAX: usize = 256;

/// Finds out once whether the machine has vector instructions for it.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD_INDIFFERENT));

/// Turns Twilio's messages into call events and call commands into Twilio's messages.
#[derive(Debug, Default)]
pub struct Leg {
    phase: Phase,
    marks: Marks,
    connected: bool,
    unreadable_in_a_row: u32,
    /// µ-law bytes on their way in or out. Kept, so that a frame costs no allocation beside its own.
    codes: Vec<u8>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Arriving,
    Streaming(Stream),
    Over,
}

#[derive(Debug)]
struct Stream {
    sid: String,
    numbering: Numbering,
    /// Outgoing messages up to the one thing in them that changes. They hold the stream's name, escaped once.
    media_prefix: Vec<u8>,
    mark_prefix: Vec<u8>,
    clear: Vec<u8>,
}

/// Ends a media message and a mark alike.
const SUFFIX: &[u8] = br#""}}"#;

impl Leg {
    pub fn new() -> Leg {
        Leg::default()
    }

    /// Takes one message and appends what it means. After [`CarrierEvent::Left`] nothing follows.
    pub fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let taken = match incoming {
            // Twilio's socket is text throughout.
            Incoming::Binary(_) => Err(Oddity::Malformed),
            Incoming::Text(text) if text.len() > MESSAGE_BYTES_MAX => Err(Oddity::TooLarge),
            Incoming::Text(text) => match quick_media::read(text) {
                Some(media) => self.hear(&media, events),
                None => match FromTwilio::read(text) {
                    Ok(message) => self.take(&message, events),
                    Err(_) => Err(Oddity::Malformed),
                },
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
                    self.play(&digits::sound(*key, Rate::Hz8000), outbox);
                }
            }
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
        debug_assert_eq!(frame.rate, Rate::Hz8000, "the leg's rate is in its capabilities");
        let Phase::Streaming(stream) = &self.phase else { return };
        if frame.is_empty() {
            return;
        }
        self.codes.clear();
        g711::pcm_to_ulaw(&frame.samples, &mut self.codes);
        outbox.text(|bytes| {
            let length = self.codes.len().div_ceil(3) * 4;
            bytes.reserve(stream.media_prefix.len() + length + SUFFIX.len());
            bytes.extend_from_slice(&stream.media_prefix);
            let payload = bytes.len();
            bytes.resize(payload + length, 0);
            let written = BASE64.encode_slice(&self.codes, &mut bytes[payload..]);
            debug_assert_eq!(written, Ok(length), "padded base64 has four letters for every three bytes");
            bytes.extend_from_slice(SUFFIX);
        });
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

    fn take(&mut self, message: &FromTwilio<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        match message {
            FromTwilio::Connected(_) => match std::mem::replace(&mut self.connected, true) {
                true => Err(Oddity::Repeated),
                false => Ok(()),
            },
            FromTwilio::Start(message) => self.start(message, events),
            FromTwilio::Media(message) => self.hear(&message.view(), events),
            FromTwilio::Dtmf(message) => {
                self.admit(message.sequence_number, message.stream_sid.as_deref(), events)?;
                let mut symbols = message.dtmf.digit.chars();
                let digit = match (symbols.next().and_then(Digit::parse), symbols.next()) {
                    (Some(digit), None) => digit,
                    _ => return Err(Oddity::Malformed),
                };
                events.push(CarrierEvent::Digit(digit));
                Ok(())
            }
            FromTwilio::Mark(message) => {
                self.admit(message.sequence_number, message.stream_sid.as_deref(), events)?;
                let mark = message.mark.name.parse().map_err(|_| Oddity::ForeignMark)?;
                let fate = self.marks.fate(mark).ok_or(Oddity::ForeignMark)?;
                events.push(CarrierEvent::Mark { mark, fate });
                Ok(())
            }
            FromTwilio::Stop(message) => {
                // Its number does not matter: a call that is over is over, even if it says so twice.
                if let Phase::Streaming(stream) = &self.phase
                    && message.stream_sid.as_deref().is_some_and(|sid| sid != stream.sid)
                {
                    return Err(Oddity::WrongStream);
                }
                self.leave(CarrierDeparture::Stopped, events);
                Ok(())
            }
            FromTwilio::Unknown => Err(Oddity::UnknownMessage),
        }
    }

    fn start(&mut self, message: &StartMessage<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        if let Phase::Streaming(_) = self.phase {
            return Err(Oddity::Repeated);
        }
        let start = &message.start;
        // Without the stream's name nothing can be sent.
        let sid = start.stream_sid.as_deref().or(message.stream_sid.as_deref()).ok_or(Oddity::Malformed)?;
        if sid.is_empty() || sid.len() > STREAM_SID_BYTES_MAX {
            return Err(Oddity::Malformed);
        }
        if start.media_format.as_ref().is_some_and(|format| !format.is_mulaw_8k_mono()) {
            // Every frame would be noise, in both directions.
            events.push(CarrierEvent::Odd(Oddity::BadAudio));
            self.leave(CarrierDeparture::Unintelligible, events);
            return Ok(());
        }
        let mut facts = start.custom_parameters.clone().unwrap_or_default().0;
        let mut fact = |wanted: &str| {
            let at = facts.iter().position(|(name, _)| name == wanted)?;
            Some(facts.remove(at).1)
        };
        let (from, to) = (fact("from"), fact("to"));
        events.push(CarrierEvent::Started(MediaStart {
            carrier_call: start.call_sid.as_deref().map(str::to_owned),
            stream: Some(sid.to_owned()),
            from,
            to,
            facts,
            raw: None,
        }));
        self.phase = Phase::Streaming(Stream::new(sid, message.sequence_number));
        Ok(())
    }

    fn hear(&mut self, media: &MediaView<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        self.admit(media.sequence.map(Numeral), media.stream, events)?;
        if media.track.is_some_and(|track| track != "inbound") {
            // What the caller hears, not what they say. A two-way stream has no such track.
            return Err(Oddity::UnknownMessage);
        }
        if media.payload.len() > PAYLOAD_CHARS_MAX {
            return Err(Oddity::TooLarge);
        }
        let room = media.payload.len() / 4 * 3 + 3;
        if self.codes.len() < room {
            self.codes.resize(room, 0);
        }
        let length = BASE64.decode_slice(media.payload, &mut self.codes).map_err(|_| Oddity::BadAudio)?;
        if length > 0 {
            let mut samples = Vec::with_capacity(length);
            g711::ulaw_to_pcm(&self.codes[..length], &mut samples);
            events.push(CarrierEvent::Audio(Frame::new(Rate::Hz8000, samples)));
        }
        Ok(())
    }

    /// Whether a message of a running stream counts: it comes after the start, for this stream, and for the first time.
    fn admit(
        &mut self,
        sequence: Option<Numeral>,
        stream_sid: Option<&str>,
        events: &mut Vec<CarrierEvent>,
    ) -> Result<(), Oddity> {
        let Phase::Streaming(stream) = &mut self.phase else { return Err(Oddity::BeforeStart) };
        if stream_sid.is_some_and(|sid| sid != stream.sid) {
            return Err(Oddity::WrongStream);
        }
        match sequence.map(|Numeral(number)| stream.numbering.take(number)) {
            None | Some(Numbered::Next) => Ok(()),
            Some(Numbered::OutOfOrder) => {
                // Counted, and taken all the same: a hole in what the caller says would be worse.
                events.push(CarrierEvent::Odd(Oddity::OutOfOrder));
                Ok(())
            }
            Some(Numbered::Again) => Err(Oddity::Repeated),
        }
    }

    fn leave(&mut self, departure: CarrierDeparture, events: &mut Vec<CarrierEvent>) {
        self.phase = Phase::Over;
        events.push(CarrierEvent::Left(departure));
    }
}

impl Stream {
    fn new(sid: &str, first: Option<Numeral>) -> Stream {
        let name = serde_json::Value::from(sid).to_string();
        Stream {
            sid: sid.to_owned(),
            numbering: Numbering::from(first),
            media_prefix: format!(r#"{{"event":"media","streamSid":{name},"media":{{"payload":""#)
                .into_bytes(),
            mark_prefix: format!(r#"{{"event":"mark","streamSid":{name},"mark":{{"name":""#).into_bytes(),
            clear: format!(r#"{{"event":"clear","streamSid":{name}}}"#).into_bytes(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a Vec takes whatever is written to it")]
fn append(text: fmt::Arguments<'_>, bytes: &mut Vec<u8>) {
    bytes.write_fmt(text).expect("writing to a Vec");
}
