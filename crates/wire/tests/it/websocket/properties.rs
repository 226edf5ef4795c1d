//! What holds for every message, every way to cut the bytes, and any garbage.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::Outbox;
use wire::websocket::{
    Masks, Role, encode, encode_binary, encode_close, encode_ping, encode_pong, encode_text, may_be_sent,
};

use super::frames::{Heard, decoder, feed, frame, hear};

const LIMIT: usize = 70_000;

/// Decides at random where bytes are cut: the sizes of the pieces, repeated for as long as there are bytes.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..4_usize, 1..300_usize, 300..100_000_usize], 1..20)
}

fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..400),
        4 => vec(any::<u8>(), 120..130),
        1 => vec(any::<u8>(), 65_530..65_540),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => ".{0,400}",
        2 => "[a-zäß€🎧]{115,130}",
        1 => (65_530..65_540_usize).prop_map(|length| "j".repeat(length)),
    ]
}

fn control() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=125)
}

fn said() -> impl Strategy<Value = Heard> {
    prop_oneof![
        4 => text().prop_map(Heard::Text),
        2 => payload().prop_map(Heard::Binary),
        1 => control().prop_map(Heard::Ping),
        1 => control().prop_map(Heard::Pong),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

/// The masks of whoever talks to `role`.
fn masks_towards(role: Role, seed: u64) -> Option<Masks> {
    (role == Role::Server).then(|| Masks::new(seed))
}

fn write(said: &[Heard], masks: &mut Option<Masks>) -> Vec<u8> {
    let mut out = Vec::new();
    for said in said {
        let mask = masks.as_mut().map(Masks::next_mask);
        match said {
            Heard::Text(text) => encode_text(mask, text.as_bytes(), &mut out),
            Heard::Binary(bytes) => encode_binary(mask, bytes, &mut out),
            Heard::Ping(bytes) => encode_ping(mask, bytes, &mut out),
            Heard::Pong(bytes) => encode_pong(mask, bytes, &mut out),
            Heard::Close(code, reason) => encode_close(mask, code.unwrap_or(1005), reason, &mut out),
        }
    }
    out
}

/// Writes a message in fragments with control frames between them, and says in which order it will be heard.
fn write_fragmented(
    message: &Heard,
    sizes: &[usize],
    between: &[Heard],
    mut masks: Option<Masks>,
) -> (Vec<u8>, Vec<Heard>) {
    let (opcode, bytes) = match message {
        Heard::Text(text) => (1, text.as_bytes()),
        Heard::Binary(bytes) => (2, &bytes[..]),
        other => panic!("{other:?} cannot be fragmented"),
    };
    let mut pieces = cut(bytes, sizes);
    pieces.push(&[]);
    let (mut out, mut heard) = (Vec::new(), Vec::new());
    let mut controls = between.iter();
    for (at, piece) in pieces.iter().enumerate() {
        let fin = if at + 1 == pieces.len() { 0x80 } else { 0 };
        let opcode = if at == 0 { opcode } else { 0 };
        let mask = masks.as_mut().map(Masks::next_mask);
        out.extend(frame(fin | opcode, piece, mask));
        if fin == 0
            && let Some(control) = controls.next()
        {
            out.extend(write(std::slice::from_ref(control), &mut masks));
            heard.push(control.clone());
        }
    }
    heard.push(message.clone());
    (out, heard)
}

proptest! {
    #[test]
    fn what_is_said_is_heard(role in role(), said in vec(said(), 0..12), sizes in cuts(), seed: u64) {
        let bytes = write(&said, &mut masks_towards(role, seed));

        let (heard, error) = hear(role, LIMIT, cut(&bytes, &sizes));

        prop_assert_eq!(error, None);
        prop_assert_eq!(heard, said);
    }

    #[test]
    fn outbox_is_heard_in_order(role in role(), said in vec(said(), 0..12), seed: u64) {
        let mut outbox = Outbox::new();
        let mut messages = Vec::new();
        for said in said {
            match &said {
                Heard::Text(text) => outbox.text_str(text),
                Heard::Binary(bytes) => outbox.binary(|out| out.extend_from_slice(bytes)),
                Heard::Ping(_) | Heard::Pong(_) | Heard::Close(..) => continue,
            }
            messages.push(said);
        }
        let mut bytes = Vec::new();

        encode(&outbox, masks_towards(role, seed).as_mut(), &mut bytes);

        prop_assert_eq!(hear(role, LIMIT, [&bytes[..]]), (messages, None));
    }

    #[test]
    fn fragments_are_joined_and_control_frames_between_them_heard(
        role in role(),
        message in prop_oneof![text().prop_map(Heard::Text), payload().prop_map(Heard::Binary)],
        fragments in cuts(),
        between in vec(prop_oneof![control().prop_map(Heard::Ping), control().prop_map(Heard::Pong)], 0..5),
        sizes in cuts(),
        seed: u64,
    ) {
        let (bytes, said) = write_fragmented(&message, &fragments, &between, masks_towards(role, seed));

        let (heard, error) = hear(role, LIMIT, cut(&bytes, &sizes));

        prop_assert_eq!(error, None);
        prop_assert_eq!(heard, said);
    }

    #[test]
    fn reading_may_be_dropped_at_any_time(
        said in vec(said(), 0..12), sizes in cuts(), asked in vec(0..4_usize, 1..20), seed: u64,
    ) {
        let bytes = write(&said, &mut masks_towards(Role::Server, seed));
        let mut decoder = decoder(Role::Server, LIMIT);
        let mut heard = Vec::new();
        for (piece, asked) in cut(&bytes, &sizes).into_iter().zip(asked.iter().cycle()) {
            let mut piece = piece.to_vec();
            let mut reading = decoder.read(&mut piece);
            for _ in 0..*asked {
                heard.extend(reading.next_event()?.map(Heard::from));
            }
        }

        feed(&mut decoder, &[], &mut heard)?;

        prop_assert_eq!(heard, said);
        prop_assert_eq!(decoder.buffered_bytes(), 0);
    }

    #[test]
    fn any_close_is_heard_as_far_as_it_may_be_sent(role in role(), code in prop_oneof![any::<u16>(), 990..1020_u16, 3000..5000_u16], reason in ".{0,80}", seed: u64) {
        let mut bytes = Vec::new();
        encode_close(masks_towards(role, seed).as_mut().map(Masks::next_mask), code, &reason, &mut bytes);

        let (heard, error) = hear(role, LIMIT, [&bytes[..]]);

        prop_assert_eq!(error, None);
        match &heard[..] {
            [Heard::Close(Some(heard), said)] => {
                prop_assert!(may_be_sent(code) && *heard == code);
                prop_assert!(reason.starts_with(said.as_str()));
                prop_assert!(said.len() == reason.len() || (120..=123).contains(&said.len()));
            }
            heard => prop_assert!(!may_be_sent(code) && heard == [Heard::Close(None, String::new())]),
        }
    }

    #[test]
    fn garbage_is_bounded_and_never_a_panic(
        role in role(), bytes in vec(any::<u8>(), 0..4000), sizes in cuts(), limit in 0..1000_usize,
    ) {
        assert_bounded(role, limit, &cut(&bytes, &sizes))?;
    }

    /// Garbage as above dies at its first bytes; this one lives longer.
    #[test]
    fn damaged_frames_are_bounded_and_never_a_panic(
        role in role(),
        said in vec(said(), 1..8),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        sizes in cuts(),
        limit in prop_oneof![0..1000_usize, Just(LIMIT)],
        seed: u64,
    ) {
        let mut bytes = write(&said, &mut masks_towards(role, seed));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }

        assert_bounded(role, limit, &cut(&bytes, &sizes))?;
        prop_assert_eq!(hear(role, limit, cut(&bytes, &sizes)), hear(role, limit, [&bytes[..]]));
    }

    #[test]
    fn flood_of_fragments_is_bounded(
        role in role(), sizes in vec(0..300_usize, 1..60), cuts in cuts(), limit in 0..5000_usize, seed: u64,
    ) {
        let mut masks = masks_towards(role, seed);
        let mut bytes = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            let first = if at == 0 { 2 } else { 0 };
            bytes.extend(frame(first, &vec![0; *size], masks.as_mut().map(Masks::next_mask)));
        }

        assert_bounded(role, limit, &cut(&bytes, &cuts))?;
        let is_too_big = sizes.iter().sum::<usize>() > limit;
        let code = hear(role, limit, [&bytes[..]]).1.map(|error| error.code);
        prop_assert_eq!(code, is_too_big.then_some(1009));
    }
}

fn assert_bounded(role: Role, limit: usize, pieces: &[&[u8]]) -> Result<(), TestCaseError> {
    let mut decoder = decoder(role, limit);
    let mut heard = Vec::new();
    for piece in pieces {
        let result = feed(&mut decoder, piece, &mut heard);
        prop_assert!(decoder.buffered_bytes() <= 2 * limit + 14 + 125, "{}", decoder.buffered_bytes());
        if let Err(error) = result {
            prop_assert!(matches!(error.code, 1002 | 1007 | 1009));
            prop_assert!(decoder.is_over());
            prop_assert_eq!(decoder.buffered_bytes(), 0);
        }
    }
    for heard in heard {
        if let Heard::Text(text) = heard {
            prop_assert!(text.len() <= limit);
        }
    }
    Ok(())
}
