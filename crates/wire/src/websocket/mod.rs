//! WebSocket (RFC 6455) over nothing at all: bytes in, messages out, and back.
//!
//! The media path of a call is a small text message every 20 ms on each of two sockets. So the case that is made cheap
//! is a whole, unfragmented message inside the bytes that were just read: [`Decoder`] unmasks it where it lies and
//! lends it out as `&str`; nothing is copied or allocated, and one read buffer serves every connection of a thread.
//! Only what a read leaves half done is kept, in memory that is given back as soon as it is whole. The encoding
//! functions append frames to a buffer that the caller owns.
//!
//! ```
//! use wire::Incoming;
//! use wire::websocket::{Decoder, Event, Limits, ProtocolError, Role, encode_pong};
//!
//! fn heard(decoder: &mut Decoder, read: &mut [u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
//!     let mut reading = decoder.read(read);
//!     while let Some(event) = reading.next_event()? {
//!         match event {
//!             Event::Message(Incoming::Text(text)) => println!("{text}"),
//!             Event::Message(Incoming::Binary(bytes)) => println!("{} bytes", bytes.len()),
//!             Event::Ping(payload) => encode_pong(None, payload, out),
//!             Event::Pong(_) => {}
//!             Event::Close { code, reason } => println!("closed: {code:?} {reason}"),
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let mut decoder = Decoder::new(Role::Server, Limits { message_bytes_max: 64 * 1024 });
//! let mut out = Vec::new();
//! heard(&mut decoder, &mut [0x89, 0x80, 1, 2, 3, 4], &mut out)?;
//! assert_eq!(out, [0x8A, 0]);
//! # Ok::<(), ProtocolError>(())
//! ```
//!
//! No extension is ever offered or agreed to. Masks and keys are arguments, because chance is; so are the bytes.

mod close_code;
mod decoder;
mod encode;
mod frame;
mod handshake;
mod mask;

pub use close_code::may_be_sent;
pub use decoder::{Decoder, Event, Limits, ProtocolError, Reading};
pub use encode::{encode, encode_binary, encode_close, encode_ping, encode_pong, encode_text};
pub use handshake::{
    ClientHandshake, ClientRequest, HandshakeError, Progress, RequestError, UpgradeError, UpgradeRequest,
    accept_key, check_upgrade, client_request, server_response,
};
pub use mask::Masks;

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads masked frames, writes unmasked ones.
    Server,
    /// Reads unmasked frames, writes masked ones.
    Client,
}
