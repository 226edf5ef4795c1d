//! The records in memory: the last few hundred, and never more than so many bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use call::CallId;
use tokio::sync::watch;

use super::CallRecord;

/// What a console shows and a person scrolls.
pub(super) const RECORDS_MAX: usize = 500;

/// Long calls have long ledgers: the bytes are bounded too, by their written length.
pub(super) const BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Oldest first, each with its written length.
    records: VecDeque<(Arc<CallRecord>, usize)>,
    bytes: usize,
    /// Tells of every record that is put here.
    news: watch::Sender<()>,
}

impl Shelf {
    pub(super) fn filled(records: Vec<(CallRecord, usize)>) -> Shelf {
        let mut shelf = Shelf::default();
        for (record, bytes) in records {
            shelf.put(Arc::new(record), bytes);
        }
        shelf
    }

    pub(super) fn put(&mut self, record: Arc<CallRecord>, bytes: usize) {
        self.records.push_back((record, bytes));
        self.news.send_replace(());
        self.bytes += bytes;
        // The newest stays even when it alone is too large.
        while self.records.len() > RECORDS_MAX || (self.bytes > BYTES_MAX && self.records.len() > 1) {
            if let Some((_, bytes)) = self.records.pop_front() {
                self.bytes -= bytes;
            }
        }
    }

    pub(super) fn recent(&self, limit: usize, before: Option<CallId>) -> Vec<Arc<CallRecord>> {
        let end = match before {
            Some(id) => self.place(id).unwrap_or(0),
            None => self.records.len(),
        };
        self.records.range(..end).rev().take(limit).map(|(record, _)| Arc::clone(record)).collect()
    }

    pub(super) fn find(&self, id: CallId) -> Option<Arc<CallRecord>> {
        let place = self.place(id)?;
        self.records.get(place).map(|(record, _)| Arc::clone(record))
    }

    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn place(&self, id: CallId) -> Option<usize> {
        self.records.iter().rposition(|(record, _)| record.id == id)
    }
}
