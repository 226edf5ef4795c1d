//! A walk through RFC 6455 in the order and with the numbers of the well-known Autobahn test suite, which covers it
//! best; written from the RFC. We are the server, so every case is what a client may send.

use wire::websocket::Role;

use super::frames::{Heard, hear_however_cut, masked};

const LIMIT: usize = 1 << 20;

struct Case {
    name: &'static str,
    frames: Vec<Vec<u8>>,
    heard: Vec<Heard>,
    code: Option<u16>,
}

fn case(name: &'static str, frames: &[(u8, &[u8])], heard: &[Heard], code: Option<u16>) -> Case {
    let frames = frames.iter().map(|(first, payload)| masked(*first, payload)).collect();
    Case { name, frames, heard: heard.to_vec(), code }
}

fn assert_cases(cases: Vec<Case>) {
    for Case { name, frames, heard, code } in cases {
        let (really, error) = hear_however_cut(Role::Server, LIMIT, &frames.concat());
        assert_eq!((&really, error.map(|error| error.code)), (&heard, code), "{name}: {error:?}");
    }
}

fn text(said: &str) -> Heard {
    Heard::Text(said.to_owned())
}

fn ping(payload: &[u8]) -> Heard {
    Heard::Ping(payload.to_vec())
}

fn pong(payload: &[u8]) -> Heard {
    Heard::Pong(payload.to_vec())
}

fn close(code: u16, reason: &str) -> Heard {
    Heard::Close(Some(code), reason.to_owned())
}

#[test]
fn section_1_lengths() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, LIMIT] {
        let said = "*".repeat(length);
        assert_cases(vec![
            case("1.1 text", &[(0x81, said.as_bytes())], &[text(&said)], None),
            case("1.2 binary", &[(0x82, said.as_bytes())], &[Heard::Binary(said.clone().into())], None),
        ]);
    }
}

#[test]
fn section_2_pings_and_pongs() {
    let longest = [0xFE; 125];
    assert_cases(vec![
        case("2.1 empty ping", &[(0x89, b"")], &[ping(b"")], None),
        case("2.2 ping with text", &[(0x89, b"Hello")], &[ping(b"Hello")], None),
        case(
            "2.3 ping with binary",
            &[(0x89, b"\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF")],
            &[ping(b"\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF")],
            None,
        ),
        case("2.4 longest ping", &[(0x89, &longest)], &[ping(&longest)], None),
        case("2.5 too long a ping", &[(0x89, &[0xFE; 126])], &[], Some(1002)),
        case("2.7 pong nobody asked for", &[(0x8A, b"")], &[pong(b"")], None),
        case("2.9 pong, then ping", &[(0x8A, b"a"), (0x89, b"b")], &[pong(b"a"), ping(b"b")], None),
        case("2.10 ten pings", &[(0x89, &b"p"[..]); 10], &vec![ping(b"p"); 10], None),
    ]);
}

#[test]
fn section_3_reserved_bits() {
    assert_cases(vec![
        case("3.1", &[(0x91, b"Hello")], &[], Some(1002)),
        case("3.2 after a message", &[(0x81, b"Hello"), (0xA1, b"x")], &[text("Hello")], Some(1002)),
        case("3.4 before a ping", &[(0xB1, b"Hello"), (0x89, b"")], &[], Some(1002)),
        case("3.5 binary", &[(0xC2, b"x")], &[], Some(1002)),
        case("3.6 ping", &[(0xD9, b"")], &[], Some(1002)),
        case("3.7 close", &[(0xE8, b"\x03\xE8")], &[], Some(1002)),
        case("3.8 in a later fragment", &[(0x01, b"x"), (0xC0, b"y")], &[], Some(1002)),
    ]);
}

#[test]
fn section_4_unknown_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_cases(vec![
            case("4.1 empty", &[(0x80 | opcode, b"")], &[], Some(1002)),
            case("4.2 after a message", &[(0x81, b"a"), (0x80 | opcode, b"b")], &[text("a")], Some(1002)),
            case("4.3 in a message", &[(0x01, b"a"), (0x80 | opcode, b"b"), (0x80, b"c")], &[], Some(1002)),
        ]);
    }
}

#[test]
fn section_5_fragments() {
    assert_cases(vec![
        case("5.1 ping in two", &[(0x09, b"frag"), (0x80, b"ment")], &[], Some(1002)),
        case("5.2 pong in two", &[(0x0A, b"frag"), (0x80, b"ment")], &[], Some(1002)),
        case("5.3 text in two", &[(0x01, b"frag"), (0x80, b"ment")], &[text("fragment")], None),
        case(
            "5.6 ping between",
            &[(0x01, b"frag"), (0x89, b"ping"), (0x80, b"ment")],
            &[ping(b"ping"), text("fragment")],
            None,
        ),
        case("5.9 continuation of nothing", &[(0x80, b"a"), (0x81, b"b")], &[], Some(1002)),
        case("5.12 open continuation of nothing", &[(0x00, b"a"), (0x81, b"b")], &[], Some(1002)),
        case(
            "5.15 after a whole one",
            &[(0x01, b"a"), (0x80, b"b"), (0x00, b"c")],
            &[text("ab")],
            Some(1002),
        ),
        case("5.18 text in text", &[(0x01, b"a"), (0x81, b"b")], &[], Some(1002)),
        case(
            "5.19 pings between, twice",
            &[
                (0x01, b"1"),
                (0x00, b"2"),
                (0x89, b"x"),
                (0x00, b"3"),
                (0x00, b"4"),
                (0x89, b"y"),
                (0x80, b"5"),
            ],
            &[ping(b"x"), ping(b"y"), text("12345")],
            None,
        ),
        case("all empty", &[(0x01, b""), (0x00, b""), (0x80, b"")], &[text("")], None),
        case(
            "two messages",
            &[(0x01, b"a"), (0x80, b"b"), (0x02, b"c"), (0x80, b"d"), (0x81, b"e")],
            &[text("ab"), Heard::Binary(b"cd".to_vec()), text("e")],
            None,
        ),
        case("close between", &[(0x01, b"a"), (0x88, b"\x03\xE9"), (0x80, b"b")], &[close(1001, "")], None),
    ]);
}

#[test]
fn section_6_utf8() {
    let greek = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
    let expected = [text("Hello-µ@ßöäüàá-UTF-8!!")];
    let byte_by_byte: Vec<(u8, &[u8])> = greek
        .chunks(1)
        .enumerate()
        .map(|(at, byte)| {
            let fin = if at + 1 == greek.len() { 0x80 } else { 0 };
            (fin | u8::from(at == 0), byte)
        })
        .collect();
    assert_cases(vec![
        case("6.1 empty fragments", &[(0x01, b""), (0x00, b"middle"), (0x80, b"")], &[text("middle")], None),
        case("6.2.1 whole", &[(0x81, greek)], &expected, None),
        case("6.2.2 in two", &[(0x01, &greek[..12]), (0x80, &greek[12..])], &expected, None),
        case("6.2.3 byte by byte", &byte_by_byte, &expected, None),
        case(
            "6.4.1 hopeless",
            &[(0x01, b"\xCE\xBA\xF4\x90\x80\x80"), (0x00, b"never read")],
            &[],
            Some(1007),
        ),
    ]);
    for good in [
        "\u{0}",
        "\u{7F}",
        "\u{80}",
        "\u{7FF}",
        "\u{800}",
        "\u{D7FF}",
        "\u{E000}",
        "\u{FFFD}",
        "\u{FFFF}",
        "\u{10000}",
        "\u{10FFFF}",
        "\u{FFFE}",
        "κόσμε",
        "𝄞",
    ] {
        assert_cases(vec![case("6.5 to 6.23 good", &[(0x81, good.as_bytes())], &[text(good)], None)]);
    }
    for bad in [
        &b"\x80"[..],                // a continuation alone
        b"\xBF\x80",                 //
        b"\xC0\x80",                 // overlong in two bytes
        b"\xC1\xBF",                 //
        b"\xE0\x80\xAF",             // overlong in three
        b"\xF0\x80\x80\xAF",         // overlong in four
        b"\xF8\x88\x80\x80\x80",     // five bytes
        b"\xFC\x84\x80\x80\x80\x80", // six bytes
        b"\xED\xA0\x80",             // first surrogate
        b"\xED\xBF\xBF",             // last surrogate
        b"\xED\xA0\x80\xED\xB0\x80", // a pair of them
        b"\xF4\x90\x80\x80",         // beyond the last character
        b"\xCE\xBA\xE1\xBD",         // cut short
        b"\xFE",                     //
        b"\xFF",                     //
        b"\xCE\xBA\xCF\x8C\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
    ] {
        assert_cases(vec![
            case("6.3 to 6.22 bad", &[(0x81, bad)], &[], Some(1007)),
            case("the same in fragments", &[(0x01, &bad[..1]), (0x80, &bad[1..])], &[], Some(1007)),
        ]);
    }
}

#[test]
fn section_7_closing() {
    let longest = "x".repeat(123);
    let with_longest = [&[0x03, 0xE8][..], longest.as_bytes()].concat();
    assert_cases(vec![
        case(
            "7.1.1 after a message",
            &[(0x81, b"a"), (0x88, b"\x03\xE8")],
            &[text("a"), close(1000, "")],
            None,
        ),
        case("7.1.2 twice", &[(0x88, b"\x03\xE8"), (0x88, b"\x03\xE8")], &[close(1000, "")], None),
        case("7.1.3 ping after it", &[(0x88, b"\x03\xE8"), (0x89, b"")], &[close(1000, "")], None),
        case("7.1.4 text after it", &[(0x88, b"\x03\xE8"), (0x81, b"a")], &[close(1000, "")], None),
        case("7.3.1 empty", &[(0x88, b"")], &[Heard::Close(None, String::new())], None),
        case("7.3.2 one byte", &[(0x88, b"a")], &[], Some(1002)),
        case("7.3.4 with reason", &[(0x88, b"\x03\xE8Bye")], &[close(1000, "Bye")], None),
        case("7.3.5 longest reason", &[(0x88, &with_longest)], &[close(1000, &longest)], None),
        case("7.3.6 too long", &[(0x88, &[&with_longest[..], b"x"].concat())], &[], Some(1002)),
        case("7.5.1 reason not UTF-8", &[(0x88, b"\x03\xE8\xCE\xBA\xED\xA0\x80")], &[], Some(1007)),
        case("7.9 reserved code", &[(0x88, b"\x03\xED")], &[], Some(1002)),
    ]);
}

#[test]
fn section_9_large_messages_in_small_fragments() {
    let said = "large ".repeat(20_000);
    for size in [64, 1000, 65_536] {
        let pieces: Vec<&[u8]> = said.as_bytes().chunks(size).collect();
        let frames: Vec<(u8, &[u8])> = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| {
                let fin = if at + 1 == pieces.len() { 0x80 } else { 0 };
                (fin | u8::from(at == 0), *piece)
            })
            .collect();
        assert_cases(vec![case("9.3", &frames, &[text(&said)], None)]);
    }
}
