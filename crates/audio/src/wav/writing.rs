//! One frame, or a recording as it grows, to a file.

use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};

use super::{HEADER_BYTES, UNKNOWN_LENGTH};
use crate::{Frame, Rate, pcm};

/// Samples are turned into bytes in runs of at most this many, so that one long write needs no second copy of it.
const RUN: usize = 2048;

/// Somewhere a recording can go: a file, or bytes in memory.
pub trait Destination: Write + Seek {}

impl<T: Write + Seek> Destination for T {}

/// A whole mono PCM16 WAV file.
pub fn write(frame: &Frame) -> Vec<u8> {
    let data_bytes = frame.samples.len() * 2;
    let mut file = Vec::with_capacity(HEADER_BYTES + data_bytes);
    // 4 GiB of samples is a day and a half of speech; a longer one is marked "length unknown" and still reads.
    let claimed = u32::try_from(data_bytes).ok().filter(|&bytes| bytes <= DATA_BYTES_MAX);
    file.extend_from_slice(&header(frame.rate, 1, claimed));
    pcm::pcm_to_le(&frame.samples, &mut file);
    file
}

/// The most `data` that the 32-bit size of the whole file leaves room for.
const DATA_BYTES_MAX: u32 = u32::MAX - HEADER_BYTES as u32 - 1;

/// Writes a PCM16 recording piece by piece.
///
/// The header goes out first and says that the length is unknown; [`WavWriter::checkpoint`] and [`WavWriter::finish`]
/// put the truth in. Buffering is the destination's affair: give it a `BufWriter` around a file.
pub struct WavWriter {
    out: Box<dyn Destination + Send>,
    rate: Rate,
    channels: u16,
    data_bytes: u32,
    /// Kept for its capacity only.
    bytes: Vec<u8>,
}

impl WavWriter {
    /// Starts a mono recording.
    pub fn new(out: Box<dyn Destination + Send>, rate: Rate) -> io::Result<WavWriter> {
        WavWriter::with_channels(out, rate, 1)
    }

    /// Starts a recording of several channels, whose samples are written interleaved.
    pub fn with_channels(
        mut out: Box<dyn Destination + Send>,
        rate: Rate,
        channels: u16,
    ) -> io::Result<WavWriter> {
        if channels == 0 || channels > super::CHANNELS_MAX {
            let why = format!("a recording of {channels} channels is not supported");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        out.write_all(&header(rate, channels, None))?;
        Ok(WavWriter { out, rate, channels, data_bytes: 0, bytes: Vec::new() })
    }

    /// Adds samples. Fails with [`io::ErrorKind::FileTooLarge`] once a WAV file's 4 GiB would be exceeded.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        for run in samples.chunks(RUN) {
            let data_bytes = self.data_bytes + (run.len() * 2) as u32;
            if data_bytes > DATA_BYTES_MAX - (RUN * 2) as u32 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.bytes.clear();
            pcm::pcm_to_le(run, &mut self.bytes);
            self.out.write_all(&self.bytes)?;
            self.data_bytes = data_bytes;
        }
        Ok(())
    }

    /// How many samples were written, all channels together.
    pub fn samples(&self) -> u64 {
        self.data_bytes as u64 / 2
    }

    /// Puts the length so far into the header and goes on. Afterwards the file is complete as it stands.
    pub fn checkpoint(&mut self) -> io::Result<()> {
        let end = self.out.stream_position()?;
        let start = end.checked_sub(HEADER_BYTES as u64 + self.data_bytes as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the recording was moved while being written")
        })?;
        self.out.seek(SeekFrom::Start(start))?;
        self.out.write_all(&header(self.rate, self.channels, Some(self.data_bytes)))?;
        self.out.seek(SeekFrom::Start(end))?;
        self.out.flush()
    }

    /// Completes the header and gives the destination back.
    pub fn finish(mut self) -> io::Result<Box<dyn Destination + Send>> {
        self.checkpoint()?;
        Ok(self.out)
    }
}

impl fmt::Debug for WavWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavWriter")
            .field("rate", &self.rate)
            .field("channels", &self.channels)
            .field("data_bytes", &self.data_bytes)
            .finish_non_exhaustive()
    }
}

fn header(rate: Rate, channels: u16, data_bytes: Option<u32>) -> [u8; HEADER_BYTES] {
    let frame_bytes = channels * 2;
    let riff_bytes = data_bytes.map_or(UNKNOWN_LENGTH, |bytes| bytes + HEADER_BYTES as u32 - 8);
    let mut header = [0; HEADER_BYTES];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        header[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    put(b"RIFF");
    put(&riff_bytes.to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&channels.to_le_bytes());
    put(&rate.hz().to_le_bytes());
    put(&(rate.hz() * frame_bytes as u32).to_le_bytes());
    put(&frame_bytes.to_le_bytes());
    put(&16u16.to_le_bytes());
    put(b"data");
    put(&data_bytes.unwrap_or(UNKNOWN_LENGTH).to_le_bytes());
    header
}
