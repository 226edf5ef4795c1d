//! When the caller speaks, and what.

use std::collections::VecDeque;
use std::time::Duration;

use audio::Rate;
use audio::vad::Detector;

/// Speech that counts as wanting to say something: a cough is shorter.
const BEGINS_AFTER: Duration = Duration::from_millis(200);

/// How speech-like sound has to be to count towards that. The detector bridges gaps between words; this does not.
const VOICED_SCORE: f32 = 0.5;

/// Silence after which the caller has finished. Shorter cuts people off who think, longer feels slow.
const ENDS_AFTER: Duration = Duration::from_millis(700);

/// How long the detector takes speech to go on by itself; part of the silence above.
const HANGOVER: Duration = Duration::from_millis(200);

/// Kept from before the speech was noticed: its first sound.
const LEAD_IN: Duration = Duration::from_millis(250);

/// Kept of the silence after it.
const LEAD_OUT: Duration = Duration::from_millis(150);

/// The longest that is remembered of one turn, from its beginning. It will be played back, and nobody listens longer.
const TURN_MAX: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Ear {
    rate: Rate,
    detector: Detector,
    /// The last moments before anything was noticed.
    lead_in: VecDeque<i16>,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    samples: Vec<i16>,
    /// Everything since the turn began, kept or not.
    length: Duration,
    voiced: Duration,
    silent: Duration,
    has_begun: bool,
}

/// What was noticed.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// The caller has been speaking long enough to mean it.
    Began,
    /// The caller has finished.
    Turn { samples: Vec<i16>, spoken: Duration },
}

impl Ear {
    pub(super) fn new(rate: Rate) -> Ear {
        Ear { rate, detector: Detector::new(rate), lead_in: VecDeque::new(), turn: None }
    }

    pub(super) fn is_hearing_speech(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.has_begun)
    }

    pub(super) fn hear(&mut self, samples: &[i16]) -> Option<Heard> {
        let activity = self.detector.push(samples);
        let duration = self.rate.duration_of(samples.len() as u64);
        let Some(turn) = &mut self.turn else {
            self.lead_in.extend(samples);
            let excess = self.lead_in.len().saturating_sub(self.rate.samples_in(LEAD_IN) as usize);
            self.lead_in.drain(..excess);
            if activity.speaking {
                self.turn = Some(Turn {
                    samples: Vec::from(std::mem::take(&mut self.lead_in)),
                    length: duration,
                    voiced: duration,
                    silent: Duration::ZERO,
                    has_begun: false,
                });
            }
            return None;
        };

        let room = (self.rate.samples_in(TURN_MAX) as usize).saturating_sub(turn.samples.len());
        turn.samples.extend_from_slice(&samples[..samples.len().min(room)]);
        turn.length += duration;
        if activity.score >= VOICED_SCORE {
            turn.voiced += duration;
        }
        turn.silent = if activity.speaking { Duration::ZERO } else { turn.silent + duration };

        if !turn.has_begun && turn.length >= BEGINS_AFTER && turn.voiced >= BEGINS_AFTER / 2 {
            turn.has_begun = true;
            return Some(Heard::Began);
        }
        if turn.silent < ENDS_AFTER - HANGOVER {
            return None;
        }
        let turn = self.turn.take()?;
        turn.has_begun.then(|| self.finish(turn))
    }

    fn finish(&self, mut turn: Turn) -> Heard {
        let quiet = turn.silent + HANGOVER;
        // A turn that was too long for the memory has lost its end, silence and all.
        if turn.samples.len() < self.rate.samples_in(TURN_MAX) as usize {
            let excess = self.rate.samples_in(quiet.saturating_sub(LEAD_OUT)) as usize;
            turn.samples.truncate(turn.samples.len().saturating_sub(excess));
        }
        Heard::Turn { spoken: turn.length.saturating_sub(quiet), samples: turn.samples }
    }
}
