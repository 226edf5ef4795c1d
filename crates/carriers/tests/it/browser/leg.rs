//! The page's socket, message by message.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{
    CallId, CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Generation, Mark, MediaStart, Oddity,
};
use carriers::Obeyed;
use carriers::browser::Leg;
use wire::{Incoming, Kind, Outbox};

const START: &str = r#"{"type":"start","rate":16000}"#;

#[test]
fn start_brings_the_bot_and_the_token() {
    let mut leg = Leg::new();

    let events =
        read(&mut leg, r#"{"type":"start","rate":16000,"bot":"reception","token":"t-1","new":true}"#);

    let facts = vec![("bot".to_owned(), "reception".to_owned()), ("token".to_owned(), "t-1".to_owned())];
    assert_eq!(events, [CarrierEvent::Started(MediaStart { facts, ..MediaStart::default() })]);
}

#[test]
fn the_page_is_told_that_the_call_stands() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let call = CallId::mint(0, [0; 10]);

    leg.ready(call, &mut outbox);

    let expected = format!(r#"{{"type":"ready","call":"{call}","rate":16000,"generation":0}}"#);
    assert_eq!(outbox.texts(), [expected]);
}

#[test]
fn sound_goes_both_ways_as_it_is() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let frame = Frame::new(Rate::Hz16000, vec![0, 1, -1, i16::MAX, i16::MIN]);
    let bytes = [0, 0, 1, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0x80];

    assert_eq!(read_binary(&mut leg, &bytes), [CarrierEvent::Audio(frame.clone())]);
    let _ = leg.write(&CarrierCommand::Play(frame), &mut outbox);

    assert_eq!(outbox.messages().collect::<Vec<_>>(), [(Kind::Binary, &bytes[..])]);
}

#[test]
fn what_the_page_played_is_what_was_heard() {
    let mut leg = started();
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut Outbox::new());
    let position = |generation, ms| CarrierEvent::Position {
        generation: Generation(generation),
        played: Duration::from_millis(ms),
    };

    assert_eq!(read(&mut leg, r#"{"type":"played","generation":0,"ms":1234}"#), [position(0, 1234)]);
    assert_eq!(read(&mut leg, r#"{"type":"played","generation":1,"ms":20.7}"#), [position(1, 20)]);
    for foreign in
        [r#"{"type":"played","generation":2,"ms":20}"#, r#"{"type":"played","generation":4294967295,"ms":1}"#]
    {
        assert_eq!(read(&mut leg, foreign), [odd(Oddity::ForeignMark)]);
    }
    for broken in [
        r#"{"type":"played","generation":0,"ms":-1}"#,
        r#"{"type":"played","generation":0}"#,
        r#"{"type":"played","generation":-1,"ms":1}"#,
        r#"{"type":"played","generation":0,"ms":1e300}"#,
        r#"{"type":"played","generation":0,"ms":null}"#,
    ] {
        assert_eq!(read(&mut leg, broken), [odd(Oddity::Malformed)], "{broken}");
    }
}

#[test]
fn keys_go_both_ways() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let star = Digit::parse('*').unwrap();

    assert_eq!(read(&mut leg, r#"{"type":"digit","digit":"*"}"#), [CarrierEvent::Digit(star)]);
    for no_key in ["", "12", "x"] {
        let text = format!(r#"{{"type":"digit","digit":"{no_key}"}}"#);
        assert_eq!(read(&mut leg, &text), [odd(Oddity::Malformed)]);
    }
    let _ = leg.write(&CarrierCommand::Digits(vec![star, Digit::parse('1').unwrap()]), &mut outbox);

    assert_eq!(outbox.texts(), [r#"{"type":"digits","digits":"*1"}"#]);
}

#[test]
fn commands_become_the_documented_messages() {
    let mut leg = started();
    let mut outbox = Outbox::new();

    for command in [
        CarrierCommand::Clear { generation: Generation(1) },
        CarrierCommand::Mark(Mark { generation: Generation(1), serial: 1 }),
        CarrierCommand::Transfer { to: "+1 \"415\"".to_owned() },
        CarrierCommand::HangUp,
        CarrierCommand::Close,
    ] {
        assert_eq!(leg.write(&command, &mut outbox), Obeyed::Done);
    }

    assert_eq!(
        outbox.texts(),
        [
            r#"{"type":"clear","generation":1}"#,
            r#"{"type":"transfer","to":"+1 \"415\""}"#,
            r#"{"type":"bye","cause":"hung_up"}"#,
        ]
    );
}

#[test]
fn only_the_first_goodbye_is_said() {
    let mut leg = started();
    let mut outbox = Outbox::new();

    leg.goodbye("agent_hung_up", &mut outbox);
    let _ = leg.write(&CarrierCommand::HangUp, &mut outbox);
    leg.goodbye("again", &mut outbox);

    assert_eq!(outbox.texts(), [r#"{"type":"bye","cause":"agent_hung_up"}"#]);
}

#[test]
fn a_page_that_is_turned_away_before_its_start_is_told_why() {
    let mut leg = Leg::new();
    let mut outbox = Outbox::new();

    leg.goodbye("busy", &mut outbox);

    assert_eq!(outbox.texts(), [r#"{"type":"bye","cause":"busy"}"#]);
}

#[test]
fn nothing_counts_before_start_and_a_second_start_changes_nothing() {
    let mut leg = Leg::new();
    let mut outbox = Outbox::new();

    assert_eq!(read_binary(&mut leg, &[0; 640]), [odd(Oddity::BeforeStart)]);
    assert_eq!(read(&mut leg, r#"{"type":"digit","digit":"1"}"#), [odd(Oddity::BeforeStart)]);
    assert_eq!(read(&mut leg, r#"{"type":"played","generation":0,"ms":1}"#), [odd(Oddity::BeforeStart)]);
    let _ = leg.write(&CarrierCommand::Play(Frame::new(Rate::Hz16000, vec![0; 320])), &mut outbox);
    assert!(outbox.is_empty());
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
    assert_eq!(read(&mut leg, START), [odd(Oddity::Repeated)]);
}

#[test]
fn bye_is_the_end_and_nothing_follows() {
    let mut leg = started();
    let mut outbox = Outbox::new();

    assert_eq!(read(&mut leg, r#"{"type":"bye"}"#), [CarrierEvent::Left(CarrierDeparture::Stopped)]);
    assert_eq!(read(&mut leg, r#"{"type":"bye"}"#), []);
    assert_eq!(read_binary(&mut leg, &[0; 640]), []);
    let _ = leg.write(&CarrierCommand::Play(Frame::new(Rate::Hz16000, vec![0; 320])), &mut outbox);
    assert!(outbox.is_empty());
}

#[test]
fn what_cannot_be_read_is_counted_and_the_call_goes_on() {
    let mut leg = started();

    assert_eq!(read_binary(&mut leg, &[0; 3]), [odd(Oddity::BadAudio)]);
    assert_eq!(read_binary(&mut leg, &[0; 32_002]), [odd(Oddity::TooLarge)]);
    assert_eq!(read_binary(&mut leg, &[]), []);
    assert_eq!(
        read(&mut leg, &format!(r#"{{"type":"{}"}}"#, "x".repeat(16 * 1024))),
        [odd(Oddity::TooLarge)]
    );
    assert_eq!(read(&mut leg, "{}"), [odd(Oddity::Malformed)]);
    assert_eq!(read(&mut leg, r#"{"type":"smile"}"#), [odd(Oddity::UnknownMessage)]);
    let second = Frame::new(Rate::Hz16000, vec![0; 16_000]);
    assert_eq!(read_binary(&mut leg, &[0; 32_000]), [CarrierEvent::Audio(second)]);
}

#[test]
fn a_thousand_unreadable_messages_in_a_row_end_the_leg() {
    let mut leg = started();
    for _ in 0..999 {
        assert_eq!(read_binary(&mut leg, &[0]), [odd(Oddity::BadAudio)]);
    }

    let last = read_binary(&mut leg, &[0]);

    assert_eq!(last, [odd(Oddity::BadAudio), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
}

#[test]
fn a_microphone_at_another_rate_is_refused_at_once() {
    let mut leg = Leg::new();

    let events = read(&mut leg, r#"{"type":"start","rate":48000}"#);

    assert_eq!(events, [odd(Oddity::BadAudio), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
}

fn started() -> Leg {
    let mut leg = Leg::new();
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
    leg
}

fn read(leg: &mut Leg, text: &str) -> Vec<CarrierEvent> {
    let mut events = Vec::new();
    leg.read(Incoming::Text(text), &mut events);
    events
}

fn read_binary(leg: &mut Leg, bytes: &[u8]) -> Vec<CarrierEvent> {
    let mut events = Vec::new();
    leg.read(Incoming::Binary(bytes), &mut events);
    events
}

fn odd(oddity: Oddity) -> CarrierEvent {
    CarrierEvent::Odd(oddity)
}
