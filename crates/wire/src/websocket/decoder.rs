//! Reading frames: bytes in, messages out.
//!
//! A [`Decoder`] belongs to a connection, the bytes to whoever read them. [`Decoder::read`] lends both to a [`Reading`],
//! which is asked for one event after the other; an event borrows from the bytes where they lie. Whatever the reading
//! has not consumed when it is dropped, usually nothing or the beginning of a frame, moves into the decoder.

use crate::Incoming;

use super::Role;
use super::close_code::{INVALID_PAYLOAD, TOO_BIG, may_be_sent};
use super::frame::{Header, Opcode, Peek, broken};
use super::mask::apply_mask;

/// The smallest buffer worth asking the allocator for.
const KEPT_BYTES_MIN: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message taken, whole or in fragments; a longer one fails the connection with 1009.
    pub message_bytes_max: usize,
}

/// One thing the peer has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Message(Incoming<'a>),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The last event there is. `None`: the frame carried no code.
    Close {
        code: Option<u16>,
        reason: &'a str,
    },
}

/// The peer broke the protocol; close with this code and read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WebSocket peer broke the protocol: {what} (closing with {code})")]
pub struct ProtocolError {
    pub code: u16,
    pub what: &'static str,
}

const NOT_UTF8: ProtocolError = ProtocolError { code: INVALID_PAYLOAD, what: "text that is not UTF-8" };

/// What one connection has to remember between two reads: next to nothing.
///
/// No buffer at all while no frame or message is half read, and otherwise never more than twice `message_bytes_max`
/// (a fragment beside the message it belongs to) and one control frame.
#[derive(Debug)]
pub struct Decoder {
    /// The beginning of a frame, from `held_at` on.
    held: Vec<u8>,
    held_at: usize,
    fragments: Option<Box<Fragments>>,
    message_bytes_max: usize,
    role: Role,
    /// A close frame or a breach of protocol was seen.
    is_over: bool,
}

/// A message that comes in several frames.
#[derive(Debug)]
struct Fragments {
    opcode: Opcode,
    /// Unmasked.
    bytes: Vec<u8>,
    /// So many bytes are known to be UTF-8.
    checked: usize,
    /// The last fragment is here and the message is being handed out.
    is_whole: bool,
}

/// Freshly read bytes on their way through a decoder.
#[derive(Debug)]
pub struct Reading<'a> {
    decoder: &'a mut Decoder,
    bytes: &'a mut [u8],
    at: usize,
}

/// Where a payload lies, so that it can be borrowed once all bookkeeping is done.
struct Found {
    opcode: Opcode,
    place: Place,
    start: usize,
    end: usize,
}

enum Place {
    Bytes,
    Held,
    Fragments,
}

impl Decoder {
    pub fn new(role: Role, limits: Limits) -> Decoder {
        Decoder {
            held: Vec::new(),
            held_at: 0,
            fragments: None,
            // So that a frame's size can always be added up.
            message_bytes_max: limits.message_bytes_max.min(usize::MAX >> 2),
            role,
            is_over: false,
        }
    }

    /// Takes bytes as they came from the socket; they are unmasked in place. Ask the reading for events until it has
    /// none. One that is dropped earlier loses nothing: the rest is copied and comes first in the next reading.
    #[inline]
    pub fn read<'a>(&'a mut self, bytes: &'a mut [u8]) -> Reading<'a> {
        Reading { decoder: self, bytes, at: 0 }
    }

    /// Whether the peer has closed or broken the protocol; nothing more will be read.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Bytes of memory that this decoder has taken beside itself.
    pub fn buffered_bytes(&self) -> usize {
        self.held.capacity() + self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.capacity())
    }

    /// Checks what a header says against the message that is under way.
    #[inline]
    fn admit(&self, header: &Header) -> Result<(), ProtocolError> {
        let before = match (&self.fragments, header.opcode) {
            (_, Opcode::Close | Opcode::Ping | Opcode::Pong) => return Ok(()),
            (None, Opcode::Continuation) => return Err(broken("continuation of nothing")),
            (Some(_), Opcode::Text | Opcode::Binary) => {
                return Err(broken("new message before the last one was whole"));
            }
            (None, Opcode::Text | Opcode::Binary) => 0,
            (Some(fragments), Opcode::Continuation) => fragments.bytes.len(),
        };
        if header.length > (self.message_bytes_max - before) as u64 {
            return Err(ProtocolError { code: TOO_BIG, what: "message too long" });
        }
        Ok(())
    }

    /// Keeps bytes for later; with them, a frame that will not be longer than `bytes_max` is begun.
    fn keep(&mut self, bytes: &[u8], bytes_max: usize) {
        if self.held_at > 0 {
            self.held.drain(..self.held_at);
            self.held_at = 0;
        }
        append(&mut self.held, bytes, bytes_max);
    }

    /// Gives back what the last event has borrowed.
    fn release(&mut self) {
        if self.held_at == self.held.len() || self.is_over {
            self.held = Vec::new();
            self.held_at = 0;
        }
        if self.is_over || self.fragments.as_ref().is_some_and(|fragments| fragments.is_whole) {
            self.fragments = None;
        }
    }
}

impl Reading<'_> {
    /// The next event, or `None` when all that is left is the beginning of a frame. After an error or a close there
    /// are no more.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        let found = match self.locate() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.decoder.is_over = true;
                return Err(error);
            }
        };
        if found.opcode == Opcode::Close {
            self.decoder.is_over = true;
        }
        let payload: &[u8] = match found.place {
            Place::Bytes => &self.bytes[found.start..found.end],
            Place::Held => &self.decoder.held[found.start..found.end],
            Place::Fragments => match &self.decoder.fragments {
                Some(fragments) => &fragments.bytes,
                None => &[],
            },
        };
        let event = match found.opcode {
            Opcode::Text => match std::str::from_utf8(payload) {
                Ok(text) => Event::Message(Incoming::Text(text)),
                Err(_) => {
                    self.decoder.is_over = true;
                    return Err(NOT_UTF8);
                }
            },
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            Opcode::Close => close(payload)?,
            // A continuation is never found: its message is, under its first opcode.
            Opcode::Binary | Opcode::Continuation => Event::Message(Incoming::Binary(payload)),
        };
        Ok(Some(event))
    }

    #[inline]
    fn locate(&mut self) -> Result<Option<Found>, ProtocolError> {
        if self.decoder.is_over {
            return Ok(None);
        }
        if (self.decoder.held.capacity() != 0 || self.decoder.fragments.is_some())
            && let Some(found) = self.locate_in_held()?
        {
            return Ok(Some(found));
        }
        loop {
            let rest = &mut self.bytes[self.at..];
            let Peek::Header(header) = Header::peek(rest, self.decoder.role)? else { return Ok(None) };
            self.decoder.admit(&header)?;
            let length = header.length as usize;
            let Some(payload) = rest[header.size..].get_mut(..length) else { return Ok(None) };
            if let Some(mask) = header.mask {
                apply_mask(payload, mask);
            }
            let start = self.at + header.size;
            self.at = start + length;
            if header.opcode.is_control() || header.fin && header.opcode != Opcode::Continuation {
                let end = self.at;
                return Ok(Some(Found { opcode: header.opcode, place: Place::Bytes, start, end }));
            }
            if let Some(found) = gather(self.decoder, &header, payload)? {
                return Ok(Some(found));
            }
        }
    }

    /// Completes the frame that earlier reads have begun, with just the bytes that it lacks.
    #[cold]
    fn locate_in_held(&mut self) -> Result<Option<Found>, ProtocolError> {
        let decoder = &mut *self.decoder;
        decoder.release();
        while decoder.held_at < decoder.held.len() {
            let held = &mut decoder.held[decoder.held_at..];
            let held_bytes = held.len();
            let wanted = match Header::peek(held, decoder.role)? {
                Peek::Lacks { size } => size,
                Peek::Header(header) => {
                    decoder.admit(&header)?;
                    let frame_bytes = header.size + header.length as usize;
                    if held_bytes >= frame_bytes {
                        let start = decoder.held_at + header.size;
                        let end = decoder.held_at + frame_bytes;
                        decoder.held_at = end;
                        if let Some(mask) = header.mask {
                            apply_mask(&mut decoder.held[start..end], mask);
                        }
                        if header.opcode.is_control() || header.fin && header.opcode != Opcode::Continuation {
                            return Ok(Some(Found { opcode: header.opcode, place: Place::Held, start, end }));
                        }
                        // Lent out for the copy and put back: the fragments live in the same decoder.
                        let held = std::mem::take(&mut decoder.held);
                        let found = gather(decoder, &header, &held[start..end]);
                        decoder.held = held;
                        if let Some(found) = found? {
                            return Ok(Some(found));
                        }
                        decoder.release();
                        continue;
                    }
                    frame_bytes
                }
            };
            let rest = &self.bytes[self.at..];
            if rest.is_empty() {
                return Ok(None);
            }
            let taken = rest.len().min(wanted - held_bytes);
            decoder.keep(&rest[..taken], wanted);
            self.at += taken;
        }
        Ok(None)
    }
}

impl Drop for Reading<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.decoder.held.capacity() != 0 || self.decoder.fragments.is_some() {
            self.decoder.release();
        }
        if self.at < self.bytes.len() && !self.decoder.is_over {
            let rest = &self.bytes[self.at..];
            self.decoder.keep(rest, 0);
        }
    }
}

/// Adds a fragment to its message and says so when that is whole.
#[cold]
fn gather(decoder: &mut Decoder, header: &Header, payload: &[u8]) -> Result<Option<Found>, ProtocolError> {
    let message_bytes_max = decoder.message_bytes_max;
    let fragments = decoder.fragments.get_or_insert_with(|| {
        Box::new(Fragments { opcode: header.opcode, bytes: Vec::new(), checked: 0, is_whole: false })
    });
    append(&mut fragments.bytes, payload, message_bytes_max);
    fragments.is_whole = header.fin;
    if header.fin {
        let end = fragments.bytes.len();
        return Ok(Some(Found { opcode: fragments.opcode, place: Place::Fragments, start: 0, end }));
    }
    // Text that can no longer become UTF-8 is refused now, not when its last fragment has come.
    if fragments.opcode == Opcode::Text {
        match std::str::from_utf8(&fragments.bytes[fragments.checked..]) {
            Ok(_) => fragments.checked = fragments.bytes.len(),
            Err(error) if error.error_len().is_none() => fragments.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
    }
    Ok(None)
}

/// Appends, growing in doubling steps but beyond `bytes_max` only as far as it must: a length that a peer announces is
/// not yet a reason to take the memory for it.
fn append(buffer: &mut Vec<u8>, bytes: &[u8], bytes_max: usize) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let roomy = (buffer.capacity() * 2).max(KEPT_BYTES_MIN).min(bytes_max);
        buffer.reserve_exact(needed.max(roomy) - buffer.len());
    }
    buffer.extend_from_slice(bytes);
}

/// Reads the body of a close frame (RFC 6455 §5.5.1).
fn close(payload: &[u8]) -> Result<Event<'_>, ProtocolError> {
    if payload.is_empty() {
        return Ok(Event::Close { code: None, reason: "" });
    }
    let Some((&code, reason)) = payload.split_first_chunk::<2>() else {
        return Err(broken("close frame with half a code"));
    };
    let code = u16::from_be_bytes(code);
    if !may_be_sent(code) {
        return Err(broken("close code that must not be sent"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Event::Close { code: Some(code), reason }),
        Err(_) => Err(ProtocolError { code: INVALID_PAYLOAD, what: "close reason that is not UTF-8" }),
    }
}
