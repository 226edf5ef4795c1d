//! Twilio's end of a media socket.

use audio::g711;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wire::Kind;

use super::{FarSide, Sent};

#[derive(Default)]
pub(super) struct FarTwilio {
    number: u64,
    chunk: u64,
    queue: Vec<Item>,
    /// Echoes of a `clear`, on their way.
    echoes: Vec<String>,
    played: Vec<i16>,
}

enum Item {
    Sound(Vec<i16>),
    Mark(String),
}

const STREAM: &str = "MZ18ad3ab5a668481ce02b83e7395059f0";

impl FarTwilio {
    fn numbered(&mut self, event: &str, body: Value) -> Sent {
        self.number += 1;
        let number = self.number.to_string();
        Sent::Text(
            json!({"event": event, "sequenceNumber": number, "streamSid": STREAM, event: body}).to_string(),
        )
    }
}

impl FarSide for FarTwilio {
    fn begin(&mut self) -> Vec<Sent> {
        let connected = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.to_owned();
        self.number = 0;
        let start = self.numbered(
            "start",
            json!({
                "accountSid": "AC1", "streamSid": STREAM, "callSid": "CA1", "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"token": "t-1"},
            }),
        );
        vec![Sent::Text(connected), start]
    }

    fn speak(&mut self, samples: &[i16]) -> Sent {
        let mut codes = Vec::new();
        g711::pcm_to_ulaw(samples, &mut codes);
        self.chunk += 1;
        let (chunk, timestamp) = (self.chunk.to_string(), (self.chunk * 20).to_string());
        let payload = STANDARD.encode(codes);
        self.numbered(
            "media",
            json!({"track": "inbound", "chunk": chunk, "timestamp": timestamp, "payload": payload}),
        )
    }

    fn press(&mut self, key: char) -> Sent {
        self.numbered("dtmf", json!({"track": "inbound_track", "digit": key}))
    }

    fn hang_up(&mut self) -> Sent {
        self.numbered("stop", json!({"accountSid": "AC1", "callSid": "CA1"}))
    }

    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        assert_eq!(kind, Kind::Text, "Twilio reads text");
        let message: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(message["streamSid"], STREAM);
        let fields = message.as_object().unwrap().len();
        match message["event"].as_str().unwrap() {
            "media" => {
                assert_eq!((fields, message["media"].as_object().unwrap().len()), (3, 1), "31951");
                let codes = STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
                let mut samples = Vec::new();
                g711::ulaw_to_pcm(&codes, &mut samples);
                self.queue.push(Item::Sound(samples));
            }
            "mark" => {
                assert_eq!((fields, message["mark"].as_object().unwrap().len()), (3, 1), "31951");
                self.queue.push(Item::Mark(message["mark"]["name"].as_str().unwrap().to_owned()));
            }
            "clear" => {
                assert_eq!(fields, 2, "31951");
                self.echoes.extend(self.queue.drain(..).filter_map(|item| match item {
                    Item::Mark(name) => Some(name),
                    Item::Sound(_) => None,
                }));
            }
            other => panic!("31951: {other}"),
        }
    }

    fn play_out(&mut self) -> Vec<Sent> {
        let mut names = std::mem::take(&mut self.echoes);
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
