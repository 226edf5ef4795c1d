//! What Twilio says on a media stream, and what it makes of what it is told.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_tungstenite::tungstenite::Message;

use super::messages::{Body, Connected, Dtmf, Event, Mark, Media, MediaFormat, Start, Stop};
use super::webhook::Asking;
use super::{Method, strict};
use crate::phone::callbacks::{Callback, CallbackQueue};
use crate::phone::dialect::{Dialect, Habits, MarksOnClear, Reading, Stopping, StreamEvent};
use crate::phone::{Sound, StreamEnd, Warning};
use crate::{b64, chance};

/// Where a stream's own events are reported to.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    pub(super) asking: Asking,
    pub(super) queue: CallbackQueue,
    pub(super) url: String,
    pub(super) method: Method,
    pub(super) name: Option<String>,
}

#[derive(Debug)]
pub(super) struct Spoken {
    account_sid: String,
    call_sid: String,
    sid: String,
    parameters: Vec<(String, String)>,
    reports: Option<Reports>,
    sequence: u64,
    chunk: u64,
}

impl Spoken {
    pub(super) fn new(
        account_sid: String,
        call_sid: String,
        sid: String,
        parameters: Vec<(String, String)>,
        reports: Option<Reports>,
    ) -> Spoken {
        Spoken { account_sid, call_sid, sid, parameters, reports, sequence: 0, chunk: 0 }
    }

    fn write(&mut self, body: Body<'_>, out: &mut Vec<Message>) {
        self.sequence += 1;
        out.push(Message::text(Event::text(self.sequence, &self.sid, body)));
    }

    fn report(&self, event: &str, error: Option<&str>) {
        let Some(reports) = &self.reports else { return };
        let mut form = vec![
            ("AccountSid".to_owned(), self.account_sid.clone()),
            ("CallSid".to_owned(), self.call_sid.clone()),
            ("StreamSid".to_owned(), self.sid.clone()),
            ("StreamName".to_owned(), reports.name.clone().unwrap_or_else(|| self.sid.clone())),
            ("StreamEvent".to_owned(), event.to_owned()),
            ("Timestamp".to_owned(), Timestamp::now().to_string()),
        ];
        if let Some(error) = error {
            form.push(("StreamError".to_owned(), error.to_owned()));
        }
        let request = reports.asking.request(reports.method, &reports.url, &form);
        reports.queue.send(Callback { event: event.to_owned(), request });
    }
}

impl Dialect for Spoken {
    fn stream_sid(&self) -> &str {
        &self.sid
    }

    fn habits(&self) -> Habits {
        Habits::new(Sound::MULAW_8000, MarksOnClear::Echoed)
    }

    fn again(&self) -> Box<dyn Dialect> {
        Box::new(Spoken::new(
            self.account_sid.clone(),
            self.call_sid.clone(),
            chance::sid("MZ"),
            self.parameters.clone(),
            self.reports.clone(),
        ))
    }

    fn greet(&mut self, out: &mut Vec<Message>) {
        out.push(Message::text(Connected::text()));
    }

    fn start(&mut self, out: &mut Vec<Message>) {
        let parameters = self.parameters.iter();
        let custom_parameters: Map<String, Value> =
            parameters.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let (account_sid, call_sid, sid) =
            (self.account_sid.clone(), self.call_sid.clone(), self.sid.clone());
        let start = Start {
            account_sid: &account_sid,
            stream_sid: &sid,
            call_sid: &call_sid,
            tracks: ["inbound"],
            media_format: MediaFormat { encoding: "audio/x-mulaw", sample_rate: 8_000, channels: 1 },
            custom_parameters,
        };
        self.write(Body::Start(start), out);
    }

    fn media(&mut self, piece: &[u8], at: Duration, out: &mut Vec<Message>) {
        self.chunk += 1;
        let media = Media {
            track: "inbound",
            chunk: self.chunk.to_string(),
            timestamp: at.as_millis().to_string(),
            payload: &b64::encode(piece),
        };
        self.write(Body::Media(media), out);
    }

    fn digit(&mut self, digit: char, out: &mut Vec<Message>) {
        self.write(Body::Dtmf(Dtmf { track: "inbound_track", digit }), out);
    }

    fn played(&mut self, name: &str, out: &mut Vec<Message>) {
        self.write(Body::Mark(Mark { name }), out);
    }

    fn stop(&mut self, _why: Stopping, out: &mut Vec<Message>) {
        let (account_sid, call_sid) = (self.account_sid.clone(), self.call_sid.clone());
        self.write(Body::Stop(Stop { account_sid: &account_sid, call_sid: &call_sid }), out);
    }

    fn bad_media(&self, payload: &str) -> String {
        let media = Media { track: "inbound", chunk: "0".into(), timestamp: "0".into(), payload };
        Event::text(self.sequence.max(1), &self.sid, Body::Media(media))
    }

    fn read_text(&mut self, text: &str, _queued: Duration) -> Reading {
        strict::read(text, &self.sid)
    }

    fn read_binary(&mut self, bytes: &[u8], _queued: Duration) -> Reading {
        Reading::wrong(strict::invalid(&format!("a binary message of {} bytes", bytes.len())))
    }

    fn refused(&self, status: Option<u16>, problem: &str) -> Warning {
        let code = if status.is_some() { 31920 } else { 31901 };
        Warning::coded(code, format!("Stream - WebSocket: {problem}"))
    }

    fn lost(&self, protocol_error: bool, why: &str) -> Warning {
        let (number, name) = if protocol_error { (31924, "Protocol Error") } else { (31903, "Broken Pipe") };
        Warning::coded(number, format!("Stream - WebSocket - {name}: {why}"))
    }

    fn happened(&mut self, what: StreamEvent<'_>) {
        match what {
            StreamEvent::Opened => self.report("stream-started", None),
            StreamEvent::Refused { problem } => self.report("stream-error", Some(problem)),
            StreamEvent::Ended { why } => {
                if let StreamEnd::Lost { why } = why {
                    self.report("stream-error", Some(why));
                }
                self.report("stream-stopped", None);
            }
            StreamEvent::Played { .. } | StreamEvent::Cleared => {}
        }
    }
}
