//! What was said, and of what the agent said, what was heard.
//!
//! An agent's text arrives before its sound and describes all it meant to say; the caller may have heard half of it.
//! Here text and sound of a turn find each other, and the text is cut to what the playout says was heard.

use std::collections::VecDeque;
use std::time::Duration;

use crate::playout::{HeardRun, Voice};
use crate::{AnswerId, Moment, Said, Side, Turn};

/// Text that comes this long after the first sound of a turn without text still belongs to it.
const TEXT_LAG: Duration = Duration::from_millis(1_500);

/// With no new sound for this long after its end was heard, a turn is complete.
pub(crate) const TURN_QUIET: Duration = Duration::from_millis(1_500);

/// Fast speech, in characters a second: of a text whose sound is incomplete, no more than this can have been heard.
const CHARACTERS_PER_SECOND_MAX: f64 = 25.0;

/// Agent turns that can be open at once: queued, sounding, being generated. More means a confused agent.
const OPEN_TURNS_MAX: usize = 32;

/// The longest text of one turn that is kept.
const TEXT_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
struct AgentTurn {
    number: u32,
    /// The numbers of its pieces so far.
    answer: AnswerId,
    text: Option<String>,
    first_sound: Option<Moment>,
    last_sound: Moment,
    /// All sound that the agent sent for it.
    generated: Duration,
    ended: bool,
    /// It ended because its agent was lost: some of its sound may never have come.
    broken_off: bool,
}

#[derive(Debug)]
pub(crate) struct Transcript {
    turns: VecDeque<AgentTurn>,
    numbers: u32,
    history: VecDeque<Said>,
    history_max: usize,
    pub(crate) forgotten: u64,
    caller_since: Option<Moment>,
    caller_until: Option<Moment>,
}

impl Transcript {
    pub(crate) fn new(history_max: usize) -> Transcript {
        Transcript {
            turns: VecDeque::new(),
            numbers: 0,
            history: VecDeque::new(),
            history_max,
            forgotten: 0,
            caller_since: None,
            caller_until: None,
        }
    }

    /// The agent's text for an answer.
    pub(crate) fn agent_says(&mut self, answer: AnswerId, text: String, now: Moment) {
        let text = bounded(text);
        if let Some(open) = self.turns.back_mut() {
            let fresh = open.first_sound.is_none_or(|first| now.since(first) <= TEXT_LAG);
            if open.text.is_none() && !open.ended && fresh {
                open.text = Some(text);
                open.answer = open.answer.max(answer);
                return;
            }
        }
        self.open(answer, Some(text), now);
    }

    /// Sound of an answer came. Returns whose turn it is and whether it is that turn's first.
    pub(crate) fn agent_sounds(
        &mut self,
        answer: AnswerId,
        duration: Duration,
        now: Moment,
    ) -> (Voice, bool) {
        if self.turns.back().is_none_or(|open| open.ended) {
            self.open(answer, None, now);
        }
        let Some(open) = self.turns.back_mut() else { return (Voice::Ours, false) };
        let first = open.first_sound.is_none();
        open.first_sound.get_or_insert(now);
        open.last_sound = now;
        open.generated += duration;
        open.answer = open.answer.max(answer);
        (Voice::Agent { turn: open.number, answer }, first)
    }

    fn open(&mut self, answer: AnswerId, text: Option<String>, now: Moment) {
        if let Some(previous) = self.turns.back_mut() {
            previous.ended = true;
        }
        if self.turns.len() == OPEN_TURNS_MAX {
            self.turns.pop_front();
            self.forgotten += 1;
        }
        self.numbers = self.numbers.wrapping_add(1);
        self.turns.push_back(AgentTurn {
            number: self.numbers,
            answer,
            text,
            first_sound: None,
            last_sound: now,
            generated: Duration::ZERO,
            ended: false,
            broken_off: false,
        });
    }

    /// No more sound will come for this answer.
    pub(crate) fn agent_ended(&mut self, answer: AnswerId) {
        if let Some(open) = self.turns.back_mut()
            && open.answer <= answer
        {
            open.ended = true;
        }
    }

    /// The agent is gone: whatever it was saying will not go on.
    pub(crate) fn agent_left(&mut self) {
        if let Some(open) = self.turns.back_mut().filter(|open| !open.ended) {
            open.ended = true;
            open.broken_off = true;
        }
    }

    /// The newest turn will not grow, because the agent said so or because it has been quiet for long.
    pub(crate) fn newest_is_closed(&self, sounding_until: Moment, now: Moment) -> bool {
        self.turns
            .back()
            .is_none_or(|open| open.ended || now >= sounding_until.max(open.last_sound) + TURN_QUIET)
    }

    /// When [`Self::newest_is_closed`] turns true by time alone.
    pub(crate) fn closes_at(&self, sounding_until: Moment) -> Option<Moment> {
        self.turns.back().map(|open| {
            if open.ended { sounding_until } else { sounding_until.max(open.last_sound) + TURN_QUIET }
        })
    }

    /// A turn of the agent was heard to its end.
    pub(crate) fn heard(&mut self, run: HeardRun) -> Option<Turn> {
        let at = self.turns.iter().position(|turn| turn.number == run.turn)?;
        // Turns before it never sounded; they were overtaken.
        let turn = self.turns.drain(..=at).next_back()?;
        Some(self.agent_turn(run, turn, false))
    }

    /// The caller was given silence: what had begun to sound becomes interrupted turns, the rest was never heard.
    pub(crate) fn cut(&mut self, runs: &[HeardRun]) -> Vec<Turn> {
        let mut told = Vec::new();
        for run in runs {
            let Some(at) = self.turns.iter().position(|turn| turn.number == run.turn) else { continue };
            let Some(turn) = self.turns.remove(at) else { continue };
            told.push(self.agent_turn(*run, turn, true));
        }
        self.turns.clear();
        told
    }

    /// Remembers a turn of the agent as far as it was heard. `cut`: it was silenced, and might have gone on.
    fn agent_turn(&mut self, run: HeardRun, turn: AgentTurn, cut: bool) -> Turn {
        let text = turn.text.unwrap_or_default();
        let all_heard = run.heard + Duration::from_millis(20) >= turn.generated && (turn.ended || !cut);
        let (heard, meant) = if all_heard && !turn.broken_off {
            (text, None)
        } else {
            let all_generated = turn.ended && cut && !turn.broken_off;
            let (heard, meant) = cut_text(text, run.heard, turn.generated, all_generated);
            // An agent that was lost after its last word has been heard in full all the same.
            let whole = all_heard && meant.as_ref() == Some(&heard);
            (heard, meant.filter(|_| !whole))
        };
        self.remember(Side::Agent, &heard);
        Turn {
            side: Side::Agent,
            from: run.began,
            to: run.began + run.heard,
            text: heard,
            interrupted: meant.is_some(),
            meant,
            answer: Some(turn.answer),
        }
    }

    /// The caller's voice rose or fell, as our own detector hears it.
    pub(crate) fn caller_speaks(&mut self, speaking: bool, since: Moment) {
        if speaking {
            // A pause within one utterance: the turn goes on from where it began.
            if self.caller_until.is_none_or(|until| since.since(until) > Duration::from_secs(3)) {
                self.caller_since = Some(since);
            }
            self.caller_since.get_or_insert(since);
            self.caller_until = None;
        } else {
            self.caller_until = Some(since);
        }
    }

    /// The agent understood a whole utterance of the caller.
    pub(crate) fn caller_said(&mut self, text: String, now: Moment) -> Turn {
        let text = bounded(text);
        self.remember(Side::Caller, &text);
        let from = self.caller_since.take().unwrap_or(now);
        let to = self.caller_until.unwrap_or(now).max(from);
        Turn { side: Side::Caller, from, to, text, meant: None, interrupted: false, answer: None }
    }

    fn remember(&mut self, side: Side, text: &str) {
        if text.is_empty() || self.history_max == 0 {
            return;
        }
        if self.history.len() == self.history_max {
            self.history.pop_front();
            self.forgotten += 1;
        }
        self.history.push_back(Said { side, text: text.to_owned() });
    }

    pub(crate) fn history(&self) -> impl Iterator<Item = &Said> {
        self.history.iter()
    }

    /// The history for an agent that goes on, with what is still sounding at this moment: the caller will have heard it
    /// by the time that agent speaks.
    pub(crate) fn so_far(&self) -> Vec<Said> {
        let sounding = self.turns.iter().filter(|turn| turn.first_sound.is_some()).filter_map(|turn| {
            let text = turn.text.clone()?;
            let (text, _) = cut_text(text, turn.generated, turn.generated, turn.ended && !turn.broken_off);
            (!text.is_empty()).then_some(Said { side: Side::Agent, text })
        });
        let all: Vec<Said> = self.history.iter().cloned().chain(sounding).collect();
        let excess = all.len().saturating_sub(self.history_max);
        all.into_iter().skip(excess).collect()
    }
}

/// Cuts a text to what was heard of it, at a word's end. Returns the heard part and all of it.
fn cut_text(text: String, heard: Duration, generated: Duration, complete: bool) -> (String, Option<String>) {
    let count = text.chars().count() as f64;
    let share =
        if generated.is_zero() { 0.0 } else { (heard.as_secs_f64() / generated.as_secs_f64()).min(1.0) };
    let by_share = count * share;
    let by_pace = heard.as_secs_f64() * CHARACTERS_PER_SECOND_MAX;
    let reached = (if complete { by_share } else { by_share.min(by_pace) }).round() as usize;
    let mut end = 0;
    for (seen, (at, c)) in text.char_indices().enumerate() {
        if seen >= reached && c.is_whitespace() {
            break;
        }
        if seen >= reached && end > 0 {
            // Within a word that was not finished: it does not count as heard.
            break;
        }
        if c.is_whitespace() {
            end = at;
        } else if seen + 1 == count as usize && reached >= count as usize {
            end = at + c.len_utf8();
        }
    }
    let kept = text[..end].trim_end().to_owned();
    (kept, Some(text))
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let mut end = TEXT_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, heard_ms: u64, generated_ms: u64) -> String {
        cut_text(text.to_owned(), Duration::from_millis(heard_ms), Duration::from_millis(generated_ms), true)
            .0
    }

    #[test]
    fn text_is_cut_at_the_last_whole_word_that_was_heard() {
        assert_eq!(cut("Hello Asha, how are you", 0, 2300), "");
        assert_eq!(cut("Hello Asha, how are you", 600, 2300), "Hello");
        assert_eq!(cut("Hello Asha, how are you", 1200, 2300), "Hello Asha,");
        assert_eq!(cut("Hello Asha, how are you", 2300, 2300), "Hello Asha, how are you");
        assert_eq!(cut("", 600, 2300), "");
        assert_eq!(cut("नमस्ते दुनिया", 1000, 1500), "नमस्ते");
    }

    #[test]
    fn text_that_follows_its_first_sound_belongs_to_the_same_turn() {
        let mut transcript = Transcript::new(10);

        let (first, is_first) =
            transcript.agent_sounds(AnswerId(1), Duration::from_millis(500), Moment::START);
        transcript.agent_says(AnswerId(1), "Hello".into(), Moment::from_millis(20));
        let (second, again) =
            transcript.agent_sounds(AnswerId(2), Duration::from_millis(500), Moment::from_millis(30));

        assert!(is_first && !again);
        assert!(matches!((first, second), (Voice::Agent { turn: 1, .. }, Voice::Agent { turn: 1, .. })));
    }

    #[test]
    fn an_answer_whose_agent_was_lost_counts_as_far_as_it_can_have_been_spoken() {
        let heard = Duration::from_millis(500);
        let run = HeardRun { turn: 1, began: Moment::START, heard };
        let lost_after = |generated: Duration| {
            let mut transcript = Transcript::new(10);
            transcript.agent_says(AnswerId(1), "Hello, this is the front desk.".into(), Moment::START);
            transcript.agent_sounds(AnswerId(1), generated, Moment::START);
            transcript.agent_left();
            transcript
        };

        let mut early = lost_after(heard);
        assert_eq!(early.so_far(), [Said { side: Side::Agent, text: "Hello, this".into() }]);
        let turn = early.heard(run).unwrap();
        assert_eq!((turn.text.as_str(), turn.interrupted), ("Hello, this", true));
        assert_eq!(turn.meant.as_deref(), Some("Hello, this is the front desk."));
        assert_eq!(early.so_far(), early.history().cloned().collect::<Vec<_>>());

        let all = Duration::from_millis(2_000);
        let turn = lost_after(all).heard(HeardRun { heard: all, ..run }).unwrap();
        assert_eq!((turn.text.as_str(), turn.interrupted), ("Hello, this is the front desk.", false));
        assert_eq!(turn.meant, None);
    }

    #[test]
    fn history_forgets_its_oldest_lines() {
        let mut transcript = Transcript::new(2);
        for word in ["one", "two", "three"] {
            transcript.caller_said(word.into(), Moment::START);
        }

        assert_eq!(transcript.history().map(|said| said.text.as_str()).collect::<Vec<_>>(), ["two", "three"]);
        assert_eq!(transcript.forgotten, 1);
    }
}
