//! Whether a request is Mcube's.
//!
//! Mcube signs nothing. It shows a token that it was given with the address, or in a header; the terminal's pretended
//! Mcube on this machine shows one of its own. While nobody but this machine can reach the gateway and no token is set,
//! whoever may use the API may also pretend to be Mcube.

use axum::http::{HeaderMap, Uri};
use carriers::twilio::webhook::Params;

use super::super::access::may_use;
use super::super::listener::Ends;
use crate::auth;
use crate::carrier_kind::CarrierKind;
use crate::gateway::Gateway;

/// The header in which some installations of Mcube show the token.
const HEADER: &str = "x-mcube-webhook-secret";

/// Longer than any token or identifier that stands in an address of ours.
const VALUE_BYTES_MAX: usize = 512;

/// Why a request does not count as Mcube's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotProven {
    #[error("the request shows no token: put ?token=… behind the address that Mcube is given")]
    Missing,
    #[error("the token is not the one of carriers.mcube.token")]
    Wrong,
    #[error(
        "this gateway has no token for Mcube, so no request can be checked; set carriers.mcube.token and put ?token=… \
         behind the address that Mcube is given"
    )]
    NoToken,
}

impl NotProven {
    pub(super) fn status(self) -> u16 {
        match self {
            NotProven::Missing | NotProven::Wrong => 401,
            NotProven::NoToken => 500,
        }
    }
}

/// What the address of a request says beside its path.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) token: Option<String>,
    /// Our own name for a call that we placed.
    pub(super) call: Option<String>,
}

impl Asked {
    pub(super) fn of(uri: &Uri) -> Asked {
        let params = uri.query().and_then(|query| Params::from_query(query).ok()).unwrap_or_default();
        let value = |name| {
            let value: Option<&str> = params.filled(name);
            value.filter(|value| value.len() <= VALUE_BYTES_MAX).map(str::to_owned)
        };
        Asked { token: value("token"), call: value("call") }
    }
}

/// Whether the terminal's pretended Mcube asks: it shows the token of the data folder.
pub(super) fn is_pretended(gateway: &Gateway, ends: Ends, headers: &HeaderMap, asked: &Asked) -> bool {
    let in_header = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let here = ends.peer.ip().to_canonical().is_loopback() && ends.local.ip().to_canonical().is_loopback();
    let lab = gateway.lab_token.as_ref().filter(|_| here);
    let mut shown = asked.token.as_deref().into_iter().chain(in_header);
    lab.is_some_and(|lab| shown.any(|token| auth::is_secret(lab, token)))
}

/// Whether this request is Mcube's. Every token that is shown is looked at, so that all wrong ones take the same time.
pub(super) fn prove(
    gateway: &Gateway,
    ends: Ends,
    headers: &HeaderMap,
    asked: &Asked,
) -> Result<(), NotProven> {
    let settings = &gateway.config.carriers.mcube;
    let in_header = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let shown: Vec<&str> = asked.token.as_deref().into_iter().chain(in_header).collect();
    let here = ends.peer.ip().to_canonical().is_loopback() && ends.local.ip().to_canonical().is_loopback();
    let lab = gateway.lab_token.as_ref().filter(|_| here);
    let right = shown.iter().fold(false, |right, token| {
        let ours = gateway.is_carrier_secret(CarrierKind::Mcube, token);
        let pretended = lab.is_some_and(|lab| auth::is_secret(lab, token));
        right | ours | pretended
    });
    if right || settings.allow_unauthenticated {
        return Ok(());
    }
    if !settings.has_token() {
        let server = &gateway.config.server;
        let alone = here && server.public_url.is_none() && auth::is_open(server);
        let may = alone && may_use(server, headers).is_ok();
        return if may { Ok(()) } else { Err(NotProven::NoToken) };
    }
    Err(if shown.is_empty() { NotProven::Missing } else { NotProven::Wrong })
}
