//! An emulated Exotel: flows with a Voicebot applet, media streams and the REST API on a port of the loopback interface.
//!
//! It does to a gateway what Exotel does: asks a dynamic URL where the bot is, opens the socket, plays what it is sent
//! in steps of 320 bytes, drops calls that are not paced, asks its Passthru applet what comes next, and places calls
//! and legs when it is told to. It is stricter than the original where the documents are strict, and writes down every
//! deviation.
//!
//! Read along the flow: `call` lives through the applets of a `flow`, `dialect` with `shape` and `strict` is the media
//! stream, `answer` what the gateway's web answers must look like, `progress` with `report` tells the gateway how calls
//! go, `rest` with `order` is what can be ordered from outside, `legs` with `action` the other API, which has control
//! over a running call.

mod action;
mod answer;
mod call;
mod dialect;
mod flow;
mod form;
mod legs;
mod order;
mod progress;
mod report;
mod rest;
mod rest_error;
mod shape;
mod strict;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

pub use dialect::{Farewell, Manner, Pacing};
pub use flow::{Applet, Flow, Passthru, PassthruWay, Then};
pub use form::FormKind;
pub use legs::PlacedLeg;
pub use rest_error::LetterCase;
pub use shape::{FormatWords, RateWords, Shape};
pub use strict::Numbering;

use crate::caller::Caller;
use crate::faults::Faults;
use crate::locked;
use crate::net::{self, Life, Served};
use crate::phone::web::{Web, public_tls};
use crate::phone::{Callee, Dialling, LiveCall};
use call::CallState;

/// How this Exotel is set up.
#[derive(Clone, Debug)]
pub struct ExotelConfig {
    pub account_sid: String,
    pub api_key: String,
    pub api_token: String,
    /// The numbers that calls may be placed from.
    pub exophones: Vec<String>,
    /// The flows that `Url=…/exoml/start_voice/{id}` can name.
    pub flows: Vec<Flow>,
    /// How the streams of calls behave that REST places.
    pub manner: Manner,
    /// How the streams of legs behave; their encoding and rate are what the order says.
    pub leg_manner: Manner,
    /// How the gateway proves itself to be asked by us, on calls that REST places.
    pub proof: Proof,
    /// How status callbacks of calls that REST places are sent; URL and events come with the order.
    pub callbacks: StatusCallback,
    /// HTTP Basic on the events of legs: name and password.
    pub leg_events_as: Option<(String, String)>,
    /// What becomes of calls that a Connect applet places, and of bridges.
    pub dialling: Dialling,
    /// Who answers calls that REST places, unless [`Exotel::expect_callee`] named somebody else.
    pub callee: Callee,
    /// The account's limit of streams at the same time.
    pub throttle_limit: usize,
    pub calls_per_minute: usize,
    pub letter_case: LetterCase,
    /// What REST answers when it shall not work: `at_handshake: error_body …`, `at_handshake: delay …`.
    pub rest_faults: Faults,
    /// For `https` and `wss`; none means the public certificate authorities.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for ExotelConfig {
    fn default() -> ExotelConfig {
        ExotelConfig {
            account_sid: "exolab1".into(),
            api_key: "0123456789abcdef0123456789abcdef".into(),
            api_token: "fedcba9876543210fedcba9876543210".into(),
            exophones: vec!["08040001234".into()],
            flows: Vec::new(),
            manner: Manner::default(),
            leg_manner: Manner::of_legs(),
            proof: Proof::AsTheUrlSays,
            callbacks: StatusCallback::default(),
            leg_events_as: None,
            dialling: Dialling::default(),
            callee: Callee::default(),
            throttle_limit: 100,
            calls_per_minute: 200,
            letter_case: LetterCase::Capitals,
            rest_faults: Faults::none(),
            tls: None,
        }
    }
}

/// A call to be placed to an ExoPhone whose flow leads to the gateway.
#[derive(Clone, Debug)]
pub struct PlacedCall {
    pub from: String,
    pub to: String,
    /// Exotel's name for the call; none makes one up.
    pub call_sid: Option<String>,
    pub flow: Flow,
    pub status_callback: Option<StatusCallback>,
    pub proof: Proof,
    pub manner: Manner,
    pub caller: Caller,
    /// Faults of the media socket.
    pub faults: Faults,
    /// Further parameters of every question about the call; names may repeat.
    pub extra_params: Vec<(String, String)>,
}

impl PlacedCall {
    /// A call that this applet takes, and nothing comes after it.
    pub fn to(applet: Applet) -> PlacedCall {
        PlacedCall {
            from: "09999900100".into(),
            to: "08040001234".into(),
            call_sid: None,
            flow: Flow { id: "1".into(), applet, then: Then::HangUp },
            status_callback: None,
            proof: Proof::AsTheUrlSays,
            manner: Manner::default(),
            caller: Caller::silent(),
            faults: Faults::none(),
            extra_params: Vec::new(),
        }
    }
}

/// How the media socket's upgrade proves where it comes from. Exotel signs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Credentials in the URL become HTTP Basic; without any there is no proof.
    #[default]
    AsTheUrlSays,
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
    /// `token=…` in the URL's query, which comes back among the custom parameters.
    Query(String),
    /// `token` among the custom parameters alone.
    Parameter(String),
}

/// Where a call's progress is reported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCallback {
    pub url: String,
    /// Of `ringing answered terminal`.
    pub events: Vec<String>,
    pub kind: FormKind,
    /// Every report arrives a second time, answered or not.
    pub twice: bool,
    /// Every two reports arrive in the wrong order.
    pub out_of_order: bool,
}

/// An emulated Exotel. Dropping it ends all of its calls.
#[derive(Debug)]
pub struct Exotel {
    network: Arc<Network>,
    served: Served,
    originated: tokio::sync::Mutex<mpsc::Receiver<LiveCall>>,
}

/// What all calls of one emulator share.
#[derive(Debug)]
struct Network {
    config: ExotelConfig,
    web: Web,
    /// For the events of legs, which wait for a second only.
    impatient_web: Web,
    tls: Arc<rustls::ClientConfig>,
    calls: Mutex<HashMap<String, Arc<CallState>>>,
    callees: Mutex<HashMap<String, Callee>>,
    /// Flows beside those of the configuration.
    more_flows: Mutex<Vec<Flow>>,
    /// When calls were placed within the last minute.
    placed: Mutex<VecDeque<Instant>>,
    originated: mpsc::Sender<LiveCall>,
    life: Life,
}

/// Calls placed by REST that nobody has asked for yet; later ones go on without a handle.
const ORIGINATED_MAX: usize = 1_000;
/// Budgets for an answer: of the questions and reports of calls, and of the events of legs.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const EVENT_WITHIN: Duration = Duration::from_secs(1);

impl Exotel {
    pub async fn start(config: ExotelConfig) -> io::Result<Exotel> {
        let (listener, address) = net::bind().await?;
        let tls = match &config.tls {
            Some(tls) => Arc::clone(tls),
            None => public_tls().map_err(io::Error::other)?,
        };
        let web = |within| Web::new(&tls, "Exotel/1.0", within).map_err(io::Error::other);
        let (originated, receiver) = mpsc::channel(ORIGINATED_MAX);
        let life = Life::default();
        let network = Arc::new(Network {
            web: web(ANSWER_WITHIN)?,
            impatient_web: web(EVENT_WITHIN)?,
            config,
            tls,
            calls: Mutex::default(),
            callees: Mutex::default(),
            more_flows: Mutex::default(),
            placed: Mutex::default(),
            originated,
            life: life.clone(),
        });
        let served = net::serve(listener, address, rest::routes(Arc::clone(&network)), life);
        Ok(Exotel { network, served, originated: tokio::sync::Mutex::new(receiver) })
    }

    /// Where both APIs are, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.served.address)
    }

    pub fn account_sid(&self) -> &str {
        &self.network.config.account_sid
    }

    pub fn api_key(&self) -> &str {
        &self.network.config.api_key
    }

    pub fn api_token(&self) -> &str {
        &self.network.config.api_token
    }

    /// Somebody calls an ExoPhone; its flow begins.
    pub fn place_call(&self, call: PlacedCall) -> LiveCall {
        call::place(&self.network, call)
    }

    /// Somebody calls an ExoPhone that has an event endpoint instead of a flow.
    pub fn place_leg(&self, leg: PlacedLeg) -> LiveCall {
        legs::place(&self.network, leg)
    }

    /// One more flow that orders can name; for those that need the address of a gateway which needs ours.
    pub fn add_flow(&self, flow: Flow) {
        locked(&self.network.more_flows).push(flow);
    }

    /// Names who answers when REST calls this number.
    pub fn expect_callee(&self, number: &str, callee: Callee) {
        locked(&self.network.callees).insert(number.to_owned(), callee);
    }

    /// The next call that REST has placed, legs included.
    pub async fn originated(&self) -> Option<LiveCall> {
        self.originated.lock().await.recv().await
    }

    /// Calls that are not over.
    pub fn live_calls(&self) -> usize {
        locked(&self.network.calls).values().filter(|call| !call.status().is_final()).count()
    }

    /// Media streams that are open.
    pub fn active_streams(&self) -> usize {
        self.network.active_streams()
    }

    /// Ends all calls and waits for every task.
    pub async fn shut_down(self) {
        self.served.life.end().await;
    }
}

impl Network {
    fn active_streams(&self) -> usize {
        locked(&self.calls).values().filter(|call| call.facts().streaming).count()
    }

    fn callee(&self, number: &str) -> Callee {
        locked(&self.callees).get(number).cloned().unwrap_or_else(|| self.config.callee.clone())
    }
}
