//! Mcube's end of a media socket.

use audio::g711;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{Encoding, Sound};
use serde_json::{Value, json};
use wire::Kind;

use super::{FarSide, Sent};

pub(super) struct FarMcube {
    sound: Sound,
    queue: Vec<Item>,
    cleared: usize,
    played: Vec<i16>,
    transferred: bool,
    terminated: bool,
}

enum Item {
    Sound(Vec<i16>),
    Checkpoint(String),
}

const STREAM: &str = "4d1f0a9e-52f1-4a6c-9a0e-2f6b7f0f7d11";

impl FarMcube {
    pub(super) fn new(sound: Sound) -> FarMcube {
        FarMcube {
            sound,
            queue: Vec::new(),
            cleared: 0,
            played: Vec::new(),
            transferred: false,
            terminated: false,
        }
    }

    fn content_type(&self) -> &'static str {
        match self.sound.encoding {
            Encoding::Mulaw => "audio/x-mulaw",
            Encoding::Pcm16 => "audio/x-l16",
        }
    }

    fn decode(&self, bytes: &[u8]) -> Vec<i16> {
        match self.sound.encoding {
            Encoding::Mulaw => {
                let mut samples = Vec::new();
                g711::ulaw_to_pcm(bytes, &mut samples);
                samples
            }
            Encoding::Pcm16 => {
                assert_eq!(bytes.len() % 2, 0, "half a sample");
                bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
            }
        }
    }
}

impl FarSide for FarMcube {
    fn begin(&mut self) -> Vec<Sent> {
        let format = json!({"encoding": self.content_type(), "sampleRate": self.sound.rate.hz()});
        let start = json!({"callId": "C1", "streamId": STREAM, "tracks": ["inbound", "outbound"], "mediaFormat": format});
        vec![Sent::Text(json!({"event": "start", "start": start}).to_string())]
    }

    fn speak(&mut self, samples: &[i16]) -> Sent {
        let bytes: Vec<u8> = match self.sound.encoding {
            Encoding::Mulaw => {
                let mut codes = Vec::new();
                g711::pcm_to_ulaw(samples, &mut codes);
                codes
            }
            Encoding::Pcm16 => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
        };
        let media = json!({"payload": STANDARD.encode(bytes), "contentType": self.content_type(),
            "sampleRate": self.sound.rate.hz()});
        Sent::Text(json!({"event": "media", "media": media}).to_string())
    }

    fn press(&mut self, key: char) -> Sent {
        let dtmf = json!({"track": "inbound", "digit": key});
        Sent::Text(json!({"event": "dtmf", "streamId": STREAM, "dtmf": dtmf}).to_string())
    }

    fn hang_up(&mut self) -> Sent {
        Sent::Text(json!({"event": "stop", "streamId": STREAM}).to_string())
    }

    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        assert_eq!(kind, Kind::Text, "Mcube reads text");
        let message: Value = serde_json::from_slice(bytes).unwrap();
        let event = message["event"].as_str().unwrap();
        if event != "playAudio" {
            assert_eq!(message["streamId"], STREAM);
        }
        match event {
            "playAudio" => {
                let media = message["media"].as_object().unwrap();
                assert_eq!(media["contentType"], self.content_type());
                assert_eq!(media["sampleRate"], self.sound.rate.hz());
                let bytes = STANDARD.decode(media["payload"].as_str().unwrap()).unwrap();
                let samples = self.decode(&bytes);
                self.queue.push(Item::Sound(samples));
            }
            "checkpoint" => self.queue.push(Item::Checkpoint(message["name"].as_str().unwrap().to_owned())),
            "clearAudio" => {
                self.queue.clear();
                self.cleared += 1;
            }
            "transfer" => {
                assert_eq!((&message["callId"], &message["number"]), (&json!("C1"), &json!("+14155550123")));
                self.transferred = true;
            }
            "terminate" => self.terminated = true,
            other => panic!("no command of Mcube's: {other}"),
        }
    }

    /// Checkpoints that a clear threw away never come back.
    fn play_out(&mut self) -> Vec<Sent> {
        let mut reports: Vec<Value> = (0..std::mem::take(&mut self.cleared))
            .map(|_| json!({"event": "clearedAudio", "streamId": STREAM}))
            .collect();
        for item in std::mem::take(&mut self.queue) {
            match item {
                Item::Sound(samples) => self.played.extend(samples),
                Item::Checkpoint(name) => {
                    reports.push(json!({"event": "playedStream", "streamId": STREAM, "name": name}));
                }
            }
        }
        reports.into_iter().map(|report| Sent::Text(report.to_string())).collect()
    }

    fn played(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.played)
    }

    fn pressed(&self) -> String {
        String::new()
    }

    fn was_told_goodbye(&self) -> bool {
        self.transferred && self.terminated
    }
}
