//! What the phone side says: the caller's voice and keys, and how far we have been heard.

use std::time::Duration;

use audio::{Frame, vad};

use super::{Core, Happening, Hearing, ms};
use crate::playout::Voice;
use crate::{
    AgentCommand, AgentDeparture, BargeInBy, CarrierCommand, CarrierEvent, Digit, Fact, IgnoredBecause, Mark,
    MarkFate, Moment, Oddity, PhaseName, Side, Tally, Turn,
};

/// More keys in one go than any menu asks for; the rest waits for the next go.
const DIGITS_MAX: usize = 32;

impl Core {
    pub(super) fn hear_carrier(
        &mut self,
        event: CarrierEvent,
        now: Moment,
        phase: PhaseName,
    ) -> Option<Happening> {
        match event {
            CarrierEvent::Audio(frame) => {
                self.caller_sounds(frame, now, phase);
                None
            }
            CarrierEvent::Started(start) => {
                if self.media_since.is_some() {
                    self.odd(Side::Caller, Oddity::Repeated, now);
                    return None;
                }
                self.media_since = Some(now);
                self.last_media = now;
                self.last_voice = now;
                self.fed_until = now;
                self.note(now, Fact::MediaStarted { stream: start.stream });
                Some(Happening::MediaStarted)
            }
            CarrierEvent::Digit(digit) => {
                self.last_media = now;
                self.last_voice = now;
                self.pressed(digit, now, phase);
                None
            }
            CarrierEvent::Mark { mark, fate } => {
                self.last_media = now;
                self.mark_returned(mark, fate, now);
                None
            }
            CarrierEvent::Position { generation, played } => {
                if self.cleared_at.is_some() && generation == self.playout.generation() {
                    self.silence_confirmed(now);
                }
                self.playout.position(generation, played, now);
                None
            }
            CarrierEvent::Left(departure) => Some(Happening::CarrierLeft(departure)),
            CarrierEvent::Odd(oddity) => {
                self.odd(Side::Caller, oddity, now);
                None
            }
        }
    }

    fn caller_sounds(&mut self, frame: Frame, now: Moment, phase: PhaseName) {
        if self.media_since.is_none() || frame.rate != self.plan.carrier.rate {
            self.odd(Side::Caller, Oddity::BeforeStart, now);
            return;
        }
        self.tally.frames_in += 1;
        self.last_media = now;
        let activity = self.detector.push(&frame.samples);
        self.caller_dbfs = activity.level_dbfs;
        if activity.speaking {
            self.last_voice = now;
            self.tally.caller_speech_ms += ms(frame.duration());
        }
        match (activity.speaking, self.caller_onset) {
            (true, None) => self.caller_began(now),
            (false, Some(_)) => self.caller_ended(now),
            (true, Some(onset)) => {
                // The caller talks over us, and nobody else notices.
                if self.barge_in.detected(onset, now) && self.playout.agent_is_audible(now) {
                    self.interrupt(BargeInBy::Detector, None, now, phase);
                }
            }
            (false, None) => {}
        }
        match self.hearing {
            Hearing::Forward => {
                self.fed_until = now;
                self.tell_agent(AgentCommand::Hear(frame));
            }
            Hearing::Hold => self.holdback.keep(frame),
            Hearing::Drop => {}
        }
    }

    fn caller_began(&mut self, now: Moment) {
        // The detector makes sure before it says so; the caller began to speak that much earlier.
        let onset = now.back(vad::Config::default().onset);
        self.caller_onset = Some(onset);
        self.caller_fell_silent = None;
        self.silent_since = None;
        self.transcript.caller_speaks(true, onset);
        self.note(now, Fact::CallerSpeaks { speaking: true });
    }

    fn caller_ended(&mut self, now: Moment) {
        self.caller_onset = None;
        self.caller_fell_silent = Some(now);
        self.silent_since = Some(now);
        self.transcript.caller_speaks(false, now);
        self.note(now, Fact::CallerSpeaks { speaking: false });
    }

    /// What waited for the agent goes to it, in order.
    pub(crate) fn deliver_held(&mut self, now: Moment) {
        let (frames, dropped) = self.holdback.release();
        if dropped > 0 {
            self.note(now, Fact::HeldAudioDropped { chunks: dropped });
        }
        if !frames.is_empty() {
            self.note(now, Fact::HeldAudioDelivered { chunks: frames.len() as u64 });
        }
        for frame in frames {
            self.tell_agent(AgentCommand::Hear(frame));
        }
        self.fed_until = now;
    }

    fn pressed(&mut self, digit: Digit, now: Moment, phase: PhaseName) {
        self.tally.digits += 1;
        self.note(now, Fact::Digit { digit });
        match phase {
            PhaseName::Arriving | PhaseName::Greeting | PhaseName::Talking | PhaseName::Holding => {
                if self.digits.len() < DIGITS_MAX {
                    self.digits.push(digit.symbol());
                }
                let gap = if digit.symbol() == '#' { 0 } else { self.plan.settings.digit_gap_ms };
                self.digits_due = Some(now + Duration::from_millis(u64::from(gap)));
            }
            PhaseName::Transferring | PhaseName::Leaving | PhaseName::Over => {}
        }
    }

    pub(super) fn digits_due(&self) -> Option<Moment> {
        matches!(self.hearing, Hearing::Forward).then_some(self.digits_due).flatten()
    }

    pub(super) fn hand_on_digits(&mut self, now: Moment) {
        if self.digits_due().is_some_and(|due| now >= due) {
            self.digits_due = None;
            let digits = std::mem::take(&mut self.digits);
            self.tell_agent(AgentCommand::Digits(digits));
        }
    }

    fn mark_returned(&mut self, mark: Mark, fate: MarkFate, now: Moment) {
        match fate {
            MarkFate::Cleared => {
                if mark.generation < self.playout.generation() {
                    self.silence_confirmed(now);
                }
            }
            MarkFate::Played | MarkFate::Unknown => {
                if mark.generation == self.playout.generation() && fate == MarkFate::Played {
                    self.silence_confirmed(now);
                }
                if !self.playout.acknowledge(mark, fate, now) && mark.generation == self.playout.generation()
                {
                    self.odd(Side::Caller, Oddity::Repeated, now);
                }
            }
        }
    }

    fn silence_confirmed(&mut self, now: Moment) {
        if let Some(cleared) = self.cleared_at.take() {
            let waited_ms = ms(now.since(cleared));
            if self.silence_ms.len() < Tally::LATENCIES_MAX {
                self.silence_ms.push(waited_ms);
            }
            self.note(now, Fact::SilenceConfirmed { generation: self.playout.generation(), waited_ms });
        }
    }

    /// The caller speaks over the agent: silence, at once and everywhere.
    pub(super) fn interrupt(
        &mut self,
        by: BargeInBy,
        answer: Option<crate::AnswerId>,
        now: Moment,
        phase: PhaseName,
    ) {
        let goodbye = matches!(phase, PhaseName::Leaving | PhaseName::Transferring);
        let verdict = if goodbye {
            Err(IgnoredBecause::Leaving)
        } else if answer.is_some_and(|answer| self.barge_in.is_void(answer)) {
            Err(IgnoredBecause::AlreadyInterrupted)
        } else {
            self.barge_in.may(self.playout.agent_is_audible(now), now)
        };
        if by == BargeInBy::Agent && !goodbye {
            // Whatever is decided about silence, the agent will not go on with these answers.
            self.barge_in.void(answer);
            self.barge_in.unmute();
        }
        if let Err(why) = verdict {
            if self.last_ignored_note.is_none_or(|last| now.since(last) >= Duration::from_secs(1)) {
                self.last_ignored_note = Some(now);
                self.note(now, Fact::BargeInIgnored { by, why });
            }
            return;
        }
        let onset = self.caller_onset;
        let cut = self.playout.cut(now);
        self.barge_in.done(by, answer.max(cut.answer), onset, now);
        if cut.carrier_holds {
            self.tell_carrier(CarrierCommand::Clear { generation: self.playout.generation() });
            self.cleared_at = Some(now);
            if let Some(mark) = self.playout.mark_silence() {
                self.tell_carrier(CarrierCommand::Mark(mark));
            }
        }
        let heard_ms = cut.heard.last().map_or(0, |run| ms(run.heard));
        self.tally.barge_ins += 1;
        self.note(
            now,
            Fact::BargeIn {
                by,
                answer: cut.answer,
                generation: self.playout.generation(),
                heard_ms,
                dropped_ms: ms(cut.dropped),
                after_onset_ms: onset.map(|onset| ms(now.since(onset))),
            },
        );
        if let (true, Some(answer), Some(run)) = (self.plan.agent.truncates, cut.answer, cut.heard.last()) {
            self.tell_agent(AgentCommand::HeardUpTo { answer, heard: run.heard });
        }
        for turn in self.transcript.cut(&cut.heard) {
            self.told(turn, now);
        }
    }

    /// Turns that are sounding when everything ends.
    pub(super) fn cut_turns(&mut self, now: Moment) -> Vec<Turn> {
        let cut = self.playout.cut(now);
        let turns = self.transcript.cut(&cut.heard);
        for turn in &turns {
            self.count(turn);
        }
        turns
    }

    /// Silences the agent for something of ours that must be heard instead.
    pub(crate) fn speak_instead(&mut self, prompt: &[i16], now: Moment) {
        let cut = self.playout.cut(now);
        if cut.carrier_holds {
            self.tell_carrier(CarrierCommand::Clear { generation: self.playout.generation() });
        }
        for turn in self.transcript.cut(&cut.heard) {
            self.told(turn, now);
        }
        self.playout.push(Voice::Ours, prompt.to_vec(), now);
    }

    pub(super) fn told(&mut self, turn: Turn, now: Moment) {
        self.count(&turn);
        self.note(now, Fact::Turn { turn });
    }

    fn count(&mut self, turn: &Turn) {
        match turn.side {
            Side::Caller => self.tally.caller_turns += 1,
            Side::Agent => self.tally.agent_turns += 1,
        }
        self.tally.interrupted_turns += u64::from(turn.interrupted);
    }

    pub(crate) fn agent_lost(&mut self, departure: &AgentDeparture, now: Moment) {
        self.tally.agent_losses += 1;
        self.note(now, Fact::AgentLost { departure: departure.clone() });
        self.agent_is_away();
    }
}
