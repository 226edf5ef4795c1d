//! One caller: a media stream with a voice.

use std::io::Write as _;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::{GeneralPurposeConfig, Simd};
use mio::{Registry, Token};

use super::super::agent::decimal;
use super::super::link::{Link, LinkError, Outbox};
use super::super::scan;
use super::super::stamp::FRAME_BYTES;
use super::super::voice::{Voice, Voices};
use super::ear::{Ear, Shout};
use super::{Talk, Tally, Wire};

/// A shout lasts 600 ms.
const SHOUT_FRAMES: u32 = 30;
/// After this long a shout that silenced nobody has failed.
const SHOUT_PATIENCE_US: u64 = 2_000_000;

/// Working space shared by all callers.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) voices: Voices,
    pub(super) scratch: Box<[u8]>,
    pub(super) frame: Vec<u8>,
    sound: Vec<u8>,
    base64: Simd,
    text: Vec<u8>,
    payload: [u8; PAYLOAD_BYTES],
}

/// Base64 of a frame.
const PAYLOAD_BYTES: usize = FRAME_BYTES.div_ceil(3) * 4;

impl Desk {
    pub(super) fn new(voices: Voices, scratch: Box<[u8]>) -> Desk {
        Desk {
            voices,
            scratch,
            frame: Vec::with_capacity(4096),
            sound: Vec::with_capacity(16 * 1024),
            base64: Simd::standard(GeneralPurposeConfig::new()),
            text: Vec::with_capacity(1024),
            payload: [0; PAYLOAD_BYTES],
        }
    }
}

/// Who a caller is on the wire.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) number: u16,
    pub(super) account_sid: String,
    pub(super) call_sid: String,
    pub(super) stream_sid: String,
    pub(super) parameters: Vec<(String, String)>,
}

impl Identity {
    pub(super) fn new(number: u16, account_sid: &str) -> Identity {
        let hex = format!("{number:032x}");
        Identity {
            number,
            account_sid: account_sid.to_owned(),
            call_sid: format!("CA{hex}"),
            stream_sid: format!("MZ{hex}"),
            parameters: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Caller {
    identity: Identity,
    wire: Wire,
    link: Link,
    pub(super) ear: Ear,
    /// Set when the greeting messages have gone.
    started_us: Option<u64>,
    messages: u64,
    chunks: u64,
    shouts_at_us: u64,
}

impl Caller {
    pub(super) fn dial(
        identity: Identity,
        wire: Wire,
        address: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
        registry: &Registry,
    ) -> std::io::Result<Caller> {
        let token = Token(usize::from(identity.number));
        let link = Link::dial(address, target, headers, u32::from(identity.number) + 1, registry, token)?;
        let ear = Ear::new(identity.number);
        Ok(Caller {
            identity,
            wire,
            link,
            ear,
            started_us: None,
            messages: 0,
            chunks: 0,
            shouts_at_us: u64::MAX,
        })
    }

    pub(super) fn begin_window(&mut self, now_us: u64, talk: Talk, calls: usize) {
        self.ear.begin_window();
        if let Talk::Interrupt { every_ms } = talk {
            // Spread, so that interruptions do not meet.
            let number = u64::from(self.identity.number);
            self.shouts_at_us = now_us + every_ms * 1_000 * (number + 1) / calls.max(1) as u64;
        }
    }

    pub(super) fn end_window(&mut self) {
        self.ear.end_window();
        self.shouts_at_us = u64::MAX;
    }

    /// The caller's turn, every 20 ms: marks that have been reached, then the next frame, in one write.
    pub(super) fn speak(
        &mut self,
        now_us: u64,
        talk: Talk,
        desk: &mut Desk,
        tally: &mut Tally,
    ) -> Result<bool, LinkError> {
        if !self.link.is_open() {
            return Ok(false);
        }
        desk.frame.clear();
        if self.started_us.is_none() {
            self.started_us = Some(now_us);
            self.greet(desk);
        }
        self.echo_reached_marks(now_us, desk, tally);
        let voice = self.voice(now_us, talk, tally);
        let mut sound = [0; FRAME_BYTES];
        self.ear.next_stamp(now_us).write(&desk.voices, voice, &mut sound);
        self.push_frame(now_us, &sound, desk);
        self.link.out.send(&desk.frame)?;
        Ok(true)
    }

    /// Reads everything that is ready.
    pub(super) fn hear(
        &mut self,
        ended: bool,
        desk: &mut Desk,
        tally: &mut Tally,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), LinkError> {
        let Desk { scratch, frame, sound, base64, .. } = desk;
        let Caller { link, wire, ear, identity, messages, .. } = self;
        let key: &[u8] = match wire {
            Wire::Carrier => b"\"payload\"",
            Wire::Agent => b"\"audio_base_64\"",
        };
        let heard = link.receive(ended, scratch, |text, out| {
            tally.messages_in += 1;
            let now_us = clock();
            if let Some(payload) = scan::string(text, key) {
                sound.resize(payload.len() / 4 * 3 + 3, 0);
                match base64.decode_slice(payload, sound) {
                    Ok(length) => ear.audio(now_us, &sound[..length], tally),
                    Err(_) => tally.unreadable += 1,
                }
                return Ok(());
            }
            frame.clear();
            match (*wire, scan::string(text, b"\"event\"")) {
                (Wire::Carrier, Some(b"mark")) => match scan::string(text, b"\"name\"") {
                    Some(name) if ear.is_reached(now_us, name, tally) => {
                        tally.marks += 1;
                        push_mark(identity, messages, name, out, frame);
                    }
                    Some(_) => {}
                    None => tally.unreadable += 1,
                },
                (Wire::Carrier, Some(b"clear")) => {
                    for (_, name) in ear.clear(now_us, tally) {
                        tally.marks += 1;
                        push_mark(identity, messages, &name, out, frame);
                    }
                }
                _ => {}
            }
            if frame.is_empty() { Ok(()) } else { out.send(frame) }
        });
        if let Some(quickest_us) = ear.take_quickest_us() {
            tally.transit.record(quickest_us);
        }
        heard
    }

    /// Hangs up.
    pub(super) fn leave(&mut self, desk: &mut Desk) -> Result<(), LinkError> {
        if self.wire == Wire::Carrier && self.started_us.is_some() {
            let Identity { account_sid, call_sid, stream_sid, .. } = &self.identity;
            self.messages += 1;
            let text = format!(
                r#"{{"event":"stop","sequenceNumber":"{}","streamSid":"{stream_sid}","stop":{{"accountSid":"{account_sid}","callSid":"{call_sid}"}}}}"#,
                self.messages
            );
            self.link.out.send_text(&mut desk.frame, &[text.as_bytes()])?;
        }
        self.link.out.close();
        Ok(())
    }

    fn greet(&mut self, desk: &mut Desk) {
        let Caller { identity, link, messages, .. } = self;
        match self.wire {
            Wire::Agent => {
                link.out.push_text(&mut desk.frame, &[b"{\"type\":\"conversation_initiation_client_data\"}"]);
            }
            Wire::Carrier => {
                let connected = br#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
                link.out.push_text(&mut desk.frame, &[connected]);
                *messages += 1;
                let parameters: serde_json::Map<String, serde_json::Value> = identity
                    .parameters
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().into()))
                    .collect();
                let start = serde_json::json!({
                    "event": "start",
                    "sequenceNumber": messages.to_string(),
                    "streamSid": identity.stream_sid,
                    "start": {
                        "accountSid": identity.account_sid,
                        "streamSid": identity.stream_sid,
                        "callSid": identity.call_sid,
                        "tracks": ["inbound"],
                        "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
                        "customParameters": parameters,
                    },
                });
                link.out.push_text(&mut desk.frame, &[start.to_string().as_bytes()]);
            }
        }
    }

    fn push_frame(&mut self, now_us: u64, sound: &[u8; FRAME_BYTES], desk: &mut Desk) {
        let Desk { frame, base64, text, payload, .. } = desk;
        // The buffer is made for exactly this length.
        let length = base64.encode_slice(sound, payload).unwrap_or(0);
        let payload = &payload[..length];
        let out = &mut self.link.out;
        match self.wire {
            Wire::Agent => out.push_text(frame, &[b"{\"user_audio_chunk\":\"", payload, b"\"}"]),
            Wire::Carrier => {
                self.messages += 1;
                self.chunks += 1;
                let timestamp_ms = now_us.saturating_sub(self.started_us.unwrap_or(now_us)) / 1_000;
                text.clear();
                // Writing to memory cannot fail.
                let _ = write!(
                    text,
                    r#"{{"event":"media","sequenceNumber":"{}","streamSid":"{}","media":{{"track":"inbound","chunk":"{}","timestamp":"{timestamp_ms}","payload":""#,
                    self.messages, self.identity.stream_sid, self.chunks,
                );
                out.push_text(frame, &[text, payload, b"\"}}"]);
            }
        }
    }

    fn voice(&mut self, now_us: u64, talk: Talk, tally: &mut Tally) -> Voice {
        match talk {
            Talk::Echo { speaking_percent } => {
                // 37 is coprime to 100: any hundred callers in a row hold the share exactly.
                let lot = u32::from(self.identity.number) * 37 % 100;
                if lot < u32::from(speaking_percent) { Voice::Speech } else { Voice::Quiet }
            }
            Talk::Interrupt { every_ms } => {
                if let Some(shout) = &mut self.ear.shout {
                    if shout.frames_left > 0 {
                        shout.frames_left -= 1;
                        return Voice::Shout;
                    }
                    if shout.is_answered {
                        self.ear.shout = None;
                    } else if now_us > shout.since_us + SHOUT_PATIENCE_US {
                        tally.shouts_unanswered += 1;
                        self.ear.shout = None;
                    }
                    return Voice::Quiet;
                }
                // Only who hears somebody can interrupt.
                if now_us >= self.shouts_at_us && self.ear.is_listening_at(now_us) {
                    self.shouts_at_us = now_us + every_ms * 1_000;
                    tally.shouts += 1;
                    let frames_left = SHOUT_FRAMES - 1;
                    self.ear.shout = Some(Shout { since_us: now_us, frames_left, is_answered: false });
                    return Voice::Shout;
                }
                Voice::Quiet
            }
        }
    }

    /// Twilio returns a mark when everything before it has been played; its clock, too, ticks every 20 ms.
    fn echo_reached_marks(&mut self, now_us: u64, desk: &mut Desk, tally: &mut Tally) {
        while let Some(name) = self.ear.reached_mark(now_us) {
            tally.marks += 1;
            push_mark(&self.identity, &mut self.messages, &name, &mut self.link.out, &mut desk.frame);
        }
    }
}

fn push_mark(identity: &Identity, messages: &mut u64, name: &[u8], out: &mut Outbox, frame: &mut Vec<u8>) {
    *messages += 1;
    let mut digits = [0; 20];
    let sequence = decimal(*messages, &mut digits);
    let parts: [&[u8]; 7] = [
        b"{\"event\":\"mark\",\"sequenceNumber\":\"",
        sequence,
        b"\",\"streamSid\":\"",
        identity.stream_sid.as_bytes(),
        b"\",\"mark\":{\"name\":\"",
        name,
        b"\"}}",
    ];
    out.push_text(frame, &parts);
}
