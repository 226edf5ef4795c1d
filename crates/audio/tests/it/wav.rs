use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use audio::wav::{WavError, WavWriter, read, write};
use audio::{Frame, Rate, g711};
use proptest::prelude::*;

#[test]
fn every_encoding_gives_the_same_sound() {
    let samples = [0i16, 256, -256, 12_800, -12_800, 32_512, -32_768];
    let expected = Frame::new(Rate::Hz16000, samples.to_vec());
    let bytes = |each: &dyn Fn(i16) -> Vec<u8>| samples.iter().flat_map(|&s| each(s)).collect::<Vec<u8>>();

    let files = [
        (1, 8, bytes(&|s| vec![((s >> 8) + 128) as u8])),
        (1, 16, bytes(&|s| s.to_le_bytes().to_vec())),
        (1, 24, bytes(&|s| ((s as i32) << 8).to_le_bytes()[..3].to_vec())),
        (1, 32, bytes(&|s| ((s as i32) << 16).to_le_bytes().to_vec())),
        (3, 32, bytes(&|s| (s as f32 / 32_768.0).to_le_bytes().to_vec())),
        (3, 64, bytes(&|s| (s as f64 / 32_768.0).to_le_bytes().to_vec())),
    ];
    for (tag, bits, data) in files {
        assert_eq!(read(&file(tag, 1, 16_000, bits, &data)), Ok(expected.clone()), "{tag} {bits}");
        assert_eq!(
            read(&extensible(tag, 16_000, bits, &data)),
            Ok(expected.clone()),
            "extensible {tag} {bits}"
        );
    }

    let codes: Vec<u8> = (0..=255).collect();
    let (mut ulaw, mut alaw) = (Vec::new(), Vec::new());
    g711::ulaw_to_pcm(&codes, &mut ulaw);
    g711::alaw_to_pcm(&codes, &mut alaw);
    assert_eq!(read(&file(7, 1, 8_000, 8, &codes)).unwrap().samples, ulaw);
    assert_eq!(read(&file(6, 1, 8_000, 8, &codes)).unwrap().samples, alaw);
}

#[test]
fn floats_beyond_full_scale_are_limited_and_nonsense_is_silence() {
    let data: Vec<u8> =
        [2.0f32, -2.0, f32::NAN, f32::INFINITY].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(read(&file(3, 1, 8_000, 32, &data)).unwrap().samples, [i16::MAX, i16::MIN, 0, i16::MAX]);
}

#[test]
fn channels_are_mixed_to_one() {
    let data: Vec<u8> = [100i16, 300, -100, -300, 7].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(read(&file(1, 2, 8_000, 16, &data)).unwrap().samples, [200, -200]);
}

#[test]
fn other_chunks_are_stepped_over_also_odd_ones() {
    let plain = file(1, 1, 8_000, 16, &[1, 0, 2, 0]);
    let mut with_note = plain[..36].to_vec();
    with_note.extend_from_slice(b"LIST\x03\0\0\0abc\0");
    with_note.extend_from_slice(&plain[36..]);
    assert_eq!(read(&with_note).unwrap().samples, [1, 2]);
}

#[test]
fn refusals_name_what_is_wrong() {
    assert_eq!(read(b""), Err(WavError::NotWav));
    assert_eq!(read(b"ID3\x04 some music that is not one"), Err(WavError::NotWav));
    assert_eq!(read(b"RIFF\0\0\0\0WAVE"), Err(WavError::Truncated));
    assert_eq!(read(&file(1, 1, 11_025, 16, &[])), Err(WavError::UnsupportedRate(11_025)));
    assert_eq!(read(&file(1, 0, 8_000, 16, &[])), Err(WavError::UnsupportedChannels(0)));
    assert_eq!(read(&file(1, 9, 8_000, 16, &[])), Err(WavError::UnsupportedChannels(9)));
    assert_eq!(read(&file(2, 1, 8_000, 4, &[])), Err(WavError::UnsupportedEncoding { tag: 2, bits: 4 }));
    assert_eq!(read(b"RIFF\0\0\0\0WAVEdata\x02\0\0\0\0\0"), Err(WavError::NoFormat));

    let message = WavError::UnsupportedRate(11_025).to_string();
    assert!(message.contains("11025 Hz") && message.contains("8000, 16000"), "{message}");
}

#[test]
fn a_file_cut_short_gives_what_is_there() {
    let whole = write(&Frame::new(Rate::Hz8000, vec![5; 100]));
    assert_eq!(read(&whole[..44 + 21]).unwrap().samples, vec![5; 10]);
    assert_eq!(read(&whole[..30]), Err(WavError::Truncated));
}

#[test]
fn a_recording_is_complete_after_finish_and_readable_before() {
    let store = Store::default();
    let mut writer = WavWriter::new(Box::new(store.clone()), Rate::Hz8000).unwrap();
    assert_eq!(read(&store.bytes()).unwrap().samples, []);

    writer.write(&[1, 2, 3]).unwrap();
    assert_eq!(read(&store.bytes()).unwrap().samples, [1, 2, 3], "writer killed here");
    writer.checkpoint().unwrap();
    let long: Vec<i16> = (0..5_000).collect();
    writer.write(&long).unwrap();
    assert_eq!(writer.samples(), 5_003);
    writer.finish().unwrap();

    let expected = Frame::new(Rate::Hz8000, [1, 2, 3].into_iter().chain(long).collect());
    assert_eq!(store.bytes(), write(&expected));
}

#[test]
fn two_channels_are_written_side_by_side() {
    let store = Store::default();
    let mut writer = WavWriter::with_channels(Box::new(store.clone()), Rate::Hz16000, 2).unwrap();
    writer.write(&[100, 300, -100, -300]).unwrap();
    writer.finish().unwrap();

    let bytes = store.bytes();
    assert_eq!(read(&bytes).unwrap(), Frame::new(Rate::Hz16000, vec![200, -200]));
    assert_eq!(bytes[28..34], [0x00, 0xFA, 0, 0, 4, 0], "64,000 bytes per second, 4 per moment");
    assert!(WavWriter::with_channels(Box::new(store), Rate::Hz8000, 0).is_err());
}

#[test]
fn a_recording_may_start_within_a_longer_file() {
    let mut cursor = Cursor::new(b"before".to_vec());
    cursor.seek(SeekFrom::End(0)).unwrap();
    let store = Store(Arc::new(Mutex::new(cursor)));
    let mut writer = WavWriter::new(Box::new(store.clone()), Rate::Hz8000).unwrap();
    writer.write(&[1, 2]).unwrap();
    writer.finish().unwrap();

    let bytes = store.bytes();
    assert_eq!(&bytes[..6], b"before");
    assert_eq!(bytes[6..], write(&Frame::new(Rate::Hz8000, vec![1, 2])));
}

proptest! {
    #[test]
    fn frames_survive_the_way_through_a_file(samples: Vec<i16>, rate in prop::sample::select(&Rate::ALL[..])) {
        let frame = Frame::new(rate, samples);
        prop_assert_eq!(read(&write(&frame)), Ok(frame));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic_or_allocate_without_reason(
        tag in prop::sample::select(&[1u16, 3, 6, 7, 0xFFFE][..]),
        bits in prop::sample::select(&[8u16, 16, 24, 32, 64][..]),
        channels in 0u16..12,
        data in prop::collection::vec(any::<u8>(), 0..300),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: prop::sample::Index,
    ) {
        let mut bytes = if tag == 0xFFFE {
            extensible(1, 8_000, bits, &data)
        } else {
            file(tag, channels, 8_000, bits, &data)
        };
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(frame) = read(&bytes) {
            prop_assert!(frame.samples.len() <= bytes.len());
        }
    }
}

fn file(tag: u16, channels: u16, hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut format = Vec::new();
    let moment = channels.wrapping_mul(bits / 8);
    format.extend_from_slice(&tag.to_le_bytes());
    format.extend_from_slice(&channels.to_le_bytes());
    format.extend_from_slice(&hz.to_le_bytes());
    format.extend_from_slice(&(hz * moment as u32).to_le_bytes());
    format.extend_from_slice(&moment.to_le_bytes());
    format.extend_from_slice(&bits.to_le_bytes());
    riff(&format, data)
}

fn extensible(tag: u16, hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut format = file(0xFFFE, 1, hz, bits, &[])[20..36].to_vec();
    format.extend_from_slice(&22u16.to_le_bytes());
    format.extend_from_slice(&bits.to_le_bytes());
    format.extend_from_slice(&4u32.to_le_bytes());
    format.extend_from_slice(&tag.to_le_bytes());
    format.extend_from_slice(b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71");
    riff(&format, data)
}

fn riff(format: &[u8], data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&((20 + format.len() + data.len()) as u32).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&(format.len() as u32).to_le_bytes());
    file.extend_from_slice(format);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file
}

/// A file in memory that can be looked at while it is written.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Store {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().get_ref().clone()
    }
}

impl Write for Store {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Store {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.lock().unwrap().seek(to)
    }
}
