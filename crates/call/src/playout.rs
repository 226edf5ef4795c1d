//! What the caller has really heard.
//!
//! Agents send speech faster than real time and carriers play it later, so "sent" is never "heard". This account
//! holds what is still to be sent, releases it with a small lead, and knows how much of what was sent has been played:
//! by the carrier's marks or position reports where they come, by elapsed time where they do not. Transcripts,
//! interruptions and the last goodbye all read it; none of them keeps a count of its own.

use std::collections::VecDeque;
use std::time::Duration;

use audio::{Frame, Rate};

use crate::{AnswerId, CarrierCapabilities, Generation, Mark, MarkFate, MarkOnFlush, Moment, ShortPiece};

/// Between two marks in continuous speech. Often enough to follow a drifting carrier, rare enough to cost nothing.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// With no new audio for this long, the last of it gets a mark of its own.
const MARK_AFTER_PAUSE: Duration = Duration::from_millis(100);

/// A mark this late is lost; one that would move the clock further than this is not believed.
const MARK_GRACE: Duration = Duration::from_secs(2);

/// How long after its expected end a stretch of audio without a report may still be sounding.
const TAIL: Duration = Duration::from_millis(500);

/// More marks than a healthy carrier ever has outstanding; beyond it the oldest are taken as lost.
const OUTSTANDING_MAX: usize = 64;

/// The largest piece handed to the carrier at once.
const PIECE_MAX: Duration = Duration::from_millis(100);

/// With no new sound for this long, less than a piece is the end of an utterance. Longer than the pieces in which
/// agents speak in real time.
const UTTERANCE_PAUSE: Duration = Duration::from_millis(80);

/// An end of an utterance goes out when the carrier has so little left to play, so that what may still come can join it.
const TAIL_LEAD: Duration = Duration::from_millis(60);

/// So little in the queue is not a burst.
const TRICKLE: Duration = Duration::from_millis(60);

/// Whose sound it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The agent's, in its turn with this number.
    Agent { turn: u32, answer: AnswerId },
    /// Ours: a bed or a prompt. Nobody's turn.
    Ours,
}

#[derive(Debug)]
struct Queued {
    voice: Voice,
    samples: Vec<i16>,
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    mark: Mark,
    position: u64,
    expected: Moment,
}

/// A stretch of one voice within the current generation.
#[derive(Clone, Copy, Debug)]
struct Run {
    voice: Voice,
    from: u64,
    to: u64,
    /// Silence at its end that nobody said: it fills the carrier's piece.
    filling: u64,
    /// When its first sample was due to sound.
    began: Moment,
}

impl Run {
    /// How much of what was said in it has sounded when this position is reached.
    fn said_until(&self, position: u64) -> u64 {
        (position - self.from).min(self.to - self.from - self.filling)
    }
}

/// A stretch of the agent's speech as far as it was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeardRun {
    pub turn: u32,
    pub began: Moment,
    pub heard: Duration,
}

/// What was lost when the caller was given silence.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// Stretches that had begun to sound, oldest first.
    pub heard: Vec<HeardRun>,
    /// The answer that was sounding, or was about to.
    pub answer: Option<AnswerId>,
    /// Thrown away, here and at the carrier.
    pub dropped: Duration,
    /// The carrier holds sound that must be thrown away there too.
    pub carrier_holds: bool,
}

#[derive(Debug)]
pub(crate) struct Playout {
    rate: Rate,
    piece: u64,
    /// Less than a piece waits for more, and its last is filled up.
    fills_pieces: bool,
    last_pushed: Moment,
    lead_low: Duration,
    lead_high: Duration,
    marks: MarkOnFlush,
    queue: VecDeque<Queued>,
    queued: u64,
    queued_max: u64,
    generation: Generation,
    sent: u64,
    /// Of what was sent in this generation, silence of ours that completes pieces.
    filled: u64,
    acknowledged: u64,
    /// When the carrier, by our account, runs out of sound.
    sounding_until: Moment,
    last_sent: Moment,
    outstanding: VecDeque<Outstanding>,
    serial: u32,
    marked: u64,
    runs: VecDeque<Run>,
    pub(crate) total_sent: u64,
    pub(crate) total_heard_before: u64,
    pub(crate) marks_lost: u64,
    pub(crate) overflowed: u64,
}

impl Playout {
    pub(crate) fn new(carrier: &CarrierCapabilities, longest: Duration) -> Playout {
        let rate = carrier.rate;
        Playout {
            rate,
            piece: rate.samples_in(carrier.piece).max(1),
            fills_pieces: carrier.short_piece == ShortPiece::Filled,
            last_pushed: Moment::START,
            lead_low: carrier.lead_low,
            lead_high: carrier.lead_high.max(carrier.lead_low),
            marks: carrier.mark_on_flush,
            queue: VecDeque::new(),
            queued: 0,
            queued_max: rate.samples_in(longest),
            generation: Generation::default(),
            sent: 0,
            filled: 0,
            acknowledged: 0,
            sounding_until: Moment::START,
            last_sent: Moment::START,
            outstanding: VecDeque::new(),
            serial: 0,
            marked: 0,
            runs: VecDeque::new(),
            total_sent: 0,
            total_heard_before: 0,
            marks_lost: 0,
            overflowed: 0,
        }
    }

    /// Queues sound. Returns how much did not fit: beyond the bound the newest goes.
    pub(crate) fn push(&mut self, voice: Voice, mut samples: Vec<i16>, now: Moment) -> Duration {
        let room = self.queued_max.saturating_sub(self.queued);
        let excess = (samples.len() as u64).saturating_sub(room);
        if excess > 0 {
            samples.truncate(room as usize);
            self.overflowed += excess;
        }
        if !samples.is_empty() {
            self.queued += samples.len() as u64;
            self.queue.push_back(Queued { voice, samples, taken: 0 });
            self.last_pushed = now;
        }
        self.rate.duration_of(excess)
    }

    /// The next piece to be sent now, if the carrier's store is below its lead.
    pub(crate) fn release(&mut self, now: Moment) -> Option<Frame> {
        if self.queued == 0 || self.lead(now) >= self.lead_high {
            return None;
        }
        // Hysteresis: once topped up, wait until the lead is low, so that pieces are few and large. Speech that comes in
        // real time, a frame now and a frame then, gains nothing by waiting.
        if self.lead(now) > self.lead_low && self.queued > self.rate.samples_in(TRICKLE) {
            return None;
        }
        if self.waits_for_more() {
            return None;
        }
        Some(self.release_up_to(now, self.lead_high))
    }

    /// Less than a piece that has waited for more long enough, filled up with silence.
    pub(crate) fn release_tail(&mut self, now: Moment) -> Option<Frame> {
        let due = self.queued > 0 && self.waits_for_more() && now >= self.tail_due();
        due.then(|| self.release_up_to(now, self.lead_high))
    }

    fn waits_for_more(&self) -> bool {
        self.fills_pieces && self.queued < self.piece
    }

    /// When less than a piece is taken for the end of an utterance: nothing has come for a while, and the carrier is
    /// about to run out of sound.
    fn tail_due(&self) -> Moment {
        (self.last_pushed + UTTERANCE_PAUSE).max(self.sounding_until.back(TAIL_LEAD))
    }

    fn release_up_to(&mut self, now: Moment, lead: Duration) -> Frame {
        let room = self.rate.samples_in(lead.saturating_sub(self.lead(now)).min(PIECE_MAX));
        let mut whole = (room / self.piece).max(1) * self.piece;
        if self.fills_pieces {
            // As many as there is sound for; the one piece that is filled stands by itself.
            whole = whole.min((self.queued / self.piece).max(1) * self.piece);
        }
        let take = whole.min(self.queued);
        let mut samples = self.take(take, now);
        if self.fills_pieces && take < whole {
            samples.resize(whole as usize, 0);
            self.fill(whole - take);
        }
        let frame = Frame::new(self.rate, samples);
        self.last_sent = now;
        frame
    }

    fn take(&mut self, count: u64, now: Moment) -> Vec<i16> {
        let mut taken: Vec<i16> = Vec::new();
        let mut left = count as usize;
        while left > 0 {
            let Some(front) = self.queue.front_mut() else { break };
            let rest = front.samples.len() - front.taken;
            let voice = front.voice;
            let moved = rest.min(left);
            if taken.is_empty() && front.taken == 0 && rest <= left {
                // The usual case in real time: one piece in, the same piece out.
                taken = std::mem::take(&mut front.samples);
                self.queue.pop_front();
            } else {
                if taken.capacity() == 0 {
                    taken.reserve_exact(left);
                }
                taken.extend_from_slice(&front.samples[front.taken..front.taken + moved]);
                front.taken += moved;
                if front.taken == front.samples.len() {
                    self.queue.pop_front();
                }
            }
            left -= moved;
            self.account(voice, moved as u64, now);
        }
        taken
    }

    /// Silence that completes the piece belongs to the stretch it ends.
    fn fill(&mut self, samples: u64) {
        if let Some(run) = self.runs.back_mut() {
            run.to += samples;
            run.filling += samples;
        }
        self.sent += samples;
        self.filled += samples;
        self.sounding_until += self.rate.duration_of(samples);
    }

    fn account(&mut self, voice: Voice, samples: u64, now: Moment) {
        self.queued -= samples;
        let starts = self.sounding_until.max(now);
        match self.runs.back_mut() {
            Some(run) if same_turn(run.voice, voice) => {
                run.to += samples;
                run.voice = voice;
            }
            _ => self.runs.push_back(Run {
                voice,
                from: self.sent,
                to: self.sent + samples,
                filling: 0,
                began: starts,
            }),
        }
        self.sent += samples;
        self.total_sent += samples;
        self.sounding_until = starts + self.rate.duration_of(samples);
    }

    /// A mark that should be set now, after what was sent.
    pub(crate) fn mark_due(&mut self, now: Moment, at_once: bool) -> Option<Mark> {
        match self.marks {
            MarkOnFlush::NoMarks => return None,
            MarkOnFlush::Echoed | MarkOnFlush::Silent | MarkOnFlush::Unknown => {}
        }
        let unmarked = self.sent - self.marked;
        if unmarked == 0 {
            return None;
        }
        let paused = self.queued == 0 && (at_once || now >= self.last_sent + MARK_AFTER_PAUSE);
        if !paused && self.rate.duration_of(unmarked) < MARK_EVERY {
            return None;
        }
        Some(self.set_mark())
    }

    /// A mark behind a flush: it comes back at once, and with it the proof that there is silence.
    pub(crate) fn mark_silence(&mut self) -> Option<Mark> {
        match self.marks {
            MarkOnFlush::NoMarks => None,
            MarkOnFlush::Echoed | MarkOnFlush::Silent | MarkOnFlush::Unknown => Some(self.set_mark()),
        }
    }

    fn set_mark(&mut self) -> Mark {
        self.serial = self.serial.wrapping_add(1);
        let mark = Mark { generation: self.generation, serial: self.serial };
        self.marked = self.sent;
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.pop_front();
            self.marks_lost += 1;
        }
        self.outstanding.push_back(Outstanding { mark, position: self.sent, expected: self.sounding_until });
        mark
    }

    /// A mark came back. Returns whether it was one of this generation that was still out.
    pub(crate) fn acknowledge(&mut self, mark: Mark, fate: MarkFate, now: Moment) -> bool {
        if mark.generation != self.generation {
            return false;
        }
        let Some(at) = self.outstanding.iter().position(|out| out.mark == mark) else { return false };
        let position = self.outstanding[at].position;
        match fate {
            MarkFate::Played => {
                self.marks_lost += at as u64;
                self.outstanding.drain(..=at);
                self.heard_until(position, now);
            }
            MarkFate::Cleared | MarkFate::Unknown => {
                self.outstanding.remove(at);
            }
        }
        true
    }

    /// The carrier says how far it has played.
    pub(crate) fn position(&mut self, generation: Generation, played: Duration, now: Moment) {
        if generation == self.generation {
            let position = self.rate.samples_in(played).min(self.sent);
            if position >= self.acknowledged {
                self.heard_until(position, now);
            }
        }
    }

    /// Everything up to `position` has sounded; the rest follows from now on.
    fn heard_until(&mut self, position: u64, now: Moment) {
        self.acknowledged = self.acknowledged.max(position);
        let until = now + self.rate.duration_of(self.sent - position);
        let moved = until.since(self.sounding_until).max(self.sounding_until.since(until));
        if moved <= MARK_GRACE {
            self.sounding_until = until;
        }
    }

    /// How much of what was sent in this generation has been heard, in samples.
    fn heard(&self, now: Moment) -> u64 {
        let unheard = self.rate.samples_in(self.sounding_until.since(now)).min(self.sent);
        (self.sent - unheard).max(self.acknowledged)
    }

    pub(crate) fn total_heard(&self, now: Moment) -> u64 {
        self.total_heard_before + self.heard(now).saturating_sub(self.filled)
    }

    /// The oldest stretch of agent speech that has been heard to its end, if it will not grow any more.
    pub(crate) fn next_heard_run(&mut self, now: Moment, last_is_closed: bool) -> Option<HeardRun> {
        loop {
            let run = *self.runs.front()?;
            let grows = self.runs.len() == 1 && !last_is_closed;
            if grows || self.still_queued(run.voice) || self.heard(now) < run.to {
                return None;
            }
            self.runs.pop_front();
            if let Voice::Agent { turn, .. } = run.voice {
                return Some(HeardRun {
                    turn,
                    began: run.began,
                    heard: self.rate.duration_of(run.said_until(run.to)),
                });
            }
        }
    }

    fn still_queued(&self, voice: Voice) -> bool {
        self.queue.front().is_some_and(|front| same_turn(front.voice, voice))
    }

    /// Silence, now: forgets what is queued and what the carrier still holds, and says what had been heard.
    pub(crate) fn cut(&mut self, now: Moment) -> Cut {
        let heard = self.heard(now);
        let mut cut = Cut {
            carrier_holds: self.carrier_holds(now),
            dropped: self.rate.duration_of(self.queued + (self.sent - heard)),
            ..Cut::default()
        };
        for run in &self.runs {
            if let Voice::Agent { turn, answer } = run.voice {
                let reached = heard.clamp(run.from, run.to);
                if reached > run.from {
                    cut.heard.push(HeardRun {
                        turn,
                        began: run.began,
                        heard: self.rate.duration_of(run.said_until(reached)),
                    });
                }
                if heard < run.to || cut.answer.is_none() {
                    cut.answer = cut.answer.max(Some(answer));
                }
            }
        }
        for queued in &self.queue {
            if let Voice::Agent { answer, .. } = queued.voice {
                cut.answer = cut.answer.max(Some(answer));
            }
        }
        self.total_heard_before += heard.saturating_sub(self.filled);
        self.filled = 0;
        self.queue.clear();
        self.queued = 0;
        self.generation = self.generation.next();
        self.sent = 0;
        self.marked = 0;
        self.acknowledged = 0;
        self.sounding_until = now;
        self.outstanding.clear();
        self.runs.clear();
        cut
    }

    /// Gives up on marks that should have come long ago.
    pub(crate) fn expire_marks(&mut self, now: Moment) {
        while let Some(oldest) = self.outstanding.front() {
            if now < oldest.expected + MARK_GRACE {
                return;
            }
            self.outstanding.pop_front();
            self.marks_lost += 1;
        }
    }

    /// A stretch of agent speech waits to be heard to its end.
    pub(crate) fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    /// How much sound the carrier holds, by our account.
    pub(crate) fn lead(&self, now: Moment) -> Duration {
        self.sounding_until.since(now)
    }

    /// The agent can be interrupted: something of its speech is sounding or waiting.
    pub(crate) fn agent_is_audible(&self, now: Moment) -> bool {
        let sounding =
            self.runs.iter().any(|run| matches!(run.voice, Voice::Agent { .. }) && self.heard(now) < run.to);
        sounding
            || self.queue.iter().any(|queued| matches!(queued.voice, Voice::Agent { .. }))
            || self.unconfirmed_tail(now)
    }

    fn carrier_holds(&self, now: Moment) -> bool {
        self.sounding_until > now || self.unconfirmed_tail(now)
    }

    /// The last sound should be over, but the carrier, which reports, has not said so yet.
    fn unconfirmed_tail(&self, now: Moment) -> bool {
        self.sent > 0
            && self
                .outstanding
                .back()
                .is_some_and(|last| last.position == self.sent && now < last.expected + TAIL)
    }

    /// Everything sent has been reported as played.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.queued == 0 && self.acknowledged == self.sent
    }

    /// Everything has been played if the carrier keeps time, with the tail that unconfirmed sound is given.
    pub(crate) fn has_elapsed(&self, now: Moment) -> bool {
        if self.queued > 0 {
            return false;
        }
        now >= self.elapsed_at()
    }

    /// When [`Self::has_elapsed`] comes true by time alone, once nothing is queued.
    pub(crate) fn elapsed_at(&self) -> Moment {
        let tail = match self.marks {
            MarkOnFlush::NoMarks => TAIL,
            MarkOnFlush::Echoed | MarkOnFlush::Silent | MarkOnFlush::Unknown => MARK_GRACE,
        };
        self.sounding_until + tail
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0 && self.sent == 0
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn sounding_until(&self) -> Moment {
        self.sounding_until
    }

    pub(crate) fn queued(&self) -> Duration {
        self.rate.duration_of(self.queued)
    }

    /// When this account wants to be looked at again.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let release = (self.queued > 0).then(|| {
            let low = self.sounding_until.back(self.lead_low);
            match self.waits_for_more() {
                true => low.max(self.tail_due()),
                false => low,
            }
        });
        let has_marks = !matches!(self.marks, MarkOnFlush::NoMarks);
        let mark = (has_marks && self.queued == 0 && self.marked < self.sent)
            .then(|| self.last_sent + MARK_AFTER_PAUSE);
        let expire = self.outstanding.front().map(|out| out.expected + MARK_GRACE);
        [release, mark, expire].into_iter().flatten().min()
    }
}

/// One turn of the agent is one stretch, whatever the numbers of its pieces.
fn same_turn(one: Voice, other: Voice) -> bool {
    match (one, other) {
        (Voice::Agent { turn: one, .. }, Voice::Agent { turn: other, .. }) => one == other,
        (Voice::Ours, Voice::Ours) => true,
        (Voice::Agent { .. }, Voice::Ours) | (Voice::Ours, Voice::Agent { .. }) => false,
    }
}
