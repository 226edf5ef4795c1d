//! The media socket, message by message.

use std::time::Duration;

use audio::{Frame, Rate, dtmf, g711};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{
    CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Generation, Mark, MarkFate, MediaStart, Oddity,
};
use carriers::twilio::messages::ToTwilio;
use carriers::twilio::{CAPABILITIES, Leg};
use carriers::{Control, Obeyed};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

const START: &str = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;

#[test]
fn start_brings_the_calls_names_and_our_own_parameters() {
    let mut leg = Leg::new();
    let start = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{
        "accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
        "customParameters":{"token":"t-1","from":"+14155550123","line":7,"to":"+18005551212"}}}"#;

    let events = read(&mut leg, start);

    assert_eq!(
        events,
        [CarrierEvent::Started(MediaStart {
            carrier_call: Some("CA1".to_owned()),
            stream: Some("MZ1".to_owned()),
            from: Some("+14155550123".to_owned()),
            to: Some("+18005551212".to_owned()),
            facts: vec![("token".to_owned(), "t-1".to_owned()), ("line".to_owned(), "7".to_owned())],
            raw: None,
        })]
    );
}

#[test]
fn media_is_heard_as_it_was_spoken() {
    let mut leg = started();
    let codes: Vec<u8> = (0..=255).collect();

    let events = read(&mut leg, &media(2, &codes));

    let mut samples = Vec::new();
    g711::ulaw_to_pcm(&codes, &mut samples);
    assert_eq!(events, [CarrierEvent::Audio(Frame::new(Rate::Hz8000, samples))]);
}

#[test]
fn media_is_heard_alike_whichever_way_it_is_written() {
    let payload = STANDARD.encode([0x7f; 160]);
    let ways = [
        format!(
            r#"{{"event":"media","sequenceNumber":"2","media":{{"track":"inbound","chunk":"1","timestamp":"5","payload":"{payload}"}},"streamSid":"MZ1"}}"#
        ),
        format!(
            r#"{{"streamSid":"MZ1","media":{{"payload":"{payload}","timestamp":5,"chunk":1}},"sequenceNumber":2,"event":"media"}}"#
        ),
        format!(
            r#"{{ "event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": {{ "payload": "{payload}" }} }}"#
        ),
        format!(
            r#"{{"event":"media","sequenceNumber":"2","streamSid":"MZ1","media":{{"payload":"{}"}},"more":[1,{{}}]}}"#,
            payload.replace('/', "\\/")
        ),
        format!(r#"{{"event":"media","media":{{"payload":"{}"}}}}"#, payload.trim_end_matches('=')),
    ];

    for way in ways {
        assert_eq!(read(&mut started(), &way), [heard(&[0x7f; 160])], "{way}");
    }
}

#[test]
fn a_start_that_escapes_its_names_is_understood_and_answered_with_the_same_name() {
    let mut leg = Leg::new();
    let start = r#"{"event":"start","start":{"streamSid":"M\u005aä\"1","callSid":"CA1"}}"#;
    let mut outbox = Outbox::new();

    read(&mut leg, start);
    let _ = leg.write(&CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 160])), &mut outbox);

    let sent: Value = serde_json::from_str(&outbox.texts()[0]).unwrap();
    assert_eq!(sent["streamSid"], "MZä\"1");
}

#[test]
fn what_is_played_is_exactly_what_twilio_documents() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let mark = Mark { generation: Generation(0), serial: 1 };

    for command in [
        CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 5])),
        CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![])),
        CarrierCommand::Mark(mark),
        CarrierCommand::Clear { generation: Generation(1) },
        CarrierCommand::Close,
    ] {
        assert_eq!(leg.write(&command, &mut outbox), Obeyed::Done);
    }

    assert_eq!(
        outbox.texts(),
        [
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"//////8="}}"#,
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"g0-1"}}"#,
            r#"{"event":"clear","streamSid":"MZ1"}"#,
        ]
    );
    for text in outbox.texts() {
        let message: ToTwilio = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), text, "templates and types write alike");
    }
    assert_eq!(outbox.len(), 3, "nothing to play is nothing to send, and closing is the socket's");
}

#[test]
fn sound_of_any_length_goes_out_whole() {
    for length in (1..=200).chain([8_000, 24_000]) {
        let mut leg = started();
        let mut outbox = Outbox::new();
        let samples: Vec<i16> = (0..length).map(|at| (at * 37 % 30_000) as i16).collect();
        let mut codes = Vec::new();
        g711::pcm_to_ulaw(&samples, &mut codes);

        let _ = leg.write(&CarrierCommand::Play(Frame::new(Rate::Hz8000, samples)), &mut outbox);

        let sent: Value = serde_json::from_str(&outbox.texts()[0]).unwrap();
        assert_eq!(STANDARD.decode(sent["media"]["payload"].as_str().unwrap()).unwrap(), codes);
    }
}

#[test]
fn nothing_is_sent_before_media_starts_or_after_it_stops() {
    let mut leg = Leg::new();
    let mut outbox = Outbox::new();
    let play = CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 160]));

    let _ = leg.write(&play, &mut outbox);
    read(&mut leg, START);
    read(&mut leg, r#"{"event":"stop","streamSid":"MZ1"}"#);
    let _ = leg.write(&play, &mut outbox);
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);
    let _ = leg.write(&CarrierCommand::Mark(Mark { generation: Generation(1), serial: 1 }), &mut outbox);

    assert!(outbox.is_empty());
}

#[test]
fn keys_are_reported() {
    let mut leg = started();

    let events: Vec<CarrierEvent> = ['0', '9', '*', '#', 'A', 'd']
        .into_iter()
        .zip(2..)
        .flat_map(|(key, number)| {
            read(&mut leg, &message(number, "dtmf", json!({"track": "inbound_track", "digit": key})))
        })
        .collect();

    let digits: String = events
        .iter()
        .map(|event| match event {
            CarrierEvent::Digit(digit) => digit.symbol(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(digits, "09*#AD");
    for no_key in ["", "12", "x"] {
        let dtmf = json!({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": no_key}});
        assert_eq!(read(&mut leg, &dtmf.to_string()), [odd(Oddity::Malformed)]);
    }
}

#[test]
fn keys_for_the_far_side_are_played_as_tones() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let keys = "1599#*0D".chars().filter_map(Digit::parse).collect();

    assert_eq!(leg.write(&CarrierCommand::Digits(keys), &mut outbox), Obeyed::Done);

    let mut detector = dtmf::Detector::new(Rate::Hz8000);
    let mut found = String::new();
    for text in outbox.texts() {
        let sent: Value = serde_json::from_str(&text).unwrap();
        let mut samples = Vec::new();
        let codes = STANDARD.decode(sent["media"]["payload"].as_str().unwrap()).unwrap();
        g711::ulaw_to_pcm(&codes, &mut samples);
        found.extend(detector.push(&samples));
    }
    assert_eq!(found, "1599#*0D");
}

#[test]
fn ending_and_handing_over_need_the_rest_interface() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let transfer = CarrierCommand::Transfer { to: "+14155550123".to_owned() };

    assert_eq!(leg.write(&CarrierCommand::HangUp, &mut outbox), Obeyed::ByControl(Control::HangUp));
    assert_eq!(
        leg.write(&transfer, &mut outbox),
        Obeyed::ByControl(Control::Transfer { to: "+14155550123".to_owned() })
    );
    assert!(outbox.is_empty());
}

#[test]
fn mark_echoed_after_clear_is_not_heard() {
    let mut leg = started();
    let old = set_mark(&mut leg, 0, 1);
    let late = set_mark(&mut leg, 0, 2);

    assert_eq!(read(&mut leg, &mark_message(2, "g0-1")), [mark(old, MarkFate::Played)]);
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut Outbox::new());
    assert_eq!(read(&mut leg, &mark_message(3, "g0-2")), [mark(late, MarkFate::Cleared)]);

    let new = set_mark(&mut leg, 1, 3);
    assert_eq!(read(&mut leg, &mark_message(4, "g1-3")), [mark(new, MarkFate::Played)]);
    assert_eq!(read(&mut leg, &mark_message(5, "g0-1")), [mark(old, MarkFate::Cleared)]);
}

#[test]
fn marks_that_we_never_set_are_foreign() {
    let mut leg = started();
    set_mark(&mut leg, 0, 4);

    for (name, number) in ["hello", "", "g0-5", "g1-1", "g4294967295-1"].into_iter().zip(2..) {
        assert_eq!(read(&mut leg, &mark_message(number, name)), [odd(Oddity::ForeignMark)], "{name}");
    }
}

#[test]
fn nothing_counts_before_start() {
    let mut leg = Leg::new();

    assert_eq!(read(&mut leg, r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#), []);
    assert_eq!(read(&mut leg, &media(1, &[0; 160])), [odd(Oddity::BeforeStart)]);
    assert_eq!(read(&mut leg, &mark_message(2, "g0-1")), [odd(Oddity::BeforeStart)]);
    assert_eq!(
        read(&mut leg, r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"1"}}"#),
        [odd(Oddity::BeforeStart)]
    );
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
}

#[test]
fn second_start_and_second_connected_are_counted_and_change_nothing() {
    let mut leg = Leg::new();
    let connected = r#"{"event":"connected"}"#;
    let other_start = START.replace("MZ1", "MZ2");

    read(&mut leg, connected);
    assert_eq!(read(&mut leg, connected), [odd(Oddity::Repeated)]);
    read(&mut leg, START);
    assert_eq!(read(&mut leg, &other_start), [odd(Oddity::Repeated)]);
    assert_eq!(read(&mut leg, &media(2, &[0xff; 8])), [heard(&[0xff; 8])]);
}

#[test]
fn messages_of_another_stream_are_dropped() {
    let mut leg = started();

    for foreign in [
        media(2, &[0; 160]).replace("MZ1", "MZ2"),
        mark_message(3, "g0-1").replace("MZ1", "MZ2"),
        r#"{"event":"stop","sequenceNumber":"4","streamSid":"MZ2"}"#.to_owned(),
    ] {
        assert_eq!(read(&mut leg, &foreign), [odd(Oddity::WrongStream)]);
    }
    assert_eq!(read(&mut leg, &media(2, &[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn the_same_message_twice_is_taken_once() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &media(2, &[1; 8])), [heard(&[1; 8])]);
    assert_eq!(read(&mut leg, &media(2, &[1; 8])), [odd(Oddity::Repeated)]);
    assert_eq!(read(&mut leg, &media(3, &[2; 8])), [heard(&[2; 8])]);
}

#[test]
fn a_gap_is_counted_once_and_what_comes_late_is_still_heard() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &media(2, &[2; 8])), [heard(&[2; 8])]);
    assert_eq!(read(&mut leg, &media(5, &[5; 8])), [odd(Oddity::OutOfOrder), heard(&[5; 8])]);
    assert_eq!(read(&mut leg, &media(6, &[6; 8])), [heard(&[6; 8])]);
    assert_eq!(read(&mut leg, &media(4, &[4; 8])), [odd(Oddity::OutOfOrder), heard(&[4; 8])]);
    assert_eq!(read(&mut leg, &media(4, &[4; 8])), [odd(Oddity::Repeated)]);
    assert_eq!(read(&mut leg, &media(7, &[7; 8])), [heard(&[7; 8])]);
}

#[test]
fn messages_without_numbers_are_taken_as_they_come() {
    let mut leg = started();
    let media = r#"{"event":"media","media":{"payload":"AAAA"}}"#;

    assert_eq!(read(&mut leg, media), [heard(&[0; 3])]);
    assert_eq!(read(&mut leg, media), [heard(&[0; 3])]);
}

#[test]
fn only_the_callers_track_is_heard() {
    let mut leg = started();
    let outbound =
        message(2, "media", json!({"track": "outbound", "chunk": "1", "timestamp": "5", "payload": "AAAA"}));

    assert_eq!(read(&mut leg, &outbound), [odd(Oddity::UnknownMessage)]);
    assert_eq!(read(&mut leg, &media(3, &[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn stop_is_the_end_and_nothing_follows() {
    let mut leg = started();
    let stop = r#"{"event":"stop","sequenceNumber":"7","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}"#;

    assert_eq!(read(&mut leg, stop), [CarrierEvent::Left(CarrierDeparture::Stopped)]);
    assert_eq!(read(&mut leg, stop), []);
    assert_eq!(read(&mut leg, START), []);
    assert_eq!(read(&mut leg, "garbage"), []);
}

#[test]
fn stop_without_a_start_is_the_end_too() {
    let mut leg = Leg::new();

    assert_eq!(read(&mut leg, r#"{"event":"stop"}"#), [CarrierEvent::Left(CarrierDeparture::Stopped)]);
}

#[test]
fn what_cannot_be_read_is_counted_and_the_call_goes_on() {
    let mut leg = started();
    let odd_messages = [
        ("", Oddity::Malformed),
        ("{", Oddity::Malformed),
        ("[]", Oddity::Malformed),
        (r#"{"event":7}"#, Oddity::Malformed),
        (r#"{"event":"media","streamSid":"MZ1"}"#, Oddity::Malformed),
        (r#"{"event":"media","streamSid":"MZ1","media":{"payload":7}}"#, Oddity::Malformed),
        (
            r#"{"event":"media","streamSid":"MZ1","sequenceNumber":"x","media":{"payload":"AAAA"}}"#,
            Oddity::Malformed,
        ),
        (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"A"}}"#, Oddity::BadAudio),
        (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AA*A"}}"#, Oddity::BadAudio),
        (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AAAAäöü"}}"#, Oddity::BadAudio),
        (r#"{"event":"news","streamSid":"MZ1"}"#, Oddity::UnknownMessage),
    ];

    for (text, oddity) in odd_messages {
        assert_eq!(read(&mut leg, text), [odd(oddity)], "{text}");
    }
    let mut events = Vec::new();
    leg.read(Incoming::Binary(&[0; 160]), &mut events);
    assert_eq!(events, [odd(Oddity::Malformed)]);
    assert_eq!(read(&mut leg, r#"{"event":"media","media":{"payload":""}}"#), []);
    assert_eq!(read(&mut leg, &media(2, &[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn one_message_holds_at_most_a_second_of_sound() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &media(2, &[0; 8_000])), [heard(&[0; 8_000])]);
    assert_eq!(read(&mut leg, &media(3, &[0; 8_010])), [odd(Oddity::TooLarge)]);
    let huge = format!(r#"{{"event":"news","text":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(read(&mut leg, &huge), [odd(Oddity::TooLarge)]);
    assert_eq!(read(&mut leg, &media(4, &[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn a_thousand_unreadable_messages_in_a_row_end_the_leg() {
    let mut leg = started();
    for _ in 0..999 {
        assert_eq!(read(&mut leg, "noise"), [odd(Oddity::Malformed)]);
    }
    assert_eq!(read(&mut leg, &media(2, &[0; 8])), [heard(&[0; 8])], "one good message forgives them");
    for _ in 0..999 {
        assert_eq!(read(&mut leg, "noise"), [odd(Oddity::Malformed)]);
    }

    let last = read(&mut leg, "noise");

    assert_eq!(last, [odd(Oddity::Malformed), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
}

#[test]
fn sound_in_another_format_is_refused_at_once() {
    for format in [
        json!({"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1}),
        json!({"encoding": "audio/x-mulaw", "sampleRate": "16000"}),
        json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}),
    ] {
        let mut leg = Leg::new();
        let start = json!({"event": "start", "start": {"streamSid": "MZ1", "mediaFormat": format}});

        let events = read(&mut leg, &start.to_string());

        assert_eq!(events, [odd(Oddity::BadAudio), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
    }
}

#[test]
fn a_start_without_the_streams_name_is_no_start() {
    let mut leg = Leg::new();
    let long = format!(r#"{{"event":"start","start":{{"streamSid":"{}"}}}}"#, "M".repeat(257));

    for start in [r#"{"event":"start","start":{}}"#, r#"{"event":"start","start":{"streamSid":""}}"#, &long] {
        assert_eq!(read(&mut leg, start), [odd(Oddity::Malformed)]);
    }
    let outside = r#"{"event":"start","streamSid":"MZ1","start":{}}"#;
    assert!(matches!(read(&mut leg, outside)[..], [CarrierEvent::Started(_)]));
}

#[test]
fn the_tables_lead_is_within_what_twilio_buffers() {
    assert_eq!(CAPABILITIES.piece, Duration::from_millis(20));
    assert!(CAPABILITIES.lead_low < CAPABILITIES.lead_high);
    assert_eq!(CAPABILITIES.lead_low.as_millis() % CAPABILITIES.piece.as_millis(), 0);
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

fn message(number: u32, event: &str, body: Value) -> String {
    json!({"event": event, "sequenceNumber": number.to_string(), "streamSid": "MZ1", event: body}).to_string()
}

fn media(number: u32, codes: &[u8]) -> String {
    let payload = STANDARD.encode(codes);
    message(number, "media", json!({"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload}))
}

fn mark_message(number: u32, name: &str) -> String {
    message(number, "mark", json!({"name": name}))
}

fn set_mark(leg: &mut Leg, generation: u32, serial: u32) -> Mark {
    let mark = Mark { generation: Generation(generation), serial };
    let _ = leg.write(&CarrierCommand::Mark(mark), &mut Outbox::new());
    mark
}

fn heard(codes: &[u8]) -> CarrierEvent {
    let mut samples = Vec::new();
    g711::ulaw_to_pcm(codes, &mut samples);
    CarrierEvent::Audio(Frame::new(Rate::Hz8000, samples))
}

fn mark(mark: Mark, fate: MarkFate) -> CarrierEvent {
    CarrierEvent::Mark { mark, fate }
}

fn odd(oddity: Oddity) -> CarrierEvent {
    CarrierEvent::Odd(oddity)
}
