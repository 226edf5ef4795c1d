//! The console's files, out of the program itself.
//!
//! They hold no data, so they are open; what they show comes from the API.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Built into the program; read from disk by a build for development.
#[derive(RustEmbed)]
#[folder = "../../console/"]
#[exclude = "tests/*"]
#[exclude = "node_modules/*"]
#[exclude = "package*.json"]
#[exclude = ".*"]
struct Files;

/// A page may load only what is ours, and be shown in nobody else's frame. The microphone is for our own page alone.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'",
    ),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
];

/// The file at this path, if there is one.
pub(super) fn file(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let file = Files::get(name)?;
    if method != Method::GET && method != Method::HEAD {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return Some(
            (StatusCode::METHOD_NOT_ALLOWED, allow, "this is a file; ask for it with GET\n").into_response(),
        );
    }
    Some(answer(method, file, headers))
}

fn answer(method: &Method, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| names(known, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = file.metadata.mimetype();
        // Files of ours are UTF-8; without a word about it a browser may guess otherwise.
        let kind = match kind {
            "text/html" | "text/javascript" | "text/css" => format!("{kind}; charset=utf-8"),
            _ => kind.to_owned(),
        };
        let length = file.data.len();
        let body = if method == Method::HEAD { Body::empty() } else { Body::from(file.data) };
        ([(header::CONTENT_TYPE, kind), (header::CONTENT_LENGTH, length.to_string())], body).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in &HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether `If-None-Match` names this tag. A proxy that compresses may have weakened it.
fn names(known: &str, tag: &str) -> bool {
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_files_are_there_and_its_tests_are_not() {
        let get =
            |path| file(&Method::GET, path, &HeaderMap::new()).map(|response| response.status().as_u16());

        assert_eq!(get("/"), Some(200));
        assert_eq!(get("/index.html"), Some(200));
        assert_eq!(get("/console.js"), Some(200));
        for absent in
            ["/nothing", "/tests/stub/main.mjs", "/../Cargo.toml", "//etc/passwd", "/console.js/", "/%2e%2e"]
        {
            assert_eq!(get(absent), None, "{absent}");
        }
        assert!(Files::iter().all(|name| !name.starts_with("tests/") && !name.starts_with("node_modules/")));
    }

    #[test]
    fn a_tag_is_recognised_among_several_and_weakened() {
        assert!(names("\"a\", W/\"b\"", "\"b\""));
        assert!(names("*", "\"b\""));
        assert!(!names("\"bc\"", "\"b\""));
    }
}
