//! What Plivo says on a media stream: counters are numbers, the time is a text, and there is no goodbye.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::asking::Asking;
use super::{ExtraHeaders, LargerPieces, Method, strict};
use crate::b64;
use crate::phone::callbacks::{Callback, CallbackQueue};
use crate::phone::dialect::{Dialect, Habits, MarksOnClear, Reading, Said, Stopping, StreamEvent};
use crate::phone::fields::content_type_of;
use crate::phone::{Sound, StreamEnd, Warning};

/// How full the playback buffer must be for a word about it.
const DEGRADED_AT_PERCENT: [u32; 3] = [30, 60, 90];

/// Where a stream's own events are reported to.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    pub(super) asking: Asking,
    pub(super) queue: CallbackQueue,
    pub(super) url: String,
    pub(super) method: Method,
    pub(super) from: String,
    pub(super) to: String,
}

/// What stays the same when the stream is opened again.
#[derive(Debug)]
pub(super) struct StreamFacts {
    pub(super) account_id: String,
    pub(super) call_uuid: String,
    pub(super) sound: Sound,
    pub(super) timeout: Duration,
    pub(super) extra_headers: Vec<(String, String)>,
    pub(super) extra_headers_as: ExtraHeaders,
    pub(super) larger_pieces: LargerPieces,
    pub(super) sends_stop: bool,
    pub(super) tells_errors: bool,
    pub(super) reports: Option<Reports>,
}

#[derive(Debug)]
pub(super) struct Spoken {
    facts: Arc<StreamFacts>,
    stream_id: String,
    sequence: u64,
    chunk: u64,
    began: Timestamp,
    /// The highest mark of fullness told of.
    degraded: u32,
}

impl Spoken {
    pub(super) fn new(facts: Arc<StreamFacts>, stream_id: String) -> Spoken {
        Spoken { facts, stream_id, sequence: 0, chunk: 0, began: Timestamp::now(), degraded: 0 }
    }

    fn write(&mut self, event: &str, more: Value, with_headers: bool, out: &mut Vec<Message>) {
        self.sequence += 1;
        let mut message = Map::new();
        message.insert("event".into(), event.into());
        message.insert("sequenceNumber".into(), self.sequence.into());
        if event != "start" {
            message.insert("streamId".into(), self.stream_id.as_str().into());
        }
        if with_headers && let Some(headers) = self.extra_headers() {
            message.insert("extra_headers".into(), headers.into());
        }
        if let Value::Object(more) = more {
            message.extend(more);
        }
        out.push(Message::text(Value::Object(message).to_string()));
    }

    fn extra_headers(&self) -> Option<String> {
        let headers = self.facts.extra_headers.iter();
        match self.facts.extra_headers_as {
            ExtraHeaders::Pairs => {
                let pairs: Vec<String> = headers.map(|(name, value)| format!("{name}={value}")).collect();
                Some(pairs.join(";"))
            }
            ExtraHeaders::Json => {
                let object: Map<String, Value> =
                    headers.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                Some(Value::Object(object).to_string())
            }
            ExtraHeaders::Missing => None,
        }
    }

    fn report(&self, event: &str, more: &[(&str, String)]) {
        let Some(reports) = &self.facts.reports else { return };
        let mut form: Vec<(String, String)> = [
            ("Event", event.to_owned()),
            ("StreamID", self.stream_id.clone()),
            ("CallUUID", self.facts.call_uuid.clone()),
            ("From", reports.from.clone()),
            ("To", reports.to.clone()),
            ("Timestamp", Timestamp::now().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let request = reports.asking.request(reports.method, &reports.url, &form);
        reports.queue.send(Callback { event: event.to_owned(), request });
    }

    /// Tells once of every mark of fullness that is passed on the way up.
    fn watch_buffer(&mut self, queued: Duration) {
        let percent = (queued.as_millis() * 100 / strict::BUFFER.as_millis()) as u32;
        let passed = DEGRADED_AT_PERCENT.into_iter().filter(|mark| percent >= *mark).max().unwrap_or(0);
        if passed > self.degraded {
            self.report("DegradedStream", &[("BufferPercent", passed.to_string())]);
        }
        self.degraded = passed;
    }
}

impl Dialect for Spoken {
    fn stream_sid(&self) -> &str {
        &self.stream_id
    }

    fn habits(&self) -> Habits {
        Habits {
            lasts_at_most: Some(self.facts.timeout),
            ..Habits::new(self.facts.sound, MarksOnClear::Silent)
        }
    }

    fn again(&self) -> Box<dyn Dialect> {
        Box::new(Spoken::new(Arc::clone(&self.facts), super::uuid()))
    }

    fn start(&mut self, out: &mut Vec<Message>) {
        let sound = self.facts.sound;
        let start = json!({"start": {
            "callId": self.facts.call_uuid,
            "streamId": self.stream_id,
            "accountId": self.facts.account_id,
            "tracks": ["inbound"],
            "mediaFormat": {
                "encoding": content_type_of(sound.encoding), "sampleRate": sound.rate.hz(),
            },
        }});
        self.write("start", start, true, out);
    }

    fn media(&mut self, piece: &[u8], at: Duration, out: &mut Vec<Message>) {
        self.chunk += 1;
        let timestamp = self.began.as_millisecond() + at.as_millis() as i64;
        let media = json!({"media": {
            "track": "inbound",
            "timestamp": timestamp.to_string(),
            "chunk": self.chunk,
            "payload": b64::encode(piece),
        }});
        self.write("media", media, true, out);
    }

    fn digit(&mut self, digit: char, out: &mut Vec<Message>) {
        let timestamp = Timestamp::now().as_millisecond().to_string();
        let dtmf = json!({"dtmf": {"track": "inbound", "digit": digit, "timestamp": timestamp}});
        self.write("dtmf", dtmf, true, out);
    }

    fn played(&mut self, name: &str, out: &mut Vec<Message>) {
        self.write("playedStream", json!({"name": name}), false, out);
    }

    fn cleared(&mut self, out: &mut Vec<Message>) {
        self.write("clearedAudio", json!({}), false, out);
    }

    fn stop(&mut self, _why: Stopping, out: &mut Vec<Message>) {
        if self.facts.sends_stop {
            self.write("stop", json!({}), false, out);
        }
    }

    fn bad_media(&self, payload: &str) -> String {
        json!({"event": "media", "sequenceNumber": self.sequence, "streamId": self.stream_id,
               "media": {"track": "inbound", "timestamp": "0", "chunk": 0, "payload": payload}})
        .to_string()
    }

    fn read_text(&mut self, text: &str, queued: Duration) -> Reading {
        let facts = Arc::clone(&self.facts);
        let mut reading = strict::read(text, &self.stream_id, facts.sound, facts.larger_pieces, queued);
        if facts.tells_errors {
            for warning in &reading.warnings {
                let event = if warning.text.starts_with(strict::PAYLOAD) { "playFailed" } else { "error" };
                self.write(event, json!({"reason": warning.text}), false, &mut reading.replies);
            }
        }
        match &reading.said {
            Some(Said::Audio(audio)) => self.watch_buffer(queued + facts.sound.playing_time(audio.len())),
            _ => self.watch_buffer(queued),
        }
        reading
    }

    fn read_binary(&mut self, bytes: &[u8], _queued: Duration) -> Reading {
        Reading::wrong(strict::invalid(&format!("a binary message of {} bytes", bytes.len())))
    }

    fn refused(&self, _status: Option<u16>, problem: &str) -> Warning {
        Warning::plain(format!("the stream cannot be opened: {problem}"))
    }

    fn lost(&self, protocol_error: bool, why: &str) -> Warning {
        let what = if protocol_error { "the protocol is broken" } else { "the connection is lost" };
        Warning::plain(format!("{what}: {why}"))
    }

    fn happened(&mut self, what: StreamEvent<'_>) {
        match what {
            StreamEvent::Opened => self.report("StartStream", &[]),
            StreamEvent::Played { name } => self.report("PlayedStream", &[("Name", name.to_owned())]),
            StreamEvent::Cleared => {
                self.degraded = 0;
                self.report("ClearedAudio", &[]);
            }
            StreamEvent::Refused { problem } => {
                self.report("DroppedStream", &[("Reason", problem.to_owned())]);
            }
            StreamEvent::Ended { why: StreamEnd::Lost { why } } => {
                self.report("DroppedStream", &[("Reason", why.clone())]);
            }
            StreamEvent::Ended { .. } => self.report("StopStream", &[]),
        }
    }
}
