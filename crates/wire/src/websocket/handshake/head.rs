//! The head of an HTTP/1.1 answer, and the small grammar of header values.

use super::client::HandshakeError;

/// Status and headers of an answer, borrowed from its bytes.
pub(super) struct Head<'a> {
    pub(super) status: u16,
    /// HTTP/1.0, in which proxies refuse but nobody upgrades.
    pub(super) is_old: bool,
    headers: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Reads everything up to, but without, the empty line.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Head<'a>, HandshakeError> {
        let mut lines = Lines { rest: Some(bytes) };
        let (is_old, status) = lines.next().and_then(status).ok_or(HandshakeError::NotHttp)?;
        let headers = lines.map(header).collect::<Option<_>>().ok_or(HandshakeError::NotHttp)?;
        Ok(Head { status, is_old, headers })
    }

    /// All values of a header, in order.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.headers
            .iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name.as_bytes()))
            .map(|&(_, value)| value)
    }

    /// The only value of a header; `None` when it is missing or repeated.
    pub(super) fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether a header that is a list holds this token.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|value| list_holds(value, token))
    }
}

/// Whether a comma-separated list holds this token, in any case.
pub(super) fn list_holds(list: &[u8], token: &str) -> bool {
    list.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether this is a token in the sense of HTTP (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether this may stand as a header value without ending the line it stands on.
pub(super) fn is_field_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7F)
}

/// Lines that end in CRLF; the last one may lack it.
struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match memchr::memmem::find(rest, b"\r\n") {
            Some(end) => {
                self.rest = Some(&rest[end + 2..]);
                Some(&rest[..end])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

fn status(line: &[u8]) -> Option<(bool, u16)> {
    let (version, rest) = line.split_first_chunk::<9>()?;
    let is_old = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return None,
    };
    let (digits, phrase) = rest.split_first_chunk::<3>()?;
    if !(phrase.is_empty() || phrase.starts_with(b" ")) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    (100..600).contains(&status).then_some((is_old, status))
}

/// A name and its value. A folded line begins with a blank, which is no token, and is refused (RFC 9112 §5.2).
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    (is_token(name) && is_field_value(value)).then_some((name, value))
}
