//! Writing frames.
//!
//! Everything appends to a buffer of the caller. `mask` is `Some` for a client and `None` for a server. Nothing is ever
//! fragmented: our messages are small, and a whole message is the cheapest for the peer too.

use crate::{Kind, Outbox};

use super::close_code::may_be_sent;
use super::frame::{CONTROL_BYTES_MAX, Opcode, write_header};
use super::mask::{Masks, apply_mask};

/// Writes all messages of an outbox. A client passes its masks, a server `None`.
pub fn encode(outbox: &Outbox, mut masks: Option<&mut Masks>, out: &mut Vec<u8>) {
    for (kind, payload) in outbox.messages() {
        let mask = masks.as_deref_mut().map(Masks::next_mask);
        match kind {
            Kind::Text => encode_text(mask, payload, out),
            Kind::Binary => encode_binary(mask, payload, out),
        }
    }
}

/// Writes a text message; `payload` is valid UTF-8.
pub fn encode_text(mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    frame(Opcode::Text, mask, payload, out);
}

pub fn encode_binary(mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    frame(Opcode::Binary, mask, payload, out);
}

/// Writes a ping with at most the first 125 bytes of `payload`.
pub fn encode_ping(mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    frame(Opcode::Ping, mask, &payload[..payload.len().min(CONTROL_BYTES_MAX)], out);
}

/// Writes a pong with at most the first 125 bytes of `payload`, which is all that a ping can bring.
pub fn encode_pong(mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    frame(Opcode::Pong, mask, &payload[..payload.len().min(CONTROL_BYTES_MAX)], out);
}

/// Writes a close frame. The reason is cut to what fits; a code that must not be sent (such as 1005 and 1006, which
/// mean that there was none) goes out as no code and no reason.
pub fn encode_close(mask: Option<[u8; 4]>, code: u16, reason: &str, out: &mut Vec<u8>) {
    if !may_be_sent(code) {
        return frame(Opcode::Close, mask, &[], out);
    }
    let reason = &reason.as_bytes()[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    let mut payload = [0; CONTROL_BYTES_MAX];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + reason.len()].copy_from_slice(reason);
    frame(Opcode::Close, mask, &payload[..2 + reason.len()], out);
}

#[inline]
fn frame(opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    write_header(opcode, mask, payload.len(), out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}
