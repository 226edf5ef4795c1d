//! What a message costs in instructions.
//!
//! `valgrind --tool=callgrind target/release/examples/wire_cost decode 10000`, and again with 20000: the difference, divided
//! by 10,000, is the cost of one message, start-up excluded. `copy` is what both decoding loops spend on putting fresh
//! bytes into the read buffer, where a real program has its socket do it; subtract it.

use std::hint::black_box;
use std::ops::ControlFlow;

use wire::websocket::{Decoder, Event, Limits, Masks, Role, encode, encode_text};
use wire::{Incoming, Outbox};

/// A `media` message of a phone carrier with 20 ms of µ-law is as long as this.
const HEARD_BYTES: usize = 372;
/// A message with 20 ms of audio towards an agent or a carrier.
const SAID_BYTES: usize = 300;

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let times = arguments.next().and_then(|times| times.parse::<u32>().ok());
    let (Some(mut step), Some(times)) = (step(&what), times) else {
        eprintln!("usage: cost copy|decode|decode-split|decode-from-server|encode|encode-masked TIMES");
        return std::process::ExitCode::FAILURE;
    };
    let mut total = 0;
    for _ in 0..times {
        match step() {
            ControlFlow::Continue(bytes) => total += bytes,
            ControlFlow::Break(()) => return std::process::ExitCode::FAILURE,
        }
    }
    println!("{total} bytes of payload");
    std::process::ExitCode::SUCCESS
}

type Step = Box<dyn FnMut() -> ControlFlow<(), usize>>;

fn step(what: &str) -> Option<Step> {
    let masked = frame(Some([0x37, 0xFA, 0x21, 0x3D]));
    let plain = frame(None);
    let mut scratch = vec![0; 4096];
    Some(match what {
        "copy" => Box::new(move || {
            let bytes = &mut scratch[..masked.len()];
            bytes.copy_from_slice(&masked);
            ControlFlow::Continue(black_box(bytes).len())
        }),
        "decode" => {
            let mut decoder = decoder(Role::Server);
            Box::new(move || {
                let bytes = &mut scratch[..masked.len()];
                bytes.copy_from_slice(&masked);
                decode(&mut decoder, black_box(bytes))
            })
        }
        "decode-split" => {
            let mut decoder = decoder(Role::Server);
            Box::new(move || {
                let bytes = &mut scratch[..masked.len()];
                bytes.copy_from_slice(&masked);
                let (first, second) = black_box(bytes).split_at_mut(200);
                let before = decode(&mut decoder, first)?;
                ControlFlow::Continue(before + decode(&mut decoder, second)?)
            })
        }
        "decode-from-server" => {
            let mut decoder = decoder(Role::Client);
            Box::new(move || {
                let bytes = &mut scratch[..plain.len()];
                bytes.copy_from_slice(&plain);
                decode(&mut decoder, black_box(bytes))
            })
        }
        "encode" | "encode-masked" => {
            let mut masks = (what == "encode-masked").then(|| Masks::new(7));
            let mut outbox = Outbox::new();
            outbox.text_str(&"x".repeat(SAID_BYTES));
            let mut out = Vec::new();
            Box::new(move || {
                out.clear();
                encode(black_box(&outbox), masks.as_mut(), &mut out);
                ControlFlow::Continue(black_box(&out).len())
            })
        }
        _ => return None,
    })
}

fn decoder(role: Role) -> Decoder {
    Decoder::new(role, Limits { message_bytes_max: 64 * 1024 })
}

fn decode(decoder: &mut Decoder, bytes: &mut [u8]) -> ControlFlow<(), usize> {
    let mut total = 0;
    let mut reading = decoder.read(bytes);
    loop {
        match reading.next_event() {
            Ok(Some(Event::Message(Incoming::Text(text)))) => total += black_box(text).len(),
            Ok(None) => return ControlFlow::Continue(total),
            Ok(Some(_)) | Err(_) => return ControlFlow::Break(()),
        }
    }
}

fn frame(mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_text(mask, "y".repeat(HEARD_BYTES).as_bytes(), &mut bytes);
    bytes
}
