//! What happens because time passes: sound is released, turns complete, watchdogs bark.

use std::time::Duration;

use audio::Frame;

use super::{AgentLink, Core, Hearing};
use crate::phase::Phase;
use crate::playout::Voice;
use crate::{AgentCommand, CarrierCommand, Fact, GoodbyeProof, LimitSettings, Moment, PhaseName, Watchdog};

/// A carrier this quiet has stopped sending silence; the agent still needs some.
const QUIET_CARRIER: Duration = Duration::from_millis(200);

/// One piece of silence for the agent.
const SILENCE_PIECE: Duration = Duration::from_millis(100);

/// The frames of the carrier are the clock. Only when they stay away does the deadline release sound, a little late.
const CLOCK_SLACK: Duration = Duration::from_millis(25);

/// The bed is made this much at a time.
const BED_PIECE: Duration = Duration::from_millis(100);

impl Core {
    /// Releases sound, sets marks, completes turns, keeps the agent fed.
    pub(crate) fn advance(&mut self, now: Moment, phase: PhaseName) {
        if phase == PhaseName::Over {
            return;
        }
        self.make_bed(now);
        while let Some(frame) = self.playout.release(now) {
            self.play(frame);
        }
        let at_once = matches!(phase, PhaseName::Leaving | PhaseName::Transferring);
        if let Some(mark) = self.playout.mark_due(now, at_once) {
            self.tell_carrier(CarrierCommand::Mark(mark));
        }
        self.playout.expire_marks(now);
        if self.playout.has_runs() {
            let closed = self.transcript.newest_is_closed(self.playout.sounding_until(), now);
            while let Some(run) = self.playout.next_heard_run(now, closed) {
                if let Some(turn) = self.transcript.heard(run) {
                    self.told(turn, now);
                }
            }
        }
        self.hand_on_digits(now);
        self.feed_silence(now);
    }

    /// The end of an utterance goes out. Only when a deadline has passed with nothing to take in before it: a program that
    /// was held up may have more of the utterance waiting at its door.
    pub(crate) fn round_off(&mut self, now: Moment, phase: PhaseName) {
        if phase != PhaseName::Over
            && let Some(frame) = self.playout.release_tail(now)
        {
            self.play(frame);
        }
    }

    fn play(&mut self, frame: Frame) {
        self.tally.frames_out += 1;
        self.meter(&frame);
        self.tell_carrier(CarrierCommand::Play(frame));
    }

    fn make_bed(&mut self, now: Moment) {
        if self.bed.is_none() || self.playout.queued() > Duration::ZERO {
            return;
        }
        if self.playout.lead(now) > self.plan.carrier.lead_low {
            return;
        }
        let pieces = (self.plan.carrier.lead_high.as_micros() / BED_PIECE.as_micros()).max(1);
        let count = self.plan.carrier.rate.samples_in(BED_PIECE) as usize * pieces as usize;
        if let Some(bed) = &mut self.bed {
            let mut samples = Vec::with_capacity(count);
            bed.next(count, &mut samples);
            self.playout.push(Voice::Ours, samples, now);
        }
    }

    /// Silence must keep flowing: an agent that hears nothing at all for long takes the line for dead.
    fn feed_silence(&mut self, now: Moment) {
        if self.hearing != Hearing::Forward {
            return;
        }
        while now.since(self.fed_until) > QUIET_CARRIER {
            self.fed_until += SILENCE_PIECE;
            self.tally.silence_fed_ms += SILENCE_PIECE.as_millis() as u64;
            let silence = Frame::silence(self.plan.carrier.rate, SILENCE_PIECE);
            self.tell_agent(AgentCommand::Hear(silence));
            if now.since(self.fed_until) > Duration::from_secs(1) {
                // After a long sleep of ours, time lost is lost.
                self.fed_until = now;
            }
        }
    }

    /// The first watchdog whose time has come.
    pub(crate) fn watch(&mut self, now: Moment, phase: PhaseName) -> Option<Watchdog> {
        let (which, _) = self.watchdogs(phase).into_iter().flatten().find(|(_, at)| now >= *at)?;
        if which == Watchdog::AgentSilent {
            // Said once for each silence; some agents wait on purpose.
            self.silent_since = None;
        }
        self.note(now, Fact::Watchdog { which });
        Some(which)
    }

    fn watchdogs(&self, phase: PhaseName) -> [Option<(Watchdog, Moment)>; 8] {
        let limits = &self.plan.settings.limits;
        let leaving = matches!(phase, PhaseName::Leaving | PhaseName::Over);
        let live = |which, at: Moment| (!leaving).then_some((which, at));
        let started = self.media_since;
        let never = (phase == PhaseName::Arriving)
            .then(|| (Watchdog::NeverStarted, Moment::START + LimitSettings::ms(limits.start_ms)));
        let no_media = started
            .and_then(|_| live(Watchdog::NoMedia, self.last_media + LimitSettings::ms(limits.no_media_ms)));
        let (not_ready, stalled) = match self.agent {
            AgentLink::Away => (None, None),
            // Queueing is the provider's word that it knows of us; patience is the caller's, and bounded below.
            AgentLink::Dialling { since, queueing } => {
                let patience =
                    if queueing { self.plan.settings.reconnect.patience_ms } else { limits.agent_ready_ms };
                (live(Watchdog::AgentNotReady, since + LimitSettings::ms(patience)), None)
            }
            AgentLink::Here { alive, .. } => {
                let at = alive + LimitSettings::ms(limits.agent_stalled_ms);
                (None, if self.plan.agent.pings { live(Watchdog::AgentStalled, at) } else { None })
            }
        };
        let silent = self
            .silent_since
            .filter(|_| matches!(self.agent, AgentLink::Here { .. }))
            .and_then(|since| live(Watchdog::AgentSilent, since + LimitSettings::ms(limits.agent_silent_ms)));
        let longest = live(Watchdog::MaxDuration, Moment::START + LimitSettings::ms(limits.max_duration_ms));
        let stale =
            started.and_then(|_| live(Watchdog::Stale, self.last_voice + LimitSettings::ms(limits.stale_ms)));
        let drain = self.drain_by.and_then(|by| live(Watchdog::Drain, by));
        [drain, longest, never, no_media, not_ready, stalled, silent, stale]
    }

    /// Whether the goodbye has been heard, and how we know.
    pub(crate) fn goodbye_heard(&self, now: Moment) -> Option<GoodbyeProof> {
        if self.playout.is_empty() {
            Some(GoodbyeProof::NothingQueued)
        } else if self.playout.is_acknowledged() {
            Some(GoodbyeProof::Acknowledged)
        } else if self.playout.has_elapsed(now) {
            Some(GoodbyeProof::Elapsed)
        } else {
            None
        }
    }

    /// There is nothing the caller could have missed by leaving.
    pub(crate) fn goodbye_is_moot(&self) -> bool {
        self.playout.is_empty() || self.playout.is_acknowledged()
    }

    pub(crate) fn deadline(&self, phase: &Phase) -> Option<Moment> {
        let name = phase.name();
        let watchdog = self.watchdogs(name).into_iter().flatten().map(|(_, at)| at).min();
        let playout = self.playout.deadline().map(|at| at + CLOCK_SLACK);
        let turn = self
            .playout
            .has_runs()
            .then(|| self.transcript.closes_at(self.playout.sounding_until()))
            .flatten()
            .map(|at| at + CLOCK_SLACK);
        let bed = self
            .bed
            .is_some()
            .then(|| self.playout.sounding_until().back(self.plan.carrier.lead_low) + CLOCK_SLACK);
        let silence = (self.hearing == Hearing::Forward)
            .then(|| self.fed_until + QUIET_CARRIER + Duration::from_millis(20));
        let digits = self.digits_due();
        [watchdog, playout, turn, bed, silence, digits, phase.deadline(self)].into_iter().flatten().min()
    }

    pub(crate) fn healthy(&self, now: Moment) -> bool {
        match self.agent {
            AgentLink::Here { since, .. } => now.since(since) >= self.backoff.healthy_after(),
            AgentLink::Away | AgentLink::Dialling { .. } => false,
        }
    }
}
