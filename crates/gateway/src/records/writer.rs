//! The thread that writes records.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{error, info};

use super::file::RecordFile;
use super::shelf::Shelf;
use super::{CallRecord, HEALTH_NAME, lock};
use crate::ops::health::Health;
use crate::ops::metrics::Metrics;

/// How long a failed write waits for its next try.
const RETRY: Duration = Duration::from_secs(1);

/// An error that stays is told this often.
const TELL: Duration = Duration::from_secs(60);

/// Lines that wait for a disk to come back. Beyond it the oldest are given up.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Records written in one go, so that one slow disk operation serves many.
const BATCH_MAX: usize = 256;

#[derive(Debug)]
pub(super) enum Letter {
    Record(Arc<CallRecord>),
    Flush(oneshot::Sender<bool>),
}

#[derive(Debug)]
pub(super) struct Writer {
    file: RecordFile,
    shelf: Arc<Mutex<Shelf>>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// Whole lines, oldest first.
    unwritten: VecDeque<Vec<u8>>,
    unwritten_bytes: usize,
    failing: bool,
    told: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        file: RecordFile,
        shelf: Arc<Mutex<Shelf>>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Writer {
        Writer {
            file,
            shelf,
            metrics,
            health,
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            failing: false,
            told: None,
        }
    }

    /// Until everybody who could record is gone; then writes what is left.
    pub(super) fn run(mut self, inbox: &Receiver<Letter>) {
        loop {
            let first = match self.unwritten.is_empty() {
                true => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => inbox.recv_timeout(RETRY),
            };
            let mut flushes = Vec::new();
            match first {
                Ok(letter) => {
                    self.take(letter, &mut flushes);
                    for letter in inbox.try_iter().take(BATCH_MAX) {
                        self.take(letter, &mut flushes);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    return;
                }
            }
            let written = self.write();
            for flush in flushes {
                // Whoever asked may have stopped waiting.
                let _ = flush.send(written);
            }
        }
    }

    fn take(&mut self, letter: Letter, flushes: &mut Vec<oneshot::Sender<bool>>) {
        let record = match letter {
            Letter::Record(record) => record,
            Letter::Flush(flush) => return flushes.push(flush),
        };
        let mut line = match serde_json::to_vec(record.as_ref()) {
            Ok(line) => line,
            Err(error) => {
                self.metrics.records_lost.inc();
                error!(call = %record.id, "the record of this call cannot be written: {error}");
                lock(&self.shelf).put(record, 0);
                return;
            }
        };
        line.push(b'\n');
        lock(&self.shelf).put(record, line.len());
        self.unwritten_bytes += line.len();
        self.unwritten.push_back(line);
        while self.unwritten_bytes > UNWRITTEN_BYTES_MAX {
            let Some(oldest) = self.unwritten.pop_front() else { break };
            self.unwritten_bytes -= oldest.len();
            self.metrics.records_lost.inc();
        }
    }

    /// Whether nothing is left to write.
    fn write(&mut self) -> bool {
        while !self.unwritten.is_empty() {
            let batch: Vec<u8> = self.unwritten.iter().take(BATCH_MAX).flatten().copied().collect();
            if let Err(failure) = self.file.append(&batch) {
                self.failed(&failure.to_string());
                return false;
            }
            for line in self.unwritten.drain(..BATCH_MAX.min(self.unwritten.len())) {
                self.unwritten_bytes -= line.len();
                self.metrics.records_written.inc();
            }
            self.health.note_ok(HEALTH_NAME);
            if std::mem::take(&mut self.failing) {
                self.told = None;
                info!("call records are written again");
            }
        }
        true
    }

    fn failed(&mut self, words: &str) {
        self.failing = true;
        self.metrics.record_write_errors.inc();
        self.health.note_failure(HEALTH_NAME, words);
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            let waiting = self.unwritten.len();
            error!(
                waiting,
                "call records cannot be written ({words}); {waiting} wait in memory and are tried again"
            );
        }
    }
}
