//! Exotel's end of a media socket.

use audio::g711;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wire::Kind;

use super::{FarSide, Sent};

/// In which of its manners this Exotel speaks.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Manner {
    /// As documented: everything in `start`, snake case, strings.
    Documented { hz: u32 },
    /// As on its Connect path: camel case.
    Camel,
    /// As the older service had it: nothing in `start`, numbers.
    Older,
    /// A stream of the Legs interface: µ-law.
    Legs,
}

pub(super) struct FarExotel {
    manner: Manner,
    number: u64,
    chunk: u64,
    /// The last number of ours, and samples of ours so far.
    taken: u64,
    samples: u64,
    queue: Vec<Item>,
    played: Vec<i16>,
}

enum Item {
    Sound(Vec<i16>),
    Mark(String),
}

const STREAM: &str = "s7c1f2ab90";

impl FarExotel {
    pub(super) fn of(manner: Manner) -> FarExotel {
        FarExotel { manner, number: 0, chunk: 0, taken: 0, samples: 0, queue: Vec::new(), played: Vec::new() }
    }

    fn name(&self) -> &'static str {
        if self.manner == Manner::Camel { "streamSid" } else { "stream_sid" }
    }

    fn hz(&self) -> u64 {
        match self.manner {
            Manner::Documented { hz } => hz.into(),
            Manner::Camel | Manner::Older | Manner::Legs => 8_000,
        }
    }

    fn numbered(&mut self, event: &str, body: Value) -> Sent {
        self.number += 1;
        let number = match self.manner {
            Manner::Older => json!(self.number),
            Manner::Documented { .. } | Manner::Camel | Manner::Legs => json!(self.number.to_string()),
        };
        let numbering = if self.manner == Manner::Camel { "sequenceNumber" } else { "sequence_number" };
        Sent::Text(json!({"event": event, numbering: number, self.name(): STREAM, event: body}).to_string())
    }
}

impl FarSide for FarExotel {
    fn begin(&mut self) -> Vec<Sent> {
        self.number = 0;
        let connected = Sent::Text(r#"{"event":"connected"}"#.to_owned());
        let start = match self.manner {
            Manner::Documented { hz } => self.numbered(
                "start",
                json!({
                    "stream_sid": STREAM, "call_sid": "c1", "account_sid": "a1", "from": "0987", "to": "0804",
                    "custom_parameters": {"token": "t-1"},
                    "media_format": {"encoding": "audio/x-raw", "sample_rate": hz.to_string(), "bit_rate": "16"},
                }),
            ),
            Manner::Camel => self.numbered(
                "start",
                json!({"streamSid": STREAM, "callSid": "c1", "mediaFormat": {"encoding": "raw", "sampleRate": 8000}}),
            ),
            Manner::Older => {
                self.number = 1;
                Sent::Text(
                    json!({"event": "start", "sequence_number": 1, "stream_sid": STREAM, "callSid": "c1"})
                        .to_string(),
                )
            }
            Manner::Legs => self.numbered(
                "start",
                json!({
                    "stream_sid": STREAM, "call_sid": "leg1",
                    "media_format": {"encoding": "audio/x-mulaw;rate=8000"},
                }),
            ),
        };
        vec![connected, start]
    }

    fn speak(&mut self, samples: &[i16]) -> Sent {
        let mut bytes = Vec::new();
        match self.manner {
            Manner::Legs => g711::pcm_to_ulaw(samples, &mut bytes),
            _ => bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        self.chunk += 1;
        let (chunk, timestamp) = (self.chunk.to_string(), ((self.chunk - 1) * 100).to_string());
        self.numbered(
            "media",
            json!({"chunk": chunk, "timestamp": timestamp, "payload": STANDARD.encode(bytes)}),
        )
    }

    fn press(&mut self, key: char) -> Sent {
        self.numbered("dtmf", json!({"digit": key, "duration": "100"}))
    }

    fn hang_up(&mut self) -> Sent {
        self.numbered("stop", json!({"call_sid": "c1", "account_sid": "a1", "reason": "callended"}))
    }

    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        assert_eq!(kind, Kind::Text, "Exotel reads text");
        let message: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(message[self.name()], STREAM);
        match message["event"].as_str().unwrap() {
            "media" => {
                self.taken += 1;
                let media = &message["media"];
                let number = self.taken.to_string();
                assert_eq!(message["sequence_number"], number.as_str());
                assert_eq!(media["sequenceNumber"], number.as_str());
                assert_eq!(media["chunk"], number.as_str());
                assert_eq!(media["timestamp"], (self.samples * 1_000 / self.hz()).to_string().as_str());
                let bytes = STANDARD.decode(media["payload"].as_str().unwrap()).unwrap();
                assert_eq!(bytes.len() % 320, 0, "a gap is heard");
                let least = if self.manner == Manner::Legs { 960 } else { 3_200 };
                assert!((least..=100_000).contains(&bytes.len()), "{} bytes", bytes.len());
                let mut samples = Vec::new();
                match self.manner {
                    Manner::Legs => g711::ulaw_to_pcm(&bytes, &mut samples),
                    _ => samples
                        .extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))),
                }
                self.samples += samples.len() as u64;
                self.queue.push(Item::Sound(samples));
            }
            "mark" => self.queue.push(Item::Mark(message["mark"]["name"].as_str().unwrap().to_owned())),
            // Whether marks come back is not documented. This one keeps them.
            "clear" => self.queue.clear(),
            other => panic!("Exotel does not know {other}"),
        }
    }

    fn play_out(&mut self) -> Vec<Sent> {
        let mut names = Vec::new();
        for item in std::mem::take(&mut self.queue) {
            match item {
                Item::Sound(samples) => self.played.extend(samples),
                Item::Mark(name) => names.push(name),
            }
        }
        names.into_iter().map(|name| self.numbered("mark", json!({"name": name}))).collect()
    }

    fn played(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.played)
    }

    fn pressed(&self) -> String {
        String::new()
    }

    fn was_told_goodbye(&self) -> bool {
        false
    }
}
