//! One function for each thing that reads what comes from outside. None may panic, hang, or grow without bound.

use std::ops::ControlFlow;
use std::time::Duration;

use agents::elevenlabs;
use audio::Rate;
use carriers::{Upgrade, browser, exotel, mcube, plivo, twilio};
use wire::websocket::{ClientHandshake, ClientRequest, Decoder, Limits, Role};
use wire::{Incoming, Outbox, Reply};

/// A target and the folders with documents to start from.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: &'static [&'static str],
}

pub const TARGETS: &[Target] = &[
    Target { name: "twilio_leg", run: twilio_leg, seeds: &["crates/carriers/fixtures/twilio"] },
    Target { name: "plivo_leg", run: plivo_leg, seeds: &["crates/carriers/fixtures/plivo"] },
    Target { name: "exotel_leg", run: exotel_leg, seeds: &["crates/carriers/fixtures/exotel"] },
    Target {
        name: "exotel_webhook",
        run: exotel_webhook,
        seeds: &["crates/carriers/fixtures/exotel/webhooks", "crates/carriers/fixtures/exotel/rest"],
    },
    Target { name: "browser_leg", run: browser_leg, seeds: &["crates/carriers/fixtures/browser"] },
    Target { name: "mcube_leg", run: mcube_leg, seeds: &["crates/carriers/fixtures/mcube"] },
    Target { name: "mcube_webhook", run: mcube_webhook, seeds: &["crates/carriers/fixtures/mcube"] },
    Target { name: "elevenlabs_leg", run: elevenlabs_leg, seeds: &["crates/agents/fixtures/elevenlabs"] },
    Target {
        name: "elevenlabs_replies",
        run: elevenlabs_replies,
        seeds: &["crates/agents/fixtures/elevenlabs"],
    },
    Target { name: "twilio_webhook", run: twilio_webhook, seeds: &["fuzz/seeds/twilio_webhook"] },
    Target { name: "plivo_webhook", run: plivo_webhook, seeds: &["crates/carriers/fixtures/plivo"] },
    Target {
        name: "websocket_server",
        run: |bytes| websocket(Role::Server, bytes),
        seeds: &["fuzz/seeds/websocket"],
    },
    Target {
        name: "websocket_client",
        run: |bytes| websocket(Role::Client, bytes),
        seeds: &["fuzz/seeds/websocket"],
    },
    Target { name: "client_handshake", run: client_handshake, seeds: &["fuzz/seeds/handshake"] },
    Target { name: "wav", run: wav, seeds: &["crates/lab/assets"] },
    Target { name: "adpcm", run: adpcm, seeds: &["crates/agents/assets/demo"] },
    Target { name: "sound", run: sound, seeds: &["crates/lab/assets"] },
];

/// A line each is a message; text when it is UTF-8.
fn messages(bytes: &[u8], mut each: impl FnMut(Incoming<'_>)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(text) => each(Incoming::Text(text)),
            Err(_) => each(Incoming::Binary(line)),
        }
    }
}

fn twilio_leg(bytes: &[u8]) {
    let mut leg = twilio::Leg::new();
    let mut events = Vec::new();
    messages(bytes, |incoming| leg.read(incoming, &mut events));
    assert!(events.len() <= 4 * (1 + bytes.len()));
}

fn plivo_leg(bytes: &[u8]) {
    let mut leg = plivo::Leg::new(Upgrade::default());
    let mut events = Vec::new();
    messages(bytes, |incoming| leg.read(incoming, &mut events));
    assert!(events.len() <= 4 * (1 + bytes.len()));
}

fn exotel_leg(bytes: &[u8]) {
    let mut leg = exotel::Leg::new(Upgrade::default(), exotel::Settings::default());
    let mut events = Vec::new();
    messages(bytes, |incoming| leg.read(incoming, &mut events));
    assert!(events.len() <= 4 * (1 + bytes.len()));
}

/// Questions and reports in every language they come in, and answers to requests.
fn exotel_webhook(bytes: &[u8]) {
    use exotel::webhook::{ConnectRequest, Params, Passthru, StatusReport, params_of_json};
    let forms = [
        exotel::multipart::read("multipart/form-data; boundary=b0undary", bytes).ok(),
        Params::from_form(bytes).ok(),
        params_of_json(bytes),
    ];
    for params in forms.into_iter().flatten() {
        let _ = ConnectRequest::read(&params);
        let _ = StatusReport::read(&params);
        let _ = Passthru::read(&params);
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    let _ = exotel::multipart::read(&text, bytes);
    let _ = exotel::rate_of(&text);
    let reply = Reply { status: 200, body: text, retry_after_s: None };
    let _ = exotel::call_control::read_originate(&reply);
    let _ = exotel::call_control::read_active_streams(&reply);
    let _ = exotel::call_control::read_leg(&reply);
}

fn browser_leg(bytes: &[u8]) {
    let mut leg = browser::Leg::new();
    let mut events = Vec::new();
    messages(bytes, |incoming| leg.read(incoming, &mut events));
}

fn mcube_leg(bytes: &[u8]) {
    let mut leg = mcube::Leg::new(Upgrade::default(), mcube::Settings::default());
    let mut events = Vec::new();
    messages(bytes, |incoming| leg.read(incoming, &mut events));
    assert!(events.len() <= 4 * (1 + bytes.len()));
}

fn mcube_webhook(bytes: &[u8]) {
    if let Ok(webhook) = mcube::webhook::Webhook::from_json(bytes) {
        assert!(mcube::webhook::is_id(&webhook.call_id));
        let _ = (webhook.stage(), webhook.words());
    }
    for status in [200, 401, 429, 500] {
        let reply = Reply { status, body: String::from_utf8_lossy(bytes).into_owned(), retry_after_s: None };
        let _ = mcube::call_control::read_originate(&reply);
    }
}

fn elevenlabs_leg(bytes: &[u8]) {
    let mut leg = elevenlabs::Leg::new(elevenlabs::LegPlan {
        initiation: elevenlabs::Initiation::default(),
        caller_rate: Rate::Hz8000,
        batch: Duration::from_millis(40),
        resume: None,
        first_message_override_allowed: false,
    });
    let (mut events, mut outbox) = (Vec::new(), Outbox::new());
    leg.open(&mut outbox);
    messages(bytes, |incoming| leg.read(incoming, &mut events, &mut outbox));
    let _ = leg.closed(Some(1002), &String::from_utf8_lossy(bytes));
}

fn elevenlabs_replies(bytes: &[u8]) {
    let body = String::from_utf8_lossy(bytes);
    for status in [200, 400, 401, 403, 404, 422, 429, 500] {
        let _ = elevenlabs::Leg::refused(status, &body, None);
    }
}

fn twilio_webhook(bytes: &[u8]) {
    if let Ok(params) = twilio::webhook::Params::from_form(bytes) {
        let _ = twilio::webhook::InboundCall::read(&params);
        let _ = twilio::webhook::CallStatusReport::read(&params);
        let _ = twilio::webhook::StreamStatusReport::read(&params);
        let _ = twilio::webhook::DialReport::read(&params);
    }
    let reply = Reply { status: 400, body: String::from_utf8_lossy(bytes).into_owned(), retry_after_s: None };
    let _ = twilio::call_control::read_update(&reply);
    let _ = twilio::call_control::read_originate(&reply);
}

fn plivo_webhook(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(params) = plivo::webhook::Params::from_form(line) {
            let _ = plivo::webhook::CallReport::read(&params);
            let _ = plivo::webhook::StreamReport::read(&params);
        }
    }
    let body = String::from_utf8_lossy(bytes);
    for status in [200, 201, 202, 204, 400, 401, 404, 429, 500] {
        let reply = Reply { status, body: body.clone().into_owned(), retry_after_s: None };
        let _ = plivo::call_control::read_update(&reply);
        let _ = plivo::call_control::read_originate(&reply);
        let _ = plivo::call_control::read_stream(&reply);
        let _ = plivo::call_control::read_account(&reply);
    }
    let token = [wire::Secret::new("token")];
    let shown = plivo::signature::Shown { v3: Some(&body), v3_nonce: Some(&body), ..Default::default() };
    let params = plivo::webhook::Params::default();
    let accepted = plivo::signature::Accepted::V3OrV2;
    assert!(plivo::signature::verify(&token, &body, &params, &shown, accepted).is_err());
}

fn websocket(role: Role, bytes: &[u8]) {
    const MESSAGE_BYTES_MAX: usize = 4096;
    let mut decoder = Decoder::new(role, Limits { message_bytes_max: MESSAGE_BYTES_MAX });
    // The first byte says how the rest is cut into reads.
    let cut = usize::from(bytes.first().copied().unwrap_or(1)).max(1);
    for piece in bytes.chunks(cut) {
        let mut piece = piece.to_vec();
        let mut reading = decoder.read(&mut piece);
        let ended = loop {
            match reading.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => break ControlFlow::Continue(()),
                Err(_) => break ControlFlow::Break(()),
            }
        };
        drop(reading);
        assert!(decoder.buffered_bytes() <= 4 * MESSAGE_BYTES_MAX + 1024);
        if ended.is_break() {
            return;
        }
    }
}

fn client_handshake(bytes: &[u8]) {
    let request = ClientRequest {
        host: "example.com",
        port: None,
        path_and_query: "/",
        key: [7; 16],
        headers: &[],
        protocol: None,
    };
    let mut handshake = ClientHandshake::new(&request);
    for piece in bytes.chunks(61) {
        if handshake.read(piece).is_err() {
            return;
        }
    }
    let _ = handshake.end();
}

fn wav(bytes: &[u8]) {
    if let Ok(frame) = audio::wav::read(bytes) {
        assert!(frame.samples.len() <= bytes.len() + 1);
    }
}

fn adpcm(bytes: &[u8]) {
    let _ = audio::adpcm::decode(bytes);
}

/// Whatever the sound, the detectors live.
fn sound(bytes: &[u8]) {
    let samples: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let mut speech = audio::vad::Detector::new(Rate::Hz8000);
    let mut digits = audio::dtmf::Detector::new(Rate::Hz8000);
    let mut up = audio::resample::Resampler::new(Rate::Hz8000, Rate::Hz24000);
    let mut out = Vec::new();
    for piece in samples.chunks(173) {
        let activity = speech.push(piece);
        assert!((0.0..=1.0).contains(&activity.score), "{activity:?}");
        let _ = digits.push(piece);
        up.process(piece, &mut out);
    }
    assert_eq!(out.len(), samples.len() * 3);
}
