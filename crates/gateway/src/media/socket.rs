//! A WebSocket on the media path.
//!
//! Reads go into one buffer that all sockets of a thread share, because nothing of it is kept past the moment; messages
//! are handed on where they lie. Writes gather in a buffer of the socket's own and leave together, once per wake-up.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wire::websocket::{Decoder, Event, Limits, Masks, Role, encode, encode_close, encode_pong};
use wire::{Incoming, Outbox};

/// Larger than anything a socket has ready in the usual case, so that one read empties it.
const READ_BYTES: usize = 64 * 1024;

/// A write buffer that has grown beyond this is given back once it is empty.
const KEPT_BYTES: usize = 4 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What lies below the frames.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One thing that was heard.
#[derive(Debug)]
pub enum Heard<'a> {
    Message(Incoming<'a>),
    /// Nothing follows.
    Gone(Gone),
}

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The peer closed in order.
    Closed { code: Option<u16>, reason: String },
    /// The peer broke the protocol, and was told so.
    Broke { code: u16, what: &'static str },
    /// The connection ended or failed.
    Lost { detail: String },
    /// The peer does not read what it is sent.
    NotReading,
}

#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    decoder: Decoder,
    masks: Option<Masks>,
    /// Messages to be framed with the next flush.
    pub outbox: Outbox,
    out: Vec<u8>,
    written: usize,
    out_bytes_max: usize,
    closing: bool,
    gone: bool,
}

impl Socket {
    /// The server's end of an upgraded connection. `early` are bytes that came with the upgrade.
    pub fn server(stream: TcpStream, message_bytes_max: usize, out_bytes_max: usize) -> Socket {
        Socket::new(Stream::Plain(stream), Role::Server, None, message_bytes_max, out_bytes_max)
    }

    pub fn client(stream: Stream, seed: u64, message_bytes_max: usize, out_bytes_max: usize) -> Socket {
        Socket::new(stream, Role::Client, Some(Masks::new(seed)), message_bytes_max, out_bytes_max)
    }

    fn new(
        stream: Stream,
        role: Role,
        masks: Option<Masks>,
        message_bytes_max: usize,
        out_bytes_max: usize,
    ) -> Socket {
        Socket {
            stream,
            decoder: Decoder::new(role, Limits { message_bytes_max }),
            masks,
            outbox: Outbox::new(),
            out: Vec::new(),
            written: 0,
            out_bytes_max,
            closing: false,
            gone: false,
        }
    }

    /// Takes bytes that were read before this socket existed.
    pub fn read_early(&mut self, bytes: &mut [u8], each: &mut dyn FnMut(Heard<'_>)) {
        self.take(bytes, each);
    }

    /// Reads everything that is ready. `Ready` when anything was heard.
    pub fn poll_hear(&mut self, cx: &mut Context<'_>, each: &mut dyn FnMut(Heard<'_>)) -> Poll<()> {
        if self.gone {
            return Poll::Pending;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut heard = false;
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match self.poll_read(cx, &mut buffer) {
                    Poll::Pending => return if heard { Poll::Ready(()) } else { Poll::Pending },
                    Poll::Ready(Ok(())) => {
                        let count = buffer.filled().len();
                        heard = true;
                        if count == 0 {
                            self.lost("the connection was closed without a word", each);
                            return Poll::Ready(());
                        }
                        self.take(&mut scratch[..count], each);
                        if self.gone {
                            return Poll::Ready(());
                        }
                        if count == READ_BYTES {
                            // A peer that sends without end must not keep the thread to itself.
                            cx.waker().wake_by_ref();
                            return Poll::Ready(());
                        }
                    }
                    Poll::Ready(Err(error)) => {
                        self.lost(&error.to_string(), each);
                        return Poll::Ready(());
                    }
                }
            }
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }

    fn take(&mut self, bytes: &mut [u8], each: &mut dyn FnMut(Heard<'_>)) {
        let mut reading = self.decoder.read(bytes);
        loop {
            match reading.next_event() {
                Ok(None) => return,
                Ok(Some(Event::Message(message))) => each(Heard::Message(message)),
                Ok(Some(Event::Ping(payload))) => {
                    // A flood of pings is answered only as far as the peer reads.
                    if self.out.len() < self.out_bytes_max / 2 {
                        encode_pong(self.masks.as_mut().map(Masks::next_mask), payload, &mut self.out);
                    }
                }
                Ok(Some(Event::Pong(_))) => {}
                Ok(Some(Event::Close { code, reason })) => {
                    let reason = reason.to_owned();
                    if !self.closing {
                        let mask = self.masks.as_mut().map(Masks::next_mask);
                        encode_close(mask, code.unwrap_or(1000), "", &mut self.out);
                        self.closing = true;
                    }
                    self.gone = true;
                    each(Heard::Gone(Gone::Closed { code, reason }));
                    return;
                }
                Err(error) => {
                    if !self.closing {
                        let mask = self.masks.as_mut().map(Masks::next_mask);
                        encode_close(mask, error.code, error.what, &mut self.out);
                        self.closing = true;
                    }
                    self.gone = true;
                    each(Heard::Gone(Gone::Broke { code: error.code, what: error.what }));
                    return;
                }
            }
        }
    }

    fn lost(&mut self, detail: &str, each: &mut dyn FnMut(Heard<'_>)) {
        self.gone = true;
        each(Heard::Gone(Gone::Lost { detail: detail.to_owned() }));
    }

    /// Something waits to be written.
    pub fn wants_to_write(&self) -> bool {
        self.written < self.out.len() || !self.outbox.is_empty()
    }

    /// Writes what waits, as far as the peer takes it now. `Err` when the peer is gone or does not read.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if !self.outbox.is_empty() {
            if !self.closing {
                encode(&self.outbox, self.masks.as_mut(), &mut self.out);
            }
            self.outbox.clear();
        }
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            let wrote = match &mut self.stream {
                Stream::Plain(stream) => Pin::new(stream).poll_write(cx, rest),
                Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, rest),
            };
            match wrote {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(Gone::Lost { detail: "it takes no more".into() }));
                }
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Gone::Lost { detail: error.to_string() })),
                Poll::Pending => {
                    if self.out.len() - self.written > self.out_bytes_max {
                        return Poll::Ready(Err(Gone::NotReading));
                    }
                    return Poll::Pending;
                }
            }
        }
        self.out.clear();
        self.written = 0;
        if self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
        if let Stream::Tls(stream) = &mut self.stream {
            ready!(Pin::new(stream.as_mut()).poll_flush(cx))
                .map_err(|error| Gone::Lost { detail: error.to_string() })?;
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye. What is queued goes first.
    pub fn close(&mut self, code: u16, reason: &str) {
        if !self.closing {
            encode(&self.outbox, self.masks.as_mut(), &mut self.out);
            self.outbox.clear();
            let mask = self.masks.as_mut().map(Masks::next_mask);
            encode_close(mask, code, reason, &mut self.out);
            self.closing = true;
        }
    }

    /// Takes in what the peer had sent before it heard our goodbye, and throws it away: closing a connection with bytes
    /// unread resets it, and the goodbye is lost with it.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.gone {
            return Poll::Ready(());
        }
        SCRATCH.with_borrow_mut(|scratch| {
            // So much at a time; a peer that sends without end has the thread only in turns.
            for _ in 0..8 {
                let mut buffer = ReadBuf::new(scratch);
                match ready!(self.poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    Ok(()) | Err(_) => {
                        self.gone = true;
                        return Poll::Ready(());
                    }
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Ends the connection below the frames too, as far as that can be done without waiting.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let done = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        };
        done.map(|_| ())
    }
}
