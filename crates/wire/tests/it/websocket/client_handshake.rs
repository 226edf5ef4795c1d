//! Asking for a WebSocket, and every answer to that.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::Reply;
use wire::websocket::{
    ClientHandshake, ClientRequest, HandshakeError, Progress, RequestError, accept_key, client_request,
};

/// The key of the RFC's example.
const KEY: [u8; 16] = *b"the sample nonce";
const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

const REQUEST: ClientRequest<'_> = ClientRequest {
    host: "example.com",
    port: None,
    path_and_query: "/chat",
    key: KEY,
    headers: &[],
    protocol: None,
};

fn accepted(more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{ACCEPT}{more}\r\n"
    )
}

fn handshake() -> ClientHandshake {
    ClientHandshake::new(&REQUEST)
}

/// What becomes of an answer in pieces of this size; `consumed` counts from the beginning of the answer.
fn read_in_pieces(answer: &[u8], size: usize) -> Result<Progress, HandshakeError> {
    let mut handshake = handshake();
    for (at, piece) in answer.chunks(size).enumerate() {
        match handshake.read(piece)? {
            Progress::NeedMore => {}
            Progress::Accepted { consumed, protocol } => {
                return Ok(Progress::Accepted { consumed: at * size + consumed, protocol });
            }
            Progress::Refused(reply) => return Ok(Progress::Refused(reply)),
        }
    }
    Ok(handshake.end().map_or(Progress::NeedMore, Progress::Refused))
}

/// The same however the answer is cut.
fn read(answer: impl AsRef<[u8]>) -> Result<Progress, HandshakeError> {
    let whole = read_in_pieces(answer.as_ref(), usize::MAX);
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(read_in_pieces(answer.as_ref(), size), whole, "pieces of {size}");
    }
    whole
}

fn refused(status: u16, body: &str, retry_after_s: Option<u64>) -> Result<Progress, HandshakeError> {
    Ok(Progress::Refused(Reply { status, body: body.to_owned(), retry_after_s }))
}

#[test]
fn request_reads_as_the_rfc_writes_it() {
    let request = ClientRequest {
        port: Some(8080),
        path_and_query: "/chat?room=1",
        headers: &[("Authorization", "Bearer abc"), ("X-Empty", "")],
        protocol: Some("audio, text"),
        ..REQUEST
    };

    assert_eq!(
        String::from_utf8(client_request(&request).unwrap()).unwrap(),
        "GET /chat?room=1 HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: audio, text\r\nAuthorization: Bearer abc\r\nX-Empty: \r\n\r\n"
    );
}

#[test]
fn host_may_be_an_address() {
    for (host, port, line) in [
        ("127.0.0.1", Some(7900), "Host: 127.0.0.1:7900\r\n"),
        ("::1", Some(7900), "Host: [::1]:7900\r\n"),
        ("[::1]", None, "Host: [::1]\r\n"),
    ] {
        let bytes = client_request(&ClientRequest { host, port, ..REQUEST }).unwrap();
        assert!(String::from_utf8(bytes).unwrap().contains(line), "{line}");
    }
}

#[test]
fn nothing_can_be_smuggled_into_the_request() {
    for host in ["", "a b", "a\r\nX: y", "user@host", "a/b", "ä.example", "a?b", "a#b"] {
        assert_eq!(client_request(&ClientRequest { host, ..REQUEST }), Err(RequestError::Host), "{host:?}");
    }
    for path_and_query in ["", "chat", "/a b", "/a\r\nX: y", "/a\n", "/ä", "/a#b", "/\0", "http://other/"] {
        let request = ClientRequest { path_and_query, ..REQUEST };
        assert_eq!(client_request(&request), Err(RequestError::Path), "{path_and_query:?}");
    }
    for name in [
        "",
        "a b",
        "a:",
        "a\r\nX",
        "ä",
        "Host",
        "UPGRADE",
        "connection",
        "Sec-WebSocket-Key",
        "sec-websocket-extensions",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        let headers = &[(name, "value")];
        let request = ClientRequest { headers, ..REQUEST };
        assert_eq!(client_request(&request), Err(RequestError::HeaderName), "{name:?}");
    }
    for value in ["a\r\nX: y", "a\n", "a\r", "\0", "\x7F"] {
        let headers = &[("X-Name", value)];
        let request = ClientRequest { headers, ..REQUEST };
        assert_eq!(client_request(&request), Err(RequestError::HeaderValue), "{value:?}");
    }
    for protocol in ["", "a,", "a b", "a\r\nX: y", "a\t"] {
        let request = ClientRequest { protocol: Some(protocol), ..REQUEST };
        assert_eq!(client_request(&request), Err(RequestError::Protocol), "{protocol:?}");
    }
}

#[test]
fn printed_request_shows_no_secret() {
    let request = ClientRequest {
        path_and_query: "/chat?token=hidden",
        headers: &[("xi-api-key", "hidden")],
        ..REQUEST
    };

    let printed = format!("{request:?}");

    assert!(printed.contains("/chat") && printed.contains("xi-api-key"));
    assert!(!printed.contains("hidden"));
}

#[test]
fn acceptance_ends_where_the_first_frame_begins() {
    let answer = accepted("");
    let consumed = answer.len();

    assert_eq!(read(answer.clone() + "\u{1}frames"), Ok(Progress::Accepted { consumed, protocol: None }));
    assert_eq!(read(&answer), Ok(Progress::Accepted { consumed, protocol: None }));

    let mut handshake = handshake();
    assert_eq!(handshake.read(&answer.as_bytes()[..40]), Ok(Progress::NeedMore));
    let rest = &answer.as_bytes()[40..];
    assert_eq!(handshake.read(rest), Ok(Progress::Accepted { consumed: rest.len(), protocol: None }));
    assert_eq!(handshake.read(b"more"), Err(HandshakeError::Over));
}

#[test]
fn acceptance_may_be_written_differently() {
    for answer in [
        format!("HTTP/1.1 101\r\nUPGRADE:WebSocket\r\nconnection:  keep-alive , upgrade \r\n{ACCEPT}\r\n"),
        accepted("Server: x\r\nX-Empty:\r\nX-Latin: \u{e9}\r\nSet-Cookie: a=b\r\n"),
        accepted("Sec-WebSocket-Extensions: \r\n"),
        format!("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 100 \r\n\r\n{}", accepted("")),
    ] {
        let consumed = answer.len();
        assert_eq!(read(&answer), Ok(Progress::Accepted { consumed, protocol: None }), "{answer}");
    }
}

#[test]
fn acceptance_that_is_none() {
    for (answer, error) in [
        (accepted("").replace("websocket\r\n", "h2c\r\n"), HandshakeError::NotUpgraded),
        (accepted("").replace("Upgrade: websocket\r\n", ""), HandshakeError::NotUpgraded),
        (accepted("Upgrade: websocket\r\n"), HandshakeError::NotUpgraded),
        (accepted("").replace("Connection: Upgrade", "Connection: close"), HandshakeError::NotUpgraded),
        (accepted("").replace("HTTP/1.1", "HTTP/1.0"), HandshakeError::NotUpgraded),
        (accepted("").replace("s3p", "S3P"), HandshakeError::WrongAccept),
        (accepted("").replace(ACCEPT, ""), HandshakeError::WrongAccept),
        (accepted(ACCEPT), HandshakeError::WrongAccept),
        (accepted("Sec-WebSocket-Extensions: permessage-deflate\r\n"), HandshakeError::UnexpectedExtension),
        (accepted("Sec-WebSocket-Protocol: audio\r\n"), HandshakeError::UnexpectedProtocol),
        (accepted("Sec-WebSocket-Protocol: \r\n"), HandshakeError::UnexpectedProtocol),
        (accepted("X Y: z\r\n"), HandshakeError::NotHttp),
        (accepted("X-Folded: a\r\n b\r\n"), HandshakeError::NotHttp),
        (accepted("no colon\r\n"), HandshakeError::NotHttp),
        (accepted("X: a\nY: b\r\n"), HandshakeError::NotHttp),
        (format!("HTTP/1.1 100 x\r\n\r\n\r\n{}", accepted("")), HandshakeError::NotHttp),
        ("HTTP/2 101\r\n\r\n".to_owned(), HandshakeError::NotHttp),
        ("HTTP/1.1 1O1 \r\n\r\n".to_owned(), HandshakeError::NotHttp),
        ("HTTP/1.1 1010\r\n\r\n".to_owned(), HandshakeError::NotHttp),
        ("HTTP/1.1 042 \r\n\r\n".to_owned(), HandshakeError::NotHttp),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), HandshakeError::NotHttp),
        ("\x15\x03\x01\x00\x02\x02\x46".to_owned(), HandshakeError::NotHttp),
    ] {
        assert_eq!(read(&answer), Err(error), "{answer}");
    }
}

#[test]
fn subprotocol_is_one_of_ours() {
    let request = ClientRequest { protocol: Some("audio, text"), ..REQUEST };
    let answer = |protocols: &str| ClientHandshake::new(&request).read(accepted(protocols).as_bytes());

    let text = answer("Sec-WebSocket-Protocol: text\r\n").unwrap();
    assert!(matches!(text, Progress::Accepted { protocol: Some(picked), .. } if picked == "text"));
    assert!(matches!(answer("").unwrap(), Progress::Accepted { protocol: None, .. }));
    for wrong in ["Text", "video", "audio, text", ""] {
        let wrong = answer(&format!("Sec-WebSocket-Protocol: {wrong}\r\n"));
        assert_eq!(wrong, Err(HandshakeError::UnexpectedProtocol));
    }
    let twice = answer("Sec-WebSocket-Protocol: text\r\nSec-WebSocket-Protocol: audio\r\n");
    assert_eq!(twice, Err(HandshakeError::UnexpectedProtocol));
}

#[test]
fn refusal_brings_its_body_and_when_to_come_back() {
    for (answer, expected) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 11\r\n\r\n{\"no\":true}and more",
            refused(401, "{\"no\":true}", None),
        ),
        (
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n",
            refused(429, "", Some(17)),
        ),
        (
            "HTTP/1.1 503 x\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\ncontent-length: 2\r\n\r\nno",
            refused(503, "no", None),
        ),
        ("HTTP/1.1 302 Found\r\nLocation: wss://other/\r\nContent-Length: 0\r\n\r\n", refused(302, "", None)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", refused(200, "hi", None)),
        ("HTTP/1.1 304 x\r\nContent-Length: 20\r\n\r\n", refused(304, "", None)),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\nuntil the end", refused(502, "until the end", None)),
        ("HTTP/1.1 403 x\r\nContent-Length: 100\r\n\r\ncut", refused(403, "cut", None)),
        (
            "HTTP/1.1 404 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4;a=b\r\nnot \r\n5\r\nfound\r\n0\r\n\r\n",
            refused(404, "not found", None),
        ),
        ("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut", refused(500, "cut", None)),
        (
            "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\ncut",
            refused(500, "cut", None),
        ),
        ("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", refused(500, "", None)),
        ("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 403 x\r\nContent-Length: 1\r\n\r\n!", refused(403, "!", None)),
    ] {
        assert_eq!(read(answer), expected, "{answer}");
    }
}

#[test]
fn refusal_is_not_waited_for_longer_than_its_body() {
    let mut handshake = handshake();

    assert_eq!(handshake.read(b"HTTP/1.1 403 x\r\nContent-Length: 4\r\n\r\nno"), Ok(Progress::NeedMore));
    assert_eq!(handshake.read(b"pe"), refused(403, "nope", None));
    assert_eq!(handshake.end(), None);
    let not_modified = b"HTTP/1.1 304 x\r\nContent-Length: 20\r\n\r\n";
    assert_eq!(ClientHandshake::new(&REQUEST).read(not_modified), refused(304, "", None));
}

#[test]
fn body_of_a_refusal_is_cut() {
    for header in ["Content-Length: 10000", "X: until the end"] {
        let answer = format!("HTTP/1.1 500 x\r\n{header}\r\n\r\n{}", "b".repeat(10_000));

        assert_eq!(read(answer), refused(500, &"b".repeat(4096), None));
    }
}

#[test]
fn head_is_bounded() {
    let long = |length: usize| accepted(&format!("X: {}\r\n", "x".repeat(length)));
    let fits = long(16 * 1024 - long(0).len());
    let consumed = fits.len();

    assert_eq!(read(&fits), Ok(Progress::Accepted { consumed, protocol: None }));
    assert_eq!(read(long(16 * 1024 - long(0).len() + 1)), Err(HandshakeError::HeadTooLong));
    assert_eq!(read("HTTP/1.1 100 x\r\n\r\n".repeat(1000)), Err(HandshakeError::HeadTooLong));
}

#[test]
fn connection_that_ends_in_the_head_was_no_refusal() {
    let mut handshake = handshake();

    assert_eq!(handshake.read(b"HTTP/1.1 403 Forb"), Ok(Progress::NeedMore));

    assert_eq!(handshake.end(), None);
}

proptest! {
    #[test]
    fn any_key_is_accepted_by_its_own_answer_alone(key: [u8; 16], other: [u8; 16]) {
        let request = ClientRequest { key, ..REQUEST };
        let written = String::from_utf8(client_request(&request).unwrap()).unwrap();
        let sent = written.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let answer = accepted("").replace(ACCEPT, &format!("Sec-WebSocket-Accept: {}\r\n", accept_key(sent)));

        prop_assert!(ClientHandshake::new(&request).read(answer.as_bytes()).is_ok());
        let other = ClientHandshake::new(&ClientRequest { key: other, ..REQUEST }).read(answer.as_bytes());
        prop_assert_eq!(other, Err(HandshakeError::WrongAccept));
    }

    #[test]
    fn written_requests_have_only_the_lines_they_should(
        host in ".{1,12}", path in "/.{0,12}", name in ".{1,12}", value in ".{0,12}", protocol in proptest::option::of(".{0,12}"),
    ) {
        let headers = &[(&name[..], &value[..])];
        let request = ClientRequest {
            host: &host, path_and_query: &path, headers, protocol: protocol.as_deref(), ..REQUEST
        };
        if let Ok(written) = client_request(&request) {
            let lines = memchr::memmem::find_iter(&written, b"\n").count();
            prop_assert_eq!(lines, 8 + usize::from(protocol.is_some()));
            prop_assert_eq!(memchr::memmem::find(&written, b"\r\n\r\n"), Some(written.len() - 4));
        }
    }

    #[test]
    fn any_answer_is_read_alike_however_it_is_cut(
        start in prop_oneof![Just(""), Just("HTTP/1.1 "), Just("HTTP/1.1 403 x\r\n")],
        bytes in vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\r'), 1 => Just(b'\n'), 1 => Just(b':')], 0..300),
        size in 1..100_usize,
    ) {
        let answer = [start.as_bytes(), &bytes].concat();

        prop_assert_eq!(read_in_pieces(&answer, size), read_in_pieces(&answer, usize::MAX));
    }

    #[test]
    fn damaged_answers_are_never_a_panic_and_read_alike(
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        which in 0..3_usize,
        size in 1..100_usize,
    ) {
        let mut answer = match which {
            0 => accepted("Server: x\r\n"),
            1 => "HTTP/1.1 429 x\r\nRetry-After: 5\r\nContent-Length: 5\r\n\r\nsorry".to_owned(),
            _ => "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
        }
        .into_bytes();
        for (at, byte) in damage {
            let at = at.index(answer.len());
            answer[at] = byte;
        }

        prop_assert_eq!(read_in_pieces(&answer, size), read_in_pieces(&answer, usize::MAX));
    }
}
