//! The conversation that every agent has to be able to hold.
//!
//! Dialled, it gets ready once, then greets; it answers a turn of the caller; falls silent when interrupted and goes on;
//! reacts to keys; calls a tool and goes on after its refusal; says goodbye before it asks for the end; leaves in
//! order. How a step is brought about differs between agents, what must come of it does not.

use agents::prompts::{self, Prompt};
use agents::{demo, elevenlabs};
use audio::{Frame, Rate};
use call::{
    AgentCapabilities, AgentCommand, AgentDeparture, AgentEvent, AgentLeft, AnswerId, Retry, ToolCall,
};
use serde_json::Value;

use crate::demo::Conversation;
use crate::sessions::{Session, plan};

const RATE: Rate = Rate::Hz8000;

/// An agent under test, whatever carries it.
trait Agent {
    fn capabilities(&self) -> AgentCapabilities;
    /// Opens the session and lets it come to the end of its greeting.
    fn dial(&mut self);
    fn command(&mut self, command: AgentCommand);
    /// Lets the agent's side do what it does after this step.
    fn reacts(&mut self, step: &str);
    /// How the session ends after [`AgentCommand::Leave`].
    fn departure(&mut self) -> AgentDeparture;
    fn told(&mut self) -> Vec<AgentEvent>;
}

#[test]
fn elevenlabs_holds_the_conversation() {
    hold_the_conversation(&mut Recorded {
        session: Session::new(plan(RATE)),
        lines: include_str!("../../fixtures/elevenlabs/conversation-contract.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    });
}

#[test]
fn demo_holds_the_conversation() {
    hold_the_conversation(&mut BuiltIn(Conversation::at(RATE)));
}

fn hold_the_conversation(agent: &mut dyn Agent) {
    let mut latest = AnswerId(0);

    agent.dial();
    let told = agent.told();
    assert!(matches!(told[0], AgentEvent::Ready(_)), "ready before anything else: {told:?}");
    assert_eq!(told.iter().filter(|event| matches!(event, AgentEvent::Ready(_))).count(), 1);
    answers(&told, &mut latest);

    hear(agent, Prompt::Busy);
    agent.reacts("turn");
    let told = agent.told();
    assert!(
        told.iter().any(|event| matches!(event, AgentEvent::CallerSaid { is_final: true, .. })),
        "{told:?}"
    );
    answers(&told, &mut latest);

    assert!(agent.capabilities().interrupts);
    let interrupted = latest;
    hear(agent, Prompt::StillThere);
    agent.reacts("interrupt");
    let told = agent.told();
    let silenced = told.iter().position(|event| *event == AgentEvent::Interrupted { answer: interrupted });
    let silenced = silenced.unwrap_or_else(|| panic!("the newest answer is interrupted: {told:?}"));
    answers(&told[silenced..], &mut latest);

    agent.command(AgentCommand::Digits("5".into()));
    agent.reacts("digits");
    answers(&agent.told(), &mut latest);

    agent.command(AgentCommand::Digits("2".into()));
    agent.reacts("tool");
    let told = agent.told();
    answers(&told, &mut latest);
    let transfer = tool(&told, "transfer_to_number");
    assert!(transfer.wants_answer && transfer.arguments["number"].is_string());

    let refusal = "the carrier cannot transfer".to_owned();
    agent.command(AgentCommand::ToolResult { id: transfer.id, result: refusal, is_error: true });
    agent.reacts("refused");
    answers(&agent.told(), &mut latest);

    agent.command(AgentCommand::Digits("9".into()));
    agent.reacts("goodbye");
    let told = agent.told();
    answers(&told, &mut latest);
    let last_word = told.iter().rposition(|event| matches!(event, AgentEvent::Audio { .. }));
    let end = told.iter().position(|event| matches!(event, AgentEvent::ToolCalled(_)));
    assert!(last_word < end, "the goodbye comes before the end: {told:?}");
    let end = tool(&told, "end_call");
    agent.command(AgentCommand::ToolResult { id: end.id, result: "goodbye".into(), is_error: false });

    agent.command(AgentCommand::Leave);
    let departure = agent.departure();
    assert_eq!((departure.cause, departure.retry), (AgentLeft::Finished, Retry::Over));
    hear(agent, Prompt::StillThere);
    assert_eq!(agent.told(), [], "nothing follows");
}

/// One or more answers, each newer than the last, with text and sound at the caller's rate.
#[track_caller]
fn answers(told: &[AgentEvent], latest: &mut AnswerId) {
    let before = *latest;
    let (mut has_text, mut has_sound) = (false, false);
    for event in told {
        match event {
            AgentEvent::Says { answer, text } if *answer > before => {
                assert!(*answer >= *latest && !text.is_empty(), "{event:?}");
                (*latest, has_text) = (*answer, true);
            }
            AgentEvent::Audio { answer, frame } if *answer > before => {
                assert!(frame.rate == RATE && !frame.is_empty());
                (*latest, has_sound) = (*answer, true);
            }
            AgentEvent::Odd(_) | AgentEvent::Fault(_) | AgentEvent::Left(_) => panic!("{event:?}"),
            _ => {}
        }
    }
    assert!(has_text && has_sound, "an answer to hear and to read: {told:?}");
}

#[track_caller]
fn tool(told: &[AgentEvent], name: &str) -> ToolCall {
    let called = told.iter().find_map(|event| match event {
        AgentEvent::ToolCalled(tool) if tool.name == name => Some(tool.clone()),
        _ => None,
    });
    called.unwrap_or_else(|| panic!("{name} is called: {told:?}"))
}

/// The caller says something and then nothing for a second.
fn hear(agent: &mut dyn Agent, prompt: Prompt) {
    let mut words = prompts::samples(prompt, RATE).to_vec();
    words.extend([0; 8_000]);
    for piece in words.chunks(160) {
        agent.command(AgentCommand::Hear(Frame::new(RATE, piece.to_vec())));
    }
}

/// A session whose other end is a recording.
struct Recorded {
    session: Session,
    lines: Vec<Value>,
}

impl Agent for Recorded {
    fn capabilities(&self) -> AgentCapabilities {
        elevenlabs::CAPABILITIES
    }

    fn dial(&mut self) {
        self.reacts("dial");
    }

    fn command(&mut self, command: AgentCommand) {
        self.session.write(command);
    }

    fn reacts(&mut self, step: &str) {
        let messages: Vec<Value> = self
            .lines
            .iter()
            .filter(|line| line["step"] == step)
            .map(|line| line["message"].clone())
            .collect();
        assert!(!messages.is_empty(), "no recording of {step}");
        for message in &messages {
            self.session.read(message);
        }
    }

    fn departure(&mut self) -> AgentDeparture {
        self.session.leg.closed(Some(1000), "")
    }

    fn told(&mut self) -> Vec<AgentEvent> {
        self.session.told()
    }
}

/// The agent that needs no other end.
struct BuiltIn(Conversation);

impl Agent for BuiltIn {
    fn capabilities(&self) -> AgentCapabilities {
        demo::CAPABILITIES
    }

    fn dial(&mut self) {}

    fn command(&mut self, command: AgentCommand) {
        self.0.write(command);
    }

    fn reacts(&mut self, _: &str) {}

    fn departure(&mut self) -> AgentDeparture {
        let told = self.0.told();
        let [AgentEvent::Left(departure)] = &told[..] else { panic!("{told:?}") };
        departure.clone()
    }

    fn told(&mut self) -> Vec<AgentEvent> {
        self.0.told()
    }
}
