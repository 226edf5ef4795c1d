//! Against another implementation: what it writes we read, what we write it reads, and the two understand the same.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use tokio_tungstenite::tungstenite;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::{CloseFrame, Role as TheirRole, WebSocketConfig};
use tungstenite::{Message, WebSocket};
use wire::websocket::{
    ClientHandshake, ClientRequest, Masks, Progress, Role, UpgradeRequest, check_upgrade, client_request,
    encode_binary, encode_close, encode_ping, encode_pong, encode_text, server_response,
};

use super::frames::{Heard, hear};

const LIMIT: usize = 100_000;

/// Both directions of a connection, in memory.
#[derive(Debug, Default)]
struct Pipe {
    to_them: VecDeque<u8>,
    from_them: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.to_them.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_them.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.from_them.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn their_socket(role: TheirRole) -> WebSocket<Pipe> {
    let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    WebSocket::from_raw_socket(Pipe::default(), role, Some(config))
}

/// What they make of these bytes, and whether they stumble.
fn they_hear(role: TheirRole, bytes: &[u8]) -> (Vec<Heard>, bool) {
    let mut socket = their_socket(role);
    socket.get_mut().to_them.extend(bytes);
    let mut heard = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => heard.push(understood(message)),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (heard, false);
            }
            Err(tungstenite::Error::ConnectionClosed) => return (heard, false),
            Err(_) => return (heard, true),
        }
    }
}

fn understood(message: Message) -> Heard {
    match message {
        Message::Text(text) => Heard::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Heard::Binary(bytes.to_vec()),
        Message::Ping(bytes) => Heard::Ping(bytes.to_vec()),
        Message::Pong(bytes) => Heard::Pong(bytes.to_vec()),
        Message::Close(None) => Heard::Close(None, String::new()),
        Message::Close(Some(frame)) => {
            Heard::Close(Some(frame.code.into()), frame.reason.as_str().to_owned())
        }
        Message::Frame(frame) => panic!("raw frame {frame:?} while reading"),
    }
}

fn theirs(said: &Heard) -> Message {
    match said {
        Heard::Text(text) => Message::text(text.as_str()),
        Heard::Binary(bytes) => Message::binary(bytes.clone()),
        Heard::Ping(bytes) => Message::Ping(bytes.clone().into()),
        Heard::Pong(bytes) => Message::Pong(bytes.clone().into()),
        Heard::Close(None, _) => Message::Close(None),
        Heard::Close(Some(code), reason) => {
            Message::Close(Some(CloseFrame { code: (*code).into(), reason: reason.as_str().into() }))
        }
    }
}

fn ours(said: &[Heard], mut masks: Option<Masks>) -> Vec<u8> {
    let mut out = Vec::new();
    for said in said {
        let mask = masks.as_mut().map(Masks::next_mask);
        match said {
            Heard::Text(text) => encode_text(mask, text.as_bytes(), &mut out),
            Heard::Binary(bytes) => encode_binary(mask, bytes, &mut out),
            Heard::Ping(bytes) => encode_ping(mask, bytes, &mut out),
            Heard::Pong(bytes) => encode_pong(mask, bytes, &mut out),
            Heard::Close(code, reason) => encode_close(mask, code.unwrap_or(1005), reason, &mut out),
        }
    }
    out
}

fn said() -> impl Strategy<Value = Heard> {
    prop_oneof![
        4 => ".{0,200}".prop_map(Heard::Text),
        1 => (65_530..65_540_usize).prop_map(|length| Heard::Text("j".repeat(length))),
        2 => vec(any::<u8>(), 0..300).prop_map(Heard::Binary),
        1 => vec(any::<u8>(), 0..=125).prop_map(Heard::Ping),
        1 => vec(any::<u8>(), 0..=125).prop_map(Heard::Pong),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<Heard>> {
    let code = prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16];
    let last = prop_oneof![
        Just(Heard::Close(None, String::new())),
        (code, ".{0,30}").prop_map(|(code, reason)| Heard::Close(Some(code), reason)),
    ];
    (vec(said(), 0..10), last).prop_map(|(mut said, last)| {
        said.push(last);
        said
    })
}

proptest! {
    #[test]
    fn they_understand_our_client(said in conversation(), seed: u64) {
        let (heard, stumbled) = they_hear(TheirRole::Server, &ours(&said, Some(Masks::new(seed))));

        prop_assert_eq!((heard, stumbled), (said, false));
    }

    #[test]
    fn they_understand_our_server(said in conversation()) {
        let (heard, stumbled) = they_hear(TheirRole::Client, &ours(&said, None));

        prop_assert_eq!((heard, stumbled), (said, false));
    }

    #[test]
    fn we_understand_them(said in conversation(), is_server: bool, size in 1..2000_usize) {
        let (them, us) = if is_server { (TheirRole::Server, Role::Client) } else { (TheirRole::Client, Role::Server) };
        let mut socket = their_socket(them);
        for said in &said {
            socket.write(theirs(said))?;
        }
        let _ = socket.flush();

        let (heard, error) = hear(us, LIMIT, socket.get_ref().from_them.chunks(size));

        prop_assert_eq!(error, None);
        prop_assert_eq!(heard, said);
    }

    /// On damaged frames one of the two may give up before the other, but they never hear different things.
    #[test]
    fn damaged_frames_are_understood_alike(
        said in vec(said(), 1..6),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        seed: u64,
    ) {
        let mut bytes = ours(&said, Some(Masks::new(seed)));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let without_close = |mut heard: Vec<Heard>| {
            heard.retain(|heard| !matches!(heard, Heard::Close(..)));
            heard
        };

        let (we, our_error) = hear(Role::Server, LIMIT, [&bytes[..]]);
        let (they, they_stumbled) = they_hear(TheirRole::Server, &bytes);

        // They shrug at a wrong close code and at a length in a longer form than needed; we do not.
        prop_assert!(our_error.is_some() || !they_stumbled, "they stumble, we hear {we:?}");
        let (we, they) = (without_close(we), without_close(they));
        prop_assert!(they.starts_with(&we), "we heard {we:?}, they {they:?}");
    }
}

#[test]
#[expect(clippy::result_large_err, reason = "the other implementation's own error type")]
fn their_server_accepts_our_request() {
    let request = ClientRequest {
        host: "api.example.com",
        port: Some(7900),
        path_and_query: "/v1/convai/conversation?agent_id=a%20b",
        key: *b"0123456789abcdef",
        headers: &[("xi-api-key", "secret")],
        protocol: None,
    };
    let pipe = Pipe { to_them: client_request(&request).unwrap().into(), from_them: Vec::new() };
    let mut uri = String::new();
    let mut key = None;

    let mut socket =
        tungstenite::accept_hdr(pipe, |request: &tungstenite::handshake::server::Request, response| {
            uri = request.uri().to_string();
            key = request.headers().get("xi-api-key").cloned();
            Ok(response)
        })
        .unwrap();
    socket.send(Message::text("first words")).unwrap();

    assert_eq!(uri, "/v1/convai/conversation?agent_id=a%20b");
    assert_eq!(key.unwrap(), "secret");
    let answer = &socket.get_ref().from_them;
    let progress = ClientHandshake::new(&request).read(answer).unwrap();
    let Progress::Accepted { consumed, protocol: None } = progress else { panic!("{progress:?}") };
    assert_eq!(
        hear(Role::Client, LIMIT, [&answer[consumed..]]),
        (vec![Heard::Text("first words".to_owned())], None)
    );
}

#[test]
fn their_client_accepts_our_answer() {
    let request = tungstenite::ClientRequestBuilder::new("ws://localhost:7900/twilio".parse().unwrap())
        .with_sub_protocol("audio");
    let request = tungstenite::client::IntoClientRequest::into_client_request(request).unwrap();
    let started =
        tungstenite::handshake::client::ClientHandshake::start(Pipe::default(), request, None).unwrap();
    let Err(HandshakeError::Interrupted(mut waiting)) = started.handshake() else {
        panic!("no answer has been given yet")
    };
    let pipe = waiting.get_mut().get_mut();
    let head = String::from_utf8(std::mem::take(&mut pipe.from_them)).unwrap();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    };

    let accept = check_upgrade(&UpgradeRequest {
        method: head.split(' ').next().unwrap(),
        upgrade: header("upgrade"),
        connection: header("connection"),
        version: header("sec-websocket-version"),
        key: header("sec-websocket-key"),
    })
    .unwrap();
    let mut answer = server_response(&accept, Some("audio")).unwrap();
    encode_text(None, b"first words", &mut answer);
    pipe.to_them.extend(answer);

    let (mut socket, response) = waiting.handshake().unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(socket.read().unwrap(), Message::text("first words"));
}
