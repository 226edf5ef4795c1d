//! Mcube at a gateway's front door.

mod media;
mod webhook;

use std::sync::Arc;

use axum::Router;
use call::{CallId, PhaseName};
use futures_util::{SinkExt, StreamExt};
use gateway::config::Config;
use gateway::events::Event;
use gateway::outbound::Request;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wire::Secret;

use crate::stage::{LONG, Stage, until};

pub(super) const WEBHOOK: &str = "/mcube/call";
pub(super) const TOKEN: &str = "what-mcube-was-told-to-show";

/// A gateway that has agreed on a token with Mcube.
pub(super) async fn with_mcube(change: impl FnOnce(&mut Config)) -> Stage {
    Stage::open(|config| {
        config.carriers.mcube.token = Some(Secret::new(TOKEN));
        change(config);
    })
    .await
}

pub(super) fn connecting(call: &str) -> Value {
    json!({"callId": call, "callDirection": "inbound", "fromNumber": "9123456780", "toNumber": "8046800900",
        "dialStatus": "CONNECTING", "callProvider": "mcube", "accountId": "77"})
}

pub(super) async fn report(stage: &Stage, body: Value) -> Response {
    post(stage, format!("?token={TOKEN}"), body).await
}

pub(super) async fn post(stage: &Stage, query: String, body: Value) -> Response {
    stage.post_json(&format!("{WEBHOOK}{query}"), body).await
}

pub(super) async fn wss_url(response: Response) -> String {
    let answer: Value = response.json().await.unwrap();
    answer["wss_url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// A gateway that has had Mcube place a call, which Mcube calls `C1`; our name for it, and the token of its place.
pub(super) async fn with_placed() -> (Stage, CallId, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let places = axum::routing::post(async || r#"{"status":true,"msg":"Call Initiated","callid":"C1"}"#);
    let router = Router::new().route("/Restmcube-api/outbound-calls-websocket", places);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let stage = with_mcube(|config| {
        let mcube = &mut config.carriers.mcube;
        mcube.api_token = Some(Secret::new("shown to Mcube"));
        mcube.exe_number = Some("8046800900".to_owned());
        mcube.api_base_url = format!("http://{address}").parse().unwrap();
        config.outbound.allow = vec!["+91".to_owned()];
    })
    .await;
    let request = Request { to: "+919123456780".into(), carrier: Some("mcube".into()), ..Request::default() };
    let accepted = stage.gateway.place_call(request).await.unwrap();
    let place = stage.gateway.switchboard.expected(accepted.id).unwrap();
    (stage, accepted.id, place.token)
}

/// Waits until both sides talk; gives our name for the call.
pub(super) async fn talks(events: &mut tokio::sync::broadcast::Receiver<Arc<Event>>) -> String {
    let talks = |event: &Event| matches!(event, Event::Call(view) if view.phase == PhaseName::Talking && view.end.is_none());
    match &*until(events, talks).await {
        Event::Call(view) => view.id.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Mcube's end of a media socket.
pub(super) struct Socket(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn open(stage: &Stage, path: &str) -> Socket {
        Socket::at(&stage.socket_at(path)).await
    }

    pub(super) async fn at(address: &str) -> Socket {
        let request = address.into_client_request().unwrap();
        Socket(tokio_tungstenite::connect_async(request).await.unwrap().0)
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Begins with all names, and whatever else there is.
    pub(super) async fn start(&mut self, call: &str, mut start: Value) {
        start["callId"] = json!(call);
        start["streamId"] = json!("S1");
        start["mediaFormat"] = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000});
        self.start_bare(start).await;
    }

    pub(super) async fn start_bare(&mut self, start: Value) {
        self.send(json!({"event": "start", "start": start})).await;
    }

    /// The next command of this name.
    pub(super) async fn told(&mut self, event: &str) -> Value {
        let reading = async {
            loop {
                let Message::Text(text) = self.0.next().await.unwrap().unwrap() else { continue };
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["event"] == event {
                    return message;
                }
            }
        };
        tokio::time::timeout(LONG, reading).await.expect("the command did not come")
    }

    pub(super) async fn closed(&mut self) -> Option<u16> {
        let reading = async {
            while let Some(Ok(message)) = self.0.next().await {
                if let Message::Close(frame) = message {
                    return frame.map(|frame| frame.code.into());
                }
            }
            None
        };
        tokio::time::timeout(LONG, reading).await.expect("the socket stayed open")
    }
}
