//! Forms as `multipart/form-data`: how Exotel writes its status callbacks.

use memchr::memmem;

use crate::twilio::webhook::Params;

/// As for other forms.
const BYTES_MAX: usize = 64 * 1024;
const PARAMS_MAX: usize = 256;

/// RFC 2046 §5.1.1.
const BOUNDARY_CHARS_MAX: usize = 70;

/// The head of a part: its disposition and a type or two.
const HEAD_BYTES_MAX: usize = 4 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    #[error("the form has more than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("the form has more than {PARAMS_MAX} parts")]
    TooMany,
    #[error("the content type names no usable boundary")]
    NoBoundary,
    #[error("the form is not divided by its boundary, or breaks off")]
    Broken,
    #[error("a part of the form has no name")]
    NoName,
    #[error("a part of the form is not UTF-8")]
    NotUtf8,
}

impl MultipartError {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            MultipartError::TooLarge | MultipartError::TooMany => 413,
            MultipartError::NoBoundary
            | MultipartError::Broken
            | MultipartError::NoName
            | MultipartError::NotUtf8 => 400,
        }
    }
}

/// Reads a form of this content type. Files in it are passed over.
pub fn read(content_type: &str, body: &[u8]) -> Result<Params, MultipartError> {
    if body.len() > BYTES_MAX {
        return Err(MultipartError::TooLarge);
    }
    let boundary = boundary(content_type).ok_or(MultipartError::NoBoundary)?;
    let delimiter = format!("--{boundary}");
    let mut rest = first_part(body, delimiter.as_bytes()).ok_or(MultipartError::Broken)?;
    let mut params: Vec<(String, String)> = Vec::new();
    let mut parts = 0;
    // Each round begins behind a delimiter.
    while !rest.starts_with(b"--") {
        parts += 1;
        if parts > PARAMS_MAX {
            return Err(MultipartError::TooMany);
        }
        let (head, after) = head(rest).ok_or(MultipartError::Broken)?;
        let (content, next) = content(after, delimiter.as_bytes()).ok_or(MultipartError::Broken)?;
        rest = next;
        let head = std::str::from_utf8(head).map_err(|_| MultipartError::NotUtf8)?;
        let disposition = disposition(head).ok_or(MultipartError::NoName)?;
        if attribute(disposition, "filename").is_some() {
            continue;
        }
        let name = attribute(disposition, "name").ok_or(MultipartError::NoName)?;
        let value = std::str::from_utf8(content).map_err(|_| MultipartError::NotUtf8)?;
        params.push((name, value.to_owned()));
    }
    Ok(Params::from_pairs(params))
}

fn boundary(content_type: &str) -> Option<String> {
    let kind = content_type.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = attribute(content_type, "boundary")?;
    let fits = (1..=BOUNDARY_CHARS_MAX).contains(&boundary.len());
    (fits && boundary.bytes().all(|byte| (0x20..0x7f).contains(&byte))).then_some(boundary)
}

/// What follows the first delimiter; a preamble is nobody's.
fn first_part<'a>(body: &'a [u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = body.strip_prefix(delimiter) {
        return Some(rest);
    }
    content(body, delimiter).map(|(_, rest)| rest)
}

/// The head of a part, and what follows its empty line.
fn head(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    // Blanks may follow a delimiter (RFC 2046 §5.1.1).
    let end_of_line = memchr::memchr(b'\n', rest)?;
    let (padding, after) = rest.split_at(end_of_line + 1);
    if !padding.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return None;
    }
    // A part may have no head at all; it has no name then either.
    for empty in [&b"\r\n"[..], b"\n"] {
        if let Some(content) = after.strip_prefix(empty) {
            return Some((b"", content));
        }
    }
    let window = &after[..after.len().min(HEAD_BYTES_MAX)];
    let by = |end: &[u8]| memmem::find(window, end).map(|at| (at, at + end.len()));
    let (end, content) = match (by(b"\r\n\r\n"), by(b"\n\n")) {
        (Some(one), Some(other)) => one.min(other),
        (found, None) | (None, found) => found?,
    };
    Some((&after[..end], &after[content..]))
}

/// The content up to the next delimiter, which stands at the beginning of a line, and what follows the delimiter.
fn content<'a>(rest: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    // An empty part may end at once.
    if let Some(after) = rest.strip_prefix(delimiter) {
        return Some((b"", after));
    }
    let line = [b"\n", delimiter].concat();
    let at = memmem::find(rest, &line)?;
    let content = rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]);
    Some((content, &rest[at + line.len()..]))
}

/// The value of the head's `Content-Disposition`.
fn disposition(head: &str) -> Option<&str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        let is_form = value.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("form-data"));
        (name.trim().eq_ignore_ascii_case("content-disposition") && is_form).then_some(value)
    })
}

/// The value of `name=` among the parameters of a header, quoted or bare.
fn attribute(header: &str, wanted: &str) -> Option<String> {
    let mut rest = &header[header.find(';')?..];
    while let Some(after) = rest.strip_prefix(';') {
        let after = after.trim_start();
        let end = after.find(['=', ';']).unwrap_or(after.len());
        let name = after[..end].trim();
        let Some(value) = after[end..].strip_prefix('=') else {
            rest = &after[end..];
            continue;
        };
        let (value, next) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next.trim_start();
    }
    None
}

/// The rest of a quoted text whose opening quote is behind us, and what follows it. Browsers write a quote in it as
/// `%22`, others as `\"`.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value.replace("%22", "\""), &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}
