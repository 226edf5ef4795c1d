//! A fault script at work on one connection.

use std::time::Duration;

use tokio::time::Instant;

use super::{Faults, Garbage, What, When};
use crate::chance::Chance;

/// Where a connection has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    BeforeMetadata,
    AfterMetadata,
    Speaking,
    ToolCall,
}

/// What strikes the connection now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Struck {
    Close { code: u16, reason: String },
    Drop,
    Garbage(Garbage),
}

/// How often something still happens.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    left: u32,
    always: bool,
}

impl Times {
    fn take(&mut self) -> bool {
        if self.always {
            return true;
        }
        let due = self.left > 0;
        self.left = self.left.saturating_sub(1);
        due
    }

    fn add(&mut self, when: When) {
        if when == When::Always {
            self.always = true;
        } else {
            self.left += 1;
        }
    }
}

#[derive(Debug)]
pub(crate) struct FaultLine {
    waiting: Vec<(When, What)>,
    opened: Instant,
    chance: Chance,
    sent: u64,
    delay: Duration,
    jitter: Duration,
    pub(crate) slow_reader: Duration,
    pub(crate) stalled_until: Option<Instant>,
    duplicate: Times,
    swap: Times,
    lose_mark: Times,
    struck: Vec<Struck>,
}

impl FaultLine {
    pub(crate) fn new(faults: &Faults, opened: Instant) -> FaultLine {
        let mut line = FaultLine {
            waiting: faults.list.clone(),
            opened,
            chance: Chance::seeded(faults.seed),
            sent: 0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            slow_reader: Duration::ZERO,
            stalled_until: None,
            duplicate: Times::default(),
            swap: Times::default(),
            lose_mark: Times::default(),
            struck: Vec::new(),
        };
        line.happen(opened, |when| when == When::Always);
        line
    }

    pub(crate) fn reach(&mut self, now: Instant, moment: Moment) {
        self.happen(now, |when| match moment {
            Moment::BeforeMetadata => when == When::BeforeMetadata,
            Moment::AfterMetadata => when == When::AfterMetadata,
            Moment::Speaking => when == When::WhileSpeaking,
            Moment::ToolCall => when == When::DuringToolCall,
        });
    }

    pub(crate) fn message_sent(&mut self, now: Instant) {
        self.sent += 1;
        let sent = self.sent;
        self.happen(now, |when| matches!(when, When::AfterMessages(count) if count <= sent));
    }

    pub(crate) fn time_passed(&mut self, now: Instant) {
        let open_for = now.duration_since(self.opened);
        self.happen(now, |when| matches!(when, When::At(time) if time <= open_for));
    }

    /// The next moment at which time alone makes something happen.
    pub(crate) fn next_timed(&self) -> Option<Instant> {
        let at = self.waiting.iter().filter_map(|(when, _)| match when {
            When::At(time) => Some(self.opened + *time),
            _ => None,
        });
        at.min()
    }

    pub(crate) fn struck(&mut self) -> Option<Struck> {
        if self.struck.is_empty() { None } else { Some(self.struck.remove(0)) }
    }

    /// Takes garbage that has struck, and leaves what ends the connection.
    pub(crate) fn struck_garbage(&mut self) -> Option<Garbage> {
        let at = self.struck.iter().position(|struck| matches!(struck, Struck::Garbage(_)))?;
        match self.struck.remove(at) {
            Struck::Garbage(kind) => Some(kind),
            Struck::Close { .. } | Struck::Drop => None,
        }
    }

    pub(crate) fn has_struck(&self) -> bool {
        !self.struck.is_empty()
    }

    /// How late the next message leaves.
    pub(crate) fn lateness(&mut self) -> Duration {
        self.delay + self.jitter.mul_f64(self.chance.fraction())
    }

    pub(crate) fn duplicates(&mut self) -> bool {
        self.duplicate.take()
    }

    pub(crate) fn swaps(&mut self) -> bool {
        self.swap.take()
    }

    pub(crate) fn loses_mark(&mut self) -> bool {
        self.lose_mark.take()
    }

    fn happen(&mut self, now: Instant, due: impl Fn(When) -> bool) {
        let mut at = 0;
        while at < self.waiting.len() {
            if !due(self.waiting[at].0) {
                at += 1;
                continue;
            }
            let (when, what) = self.waiting.remove(at);
            match what {
                What::Delay(by) => self.delay = by,
                What::Jitter(by) => self.jitter = by,
                What::SlowReader(by) => self.slow_reader = by,
                What::Stall(by) => self.stalled_until = Some(now + by),
                What::Duplicate => self.duplicate.add(when),
                What::OutOfOrder => self.swap.add(when),
                What::LoseMark => self.lose_mark.add(when),
                What::Close { code, reason } => self.struck.push(Struck::Close { code, reason }),
                What::Drop => self.struck.push(Struck::Drop),
                What::Garbage(kind) => self.struck.push(Struck::Garbage(kind)),
                // These belong to HTTP and were dealt with before the socket existed.
                What::RefuseHandshake { .. } | What::ErrorBody { .. } => {}
            }
        }
    }
}
