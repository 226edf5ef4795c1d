//! The client's side of the handshake.

use std::fmt;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Reply;

use super::head::{Head, is_field_value, is_token, list_holds};
use super::server::accept_key;

/// Longer heads than any provider or proxy sends; hyper and nginx draw their lines at similar sizes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A refusal's body is read for the provider's own words, which fit in a fraction of this.
const BODY_BYTES_MAX: usize = 4 * 1024;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What to ask of the server. Headers and queries carry keys: `Debug` shows neither values nor query.
#[derive(Clone, Copy)]
pub struct ClientRequest<'a> {
    /// Name or address without port; an IPv6 address with or without its brackets.
    pub host: &'a str,
    /// `None` when it is the default port of the scheme.
    pub port: Option<u16>,
    /// Begins with `/`; already percent-encoded.
    pub path_and_query: &'a str,
    /// Sixteen random bytes, new for each connection.
    pub key: [u8; 16],
    /// Beside those of the handshake itself.
    pub headers: &'a [(&'a str, &'a str)],
    /// Subprotocols that we speak, comma-separated, best first.
    pub protocol: Option<&'a str>,
}

impl fmt::Debug for ClientRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("path", &self.path_and_query.split('?').next())
            .field("headers", &self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Something in a [`ClientRequest`] cannot be written into a request without changing its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the host is empty or holds a character that no host name has")]
    Host,
    #[error("the path does not begin with '/' or holds a blank, a control character, '#' or non-ASCII")]
    Path,
    #[error("a header name is not a token, or belongs to the handshake itself")]
    HeaderName,
    #[error("a header value holds a control character")]
    HeaderValue,
    #[error("the subprotocol is not a list of tokens")]
    Protocol,
}

/// Writes the request that opens the connection.
pub fn client_request(request: &ClientRequest<'_>) -> Result<Vec<u8>, RequestError> {
    check(request)?;
    let mut out = Vec::with_capacity(512);
    let host = request.host;
    let (open, close) = if host.contains(':') && !host.starts_with('[') { ("[", "]") } else { ("", "") };
    let port = request.port.map(|port| format!(":{port}")).unwrap_or_default();
    line(&mut out, format_args!("GET {} HTTP/1.1", request.path_and_query));
    line(&mut out, format_args!("Host: {open}{host}{close}{port}"));
    line(&mut out, format_args!("Upgrade: websocket"));
    line(&mut out, format_args!("Connection: Upgrade"));
    line(&mut out, format_args!("Sec-WebSocket-Key: {}", STANDARD.encode(request.key)));
    line(&mut out, format_args!("Sec-WebSocket-Version: 13"));
    if let Some(protocol) = request.protocol {
        line(&mut out, format_args!("Sec-WebSocket-Protocol: {protocol}"));
    }
    for (name, value) in request.headers {
        line(&mut out, format_args!("{name}: {value}"));
    }
    line(&mut out, format_args!(""));
    Ok(out)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    NeedMore,
    /// The connection is open. The last `consumed..` of the bytes just read are the server's first frames.
    Accepted {
        consumed: usize,
        /// The one of our subprotocols that the server has picked.
        protocol: Option<String>,
    },
    /// The server answered with another status than 101, a redirect perhaps; the body is cut to a few KiB.
    Refused(Reply),
}

/// The answer is neither an acceptance nor a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error("the answer is not HTTP/1; check host, port and scheme")]
    NotHttp,
    #[error("the head of the answer is longer than 16 KiB")]
    HeadTooLong,
    #[error("the server switches protocols, but not to WebSocket")]
    NotUpgraded,
    #[error(
        "the server answers with a wrong Sec-WebSocket-Accept; something between may be replaying an old answer"
    )]
    WrongAccept,
    #[error("the server uses an extension that was not offered")]
    UnexpectedExtension,
    #[error("the server speaks a subprotocol that was not offered")]
    UnexpectedProtocol,
    #[error("the handshake is over")]
    Over,
}

/// Reads the server's answer, however it is cut into pieces.
#[derive(Debug)]
pub struct ClientHandshake {
    accept: String,
    protocol: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Of the bytes so far, the current head begins at `start`, and its end is not within `..searched`.
    Head {
        bytes: Vec<u8>,
        start: usize,
        searched: usize,
    },
    Refused(Refusal),
    Over,
}

impl ClientHandshake {
    /// Waits for the answer to this request.
    pub fn new(request: &ClientRequest<'_>) -> ClientHandshake {
        ClientHandshake {
            accept: accept_key(&STANDARD.encode(request.key)),
            protocol: request.protocol.map(str::to_owned),
            state: State::Head { bytes: Vec::new(), start: 0, searched: 0 },
        }
    }

    /// Takes the next bytes of the answer. A refusal is reported once its body is there, or so much of it that the
    /// rest does not matter.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Progress, HandshakeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Err(HandshakeError::Over),
            State::Refused(refusal) => Ok(self.read_refusal(refusal, bytes)),
            State::Head { bytes: head, start, searched } => self.read_head(head, start, searched, bytes),
        }
    }

    /// The server has closed, or time is up: the refusal as far as it was read, if it was one.
    pub fn end(self) -> Option<Reply> {
        match self.state {
            State::Refused(refusal) => Some(refusal.reply()),
            State::Head { .. } | State::Over => None,
        }
    }

    fn read_head(
        &mut self,
        mut head: Vec<u8>,
        mut start: usize,
        mut searched: usize,
        bytes: &[u8],
    ) -> Result<Progress, HandshakeError> {
        let before = head.len();
        head.extend_from_slice(&bytes[..bytes.len().min(HEAD_BYTES_MAX - before)]);
        while let Some(found) = memchr::memmem::find(&head[searched..], END_OF_HEAD) {
            let end = searched + found;
            let answer = Head::parse(&head[start..end])?;
            start = end + END_OF_HEAD.len();
            searched = start;
            match answer.status {
                101 => {
                    let protocol = self.check(&answer)?;
                    return Ok(Progress::Accepted { consumed: start - before, protocol });
                }
                // An interim answer (RFC 9110 §15.2): the real one follows.
                100..=199 => {}
                _ => {
                    let refusal = Refusal::new(&answer);
                    return Ok(self.read_refusal(refusal, &bytes[start - before..]));
                }
            }
        }
        if head.len() == HEAD_BYTES_MAX {
            return Err(HandshakeError::HeadTooLong);
        }
        // Something else than HTTP need not be read to the bound.
        let beginning = &head[start..];
        let expected = &b"HTTP/1."[..beginning.len().min(7)];
        if !beginning.starts_with(expected) {
            return Err(HandshakeError::NotHttp);
        }
        // The end of the head may itself be cut in two.
        searched = searched.max(head.len().saturating_sub(END_OF_HEAD.len() - 1));
        self.state = State::Head { bytes: head, start, searched };
        Ok(Progress::NeedMore)
    }

    /// RFC 6455 §4.1, the client's checks; returns the agreed subprotocol.
    fn check(&self, answer: &Head<'_>) -> Result<Option<String>, HandshakeError> {
        let upgrade = answer.only("upgrade").unwrap_or_default();
        if answer.is_old
            || !upgrade.eq_ignore_ascii_case(b"websocket")
            || !answer.lists("connection", "upgrade")
        {
            return Err(HandshakeError::NotUpgraded);
        }
        if answer.only("sec-websocket-accept") != Some(self.accept.as_bytes()) {
            return Err(HandshakeError::WrongAccept);
        }
        if answer.all("sec-websocket-extensions").any(|value| !value.is_empty()) {
            return Err(HandshakeError::UnexpectedExtension);
        }
        if answer.all("sec-websocket-protocol").next().is_none() {
            return Ok(None);
        }
        let picked = answer
            .only("sec-websocket-protocol")
            .and_then(|picked| std::str::from_utf8(picked).ok())
            .ok_or(HandshakeError::UnexpectedProtocol)?;
        let offered = self.protocol.as_deref().unwrap_or_default();
        // A subprotocol's name is compared as it is written, unlike other tokens.
        if !picked.is_empty() && offered.split(',').any(|offer| offer.trim() == picked) {
            Ok(Some(picked.to_owned()))
        } else {
            Err(HandshakeError::UnexpectedProtocol)
        }
    }

    fn read_refusal(&mut self, mut refusal: Refusal, bytes: &[u8]) -> Progress {
        if refusal.read(bytes) {
            Progress::Refused(refusal.reply())
        } else {
            self.state = State::Refused(refusal);
            Progress::NeedMore
        }
    }
}

/// An answer other than 101 whose body is still coming.
#[derive(Debug)]
struct Refusal {
    status: u16,
    retry_after_s: Option<u64>,
    extent: Extent,
    body: Vec<u8>,
}

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Debug)]
enum Extent {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Refusal {
    fn new(answer: &Head<'_>) -> Refusal {
        let number = |name| answer.only(name).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let extent = if matches!(answer.status, 204 | 304) {
            Extent::Length(0)
        } else if answer.all("transfer-encoding").any(|value| list_holds(value, "chunked")) {
            Extent::Chunked
        } else {
            number("content-length").map_or(Extent::UntilClose, Extent::Length)
        };
        Refusal { status: answer.status, retry_after_s: number("retry-after"), extent, body: Vec::new() }
    }

    /// Takes bytes of the body; whether there is nothing more to wait for.
    fn read(&mut self, bytes: &[u8]) -> bool {
        let wanted = match self.extent {
            Extent::Length(length) => length.min(BODY_BYTES_MAX as u64) as usize,
            Extent::Chunked | Extent::UntilClose => BODY_BYTES_MAX,
        };
        self.body.extend_from_slice(&bytes[..bytes.len().min(wanted - self.body.len())]);
        self.body.len() == wanted || matches!(self.extent, Extent::Chunked) && dechunk(&self.body).1
    }

    fn reply(self) -> Reply {
        let body = match self.extent {
            Extent::Chunked => dechunk(&self.body).0,
            Extent::Length(_) | Extent::UntilClose => self.body,
        };
        Reply {
            status: self.status,
            body: String::from_utf8_lossy(&body).into_owned(),
            retry_after_s: self.retry_after_s,
        }
    }
}

/// Joins the chunks of a body that may be cut anywhere; whether its last chunk was there (or what follows is no chunk).
fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let size = rest[..end].split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let (Some(size), chunk) = (size, &rest[end + 2..]) else { return (body, true) };
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        rest = chunk.get(size.saturating_add(2)..).unwrap_or_default();
    }
    (body, false)
}

fn check(request: &ClientRequest<'_>) -> Result<(), RequestError> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    if request.host.is_empty() || !request.host.bytes().all(is_host) {
        return Err(RequestError::Host);
    }
    let path = request.path_and_query;
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(RequestError::Path);
    }
    for (name, value) in request.headers {
        if !is_token(name.as_bytes()) || is_ours(name) {
            return Err(RequestError::HeaderName);
        }
        if !is_field_value(value.as_bytes()) {
            return Err(RequestError::HeaderValue);
        }
    }
    match request.protocol {
        Some(list) if !list.split(',').all(|item| is_token(item.trim_matches(' ').as_bytes())) => {
            Err(RequestError::Protocol)
        }
        Some(_) | None => Ok(()),
    }
}

/// Headers that the handshake writes, or that would make the request another one.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 5] = ["host", "upgrade", "connection", "content-length", "transfer-encoding"];
    OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours))
        || name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("sec-websocket-"))
}

fn line(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(text);
    out.extend_from_slice(b"\r\n");
}
