//! Whether a request really comes from Plivo.
//!
//! `X-Plivo-Signature-V3` is the base64 of an HMAC-SHA256, keyed with the account's token, over the address that Plivo
//! requested, what the request says, and a nonce of its own header. The address is ours as the world knows it, as for
//! every carrier that signs. A second header of the same making is signed with the main account's token, and each of
//! them may hold several signatures while a token is being rotated: one that fits is enough.
//!
//! The older V2 signs the address alone, without its query and without what a form says: whoever has seen one request
//! can make others. It is taken only where somebody asks for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use wire::Secret;

use super::webhook::Params;

/// The headers' names, as HTTP libraries write them.
pub const V3: &str = "x-plivo-signature-v3";
pub const V3_OF_MAIN_ACCOUNT: &str = "x-plivo-signature-ma-v3";
pub const V3_NONCE: &str = "x-plivo-signature-v3-nonce";
pub const V2: &str = "x-plivo-signature-v2";
pub const V2_NONCE: &str = "x-plivo-signature-v2-nonce";

/// As many signatures as one request is looked at for: two accounts, each with a few tokens.
const SHOWN_MAX: usize = 16;

/// A nonce is some twenty digits.
const NONCE_BYTES_MAX: usize = 256;

/// What a request shows to prove itself: the values of the headers, where it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown<'a> {
    pub v3: Option<&'a str>,
    pub v3_of_main_account: Option<&'a str>,
    pub v3_nonce: Option<&'a str>,
    pub v2: Option<&'a str>,
    pub v2_nonce: Option<&'a str>,
}

/// Which signatures count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accepted {
    #[default]
    V3,
    /// V2 where there is no V3.
    V3OrV2,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the request has no X-Plivo-Signature-V3 header with a nonce; it may not come from Plivo")]
    Missing,
    #[error(
        "the request has an X-Plivo-Signature-V2 header alone, which does not cover what it says; set \
         `carriers.plivo.accept_v2_signatures` if your account has nothing newer"
    )]
    Old,
    #[error(
        "the request's signature does not fit; check that the public URL is the one that Plivo calls, and that the \
         auth token belongs to the account, or subaccount, which owns the number"
    )]
    Mismatch,
    #[error("no Plivo auth token is configured, so no request can be checked")]
    NoToken,
}

impl SignatureError {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            SignatureError::Missing => 400,
            SignatureError::Mismatch | SignatureError::Old => 403,
            SignatureError::NoToken => 500,
        }
    }
}

impl Shown<'_> {
    pub fn is_empty(&self) -> bool {
        [self.v3, self.v3_of_main_account, self.v2].iter().all(|header| header.is_none_or(str::is_empty))
    }
}

/// The V3 signature of a request for this URL. `body` is what its form says: empty for a `GET`, and for a `POST` without
/// one.
pub fn sign(token: &Secret, url: &str, body: &Params, nonce: &str) -> String {
    digest(token, &[reading(url, body).as_bytes(), b".", nonce.as_bytes()])
}

/// The V2 signature of a request for this URL.
pub fn sign_v2(token: &Secret, url: &str, nonce: &str) -> String {
    digest(token, &[parts(url).0.as_bytes(), nonce.as_bytes()])
}

/// Proof that we ourselves named this destination for this call. It stands in an address that we give to Plivo, whose own
/// signature of it may be missing ([`Accepted::V3OrV2`]) or unchecked.
pub fn vouch(token: &Secret, call_uuid: &str, to: &str) -> String {
    let named = Params::from_pairs([("call", call_uuid), ("to", to)]);
    // No address that Plivo signs begins like this.
    sign(token, "transfer", &named, "vouched")
}

/// Whether we vouched for it, with any of these tokens.
pub fn is_vouched(tokens: &[Secret], call_uuid: &str, to: &str, shown: &str) -> bool {
    let mut fits = Choice::from(0);
    for token in tokens.iter().filter(|token| !token.is_empty()) {
        fits |= vouch(token, call_uuid, to).as_bytes().ct_eq(shown.as_bytes());
    }
    fits.into()
}

/// Checks a request for this URL ([`crate::twilio::signature::public_url`] makes it), whatever its method: a `GET` says
/// everything in its query, so its `body` is empty.
pub fn verify(
    tokens: &[Secret],
    url: &str,
    body: &Params,
    shown: &Shown<'_>,
    accepted: Accepted,
) -> Result<(), SignatureError> {
    let filled = |header: Option<&'_ str>| header.is_some_and(|header| !header.trim().is_empty());
    let has_v3 = filled(shown.v3) || filled(shown.v3_of_main_account);
    let has_v2 = filled(shown.v2) && shown.v2_nonce.is_some();
    let takes_v2 = has_v2 && !has_v3 && accepted == Accepted::V3OrV2;
    let nonce = match (has_v3, takes_v2) {
        (true, _) => shown.v3_nonce,
        (false, true) => shown.v2_nonce,
        (false, false) if has_v2 => return Err(SignatureError::Old),
        (false, false) => None,
    };
    let nonce = nonce.filter(|nonce| !nonce.is_empty()).ok_or(SignatureError::Missing)?;
    if tokens.iter().all(Secret::is_empty) {
        return Err(SignatureError::NoToken);
    }
    if nonce.len() > NONCE_BYTES_MAX {
        return Err(SignatureError::Mismatch);
    }
    let (headers, signed) = match takes_v2 {
        true => ([shown.v2, None], format!("{}{nonce}", parts(url).0)),
        false => ([shown.v3, shown.v3_of_main_account], format!("{}.{nonce}", reading(url, body))),
    };
    // No early exit: how long it takes tells nothing about which token came close.
    let mut fits = Choice::from(0);
    for token in tokens.iter().filter(|token| !token.is_empty()) {
        let signature = digest(token, &[signed.as_bytes()]);
        let claims = headers.iter().flatten().flat_map(|header| header.split(','));
        for claimed in claims.take(SHOWN_MAX) {
            fits |= signature.as_bytes().ct_eq(claimed.trim().as_bytes());
        }
    }
    match bool::from(fits) {
        true => Ok(()),
        false => Err(SignatureError::Mismatch),
    }
}

/// What is signed, without the nonce.
fn reading(url: &str, body: &Params) -> String {
    let (base, query) = parts(url);
    let query = Params::from_query(query).unwrap_or_default();
    let form: String = sorted(body).into_iter().flat_map(|(name, value)| [name, value]).collect();
    let query = joined(sorted(&query));
    // Words that the rule does not explain: a form without any query still has the bare question mark.
    let mark = if query.is_empty() && body.is_empty() { "" } else { "?" };
    let stop = if query.is_empty() || body.is_empty() { "" } else { "." };
    format!("{base}{mark}{query}{stop}{form}")
}

/// The address without its query, and the query.
fn parts(url: &str) -> (&str, &str) {
    let url = url.split('#').next().unwrap_or_default();
    url.split_once('?').unwrap_or((url, ""))
}

/// By name, and the values of one name by value; a name that comes twice stands there twice.
fn sorted(params: &Params) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> = params.iter().collect();
    pairs.sort_unstable();
    pairs
}

fn joined(pairs: Vec<(&str, &str)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn digest(token: &Secret, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.reveal().as_bytes()).expect("an HMAC key");
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}
