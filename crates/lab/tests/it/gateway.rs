//! A tiny gateway to try the emulated carrier on: a web server with prepared documents, and a bare media socket.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response as Upgrade};

/// A request the gateway got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let text = if self.method == Method::GET { self.uri.query().unwrap_or_default() } else { &self.body };
        url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn signature(&self) -> Option<&str> {
        self.headers.get("x-twilio-signature")?.to_str().ok()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Books {
    seen: Mutex<Vec<Seen>>,
    prepared: Mutex<HashMap<String, VecDeque<Prepared>>>,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) media_url: String,
    books: Arc<Books>,
    sockets: mpsc::Receiver<Socket>,
}

/// A media socket and the headers of its upgrade.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) upgrade: HeaderMap,
    pub(crate) ws: WebSocketStream<TcpStream>,
}

impl Gateway {
    pub(crate) async fn start() -> Gateway {
        let books = Arc::new(Books::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&books));
        tokio::spawn(async move {
            axum::serve(listener.tap_io(|tcp| tcp.set_nodelay(true).unwrap()), router).await
        });

        let media = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let media_url = format!("ws://{}/media", media.local_addr().unwrap());
        let (sender, sockets) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = media.accept().await {
                // Nagle's algorithm waits for real time, and these tests' time is not.
                tcp.set_nodelay(true).unwrap();
                let mut upgrade = HeaderMap::new();
                #[expect(clippy::result_large_err, reason = "the library's own signature")]
                let look = |request: &Request, response: Upgrade| -> Result<Upgrade, ErrorResponse> {
                    upgrade = request.headers().clone();
                    if request.uri().path() == "/refused" {
                        let mut refused = ErrorResponse::new(None);
                        *refused.status_mut() = StatusCode::FORBIDDEN;
                        return Err(refused);
                    }
                    Ok(response)
                };
                if let Ok(ws) = tokio_tungstenite::accept_hdr_async(tcp, look).await {
                    let _ = sender.send(Socket { upgrade, ws }).await;
                }
            }
        });
        Gateway { url, media_url, books, sockets }
    }

    /// The next answer for this path is this TwiML; several are used in turn, the last one stays.
    pub(crate) fn twiml(&self, path: &str, inside: &str) {
        self.answer(path, 200, "text/xml", format!("<Response>{inside}</Response>"));
    }

    pub(crate) fn answer(
        &self,
        path: &str,
        status: u16,
        content_type: &'static str,
        body: impl Into<Vec<u8>>,
    ) {
        let prepared = Prepared { status, content_type, body: body.into() };
        self.books.prepared.lock().unwrap().entry(path.into()).or_default().push_back(prepared);
    }

    /// `<Connect><Stream>` to the media socket, with whatever else is to be inside or behind.
    pub(crate) fn stream_twiml(&self, path: &str, inside: &str, behind: &str) {
        let stream =
            format!("<Connect><Stream url=\"{}\">{inside}</Stream></Connect>{behind}", self.media_url);
        self.twiml(path, &stream);
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.books.seen.lock().unwrap().iter().filter(|seen| seen.uri.path() == path).cloned().collect()
    }

    pub(crate) async fn socket(&mut self) -> Socket {
        self.sockets.recv().await.unwrap()
    }
}

async fn answer(
    State(books): State<Arc<Books>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    books.seen.lock().unwrap().push(Seen { method, uri, headers, body });
    let mut prepared = books.prepared.lock().unwrap();
    let Some(queue) = prepared.get_mut(&path) else { return StatusCode::NOT_FOUND.into_response() };
    let next = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
    let next = next.unwrap();
    let status = StatusCode::from_u16(next.status).unwrap();
    (status, [(header::CONTENT_TYPE, next.content_type)], next.body).into_response()
}

impl Socket {
    /// The next JSON message; none when the socket is closed or lost.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.ws.next().await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next message with this event.
    pub(crate) async fn next_event(&mut self, event: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the socket ended before {event:?}"));
            if message["event"] == event {
                return message;
            }
        }
    }

    /// Reads up to and including `start`, and gives the stream's name.
    pub(crate) async fn start(&mut self) -> String {
        self.next_event("start").await["streamSid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn send_media(&mut self, sid: &str, bytes: &[u8]) {
        use base64::Engine;
        let payload = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.send(serde_json::json!({"event": "media", "streamSid": sid, "media": {"payload": payload}}))
            .await;
    }

    pub(crate) async fn send_mark(&mut self, sid: &str, name: &str) {
        self.send(serde_json::json!({"event": "mark", "streamSid": sid, "mark": {"name": name}})).await;
    }
}
