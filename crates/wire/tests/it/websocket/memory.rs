//! What a decoder keeps, and when it gives it back.

use wire::Incoming;
use wire::websocket::{Decoder, Event, Role};

use super::frames::{Heard, decoder, feed, masked};

const LIMIT: usize = 10_000;

#[test]
fn idle_connection_is_a_few_words() {
    assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
}

#[test]
fn whole_messages_are_lent_from_the_bytes_they_came_in() {
    let mut decoder = decoder(Role::Server, LIMIT);
    let mut bytes = [masked(0x81, b"one"), masked(0x82, b"two"), masked(0x89, b"three")].concat();
    let range = bytes.as_ptr_range();
    let mut reading = decoder.read(&mut bytes);

    let mut seen = 0;
    while let Some(event) = reading.next_event().unwrap() {
        let payload = match event {
            Event::Message(Incoming::Text(text)) => text.as_bytes(),
            Event::Message(Incoming::Binary(bytes)) | Event::Ping(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        assert!(range.contains(&payload.as_ptr()));
        seen += 1;
    }

    assert_eq!(seen, 3);
    drop(reading);
    assert_eq!(decoder.buffered_bytes(), 0);
}

#[test]
fn half_a_frame_takes_no_more_memory_than_the_whole_until_it_is_whole() {
    for size in [1, 7, 100, 200, 379] {
        let mut decoder = decoder(Role::Server, LIMIT);
        let mut heard = Vec::new();
        let bytes = masked(0x81, &[b'x'; 372]);
        assert_eq!(bytes.len(), 380);
        let mut so_far = 0;

        for piece in bytes[..379].chunks(size) {
            feed(&mut decoder, piece, &mut heard).unwrap();
            so_far += piece.len();
            assert!((so_far..=380).contains(&decoder.buffered_bytes()), "{}", decoder.buffered_bytes());
        }
        assert_eq!(heard, []);

        feed(&mut decoder, &bytes[379..], &mut heard).unwrap();
        assert_eq!(decoder.buffered_bytes(), 0);
        assert_eq!(heard, [Heard::Text("x".repeat(372))]);
    }
}

#[test]
fn fragments_never_take_more_memory_than_the_limit() {
    let mut decoder = decoder(Role::Server, LIMIT);

    feed(&mut decoder, &masked(0x02, &[0; 6000]), &mut Vec::new()).unwrap();
    feed(&mut decoder, &masked(0x00, &[0; 3000]), &mut Vec::new()).unwrap();

    assert_eq!(decoder.buffered_bytes(), LIMIT);
}

#[test]
fn fragments_take_memory_until_their_message_is_whole() {
    let mut decoder = decoder(Role::Server, LIMIT);
    let mut heard = Vec::new();

    feed(&mut decoder, &masked(0x01, &[b'x'; 300]), &mut heard).unwrap();
    assert!((300..=LIMIT).contains(&decoder.buffered_bytes()));

    feed(&mut decoder, &masked(0x80, &[b'y'; 300]), &mut heard).unwrap();
    assert_eq!(decoder.buffered_bytes(), 0);
    assert_eq!(heard, [Heard::Text("x".repeat(300) + &"y".repeat(300))]);
}

#[test]
fn announced_length_takes_no_memory_by_itself() {
    let mut decoder = decoder(Role::Server, 1 << 30);
    let mut header = vec![0x82, 0xFF];
    header.extend((1_u64 << 29).to_be_bytes());
    header.extend([0; 4]);

    feed(&mut decoder, &header, &mut Vec::new()).unwrap();

    assert!(decoder.buffered_bytes() <= 128, "{}", decoder.buffered_bytes());
}

#[test]
fn connection_that_fails_halfway_gives_everything_back() {
    for end in [masked(0x81, b"a new message"), masked(0x88, b"")] {
        let mut decoder = decoder(Role::Server, LIMIT);
        let mut heard = Vec::new();
        feed(&mut decoder, &masked(0x01, &[b'x'; 300]), &mut heard).unwrap();
        feed(&mut decoder, &end[..3], &mut heard).unwrap();

        let _ = feed(&mut decoder, &end[3..], &mut heard);

        assert!(decoder.is_over());
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}

#[test]
fn reading_that_is_dropped_early_loses_nothing() {
    let all = [masked(0x81, b"one"), masked(0x81, b"two"), masked(0x81, b"three")].concat();
    let cut = all.len() - 3;
    let mut decoder = decoder(Role::Server, LIMIT);
    let mut heard: Vec<Heard> = Vec::new();

    for piece in [&all[..cut], &all[cut..], &masked(0x81, b"four"), &[], &[], &[]] {
        let mut bytes = piece.to_vec();
        heard.extend(decoder.read(&mut bytes).next_event().unwrap().map(Heard::from));
    }

    assert_eq!(heard, ["one", "two", "three", "four"].map(|text| Heard::Text(text.to_owned())));
    assert_eq!(decoder.buffered_bytes(), 0);
}

#[test]
fn reading_that_is_never_asked_loses_nothing() {
    let bytes = masked(0x81, b"patience");
    let mut decoder = decoder(Role::Server, LIMIT);
    for piece in bytes.chunks(3) {
        drop(decoder.read(&mut piece.to_vec()));
    }
    let mut heard = Vec::new();

    feed(&mut decoder, &[], &mut heard).unwrap();

    assert_eq!(heard, [Heard::Text("patience".to_owned())]);
}

#[test]
fn reader_that_always_lags_behind_does_not_pile_up_what_it_has_heard() {
    let one = masked(0x81, &[b'x'; 372]);
    let mut decoder = decoder(Role::Server, LIMIT);
    drop(decoder.read(&mut one.clone()));
    drop(decoder.read(&mut one.clone()));

    for _ in 0..100 {
        assert!(decoder.read(&mut one.clone()).next_event().unwrap().is_some());
        assert!(decoder.buffered_bytes() <= 8 * one.len(), "{}", decoder.buffered_bytes());
    }
}
