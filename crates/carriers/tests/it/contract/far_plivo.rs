//! Plivo's end of a media socket, of the stricter of its two documents.

use audio::g711;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{Encoding, Sound};
use serde_json::{Value, json};
use wire::Kind;

use super::{FarSide, Sent};

pub(super) struct FarPlivo {
    sound: Sound,
    number: u64,
    chunk: u64,
    queue: Vec<Item>,
    /// What is on its way to us.
    reports: Vec<Sent>,
    played: Vec<i16>,
    pressed: String,
}

enum Item {
    Sound(Vec<i16>),
    Checkpoint(String),
}

const STREAM: &str = "20170ada-f610-433b-8758-c02a2aab3662";
const CALL: &str = "97ceeb52-58b6-11e1-86da-77300b68f8bb";

impl FarPlivo {
    pub(super) fn new(sound: Sound) -> FarPlivo {
        FarPlivo {
            sound,
            number: 0,
            chunk: 0,
            queue: Vec::new(),
            reports: Vec::new(),
            played: Vec::new(),
            pressed: String::new(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self.sound.encoding {
            Encoding::Mulaw => "audio/x-mulaw",
            Encoding::Pcm16 => "audio/x-l16",
        }
    }

    fn numbered(&mut self, mut message: Value) -> Sent {
        self.number += 1;
        message["sequenceNumber"] = self.number.into();
        if message["event"] != "start" {
            message["streamId"] = STREAM.into();
        }
        message["extra_headers"] = "token=t1".into();
        Sent::Text(message.to_string())
    }

    fn encode(&self, samples: &[i16]) -> String {
        let mut bytes = Vec::new();
        match self.sound.encoding {
            Encoding::Mulaw => g711::pcm_to_ulaw(samples, &mut bytes),
            Encoding::Pcm16 => bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        STANDARD.encode(bytes)
    }

    fn decode(&self, payload: &str) -> Vec<i16> {
        let bytes = STANDARD.decode(payload).unwrap();
        let mut samples = Vec::new();
        match self.sound.encoding {
            Encoding::Mulaw => g711::ulaw_to_pcm(&bytes, &mut samples),
            Encoding::Pcm16 => {
                samples.extend(bytes.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
        }
        samples
    }
}

impl FarSide for FarPlivo {
    fn begin(&mut self) -> Vec<Sent> {
        self.number = 0;
        let format = json!({"encoding": self.encoding(), "sampleRate": self.sound.rate.hz()});
        vec![self.numbered(json!({"event": "start", "start": {
            "callId": CALL, "streamId": STREAM, "accountId": "MA1", "tracks": ["inbound"],
            "mediaFormat": format,
        }}))]
    }

    fn speak(&mut self, samples: &[i16]) -> Sent {
        self.chunk += 1;
        let timestamp = (1_700_000_000_000 + self.chunk * 20).to_string();
        let payload = self.encode(samples);
        self.numbered(json!({"event": "media", "media": {
            "track": "inbound", "timestamp": timestamp, "chunk": self.chunk, "payload": payload,
        }}))
    }

    fn press(&mut self, key: char) -> Sent {
        self.numbered(
            json!({"event": "dtmf", "dtmf": {"track": "inbound", "digit": key, "timestamp": "1700000000000"}}),
        )
    }

    fn hang_up(&mut self) -> Sent {
        self.numbered(json!({"event": "stop"}))
    }

    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        assert_eq!(kind, Kind::Text, "Plivo reads text");
        let message: Value = serde_json::from_slice(bytes).unwrap();
        let fields = message.as_object().unwrap().len();
        match message["event"].as_str().unwrap() {
            "playAudio" => {
                let media = &message["media"];
                assert_eq!((fields, media.as_object().unwrap().len()), (2, 3), "{message}");
                assert_eq!(media["contentType"], self.encoding(), "bare, without the rate");
                assert_eq!(media["sampleRate"], self.sound.rate.hz());
                let samples = self.decode(media["payload"].as_str().unwrap());
                assert_eq!(samples.len(), self.sound.rate.hz() as usize / 50, "incorrectPayload");
                self.queue.push(Item::Sound(samples));
            }
            "checkpoint" => {
                assert_eq!((fields, &message["streamId"]), (3, &STREAM.into()));
                self.queue.push(Item::Checkpoint(message["name"].as_str().unwrap().to_owned()));
            }
            "clearAudio" => {
                assert_eq!((fields, &message["streamId"]), (2, &STREAM.into()));
                self.queue.clear();
                let cleared = self.numbered(json!({"event": "clearedAudio"}));
                self.reports.push(cleared);
            }
            "sendDTMF" => {
                assert_eq!(fields, 2);
                self.pressed.push_str(message["dtmf"].as_str().unwrap());
            }
            other => panic!("incorrectEvent: {other}"),
        }
    }

    fn play_out(&mut self) -> Vec<Sent> {
        for item in std::mem::take(&mut self.queue) {
            match item {
                Item::Sound(samples) => self.played.extend(samples),
                Item::Checkpoint(name) => {
                    let played = self.numbered(json!({"event": "playedStream", "name": name}));
                    self.reports.push(played);
                }
            }
        }
        std::mem::take(&mut self.reports)
    }

    fn played(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.played)
    }

    fn pressed(&self) -> String {
        self.pressed.clone()
    }

    fn was_told_goodbye(&self) -> bool {
        false
    }
}
