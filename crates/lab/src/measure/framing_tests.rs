use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

/// Feeds `wire` in pieces cut at `cuts` (taken modulo what is left) and collects what comes out.
fn read_in_pieces(side: Side, wire: &[u8], cuts: &[usize]) -> Result<Vec<Got>, FramingError> {
    let mut reader = Reader::new(side);
    let mut got = Vec::new();
    let mut rest = wire;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let piece = cuts.next().map_or(rest.len(), |cut| cut % rest.len() + 1);
        let (now, later) = rest.split_at(piece);
        reader.feed(&mut now.to_vec(), |message| {
            got.push(match message {
                Message::Text(body) => Got::Text(body.to_vec()),
                Message::Binary(body) => Got::Binary(body.to_vec()),
                Message::Ping(body) => Got::Ping(body.to_vec()),
                Message::Pong(body) => Got::Pong(body.to_vec()),
                Message::Close(body) => Got::Close(body.to_vec()),
            });
            Ok::<(), FramingError>(())
        })?;
        rest = later;
    }
    Ok(got)
}

/// One frame of any kind; what `push_frame` never writes (fragments) included.
fn fragment(is_final: bool, opcode: u8, key: Option<[u8; 4]>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_frame(&mut out, Opcode::Text, key, &[body]);
    out[0] = if is_final { 0x80 } else { 0 } | opcode;
    out
}

fn key_of(side: Side, key: [u8; 4]) -> Option<[u8; 4]> {
    (side == Side::Server).then_some(key)
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

/// Around the borders where the length takes another shape.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        (120_usize..130, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        (65_530_usize..65_545, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_whatever_the_cuts(
        side in sides(), key: [u8; 4], messages in proptest::collection::vec((any::<bool>(), bodies()), 1..5),
        cuts in proptest::collection::vec(0_usize..70_000, 1..8),
    ) {
        let mut wire = Vec::new();
        let mut sent = Vec::new();
        for (is_text, body) in messages {
            let (one, two) = body.split_at(body.len() / 3);
            let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
            push_frame(&mut wire, opcode, key_of(side, key), &[one, two]);
            sent.push(if is_text { Got::Text(body) } else { Got::Binary(body) });
        }

        prop_assert_eq!(read_in_pieces(side, &wire, &cuts), Ok(sent));
    }

    #[test]
    fn fragments_are_joined_and_control_frames_may_stand_between(
        side in sides(), key: [u8; 4], pieces in proptest::collection::vec(bodies(), 2..5),
        cuts in proptest::collection::vec(0_usize..300, 1..8),
    ) {
        let mut wire = Vec::new();
        let last = pieces.len() - 1;
        for (index, piece) in pieces.iter().enumerate() {
            let opcode = if index == 0 { Opcode::Text } else { Opcode::Continuation };
            wire.extend(fragment(index == last, opcode as u8, key_of(side, key), piece));
            if index == 0 {
                wire.extend(fragment(true, Opcode::Ping as u8, key_of(side, key), b"still there?"));
            }
        }

        let got = read_in_pieces(side, &wire, &cuts);
        prop_assert_eq!(got, Ok(vec![Got::Ping(b"still there?".to_vec()), Got::Text(pieces.concat())]));
    }

    #[test]
    fn garbage_never_panics_and_never_piles_up(
        side in sides(), wire in proptest::collection::vec(any::<u8>(), 0..4_000),
        cuts in proptest::collection::vec(0_usize..90, 1..8),
    ) {
        let mut reader = Reader::new(side);
        let mut rest = &wire[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(cuts.next().map_or(rest.len(), |cut| cut % rest.len() + 1));
            if reader.feed(&mut now.to_vec(), |_| Ok::<(), FramingError>(())).is_err() {
                break;
            }
            prop_assert!(reader.held.len() <= wire.len() && reader.joined.len() <= MESSAGE_BYTES_MAX);
            rest = later;
        }
    }

    #[test]
    fn masking_twice_is_doing_nothing(body in proptest::collection::vec(any::<u8>(), 0..100), key: [u8; 4]) {
        let mut masked = body.clone();
        mask(&mut masked, key);
        for (index, (plain, masked)) in body.iter().zip(&masked).enumerate() {
            prop_assert_eq!(plain ^ key[index % 4], *masked);
        }
        mask(&mut masked, key);
        prop_assert_eq!(masked, body);
    }
}

/// RFC 6455 §5.7.
#[test]
fn the_examples_of_the_specification_are_read() {
    let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let fragmented = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    let hello = Ok(vec![Got::Text(b"Hello".to_vec())]);

    assert_eq!(read_in_pieces(Side::Client, &unmasked, &[]), hello);
    assert_eq!(read_in_pieces(Side::Server, &masked, &[]), hello);
    assert_eq!(read_in_pieces(Side::Client, &fragmented, &[]), hello);
}

#[test]
fn what_the_specification_forbids_is_refused() {
    let key = Some([1, 2, 3, 4]);
    let text = Opcode::Text as u8;
    let long_ping = fragment(true, Opcode::Ping as u8, None, &[0; 126]);
    let mut endless = vec![0x82, 127];
    endless.extend_from_slice(&u64::MAX.to_be_bytes());
    let two_starts = [fragment(false, text, None, b"a"), fragment(true, text, None, b"b")].concat();

    for (wire, error) in [
        (fragment(true, 0x40 | text, None, b"x"), FramingError::ReservedBits),
        (fragment(true, 0x3, None, b"x"), FramingError::UnknownOpcode(3)),
        (fragment(true, text, key, b"x"), FramingError::WrongMasking),
        (long_ping, FramingError::BadControl),
        (fragment(false, Opcode::Close as u8, None, b""), FramingError::BadControl),
        (endless, FramingError::TooLong),
        (fragment(true, Opcode::Continuation as u8, None, b"x"), FramingError::BadFragment),
        (two_starts, FramingError::BadFragment),
    ] {
        assert_eq!(read_in_pieces(Side::Client, &wire, &[]), Err(error));
    }
    assert_eq!(
        read_in_pieces(Side::Server, &fragment(true, text, None, b"x"), &[]),
        Err(FramingError::WrongMasking)
    );
}

#[test]
fn fragments_without_end_are_cut_off_at_the_limit() {
    let piece = vec![b'a'; 60_000];
    let mut wire = fragment(false, Opcode::Text as u8, None, &piece);
    for _ in 0..=MESSAGE_BYTES_MAX / piece.len() {
        wire.extend(fragment(false, Opcode::Continuation as u8, None, &piece));
    }

    assert_eq!(read_in_pieces(Side::Client, &wire, &[50_000]), Err(FramingError::TooLong));
}

#[test]
fn a_frame_cut_in_two_leaves_no_buffer_behind() {
    let wire = fragment(true, Opcode::Text as u8, None, b"hello");
    let mut reader = Reader::new(Side::Client);

    for mut piece in [wire[..3].to_vec(), wire[3..].to_vec()] {
        reader.feed(&mut piece, |_| Ok::<(), FramingError>(())).expect("a valid frame");
    }

    assert_eq!(reader.held.capacity(), 0);
}
