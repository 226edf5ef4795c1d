//! How sound travels on a media stream, and the way between that and the caller's 8 kHz line.

use std::time::Duration;

use audio::resample::Resampler;
use audio::{Rate, g711, pcm};

use crate::sound::{TICK, TICK_SAMPLES};

/// Two hours at 16 kHz; a stream that plays longer goes on unrecorded.
const RECORDED_SAMPLES_MAX: usize = 16_000 * 7_200;

/// An encoding of samples on a media stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Mulaw,
    /// Signed 16-bit, little-endian.
    Pcm16,
}

impl Encoding {
    pub const fn sample_bytes(self) -> usize {
        match self {
            Encoding::Mulaw => 1,
            Encoding::Pcm16 => 2,
        }
    }
}

/// What one media stream carries, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sound {
    pub encoding: Encoding,
    pub rate: Rate,
}

impl Sound {
    pub const MULAW_8000: Sound = Sound { encoding: Encoding::Mulaw, rate: Rate::Hz8000 };

    /// Samples of one tick of the line.
    pub(crate) const fn tick_samples(self) -> usize {
        self.rate.samples_in(TICK) as usize
    }

    /// Bytes of one tick of the line.
    pub(crate) const fn tick_bytes(self) -> usize {
        self.tick_samples() * self.encoding.sample_bytes()
    }

    pub(crate) const fn playing_time(self, bytes: usize) -> Duration {
        self.rate.duration_of((bytes / self.encoding.sample_bytes()) as u64)
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::with_capacity(bytes.len());
        match self.encoding {
            Encoding::Mulaw => g711::ulaw_to_pcm(bytes, &mut samples),
            Encoding::Pcm16 => {
                let whole = &bytes[..bytes.len() / 2 * 2];
                // An even length cannot be refused.
                let _ = pcm::le_to_pcm(whole, &mut samples);
            }
        }
        samples
    }

    pub(crate) fn encode(self, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(samples.len() * self.encoding.sample_bytes());
        match self.encoding {
            Encoding::Mulaw => g711::pcm_to_ulaw(samples, &mut bytes),
            Encoding::Pcm16 => pcm::pcm_to_le(samples, &mut bytes),
        }
        bytes
    }
}

/// One stream's sound on its way from and to the caller.
#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) sound: Sound,
    to_ear: Resampler,
    from_mouth: Resampler,
}

impl Codec {
    pub(crate) fn new(sound: Sound) -> Codec {
        Codec {
            sound,
            to_ear: Resampler::new(sound.rate, Rate::Hz8000),
            from_mouth: Resampler::new(Rate::Hz8000, sound.rate),
        }
    }

    /// 20 ms for the caller's ear: as the stream played them, and as the line carries them.
    pub(crate) fn play(&mut self, bytes: &[u8]) -> (Vec<i16>, Vec<i16>) {
        let mut played = self.sound.decode(bytes);
        played.resize(self.sound.tick_samples(), 0);
        let mut heard = Vec::with_capacity(TICK_SAMPLES);
        self.to_ear.process(&played, &mut heard);
        (played, heard)
    }

    /// 20 ms of the caller's speech, as the stream carries them.
    pub(crate) fn take(&mut self, spoken: &[i16]) -> Vec<u8> {
        let mut samples = Vec::with_capacity(self.sound.tick_samples());
        self.from_mouth.process(spoken, &mut samples);
        self.sound.encode(&samples)
    }
}

/// What the streams of a call have played, at the rate of the first one.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    rate: Option<Rate>,
    again: Option<Resampler>,
    samples: Vec<i16>,
}

impl Recording {
    pub(crate) fn push(&mut self, rate: Rate, played: &[i16]) {
        if self.samples.len() >= RECORDED_SAMPLES_MAX {
            return;
        }
        let first = *self.rate.get_or_insert(rate);
        if rate == first {
            self.samples.extend_from_slice(played);
            return;
        }
        let again = match &mut self.again {
            Some(again) if again.from() == rate => again,
            other => other.insert(Resampler::new(rate, first)),
        };
        again.process(played, &mut self.samples);
    }

    pub(crate) fn into_frame(self) -> audio::Frame {
        audio::Frame::new(self.rate.unwrap_or(Rate::Hz8000), self.samples)
    }
}
