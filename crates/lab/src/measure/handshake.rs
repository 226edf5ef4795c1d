//! The HTTP that comes before the frames: upgrade requests and their answers (RFC 6455 §4), and just enough of plain
//! HTTP for an agent provider's two documents and a carrier's webhook.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// A request or answer head longer than this is not from a peer of ours.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("the peer's HTTP head is longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    #[error("the peer's HTTP head cannot be read")]
    Unreadable,
    #[error("the peer refused the WebSocket with HTTP status {0}")]
    Refused(u16),
    #[error("the peer's Sec-WebSocket-Accept does not answer our key")]
    WrongAccept,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query as they came.
    pub(super) target: String,
    /// Present when the client asks for a WebSocket.
    pub(super) key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) accept: Option<String>,
}

/// The request and how many bytes it took; `None` while its end has not come.
pub(super) fn read_request(bytes: &[u8]) -> Result<Option<(Request, usize)>, HandshakeError> {
    let Some((head, used)) = whole_head(bytes)? else { return Ok(None) };
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(_version)) = (words.next(), words.next(), words.next()) else {
        return Err(HandshakeError::Unreadable);
    };
    let wants_upgrade = header(head, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let key = if wants_upgrade { header(head, "sec-websocket-key").map(str::to_owned) } else { None };
    Ok(Some((Request { method: method.to_owned(), target: target.to_owned(), key }, used)))
}

/// The answer and how many bytes its head took; `None` while its end has not come.
pub(super) fn read_response(bytes: &[u8]) -> Result<Option<(Response, usize)>, HandshakeError> {
    let Some((head, used)) = whole_head(bytes)? else { return Ok(None) };
    let status = head
        .lines()
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or(HandshakeError::Unreadable)?;
    let accept = header(head, "sec-websocket-accept").map(str::to_owned);
    Ok(Some((Response { status, accept }, used)))
}

/// What a server answers to a client's key (RFC 6455 §4.2.2).
pub(super) fn accept_for(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

pub(super) fn upgrade_request(host: &str, target: &str, key: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
    );
    for (name, value) in more {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

pub(super) fn switching_protocols(key: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_for(key)
    )
    .into_bytes()
}

/// A whole JSON answer after which the connection closes.
pub(super) fn json_answer(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(super) fn header<'h>(head: &'h str, wanted: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// The text of a head without its closing empty line, and its length with it.
pub(super) fn whole_head(bytes: &[u8]) -> Result<Option<(&str, usize)>, HandshakeError> {
    let within = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    match within.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(end) => {
            let head = std::str::from_utf8(&within[..end]).map_err(|_| HandshakeError::Unreadable)?;
            Ok(Some((head, end + 4)))
        }
        None if bytes.len() >= HEAD_BYTES_MAX => Err(HandshakeError::TooLong),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6455 §1.3.
    #[test]
    fn the_key_of_the_specification_is_answered_as_it_says() {
        assert_eq!(accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn our_own_request_is_read_back_once_it_is_whole() {
        let wire = upgrade_request("localhost:1", "/twilio?x=1", "a2V5", &[("X-Twilio-Signature", "s")]);
        for end in 0..wire.len() {
            assert_eq!(read_request(&wire[..end]), Ok(None));
        }

        let (request, used) = read_request(&wire).expect("readable").expect("whole");

        assert_eq!(used, wire.len());
        assert_eq!(request.target, "/twilio?x=1");
        assert_eq!(request.key.as_deref(), Some("a2V5"));
    }

    #[test]
    fn a_plain_request_asks_for_no_socket() {
        let (request, _) = read_request(b"GET /a HTTP/1.1\r\nHost: b\r\nsec-websocket-key: k\r\n\r\n")
            .expect("readable")
            .expect("whole");
        assert_eq!(request.key, None);
    }

    #[test]
    fn our_own_answer_is_read_back() {
        let (response, _) = read_response(&switching_protocols("k")).expect("readable").expect("whole");
        assert_eq!(response, Response { status: 101, accept: Some(accept_for("k")) });
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            bytes.extend_from_slice(b"\r\n\r\n");
            let _ = read_request(&bytes);
            let _ = read_response(&bytes);
        }
    }

    #[test]
    fn a_head_without_end_is_refused_at_the_limit() {
        assert_eq!(read_request(&vec![b'a'; HEAD_BYTES_MAX]), Err(HandshakeError::TooLong));
    }
}
