//! A file that is set aside when it has grown, and begun anew.
//!
//! Every write is one whole line or batch of lines and is never split between two files. A disk that is full or a folder
//! that is gone is an error of that write alone: the next one tries again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The mode of new files that others may read, as far as the umask lets them.
const READABLE: u32 = 0o666;

#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    bytes_max: u64,
    keep: u32,
    file: Option<File>,
    bytes: u64,
}

impl Rotating {
    /// Opens the file, with its folder, to append to it. Beyond `bytes_max` it becomes `path.1`, what was `path.1`
    /// becomes `path.2`, and so on; `keep` of them stay.
    pub fn open(path: impl Into<PathBuf>, bytes_max: u64, keep: u32) -> io::Result<Rotating> {
        let mut rotating = Rotating { path: path.into(), bytes_max, keep, file: None, bytes: 0 };
        rotating.opened()?;
        Ok(rotating)
    }

    fn opened(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let (file, bytes) = open_to_append(&self.path, READABLE)?;
            self.bytes = bytes;
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("no file"))
    }

    fn rotate(&mut self) {
        self.file = None;
        for number in (1..self.keep).rev() {
            // A missing one in between is no loss.
            let _ = fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1));
        }
        if self.keep == 0 {
            let _ = fs::remove_file(&self.path);
        } else {
            let _ = fs::rename(&self.path, numbered(&self.path, 1));
        }
    }
}

impl Write for Rotating {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.write_all(lines).map(|()| lines.len())
    }

    fn write_all(&mut self, lines: &[u8]) -> io::Result<()> {
        self.opened()?;
        if self.bytes > 0 && self.bytes.saturating_add(lines.len() as u64) > self.bytes_max {
            self.rotate();
        }
        let written = self.opened()?.write_all(lines);
        match written {
            Ok(()) => self.bytes = self.bytes.saturating_add(lines.len() as u64),
            // Whatever happened to the file, the next line finds out anew.
            Err(_) => self.file = None,
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

/// Opens a file to append to it, with its folder, and says how long it is. One that is made gets this mode.
pub(crate) fn open_to_append(path: &Path, mode: u32) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
    {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(mode).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_files_step_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("log");
        let mut file = Rotating::open(&path, 10, 2).unwrap();

        for line in ["one....\n", "two....\n", "three..\n", "four...\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }

        let read = |name: &str| fs::read_to_string(folder.path().join("deep").join(name)).ok();
        assert_eq!(read("log").as_deref(), Some("four...\n"));
        assert_eq!(read("log.1").as_deref(), Some("three..\n"));
        assert_eq!(read("log.2").as_deref(), Some("two....\n"));
        assert_eq!(read("log.3"), None);
    }

    #[test]
    fn a_file_from_before_is_gone_on_with_and_its_size_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "before\n").unwrap();

        let mut file = Rotating::open(&path, 20, 1).unwrap();
        file.write_all(b"short\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\nshort\n");
        file.write_all(b"too long for it\n").unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "too long for it\n");
    }

    #[test]
    fn a_line_longer_than_the_limit_gets_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = Rotating::open(&path, 4, 3).unwrap();

        file.write_all(b"a long line\n").unwrap();
        file.write_all(b"b\n").unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "b\n");
    }

    #[test]
    fn an_unusable_folder_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let blocker = folder.path().join("file");
        fs::write(&blocker, "").unwrap();

        assert!(Rotating::open(blocker.join("log"), 10, 1).is_err());
    }
}
