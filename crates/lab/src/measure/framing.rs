//! WebSocket frames (RFC 6455 §5), as little as a yardstick needs.
//!
//! The gateway uses a library for this; the measuring side writes its own so that neither side's mistakes nor costs are
//! those of the other. A [`Reader`] parses where the bytes were read and copies only what is cut in two by the end of a
//! read, so an idle or well-behaved connection holds no buffer at all.

/// The longest message taken from a peer.
///
/// The agent's longest burst is some 20 KiB of base64; a megabyte leaves room for other agents and still bounds what a
/// mad peer can make us hold.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// RFC 6455 §5.5: control frames carry at most this much.
const CONTROL_BYTES_MAX: usize = 125;

/// Which end of the connection we are: clients mask what they send, servers must not (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A whole message, fragments joined, mask removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Close(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingError {
    #[error("the peer set reserved bits, but no extension was agreed on")]
    ReservedBits,
    #[error("the peer used the undefined opcode {0:#x}")]
    UnknownOpcode(u8),
    #[error("the peer's masking is wrong for its end of the connection")]
    WrongMasking,
    #[error("the peer fragmented a control frame or made it too long")]
    BadControl,
    #[error("the peer announced a message of more than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the peer mixed up the fragments of two messages")]
    BadFragment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    fn read(code: u8) -> Result<Opcode, FramingError> {
        match code {
            0x0 => Ok(Opcode::Continuation),
            0x1 => Ok(Opcode::Text),
            0x2 => Ok(Opcode::Binary),
            0x8 => Ok(Opcode::Close),
            0x9 => Ok(Opcode::Ping),
            0xA => Ok(Opcode::Pong),
            other => Err(FramingError::UnknownOpcode(other)),
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// Turns bytes, cut anywhere, into messages.
#[derive(Debug)]
pub(super) struct Reader {
    side: Side,
    /// The beginning of a frame whose end has not been read yet.
    held: Vec<u8>,
    /// The fragments so far of a message that came in several frames, and what it is.
    joined: Vec<u8>,
    joining: Option<Opcode>,
}

impl Reader {
    pub(super) fn new(side: Side) -> Reader {
        Reader { side, held: Vec::new(), joined: Vec::new(), joining: None }
    }

    /// Takes what was read and hands on every message it completes. `fresh` is unmasked in place.
    ///
    /// After an error the connection is beyond repair and the reader must not be used again.
    pub(super) fn feed<E: From<FramingError>>(
        &mut self,
        fresh: &mut [u8],
        mut on: impl FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.held.is_empty() {
            let used = self.parse(fresh, &mut on)?;
            self.held.extend_from_slice(&fresh[used..]);
            return Ok(());
        }

        self.held.extend_from_slice(fresh);
        let mut held = std::mem::take(&mut self.held);
        let used = self.parse(&mut held, &mut on)?;
        // A cut frame is rare: giving the buffer back keeps hundreds of idle connections small.
        if used < held.len() {
            held.drain(..used);
            self.held = held;
        }
        Ok(())
    }

    fn parse<E: From<FramingError>>(
        &mut self,
        bytes: &mut [u8],
        on: &mut impl FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut at = 0;
        while let Some(head) = Head::read(&bytes[at..], self.side)? {
            let body_at = at + head.bytes;
            let end = body_at + head.payload_bytes;
            if end > bytes.len() {
                break;
            }
            let body = &mut bytes[body_at..end];
            if let Some(key) = head.mask {
                mask(body, key);
            }
            self.deliver(&head, body, on)?;
            at = end;
        }
        Ok(at)
    }

    fn deliver<E: From<FramingError>>(
        &mut self,
        head: &Head,
        body: &[u8],
        on: &mut impl FnMut(Message<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let whole = |opcode, body| match opcode {
            Opcode::Binary => Message::Binary(body),
            Opcode::Close => Message::Close(body),
            Opcode::Ping => Message::Ping(body),
            Opcode::Pong => Message::Pong(body),
            Opcode::Text | Opcode::Continuation => Message::Text(body),
        };
        if head.opcode.is_control() {
            return on(whole(head.opcode, body));
        }

        match (self.joining, head.opcode) {
            (None, Opcode::Continuation) => Err(FramingError::BadFragment.into()),
            (None, opcode) if head.is_final => on(whole(opcode, body)),
            (None, opcode) => {
                self.joining = Some(opcode);
                self.joined.extend_from_slice(body);
                Ok(())
            }
            (Some(first), Opcode::Continuation) => {
                if self.joined.len() + body.len() > MESSAGE_BYTES_MAX {
                    return Err(FramingError::TooLong.into());
                }
                self.joined.extend_from_slice(body);
                if head.is_final {
                    self.joining = None;
                    let joined = std::mem::take(&mut self.joined);
                    return on(whole(first, &joined));
                }
                Ok(())
            }
            (Some(_), _) => Err(FramingError::BadFragment.into()),
        }
    }
}

struct Head {
    is_final: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    bytes: usize,
    payload_bytes: usize,
}

impl Head {
    /// `None`: not all of it is here yet.
    fn read(bytes: &[u8], side: Side) -> Result<Option<Head>, FramingError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FramingError::ReservedBits);
        }
        let opcode = Opcode::read(first & 0x0F)?;
        let is_final = first & 0x80 != 0;
        let is_masked = second & 0x80 != 0;
        if is_masked != (side == Side::Server) {
            return Err(FramingError::WrongMasking);
        }

        let (length, length_bytes) = match second & 0x7F {
            126 => match rest {
                [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 2),
                _ => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if opcode.is_control() && (!is_final || length > CONTROL_BYTES_MAX as u64) {
            return Err(FramingError::BadControl);
        }
        if length > MESSAGE_BYTES_MAX as u64 {
            return Err(FramingError::TooLong);
        }

        let mask = if is_masked {
            match rest[length_bytes..].first_chunk::<4>() {
                Some(key) => Some(*key),
                None => return Ok(None),
            }
        } else {
            None
        };
        let bytes = 2 + length_bytes + if is_masked { 4 } else { 0 };
        Ok(Some(Head { is_final, opcode, mask, bytes, payload_bytes: length as usize }))
    }
}

/// Appends one unfragmented frame whose payload is `parts` in a row.
pub(super) fn push_frame(out: &mut Vec<u8>, opcode: Opcode, mask_key: Option<[u8; 4]>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let masked = if mask_key.is_some() { 0x80 } else { 0 };
    out.push(0x80 | opcode as u8);
    if length < 126 {
        out.push(masked | length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(masked | 126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(masked | 127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    if let Some(key) = mask_key {
        out.extend_from_slice(&key);
    }
    let body_at = out.len();
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Some(key) = mask_key {
        mask(&mut out[body_at..], key);
    }
}

/// Applies or removes a mask; both are the same act (§5.3).
fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(key));
    let wide = wide << 32 | wide;
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
