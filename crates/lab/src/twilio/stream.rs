//! `<Connect><Stream>`: the media socket, from its dialling to its end.

use std::time::Duration;

use audio::g711;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, client_async_tls_with_config};

use super::call::{Call, Leave, Order};
use super::callbacks::Callback;
use super::messages::{Body, Connected, Dtmf, Event, Mark, Media, MediaFormat, Start, Stop};
use super::playout::Playout;
use super::strict::{self, Said};
use super::timeline::{End, Happening, How, StreamEnd, Warning};
use super::twiml::StreamSpec;
use super::{Method, signature};
use crate::faults::{Faults, Moment, Struck};
use crate::sound::TICK_SAMPLES;
use crate::wire::{self, Heard, Transport, Wire};
use crate::{b64, chance};

const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// How long a gateway may take to answer our close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const STOPPED_SOCKET_STAYS: Duration = Duration::from_secs(60);
/// So many ticks of agent speech in a row count as "speaking": 200 ms.
const SPEAKING_TICKS: u32 = 10;
const BYTES_PER_MS: u64 = 8;

type Line = Wire<MaybeTlsStream<TcpStream>>;

/// One open media socket.
struct Stream {
    wire: Line,
    sid: String,
    sequence: u64,
    chunk: u64,
    playout: Playout,
    speaking_ticks: u32,
    warned_of_discarding: bool,
}

impl Stream {
    fn post(&mut self, body: Body<'_>) {
        self.sequence += 1;
        let text = Event::text(self.sequence, &self.sid, body);
        self.wire.post_text(text);
    }
}

/// What a turn of the loop brought.
enum Turn {
    Order(Option<Order>),
    Tick,
    Heard(Heard),
    First(Heard),
    ShutDown,
}

impl Call {
    /// Opens the stream and stays in it until it ends. Ok means: on to the next verb.
    pub(super) async fn stream(&mut self, spec: StreamSpec) -> Result<(), Leave> {
        let faults = self.faults.clone();
        let Some(mut stream) = self.open(&spec, &faults).await? else { return Ok(()) };
        self.stream_event(&spec, &stream.sid, "stream-started", None);
        let mut first: Option<Line> = None;
        let over = self.network.life.over.clone();
        let (why, left) = loop {
            let turn = tokio::select! {
                biased;
                () = over.cancelled() => Turn::ShutDown,
                order = self.orders.recv() => Turn::Order(order),
                () = sleep_until(self.line.next_tick()) => Turn::Tick,
                heard = stream.wire.next() => Turn::Heard(heard),
                heard = next_of(&mut first) => Turn::First(heard),
            };
            match turn {
                Turn::ShutDown => break (stop(self, stream).await, Err(Leave::End(End::ShutDown))),
                Turn::Tick => {
                    if self.stream_tick(&mut stream) {
                        break (stop(self, stream).await, Err(Leave::End(End::CallerHungUp)));
                    }
                }
                Turn::Order(Some(Order::KillSocket(how))) => {
                    self.timeline.note(Happening::SocketKilled { how });
                    break (self.kill(stream, how).await, Err(Leave::End(End::SocketKilled)));
                }
                Turn::Order(Some(Order::SendText(text))) => stream.wire.post(Message::text(text)),
                Turn::Order(Some(Order::SecondSocket)) => {
                    let Some(second) = self.open(&spec, &Faults::none()).await? else { continue };
                    self.timeline.note(Happening::SecondSocketOpened { stream_sid: second.sid.clone() });
                    self.settle(&stream.playout);
                    first = Some(std::mem::replace(&mut stream, second).wire);
                }
                Turn::Order(order) => {
                    if let Err(leave) = self.take_order(order) {
                        break (stop(self, stream).await, Err(leave));
                    }
                }
                Turn::Heard(Heard::Text(text)) => self.obey_message(&mut stream, &text),
                Turn::Heard(Heard::Binary(bytes)) => {
                    self.timeline.warn(strict::invalid(&format!("a binary message of {bytes} bytes")));
                }
                Turn::Heard(Heard::Closed { code, reason }) => {
                    self.settle(&stream.playout);
                    self.network.life.spawn(stream.wire.finish());
                    break (StreamEnd::ClosedByGateway { code, reason }, Ok(()));
                }
                Turn::Heard(Heard::Lost { protocol_error, why }) => {
                    let (number, name) =
                        if protocol_error { (31924, "Protocol Error") } else { (31903, "Broken Pipe") };
                    self.timeline.warn(Warning::coded(number, format!("Stream - WebSocket - {name}: {why}")));
                    self.settle(&stream.playout);
                    break (StreamEnd::Lost { why }, Ok(()));
                }
                Turn::Heard(Heard::Struck(struck)) => {
                    self.timeline.note(Happening::FaultStruck { fault: format!("{struck:?}") });
                    match struck {
                        Struck::Garbage(kind) => {
                            let (sid, sequence) = (stream.sid.clone(), stream.sequence);
                            stream.wire.post(wire::garbage(kind, 1, |payload| {
                                let media = Media {
                                    track: "inbound",
                                    chunk: "0".into(),
                                    timestamp: "0".into(),
                                    payload,
                                };
                                Event::text(sequence, &sid, Body::Media(media))
                            }));
                        }
                        Struck::Close { code, reason } => {
                            self.settle(&stream.playout);
                            stream.wire.close(code, &reason, CLOSE_WITHIN).await;
                            break (StreamEnd::Killed, Err(Leave::End(End::SocketKilled)));
                        }
                        Struck::Drop => {
                            break (self.kill(stream, How::Reset).await, Err(Leave::End(End::SocketKilled)));
                        }
                    }
                }
                Turn::First(Heard::Closed { code, reason }) => {
                    self.timeline.note(Happening::FirstSocketEnded {
                        why: StreamEnd::ClosedByGateway { code, reason },
                    });
                    if let Some(wire) = first.take() {
                        self.network.life.spawn(wire.finish());
                    }
                }
                Turn::First(Heard::Lost { why, .. }) => {
                    self.timeline.note(Happening::FirstSocketEnded { why: StreamEnd::Lost { why } });
                    first = None;
                }
                Turn::First(Heard::Text(_) | Heard::Binary(_) | Heard::Struck(_)) => {}
            }
        };
        let sid = self.stream_sids.last().cloned().unwrap_or_default();
        let error = match &why {
            StreamEnd::Lost { why } => Some(why.clone()),
            StreamEnd::ClosedByGateway { .. } | StreamEnd::Stopped { .. } | StreamEnd::Killed => None,
        };
        self.timeline.note(Happening::StreamEnded { stream_sid: sid.clone(), why });
        if let Some(error) = error {
            self.stream_event(&spec, &sid, "stream-error", Some(error));
        }
        self.stream_event(&spec, &sid, "stream-stopped", None);
        left
    }

    /// Dials and introduces the stream. None means refused: Twilio goes on with the next verb.
    async fn open(&mut self, spec: &StreamSpec, faults: &Faults) -> Result<Option<Stream>, Leave> {
        let sid = chance::sid("MZ");
        let signature = self.asking.sign_upgrade(&spec.url);
        let connector = Connector::Rustls(std::sync::Arc::clone(&self.network.tls));
        let (held, dropped) = (faults.handshake_delay(), faults.drops_handshake());
        let url = spec.url.clone();
        let dialled = self
            .meanwhile(Box::pin(async move {
                tokio::time::sleep(held).await;
                if dropped {
                    return Err(half_a_handshake(&url).await);
                }
                dial(&url, signature, connector).await
            }))
            .await?;
        let socket = match dialled {
            Ok(socket) => socket,
            Err(Refused { status, problem }) => {
                let code = if status.is_some() { 31920 } else { 31901 };
                self.timeline.warn(Warning::coded(code, format!("Stream - WebSocket: {problem}")));
                self.timeline.note(Happening::StreamRefused {
                    url: spec.url.clone(),
                    status,
                    problem: problem.clone(),
                });
                self.stream_event(spec, &sid, "stream-error", Some(problem));
                return Ok(None);
            }
        };
        let wire = Wire::new(socket, faults);
        let mut stream = Stream {
            wire,
            sid: sid.clone(),
            sequence: 0,
            chunk: 0,
            playout: Playout::default(),
            speaking_ticks: 0,
            warned_of_discarding: false,
        };
        self.introduce(&mut stream, spec);
        self.stream_sids.push(sid.clone());
        self.timeline.note(Happening::StreamOpened {
            stream_sid: sid,
            url: spec.url.clone(),
            parameters: spec.parameters.clone(),
        });
        Ok(Some(stream))
    }

    fn introduce(&self, stream: &mut Stream, spec: &StreamSpec) {
        stream.wire.post_text(Connected::text());
        stream.wire.reach(Moment::BeforeMetadata);
        // A message that shall come before `start` must be in the queue before it.
        self.post_early_garbage(stream);
        let custom_parameters: Map<String, Value> =
            spec.parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let sid = stream.sid.clone();
        stream.post(Body::Start(Start {
            account_sid: &self.network.config.account_sid,
            stream_sid: &sid,
            call_sid: &self.state.sid,
            tracks: ["inbound"],
            media_format: MediaFormat { encoding: "audio/x-mulaw", sample_rate: 8_000, channels: 1 },
            custom_parameters,
        }));
        stream.wire.reach(Moment::AfterMetadata);
    }

    fn post_early_garbage(&self, stream: &mut Stream) {
        while let Some(kind) = stream.wire.faults.struck_garbage() {
            self.timeline.note(Happening::FaultStruck { fault: format!("{kind:?} before start") });
            let sid = stream.sid.clone();
            stream.wire.post(wire::garbage(kind, 1, |payload| {
                let media = Media { track: "inbound", chunk: "1".into(), timestamp: "0".into(), payload };
                Event::text(1, &sid, Body::Media(media))
            }));
        }
    }

    /// 20 ms of the call: plays, speaks, presses. True when the caller hangs up.
    fn stream_tick(&mut self, stream: &mut Stream) -> bool {
        let (bytes, reached) = stream.playout.play(TICK_SAMPLES);
        self.media.played += Duration::from_micros(bytes.len() as u64 * 125);
        let mut sound = Vec::with_capacity(TICK_SAMPLES);
        g711::ulaw_to_pcm(&bytes, &mut sound);
        for name in reached {
            self.echo(stream, name, false);
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
        let tick = self.line.tick(&sound);
        self.note_caller(&tick);
        let mut payload = Vec::with_capacity(TICK_SAMPLES);
        g711::pcm_to_ulaw(&tick.frame, &mut payload);
        stream.chunk += 1;
        let timestamp = ((stream.chunk - 1) * 20).to_string();
        let chunk = stream.chunk.to_string();
        stream.post(Body::Media(Media {
            track: "inbound",
            chunk,
            timestamp,
            payload: &b64::encode(&payload),
        }));
        self.media.frames_sent += 1;
        if let Some(digit) = tick.pressed {
            stream.post(Body::Dtmf(Dtmf { track: "inbound_track", digit }));
        }
        tick.hangs_up
    }

    fn obey_message(&mut self, stream: &mut Stream, text: &str) {
        self.media.messages_received += 1;
        let (said, complaints) = strict::read(text, &stream.sid);
        for complaint in complaints {
            self.timeline.warn(complaint);
        }
        match said {
            Some(Said::Media(audio)) => {
                let duration = playing_time(audio.len());
                self.media.received += duration;
                stream.playout.media(audio);
                let queued = playing_time(stream.playout.queued_bytes());
                self.timeline.note(Happening::Media { duration, queued });
            }
            Some(Said::Mark(name)) => {
                self.timeline.note(Happening::MarkReceived { name: name.clone() });
                if let Some(name) = stream.playout.mark(name) {
                    self.echo(stream, name, false);
                }
            }
            Some(Said::Clear) => {
                let (dropped, marks) = stream.playout.clear();
                let dropped = playing_time(dropped);
                self.media.cleared += dropped;
                self.timeline.note(Happening::Cleared { dropped });
                for name in marks {
                    self.echo(stream, name, true);
                }
            }
            None => {}
        }
    }

    fn echo(&mut self, stream: &mut Stream, name: String, cleared: bool) {
        if stream.wire.faults.loses_mark() {
            self.timeline.note(Happening::MarkLost { name });
            return;
        }
        stream.post(Body::Mark(Mark { name: &name }));
        self.timeline.note(Happening::MarkEchoed { name, cleared });
    }

    /// Writes down what a stream that ends leaves unplayed.
    fn settle(&mut self, playout: &Playout) {
        self.media.unplayed += playing_time(playout.queued_bytes());
    }

    async fn kill(&mut self, mut stream: Stream, how: How) -> StreamEnd {
        self.settle(&stream.playout);
        match how {
            How::Reset => stream.wire.abort(),
            How::CloseWithoutStop => {
                stream.wire.close(1000, "", CLOSE_WITHIN).await;
            }
            How::StopWithoutClose => {
                self.post_stop(&mut stream);
                let mut wire = stream.wire;
                let gone = async {
                    loop {
                        match wire.next().await {
                            Heard::Closed { code, reason } => {
                                return StreamEnd::ClosedByGateway { code, reason };
                            }
                            Heard::Lost { why, .. } => return StreamEnd::Lost { why },
                            Heard::Text(_) | Heard::Binary(_) | Heard::Struck(_) => {}
                        }
                    }
                };
                let end = tokio::select! {
                    end = timeout(STOPPED_SOCKET_STAYS, gone) => end.ok(),
                    () = self.network.life.over.cancelled() => None,
                };
                if let Some(end) = end {
                    self.network.life.spawn(wire.finish());
                    return end;
                }
            }
        }
        StreamEnd::Killed
    }

    fn post_stop(&self, stream: &mut Stream) {
        stream.post(Body::Stop(Stop {
            account_sid: &self.network.config.account_sid,
            call_sid: &self.state.sid,
        }));
    }

    fn stream_event(&self, spec: &StreamSpec, sid: &str, event: &str, error: Option<String>) {
        let Some(action) = &spec.status_callback else { return };
        let Some(url) = self.resolve(&action.url) else { return };
        let mut form = vec![
            ("AccountSid".to_owned(), self.network.config.account_sid.clone()),
            ("CallSid".to_owned(), self.state.sid.clone()),
            ("StreamSid".to_owned(), sid.to_owned()),
            ("StreamName".to_owned(), spec.name.clone().unwrap_or_else(|| sid.to_owned())),
            ("StreamEvent".to_owned(), event.to_owned()),
            ("Timestamp".to_owned(), Timestamp::now().to_string()),
        ];
        if let Some(error) = error {
            form.push(("StreamError".to_owned(), error));
        }
        let method: Method = action.method.into();
        self.callbacks.send(Callback { event: event.to_owned(), url, method, form });
    }
}

/// The regular end: `stop`, then a close frame.
async fn stop(call: &mut Call, mut stream: Stream) -> StreamEnd {
    call.settle(&stream.playout);
    call.post_stop(&mut stream);
    let answered = stream.wire.close(1000, "", CLOSE_WITHIN).await;
    StreamEnd::Stopped { answered }
}

async fn next_of(wire: &mut Option<Line>) -> Heard {
    match wire {
        Some(wire) => wire.next().await,
        None => std::future::pending().await,
    }
}

fn playing_time(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000 / BYTES_PER_MS)
}

struct Refused {
    status: Option<u16>,
    problem: String,
}

impl Refused {
    fn because(problem: impl std::fmt::Display) -> Refused {
        Refused { status: None, problem: problem.to_string() }
    }
}

async fn connect(url: &str) -> Result<TcpStream, Refused> {
    let parsed = url::Url::parse(url).map_err(Refused::because)?;
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = parsed.port_or_known_default().unwrap_or(443);
    let tcp = timeout(DIAL_WITHIN, TcpStream::connect((host, port)))
        .await
        .map_err(|_| Refused::because("connection timeout"))?
        .map_err(Refused::because)?;
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

async fn dial(
    url: &str,
    signed: Option<String>,
    connector: Connector,
) -> Result<tokio_tungstenite::WebSocketStream<MaybeTlsStream<TcpStream>>, Refused> {
    let began = Instant::now();
    let tcp = connect(url).await?;
    let mut request = url.into_client_request().map_err(Refused::because)?;
    if let Some(value) = signed.and_then(|text| HeaderValue::from_str(&text).ok()) {
        request.headers_mut().insert(signature::HEADER, value);
    }
    request.headers_mut().insert("User-Agent", HeaderValue::from_static("Twilio.TmeWs/1.0"));
    let left = DIAL_WITHIN.saturating_sub(began.elapsed());
    let upgrade = client_async_tls_with_config(request, tcp, Some(wire::config()), Some(connector));
    match timeout(left, upgrade).await {
        Err(_) => Err(Refused::because("no answer to the upgrade")),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(answer))) => {
            let status = answer.status().as_u16();
            Err(Refused {
                status: Some(status),
                problem: format!("handshake answered with {status}, not 101"),
            })
        }
        Ok(Err(error)) => Err(Refused::because(error)),
    }
}

/// Begins an upgrade and resets the connection in the middle of it.
async fn half_a_handshake(url: &str) -> Refused {
    use tokio::io::AsyncWriteExt;
    match connect(url).await {
        Ok(mut tcp) => {
            let _ = tcp.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websoc").await;
            tcp.reset_on_drop();
            Refused::because("the connection was dropped during the handshake, on purpose")
        }
        Err(refused) => refused,
    }
}
