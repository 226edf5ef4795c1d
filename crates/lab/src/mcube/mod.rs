//! An emulated Mcube: a phone network, an API for outbound calls, and media sockets.
//!
//! Mcube has no public document of its streaming. What is emulated is what public integrations agree on; wherever they
//! are silent or alone, the emulator's behaviour is a setting, so that a gateway can be tried against every reading:
//! [`StreamHabits`] for the media socket, [`Webhooks`] for the `refurl`, [`ApiHabits`] for outbound calls.
//!
//! Read along the flow: `webhook` tells the `refurl` and asks it for a socket, `call` lives through the call, `dialect`
//! is what is said on the socket, `strict` what is wrong with what the gateway says there, `api` places calls.

mod api;
mod call;
mod dialect;
mod strict;
mod webhook;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

pub use crate::phone::{
    CallNote, CallReport, Callee, DialOutcome, Dialling, Encoding, End, Happening, How, LiveCall,
    MarksOnClear, MediaSums, Notes, Sound, StreamEnd, Warning,
};

use crate::caller::Caller;
use crate::faults::Faults;
use crate::locked;
use crate::net::{self, Life, Served};
use crate::phone::web::{self, Web};

/// How this Mcube is set up.
#[derive(Clone, Debug)]
pub struct McubeConfig {
    /// What `HTTP_AUTHORIZATION` must be in the body of an order.
    pub token: String,
    pub account_id: String,
    pub stream: StreamHabits,
    pub webhooks: Webhooks,
    pub api: ApiHabits,
    /// What becomes of calls that are transferred.
    pub dialling: Dialling,
    /// Who answers outbound calls, unless [`Mcube::expect_callee`] named somebody else.
    pub callee: Callee,
    /// What the API answers when it shall not work: `at_handshake: error_body …`, `at_handshake: delay …`.
    pub api_faults: Faults,
    /// For `https` and `wss`; none means the public certificate authorities.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for McubeConfig {
    fn default() -> McubeConfig {
        McubeConfig {
            token: "eyJhbGciOiJIUzI1NiJ9.e30.lab".into(),
            account_id: "1001".into(),
            stream: StreamHabits::default(),
            webhooks: Webhooks::default(),
            api: ApiHabits::default(),
            dialling: Dialling::default(),
            callee: Callee::default(),
            api_faults: Faults::none(),
            tls: None,
        }
    }
}

/// What the media socket is like.
#[derive(Clone, Debug)]
pub struct StreamHabits {
    pub sound: Sound,
    pub marks_on_clear: MarksOnClear,
    /// `clearedAudio` after `clearAudio`.
    pub tells_cleared: bool,
    /// `stop` before the close frame.
    pub sends_stop: bool,
    /// The caller's speech comes in binary messages.
    pub binary: bool,
    /// `contentType` and `sampleRate` in every `media`.
    pub describes_media: bool,
    /// `mediaFormat` in `start`.
    pub names_format: bool,
    /// `streamId` in `start`, and then everywhere.
    pub names_stream: bool,
    /// Nothing is ever said: the socket just opens.
    pub never_starts: bool,
    /// Where the business facts of a call are written.
    pub facts_at: FactsAt,
    pub obeys_terminate: bool,
    /// Whether the call ends when the gateway closes the socket; otherwise the caller hears silence.
    pub ends_with_socket: bool,
    /// Which field of `transfer` holds the number.
    pub transfer_field: String,
}

impl Default for StreamHabits {
    fn default() -> StreamHabits {
        StreamHabits {
            sound: Sound::MULAW_8000,
            marks_on_clear: MarksOnClear::Silent,
            tells_cleared: false,
            sends_stop: false,
            binary: false,
            describes_media: true,
            names_format: true,
            names_stream: true,
            never_starts: false,
            facts_at: FactsAt::Start,
            obeys_terminate: true,
            ends_with_socket: true,
            transfer_field: "number".into(),
        }
    }
}

/// Where business facts travel in a `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsAt {
    TopLevel,
    Start,
    /// In `start.customParameters`.
    CustomParameters,
    /// In `extra_headers`, as `k=v;k2=v2`.
    ExtraHeaders,
}

/// How the `refurl` is told.
#[derive(Clone, Debug)]
pub struct Webhooks {
    pub casing: Casing,
    pub clock: Clock,
    /// `dialStatus` in small letters.
    pub small_statuses: bool,
    /// `dialStatus: CONNECTING`; otherwise the field is missing, which means the same.
    pub says_connecting: bool,
    /// How often the gateway is asked for a socket before the call fails.
    pub attempts: u32,
    pub between_attempts: Duration,
    /// Asks for a socket once more although the first answer was fine, as if it had come too late.
    pub asks_again: bool,
    /// Every status report comes twice.
    pub reports_twice: bool,
    /// Every two status reports arrive in the wrong order.
    pub out_of_order: bool,
    /// `x-mcube-webhook-secret`, as seen in somebody's code.
    pub secret: Option<String>,
    /// The JSON comes as something else: `text/plain`.
    pub content_type: Option<String>,
}

impl Default for Webhooks {
    fn default() -> Webhooks {
        Webhooks {
            casing: Casing::Camel,
            clock: Clock::Seconds,
            small_statuses: false,
            says_connecting: true,
            attempts: 2,
            between_attempts: Duration::from_secs(1),
            asks_again: false,
            reports_twice: false,
            out_of_order: false,
            secret: None,
            content_type: None,
        }
    }
}

/// How the fields of a webhook are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Casing {
    /// `callId`
    Camel,
    /// `call_id`
    Snake,
    /// `callid`
    Lower,
    /// `callid` and the older hook's own names for the rest: `emp_phone`, `clicktocalldid`, `callto`, `refid`.
    Older,
}

/// How durations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `"72"`
    Seconds,
    /// `"00:01:12"`
    HoursMinutesSeconds,
}

/// How the API for outbound calls answers.
#[derive(Clone, Debug, Default)]
pub struct ApiHabits {
    /// `"status":"true"` instead of `"status":true`.
    pub status_as_text: bool,
    /// Nothing works, and this is said with status 200: "Executive is busy".
    pub refuses: Option<String>,
    /// A success without a `callid`.
    pub forgets_call_id: bool,
}

/// A call to be placed to a number that leads to the gateway.
#[derive(Clone, Debug)]
pub struct PlacedCall {
    /// The customer.
    pub from: String,
    /// The number that was called.
    pub to: String,
    /// Mcube's name for the call; none makes one up.
    pub call_id: Option<String>,
    pub way: Way,
    /// Business facts, as `businessId`, `agentId`, `customerName`.
    pub facts: Vec<(String, String)>,
    pub caller: Caller,
    /// Faults of the media socket.
    pub faults: Faults,
    /// In place of the emulator's own.
    pub stream: Option<StreamHabits>,
    pub webhooks: Option<Webhooks>,
}

/// How the call finds its media socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The `refurl` is asked for one, and told what becomes of the call.
    Webhook { refurl: String },
    /// It is known: `/ws/{session_id}` or `/ws/mcube/{call_id}`. Nobody is told anything.
    Socket { url: String },
}

impl Default for PlacedCall {
    fn default() -> PlacedCall {
        PlacedCall {
            from: "9123456780".into(),
            to: "8047654321".into(),
            call_id: None,
            way: Way::Socket { url: String::new() },
            facts: Vec::new(),
            caller: Caller::silent(),
            faults: Faults::none(),
            stream: None,
            webhooks: None,
        }
    }
}

/// An emulated Mcube. Dropping it ends all of its calls.
#[derive(Debug)]
pub struct Mcube {
    network: Arc<Network>,
    served: Served,
    originated: tokio::sync::Mutex<mpsc::Receiver<LiveCall>>,
}

/// What all calls of one emulator share.
#[derive(Debug)]
struct Network {
    config: McubeConfig,
    web: Web,
    tls: Arc<rustls::ClientConfig>,
    live: AtomicUsize,
    callees: Mutex<HashMap<String, Callee>>,
    originated: mpsc::Sender<LiveCall>,
    life: Life,
}

/// Originated calls nobody has asked for yet; later ones go on without a handle.
const ORIGINATED_MAX: usize = 1_000;

impl Mcube {
    pub async fn start(config: McubeConfig) -> io::Result<Mcube> {
        let (listener, address) = net::bind().await?;
        let tls = match &config.tls {
            Some(tls) => Arc::clone(tls),
            None => web::public_tls().map_err(io::Error::other)?,
        };
        let web = Web::new(&tls, "Mcube", webhook::ANSWER_WITHIN).map_err(io::Error::other)?;
        let (originated, receiver) = mpsc::channel(ORIGINATED_MAX);
        let life = Life::default();
        let network = Arc::new(Network {
            config,
            web,
            tls,
            live: AtomicUsize::new(0),
            callees: Mutex::default(),
            originated,
            life: life.clone(),
        });
        let served = net::serve(listener, address, api::routes(Arc::clone(&network)), life);
        Ok(Mcube { network, served, originated: tokio::sync::Mutex::new(receiver) })
    }

    /// Where the API is, without a trailing slash; `/Restmcube-api/outbound-calls-websocket` comes behind.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.served.address)
    }

    pub fn token(&self) -> &str {
        &self.network.config.token
    }

    /// Somebody calls a number.
    pub fn place_call(&self, call: PlacedCall) -> LiveCall {
        call::place(&self.network, call)
    }

    /// Names who answers when the API calls this number; the last ten digits count.
    pub fn expect_callee(&self, number: &str, callee: Callee) {
        locked(&self.network.callees).insert(last_ten(number).to_owned(), callee);
    }

    /// The next call that the API has originated.
    pub async fn originated(&self) -> Option<LiveCall> {
        self.originated.lock().await.recv().await
    }

    /// Calls that are not over.
    pub fn live_calls(&self) -> usize {
        self.network.live.load(Ordering::SeqCst)
    }

    /// Ends all calls and waits for every task.
    pub async fn shut_down(self) {
        self.served.life.end().await;
    }
}

fn last_ten(number: &str) -> &str {
    match number.char_indices().rev().nth(9) {
        Some((at, _)) => &number[at..],
        None => number,
    }
}
