//! Under which address the world sees us.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

/// The URL that was requested, as its sender saw it: the public address, then the request's own target (path and query
/// as they stand in the request line, neither decoded nor reordered).
///
/// A path in the public address is a prefix that a proxy took away.
pub fn public_url(base: &Url, target: &str) -> String {
    let host = base.host_str().unwrap_or_default();
    let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
    let prefix = base.path().trim_end_matches('/');
    format!("{}://{host}{port}{prefix}{}", base.scheme(), path_and_query(target))
}

/// A target is nearly always a path. Proxies may send a whole URL; then its host is theirs to say, not ours to trust.
fn path_and_query(target: &str) -> &str {
    let target = target.split('#').next().unwrap_or_default();
    match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

/// What a request's headers say about the address it was sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardedHeaders<'a> {
    pub host: Option<&'a str>,
    pub forwarded_proto: Option<&'a str>,
    pub forwarded_host: Option<&'a str>,
}

/// The public address that a request is checked against.
///
/// A configured one always wins. Without it, headers are believed only from a proxy that the operator named: anybody
/// else could make us check signatures against an address of their choice. `None` means that nothing can be checked.
pub fn effective_base(
    configured: Option<&Url>,
    peer: IpAddr,
    trusted_proxies: &[IpNet],
    headers: ForwardedHeaders<'_>,
) -> Option<Url> {
    if let Some(configured) = configured {
        return Some(configured.clone());
    }
    // A dual-stack listener sees IPv4 peers as IPv6 ones.
    let peer = peer.to_canonical();
    if !trusted_proxies.iter().any(|net| net.contains(&peer)) {
        return None;
    }
    let host = headers.forwarded_host.map(written_last).or(headers.host)?;
    let scheme = match headers.forwarded_proto.map(written_last) {
        None => "http",
        Some(proto) if proto.eq_ignore_ascii_case("http") => "http",
        Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
        Some(_) => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return None;
    }
    Url::parse(&format!("{scheme}://{host}")).ok()
}

/// Of several values in one header, the last was written by the proxy that speaks to us. The first ones may have been
/// brought along by whoever spoke to the proxy.
fn written_last(value: &str) -> &str {
    value.rsplit(',').next().unwrap_or_default().trim()
}
