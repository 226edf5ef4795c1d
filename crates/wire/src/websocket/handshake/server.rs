//! The server's side of the handshake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::client::RequestError;
use super::head::{is_token, list_holds};

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a request says about upgrading; a header that is missing is `None`.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'a> {
    pub method: &'a str,
    /// `Upgrade`
    pub upgrade: Option<&'a str>,
    /// `Connection`
    pub connection: Option<&'a str>,
    /// `Sec-WebSocket-Version`
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`
    pub key: Option<&'a str>,
}

/// The request cannot become a WebSocket; answer with this status.
///
/// An answer of 426 names what is wanted instead: `Upgrade: websocket` and `Sec-WebSocket-Version: 13`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no WebSocket handshake: {what}")]
pub struct UpgradeError {
    pub status: u16,
    pub what: &'static str,
}

/// Judges a request and returns the value of `Sec-WebSocket-Accept` for the answer (RFC 6455 §4.2.1).
pub fn check_upgrade(request: &UpgradeRequest<'_>) -> Result<String, UpgradeError> {
    let refuse = |status, what| Err(UpgradeError { status, what });
    let lists = |header: Option<&str>, token| header.is_some_and(|list| list_holds(list.as_bytes(), token));
    if request.method != "GET" {
        return refuse(405, "the method is not GET");
    }
    if !lists(request.upgrade, "websocket") || !lists(request.connection, "upgrade") {
        return refuse(426, "the request does not ask to upgrade to websocket");
    }
    if request.version.map(str::trim) != Some("13") {
        return refuse(426, "only version 13 is spoken here");
    }
    let key = request.key.map(str::trim).unwrap_or_default();
    match STANDARD.decode(key) {
        Ok(nonce) if nonce.len() == 16 => Ok(accept_key(key)),
        Ok(_) | Err(_) => refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64"),
    }
}

/// What answers a `Sec-WebSocket-Key`.
pub fn accept_key(sec_websocket_key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(sec_websocket_key.as_bytes());
    hash.update(GUID.as_bytes());
    STANDARD.encode(hash.finalize())
}

/// Writes the answer that opens the connection, for a server that writes its own.
pub fn server_response(accept: &str, protocol: Option<&str>) -> Result<Vec<u8>, RequestError> {
    if accept.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(RequestError::HeaderValue);
    }
    let mut out = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(protocol) = protocol {
        if !is_token(protocol.as_bytes()) {
            return Err(RequestError::Protocol);
        }
        out.push_str("Sec-WebSocket-Protocol: ");
        out.push_str(protocol);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    Ok(out.into_bytes())
}
