//! The media socket, message by message.

use std::time::Duration;

use audio::{Frame, Rate, dtmf, g711};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{
    CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Generation, Mark, MarkFate, MediaStart, Oddity,
};
use carriers::exotel::messages::ToExotel;
use carriers::exotel::{Leg, Settings};
use carriers::{Control, Obeyed, Upgrade};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

const START: &str = r#"{"event":"start","sequence_number":"1","stream_sid":"s1","start":{"stream_sid":"s1","call_sid":"c1","account_sid":"a1","from":"0987","to":"0804","media_format":{"encoding":"audio/x-raw","sample_rate":"8000","bit_rate":"16"}}}"#;

#[test]
fn start_brings_the_calls_names_and_what_our_address_was_given() {
    let mut leg = new();
    let start = r#"{"event":"start","sequence_number":"1","stream_sid":"s1","start":{"stream_sid":"s1","call_sid":"c1",
        "account_sid":"a1","from":"0987","to":"0804","custom_parameters":{"token":"t-1","line":7},
        "media_format":{"encoding":"audio/x-raw","sample_rate":"8000","bit_rate":"16"}}}"#;

    let events = read(&mut leg, start);

    assert_eq!(
        events,
        [CarrierEvent::Started(MediaStart {
            carrier_call: Some("c1".to_owned()),
            stream: Some("s1".to_owned()),
            from: Some("0987".to_owned()),
            to: Some("0804".to_owned()),
            facts: vec![("line".to_owned(), "7".to_owned()), ("token".to_owned(), "t-1".to_owned())],
            raw: None,
        })]
    );
}

#[test]
fn the_call_is_found_wherever_its_name_stands() {
    let upgrade = Upgrade { call: Some("from-the-address".to_owned()), rate: None };
    for (start, call, stream) in [
        (
            r#"{"event":"start","stream_sid":"s1","start":{"call_sid":"c1","callSid":"c2"},"call_sid":"c3"}"#,
            "c1",
            "s1",
        ),
        (r#"{"event":"start","stream_sid":"s1","start":{"callSid":"c2"},"call_sid":"c3"}"#, "c2", "s1"),
        (r#"{"event":"start","stream_sid":"s1","start":{},"call_sid":"c3","callSid":"c4"}"#, "c3", "s1"),
        (r#"{"event":"start","stream_sid":"s1","callSid":"c4"}"#, "c4", "s1"),
        (r#"{"event":"start","start":{"streamSid":"s2","callSid":""}}"#, "from-the-address", "s2"),
        (r#"{"event":"start","streamSid":"s3"}"#, "from-the-address", "s3"),
        (r#"{"event":"start"}"#, "from-the-address", "from-the-address"),
    ] {
        let mut leg = Leg::new(upgrade.clone(), Settings::default());
        let [CarrierEvent::Started(started)] = &read(&mut leg, start)[..] else { panic!("{start}") };
        assert_eq!(started.carrier_call.as_deref(), Some(call), "{start}");
        assert_eq!(started.stream.as_deref(), Some(stream), "{start}");
    }
}

#[test]
fn a_start_that_names_neither_stream_nor_call_is_no_start() {
    let long = format!(r#"{{"event":"start","stream_sid":"{}"}}"#, "s".repeat(257));

    for start in [r#"{"event":"start","start":{}}"#, r#"{"event":"start","stream_sid":""}"#, &long] {
        assert_eq!(read(&mut new(), start), [odd(Oddity::Malformed)]);
    }
}

#[test]
fn every_sound_that_a_start_may_name_is_spoken_or_refused() {
    let pcm = |rate| Some((rate, false));
    let mulaw = Some((Rate::Hz8000, true));
    for (format, asked, expected) in [
        (
            json!({"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}),
            None,
            pcm(Rate::Hz8000),
        ),
        (json!({"encoding": "raw", "sample_rate": 16000}), None, pcm(Rate::Hz16000)),
        (json!({"encoding": "base64", "sample_rate": "24kHz"}), None, pcm(Rate::Hz24000)),
        (json!({"encoding": "audio/x-l16", "sample_rate": "16000Hz"}), None, pcm(Rate::Hz16000)),
        (json!({"encoding": "audio/L16;rate=16000"}), None, pcm(Rate::Hz16000)),
        (json!({"sampleRate": 24, "bitRate": "128kbps"}), None, pcm(Rate::Hz24000)),
        (json!({"encoding": "", "sample_rate": ""}), Some(Rate::Hz16000), pcm(Rate::Hz16000)),
        (json!({"sample_rate": "8000"}), Some(Rate::Hz16000), pcm(Rate::Hz8000)),
        (json!({}), Some(Rate::Hz24000), pcm(Rate::Hz24000)),
        (json!(null), None, pcm(Rate::Hz8000)),
        (json!({"encoding": "audio/x-mulaw", "sample_rate": 8000}), Some(Rate::Hz16000), mulaw),
        (json!({"encoding": "audio/x-mulaw;rate=8000"}), None, mulaw),
        (json!("audio/x-mulaw;rate=8000"), None, mulaw),
        (json!({"encoding": "PCMU"}), Some(Rate::Hz24000), mulaw),
        (json!({"encoding": "ulaw"}), None, mulaw),
        (json!({"encoding": "audio/x-mulaw", "sample_rate": 16000}), None, None),
        (json!({"encoding": "audio/x-raw", "sample_rate": "44100"}), None, None),
        (json!({"sample_rate": "never"}), None, None),
    ] {
        let mut leg = Leg::new(Upgrade { call: None, rate: asked }, Settings::default());
        let start = json!({"event": "start", "stream_sid": "s1", "start": {"media_format": format}});
        let events = read(&mut leg, &start.to_string());
        let Some((rate, is_mulaw)) = expected else {
            let gone = CarrierEvent::Left(CarrierDeparture::Unintelligible);
            assert_eq!(events, [odd(Oddity::BadAudio), gone], "{format}");
            continue;
        };
        assert!(matches!(events[..], [CarrierEvent::Started(_)]), "{format}");
        assert_eq!(leg.capabilities().rate, rate, "{format}");
        let (code, sample) = if is_mulaw { (vec![0xff, 0xff], vec![0, 0]) } else { (vec![1, 0], vec![1]) };
        assert_eq!(
            read(&mut leg, &media(2, &code)),
            [CarrierEvent::Audio(Frame::new(rate, sample))],
            "{format}"
        );
    }
}

#[test]
fn streams_of_the_legs_interface_are_mulaw_unless_they_say_otherwise() {
    let settings = Settings { mulaw_unless_said: true, ..Settings::default() };
    let mut silent = Leg::new(Upgrade::default(), settings);
    let mut outspoken = Leg::new(Upgrade::default(), settings);

    read(&mut silent, r#"{"event":"start","stream_sid":"s1","start":{}}"#);
    read(&mut outspoken, START);

    assert_eq!(read(&mut silent, &media(2, &[0xff; 3])), [heard(vec![0; 3])]);
    assert_eq!(read(&mut outspoken, &media(2, &[1, 0])), [heard(vec![1])]);
}

#[test]
fn the_pieces_and_the_lead_fit_the_sound() {
    let of = |format: Value, settings| {
        let mut leg = Leg::new(Upgrade::default(), settings);
        read(&mut leg, &json!({"event": "start", "stream_sid": "s1", "media_format": format}).to_string());
        let can = leg.capabilities();
        (can.piece.as_millis(), can.lead_low.as_millis(), can.lead_high.as_millis())
    };
    let shorter = Settings { piece: Some(Duration::from_millis(100)), ..Settings::default() };

    assert_eq!(of(json!({"sample_rate": 8000}), Settings::default()), (200, 200, 400));
    assert_eq!(of(json!({"sample_rate": 16000}), Settings::default()), (100, 200, 300));
    assert_eq!(of(json!({"sample_rate": 24000}), Settings::default()), (100, 200, 300));
    assert_eq!(of(json!("audio/x-mulaw"), Settings::default()), (120, 200, 320));
    assert_eq!(of(json!({"sample_rate": 8000}), shorter), (100, 200, 300));
    let before = Leg::new(Upgrade { call: None, rate: Some(Rate::Hz24000) }, Settings::default());
    assert_eq!(before.capabilities().rate, Rate::Hz24000, "the address says so before the start does");
}

#[test]
fn what_is_played_is_exactly_what_exotel_documents() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let mark = Mark { generation: Generation(0), serial: 1 };
    let piece = |value| CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![value; 1_600]));

    for command in [
        piece(0),
        CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![])),
        piece(1),
        CarrierCommand::Mark(mark),
        CarrierCommand::Clear { generation: Generation(1) },
        piece(2),
        CarrierCommand::Close,
    ] {
        assert_eq!(leg.write(&command, &mut outbox), Obeyed::Done);
    }

    let media = |number: u32, ms: u32, value: i16| {
        let bytes: Vec<u8> = std::iter::repeat_n(value.to_le_bytes(), 1_600).flatten().collect();
        let payload = STANDARD.encode(bytes);
        format!(
            r#"{{"event":"media","stream_sid":"s1","sequence_number":"{number}","media":{{"chunk":"{number}","sequenceNumber":"{number}","timestamp":"{ms}","payload":"{payload}"}}}}"#
        )
    };
    assert_eq!(
        outbox.texts(),
        [
            media(1, 0, 0),
            media(2, 200, 1),
            r#"{"event":"mark","stream_sid":"s1","mark":{"name":"g0-1"}}"#.to_owned(),
            r#"{"event":"clear","stream_sid":"s1"}"#.to_owned(),
            media(3, 400, 2),
        ]
    );
    for text in outbox.texts() {
        let message: ToExotel = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), text, "templates and types write alike");
    }
}

#[test]
fn the_streams_name_is_written_as_its_start_wrote_it() {
    let both = Settings { both_names: true, ..Settings::default() };
    let (snake, camel) = (r#""stream_sid":"s1""#, r#""streamSid":"s1""#);
    let (twice, plain) = (format!("{snake},{camel}"), Settings::default());
    for (start, settings, written) in [
        (START.to_owned(), plain, snake),
        (START.replace("stream_sid", "streamSid"), plain, camel),
        (
            r#"{"event":"start","stream_sid":"s1","start":{"streamSid":"s1","callSid":"c"}}"#.to_owned(),
            plain,
            &twice,
        ),
        (r#"{"event":"start","callSid":"s1"}"#.to_owned(), plain, snake),
        (START.to_owned(), both, &twice),
    ] {
        let mut leg = Leg::new(Upgrade::default(), settings);
        let mut outbox = Outbox::new();
        read(&mut leg, &start);

        let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);

        assert_eq!(outbox.texts(), [format!(r#"{{"event":"clear",{written}}}"#)], "{start}");
    }
}

#[test]
fn a_start_that_escapes_its_names_is_answered_with_the_same_name() {
    let mut leg = new();
    let mut outbox = Outbox::new();

    read(&mut leg, r#"{"event":"start","stream_sid":"s\u005aä\"1"}"#);
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);

    let sent: Value = serde_json::from_str(&outbox.texts()[0]).unwrap();
    assert_eq!(sent["stream_sid"], "sZä\"1");
}

#[test]
fn nothing_is_sent_before_media_starts_or_after_it_stops() {
    let mut leg = new();
    let mut outbox = Outbox::new();
    let play = CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 1_600]));

    let _ = leg.write(&play, &mut outbox);
    read(&mut leg, START);
    read(&mut leg, r#"{"event":"stop","stream_sid":"s1"}"#);
    let _ = leg.write(&play, &mut outbox);
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);
    let _ = leg.write(&CarrierCommand::Mark(Mark { generation: Generation(1), serial: 1 }), &mut outbox);

    assert!(outbox.is_empty());
}

#[test]
fn keys_are_reported_whatever_way_they_are_written() {
    let mut leg = started();
    let dtmf = |body: Value| json!({"event": "dtmf", "stream_sid": "s1", "dtmf": body}).to_string();
    let mut digits = String::new();

    for body in
        [json!({"digit": "0", "duration": "100"}), json!({"digit": 9}), json!({"Digit": "*"}), json!("#")]
    {
        match &read(&mut leg, &dtmf(body))[..] {
            [CarrierEvent::Digit(digit)] => digits.push(digit.symbol()),
            other => panic!("{other:?}"),
        }
    }

    assert_eq!(digits, "09*#");
    for no_key in
        [json!({"digit": ""}), json!({"digit": "12"}), json!({"digit": "x"}), json!({}), json!(null)]
    {
        assert_eq!(read(&mut leg, &dtmf(no_key)), [odd(Oddity::Malformed)]);
    }
}

#[test]
fn keys_for_the_far_side_are_played_as_tones_in_lawful_pieces() {
    for (format, rate) in [
        (json!({"sample_rate": 8000}), Rate::Hz8000),
        (json!({"sample_rate": 16000}), Rate::Hz16000),
        (json!({"sample_rate": 24000}), Rate::Hz24000),
        (json!("audio/x-mulaw"), Rate::Hz8000),
    ] {
        let is_mulaw = format == json!("audio/x-mulaw");
        let mut leg = new();
        let mut outbox = Outbox::new();
        read(&mut leg, &json!({"event": "start", "stream_sid": "s1", "media_format": format}).to_string());
        let keys = "1599#*0D".chars().filter_map(Digit::parse).collect();

        assert_eq!(leg.write(&CarrierCommand::Digits(keys), &mut outbox), Obeyed::Done);

        let mut detector = dtmf::Detector::new(rate);
        let mut found = String::new();
        for text in outbox.texts() {
            let bytes = payload(&text);
            assert_eq!(bytes.len() % 320, 0);
            assert!(bytes.len() >= if is_mulaw { 960 } else { 3_200 });
            let mut samples = Vec::new();
            match is_mulaw {
                true => g711::ulaw_to_pcm(&bytes, &mut samples),
                false => {
                    samples.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])))
                }
            }
            found.extend(detector.push(&samples));
        }
        assert_eq!(found, "1599#*0D");
    }
}

#[test]
fn ending_and_handing_over_are_exotels_next_step() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let transfer = CarrierCommand::Transfer { to: "+919876543210".to_owned() };

    assert_eq!(leg.write(&CarrierCommand::HangUp, &mut outbox), Obeyed::ByControl(Control::HangUp));
    assert_eq!(
        leg.write(&transfer, &mut outbox),
        Obeyed::ByControl(Control::Transfer { to: "+919876543210".to_owned() })
    );
    assert!(outbox.is_empty());
}

#[test]
fn a_mark_from_before_a_clear_was_not_heard_should_it_come_at_all() {
    let mut leg = started();
    let old = set_mark(&mut leg, 0, 1);
    let late = set_mark(&mut leg, 0, 2);

    assert_eq!(read(&mut leg, &mark_message("g0-1")), [mark(old, MarkFate::Played)]);
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut Outbox::new());
    assert_eq!(read(&mut leg, &mark_message("g0-2")), [mark(late, MarkFate::Cleared)]);
    let new = set_mark(&mut leg, 1, 3);
    assert_eq!(read(&mut leg, &mark_message("g1-3")), [mark(new, MarkFate::Played)]);
    for name in ["hello", "", "g1-4", "g2-1", "g4294967295-1"] {
        assert_eq!(read(&mut leg, &mark_message(name)), [odd(Oddity::ForeignMark)], "{name}");
    }
}

#[test]
fn nothing_counts_before_start() {
    let mut leg = new();

    assert_eq!(read(&mut leg, r#"{"event":"connected"}"#), []);
    assert_eq!(read(&mut leg, &media(1, &[0; 160])), [odd(Oddity::BeforeStart)]);
    assert_eq!(read(&mut leg, &mark_message("g0-1")), [odd(Oddity::BeforeStart)]);
    assert_eq!(read(&mut leg, r#"{"event":"clear"}"#), [odd(Oddity::BeforeStart)]);
    assert_eq!(read(&mut leg, r#"{"event":"dtmf","dtmf":{"digit":"1"}}"#), [odd(Oddity::BeforeStart)]);
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
}

#[test]
fn second_start_and_second_connected_are_counted_and_change_nothing() {
    let mut leg = new();
    let connected = r#"{"event":"connected"}"#;

    read(&mut leg, connected);
    assert_eq!(read(&mut leg, connected), [odd(Oddity::Repeated)]);
    read(&mut leg, START);
    assert_eq!(read(&mut leg, &START.replace("s1", "s2")), [odd(Oddity::Repeated)]);
    assert_eq!(read(&mut leg, &media(2, &[1, 0])), [heard(vec![1])]);
}

#[test]
fn messages_of_another_stream_are_dropped() {
    let mut leg = started();

    for foreign in [
        media(2, &[0; 160]).replace("s1", "s2"),
        mark_message("g0-1").replace("s1", "s2"),
        r#"{"event":"stop","stream_sid":"s2"}"#.to_owned(),
        r#"{"event":"closed","streamSid":"s2"}"#.to_owned(),
        r#"{"event":"clear","stream_sid":"s2"}"#.to_owned(),
    ] {
        assert_eq!(read(&mut leg, &foreign), [odd(Oddity::WrongStream)]);
    }
    assert_eq!(read(&mut leg, &media(2, &[1, 0])), [heard(vec![1])]);
}

#[test]
fn the_same_message_twice_is_taken_once_and_a_gap_costs_no_sound() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &media(2, &[2, 0])), [heard(vec![2])]);
    assert_eq!(read(&mut leg, &media(2, &[2, 0])), [odd(Oddity::Repeated)]);
    assert_eq!(read(&mut leg, &media(5, &[5, 0])), [odd(Oddity::OutOfOrder), heard(vec![5])]);
    assert_eq!(read(&mut leg, &media(4, &[4, 0])), [odd(Oddity::OutOfOrder), heard(vec![4])]);
    assert_eq!(read(&mut leg, &media(6, &[6, 0])), [heard(vec![6])]);
    assert_eq!(leg.sequence_number(), Some(6));
    let unnumbered = r#"{"event":"media","media":{"payload":"AQA="}}"#;
    assert_eq!(read(&mut leg, unnumbered), [heard(vec![1])]);
    assert_eq!(read(&mut leg, unnumbered), [heard(vec![1])]);
}

#[test]
fn a_clear_from_the_other_side_is_none_of_ours() {
    let mut leg = started();
    let set = set_mark(&mut leg, 0, 1);

    assert_eq!(read(&mut leg, r#"{"event":"clear","stream_sid":"s1"}"#), []);
    assert_eq!(read(&mut leg, &mark_message("g0-1")), [mark(set, MarkFate::Played)]);
}

#[test]
fn stop_and_closed_are_the_end_and_nothing_follows() {
    for end in [
        r#"{"event":"stop","sequence_number":"9","stream_sid":"s1","stop":{"call_sid":"c1","account_sid":"a1","reason":"callended"}}"#,
        r#"{"event":"stop","stop":{"reason":7}}"#,
        r#"{"event":"closed"}"#,
        r#"{"Event":"Stop"}"#,
    ] {
        for mut leg in [started(), new()] {
            assert_eq!(read(&mut leg, end), [CarrierEvent::Left(CarrierDeparture::Stopped)], "{end}");
            assert_eq!(read(&mut leg, end), []);
            assert_eq!(read(&mut leg, START), []);
            assert_eq!(read(&mut leg, "garbage"), []);
        }
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_the_call_goes_on() {
    let mut leg = started();
    for (text, oddity) in [
        ("", Oddity::Malformed),
        ("{", Oddity::Malformed),
        ("[]", Oddity::Malformed),
        (r#"{"event":7}"#, Oddity::Malformed),
        (r#"{"event":"media","stream_sid":"s1"}"#, Oddity::Malformed),
        (r#"{"event":"media","stream_sid":"s1","media":{"payload":7}}"#, Oddity::Malformed),
        (r#"{"event":"media","stream_sid":"s1","media":{"payload":"A"}}"#, Oddity::BadAudio),
        (r#"{"event":"media","stream_sid":"s1","media":{"payload":"AA*A"}}"#, Oddity::BadAudio),
        (r#"{"event":"media","stream_sid":"s1","media":{"payload":"AAAA"}}"#, Oddity::BadAudio),
        (r#"{"event":"mark","stream_sid":"s1"}"#, Oddity::Malformed),
        (r#"{"event":"news","stream_sid":"s1"}"#, Oddity::UnknownMessage),
    ] {
        assert_eq!(read(&mut leg, text), [odd(oddity)], "{text}");
    }
    let mut events = Vec::new();
    leg.read(Incoming::Binary(&[0; 160]), &mut events);
    assert_eq!(events, [odd(Oddity::Malformed)]);
    assert_eq!(read(&mut leg, r#"{"event":"media","media":{"payload":""}}"#), []);
    assert_eq!(read(&mut leg, &media(2, &[1, 0])), [heard(vec![1])]);
}

#[test]
fn one_message_holds_at_most_a_second_of_sound() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &media(2, &[0; 16_000])), [heard(vec![0; 8_000])]);
    assert_eq!(read(&mut leg, &media(3, &[0; 16_020])), [odd(Oddity::TooLarge)]);
    let huge = format!(r#"{{"event":"news","text":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(read(&mut leg, &huge), [odd(Oddity::TooLarge)]);

    let mut wide = new();
    read(&mut wide, &START.replace("8000", "24000"));
    let second = read(&mut wide, &media(2, &[0; 48_000]));
    assert_eq!(second, [CarrierEvent::Audio(Frame::new(Rate::Hz24000, vec![0; 24_000]))]);
}

#[test]
fn a_thousand_unreadable_messages_in_a_row_end_the_leg() {
    let mut leg = started();
    for _ in 0..999 {
        assert_eq!(read(&mut leg, "noise"), [odd(Oddity::Malformed)]);
    }
    assert_eq!(read(&mut leg, &media(2, &[1, 0])), [heard(vec![1])], "one good message forgives them");
    for _ in 0..999 {
        assert_eq!(read(&mut leg, "noise"), [odd(Oddity::Malformed)]);
    }

    let last = read(&mut leg, "noise");

    assert_eq!(last, [odd(Oddity::Malformed), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
}

#[test]
fn a_start_brings_no_more_facts_than_anybody_would_give_along() {
    let parameters: serde_json::Map<String, Value> =
        (0..100).map(|at| (format!("k{at}"), json!("v"))).collect();
    let start = json!({"event": "start", "stream_sid": "s1", "custom_parameters": parameters});

    let [CarrierEvent::Started(started)] = &read(&mut new(), &start.to_string())[..] else { panic!() };

    assert_eq!(started.facts.len(), 32);
}

fn new() -> Leg {
    Leg::new(Upgrade::default(), Settings::default())
}

fn started() -> Leg {
    let mut leg = new();
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
    leg
}

fn read(leg: &mut Leg, text: &str) -> Vec<CarrierEvent> {
    let mut events = Vec::new();
    leg.read(Incoming::Text(text), &mut events);
    events
}

fn media(number: u32, bytes: &[u8]) -> String {
    let (payload, number) = (STANDARD.encode(bytes), number.to_string());
    let media = json!({"chunk": number, "timestamp": "0", "payload": payload});
    json!({"event": "media", "sequence_number": number, "stream_sid": "s1", "media": media}).to_string()
}

fn mark_message(name: &str) -> String {
    json!({"event": "mark", "stream_sid": "s1", "mark": {"name": name}}).to_string()
}

fn set_mark(leg: &mut Leg, generation: u32, serial: u32) -> Mark {
    let mark = Mark { generation: Generation(generation), serial };
    let _ = leg.write(&CarrierCommand::Mark(mark), &mut Outbox::new());
    mark
}

fn payload(text: &str) -> Vec<u8> {
    let sent: Value = serde_json::from_str(text).unwrap();
    STANDARD.decode(sent["media"]["payload"].as_str().unwrap()).unwrap()
}

fn heard(samples: Vec<i16>) -> CarrierEvent {
    CarrierEvent::Audio(Frame::new(Rate::Hz8000, samples))
}

fn mark(mark: Mark, fate: MarkFate) -> CarrierEvent {
    CarrierEvent::Mark { mark, fate }
}

fn odd(oddity: Oddity) -> CarrierEvent {
    CarrierEvent::Odd(oddity)
}
