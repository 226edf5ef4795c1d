//! The agent of the measure: an ElevenLabs-like peer that costs as little as can be.
//!
//! It echoes every chunk of audio as it came, or speaks without end so that there is something to interrupt. One
//! thread, one write per message. The agent with scripts, tools and faults is another one; this one must be able to
//! serve a thousand calls from a corner of a core.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::handshake::{self, Request};
use super::link::{Link, LinkError, Outbox, SCRATCH_BYTES};
use super::scan;
use super::slots::Slots;
use super::voice::{NEGATIVE_ZERO, Voice, Voices, is_loud};

const LISTENER: Token = Token(usize::MAX - 1);

/// Speech comes in answers of this length, each faster than real time.
const ANSWER: Duration = Duration::from_secs(2);
/// Pieces of an answer: half a second each.
const PIECE_BYTES: usize = 4_000;
const PIECES: usize = (ANSWER.as_millis() as usize * 8) / PIECE_BYTES;
/// How long an interrupted agent thinks before it speaks again.
/// A backlog comes within this time of its first piece.
const BACKLOG_WITHIN: Duration = Duration::from_millis(300);
const RETORT_AFTER: Duration = Duration::from_millis(700);
/// Caller audio that must be quiet before a loud piece counts as a new interruption.
const QUIET_BYTES: usize = 300 * 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Every chunk comes back as it was.
    #[default]
    Echo,
    /// Speaks without end; at the first loud chunk it sends `interruption`, and speaks again a little later.
    Yield,
    /// Speaks without end and never reacts: only the gateway's own ears can stop it.
    Insist,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentPlan {
    pub manner: Manner,
    /// Echoes of one call all carry the event id 1, as the pieces of one answer do; otherwise each has its own.
    pub one_event_id: bool,
    /// Send `ping` so often.
    pub ping_every_ms: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Agent {
    plan: AgentPlan,
    address: SocketAddr,
    poll: Poll,
    events: Events,
    listener: TcpListener,
    sessions: Slots<Session>,
    scratch: Box<[u8]>,
    frame: Vec<u8>,
    /// One answer's pieces in base64.
    answer: Vec<String>,
    next_look: Option<Instant>,
}

#[derive(Debug)]
struct Session {
    link: Link,
    event_id: u64,
    /// When the next answer is due; only where the agent speaks by itself.
    speaks_at: Option<Instant>,
    pings_at: Option<Instant>,
    /// Bytes of quiet heard in a row.
    quiet: usize,
    echoes_from: Option<Instant>,
}

impl Agent {
    pub(super) fn bind(plan: &AgentPlan) -> io::Result<(Agent, SocketAddr)> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let voices = Voices::new(NEGATIVE_ZERO);
        let answer = (0..PIECES).map(|piece| {
            let mut sound = [0; PIECE_BYTES];
            voices.fill(Voice::Shout, piece * PIECE_BYTES, &mut sound);
            STANDARD.encode(sound)
        });
        let agent = Agent {
            plan: plan.clone(),
            address,
            poll,
            events: Events::with_capacity(1024),
            listener,
            sessions: Slots::new(),
            scratch: vec![0; SCRATCH_BYTES].into(),
            frame: Vec::with_capacity(8192),
            answer: answer.collect(),
            next_look: None,
        };
        Ok((agent, address))
    }

    pub(super) fn turn(&mut self, patience: Option<Duration>) -> io::Result<()> {
        let until_look = self.next_look.map(|look| look.saturating_duration_since(Instant::now()));
        let patience = [patience, until_look].into_iter().flatten().min();
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if let Err(error) = self.poll.poll(&mut events, patience)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            if event.token() == LISTENER {
                self.accept()?;
            } else {
                self.serve(event.token().0, event.is_read_closed() || event.is_error());
            }
        }
        self.sessions.settle();
        self.events = events;
        self.look_at_the_clock();
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    let token = Token(self.sessions.next());
                    let link = Link::accepted(stream, self.poll.registry(), token)?;
                    let session = Session {
                        link,
                        event_id: 1,
                        speaks_at: None,
                        pings_at: None,
                        quiet: QUIET_BYTES,
                        echoes_from: None,
                    };
                    self.sessions.insert(session);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn serve(&mut self, number: usize, ended: bool) {
        let Agent { plan, address, sessions, scratch, frame, next_look, .. } = self;
        let Some(session) = sessions.get_mut(number) else { return };
        let served = session.serve(plan, *address, ended, scratch, frame);
        *next_look = [*next_look, session.next_look()].into_iter().flatten().min();
        if served.is_err() {
            sessions.remove(number);
        }
    }

    /// Speaks and pings where it is time.
    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        if self.next_look.is_none_or(|look| look > now) {
            return;
        }
        let mut gone = Vec::new();
        let mut next_look = None;
        for (number, session) in self.sessions.iter_mut() {
            if session.act(now, &self.plan, &self.answer, &mut self.frame).is_err() {
                gone.push(number);
            } else {
                next_look = [next_look, session.next_look()].into_iter().flatten().min();
            }
        }
        self.next_look = next_look;
        for number in gone {
            self.sessions.remove(number);
        }
    }
}

impl Session {
    fn serve(
        &mut self,
        plan: &AgentPlan,
        address: SocketAddr,
        ended: bool,
        scratch: &mut [u8],
        frame: &mut Vec<u8>,
    ) -> Result<(), LinkError> {
        if !self.link.is_open() {
            let Some(request) = self.link.read_request(scratch)? else { return Ok(()) };
            match &request.key {
                Some(key) => {
                    self.link.upgrade(key)?;
                    self.pings_at =
                        plan.ping_every_ms.map(|every| Instant::now() + Duration::from_millis(every));
                }
                None => {
                    self.link.answer(&document(&request, address))?;
                    return Err(LinkError::Ended);
                }
            }
        }
        let Session { link, event_id, speaks_at, quiet, echoes_from, .. } = self;
        link.receive(ended, scratch, |text, out| {
            let Some(audio) = scan::string(text, b"\"user_audio_chunk\"") else {
                // Whatever else a client says needs no answer from us.
                if scan::string(text, b"\"type\"") != Some(b"conversation_initiation_client_data") {
                    return Ok(());
                }
                *speaks_at = (plan.manner != Manner::Echo).then(Instant::now);
                return out.send_text(frame, &[METADATA]);
            };
            match plan.manner {
                Manner::Echo => {
                    // What a caller said while the agent was being dialled comes in one go. Its echo would come in one go
                    // too, and wait in the caller's playout for ever after: no agent answers like that.
                    let first = *echoes_from.get_or_insert_with(|| Instant::now() + BACKLOG_WITHIN);
                    if Instant::now() < first {
                        return Ok(());
                    }
                    send_audio(out, frame, audio, *event_id)?;
                    *event_id += u64::from(!plan.one_event_id);
                    Ok(())
                }
                Manner::Yield => {
                    if !begins_to_shout(audio, quiet) {
                        return Ok(());
                    }
                    let id = event_id.to_string();
                    *event_id += 1;
                    *speaks_at = Some(Instant::now() + RETORT_AFTER);
                    let before = b"{\"type\":\"interruption\",\"interruption_event\":{\"event_id\":";
                    out.send_text(frame, &[before, id.as_bytes(), b"}}"])
                }
                Manner::Insist => Ok(()),
            }
        })
    }

    fn act(
        &mut self,
        now: Instant,
        plan: &AgentPlan,
        answer: &[String],
        frame: &mut Vec<u8>,
    ) -> Result<(), LinkError> {
        if self.pings_at.is_some_and(|due| due <= now) {
            self.pings_at = plan.ping_every_ms.map(|every| now + Duration::from_millis(every));
            let id = self.event_id.to_string();
            let before = b"{\"type\":\"ping\",\"ping_event\":{\"event_id\":";
            self.link.out.send_text(frame, &[before, id.as_bytes(), b",\"ping_ms\":null}}"])?;
        }
        if self.speaks_at.is_some_and(|due| due <= now) {
            // Answers follow one another without a gap, so the caller always has somebody to interrupt.
            self.speaks_at = Some(now + ANSWER);
            self.event_id += 1;
            let id = self.event_id.to_string();
            let before = b"{\"type\":\"agent_response\",\"agent_response_event\":{\"agent_response\":\"\
                           And another thing.\",\"event_id\":";
            self.link.out.send_text(frame, &[before, id.as_bytes(), b"}}"])?;
            for piece in answer {
                send_audio(&mut self.link.out, frame, piece.as_bytes(), self.event_id)?;
            }
        }
        Ok(())
    }

    fn next_look(&self) -> Option<Instant> {
        [self.speaks_at, self.pings_at].into_iter().flatten().min()
    }
}

fn send_audio(out: &mut Outbox, frame: &mut Vec<u8>, base64: &[u8], event_id: u64) -> Result<(), LinkError> {
    let mut digits = [0; 20];
    let id = decimal(event_id, &mut digits);
    let before = b"{\"type\":\"audio\",\"audio_event\":{\"audio_base_64\":\"";
    out.send_text(frame, &[before, base64, b"\",\"event_id\":", id, b"}}"])
}

/// The number in digits, without an allocation per frame.
pub(super) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

/// Whether this chunk is loud and what came before was quiet long enough. Unreadable audio is neither.
fn begins_to_shout(base64: &[u8], quiet: &mut usize) -> bool {
    let Ok(sound) = STANDARD.decode(base64) else { return false };
    // Chunks may be batches: the first loud 20 ms count.
    for piece in sound.chunks(160) {
        if !is_loud(piece) {
            *quiet = quiet.saturating_add(piece.len());
        } else if std::mem::take(quiet) >= QUIET_BYTES {
            return true;
        }
    }
    false
}

const METADATA: &[u8] = br#"{"type":"conversation_initiation_metadata","conversation_initiation_metadata_event":{"conversation_id":"conv_bench","agent_output_audio_format":"ulaw_8000","user_input_audio_format":"ulaw_8000"}}"#;

/// What a client may read over plain HTTP before it dials.
fn document(request: &Request, address: SocketAddr) -> Vec<u8> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    if request.method != "GET" {
        return handshake::json_answer(
            "405 Method Not Allowed",
            r#"{"detail":{"status":"method_not_allowed"}}"#,
        );
    }
    if path == "/v1/convai/conversation/get-signed-url" {
        let agent_id = query.split('&').find_map(|pair| pair.strip_prefix("agent_id=")).unwrap_or("bench");
        let url = format!("ws://{address}/v1/convai/conversation?agent_id={agent_id}&token=bench");
        return handshake::json_answer("200 OK", &serde_json::json!({ "signed_url": url }).to_string());
    }
    if let Some(agent_id) = path.strip_prefix("/v1/convai/agents/").filter(|id| !id.contains('/')) {
        let agent = serde_json::json!({
            "agent_id": agent_id,
            "name": "bench",
            "conversation_config": {
                "agent": { "first_message": "", "language": "en", "prompt": { "prompt": "", "tools": [] } },
                "asr": { "user_input_audio_format": "ulaw_8000" },
                "tts": { "agent_output_audio_format": "ulaw_8000", "voice_id": "bench" },
                "turn": { "turn_timeout": 7, "silence_end_call_timeout": -1 },
                "conversation": {
                    "text_only": false,
                    "max_duration_seconds": 86_400,
                    "client_events": [
                        "conversation_initiation_metadata", "ping", "audio", "interruption", "user_transcript",
                        "agent_response", "agent_response_correction", "vad_score", "client_tool_call",
                        "agent_tool_response",
                    ],
                },
            },
            "platform_settings": {
                "auth": { "enable_auth": false, "allowlist": [] },
                "call_limits": { "agent_concurrency_limit": -1, "daily_limit": 100_000, "bursting_enabled": true },
                "overrides": {},
            },
        });
        return handshake::json_answer("200 OK", &agent.to_string());
    }
    handshake::json_answer("404 Not Found", r#"{"detail":{"status":"not_found"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(target: &str) -> String {
        let request = Request { method: "GET".to_owned(), target: target.to_owned(), key: None };
        let address = SocketAddr::from(([127, 0, 0, 1], 4711));
        String::from_utf8(document(&request, address)).expect("text")
    }

    #[test]
    fn the_signed_url_leads_back_to_this_agent() {
        let answer = answer_to("/v1/convai/conversation/get-signed-url?source=x&agent_id=a1");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["signed_url"], "ws://127.0.0.1:4711/v1/convai/conversation?agent_id=a1&token=bench");
    }

    #[test]
    fn the_agent_describes_itself_and_nothing_else() {
        let answer = answer_to("/v1/convai/agents/a1");
        let body: serde_json::Value =
            serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
        assert_eq!(body["conversation_config"]["asr"]["user_input_audio_format"], "ulaw_8000");
        assert!(answer_to("/v1/convai/agents/a1/link").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn only_the_first_loud_chunk_after_quiet_interrupts() {
        let voices = Voices::new(NEGATIVE_ZERO);
        let chunk = |voice, sample| {
            let mut sound = [0; 320];
            voices.fill(voice, sample, &mut sound);
            STANDARD.encode(sound)
        };
        let mut quiet = QUIET_BYTES;

        assert!(!begins_to_shout(chunk(Voice::Quiet, 0).as_bytes(), &mut quiet));
        assert!(begins_to_shout(chunk(Voice::Shout, 0).as_bytes(), &mut quiet));
        assert!(!begins_to_shout(chunk(Voice::Shout, 320).as_bytes(), &mut quiet));
        for index in 0..QUIET_BYTES.div_ceil(320) {
            assert!(!begins_to_shout(chunk(Voice::Quiet, index * 320).as_bytes(), &mut quiet));
        }
        assert!(!begins_to_shout(b"not base64", &mut quiet));
        assert!(begins_to_shout(chunk(Voice::Shout, 0).as_bytes(), &mut quiet));
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        let mut digits = [0; 20];
        for number in [0, 7, 10, 4_711, u64::MAX] {
            assert_eq!(decimal(number, &mut digits), number.to_string().as_bytes());
        }
    }
}
