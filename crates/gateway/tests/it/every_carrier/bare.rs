//! Any carrier's media socket by hand, for everything that a well-made carrier would never send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::Encoding;
use futures_util::{SinkExt, StreamExt};
use gateway::carrier_kind::CarrierKind;
use lab::plivo::{self, PlivoConfig};
use lab::twilio;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Duration, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::Line;
use super::lines::shown_secret;
use crate::world::{World, soon};

const STREAM: &str = "ST00000000000000000000000000000001";

/// A media socket that has proven itself, and speaks one carrier's language.
#[derive(Debug)]
pub(crate) struct Bare {
    line: Line,
    /// The carrier's name for the call.
    pub(crate) call: String,
    socket: WebSocketStream<TcpStream>,
    number: u64,
}

impl Bare {
    pub(crate) async fn open(world: &World, line: Line) -> Bare {
        Bare::open_with(world, line, None).await
    }

    /// One whose kernel keeps little of what is not read.
    pub(crate) async fn with_little_room(world: &World, line: Line) -> Bare {
        Bare::open_with(world, line, Some(4_096)).await
    }

    /// A call that has begun.
    pub(crate) async fn calling(world: &World, line: Line) -> Bare {
        let mut bare = Bare::open(world, line).await;
        bare.start().await;
        bare
    }

    async fn open_with(world: &World, line: Line, room: Option<u32>) -> Bare {
        let call = format!("{}{:016x}", line.carrier.name(), rand::random::<u64>());
        let path = match line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => "/twilio/media-stream".to_owned(),
            CarrierKind::Plivo => "/plivo/stream".to_owned(),
            CarrierKind::Exotel => format!("/voicebot/ws?{}", shown_secret()),
            CarrierKind::Mcube => format!("/ws/mcube/{call}?{}", shown_secret()),
        };
        let url = world.url(&path).replacen("http", "ws", 1);
        let proof = match line.carrier {
            CarrierKind::Twilio => {
                let signed = twilio::signature::of_url(world.network.auth_token(), &url);
                vec![(twilio::signature::HEADER, signed)]
            }
            CarrierKind::Plivo => {
                let (token, nonce) = (PlivoConfig::default().auth_token, "12345678901234567890");
                let signed = plivo::signature::v3(&token, nonce, plivo::Method::Get, &url, &[]);
                vec![(plivo::signature::HEADER, signed), (plivo::signature::NONCE_HEADER, nonce.to_owned())]
            }
            CarrierKind::Exotel | CarrierKind::Mcube | CarrierKind::Browser => Vec::new(),
        };
        let mut request = url.as_str().into_client_request().unwrap();
        for (name, value) in proof {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let tcp = TcpSocket::new_v4().unwrap();
        if let Some(room) = room {
            tcp.set_recv_buffer_size(room).unwrap();
        }
        let stream = tcp.connect(world.serving.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, _) =
            soon("the upgrade", tokio_tungstenite::client_async(request, stream)).await.unwrap();
        Bare { line, call, socket, number: 0 }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        // A gateway that has closed takes no more; what it said about it is what the test looks at.
        let _ = self.socket.send(message).await;
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    async fn json(&mut self, message: &Value) {
        self.text(message.to_string()).await;
    }

    /// A text message that is no text.
    pub(crate) async fn raw_text(&mut self, bytes: &[u8]) {
        self.send(Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(Data::Text), true))).await;
    }

    /// What this carrier says first.
    pub(crate) async fn start(&mut self) {
        let call = self.call.clone();
        self.number += 1;
        let number = self.number;
        let hz = self.line.rate.hz();
        let encoding = match self.line.encoding {
            Encoding::Mulaw => "audio/x-mulaw",
            Encoding::Pcm16 => "audio/x-l16",
        };
        match self.line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => {
                self.json(&json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})).await;
                self.json(&json!({
                    "event": "start", "sequenceNumber": number.to_string(), "streamSid": STREAM,
                    "start": {
                        "accountSid": "AC1", "streamSid": STREAM, "callSid": call, "tracks": ["inbound"],
                        "mediaFormat": {"encoding": encoding, "sampleRate": hz, "channels": 1},
                        "customParameters": {},
                    },
                }))
                .await;
            }
            CarrierKind::Plivo => {
                self.json(&json!({
                    "event": "start", "sequenceNumber": number, "extra_headers": "",
                    "start": {
                        "accountId": "MA1", "streamId": STREAM, "callId": call, "tracks": ["inbound"],
                        "mediaFormat": {"encoding": encoding, "sampleRate": hz},
                    },
                }))
                .await;
            }
            CarrierKind::Exotel => {
                self.json(&json!({"event": "connected"})).await;
                self.json(&json!({
                    "event": "start", "sequence_number": number.to_string(), "stream_sid": STREAM,
                    "start": {
                        "stream_sid": STREAM, "call_sid": call, "account_sid": "a1", "from": "09876543210",
                        "to": "08047112233", "custom_parameters": {},
                        "media_format": {"encoding": "audio/x-raw", "sample_rate": hz.to_string(), "bit_rate": "16"},
                    },
                }))
                .await;
            }
            CarrierKind::Mcube => {
                self.json(&json!({
                    "event": "start",
                    "start": {
                        "callId": call, "streamId": STREAM, "tracks": ["inbound", "outbound"],
                        "mediaFormat": {"encoding": encoding, "sampleRate": hz},
                    },
                }))
                .await;
            }
        }
    }

    /// Twenty milliseconds of silence.
    pub(crate) fn silence(&self) -> Vec<u8> {
        match self.line.encoding {
            Encoding::Mulaw => vec![0xff; 160],
            Encoding::Pcm16 => vec![0; 320],
        }
    }

    pub(crate) async fn media(&mut self, sound: &[u8]) {
        self.number += 1;
        let message = self.media_message(STREAM, self.number, &STANDARD.encode(sound));
        self.text(message).await;
    }

    /// A media message of this stream whose payload is anything.
    pub(crate) async fn media_of(&mut self, payload: &str) {
        self.number += 1;
        let message = self.media_message(STREAM, self.number, payload);
        self.text(message).await;
    }

    /// A good message of a stream that is not this one.
    pub(crate) async fn foreign_media(&mut self) {
        let message = self.media_message("STother", self.number + 1, &STANDARD.encode(self.silence()));
        self.text(message).await;
    }

    fn media_message(&self, stream: &str, number: u64, payload: &str) -> String {
        let text = number.to_string();
        let at = (number * 20).to_string();
        let message = match self.line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => json!({
                "event": "media", "sequenceNumber": text, "streamSid": stream,
                "media": {"track": "inbound", "chunk": text, "timestamp": at, "payload": payload},
            }),
            CarrierKind::Plivo => json!({
                "event": "media", "sequenceNumber": number, "streamId": stream,
                "media": {"track": "inbound", "chunk": number, "timestamp": at, "payload": payload},
            }),
            CarrierKind::Exotel => json!({
                "event": "media", "sequence_number": text, "stream_sid": stream,
                "media": {"chunk": text, "timestamp": at, "payload": payload},
            }),
            CarrierKind::Mcube => {
                json!({"event": "media", "streamId": stream, "media": {"payload": payload}})
            }
        };
        message.to_string()
    }

    /// A mark that nobody has set.
    pub(crate) async fn foreign_mark(&mut self) {
        self.number += 1;
        let number = self.number;
        let message = match self.line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => json!({
                "event": "mark", "sequenceNumber": number.to_string(), "streamSid": STREAM,
                "mark": {"name": "never set"},
            }),
            CarrierKind::Plivo => json!({
                "event": "playedStream", "sequenceNumber": number, "streamId": STREAM, "name": "never set",
            }),
            CarrierKind::Exotel => json!({
                "event": "mark", "sequence_number": number.to_string(), "stream_sid": STREAM,
                "mark": {"name": "never set"},
            }),
            CarrierKind::Mcube => {
                json!({"event": "playedStream", "streamId": STREAM, "name": "never set"})
            }
        };
        self.json(&message).await;
    }

    /// The carrier's last word.
    pub(crate) async fn stop(&mut self) {
        self.number += 1;
        let number = self.number;
        let call = self.call.clone();
        let message = match self.line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => json!({
                "event": "stop", "sequenceNumber": number.to_string(), "streamSid": STREAM,
                "stop": {"accountSid": "AC1", "callSid": call},
            }),
            CarrierKind::Plivo => json!({"event": "stop", "sequenceNumber": number, "streamId": STREAM}),
            CarrierKind::Exotel => json!({
                "event": "stop", "sequence_number": number.to_string(), "stream_sid": STREAM,
                "stop": {"call_sid": call, "account_sid": "a1", "reason": "callended"},
            }),
            CarrierKind::Mcube => json!({"event": "stop", "streamId": STREAM}),
        };
        self.json(&message).await;
    }

    /// The first message of this kind.
    pub(crate) async fn hears(&mut self, is_it: impl Fn(&str) -> bool) -> Value {
        let hearing = async {
            while let Some(Ok(message)) = self.socket.next().await {
                if let Message::Text(text) = message {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["event"].as_str().is_some_and(&is_it) {
                        return Some(value);
                    }
                }
            }
            None
        };
        soon("a message of the gateway's", hearing).await.expect("the socket ended before it came")
    }

    /// The gateway speaks.
    pub(crate) async fn hears_sound(&mut self) {
        self.hears(|event| ["media", "playAudio"].contains(&event)).await;
    }

    /// The code with which the gateway closes; none if it just goes.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let closing = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        soon("the gateway closes the socket", closing).await
    }

    /// Asks for so many answers as fast as it can, and reads none of them.
    pub(crate) async fn ping_without_reading(&mut self, times: usize) {
        let asking = async {
            for _ in 0..times {
                self.socket.feed(Message::Ping(vec![0; 125].into())).await?;
            }
            self.socket.flush().await
        };
        // In bounded time: a gateway that stopped reading as well would hold us up for ever.
        let _ = timeout(Duration::from_secs(5), asking).await;
    }
}
