//! The phone side of a call over a Mcube media socket.

use std::fmt;
use std::io::Write;

use audio::Frame;
use audio::resample::Resampler;
use call::{
    CarrierCapabilities, CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Mark, MediaStart, Oddity,
    Sound,
};
use serde_json::{Map, Value};
use wire::{Incoming, Outbox};

use super::facts::{self, Headers, Told};
use super::messages::{FromMcube, MediaMessage, Name, Number, StartMessage};
use super::sound::{self, Said, USUAL};
use super::{CAPABILITIES, Settings};
use crate::marks::Marks;
use crate::payload::Payload;
use crate::{Obeyed, Upgrade, digits};

/// A second of PCM16 at 16 kHz has 43 KiB in base64; a `start` some kilobytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Twenty seconds of media messages without one that can be read: whoever speaks there does not speak this protocol.
const UNREADABLE_IN_A_ROW_MAX: u32 = 1_000;

/// Identifiers stand in messages, maps and logs. Real ones have some dozen characters.
const ID_BYTES_MAX: usize = 256;

/// Turns Mcube's messages into call events and call commands into Mcube's messages.
#[derive(Debug)]
pub struct Leg {
    upgrade: Upgrade,
    settings: Settings,
    phase: Phase,
    marks: Marks,
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
    /// Mcube did not say how its stream is called, so the name is ours.
    id_is_ours: bool,
    call: Option<String>,
    /// The call hears and speaks at this rate from its start to its end.
    sound: Sound,
    line: Line,
    /// Outgoing messages up to the one thing in them that changes. They hold the stream's name, escaped once.
    checkpoint_prefix: Vec<u8>,
    clear: Vec<u8>,
    terminate: Vec<u8>,
}

/// The sound on the wire.
#[derive(Debug)]
struct Line {
    sound: Sound,
    /// Whether a message has said so. As long as none has, the first that names another sound is followed.
    agreed: bool,
    payload: Payload,
    /// Between the wire's rate and the call's, where they differ.
    inward: Option<Resampler>,
    outward: Option<Resampler>,
    scratch: Vec<i16>,
    play_prefix: Vec<u8>,
}

const PLAY_SUFFIX: &[u8] = br#""}}"#;
const CHECKPOINT_SUFFIX: &[u8] = br#""}"#;

impl Leg {
    pub fn new(upgrade: Upgrade, settings: Settings) -> Leg {
        Leg { upgrade, settings, phase: Phase::Arriving, marks: Marks::default(), unreadable_in_a_row: 0 }
    }

    /// What this call's carrier can do; after its start, with the sound that was agreed on.
    pub fn capabilities(&self) -> CarrierCapabilities {
        let Phase::Streaming(stream) = &self.phase else { return CAPABILITIES };
        let sounds = CAPABILITIES.sounds;
        let agreed = sounds.iter().position(|sound| *sound == stream.sound);
        CarrierCapabilities {
            rate: stream.sound.rate,
            sounds: agreed.map_or(sounds, |at| &sounds[at..=at]),
            ..CAPABILITIES
        }
    }

    /// Takes one message and appends what it means. After [`CarrierEvent::Left`] nothing follows.
    pub fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let taken = match incoming {
            Incoming::Binary(bytes) => self.hear_bare(bytes, events),
            Incoming::Text(text) if text.len() > MESSAGE_BYTES_MAX => Err(Oddity::TooLarge),
            Incoming::Text(text) => match FromMcube::read(text) {
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
        if let CarrierCommand::Clear { generation } = command {
            self.marks.cleared(*generation);
        }
        let Phase::Streaming(stream) = &mut self.phase else { return Obeyed::Done };
        match command {
            CarrierCommand::Play(frame) => stream.play(frame, outbox),
            CarrierCommand::Mark(mark) => {
                self.marks.set(*mark);
                stream.checkpoint(*mark, outbox);
            }
            CarrierCommand::Clear { .. } => {
                if let Some(resampler) = &mut stream.line.outward {
                    resampler.reset();
                }
                outbox.text(|bytes| bytes.extend_from_slice(&stream.clear));
            }
            CarrierCommand::Digits(keys) => {
                // One message a key, so that a clear in between is a clear in between.
                for key in keys.iter().take(digits::DIGITS_MAX) {
                    stream.play(&digits::sound(*key, stream.sound.rate), outbox);
                }
            }
            CarrierCommand::Transfer { to } => {
                outbox.text(|bytes| stream.transfer(&self.settings, to, bytes));
                return Obeyed::Underway;
            }
            CarrierCommand::HangUp => {
                outbox.text(|bytes| bytes.extend_from_slice(&stream.terminate));
                return Obeyed::Underway;
            }
            // Closing the socket is all there is to it.
            CarrierCommand::Close => {}
        }
        Obeyed::Done
    }

    fn take(&mut self, message: &FromMcube<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        match message {
            FromMcube::Start(message) => self.start(message, events),
            FromMcube::Media(message) => self.hear(message, events),
            FromMcube::Dtmf(message) => {
                self.admit(message.stream_id.as_ref())?;
                let mut symbols = message.dtmf.digit.0.chars();
                let digit = match (symbols.next().and_then(Digit::parse), symbols.next()) {
                    (Some(digit), None) => digit,
                    _ => return Err(Oddity::Malformed),
                };
                events.push(CarrierEvent::Digit(digit));
                Ok(())
            }
            FromMcube::PlayedStream(message) => {
                self.admit(message.stream_id.as_ref())?;
                let mark = message.name.0.parse().map_err(|_| Oddity::ForeignMark)?;
                let fate = self.marks.fate(mark).ok_or(Oddity::ForeignMark)?;
                events.push(CarrierEvent::Mark { mark, fate });
                Ok(())
            }
            // We knew when we asked for it.
            FromMcube::ClearedAudio(message) => self.admit(message.stream_id.as_ref()).map(drop),
            FromMcube::Stop(message) => {
                if let Phase::Streaming(_) = self.phase {
                    self.admit(message.stream_id.as_ref())?;
                }
                self.leave(CarrierDeparture::Stopped, events);
                Ok(())
            }
            FromMcube::Unknown => Err(Oddity::UnknownMessage),
        }
    }

    fn start(
        &mut self,
        StartMessage(message): &StartMessage,
        events: &mut Vec<CarrierEvent>,
    ) -> Result<(), Oddity> {
        if let Phase::Streaming(_) = self.phase {
            return Err(Oddity::Repeated);
        }
        let headers = Headers::of(message);
        let told = Told::new(message, &headers);
        let call = told.find(&["callId", "call_id"]).or(self.upgrade.call.as_deref());
        let named = told.find(&["streamId", "stream_id"]);
        if [call, named].into_iter().flatten().any(|id| id.len() > ID_BYTES_MAX) {
            return Err(Oddity::Malformed);
        }
        let Ok(said) = said(message) else {
            // Every frame would be noise, in both directions.
            events.push(CarrierEvent::Odd(Oddity::BadAudio));
            self.leave(CarrierDeparture::Unintelligible, events);
            return Ok(());
        };
        let usual = Sound { rate: usual_rate(&self.upgrade), ..USUAL };
        // The same call always has the same name for its stream, so that a second socket speaks as the first one did.
        let id = named.map_or_else(|| format!("stream-{}", call.unwrap_or("1")), str::to_owned);
        let stream = Stream::new(id, named.is_none(), call, Line::new(said.or(usual), !said.is_nothing()));
        let facts = told.facts(&self.settings.fields, &self.settings.bots);
        events.push(CarrierEvent::Started(MediaStart {
            carrier_call: stream.call.clone(),
            stream: Some(stream.id.clone()),
            from: facts.from,
            to: facts.to,
            facts: facts.others,
            raw: Some(facts::raw(message)),
        }));
        self.phase = Phase::Streaming(Box::new(stream));
        Ok(())
    }

    fn hear(&mut self, message: &MediaMessage<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        let stream = self.admit(message.stream_id.as_ref())?;
        let media = &message.media;
        if media.track.as_deref().is_some_and(|track| track != "inbound") {
            // What the caller hears, not what they say.
            return Err(Oddity::UnknownMessage);
        }
        let rate = media.sample_rate.map(|Number(rate)| rate);
        let said = Said::read(media.content_type.as_deref(), rate).map_err(|_| Oddity::BadAudio)?;
        stream.follow(said)?;
        let samples = stream.line.payload.decode(&media.payload)?;
        stream.heard(samples, events);
        Ok(())
    }

    fn hear_bare(&mut self, bytes: &[u8], events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        let stream = self.admit(None)?;
        let samples = stream.line.payload.decode_bare(bytes)?;
        stream.heard(samples, events);
        Ok(())
    }

    /// The running stream, if a message that names this one belongs to it.
    fn admit(&mut self, named: Option<&Name<'_>>) -> Result<&mut Stream, Oddity> {
        let Phase::Streaming(stream) = &mut self.phase else { return Err(Oddity::BeforeStart) };
        let Some(Name(named)) = named else { return Ok(stream) };
        if stream.id == *named {
            return Ok(stream);
        }
        if !stream.id_is_ours || named.is_empty() || named.len() > ID_BYTES_MAX {
            return Err(Oddity::WrongStream);
        }
        // The start left it out; here it is.
        stream.rename(named);
        Ok(stream)
    }

    fn leave(&mut self, departure: CarrierDeparture, events: &mut Vec<CarrierEvent>) {
        self.phase = Phase::Over;
        events.push(CarrierEvent::Left(departure));
    }
}

fn said(message: &Map<String, Value>) -> Result<Said, sound::Foreign> {
    const NAMES: [&str; 2] = ["mediaFormat", "media_format"];
    let within = facts::object(message, &["start"]).and_then(|start| facts::object(start, &NAMES));
    let format = within.or_else(|| facts::object(message, &NAMES));
    format.map_or(Ok(Said::default()), Said::of_format)
}

/// What the address says counts where no message says otherwise.
fn usual_rate(upgrade: &Upgrade) -> audio::Rate {
    let known = |rate: &audio::Rate| CAPABILITIES.sounds.iter().any(|sound| sound.rate == *rate);
    upgrade.rate.filter(known).unwrap_or(USUAL.rate)
}

impl Stream {
    fn new(id: String, id_is_ours: bool, call: Option<&str>, line: Line) -> Stream {
        let mut stream = Stream {
            id: String::new(),
            id_is_ours,
            call: call.map(str::to_owned),
            sound: line.sound,
            line,
            checkpoint_prefix: Vec::new(),
            clear: Vec::new(),
            terminate: Vec::new(),
        };
        stream.rename(&id);
        stream.id_is_ours = id_is_ours;
        stream
    }

    fn rename(&mut self, id: &str) {
        let name = Value::from(id);
        self.id = id.to_owned();
        self.id_is_ours = false;
        self.checkpoint_prefix = format!(r#"{{"event":"checkpoint","streamId":{name},"name":""#).into_bytes();
        self.clear = format!(r#"{{"event":"clearAudio","streamId":{name}}}"#).into_bytes();
        self.terminate = format!(r#"{{"event":"terminate","streamId":{name}}}"#).into_bytes();
    }

    /// Holds what a media message says of its sound against what was agreed.
    fn follow(&mut self, said: Said) -> Result<(), Oddity> {
        let wanted = said.or(self.line.sound);
        if wanted != self.line.sound {
            if self.line.agreed {
                return Err(Oddity::BadAudio);
            }
            self.line = Line::between(wanted, self.sound);
        }
        self.line.agreed |= !said.is_nothing();
        Ok(())
    }

    fn heard(&mut self, samples: Vec<i16>, events: &mut Vec<CarrierEvent>) {
        let samples = match &mut self.line.inward {
            None => samples,
            Some(resampler) => {
                let mut at_our_rate = Vec::new();
                resampler.process(&samples, &mut at_our_rate);
                at_our_rate
            }
        };
        if !samples.is_empty() {
            events.push(CarrierEvent::Audio(Frame::new(self.sound.rate, samples)));
        }
    }

    fn play(&mut self, frame: &Frame, outbox: &mut Outbox) {
        debug_assert_eq!(frame.rate, self.sound.rate, "the leg's rate is in its capabilities");
        let Line { payload, outward, scratch, play_prefix, .. } = &mut self.line;
        let samples = match outward {
            None => &frame.samples,
            Some(resampler) => {
                scratch.clear();
                resampler.process(&frame.samples, scratch);
                &*scratch
            }
        };
        if samples.is_empty() {
            return;
        }
        outbox.text(|bytes| {
            bytes.extend_from_slice(play_prefix);
            payload.encode(samples, bytes);
            bytes.extend_from_slice(PLAY_SUFFIX);
        });
    }

    fn checkpoint(&self, mark: Mark, outbox: &mut Outbox) {
        outbox.text(|bytes| {
            bytes.extend_from_slice(&self.checkpoint_prefix);
            append(format_args!("{mark}"), bytes);
            bytes.extend_from_slice(CHECKPOINT_SUFFIX);
        });
    }

    fn transfer(&self, settings: &Settings, to: &str, bytes: &mut Vec<u8>) {
        let (id, to) = (Value::from(self.id.as_str()), Value::from(super::call_control::as_dialled(to)));
        append(format_args!(r#"{{"event":"transfer","streamId":{id}"#), bytes);
        if let Some(call) = self.call.as_deref().filter(|_| settings.transfer_call_id) {
            append(format_args!(r#","callId":{}"#, Value::from(call)), bytes);
        }
        append(format_args!(",{}:{to}}}", Value::from(settings.transfer_number_field.as_str())), bytes);
    }
}

impl Line {
    fn new(sound: Sound, agreed: bool) -> Line {
        Line { agreed, ..Line::between(sound, sound) }
    }

    /// Speaks one sound on the wire and hands the call another.
    fn between(wire: Sound, call: Sound) -> Line {
        let differ = wire.rate != call.rate;
        let content_type = sound::content_type(wire.encoding);
        let rate = wire.rate.hz();
        Line {
            sound: wire,
            agreed: true,
            // A second at once. More would jump the queue of real time and empty the call's own bounded buffers.
            payload: Payload::new(wire, rate as usize),
            inward: differ.then(|| Resampler::new(wire.rate, call.rate)),
            outward: differ.then(|| Resampler::new(call.rate, wire.rate)),
            scratch: Vec::new(),
            play_prefix: format!(
                r#"{{"event":"playAudio","media":{{"contentType":"{content_type}","sampleRate":{rate},"payload":""#
            )
            .into_bytes(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a Vec takes whatever is written to it")]
fn append(text: fmt::Arguments<'_>, bytes: &mut Vec<u8>) {
    bytes.write_fmt(text).expect("writing to a Vec");
}
