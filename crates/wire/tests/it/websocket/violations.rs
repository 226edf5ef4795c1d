//! Every way to break the protocol, and the code it is answered with.

use wire::websocket::{Role, may_be_sent};

use super::frames::{Heard, MASK, decoder, feed, frame, hear_however_cut, masked};

const LIMIT: usize = 70_000;

fn assert_fails(what: &str, role: Role, bytes: &[u8], code: u16) {
    let (heard, error) = hear_however_cut(role, LIMIT, bytes);

    assert_eq!(error.map(|error| error.code), Some(code), "{what}: {error:?}, after {heard:?}");
}

#[test]
fn framing_that_is_refused_with_1002() {
    for reserved in [0x40, 0x20, 0x10, 0x70] {
        assert_fails("reserved bit", Role::Server, &masked(0x81 | reserved, b"x"), 1002);
        assert_fails("reserved bit on a ping", Role::Server, &masked(0x89 | reserved, b""), 1002);
    }
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_fails("unknown opcode", Role::Server, &masked(0x80 | opcode, b""), 1002);
        assert_fails("unknown opcode, not final", Role::Server, &masked(opcode, b"x"), 1002);
    }
    for opcode in [8, 9, 0xA] {
        assert_fails("fragmented control frame", Role::Server, &masked(opcode, b""), 1002);
        assert_fails("long control frame", Role::Server, &masked(0x80 | opcode, &[b'x'; 126]), 1002);
        assert_fails("longer control frame", Role::Server, &masked(0x80 | opcode, &[b'x'; 65536]), 1002);
    }
    assert_fails("continuation of nothing", Role::Server, &masked(0x80, b"x"), 1002);
    assert_fails("open continuation of nothing", Role::Server, &masked(0x00, b"x"), 1002);
    for first in [0x81, 0x82, 0x01, 0x02] {
        let bytes = [masked(0x01, b"a"), masked(first, b"b")].concat();
        assert_fails("new message inside a message", Role::Server, &bytes, 1002);
    }
}

#[test]
fn frame_in_the_wrong_direction_is_refused_with_1002() {
    assert_fails("unmasked client", Role::Server, &frame(0x81, b"x", None), 1002);
    assert_fails("unmasked empty ping of a client", Role::Server, &frame(0x89, b"", None), 1002);
    assert_fails("masked server", Role::Client, &masked(0x81, b"x"), 1002);
    assert_fails("masked empty pong of a server", Role::Client, &masked(0x8A, b""), 1002);
}

#[test]
fn length_must_be_written_in_its_shortest_form() {
    for (what, header) in [
        ("0 in two bytes", &[0x82, 126, 0, 0][..]),
        ("125 in two bytes", &[0x82, 126, 0, 125]),
        ("0 in eight bytes", &[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("125 in eight bytes", &[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 125]),
        ("65535 in eight bytes", &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
        ("highest bit", &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("all bits", &[0x82, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
    ] {
        assert_fails(what, Role::Client, header, 1002);
    }
    let bytes = [&[0x82, 126, 0, 126][..], &[7; 126]].concat();
    assert_eq!(hear_however_cut(Role::Client, LIMIT, &bytes), (vec![Heard::Binary(vec![7; 126])], None));
}

#[test]
fn close_frames_that_are_refused() {
    assert_fails("half a code", Role::Server, &masked(0x88, &[3]), 1002);
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert!(!may_be_sent(code));
        assert_fails("code", Role::Server, &masked(0x88, &code.to_be_bytes()), 1002);
    }
    assert_fails("reason", Role::Server, &masked(0x88, b"\x03\xE8\xFF"), 1007);
    assert_fails("reason cut in a character", Role::Server, &masked(0x88, b"\x03\xE8\xE2\x82"), 1007);
}

#[test]
fn close_codes_that_are_taken() {
    for code in (1000_u16..=1003).chain(1007..=1014).chain([3000, 3008, 3999, 4000, 4999]) {
        let payload = [&code.to_be_bytes()[..], "adiós".as_bytes()].concat();

        let heard = hear_however_cut(Role::Server, LIMIT, &masked(0x88, &payload));

        assert_eq!(heard, (vec![Heard::Close(Some(code), "adiós".to_owned())], None));
    }
    let heard = hear_however_cut(Role::Server, LIMIT, &masked(0x88, b""));
    assert_eq!(heard, (vec![Heard::Close(None, String::new())], None));
}

#[test]
fn text_that_is_not_utf8_is_refused_with_1007() {
    for bytes in [
        &b"\xFF"[..],
        b"\xC0\xAF",             // overlong
        b"\xED\xA0\x80",         // surrogate
        b"\xF4\x90\x80\x80",     // beyond U+10FFFF
        b"only at the end \xC3", // cut in a character
    ] {
        assert_fails("whole", Role::Server, &masked(0x81, bytes), 1007);
        let in_fragments = [masked(0x01, b"fine "), masked(0x80, bytes)].concat();
        assert_fails("in the last fragment", Role::Server, &in_fragments, 1007);
    }
}

#[test]
fn hopeless_text_is_refused_before_its_last_fragment() {
    assert_fails("first fragment", Role::Server, &masked(0x01, b"\xFFrest"), 1007);
    let bytes = [masked(0x01, b"\xE2"), masked(0x00, b"\x82"), masked(0x00, b"\x28")].concat();
    assert_fails("third fragment", Role::Server, &bytes, 1007);
}

#[test]
fn binary_may_hold_anything() {
    let heard = hear_however_cut(Role::Server, LIMIT, &masked(0x82, b"\xFF\xC0"));

    assert_eq!(heard, (vec![Heard::Binary(b"\xFF\xC0".to_vec())], None));
}

#[test]
fn message_beyond_the_limit_is_refused_with_1009_as_soon_as_it_is_announced() {
    let exact = masked(0x81, &vec![b'x'; LIMIT]);
    assert_eq!(hear_however_cut(Role::Server, LIMIT, &exact).1, None);

    let header = &masked(0x81, &vec![b'x'; LIMIT + 1])[..14];
    assert_fails("one frame, header only", Role::Server, header, 1009);
    let huge = [0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_fails("as long as can be", Role::Client, &huge, 1009);

    let half = vec![b'x'; LIMIT / 2];
    let fragments = [masked(0x01, &half), masked(0x00, &half), masked(0x80, b"!")].concat();
    assert_fails("fragments together", Role::Server, &fragments, 1009);
    assert_eq!(
        hear_however_cut(Role::Server, LIMIT + 1, &fragments).0,
        [Heard::Text("x".repeat(LIMIT) + "!")]
    );
}

#[test]
fn what_came_before_the_violation_is_still_heard() {
    let bytes = [masked(0x81, b"fine"), masked(0x83, b"wrong"), masked(0x81, b"unheard")].concat();

    let (heard, error) = hear_however_cut(Role::Server, LIMIT, &bytes);

    assert_eq!(heard, [Heard::Text("fine".to_owned())]);
    assert_eq!(error.map(|error| error.code), Some(1002));
}

#[test]
fn nothing_is_heard_after_a_violation_or_a_close() {
    for last in [masked(0x83, b""), masked(0x81, b"\xFF"), masked(0x88, b"")] {
        let mut decoder = decoder(Role::Server, LIMIT);
        let mut heard = Vec::new();
        let _ = feed(&mut decoder, &[last, frame(0x81, b"same read", Some(MASK))].concat(), &mut heard);
        heard.clear();

        assert_eq!(feed(&mut decoder, &masked(0x81, b"next read"), &mut heard), Ok(()));

        assert_eq!(heard, []);
        assert!(decoder.is_over());
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}
