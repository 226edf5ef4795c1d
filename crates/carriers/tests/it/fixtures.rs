//! Every message in the fixtures is read, and written again without a field lost or invented.

use carriers::browser::messages::{FromPage, ToPage};
use carriers::twilio::messages::{FromTwilio, ToTwilio};
use serde_json::Value;

pub(crate) const FROM_TWILIO: [&str; 3] = [
    include_str!("../../fixtures/twilio/in-caller-speaks-presses-keys-and-hangs-up.jsonl"),
    include_str!("../../fixtures/twilio/in-marks-echoed-after-clear.jsonl"),
    include_str!("../../fixtures/twilio/in-start-with-odd-parameters.jsonl"),
];
const TO_TWILIO: [&str; 1] =
    [include_str!("../../fixtures/twilio/out-agent-speaks-and-is-interrupted.jsonl")];
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
