use audio::pcm::{Joiner, OddLength, be_to_pcm, le_to_pcm, pcm_to_be, pcm_to_le};
use proptest::prelude::*;

#[test]
fn half_a_sample_is_refused_and_nothing_is_added() {
    let mut samples = vec![7];

    assert_eq!(le_to_pcm(&[1, 2, 3], &mut samples), Err(OddLength { bytes: 3 }));
    assert_eq!(be_to_pcm(&[1], &mut samples), Err(OddLength { bytes: 1 }));

    assert_eq!(samples, [7]);
}

#[test]
fn byte_order_is_what_the_name_says() {
    let (mut little, mut big) = (Vec::new(), Vec::new());
    pcm_to_le(&[0x1234], &mut little);
    pcm_to_be(&[0x1234], &mut big);

    assert_eq!(little, [0x34, 0x12]);
    assert_eq!(big, [0x12, 0x34]);
}

proptest! {
    #[test]
    fn samples_survive_the_way_through_bytes(samples: Vec<i16>) {
        let (mut little, mut big) = (Vec::new(), Vec::new());
        pcm_to_le(&samples, &mut little);
        pcm_to_be(&samples, &mut big);
        let (mut from_little, mut from_big) = (Vec::new(), Vec::new());
        le_to_pcm(&little, &mut from_little).unwrap();
        be_to_pcm(&big, &mut from_big).unwrap();
        prop_assert_eq!(&from_little, &samples);
        prop_assert_eq!(&from_big, &samples);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_samples(bytes: Vec<u8>, cuts in prop::collection::vec(0usize..9, 0..60)) {
        let mut whole = Vec::new();
        le_to_pcm(&bytes[..bytes.len() / 2 * 2], &mut whole).unwrap();

        let mut joiner = Joiner::new();
        let mut joined = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            joiner.push(now, &mut joined);
            rest = later;
        }
        joiner.push(rest, &mut joined);

        prop_assert_eq!(joined, whole);
        prop_assert_eq!(joiner.is_waiting(), bytes.len() % 2 == 1);
    }
}
