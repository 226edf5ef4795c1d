//! The bare relay: the floor that the gateway is measured against.
//!
//! It accepts a Twilio media stream, dials an ElevenLabs-like agent, and re-wraps every payload from the one into the
//! other: one read, one write per message, at every event; no logic, no clock, no decision. It is made as well as we
//! know: one thread, edge-triggered polling registered once, messages parsed where they were read, one shared buffer
//! to write from, nothing allocated per message and nothing held per call but the two sockets. What it does not do is
//! gather: no batching of audio, no joining of writes.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::link::{Link, LinkError, Outbox, SCRATCH_BYTES};
use super::scan;
use super::slots::Slots;

/// Above every number that a call's connections can have.
const LISTENER: Token = Token(usize::MAX - 1);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayPlan {
    /// Where the agent listens.
    pub agent: SocketAddr,
    /// Look at the sockets at most once per so many microseconds instead of at every event: shows what gathering saves.
    #[serde(default)]
    pub tick_us: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Relay {
    plan: RelayPlan,
    poll: Poll,
    events: Events,
    listener: TcpListener,
    calls: Slots<Bridge>,
    scratch: Box<[u8]>,
    frame: Vec<u8>,
    woken: Instant,
}

#[derive(Debug)]
struct Bridge {
    carrier: Link,
    /// From the `start` message on.
    agent: Option<Link>,
    stream_sid: Box<[u8]>,
}

impl Relay {
    pub(super) fn bind(plan: &RelayPlan) -> io::Result<(Relay, SocketAddr)> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let relay = Relay {
            plan: plan.clone(),
            poll,
            events: Events::with_capacity(1024),
            listener,
            calls: Slots::new(),
            scratch: vec![0; SCRATCH_BYTES].into(),
            frame: Vec::with_capacity(4096),
            woken: Instant::now(),
        };
        Ok((relay, address))
    }

    /// One wake-up: everything that is ready.
    pub(super) fn turn(&mut self, patience: Option<Duration>) -> io::Result<()> {
        if let Some(tick) = self.plan.tick_us.map(Duration::from_micros) {
            // Absent traffic it waits in the poll below, so an idle relay with a tick is idle.
            thread::sleep(tick.saturating_sub(self.woken.elapsed()));
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, patience);
        self.woken = Instant::now();
        if let Err(error) = polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            if event.token() == LISTENER {
                self.accept()?;
            } else {
                self.serve(event.token(), event.is_read_closed() || event.is_error());
            }
        }
        self.calls.settle();
        self.events = events;
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    let token = Token(self.calls.next() * 2);
                    let carrier = Link::accepted(stream, self.poll.registry(), token)?;
                    self.calls.insert(Bridge { carrier, agent: None, stream_sid: Box::default() });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn serve(&mut self, token: Token, ended: bool) {
        let number = token.0 / 2;
        let Some(call) = self.calls.get_mut(number) else { return };
        let served = if token.0.is_multiple_of(2) {
            call.hear_carrier(number, ended, &mut self.scratch, &mut self.frame, &self.plan, &self.poll)
        } else {
            call.hear_agent(ended, &mut self.scratch, &mut self.frame)
        };
        if served.is_err()
            && let Some(mut call) = self.calls.remove(number)
        {
            call.carrier.out.close();
            if let Some(agent) = &mut call.agent {
                agent.out.close();
            }
        }
    }
}

impl Bridge {
    fn hear_carrier(
        &mut self,
        number: usize,
        ended: bool,
        scratch: &mut [u8],
        frame: &mut Vec<u8>,
        plan: &RelayPlan,
        poll: &Poll,
    ) -> Result<(), LinkError> {
        let Bridge { carrier, agent, stream_sid } = self;
        if !carrier.is_open() {
            let Some(request) = carrier.read_request(scratch)? else { return Ok(()) };
            let Some(key) = request.key else { return Err(LinkError::Ended) };
            carrier.upgrade(&key)?;
        }
        carrier.receive(ended, scratch, |text, _| {
            if let Some(agent) = agent {
                // The agent's link keeps what comes before its handshake is over.
                if let Some(payload) = scan::string(text, b"\"payload\"") {
                    return agent.out.send_text(frame, &[b"{\"user_audio_chunk\":\"", payload, b"\"}"]);
                }
                return match scan::string(text, b"\"event\"") {
                    Some(b"stop") => Err(LinkError::Ended),
                    _ => Ok(()),
                };
            }
            if scan::string(text, b"\"event\"") == Some(b"start") {
                *stream_sid = scan::string(text, b"\"streamSid\"").unwrap_or_default().into();
                let token = Token(number * 2 + 1);
                let target = "/v1/convai/conversation?agent_id=bench";
                let mut link =
                    Link::dial(plan.agent, target, &[], number as u32 + 1, poll.registry(), token)?;
                link.out.send_text(frame, &[b"{\"type\":\"conversation_initiation_client_data\"}"])?;
                *agent = Some(link);
            }
            Ok(())
        })
    }

    fn hear_agent(&mut self, ended: bool, scratch: &mut [u8], frame: &mut Vec<u8>) -> Result<(), LinkError> {
        let Bridge { carrier, agent, stream_sid } = self;
        let Some(agent) = agent else { return Ok(()) };
        agent.receive(ended, scratch, |text, out| rewrap(text, out, &mut carrier.out, stream_sid, frame))
    }
}

/// Agent to carrier.
fn rewrap(
    text: &[u8],
    agent: &mut Outbox,
    carrier: &mut Outbox,
    stream_sid: &[u8],
    frame: &mut Vec<u8>,
) -> Result<(), LinkError> {
    if let Some(payload) = scan::string(text, b"\"audio_base_64\"") {
        let before = b"{\"event\":\"media\",\"streamSid\":\"";
        return carrier
            .send_text(frame, &[before, stream_sid, b"\",\"media\":{\"payload\":\"", payload, b"\"}}"]);
    }
    match scan::string(text, b"\"type\"") {
        Some(b"ping") => {
            let id = scan::number(text, b"\"event_id\"").unwrap_or(0).to_string();
            agent.send_text(frame, &[b"{\"type\":\"pong\",\"event_id\":", id.as_bytes(), b"}"])
        }
        // Translation, not logic: the floor for the time from barge-in to silence.
        Some(b"interruption") => {
            carrier.send_text(frame, &[b"{\"event\":\"clear\",\"streamSid\":\"", stream_sid, b"\"}"])
        }
        _ => Ok(()),
    }
}
