//! What a caller hears: which of its frames came back and when, and a loudspeaker that plays in real time.

use std::collections::VecDeque;

use super::super::stamp::{Stamp, StampReader};
use super::Tally;

/// Frames whose time of sending is remembered: 20 s. What comes back later counts as that late.
const REMEMBERED: usize = 1024;
/// Marks waiting for their audio; more than a minute of one per frame is a peer gone mad.
const MARKS_MAX: usize = 4096;
/// µ-law: eight samples a millisecond, a byte each.
const MICROS_PER_BYTE: u64 = 125;

#[derive(Debug)]
pub(super) struct Ear {
    number: u16,
    /// The other side's sound has come at least once.
    pub(super) has_heard: bool,
    pub(super) shout: Option<Shout>,
    /// Frames sent so far.
    sequence: u32,
    sent_at: Box<[u64]>,
    /// First frame of the measured window, and the first behind it.
    window: Option<(u32, u32)>,
    seen: Vec<u64>,
    newest: Option<u32>,
    reader: StampReader,
    plays_until_us: u64,
    marks: VecDeque<(u64, Box<[u8]>)>,
    /// The least time that a frame of this reading took.
    quickest_us: Option<u64>,
}

/// A caller who interrupts.
#[derive(Debug)]
pub(super) struct Shout {
    pub(super) since_us: u64,
    pub(super) frames_left: u32,
    pub(super) is_answered: bool,
}

impl Ear {
    pub(super) fn new(number: u16) -> Ear {
        Ear {
            number,
            has_heard: false,
            shout: None,
            sequence: 0,
            sent_at: vec![0; REMEMBERED].into(),
            window: None,
            seen: Vec::new(),
            newest: None,
            reader: StampReader::new(),
            plays_until_us: 0,
            marks: VecDeque::new(),
            quickest_us: None,
        }
    }

    /// The stamp of the frame that is about to go.
    pub(super) fn next_stamp(&mut self, now_us: u64) -> Stamp {
        let stamp = Stamp { call: self.number, sequence: self.sequence };
        self.sent_at[self.sequence as usize % REMEMBERED] = now_us;
        self.sequence += 1;
        stamp
    }

    pub(super) fn begin_window(&mut self) {
        self.window = Some((self.sequence, u32::MAX));
    }

    pub(super) fn end_window(&mut self) {
        if let Some((_, end)) = &mut self.window {
            *end = self.sequence;
        }
    }

    pub(super) fn is_listening_at(&self, now_us: u64) -> bool {
        self.plays_until_us > now_us
    }

    pub(super) fn audio(&mut self, now_us: u64, sound: &[u8], tally: &mut Tally) {
        self.has_heard = true;
        self.plays_until_us = self.plays_until_us.max(now_us) + sound.len() as u64 * MICROS_PER_BYTE;
        let Ear { number, sequence, sent_at, window, seen, newest, reader, quickest_us, .. } = self;
        reader.feed(sound, |stamp| {
            if stamp.call != *number || stamp.sequence >= *sequence {
                tally.misrouted += 1;
                return;
            }
            let Some((first, end)) = *window else { return };
            if stamp.sequence < first || stamp.sequence >= end {
                return;
            }
            let index = (stamp.sequence - first) as usize;
            if index / 64 >= seen.len() {
                seen.resize(index / 64 + 1, 0);
            }
            let bit = 1 << (index % 64);
            if seen[index / 64] & bit != 0 {
                tally.duplicated += 1;
                return;
            }
            seen[index / 64] |= bit;
            tally.out_of_order += u64::from(newest.is_some_and(|newest| newest > stamp.sequence));
            *newest = (*newest).max(Some(stamp.sequence));
            let is_remembered = (*sequence - stamp.sequence) as usize <= REMEMBERED;
            let took_us = if is_remembered {
                now_us.saturating_sub(sent_at[stamp.sequence as usize % REMEMBERED])
            } else {
                REMEMBERED as u64 * 20_000
            };
            tally.note_latency(took_us);
            *quickest_us = Some(quickest_us.map_or(took_us, |quickest| quickest.min(took_us)));
        });
    }

    /// At the end of one reading.
    pub(super) fn take_quickest_us(&mut self) -> Option<u64> {
        self.quickest_us.take()
    }

    /// A mark from the other side: whether it is to be echoed at once, or kept until its audio has been played.
    pub(super) fn is_reached(&mut self, now_us: u64, mark: &[u8], tally: &mut Tally) -> bool {
        if self.plays_until_us <= now_us && self.marks.is_empty() {
            return true;
        }
        if self.marks.len() < MARKS_MAX {
            self.marks.push_back((self.plays_until_us, mark.into()));
        } else {
            tally.unreadable += 1;
        }
        false
    }

    /// The next mark whose audio has been played.
    pub(super) fn reached_mark(&mut self, now_us: u64) -> Option<Box<[u8]>> {
        let (due_us, _) = self.marks.front()?;
        if *due_us > now_us {
            return None;
        }
        self.marks.pop_front().map(|(_, name)| name)
    }

    /// Silence at once. Every mark that was waiting comes back.
    pub(super) fn clear(&mut self, now_us: u64, tally: &mut Tally) -> VecDeque<(u64, Box<[u8]>)> {
        self.plays_until_us = now_us;
        match &mut self.shout {
            Some(shout) if !shout.is_answered => {
                shout.is_answered = true;
                tally.silence.record(now_us.saturating_sub(shout.since_us));
            }
            _ => tally.clears_unasked += 1,
        }
        std::mem::take(&mut self.marks)
    }

    /// What became of the window's frames.
    pub(super) fn account(&self, tally: &mut Tally) {
        if let Some((first, end)) = self.window {
            let sent = u64::from(end.min(self.sequence) - first);
            let received: u64 = self.seen.iter().map(|bits| u64::from(bits.count_ones())).sum();
            tally.sent += sent;
            tally.received += received;
            tally.lost += sent.saturating_sub(received);
        }
        tally.damaged += self.reader.damaged;
        tally.stray_bytes += self.reader.strays;
        tally.shouts_unanswered += u64::from(self.shout.as_ref().is_some_and(|shout| !shout.is_answered));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::stamp::{FRAME_BYTES, reserved_code};
    use super::super::super::voice::{Voice, Voices};
    use super::*;

    fn frame(call: u16, sequence: u32) -> [u8; FRAME_BYTES] {
        let mut frame = [0; FRAME_BYTES];
        Stamp { call, sequence }.write(&Voices::new(reserved_code()), Voice::Quiet, &mut frame);
        frame
    }

    #[test]
    fn lost_doubled_swapped_late_and_foreign_frames_are_told_apart() {
        let mut ear = Ear::new(7);
        let mut tally = Tally { late_us: 40_000, ..Tally::default() };
        ear.next_stamp(0);
        ear.begin_window();
        for index in 1..=6_u64 {
            ear.next_stamp(index * 20_000);
        }
        ear.end_window();
        ear.next_stamp(140_000);

        // 0 and 7 lie outside the window, 5 never comes, 2 comes after 3, 4 twice, 6 late; call 8's frame is foreign.
        for sequence in [0, 1, 3, 2, 4, 4, 7] {
            ear.audio(u64::from(sequence) * 20_000 + 1_000, &frame(7, sequence), &mut tally);
        }
        ear.audio(6 * 20_000 + 41_000, &frame(7, 6), &mut tally);
        ear.audio(200_000, &frame(8, 1), &mut tally);
        ear.account(&mut tally);

        assert_eq!((tally.sent, tally.received, tally.lost), (6, 5, 1));
        assert_eq!((tally.duplicated, tally.out_of_order, tally.late, tally.misrouted), (1, 1, 1, 1));
        assert_eq!((tally.latency.count(), tally.latency.micros_max()), (5, 41_000));
    }

    #[test]
    fn marks_come_back_when_their_audio_has_been_played() {
        let mut ear = Ear::new(1);
        let mut tally = Tally::default();
        assert!(ear.is_reached(0, b"at once", &mut tally));

        ear.audio(1_000, &[0xFF; 800], &mut tally);

        assert!(!ear.is_reached(2_000, b"behind 100 ms", &mut tally));
        assert_eq!(ear.reached_mark(100_999), None);
        assert_eq!(ear.reached_mark(101_000).as_deref(), Some(&b"behind 100 ms"[..]));
        assert_eq!(ear.reached_mark(101_000), None);
    }

    #[test]
    fn clear_silences_and_returns_the_marks() {
        let mut ear = Ear::new(1);
        let mut tally = Tally::default();
        ear.audio(0, &[0xFF; 8_000], &mut tally);
        assert!(!ear.is_reached(0, b"a", &mut tally) && !ear.is_reached(0, b"b", &mut tally));
        ear.shout = Some(Shout { since_us: 10_000, frames_left: 0, is_answered: false });

        assert_eq!(ear.clear(30_000, &mut tally).len(), 2);

        assert!(!ear.is_listening_at(30_000));
        assert_eq!((tally.silence.micros_max(), tally.clears_unasked), (20_000, 0));
        ear.clear(40_000, &mut tally);
        assert_eq!(tally.clears_unasked, 1, "a second clear answers nothing");
    }
}
