//! One call, one task: it owns both sockets and the state machine, and nobody else holds a reference to them.
//!
//! Whatever wakes the task, everything that is ready is taken in, the call decides, and each socket is written once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use call::{
    AgentChoice, AgentEvent, Call, CarrierCommand, CarrierEvent, Command, ControlOutcome, DialAgent, Entry,
    Input, Moment, Order, Retry, ToolOutcome, Watchdog,
};
use carriers::Control;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tracing::{debug, info, warn};

use crate::events::{CallFact, CallLevels, Event};
use crate::gateway::Gateway;
use crate::legs::{AgentSide, Asked, CarrierSide};
use crate::ops::metrics;
use crate::switchboard::{LiveCall, Seat, SlotLease};

/// Between two reports of the levels, for those who watch.
const LEVELS_EVERY: Duration = Duration::from_millis(120);

/// Between two renewals of the agent slot.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// The most a carrier is given to take the last bytes after the end.
const LAST_BYTES_WITHIN: Duration = Duration::from_secs(2);

/// Outcomes of tools and control requests that may wait: one each for the most tools a call runs at once.
const OUTCOMES_MAX: usize = 64;

/// Events that a wake-up usually brings.
const KEPT_EVENTS: usize = 8;

/// What the task of a call is given.
pub struct CallTask {
    pub gateway: Arc<Gateway>,
    pub seat: Seat,
    pub call: Box<Call>,
    pub live: Arc<LiveCall>,
    pub orders: mpsc::Receiver<Order>,
    pub carrier: CarrierSide,
    /// What the carrier said before the call began, its start among it.
    pub first: Vec<CarrierEvent>,
    pub metrics: metrics::CountedCall,
}

struct Running {
    gateway: Arc<Gateway>,
    seat: Seat,
    call: Box<Call>,
    live: Arc<LiveCall>,
    orders: mpsc::Receiver<Order>,
    carrier: CarrierSide,
    agent: AgentSide,
    fallback_slot: Option<SlotLease>,
    outcomes: mpsc::Receiver<Input>,
    report: mpsc::Sender<Input>,
    from_carrier: Vec<CarrierEvent>,
    from_agent: Vec<AgentEvent>,
    metrics: metrics::CountedCall,
    /// Frames that the metrics have been told of.
    frames_told: (u64, u64),
    began: Instant,
    /// What the timer below is set to. It is touched only when the call wants to be woken earlier.
    armed: Option<Moment>,
    levels_at: Instant,
    renew_at: Instant,
}

impl std::fmt::Debug for CallTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallTask").field("call", &self.seat.id).finish_non_exhaustive()
    }
}

impl CallTask {
    /// Runs the call to its end, and returns it for the record.
    pub async fn run(self) -> Box<Call> {
        let (report, outcomes) = mpsc::channel(OUTCOMES_MAX);
        let began = self.live.began();
        let mut running = Box::new(Running {
            gateway: self.gateway,
            seat: self.seat,
            call: self.call,
            live: self.live,
            orders: self.orders,
            carrier: self.carrier,
            agent: AgentSide::Away,
            fallback_slot: None,
            outcomes,
            report,
            from_carrier: self.first,
            from_agent: Vec::new(),
            metrics: self.metrics,
            frames_told: (0, 0),
            began,
            armed: None,
            levels_at: began,
            renew_at: began + RENEW_EVERY,
        });
        let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        running.carrier.welcome(running.seat.id);
        running.take_in_all();
        running.live.touch(running.carrier.sequence_number(), running.call.held_frames());
        while !running.call.is_over() {
            running.set_timer(timer.as_mut());
            poll_fn(|cx| running.poll_anything(cx, timer.as_mut())).await;
        }
        running.leave().await
    }
}

impl Running {
    fn now(&self) -> Moment {
        Moment::START + self.began.elapsed()
    }

    /// Waits for whatever comes first, takes in everything that is there, and writes.
    fn poll_anything(&mut self, cx: &mut Context<'_>, mut timer: std::pin::Pin<&mut Sleep>) -> Poll<()> {
        let mut any = false;
        // Orders first: what a carrier does because of one, it does after it.
        while let Poll::Ready(Some(order)) = self.orders.poll_recv(cx) {
            any = true;
            self.handle(Input::Order(order));
        }
        let from_carrier = self.carrier.poll_events(cx, &mut self.from_carrier).is_ready();
        let from_agent = self.agent.poll_events(cx, &mut self.from_agent).is_ready();
        if from_carrier || from_agent {
            any = true;
            self.take_in_all();
        }
        if from_carrier {
            self.live.touch(self.carrier.sequence_number(), self.call.held_frames());
        }
        while let Poll::Ready(Some(outcome)) = self.outcomes.poll_recv(cx) {
            any = true;
            self.handle(outcome);
        }
        if self.armed.is_some() && timer.as_mut().poll(cx).is_ready() {
            any = true;
            self.armed = None;
            if self.call.deadline().is_some_and(|deadline| deadline <= self.now()) {
                self.handle(Input::Deadline);
            }
            self.keep_house();
        }
        if !any {
            return Poll::Pending;
        }
        // What was decided goes out with the next round, which looks at the sockets again in any case.
        self.publish_levels();
        Poll::Ready(())
    }

    /// Takes in what both sides said, in the order it came.
    fn take_in_all(&mut self) {
        let mut events = std::mem::take(&mut self.from_carrier);
        for event in events.drain(..) {
            self.handle(Input::Carrier(event));
        }
        self.from_carrier = kept(events);
        self.take_in_agent();
    }

    fn take_in_agent(&mut self) {
        // A leg without a socket answers while it obeys, so this may go a few rounds; each needs a command to answer.
        while !self.from_agent.is_empty() {
            let mut events = std::mem::take(&mut self.from_agent);
            for event in events.drain(..) {
                self.call.handle(self.now(), Input::Agent(event));
                self.obey_all();
            }
            if self.from_agent.is_empty() {
                self.from_agent = kept(events);
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.call.handle(self.now(), input);
        self.obey_all();
        self.take_in_agent();
    }

    fn obey_all(&mut self) {
        while let Some(command) = self.call.poll() {
            match command {
                Command::ToCarrier(command) => {
                    if let CarrierCommand::HangUp | CarrierCommand::Transfer { .. } | CarrierCommand::Close =
                        command
                        && let Some(end) = self.call.ending()
                    {
                        let end = end.clone();
                        self.carrier.farewell(&end);
                    }
                    match self.carrier.obey(&command) {
                        None => {}
                        Some(Asked::Control(control)) => self.control(control),
                        Some(Asked::Done(outcome)) => {
                            // Room for every outcome that can be on its way; a full queue means the call is over.
                            let _ = self.report.try_send(Input::Control(outcome));
                        }
                    }
                }
                Command::ToAgent(command) => self.agent.obey(&command, &mut self.from_agent),
                Command::Note(entry) => self.note(entry),
                Command::DialAgent(dial) => self.dial(dial),
                Command::DropAgent => {
                    if let Some(socket) = self.agent.release() {
                        self.gateway.close_in_background(socket);
                    }
                    // What it said before it was let go is void.
                    self.from_agent.clear();
                }
                Command::RunTool(run) => {
                    let report = self.report.clone();
                    let running = self.gateway.run_tool(&self.seat, &self.live, run);
                    self.gateway.spawn(async move {
                        let outcome: ToolOutcome = running.await;
                        // Nobody listens once the call is over.
                        let _ = report.send(Input::Tool(outcome)).await;
                    });
                }
            }
        }
    }

    fn dial(&mut self, dial: DialAgent) {
        debug!(attempt = dial.attempt, "dialling the agent");
        let bot = match dial.which {
            AgentChoice::Own => Arc::clone(&self.seat.bot),
            AgentChoice::Fallback => match self.gateway.fallback_bot(&self.seat.bot) {
                Some(bot) => {
                    self.fallback_slot = self.gateway.slot_for(&bot);
                    bot
                }
                None => Arc::clone(&self.seat.bot),
            },
        };
        let slot = match dial.which {
            AgentChoice::Own => {
                if self.seat.slot.is_none() {
                    self.seat.slot = self.gateway.slot_for(&bot);
                }
                match (&self.seat.slot, self.seat.replaces) {
                    (Some(_), _) => Ok(()),
                    // The call whose place this one takes is just letting go of its own.
                    (None, true) => Err(Retry::Backoff),
                    (None, false) => Err(Retry::Never),
                }
            }
            AgentChoice::Fallback => self.fallback_slot.as_ref().map(|_| ()).ok_or(Retry::Never),
        };
        let rate = self.carrier.capabilities().rate;
        self.agent.dial(self.gateway.dial_agent(bot, &self.live, rate, dial, slot));
    }

    fn control(&mut self, control: Control) {
        let report = self.report.clone();
        let asking = self.gateway.control(&self.live, control);
        self.gateway.spawn(async move {
            let outcome: ControlOutcome = asking.await;
            let _ = report.send(Input::Control(outcome)).await;
        });
    }

    fn note(&mut self, entry: Entry) {
        let entry = Arc::new(entry);
        self.metrics.note(&entry.fact);
        if let call::Fact::Ended { end } = &entry.fact {
            self.metrics.end(end);
        }
        tell(&entry);
        self.live.note(&entry);
        if self.gateway.events.has_listeners() {
            let moved = matches!(entry.fact, call::Fact::PhaseChanged { .. });
            self.gateway.events.publish(Event::Fact(CallFact { call: self.seat.id, entry }));
            if moved {
                self.gateway.events.publish(Event::Call(Box::new(self.live.view())));
            }
        }
    }

    fn set_timer(&mut self, timer: std::pin::Pin<&mut Sleep>) {
        let Some(deadline) = self.call.deadline() else { return };
        // Most wake-ups push the deadline back by a frame. The timer stays where it is and, when it fires too early,
        // is set anew: a few times a second instead of a hundred.
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.armed = Some(deadline);
            timer.reset((self.began + Duration::from_micros(deadline.micros())).into());
        }
    }

    fn publish_levels(&mut self) {
        if !self.gateway.events.has_listeners() {
            return;
        }
        let now = Instant::now();
        if now >= self.levels_at {
            self.levels_at = now + LEVELS_EVERY;
            let levels = self.call.levels(self.now());
            self.gateway.events.publish(Event::Levels(CallLevels {
                call: self.seat.id,
                caller_dbfs: levels.caller_dbfs,
                agent_dbfs: levels.agent_dbfs,
                caller_speaks: levels.caller_speaks,
                agent_speaks: levels.agent_speaks,
            }));
        }
    }

    /// Frames are counted by the call; the metrics hear of them now and then.
    fn tell_frames(&mut self) {
        let (taken, played) = self.call.frames();
        self.metrics.frames_in.inc_by(taken - self.frames_told.0);
        self.metrics.frames_out.inc_by(played - self.frames_told.1);
        self.frames_told = (taken, played);
    }

    /// What has to be done now and then.
    fn keep_house(&mut self) {
        let now = Instant::now();
        self.tell_frames();
        if now >= self.renew_at {
            self.renew_at = now + RENEW_EVERY;
            for lease in [&self.seat.slot, &self.fallback_slot].into_iter().flatten() {
                if !lease.renew() {
                    warn!("the agent slot of this call ran out; raise agents.elevenlabs.slot_lease_s");
                }
            }
        }
    }

    /// Closes both sides in order, within bounds.
    async fn leave(mut self: Box<Self>) -> Box<Call> {
        self.tell_frames();
        if let Some(socket) = self.agent.release() {
            self.gateway.close_in_background(socket);
        }
        self.carrier.close(1000, "");
        let ending = poll_fn(|cx| self.carrier.poll_end(cx));
        // A peer that does not take its last bytes loses them.
        let _ = tokio::time::timeout(LAST_BYTES_WITHIN, ending).await;
        self.call
    }
}

/// An emptied list, for the next events; one that a burst has made grow is given back.
fn kept<T>(list: Vec<T>) -> Vec<T> {
    if list.capacity() > KEPT_EVENTS { Vec::new() } else { list }
}

/// The story of a call in under ten lines; the rest at `debug`.
fn tell(entry: &Entry) {
    use call::Fact;
    match &entry.fact {
        Fact::AgentReady { waited_ms, .. } => info!(waited_ms, "agent joined after {waited_ms} ms"),
        Fact::AgentLost { departure } => {
            warn!(detail = %departure.detail, "agent lost: {}", departure.detail)
        }
        Fact::Fallback { to } => warn!(to = %to, "falling back to {to}"),
        Fact::TransferStarted { .. } => info!("handing the caller over"),
        Fact::TransferFailed { detail, .. } => warn!(detail = %detail, "the transfer failed: {detail}"),
        Fact::AgentFault { fault } => {
            warn!(
                kind = fault.kind.as_deref(),
                "agent reports a fault: {}",
                fault.message.as_deref().unwrap_or("no words")
            );
        }
        Fact::ToolAnswered { name, is_error: true, detail, .. } => {
            warn!(tool = %name, "the tool {name} was answered with an error: {}", detail.as_deref().unwrap_or("no words"));
        }
        // A shutdown is no oddity.
        Fact::Watchdog { which: Watchdog::Drain } => info!("the time to finish is over"),
        Fact::Watchdog { which } => warn!(?which, "watchdog"),
        Fact::HangUpFailed { detail } => warn!(detail = %detail, "hanging up failed: {detail}"),
        Fact::Turn { .. } | Fact::Digit { .. } | Fact::SaidOnRequest { .. } => {
            debug!(fact = ?entry.fact, "{} in the conversation", entry.at);
        }
        fact => debug!(?fact, "at {}", entry.at),
    }
}
