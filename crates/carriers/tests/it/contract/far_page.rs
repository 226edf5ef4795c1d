//! The page's end of its socket.

use serde_json::{Value, json};
use wire::Kind;

use super::{FarSide, Sent};

#[derive(Default)]
pub(super) struct FarPage {
    generation: u64,
    /// Samples of this generation that came out of the loudspeaker.
    position: usize,
    queue: Vec<i16>,
    played: Vec<i16>,
    pressed: String,
    told_goodbye: bool,
}

impl FarSide for FarPage {
    fn begin(&mut self) -> Vec<Sent> {
        vec![Sent::Text(json!({"type": "start", "rate": 16000, "bot": "reception"}).to_string())]
    }

    fn speak(&mut self, samples: &[i16]) -> Sent {
        Sent::Binary(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect())
    }

    fn press(&mut self, key: char) -> Sent {
        Sent::Text(json!({"type": "digit", "digit": key}).to_string())
    }

    fn hang_up(&mut self) -> Sent {
        Sent::Text(json!({"type": "bye"}).to_string())
    }

    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Binary {
            self.queue.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            return;
        }
        let message: Value = serde_json::from_slice(bytes).unwrap();
        match message["type"].as_str().unwrap() {
            "clear" => {
                self.queue.clear();
                self.position = 0;
                self.generation = message["generation"].as_u64().unwrap();
            }
            "digits" => self.pressed.push_str(message["digits"].as_str().unwrap()),
            "transfer" => assert_eq!(message["to"], "+14155550123"),
            "bye" => self.told_goodbye = message["cause"].is_string(),
            other => panic!("{other}"),
        }
    }

    fn play_out(&mut self) -> Vec<Sent> {
        self.position += self.queue.len();
        self.played.append(&mut self.queue);
        let ms = self.position / 16;
        vec![Sent::Text(json!({"type": "played", "generation": self.generation, "ms": ms}).to_string())]
    }

    fn played(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.played)
    }

    fn pressed(&self) -> String {
        self.pressed.clone()
    }

    fn was_told_goodbye(&self) -> bool {
        self.told_goodbye
    }
}
