//! Pieces of the size somebody asked for.
//!
//! Carriers send 20 ms, agents send whatever they like, and each wants its own size in return. Samples go in as they
//! come; whole pieces come out.

/// Cuts a stream of samples into pieces of one size.
///
/// Holds what was pushed and not yet taken, so take until [`Framer::pop`] says `None` after each push.
#[derive(Clone, Debug)]
pub struct Framer {
    piece: usize,
    held: Vec<i16>,
    /// Samples at the front of `held` that were already given out. They leave at the next push, so that a piece can
    /// be lent without copying.
    taken: usize,
}

impl Framer {
    /// Pieces of `piece_samples` samples; at least one.
    pub fn new(piece_samples: usize) -> Framer {
        Framer { piece: piece_samples.max(1), held: Vec::new(), taken: 0 }
    }

    /// How many samples a piece has.
    pub fn piece_samples(&self) -> usize {
        self.piece
    }

    /// How many samples were pushed and not yet given out.
    pub fn held(&self) -> usize {
        self.held.len() - self.taken
    }

    /// Takes more samples of the stream.
    pub fn push(&mut self, samples: &[i16]) {
        if self.taken > 0 {
            self.held.drain(..self.taken);
            self.taken = 0;
        }
        self.held.extend_from_slice(samples);
    }

    /// Lends the next whole piece, or `None` when less than one is held.
    pub fn pop(&mut self) -> Option<&[i16]> {
        let end = self.taken + self.piece;
        let piece = self.held.get(self.taken..end)?;
        self.taken = end;
        Some(piece)
    }

    /// The rest that makes no whole piece, as it is; `None` when there is none. Call it after the last [`Framer::pop`].
    pub fn flush(&mut self) -> Option<Vec<i16>> {
        let rest = self.held.split_off(self.taken);
        self.clear();
        (!rest.is_empty()).then_some(rest)
    }

    /// The rest, filled up to whole pieces with silence; `None` when there is none.
    pub fn flush_padded(&mut self) -> Option<Vec<i16>> {
        let mut rest = self.flush()?;
        rest.resize(rest.len().next_multiple_of(self.piece), 0);
        Some(rest)
    }

    /// Forgets everything that is held.
    pub fn clear(&mut self) {
        self.held.clear();
        self.taken = 0;
    }
}
