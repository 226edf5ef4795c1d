//! Whether a request really comes from Twilio.
//!
//! `X-Twilio-Signature` is the base64 of an HMAC-SHA1, keyed with the account's token, over the exact URL that Twilio
//! requested and, for forms, over every parameter. "The exact URL" is the hard part: behind a proxy nobody tells us
//! what it was, so it is built from the configured public address ([`public_url`], [`effective_base`]); and Twilio
//! itself is of two minds about ports, trailing slashes and old queries, so each reading that the official libraries
//! accept is accepted here.

mod address;
mod readings;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use wire::Secret;

pub use self::address::{ForwardedHeaders, effective_base, public_url};
use super::webhook::Params;

/// The header's name, as HTTP libraries write it.
pub const HEADER: &str = "x-twilio-signature";

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the request has no X-Twilio-Signature header; it may not come from Twilio")]
    Missing,
    #[error(
        "the request's signature does not fit; check that the public URL is the one that Twilio calls, and that the \
         auth token belongs to the account which owns the number"
    )]
    Mismatch,
    #[error("no Twilio auth token is configured, so no request can be checked")]
    NoToken,
}

impl SignatureError {
    /// The HTTP status that says so; the same as Twilio's own middleware gives.
    pub fn status(self) -> u16 {
        match self {
            SignatureError::Missing => 400,
            SignatureError::Mismatch => 403,
            SignatureError::NoToken => 500,
        }
    }
}

/// The signature of a request for this very URL, with these form parameters.
pub fn sign(token: &Secret, url: &str, params: &Params) -> String {
    STANDARD.encode(digest(token, url, &in_signing_order(params)))
}

/// Checks a `POST` with a form body. `header` is the signature header's value, `url` comes from [`public_url`].
pub fn verify_form(
    tokens: &[Secret],
    url: &str,
    params: &Params,
    header: Option<&str>,
) -> Result<(), SignatureError> {
    verify(tokens, &readings::of_webhook(url), params, header)
}

/// Checks a `GET`: its parameters are in the URL already.
pub fn verify_get(tokens: &[Secret], url: &str, header: Option<&str>) -> Result<(), SignatureError> {
    verify(tokens, &readings::of_webhook(url), &Params::default(), header)
}

/// Checks a `POST` with a JSON body: the URL carries the body's digest and is signed alone.
pub fn verify_json(
    tokens: &[Secret],
    url: &str,
    raw_body: &[u8],
    header: Option<&str>,
) -> Result<(), SignatureError> {
    verify(tokens, &readings::of_webhook(url), &Params::default(), header)?;
    let claimed = readings::query(url)
        .and_then(|query| Params::from_query(query).ok())
        .and_then(|query| query.first("bodySHA256").map(str::to_owned))
        .ok_or(SignatureError::Mismatch)?;
    let found: String = Sha256::digest(raw_body).iter().map(|byte| format!("{byte:02x}")).collect();
    match bool::from(found.as_bytes().ct_eq(claimed.as_bytes())) {
        true => Ok(()),
        false => Err(SignatureError::Mismatch),
    }
}

/// Checks the upgrade of a media socket. `url` may have either scheme; the socket's own is what Twilio signs.
pub fn verify_upgrade(tokens: &[Secret], url: &str, header: Option<&str>) -> Result<(), SignatureError> {
    verify(tokens, &readings::of_upgrade(url), &Params::default(), header)
}

fn verify(
    tokens: &[Secret],
    urls: &[String],
    params: &Params,
    header: Option<&str>,
) -> Result<(), SignatureError> {
    let claimed = header.filter(|header| !header.is_empty()).ok_or(SignatureError::Missing)?;
    if tokens.iter().all(Secret::is_empty) {
        return Err(SignatureError::NoToken);
    }
    let pairs = in_signing_order(params);
    // No early exit: how long it takes tells nothing about which token or reading came close.
    let mut fits = Choice::from(0);
    for token in tokens.iter().filter(|token| !token.is_empty()) {
        for url in urls {
            let signature = STANDARD.encode(digest(token, url, &pairs));
            fits |= signature.as_bytes().ct_eq(claimed.as_bytes());
        }
    }
    match bool::from(fits) {
        true => Ok(()),
        false => Err(SignatureError::Mismatch),
    }
}

/// Names in byte order; the values of a repeated name sorted, each once. That is what the official libraries do.
fn in_signing_order(params: &Params) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> = params.iter().collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn digest(token: &Secret, url: &str, pairs: &[(&str, &str)]) -> impl AsRef<[u8]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.reveal().as_bytes()).expect("an HMAC key");
    mac.update(url.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.finalize().into_bytes()
}
