//! Who says what, and what goes wrong in between.

use std::time::Duration;

use audio::Frame;
use audio::level::rms_dbfs;
use lab::caller::{Afterwards, Caller, Step, bundled_interruption, bundled_sample};
use lab::elevenlabs::{Act, AgentDoc, Script, ToolCall, Turn};
use serde_json::json;

pub(super) const AGENT_ID: &str = "agent_front_desk";
pub(super) const CALLER: &str = "+14155550100";
pub(super) const NUMBER: &str = "+14155550199";
/// The person whom the caller is handed to.
pub(super) const PERSON: &str = "+14155550123";
pub(super) const TOOL: &str = "find_colleague";

pub(super) const GREETING: &str = "Hello, front desk.";
pub(super) const ANSWER: &str = "We are open on Mondays from nine to five, on Tuesdays from nine to six, and on every \
    other day by appointment only.";
pub(super) const LOOKING: &str = "Let me see who is free.";
pub(super) const FOUND: &str = "Asha is free.";
pub(super) const ANNOUNCEMENT: &str = "I am connecting you now.";

pub(super) const QUESTION: &str = "Hello, I would like to know your opening hours, please.";
pub(super) const INTERRUPTION: &str = "No, wait. Please connect me to a person.";
pub(super) const REQUEST: &str = "Please connect me to a person.";

/// The agent until its connection breaks, right after it has found somebody.
pub(super) fn first_session() -> AgentDoc {
    agent(vec![
        Turn::saying(QUESTION, ANSWER),
        Turn::acting(
            INTERRUPTION,
            vec![
                Act::Say(LOOKING.into()),
                Act::WaitUntilSpoken,
                Act::Tool(ToolCall::named(TOOL, json!({"department": "front desk"}))),
                Act::Say(FOUND.into()),
                Act::WaitUntilSpoken,
                // The caller has drawn breath by then and speaks into the gap.
                Act::PauseMs(1_000),
                Act::Close { code: 1011, reason: "the agent's server restarts".into() },
            ],
        ),
    ])
}

/// The agent after that. It would greet again, if it were let.
pub(super) fn second_session() -> AgentDoc {
    let transfer =
        ToolCall::named("transfer_to_number", json!({"number": PERSON, "reason": "wants a person"}));
    agent(vec![Turn::acting(REQUEST, vec![Act::Say(ANNOUNCEMENT.into()), Act::Tool(transfer)])])
}

fn agent(turns: Vec<Turn>) -> AgentDoc {
    AgentDoc {
        name: "Front desk".into(),
        first_message: GREETING.into(),
        client_tools: vec![TOOL.into(), "transfer_to_number".into()],
        script: Script { turns, ..Script::default() },
        ..AgentDoc::for_telephony(AGENT_ID)
    }
}

pub(super) fn caller() -> Caller {
    let agent_pauses = |ms| Step::WaitForAgentSilence(Duration::from_millis(ms));
    Caller {
        steps: vec![
            Step::WaitForAgentSpeech,
            agent_pauses(500),
            Step::Speak(bundled_sample()),
            Step::WaitForAgentSpeech,
            Step::Wait(Duration::from_millis(1_500)),
            Step::Speak(bundled_interruption()),
            // "Let me see", then the tool, then what it found.
            Step::WaitForAgentSpeech,
            agent_pauses(300),
            Step::WaitForAgentSpeech,
            agent_pauses(800),
            Step::Speak(behind_the_first_pause(&bundled_interruption())),
        ],
        afterwards: Afterwards::StayOnTheLine,
        noise_dbfs: Some(-60.0),
        patience: Duration::from_secs(15),
        ..Caller::default()
    }
}

/// "No, wait. Please connect me …" without its first sentence.
fn behind_the_first_pause(speech: &Frame) -> Frame {
    let tick = speech.rate.samples_in(Duration::from_millis(20)) as usize;
    let loud: Vec<bool> = speech.samples.chunks(tick).map(|piece| rms_dbfs(piece) > -45.0).collect();
    let mut longest = (0, 0);
    let mut quiet_since = None;
    for (at, is_loud) in loud.iter().take(loud.len() * 2 / 3).enumerate() {
        match (is_loud, quiet_since) {
            (false, None) => quiet_since = Some(at),
            (true, Some(since)) => {
                quiet_since = None;
                if since > 0 && at - since > longest.1 - longest.0 {
                    longest = (since, at);
                }
            }
            _ => {}
        }
    }
    // A little of the pause, so that the first consonant is whole.
    let from = (longest.1.saturating_sub(2) * tick).min(speech.samples.len());
    Frame::new(speech.rate, speech.samples[from..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_second_sentence_of_the_interruption() {
        let whole = bundled_interruption();
        let request = behind_the_first_pause(&whole);

        let left_out = whole.duration() - request.duration();
        assert!(
            left_out > Duration::from_millis(600) && left_out < Duration::from_millis(1_600),
            "{left_out:?}"
        );
        assert!(request.duration() > Duration::from_millis(1_200));
    }
}
