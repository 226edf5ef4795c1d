//! The several URLs that Twilio may have signed for one request.

use crate::twilio::webhook::Params;

/// For a webhook: without the port and with it (Twilio leaves it out for https and keeps it for http, mostly), and
/// the same with the query as an old encoder of Twilio's would have written it.
pub(super) fn of_webhook(url: &str) -> Vec<String> {
    let Some(parts) = Parts::of(url) else { return vec![url.to_owned()] };
    let mut readings = vec![parts.without_port(), parts.with_port()];
    if let Some(legacy) = legacy_query(parts.rest) {
        let parts = Parts { rest: &legacy, ..parts };
        readings.extend([parts.without_port(), parts.with_port()]);
    }
    distinct(readings)
}

/// For the upgrade of a media socket: `wss` as documented; then, as Twilio's own hints go, with a slash at the end of
/// the path; then all of it as `https`.
pub(super) fn of_upgrade(url: &str) -> Vec<String> {
    let Some(parts) = Parts::of(url) else { return vec![url.to_owned()] };
    let schemes = match parts.scheme {
        "https" | "wss" => ["wss", "https"],
        _ => ["ws", "http"],
    };
    let (path, query) = match parts.rest.find('?') {
        Some(at) => parts.rest.split_at(at),
        None => (parts.rest, ""),
    };
    let slashed = format!("{}/{query}", path.trim_end_matches('/'));
    let mut readings = Vec::new();
    for scheme in schemes {
        for rest in [parts.rest, &slashed] {
            let parts = Parts { scheme, rest, ..parts };
            readings.extend([parts.without_port(), parts.with_port()]);
        }
    }
    distinct(readings)
}

/// The query, as it stands.
pub(super) fn query(url: &str) -> Option<&str> {
    url.split('#').next()?.split_once('?').map(|(_, query)| query)
}

fn distinct(mut readings: Vec<String>) -> Vec<String> {
    readings.sort_unstable();
    readings.dedup();
    readings
}

/// A URL in pieces, uninterpreted: parsing it would tidy it, and a tidied URL has another signature.
#[derive(Clone, Copy)]
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    /// Path and query; the fragment never reaches a server.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Parts<'a>> {
        let (scheme, after) = url.split_once("://")?;
        let after = after.split('#').next()?;
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        let address = authority.rsplit('@').next()?;
        let (host, port) = match address.rsplit_once(':') {
            // The colons of `[::1]` are not followed by a port.
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, Some(port).filter(|port| !port.is_empty()))
            }
            _ => (address, None),
        };
        Some(Parts { scheme, host, port, rest })
    }

    fn without_port(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.rest)
    }

    fn with_port(&self) -> String {
        let usual = if matches!(self.scheme, "https" | "wss") { "443" } else { "80" };
        format!("{}://{}:{}{}", self.scheme, self.host, self.port.unwrap_or(usual), self.rest)
    }
}

/// The query decoded and encoded again as `querystring` of Node does it, which older signers used. `None` when that
/// changes nothing.
fn legacy_query(rest: &str) -> Option<String> {
    let (path, query) = rest.split_once('?')?;
    let params = Params::from_query(query).ok()?;
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in params.iter() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let pairs: Vec<String> = names
        .into_iter()
        .flat_map(|name| params.all(name).map(move |value| format!("{}={}", encode(name), encode(value))))
        .collect();
    let legacy = format!("{path}?{}", pairs.join("&"));
    (legacy != rest).then_some(legacy)
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(byte.into()),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
