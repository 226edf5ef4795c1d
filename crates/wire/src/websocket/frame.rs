//! The header of a frame (RFC 6455 §5.2), read and written.

use super::Role;
use super::close_code::PROTOCOL;
use super::decoder::ProtocolError;

pub(super) const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;

/// The most that a control frame may carry (§5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

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
    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    pub(super) size: usize,
    /// Bytes of the payload, as announced.
    pub(super) length: u64,
}

/// What the first bytes of a frame say.
pub(super) enum Peek {
    Header(Header),
    /// The header takes at least so many bytes, more than there are.
    Lacks {
        size: usize,
    },
}

impl Header {
    /// Reads the header of a frame that a peer sends to `role`. A wrong first byte is refused before the rest is there.
    #[inline]
    pub(super) fn peek(bytes: &[u8], role: Role) -> Result<Peek, ProtocolError> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else {
            // One byte may already be wrong, but a peer that sends only half a header will be refused a byte later.
            return Ok(Peek::Lacks { size: 2 });
        };
        if first & RESERVED != 0 {
            return Err(broken("reserved bit set though no extension was agreed"));
        }
        let fin = first & FIN != 0;
        let opcode = match first & 0x0F {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return Err(broken("unknown opcode")),
        };
        let short = second & !MASKED;
        if opcode.is_control() {
            if !fin {
                return Err(broken("fragmented control frame"));
            }
            if usize::from(short) > CONTROL_BYTES_MAX {
                return Err(broken("control frame longer than 125 bytes"));
            }
        }
        let masked = second & MASKED != 0;
        match role {
            Role::Server if !masked => return Err(broken("unmasked frame from a client")),
            Role::Client if masked => return Err(broken("masked frame from a server")),
            Role::Server | Role::Client => {}
        }

        let mask_size = if masked { 4 } else { 0 };
        let (length, length_size) = match short {
            LENGTH_IN_2 => match rest.first_chunk::<2>() {
                Some(&bytes) => (u64::from(u16::from_be_bytes(bytes)), 2),
                None => return Ok(Peek::Lacks { size: 4 + mask_size }),
            },
            LENGTH_IN_8 => match rest.first_chunk::<8>() {
                Some(&bytes) => (u64::from_be_bytes(bytes), 8),
                None => return Ok(Peek::Lacks { size: 10 + mask_size }),
            },
            short => (u64::from(short), 0),
        };
        if length_size == 2 && length < u64::from(LENGTH_IN_2)
            || length_size == 8 && length <= u64::from(u16::MAX)
        {
            return Err(broken("length not in its shortest form"));
        }
        if length > u64::MAX >> 1 {
            return Err(broken("length with its highest bit set"));
        }

        let size = 2 + length_size + mask_size;
        let mask = if masked {
            match rest.get(length_size..).and_then(|rest| rest.first_chunk::<4>()) {
                Some(&mask) => Some(mask),
                None => return Ok(Peek::Lacks { size }),
            }
        } else {
            None
        };
        Ok(Peek::Header(Header { fin, opcode, mask, size, length }))
    }
}

/// Appends the header of a frame that stands alone, with room for its payload.
#[inline]
pub(super) fn write_header(opcode: Opcode, mask: Option<[u8; 4]>, length: usize, out: &mut Vec<u8>) {
    out.reserve(14 + length);
    let first = FIN | opcode as u8;
    let masked = if mask.is_some() { MASKED } else { 0 };
    if length < usize::from(LENGTH_IN_2) {
        out.extend_from_slice(&[first, masked | length as u8]);
    } else if let Ok(length) = u16::try_from(length) {
        let [high, low] = length.to_be_bytes();
        out.extend_from_slice(&[first, masked | LENGTH_IN_2, high, low]);
    } else {
        out.extend_from_slice(&[first, masked | LENGTH_IN_8]);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
}

pub(super) fn broken(what: &'static str) -> ProtocolError {
    ProtocolError { code: PROTOCOL, what }
}
