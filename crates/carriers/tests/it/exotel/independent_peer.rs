//! pipecat's serializer for Exotel and we understand each other: it reads what our leg sends, and our leg reads what it
//! sends. It is written by others, from Exotel's documents.

use audio::{Frame, Rate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{CarrierCommand, CarrierEvent, Digit, Generation};
use carriers::Upgrade;
use carriers::exotel::{Leg, Settings};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

use crate::peers;

#[test]
fn pipecat_reads_what_we_send_and_we_read_what_it_sends() {
    for hz in [8_000, 16_000, 24_000] {
        let mut leg = Leg::new(Upgrade::default(), Settings::default());
        let start = json!({
            "event": "start", "stream_sid": "s1",
            "start": {"stream_sid": "s1", "call_sid": "c1", "media_format": {"encoding": "raw", "sample_rate": hz}},
        });
        leg.read(Incoming::Text(&start.to_string()), &mut Vec::new());
        let rate = Rate::from_hz(hz).unwrap();
        let said: Vec<i16> = (0..4_800).map(|at| ((at * 7_919) % 40_000 - 20_000) as i16).collect();
        let mut outbox = Outbox::new();
        let _ = leg.write(&CarrierCommand::Play(Frame::new(rate, said.clone())), &mut outbox);
        let _ = leg.write(&CarrierCommand::Clear { generation: Generation(1) }, &mut outbox);
        let answer: Vec<u8> = (0..3_200u32).map(|at| (at * 31 % 251) as u8).collect();
        let asked = json!({
            "hz": hz,
            "stream_sid": "s1",
            "messages": outbox.texts(),
            "key": {"event": "dtmf", "stream_sid": "s1", "dtmf": {"digit": "5", "duration": "100"}},
            "sound": STANDARD.encode(&answer),
        });

        let Some(found) = peers::run(peers::PIPECAT, "exotel_serializer.py", &asked) else { return };

        // What it heard of us.
        let heard: Vec<u8> = found["heard"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|frame| {
                assert_eq!(frame["hz"], hz);
                assert_eq!(frame["channels"], 1);
                STANDARD.decode(frame["audio"].as_str().unwrap()).unwrap()
            })
            .collect();
        let expected: Vec<u8> = said.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert!(
            heard.starts_with(&expected) && heard[expected.len()..].iter().all(|byte| *byte == 0),
            "at {hz} Hz"
        );
        assert_eq!(found["key"], "5");

        // What it says, as it would on its own side of a socket: the same names, the same forms.
        let [media, clear] = &found["said"].as_array().unwrap()[..] else { panic!("{}", found["said"]) };
        let ours: Value = serde_json::from_str(outbox.texts().last().unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(clear.as_str().unwrap()).unwrap(), ours, "both clear alike");
        let mut events = Vec::new();
        leg.read(Incoming::Text(media.as_str().unwrap()), &mut events);
        let samples: Vec<i16> =
            answer.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(events, [CarrierEvent::Audio(Frame::new(rate, samples))]);
        events.clear();
        leg.read(Incoming::Text(&asked["key"].to_string()), &mut events);
        assert_eq!(events, [CarrierEvent::Digit(Digit::parse('5').unwrap())]);
    }
}
