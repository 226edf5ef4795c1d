//! Frames that say who sent them and when in the sequence, in sound.
//!
//! A bridge may decode, mix nothing in, encode, cut the stream anew and join it differently; what must come back is the
//! same bytes in the same order. So every 160-byte frame of a caller carries, as 24 quiet µ-law samples, a mark that
//! occurs nowhere else, the call, the number of the frame, and a hash over all of it; a reader finds them in any
//! stream of bytes, tells damage from absence, and notices another call's audio.

use super::voice::{Voice, Voices};

/// 20 ms of µ-law.
pub(super) const FRAME_BYTES: usize = 160;
/// Where the voice begins.
pub(super) const STAMP_BYTES: usize = 24;

/// The first of these codes stands nowhere else in a frame.
const MARK: [u8; 4] = [0x6A, 0xEA, 0x65, 0xE5];
/// A digit of 16 is one of the sixteen codes of the second quietest positive segment (132 to 372 of 32,768).
const DIGIT: u8 = 0xE0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) call: u16,
    pub(super) sequence: u32,
}

impl Stamp {
    /// The whole frame, with `voice` behind the stamp.
    pub(super) fn write(self, voices: &Voices, voice: Voice, frame: &mut [u8; FRAME_BYTES]) {
        // Calls begin at different places of the loop, so that they do not all speak and pause together.
        let sample = self.sequence as usize * FRAME_BYTES + usize::from(self.call) * 7_919;
        voices.fill(voice, sample, frame);
        frame[..4].copy_from_slice(&MARK);
        digits(u32::from(self.call), &mut frame[4..8]);
        digits(self.sequence, &mut frame[8..16]);
        let hash = hash_of(frame);
        digits(hash, &mut frame[16..24]);
    }

    fn read(frame: &[u8; FRAME_BYTES]) -> Option<Stamp> {
        let call = number(&frame[4..8])?;
        let sequence = number(&frame[8..16])?;
        (number(&frame[16..24])? == hash_of(frame)).then_some(Stamp { call: call as u16, sequence })
    }
}

/// The code that a voice under a stamp may not contain.
pub(super) const fn reserved_code() -> u8 {
    MARK[0]
}

/// FNV-1a over everything but the hash itself.
fn hash_of(frame: &[u8; FRAME_BYTES]) -> u32 {
    let (before, after) = (&frame[4..16], &frame[STAMP_BYTES..]);
    before
        .iter()
        .chain(after)
        .fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn digits(number: u32, codes: &mut [u8]) {
    let mut left = number;
    for code in codes.iter_mut().rev() {
        *code = DIGIT | (left & 0x0F) as u8;
        left >>= 4;
    }
}

fn number(codes: &[u8]) -> Option<u32> {
    codes
        .iter()
        .try_fold(0_u32, |number, code| (code & 0xF0 == DIGIT).then(|| number << 4 | u32::from(code & 0x0F)))
}

/// Finds frames in a stream of bytes cut anywhere.
#[derive(Debug)]
pub(super) struct StampReader {
    held: [u8; FRAME_BYTES],
    length: usize,
    /// Frames that began with the mark and whose hash was wrong.
    pub(super) damaged: u64,
    /// Bytes outside any frame: what the bridge put in by itself, or what is left of a damaged frame.
    pub(super) strays: u64,
}

impl StampReader {
    pub(super) fn new() -> StampReader {
        StampReader { held: [0; FRAME_BYTES], length: 0, damaged: 0, strays: 0 }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], mut on: impl FnMut(Stamp)) {
        while !bytes.is_empty() {
            if self.length == 0 {
                let skipped = bytes.iter().position(|byte| *byte == MARK[0]).unwrap_or(bytes.len());
                self.strays += skipped as u64;
                bytes = &bytes[skipped..];
            }
            let taken = bytes.len().min(FRAME_BYTES - self.length);
            self.held[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];

            // A cut stream shows early: the mark is wrong, or the next one begins inside this frame.
            let marked = self.length.min(MARK.len());
            let has_mark = self.held[..marked] == MARK[..marked];
            let next = self.held[..self.length].iter().skip(1).position(|byte| *byte == MARK[0]);
            if !has_mark || next.is_some() {
                self.damaged += u64::from(has_mark);
                self.skip_to(next.map_or(self.length, |next| next + 1));
            } else if self.length == FRAME_BYTES {
                match Stamp::read(&self.held) {
                    Some(stamp) => {
                        on(stamp);
                        self.length = 0;
                    }
                    None => {
                        self.damaged += 1;
                        self.skip_to(self.length);
                    }
                }
            }
        }
    }

    fn skip_to(&mut self, at: usize) {
        self.strays += at as u64;
        self.held.copy_within(at..self.length, 0);
        self.length -= at;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::voice::{decode, encode};
    use super::*;

    fn voices() -> Voices {
        Voices::new(reserved_code())
    }

    fn stream(voices: &Voices, stamps: &[Stamp], voice: Voice) -> Vec<u8> {
        let mut frame = [0; FRAME_BYTES];
        let mut wire = Vec::new();
        for stamp in stamps {
            stamp.write(voices, voice, &mut frame);
            wire.extend_from_slice(&frame);
        }
        wire
    }

    fn read(reader: &mut StampReader, wire: &[u8], pieces: &[usize]) -> Vec<Stamp> {
        let mut stamps = Vec::new();
        let mut rest = wire;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(pieces.next().map_or(1, |piece| (*piece).clamp(1, rest.len())));
            reader.feed(now, |stamp| stamps.push(stamp));
            rest = later;
        }
        stamps
    }

    #[test]
    fn frames_survive_a_decode_an_encode_and_any_new_cutting() {
        let voices = voices();
        let mut runner = proptest::test_runner::TestRunner::default();
        let voice = prop_oneof![Just(Voice::Quiet), Just(Voice::Speech), Just(Voice::Shout)];
        let input =
            (any::<u16>(), any::<u32>(), 1_u32..12, voice, proptest::collection::vec(1_usize..500, 1..6));
        runner
            .run(&input, |(call, first, count, voice, pieces)| {
                let stamps: Vec<Stamp> =
                    (0..count).map(|index| Stamp { call, sequence: first.wrapping_add(index) }).collect();
                let wire: Vec<u8> =
                    stream(&voices, &stamps, voice).iter().map(|code| encode(decode(*code))).collect();
                let mut reader = StampReader::new();

                prop_assert_eq!(read(&mut reader, &wire, &pieces), stamps);
                prop_assert_eq!((reader.damaged, reader.strays), (0, 0));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn only_the_frames_that_were_cut_into_are_missed() {
        let voices = voices();
        let stamps: Vec<Stamp> = (0..10).map(|sequence| Stamp { call: 3, sequence }).collect();
        let whole = stream(&voices, &stamps, Voice::Speech);
        for cut_from in (160..1_280).step_by(7) {
            for length in [1, 50, 159, 160, 200] {
                let cut = [&whole[..cut_from], &whole[cut_from + length..]].concat();
                let touched = cut_from / 160..(cut_from + length).div_ceil(160);
                let mut reader = StampReader::new();

                let found = read(&mut reader, &cut, &[33]);

                let is_whole = |stamp: &&Stamp| !touched.contains(&(stamp.sequence as usize));
                let expected: Vec<Stamp> = stamps.iter().filter(is_whole).copied().collect();
                let untouched: Vec<Stamp> = found.iter().filter(is_whole).copied().collect();
                assert_eq!(untouched, expected, "{length} bytes cut at {cut_from}");
                // A cut of one frame's length through two equal beginnings leaves one of them whole again.
                assert!(found.is_sorted_by_key(|stamp| stamp.sequence) && found.len() <= expected.len() + 1);
            }
        }
    }

    #[test]
    fn inserted_silence_is_passed_over_and_counted() {
        let voices = voices();
        let stamps = [Stamp { call: 1, sequence: 1 }, Stamp { call: 1, sequence: 2 }];
        let whole = stream(&voices, &stamps, Voice::Quiet);
        let wire = [&[0xFF; 77], &whole[..160], &[0xFF; 160], &whole[160..]].concat();
        let mut reader = StampReader::new();

        assert_eq!(read(&mut reader, &wire, &[160]), stamps);
        assert_eq!((reader.damaged, reader.strays), (0, 237));
    }

    #[test]
    fn a_single_changed_sample_is_noticed() {
        let voices = voices();
        let whole = stream(&voices, &[Stamp { call: 1, sequence: 1 }], Voice::Speech);
        for at in 4..FRAME_BYTES {
            let mut wire = whole.clone();
            wire[at] = if wire[at] == 0x10 { 0x11 } else { 0x10 };
            let mut reader = StampReader::new();

            assert_eq!(read(&mut reader, &wire, &[160]), [], "sample {at}");
            assert_eq!(reader.damaged, 1);
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(wire in proptest::collection::vec(prop_oneof![Just(0x6A_u8), Just(0xEA), any::<u8>()], 0..900)) {
            let mut reader = StampReader::new();
            reader.feed(&wire, |_| ());
            prop_assert!(reader.length < FRAME_BYTES);
        }
    }
}
