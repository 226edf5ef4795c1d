//! The caller's line: a 20 ms clock, an ear, a mouth.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::caller::{Caller, Calling, Tick};
use crate::sound::{TICK, TICK_SAMPLES, keypad};

/// Two hours are recorded; a call that lasts longer goes on without.
const RECORDED_SAMPLES_MAX: usize = 8_000 * 7_200;

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) caller: Calling,
    pub(crate) heard: Vec<i16>,
    pub(crate) spoken: Vec<i16>,
    /// Keypad tones on their way to the caller's ear, over whatever else is there.
    tones: VecDeque<i16>,
    answered: Option<Instant>,
    ticks: u32,
}

impl Line {
    pub(crate) fn new(caller: Caller) -> Line {
        Line {
            caller: Calling::new(caller),
            heard: Vec::new(),
            spoken: Vec::new(),
            tones: VecDeque::new(),
            answered: None,
            ticks: 0,
        }
    }

    pub(crate) fn answer(&mut self) {
        self.answered = Some(Instant::now());
    }

    pub(crate) fn is_up(&self) -> bool {
        self.answered.is_some()
    }

    pub(crate) fn up_for(&self) -> Duration {
        self.answered.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// When the next tick is due: on a schedule counted from the answer, so that lateness never adds up. Ticks that
    /// were missed are due at once.
    pub(crate) fn next_tick(&self) -> Instant {
        self.answered.unwrap_or_else(Instant::now) + TICK * (self.ticks + 1)
    }

    /// The tones of these keys are heard from now on.
    pub(crate) fn play_digits(&mut self, digits: &str) {
        self.tones.extend(keypad(digits));
    }

    /// 20 ms pass with this in the caller's ear; silence fills what is missing.
    pub(crate) fn tick(&mut self, sound: &[i16]) -> Tick {
        self.ticks += 1;
        let mut heard = sound.to_vec();
        heard.resize(TICK_SAMPLES, 0);
        for (sample, tone) in heard.iter_mut().zip(self.tones.drain(..TICK_SAMPLES.min(self.tones.len()))) {
            *sample = sample.saturating_add(tone);
        }
        let tick = self.caller.tick(&heard);
        if self.heard.len() < RECORDED_SAMPLES_MAX {
            self.heard.extend(heard);
            self.spoken.extend(&tick.frame);
        }
        tick
    }
}
