//! Every form of sound that Mcube may speak, agreed on in every way.

use audio::{Frame, Rate, g711};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{CarrierCommand, CarrierDeparture, CarrierEvent, Encoding, Oddity, Sound};
use carriers::Upgrade;
use carriers::mcube::{CAPABILITIES, Leg, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::Incoming;

use super::leg::{leg, odd, read, written};

#[test]
fn each_form_is_spoken_as_the_start_names_it() {
    for sound in CAPABILITIES.sounds {
        let mut leg = with(json!({"encoding": named(sound.encoding), "sampleRate": sound.rate.hz()}));
        let samples: Vec<i16> = (0..sound.rate.hz() as i32 / 50).map(|at| (at * 97 % 9_000) as i16).collect();
        let bytes = coded(sound.encoding, &samples);

        assert_eq!((leg.capabilities().rate, leg.capabilities().sounds), (sound.rate, &[*sound][..]));
        let heard = [CarrierEvent::Audio(Frame::new(sound.rate, decoded(sound.encoding, &bytes)))];
        assert_eq!(read(&mut leg, &media(json!({"payload": STANDARD.encode(&bytes)}))), heard);
        let named = json!({"contentType": named(sound.encoding), "sampleRate": sound.rate.hz().to_string(),
            "payload": STANDARD.encode(&bytes)});
        assert_eq!(read(&mut leg, &media(named)), heard, "as the message says as well");
        let mut events = Vec::new();
        leg.read(Incoming::Binary(&bytes), &mut events);
        assert_eq!(events, heard, "bare, in a binary message");
        let sent = written(&mut leg, &CarrierCommand::Play(Frame::new(sound.rate, samples)));
        let sent: Value = serde_json::from_str(&sent[0]).unwrap();
        let expected = json!({"event": "playAudio", "media": {"contentType": self::named(sound.encoding),
            "sampleRate": sound.rate.hz(), "payload": STANDARD.encode(&bytes)}});
        assert_eq!(sent, expected);
    }
}

#[test]
fn half_a_sample_is_no_sound() {
    let mut leg = with(json!({"encoding": "audio/x-l16", "sampleRate": 8000}));

    assert_eq!(read(&mut leg, &media(json!({"payload": "AAAA"}))), [odd(Oddity::BadAudio)]);
    let mut events = Vec::new();
    leg.read(Incoming::Binary(&[1, 2, 3]), &mut events);
    assert_eq!(events, [odd(Oddity::BadAudio)]);
}

#[test]
fn a_start_that_names_no_form_means_mulaw_at_8_khz() {
    for start in [json!({}), json!({"mediaFormat": {}}), json!({"mediaFormat": null})] {
        let mut leg = leg();
        read(&mut leg, &json!({"event": "start", "start": start}).to_string());
        assert_eq!(leg.capabilities().sounds, [Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 }]);
    }
    let by_address = Upgrade { call: None, rate: Some(Rate::Hz16000) };
    let mut leg = Leg::new(by_address, Settings::default());
    read(&mut leg, r#"{"event":"start","start":{}}"#);
    assert_eq!(leg.capabilities().rate, Rate::Hz16000, "the address may name the rate");
}

#[test]
fn a_media_message_that_contradicts_the_start_is_dropped() {
    let mut leg = with(json!({"encoding": "audio/x-mulaw", "sampleRate": 8000}));

    for other in [
        json!({"contentType": "audio/x-l16", "payload": "AAAA"}),
        json!({"sampleRate": 16000, "payload": "AAAA"}),
        json!({"contentType": "audio/x-mulaw;rate=16000", "payload": "AAAA"}),
        json!({"contentType": "audio/opus", "payload": "AAAA"}),
        json!({"sampleRate": 11025, "payload": "AAAA"}),
    ] {
        assert_eq!(read(&mut leg, &media(other.clone())), [odd(Oddity::BadAudio)], "{other}");
    }
    let same = json!({"contentType": "audio/x-mulaw;rate=8000", "payload": "AAAA"});
    assert!(matches!(read(&mut leg, &media(same))[..], [CarrierEvent::Audio(_)]));
}

#[test]
fn where_nothing_was_agreed_the_first_media_message_is_followed() {
    let mut leg = leg();
    read(&mut leg, r#"{"event":"start","start":{"callId":"C1"}}"#);
    let wide = STANDARD.encode(coded(Encoding::Pcm16, &[1_000; 3_200]));

    // The call goes on at the rate it began with; the wire has Mcube's.
    let events =
        read(&mut leg, &media(json!({"contentType": "audio/x-l16", "sampleRate": 16000, "payload": wide})));
    let [CarrierEvent::Audio(frame)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((frame.rate, frame.samples.len()), (Rate::Hz8000, 1_600));
    assert!((900..1_100).contains(&frame.samples[1_000]), "{}", frame.samples[1_000]);
    let sent = written(&mut leg, &CarrierCommand::Play(Frame::new(Rate::Hz8000, vec![1_000; 1_600])));
    let sent: Value = serde_json::from_str(&sent[0]).unwrap();
    assert_eq!(
        (&sent["media"]["contentType"], &sent["media"]["sampleRate"]),
        (&json!("audio/x-l16"), &json!(16000))
    );
    let bytes = STANDARD.decode(sent["media"]["payload"].as_str().unwrap()).unwrap();
    let samples = decoded(Encoding::Pcm16, &bytes);
    assert_eq!(samples.len(), 3_200);
    assert!((900..1_100).contains(&samples[2_000]), "{}", samples[2_000]);

    // Now it is agreed.
    assert_eq!(
        read(&mut leg, &media(json!({"sampleRate": 8000, "payload": "AAAA"}))),
        [odd(Oddity::BadAudio)]
    );
}

#[test]
fn a_form_that_nobody_here_speaks_is_refused_at_once() {
    for format in [
        json!({"encoding": "audio/x-alaw", "sampleRate": 8000}),
        json!({"encoding": "audio/x-mulaw", "sampleRate": 44100}),
        json!({"encoding": "audio/x-mulaw", "sampleRate": "fast"}),
        json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}),
    ] {
        let mut leg = leg();
        let start = json!({"event": "start", "start": {"streamId": "S1", "mediaFormat": format}});

        let events = read(&mut leg, &start.to_string());

        assert_eq!(events, [odd(Oddity::BadAudio), CarrierEvent::Left(CarrierDeparture::Unintelligible)]);
    }
}

proptest! {
    #[test]
    fn sound_of_any_length_comes_and_goes_whole(
        samples in prop::collection::vec(any::<i16>(), 1..2_000),
        form in prop::sample::select(CAPABILITIES.sounds),
    ) {
        let mut leg = with(json!({"encoding": named(form.encoding), "sampleRate": form.rate.hz()}));

        let sent = written(&mut leg, &CarrierCommand::Play(Frame::new(form.rate, samples.clone())));
        let sent: Value = serde_json::from_str(&sent[0]).unwrap();
        let payload = sent["media"]["payload"].as_str().unwrap();
        prop_assert_eq!(STANDARD.decode(payload).unwrap(), coded(form.encoding, &samples));
        // An echo of what we said is what we said, but for what the encoding loses.
        let events = read(&mut leg, &media(json!({"payload": payload})));
        let said = decoded(form.encoding, &coded(form.encoding, &samples));
        prop_assert_eq!(events, [CarrierEvent::Audio(Frame::new(form.rate, said))]);
    }
}

fn with(format: Value) -> Leg {
    let mut leg = leg();
    let start = json!({"event": "start", "start": {"callId": "C1", "streamId": "S1", "mediaFormat": format}});
    assert!(matches!(read(&mut leg, &start.to_string())[..], [CarrierEvent::Started(_)]));
    leg
}

fn media(media: Value) -> String {
    json!({"event": "media", "media": media}).to_string()
}

fn named(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Mulaw => "audio/x-mulaw",
        Encoding::Pcm16 => "audio/x-l16",
    }
}

fn coded(encoding: Encoding, samples: &[i16]) -> Vec<u8> {
    match encoding {
        Encoding::Mulaw => {
            let mut codes = Vec::new();
            g711::pcm_to_ulaw(samples, &mut codes);
            codes
        }
        Encoding::Pcm16 => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
    }
}

fn decoded(encoding: Encoding, bytes: &[u8]) -> Vec<i16> {
    match encoding {
        Encoding::Mulaw => {
            let mut samples = Vec::new();
            g711::ulaw_to_pcm(bytes, &mut samples);
            samples
        }
        Encoding::Pcm16 => bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect(),
    }
}
