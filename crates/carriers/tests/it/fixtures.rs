//! Every message in the fixtures is read, and written again without a field lost or invented.

use carriers::browser::messages::{FromPage, ToPage};
use carriers::exotel::messages::{FromExotel, ToExotel};
use carriers::mcube::messages::{FromMcube, ToMcube};
use carriers::plivo::messages::{FromPlivo, ToPlivo};
use carriers::twilio::messages::{FromTwilio, ToTwilio};
use serde_json::Value;

pub(crate) const FROM_TWILIO: [&str; 3] = [
    include_str!("../../fixtures/twilio/in-caller-speaks-presses-keys-and-hangs-up.jsonl"),
    include_str!("../../fixtures/twilio/in-marks-echoed-after-clear.jsonl"),
    include_str!("../../fixtures/twilio/in-start-with-odd-parameters.jsonl"),
];
const TO_TWILIO: [&str; 1] =
    [include_str!("../../fixtures/twilio/out-agent-speaks-and-is-interrupted.jsonl")];
pub(crate) const FROM_MCUBE: [&str; 4] = [
    include_str!("../../fixtures/mcube/in-caller-speaks-presses-keys-and-hangs-up.jsonl"),
    include_str!("../../fixtures/mcube/in-mulaw-at-16-khz.jsonl"),
    include_str!("../../fixtures/mcube/in-pcm16-with-business-facts.jsonl"),
    include_str!("../../fixtures/mcube/in-start-with-nothing-but-a-call.jsonl"),
];
const TO_MCUBE: [&str; 2] = [
    include_str!("../../fixtures/mcube/out-agent-speaks-and-is-interrupted.jsonl"),
    include_str!("../../fixtures/mcube/out-handing-over-and-ending.jsonl"),
];
pub(crate) const FROM_PLIVO: [&str; 4] = [
    include_str!("../../fixtures/plivo/in-caller-speaks-presses-keys-and-goes.jsonl"),
    include_str!("../../fixtures/plivo/in-checkpoints-and-a-clear.jsonl"),
    include_str!("../../fixtures/plivo/in-start-with-pcm-and-json-headers.jsonl"),
    include_str!("../../fixtures/plivo/in-start-without-a-format.jsonl"),
];
const TO_PLIVO: [&str; 1] = [include_str!("../../fixtures/plivo/out-agent-speaks-and-is-interrupted.jsonl")];
pub(crate) const FROM_EXOTEL: [&str; 4] = [
    include_str!("../../fixtures/exotel/in-caller-speaks-presses-keys-and-hangs-up.jsonl"),
    include_str!("../../fixtures/exotel/in-legs-mulaw-cleared-and-closed.jsonl"),
    include_str!("../../fixtures/exotel/odd-camel-case.jsonl"),
    include_str!("../../fixtures/exotel/odd-older-service.jsonl"),
];
const TO_EXOTEL: [&str; 1] =
    [include_str!("../../fixtures/exotel/out-agent-speaks-and-is-interrupted.jsonl")];
pub(crate) const FROM_PAGE: [&str; 2] = [
    include_str!("../../fixtures/browser/in-caller-speaks-and-hangs-up.jsonl"),
    include_str!("../../fixtures/browser/in-start-without-bot.jsonl"),
];
const TO_PAGE: [&str; 1] = [include_str!("../../fixtures/browser/out-whole-call.jsonl")];

#[test]
fn messages_from_twilio_survive_a_round_trip() {
    let kinds =
        survive(&FROM_TWILIO, "event", |line| serde_json::to_value(FromTwilio::read(line).unwrap()).unwrap());
    assert_eq!(kinds, ["connected", "dtmf", "mark", "media", "start", "stop"]);
}

#[test]
fn messages_to_twilio_survive_a_round_trip() {
    let kinds = survive(&TO_TWILIO, "event", |line| {
        serde_json::to_value(serde_json::from_str::<ToTwilio>(line).unwrap()).unwrap()
    });
    assert_eq!(kinds, ["clear", "mark", "media"]);
}

#[test]
fn messages_from_mcube_survive_a_round_trip() {
    let kinds =
        survive(&FROM_MCUBE, "event", |line| serde_json::to_value(FromMcube::read(line).unwrap()).unwrap());
    assert_eq!(kinds, ["clearedAudio", "dtmf", "media", "playedStream", "start", "stop"]);
}

#[test]
fn messages_to_mcube_survive_a_round_trip() {
    let kinds = survive(&TO_MCUBE, "event", |line| {
        serde_json::to_value(serde_json::from_str::<ToMcube<'_>>(line).unwrap()).unwrap()
    });
    assert_eq!(kinds, ["checkpoint", "clearAudio", "playAudio", "terminate", "transfer"]);
}

#[test]
fn messages_from_plivo_survive_a_round_trip() {
    let kinds =
        survive(&FROM_PLIVO, "event", |line| serde_json::to_value(FromPlivo::read(line).unwrap()).unwrap());
    assert_eq!(
        kinds,
        ["clearedAudio", "dtmf", "error", "media", "playFailed", "playedStream", "start", "stop"]
    );
}

#[test]
fn messages_to_plivo_survive_a_round_trip() {
    let kinds = survive(&TO_PLIVO, "event", |line| {
        serde_json::to_value(serde_json::from_str::<ToPlivo>(line).unwrap()).unwrap()
    });
    assert_eq!(kinds, ["checkpoint", "clearAudio", "playAudio", "sendDTMF"]);
}

#[test]
fn messages_from_exotel_survive_a_round_trip() {
    let documented = &FROM_EXOTEL[..2];
    let kinds =
        survive(documented, "event", |line| serde_json::to_value(FromExotel::read(line).unwrap()).unwrap());
    assert_eq!(kinds, ["clear", "closed", "connected", "dtmf", "mark", "media", "start", "stop"]);
}

/// The same call in other shapes tells the leg the same.
#[test]
fn odd_shapes_of_exotels_messages_mean_what_the_documented_ones_mean() {
    let told = |file: &str| {
        let mut leg = carriers::exotel::Leg::new(carriers::Upgrade::default(), Default::default());
        let mark = call::Mark { generation: call::Generation(0), serial: 1 };
        let mut events = Vec::new();
        for line in file.lines() {
            let _ = leg.write(&call::CarrierCommand::Mark(mark), &mut wire::Outbox::new());
            leg.read(wire::Incoming::Text(line), &mut events);
        }
        events
    };
    let documented = told(FROM_EXOTEL[0]);
    assert_eq!(documented.len(), 7, "{documented:?}");
    for odd in &FROM_EXOTEL[2..] {
        assert_eq!(told(odd), documented);
    }
}

#[test]
fn messages_to_exotel_survive_a_round_trip() {
    let kinds = survive(&TO_EXOTEL, "event", |line| {
        serde_json::to_value(serde_json::from_str::<ToExotel>(line).unwrap()).unwrap()
    });
    assert_eq!(kinds, ["clear", "mark", "media"]);
}

#[test]
fn messages_from_the_page_survive_a_round_trip() {
    let kinds = survive(&FROM_PAGE, "type", |line| {
        serde_json::to_value(serde_json::from_str::<FromPage>(line).unwrap()).unwrap()
    });
    assert_eq!(kinds, ["bye", "digit", "played", "start"]);
}

#[test]
fn messages_to_the_page_survive_a_round_trip() {
    let kinds = survive(&TO_PAGE, "type", |line| {
        serde_json::to_value(serde_json::from_str::<ToPage>(line).unwrap()).unwrap()
    });
    assert_eq!(kinds, ["bye", "clear", "digits", "ready", "transfer"]);
}

/// Holds every line against what was made of it; gives the kinds of messages that there were.
fn survive(files: &[&str], tag: &str, round_trip: impl Fn(&str) -> Value) -> Vec<String> {
    let mut kinds = Vec::new();
    for line in files.iter().flat_map(|file| file.lines()) {
        let recorded: Value = serde_json::from_str(line).unwrap();
        assert_eq!(round_trip(line), recorded, "lost or invented a field");
        kinds.push(recorded[tag].as_str().unwrap().to_owned());
    }
    kinds.sort();
    kinds.dedup();
    kinds
}
