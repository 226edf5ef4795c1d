//! An emulated Twilio: a phone network, a REST API and media streams on a port of the loopback interface.
//!
//! It does to a gateway what Twilio does: asks its webhook with a signed request, follows the TwiML that comes back,
//! opens the media stream, plays what it is sent in real time to a scripted caller, and obeys REST orders meanwhile.
//! It is stricter than the original where the documents are strict, and writes down every deviation.
//!
//! Read along the flow: `webhook` asks, `twiml` reads the answer, `call` lives through it verb by verb, `stream` is the
//! verb that matters, `dialect` what is said on it, `strict` what is wrong with what the gateway says, `rest` what can
//! be ordered from outside. Taps (`<Start><Stream>`) are not emulated, and reported as a warning.

mod call;
mod dialect;
mod messages;
mod originate;
mod rest;
pub mod signature;
mod stream;
mod strict;
mod twiml;
mod webhook;

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

/// How this Twilio is set up.
#[derive(Clone, Debug)]
pub struct TwilioConfig {
    pub account_sid: String,
    pub auth_token: String,
    /// How long `<Say>` takes per character; nothing is heard meanwhile.
    pub say_per_character: Duration,
    /// What becomes of calls that `<Dial>` places.
    pub dialling: Dialling,
    /// Who answers calls that REST originates, unless [`Twilio::expect_callee`] named somebody else.
    pub callee: Callee,
    /// What REST answers when it shall not work: `at_handshake: error_body …`, `at_handshake: delay …`.
    pub rest_faults: Faults,
    /// Every two callbacks of calls that REST originates arrive in the wrong order.
    pub callbacks_out_of_order: bool,
    /// For `https` and `wss`; none means the public certificate authorities.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for TwilioConfig {
    fn default() -> TwilioConfig {
        TwilioConfig {
            account_sid: "AC00000000000000000000000000000001".into(),
            auth_token: "0123456789abcdef0123456789abcdef".into(),
            say_per_character: Duration::from_millis(60),
            dialling: Dialling::default(),
            callee: Callee::default(),
            rest_faults: Faults::none(),
            callbacks_out_of_order: false,
            tls: None,
        }
    }
}

/// A call to be placed to a number whose webhook is the gateway.
#[derive(Clone, Debug)]
pub struct PlacedCall {
    pub from: String,
    pub to: String,
    /// Twilio's name for the call; none makes one up.
    pub call_sid: Option<String>,
    pub webhook_url: String,
    pub webhook_method: Method,
    pub fallback_url: Option<String>,
    pub status_callback: Option<StatusCallback>,
    pub caller: Caller,
    /// Faults of the media socket.
    pub faults: Faults,
    /// Further webhook parameters, signed like all others; names may repeat.
    pub extra_params: Vec<(String, String)>,
    pub signing: Signing,
}

impl Default for PlacedCall {
    fn default() -> PlacedCall {
        PlacedCall {
            from: "+14155550100".into(),
            to: "+14155550199".into(),
            call_sid: None,
            webhook_url: String::new(),
            webhook_method: Method::Post,
            fallback_url: None,
            status_callback: None,
            caller: Caller::silent(),
            faults: Faults::none(),
            extra_params: Vec::new(),
            signing: Signing::Right,
        }
    }
}

/// Where a call's progress is reported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCallback {
    pub url: String,
    /// Of `initiated ringing answered completed`.
    pub events: Vec<String>,
    /// Every two callbacks arrive in the wrong order.
    pub out_of_order: bool,
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    Right,
    /// No header at all.
    Missing,
    /// With somebody else's token.
    WithToken(String),
    /// The media socket's signature is over its URL with a slash behind it, as has been seen.
    TrailingSlashOnUpgrade,
    /// The media socket's signature is over its URL as `https`.
    HttpsOnUpgrade,
}

/// An emulated Twilio. Dropping it ends all of its calls.
#[derive(Debug)]
pub struct Twilio {
    network: Arc<Network>,
    served: Served,
    originated: tokio::sync::Mutex<mpsc::Receiver<LiveCall>>,
}

/// What all calls of one emulator share.
#[derive(Debug)]
struct Network {
    config: TwilioConfig,
    web: Web,
    tls: Arc<rustls::ClientConfig>,
    calls: Mutex<HashMap<String, Arc<CallState>>>,
    callees: Mutex<HashMap<String, Callee>>,
    originated: mpsc::Sender<LiveCall>,
    life: Life,
}

/// Originated calls nobody has asked for yet; later ones go on without a handle.
const ORIGINATED_MAX: usize = 1_000;

impl Twilio {
    pub async fn start(config: TwilioConfig) -> io::Result<Twilio> {
        let (listener, address) = net::bind().await?;
        let tls = match &config.tls {
            Some(tls) => Arc::clone(tls),
            None => web::public_tls().map_err(io::Error::other)?,
        };
        let web = Web::new(&tls, "TwilioProxy/1.1", webhook::ANSWER_WITHIN).map_err(io::Error::other)?;
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
        Ok(Twilio { network, served, originated: tokio::sync::Mutex::new(receiver) })
    }

    /// Where the REST API is, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.served.address)
    }

    pub fn account_sid(&self) -> &str {
        &self.network.config.account_sid
    }

    pub fn auth_token(&self) -> &str {
        &self.network.config.auth_token
    }

    /// Somebody calls a number; its webhook is asked what to do.
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
