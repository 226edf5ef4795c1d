//! The caller's line: a 20 ms clock, an ear, a mouth.

use std::time::Duration;

use tokio::time::Instant;

use crate::caller::{Caller, Calling, Tick};
use crate::sound::{TICK, TICK_SAMPLES};

/// Two hours are recorded; a call that lasts longer goes on without.
const RECORDED_SAMPLES_MAX: usize = 8_000 * 7_200;

#[derive(Debug)]
pub(in super::super) struct Line {
    pub(in super::super) caller: Calling,
    pub(in super::super) heard: Vec<i16>,
    pub(in super::super) spoken: Vec<i16>,
    answered: Option<Instant>,
    ticks: u32,
}

impl Line {
    pub(super) fn new(caller: Caller) -> Line {
        Line { caller: Calling::new(caller), heard: Vec::new(), spoken: Vec::new(), answered: None, ticks: 0 }
    }

    pub(super) fn answer(&mut self) {
        self.answered = Some(Instant::now());
    }

    pub(in super::super) fn is_up(&self) -> bool {
        self.answered.is_some()
    }

    pub(super) fn up_for(&self) -> Duration {
        self.answered.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// When the next tick is due: on a schedule counted from the answer, so that lateness never adds up. Ticks that
    /// were missed are due at once.
    pub(in super::super) fn next_tick(&self) -> Instant {
        self.answered.unwrap_or_else(Instant::now) + TICK * (self.ticks + 1)
    }

    /// 20 ms pass with this in the caller's ear; silence fills what is missing.
    pub(in super::super) fn tick(&mut self, sound: &[i16]) -> Tick {
        self.ticks += 1;
        let mut heard = sound.to_vec();
        heard.resize(TICK_SAMPLES, 0);
        let tick = self.caller.tick(&heard);
        if self.heard.len() < RECORDED_SAMPLES_MAX {
            self.heard.extend(heard);
            self.spoken.extend(&tick.frame);
        }
        tick
    }
}
