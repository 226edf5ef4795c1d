//! What was sent to the caller and has not been played yet.

use std::collections::VecDeque;

/// Marks that may be waiting at once; a gateway that sends more is broken, and more would only be memory.
const MARKS_MAX: usize = 10_000;

#[derive(Debug)]
enum Piece {
    Audio(Vec<u8>, usize),
    Mark(String),
}

/// The carrier's buffer for one stream: audio, as it is encoded, and marks, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Playout {
    queue: VecDeque<Piece>,
    bytes: usize,
    marks: usize,
}

impl Playout {
    pub(crate) fn media(&mut self, audio: Vec<u8>) {
        if !audio.is_empty() {
            self.bytes += audio.len();
            self.queue.push_back(Piece::Audio(audio, 0));
        }
    }

    /// Queues a mark. With nothing before it, it is reached at once and given back.
    pub(crate) fn mark(&mut self, name: String) -> Option<String> {
        if self.queue.is_empty() || self.marks >= MARKS_MAX {
            return Some(name);
        }
        self.marks += 1;
        self.queue.push_back(Piece::Mark(name));
        None
    }

    /// Plays up to `count` bytes. The marks before the first byte left are reached; one behind the last byte is
    /// reached only when that byte has had its time, at the next call.
    pub(crate) fn play(&mut self, count: usize) -> (Vec<u8>, Vec<String>) {
        let mut audio = Vec::with_capacity(count);
        let mut reached = Vec::new();
        while let Some(piece) = self.queue.front_mut() {
            match piece {
                Piece::Mark(name) => {
                    if audio.len() == count {
                        break;
                    }
                    reached.push(std::mem::take(name));
                    self.marks -= 1;
                    self.queue.pop_front();
                }
                Piece::Audio(bytes, played) => {
                    if audio.len() == count {
                        break;
                    }
                    let end = (*played + count - audio.len()).min(bytes.len());
                    audio.extend_from_slice(&bytes[*played..end]);
                    *played = end;
                    if end == bytes.len() {
                        self.queue.pop_front();
                    }
                }
            }
        }
        self.bytes -= audio.len();
        (audio, reached)
    }

    /// Drops everything. Returns how many bytes were not played, and the marks that were pending: what becomes of
    /// those differs between carriers.
    pub(crate) fn clear(&mut self) -> (usize, Vec<String>) {
        let dropped = std::mem::take(&mut self.bytes);
        self.marks = 0;
        let marks = self.queue.drain(..).filter_map(|piece| match piece {
            Piece::Mark(name) => Some(name),
            Piece::Audio(..) => None,
        });
        (dropped, marks.collect())
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_reached_when_all_audio_before_it_has_had_its_time() {
        let mut playout = Playout::default();
        playout.media(vec![1; 320]);
        assert_eq!(playout.mark("end".into()), None);

        assert_eq!(playout.play(160), (vec![1; 160], vec![]));
        assert_eq!(playout.play(160), (vec![1; 160], vec![]));
        assert_eq!(playout.play(160), (vec![], vec!["end".to_owned()]));
        assert!(playout.is_empty());
    }

    #[test]
    fn mark_on_an_empty_queue_comes_back_at_once() {
        assert_eq!(Playout::default().mark("now".into()), Some("now".to_owned()));
    }

    #[test]
    fn clear_gives_back_every_pending_mark_in_order_and_counts_what_was_not_played() {
        let mut playout = Playout::default();
        playout.media(vec![1; 400]);
        playout.mark("a".into());
        playout.media(vec![2; 100]);
        playout.mark("b".into());
        playout.play(160);

        assert_eq!(playout.clear(), (340, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(playout.play(160), (vec![], vec![]));
        assert_eq!(playout.queued_bytes(), 0);
    }

    #[test]
    fn pieces_of_any_size_play_as_one_sound() {
        let mut playout = Playout::default();
        for size in [1, 7, 150, 3, 400] {
            playout.media(vec![size as u8; size]);
        }

        let sizes: Vec<usize> = std::iter::from_fn(|| {
            let (audio, _) = playout.play(160);
            (!audio.is_empty()).then_some(audio.len())
        })
        .collect();

        assert_eq!(sizes, [160, 160, 160, 81]);
    }
}
