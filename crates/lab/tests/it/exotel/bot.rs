//! The bot: a bare media socket that does as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

#[derive(Debug)]
pub(super) struct Bot {
    pub(super) url: String,
    refusals: Arc<AtomicUsize>,
    dialled: Arc<AtomicUsize>,
    sockets: mpsc::Receiver<Socket>,
}

/// A media socket and the request that opened it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) sid: String,
    ws: WebSocketStream<TcpStream>,
    chunk: u64,
    sent_bytes: u64,
}

impl Bot {
    pub(super) async fn start() -> Bot {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/voicebot", listener.local_addr().unwrap());
        let (sender, sockets) = mpsc::channel(16);
        let (refusals, dialled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let bot = Bot { url, refusals: Arc::clone(&refusals), dialled: Arc::clone(&dialled), sockets };
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // Nagle's algorithm waits for real time, and these tests' time is not.
                tcp.set_nodelay(true).unwrap();
                dialled.fetch_add(1, Ordering::SeqCst);
                let refuse = refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
                let (mut uri, mut headers) = (Uri::default(), HeaderMap::new());
                #[expect(clippy::result_large_err, reason = "the library's own signature")]
                let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
                    (uri, headers) = (request.uri().clone(), request.headers().clone());
                    if refuse.is_ok() {
                        let mut refused = ErrorResponse::new(None);
                        *refused.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                        return Err(refused);
                    }
                    Ok(response)
                };
                if let Ok(ws) = tokio_tungstenite::accept_hdr_async(tcp, look).await {
                    let socket = Socket { uri, headers, sid: String::new(), ws, chunk: 0, sent_bytes: 0 };
                    let _ = sender.send(socket).await;
                }
            }
        });
        bot
    }

    /// So many of the next upgrades are refused.
    pub(super) fn refuse(&self, times: usize) {
        self.refusals.store(times, Ordering::SeqCst);
    }

    pub(super) fn times_dialled(&self) -> usize {
        self.dialled.load(Ordering::SeqCst)
    }

    pub(super) async fn socket(&mut self) -> Socket {
        self.sockets.recv().await.unwrap()
    }
}

impl Socket {
    /// The next JSON message; none when the socket is closed or lost.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.ws.next().await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(super) async fn next_event(&mut self, event: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the socket ended before {event:?}"));
            if message["event"] == event {
                return message;
            }
        }
    }

    /// Reads up to and including `start`.
    pub(super) async fn start(&mut self) -> Value {
        let start = self.next_event("start").await;
        let sid = ["stream_sid", "streamSid"].iter().find_map(|name| start[*name].as_str());
        sid.unwrap().clone_into(&mut self.sid);
        start
    }

    /// Everything up to the end of the socket.
    pub(super) async fn drain(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sound, with everything around it as documented.
    pub(super) async fn say(&mut self, bytes: &[u8]) {
        let timestamp = self.sent_bytes / 16;
        self.chunk += 1;
        self.sent_bytes += bytes.len() as u64;
        let chunk = self.chunk.to_string();
        self.send(json!({"event": "media", "stream_sid": self.sid, "sequence_number": chunk, "media": {
            "chunk": chunk, "timestamp": timestamp.to_string(), "payload": STANDARD.encode(bytes)}}))
            .await;
    }

    pub(super) async fn mark(&mut self, name: &str) {
        self.send(json!({"event": "mark", "stream_sid": self.sid, "mark": {"name": name}})).await;
    }

    pub(super) async fn clear(&mut self) {
        self.send(json!({"event": "clear", "stream_sid": self.sid})).await;
    }

    /// A close frame, and whatever is still under way.
    pub(super) async fn close(mut self) -> Vec<Value> {
        let frame = CloseFrame { code: 1000.into(), reason: "".into() };
        self.ws.close(Some(frame)).await.unwrap();
        self.drain().await
    }
}

pub(super) fn bytes_of(message: &Value) -> Vec<u8> {
    STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap()
}
