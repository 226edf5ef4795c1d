//! The conversation that every carrier's leg must be able to carry.
//!
//! The script is the same for all. What a carrier cannot do is skipped by its capability table, and by nothing else.
//! The far sides below are written from the protocols' documents and not with our own message types, so that a
//! misreading shows as a difference.

mod far_exotel;
mod far_mcube;
mod far_page;
mod far_plivo;
mod far_twilio;

use std::time::Duration;

use audio::{Frame, dtmf};
use call::{
    CarrierCapabilities, CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Generation, Mark, MarkFate,
    MarkOnFlush, Oddity, Way,
};
use carriers::{Control, Obeyed, Upgrade, browser, exotel, mcube, plivo, twilio};
use wire::{Incoming, Kind, Outbox};

use self::far_exotel::{FarExotel, Manner};
use self::far_mcube::FarMcube;
use self::far_page::FarPage;
use self::far_plivo::FarPlivo;
use self::far_twilio::FarTwilio;

#[test]
fn twilio_carries_the_conversation() {
    converse(twilio::Leg::new(), FarTwilio::default(), &twilio::CAPABILITIES);
}

#[test]
fn the_browser_carries_the_conversation() {
    converse(browser::Leg::new(), FarPage::default(), &browser::CAPABILITIES);
}

#[test]
fn mcube_carries_the_conversation_in_every_form_of_sound() {
    for sound in mcube::CAPABILITIES.sounds {
        let leg = mcube::Leg::new(Upgrade::default(), mcube::Settings::default());
        let can = CarrierCapabilities { rate: sound.rate, ..mcube::CAPABILITIES };
        converse(leg, FarMcube::new(*sound), &can);
    }
}

#[test]
fn plivo_carries_the_conversation_in_every_sound() {
    for sound in plivo::CAPABILITIES.sounds {
        let can = CarrierCapabilities { rate: sound.rate, ..plivo::CAPABILITIES };
        converse(plivo::Leg::new(Upgrade::default()), FarPlivo::new(*sound), &can);
    }
}

#[test]
fn exotel_carries_the_conversation_in_every_manner_and_at_every_rate() {
    for manner in [
        Manner::Documented { hz: 8_000 },
        Manner::Documented { hz: 16_000 },
        Manner::Documented { hz: 24_000 },
        Manner::Camel,
        Manner::Older,
        Manner::Legs,
    ] {
        let leg = || exotel::Leg::new(Upgrade::default(), exotel::Settings::default());
        // The table of a call whose sound has been agreed on.
        let mut agreed = leg();
        for sent in FarExotel::of(manner).begin() {
            let Sent::Text(text) = sent else { panic!("Exotel writes text") };
            agreed.read(Incoming::Text(&text), &mut Vec::new());
        }
        converse(leg(), FarExotel::of(manner), &agreed.capabilities());
    }
}

/// What all legs have in common.
trait Leg {
    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>);
    fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed;
}

impl Leg for twilio::Leg {
    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        twilio::Leg::read(self, incoming, events);
    }

    fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        twilio::Leg::write(self, command, outbox)
    }
}

impl Leg for mcube::Leg {
    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        mcube::Leg::read(self, incoming, events);
    }

    fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        mcube::Leg::write(self, command, outbox)
    }
}

impl Leg for plivo::Leg {
    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        plivo::Leg::read(self, incoming, events);
    }

    fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        plivo::Leg::write(self, command, outbox)
    }
}

impl Leg for exotel::Leg {
    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        exotel::Leg::read(self, incoming, events);
    }

    fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        exotel::Leg::write(self, command, outbox)
    }
}

impl Leg for browser::Leg {
    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        browser::Leg::read(self, incoming, events);
    }

    fn write(&mut self, command: &CarrierCommand, outbox: &mut Outbox) -> Obeyed {
        browser::Leg::write(self, command, outbox)
    }
}

/// A message from the far side.
enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

/// The carrier's end of the wire: sends what a caller does, keeps a queue of what it is to play.
trait FarSide {
    fn begin(&mut self) -> Vec<Sent>;
    fn speak(&mut self, samples: &[i16]) -> Sent;
    fn press(&mut self, key: char) -> Sent;
    fn hang_up(&mut self) -> Sent;
    /// Takes one message of ours.
    fn take(&mut self, kind: Kind, bytes: &[u8]);
    /// Plays everything in the queue; gives what it reports while doing so, late reports of a flush included.
    fn play_out(&mut self) -> Vec<Sent>;
    /// What has been played since the last time somebody asked.
    fn played(&mut self) -> Vec<i16>;
    /// Keys that it was told to press.
    fn pressed(&self) -> String;
    /// It was told that the call is over.
    fn was_told_goodbye(&self) -> bool;
}

struct Conversation<L, F> {
    leg: L,
    far: F,
    outbox: Outbox,
}

impl<L: Leg, F: FarSide> Conversation<L, F> {
    fn read(&mut self, sent: impl IntoIterator<Item = Sent>) -> Vec<CarrierEvent> {
        let mut events = Vec::new();
        for message in sent {
            match &message {
                Sent::Text(text) => self.leg.read(Incoming::Text(text), &mut events),
                Sent::Binary(bytes) => self.leg.read(Incoming::Binary(bytes), &mut events),
            }
        }
        events
    }

    fn write(&mut self, command: CarrierCommand) -> Obeyed {
        let obeyed = self.leg.write(&command, &mut self.outbox);
        for (kind, bytes) in self.outbox.messages() {
            self.far.take(kind, bytes);
        }
        self.outbox.clear();
        obeyed
    }

    /// What no leg may stumble over, at any time.
    fn endure_nonsense(&mut self) {
        for sent in [
            Sent::Text(String::new()),
            Sent::Text("{\"".to_owned()),
            Sent::Text("{\"event\":\"weather\",\"type\":\"weather\"}".to_owned()),
            // More than any sound: some carriers send theirs bare.
            Sent::Binary(vec![1; 70_001]),
        ] {
            let events = self.read([sent]);
            assert!(matches!(events[..], [CarrierEvent::Odd(_)]), "{events:?}");
        }
    }
}

fn converse<L: Leg, F: FarSide>(leg: L, far: F, can: &CarrierCapabilities) {
    let mut it = Conversation { leg, far, outbox: Outbox::new() };
    let piece = can.rate.samples_in(can.piece) as usize;
    let spoken: Vec<i16> = (0..piece as i32).map(|at| (at * 97 % 16_000 - 8_000) as i16).collect();
    let answer = |nr: i16| Frame::new(can.rate, vec![1_000 * nr; piece]);

    // Before media has started nobody is heard, and nobody is spoken to.
    let early = it.far.speak(&spoken);
    assert_eq!(it.read([early]), [CarrierEvent::Odd(Oddity::BeforeStart)]);
    let _ = it.write(CarrierCommand::Play(answer(1)));
    it.far.play_out();
    assert!(it.far.played().is_empty(), "sound for nobody");
    it.endure_nonsense();

    // Media starts, once.
    let begin = it.far.begin();
    assert!(matches!(it.read(begin)[..], [CarrierEvent::Started(_)]));

    // The caller speaks and presses keys.
    let speech = it.far.speak(&spoken);
    let events = it.read([speech]);
    let [CarrierEvent::Audio(frame)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(frame.rate, can.rate);
    alike(&frame.samples, &spoken);
    if can.digits_in == Way::Message {
        for key in "15*#".chars() {
            let pressed = it.far.press(key);
            assert_eq!(it.read([pressed]), [CarrierEvent::Digit(Digit::parse(key).unwrap())]);
        }
    }
    it.endure_nonsense();

    // The agent speaks; it is heard in order, and we learn that it was.
    let mark = Mark { generation: Generation(0), serial: 1 };
    let _ = it.write(CarrierCommand::Play(answer(1)));
    let _ = it.write(CarrierCommand::Play(answer(2)));
    let _ = it.write(CarrierCommand::Mark(mark));
    let reports = it.far.play_out();
    alike(&it.far.played(), &[answer(1).samples, answer(2).samples].concat());
    let heard = it.read(reports);
    match can.mark_on_flush {
        MarkOnFlush::NoMarks => assert_eq!(last_position(&heard), Some((Generation(0), 2 * can.piece))),
        _ => assert_eq!(heard, [CarrierEvent::Mark { mark, fate: MarkFate::Played }]),
    }

    // The caller interrupts: what is cleared is not played, and never reported as heard.
    let void = Mark { generation: Generation(0), serial: 2 };
    let next = Mark { generation: Generation(1), serial: 3 };
    let _ = it.write(CarrierCommand::Play(answer(3)));
    let _ = it.write(CarrierCommand::Mark(void));
    let _ = it.write(CarrierCommand::Clear { generation: Generation(1) });
    let _ = it.write(CarrierCommand::Play(answer(4)));
    let _ = it.write(CarrierCommand::Mark(next));
    let reports = it.far.play_out();
    alike(&it.far.played(), &answer(4).samples);
    let heard = it.read(reports);
    match can.mark_on_flush {
        MarkOnFlush::NoMarks => {
            assert_eq!(last_position(&heard), Some((Generation(1), can.piece)));
            assert!(heard.iter().all(|event| !matches!(
                event,
                CarrierEvent::Position { generation: Generation(0), played } if *played > 2 * can.piece
            )));
        }
        MarkOnFlush::Echoed => assert_eq!(
            heard,
            [
                CarrierEvent::Mark { mark: void, fate: MarkFate::Cleared },
                CarrierEvent::Mark { mark: next, fate: MarkFate::Played },
            ]
        ),
        MarkOnFlush::Silent | MarkOnFlush::Unknown => {
            // It may say that the clear is done; it never says of what was cleared that it was heard.
            let done = |event: &&CarrierEvent| match event {
                CarrierEvent::Mark { mark, fate } => {
                    *fate != MarkFate::Cleared || mark.generation == next.generation
                }
                _ => true,
            };
            let heard: Vec<&CarrierEvent> = heard.iter().filter(done).collect();
            assert_eq!(heard, [&CarrierEvent::Mark { mark: next, fate: MarkFate::Played }]);
        }
    }
    it.endure_nonsense();

    // Keys for the far side, by message or by tone.
    if can.digits_out.exists() {
        let keys: Vec<Digit> = "12#".chars().filter_map(Digit::parse).collect();
        assert_eq!(it.write(CarrierCommand::Digits(keys)), Obeyed::Done);
        it.far.play_out();
        let mut pressed = it.far.pressed();
        let mut detector = dtmf::Detector::new(can.rate);
        pressed.extend(detector.push(&it.far.played()));
        assert_eq!(pressed, "12#");
    }

    // Handing over and ending: by the wire, or by somebody else.
    if can.transfer.exists() {
        let to = "+14155550123".to_owned();
        match it.write(CarrierCommand::Transfer { to: to.clone() }) {
            Obeyed::Done | Obeyed::Underway => {}
            Obeyed::ByControl(control) => assert_eq!(control, Control::Transfer { to }),
        }
    }
    match it.write(CarrierCommand::HangUp) {
        Obeyed::Done | Obeyed::Underway => assert!(it.far.was_told_goodbye()),
        Obeyed::ByControl(control) => assert_eq!(control, Control::HangUp),
    }

    // The far side hangs up: once, and then there is silence in both directions.
    let goodbye = it.far.hang_up();
    assert_eq!(it.read([goodbye]), [CarrierEvent::Left(CarrierDeparture::Stopped)]);
    let (again, late) = (it.far.hang_up(), it.far.speak(&spoken));
    assert_eq!(it.read([again, late]), []);
    let _ = it.write(CarrierCommand::Play(answer(5)));
    it.far.play_out();
    assert!(it.far.played().is_empty(), "sound for nobody");
}

/// The same sound, but for what eight bits a sample lose.
fn alike(found: &[i16], expected: &[i16]) {
    assert_eq!(found.len(), expected.len());
    for (&found, &expected) in found.iter().zip(expected) {
        let lost = (i32::from(found) - i32::from(expected)).abs();
        assert!(lost <= 16 + i32::from(expected).abs() / 16, "{found} is not {expected}");
    }
}

fn last_position(events: &[CarrierEvent]) -> Option<(Generation, Duration)> {
    events.iter().rev().find_map(|event| match event {
        CarrierEvent::Position { generation, played } => Some((*generation, *played)),
        _ => None,
    })
}
