//! One non-blocking WebSocket connection.
//!
//! Registered once, edge-triggered, for reading and writing both, so that no frame costs a registration call. Reading
//! stops at the first short read: on a stream socket that means drained, and saves the read that would only say so.
//! Writing goes straight to the socket; only what the kernel would not take is kept.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::framing::{FramingError, Message, Opcode, Reader, Side, push_frame};
use super::handshake::{self, HandshakeError, Request};

/// How much may wait for a peer that does not read: over a minute of one call's frames.
///
/// Beyond it the connection is given up, which the figures show as lost frames.
const BACKLOG_BYTES_MAX: usize = 2 << 20;

/// Enough for everything that one wake-up finds on one connection at telephone rates.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the peer closed the connection")]
    Ended,
    #[error("the peer does not read: {BACKLOG_BYTES_MAX} bytes are waiting for it")]
    Backlog,
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("the connection failed: {0}")]
    Socket(#[from] io::Error),
}

#[derive(Debug)]
pub(super) struct Link {
    stage: Stage,
    /// The handshake's head while it is incomplete; given back afterwards.
    head: Vec<u8>,
    reader: Reader,
    pub(super) out: Outbox,
}

#[derive(Debug)]
enum Stage {
    /// We are the server and wait for the request.
    Asked,
    /// We are the client and wait for this answer to our key.
    Asking(Box<str>),
    Open,
}

impl Link {
    pub(super) fn accepted(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Link> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let out = Outbox::new(stream, Side::Server, 0);
        Ok(Link { stage: Stage::Asked, head: Vec::new(), reader: Reader::new(Side::Server), out })
    }

    /// Starts to connect; frames sent meanwhile follow the handshake.
    pub(super) fn dial(
        address: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
        seed: u32,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Link> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut out = Outbox::new(stream, Side::Client, seed);
        let key = STANDARD.encode(u128::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C).to_le_bytes());
        // The socket is still connecting: the request goes out with its first writable event.
        out.backlog = handshake::upgrade_request(&address.to_string(), target, &key, headers);
        Ok(Link {
            stage: Stage::Asking(handshake::accept_for(&key).into()),
            head: Vec::new(),
            reader: Reader::new(Side::Client),
            out,
        })
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Server side, before the upgrade: the request once it is whole. Answer with [`Link::upgrade`] or [`Link::answer`].
    pub(super) fn read_request(&mut self, scratch: &mut [u8]) -> Result<Option<Request>, LinkError> {
        loop {
            match self.out.stream.read(scratch) {
                Ok(0) => return Err(LinkError::Ended),
                Ok(n) => {
                    self.head.extend_from_slice(&scratch[..n]);
                    if let Some((request, used)) = handshake::read_request(&self.head)? {
                        self.head.drain(..used);
                        return Ok(Some(request));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Agrees to the WebSocket that was asked for. Call [`Link::receive`] afterwards: frames may have come already.
    pub(super) fn upgrade(&mut self, key: &str) -> Result<(), LinkError> {
        self.out.write(&handshake::switching_protocols(key))?;
        self.stage = Stage::Open;
        self.out.open()
    }

    /// Answers a plain request.
    pub(super) fn answer(&mut self, answer: &[u8]) -> Result<(), LinkError> {
        self.out.write(answer)
    }

    /// Call at every event: writes what waits, then reads what is ready and hands on each text message.
    ///
    /// `ended`: the event said that the peer has shut its side, so reading goes on to the very end. Pings and closes are
    /// answered here.
    pub(super) fn receive(
        &mut self,
        ended: bool,
        scratch: &mut [u8],
        mut on: impl FnMut(&[u8], &mut Outbox) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        self.out.flush()?;
        if self.is_open() && !self.head.is_empty() {
            let mut early = std::mem::take(&mut self.head);
            self.messages(&mut early, &mut on)?;
        }
        loop {
            match self.out.stream.read(scratch) {
                Ok(0) => return Err(LinkError::Ended),
                Ok(n) => {
                    self.take(&mut scratch[..n], &mut on)?;
                    if n < scratch.len() && !ended {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(
        &mut self,
        fresh: &mut [u8],
        on: &mut impl FnMut(&[u8], &mut Outbox) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let Stage::Asking(accept) = &self.stage else { return self.messages(fresh, on) };
        self.head.extend_from_slice(fresh);
        let Some((response, used)) = handshake::read_response(&self.head)? else { return Ok(()) };
        if response.status != 101 {
            return Err(HandshakeError::Refused(response.status).into());
        }
        if response.accept.as_deref() != Some(accept) {
            return Err(HandshakeError::WrongAccept.into());
        }
        self.stage = Stage::Open;
        self.out.open()?;
        let mut early = std::mem::take(&mut self.head);
        self.messages(&mut early[used..], on)
    }

    fn messages(
        &mut self,
        fresh: &mut [u8],
        on: &mut impl FnMut(&[u8], &mut Outbox) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let Link { reader, out, .. } = self;
        reader.feed(fresh, |message| match message {
            Message::Text(text) => on(text, out),
            Message::Ping(body) => out.send_control(Opcode::Pong, body),
            Message::Close(body) => {
                // The peer may be gone already; there is nobody left to tell.
                let _ = out.send_control(Opcode::Close, body.get(..2).unwrap_or_default());
                Err(LinkError::Ended)
            }
            Message::Binary(_) | Message::Pong(_) => Ok(()),
        })
    }
}

/// The writing half: also what a message handler may answer on.
#[derive(Debug)]
pub(super) struct Outbox {
    stream: TcpStream,
    side: Side,
    masks: u32,
    is_open: bool,
    /// Refused by the kernel for now.
    backlog: Vec<u8>,
    /// Frames sent before the handshake was over.
    early: Vec<u8>,
}

impl Outbox {
    fn new(stream: TcpStream, side: Side, seed: u32) -> Outbox {
        Outbox { stream, side, masks: seed | 1, is_open: false, backlog: Vec::new(), early: Vec::new() }
    }

    /// Appends a text frame to `frame`, masked if our side must; several can then go out in one [`Outbox::send`].
    pub(super) fn push_text(&mut self, frame: &mut Vec<u8>, parts: &[&[u8]]) {
        let key = self.mask_key();
        push_frame(frame, Opcode::Text, key, parts);
    }

    /// One text message, one write. `frame` is working space shared by all connections.
    pub(super) fn send_text(&mut self, frame: &mut Vec<u8>, parts: &[&[u8]]) -> Result<(), LinkError> {
        frame.clear();
        self.push_text(frame, parts);
        self.send(frame)
    }

    /// Sends whole frames.
    pub(super) fn send(&mut self, frames: &[u8]) -> Result<(), LinkError> {
        if self.is_open { self.write(frames) } else { keep(&mut self.early, frames) }
    }

    /// Says goodbye; the connection is to be dropped afterwards.
    pub(super) fn close(&mut self) {
        // A peer that cannot take these few bytes has closed already.
        let _ = self.send_control(Opcode::Close, &1000_u16.to_be_bytes());
    }

    fn send_control(&mut self, opcode: Opcode, body: &[u8]) -> Result<(), LinkError> {
        let mut frame = Vec::new();
        let key = self.mask_key();
        push_frame(&mut frame, opcode, key, &[body]);
        self.send(&frame)
    }

    fn open(&mut self) -> Result<(), LinkError> {
        self.is_open = true;
        let early = std::mem::take(&mut self.early);
        if early.is_empty() { Ok(()) } else { self.write(&early) }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        while self.backlog.is_empty() && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return keep(&mut self.backlog, bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if bytes.is_empty() { Ok(()) } else { keep(&mut self.backlog, bytes) }
    }

    fn flush(&mut self) -> Result<(), LinkError> {
        if self.backlog.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.backlog);
        self.write(&waiting)
    }

    fn mask_key(&mut self) -> Option<[u8; 4]> {
        // xorshift32: a mask defends proxies against crafted payloads (§10.3); between our own processes it need only
        // cost what it costs.
        (self.side == Side::Client).then(|| {
            self.masks ^= self.masks << 13;
            self.masks ^= self.masks >> 17;
            self.masks ^= self.masks << 5;
            self.masks.to_ne_bytes()
        })
    }
}

fn keep(queue: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LinkError> {
    if queue.len() + bytes.len() > BACKLOG_BYTES_MAX {
        return Err(LinkError::Backlog);
    }
    queue.extend_from_slice(bytes);
    Ok(())
}
