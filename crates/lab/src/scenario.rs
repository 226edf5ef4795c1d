//! Ready-made situations: a caller, an agent's script, and what goes wrong between them.

use std::time::Duration;

use serde_json::json;

use crate::caller::{Afterwards, Caller, Step, bundled_interruption, bundled_sample};
use crate::elevenlabs::{Act, AgentDoc, Script, ToolCall, Turn};
use crate::faults::{Faults, What, When};
use crate::twilio::Dialling;

/// A call to be played through.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// One sentence for the person who watches.
    pub story: &'static str,
    pub caller: Caller,
    pub agent: AgentDoc,
    /// One script per agent socket, in the order in which they are opened.
    pub agent_faults: Vec<Faults>,
    pub carrier_faults: Faults,
    pub dialling: Dialling,
}

/// The number that the scenarios transfer to.
pub const TRANSFER_TO: &str = "+14155550123";

/// All of them, in the order in which they tell a story.
pub fn all() -> Vec<Scenario> {
    vec![conversation(), interruption(), tool_call(), reconnect(), transfer()]
}

/// A question, an answer, a goodbye by the agent.
pub fn conversation() -> Scenario {
    Scenario {
        name: "conversation",
        story: "A caller asks for the opening hours; the agent answers and says goodbye.",
        caller: asking(vec![]),
        agent: agent(vec![Turn::acting(
            "hello I would like to know your opening hours please",
            vec![
                Act::Say("We are open from nine to five.".into()),
                Act::WaitUntilSpoken,
                end_call("Thank you for calling. Goodbye."),
            ],
        )]),
        ..plain()
    }
}

/// The caller speaks over the agent.
pub fn interruption() -> Scenario {
    Scenario {
        name: "interruption",
        story: "The caller cuts into a long answer; the agent falls silent at once and turns to the new question.",
        caller: asking(vec![
            Step::WaitForAgentSpeech,
            Step::Wait(Duration::from_millis(1_200)),
            Step::Speak(bundled_interruption()),
        ]),
        agent: agent(vec![
            Turn::saying(
                "hello I would like to know your opening hours please",
                "We are open on Mondays from nine to five, on Tuesdays from nine to six, on Wednesdays from ten to four, \
                 and on every other day by appointment only.",
            ),
            Turn::acting(
                "no wait please connect me to a person",
                vec![
                    Act::Say("Of course, one moment.".into()),
                    Act::WaitUntilSpoken,
                    end_call("Nobody is free just now. Goodbye."),
                ],
            ),
        ]),
        ..plain()
    }
}

/// The agent needs the gateway's help to answer.
pub fn tool_call() -> Scenario {
    let look_up = ToolCall::named("look_up_opening_hours", json!({"day": "today"}));
    let mut agent = agent(vec![Turn::acting(
        "hello I would like to know your opening hours please",
        vec![
            Act::Say("Let me look that up.".into()),
            Act::Tool(ToolCall {
                on_failure: vec![Act::Say("I could not find that, sorry.".into())],
                ..look_up
            }),
            Act::Say("Here it is: today until six.".into()),
            Act::WaitUntilSpoken,
            end_call("Goodbye."),
        ],
    )]);
    agent.client_tools = vec!["look_up_opening_hours".into()];
    Scenario {
        name: "tool call",
        story: "The agent calls a tool of the gateway before it answers.",
        caller: asking(vec![]),
        agent,
        ..plain()
    }
}

/// The agent's socket is lost once in the middle of an answer.
pub fn reconnect() -> Scenario {
    Scenario {
        name: "reconnect",
        story: "The connection to the agent breaks in mid-sentence; a new one is made and the call goes on.",
        caller: asking(vec![
            Step::WaitForAgentSilence(Duration::from_millis(1_500)),
            Step::Wait(Duration::from_secs(3)),
            Step::Speak(bundled_sample()),
        ]),
        agent: agent(vec![Turn::acting(
            "hello I would like to know your opening hours please",
            vec![
                Act::Say("We are open from nine to five.".into()),
                Act::WaitUntilSpoken,
                end_call("Thank you for your patience. Goodbye."),
            ],
        )]),
        // Late enough for the greeting to be over and the caller to be asking.
        agent_faults: vec![Faults::one(When::At(Duration::from_secs(7)), What::Drop)],
        ..plain()
    }
}

/// The agent hands the caller to a person.
pub fn transfer() -> Scenario {
    let mut agent = agent(vec![Turn::acting(
        "hello I would like to know your opening hours please",
        vec![
            Act::Say("I will connect you to a colleague.".into()),
            Act::Tool(ToolCall::named(
                "transfer_to_number",
                json!({"number": TRANSFER_TO, "reason": "wants a person"}),
            )),
        ],
    )]);
    agent.client_tools = vec!["transfer_to_number".into()];
    Scenario {
        name: "transfer",
        story: "The agent transfers the caller to a person, once the announcement has been heard.",
        caller: asking(vec![]),
        agent,
        ..plain()
    }
}

/// Waits for the greeting to end, asks the bundled question, does what else there is, and stays.
fn asking(then: Vec<Step>) -> Caller {
    let mut steps = vec![
        Step::WaitForAgentSpeech,
        Step::WaitForAgentSilence(Duration::from_millis(700)),
        Step::Speak(bundled_sample()),
    ];
    steps.extend(then);
    Caller { steps, afterwards: Afterwards::StayOnTheLine, noise_dbfs: Some(-60.0), ..Caller::default() }
}

fn agent(turns: Vec<Turn>) -> AgentDoc {
    AgentDoc {
        first_message: "Hello, this is the front desk.".into(),
        script: Script { turns, ..Script::default() },
        ..AgentDoc::for_telephony("agent_demo")
    }
}

fn end_call(farewell: &str) -> Act {
    Act::EndCall { farewell: Some(farewell.into()), reason: "the caller has what they need".into() }
}

fn plain() -> Scenario {
    Scenario {
        name: "",
        story: "",
        caller: Caller::silent(),
        agent: AgentDoc::default(),
        agent_faults: Vec::new(),
        carrier_faults: Faults::none(),
        dialling: Dialling::default(),
    }
}
