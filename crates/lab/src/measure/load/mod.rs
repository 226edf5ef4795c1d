//! The callers: N media streams, 50 frames a second each, on an absolute schedule.
//!
//! The schedule never waits for the system under test, so a slow system cannot slow the questions down and look
//! better for it. Calls are spread evenly over the 20 ms. Each frame's time counts from the moment it was written to
//! the moment its echo was read; how late the writing itself was against the schedule is reported beside it, and a
//! measure whose load was late is worth nothing.

mod caller;
mod ear;
mod webhook;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use mio::{Events, Poll};
use serde::{Deserialize, Serialize};

use super::error::MeasureError;
use super::histogram::Histogram;
use super::link::SCRATCH_BYTES;
use super::process::{Memory, Spent, Usage};
use super::stamp::reserved_code;
use super::voice::Voices;
use caller::{Caller, Desk, Identity};
pub use webhook::Webhook;
pub(super) use webhook::{Place, exchange};

const FRAME_NS: u64 = 20_000_000;
/// Calls are dialled so far apart; a thousand take two seconds.
const RAMP: Duration = Duration::from_millis(2);
/// From the first dialling until every caller has heard something.
const GATHERING_MAX: Duration = Duration::from_secs(30);
/// After the window, for the last frames to come home. Callers go on speaking meanwhile, as a system that gathers
/// frames needs the next to release the last.
const DRAIN: Duration = Duration::from_millis(1_500);
const LEAVING_MAX: Duration = Duration::from_secs(2);
/// With nothing to read, look again after this long: fine enough for the schedule, coarse enough to be cheap.
const NAP: Duration = Duration::from_micros(50);
/// The load's own process among the watched.
pub(super) const OURSELVES: &str = "load";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    pub entry: Entry,
    pub calls: u16,
    pub talk: Talk,
    #[serde(default = "LoadPlan::default_warmup_ms")]
    pub warmup_ms: u64,
    pub measure_ms: u64,
    /// A frame that took longer than this is late.
    #[serde(default = "LoadPlan::default_late_ms")]
    pub late_ms: u64,
    /// Processes whose use of processor and memory is taken over the window, by name.
    #[serde(default)]
    pub watch: BTreeMap<String, u32>,
}

impl LoadPlan {
    fn default_warmup_ms() -> u64 {
        2_000
    }

    fn default_late_ms() -> u64 {
        40
    }
}

/// How calls come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Straight to a media socket that asks no questions.
    Stream { url: String },
    /// By a signed webhook, following its answer.
    Webhook(Webhook),
    /// Past every bridge, straight to the agent in the agent's own words: the baseline.
    Agent { url: String },
}

/// What callers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Talk {
    /// Stamped frames, to be echoed; so many of a hundred callers speak, the others are quiet.
    Echo { speaking_percent: u8 },
    /// Quiet, and a shout every so often while the agent is to be heard.
    Interrupt { every_ms: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Carrier,
    Agent,
}

/// Everything counted. Frames are those of the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub late: u64,
    pub out_of_order: u64,
    /// Frames of another call, or of none.
    pub misrouted: u64,
    /// Frames that came back changed.
    pub damaged: u64,
    pub stray_bytes: u64,
    /// Messages without readable content.
    pub unreadable: u64,
    pub messages_in: u64,
    pub marks: u64,
    pub clears_unasked: u64,
    pub shouts: u64,
    pub shouts_unanswered: u64,
    /// Written to read back, every frame.
    pub latency: Histogram,
    /// The same for the quickest frame of each reading: without the wait that batching means for the others.
    pub transit: Histogram,
    /// First loud frame written to `clear` read.
    pub silence: Histogram,
    /// How late the load itself wrote.
    pub lag: Histogram,
    late_us: u64,
}

impl Tally {
    fn note_latency(&mut self, took_us: u64) {
        self.latency.record(took_us);
        self.late += u64::from(took_us > self.late_us);
    }
}

/// One process over the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    pub spent: Spent,
    /// Before the first call.
    pub idle: Memory,
    /// With all calls up, at the window's end.
    pub loaded: Memory,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    pub calls: u16,
    /// Calls that were never heard, or ended before their time; with the first reason.
    pub failed: u16,
    pub first_failure: Option<String>,
    pub window_ns: u64,
    pub tally: Tally,
    pub watched: BTreeMap<String, Watched>,
}

#[derive(Debug)]
struct Load {
    plan: LoadPlan,
    wire: Wire,
    poll: Poll,
    /// The schedule's zero.
    epoch: Instant,
    doors: Vec<Door>,
    dialled: usize,
    callers: Vec<Option<Caller>>,
    /// Slots of the schedule that have passed.
    slot: u64,
    desk: Desk,
    tally: Tally,
    failed: u16,
    first_failure: Option<String>,
    is_measuring: bool,
    is_leaving: bool,
}

/// Where and as whom to dial.
#[derive(Debug)]
struct Door {
    identity: Identity,
    place: Place,
    signature: Option<String>,
}

/// Runs the whole plan: ring, dial, warm up, measure, drain, hang up.
pub(super) fn run(plan: &LoadPlan) -> Result<LoadResult, MeasureError> {
    // A nap of 50 µs should not last 100; where this cannot be set, it does.
    let _ = fs::write("/proc/self/timerslack_ns", "5000");
    let mut watches = Vec::new();
    let ourselves = (OURSELVES.to_owned(), std::process::id());
    for (name, pid) in plan.watch.iter().map(|(name, pid)| (name, *pid)).chain([(&ourselves.0, ourselves.1)])
    {
        watches.push((name.clone(), pid, Memory::read(pid).map_err(MeasureError::Process)?));
    }
    let mut load = Load::new(plan)?;

    let deadline = GATHERING_MAX + RAMP * u32::from(plan.calls);
    load.go_on(deadline, |load| load.has_gathered())?;
    load.give_up_on_silent_callers();
    if load.callers.iter().flatten().next().is_none() {
        let why = load.first_failure.unwrap_or_default();
        return Err(MeasureError::NoCalls(why));
    }
    load.go_on(Duration::from_millis(plan.warmup_ms), |_| false)?;

    let began = load.begin_window();
    let before = readings(&watches)?;
    load.go_on(Duration::from_millis(plan.measure_ms), |_| false)?;
    let after = readings(&watches)?;
    let window_ns = began.elapsed().as_nanos() as u64;
    load.end_window();

    load.go_on(DRAIN, |_| false)?;
    // Reading a process's memory map holds it up for a moment: not while frames are being timed.
    let mut watched = BTreeMap::new();
    for (((name, pid, idle), before), after) in watches.into_iter().zip(&before).zip(&after) {
        let loaded = Memory::read(pid).map_err(MeasureError::Process)?;
        watched.insert(name, Watched { spent: after.since(before), idle, loaded });
    }
    load.leave();
    load.go_on(LEAVING_MAX, |load| load.callers.iter().all(Option::is_none))?;
    let Load { tally, failed, first_failure, .. } = load;
    Ok(LoadResult { calls: plan.calls, failed, first_failure, window_ns, tally, watched })
}

fn readings(watches: &[(String, u32, Memory)]) -> Result<Vec<Usage>, MeasureError> {
    watches.iter().map(|(_, pid, _)| Usage::read(*pid).map_err(MeasureError::Process)).collect()
}

impl Load {
    fn new(plan: &LoadPlan) -> Result<Load, MeasureError> {
        let doors =
            (0..plan.calls).map(|number| Door::find(&plan.entry, number)).collect::<Result<Vec<_>, _>>()?;
        let wire = if matches!(plan.entry, Entry::Agent { .. }) { Wire::Agent } else { Wire::Carrier };
        Ok(Load {
            plan: plan.clone(),
            wire,
            poll: Poll::new()?,
            epoch: Instant::now(),
            doors,
            dialled: 0,
            callers: Vec::new(),
            slot: 0,
            desk: Desk::new(Voices::new(reserved_code()), vec![0; SCRATCH_BYTES].into()),
            tally: Tally { late_us: plan.late_ms * 1_000, ..Tally::default() },
            failed: 0,
            first_failure: None,
            is_measuring: false,
            is_leaving: false,
        })
    }

    /// Turns until `done` or the time is over.
    fn go_on(&mut self, time: Duration, done: impl Fn(&Load) -> bool) -> Result<(), MeasureError> {
        let until = Instant::now() + time;
        let mut events = Events::with_capacity(1024);
        while !done(self) {
            let now = Instant::now();
            if now >= until {
                break;
            }
            self.turn(now, &mut events)?;
        }
        Ok(())
    }

    fn turn(&mut self, now: Instant, events: &mut Events) -> io::Result<()> {
        self.dial_due(now)?;
        self.speak_due();

        // The poll counts in milliseconds; what is nearer is awaited in naps.
        let gap = self.due(self.slot).saturating_duration_since(Instant::now());
        let patience = if gap > Duration::from_millis(2) { Duration::from_millis(1) } else { Duration::ZERO };
        if let Err(error) = self.poll.poll(events, Some(patience))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        if events.is_empty() && patience.is_zero() {
            thread::sleep(gap.min(NAP));
        }
        let epoch = self.epoch;
        let clock = move || epoch.elapsed().as_micros() as u64;
        for event in events.iter() {
            let number = event.token().0;
            let Some(Some(caller)) = self.callers.get_mut(number) else { continue };
            let ended = event.is_read_closed() || event.is_error();
            if let Err(error) = caller.hear(ended, &mut self.desk, &mut self.tally, &clock) {
                self.lose(number, &error.to_string());
            }
        }
        Ok(())
    }

    fn due(&self, slot: u64) -> Instant {
        let ns = u128::from(slot) * u128::from(FRAME_NS) / u128::from(self.plan.calls.max(1));
        self.epoch + Duration::from_nanos(ns as u64)
    }

    fn speak_due(&mut self) {
        while !self.is_leaving {
            let now = Instant::now();
            let due = self.due(self.slot);
            if due > now {
                return;
            }
            let number = (self.slot % u64::from(self.plan.calls.max(1))) as usize;
            self.slot += 1;
            let Some(Some(caller)) = self.callers.get_mut(number) else { continue };
            let now_us = (now - self.epoch).as_micros() as u64;
            match caller.speak(now_us, self.plan.talk, &mut self.desk, &mut self.tally) {
                Ok(true) if self.is_measuring => self.tally.lag.record((now - due).as_micros() as u64),
                Ok(_) => {}
                Err(error) => self.lose(number, &error.to_string()),
            }
        }
    }

    fn dial_due(&mut self, now: Instant) -> io::Result<()> {
        while self.dialled < self.doors.len() && now >= self.epoch + RAMP * self.dialled as u32 {
            let Door { identity, place, signature } = &self.doors[self.dialled];
            let headers = signature.as_deref().map(|signature| ("X-Twilio-Signature", signature));
            let caller = Caller::dial(
                identity.clone(),
                self.wire,
                place.address,
                &place.target,
                headers.as_slice(),
                self.poll.registry(),
            )?;
            self.callers.push(Some(caller));
            self.dialled += 1;
        }
        Ok(())
    }

    fn has_gathered(&self) -> bool {
        self.dialled == self.doors.len() && self.callers.iter().flatten().all(|caller| caller.ear.has_heard)
    }

    fn give_up_on_silent_callers(&mut self) {
        for number in 0..self.callers.len() {
            if self.callers[number].as_ref().is_some_and(|caller| !caller.ear.has_heard) {
                self.lose(number, "nothing came back before the measure began");
            }
        }
    }

    fn begin_window(&mut self) -> Instant {
        let now = Instant::now();
        let now_us = (now - self.epoch).as_micros() as u64;
        for caller in self.callers.iter_mut().flatten() {
            caller.begin_window(now_us, self.plan.talk, usize::from(self.plan.calls));
        }
        self.is_measuring = true;
        now
    }

    fn end_window(&mut self) {
        self.is_measuring = false;
        for caller in self.callers.iter_mut().flatten() {
            caller.end_window();
        }
    }

    fn leave(&mut self) {
        self.is_leaving = true;
        for place in &mut self.callers {
            if let Some(caller) = place {
                caller.ear.account(&mut self.tally);
                if caller.leave(&mut self.desk).is_err() {
                    *place = None;
                }
            }
        }
    }

    fn lose(&mut self, number: usize, why: &str) {
        let Some(caller) = self.callers[number].take() else { return };
        if self.is_leaving {
            return;
        }
        caller.ear.account(&mut self.tally);
        self.failed += 1;
        self.first_failure.get_or_insert_with(|| format!("call {number}: {why}"));
    }
}

impl Door {
    fn find(entry: &Entry, number: u16) -> Result<Door, MeasureError> {
        match entry {
            Entry::Stream { url } | Entry::Agent { url } => {
                let identity = Identity::new(number, &format!("AC{:032x}", 1));
                Ok(Door { identity, place: Place::of(url)?, signature: None })
            }
            Entry::Webhook(webhook) => {
                let mut identity = Identity::new(number, &webhook.account_sid);
                let stream = webhook.ring(&identity.call_sid, &format!("+1555{number:07}"))?;
                identity.parameters = stream.parameters;
                let signature = Some(webhook.sign_upgrade(&stream.url));
                Ok(Door { identity, place: Place::of(&stream.url)?, signature })
            }
        }
    }
}
