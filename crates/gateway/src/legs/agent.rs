//! The AI side of a call: away, being dialled, or there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use agents::{demo, elevenlabs};
use call::{AgentCommand, AgentDeparture, AgentEvent};

use crate::media::{Gone, Heard, Socket};

/// An agent that answered.
#[derive(Debug)]
pub enum Dialled {
    Demo(Box<demo::Leg>),
    ElevenLabs { leg: Box<elevenlabs::Leg>, socket: Box<Socket>, early: Vec<u8> },
}

type Dialling = Pin<Box<dyn Future<Output = Result<Dialled, AgentDeparture>> + Send>>;

pub enum AgentSide {
    Away,
    Dialling(Dialling),
    Demo(Box<demo::Leg>),
    ElevenLabs { leg: Box<elevenlabs::Leg>, socket: Box<Socket> },
}

impl std::fmt::Debug for AgentSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AgentSide::Away => "Away",
            AgentSide::Dialling(_) => "Dialling",
            AgentSide::Demo(_) => "Demo",
            AgentSide::ElevenLabs { .. } => "ElevenLabs",
        })
    }
}

impl AgentSide {
    /// What the AI side says. `Ready` when there is something new.
    pub fn poll_events(&mut self, cx: &mut Context<'_>, events: &mut Vec<AgentEvent>) -> Poll<()> {
        match self {
            AgentSide::Away | AgentSide::Demo(_) => Poll::Pending,
            AgentSide::Dialling(dialling) => match dialling.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(dialled)) => {
                    self.answered(dialled, events);
                    // The new socket must be asked once, or nothing wakes this call when it speaks.
                    let _ = self.poll_events(cx, events);
                    Poll::Ready(())
                }
                Poll::Ready(Err(departure)) => {
                    *self = AgentSide::Away;
                    events.push(AgentEvent::Left(departure));
                    Poll::Ready(())
                }
            },
            AgentSide::ElevenLabs { leg, socket } => {
                let mut left = false;
                let mut replies = std::mem::take(&mut socket.outbox);
                let mut heard = socket.poll_hear(cx, &mut |heard| {
                    if !left {
                        left = hear(leg, heard, events, &mut replies);
                    }
                });
                socket.outbox = replies;
                if let (false, Poll::Ready(Err(gone))) = (left, socket.poll_flush(cx)) {
                    left = true;
                    heard = Poll::Ready(());
                    events.push(AgentEvent::Left(departed(leg, gone)));
                }
                if left {
                    // A peer that closed in order waits for our close; one that is gone does not take it, which is fine.
                    socket.close(1000, "");
                    let _ = socket.poll_flush(cx);
                    *self = AgentSide::Away;
                }
                heard
            }
        }
    }

    fn answered(&mut self, dialled: Dialled, events: &mut Vec<AgentEvent>) {
        *self = match dialled {
            Dialled::Demo(mut leg) => {
                leg.open(events);
                AgentSide::Demo(leg)
            }
            Dialled::ElevenLabs { mut leg, mut socket, mut early } => {
                leg.open(&mut socket.outbox);
                let mut replies = std::mem::take(&mut socket.outbox);
                let mut left = false;
                socket.read_early(&mut early, &mut |heard| {
                    if !left {
                        left = hear(&mut leg, heard, events, &mut replies);
                    }
                });
                socket.outbox = replies;
                if left { AgentSide::Away } else { AgentSide::ElevenLabs { leg, socket } }
            }
        };
    }

    /// Does what the call asks. A leg without a socket answers at once.
    pub fn obey(&mut self, command: &AgentCommand, events: &mut Vec<AgentEvent>) {
        match self {
            AgentSide::Away | AgentSide::Dialling(_) => {}
            AgentSide::Demo(leg) => leg.write(command, events),
            AgentSide::ElevenLabs { leg, socket } => leg.write(command, &mut socket.outbox, events),
        }
    }

    /// Dials; whoever was there before is dropped.
    pub fn dial(&mut self, dialling: impl Future<Output = Result<Dialled, AgentDeparture>> + Send + 'static) {
        *self = AgentSide::Dialling(Box::pin(dialling));
    }

    /// Lets the agent go. What is to be closed in order is handed back with its socket.
    pub fn release(&mut self) -> Option<Box<Socket>> {
        match std::mem::replace(self, AgentSide::Away) {
            AgentSide::Away | AgentSide::Dialling(_) | AgentSide::Demo(_) => None,
            AgentSide::ElevenLabs { mut socket, .. } => {
                socket.close(1000, "");
                Some(socket)
            }
        }
    }
}

/// Returns whether the agent has left.
fn hear(
    leg: &mut elevenlabs::Leg,
    heard: Heard<'_>,
    events: &mut Vec<AgentEvent>,
    replies: &mut wire::Outbox,
) -> bool {
    let before = events.len();
    match heard {
        Heard::Message(incoming) => leg.read(incoming, events, replies),
        Heard::Gone(gone) => events.push(AgentEvent::Left(departed(leg, gone))),
    }
    events[before..].iter().any(|event| matches!(event, AgentEvent::Left(_)))
}

fn departed(leg: &elevenlabs::Leg, gone: Gone) -> AgentDeparture {
    match gone {
        Gone::Closed { code, reason } => leg.closed(code, &reason),
        Gone::Broke { what, .. } => leg.closed(None, what),
        Gone::Lost { detail } => leg.closed(None, &detail),
        Gone::NotReading => leg.closed(None, "it stopped reading"),
    }
}
