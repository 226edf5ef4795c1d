//! The media socket, from its dialling to its end.

mod ending;

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::Connector;
use tokio_tungstenite::tungstenite::Message;

use super::call::Phone;
use super::dialect::{Dialect, MarksOnClear, Reading, Said, Stopping, StreamEvent};
use super::order::{Leave, Order};
use super::playout::Playout;
use super::socket::{MediaWire, Refused, dial, half_a_handshake};
use super::sound::Codec;
use super::timeline::{End, Happening, How, StreamEnd, Warning};
use crate::faults::{Faults, Moment, Struck};
use crate::wire::{self, Heard, Wire};
use ending::{Parting, next_of};

/// So many ticks of agent speech in a row count as "speaking": 200 ms.
const SPEAKING_TICKS: u32 = 10;

/// Where a stream is opened, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// What travels with the stream, for the timeline.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) faults: Faults,
    /// How often the socket is dialled before the carrier gives up.
    pub(crate) attempts: u32,
    pub(crate) between_attempts: Duration,
    /// How long one attempt may take, connecting included.
    pub(crate) accepted_within: Duration,
}

impl Opening {
    pub(crate) fn at(url: &str) -> Opening {
        Opening {
            url: url.to_owned(),
            headers: Vec::new(),
            parameters: Vec::new(),
            faults: Faults::none(),
            attempts: 1,
            between_attempts: Duration::from_secs(1),
            accepted_within: Duration::from_secs(5),
        }
    }
}

/// How a stream was left while the call goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamOver {
    /// It never came about.
    Refused,
    ClosedByGateway,
    Lost,
    /// By an order through the carrier's API, or because its time is up.
    Stopped,
    HangUpAsked,
    TransferAsked {
        number: String,
    },
}

/// One open media socket.
struct Stream {
    wire: MediaWire,
    dialect: Box<dyn Dialect>,
    codec: Codec,
    playout: Playout,
    opened: Instant,
    ticks: u64,
    /// Caller speech that does not yet make a piece.
    held: Vec<u8>,
    speaking_ticks: u32,
    warned_of_discarding: bool,
}

impl Stream {
    fn post(&mut self, write: impl FnOnce(&mut dyn Dialect, &mut Vec<Message>)) -> bool {
        let mut out = Vec::new();
        write(self.dialect.as_mut(), &mut out);
        let any = !out.is_empty();
        for message in out {
            self.wire.post(message);
        }
        any
    }

    fn queued(&self) -> Duration {
        self.codec.sound.playing_time(self.playout.queued_bytes())
    }
}

/// What a turn of the loop brought.
enum Turn {
    Order(Option<Order>),
    Tick,
    Heard(Heard),
    First(Heard),
    TimeIsUp,
    ShutDown,
}

/// A stream's end: how it is told, how the socket is left, what the call does next.
type Left = (StreamEnd, Parting, Result<StreamOver, Leave>);

impl Phone {
    /// Opens the stream and stays in it until it ends. Ok means: the call goes on, as the carrier's rules say.
    pub(crate) async fn stream(
        &mut self,
        opening: &Opening,
        dialect: Box<dyn Dialect>,
    ) -> Result<StreamOver, Leave> {
        let Some(mut stream) = self.open(opening, dialect, &opening.faults).await? else {
            return Ok(StreamOver::Refused);
        };
        stream.dialect.happened(StreamEvent::Opened);
        let mut first: Option<MediaWire> = None;
        let over = self.life.over.clone();
        let time_is_up = stream.dialect.habits().lasts_at_most.map(|most| stream.opened + most);
        let (why, parting, left) = loop {
            let turn = tokio::select! {
                biased;
                () = over.cancelled() => Turn::ShutDown,
                order = self.orders.recv() => Turn::Order(order),
                () = sleep_until(self.line.next_tick()) => Turn::Tick,
                heard = stream.wire.next() => Turn::Heard(heard),
                heard = next_of(&mut first) => Turn::First(heard),
                () = sleep_until(time_is_up.unwrap_or(stream.opened)), if time_is_up.is_some() => Turn::TimeIsUp,
            };
            let left = match turn {
                Turn::ShutDown => Some(self.stop(&mut stream, Err(Leave::End(End::ShutDown))).await),
                Turn::TimeIsUp => Some(self.stop(&mut stream, Ok(StreamOver::Stopped)).await),
                Turn::Tick => {
                    if self.stream_tick(&mut stream) {
                        Some(self.stop(&mut stream, Err(Leave::End(End::CallerHungUp))).await)
                    } else {
                        None
                    }
                }
                Turn::Order(Some(Order::SecondSocket)) => {
                    let dialect = stream.dialect.again();
                    if let Some(second) = self.open(opening, dialect, &Faults::none()).await? {
                        let stream_sid = second.dialect.stream_sid().to_owned();
                        self.note(Happening::SecondSocketOpened { stream_sid });
                        self.settle(&stream);
                        first = Some(std::mem::replace(&mut stream, second).wire);
                    }
                    None
                }
                Turn::Order(order) => self.stream_order(&mut stream, order).await,
                Turn::Heard(heard) => self.stream_heard(&mut stream, heard).await,
                Turn::First(heard) => {
                    self.first_socket(&mut first, heard);
                    None
                }
            };
            if let Some(left) = left {
                break left;
            }
        };
        let Stream { wire, mut dialect, .. } = stream;
        parting.carry_out(wire, &self.life);
        let stream_sid = dialect.stream_sid().to_owned();
        self.note(Happening::StreamEnded { stream_sid, why: why.clone() });
        dialect.happened(StreamEvent::Ended { why: &why });
        left
    }

    /// Dials and introduces the stream. None means refused.
    async fn open(
        &mut self,
        opening: &Opening,
        mut dialect: Box<dyn Dialect>,
        faults: &Faults,
    ) -> Result<Option<Stream>, Leave> {
        let mut attempt = 1;
        let socket = loop {
            let connector = Connector::Rustls(std::sync::Arc::clone(&self.tls));
            let (held, dropped) = (faults.handshake_delay(), faults.drops_handshake());
            let (url, headers) = (opening.url.clone(), opening.headers.clone());
            let within = opening.accepted_within;
            let dialled = self
                .meanwhile(Box::pin(async move {
                    sleep(held).await;
                    if dropped {
                        return Err(half_a_handshake(&url, within).await);
                    }
                    dial(&url, &headers, connector, within).await
                }))
                .await?;
            let Refused { status, problem } = match dialled {
                Ok(socket) => break socket,
                Err(refused) => refused,
            };
            self.timeline.warn(dialect.refused(status, &problem));
            self.note(Happening::StreamRefused {
                url: opening.url.clone(),
                status,
                problem: problem.clone(),
            });
            if attempt >= opening.attempts {
                dialect.happened(StreamEvent::Refused { problem: &problem });
                return Ok(None);
            }
            attempt += 1;
            self.meanwhile(sleep(opening.between_attempts)).await?;
        };
        let mut stream = Stream {
            wire: Wire::new(socket, faults),
            codec: Codec::new(dialect.habits().sound),
            dialect,
            playout: Playout::default(),
            opened: Instant::now(),
            ticks: 0,
            held: Vec::new(),
            speaking_ticks: 0,
            warned_of_discarding: false,
        };
        stream.post(|dialect, out| dialect.greet(out));
        stream.wire.reach(Moment::BeforeMetadata);
        // A message that shall come before `start` must be in the queue before it.
        while let Some(kind) = stream.wire.faults.struck_garbage() {
            self.note(Happening::FaultStruck { fault: format!("{kind:?} before start") });
            post_garbage(&mut stream, kind);
        }
        stream.post(|dialect, out| dialect.start(out));
        stream.wire.reach(Moment::AfterMetadata);
        let stream_sid = stream.dialect.stream_sid().to_owned();
        self.stream_sids.push(stream_sid.clone());
        self.note(Happening::StreamOpened {
            stream_sid,
            url: opening.url.clone(),
            parameters: opening.parameters.clone(),
        });
        Ok(Some(stream))
    }

    /// 20 ms of the call: plays, speaks, presses. True when the caller hangs up.
    fn stream_tick(&mut self, stream: &mut Stream) -> bool {
        let sound = stream.codec.sound;
        let (bytes, reached) = stream.playout.play(sound.tick_bytes());
        self.media.played += sound.playing_time(bytes.len());
        for name in reached {
            self.give_back(stream, name, false);
        }
        stream.speaking_ticks = if bytes.is_empty() { 0 } else { stream.speaking_ticks + 1 };
        if stream.speaking_ticks == SPEAKING_TICKS {
            stream.wire.reach(Moment::Speaking);
        }
        if stream.wire.discarded > 0 && !stream.warned_of_discarding {
            stream.warned_of_discarding = true;
            self.timeline
                .warn(Warning::plain("the gateway does not read; the oldest messages are given up".into()));
        }

        let (played, heard) = stream.codec.play(&bytes);
        self.recording.push(sound.rate, &played);
        let tick = self.line.tick(&heard);
        self.note_caller(&tick);
        let spoken = stream.codec.take(&tick.frame);
        stream.held.extend(spoken);
        stream.ticks += 1;
        let habits = stream.dialect.habits();
        let piece_ticks = (habits.caller_piece.as_millis() / crate::sound::TICK.as_millis()).max(1) as u64;
        if stream.ticks.is_multiple_of(piece_ticks) {
            let piece = std::mem::take(&mut stream.held);
            let at = crate::sound::TICK * u32::try_from(stream.ticks - piece_ticks).unwrap_or(u32::MAX);
            if stream.post(|dialect, out| dialect.media(&piece, at, out)) {
                self.media.frames_sent += 1;
            }
        }
        if let Some(digit) = tick.pressed {
            stream.post(|dialect, out| dialect.digit(digit, out));
        }
        tick.hangs_up
    }

    async fn stream_order(&mut self, stream: &mut Stream, order: Option<Order>) -> Option<Left> {
        match order {
            Some(Order::KillSocket(how)) => {
                self.note(Happening::SocketKilled { how });
                Some(self.kill(stream, how).await)
            }
            Some(Order::SendText(text)) => {
                stream.wire.post(Message::text(text));
                None
            }
            Some(Order::SendBinary(bytes)) => {
                stream.wire.post(Message::binary(bytes));
                None
            }
            Some(Order::StopStream) => {
                self.note(Happening::StreamStopped);
                Some(self.stop(stream, Ok(StreamOver::Stopped)).await)
            }
            order => match self.take_order(order) {
                Ok(()) => None,
                Err(leave) => Some(self.stop(stream, Err(leave)).await),
            },
        }
    }

    async fn stream_heard(&mut self, stream: &mut Stream, heard: Heard) -> Option<Left> {
        match heard {
            Heard::Text(text) => {
                self.media.messages_received += 1;
                let reading = stream.dialect.read_text(&text, stream.queued());
                self.obey_message(stream, reading).await
            }
            Heard::Binary(bytes) => {
                self.media.messages_received += 1;
                let reading = stream.dialect.read_binary(&bytes, stream.queued());
                self.obey_message(stream, reading).await
            }
            Heard::Closed { code, reason } => {
                self.settle(stream);
                let why = StreamEnd::ClosedByGateway { code, reason };
                Some((why, Parting::Finish, Ok(StreamOver::ClosedByGateway)))
            }
            Heard::Lost { protocol_error, why } => {
                self.timeline.warn(stream.dialect.lost(protocol_error, &why));
                self.settle(stream);
                Some((StreamEnd::Lost { why }, Parting::Drop, Ok(StreamOver::Lost)))
            }
            Heard::Struck(struck) => {
                self.note(Happening::FaultStruck { fault: format!("{struck:?}") });
                match struck {
                    Struck::Garbage(kind) => {
                        post_garbage(stream, kind);
                        None
                    }
                    Struck::Close { code, reason } => Some(self.close_by_fault(stream, code, &reason).await),
                    Struck::Drop => Some(self.kill(stream, How::Reset).await),
                }
            }
        }
    }

    async fn obey_message(&mut self, stream: &mut Stream, reading: Reading) -> Option<Left> {
        for warning in reading.warnings {
            self.timeline.warn(warning);
        }
        for reply in reading.replies {
            stream.wire.post(reply);
        }
        match reading.said? {
            Said::Audio(mut audio) => {
                self.count_piece(audio.len());
                let sound = stream.codec.sound;
                // Half a sample would turn all that follows into noise.
                audio.truncate(audio.len() / sound.encoding.sample_bytes() * sound.encoding.sample_bytes());
                let duration = sound.playing_time(audio.len());
                self.media.received += duration;
                stream.playout.media(audio);
                self.note(Happening::Media { duration, queued: stream.queued() });
            }
            Said::Mark(name) => {
                self.note(Happening::MarkReceived { name: name.clone() });
                if let Some(name) = stream.playout.mark(name) {
                    self.give_back(stream, name, false);
                }
            }
            Said::Clear => {
                let (dropped, marks) = stream.playout.clear();
                let dropped = stream.codec.sound.playing_time(dropped);
                self.media.cleared += dropped;
                self.note(Happening::Cleared { dropped });
                if stream.dialect.habits().marks_on_clear == MarksOnClear::Echoed {
                    for name in marks {
                        self.give_back(stream, name, true);
                    }
                }
                if stream.post(|dialect, out| dialect.cleared(out)) {
                    self.note(Happening::ClearedTold);
                }
                stream.dialect.happened(StreamEvent::Cleared);
            }
            Said::Digits(digits) => self.play_digits(&digits),
            Said::HangUp => {
                self.note(Happening::HangUpAsked);
                if stream.dialect.habits().obeys_hang_up {
                    return Some(self.stop(stream, Ok(StreamOver::HangUpAsked)).await);
                }
            }
            Said::Transfer { number } => {
                self.note(Happening::TransferAsked { number: number.clone() });
                return Some(self.stop(stream, Ok(StreamOver::TransferAsked { number })).await);
            }
        }
        None
    }

    fn give_back(&mut self, stream: &mut Stream, name: String, cleared: bool) {
        if stream.wire.faults.loses_mark() {
            self.note(Happening::MarkLost { name });
            return;
        }
        stream.post(|dialect, out| dialect.played(&name, out));
        stream.dialect.happened(StreamEvent::Played { name: &name });
        self.note(Happening::MarkEchoed { name, cleared });
    }

    fn first_socket(&mut self, first: &mut Option<MediaWire>, heard: Heard) {
        match heard {
            Heard::Closed { code, reason } => {
                self.note(Happening::FirstSocketEnded { why: StreamEnd::ClosedByGateway { code, reason } });
                if let Some(wire) = first.take() {
                    self.life.spawn(wire.finish());
                }
            }
            Heard::Lost { why, .. } => {
                self.note(Happening::FirstSocketEnded { why: StreamEnd::Lost { why } });
                *first = None;
            }
            Heard::Text(_) | Heard::Binary(_) | Heard::Struck(_) => {}
        }
    }

    /// Writes down what a stream that ends leaves unplayed.
    fn settle(&mut self, stream: &Stream) {
        self.media.unplayed += stream.queued();
    }
}

fn post_garbage(stream: &mut Stream, kind: crate::faults::Garbage) {
    let sample_bytes = stream.codec.sound.encoding.sample_bytes();
    let message = wire::garbage(kind, sample_bytes, |payload| stream.dialect.bad_media(payload));
    stream.wire.post(message);
}

impl Stopping {
    fn of(left: &Result<StreamOver, Leave>) -> Stopping {
        match left {
            Err(Leave::End(_)) | Ok(StreamOver::HangUpAsked) => Stopping::CallOver,
            Err(Leave::Goto(_)) | Ok(_) => Stopping::CallGoesOn,
        }
    }
}
