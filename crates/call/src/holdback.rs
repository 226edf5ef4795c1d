//! The caller's words while no agent listens.

use std::collections::VecDeque;

use audio::Frame;

/// Two seconds of caller audio in 20 ms frames.
///
/// Long enough to ride out an agent's reconnect, short enough that what the agent hears next is still the present.
/// Beyond it the oldest frame goes: late speech is worse than lost speech.
pub(crate) const HELD_FRAMES_MAX: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Holdback {
    frames: VecDeque<Frame>,
    dropped: u64,
    pub(crate) dropped_total: u64,
}

impl Holdback {
    pub(crate) fn keep(&mut self, frame: Frame) {
        if self.frames.len() == HELD_FRAMES_MAX {
            self.frames.pop_front();
            self.dropped += 1;
            self.dropped_total += 1;
        }
        self.frames.push_back(frame);
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Hands everything on, with how many had to go before.
    pub(crate) fn release(&mut self) -> (VecDeque<Frame>, u64) {
        (std::mem::take(&mut self.frames), std::mem::take(&mut self.dropped))
    }
}
