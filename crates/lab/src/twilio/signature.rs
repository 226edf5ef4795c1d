//! `X-Twilio-Signature`, as Twilio computes it.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The name of the header, as Twilio writes it.
pub const HEADER: &str = "X-Twilio-Signature";

/// Signs a form POST: the URL as given, then every name with each of its distinct values, in byte order.
pub fn of_form(token: &str, url: &str, form: &[(String, String)]) -> String {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in form {
        by_name.entry(name).or_default().push(value);
    }
    let mut data = url.to_owned();
    for (name, mut values) in by_name {
        values.sort_unstable();
        values.dedup();
        for value in values {
            data.push_str(name);
            data.push_str(value);
        }
    }
    hmac(token, &data)
}

/// Signs a GET or a WebSocket upgrade: the URL alone.
pub fn of_url(token: &str, url: &str) -> String {
    hmac(token, url)
}

/// Signs a JSON body: its digest goes into the query, and the URL that results is signed. Returns both.
pub fn of_json(token: &str, url: &str, body: &[u8]) -> (String, String) {
    use std::fmt::Write;
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(body) {
        let _ = write!(digest, "{byte:02x}");
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}bodySHA256={digest}");
    let signature = hmac(token, &url);
    (url, signature)
}

/// The URL that Twilio signs for a configured webhook: no fragment, no user, and for `https` no port either.
pub fn signed_form_of(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if scheme == "https" && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    format!("{scheme}://{host}{path}")
}

fn hmac(token: &str, data: &str) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any key length");
    mac.update(data.as_bytes());
    crate::b64::encode(&mac.finalize().into_bytes())
}
