//! `calls.jsonl`: a record per line, whole lines only.
//!
//! A write that fails half way is cut off again before the next one, and a line that a crash tore is closed when the file
//! is opened: a torn line costs itself and never its neighbour. A file that has grown is set aside under its time and
//! never deleted.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use jiff::Timestamp;

use super::CallRecord;
use super::shelf::{BYTES_MAX, RECORDS_MAX};
use crate::ops::rotating::open_to_append;

/// Large enough for a day of a busy gateway, small enough for a text editor.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Numbers and what was said concern nobody but the owner.
const PRIVATE: u32 = 0o600;

#[derive(Debug)]
pub(super) struct RecordFile {
    path: PathBuf,
    bytes_max: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Up to here the file holds whole lines.
    whole: u64,
}

impl RecordFile {
    pub(super) fn new(path: PathBuf) -> RecordFile {
        RecordFile { path, bytes_max: FILE_BYTES_MAX, open: None }
    }

    #[cfg(test)]
    pub(super) fn with_limit(path: PathBuf, bytes_max: u64) -> RecordFile {
        RecordFile { path, bytes_max, open: None }
    }

    /// The last records of the file, oldest first, with their lengths. What cannot be read is skipped.
    pub(super) fn tail(&self) -> Vec<(CallRecord, usize)> {
        let Ok(text) = self.read_tail() else { return Vec::new() };
        let mut records: Vec<(CallRecord, usize)> = text
            .split(|&byte| byte == b'\n')
            .rev()
            .filter_map(|line| Some((serde_json::from_slice(line).ok()?, line.len())))
            .take(RECORDS_MAX)
            .collect();
        records.reverse();
        records
    }

    fn read_tail(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // Starting in the middle of a line is fine: what is left of it is no record.
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES_MAX as u64)))?;
        let mut text = Vec::new();
        file.take(BYTES_MAX as u64).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Appends lines and brings them to the disk. On an error none of them counts as written.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.try_append(lines);
        if written.is_err() {
            self.cut();
        }
        written
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        let grown = self.open.as_ref().map_or(0, |open| open.whole) + lines.len() as u64;
        if grown > self.bytes_max && self.open.as_ref().is_some_and(|open| open.whole > 0) {
            self.set_aside()?;
        }
        let open = self.opened()?;
        open.file.write_all(lines)?;
        open.file.sync_data()?;
        open.whole += lines.len() as u64;
        Ok(())
    }

    /// Takes away what a failed write left, and starts over with the next one.
    fn cut(&mut self) {
        if let Some(open) = self.open.take() {
            // Where even that fails, opening closes the torn line.
            let _ = open.file.set_len(open.whole);
        }
    }

    fn opened(&mut self) -> io::Result<&mut Open> {
        if self.open.is_none() {
            let (mut file, mut whole) = open_to_append(&self.path, PRIVATE)?;
            if whole > 0 && !self.ends_a_line()? {
                file.write_all(b"\n")?;
                whole += 1;
            }
            self.open = Some(Open { file, whole });
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("no file"))
    }

    fn ends_a_line(&self) -> io::Result<bool> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last == *b"\n")
    }

    fn set_aside(&mut self) -> io::Result<()> {
        self.open = None;
        let stem = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let now = Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        // Two in one second get a number each.
        let names = (0..1_000).map(|again| match again {
            0 => format!("{stem}-{now}.jsonl"),
            again => format!("{stem}-{now}-{again}.jsonl"),
        });
        let mut free = names.map(|name| self.path.with_file_name(name)).filter(|path| !path.exists());
        let aside = free.next().ok_or_else(|| io::Error::other("no name left for the old file"))?;
        fs::rename(&self.path, aside)
    }
}
