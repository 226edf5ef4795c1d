//! What every phase of a call shares.
//!
//! Sound in both directions, the playout, the transcript, tools, digits and counts work the same in every phase; they
//! are kept here. What is left over, the events that can move a call from one phase to another, is handed on as a
//! [`Happening`].

mod agent_side;
mod carrier_side;
mod clockwork;
mod toolbox;

use std::collections::VecDeque;
use std::time::Duration;

use audio::bed::ComfortNoise;
use audio::vad;

use crate::backoff::Backoff;
use crate::barge_in::BargeIn;
use crate::call::{Command, Levels};
use crate::holdback::Holdback;
use crate::playout::Playout;
use crate::transcript::Transcript;
use crate::{
    AgentChoice, AgentCommand, AgentDeparture, AnswerId, CallPlan, CarrierCommand, CarrierDeparture,
    ControlOutcome, DialAgent, EndCause, Entry, Fact, Input, LimitSettings, Moment, Oddity, Order, PhaseName,
    Receipt, Side, Tally, Watchdog,
};
pub(crate) use toolbox::Toolbox;

/// The loudness that stands for silence on a meter.
pub(crate) const FLOOR_DBFS: f32 = -90.0;

/// Comfort sound while the agent is away: audible as "the line lives", and no louder.
const BED_DBFS: f32 = -50.0;

/// Something that may move the call to another phase.
#[derive(Debug)]
pub(crate) enum Happening {
    MediaStarted,
    CarrierLeft(CarrierDeparture),
    CarrierSaysOver,
    Replaced,
    AgentReady,
    AgentLeft(AgentDeparture),
    /// The agent is done and wants the call to end once it has been heard.
    EndWanted(EndCause),
    TransferWanted {
        to: String,
    },
    HangUpOrdered {
        by: String,
    },
    MachineAnswered,
    /// What the agent was told to say, it cannot.
    CannotSay,
    Control(ControlOutcome),
    Watchdog(Watchdog),
}

/// Where the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentLink {
    Away,
    Dialling { since: Moment, queueing: bool },
    Here { since: Moment, alive: Moment },
}

/// What becomes of the caller's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// The agent hears them.
    Forward,
    /// They wait for the agent.
    Hold,
    /// Nobody will hear them.
    Drop,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) plan: CallPlan,
    pub(crate) out: VecDeque<Command>,
    pub(crate) playout: Playout,
    pub(crate) transcript: Transcript,
    pub(crate) barge_in: BargeIn,
    pub(crate) backoff: Backoff,
    pub(crate) toolbox: Toolbox,
    pub(crate) agent: AgentLink,
    pub(crate) hearing: Hearing,
    pub(crate) last_phase: PhaseName,
    /// Another bot has taken over.
    pub(crate) on_fallback: bool,
    pub(crate) attempt: u32,
    pub(crate) last_agent_sound: Moment,
    /// A machine is on the other end.
    pub(crate) machine: bool,
    /// The latest answer that the agent has given sign of.
    newest_answer: Option<AnswerId>,
    /// Comfort sound while the agent is away.
    pub(crate) bed: Option<ComfortNoise>,
    holdback: Holdback,
    detector: vad::Detector,
    caller_onset: Option<Moment>,
    caller_fell_silent: Option<Moment>,
    caller_dbfs: f32,
    agent_dbfs: f32,
    media_since: Option<Moment>,
    last_media: Moment,
    last_voice: Moment,
    /// Until when the agent has been given sound, the caller's or silence.
    fed_until: Moment,
    drain_by: Option<Moment>,
    silent_since: Option<Moment>,
    cleared_at: Option<Moment>,
    dialled_at: Option<Moment>,
    digits: String,
    digits_due: Option<Moment>,
    last_late_note: Option<Moment>,
    last_ignored_note: Option<Moment>,
    odd: [[u64; Oddity::ALL.len()]; 2],
    tally: Tally,
    agent_ready_ms: Option<u64>,
    first_sound_ms: Option<u64>,
    answer_ms: Vec<u64>,
    silence_ms: Vec<u64>,
}

impl Core {
    pub(crate) fn new(plan: CallPlan) -> Core {
        let settings = &plan.settings;
        Core {
            playout: Playout::new(&plan.carrier, LimitSettings::ms(settings.limits.playout_ms)),
            transcript: Transcript::new(settings.limits.history_messages as usize),
            barge_in: BargeIn::new(settings.barge_in.clone(), plan.agent.interrupts),
            backoff: Backoff::new(settings.reconnect.clone(), plan.seed),
            toolbox: Toolbox::default(),
            detector: vad::Detector::new(plan.carrier.rate),
            out: VecDeque::new(),
            agent: AgentLink::Away,
            hearing: Hearing::Hold,
            last_phase: PhaseName::Arriving,
            on_fallback: false,
            attempt: 0,
            last_agent_sound: Moment::START,
            machine: false,
            newest_answer: None,
            bed: None,
            holdback: Holdback::default(),
            caller_onset: None,
            caller_fell_silent: None,
            caller_dbfs: FLOOR_DBFS,
            agent_dbfs: FLOOR_DBFS,
            media_since: None,
            last_media: Moment::START,
            last_voice: Moment::START,
            fed_until: Moment::START,
            drain_by: None,
            silent_since: None,
            cleared_at: None,
            dialled_at: None,
            digits: String::new(),
            digits_due: None,
            last_late_note: None,
            last_ignored_note: None,
            odd: Default::default(),
            tally: Tally::default(),
            agent_ready_ms: None,
            first_sound_ms: None,
            answer_ms: Vec::new(),
            silence_ms: Vec::new(),
            plan,
        }
    }

    /// Takes in what happened; hands on what may change the phase.
    pub(crate) fn take_in(&mut self, now: Moment, input: Input, phase: PhaseName) -> Option<Happening> {
        match input {
            Input::Carrier(event) => self.hear_carrier(event, now, phase),
            Input::Agent(event) => self.hear_agent(event, now, phase),
            Input::Order(order) => self.ordered(order, now, phase),
            Input::Tool(outcome) => {
                self.tool_finished(outcome, now);
                None
            }
            Input::Control(outcome) => Some(Happening::Control(outcome)),
            Input::Deadline => None,
        }
    }

    fn ordered(&mut self, order: Order, now: Moment, phase: PhaseName) -> Option<Happening> {
        let (what, by) = match &order {
            Order::HangUp { by } => ("hang_up", Some(by.clone())),
            Order::Transfer { by, .. } => ("transfer", Some(by.clone())),
            Order::Say { .. } => ("say", None),
            Order::Drain { .. } => ("drain", None),
            Order::Replaced => ("replaced", None),
            Order::MachineAnswered => return self.machine_answered(now),
            Order::CarrierSaysOver { detail } => ("carrier_says_over", Some(detail.clone())),
        };
        self.note(now, Fact::Ordered { what: what.into(), by });
        match order {
            Order::HangUp { by } => Some(Happening::HangUpOrdered { by }),
            Order::Transfer { to, .. } => Some(Happening::TransferWanted { to }),
            Order::Say { text } => {
                let talking = matches!(self.agent, AgentLink::Here { .. }) && phase == PhaseName::Talking;
                if talking && self.plan.agent.says {
                    self.note(now, Fact::SaidOnRequest { text: text.clone() });
                    self.tell_agent(AgentCommand::Say { text });
                } else {
                    self.note(now, Fact::CannotSay);
                }
                None
            }
            Order::Drain { within } => {
                let by = now + within;
                self.drain_by = Some(self.drain_by.map_or(by, |earlier| earlier.min(by)));
                None
            }
            Order::Replaced => Some(Happening::Replaced),
            Order::MachineAnswered => None,
            Order::CarrierSaysOver { .. } => Some(Happening::CarrierSaysOver),
        }
    }

    /// Carriers may say it twice; it is news once.
    fn machine_answered(&mut self, now: Moment) -> Option<Happening> {
        if std::mem::replace(&mut self.machine, true) {
            return None;
        }
        self.note(now, Fact::MachineAnswered);
        Some(Happening::MachineAnswered)
    }

    pub(crate) fn note(&mut self, at: Moment, fact: Fact) {
        self.out.push_back(Command::Note(Entry { at, fact }));
    }

    pub(crate) fn tell_carrier(&mut self, command: CarrierCommand) {
        self.out.push_back(Command::ToCarrier(command));
    }

    pub(crate) fn tell_agent(&mut self, command: AgentCommand) {
        self.out.push_back(Command::ToAgent(command));
    }

    pub(crate) fn unexpected(&mut self, what: &str, phase: PhaseName, now: Moment) {
        self.tally.unexpected += 1;
        let count = self.tally.unexpected;
        // The first few tell the story; a flood of them must not fill the ledger.
        if count <= 10 || count.is_power_of_two() {
            self.note(now, Fact::Unexpected { what: what.into(), phase, count });
        }
    }

    pub(crate) fn odd(&mut self, side: Side, oddity: Oddity, now: Moment) {
        let row = &mut self.odd[usize::from(side == Side::Agent)];
        let at = Oddity::ALL.iter().position(|known| *known == oddity).unwrap_or(0);
        row[at] += 1;
        let count = row[at];
        if count.is_power_of_two() {
            self.note(now, Fact::Odd { side, oddity, count });
        }
    }

    /// Dials an agent; what the caller says until it is ready waits.
    pub(crate) fn dial(&mut self, now: Moment) {
        self.attempt += 1;
        self.tally.agent_dials += 1;
        self.dialled_at = Some(now);
        self.agent = AgentLink::Dialling { since: now, queueing: false };
        self.hearing = Hearing::Hold;
        let resumed = self.attempt > 1;
        let resume = resumed.then(|| self.transcript.so_far());
        self.note(now, Fact::AgentDialled { attempt: self.attempt, resumed });
        let which = if self.on_fallback { AgentChoice::Fallback } else { AgentChoice::Own };
        self.out.push_back(Command::DialAgent(DialAgent { attempt: self.attempt, which, resume }));
    }

    /// Lets the agent go, in order if it is there.
    pub(crate) fn dismiss_agent(&mut self) {
        match self.agent {
            AgentLink::Away => {}
            AgentLink::Dialling { .. } => self.out.push_back(Command::DropAgent),
            AgentLink::Here { .. } => {
                self.tell_agent(AgentCommand::Leave);
                self.out.push_back(Command::DropAgent);
            }
        }
        self.agent_is_away();
    }

    pub(crate) fn agent_is_away(&mut self) {
        self.agent = AgentLink::Away;
        self.hearing = Hearing::Hold;
        self.transcript.agent_left();
        self.toolbox.session_ended();
        self.silent_since = None;
    }

    pub(crate) fn phase_changed(&mut self, from: PhaseName, to: PhaseName, now: Moment) {
        self.last_phase = to;
        self.note(now, Fact::PhaseChanged { from, to });
        self.hearing = match to {
            PhaseName::Arriving | PhaseName::Greeting | PhaseName::Holding => Hearing::Hold,
            PhaseName::Talking => Hearing::Forward,
            PhaseName::Transferring | PhaseName::Leaving | PhaseName::Over => Hearing::Drop,
        };
        if to != PhaseName::Holding {
            self.bed = None;
        }
        if to == PhaseName::Holding {
            self.bed = Some(ComfortNoise::new(self.plan.carrier.rate, self.plan.seed, BED_DBFS));
        }
    }

    /// The last things a call does.
    pub(crate) fn finish(&mut self, cause: EndCause, now: Moment) {
        self.dismiss_agent();
        for turn in self.cut_turns(now) {
            self.note(now, Fact::Turn { turn });
        }
        self.tell_carrier(CarrierCommand::Close);
        self.note(now, Fact::Ended { end: cause });
    }

    pub(crate) fn levels(&self, now: Moment) -> Levels {
        let agent_speaks = self.playout.agent_is_audible(now);
        Levels {
            caller_dbfs: self.caller_dbfs,
            agent_dbfs: if self.playout.lead(now).is_zero() { FLOOR_DBFS } else { self.agent_dbfs },
            caller_speaks: self.caller_onset.is_some(),
            agent_speaks,
        }
    }

    pub(crate) fn held_frames(&self) -> usize {
        self.holdback.len()
    }

    pub(crate) fn frames(&self) -> (u64, u64) {
        (self.tally.frames_in, self.tally.frames_out)
    }

    pub(crate) fn receipt(&self, end: EndCause, now: Moment) -> Receipt {
        let mut tally = self.tally.clone();
        let ms = |samples: u64| self.plan.carrier.rate.duration_of(samples).as_millis() as u64;
        tally.sent_ms = ms(self.playout.total_sent);
        tally.heard_ms = ms(self.playout.total_heard(now));
        tally.overflowed_ms = ms(self.playout.overflowed);
        tally.held_dropped = self.holdback.dropped_total;
        tally.marks_lost = self.playout.marks_lost;
        tally.forgotten_messages = self.transcript.forgotten;
        for (side, row) in ["caller", "agent"].iter().zip(&self.odd) {
            for (oddity, count) in Oddity::ALL.iter().zip(row).filter(|(_, count)| **count > 0) {
                tally.oddities.insert(format!("{side}.{}", oddity.name()), *count);
            }
        }
        Receipt {
            call: self.plan.id,
            end,
            duration_ms: now.millis(),
            agent_ready_ms: self.agent_ready_ms,
            first_sound_ms: self.first_sound_ms,
            answer_ms: self.answer_ms.clone(),
            silence_ms: self.silence_ms.clone(),
            tally,
        }
    }
}

/// Milliseconds for people and records.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
