//! Frames written by hand, byte by byte as RFC 6455 §5.2 draws them, and what a decoder makes of them.

use wire::Incoming;
use wire::websocket::{Decoder, Event, Limits, ProtocolError, Role};

pub(super) const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Heard {
        match event {
            Event::Message(Incoming::Text(text)) => Heard::Text(text.to_owned()),
            Event::Message(Incoming::Binary(bytes)) => Heard::Binary(bytes.to_vec()),
            Event::Ping(bytes) => Heard::Ping(bytes.to_vec()),
            Event::Pong(bytes) => Heard::Pong(bytes.to_vec()),
            Event::Close { code, reason } => Heard::Close(code, reason.to_owned()),
        }
    }
}

/// A frame whose first byte (flags and opcode) is given as it is.
pub(super) fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(masked | length as u8),
        length @ 126..65536 => bytes.extend([masked | 126, (length >> 8) as u8, length as u8]),
        length => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| match mask {
        Some(mask) => byte ^ mask[at % 4],
        None => *byte,
    }));
    bytes
}

/// A frame as a client sends it.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, Some(MASK))
}

pub(super) fn decoder(role: Role, message_bytes_max: usize) -> Decoder {
    Decoder::new(role, Limits { message_bytes_max })
}

/// Feeds one piece.
pub(super) fn feed(decoder: &mut Decoder, piece: &[u8], heard: &mut Vec<Heard>) -> Result<(), ProtocolError> {
    // A copy that the decoder may scribble on, as it does on a read buffer.
    let mut bytes = piece.to_vec();
    let mut reading = decoder.read(&mut bytes);
    while let Some(event) = reading.next_event()? {
        heard.push(event.into());
    }
    Ok(())
}

/// Feeds pieces until the first error.
pub(super) fn hear<'a>(
    role: Role,
    message_bytes_max: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Heard>, Option<ProtocolError>) {
    let mut decoder = decoder(role, message_bytes_max);
    let mut heard = Vec::new();
    for piece in pieces {
        if let Err(error) = feed(&mut decoder, piece, &mut heard) {
            return (heard, Some(error));
        }
    }
    (heard, None)
}

/// Hears the bytes in one piece, byte by byte, and in pieces of three and of 1000; all must agree.
pub(super) fn hear_however_cut(
    role: Role,
    message_bytes_max: usize,
    bytes: &[u8],
) -> (Vec<Heard>, Option<ProtocolError>) {
    let whole = hear(role, message_bytes_max, [bytes]);
    for size in [1, 3, 1000] {
        assert_eq!(hear(role, message_bytes_max, bytes.chunks(size)), whole, "pieces of {size}");
    }
    whole
}
