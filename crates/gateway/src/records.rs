//! What stays of a call when it is over: one record each.
//!
//! Records are kept in memory for the console (the last few hundred) and appended to `calls.jsonl` in the data folder. A
//! call hands its record over and goes; a thread of its own writes, so that no call ever waits for a disk. A full or
//! missing disk is told, counted and tried again; calls go on. This is the seam for a database: whatever comes later
//! takes a [`CallRecord`] and answers [`Records::recent`] and [`Records::find`].

mod file;
mod shelf;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use call::{CallId, EndCause, Entry, Turn};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::ops::health::Health;
use crate::ops::metrics::Metrics;
use crate::switchboard::Direction;

use file::RecordFile;
use shelf::Shelf;
use writer::{Letter, Writer};

/// The name under which health speaks of the records.
pub const HEALTH_NAME: &str = "records";

/// Records that may wait for the writing thread: several minutes of the busiest gateway.
const WAITING_MAX: usize = 2_048;

/// Everything that stays of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    #[serde(default)]
    pub direction: Direction,
    pub carrier: String,
    pub bot: String,
    pub from: Option<String>,
    pub to: Option<String>,
    /// The carrier's own name for the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_call: Option<String>,
    /// What the carrier said about the call beside numbers and names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carrier_facts: BTreeMap<String, String>,
    /// The carrier's own first message, where its meaning is not settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_start: Option<String>,
    /// The agent's own name for its last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_session: Option<String>,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub end: EndCause,
    /// The call's own account of itself, as it was written.
    #[serde(default)]
    pub receipt: serde_json::Value,
    #[serde(default)]
    pub turns: Vec<Turn>,
    /// Every decision with its cause and time.
    #[serde(default)]
    pub ledger: Vec<Entry>,
}

/// Takes records and answers questions about them. Cheap to clone; the last one to go lets the writing thread finish.
#[derive(Clone, Debug)]
pub struct Records {
    letters: SyncSender<Letter>,
    shelf: Arc<Mutex<Shelf>>,
    metrics: Arc<Metrics>,
}

impl Records {
    /// Reads the end of the file that is there, and starts the writing thread. A folder that cannot be used is no reason
    /// not to start: health tells of it, and the records stay in memory until it can be.
    pub fn start(data_dir: &Path, metrics: Arc<Metrics>, health: Arc<Health>) -> io::Result<Records> {
        Records::start_with(RecordFile::new(data_dir.join("calls.jsonl")), metrics, health)
    }

    fn start_with(file: RecordFile, metrics: Arc<Metrics>, health: Arc<Health>) -> io::Result<Records> {
        health.expect(HEALTH_NAME);
        let shelf = Arc::new(Mutex::new(Shelf::filled(file.tail())));
        let (letters, inbox) = sync_channel(WAITING_MAX);
        let writer = Writer::new(file, Arc::clone(&shelf), Arc::clone(&metrics), health);
        std::thread::Builder::new().name("records".to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Records { letters, shelf, metrics })
    }

    /// Takes a record. Never waits: when the disk has not kept up for thousands of calls, the record is kept in memory
    /// alone, and counted as lost for the file.
    pub fn record(&self, record: CallRecord) {
        let record = Arc::new(record);
        match self.letters.try_send(Letter::Record(Arc::clone(&record))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.metrics.records_lost.inc();
                tracing::error!(call = %record.id, "the record of this call is not written: too many wait already");
                lock(&self.shelf).put(record, 0);
            }
        }
    }

    /// The latest records, newest first; `before` continues a list after its last record.
    pub fn recent(&self, limit: usize, before: Option<CallId>) -> Vec<Arc<CallRecord>> {
        lock(&self.shelf).recent(limit, before)
    }

    pub fn find(&self, id: CallId) -> Option<Arc<CallRecord>> {
        lock(&self.shelf).find(id)
    }

    /// The record of a call that is over, which may be on its way. Returns at once when it is there; one that does
    /// not come is waited for in vain.
    pub async fn find_soon(&self, id: CallId, within: Duration) -> Option<Arc<CallRecord>> {
        let mut shelved = lock(&self.shelf).news();
        let found = async {
            loop {
                if let Some(record) = self.find(id) {
                    return Some(record);
                }
                shelved.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, found).await.ok().flatten()
    }

    /// Waits until everything recorded so far is on the disk. False when that did not come about in time or failed.
    pub async fn flush(&self, within: Duration) -> bool {
        let (done, answer) = oneshot::channel();
        let letters = self.letters.clone();
        // The queue may be full of records; waiting for room is fine here, and only here.
        let sent = tokio::task::spawn_blocking(move || letters.send(Letter::Flush(done)).is_ok());
        let flushed = async { sent.await.unwrap_or(false) && answer.await.unwrap_or(false) };
        tokio::time::timeout(within, flushed).await.unwrap_or(false)
    }
}

fn lock(shelf: &Mutex<Shelf>) -> std::sync::MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
