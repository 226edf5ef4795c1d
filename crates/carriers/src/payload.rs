//! Sound as it lies in messages: µ-law or PCM16, in base64 or bare, at the leg's rate.

use std::sync::LazyLock;

use audio::g711;
use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD_INDIFFERENT;
use call::{Encoding, Oddity, Sound};

/// Finds out once whether the machine has vector instructions for it.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD_INDIFFERENT));

/// Between messages and samples. Keeps its scratch memory, so that a frame costs no allocation beside its own.
#[derive(Debug)]
pub(crate) struct Payload {
    encoding: Encoding,
    /// The most samples taken from one message.
    samples_max: usize,
    bytes: Vec<u8>,
}

impl Payload {
    /// For a leg of this sound, taking at most `samples_max` samples at once.
    pub(crate) fn new(sound: Sound, samples_max: usize) -> Payload {
        Payload { encoding: sound.encoding, samples_max, bytes: Vec::new() }
    }

    /// The samples of a payload in base64.
    pub(crate) fn decode(&mut self, text: &str) -> Result<Vec<i16>, Oddity> {
        if text.len() > self.bytes_max().div_ceil(3) * 4 {
            return Err(Oddity::TooLarge);
        }
        let room = text.len() / 4 * 3 + 3;
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        let length = BASE64.decode_slice(text, &mut self.bytes).map_err(|_| Oddity::BadAudio)?;
        samples(self.encoding, &self.bytes[..length])
    }

    /// The samples of a bare payload.
    pub(crate) fn decode_bare(&self, bytes: &[u8]) -> Result<Vec<i16>, Oddity> {
        if bytes.len() > self.bytes_max() {
            return Err(Oddity::TooLarge);
        }
        samples(self.encoding, bytes)
    }

    /// Appends these samples in base64.
    pub(crate) fn encode(&mut self, samples: &[i16], text: &mut Vec<u8>) {
        self.bytes.clear();
        match self.encoding {
            Encoding::Mulaw => g711::pcm_to_ulaw(samples, &mut self.bytes),
            Encoding::Pcm16 => self.bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
        let length = self.bytes.len().div_ceil(3) * 4;
        let from = text.len();
        text.resize(from + length, 0);
        let written = BASE64.encode_slice(&self.bytes, &mut text[from..]);
        debug_assert_eq!(written, Ok(length), "padded base64 has four letters for every three bytes");
    }

    fn bytes_max(&self) -> usize {
        match self.encoding {
            Encoding::Mulaw => self.samples_max,
            Encoding::Pcm16 => 2 * self.samples_max,
        }
    }
}

fn samples(encoding: Encoding, bytes: &[u8]) -> Result<Vec<i16>, Oddity> {
    match encoding {
        Encoding::Mulaw => {
            let mut samples = Vec::with_capacity(bytes.len());
            g711::ulaw_to_pcm(bytes, &mut samples);
            Ok(samples)
        }
        // Half a sample shifts everything after it: noise.
        Encoding::Pcm16 if !bytes.len().is_multiple_of(2) => Err(Oddity::BadAudio),
        Encoding::Pcm16 => {
            let pairs = bytes.chunks_exact(2);
            Ok(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
        }
    }
}
