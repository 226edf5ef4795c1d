//! The examples that RFC 6455 itself gives, §1.3 and §5.7.

use wire::websocket::{Role, accept_key, encode_binary, encode_ping, encode_pong, encode_text};

use super::frames::{Heard, MASK, hear_however_cut};

const LIMIT: usize = 1 << 20;

fn text(text: &str) -> Vec<Heard> {
    vec![Heard::Text(text.to_owned())]
}

#[test]
fn single_frame_unmasked_text() {
    let bytes = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];

    assert_eq!(hear_however_cut(Role::Client, LIMIT, &bytes), (text("Hello"), None));

    let mut out = Vec::new();
    encode_text(None, b"Hello", &mut out);
    assert_eq!(out, bytes);
}

#[test]
fn single_frame_masked_text() {
    let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

    assert_eq!(hear_however_cut(Role::Server, LIMIT, &bytes), (text("Hello"), None));

    let mut out = Vec::new();
    encode_text(Some(MASK), b"Hello", &mut out);
    assert_eq!(out, bytes);
}

#[test]
fn fragmented_unmasked_text() {
    let bytes = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];

    assert_eq!(hear_however_cut(Role::Client, LIMIT, &bytes), (text("Hello"), None));
}

#[test]
fn ping_and_its_masked_pong() {
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

    assert_eq!(hear_however_cut(Role::Client, LIMIT, &ping), (vec![Heard::Ping(b"Hello".to_vec())], None));
    assert_eq!(hear_however_cut(Role::Server, LIMIT, &pong), (vec![Heard::Pong(b"Hello".to_vec())], None));

    let mut out = Vec::new();
    encode_pong(Some(MASK), b"Hello", &mut out);
    assert_eq!(out, pong);
}

#[test]
fn binary_with_lengths_in_two_and_in_eight_bytes() {
    for (header, length) in
        [(&[0x82, 0x7E, 0x01, 0x00][..], 256), (&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], 65536)]
    {
        let payload = vec![0xA5; length];
        let bytes = [header, &payload].concat();

        assert_eq!(
            hear_however_cut(Role::Client, LIMIT, &bytes),
            (vec![Heard::Binary(payload.clone())], None)
        );

        let mut out = Vec::new();
        encode_binary(None, &payload, &mut out);
        assert_eq!(out, bytes);
    }
}

#[test]
fn key_of_the_handshake() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn control_frames_are_cut_to_what_they_may_carry() {
    let long = [7; 126];
    let mut out = Vec::new();

    encode_ping(None, &long, &mut out);
    encode_pong(None, &long, &mut out);

    let expected = vec![Heard::Ping(vec![7; 125]), Heard::Pong(vec![7; 125])];
    assert_eq!(hear_however_cut(Role::Client, LIMIT, &out), (expected, None));
}
