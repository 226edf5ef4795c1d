//! A whole gateway on a port of its own, with a data folder of its own, and a client to ask it.
#![allow(dead_code, reason = "each module uses what it needs")]

use std::sync::Arc;
use std::time::Duration;

use call::PhaseName;
use futures_util::{SinkExt, StreamExt};
use gateway::config::{Config, Sources};
use gateway::events::Event;
use gateway::gateway::Gateway;
use gateway::ops::logs::LogDrops;
use gateway::serve::{self, Serving, Stopped};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wire::Secret;

/// Anything that takes longer is not coming. Generous: test machines are busy.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const AUTH_TOKEN: &str = "the-auth-token-of-the-account";
pub(crate) const API_TOKEN: &str = "an-api-token-for-tests-0123456789";

pub(crate) struct Stage {
    pub(crate) gateway: Arc<Gateway>,
    /// `http://127.0.0.1:…`, without a slash at the end.
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    serving: Serving,
    _data: TempDir,
}

impl Stage {
    /// The defaults, with `change` on top.
    pub(crate) async fn open(change: impl FnOnce(&mut Config)) -> Stage {
        Stage::open_with(change, None).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config), lab_token: Option<Secret>) -> Stage {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::load(&Sources::default()).unwrap().config;
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.data_dir = data.path().to_path_buf();
        config.server.media_threads = 1;
        change(&mut config);
        let serving = serve::start(config, LogDrops::default(), lab_token).await.unwrap();
        Stage {
            gateway: Arc::clone(&serving.gateway),
            base: format!("http://{}", serving.address),
            http: reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap(),
            serving,
            _data: data,
        }
    }

    /// A gateway with an account at Twilio and no public address.
    pub(crate) async fn with_twilio(change: impl FnOnce(&mut Config)) -> Stage {
        Stage::open(|config| {
            config.carriers.twilio.auth_token = Some(Secret::new(AUTH_TOKEN));
            change(config);
        })
        .await
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The address of a media socket.
    pub(crate) fn socket_at(&self, path: &str) -> String {
        self.at(path).replacen("http", "ws", 1)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(self.at(path)).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> Response {
        self.http.post(self.at(path)).json(&body).send().await.unwrap()
    }

    /// Sends a webhook of Twilio's as Twilio signs it for this gateway's own address.
    pub(crate) async fn webhook(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let url = self.at(path);
        let form = owned(form);
        let signature = lab::twilio::signature::of_form(AUTH_TOKEN, &url, &form);
        self.http
            .post(url)
            .header(lab::twilio::signature::HEADER, signature)
            .form(&form)
            .send()
            .await
            .unwrap()
    }

    /// A call of this name knocks.
    pub(crate) async fn knock(&self, call: &str) -> Response {
        self.webhook("/webhooks/inbound", &knocking(call)).await
    }

    /// The whole way in: webhook, media socket, start message. Returns when both sides talk.
    pub(crate) async fn place_call(&self, call: &str) -> MediaSocket {
        let mut events = self.gateway.events.listen();
        let document = self.knock(call).await.text().await.unwrap();
        let token = parameter(&document, "token").unwrap();
        let mut socket = MediaSocket::open(self, "/twilio/media-stream", &[]).await.unwrap();
        socket.start(call, &[("token", &token)]).await;
        let id = parameter(&document, "call").unwrap();
        let talks = |event: &Event| match event {
            Event::Call(view) => view.id.to_string() == id && view.phase == PhaseName::Talking,
            Event::Fact(_) | Event::Levels(_) => false,
        };
        until(&mut events, talks).await;
        socket.id = id;
        socket
    }

    /// Takes the gateway down, ending every call at once.
    pub(crate) async fn close(self) -> Stopped {
        self.serving.drain(Duration::ZERO).await
    }
}

pub(crate) fn owned(form: &[(&str, &str)]) -> Vec<(String, String)> {
    form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The form of an inbound call.
pub(crate) fn knocking(call: &str) -> Vec<(&str, &str)> {
    vec![
        ("CallSid", call),
        ("AccountSid", ACCOUNT),
        ("From", "+14155550123"),
        ("To", "+14155550100"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
    ]
}

/// The form of a status callback.
pub(crate) fn status_of<'a>(call: &'a str, status: &'a str, sequence: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("CallSid", call), ("AccountSid", ACCOUNT), ("CallStatus", status), ("SequenceNumber", sequence)]
}

/// The value of a `<Parameter>`.
pub(crate) fn parameter(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<Parameter name=\"{name}\" value=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// The value of an attribute; the first of that name.
pub(crate) fn attribute(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// Waits for an event of the gateway.
pub(crate) async fn until(events: &mut Receiver<Arc<Event>>, wanted: impl Fn(&Event) -> bool) -> Arc<Event> {
    let search = async {
        loop {
            let event = events.recv().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(LONG, search).await.expect("the event did not come")
}

/// Waits until an event tells of the end of a call.
pub(crate) async fn until_over(events: &mut Receiver<Arc<Event>>) -> Arc<Event> {
    until(events, |event| matches!(event, Event::Call(view) if view.end.is_some())).await
}

/// A carrier's media socket.
pub(crate) struct MediaSocket {
    /// Our id of its call.
    pub(crate) id: String,
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl MediaSocket {
    pub(crate) async fn open(
        stage: &Stage,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<MediaSocket, Error> {
        let mut request = stage.socket_at(path).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (ws, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(MediaSocket { id: String::new(), ws })
    }

    /// Says what Twilio says first.
    pub(crate) async fn start(&mut self, call: &str, parameters: &[(&str, &str)]) {
        let parameters: serde_json::Map<String, Value> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        self.send(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})).await;
        self.send(json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
            "accountSid": ACCOUNT, "streamSid": "MZ1", "callSid": call, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }}))
        .await;
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Reads until the other side closes, and says with which code.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let reading = async {
            while let Some(message) = self.ws.next().await {
                match message {
                    Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
            None
        };
        tokio::time::timeout(LONG, reading).await.expect("the socket stayed open")
    }
}
