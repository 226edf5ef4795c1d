//! Everything that takes part, on ports of the loopback interface: nothing leaves this machine, and nothing stays.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use lab::elevenlabs::{self, ElevenLabs, SessionRecord};
use lab::twilio::{Dialling, LiveCall, PlacedCall, Twilio, TwilioConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::plot;
use crate::cli::dial::{free_address, screen::Screen};
use crate::config::{Config, ConfigFile, Sources};
use crate::gateway::Gateway;
use crate::ops::logs::LogDrops;
use crate::serve::{self, Serving};

/// How long the pretended tool looks something up.
const TOOL_TAKES: Duration = Duration::from_millis(300);

/// More than one call makes.
const TOOL_REQUESTS_MAX: usize = 100;

pub(super) struct Stage {
    twilio: Twilio,
    elevenlabs: ElevenLabs,
    tool: Tool,
    serving: Serving,
    folder: PathBuf,
}

/// The bot's own HTTP tool.
struct Tool {
    url: String,
    requests: Arc<Mutex<Vec<Value>>>,
    stop: CancellationToken,
}

impl Stage {
    pub(super) async fn set() -> Result<Stage, String> {
        let port = |error: std::io::Error| format!("no port is free on 127.0.0.1: {error}");
        let twilio = Twilio::start(TwilioConfig {
            dialling: Dialling {
                rings_for: Duration::from_millis(800),
                talks_for: Duration::from_millis(1_200),
                ..Dialling::default()
            },
            ..TwilioConfig::default()
        });
        let twilio = twilio.await.map_err(port)?;
        let elevenlabs = ElevenLabs::start(elevenlabs::Config {
            agents: vec![plot::first_session()],
            ..elevenlabs::Config::default()
        });
        let elevenlabs = elevenlabs.await.map_err(port)?;
        let tool = Tool::start().await.map_err(port)?;
        let folder = std::env::temp_dir().join(format!("trunkline-demo-{}", std::process::id()));
        let address = free_address().map_err(port)?;
        let text = configuration(&address.to_string(), &folder, &twilio, &elevenlabs, &tool);
        let file = ConfigFile { path: PathBuf::from("the demo's configuration"), text };
        let loaded = Config::load(&Sources { file: Some(file), ..Sources::default() })
            .map_err(|errors| format!("the demo's configuration is wrong; this is a bug\n\n{errors}"))?;
        let serving = Box::pin(serve::start(loaded.config, LogDrops::default(), None))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Stage { twilio, elevenlabs, tool, serving, folder })
    }

    pub(super) fn introduce(&self, screen: &Screen) {
        screen.line("One call with everything in it, on this machine alone. No account is used.");
        screen.blank();
        let row = |name: &str, address: &str| screen.row(&format!("  {name}"), 27, address);
        row("the gateway", &format!("http://{}", self.serving.address));
        row("an emulated Twilio", &self.twilio.base_url());
        row("an emulated ElevenLabs", &self.elevenlabs.base_url());
        row("a tool of the bot", &self.tool.url);
        screen.blank();
    }

    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.serving.gateway
    }

    pub(super) fn place_call(&self) -> LiveCall {
        let inbound = &self.gateway().config.carriers.twilio.inbound_path;
        self.twilio.place_call(PlacedCall {
            from: plot::CALLER.into(),
            to: plot::NUMBER.into(),
            webhook_url: format!("http://{}{inbound}", self.serving.address),
            caller: plot::caller(),
            ..PlacedCall::default()
        })
    }

    /// From now on the agent is as it shall be when it is called back.
    pub(super) fn second_session(&self) {
        self.elevenlabs.set_agent(plot::second_session());
    }

    /// What the agent has said last.
    pub(super) fn last_answer(&self) -> Option<String> {
        self.elevenlabs
            .sessions()
            .last()
            .and_then(|session| session.answers.last())
            .map(|answer| answer.text.clone())
    }

    pub(super) fn sessions(&self) -> Vec<SessionRecord> {
        self.elevenlabs.sessions()
    }

    pub(super) fn tool_requests(&self) -> Vec<Value> {
        self.tool.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn clear(self) {
        self.serving.drain(Duration::ZERO).await;
        self.tool.stop.cancel();
        self.twilio.shut_down().await;
        self.elevenlabs.shut_down().await;
        // Nothing of worth is in it, and there may be nothing at all.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What an operator would write for the same set-up.
fn configuration(
    address: &str,
    folder: &std::path::Path,
    twilio: &Twilio,
    elevenlabs: &ElevenLabs,
    tool: &Tool,
) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    format!(
        r#"
        default_bot = "front-desk"

        [server]
        listen = {address}
        public_url = {public_url}
        data_dir = {folder}

        [carriers.twilio]
        account_sid = {account_sid}
        auth_token = {auth_token}
        api_base_url = {twilio_url}

        [agents.elevenlabs]
        api_key = {api_key}
        agent_id = {agent_id}
        base_url = {elevenlabs_url}

        [[bots]]
        name = "front-desk"
        agent = "elevenlabs"

        [[bots.tools]]
        name = {tool_name}
        url = {tool_url}
        allow_private_addresses = true

        [bots.call]
        transfer_to = [{person}]
        "#,
        address = quoted(address),
        public_url = quoted(&format!("http://{address}")),
        folder = quoted(&folder.to_string_lossy()),
        account_sid = quoted(twilio.account_sid()),
        auth_token = quoted(twilio.auth_token()),
        twilio_url = quoted(&twilio.base_url()),
        api_key = quoted(elevenlabs.api_key()),
        agent_id = quoted(plot::AGENT_ID),
        elevenlabs_url = quoted(&elevenlabs.base_url()),
        tool_name = quoted(plot::TOOL),
        tool_url = quoted(&tool.url),
        person = quoted(plot::PERSON),
    )
}

impl Tool {
    async fn start() -> std::io::Result<Tool> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/{}", listener.local_addr()?, plot::TOOL);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let router =
            Router::new().route(&format!("/{}", plot::TOOL), post(look_up)).with_state(Arc::clone(&requests));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                // It serves until it is told to stop.
                _ = axum::serve(listener, router) => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(Tool { url, requests, stop })
    }
}

async fn look_up(State(requests): State<Arc<Mutex<Vec<Value>>>>, Json(request): Json<Value>) -> Json<Value> {
    {
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < TOOL_REQUESTS_MAX {
            requests.push(request);
        }
    }
    tokio::time::sleep(TOOL_TAKES).await;
    Json(json!({"name": "Asha", "number": plot::PERSON}))
}
