//! Which requests become a WebSocket.

use wire::websocket::{RequestError, UpgradeError, UpgradeRequest, check_upgrade, server_response};

const GOOD: UpgradeRequest<'_> = UpgradeRequest {
    method: "GET",
    upgrade: Some("websocket"),
    connection: Some("Upgrade"),
    version: Some("13"),
    key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
};

fn status(request: UpgradeRequest<'_>) -> u16 {
    check_upgrade(&request).err().map_or(101, |error| error.status)
}

#[test]
fn good_request_is_answered_with_its_key() {
    let accept = check_upgrade(&GOOD).unwrap();

    assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(
        String::from_utf8(server_response(&accept, None).unwrap()).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

#[test]
fn case_blanks_and_companions_do_not_matter() {
    for request in [
        UpgradeRequest { upgrade: Some("WebSocket"), ..GOOD },
        UpgradeRequest { upgrade: Some("h2c, websocket"), ..GOOD },
        UpgradeRequest { connection: Some("keep-alive, Upgrade"), ..GOOD },
        UpgradeRequest { connection: Some("UPGRADE ,keep-alive"), ..GOOD },
        UpgradeRequest { version: Some(" 13 "), key: Some(" dGhlIHNhbXBsZSBub25jZQ== "), ..GOOD },
    ] {
        assert_eq!(check_upgrade(&request).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{request:?}");
    }
}

#[test]
fn other_requests_are_refused_with_a_status() {
    assert_eq!(status(UpgradeRequest { method: "POST", ..GOOD }), 405);
    assert_eq!(status(UpgradeRequest { method: "get", ..GOOD }), 405);
    for upgrade in [None, Some(""), Some("h2c"), Some("websocket2")] {
        assert_eq!(status(UpgradeRequest { upgrade, ..GOOD }), 426);
    }
    for connection in [None, Some(""), Some("keep-alive"), Some("no-upgrade")] {
        assert_eq!(status(UpgradeRequest { connection, ..GOOD }), 426);
    }
    for version in [None, Some(""), Some("8"), Some("130"), Some("13, 8")] {
        assert_eq!(status(UpgradeRequest { version, ..GOOD }), 426);
    }
    for key in
        [None, Some(""), Some("short"), Some("dGhlIHNhbXBsZSBub25jZQ"), Some("dGhlIHNhbXBsZSBub25jZTE3")]
    {
        assert_eq!(status(UpgradeRequest { key, ..GOOD }), 400);
    }
    assert_eq!(
        check_upgrade(&UpgradeRequest { version: Some("8"), ..GOOD }),
        Err(UpgradeError { status: 426, what: "only version 13 is spoken here" })
    );
}

#[test]
fn answer_takes_no_header_from_outside() {
    assert_eq!(server_response("x\r\nSet-Cookie: a", None), Err(RequestError::HeaderValue));
    assert_eq!(server_response("x", Some("a\r\nSet-Cookie: a")), Err(RequestError::Protocol));
    assert_eq!(server_response("x", Some("")), Err(RequestError::Protocol));
}
