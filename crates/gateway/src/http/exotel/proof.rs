//! Whether a request is Exotel's. It signs nothing: it shows a secret, in whichever way its flow can be told to.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wire::Secret;

use super::super::access::{may_use, text};
use super::super::listener::Ends;
use crate::auth;
use crate::gateway::Gateway;

/// Secrets that a request may show. Honest ones show one, or two.
const SHOWN_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotLetIn {
    #[error(
        "show the secret (EXOTEL_WS_TOKEN): as bearer, as password of HTTP Basic, or as the parameter `token`"
    )]
    NothingShown,
    #[error("this is not the secret that was agreed on (EXOTEL_WS_TOKEN)")]
    Wrong,
    #[error(
        "this gateway has no secret to tell Exotel by; start it with EXOTEL_WS_TOKEN set (carriers.exotel.ws_token), and \
         show the same in Exotel's flow"
    )]
    NoSecret,
}

/// Whether this request shows the secret. `tokens` are its parameters of that name.
pub(super) fn check<'a>(
    gateway: &Gateway,
    ends: Ends,
    headers: &HeaderMap,
    tokens: impl Iterator<Item = &'a str>,
) -> Result<(), NotLetIn> {
    let exotel = &gateway.config.carriers.exotel;
    let lab = gateway.lab_token.as_ref().filter(|_| is_of_this_machine(ends));
    let secrets: Vec<&Secret> = exotel.ws_token.iter().chain(lab).collect();
    let mut shown: Vec<String> = in_header(headers);
    shown.extend(tokens.map(str::to_owned));
    shown.retain(|secret| !secret.is_empty());
    shown.truncate(SHOWN_MAX);
    // All against all, whatever is found on the way, so that the time says nothing.
    let mut right = false;
    for secret in &secrets {
        for shown in &shown {
            right |= auth::is_secret(secret, shown);
        }
    }
    if right {
        return Ok(());
    }
    if exotel.ws_token.is_some() {
        return Err(if shown.is_empty() { NotLetIn::NothingShown } else { NotLetIn::Wrong });
    }
    // Without a secret: a trial on this machine, which nobody else can reach; or the operator insists.
    let is_trial = auth::is_open(&gateway.config.server) && may_use(&gateway.config.server, headers).is_ok();
    match exotel.allow_unauthenticated || is_trial {
        true => Ok(()),
        false => Err(NotLetIn::NoSecret),
    }
}

/// Whether the terminal's pretended Exotel asks: it shows the token of the data folder.
pub(super) fn is_pretended<'a>(
    gateway: &Gateway,
    ends: Ends,
    headers: &HeaderMap,
    tokens: impl Iterator<Item = &'a str>,
) -> bool {
    let Some(lab) = gateway.lab_token.as_ref().filter(|_| is_of_this_machine(ends)) else { return false };
    let mut shown = in_header(headers).into_iter().chain(tokens.map(str::to_owned)).take(SHOWN_MAX);
    shown.any(|secret| auth::is_secret(lab, &secret))
}

/// The bearer, or both halves of HTTP Basic: some flows have a field for one of them only.
fn in_header(headers: &HeaderMap) -> Vec<String> {
    let Some((scheme, rest)) = text(headers, header::AUTHORIZATION).and_then(|value| value.split_once(' '))
    else {
        return Vec::new();
    };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return vec![rest.to_owned()];
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Vec::new();
    }
    let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(decoded) = decoded else { return Vec::new() };
    match decoded.split_once(':') {
        Some((user, password)) => vec![user.to_owned(), password.to_owned()],
        None => vec![decoded],
    }
}

fn is_of_this_machine(ends: Ends) -> bool {
    let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    loopback(ends.peer) && loopback(ends.local)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn shown(authorization: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        in_header(&headers)
    }

    #[test]
    fn secrets_are_found_in_every_form_of_the_header() {
        assert_eq!(shown("Bearer abc"), ["abc"]);
        assert_eq!(shown("bearer  abc "), ["abc"]);
        assert_eq!(shown(&format!("Basic {}", STANDARD.encode("key:abc"))), ["key", "abc"]);
        assert_eq!(shown(&format!("basic {}", STANDARD.encode("abc:"))), ["abc", ""]);
        assert_eq!(shown(&format!("Basic {}", STANDARD.encode("a:b:c"))), ["a", "b:c"]);
        assert_eq!(shown(&format!("Basic {}", STANDARD.encode("abc"))), ["abc"]);
        for nothing in ["Basic %%%", "Digest abc", "abc", "Basic /w=="] {
            assert_eq!(shown(nothing), [""; 0], "{nothing}");
        }
    }
}
