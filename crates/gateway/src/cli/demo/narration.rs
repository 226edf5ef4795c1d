//! What happens, told in plain sentences as it happens, from both ends: what Twilio sees, and what the gateway decides.

use std::sync::Arc;
use std::time::Duration;

use call::{AgentLeft, CallId, EndCause, Fact, Side, Turn};
use lab::twilio::{Happening, LiveCall};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout};

use super::plot;
use super::stage::Stage;
use crate::cli::dial::screen::Screen;
use crate::cli::dial::story::{millis, seconds, short};
use crate::events::Event;

/// For the gateway's last words, once Twilio's call is over.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(3);

/// What was seen on the way, for the checks.
#[derive(Debug)]
pub(super) struct Narration {
    began: Instant,
    lines: Screen,
    call: Option<CallId>,
    pub(super) facts: Vec<Fact>,
    pub(super) end: Option<EndCause>,
    utterances: usize,
    agent_is_away: bool,
    agent_was_lost: bool,
    told_first_sound: bool,
}

impl Narration {
    pub(super) fn new(screen: &Screen, began: Instant) -> Narration {
        Narration {
            began,
            lines: screen.clone(),
            call: None,
            facts: Vec::new(),
            end: None,
            utterances: 0,
            agent_is_away: false,
            agent_was_lost: false,
            told_first_sound: false,
        }
    }

    pub(super) fn call(&self) -> Option<CallId> {
        self.call
    }

    pub(super) async fn follow(
        &mut self,
        call: &LiveCall,
        events: &mut broadcast::Receiver<Arc<Event>>,
        stage: &Stage,
    ) {
        let mut notes = call.notes();
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Ok(event) => self.event(&event, stage),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                note = notes.next() => match note {
                    Some(note) => self.happening(&note.what),
                    None => break,
                },
            }
        }
        let last_words = async {
            while self.end.is_none() {
                match events.recv().await {
                    Ok(event) => self.event(&event, stage),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        };
        // A call without an end is found by the checks.
        let _ = timeout(LAST_WORDS_WITHIN, last_words).await;
    }

    fn say(&self, words: &str) {
        self.lines.at(self.began.elapsed(), words);
    }

    /// What Twilio sees.
    fn happening(&mut self, what: &Happening) {
        match what {
            Happening::WebhookAsked { .. } => self.say(&format!(
                "Somebody dials {}. Twilio asks the gateway's webhook what to do, in a signed request.",
                plot::NUMBER
            )),
            Happening::WebhookAnswered { status: 200, took, .. } => self.say(&format!(
                "The gateway checks the signature and answers after {}: bring the sound of the call to me.",
                short(*took)
            )),
            Happening::WebhookAnswered { status, .. } => {
                self.say(&format!("The gateway refuses the webhook with status {status}."));
            }
            Happening::WebhookFailed { problem, .. } => self.say(&format!("The webhook fails: {problem}.")),
            Happening::StreamOpened { .. } => {
                self.say("Twilio opens the media stream, let in by the single-use token of that answer.");
            }
            Happening::StreamRefused { problem, .. } => {
                self.say(&format!("The gateway refuses the media stream: {problem}."));
            }
            Happening::CallerSpeaks => {
                self.utterances += 1;
                let words = match (self.utterances, self.agent_is_away) {
                    (1, _) => format!("The caller asks: “{}”", plot::QUESTION),
                    (2, _) => format!("The caller speaks over the agent: “{}”", plot::INTERRUPTION),
                    (_, true) => format!("The caller speaks while no agent is there: “{}”", plot::REQUEST),
                    (_, false) => format!("The caller says: “{}”", plot::REQUEST),
                };
                self.say(&words);
            }
            Happening::Redirected => {
                self.say(
                    "The gateway's order arrives at Twilio's REST interface: dial that number for this call.",
                );
            }
            Happening::Dialled { numbers, outcome } => {
                let how = if outcome == "completed" { "and a person answers" } else { outcome };
                self.say(&format!("Twilio rings {}, {how}.", numbers.join(", ")));
            }
            Happening::Warned(warning) => {
                self.say(&format!("Twilio's debugger would show a warning: {}.", warning.text));
            }
            Happening::CallerLostPatience => self.say("The caller waits in vain and hangs up."),
            Happening::Ended(_) => self.say("The call is over."),
            _ => {}
        }
    }

    fn event(&mut self, event: &Event, stage: &Stage) {
        match event {
            Event::Fact(fact) if self.call.is_none_or(|call| call == fact.call) => {
                self.call = Some(fact.call);
                self.fact(&fact.entry.fact, stage);
                self.facts.push(fact.entry.fact.clone());
            }
            Event::Fact(_) | Event::Call(_) | Event::Levels(_) => {}
        }
    }

    /// What the gateway decides.
    fn fact(&mut self, fact: &Fact, stage: &Stage) {
        match fact {
            Fact::AgentReady { attempt: 1, waited_ms, formats, .. } => {
                // Whoever is called back later finds the agent as it is then.
                stage.second_session();
                let formats = formats.as_ref().map_or(String::new(), |formats| format!(" ({formats})"));
                self.say(&format!("ElevenLabs is on the line after {}{formats}.", millis(*waited_ms)));
            }
            Fact::AgentReady { waited_ms, .. } => {
                self.agent_is_away = false;
                self.say(&format!(
                    "It is back after {}. The new session is told the conversation so far; its second greeting is \
                     kept from the caller.",
                    millis(*waited_ms)
                ));
            }
            Fact::AnswerStarted { waited_ms, .. } => {
                let text = stage.last_answer().map_or(".".to_owned(), |text| format!(": “{text}”"));
                let words = match waited_ms {
                    _ if !self.told_first_sound => format!("The caller hears the agent{text}"),
                    Some(ms) => {
                        format!("The agent answers, {} after the caller's last word{text}", millis(*ms))
                    }
                    None => format!("The agent goes on{text}"),
                };
                self.told_first_sound = true;
                self.say(&words);
            }
            Fact::Turn { turn } => self.turn(turn),
            Fact::BargeIn { heard_ms, dropped_ms, .. } => self.say(&format!(
                "The agent is silenced at once: {} of its answer were heard, {} are thrown away.",
                millis(*heard_ms),
                millis(*dropped_ms)
            )),
            Fact::SilenceConfirmed { waited_ms, .. } => {
                self.say(&format!("Twilio confirms after {} that its queue is empty.", millis(*waited_ms)));
            }
            Fact::ToolCalled { name, .. } if name == plot::TOOL => {
                self.say(&format!(
                    "The agent calls the tool {name}; the gateway posts it to the tool's address."
                ));
            }
            Fact::ToolCalled { name, .. } => self.say(&format!("The agent calls {name}.")),
            Fact::ToolAnswered { name, is_error, took_ms, .. } if name == plot::TOOL => {
                let how = if *is_error { "fails" } else { "answers" };
                self.say(&format!("The tool {how} after {}, and the agent is told.", millis(*took_ms)));
            }
            Fact::AgentLost { departure } if departure.cause != AgentLeft::Finished => {
                (self.agent_is_away, self.agent_was_lost) = (true, true);
                // The provider's name for the conversation is for the log.
                let detail = departure.detail.split(" [").next().unwrap_or_default();
                self.say(&format!(
                    "At this moment the connection to the agent breaks: {}. The caller stays on the line and hears a soft noise.",
                    detail.trim_end_matches('.')
                ));
            }
            Fact::AgentDialled { attempt, .. } if *attempt > 1 => {
                self.say("The gateway dials ElevenLabs again.");
            }
            Fact::HeldAudioDelivered { chunks } if self.agent_was_lost => self.say(&format!(
                "It also hears what the caller said meanwhile: {} s that were kept.",
                seconds(Duration::from_millis(20) * u32::try_from(*chunks).unwrap_or(u32::MAX))
            )),
            Fact::Fallback { to } => self.say(&format!("The gateway falls back to {to}.")),
            Fact::GoodbyeHeard { .. } => {
                self.say("The caller has heard that to its end; only now the call is handed over.");
            }
            Fact::TransferFailed { detail, .. } => self.say(&format!("The transfer fails: {detail}.")),
            Fact::Ended { end } => self.end = Some(end.clone()),
            _ => {}
        }
    }

    fn turn(&self, turn: &Turn) {
        match (turn.side, &turn.meant) {
            (Side::Caller, _) => self.say(&format!("ElevenLabs has understood: “{}”", turn.text)),
            (Side::Agent, Some(meant)) if turn.interrupted => {
                let rest = meant.strip_prefix(turn.text.as_str()).unwrap_or(meant).trim();
                self.say(&format!("The transcript keeps what was heard, “{}”, and not “{rest}”", turn.text));
            }
            // Told when it began.
            (Side::Agent, _) => {}
        }
    }
}
