//! When the caller speaks over the agent.
//!
//! Three may notice: the agent itself, the agent's speech score, and our own detector. Whoever comes first wins; the
//! others, coming later for the same words, must not cut the next answer too.

use std::time::Duration;

use crate::{AnswerId, BargeInBy, BargeInSettings, DetectorUse, IgnoredBecause, Moment};

/// Scores further apart than this say nothing about the time between them.
const SCORE_GAP_MAX: Duration = Duration::from_millis(500);

/// After we cut an answer and the agent did not confirm it, the rest of that answer is kept from the caller this long.
const MUTE_MAX: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct BargeIn {
    settings: BargeInSettings,
    use_detector: bool,
    score_since: Option<Moment>,
    score_last: Moment,
    last: Option<Moment>,
    /// Answers up to this one are void: their sound comes too late.
    void_up_to: Option<AnswerId>,
    /// We cut an answer by our own decision; until the agent starts another, its sound is the old one's.
    muted_until: Option<Moment>,
    /// One detector onset makes at most one interruption.
    spent_onset: Option<Moment>,
}

impl BargeIn {
    pub(crate) fn new(settings: BargeInSettings, agent_interrupts: bool) -> BargeIn {
        let use_detector = settings.enabled
            && match settings.detector {
                DetectorUse::Auto => !agent_interrupts,
                DetectorUse::Always => true,
                DetectorUse::Never => false,
            };
        BargeIn {
            settings,
            use_detector,
            score_since: None,
            score_last: Moment::START,
            last: None,
            void_up_to: None,
            muted_until: None,
            spent_onset: None,
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.settings.enabled
    }

    /// A speech score came. True when it has been high for long enough.
    pub(crate) fn score(&mut self, score: f32, now: Moment) -> bool {
        // Not a number is not speech.
        if !self.settings.enabled || score.is_nan() || score < self.settings.score_threshold {
            self.score_since = None;
            return false;
        }
        if now.since(self.score_last) > SCORE_GAP_MAX {
            self.score_since = None;
        }
        self.score_last = now;
        let since = *self.score_since.get_or_insert(now);
        if now.since(since) < Duration::from_millis(u64::from(self.settings.score_sustained_ms)) {
            return false;
        }
        self.score_since = None;
        true
    }

    /// Our detector hears the caller since `onset`. True when that is long enough.
    pub(crate) fn detected(&mut self, onset: Moment, now: Moment) -> bool {
        let sustained = Duration::from_millis(u64::from(self.settings.detector_sustained_ms));
        if !self.use_detector || self.spent_onset == Some(onset) || now.since(onset) < sustained {
            return false;
        }
        true
    }

    /// Whether a sign of interruption leads to one now.
    pub(crate) fn may(&self, audible: bool, now: Moment) -> Result<(), IgnoredBecause> {
        let debounce = Duration::from_millis(u64::from(self.settings.debounce_ms));
        if self.last.is_some_and(|last| now.since(last) < debounce) {
            return Err(IgnoredBecause::JustInterrupted);
        }
        if !audible {
            return Err(IgnoredBecause::NothingPlays);
        }
        Ok(())
    }

    /// The caller was given silence.
    pub(crate) fn done(
        &mut self,
        by: BargeInBy,
        answer: Option<AnswerId>,
        onset: Option<Moment>,
        now: Moment,
    ) {
        self.last = Some(now);
        self.spent_onset = onset;
        self.void(answer);
        self.muted_until = match by {
            BargeInBy::Agent => None,
            BargeInBy::Score | BargeInBy::Detector => Some(now + MUTE_MAX),
        };
    }

    /// Answers up to this one are void from now on.
    pub(crate) fn void(&mut self, answer: Option<AnswerId>) {
        self.void_up_to = self.void_up_to.max(answer);
    }

    /// The agent confirmed the interruption or began something new.
    pub(crate) fn unmute(&mut self) {
        self.muted_until = None;
    }

    pub(crate) fn is_void(&self, answer: AnswerId) -> bool {
        self.void_up_to.is_some_and(|void| answer <= void)
    }

    /// Whether the sound of this answer comes too late to be played.
    pub(crate) fn is_late(&mut self, answer: AnswerId, now: Moment) -> bool {
        if self.muted_until.is_some_and(|until| now >= until) {
            self.muted_until = None;
        }
        self.is_void(answer) || self.muted_until.is_some()
    }

    /// Another agent session counts its answers anew.
    pub(crate) fn new_session(&mut self, agent_interrupts: bool) {
        self.void_up_to = None;
        self.muted_until = None;
        self.score_since = None;
        self.use_detector = self.settings.enabled
            && match self.settings.detector {
                DetectorUse::Auto => !agent_interrupts,
                DetectorUse::Always => true,
                DetectorUse::Never => false,
            };
    }
}
