//! The leg itself: wire messages to call events, call commands to wire messages.
//!
//! What the call says and the provider has no word for:
//!
//! - *Keys* go as a `user_message`: there is no other way to make the agent react to them.
//! - *Say* goes as a `user_message` that asks for the sentence word for word: context alone would not make it speak.
//! - *How much was heard* goes nowhere: the provider decides that by itself.
//!
//! An agent does not say when it has finished an answer. [`AgentEvent::AnswerEnded`] comes when the text of the
//! next one does, or with the undocumented `agent_response_complete`, should the agent be set to send it.

use std::collections::VecDeque;
use std::time::Duration;

use audio::{Frame, Rate};
use call::{
    AgentCommand, AgentDeparture, AgentEvent, AgentFault, AgentLeft, AgentReady, AnswerId, Oddity,
    QueueStatus, Retry, Said, ToolStage,
};
use wire::{Incoming, Outbox};

use super::audio_message::AudioMessage;
use super::format::agreed;
use super::initiation::Initiation;
use super::messages::{AgentTool, ErrorEvent, FromAgent, Metadata, ToAgent};
use super::refusal::{self, LastWords};
use super::resumption::{Resumption, Tell};
use super::speech::{AgentSpeech, CallerSpeech};
use super::{tools, wording};

/// The largest message that is read. The provider's own client expects up to this much, for audio.
pub const MESSAGE_MAX: usize = 16 << 20;

/// The largest message of any other kind: far more than any tool's arguments.
const MESSAGE_WITHOUT_AUDIO_MAX: usize = 1 << 20;

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct LegPlan {
    pub initiation: Initiation,
    /// The rate of the caller's leg: what is heard and what is given back.
    pub caller_rate: Rate,
    /// How much of the caller's speech goes into one message; kept between 20 and 100 ms.
    pub batch: Duration,
    /// The conversation that this session continues.
    pub resume: Option<Vec<Said>>,
    /// The agent's settings let us leave out the greeting when a conversation is continued.
    pub first_message_override_allowed: bool,
}

/// One session with an ElevenLabs agent, from the first message to the close.
#[derive(Debug)]
pub struct Leg {
    /// Gone once sent: prompts can be long, and sessions are many.
    initiation: Option<Initiation>,
    caller_rate: Rate,
    batch: Duration,
    stage: Stage,
    resumption: Option<Resumption>,
    conversation: Option<String>,
    fault: Option<AgentFault>,
    leaving: bool,
    /// The newest answer that the call was told about.
    answer: Option<AnswerId>,
    /// More of that answer may come.
    answer_is_open: bool,
    interrupted: Option<AnswerId>,
    /// Tools whose end was traced: it is told twice where the agent is set to tell it in full.
    traced: VecDeque<String>,
    /// What we wrote in the caller's name, in case it comes back as a transcript.
    written: VecDeque<String>,
}

/// What shows that the agent says something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    ByText,
    BySound,
}

#[derive(Debug)]
enum Stage {
    /// The formats are not known yet. The call holds the caller's words back until then; should some come anyway, the
    /// last batch of them is kept.
    Waiting {
        early: Vec<i16>,
    },
    Talking {
        agent: AgentSpeech,
        caller: CallerSpeech,
    },
    /// No session can come of it.
    Over(AgentDeparture),
}

/// How many ids and texts are remembered to recognise repetitions. Repetitions follow one another closely.
const REMEMBERED: usize = 16;

/// The most that is taken of one answer or one transcript, in bytes: a quarter of an hour of talk. Histories and records
/// count texts, not bytes.
const TEXT_MAX: usize = 16 << 10;

impl Leg {
    pub fn new(plan: LegPlan) -> Leg {
        let mut initiation = plan.initiation;
        // Where nothing was said yet, nothing goes on: the greeting is due.
        let conversation = plan.resume.filter(|conversation| !conversation.is_empty());
        let resumption = conversation.map(|conversation| {
            if plan.first_message_override_allowed {
                initiation.first_message = Some(String::new());
            } else {
                // A greeting of this call's own would be said a second time, and setting it is not allowed either.
                initiation.first_message = None;
            }
            Resumption::new(&conversation, plan.first_message_override_allowed)
        });
        Leg {
            initiation: Some(initiation),
            caller_rate: plan.caller_rate,
            batch: plan.batch.clamp(Duration::from_millis(20), Duration::from_millis(100)),
            stage: Stage::Waiting { early: Vec::new() },
            resumption,
            conversation: None,
            fault: None,
            leaving: false,
            answer: None,
            answer_is_open: false,
            interrupted: None,
            traced: VecDeque::new(),
            written: VecDeque::new(),
        }
    }

    /// The socket is open: writes the message that must come first.
    pub fn open(&mut self, outbox: &mut Outbox) {
        if let Some(initiation) = self.initiation.take() {
            outbox.text_str(&initiation.message());
        }
    }

    /// Reads one message.
    pub fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<AgentEvent>, outbox: &mut Outbox) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        let text = match incoming {
            Incoming::Text(text) if text.len() > MESSAGE_MAX => return events.push(odd(Oddity::TooLarge)),
            Incoming::Text(text) => text,
            // The protocol has none.
            Incoming::Binary(_) => return events.push(odd(Oddity::Malformed)),
        };
        if let Some(audio) = AudioMessage::read_quickly(text)
            && self.hear_agent_quickly(&audio, events)
        {
            return;
        }
        match serde_json::from_str(text) {
            Ok(message)
                if text.len() > MESSAGE_WITHOUT_AUDIO_MAX && !matches!(message, FromAgent::Audio { .. }) =>
            {
                events.push(odd(Oddity::TooLarge));
            }
            Ok(message) => self.understand(message, events, outbox),
            Err(_) => events.push(odd(Oddity::Malformed)),
        }
    }

    /// Does what the call asks.
    pub fn write(&mut self, command: &AgentCommand, outbox: &mut Outbox, events: &mut Vec<AgentEvent>) {
        if matches!(self.stage, Stage::Over(_)) {
            if matches!(command, AgentCommand::Say { .. }) {
                events.push(AgentEvent::CannotSay);
            }
            return;
        }
        match command {
            // What the caller says after the goodbye is nobody's business any more.
            AgentCommand::Hear(_) if self.leaving => {}
            AgentCommand::Hear(frame) => self.hear_caller(frame, outbox),
            AgentCommand::HeardUpTo { .. } => {}
            AgentCommand::Digits(digits) => {
                self.flush(outbox);
                self.speak_for_caller(wording::pressed(digits), outbox);
            }
            AgentCommand::ToolResult { id, result, is_error } => {
                self.flush(outbox);
                let result = ToAgent::ClientToolResult {
                    tool_call_id: id.clone(),
                    result: result.clone(),
                    is_error: *is_error,
                };
                send(&result, outbox);
            }
            AgentCommand::Context { text } => {
                send(&ToAgent::ContextualUpdate { text: text.clone() }, outbox);
            }
            AgentCommand::Say { text } => self.speak_for_caller(wording::say(&bounded(text.clone())), outbox),
            AgentCommand::Leave => {
                self.flush(outbox);
                self.leaving = true;
            }
        }
    }

    /// The session is over: with this close code and reason, or with none when the network broke.
    pub fn closed(&self, code: Option<u16>, reason: &str) -> AgentDeparture {
        if let Stage::Over(departure) = &self.stage {
            return departure.clone();
        }
        let last = LastWords {
            stood: matches!(self.stage, Stage::Talking { .. }),
            ours: self.leaving,
            fault: self.fault.as_ref(),
            conversation: self.conversation.as_deref(),
        };
        refusal::closed(code, reason, &last)
    }

    /// The handshake, or a request before it, was answered with another status than wished.
    pub fn refused(status: u16, body: &str, retry_after_s: Option<u64>) -> AgentDeparture {
        refusal::refused(status, body, retry_after_s)
    }

    fn hear_caller(&mut self, frame: &Frame, outbox: &mut Outbox) {
        match &mut self.stage {
            Stage::Talking { caller, .. } => caller.write(&frame.samples, outbox),
            Stage::Waiting { early } => {
                early.extend_from_slice(&frame.samples);
                let batch = self.caller_rate.samples_in(self.batch) as usize;
                early.drain(..early.len().saturating_sub(batch));
            }
            Stage::Over(_) => {}
        }
        if let Some(resumption) = &mut self.resumption {
            let mut told = Told { outbox, written: &mut self.written };
            resumption.hears(frame.duration(), |tell| told.send(tell));
        }
    }

    fn flush(&mut self, outbox: &mut Outbox) {
        if let Stage::Talking { caller, .. } = &mut self.stage {
            caller.flush(outbox);
        }
    }

    /// Takes the user's turn: the agent answers what is written here.
    fn speak_for_caller(&mut self, text: String, outbox: &mut Outbox) {
        if let Some(resumption) = &mut self.resumption {
            resumption.has_reason();
        }
        Told { outbox, written: &mut self.written }.send(Tell::Words(text));
    }

    /// `false` when anything about it needs a closer look. Nothing has happened then.
    fn hear_agent_quickly(&mut self, audio: &AudioMessage<'_>, events: &mut Vec<AgentEvent>) -> bool {
        let answer = AnswerId(audio.event_id);
        let Stage::Talking { agent, .. } = &mut self.stage else {
            return false;
        };
        if self.resumption.as_ref().is_some_and(|resumption| resumption.may_mute(answer)) {
            return false;
        }
        let Some(frame) = agent.read(audio.base64, answer) else {
            return false;
        };
        self.begin_answer(answer, Begun::BySound, events);
        give_audio(answer, frame, events);
        true
    }

    fn understand(&mut self, message: FromAgent, events: &mut Vec<AgentEvent>, outbox: &mut Outbox) {
        match message {
            FromAgent::ConversationInitiationMetadata {
                conversation_initiation_metadata_event: metadata,
            } => {
                self.begin(metadata, events, outbox);
            }
            FromAgent::Ping { ping_event } => {
                send(&ToAgent::Pong { event_id: ping_event.event_id }, outbox);
                events.push(AgentEvent::Alive);
            }
            FromAgent::Audio { audio_event } => {
                let answer = AnswerId(audio_event.event_id);
                if self.is_muted(answer, outbox) {
                    return events.push(AgentEvent::Alive);
                }
                let Stage::Talking { agent, .. } = &mut self.stage else {
                    return events.push(odd(Oddity::BeforeStart));
                };
                let (frame, oddity) = agent.read_what_is_sound(&audio_event.audio_base_64, answer);
                self.begin_answer(answer, Begun::BySound, events);
                give_audio(answer, frame, events);
                events.extend(oddity.map(odd));
            }
            FromAgent::UserTranscript { user_transcription_event } => {
                self.caller_said(user_transcription_event.user_transcript, events);
            }
            FromAgent::TentativeUserTranscript { tentative_user_transcription_event } => {
                events.push(AgentEvent::CallerSaid {
                    text: bounded(tentative_user_transcription_event.user_transcript),
                    is_final: false,
                });
            }
            FromAgent::AgentResponse { agent_response_event } => {
                let answer = self.answer_named(agent_response_event.event_id);
                if self.is_muted(answer, outbox) {
                    return events.push(AgentEvent::Alive);
                }
                self.begin_answer(answer, Begun::ByText, events);
                events.push(AgentEvent::Says { answer, text: bounded(agent_response_event.agent_response) });
            }
            FromAgent::Interruption { interruption_event } => {
                let answer = AnswerId(interruption_event.event_id);
                self.interrupted = self.interrupted.max(Some(answer));
                events.push(AgentEvent::Interrupted { answer });
            }
            FromAgent::AgentResponseCorrection { agent_response_correction_event: correction } => {
                let answer = self.answer_named(correction.event_id);
                if self.was_muted(answer) {
                    return events.push(AgentEvent::Alive);
                }
                events.push(AgentEvent::Corrected {
                    answer,
                    text: bounded(correction.corrected_agent_response),
                });
            }
            FromAgent::AgentResponseComplete { agent_response_complete_event } => {
                let answer = self.answer_named(agent_response_complete_event.map(|event| event.event_id));
                if self.answer == Some(answer) {
                    self.end_answer(events);
                }
                events.push(AgentEvent::Alive);
            }
            FromAgent::VadScore { vad_score_event } => {
                events.push(AgentEvent::SpeechScore(vad_score_event.vad_score.clamp(0.0, 1.0) as f32));
            }
            FromAgent::ClientToolCall { client_tool_call } => {
                events.push(tools::tool_called(client_tool_call))
            }
            FromAgent::AgentToolRequest { agent_tool_request: tool } => {
                events.push(tools::traced(tool.tool_call_id, tool.tool_name, ToolStage::Requested));
            }
            FromAgent::AgentToolResponse { agent_tool_response: tool } => self.tool_ended(&tool, events),
            FromAgent::AgentToolResponseFullPayload { agent_tool_response_full_payload: tool } => {
                self.tool_ended(&tool, events);
                events.extend(tools::act_in_its_place(&tool));
            }
            FromAgent::McpToolCall { mcp_tool_call } => tools::follow_mcp_tool(mcp_tool_call, events, outbox),
            FromAgent::QueueStatus { queue_status_event } => {
                events.push(match queue_status_event.status.as_str() {
                    "waiting" => AgentEvent::Queue(QueueStatus::Waiting),
                    "admitted" => AgentEvent::Queue(QueueStatus::Admitted),
                    "timed_out" => AgentEvent::Queue(QueueStatus::TimedOut),
                    _ => odd(Oddity::UnknownMessage),
                });
            }
            FromAgent::Error { error_event, flat } => self.failed(error_event.unwrap_or(flat), events),
            FromAgent::AgentChatResponsePart(_)
            | FromAgent::AgentReasoningResponsePart(_)
            | FromAgent::AgentResponseMetadata(_)
            | FromAgent::AudioAlignment(_)
            | FromAgent::McpConnectionStatus(_)
            | FromAgent::GuardrailTriggered(_)
            | FromAgent::ContextUsage(_)
            | FromAgent::AsrInitiationMetadata(_)
            | FromAgent::RichContent(_)
            | FromAgent::AgentTyping(_)
            | FromAgent::ExternalAgentConnected(_)
            | FromAgent::ExternalAgentDisconnected(_)
            | FromAgent::InternalTurnProbability(_)
            | FromAgent::InternalTentativeAgentResponse(_)
            | FromAgent::DtmfRequest(_) => events.push(AgentEvent::Alive),
            FromAgent::Unknown => events.push(odd(Oddity::UnknownMessage)),
        }
    }

    fn begin(&mut self, metadata: Metadata, events: &mut Vec<AgentEvent>, outbox: &mut Outbox) {
        let Stage::Waiting { early } = &mut self.stage else {
            return events.push(odd(Oddity::Repeated));
        };
        let early = std::mem::take(early);
        self.conversation = metadata.conversation_id.clone();

        if metadata.agent_output_audio_format.is_none() {
            events.push(AgentEvent::Fault(AgentFault {
                code: None,
                kind: Some("missing_audio_format".to_owned()),
                message: Some("the session does not say in which format the agent speaks".to_owned()),
            }));
        }
        let (hears, speaks) = match agreed(&metadata) {
            Ok(formats) => formats,
            Err(detail) => return self.give_up(detail, events),
        };

        let mut caller = CallerSpeech::new(hears, self.caller_rate, self.batch);
        if let Some(resumption) = &mut self.resumption {
            let mut told = Told { outbox, written: &mut self.written };
            resumption.begin(|tell| told.send(tell));
        }
        caller.write(&early, outbox);
        self.stage = Stage::Talking { agent: AgentSpeech::new(speaks, self.caller_rate), caller };
        events.push(AgentEvent::Ready(AgentReady {
            session: self.conversation.clone(),
            formats: Some(format!("{hears} / {speaks}")),
        }));
    }

    fn give_up(&mut self, detail: String, events: &mut Vec<AgentEvent>) {
        events.push(AgentEvent::Fault(AgentFault {
            code: None,
            kind: Some("unsuitable_audio_format".to_owned()),
            message: Some(detail.clone()),
        }));
        let departure = AgentDeparture {
            // RFC 6455 §7.4.1: data of a kind that cannot be accepted. It is we who close.
            cause: AgentLeft::Closed { code: 1003 },
            retry: Retry::Never,
            detail,
        };
        self.stage = Stage::Over(departure.clone());
        events.push(AgentEvent::Left(departure));
    }

    fn caller_said(&mut self, text: String, events: &mut Vec<AgentEvent>) {
        if let Some(at) = self.written.iter().position(|written| *written == text) {
            self.written.remove(at);
            return events.push(AgentEvent::Alive);
        }
        if let Some(resumption) = &mut self.resumption {
            resumption.has_reason();
        }
        events.push(AgentEvent::CallerSaid { text: bounded(text), is_final: true });
    }

    fn failed(&mut self, error: ErrorEvent, events: &mut Vec<AgentEvent>) {
        let code = error.code.and_then(|code| u16::try_from(code).ok());
        let message = [
            error.message,
            error.reason,
            error.debug_message,
            error.details.map(|details| details.to_string()),
        ]
        .into_iter()
        .flatten()
        .find_map(|text| refusal::words(&text));
        let kind = error.error_type.and_then(|kind| refusal::words(&kind));
        let code = code.or_else(|| code_in_words(message.as_deref()?));
        let fault = AgentFault { code, kind, message };
        self.fault = Some(fault.clone());
        events.push(AgentEvent::Fault(fault));
    }

    fn tool_ended(&mut self, tool: &AgentTool, events: &mut Vec<AgentEvent>) {
        if self.traced.contains(&tool.tool_call_id) {
            return events.push(AgentEvent::Alive);
        }
        remember(&mut self.traced, tool.tool_call_id.clone());
        let stage = if tools::failed(tool) { ToolStage::Failed } else { ToolStage::Done };
        events.push(tools::traced(tool.tool_call_id.clone(), tool.tool_name.clone(), stage));
    }

    /// An answer without a number is the one that is being given.
    fn answer_named(&self, event_id: Option<i64>) -> AnswerId {
        event_id.map(AnswerId).or(self.answer).unwrap_or_default()
    }

    /// Text with a new number is a new answer. Sound with a new number may be the next piece of the same one: nothing
    /// says that the pieces of an answer share a number.
    fn begin_answer(&mut self, answer: AnswerId, by: Begun, events: &mut Vec<AgentEvent>) {
        if Some(answer) <= self.answer || Some(answer) <= self.interrupted {
            return;
        }
        match by {
            Begun::ByText => self.end_answer(events),
            Begun::BySound => {}
        }
        self.answer = Some(answer);
        self.answer_is_open = true;
    }

    fn end_answer(&mut self, events: &mut Vec<AgentEvent>) {
        // One that was interrupted is void already.
        if let Some(answer) = self.answer
            && std::mem::take(&mut self.answer_is_open)
            && self.answer > self.interrupted
        {
            events.push(AgentEvent::AnswerEnded { answer });
        }
    }

    fn is_muted(&mut self, answer: AnswerId, outbox: &mut Outbox) -> bool {
        let Some(resumption) = &mut self.resumption else {
            return false;
        };
        let mut told = Told { outbox, written: &mut self.written };
        resumption.mutes(answer, |tell| told.send(tell))
    }

    fn was_muted(&self, answer: AnswerId) -> bool {
        self.resumption.as_ref().is_some_and(|resumption| resumption.has_muted(answer))
    }
}

/// Writes what a resumed session has to be told, and keeps in mind what was written in the caller's name.
struct Told<'a> {
    outbox: &'a mut Outbox,
    written: &'a mut VecDeque<String>,
}

impl Told<'_> {
    fn send(&mut self, tell: Tell) {
        match tell {
            Tell::Context(text) => send(&ToAgent::ContextualUpdate { text }, self.outbox),
            Tell::Words(text) => {
                remember(self.written, text.clone());
                send(&ToAgent::UserMessage { text }, self.outbox);
            }
        }
    }
}

fn remember(list: &mut VecDeque<String>, text: String) {
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back(text);
}

pub(super) fn send(message: &ToAgent, outbox: &mut Outbox) {
    outbox.text(|bytes| {
        #[expect(
            clippy::expect_used,
            reason = "strings and numbers are always JSON, and a Vec always takes them"
        )]
        serde_json::to_writer(bytes, message).expect("plain data serialises");
    });
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    text
}

fn give_audio(answer: AnswerId, frame: Frame, events: &mut Vec<AgentEvent>) {
    events.push(if frame.is_empty() { AgentEvent::Alive } else { AgentEvent::Audio { answer, frame } });
}

fn odd(oddity: Oddity) -> AgentEvent {
    AgentEvent::Odd(oddity)
}

/// The code in a text such as `received 1002 (protocol error) …`, the form that flat errors come in.
fn code_in_words(message: &str) -> Option<u16> {
    let code: u16 = message.strip_prefix("received ")?.split(' ').next()?.parse().ok()?;
    (1000..5000).contains(&code).then_some(code)
}
