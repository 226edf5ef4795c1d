//! A call on a stage: a carrier that plays and echoes marks as told, an agent that speaks as told, and a clock that
//! moves only when asked to.

use std::time::Duration;

use audio::{Frame, Rate};
use call::{
    AgentCapabilities, AgentCommand, AgentDeparture, AgentEvent, AgentLeft, AgentReady, AnswerId, Call,
    CallId, CallPlan, CallSettings, CarrierCapabilities, CarrierCommand, CarrierEvent, Closing, Command,
    DialAgent, Encoding, EndCause, Entry, Fact, Input, Mark, MarkFate, MarkOnFlush, MediaStart, Moment,
    Prompts, Proof, Retry, ShortPiece, Sound, Turn, Way,
};

pub(crate) const CARRIER: CarrierCapabilities = CarrierCapabilities {
    name: "stage",
    title: "Stage",
    rate: Rate::Hz8000,
    sounds: &[Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 }],
    piece: Duration::from_millis(20),
    short_piece: ShortPiece::Allowed,
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(300),
    mark_on_flush: MarkOnFlush::Echoed,
    digits_in: Way::Message,
    digits_out: Way::Sound,
    hang_up: Way::Request,
    lets_go_within: Duration::from_secs(5),
    transfer: Way::Request,
    closing: Closing::GoesOn,
    ends_by_closing: false,
    proof: Proof::Signature,
    places_calls: true,
    detects_machines: true,
};

/// Takes nothing but whole pieces of 200 ms.
pub(crate) const WHOLE_PIECES: CarrierCapabilities = CarrierCapabilities {
    piece: Duration::from_millis(200),
    short_piece: ShortPiece::Filled,
    lead_low: Duration::from_millis(200),
    lead_high: Duration::from_millis(400),
    mark_on_flush: MarkOnFlush::Unknown,
    ..CARRIER
};

/// Is asked on its media socket to hang up or to hand over, and answers by leaving; a caller who hangs up just closes.
pub(crate) const BY_MESSAGE: CarrierCapabilities = CarrierCapabilities {
    mark_on_flush: MarkOnFlush::Silent,
    hang_up: Way::Message,
    transfer: Way::Message,
    lets_go_within: Duration::from_secs(2),
    ends_by_closing: true,
    ..CARRIER
};

pub(crate) const AGENT: AgentCapabilities =
    AgentCapabilities { name: "stage", interrupts: true, truncates: false, says: true, pings: true };

pub(crate) fn plan() -> CallPlan {
    CallPlan {
        id: CallId::mint(0, [0; 10]),
        carrier: CARRIER,
        agent: AGENT,
        fallback_agent: None,
        settings: CallSettings::default(),
        prompts: Prompts { apology: vec![900; 8000].into(), closing: vec![700; 4000].into() },
        tools: vec!["weather".into()],
        seed: 1,
    }
}

/// How the stage's carrier treats marks.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Marks {
    /// Played in real time and echoed when reached.
    Echo,
    /// Never echoed.
    Lose,
}

pub(crate) struct Scene {
    pub(crate) call: Call,
    pub(crate) now: Moment,
    pub(crate) marks: Marks,
    pub(crate) facts: Vec<Entry>,
    pub(crate) carrier: Vec<CarrierCommand>,
    pub(crate) agent: Vec<AgentCommand>,
    pub(crate) dials: Vec<DialAgent>,
    pub(crate) other: Vec<Command>,
    /// What the caller hears: sound that the stage's carrier has played.
    pub(crate) heard: Vec<i16>,
    queue: Vec<Queued>,
    played_until: Moment,
}

enum Queued {
    Sound(Vec<i16>),
    Mark(Mark),
}

impl Scene {
    pub(crate) fn with(plan: CallPlan) -> Scene {
        Scene {
            call: Call::new(plan),
            now: Moment::START,
            marks: Marks::Echo,
            facts: Vec::new(),
            carrier: Vec::new(),
            agent: Vec::new(),
            dials: Vec::new(),
            other: Vec::new(),
            heard: Vec::new(),
            queue: Vec::new(),
            played_until: Moment::START,
        }
    }

    /// A call whose two sides are there.
    pub(crate) fn talking() -> Scene {
        Scene::talking_with(plan())
    }

    pub(crate) fn talking_with(plan: CallPlan) -> Scene {
        let mut scene = Scene::with(plan);
        scene.tell(Input::Carrier(CarrierEvent::Started(MediaStart::default())));
        scene.ready();
        scene
    }

    pub(crate) fn ready(&mut self) {
        self.tell(Input::Agent(AgentEvent::Ready(AgentReady::default())));
    }

    pub(crate) fn tell(&mut self, input: Input) {
        self.call.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(command) = self.call.poll() {
            match command {
                Command::ToCarrier(command) => {
                    match &command {
                        CarrierCommand::Play(frame) => self.queue.push(Queued::Sound(frame.samples.clone())),
                        CarrierCommand::Mark(mark) => self.queue.push(Queued::Mark(*mark)),
                        CarrierCommand::Clear { .. } => self.cleared(),
                        _ => {}
                    }
                    self.carrier.push(command);
                }
                Command::ToAgent(command) => self.agent.push(command),
                Command::DialAgent(dial) => self.dials.push(dial),
                Command::Note(entry) => self.facts.push(entry),
                other @ (Command::DropAgent | Command::RunTool(_)) => self.other.push(other),
            }
        }
    }

    /// What Twilio does: the queue is thrown away and every mark in it comes back.
    fn cleared(&mut self) {
        let marks: Vec<Mark> = self
            .queue
            .drain(..)
            .filter_map(|queued| match queued {
                Queued::Mark(mark) => Some(mark),
                Queued::Sound(_) => None,
            })
            .collect();
        if self.marks == Marks::Echo {
            for mark in marks {
                self.call
                    .handle(self.now, Input::Carrier(CarrierEvent::Mark { mark, fate: MarkFate::Cleared }));
            }
        }
    }

    /// Lets time pass on the caller's clock of 20 ms; the caller is silent.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.wait_hearing(ms, &vec![0; 160]);
    }

    /// Lets time pass while the caller speaks.
    pub(crate) fn caller_speaks(&mut self, ms: u64) {
        let mut at = 0.0f32;
        for _ in 0..ms / 20 {
            let samples: Vec<i16> = (0..160)
                .map(|_| {
                    at += 1.0;
                    // A voice: a buzz at 120 Hz with formant-like partials, swelling with the syllables.
                    let t = at / 8000.0;
                    let buzz: f32 = (1..20)
                        .map(|n| {
                            let hz = 120.0 * n as f32;
                            let weight = 1.0 / (1.0 + ((hz - 600.0) / 300.0).powi(2))
                                + 0.4 / (1.0 + ((hz - 1700.0) / 400.0).powi(2));
                            weight * (std::f32::consts::TAU * hz * t).sin()
                        })
                        .sum();
                    let syllable = 0.6 + 0.4 * (std::f32::consts::TAU * 4.0 * t).sin();
                    (buzz * syllable * 4000.0) as i16
                })
                .collect();
            self.wait_hearing(20, &samples);
        }
    }

    fn wait_hearing(&mut self, ms: u64, samples: &[i16]) {
        for _ in 0..ms / 20 {
            self.now += Duration::from_millis(20);
            self.play();
            if self.call.is_over() {
                continue;
            }
            self.tell(Input::Carrier(CarrierEvent::Audio(Frame::new(Rate::Hz8000, samples.to_vec()))));
        }
    }

    /// Lets time pass without a word from the carrier; only deadlines wake the call.
    pub(crate) fn wait_without_media(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        for _ in 0..100_000 {
            let Some(next) = self.call.deadline().filter(|next| *next <= until) else { break };
            assert!(
                next >= self.now || self.call.deadline() != Some(next),
                "a deadline in the past: {next:?} at {:?}",
                self.now
            );
            self.now = self.now.max(next);
            self.play();
            self.tell(Input::Deadline);
        }
        self.now = until;
        self.play();
    }

    /// The carrier plays in real time up to now.
    fn play(&mut self) {
        if self.queue.is_empty() {
            self.played_until = self.now;
        }
        let mut echoes = Vec::new();
        while !self.queue.is_empty() {
            match &mut self.queue[0] {
                Queued::Mark(mark) => {
                    echoes.push(*mark);
                    self.queue.remove(0);
                }
                Queued::Sound(samples) => {
                    let room = (self.now.since(self.played_until).as_micros() * 8 / 1000) as usize;
                    if room == 0 {
                        break;
                    }
                    let count = room.min(samples.len());
                    self.heard.extend(samples.drain(..count));
                    self.played_until += Duration::from_micros(count as u64 * 125);
                    if samples.is_empty() {
                        self.queue.remove(0);
                    }
                }
            }
        }
        if self.marks == Marks::Echo {
            for mark in echoes {
                self.tell(Input::Carrier(CarrierEvent::Mark { mark, fate: MarkFate::Played }));
            }
        }
    }

    /// The agent answers with so much sound, all at once.
    pub(crate) fn agent_says(&mut self, answer: i64, text: &str, ms: u64) {
        self.tell(Input::Agent(AgentEvent::Says { answer: AnswerId(answer), text: text.into() }));
        self.agent_sounds(answer, ms);
    }

    pub(crate) fn agent_sounds(&mut self, answer: i64, ms: u64) {
        let frame = Frame::new(Rate::Hz8000, vec![1000 + answer as i16; (ms * 8) as usize]);
        self.tell(Input::Agent(AgentEvent::Audio { answer: AnswerId(answer), frame }));
    }

    pub(crate) fn agent_lost(&mut self, retry: Retry) {
        self.tell(Input::Agent(AgentEvent::Left(AgentDeparture {
            cause: AgentLeft::Lost,
            retry,
            detail: "gone".into(),
        })));
    }

    pub(crate) fn clears(&self) -> usize {
        self.carrier.iter().filter(|command| matches!(command, CarrierCommand::Clear { .. })).count()
    }

    pub(crate) fn hung_up(&self) -> bool {
        self.carrier.contains(&CarrierCommand::HangUp)
    }

    pub(crate) fn turns(&self) -> Vec<&Turn> {
        self.facts
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Turn { turn } => Some(turn),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn has(&self, wanted: impl Fn(&Fact) -> bool) -> bool {
        self.facts.iter().any(|entry| wanted(&entry.fact))
    }

    pub(crate) fn ends(&self) -> Vec<&EndCause> {
        self.facts
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Ended { end } => Some(end),
                _ => None,
            })
            .collect()
    }

    /// Samples of this answer that the caller has heard.
    pub(crate) fn heard_of(&self, answer: i64) -> usize {
        self.heard.iter().filter(|sample| **sample == 1000 + answer as i16).count()
    }

    pub(crate) fn heard_by_agent_ms(&self) -> u64 {
        let samples: usize = self
            .agent
            .iter()
            .map(|command| match command {
                AgentCommand::Hear(frame) => frame.samples.len(),
                _ => 0,
            })
            .sum();
        samples as u64 / 8
    }
}
