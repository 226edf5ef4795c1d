//! The phone side of a call when the phone is a web page.

use std::fmt;
use std::time::Duration;

use audio::{Frame, Rate, pcm};
use call::{CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Generation, MediaStart, Oddity};
use wire::{Incoming, Outbox};

use super::messages::{FromPage, ToPage};
use crate::numeral::Number;
use crate::{Obeyed, digits};

/// Two bytes a sample.
const BYTES_PER_SECOND: usize = 2 * Rate::Hz16000.hz() as usize;

/// One second; a page sends 20 ms. A tab that was asleep may send what it missed in larger pieces, but speech older
/// than this is no longer an answer to anything.
const AUDIO_BYTES_MAX: usize = BYTES_PER_SECOND;

/// The longest text is a `start` with a token.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Twenty seconds of pieces without one that can be read.
const UNREADABLE_IN_A_ROW_MAX: u32 = 1_000;

/// Turns the page's messages into call events and call commands into messages for the page.
#[derive(Debug, Default)]
pub struct Leg {
    phase: Phase,
    generation: Generation,
    unreadable_in_a_row: u32,
    said_goodbye: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Arriving,
    Talking,
    Over,
}

impl Leg {
    pub fn new() -> Leg {
        Leg::default()
    }

    /// Takes one message and appends what it means. After [`CarrierEvent::Left`] nothing follows.
    pub fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        if self.phase == Phase::Over {
            return;
        }
        let taken = match incoming {
            Incoming::Binary(bytes) => self.hear(bytes, events),
            Incoming::Text(text) if text.len() > TEXT_BYTES_MAX => Err(Oddity::TooLarge),
            Incoming::Text(text) => match serde_json::from_str(text) {
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

    /// Answers the page's `start`: the call stands, and this is its name.
    pub fn ready(&mut self, call: impl fmt::Display, outbox: &mut Outbox) {
        let call = call.to_string();
        put(
            &ToPage::Ready { call: call.into(), rate: Rate::Hz16000.hz(), generation: self.generation.0 },
            outbox,
        );
    }

    /// Tells the page why the call is over. Only the first goodbye is said: whoever knows the cause says it before
    /// the socket is closed, and [`CarrierCommand::HangUp`] and [`CarrierCommand::Close`] then add nothing.
    pub fn goodbye(&mut self, cause: &str, outbox: &mut Outbox) {
        if !std::mem::replace(&mut self.said_goodbye, true) {
            put(&ToPage::Bye { cause: cause.into() }, outbox);
        }
    }

    /// Writes what the command needs written. Sound goes out only while the call stands.
    pub fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        match command {
            CarrierCommand::Play(frame) => self.play(frame, outbox),
            // The page reports positions; there is nothing to mark.
            CarrierCommand::Mark(_) => {}
            CarrierCommand::Clear { generation } => {
                self.generation = *generation;
                if self.phase == Phase::Talking {
                    put(&ToPage::Clear { generation: generation.0 }, outbox);
                }
            }
            CarrierCommand::Digits(keys) => {
                let keys: String = keys.iter().take(digits::DIGITS_MAX).map(|key| key.symbol()).collect();
                if self.phase == Phase::Talking && !keys.is_empty() {
                    put(&ToPage::Digits { digits: keys.into() }, outbox);
                }
            }
            CarrierCommand::Transfer { to } => {
                if self.phase == Phase::Talking {
                    put(&ToPage::Transfer { to: to.into() }, outbox);
                }
            }
            CarrierCommand::HangUp => self.goodbye("hung_up", outbox),
            CarrierCommand::Close => self.goodbye("closed", outbox),
        }
        Obeyed::Done
    }

    fn play(&self, frame: &Frame, outbox: &mut Outbox) {
        debug_assert_eq!(frame.rate, Rate::Hz16000, "the leg's rate is in its capabilities");
        if self.phase == Phase::Talking && !frame.is_empty() {
            outbox.binary(|bytes| pcm::pcm_to_le(&frame.samples, bytes));
        }
    }

    fn take(&mut self, message: &FromPage<'_>, events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        match message {
            FromPage::Start { rate, bot, token } => {
                if self.phase == Phase::Talking {
                    return Err(Oddity::Repeated);
                }
                if rate.is_some_and(|Number(hz)| hz != u64::from(Rate::Hz16000.hz())) {
                    // Every piece would sound too high or too low.
                    events.push(CarrierEvent::Odd(Oddity::BadAudio));
                    self.leave(CarrierDeparture::Unintelligible, events);
                    return Ok(());
                }
                let facts = [("bot", bot), ("token", token)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.to_owned())))
                    .collect();
                self.phase = Phase::Talking;
                events.push(CarrierEvent::Started(MediaStart { facts, ..MediaStart::default() }));
                Ok(())
            }
            FromPage::Bye => {
                self.leave(CarrierDeparture::Stopped, events);
                Ok(())
            }
            FromPage::Unknown => Err(Oddity::UnknownMessage),
            FromPage::Digit { .. } | FromPage::Played { .. } if self.phase == Phase::Arriving => {
                Err(Oddity::BeforeStart)
            }
            FromPage::Digit { digit } => {
                let mut symbols = digit.chars();
                match (symbols.next().and_then(Digit::parse), symbols.next()) {
                    (Some(digit), None) => events.push(CarrierEvent::Digit(digit)),
                    _ => return Err(Oddity::Malformed),
                }
                Ok(())
            }
            FromPage::Played { generation, ms: Number(ms) } => {
                let generation = Generation(*generation);
                if generation > self.generation {
                    return Err(Oddity::ForeignMark);
                }
                events.push(CarrierEvent::Position { generation, played: Duration::from_millis(*ms) });
                Ok(())
            }
        }
    }

    fn hear(&mut self, bytes: &[u8], events: &mut Vec<CarrierEvent>) -> Result<(), Oddity> {
        if self.phase == Phase::Arriving {
            return Err(Oddity::BeforeStart);
        }
        if bytes.len() > AUDIO_BYTES_MAX {
            return Err(Oddity::TooLarge);
        }
        let mut samples = Vec::with_capacity(bytes.len() / 2);
        pcm::le_to_pcm(bytes, &mut samples).map_err(|_| Oddity::BadAudio)?;
        if !samples.is_empty() {
            events.push(CarrierEvent::Audio(Frame::new(Rate::Hz16000, samples)));
        }
        Ok(())
    }

    fn leave(&mut self, departure: CarrierDeparture, events: &mut Vec<CarrierEvent>) {
        self.phase = Phase::Over;
        events.push(CarrierEvent::Left(departure));
    }
}

#[expect(
    clippy::expect_used,
    reason = "structs of strings and numbers always have a JSON form, and a Vec takes it"
)]
fn put(message: &ToPage<'_>, outbox: &mut Outbox) {
    outbox.text(|bytes| serde_json::to_writer(bytes, message).expect("text as JSON"));
}
