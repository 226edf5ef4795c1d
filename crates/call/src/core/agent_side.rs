//! What the AI side says: speech, text, interruptions, scores, signs of life.

use std::time::Duration;

use audio::{Frame, level};

use super::{AgentLink, Core, Happening, ms};
use crate::{
    AgentEvent, AnswerId, BargeInBy, EndCause, Fact, Moment, OwnTool, PhaseName, Side, Tally, ToolStage,
    ToolTrace,
};

impl Core {
    pub(super) fn hear_agent(
        &mut self,
        event: AgentEvent,
        now: Moment,
        phase: PhaseName,
    ) -> Option<Happening> {
        match &mut self.agent {
            AgentLink::Here { alive, .. } => *alive = now,
            AgentLink::Dialling { .. } => {}
            AgentLink::Away => {
                self.unexpected("agent event without an agent", phase, now);
                return None;
            }
        }
        match event {
            AgentEvent::Audio { answer, frame } => {
                self.agent_sounds(answer, frame, now, phase);
                None
            }
            AgentEvent::Ready(ready) => {
                let AgentLink::Dialling { since, .. } = self.agent else {
                    self.unexpected("second readiness", phase, now);
                    return None;
                };
                let waited_ms = ms(now.since(since));
                self.agent_ready_ms.get_or_insert(waited_ms);
                self.agent = AgentLink::Here { since: now, alive: now };
                self.barge_in.new_session(self.plan.agent.interrupts);
                self.newest_answer = None;
                self.note(
                    now,
                    Fact::AgentReady {
                        attempt: self.attempt,
                        waited_ms,
                        session: ready.session,
                        formats: ready.formats,
                    },
                );
                Some(Happening::AgentReady)
            }
            AgentEvent::Says { answer, text } => {
                if self.barge_in.is_void(answer) {
                    return None;
                }
                self.newest_answer = self.newest_answer.max(Some(answer));
                self.barge_in.unmute();
                self.transcript.agent_says(answer, text, now);
                None
            }
            AgentEvent::Corrected { .. } => {
                // The agent guesses from elapsed time what was heard; the playout knows better.
                None
            }
            AgentEvent::AnswerEnded { answer } => {
                self.barge_in.unmute();
                self.transcript.agent_ended(answer);
                None
            }
            AgentEvent::CallerSaid { text, is_final } => {
                if is_final {
                    self.barge_in.unmute();
                    self.last_voice = now;
                    let turn = self.transcript.caller_said(text, now);
                    self.told(turn, now);
                }
                None
            }
            AgentEvent::Interrupted { answer } => {
                if self.barge_in.enabled() {
                    self.interrupt(BargeInBy::Agent, Some(answer), now, phase);
                }
                None
            }
            AgentEvent::SpeechScore(score) => {
                if self.barge_in.score(score, now) && self.playout.agent_is_audible(now) {
                    self.interrupt(BargeInBy::Score, None, now, phase);
                }
                None
            }
            AgentEvent::ToolCalled(call) => self.tool_called(call, now, phase),
            AgentEvent::ToolTraced(trace) => self.tool_traced(trace, now),
            AgentEvent::Queue(status) => {
                if let AgentLink::Dialling { queueing, .. } = &mut self.agent {
                    *queueing = status == crate::QueueStatus::Waiting;
                }
                self.note(now, Fact::AgentQueue { status });
                None
            }
            AgentEvent::Fault(fault) => {
                self.note(now, Fact::AgentFault { fault });
                None
            }
            AgentEvent::CannotSay => {
                self.note(now, Fact::CannotSay);
                Some(Happening::CannotSay)
            }
            AgentEvent::Alive => None,
            AgentEvent::Left(departure) => Some(Happening::AgentLeft(departure)),
            AgentEvent::Odd(oddity) => {
                self.odd(Side::Agent, oddity, now);
                None
            }
        }
    }

    fn agent_sounds(&mut self, answer: AnswerId, frame: Frame, now: Moment, phase: PhaseName) {
        let welcome = match phase {
            PhaseName::Greeting | PhaseName::Talking | PhaseName::Leaving | PhaseName::Transferring => true,
            PhaseName::Arriving | PhaseName::Holding | PhaseName::Over => false,
        };
        if !welcome || frame.rate != self.plan.carrier.rate {
            self.unexpected("agent sound", phase, now);
            return;
        }
        let duration = frame.duration();
        if self.barge_in.is_late(answer, now) {
            self.tally.late_audio_ms += ms(duration);
            if self.last_late_note.is_none_or(|last| now.since(last) >= Duration::from_secs(1)) {
                self.last_late_note = Some(now);
                self.note(now, Fact::LateAudioDropped { answer, ms: ms(duration) });
            }
            return;
        }
        self.newest_answer = self.newest_answer.max(Some(answer));
        self.last_agent_sound = now;
        self.last_voice = now;
        self.silent_since = None;
        self.tally.agent_ms += ms(duration);
        let (voice, is_first) = self.transcript.agent_sounds(answer, duration, now);
        if is_first {
            self.answer_started(answer, now);
        }
        let excess = self.playout.push(voice, frame.samples, now);
        if !excess.is_zero() {
            self.note(now, Fact::PlayoutOverflowed { ms: ms(excess) });
        }
    }

    fn answer_started(&mut self, answer: AnswerId, now: Moment) {
        if self.first_sound_ms.is_none() {
            self.first_sound_ms = self.media_since.map(|since| ms(now.since(since)));
        }
        let waited = self.caller_fell_silent.take().map(|silent| ms(now.since(silent)));
        if let Some(waited) = waited
            && self.answer_ms.len() < Tally::LATENCIES_MAX
        {
            self.answer_ms.push(waited);
        }
        let since_dialled = self.dialled_at.take().map(|dialled| ms(now.since(dialled)));
        self.note(now, Fact::AnswerStarted { answer, waited_ms: waited.or(since_dialled) });
    }

    /// The agent's platform ran a tool by itself. Two of them mean something for the phone call.
    fn tool_traced(&mut self, trace: ToolTrace, now: Moment) -> Option<Happening> {
        let done = trace.stage == ToolStage::Done;
        let own = OwnTool::by_name(&trace.name);
        self.note(now, Fact::ToolTraced { id: trace.id, name: trace.name, stage: trace.stage });
        match own {
            Some(OwnTool::EndCall) if done => {
                Some(Happening::EndWanted(EndCause::AgentHungUp { reason: None }))
            }
            Some(OwnTool::VoicemailDetection) if done => Some(Happening::EndWanted(EndCause::Voicemail)),
            Some(_) | None => None,
        }
    }

    /// How much the agent has said so far.
    pub(crate) fn agent_said(&self) -> Duration {
        Duration::from_millis(self.tally.agent_ms)
    }

    /// What the agent has said so far is void, heard or not; the next thing it says is played.
    pub(crate) fn hush(&mut self, now: Moment) {
        self.speak_instead(&[], now);
        self.barge_in.void(self.newest_answer);
        self.barge_in.unmute();
    }

    pub(super) fn meter(&mut self, frame: &Frame) {
        self.agent_dbfs = level::rms_dbfs(&frame.samples);
    }
}
