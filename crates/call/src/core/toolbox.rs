//! Tools: those the call performs itself, and those that are run for the bot.

use super::{AgentLink, Core, Happening, ms};
use crate::call::Command;
use crate::{
    AgentCommand, CarrierCommand, Digit, EndCause, Fact, Moment, OwnTool, PhaseName, ToolCall, ToolOutcome,
    ToolRun,
};

/// Tools that run at once for one call. An agent that asks for more is confused, and is told so.
const PENDING_MAX: usize = 32;

/// The longest number or address to hand a caller to.
const DESTINATION_BYTES_MAX: usize = 256;

#[derive(Debug)]
struct Pending {
    id: String,
    name: String,
    since: Moment,
    wants_answer: bool,
    /// The session that asked is still the one we talk to.
    current: bool,
}

/// Tools that are being run, and results whose session is gone.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    pending: Vec<Pending>,
    /// For the next session, in words.
    orphans: Vec<String>,
}

impl Toolbox {
    pub(crate) fn session_ended(&mut self) {
        for pending in &mut self.pending {
            pending.current = false;
        }
    }
}

impl Core {
    pub(super) fn tool_called(&mut self, call: ToolCall, now: Moment, phase: PhaseName) -> Option<Happening> {
        self.tally.tools += 1;
        self.note(now, Fact::ToolCalled { id: call.id.clone(), name: call.name.clone() });
        if !matches!(phase, PhaseName::Talking | PhaseName::Greeting) {
            self.answer(&call, "the call is already ending", true, now);
            return None;
        }
        if self.plan.tools.contains(&call.name) {
            self.run(call, now);
            return None;
        }
        match OwnTool::by_name(&call.name) {
            Some(OwnTool::EndCall) => {
                let reason = text_of(&call, &["reason", "message", "disposition"]);
                self.answer(&call, "the call ends once you have been heard", false, now);
                Some(Happening::EndWanted(EndCause::AgentHungUp { reason }))
            }
            Some(OwnTool::VoicemailDetection) => {
                self.answer(&call, "the call ends once you have been heard", false, now);
                Some(Happening::EndWanted(EndCause::Voicemail))
            }
            Some(OwnTool::TransferToNumber) => self.transfer_wanted(&call, now),
            Some(OwnTool::PlayKeypadTouchTone) => {
                self.play_digits(&call, now);
                None
            }
            Some(OwnTool::SkipTurn | OwnTool::DetectLanguage) => {
                self.answer(&call, "noted", false, now);
                None
            }
            Some(OwnTool::TransferToAgent) => {
                self.answer(&call, "no other agent can be reached from this call", true, now);
                None
            }
            None => {
                let words = format!("there is no tool named {:?} here", call.name);
                self.answer(&call, &words, true, now);
                None
            }
        }
    }

    fn transfer_wanted(&mut self, call: &ToolCall, now: Moment) -> Option<Happening> {
        let named = text_of(call, &["transfer_number", "number", "destination", "to", "phone_number"]);
        let allowed = &self.plan.settings.transfer_to;
        let refusal = match &named {
            _ if !self.plan.carrier.transfer.exists() => Some("this phone line cannot transfer calls"),
            None => Some("name the number to transfer to, as \"number\""),
            Some(to) if to.len() > DESTINATION_BYTES_MAX => Some("that number is too long"),
            Some(to) if !allowed.is_empty() && !allowed.contains(to) => {
                Some("calls may not be transferred there")
            }
            Some(_) => None,
        };
        match (refusal, named) {
            (None, Some(to)) => {
                self.answer(call, "the caller is transferred once you have been heard", false, now);
                Some(Happening::TransferWanted { to })
            }
            (refusal, _) => {
                self.answer(call, refusal.unwrap_or("no number"), true, now);
                None
            }
        }
    }

    fn play_digits(&mut self, call: &ToolCall, now: Moment) {
        let wanted = text_of(call, &["dtmf_tones", "digits", "tones"]).unwrap_or_default();
        let digits: Vec<Digit> = wanted.chars().filter_map(Digit::parse).take(32).collect();
        if !self.plan.carrier.digits_out.exists() {
            self.answer(call, "this phone line cannot play keys", true, now);
        } else if digits.is_empty() {
            self.answer(call, "name the keys to play, as \"dtmf_tones\"", true, now);
        } else {
            self.tell_carrier(CarrierCommand::Digits(digits));
            self.answer(call, "played", false, now);
        }
    }

    fn run(&mut self, call: ToolCall, now: Moment) {
        if self.toolbox.pending.len() >= PENDING_MAX {
            self.answer(&call, "too many tools are running; wait for their results", true, now);
            return;
        }
        if self.toolbox.pending.iter().any(|pending| pending.current && pending.id == call.id) {
            // Asked twice under one name: the first answer serves both.
            return;
        }
        self.toolbox.pending.push(Pending {
            id: call.id.clone(),
            name: call.name.clone(),
            since: now,
            wants_answer: call.wants_answer,
            current: true,
        });
        self.out.push_back(Command::RunTool(ToolRun {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }));
    }

    pub(super) fn tool_finished(&mut self, outcome: ToolOutcome, now: Moment) {
        let Some(at) = self.toolbox.pending.iter().position(|pending| pending.id == outcome.id) else {
            return;
        };
        let pending = self.toolbox.pending.swap_remove(at);
        let took_ms = ms(now.since(pending.since));
        let here = matches!(self.agent, AgentLink::Here { .. });
        if pending.current && here {
            self.note(
                now,
                Fact::ToolAnswered {
                    id: outcome.id.clone(),
                    name: pending.name,
                    is_error: outcome.is_error,
                    took_ms,
                    detail: outcome.is_error.then(|| excerpt(&outcome.result)),
                },
            );
            if pending.wants_answer {
                self.tell_agent(AgentCommand::ToolResult {
                    id: outcome.id,
                    result: outcome.result,
                    is_error: outcome.is_error,
                });
            }
            return;
        }
        // The session that asked is gone; its successor should know all the same.
        let verb = if outcome.is_error { "failed with" } else { "returned" };
        let words = format!("The tool {} that was called before {verb}: {}", pending.name, outcome.result);
        if here {
            self.tell_agent(AgentCommand::Context { text: words });
        } else if self.toolbox.orphans.len() < PENDING_MAX {
            self.toolbox.orphans.push(words);
        }
    }

    /// Tells a new session what came of its predecessor's tools.
    pub(crate) fn deliver_orphans(&mut self) {
        for text in std::mem::take(&mut self.toolbox.orphans) {
            self.tell_agent(AgentCommand::Context { text });
        }
    }

    fn answer(&mut self, call: &ToolCall, result: &str, is_error: bool, now: Moment) {
        self.note(
            now,
            Fact::ToolAnswered {
                id: call.id.clone(),
                name: call.name.clone(),
                is_error,
                took_ms: 0,
                detail: is_error.then(|| excerpt(result)),
            },
        );
        if call.wants_answer {
            self.tell_agent(AgentCommand::ToolResult {
                id: call.id.clone(),
                result: result.to_owned(),
                is_error,
            });
        }
    }
}

/// Enough of an error's words for the ledger.
fn excerpt(words: &str) -> String {
    words.chars().take(200).collect()
}

/// The first of these arguments that is there, as text.
fn text_of(call: &ToolCall, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match call.arguments.get(name) {
        Some(serde_json::Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        _ => None,
    })
}
