//! The media socket, message by message.

use audio::{Frame, Rate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{
    CarrierCommand, CarrierDeparture, CarrierEvent, Digit, Encoding, Generation, Mark, MarkFate, MediaStart,
    Oddity, Sound,
};
use carriers::plivo::messages::ToPlivo;
use carriers::plivo::{CAPABILITIES, Leg};
use carriers::{Control, Obeyed, Upgrade};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

const START: &str = r#"{"sequenceNumber":1,"event":"start","start":{"callId":"C1","streamId":"S1","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}"#;

#[test]
fn start_brings_the_calls_names_and_what_we_gave_along() {
    let start = r#"{"sequenceNumber":1,"event":"start","start":{"callId":"C1","streamId":"S1","accountId":"MA1",
        "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}},
        "extra_headers":"token=t1;call=0198;to=14155550100;tenant=x"}"#;

    let events = read(&mut leg(), start);

    assert_eq!(
        events,
        [CarrierEvent::Started(MediaStart {
            carrier_call: Some("C1".to_owned()),
            stream: Some("S1".to_owned()),
            from: None,
            to: Some("14155550100".to_owned()),
            facts: vec![
                ("token".to_owned(), "t1".to_owned()),
                ("call".to_owned(), "0198".to_owned()),
                ("tenant".to_owned(), "x".to_owned()),
            ],
            raw: None,
        })]
    );
}

#[test]
fn the_calls_name_may_stand_in_the_address_alone() {
    let mut leg = Leg::new(Upgrade { call: Some("C9".to_owned()), rate: None });

    let events = read(&mut leg, r#"{"event":"start","streamId":"S1","start":{}}"#);

    let [CarrierEvent::Started(start)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((start.carrier_call.as_deref(), start.stream.as_deref()), (Some("C9"), Some("S1")));
}

#[test]
fn the_media_format_decides_and_what_we_asked_for_stands_in_for_it() {
    let mulaw = Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 };
    let pcm = |rate| Sound { encoding: Encoding::Pcm16, rate };
    let wide = pcm(Rate::Hz16000);
    let cases = [
        (r#"{"encoding":"audio/x-mulaw","sampleRate":8000}"#, wide, mulaw),
        (r#"{"encoding":"audio/x-l16","sampleRate":8000}"#, mulaw, pcm(Rate::Hz8000)),
        (r#"{"encoding":"audio/x-l16","sampleRate":"16000"}"#, mulaw, wide),
        (r#"{"encoding":"audio/x-L16;rate=16000"}"#, mulaw, wide),
        (r#"{"encoding":"audio/x-l16"}"#, wide, wide),
        (r#"{"encoding":"audio/x-l16"}"#, mulaw, pcm(Rate::Hz8000)),
        (r#"{"sampleRate":16000}"#, wide, wide),
        (r#"{}"#, wide, wide),
        ("null", wide, wide),
        ("null", mulaw, mulaw),
    ];

    for (format, asked, agreed) in cases {
        let mut leg = leg().asked_for(asked);
        assert_eq!(leg.capabilities().rate, asked.rate);
        let start = format!(
            r#"{{"event":"start","start":{{"callId":"C1","streamId":"S1","mediaFormat":{format}}}}}"#
        );
        assert!(matches!(read(&mut leg, &start)[..], [CarrierEvent::Started(_)]), "{format}");
        let can = leg.capabilities();
        assert_eq!((can.rate, can.sounds), (agreed.rate, &[agreed][..]), "{format}");
        let [sent] = &play(&mut leg, 1, agreed.rate)[..] else { panic!("{format}") };
        let name = if agreed.encoding == Encoding::Mulaw { "audio/x-mulaw" } else { "audio/x-l16" };
        assert_eq!(
            (&sent["media"]["contentType"], &sent["media"]["sampleRate"]),
            (&json!(name), &json!(agreed.rate.hz()))
        );
    }
}

#[test]
fn sound_that_would_be_noise_ends_the_call() {
    for format in [
        r#"{"encoding":"audio/opus","sampleRate":8000}"#,
        r#"{"encoding":"audio/x-mulaw","sampleRate":16000}"#,
        r#"{"encoding":"audio/x-l16","sampleRate":24000}"#,
        r#"{"encoding":"audio/x-l16","sampleRate":99999999999}"#,
    ] {
        let start = format!(r#"{{"event":"start","start":{{"streamId":"S1","mediaFormat":{format}}}}}"#);
        assert_eq!(
            read(&mut leg(), &start),
            [CarrierEvent::Odd(Oddity::BadAudio), CarrierEvent::Left(CarrierDeparture::Unintelligible),],
            "{format}"
        );
    }
}

#[test]
fn media_is_heard_alike_whichever_way_it_is_written() {
    let payload = STANDARD.encode([0x7f; 160]);
    let ways = [
        format!(
            r#"{{"sequenceNumber":2,"streamId":"S1","event":"media","media":{{"track":"inbound","timestamp":"1700000000000","chunk":1,"payload":"{payload}"}},"extra_headers":"a=b"}}"#
        ),
        format!(
            r#"{{"media":{{"payload":"{payload}","chunk":"1","timestamp":1700}},"event":"media","sequenceNumber":"2","streamId":"S1"}}"#
        ),
        format!(r#"{{"event":"media","media":{{"payload":"{payload}","timestamp":{{}},"chunk":[]}}}}"#),
        format!(
            r#"{{"event":"media","streamId":"S1","media":{{"payload":"{}"}},"more":[1,{{}}]}}"#,
            payload.replace('/', "\\/")
        ),
    ];

    for way in ways {
        let events = read(&mut started(), &way);
        let [CarrierEvent::Audio(frame)] = &events[..] else { panic!("{way}: {events:?}") };
        assert_eq!((frame.rate, frame.samples.len()), (Rate::Hz8000, 160), "{way}");
    }
}

#[test]
fn what_is_played_is_exactly_what_plivo_documents() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let keys = "12#".chars().filter_map(Digit::parse).collect();

    for command in [
        CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![0; 3])),
        CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![])),
        CarrierCommand::Mark(Mark { generation: Generation(0), serial: 1 }),
        CarrierCommand::Clear { generation: Generation(1) },
        CarrierCommand::Digits(keys),
        CarrierCommand::Digits(vec![]),
        CarrierCommand::Close,
    ] {
        assert_eq!(leg.write(&command, &mut outbox), Obeyed::Done);
    }

    assert_eq!(
        outbox.texts(),
        [
            r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"////"}}"#,
            r#"{"event":"checkpoint","streamId":"S1","name":"g0-1"}"#,
            r#"{"event":"clearAudio","streamId":"S1"}"#,
            r#"{"event":"sendDTMF","dtmf":"12#"}"#,
        ]
    );
    for text in outbox.texts() {
        let message: ToPlivo = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), text, "templates and types write alike");
    }
}

#[test]
fn longer_sound_goes_in_pieces_of_20_ms() {
    for (rate, name, bytes) in
        [(8_000, "audio/x-mulaw", 160), (8_000, "audio/x-l16", 320), (16_000, "audio/x-l16", 640)]
    {
        let mut leg = leg();
        read(
            &mut leg,
            &json!({"event": "start", "start": {"streamId": "S1", "mediaFormat": {"encoding": name, "sampleRate": rate}}})
                .to_string(),
        );
        let sent = play(&mut leg, 5, Rate::from_hz(rate).unwrap());
        assert_eq!(sent.len(), 5);
        for message in sent {
            let payload = STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
            assert_eq!(payload.len(), bytes, "{name} at {rate}");
        }
    }
}

#[test]
fn a_clear_silences_its_checkpoints_and_its_confirmation_says_so() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let mark = |generation, serial| Mark { generation: Generation(generation), serial };
    let played = |mark| CarrierEvent::Mark { mark, fate: MarkFate::Played };
    for command in [
        CarrierCommand::Mark(mark(0, 1)),
        CarrierCommand::Mark(mark(0, 2)),
        CarrierCommand::Clear { generation: Generation(1) },
        CarrierCommand::Mark(mark(1, 3)),
    ] {
        let _ = leg.write(&command, &mut outbox);
    }

    // The first one crossed the clear on the wire: it was heard, and it is no sign of silence.
    assert_eq!(read(&mut leg, &report(2, "playedStream", "g0-1")), [played(mark(0, 1))]);
    let cleared = r#"{"event":"clearedAudio","sequenceNumber":3,"streamId":"S1"}"#;
    let silent = [CarrierEvent::Mark { mark: mark(0, 0), fate: MarkFate::Cleared }];
    assert_eq!(read(&mut leg, cleared), silent);
    assert_eq!(read(&mut leg, &report(4, "playedStream", "g1-3")), [played(mark(1, 3))]);
    let again = r#"{"event":"clearedAudio","sequenceNumber":5}"#;
    assert_eq!(read(&mut leg, again), [CarrierEvent::Odd(Oddity::Repeated)], "nothing was to be cleared");
}

#[test]
fn checkpoints_that_are_not_ours_are_odd() {
    let mut leg = started();

    for (number, name) in ["g0-1", "g9-1", "seg-1", ""].into_iter().enumerate() {
        let report = report(2 + number as u64, "playedStream", name);
        assert_eq!(read(&mut leg, &report), [CarrierEvent::Odd(Oddity::ForeignMark)], "{name}");
    }
}

#[test]
fn keys_are_read_one_by_one() {
    let dtmf = |digit: Value| json!({"event": "dtmf", "streamId": "S1", "dtmf": {"track": "inbound", "digit": digit}});

    for (written, key) in [(json!("5"), '5'), (json!(5), '5'), (json!("#"), '#'), (json!("*"), '*')] {
        let events = read(&mut started(), &dtmf(written).to_string());
        assert_eq!(events, [CarrierEvent::Digit(Digit::parse(key).unwrap())]);
    }
    for odd in [json!("55"), json!(""), json!(55), json!("x"), json!(null), json!({})] {
        let events = read(&mut started(), &dtmf(odd).to_string());
        assert_eq!(events, [CarrierEvent::Odd(Oddity::Malformed)]);
    }
}

#[test]
fn what_plivo_complains_about_is_told_and_outlived() {
    let mut leg = started();

    let failed = read(&mut leg, r#"{"event":"playFailed","streamId":"S1","reason":"incorrectPayload"}"#);
    let error = read(&mut leg, r#"{"event":"error","reason":{"code":1}}"#);

    assert_eq!(failed, [CarrierEvent::Odd(Oddity::BadAudio)]);
    assert_eq!(error, [CarrierEvent::Odd(Oddity::Malformed)]);
    for _ in 0..2_000 {
        assert_eq!(read(&mut leg, r#"{"event":"error"}"#).len(), 1, "it is not us who do not understand");
    }
    assert_eq!(play(&mut leg, 1, Rate::Hz8000).len(), 1);
    let early = read(&mut self::leg(), r#"{"event":"error","reason":"bad handshake"}"#);
    assert_eq!(early, [CarrierEvent::Odd(Oddity::Malformed)]);
}

#[test]
fn what_is_out_of_place_is_counted_and_changes_nothing() {
    let mut leg = started();
    let media = |number: u64, stream: &str| {
        json!({"event": "media", "sequenceNumber": number, "streamId": stream, "media": {"payload": "AAAA"}})
            .to_string()
    };
    let odd = |oddity| CarrierEvent::Odd(oddity);
    let heard = |events: &[CarrierEvent]| {
        events.iter().filter(|event| matches!(event, CarrierEvent::Audio(_))).count()
    };

    assert_eq!(read(&mut leg, START), [odd(Oddity::Repeated)], "a second start");
    assert_eq!(read(&mut leg, &media(2, "S2")), [odd(Oddity::WrongStream)]);
    assert_eq!(heard(&read(&mut leg, &media(2, "S1"))), 1);
    assert_eq!(read(&mut leg, &media(2, "S1")), [odd(Oddity::Repeated)], "the same once more");
    let jumped = read(&mut leg, &media(9, "S1"));
    assert_eq!((jumped[0].clone(), heard(&jumped)), (odd(Oddity::OutOfOrder), 1), "late speech is speech");
    let outbound = r#"{"event":"media","media":{"track":"outbound","payload":"AAAA"}}"#;
    assert_eq!(read(&mut leg, outbound), [odd(Oddity::UnknownMessage)]);
    assert_eq!(read(&mut leg, r#"{"event":"connected"}"#), [odd(Oddity::UnknownMessage)]);
    assert_eq!(read(&mut leg, r#"{"event":"stop","streamId":"S2"}"#), [odd(Oddity::WrongStream)]);
    let mut events = Vec::new();
    leg.read(Incoming::Binary(&[0; 160]), &mut events);
    assert_eq!(events, [odd(Oddity::Malformed)], "this socket is text");
    for early in [
        media(1, "S1"),
        report(1, "playedStream", "g0-1"),
        r#"{"event":"clearedAudio"}"#.to_owned(),
        r#"{"event":"dtmf","dtmf":{"digit":"1"}}"#.to_owned(),
    ] {
        assert_eq!(read(&mut self::leg(), &early), [odd(Oddity::BeforeStart)], "{early}");
    }
}

#[test]
fn what_is_too_large_or_broken_is_not_heard() {
    let media = |payload: &str| format!(r#"{{"event":"media","media":{{"payload":"{payload}"}}}}"#);
    let second = STANDARD.encode([0; 8_000]);
    let more = STANDARD.encode([0; 8_010]);

    assert_eq!(read(&mut started(), &media(&second)).len(), 1);
    assert_eq!(read(&mut started(), &media(&more)), [CarrierEvent::Odd(Oddity::TooLarge)]);
    assert_eq!(read(&mut started(), &media("A*")), [CarrierEvent::Odd(Oddity::BadAudio)]);
    assert_eq!(read(&mut started(), &media("")), []);
    assert_eq!(read(&mut started(), &" ".repeat(64 * 1024 + 1)), [CarrierEvent::Odd(Oddity::TooLarge)]);
    for start in [
        r#"{"event":"start","start":{"callId":"C1"}}"#.to_owned(),
        r#"{"event":"start","start":{"streamId":""}}"#.to_owned(),
        r#"{"event":"start"}"#.to_owned(),
        format!(r#"{{"event":"start","start":{{"streamId":"{}"}}}}"#, "s".repeat(257)),
    ] {
        assert_eq!(read(&mut leg(), &start), [CarrierEvent::Odd(Oddity::Malformed)], "{start:.60}");
    }
    // Half a sample.
    let mut wide = leg();
    read(
        &mut wide,
        r#"{"event":"start","start":{"streamId":"S1","mediaFormat":{"encoding":"audio/x-l16","sampleRate":8000}}}"#,
    );
    assert_eq!(read(&mut wide, &media("AAAA")), [CarrierEvent::Odd(Oddity::BadAudio)]);
}

#[test]
fn whoever_is_never_understood_is_left() {
    let mut leg = started();

    for _ in 0..999 {
        assert_eq!(read(&mut leg, "{").len(), 1);
    }

    let left = CarrierEvent::Left(CarrierDeparture::Unintelligible);
    assert_eq!(read(&mut leg, "{"), [CarrierEvent::Odd(Oddity::Malformed), left]);
    assert_eq!(read(&mut leg, START), []);
}

#[test]
fn after_the_end_there_is_silence() {
    let mut leg = started();

    assert_eq!(read(&mut leg, r#"{"event":"stop"}"#), [CarrierEvent::Left(CarrierDeparture::Stopped)]);

    assert_eq!(read(&mut leg, START), []);
    assert_eq!(play(&mut leg, 1, Rate::Hz8000), [Value::Null; 0]);
    let mut outbox = Outbox::new();
    let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);
    let _ = leg.write(&CarrierCommand::Digits(vec![Digit::parse('1').unwrap()]), &mut outbox);
    assert_eq!(outbox.len(), 0);
}

#[test]
fn hanging_up_and_handing_over_are_requests() {
    let mut leg = started();
    let mut outbox = Outbox::new();
    let to = "+14155550123".to_owned();

    assert_eq!(leg.write(&CarrierCommand::HangUp, &mut outbox), Obeyed::ByControl(Control::HangUp));
    assert_eq!(
        leg.write(&CarrierCommand::Transfer { to: to.clone() }, &mut outbox),
        Obeyed::ByControl(Control::Transfer { to })
    );
    assert_eq!(outbox.len(), 0);
}

fn leg() -> Leg {
    Leg::new(Upgrade::default())
}

fn started() -> Leg {
    let mut leg = leg();
    assert!(matches!(read(&mut leg, START)[..], [CarrierEvent::Started(_)]));
    leg
}

fn read(leg: &mut Leg, text: &str) -> Vec<CarrierEvent> {
    let mut events = Vec::new();
    leg.read(Incoming::Text(text), &mut events);
    events
}

/// What goes out for so many pieces in one frame.
fn play(leg: &mut Leg, pieces: usize, rate: Rate) -> Vec<Value> {
    let samples = rate.samples_in(CAPABILITIES.piece) as usize * pieces;
    let mut outbox = Outbox::new();
    let _ = leg.write(&CarrierCommand::Play(Frame::new(rate, vec![0; samples])), &mut outbox);
    outbox.texts().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn report(number: u64, event: &str, name: &str) -> String {
    json!({"event": event, "sequenceNumber": number, "streamId": "S1", "name": name}).to_string()
}
