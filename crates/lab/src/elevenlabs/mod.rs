//! An emulated ElevenLabs Agents platform: the REST calls a gateway makes, and conversations over a WebSocket.
//!
//! The agent has no mind, only a [`Script`]; what it has is an ear of its own, a voice that detectors take for
//! speech, the platform's habits (bursts much faster than real time, pings, event ids, timeouts, refusals), and a
//! full record of what the client did.
//!
//! `upgrade` decides who gets in, `admission` what a conversation starts with, `session` is its loop, `talking` what
//! the agent does next, `listening` its ear, `reading` how strictly the client is read, `record` what is kept.

mod admission;
mod agent;
mod format;
mod listening;
mod reading;
mod record;
mod rest;
mod script;
mod session;
mod talking;
mod upgrade;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use agent::{AgentDoc, DEFAULT_EVENTS};
pub use format::Format;
pub use record::{AnswerRecord, Authorization, SessionEnd, SessionRecord, ToolRecord};
pub use script::{Act, ErrorAct, ErrorShape, HearingSettings, Script, ToolCall, Turn};

use crate::faults::Faults;
use crate::locked;
use crate::net::{self, Life, Served};

/// How this platform is set up.
#[derive(Clone, Debug)]
pub struct Config {
    pub api_key: String,
    pub agents: Vec<AgentDoc>,
    /// Simultaneous conversations of the workspace; none means no limit.
    pub concurrency: Option<usize>,
    pub over_limit: OverLimit,
    pub refusals: Refusals,
    pub metadata: MetadataOrder,
    /// The first conversation gets the first script, and so on; later ones have none.
    pub faults: Vec<Faults>,
    /// What REST answers when it shall not work: `at_handshake: error_body …`, `at_handshake: delay …`.
    pub rest_faults: Faults,
    /// Length of an audio message.
    pub chunk: Duration,
    /// Audio messages leave so many times faster than real time; zero means all at once.
    pub burst: f64,
    /// Audio messages carry the times of their characters.
    pub alignment: bool,
    pub ping_every: Duration,
    /// A pong later than this counts as missed.
    pub pong_within: Duration,
    /// A client that sends nothing for so long is closed with 1002.
    pub receive_timeout: Duration,
    pub signed_url_lives: Duration,
    /// How long a conversation stays in `processing` after its end.
    pub processing: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            api_key: "sk_lab".into(),
            agents: vec![AgentDoc::default()],
            concurrency: None,
            over_limit: OverLimit::Refuse,
            refusals: Refusals::Status,
            metadata: MetadataOrder::AfterStart,
            faults: Vec::new(),
            rest_faults: Faults::none(),
            chunk: Duration::from_millis(500),
            burst: 20.0,
            alignment: false,
            ping_every: Duration::from_secs(2),
            pong_within: Duration::from_secs(1),
            receive_timeout: Duration::from_secs(60),
            signed_url_lives: Duration::from_secs(15 * 60),
            processing: Duration::ZERO,
        }
    }
}

/// What happens to a conversation over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// The upgrade is answered with 429.
    Refuse,
    /// The socket opens and is closed with 3008.
    Close,
    /// `queue_status` waiting, then admitted, or timed out and closed with 3008.
    Queue(Duration),
}

/// How the handshake refuses; both ways occur in the wild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// An HTTP status on the upgrade.
    Status,
    /// An accepted socket, closed with 1008.
    Close1008,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataOrder {
    /// Metadata answers the client's first message.
    AfterStart,
    /// Metadata comes before the client has said anything.
    AtOnce,
}

/// A REST request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestRequest {
    pub path: String,
    pub status: u16,
}

/// An emulated ElevenLabs. Dropping it ends all conversations.
#[derive(Debug)]
pub struct ElevenLabs {
    workspace: Arc<Workspace>,
    served: Served,
}

/// What all conversations share.
#[derive(Debug)]
struct Workspace {
    config: Config,
    address: SocketAddr,
    agents: Mutex<HashMap<String, AgentDoc>>,
    sessions: Mutex<Vec<SessionHandle>>,
    faults: Mutex<VecDeque<Faults>>,
    signatures: Mutex<HashMap<String, SignedUrl>>,
    requests: Mutex<Vec<RestRequest>>,
    /// Agents of the conversations that hold a slot, by the sessions' numbers.
    slots: watch::Sender<Vec<(u64, String)>>,
    next_slot: Mutex<u64>,
    changed: watch::Sender<u64>,
    life: Life,
}

#[derive(Clone, Debug)]
struct SessionHandle {
    record: Arc<Mutex<SessionRecord>>,
    acts: mpsc::Sender<Act>,
    ended: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Debug)]
struct SignedUrl {
    agent_id: String,
    until: Instant,
    single_use: Option<String>,
}

/// Requests and signatures kept; a test makes a handful.
const BOOKS_MAX: usize = 100_000;

impl ElevenLabs {
    pub async fn start(config: Config) -> io::Result<ElevenLabs> {
        let (listener, address) = net::bind().await?;
        let life = Life::default();
        let agents = config.agents.iter().map(|agent| (agent.agent_id.clone(), agent.clone())).collect();
        let workspace = Arc::new(Workspace {
            address,
            agents: Mutex::new(agents),
            sessions: Mutex::default(),
            faults: Mutex::new(config.faults.clone().into()),
            signatures: Mutex::default(),
            requests: Mutex::default(),
            slots: watch::Sender::new(Vec::new()),
            next_slot: Mutex::new(0),
            changed: watch::Sender::new(0),
            life: life.clone(),
            config,
        });
        let served = net::serve(listener, address, rest::routes(Arc::clone(&workspace)), life);
        Ok(ElevenLabs { workspace, served })
    }

    /// For REST, without a trailing slash; the WebSocket is below the same address.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.served.address)
    }

    /// What a client without a signed URL dials.
    pub fn ws_url(&self, agent_id: &str) -> String {
        format!("ws://{}/v1/convai/conversation?agent_id={agent_id}", self.served.address)
    }

    pub fn api_key(&self) -> &str {
        &self.workspace.config.api_key
    }

    /// Adds an agent, or changes one for conversations that begin later.
    pub fn set_agent(&self, agent: AgentDoc) {
        locked(&self.workspace.agents).insert(agent.agent_id.clone(), agent);
    }

    /// The misfortunes of the next conversation that has none yet.
    pub fn next_session_faults(&self, faults: Faults) {
        locked(&self.workspace.faults).push_back(faults);
    }

    /// Every conversation so far, as far as it has come.
    pub fn sessions(&self) -> Vec<SessionRecord> {
        locked(&self.workspace.sessions).iter().map(|session| locked(&session.record).clone()).collect()
    }

    /// Waits until the conversation of that number (from 0) exists and `is_so`, and returns its record.
    pub async fn session_when(&self, number: usize, is_so: impl Fn(&SessionRecord) -> bool) -> SessionRecord {
        let mut changed = self.workspace.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let session = locked(&self.workspace.sessions).get(number).cloned();
            if let Some(session) = session {
                let record = locked(&session.record);
                if is_so(&record) {
                    return record.clone();
                }
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// Waits for the end of the conversation of that number.
    pub async fn session_ended(&self, number: usize) -> SessionRecord {
        self.session_when(number, |session| session.end.is_some()).await
    }

    /// Has a running conversation do something now. False if there is none of that number.
    pub async fn act(&self, number: usize, act: Act) -> bool {
        let session = locked(&self.workspace.sessions).get(number).cloned();
        match session {
            Some(session) => session.acts.send(act).await.is_ok(),
            None => false,
        }
    }

    /// Conversations that hold a slot.
    pub fn live_sessions(&self) -> usize {
        self.workspace.slots.borrow().len()
    }

    /// REST requests so far.
    pub fn requests(&self) -> Vec<RestRequest> {
        locked(&self.workspace.requests).clone()
    }

    /// Ends all conversations and waits for every task.
    pub async fn shut_down(self) {
        self.served.life.end().await;
    }
}

impl Workspace {
    fn touched(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn agent(&self, agent_id: &str) -> Option<AgentDoc> {
        locked(&self.agents).get(agent_id).cloned()
    }

    /// A slot for a conversation with this agent, if one is free.
    fn take_slot(self: &Arc<Workspace>, agent: &AgentDoc) -> Option<Slot> {
        let number = {
            let mut next = locked(&self.next_slot);
            *next += 1;
            *next
        };
        let taken = self.slots.send_if_modified(|slots| {
            let of_agent = slots.iter().filter(|(_, id)| *id == agent.agent_id).count();
            let free = self.config.concurrency.is_none_or(|limit| slots.len() < limit)
                && agent.concurrency.is_none_or(|limit| of_agent < limit);
            if free {
                slots.push((number, agent.agent_id.clone()));
            }
            free
        });
        taken.then(|| Slot { workspace: Arc::clone(self), number })
    }
}

/// The right to hold a conversation; given back when dropped.
#[derive(Debug)]
struct Slot {
    workspace: Arc<Workspace>,
    number: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.workspace.slots.send_modify(|slots| slots.retain(|(number, _)| *number != self.number));
    }
}
