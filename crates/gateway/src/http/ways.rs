//! Against which addresses and with which tokens a request of a carrier that signs is checked.
//!
//! Two parties may call: the carrier, which knows us by our public address and signs with the account's token; and the
//! terminal's pretended carrier on this very machine, which knows the address we listen on and a token of its own. What
//! is answered must fit whoever called, so a check also says under which address.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use carriers::twilio::signature::{ForwardedHeaders, effective_base};
use url::Url;
use wire::Secret;

use super::access::{is_loopback_host, text};
use super::listener::Ends;
use crate::config::Server;

/// One way in: the address that the other side believes to call, and the tokens that it may have signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) base: Url,
    pub(super) tokens: Vec<Secret>,
}

/// The ways in for a request with these headers on this connection, the likelier first. `accounts` are the tokens of the
/// carrier's account.
pub(super) fn of(
    server: &Server,
    accounts: Vec<Secret>,
    lab_token: Option<&Secret>,
    ends: Ends,
    headers: &HeaderMap,
) -> Vec<Way> {
    let host = text(headers, header::HOST);
    let forwarded = ForwardedHeaders {
        host,
        forwarded_proto: headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()),
        forwarded_host: headers.get("x-forwarded-host").and_then(|value| value.to_str().ok()),
    };
    let public =
        effective_base(server.public_url.as_ref(), ends.peer.ip(), &server.trusted_proxies, forwarded);
    let here = on_this_machine(ends, host);
    let lab = lab_token.filter(|_| here.is_some()).cloned();
    let mut ways = Vec::new();
    if let Some(base) = here {
        // Our own address is for the pretended carrier; the account's tokens count there as long as there is no other.
        let ours = if public.is_none() { accounts.clone() } else { Vec::new() };
        ways.push(Way { base, tokens: lab.iter().cloned().chain(ours).collect() });
    }
    if let Some(base) = public {
        ways.push(Way { base, tokens: accounts.into_iter().chain(lab).collect() });
    }
    ways
}

/// The address that a program on this machine calls us by, if this is one.
fn on_this_machine(ends: Ends, host: Option<&str>) -> Option<Url> {
    let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    if !loopback(ends.peer) || !loopback(ends.local) {
        return None;
    }
    let named = host.filter(|host| is_loopback_host(host)).map(str::to_owned);
    Url::parse(&format!("http://{}", named.unwrap_or_else(|| ends.local.to_string()))).ok()
}

/// The address under which whoever asks knows us, where nobody signs: the public one. Without one, or for the terminal's
/// pretended carrier (`pretended`: it showed the token in the data folder), the one that a program on this machine called.
/// A proxy on this machine looks like such a program, so its `Host` decides nothing.
pub(super) fn base_of(public: Option<&Url>, ends: Ends, headers: &HeaderMap, pretended: bool) -> Option<Url> {
    let host = text(headers, header::HOST).filter(|host| is_loopback_host(host));
    let here = || on_this_machine(ends, Some(host?));
    match public {
        Some(public) if !pretended => Some(public.clone()),
        public => here().or_else(|| public.cloned()),
    }
}

/// Where nothing proves which address was called: the one that the request itself names, or the public one.
pub(super) fn called(ways: Vec<Way>, headers: &HeaderMap) -> Option<Url> {
    let host = text(headers, header::HOST).unwrap_or_default();
    let is_named = |way: &Way| {
        let port = way.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", way.base.host_str().unwrap_or_default()).eq_ignore_ascii_case(host)
    };
    let named = ways.iter().find(|way| is_named(way));
    named.or(ways.last()).map(|way| way.base.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_on_this_machine_is_given_the_public_address() {
        let public = Url::parse("https://voice.example.com").unwrap();
        let ends =
            Ends { peer: "127.0.0.1:50000".parse().unwrap(), local: "127.0.0.1:7900".parse().unwrap() };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, axum::http::HeaderValue::from_static("127.0.0.1:7900"));
        let base = |public: Option<&Url>, pretended| {
            base_of(public, ends, &headers, pretended).map(|base| base.to_string())
        };

        assert_eq!(base(Some(&public), false).as_deref(), Some("https://voice.example.com/"));
        assert_eq!(base(Some(&public), true).as_deref(), Some("http://127.0.0.1:7900/"));
        assert_eq!(base(None, false).as_deref(), Some("http://127.0.0.1:7900/"));
        let far = Ends { peer: "203.0.113.9:50000".parse().unwrap(), ..ends };
        assert_eq!(base_of(None, far, &headers, false), None);
    }
}
