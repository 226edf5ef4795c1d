//! The phone side of a call: a carrier's leg and its media socket.

use std::task::{Context, Poll};

use call::{
    CallId, CarrierCapabilities, CarrierCommand, CarrierDeparture, CarrierEvent, ControlOutcome, EndCause,
};
use carriers::{Control, Obeyed, browser, exotel, mcube, plivo, twilio};
use wire::Incoming;

use crate::media::{Gone, Heard, Socket};

/// The legs of all carriers whose media comes over a WebSocket.
#[derive(Debug)]
pub enum CarrierLeg {
    Twilio(twilio::Leg),
    Plivo(plivo::Leg),
    Exotel(exotel::Leg),
    Mcube(mcube::Leg),
    Browser(browser::Leg),
}

impl CarrierLeg {
    pub fn capabilities(&self) -> CarrierCapabilities {
        match self {
            CarrierLeg::Twilio(_) => twilio::CAPABILITIES,
            CarrierLeg::Plivo(leg) => leg.capabilities(),
            CarrierLeg::Exotel(leg) => leg.capabilities(),
            CarrierLeg::Mcube(leg) => leg.capabilities(),
            CarrierLeg::Browser(_) => browser::CAPABILITIES,
        }
    }

    fn read(&mut self, incoming: Incoming<'_>, events: &mut Vec<CarrierEvent>) {
        match self {
            CarrierLeg::Twilio(leg) => leg.read(incoming, events),
            CarrierLeg::Plivo(leg) => leg.read(incoming, events),
            CarrierLeg::Exotel(leg) => leg.read(incoming, events),
            CarrierLeg::Mcube(leg) => leg.read(incoming, events),
            CarrierLeg::Browser(leg) => leg.read(incoming, events),
        }
    }
}

/// What became of an order that ends or hands over the phone call.
#[derive(Debug)]
pub enum Asked {
    /// The carrier's own service must be asked.
    Control(Control),
    Done(ControlOutcome),
}

#[derive(Debug)]
pub struct CarrierSide {
    leg: CarrierLeg,
    socket: Socket,
    left: bool,
}

impl CarrierSide {
    pub fn new(leg: CarrierLeg, socket: Socket) -> CarrierSide {
        CarrierSide { leg, socket, left: false }
    }

    pub fn capabilities(&self) -> CarrierCapabilities {
        self.leg.capabilities()
    }

    /// The number of the carrier's last message, where somebody may want to know it.
    pub fn sequence_number(&self) -> Option<u64> {
        match &self.leg {
            CarrierLeg::Exotel(leg) => leg.sequence_number(),
            CarrierLeg::Twilio(_) | CarrierLeg::Plivo(_) | CarrierLeg::Mcube(_) | CarrierLeg::Browser(_) => {
                None
            }
        }
    }

    /// Takes bytes that came with the upgrade.
    pub fn read_early(&mut self, bytes: &mut [u8], events: &mut Vec<CarrierEvent>) {
        let (leg, left) = (&mut self.leg, &mut self.left);
        self.socket.read_early(bytes, &mut |heard| hear(leg, left, heard, events));
    }

    /// What the phone side says. `Ready` when there is something new.
    pub fn poll_events(&mut self, cx: &mut Context<'_>, events: &mut Vec<CarrierEvent>) -> Poll<()> {
        if self.left {
            return Poll::Pending;
        }
        let (leg, left) = (&mut self.leg, &mut self.left);
        let heard = self.socket.poll_hear(cx, &mut |heard| hear(leg, left, heard, events));
        if !self.left
            && let Poll::Ready(Err(gone)) = self.socket.poll_flush(cx)
        {
            self.left = true;
            events.push(CarrierEvent::Left(departure(gone)));
            return Poll::Ready(());
        }
        heard
    }

    /// Does what the call asks; hands back what needs the carrier's own service, or how an order was carried out.
    pub fn obey(&mut self, command: &CarrierCommand) -> Option<Asked> {
        let outbox = &mut self.socket.outbox;
        let obeyed = match &mut self.leg {
            CarrierLeg::Twilio(leg) => leg.write(command, outbox),
            CarrierLeg::Plivo(leg) => leg.write(command, outbox),
            CarrierLeg::Exotel(leg) => leg.write(command, outbox),
            CarrierLeg::Mcube(leg) => leg.write(command, outbox),
            CarrierLeg::Browser(leg) => leg.write(command, outbox),
        };
        if let CarrierCommand::Close = command {
            // After the leg has had its last word.
            self.socket.close(1000, "");
        }
        match (obeyed, command) {
            (Obeyed::ByControl(control), _) => Some(Asked::Control(control)),
            // Where the socket itself carries these orders, carrying them is all there is.
            (Obeyed::Done, CarrierCommand::HangUp) => Some(Asked::Done(ControlOutcome::HungUp)),
            (Obeyed::Done, CarrierCommand::Transfer { .. }) => Some(Asked::Done(ControlOutcome::Transferred)),
            // Its leaving is the answer.
            (Obeyed::Underway, _) => None,
            (Obeyed::Done, _) => None,
        }
    }

    /// Greets a peer that wants to know under which name its call goes.
    pub fn welcome(&mut self, call: CallId) {
        match &mut self.leg {
            CarrierLeg::Twilio(_) | CarrierLeg::Plivo(_) | CarrierLeg::Exotel(_) | CarrierLeg::Mcube(_) => {}
            CarrierLeg::Browser(leg) => leg.ready(call, &mut self.socket.outbox),
        }
    }

    /// Tells a peer that wants to know why its call is over.
    pub fn farewell(&mut self, end: &EndCause) {
        match &mut self.leg {
            CarrierLeg::Twilio(_) | CarrierLeg::Plivo(_) | CarrierLeg::Exotel(_) | CarrierLeg::Mcube(_) => {}
            CarrierLeg::Browser(leg) => leg.goodbye(end.name(), &mut self.socket.outbox),
        }
    }

    pub fn close(&mut self, code: u16, reason: &str) {
        self.socket.close(code, reason);
    }

    /// Writes what is left, as far as the peer takes it, and shuts the connection down.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.socket.poll_flush(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) => self.socket.poll_shutdown(cx),
        }
    }
}

fn hear(leg: &mut CarrierLeg, left: &mut bool, heard: Heard<'_>, events: &mut Vec<CarrierEvent>) {
    if *left {
        return;
    }
    match heard {
        Heard::Message(incoming) => {
            let before = events.len();
            leg.read(incoming, events);
            *left = events[before..].iter().any(|event| matches!(event, CarrierEvent::Left(_)));
        }
        Heard::Gone(gone) => {
            *left = true;
            events.push(CarrierEvent::Left(departure(gone)));
        }
    }
}

fn departure(gone: Gone) -> CarrierDeparture {
    match gone {
        Gone::Closed { code, .. } => CarrierDeparture::SocketClosed { code },
        Gone::Broke { what, .. } => {
            CarrierDeparture::SocketFailed { detail: format!("not WebSocket: {what}") }
        }
        Gone::Lost { detail } => CarrierDeparture::SocketFailed { detail },
        Gone::NotReading => CarrierDeparture::StoppedReading,
    }
}
