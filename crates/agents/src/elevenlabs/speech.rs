//! Both streams of a session: the agent's speech in, the caller's out.

use std::time::Duration;

use audio::resample::Resampler;
use audio::{Frame, Rate};
use call::{AnswerId, Oddity};
use wire::Outbox;

use super::format::Format;
use crate::base64;

/// The agent's speech, from the agent's format to the caller's rate.
#[derive(Debug)]
pub(super) struct AgentSpeech {
    format: Format,
    rate: Rate,
    /// Only where the rates differ.
    resampler: Option<Resampler>,
    /// The answer whose end is still in the resampler.
    answer: Option<AnswerId>,
}

impl AgentSpeech {
    pub(super) fn new(format: Format, rate: Rate) -> AgentSpeech {
        let resampler = (format.rate() != rate).then(|| Resampler::new(format.rate(), rate));
        AgentSpeech { format, rate, resampler, answer: None }
    }

    /// Everything in one message, if all of it is sound.
    pub(super) fn read(&mut self, base64: &str, answer: AnswerId) -> Option<Frame> {
        let (samples, is_sound) = self.decode(base64);
        is_sound.then(|| self.frame(samples, answer))
    }

    /// What can be read of a message before anything in it is broken: that much was spoken.
    pub(super) fn read_what_is_sound(&mut self, base64: &str, answer: AnswerId) -> (Frame, Option<Oddity>) {
        let (samples, is_sound) = self.decode(base64);
        (self.frame(samples, answer), (!is_sound).then_some(Oddity::BadAudio))
    }

    fn decode(&self, base64: &str) -> (Vec<i16>, bool) {
        let mut samples = Vec::with_capacity(self.format.samples_in_base64(base64.len()));
        let mut whole = true;
        let decoded =
            base64::decode_in_blocks(base64, |bytes| whole &= self.format.decode(bytes, &mut samples));
        (samples, whole && decoded.is_ok())
    }

    fn frame(&mut self, samples: Vec<i16>, answer: AnswerId) -> Frame {
        let Some(resampler) = &mut self.resampler else {
            return Frame::new(self.rate, samples);
        };
        // The last two milliseconds of one answer are no beginning for the next.
        if self.answer.replace(answer) != Some(answer) {
            resampler.reset();
        }
        let mut resampled = Vec::new();
        resampler.process(&samples, &mut resampled);
        Frame::new(self.rate, resampled)
    }
}

/// The caller's words, from the caller's rate to the agent's format, in messages of a chosen length.
///
/// The length is a matter of taste between few messages and quick hearing. It is counted in audio, never in time, and
/// nothing is left out to keep to it.
#[derive(Debug)]
pub(super) struct CallerSpeech {
    format: Format,
    resampler: Option<Resampler>,
    resampled: Vec<i16>,
    /// Already in the agent's format.
    pending: Vec<u8>,
    batch_bytes: usize,
}

/// The longest message. Only a whole backlog given at once comes near it.
const MESSAGE_MAX: Duration = Duration::from_millis(200);

/// What stands around the base64 of a message.
const BEFORE: &[u8] = br#"{"user_audio_chunk":""#;
const AFTER: &[u8] = br#""}"#;

impl CallerSpeech {
    pub(super) fn new(format: Format, rate: Rate, batch: Duration) -> CallerSpeech {
        CallerSpeech {
            format,
            resampler: (format.rate() != rate).then(|| Resampler::new(rate, format.rate())),
            resampled: Vec::new(),
            pending: Vec::new(),
            batch_bytes: bytes_in(format, batch),
        }
    }

    /// Takes more of what the caller says; writes messages as soon as there is enough for one.
    pub(super) fn write(&mut self, samples: &[i16], outbox: &mut Outbox) {
        match &mut self.resampler {
            None => self.format.encode(samples, &mut self.pending),
            Some(resampler) => {
                self.resampled.clear();
                resampler.process(samples, &mut self.resampled);
                self.format.encode(&self.resampled, &mut self.pending);
            }
        }
        if self.pending.len() >= self.batch_bytes {
            self.flush(outbox);
        }
    }

    /// Writes what is left, however little.
    pub(super) fn flush(&mut self, outbox: &mut Outbox) {
        for piece in self.pending.chunks(bytes_in(self.format, MESSAGE_MAX)) {
            outbox.text(|message| {
                message.extend_from_slice(BEFORE);
                base64::encode_onto(piece, message);
                message.extend_from_slice(AFTER);
            });
        }
        self.pending.clear();
    }
}

/// Whole samples, at least one.
fn bytes_in(format: Format, duration: Duration) -> usize {
    (format.rate().samples_in(duration) as usize).max(1) * format.sample_bytes()
}
