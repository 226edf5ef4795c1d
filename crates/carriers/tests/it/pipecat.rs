//! Another program that sits where we sit, between a carrier and an agent, understands the carriers as we do.
//!
//! Its serializers hear the recorded messages of a carrier as our legs do, and send what our legs send.

use audio::{Frame, Rate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{CarrierCommand, CarrierEvent, Generation};
use carriers::{Obeyed, Upgrade, plivo, twilio};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

use crate::{fixtures, peers};

const PIECES: usize = 5;

#[test]
fn pipecat_hears_and_sends_what_our_legs_hear_and_send() {
    let from_twilio = lines(&fixtures::FROM_TWILIO[..1]);
    // Its serializer knows one form of Plivo's sound.
    let from_plivo = lines(&fixtures::FROM_PLIVO[..1]);
    let speech: Vec<Vec<i16>> = (0..PIECES).map(speech).collect();
    let (to_twilio, to_plivo) = (said_to_twilio(&from_twilio, &speech), said_to_plivo(&from_plivo, &speech));
    // On Twilio's wire sound looks alike in both directions: what we send, it can hear.
    let with_ours: Vec<&str> =
        from_twilio.iter().copied().chain(to_twilio.sent.iter().map(String::as_str)).collect();

    let found = peers::run(
        peers::PIPECAT,
        "pipecat_serializers.py",
        &json!({
            "twilio": {"stream": to_twilio.stream, "messages": with_ours, "speak": speech},
            "plivo": {"stream": to_plivo.stream, "messages": from_plivo, "speak": speech},
        }),
    );
    let Some(found) = found else { return };

    let (twilio, plivo) = (&found["twilio"], &found["plivo"]);
    let (heard, of_ours) = twilio["heard"].as_array().unwrap().split_at(from_twilio.len());
    assert_eq!(what_was_heard(heard), to_twilio.heard);
    let of_ours = what_was_heard(of_ours);
    assert_eq!(of_ours.len(), PIECES);
    for (heard, spoken) in of_ours.iter().zip(&speech) {
        alike(heard, spoken);
    }
    assert_eq!(what_was_heard(plivo["heard"].as_array().unwrap()), to_plivo.heard);

    // What it sends, in the shapes that we send.
    for (theirs, ours) in twilio["sent"].as_array().unwrap().iter().zip(&to_twilio.sent) {
        same_sound(theirs, ours, &[]);
    }
    for (theirs, ours) in plivo["sent"].as_array().unwrap().iter().zip(&to_plivo.sent) {
        // Plivo's own documents have no name of the stream here; it does not mind one.
        same_sound(theirs, ours, &["streamId"]);
    }
    for (theirs, ours) in [(&twilio["clear"], &to_twilio.clear), (&plivo["clear"], &to_plivo.clear)] {
        let theirs: Value = serde_json::from_str(theirs.as_str().unwrap()).unwrap();
        assert_eq!(theirs, serde_json::from_str::<Value>(ours).unwrap());
    }
    // And what it sends on Twilio's wire, our leg can hear.
    let mut leg = twilio::Leg::new();
    let mut events = Vec::new();
    leg.read(Incoming::Text(from_twilio[1]), &mut events);
    events.clear();
    for text in twilio["sent"].as_array().unwrap() {
        leg.read(Incoming::Text(text.as_str().unwrap()), &mut events);
    }
    let heard: Vec<Heard> = events.iter().filter_map(heard_by_us).collect();
    assert_eq!(heard.len(), PIECES);
    for (heard, spoken) in heard.iter().zip(&speech) {
        alike(heard, spoken);
    }
}

/// Something that the caller did.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Sound(Vec<i16>),
    Key(String),
}

/// What one of our legs made of the recorded messages, and said.
struct Ours {
    stream: String,
    heard: Vec<Heard>,
    sent: Vec<String>,
    clear: String,
}

fn said_to_twilio(messages: &[&str], speech: &[Vec<i16>]) -> Ours {
    let start: Value = serde_json::from_str(messages[1]).unwrap();
    let mut leg = twilio::Leg::new();
    // The recorded call ends with its last message; until then it can be spoken to.
    let (last, before) = messages.split_last().unwrap();
    let mut events = Vec::new();
    for text in before {
        leg.read(Incoming::Text(text), &mut events);
    }
    let (sent, clear) = say(speech, |command, outbox| leg.write(command, outbox));
    leg.read(Incoming::Text(last), &mut events);
    let stream = start["streamSid"].as_str().unwrap().to_owned();
    Ours { stream, heard: events.iter().filter_map(heard_by_us).collect(), sent, clear }
}

fn said_to_plivo(messages: &[&str], speech: &[Vec<i16>]) -> Ours {
    let start: Value = serde_json::from_str(messages[0]).unwrap();
    let mut leg = plivo::Leg::new(Upgrade::default());
    let (last, before) = messages.split_last().unwrap();
    let mut events = Vec::new();
    for text in before {
        leg.read(Incoming::Text(text), &mut events);
    }
    let (sent, clear) = say(speech, |command, outbox| leg.write(command, outbox));
    leg.read(Incoming::Text(last), &mut events);
    let stream = start["start"]["streamId"].as_str().unwrap().to_owned();
    Ours { stream, heard: events.iter().filter_map(heard_by_us).collect(), sent, clear }
}

fn say(
    speech: &[Vec<i16>],
    mut write: impl FnMut(&CarrierCommand, &mut Outbox) -> Obeyed,
) -> (Vec<String>, String) {
    let mut outbox = Outbox::new();
    for samples in speech {
        let _ = write(&CarrierCommand::Play(Frame::new(Rate::Hz8000, samples.clone())), &mut outbox);
    }
    let _ = write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);
    let mut texts = outbox.texts();
    let clear = texts.pop().unwrap();
    (texts, clear)
}

fn heard_by_us(event: &CarrierEvent) -> Option<Heard> {
    match event {
        CarrierEvent::Audio(frame) => Some(Heard::Sound(frame.samples.clone())),
        CarrierEvent::Digit(digit) => Some(Heard::Key(digit.symbol().to_string())),
        _ => None,
    }
}

fn what_was_heard(found: &[Value]) -> Vec<Heard> {
    let one = |found: &Value| match found {
        Value::Null => None,
        found if found["digit"].is_string() => Some(Heard::Key(found["digit"].as_str()?.to_owned())),
        found => {
            assert_eq!(found["rate"], 8_000);
            Some(Heard::Sound(serde_json::from_value(found["samples"].clone()).unwrap()))
        }
    };
    found.iter().filter_map(one).collect()
}

/// The same message but for the rounding of µ-law, and for fields of its own.
fn same_sound(theirs: &Value, ours: &str, its_own: &[&str]) {
    let mut theirs: Value = serde_json::from_str(theirs.as_str().unwrap()).unwrap();
    let mut ours: Value = serde_json::from_str(ours).unwrap();
    for field in its_own {
        assert!(theirs.as_object_mut().unwrap().remove(*field).is_some(), "{theirs}");
    }
    let take = |message: &mut Value| {
        let payload = message["media"]["payload"].take();
        let codes = STANDARD.decode(payload.as_str().unwrap()).unwrap();
        let mut samples = Vec::new();
        audio::g711::ulaw_to_pcm(&codes, &mut samples);
        samples
    };
    let (found, expected) = (take(&mut theirs), take(&mut ours));
    assert_eq!(theirs, ours);
    alike(&Heard::Sound(found), &expected);
}

/// The same sound, but for what eight bits a sample lose.
fn alike(heard: &Heard, expected: &[i16]) {
    let Heard::Sound(found) = heard else { panic!("{heard:?} is no sound") };
    assert_eq!(found.len(), expected.len());
    for (&found, &expected) in found.iter().zip(expected) {
        let lost = (i32::from(found) - i32::from(expected)).abs();
        assert!(lost <= 16 + i32::from(expected).abs() / 16, "{found} is not {expected}");
    }
}

fn speech(piece: usize) -> Vec<i16> {
    (0..160).map(|at| (((piece * 160 + at) * 211 % 16_001) as i32 - 8_000) as i16).collect()
}

fn lines(files: &[&'static str]) -> Vec<&'static str> {
    files.iter().flat_map(|file| file.lines()).collect()
}
