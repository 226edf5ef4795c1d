//! One conversation: its opening, its loop, its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::admission::{self, Effective};
use super::agent::AgentDoc;
use super::reading::{self, FromClient, Unacceptable};
use super::record::{SessionEnd, SessionRecord};
use super::script::{Act, ErrorShape};
use super::talking::Talking;
use super::{MetadataOrder, OverLimit, Slot, Workspace};
use crate::faults::{Faults, Moment, Struck};
use crate::locked;
use crate::wire::{self, Heard, Wire};

const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What the handshake has settled.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) subprotocol: Option<String>,
    pub(super) query: String,
    pub(super) faults: Faults,
    /// The socket is opened only to be closed.
    pub(super) close_at_once: Option<(u16, String)>,
    pub(super) slot: Option<Slot>,
}

/// How a conversation is about to end.
#[derive(Debug)]
pub(super) enum Ending {
    /// With our close frame.
    Close {
        code: u16,
        reason: String,
    },
    Drop,
    /// The client's close frame.
    Closed {
        code: u16,
        reason: String,
    },
    Lost(String),
    ShutDown,
}

pub(super) struct Session {
    pub(super) workspace: Arc<Workspace>,
    pub(super) agent: AgentDoc,
    pub(super) effective: Effective,
    pub(super) record: Arc<Mutex<SessionRecord>>,
    pub(super) wire: Wire<TcpStream>,
    pub(super) opened: Instant,
    pub(super) talking: Talking,
    next_id: u64,
    last_received: Instant,
    next_ping: Instant,
    /// Pings without a pong: id, when sent, already counted as missed.
    pings: Vec<(u64, Instant, bool)>,
    latency_ms: Option<u64>,
}

/// Pings remembered while nobody answers.
const PINGS_MAX: usize = 1_000;

pub(super) async fn hold(
    workspace: Arc<Workspace>,
    agent: AgentDoc,
    mut opening: Opening,
    wire: Wire<TcpStream>,
    record: Arc<Mutex<SessionRecord>>,
    injected: mpsc::Receiver<Act>,
) -> SessionEnd {
    let now = Instant::now();
    let effective = Effective {
        first_message: String::new(),
        language: agent.language.clone(),
        text_only: false,
        client_events: agent.client_events.clone(),
        max_duration_seconds: agent.max_duration_seconds,
        variables: serde_json::Map::new(),
        complaints: Vec::new(),
    };
    let mut session = Session {
        talking: Talking::new(&agent, now),
        effective,
        record,
        wire,
        opened: now,
        next_id: 0,
        last_received: now,
        next_ping: now + workspace.config.ping_every,
        pings: Vec::new(),
        latency_ms: None,
        agent,
        workspace,
    };
    let ending = session.live(&mut opening, injected).await;
    let Session { mut wire, workspace, .. } = session;
    match ending {
        Ending::Close { code, reason } => {
            wire.close(code, &reason, CLOSE_WITHIN).await;
            SessionEnd::Agent { code, reason }
        }
        Ending::Drop => {
            wire.abort();
            SessionEnd::Dropped
        }
        Ending::Closed { code, reason } => {
            workspace.life.spawn(wire.finish());
            SessionEnd::Client { code, reason }
        }
        Ending::Lost(why) => SessionEnd::Lost { why },
        Ending::ShutDown => SessionEnd::ShutDown,
    }
}

impl Session {
    async fn live(&mut self, opening: &mut Opening, mut injected: mpsc::Receiver<Act>) -> Ending {
        if let Some((code, reason)) = opening.close_at_once.take() {
            return Ending::Close { code, reason };
        }
        match self.open(opening).await {
            Err(ending) => ending,
            Ok(()) => self.converse(&mut injected).await,
        }
    }

    /// From the opened socket to the metadata.
    async fn open(&mut self, opening: &mut Opening) -> Result<(), Ending> {
        if opening.needs_slot() {
            let slot = self.queue().await?;
            opening.keep(slot);
        }
        if self.workspace.config.metadata == MetadataOrder::AtOnce {
            self.send_metadata().await?;
        }
        let first = self.first_message().await?;
        let start = match &first {
            Some(FromClient::Start(start)) => Some((**start).clone()),
            _ => {
                self.complain("the first message was not conversation_initiation_client_data");
                None
            }
        };
        locked(&self.record).initiation.clone_from(&start);
        match admission::admit(&self.agent, start.as_ref()) {
            Ok(effective) => {
                for complaint in &effective.complaints {
                    self.complain(complaint.clone());
                }
                self.effective = effective;
            }
            Err(refused) => {
                self.error(ErrorShape::Nested, 1008, refused.error_type, &refused.problem);
                return Err(Ending::Close {
                    code: 1008,
                    reason: refused.problem.chars().take(100).collect(),
                });
            }
        }
        if self.workspace.config.metadata == MetadataOrder::AfterStart {
            self.send_metadata().await?;
        }
        self.talking.begin(&self.agent, &self.effective, Instant::now());
        match first {
            Some(FromClient::Start(_)) | None => Ok(()),
            Some(other) => self.take(other),
        }
    }

    /// Waits for a slot, saying so.
    async fn queue(&mut self) -> Result<Slot, Ending> {
        let OverLimit::Queue(patience) = self.workspace.config.over_limit else {
            return Err(Ending::Close { code: 3008, reason: "too many concurrent connections".into() });
        };
        self.tell("queue_status", json!({"queue_status_event": {"status": "waiting"}}));
        let until = Instant::now() + patience;
        let mut slots = self.workspace.slots.subscribe();
        loop {
            slots.borrow_and_update();
            if let Some(slot) = self.workspace.take_slot(&self.agent) {
                self.tell("queue_status", json!({"queue_status_event": {"status": "admitted"}}));
                return Ok(slot);
            }
            tokio::select! {
                _ = slots.changed() => {}
                () = sleep_until(until) => {
                    self.tell("queue_status", json!({"queue_status_event": {"status": "timed_out"}}));
                    return Err(Ending::Close { code: 3008, reason: "too many concurrent connections".into() });
                }
                heard = self.wire.next() => match heard {
                    Heard::Closed { code, reason } => return Err(Ending::Closed { code, reason }),
                    Heard::Lost { why, .. } => return Err(Ending::Lost(why)),
                    // Whatever comes early is answered once there is an agent; here it would have nobody to hear it.
                    Heard::Text(_) | Heard::Binary(_) => self.complain("a message while waiting in the queue"),
                    Heard::Struck(struck) => self.strike(struck)?,
                },
            }
        }
    }

    async fn first_message(&mut self) -> Result<Option<FromClient>, Ending> {
        let until = Instant::now() + self.workspace.config.receive_timeout;
        let over = self.workspace.life.over.clone();
        loop {
            let heard = tokio::select! {
                () = over.cancelled() => return Err(Ending::ShutDown),
                heard = timeout_at(until, self.wire.next()) => heard,
            };
            let Ok(heard) = heard else { return Err(self.nothing_received()) };
            if let Some(message) = self.sort_out(heard)? {
                return Ok(Some(message));
            }
        }
    }

    async fn send_metadata(&mut self) -> Result<(), Ending> {
        self.wire.reach(Moment::BeforeMetadata);
        // What strikes before the metadata must reach the wire before it.
        self.take_strikes().await?;
        let conversation_id = locked(&self.record).conversation_id.clone();
        self.tell(
            "conversation_initiation_metadata",
            json!({"conversation_initiation_metadata_event": {
                "conversation_id": conversation_id,
                "agent_output_audio_format": self.agent.output_format.token(),
                "user_input_audio_format": self.agent.input_format.token(),
            }}),
        );
        self.wire.reach(Moment::AfterMetadata);
        self.take_strikes().await
    }

    async fn take_strikes(&mut self) -> Result<(), Ending> {
        while self.wire.faults.has_struck() {
            if let Heard::Struck(struck) = self.wire.next().await {
                self.strike(struck)?;
            }
        }
        Ok(())
    }

    async fn converse(&mut self, injected: &mut mpsc::Receiver<Act>) -> Ending {
        let over = self.workspace.life.over.clone();
        loop {
            let now = Instant::now();
            if let Err(ending) = self.keep_time(now).and_then(|()| self.progress(now)) {
                return ending;
            }
            let deadline = self.deadline();
            let result = tokio::select! {
                biased;
                () = over.cancelled() => Err(Ending::ShutDown),
                heard = self.wire.next() => match self.sort_out(heard) {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => Ok(()),
                    Err(ending) => Err(ending),
                },
                Some(act) = injected.recv() => {
                    self.talking.add(act);
                    Ok(())
                }
                () = sleep_until(deadline) => Ok(()),
            };
            self.workspace.touched();
            if let Err(ending) = result {
                return ending;
            }
        }
    }

    /// What a client's message is, if it is one.
    fn sort_out(&mut self, heard: Heard) -> Result<Option<FromClient>, Ending> {
        match heard {
            Heard::Text(text) => {
                self.last_received = Instant::now();
                match reading::read(&text) {
                    Ok(message) => {
                        if !matches!(message, FromClient::Audio(_)) {
                            let value: Value = serde_json::from_str(&text).unwrap_or_default();
                            locked(&self.record).receive(self.opened.elapsed(), value);
                        }
                        Ok(Some(message))
                    }
                    Err(Unacceptable { error_type, problem }) => {
                        self.complain(format!("{error_type}: {problem}"));
                        self.error(ErrorShape::Nested, 1008, error_type, &problem);
                        Err(Ending::Close { code: 1008, reason: problem.chars().take(100).collect() })
                    }
                }
            }
            Heard::Binary(bytes) => {
                let problem = format!("a binary message of {} bytes", bytes.len());
                self.complain(problem.clone());
                self.error(ErrorShape::Nested, 1008, "invalid_message", &problem);
                Err(Ending::Close { code: 1008, reason: problem })
            }
            Heard::Closed { code, reason } => Err(Ending::Closed { code, reason }),
            Heard::Lost { why, .. } => Err(Ending::Lost(why)),
            Heard::Struck(struck) => self.strike(struck).map(|()| None),
        }
    }

    fn take(&mut self, message: FromClient) -> Result<(), Ending> {
        let at = self.opened.elapsed();
        match message {
            FromClient::Audio(bytes) => self.hear(&bytes),
            FromClient::Pong(id) => self.pong(id),
            FromClient::ToolResult { call_id, result, is_error } => {
                self.tool_answered(&call_id, result, is_error)
            }
            FromClient::UserMessage(text) => {
                locked(&self.record).user_messages.push(text);
                self.user_turn(None);
            }
            FromClient::ContextualUpdate(text) => locked(&self.record).contextual_updates.push(text),
            FromClient::UserActivity => {
                locked(&self.record).user_activities += 1;
                self.talking.user_is_there(Instant::now());
            }
            FromClient::Feedback | FromClient::McpApproval => {}
            FromClient::Start(_) => {
                self.complain(format!(
                    "a second conversation_initiation_client_data after {} ms",
                    at.as_millis()
                ));
            }
        }
        Ok(())
    }

    fn pong(&mut self, id: u64) {
        let Some(at) = self.pings.iter().position(|(known, ..)| *known == id) else {
            self.complain(format!("a pong for {id}, which was never asked or already answered"));
            return;
        };
        let (_, sent, _) = self.pings.remove(at);
        let took = sent.elapsed();
        self.latency_ms = Some(took.as_millis() as u64);
        locked(&self.record).pongs.push((id, took));
    }

    /// What time alone brings about.
    fn keep_time(&mut self, now: Instant) -> Result<(), Ending> {
        locked(&self.record).unsent = self.wire.discarded;
        let config = &self.workspace.config;
        if now >= self.last_received + config.receive_timeout {
            return Err(self.nothing_received());
        }
        if now >= self.opened + Duration::from_secs(self.effective.max_duration_seconds) {
            self.error(
                ErrorShape::Nested,
                1000,
                "max_duration_exceeded",
                "Conversation reached its maximum duration",
            );
            return Err(Ending::Close { code: 1000, reason: "max_duration_exceeded".into() });
        }
        for (_, sent, counted) in &mut self.pings {
            if !*counted && now >= *sent + config.pong_within {
                *counted = true;
                locked(&self.record).missed_pongs += 1;
            }
        }
        if now >= self.next_ping {
            self.next_ping = now + config.ping_every;
            self.ping(now);
        }
        Ok(())
    }

    pub(super) fn ping(&mut self, now: Instant) {
        let id = self.new_id();
        if self.pings.len() >= PINGS_MAX {
            self.pings.remove(0);
        }
        let latency = self.latency_ms;
        if self.tell("ping", json!({"ping_event": {"event_id": id, "ping_ms": latency}})) {
            self.pings.push((id, now, false));
        }
    }

    fn nothing_received(&mut self) -> Ending {
        let seconds = self.workspace.config.receive_timeout.as_secs();
        let problem = format!("Nothing was received for {seconds} seconds");
        self.error(ErrorShape::Nested, 1002, "transport_receive_timeout", &problem);
        Ending::Close { code: 1002, reason: problem }
    }

    fn deadline(&self) -> Instant {
        let config = &self.workspace.config;
        let pong = self
            .pings
            .iter()
            .filter(|(_, _, counted)| !counted)
            .map(|(_, sent, _)| *sent + config.pong_within);
        [
            self.last_received + config.receive_timeout,
            self.opened + Duration::from_secs(self.effective.max_duration_seconds),
            self.next_ping,
        ]
        .into_iter()
        .chain(pong)
        .chain(self.talking.deadline())
        .min()
        .unwrap_or(self.next_ping)
    }

    fn strike(&mut self, struck: Struck) -> Result<(), Ending> {
        locked(&self.record).faults.push(format!("{struck:?}"));
        match struck {
            Struck::Close { code, reason } => Err(Ending::Close { code, reason }),
            Struck::Drop => Err(Ending::Drop),
            Struck::Garbage(kind) => {
                let id = self.next_id;
                let message = wire::garbage(kind, self.agent.output_format.sample_bytes(), |payload| {
                    json!({"type": "audio", "audio_event": {"audio_base_64": payload, "event_id": id}})
                        .to_string()
                });
                self.wire.post(message);
                Ok(())
            }
        }
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn complain(&self, complaint: impl Into<String>) {
        locked(&self.record).complain(complaint);
    }

    /// Sends an event, if the agent's list of events has it. Says whether it was sent.
    pub(super) fn tell(&mut self, kind: &str, mut body: Value) -> bool {
        let always = ["conversation_initiation_metadata", "queue_status", "error", "client_tool_call"];
        let selected = self.effective.client_events.iter().any(|known| known == kind);
        if !selected && !always.contains(&kind) {
            return false;
        }
        if !selected && kind == "client_tool_call" {
            self.complain("client_tool_call is not among the agent's client_events; sent all the same");
        }
        body["type"] = kind.into();
        self.send(kind, &body);
        true
    }

    pub(super) fn send(&mut self, kind: &str, message: &Value) {
        locked(&self.record).send(self.opened.elapsed(), kind);
        self.wire.post_text(message.to_string());
    }

    pub(super) fn error(&mut self, shape: ErrorShape, code: u16, error_type: &str, message: &str) {
        let body = match shape {
            ErrorShape::Nested => json!({"error_event": {
                "code": code, "message": message, "error_type": error_type, "reason": error_type, "debug_message": null,
            }}),
            ErrorShape::Flat => json!({"message": message}),
        };
        self.tell("error", body);
    }
}
