//! What Mcube says on a media socket.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{FactsAt, StreamHabits, strict};
use crate::phone::Warning;
use crate::phone::dialect::{Dialect, Habits, Reading, Stopping};
use crate::phone::fields::content_type_of;
use crate::{b64, chance};

#[derive(Debug)]
pub(super) struct Spoken {
    call_id: Arc<str>,
    stream_id: String,
    habits: Arc<StreamHabits>,
    facts: Arc<[(String, String)]>,
}

impl Spoken {
    pub(super) fn new(call_id: &str, habits: StreamHabits, facts: Vec<(String, String)>) -> Spoken {
        Spoken {
            call_id: call_id.into(),
            stream_id: chance::sid("st"),
            habits: Arc::new(habits),
            facts: facts.into(),
        }
    }

    /// Whatever is said of this stream carries its name, if it has one.
    fn about_stream(&self, event: &str, more: &Value) -> Message {
        let mut message = Map::new();
        message.insert("event".into(), event.into());
        if self.habits.names_stream {
            message.insert("streamId".into(), self.stream_id.as_str().into());
        }
        if let Value::Object(more) = more {
            message.extend(more.clone());
        }
        Message::text(Value::Object(message).to_string())
    }

    fn media_text(&self, payload: &str) -> String {
        let mut media = json!({"payload": payload});
        if self.habits.describes_media {
            media["contentType"] = content_type_of(self.habits.sound.encoding).into();
            media["sampleRate"] = self.habits.sound.rate.hz().into();
        }
        json!({"event": "media", "media": media}).to_string()
    }
}

fn extend(object: &mut Value, more: Map<String, Value>) {
    if let Value::Object(object) = object {
        object.extend(more);
    }
}

impl Dialect for Spoken {
    fn stream_sid(&self) -> &str {
        &self.stream_id
    }

    fn habits(&self) -> Habits {
        Habits {
            obeys_hang_up: self.habits.obeys_terminate,
            ..Habits::new(self.habits.sound, self.habits.marks_on_clear)
        }
    }

    fn again(&self) -> Box<dyn Dialect> {
        Box::new(Spoken {
            call_id: Arc::clone(&self.call_id),
            stream_id: chance::sid("st"),
            habits: Arc::clone(&self.habits),
            facts: Arc::clone(&self.facts),
        })
    }

    fn start(&mut self, out: &mut Vec<Message>) {
        if self.habits.never_starts {
            return;
        }
        let sound = self.habits.sound;
        let mut start = json!({"callId": &*self.call_id, "tracks": ["inbound", "outbound"]});
        if self.habits.names_stream {
            start["streamId"] = self.stream_id.as_str().into();
        }
        if self.habits.names_format {
            start["mediaFormat"] =
                json!({"encoding": content_type_of(sound.encoding), "sampleRate": sound.rate.hz()});
        }
        let mut message = json!({"event": "start"});
        let facts: Map<String, Value> =
            self.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        match self.habits.facts_at {
            FactsAt::TopLevel => extend(&mut message, facts),
            FactsAt::Start => extend(&mut start, facts),
            FactsAt::CustomParameters => start["customParameters"] = facts.into(),
            FactsAt::ExtraHeaders => {
                let pairs: Vec<String> =
                    self.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
                message["extra_headers"] = pairs.join(";").into();
            }
        }
        message["start"] = start;
        out.push(Message::text(message.to_string()));
    }

    fn media(&mut self, piece: &[u8], _at: Duration, out: &mut Vec<Message>) {
        if self.habits.never_starts {
            return;
        }
        if self.habits.binary {
            out.push(Message::binary(piece.to_vec()));
        } else {
            out.push(Message::text(self.media_text(&b64::encode(piece))));
        }
    }

    fn digit(&mut self, digit: char, out: &mut Vec<Message>) {
        let timestamp = Timestamp::now().as_millisecond().to_string();
        let dtmf = json!({"dtmf": {"track": "inbound", "digit": digit, "timestamp": timestamp}});
        out.push(self.about_stream("dtmf", &dtmf));
    }

    fn played(&mut self, name: &str, out: &mut Vec<Message>) {
        out.push(self.about_stream("playedStream", &json!({"name": name})));
    }

    fn cleared(&mut self, out: &mut Vec<Message>) {
        if self.habits.tells_cleared {
            out.push(self.about_stream("clearedAudio", &json!({})));
        }
    }

    fn stop(&mut self, _why: Stopping, out: &mut Vec<Message>) {
        if self.habits.sends_stop {
            out.push(self.about_stream("stop", &json!({})));
        }
    }

    fn bad_media(&self, payload: &str) -> String {
        self.media_text(payload)
    }

    fn read_text(&mut self, text: &str, _queued: Duration) -> Reading {
        strict::read(text, &self.call_id, &self.stream_id, &self.habits)
    }

    fn read_binary(&mut self, bytes: &[u8], _queued: Duration) -> Reading {
        Reading::wrong(strict::invalid(&format!("a binary message of {} bytes", bytes.len())))
    }

    fn refused(&self, _status: Option<u16>, problem: &str) -> Warning {
        Warning::plain(format!("the media socket cannot be opened: {problem}"))
    }

    fn lost(&self, protocol_error: bool, why: &str) -> Warning {
        let what = if protocol_error { "the protocol is broken" } else { "the connection is lost" };
        Warning::plain(format!("{what}: {why}"))
    }
}
