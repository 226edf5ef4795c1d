//! An emulated Plivo: a phone network, a REST API and audio streams on a port of the loopback interface.
//!
//! It does to a gateway what Plivo does: asks its answer URL with a signed request, follows the XML that comes back,
//! opens the stream, plays what it is sent in real time to a scripted caller, and obeys REST orders meanwhile. It is
//! stricter than the original where the documents are strict, and writes down every deviation.
//!
//! Read along the flow: `asking` asks and signs, `documents` reads the answer, `call` lives through it element by
//! element, `dialect` is what is said on the stream, `strict` what is wrong with what the gateway says there, `rest`
//! what can be ordered from outside.

mod asking;
mod call;
mod dialect;
mod documents;
mod originate;
mod rest;
pub mod signature;
mod strict;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

pub use crate::phone::{
    CallNote, CallReport, Callee, DialOutcome, Dialling, End, Happening, How, LiveCall, MediaSums, Method,
    Notes, StreamEnd, Warning,
};

use crate::caller::Caller;
use crate::faults::Faults;
use crate::locked;
use crate::net::{self, Life, Served};
use crate::phone::web::{self, Web};
use call::CallState;

/// How this Plivo is set up.
#[derive(Clone, Debug)]
pub struct PlivoConfig {
    pub auth_id: String,
    pub auth_token: String,
    /// The token of the account above this one; without one it is the same.
    pub main_account_token: Option<String>,
    /// How long `<Speak>` takes per character; nothing is heard meanwhile.
    pub say_per_character: Duration,
    /// What becomes of calls that `<Dial>` places.
    pub dialling: Dialling,
    /// Who answers calls that REST originates, unless [`Plivo::expect_callee`] named somebody else.
    pub callee: Callee,
    /// What REST answers when it shall not work: `at_handshake: error_body …`, `at_handshake: delay …`.
    pub rest_faults: Faults,
    pub rest_errors: ErrorShape,
    /// Every two reports on a call arrive in the wrong order.
    pub reports_out_of_order: bool,
    /// How `extraHeaders` come back on the stream.
    pub extra_headers: ExtraHeaders,
    pub larger_pieces: LargerPieces,
    /// Some have seen a `stop` before the close frame; no document has one.
    pub sends_stop: bool,
    /// Some have seen `playFailed` and `error`, each with a reason, after a wrong message; no document has them.
    pub tells_errors: bool,
    /// Whether the upgrade of the stream is signed is not documented.
    pub signs_upgrade: bool,
    /// Between the attempts to open a stream.
    pub between_attempts: Duration,
    /// For `https` and `wss`; none means the public certificate authorities.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for PlivoConfig {
    fn default() -> PlivoConfig {
        PlivoConfig {
            auth_id: "MA000000000000000001".into(),
            auth_token: "0123456789abcdef0123456789abcdef01234567".into(),
            main_account_token: None,
            say_per_character: Duration::from_millis(60),
            dialling: Dialling::default(),
            callee: Callee::default(),
            rest_faults: Faults::none(),
            rest_errors: ErrorShape::Text,
            reports_out_of_order: false,
            extra_headers: ExtraHeaders::Pairs,
            larger_pieces: LargerPieces::Warned,
            sends_stop: false,
            tells_errors: false,
            signs_upgrade: false,
            between_attempts: Duration::from_secs(1),
            tls: None,
        }
    }
}

/// `error` of a REST answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"api_id": …, "error": "…"}`
    Text,
    /// `{"api_id": …, "error": {"error": "…"}}`
    Object,
}

/// `extra_headers` of a stream's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraHeaders {
    /// `k=v;k2=v2`
    Pairs,
    /// An object, written as text.
    Json,
    Missing,
}

/// What becomes of pieces of more than 20 ms: one document forbids them, and everybody sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LargerPieces {
    /// Played, with a warning.
    Warned,
    /// Lost, with a warning.
    Dropped,
    Fine,
}

/// A call to be placed to a number whose answer URL is the gateway.
#[derive(Clone, Debug)]
pub struct PlacedCall {
    pub from: String,
    pub to: String,
    /// Plivo's name for the call; none makes one up.
    pub call_uuid: Option<String>,
    pub answer_url: String,
    pub answer_method: Method,
    pub fallback_url: Option<String>,
    pub hangup_url: Option<String>,
    pub caller: Caller,
    /// Faults of the stream's socket.
    pub faults: Faults,
    /// Further parameters of every request, signed like all others.
    pub extra_params: Vec<(String, String)>,
    pub signing: Signing,
}

impl Default for PlacedCall {
    fn default() -> PlacedCall {
        PlacedCall {
            from: "+14155550100".into(),
            to: "+14155550199".into(),
            call_uuid: None,
            answer_url: String::new(),
            answer_method: Method::Post,
            fallback_url: None,
            hangup_url: None,
            caller: Caller::silent(),
            faults: Faults::none(),
            extra_params: Vec::new(),
            signing: Signing::Right,
        }
    }
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    Right,
    /// No header at all.
    Missing,
    /// With somebody else's token.
    WithToken(String),
    /// The right one is the second of a comma-separated list, as while a token is being replaced.
    OneOfSeveral,
    /// Only the main account's header is right.
    MainAccountOnly,
}

/// An emulated Plivo. Dropping it ends all of its calls.
#[derive(Debug)]
pub struct Plivo {
    network: Arc<Network>,
    served: Served,
    originated: tokio::sync::Mutex<mpsc::Receiver<LiveCall>>,
}

/// What all calls of one emulator share.
#[derive(Debug)]
struct Network {
    config: PlivoConfig,
    web: Web,
    tls: Arc<rustls::ClientConfig>,
    calls: Mutex<HashMap<String, Arc<CallState>>>,
    callees: Mutex<HashMap<String, Callee>>,
    originated: mpsc::Sender<LiveCall>,
    life: Life,
}

/// Originated calls nobody has asked for yet; later ones go on without a handle.
const ORIGINATED_MAX: usize = 1_000;

impl Plivo {
    pub async fn start(config: PlivoConfig) -> io::Result<Plivo> {
        let (listener, address) = net::bind().await?;
        let tls = match &config.tls {
            Some(tls) => Arc::clone(tls),
            None => web::public_tls().map_err(io::Error::other)?,
        };
        let web = Web::new(&tls, "Plivo", asking::ANSWER_WITHIN).map_err(io::Error::other)?;
        let (originated, receiver) = mpsc::channel(ORIGINATED_MAX);
        let life = Life::default();
        let network = Arc::new(Network {
            config,
            web,
            tls,
            calls: Mutex::default(),
            callees: Mutex::default(),
            originated,
            life: life.clone(),
        });
        let served = net::serve(listener, address, rest::routes(Arc::clone(&network)), life);
        Ok(Plivo { network, served, originated: tokio::sync::Mutex::new(receiver) })
    }

    /// Where the REST API is, without a trailing slash; its version and account come behind.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.served.address)
    }

    pub fn auth_id(&self) -> &str {
        &self.network.config.auth_id
    }

    pub fn auth_token(&self) -> &str {
        &self.network.config.auth_token
    }

    /// Somebody calls a number; its answer URL is asked what to do.
    pub fn place_call(&self, call: PlacedCall) -> LiveCall {
        call::place(&self.network, call)
    }

    /// Names who answers when REST calls this number.
    pub fn expect_callee(&self, number: &str, callee: Callee) {
        locked(&self.network.callees).insert(number.to_owned(), callee);
    }

    /// The next call that REST has originated.
    pub async fn originated(&self) -> Option<LiveCall> {
        self.originated.lock().await.recv().await
    }

    /// Calls that are not over.
    pub fn live_calls(&self) -> usize {
        locked(&self.network.calls).values().filter(|call| !call.status().is_final()).count()
    }

    /// Ends all calls and waits for every task.
    pub async fn shut_down(self) {
        self.served.life.end().await;
    }
}

/// A name in the style of Plivo's.
fn uuid() -> String {
    // RFC 9562 §5.4: version 4 in the thirteenth digit, the variant in the seventeenth.
    let number = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (4 << 76) | (2 << 62);
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
