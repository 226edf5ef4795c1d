//! Sessions with an ElevenLabs agent for the other tests to use.

use std::time::Duration;

use agents::elevenlabs::{Initiation, Leg, LegPlan};
use audio::{Frame, Rate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::{AgentCommand, AgentEvent, Said};
use serde_json::{Value, json};
use wire::{Incoming, Outbox};

/// A leg with what it says in both directions.
pub(crate) struct Session {
    pub(crate) leg: Leg,
    pub(crate) events: Vec<AgentEvent>,
    pub(crate) outbox: Outbox,
}

pub(crate) fn plan(rate: Rate) -> LegPlan {
    LegPlan {
        initiation: Initiation::default(),
        caller_rate: rate,
        batch: Duration::from_millis(60),
        resume: None,
        first_message_override_allowed: false,
    }
}

impl Session {
    pub(crate) fn new(plan: LegPlan) -> Session {
        let mut session = Session { leg: Leg::new(plan), events: Vec::new(), outbox: Outbox::new() };
        session.leg.open(&mut session.outbox);
        session
    }

    /// Stands, and has nothing left to say about it.
    pub(crate) fn ready(plan: LegPlan, hears: &str, speaks: &str) -> Session {
        let mut session = Session::new(plan);
        session.read(&metadata(hears, speaks));
        session.events.clear();
        session.outbox.clear();
        session
    }

    pub(crate) fn telephone() -> Session {
        Session::ready(plan(Rate::Hz8000), "ulaw_8000", "ulaw_8000")
    }

    pub(crate) fn resumed(conversation: Vec<Said>, first_message_override_allowed: bool) -> Session {
        let plan =
            LegPlan { resume: Some(conversation), first_message_override_allowed, ..plan(Rate::Hz8000) };
        let mut session = Session::new(plan);
        session.read(&metadata("ulaw_8000", "ulaw_8000"));
        session
    }

    pub(crate) fn read(&mut self, message: &Value) {
        self.read_text(&message.to_string());
    }

    pub(crate) fn read_text(&mut self, text: &str) {
        self.leg.read(Incoming::Text(text), &mut self.events, &mut self.outbox);
    }

    pub(crate) fn write(&mut self, command: AgentCommand) {
        self.leg.write(&command, &mut self.outbox, &mut self.events);
    }

    pub(crate) fn hear(&mut self, rate: Rate, samples: &[i16]) {
        self.write(AgentCommand::Hear(Frame::new(rate, samples.to_vec())));
    }

    /// What was written since the last look.
    pub(crate) fn sent(&mut self) -> Vec<Value> {
        let sent = self.outbox.texts().iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        self.outbox.clear();
        sent
    }

    pub(crate) fn told(&mut self) -> Vec<AgentEvent> {
        std::mem::take(&mut self.events)
    }
}

pub(crate) fn metadata(hears: &str, speaks: &str) -> Value {
    json!({
        "type": "conversation_initiation_metadata",
        "conversation_initiation_metadata_event": {
            "conversation_id": "conv_1",
            "agent_output_audio_format": speaks,
            "user_input_audio_format": hears,
        },
    })
}

pub(crate) fn audio(event_id: i64, bytes: &[u8]) -> Value {
    json!({"type": "audio", "audio_event": {"audio_base_64": STANDARD.encode(bytes), "event_id": event_id}})
}

pub(crate) fn agent_response(event_id: i64, text: &str) -> Value {
    json!({"type": "agent_response", "agent_response_event": {"agent_response": text, "event_id": event_id}})
}

pub(crate) fn user_transcript(event_id: i64, text: &str) -> Value {
    json!({
        "type": "user_transcript",
        "user_transcription_event": {"user_transcript": text, "event_id": event_id},
    })
}

/// The bytes of every audio message among these, put together.
pub(crate) fn heard_by_agent(messages: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in messages.iter().filter_map(|message| message["user_audio_chunk"].as_str()) {
        bytes.extend(STANDARD.decode(chunk).unwrap());
    }
    bytes
}
