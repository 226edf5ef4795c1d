//! What the agent does next: its acts and its voice.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::admission::Effective;
use super::agent::{AgentDoc, fill_in};
use super::record::{AnswerRecord, ToolRecord};
use super::script::{Act, Script, ToolCall};
use super::session::{Ending, Session};
use crate::faults::Moment;
use crate::hearing::Hearing;
use crate::{b64, chance, locked, voice};

/// Something still to be done.
#[derive(Debug)]
pub(super) enum Deed {
    Act(Act),
    HangUp,
}

#[derive(Debug)]
pub(super) enum Waiting {
    ForNothing,
    Until(Instant),
    ForTool { call_id: String, until: Instant, on_failure: Vec<Act> },
}

/// The answer being spoken.
#[derive(Debug)]
pub(super) struct Speech {
    pub(super) event_id: u64,
    pub(super) text: String,
    /// Playback as the agent imagines it: it begins when the answer before has ended.
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) chunks: VecDeque<Vec<u8>>,
    pub(super) sent: usize,
    pub(super) last_chunk: Vec<u8>,
    pub(super) next_chunk: Instant,
    /// Index of the answer in the record.
    pub(super) answer: usize,
}

#[derive(Debug)]
pub(super) struct Talking {
    pub(super) script: Script,
    pub(super) deeds: VecDeque<Deed>,
    pub(super) waiting: Waiting,
    pub(super) speech: Option<Speech>,
    pub(super) hearing: Hearing,
    pub(super) since_score: Duration,
    pub(super) next_turn: usize,
    turn_timeout: Duration,
    user_last_there: Instant,
    reengaged: bool,
}

impl Talking {
    pub(super) fn new(agent: &AgentDoc, now: Instant) -> Talking {
        let script = agent.script.clone();
        let hearing = Hearing::new(
            Duration::from_millis(script.hearing.speech_ms),
            Duration::from_millis(script.hearing.silence_ms),
        );
        Talking {
            script,
            deeds: VecDeque::new(),
            waiting: Waiting::ForNothing,
            speech: None,
            hearing,
            since_score: Duration::ZERO,
            next_turn: 0,
            turn_timeout: Duration::from_secs(agent.turn_timeout_seconds),
            user_last_there: now,
            reengaged: false,
        }
    }

    /// The conversation is open: what comes before the first word of the user.
    pub(super) fn begin(&mut self, _: &AgentDoc, effective: &Effective, now: Instant) {
        self.user_last_there = now;
        self.deeds.extend(self.script.at_start.iter().cloned().map(Deed::Act));
        if !effective.first_message.is_empty() && !self.script.echo {
            self.deeds.push_back(Deed::Act(Act::Say(effective.first_message.clone())));
        }
    }

    pub(super) fn add(&mut self, act: Act) {
        self.deeds.push_back(Deed::Act(act));
    }

    pub(super) fn user_is_there(&mut self, now: Instant) {
        self.user_last_there = now;
        self.reengaged = false;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let chunk =
            self.speech.as_ref().filter(|speech| !speech.chunks.is_empty()).map(|speech| speech.next_chunk);
        let wait = match &self.waiting {
            Waiting::ForNothing => None,
            Waiting::Until(until) | Waiting::ForTool { until, .. } => Some(*until),
        };
        [chunk, wait, self.reengages_at()].into_iter().flatten().min()
    }

    fn spoken_until(&self) -> Option<Instant> {
        self.speech.as_ref().map(|speech| speech.to)
    }

    fn reengages_at(&self) -> Option<Instant> {
        let idle = self.deeds.is_empty() && matches!(self.waiting, Waiting::ForNothing);
        if self.script.reengage.is_none() || self.reengaged || !idle {
            return None;
        }
        let quiet_since =
            self.spoken_until().map_or(self.user_last_there, |spoken| spoken.max(self.user_last_there));
        Some(quiet_since + self.turn_timeout)
    }
}

impl Session {
    /// Does everything that can be done now.
    pub(super) fn progress(&mut self, now: Instant) -> Result<(), Ending> {
        loop {
            if self.send_audio(now) {
                return Ok(());
            }
            match &self.talking.waiting {
                Waiting::ForNothing => {}
                Waiting::Until(until) | Waiting::ForTool { until, .. } if *until > now => return Ok(()),
                Waiting::Until(_) => self.talking.waiting = Waiting::ForNothing,
                Waiting::ForTool { .. } => self.tool_failed(),
            }
            let Some(deed) = self.talking.deeds.pop_front() else { break };
            match deed {
                Deed::Act(act) => self.act(act, now)?,
                Deed::HangUp => {
                    return Err(Ending::Close { code: 1000, reason: "agent ended the call".into() });
                }
            }
        }
        if self.talking.reengages_at().is_some_and(|at| at <= now)
            && let Some(text) = self.talking.script.reengage.clone()
        {
            self.talking.reengaged = true;
            self.say(&text, now);
            self.send_audio(now);
        }
        Ok(())
    }

    fn act(&mut self, act: Act, now: Instant) -> Result<(), Ending> {
        match act {
            Act::Say(text) => self.say(&text, now),
            Act::WaitUntilSpoken => {
                if let Some(until) = self.talking.spoken_until() {
                    self.talking.waiting = Waiting::Until(until);
                }
            }
            Act::PauseMs(ms) => self.talking.waiting = Waiting::Until(now + Duration::from_millis(ms)),
            Act::Tool(call) => self.call_tool(call, now),
            Act::SystemTool { name, result } => self.trace(&name, "system", &result, false),
            Act::EndCall { farewell, reason } => {
                // In this order, so that the traces come behind the farewell's audio.
                let trace = Act::SystemTool {
                    name: "end_call".into(),
                    result: json!({"status": "success", "reason": reason}),
                };
                self.talking.deeds.push_front(Deed::HangUp);
                self.talking.deeds.push_front(Deed::Act(trace));
                if let Some(farewell) = farewell {
                    self.talking.deeds.push_front(Deed::Act(Act::Say(farewell)));
                }
            }
            Act::Language(language) => {
                self.trace("language_detection", "system", &json!({"language": language}), false);
                self.effective.language = language;
            }
            Act::TransferToAgent { agent_id } => self.transfer(&agent_id, now),
            Act::Ping => self.ping(now),
            Act::Send(message) => {
                let kind = message.get("type").and_then(Value::as_str).unwrap_or("?").to_owned();
                self.send(&kind, &message);
            }
            Act::Error(error) => {
                self.error(error.shape, error.code, &error.error_type, &error.message);
                if error.close {
                    return Err(Ending::Close {
                        code: error.code,
                        reason: error.message.chars().take(100).collect(),
                    });
                }
            }
            Act::Close { code, reason } => return Err(Ending::Close { code, reason }),
        }
        Ok(())
    }

    fn transfer(&mut self, agent_id: &str, now: Instant) {
        let Some(agent) = self.workspace.agent(agent_id) else {
            self.trace(
                "transfer_to_agent",
                "system",
                &json!({"status": "error", "to_agent": agent_id}),
                true,
            );
            return;
        };
        let result = json!({"status": "success", "from_agent": self.agent.agent_id, "to_agent": agent_id});
        self.trace("transfer_to_agent", "system", &result, false);
        self.effective.first_message.clone_from(&agent.first_message);
        self.talking.script = agent.script.clone();
        self.talking.next_turn = 0;
        let Session { talking, effective, .. } = self;
        talking.begin(&agent, effective, now);
        // The formats stay those of the metadata.
        self.agent = AgentDoc {
            input_format: self.agent.input_format,
            output_format: self.agent.output_format,
            ..agent
        };
    }

    fn say(&mut self, text: &str, now: Instant) {
        let text = fill_in(text, &self.effective.variables);
        let event_id = self.new_id();
        let from = self.talking.spoken_until().map_or(now, |until| until.max(now));
        self.tell(
            "agent_response",
            json!({"agent_response_event": {"agent_response": text, "event_id": event_id}}),
        );
        let mut chunks = VecDeque::new();
        let mut to = from;
        if !self.effective.text_only && self.effective.client_events.iter().any(|event| event == "audio") {
            let format = self.agent.output_format;
            let frame = voice::speech(&text, format.rate());
            to = from + frame.duration();
            let per_chunk = (format.rate().samples_in(self.workspace.config.chunk) as usize).max(1);
            let bytes = format.encode(&frame);
            chunks.extend(bytes.chunks(per_chunk * format.sample_bytes()).map(<[u8]>::to_vec));
        }
        let answer = {
            let mut record = locked(&self.record);
            let at = self.opened.elapsed();
            record.answers.push(AnswerRecord { at, text: text.clone(), event_id, interrupted: None });
            record.answers.len() - 1
        };
        self.talking.speech = Some(Speech {
            event_id,
            text,
            from,
            to,
            chunks,
            sent: 0,
            last_chunk: Vec::new(),
            next_chunk: now,
            answer,
        });
    }

    /// Sends the chunks that are due. True while some are left.
    fn send_audio(&mut self, now: Instant) -> bool {
        loop {
            let Some(speech) = &mut self.talking.speech else { return false };
            if speech.next_chunk > now {
                return !speech.chunks.is_empty();
            }
            let Some(chunk) = speech.chunks.pop_front() else { return false };
            let config = &self.workspace.config;
            if config.burst > 0.0 {
                speech.next_chunk += config.chunk.div_f64(config.burst);
            }
            let (event_id, number) = (speech.event_id, speech.sent);
            speech.sent += 1;
            let characters = (config.alignment).then(|| {
                let per_chunk = (config.chunk.as_millis() / voice::CHARACTER.as_millis()).max(1) as usize;
                speech.text.chars().skip(number * per_chunk).take(per_chunk).collect::<Vec<char>>()
            });
            let mut event = json!({"audio_base_64": b64::encode(&chunk), "event_id": event_id});
            if let Some(characters) = characters {
                let step = voice::CHARACTER.as_millis() as usize;
                event["alignment"] = json!({
                    "chars": characters.iter().map(char::to_string).collect::<Vec<_>>(),
                    "char_start_times_ms": (0..characters.len()).map(|n| n * step).collect::<Vec<_>>(),
                    "char_durations_ms": vec![step; characters.len()],
                });
            }
            speech.last_chunk = chunk;
            self.tell("audio", json!({"audio_event": event}));
            if number == 0 {
                self.wire.reach(Moment::Speaking);
            }
        }
    }

    fn call_tool(&mut self, call: ToolCall, now: Instant) {
        let call_id = chance::sid("call_");
        let event_id = self.new_id();
        let parameters = Value::Object(call.parameters);
        self.tell("client_tool_call", json!({"client_tool_call": {
            "tool_name": call.name, "tool_call_id": call_id, "parameters": parameters, "event_id": event_id,
            "expects_response": call.expects_response,
        }}));
        let record = ToolRecord {
            at: self.opened.elapsed(),
            name: call.name,
            call_id: call_id.clone(),
            parameters,
            result: None,
        };
        locked(&self.record).tools.push(record);
        if call.expects_response {
            let until = now + Duration::from_millis(call.timeout_ms);
            self.talking.waiting = Waiting::ForTool { call_id, until, on_failure: call.on_failure };
        }
        self.wire.reach(Moment::ToolCall);
    }

    pub(super) fn tool_answered(&mut self, call_id: &str, result: String, is_error: bool) {
        let at = self.opened.elapsed();
        let known = {
            let mut record = locked(&self.record);
            match record.tools.iter_mut().find(|tool| tool.call_id == call_id && tool.result.is_none()) {
                Some(tool) => {
                    tool.result = Some((result.clone(), is_error, at - tool.at));
                    Some(tool.name.clone())
                }
                None => None,
            }
        };
        let Some(name) = known else {
            self.complain(format!(
                "a result for tool call {call_id:?}, which is unknown or already answered"
            ));
            return;
        };
        let event_id = self.new_id();
        self.tell(
            "agent_tool_response",
            json!({"agent_tool_response": {
                "tool_name": name, "tool_call_id": call_id, "tool_type": "client",
                "is_error": is_error, "is_called": true, "event_id": event_id,
            }}),
        );
        if matches!(&self.talking.waiting, Waiting::ForTool { call_id: waiting, .. } if waiting == call_id) {
            if is_error {
                self.tool_failed();
            } else {
                self.talking.waiting = Waiting::ForNothing;
            }
        }
    }

    fn tool_failed(&mut self) {
        if let Waiting::ForTool { on_failure, .. } =
            std::mem::replace(&mut self.talking.waiting, Waiting::ForNothing)
            && !on_failure.is_empty()
        {
            self.talking.deeds = on_failure.into_iter().map(Deed::Act).collect();
        }
    }

    /// The only traces a system tool leaves on the wire.
    fn trace(&mut self, name: &str, kind: &str, result: &Value, is_error: bool) {
        let call_id = chance::sid(&format!("{name}_"));
        let event_id = self.new_id();
        let request =
            json!({"tool_name": name, "tool_call_id": call_id, "tool_type": kind, "event_id": event_id});
        let mut response = request.clone();
        response["is_error"] = is_error.into();
        response["is_called"] = true.into();
        self.tell("agent_tool_request", json!({"agent_tool_request": request}));
        self.tell("agent_tool_response", json!({"agent_tool_response": response}));
        response["full_tool_result"] = result.to_string().into();
        self.tell("agent_tool_response_full_payload", json!({"agent_tool_response_full_payload": response}));
    }
}
