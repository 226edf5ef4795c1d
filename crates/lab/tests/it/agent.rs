//! A bare client of the emulated agent: who gets in, and what the session says.

use std::time::Duration;

use base64::Engine;
use futures_util::{SinkExt, StreamExt};
use lab::elevenlabs::{AgentDoc, Config, ElevenLabs, SessionRecord};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use lab::elevenlabs::{Authorization, Format, MetadataOrder, OverLimit, Refusals, SessionEnd};

/// One conversation from the client's side.
pub(crate) struct Client {
    pub(crate) ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// How the socket was closed, once it is.
    pub(crate) closed: Option<(u16, String)>,
}

impl Client {
    pub(crate) async fn dial(url: &str, headers: &[(&'static str, &str)]) -> Result<Client, Error> {
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        // Without Nagle's algorithm: it waits for real time, and these tests' time is not.
        let (ws, _) = tokio_tungstenite::connect_async_with_config(request, None, true).await?;
        Ok(Client { ws, closed: None })
    }

    /// Dials, introduces itself and reads the metadata.
    pub(crate) async fn begin(lab: &ElevenLabs) -> Client {
        let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
        client.start(json!({})).await;
        client.until("conversation_initiation_metadata").await;
        client
    }

    pub(crate) async fn start(&mut self, more: Value) {
        let mut message = more;
        message["type"] = "conversation_initiation_client_data".into();
        self.send(message).await;
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn send_audio(&mut self, bytes: &[u8]) {
        let chunk = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.send(json!({"user_audio_chunk": chunk})).await;
    }

    /// Speaks as PCM16 at 16 kHz, in pieces of 40 ms and in real time, then is silent for a while. A socket that
    /// ends meanwhile ends the speech.
    pub(crate) async fn speak(&mut self, text: &str, silence: Duration) {
        let mut frame = lab::voice::speech(text, audio::Rate::Hz16000);
        frame.samples.extend(audio::Frame::silence(audio::Rate::Hz16000, silence).samples);
        for piece in frame.samples.chunks(640) {
            let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            self.send_audio(&bytes).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// The next message; none once the socket is over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.ws.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).ok().or(Some(Value::Null));
                }
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    self.closed = Some(frame.unwrap_or((1005, String::new())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    self.closed.get_or_insert((1006, String::new()));
                    return None;
                }
            }
        }
    }

    /// The next message of a type; pings on the way are answered.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message =
                self.next().await.unwrap_or_else(|| panic!("ended before {kind:?}: {:?}", self.closed));
            if message["type"] == kind {
                return message;
            }
            self.answer_ping(&message).await;
        }
    }

    async fn answer_ping(&mut self, message: &Value) {
        if message["type"] == "ping" {
            self.send(json!({"type": "pong", "event_id": message["ping_event"]["event_id"]})).await;
        }
    }

    /// Everything up to the end, pings answered.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            if message["type"] == "ping" {
                let pong = json!({"type": "pong", "event_id": message["ping_event"]["event_id"]});
                // The socket may be closing already.
                let _ = self.ws.send(Message::text(pong.to_string())).await;
            }
            messages.push(message);
        }
        messages
    }
}

pub(crate) fn types(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap_or("?")).collect()
}

pub(crate) async fn lab(agent: AgentDoc) -> ElevenLabs {
    lab_with(Config { agents: vec![agent], ..Config::default() }).await
}

pub(crate) async fn lab_with(config: Config) -> ElevenLabs {
    ElevenLabs::start(config).await.unwrap()
}

fn refused(result: Result<Client, Error>) -> (u16, Value) {
    match result {
        Err(Error::Http(answer)) => {
            let body =
                serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap_or_default();
            (answer.status().as_u16(), body)
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    }
}

async fn signed_url(lab: &ElevenLabs, query: &str) -> String {
    let url = format!("{}/v1/convai/conversation/get-signed-url?agent_id=agent_lab{query}", lab.base_url());
    let answer = reqwest::Client::new().get(url).header("xi-api-key", lab.api_key()).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    body["signed_url"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_public_agent_lets_anybody_in_and_ignores_extra_query_fields() {
    let lab = lab(AgentDoc::default()).await;

    let url = format!("{}&source=python_sdk&version=1&environment=x", lab.ws_url("agent_lab"));
    let mut client = Client::dial(&url, &[]).await.unwrap();
    client.start(json!({"user_id": "u"})).await;
    let metadata = client.until("conversation_initiation_metadata").await;

    let session = &lab.sessions()[0];
    assert_eq!(
        metadata["conversation_initiation_metadata_event"],
        json!({"conversation_id": session.conversation_id, "agent_output_audio_format": "pcm_16000",
               "user_input_audio_format": "pcm_16000"})
    );
    assert_eq!(session.authorization, Authorization::Public);
    assert_eq!(session.initiation.as_ref().unwrap()["user_id"], "u");
    assert!(session.complaints.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_private_agent_wants_a_signed_url_or_a_key() {
    let lab = lab(AgentDoc { requires_auth: true, ..AgentDoc::default() }).await;
    let url = lab.ws_url("agent_lab");

    let (status, body) = refused(Client::dial(&url, &[]).await);
    assert_eq!((status, body["detail"]["code"].as_str()), (401, Some("needs_authorization")));
    let (status, body) = refused(Client::dial(&url, &[("xi-api-key", "wrong")]).await);
    assert_eq!((status, body["detail"]["status"].as_str()), (401, Some("invalid_api_key")));
    let mut by_key = Client::dial(&url, &[("xi-api-key", lab.api_key())]).await.unwrap();
    let mut by_url = Client::dial(&signed_url(&lab, "").await, &[]).await.unwrap();
    for client in [&mut by_key, &mut by_url] {
        client.start(json!({})).await;
        client.until("conversation_initiation_metadata").await;
    }

    let ways: Vec<Authorization> = lab.sessions().iter().map(|session| session.authorization).collect();
    assert_eq!(ways, [Authorization::ApiKey, Authorization::SignedUrl]);
}

#[tokio::test(start_paused = true)]
async fn signed_urls_expire_and_can_be_for_one_use() {
    let lab = lab(AgentDoc { requires_auth: true, ..AgentDoc::default() }).await;
    let lasting = signed_url(&lab, "").await;
    let single = signed_url(&lab, "&include_conversation_id=true").await;

    for _ in 0..2 {
        Client::dial(&lasting, &[]).await.unwrap();
    }
    Client::dial(&single, &[]).await.unwrap();
    let (status, _) = refused(Client::dial(&single, &[]).await);
    assert_eq!(status, 403);
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    let (status, body) = refused(Client::dial(&lasting, &[]).await);

    assert_eq!((status, body["detail"]["status"].as_str()), (403, Some("invalid_signed_url")));
}

#[tokio::test(start_paused = true)]
async fn refusals_can_be_a_close_with_1008() {
    let config = Config { refusals: Refusals::Close1008, ..Config::default() };
    let lab = lab_with(config).await;

    let mut client = Client::dial(&lab.ws_url("agent_nobody"), &[]).await.unwrap();
    client.rest().await;

    let (code, reason) = client.closed.unwrap();
    assert_eq!(code, 1008);
    assert!(reason.contains("agent_nobody"));
    let (status, _) =
        refused(Client::dial(&lab_with(Config::default()).await.ws_url("agent_nobody"), &[]).await);
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn the_sub_protocol_is_echoed_only_when_offered() {
    let lab = lab(AgentDoc::default()).await;

    for (offer, echoed) in
        [(Some("convai, bearer.token"), Some("convai")), (Some("other"), None), (None, None)]
    {
        let mut request = lab.ws_url("agent_lab").into_client_request().unwrap();
        if let Some(offer) = offer {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(offer).unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((_, answer)) => {
                let given =
                    answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
                assert_eq!(given, echoed);
            }
            // This client insists on an answer to its offer; the server had none to give.
            Err(error) => assert_eq!((offer, echoed), (Some("other"), None), "{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_there_is_429_or_3008_or_a_queue() {
    let limited = |over_limit| Config { concurrency: Some(1), over_limit, ..Config::default() };

    let lab = lab_with(limited(OverLimit::Refuse)).await;
    let mut first = Client::begin(&lab).await;
    let (status, body) = refused(Client::dial(&lab.ws_url("agent_lab"), &[]).await);
    assert_eq!((status, body["detail"]["status"].as_str()), (429, Some("too_many_concurrent_requests")));
    first.ws.close(None).await.unwrap();
    first.rest().await;
    lab.session_ended(0).await;
    Client::begin(&lab).await;

    let lab = lab_with(limited(OverLimit::Close)).await;
    let _first = Client::begin(&lab).await;
    let mut second = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    second.rest().await;
    assert_eq!(second.closed.unwrap().0, 3008);

    let lab = lab_with(limited(OverLimit::Queue(Duration::from_secs(5)))).await;
    let mut first = Client::begin(&lab).await;
    let mut second = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    assert_eq!(second.until("queue_status").await["queue_status_event"]["status"], "waiting");
    let mut third = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    let states = third.rest().await;
    assert_eq!(states.last().unwrap()["queue_status_event"]["status"], "timed_out");
    assert_eq!(third.closed.unwrap().0, 3008);
    // The second has timed out in the same time; a fourth comes while the first is leaving.
    let mut fourth = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    fourth.until("queue_status").await;
    first.ws.close(None).await.unwrap();
    assert_eq!(fourth.until("queue_status").await["queue_status_event"]["status"], "admitted");
    fourth.start(json!({})).await;
    fourth.until("conversation_initiation_metadata").await;
    assert_eq!(lab.live_sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn metadata_can_come_before_the_client_has_spoken() {
    let lab = lab_with(Config { metadata: MetadataOrder::AtOnce, ..Config::default() }).await;

    let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    client.until("conversation_initiation_metadata").await;
    client.start(json!({})).await;
    let answer = client.until("agent_response").await;

    assert_eq!(answer["agent_response_event"]["agent_response"], "Hello, how can I help you today?");
    assert_eq!(lab.sessions()[0].sent_count("conversation_initiation_metadata"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_starts_with_something_else_is_noted() {
    let lab = lab(AgentDoc::default()).await;

    let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    client.send_audio(&[0; 640]).await;
    client.until("agent_response").await;
    client.start(json!({})).await;
    client.send(json!({"type": "user_activity"})).await;

    let session = lab.session_when(0, |session| session.user_activities == 1).await;
    assert_eq!(session.complaints.len(), 2, "{:?}", session.complaints);
    assert_eq!(session.chunks.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn overrides_and_variables_are_checked_at_the_door() {
    let agent = AgentDoc {
        first_message: "Hello {{name}}!".into(),
        overrides_allowed: vec!["agent.language".into()],
        ..AgentDoc::default()
    };
    let lab = lab(agent).await;

    for (start, error_type) in [
        (json!({}), "missing_dynamic_variable"),
        (json!({"dynamic_variables": {"name": {"first": "A"}}}), "value_error"),
        (
            json!({"dynamic_variables": {"name": "A"},
                   "conversation_config_override": {"tts": {"voice_id": "v"}}}),
            "override_error",
        ),
    ] {
        let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
        client.start(start).await;
        let messages = client.rest().await;
        assert_eq!(messages.last().unwrap()["error_event"]["error_type"], error_type);
        assert_eq!(messages.last().unwrap()["error_event"]["code"], 1008);
        assert_eq!(client.closed.unwrap().0, 1008);
    }
    let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
    client
        .start(json!({"dynamic_variables": {"name": "Asha"},
                      "conversation_config_override": {"agent": {"language": "hi"}}}))
        .await;
    let answer = client.until("agent_response").await;
    assert_eq!(answer["agent_response_event"]["agent_response"], "Hello Asha!");
}

#[tokio::test(start_paused = true)]
async fn wrong_messages_end_the_conversation_with_1008() {
    for (wrong, error_type) in [
        (Message::text("nonsense"), "invalid_message"),
        (Message::text(r#"{"type":"cancel"}"#), "invalid_message"),
        (Message::text(r#"{"type":"client_tool_result","tool_call_id":"c","result":"r"}"#), "missing_fields"),
        (Message::binary(vec![1, 2]), "invalid_message"),
    ] {
        let lab = lab(AgentDoc::default()).await;
        let mut client = Client::begin(&lab).await;

        client.ws.send(wrong).await.unwrap();
        let messages = client.rest().await;

        let error = messages.iter().find(|message| message["type"] == "error").unwrap();
        assert_eq!(error["error_event"]["error_type"], error_type);
        assert_eq!(client.closed.unwrap().0, 1008);
        assert!(matches!(lab.session_ended(0).await.end, Some(SessionEnd::Agent { code: 1008, .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn every_format_is_spoken_and_understood() {
    for format in Format::ALL {
        let agent = AgentDoc { input_format: format, output_format: format, ..AgentDoc::default() };
        let lab = lab(agent).await;
        let mut client = Client::dial(&lab.ws_url("agent_lab"), &[]).await.unwrap();
        client.start(json!({})).await;
        let metadata = client.until("conversation_initiation_metadata").await;

        let told = &metadata["conversation_initiation_metadata_event"]["agent_output_audio_format"];
        assert_eq!(told, format.token());
        let mut bytes = Vec::new();
        while bytes.len()
            < format.rate().samples_in(Duration::from_millis(1_920)) as usize * format.sample_bytes()
        {
            bytes.extend(audio_of(&client.until("audio").await));
        }
        let frame = audio::Frame::new(format.rate(), format.decode(&bytes).unwrap());
        let heard = lab::voice::recognise(&frame, &["Hello, how can I help you today?", "Goodbye."]);
        assert!(!heard.is_empty() && heard.iter().all(|utterance| utterance.text == 0), "{}", format.token());

        client.send_audio(&bytes[..format.sample_bytes() * 80]).await;
        let session = lab.session_when(0, |session| !session.chunks.is_empty()).await;
        assert_eq!((session.audio.rate, session.audio.samples.len()), (format.rate(), 80));
    }
}

#[tokio::test(start_paused = true)]
async fn pings_measure_latency_and_missing_pongs_are_counted() {
    let lab = lab(AgentDoc::default()).await;
    let mut client = Client::begin(&lab).await;
    let ping = loop {
        let message = client.next().await.unwrap();
        if message["type"] == "ping" {
            break message;
        }
    };
    assert_eq!(ping["ping_event"]["ping_ms"], Value::Null);

    tokio::time::sleep(Duration::from_millis(80)).await;
    client.send(json!({"type": "pong", "event_id": ping["ping_event"]["event_id"]})).await;
    let next = loop {
        let message = client.next().await.unwrap();
        if message["type"] == "ping" {
            break message;
        }
    };
    // The second one is never answered.
    let session = lab.session_when(0, |session| session.missed_pongs == 1).await;

    assert!((80..=82).contains(&next["ping_event"]["ping_ms"].as_u64().unwrap()), "{next}");
    assert_eq!(session.pongs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_minute_without_a_word_ends_in_1002_and_user_activity_is_a_word() {
    let lab = lab_with(Config { ping_every: Duration::from_secs(600), ..Config::default() }).await;
    let mut client = Client::begin(&lab).await;

    tokio::time::sleep(Duration::from_secs(50)).await;
    client.send(json!({"type": "user_activity"})).await;
    let messages = client.rest().await;

    assert_eq!(messages.last().unwrap()["error_event"]["error_type"], "transport_receive_timeout");
    assert_eq!(client.closed.unwrap().0, 1002);
    let session = lab.session_ended(0).await;
    assert!((110..=111).contains(&session.duration.as_secs()), "{:?}", session.duration);
}

#[tokio::test(start_paused = true)]
async fn the_maximum_duration_ends_in_1000() {
    let lab = lab(AgentDoc { max_duration_seconds: 20, ..AgentDoc::default() }).await;
    let mut client = Client::begin(&lab).await;

    let messages = client.rest().await;

    assert_eq!(messages.last().unwrap()["error_event"]["error_type"], "max_duration_exceeded");
    assert_eq!(client.closed.unwrap(), (1000, "max_duration_exceeded".into()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_emulator_goes() {
    let lab = lab(AgentDoc::default()).await;
    let mut client = Client::begin(&lab).await;
    assert_eq!(lab.live_sessions(), 1);

    lab.shut_down().await;
    client.rest().await;

    assert_eq!(client.closed.unwrap().0, 1006);
}

pub(crate) fn audio_of(message: &Value) -> Vec<u8> {
    let text = message["audio_event"]["audio_base_64"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// The texts of all answers.
pub(crate) fn answers(session: &SessionRecord) -> Vec<&str> {
    session.answers.iter().map(|answer| answer.text.as_str()).collect()
}
