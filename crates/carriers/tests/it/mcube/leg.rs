use audio::{Frame, Rate, dtmf, g711};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{
    CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Generation, Mark, MarkFate, MediaStart, Oddity,
};
use carriers::mcube::messages::ToMcube;
use carriers::mcube::{Leg, Settings};
use carriers::{Obeyed, Upgrade};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

pub(super) const START: &str = r#"{"event":"start","start":{"callId":"C1","streamId":"S1","tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}"#;

#[test]
fn a_call_begins_with_its_names() {
    let mut leg = leg();

    let events = read(&mut leg, START);

    let [CarrierEvent::Started(start)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((start.carrier_call.as_deref(), start.stream.as_deref()), (Some("C1"), Some("S1")));
    assert_eq!((&start.from, &start.to, &start.facts[..]), (&None, &None, &[][..]));
    let raw: Value = serde_json::from_str(start.raw.as_deref().unwrap()).unwrap();
    let sent: Value = serde_json::from_str(START).unwrap();
    assert_eq!(raw["start"], sent["start"]);
}

#[test]
fn a_start_without_names_takes_them_from_the_address_and_the_same_ones_every_time() {
    let upgrade = Upgrade { call: Some("from-the-path".to_owned()), rate: None };
    let begin = |start: &str| {
        let mut leg = Leg::new(upgrade.clone(), Settings::default());
        let events = read(&mut leg, start);
        let [CarrierEvent::Started(MediaStart { carrier_call, stream, .. })] = &events[..] else {
            panic!("{events:?}")
        };
        (carrier_call.clone().unwrap(), stream.clone().unwrap())
    };

    let (call, stream) = begin(r#"{"event":"start"}"#);
    assert_eq!((call.as_str(), stream.as_str()), ("from-the-path", "stream-from-the-path"));
    assert_eq!(
        begin(r#"{"event":"start","start":{}}"#).1,
        stream,
        "a second socket speaks of the same stream"
    );
    let (call, stream) = begin(r#"{"event":"start","start":{"callid":4711}}"#);
    assert_eq!((call.as_str(), stream.as_str()), ("4711", "stream-4711"), "what the message says counts");
    assert_eq!(begin(r#"{"event":"start","callId":"C7","streamId":9}"#), ("C7".to_owned(), "9".to_owned()));
}

#[test]
fn a_stream_whose_name_comes_later_is_called_by_it_from_then_on() {
    let mut leg = leg();
    read(&mut leg, r#"{"event":"start","start":{"callId":"C1"}}"#);
    let clear = CarrierCommand::Clear { generation: Generation(1) };

    assert_eq!(written(&mut leg, &clear), [r#"{"event":"clearAudio","streamId":"stream-C1"}"#]);
    assert_eq!(read(&mut leg, r#"{"event":"clearedAudio","streamId":"S9"}"#), []);
    assert_eq!(written(&mut leg, &clear), [r#"{"event":"clearAudio","streamId":"S9"}"#]);
    assert_eq!(read(&mut leg, &media_of("S8", &[0; 8])), [odd(Oddity::WrongStream)], "one name and no other");
    assert_eq!(read(&mut leg, &media_of("S9", &[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn what_is_sent_is_exactly_what_is_documented() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let mark = Mark { generation: Generation(0), serial: 1 };

    for (command, obeyed) in [
        (CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 5])), Obeyed::Done),
        (CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![])), Obeyed::Done),
        (CarrierCommand::Mark(mark), Obeyed::Done),
        (CarrierCommand::Clear { generation: Generation(1) }, Obeyed::Done),
        (CarrierCommand::Transfer { to: "+91 98765-43210".to_owned() }, Obeyed::Underway),
        (CarrierCommand::HangUp, Obeyed::Underway),
        (CarrierCommand::Close, Obeyed::Done),
    ] {
        assert_eq!(leg.write(&command, &mut outbox), obeyed, "{command:?}");
    }

    assert_eq!(
        outbox.texts(),
        [
            r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"//////8="}}"#,
            r#"{"event":"checkpoint","streamId":"S1","name":"g0-1"}"#,
            r#"{"event":"clearAudio","streamId":"S1"}"#,
            r#"{"event":"transfer","streamId":"S1","callId":"C1","number":"9876543210"}"#,
            r#"{"event":"terminate","streamId":"S1"}"#,
        ]
    );
    for text in outbox.texts() {
        let message: ToMcube<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), text, "templates and types write alike");
    }
}

#[test]
fn a_transfer_is_written_as_the_customer_of_mcube_has_it() {
    let settings = Settings {
        transfer_number_field: "transferTo".to_owned(),
        transfer_call_id: false,
        ..Settings::default()
    };
    let mut other = Leg::new(Upgrade::default(), settings);
    read(&mut other, START);
    let mut nameless = leg();
    read(&mut nameless, r#"{"event":"start","start":{"streamId":"S1"}}"#);
    let transfer = |to: &str| CarrierCommand::Transfer { to: to.to_owned() };

    assert_eq!(
        written(&mut other, &transfer("09876543210")),
        [r#"{"event":"transfer","streamId":"S1","transferTo":"9876543210"}"#]
    );
    assert_eq!(
        written(&mut nameless, &transfer("+14155550123")),
        [r#"{"event":"transfer","streamId":"S1","number":"+14155550123"}"#],
        "another country's number keeps its country"
    );
}

#[test]
fn names_are_escaped_in_everything_we_send() {
    let mut leg = leg();
    let start = r#"{"event":"start","start":{"streamId":"S\u005aä\"1","callId":"C\"1"}}"#;
    read(&mut leg, start);

    for command in [
        CarrierCommand::Mark(Mark { generation: Generation(0), serial: 1 }),
        CarrierCommand::Clear { generation: Generation(1) },
        CarrierCommand::Transfer { to: "\"\\\u{1}".to_owned() },
        CarrierCommand::HangUp,
    ] {
        let sent: Value = serde_json::from_str(&written(&mut leg, &command)[0]).unwrap();
        assert_eq!(sent["streamId"], "SZä\"1");
    }
}

#[test]
fn nothing_is_sent_before_media_starts_or_after_it_stops() {
    let mut leg = leg();
    let commands = [
        CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 160])),
        CarrierCommand::Clear { generation: Generation(1) },
        CarrierCommand::Mark(Mark { generation: Generation(1), serial: 1 }),
        CarrierCommand::HangUp,
    ];

    assert!(commands.iter().all(|command| written(&mut leg, command).is_empty()));
    read(&mut leg, START);
    read(&mut leg, r#"{"event":"stop","streamId":"S1"}"#);
    assert!(commands.iter().all(|command| written(&mut leg, command).is_empty()));
}

#[test]
fn keys_are_reported_as_text_and_as_numbers() {
    let mut leg = started();

    let keys = [json!("0"), json!(9), json!("*"), json!("#"), json!("A")].map(|digit| {
        let message =
            json!({"event": "dtmf", "streamId": "S1", "dtmf": {"track": "inbound", "digit": digit}});
        match &read(&mut leg, &message.to_string())[..] {
            [CarrierEvent::Digit(digit)] => digit.symbol(),
            other => panic!("{other:?}"),
        }
    });

    assert_eq!(keys, ['0', '9', '*', '#', 'A']);
    for no_key in ["", "12", "x"] {
        let message = json!({"event": "dtmf", "dtmf": {"digit": no_key}}).to_string();
        assert_eq!(read(&mut leg, &message), [odd(Oddity::Malformed)]);
    }
}

#[test]
fn keys_for_the_far_side_are_played_as_tones() {
    let mut leg = started();
    let keys = "1599#*0D".chars().filter_map(Digit::parse).collect();

    let sent = written(&mut leg, &CarrierCommand::Digits(keys));

    let mut detector = dtmf::Detector::new(Rate::Hz8000);
    let mut found = String::new();
    for text in sent {
        let sent: Value = serde_json::from_str(&text).unwrap();
        let codes = STANDARD.decode(sent["media"]["payload"].as_str().unwrap()).unwrap();
        let mut samples = Vec::new();
        g711::ulaw_to_pcm(&codes, &mut samples);
        found.extend(detector.push(&samples));
    }
    assert_eq!(found, "1599#*0D");
}

#[test]
fn what_is_played_late_after_a_clear_was_not_heard() {
    let mut leg = started();
    let old = set_mark(&mut leg, 0, 1);
    let late = set_mark(&mut leg, 0, 2);

    assert_eq!(read(&mut leg, &played("g0-1")), [mark(old, MarkFate::Played)]);
    written(&mut leg, &CarrierCommand::Clear { generation: Generation(1) });
    assert_eq!(read(&mut leg, &played("g0-2")), [mark(late, MarkFate::Cleared)]);
    let new = set_mark(&mut leg, 1, 3);
    assert_eq!(read(&mut leg, &played("g1-3")), [mark(new, MarkFate::Played)]);
    assert_eq!(read(&mut leg, &played("g0-1")), [mark(old, MarkFate::Cleared)]);
}

#[test]
fn marks_that_we_never_set_are_foreign() {
    let mut leg = started();
    set_mark(&mut leg, 0, 4);

    for name in ["seg-12", "", "g0-5", "g1-1", "g4294967295-1", "7"] {
        assert_eq!(read(&mut leg, &played(name)), [odd(Oddity::ForeignMark)], "{name}");
    }
}

#[test]
fn nothing_counts_before_start() {
    let mut leg = leg();
    let mut events = Vec::new();
    leg.read(Incoming::Binary(&[0; 160]), &mut events);

    assert_eq!(events, [odd(Oddity::BeforeStart)]);
    for early in [
        media(&[0; 160]),
        played("g0-1"),
        r#"{"event":"dtmf","dtmf":{"digit":"1"}}"#.to_owned(),
        r#"{"event":"clearedAudio","streamId":"S1"}"#.to_owned(),
    ] {
        assert_eq!(read(&mut leg, &early), [odd(Oddity::BeforeStart)], "{early}");
    }
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
}

#[test]
fn a_second_start_is_counted_and_changes_nothing() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &START.replace("S1", "S2")), [odd(Oddity::Repeated)]);
    assert_eq!(read(&mut leg, &media(&[0xff; 8])), [heard(&[0xff; 8])]);
}

#[test]
fn messages_of_another_stream_are_dropped() {
    let mut leg = started();
    set_mark(&mut leg, 0, 1);

    for foreign in [
        media_of("S2", &[0; 160]),
        played("g0-1").replace("S1", "S2"),
        r#"{"event":"dtmf","streamId":"S2","dtmf":{"digit":"1"}}"#.to_owned(),
        r#"{"event":"clearedAudio","streamId":"S2"}"#.to_owned(),
        r#"{"event":"stop","streamId":"S2"}"#.to_owned(),
    ] {
        assert_eq!(read(&mut leg, &foreign), [odd(Oddity::WrongStream)], "{foreign}");
    }
    assert_eq!(read(&mut leg, &media(&[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn only_the_callers_track_is_heard() {
    let mut leg = started();

    let outbound = r#"{"event":"media","media":{"track":"outbound","payload":"AAAA"}}"#;
    assert_eq!(read(&mut leg, outbound), [odd(Oddity::UnknownMessage)]);
    assert_eq!(
        read(&mut leg, r#"{"event":"media","media":{"track":"inbound","payload":"AAAA"}}"#),
        [heard(&[0; 3])]
    );
}

#[test]
fn stop_is_the_end_and_nothing_follows() {
    let mut leg = started();

    assert_eq!(read(&mut leg, r#"{"event":"stop"}"#), [CarrierEvent::Left(CarrierDeparture::Stopped)]);
    for late in [r#"{"event":"stop"}"#, START, "garbage"] {
        assert_eq!(read(&mut leg, late), []);
    }
    let mut never_started = self::leg();
    let stop = r#"{"event":"stop","streamId":"S1"}"#;
    assert_eq!(read(&mut never_started, stop), [CarrierEvent::Left(CarrierDeparture::Stopped)]);
}

#[test]
fn what_cannot_be_read_is_counted_and_the_call_goes_on() {
    let mut leg = started();

    for (text, oddity) in [
        ("", Oddity::Malformed),
        ("{", Oddity::Malformed),
        ("[]", Oddity::Malformed),
        (r#"{"event":7}"#, Oddity::Malformed),
        (r#"{"event":"media"}"#, Oddity::Malformed),
        (r#"{"event":"media","media":{"payload":7}}"#, Oddity::Malformed),
        (r#"{"event":"media","media":{"sampleRate":"x","payload":"AAAA"}}"#, Oddity::Malformed),
        (r#"{"event":"media","media":{"payload":"A"}}"#, Oddity::BadAudio),
        (r#"{"event":"media","media":{"payload":"AA*A"}}"#, Oddity::BadAudio),
        (r#"{"event":"playedStream"}"#, Oddity::Malformed),
        (r#"{"event":"playFailed","reason":"x"}"#, Oddity::UnknownMessage),
    ] {
        assert_eq!(read(&mut leg, text), [odd(oddity)], "{text}");
    }
    assert_eq!(read(&mut leg, r#"{"event":"media","media":{"payload":""}}"#), []);
    assert_eq!(read(&mut leg, &media(&[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn one_message_holds_at_most_a_second_of_sound() {
    let mut leg = started();

    assert_eq!(read(&mut leg, &media(&[0; 8_000])), [heard(&[0; 8_000])]);
    assert_eq!(read(&mut leg, &media(&[0; 8_010])), [odd(Oddity::TooLarge)]);
    let mut events = Vec::new();
    leg.read(Incoming::Binary(&[0; 8_001]), &mut events);
    assert_eq!(events, [odd(Oddity::TooLarge)]);
    let huge = format!(r#"{{"event":"news","text":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(read(&mut leg, &huge), [odd(Oddity::TooLarge)]);
    assert_eq!(read(&mut leg, &media(&[0; 8])), [heard(&[0; 8])]);
}

#[test]
fn a_thousand_unreadable_messages_in_a_row_end_the_leg() {
    let mut leg = started();
    for _ in 0..999 {
        assert_eq!(read(&mut leg, "noise"), [odd(Oddity::Malformed)]);
    }
    assert_eq!(read(&mut leg, &media(&[0; 8])), [heard(&[0; 8])], "one good message forgives them");
    for _ in 0..999 {
        assert_eq!(read(&mut leg, "noise"), [odd(Oddity::Malformed)]);
    }

    let last = read(&mut leg, "noise");

    assert_eq!(last, [odd(Oddity::Malformed), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
}

#[test]
fn names_that_are_too_long_are_no_names() {
    let long = "N".repeat(257);

    for start in [json!({"callId": long, "streamId": "S1"}), json!({"callId": "C1", "streamId": long})] {
        let message = json!({"event": "start", "start": start}).to_string();
        assert_eq!(read(&mut leg(), &message), [odd(Oddity::Malformed)]);
    }
}

pub(super) fn leg() -> Leg {
    Leg::new(Upgrade::default(), Settings::default())
}

fn started() -> Leg {
    let mut leg = leg();
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
    leg
}

pub(super) fn read(leg: &mut Leg, text: &str) -> Vec<CarrierEvent> {
    let mut events = Vec::new();
    leg.read(Incoming::Text(text), &mut events);
    events
}

pub(super) fn written(leg: &mut Leg, command: &CarrierCommand) -> Vec<String> {
    let mut outbox = Outbox::new();
    let _ = leg.write(command, &mut outbox);
    outbox.texts()
}

fn media(codes: &[u8]) -> String {
    json!({"event": "media", "media": {"payload": STANDARD.encode(codes)}}).to_string()
}

fn media_of(stream: &str, codes: &[u8]) -> String {
    json!({"event": "media", "streamId": stream, "media": {"payload": STANDARD.encode(codes)}}).to_string()
}

fn played(name: &str) -> String {
    json!({"event": "playedStream", "streamId": "S1", "name": name}).to_string()
}

fn set_mark(leg: &mut Leg, generation: u32, serial: u32) -> Mark {
    let mark = Mark { generation: Generation(generation), serial };
    written(leg, &CarrierCommand::Mark(mark));
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

pub(super) fn odd(oddity: Oddity) -> CarrierEvent {
    CarrierEvent::Odd(oddity)
}
