//! Whether a request is Plivo's, or the pretended Plivo's of this machine.

use axum::http::HeaderMap;
use carriers::plivo::signature::{self, Accepted, Shown, SignatureError};
use carriers::plivo::webhook::Params;
use carriers::twilio::signature::public_url;
use wire::Secret;

use super::super::listener::Ends;
use super::super::ways::{self, Way};
use crate::config::Plivo;
use crate::gateway::Gateway;

/// The values of the signature headers. One that comes several times is one list.
#[derive(Debug, Default)]
pub(super) struct Headers {
    v3: Option<String>,
    v3_of_main_account: Option<String>,
    v3_nonce: Option<String>,
    v2: Option<String>,
    v2_nonce: Option<String>,
}

impl Headers {
    pub(super) fn of(headers: &HeaderMap) -> Headers {
        let read = |name: &str| {
            let values: Vec<&str> =
                headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
            (!values.is_empty()).then(|| values.join(","))
        };
        Headers {
            v3: read(signature::V3),
            v3_of_main_account: read(signature::V3_OF_MAIN_ACCOUNT),
            v3_nonce: read(signature::V3_NONCE),
            v2: read(signature::V2),
            v2_nonce: read(signature::V2_NONCE),
        }
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        Shown {
            v3: self.v3.as_deref(),
            v3_of_main_account: self.v3_of_main_account.as_deref(),
            v3_nonce: self.v3_nonce.as_deref(),
            v2: self.v2.as_deref(),
            v2_nonce: self.v2_nonce.as_deref(),
        }
    }
}

/// Why nobody gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotLetIn {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(
        "this gateway has no Plivo auth token, so no request can be checked; start it with PLIVO_AUTH_TOKEN set to the \
         account's (carriers.plivo.auth_token)"
    )]
    NoToken,
    #[error(
        "server.public_url is not set, so no signature can be checked; set it to the address at which Plivo reaches \
         this gateway"
    )]
    NoAddress,
}

impl NotLetIn {
    pub(super) fn status(self) -> u16 {
        match self {
            NotLetIn::Signature(error) => error.status(),
            NotLetIn::NoToken | NotLetIn::NoAddress => 500,
        }
    }
}

/// Every token of the account.
pub(in crate::http) fn tokens(plivo: &Plivo) -> Vec<Secret> {
    plivo.auth_token.iter().chain(&plivo.more_auth_tokens).cloned().collect()
}

/// The ways in for a request with these headers on this connection, the likelier first.
pub(super) fn ways(gateway: &Gateway, ends: Ends, headers: &HeaderMap) -> Vec<Way> {
    let accounts = tokens(&gateway.config.carriers.plivo);
    ways::of(&gateway.config.server, accounts, gateway.lab_token.as_ref(), ends, headers)
}

/// Tries all ways for a request to this target whose form says this.
pub(super) fn let_in(
    plivo: &Plivo,
    ways: Vec<Way>,
    shown: &Shown<'_>,
    target: &str,
    body: &Params,
) -> Result<Way, NotLetIn> {
    let accepted = if plivo.accept_v2_signatures { Accepted::V3OrV2 } else { Accepted::V3 };
    try_all(ways, shown, |way| {
        signature::verify(&way.tokens, &public_url(&way.base, target), body, shown, accepted)
    })
}

/// Tries all ways for the upgrade of a media socket. Which scheme Plivo signs there is nowhere said.
pub(super) fn let_upgrade(ways: Vec<Way>, shown: &Shown<'_>, target: &str) -> Result<Way, NotLetIn> {
    try_all(ways, shown, |way| {
        let url = public_url(&way.base, target);
        let check = |url: &str| signature::verify(&way.tokens, url, &Params::default(), shown, Accepted::V3);
        match url.strip_prefix("http") {
            // `http` becomes `ws`, and `https` becomes `wss`.
            Some(rest) => check(&format!("ws{rest}")).or_else(|_| check(&url)),
            None => check(&url),
        }
    })
}

fn try_all(
    ways: Vec<Way>,
    shown: &Shown<'_>,
    check: impl Fn(&Way) -> Result<(), SignatureError>,
) -> Result<Way, NotLetIn> {
    if shown.is_empty() {
        return Err(SignatureError::Missing.into());
    }
    if ways.is_empty() {
        return Err(NotLetIn::NoAddress);
    }
    let mut refused = None;
    for way in ways {
        match check(&way) {
            Ok(()) => return Ok(way),
            // A way without tokens says nothing about the others.
            Err(SignatureError::NoToken) => refused = refused.or(Some(NotLetIn::NoToken)),
            Err(error) => refused = Some(error.into()),
        }
    }
    Err(refused.unwrap_or(NotLetIn::NoToken))
}
