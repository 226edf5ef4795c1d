//! A WebSocket that obeys a fault script.
//!
//! Messages go through an outbox with a due time each, so that delay, jitter, stalls, swaps and duplicates are the
//! same few lines for every emulator. One `next()` drives writing, reading and the script's timers; it may be dropped
//! and called again at any await without losing anything.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::faults::{FaultLine, Faults, Garbage, Moment, Struck};

/// Messages waiting behind a peer that does not read. Beyond it the oldest go: an emulator must not grow without
/// end because the program under test has stopped.
const OUTBOX_MESSAGES_MAX: usize = 20_000;

/// The largest message taken, as the providers promise for their side.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// A transport whose TCP connection can be reset instead of closed.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    fn reset_on_drop(&self);
}

impl Transport for TcpStream {
    fn reset_on_drop(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Transport for MaybeTlsStream<TcpStream> {
    fn reset_on_drop(&self) {
        match self {
            MaybeTlsStream::Plain(tcp) => tcp.reset_on_drop(),
            MaybeTlsStream::Rustls(tls) => tls.get_ref().0.reset_on_drop(),
            _ => {}
        }
    }
}

/// What a wire has to tell.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// The peer sent a close frame.
    Closed {
        code: u16,
        reason: String,
    },
    /// The connection ended without one, or broke the protocol.
    Lost {
        protocol_error: bool,
        why: String,
    },
    /// The script struck. A close or a drop is the owner's to carry out, so that its own books are right first.
    Struck(Struck),
}

#[derive(Debug)]
struct Posted {
    due: Instant,
    message: Message,
}

#[derive(Debug)]
pub(crate) struct Wire<S> {
    socket: WebSocketStream<S>,
    pub(crate) faults: FaultLine,
    outbox: VecDeque<Posted>,
    held_back: Option<Posted>,
    unflushed: bool,
    /// Messages that were posted before the script struck, and leave before it does.
    ahead_of_strike: usize,
    last_due: Instant,
    read_after: Instant,
    timer: Pin<Box<Sleep>>,
    /// Messages that never left because the peer does not read.
    pub(crate) discarded: u64,
}

impl<S: Transport> Wire<S> {
    pub(crate) fn new(socket: WebSocketStream<S>, faults: &Faults) -> Wire<S> {
        let now = Instant::now();
        Wire {
            socket,
            faults: FaultLine::new(faults, now),
            outbox: VecDeque::new(),
            held_back: None,
            unflushed: false,
            ahead_of_strike: 0,
            last_due: now,
            read_after: now,
            timer: Box::pin(tokio::time::sleep_until(now)),
            discarded: 0,
        }
    }

    pub(crate) fn reach(&mut self, moment: Moment) {
        self.faults.reach(Instant::now(), moment);
        if self.faults.has_struck() {
            self.ahead_of_strike = self.outbox.len();
        }
    }

    /// Puts a message into the outbox; it leaves when the script lets it and `next` is polled.
    pub(crate) fn post(&mut self, message: Message) {
        let mut due = Instant::now() + self.faults.lateness();
        if let Some(until) = self.faults.stalled_until {
            due = due.max(until);
        }
        // A late message holds up the ones behind it: TCP never reorders.
        due = due.max(self.last_due);
        self.last_due = due;
        if self.faults.duplicates() {
            self.push(Posted { due, message: message.clone() });
        }
        let posted = Posted { due, message };
        if let Some(earlier) = self.held_back.take() {
            self.push(posted);
            self.push(earlier);
        } else if self.faults.swaps() {
            self.held_back = Some(posted);
        } else {
            self.push(posted);
        }
    }

    pub(crate) fn post_text(&mut self, text: String) {
        self.post(Message::text(text));
    }

    fn push(&mut self, posted: Posted) {
        if self.outbox.len() >= OUTBOX_MESSAGES_MAX {
            self.outbox.pop_front();
            self.discarded += 1;
        }
        self.outbox.push_back(posted);
    }

    /// The next thing that happens on this wire.
    pub(crate) async fn next(&mut self) -> Heard {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        loop {
            let now = Instant::now();
            self.faults.time_passed(now);
            if self.faults.stalled_until.is_some_and(|until| until <= now) {
                self.faults.stalled_until = None;
            }
            if let Some(until) = self.faults.stalled_until {
                self.read_after = self.read_after.max(until);
            }
            if let Err(error) = self.write_due(context, now) {
                return Poll::Ready(lost(&error));
            }
            // After writing: what was sent before the script struck has left.
            if let Some(struck) = self.faults.struck() {
                return Poll::Ready(Heard::Struck(struck));
            }
            if self.read_after <= now {
                match Pin::new(&mut self.socket).poll_next(context) {
                    Poll::Ready(message) => {
                        if let Some(heard) = read(message) {
                            if matches!(heard, Heard::Text(_) | Heard::Binary(_)) {
                                self.read_after = now + self.faults.slow_reader;
                            }
                            return Poll::Ready(heard);
                        }
                        // A ping, answered by the library: its pong must be flushed.
                        self.unflushed = true;
                        continue;
                    }
                    Poll::Pending => {}
                }
            }
            let Some(wake) = self.next_wake(now) else { return Poll::Pending };
            self.timer.as_mut().reset(wake);
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let send = self.outbox.front().map(|posted| posted.due).filter(|due| *due > now);
        let read = Some(self.read_after).filter(|at| *at > now);
        [send, read, self.faults.next_timed(), self.faults.stalled_until].into_iter().flatten().min()
    }

    fn write_due(&mut self, context: &mut Context<'_>, now: Instant) -> Result<(), Error> {
        while self.outbox.front().is_some_and(|posted| posted.due <= now) {
            if self.faults.has_struck() && self.ahead_of_strike == 0 {
                break;
            }
            match Pin::new(&mut self.socket).poll_ready(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            if let Some(posted) = self.outbox.pop_front() {
                Pin::new(&mut self.socket).start_send(posted.message)?;
                self.unflushed = true;
                self.ahead_of_strike = self.ahead_of_strike.saturating_sub(1);
                self.faults.message_sent(now);
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.socket).poll_flush(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(flushed) => {
                    flushed?;
                    self.unflushed = false;
                }
            }
        }
        Ok(())
    }

    /// Sends what is still in the outbox and a close frame, then waits at most `patience` for the peer's.
    /// Says whether the peer answered.
    pub(crate) async fn close(&mut self, code: u16, reason: &str, patience: Duration) -> bool {
        if let Some(held) = self.held_back.take() {
            self.outbox.push_back(held);
        }
        for posted in &mut self.outbox {
            posted.due = posted.due.min(self.last_due);
        }
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        let due = self.last_due;
        self.outbox.push_back(Posted { due, message: Message::Close(Some(frame)) });
        self.faults.slow_reader = Duration::ZERO;
        let drained = async {
            loop {
                match self.next().await {
                    Heard::Closed { .. } => return true,
                    // After both close frames the stream just ends.
                    Heard::Lost { protocol_error, .. } => return !protocol_error,
                    Heard::Text(_) | Heard::Binary(_) | Heard::Struck(_) => {}
                }
            }
        };
        tokio::time::timeout(patience, drained).await.unwrap_or(false)
    }

    /// Answers the peer's close frame and lets the connection end.
    pub(crate) async fn finish(mut self) {
        let ended = async { while !matches!(self.next().await, Heard::Lost { .. }) {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
    }

    /// TCP reset: no close frame, nothing flushed.
    pub(crate) fn abort(self) {
        self.socket.get_ref().reset_on_drop();
    }
}

/// Writes one bad message. `audio` is how this protocol wraps a base64 payload, `sample_bytes` a sample's size.
pub(crate) fn garbage(kind: Garbage, sample_bytes: usize, audio: impl Fn(&str) -> String) -> Message {
    match kind {
        Garbage::Utf8 => {
            let bytes = b"{\"event\":\"media\",\"type\":\"audio\",\"payload\":\"\xff\xfe\xc0\"}".to_vec();
            Message::Frame(Frame::message(bytes, OpCode::Data(Data::Text), true))
        }
        Garbage::Json => Message::text("{\"event\":\"media\",\"type\":\"audio\",\"payload\":"),
        Garbage::Base64 => Message::text(audio("!!! this is not base64 ===")),
        Garbage::Huge(size) => {
            let padding = "x".repeat(size);
            Message::text(format!("{{\"event\":\"padding\",\"type\":\"padding\",\"padding\":\"{padding}\"}}"))
        }
        // One byte short of a whole sample; with one-byte samples the odd case is no sample at all.
        Garbage::OddAudio => Message::text(audio(if sample_bytes > 1 { "AAAA" } else { "" })),
        Garbage::Binary => Message::binary(vec![0xff_u8; 160]),
        Garbage::UnknownEvent => Message::text(
            "{\"event\":\"weather_report\",\"type\":\"weather_report\",\"weather_report\":{\"sky\":\"clear\"}}",
        ),
        // 20 ms of µ-law silence; as PCM an inaudible crackle.
        Garbage::Audio => Message::text(audio(&crate::b64::encode(&[0xff; 160]))),
    }
}

fn read(message: Option<Result<Message, Error>>) -> Option<Heard> {
    match message {
        Some(Ok(Message::Text(text))) => Some(Heard::Text(text)),
        Some(Ok(Message::Binary(bytes))) => Some(Heard::Binary(bytes)),
        Some(Ok(Message::Close(frame))) => Some(match frame {
            Some(frame) => Heard::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
            // RFC 6455 §7.1.5: 1005 stands for a close frame without a code.
            None => Heard::Closed { code: 1005, reason: String::new() },
        }),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
        Some(Err(error)) => Some(lost(&error)),
        None => Some(Heard::Lost { protocol_error: false, why: "the connection ended".into() }),
    }
}

fn lost(error: &Error) -> Heard {
    let protocol_error = matches!(error, Error::Protocol(reason) if !matches!(reason, tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake))
        || matches!(error, Error::Utf8(_) | Error::Capacity(_));
    Heard::Lost { protocol_error, why: error.to_string() }
}

/// The server's side of an upgraded connection.
pub(crate) async fn server_side(tcp: TcpStream, already_read: Vec<u8>) -> WebSocketStream<TcpStream> {
    WebSocketStream::from_partially_read(tcp, already_read, Role::Server, Some(config())).await
}
