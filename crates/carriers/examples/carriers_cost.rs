//! What one frame costs in each direction: run under `valgrind --tool=callgrind`, which counts instructions.
//!
//! `carriers_cost <what> <times>`; the difference between two counts of times, divided by the difference of the times, is the
//! cost of one frame without the program's start.

use std::hint::black_box;

use audio::{Frame, Rate};
use call::{CarrierCommand, CarrierEvent, Generation, Mark};
use carriers::{Upgrade, browser, mcube, twilio};
use wire::{Incoming, Outbox};

const TWILIO_START: &str = r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0","callSid":"CA1"},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}"#;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (what, times) = match &arguments[..] {
        [_, what, times] => (what.as_str(), times.parse().unwrap_or(0)),
        _ => ("", 0),
    };
    match what {
        // Preparing the messages alone, to be taken off the next two.
        "twilio-prepare" => twilio_in(times, false, false),
        "twilio-in" => twilio_in(times, false, true),
        // The same with white space, as no carrier sends it: the full reader's share.
        "twilio-in-spaced" => twilio_in(times, true, true),
        "twilio-out" => twilio_out(times),
        "twilio-mark" => twilio_mark(times),
        "mcube-in" => mcube_in(times),
        "mcube-out" => mcube_out(times),
        "browser-in" => browser_in(times),
        "browser-out" => browser_out(times),
        _ => {
            eprintln!(
                "cost twilio-prepare|twilio-in|twilio-in-spaced|twilio-out|twilio-mark|mcube-in|mcube-out|browser-in|browser-out <times>"
            )
        }
    }
}

fn twilio_in(times: u64, spaced: bool, read: bool) {
    let mut leg = twilio_leg();
    let mut events = Vec::new();
    let payload: String = "f39/fn59e3p4d3Z1".chars().cycle().take(213).chain("Q==".chars()).collect();
    let space = if spaced { " " } else { "" };
    let mut message = String::new();
    for number in 2..2 + times {
        message.clear();
        use std::fmt::Write;
        let _ = write!(
            message,
            r#"{{{space}"event":"media","sequenceNumber":"{number}","media":{{"track":"inbound","chunk":"{number}","timestamp":"{number}","payload":"{payload}"}},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}}"#
        );
        black_box(&message);
        if !read {
            continue;
        }
        leg.read(Incoming::Text(&message), &mut events);
        assert!(matches!(events[..], [CarrierEvent::Audio(_)]));
        black_box(&events);
        events.clear();
    }
}

fn twilio_out(times: u64) {
    let mut leg = twilio_leg();
    let mut outbox = Outbox::new();
    let play = CarrierCommand::Play(sound(Rate::Hz8000));
    for _ in 0..times {
        let _ = black_box(leg.write(black_box(&play), &mut outbox));
        black_box(&outbox);
        outbox.clear();
    }
}

fn twilio_mark(times: u64) {
    let mut leg = twilio_leg();
    let mut outbox = Outbox::new();
    for serial in 0..times {
        let mark = Mark { generation: Generation(0), serial: serial as u32 };
        let _ = black_box(leg.write(&CarrierCommand::Mark(mark), &mut outbox));
        black_box(&outbox);
        outbox.clear();
    }
}

fn mcube_in(times: u64) {
    let mut leg = mcube_leg();
    let mut events = Vec::new();
    let payload: String = "f39/fn59e3p4d3Z1".chars().cycle().take(213).chain("Q==".chars()).collect();
    let message = format!(
        r#"{{"event":"media","media":{{"payload":"{payload}","contentType":"audio/x-mulaw","sampleRate":8000}}}}"#
    );
    for _ in 0..times {
        leg.read(Incoming::Text(black_box(&message)), &mut events);
        assert!(matches!(events[..], [CarrierEvent::Audio(_)]));
        black_box(&events);
        events.clear();
    }
}

fn mcube_out(times: u64) {
    let mut leg = mcube_leg();
    let mut outbox = Outbox::new();
    let play = CarrierCommand::Play(sound(Rate::Hz8000));
    for _ in 0..times {
        let _ = black_box(leg.write(black_box(&play), &mut outbox));
        black_box(&outbox);
        outbox.clear();
    }
}

fn browser_in(times: u64) {
    let mut leg = browser_leg();
    let mut events = Vec::new();
    let bytes: Vec<u8> =
        sound(Rate::Hz16000).samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    for _ in 0..times {
        leg.read(Incoming::Binary(black_box(&bytes)), &mut events);
        black_box(&events);
        events.clear();
    }
}

fn browser_out(times: u64) {
    let mut leg = browser_leg();
    let mut outbox = Outbox::new();
    let play = CarrierCommand::Play(sound(Rate::Hz16000));
    for _ in 0..times {
        let _ = black_box(leg.write(black_box(&play), &mut outbox));
        black_box(&outbox);
        outbox.clear();
    }
}

fn twilio_leg() -> twilio::Leg {
    let mut leg = twilio::Leg::new();
    leg.read(Incoming::Text(TWILIO_START), &mut Vec::new());
    leg
}

fn mcube_leg() -> mcube::Leg {
    let mut leg = mcube::Leg::new(Upgrade::default(), mcube::Settings::default());
    leg.read(Incoming::Text(r#"{"event":"start","start":{"callId":"C1","streamId":"S1"}}"#), &mut Vec::new());
    leg
}

fn browser_leg() -> browser::Leg {
    let mut leg = browser::Leg::new();
    leg.read(Incoming::Text(r#"{"type":"start","rate":16000}"#), &mut Vec::new());
    leg
}

/// 20 ms that are no silence.
fn sound(rate: Rate) -> Frame {
    let samples = rate.hz() / 50;
    Frame::new(rate, (0..samples).map(|at| (at * 1_237 % 20_000) as i16 - 10_000).collect())
}
