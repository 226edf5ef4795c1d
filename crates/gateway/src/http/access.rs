//! Who may use the API, the console's data, health and metrics.
//!
//! With a token: whoever shows it. Without one the gateway listens on loopback alone, and then only for this machine
//! itself: a request that came through a proxy or a tunnel, or that a foreign web page makes in somebody's browser, also
//! arrives from loopback, and gives itself away by its headers.

use axum::http::{HeaderMap, HeaderName, header};
use url::{Host, Url};

use crate::auth;
use crate::config::Server;

/// What proxies add. A browser or a program on this machine does not.
const FORWARDING: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAllowed {
    TokenNeeded,
    WrongToken,
    /// There is no token, and the request does not come from this machine.
    FromElsewhere,
    /// There is no token, and a page of another origin asks.
    ForeignPage,
}

pub(super) fn may_use(server: &Server, headers: &HeaderMap) -> Result<(), NotAllowed> {
    if !auth::is_open(server) {
        return match bearer(headers) {
            Some(shown) if auth::is_api_token(server, shown) => Ok(()),
            Some(_) => Err(NotAllowed::WrongToken),
            None => Err(NotAllowed::TokenNeeded),
        };
    }
    if FORWARDING.iter().any(|name| headers.contains_key(*name)) || !asks_loopback(headers) {
        return Err(NotAllowed::FromElsewhere);
    }
    match text(headers, header::ORIGIN) {
        Some(origin) if !is_own_origin(server, headers, origin) => Err(NotAllowed::ForeignPage),
        Some(_) | None => Ok(()),
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a page of this origin belongs here: it is ours, or the operator listed it.
pub(super) fn is_own_origin(server: &Server, headers: &HeaderMap, origin: &str) -> bool {
    let bare = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    // The host that the browser believes to talk to. A page of a foreign site cannot set it.
    let same_host = text(headers, header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(bare));
    let public = server.public_url.as_ref().is_some_and(|url| url.origin().ascii_serialization() == origin);
    same_host || public || server.cors_origins.iter().any(|allowed| allowed.trim_end_matches('/') == origin)
}

/// Whether the request was made to a name of this machine. A foreign name that leads to loopback is a trick
/// (DNS rebinding) or a tunnel.
fn asks_loopback(headers: &HeaderMap) -> bool {
    text(headers, header::HOST).is_some_and(is_loopback_host)
}

/// Whether `host`, with or without a port, can only mean this machine.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use wire::Secret;

    use super::*;

    const TOKEN: &str = "a-token-for-this-test";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn with_token() -> Server {
        Server { api_token: Some(Secret::new(TOKEN)), ..Server::default() }
    }

    #[test]
    fn with_a_token_only_the_token_counts() {
        let server = with_token();
        let asks = |pairs: &[(&'static str, &'static str)]| may_use(&server, &headers(pairs));

        assert_eq!(asks(&[("host", "127.0.0.1:7900")]), Err(NotAllowed::TokenNeeded));
        assert_eq!(asks(&[("authorization", "Bearer wrong")]), Err(NotAllowed::WrongToken));
        assert_eq!(asks(&[("authorization", "Basic YTpi")]), Err(NotAllowed::TokenNeeded));
        let shown = [("authorization", "bearer a-token-for-this-test"), ("x-forwarded-for", "203.0.113.1")];
        assert_eq!(asks(&shown), Ok(()), "whoever has it may come from anywhere");
    }

    #[test]
    fn without_a_token_this_machine_alone_is_let_in() {
        let server = Server::default();
        let asks = |pairs: &[(&'static str, &'static str)]| may_use(&server, &headers(pairs));

        for host in ["127.0.0.1:7900", "localhost:7900", "[::1]:7900", "127.1.2.3", "page.localhost"] {
            assert_eq!(asks(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(asks(&[]), Err(NotAllowed::FromElsewhere));
        for host in
            ["evil.example", "voice.example.com:7900", "localhost.evil.example", "10.0.0.1", "a b", ""]
        {
            assert_eq!(asks(&[("host", host)]), Err(NotAllowed::FromElsewhere), "{host}");
        }
        let through_a_tunnel = [("host", "127.0.0.1:7900"), ("x-forwarded-for", "203.0.113.1")];
        assert_eq!(asks(&through_a_tunnel), Err(NotAllowed::FromElsewhere));
    }

    #[test]
    fn without_a_token_a_foreign_page_cannot_act_through_a_browser() {
        let mut server = Server::default();
        let asks = |server: &Server, origin| {
            may_use(server, &headers(&[("host", "localhost:7900"), ("origin", origin)]))
        };

        assert_eq!(asks(&server, "http://localhost:7900"), Ok(()));
        assert_eq!(asks(&server, "https://evil.example"), Err(NotAllowed::ForeignPage));
        assert_eq!(asks(&server, "null"), Err(NotAllowed::ForeignPage));
        server.cors_origins.push("https://desk.example.com/".to_owned());
        assert_eq!(asks(&server, "https://desk.example.com"), Ok(()));
    }

    #[test]
    fn a_listener_for_everybody_without_a_token_lets_nobody_in() {
        let server = Server { listen: "0.0.0.0:7900".parse().unwrap(), ..Server::default() };

        assert_eq!(may_use(&server, &headers(&[("host", "localhost")])), Err(NotAllowed::TokenNeeded));
    }
}
