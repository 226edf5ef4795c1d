//! Messages waiting to be written, one after the other in one buffer.
//!
//! A leg writes many small messages a second for hours. One buffer that is filled and emptied again costs no
//! allocation once it has grown to its usual size.

/// Some messages of the usual size. There are two outboxes for every live call.
const KEPT_BYTES: usize = 2 * 1024;

/// Messages to be written to one peer, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<(Kind, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Appends one text message; `write` must append valid UTF-8 and nothing else.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((Kind::Text, self.bytes.len()));
    }

    /// Appends one text message.
    pub fn text_str(&mut self, message: &str) {
        self.text(|bytes| bytes.extend_from_slice(message.as_bytes()));
    }

    /// Appends one binary message.
    pub fn binary(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((Kind::Binary, self.bytes.len()));
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The messages in order.
    pub fn messages(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        starts.zip(&self.ends).map(|(start, &(kind, end))| (kind, &self.bytes[start..end]))
    }

    /// The messages as text, for tests and traces; binary ones are left out.
    pub fn texts(&self) -> Vec<String> {
        self.messages()
            .filter(|(kind, _)| *kind == Kind::Text)
            .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }

    /// Forgets all messages and keeps the memory, unless a burst has made it grow far beyond its usual size.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
            self.ends = Vec::new();
        }
    }
}
