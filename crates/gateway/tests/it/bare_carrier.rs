//! A carrier's media socket by hand, for everything that a well-made carrier would never send.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use call::CallId;
use futures_util::{SinkExt, StreamExt};
use gateway::switchboard::Knock;
use lab::twilio::signature;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::world::{World, soon};

pub(crate) const STREAM: &str = "MZ00000000000000000000000000000001";
pub(crate) const CALL: &str = "CA00000000000000000000000000000001";

#[derive(Debug)]
pub(crate) struct BareCarrier {
    pub(crate) socket: WebSocketStream<TcpStream>,
    sequence: u64,
}

impl BareCarrier {
    /// A socket that nobody vouches for.
    pub(crate) async fn unsigned(world: &World) -> BareCarrier {
        BareCarrier::open(world, None, None).await
    }

    pub(crate) async fn signed(world: &World) -> BareCarrier {
        BareCarrier::open(world, Some(world.network.auth_token()), None).await
    }

    /// One whose kernel keeps little of what is not read.
    pub(crate) async fn with_little_room(world: &World) -> BareCarrier {
        BareCarrier::open(world, Some(world.network.auth_token()), Some(4_096)).await
    }

    async fn open(world: &World, token: Option<&str>, room: Option<u32>) -> BareCarrier {
        let url = world.url("/twilio/media-stream").replace("http://", "ws://");
        let tcp = TcpSocket::new_v4().unwrap();
        if let Some(room) = room {
            tcp.set_recv_buffer_size(room).unwrap();
        }
        let stream = tcp.connect(world.serving.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = url.as_str().into_client_request().unwrap();
        if let Some(token) = token {
            let signed = signature::of_url(token, &url);
            request.headers_mut().insert(signature::HEADER, signed.parse().unwrap());
        }
        let (socket, _) =
            soon("the upgrade", tokio_tungstenite::client_async(request, stream)).await.unwrap();
        BareCarrier { socket, sequence: 0 }
    }

    /// A call that has begun.
    pub(crate) async fn calling(world: &World) -> BareCarrier {
        let mut carrier = BareCarrier::signed(world).await;
        carrier.start(json!({})).await;
        carrier
    }

    pub(crate) async fn send(&mut self, message: Message) {
        // A gateway that has closed takes no more; what it said about it is what the test looks at.
        let _ = self.socket.send(message).await;
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    /// A text message that is no text.
    pub(crate) async fn raw_text(&mut self, bytes: &[u8]) {
        self.send(Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(Data::Text), true))).await;
    }

    pub(crate) async fn start(&mut self, parameters: Value) {
        self.text(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()).await;
        self.sequence += 1;
        let start = json!({
            "event": "start", "sequenceNumber": self.sequence.to_string(), "streamSid": STREAM,
            "start": {
                "accountSid": "AC1", "streamSid": STREAM, "callSid": CALL, "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        });
        self.text(start.to_string()).await;
    }

    /// The caller's sound, with the next number.
    pub(crate) async fn media(&mut self, codes: &[u8]) {
        self.sequence += 1;
        self.media_numbered(self.sequence, &STANDARD.encode(codes)).await;
    }

    pub(crate) async fn media_numbered(&mut self, number: u64, payload: &str) {
        self.sequence = self.sequence.max(number);
        self.text(media(number, payload)).await;
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.sequence + 1
    }

    pub(crate) async fn stop(&mut self) {
        self.sequence += 1;
        let stop = json!({
            "event": "stop", "sequenceNumber": self.sequence.to_string(), "streamSid": STREAM,
            "stop": {"accountSid": "AC1", "callSid": CALL},
        });
        self.text(stop.to_string()).await;
    }

    /// The next message of this kind.
    pub(crate) async fn hears(&mut self, event: &str) -> Value {
        let hearing = async {
            while let Some(Ok(message)) = self.socket.next().await {
                if let Message::Text(text) = message {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["event"] == event {
                        return Some(value);
                    }
                }
            }
            None
        };
        soon(event, hearing).await.unwrap_or_else(|| panic!("the socket ended before {event:?}"))
    }

    /// How the gateway closes; none if it just goes.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let closing = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        soon("the gateway closes the socket", closing).await
    }

    /// Asks for so many answers as fast as it can, and reads none of them.
    pub(crate) async fn ping_without_reading(&mut self, times: usize) {
        for _ in 0..times {
            let ping = Message::Ping(vec![0; 125].into());
            // Each in bounded time: a gateway that stopped reading as well would hold us up for ever.
            let sent = tokio::time::timeout(Duration::from_secs(5), self.socket.send(ping)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}

pub(crate) fn media(number: u64, payload: &str) -> String {
    json!({
        "event": "media", "sequenceNumber": number.to_string(), "streamSid": STREAM,
        "media": {
            "track": "inbound", "chunk": number.to_string(), "timestamp": (number * 20).to_string(),
            "payload": payload,
        },
    })
    .to_string()
}

/// A token as our own document would carry it.
pub(crate) fn reserve(world: &World) -> (CallId, String) {
    let knock = Knock {
        carrier: "twilio".into(),
        carrier_call: Some(CALL.into()),
        from: Some("+14155550100".into()),
        to: None,
        ..Knock::default()
    };
    let bot = world.gateway.bot(&world.gateway.config.default_bot).unwrap();
    let reservation = world.gateway.switchboard.reserve(knock, bot).unwrap();
    (reservation.id, reservation.token)
}
