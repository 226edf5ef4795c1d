//! The caller's end of one call: lives on the line's clock, obeys orders, keeps the books.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use audio::{Frame, Rate};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::line::Line;
use super::live::LiveCall;
use super::order::{Leave, Order};
use super::people::{DialOutcome, Dialling};
use super::sound::Recording;
use super::timeline::{CallReport, End, Happening, MediaSums, Timeline};
use crate::caller::{Caller, Tick};
use crate::hearing::Change;
use crate::net::Life;
use crate::sound::{TICK, TICK_SAMPLES};

/// Pieces whose size is written down: as many as there are notes.
const PIECES_MAX: usize = 200_000;

/// What one call needs, whichever carrier it comes by.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) call_sid: String,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) line: Line,
    pub(crate) media: MediaSums,
    pub(crate) stream_sids: Vec<String>,
    pub(crate) verbs: Vec<String>,
    pub(super) recording: Recording,
    pub(super) pieces: Vec<usize>,
    pub(super) digits: String,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) life: Life,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Kept so that the queue outlives every handle: a call nobody watches goes on.
    orderer: mpsc::Sender<Order>,
    report: oneshot::Sender<CallReport>,
}

impl Phone {
    pub(crate) fn new(
        call_sid: String,
        caller: Caller,
        tls: &Arc<rustls::ClientConfig>,
        life: &Life,
    ) -> (Phone, LiveCall) {
        // Orders come from a test or through the carrier's API, a handful per call.
        let (orderer, orders) = mpsc::channel(64);
        let (sender, report) = oneshot::channel();
        let timeline = Timeline::start();
        let live = LiveCall {
            sid: call_sid.clone(),
            orders: orderer.clone(),
            timeline: Arc::clone(&timeline),
            report,
        };
        let phone = Phone {
            call_sid,
            timeline,
            line: Line::new(caller),
            media: MediaSums::default(),
            stream_sids: Vec::new(),
            verbs: Vec::new(),
            recording: Recording::default(),
            pieces: Vec::new(),
            digits: String::new(),
            tls: Arc::clone(tls),
            life: life.clone(),
            orders,
            orderer,
            report: sender,
        };
        (phone, live)
    }

    /// Where the carrier's API gives its orders.
    pub(crate) fn orderer(&self) -> mpsc::Sender<Order> {
        self.orderer.clone()
    }

    pub(crate) fn note(&self, what: Happening) {
        self.timeline.note(what);
    }

    /// Keeps the line going while `work` is under way.
    pub(crate) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Leave> {
        let mut work = pin!(work);
        let over = self.life.over.clone();
        loop {
            let order = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = over.cancelled() => return Err(Leave::End(End::ShutDown)),
                order = self.orders.recv() => order,
                () = sleep_until(self.line.next_tick()), if self.line.is_up() => {
                    self.tick(&[])?;
                    continue;
                }
            };
            self.take_order(order)?;
        }
    }

    /// Lives through `length` of the call, with this in the caller's ear.
    pub(crate) async fn listen(&mut self, sound: &[i16], length: Duration) -> Result<(), Leave> {
        let ticks = length.as_millis().div_ceil(TICK.as_millis());
        let over = self.life.over.clone();
        let mut pieces = sound.chunks(TICK_SAMPLES);
        let mut lived = 0;
        while lived < ticks {
            let order = tokio::select! {
                biased;
                () = over.cancelled() => return Err(Leave::End(End::ShutDown)),
                order = self.orders.recv() => order,
                () = sleep_until(self.line.next_tick()) => {
                    self.tick(pieces.next().unwrap_or(&[]))?;
                    lived += 1;
                    continue;
                }
            };
            self.take_order(order)?;
        }
        Ok(())
    }

    /// Keys, pressed towards the caller on the gateway's behalf.
    pub(crate) fn play_digits(&mut self, digits: &str) {
        self.line.play_digits(digits);
        // A gateway that sends digits without end is only noted.
        if self.digits.len() < PIECES_MAX {
            self.digits.push_str(digits);
        }
        self.note(Happening::DigitsPlayed { digits: digits.to_owned() });
    }

    pub(crate) fn play_digits_if_any(&mut self, digits: &str) {
        if !digits.is_empty() {
            self.play_digits(digits);
        }
    }

    /// Somebody else is called, and perhaps talked to. The time talked, if the call was taken.
    pub(crate) async fn dial(
        &mut self,
        numbers: Vec<String>,
        dialling: &Dialling,
        timeout: Duration,
        limit: Option<Duration>,
    ) -> Result<(DialOutcome, Duration), Leave> {
        let mut outcome = dialling.outcome;
        if outcome != DialOutcome::Failed && dialling.rings_for > timeout {
            outcome = DialOutcome::NoAnswer;
        }
        let rings = match outcome {
            DialOutcome::NoAnswer => timeout,
            DialOutcome::Completed | DialOutcome::Busy | DialOutcome::Failed => {
                dialling.rings_for.min(timeout)
            }
        };
        self.listen(&[], rings).await?;
        let talked = match outcome {
            DialOutcome::Completed => limit.map_or(dialling.talks_for, |limit| dialling.talks_for.min(limit)),
            DialOutcome::Busy | DialOutcome::NoAnswer | DialOutcome::Failed => Duration::ZERO,
        };
        self.note(Happening::Dialled { numbers, outcome: outcome.status().into() });
        self.listen(&[], talked).await?;
        Ok((outcome, talked))
    }

    /// One tick outside of a media stream.
    fn tick(&mut self, sound: &[i16]) -> Result<(), Leave> {
        let tick = self.line.tick(sound);
        self.note_caller(&tick);
        if tick.hangs_up { Err(Leave::End(End::CallerHungUp)) } else { Ok(()) }
    }

    pub(super) fn note_caller(&self, tick: &Tick) {
        match tick.noticed {
            Some(Change::Started) => self.note(Happening::AgentSpeechBegan),
            Some(Change::Stopped) => self.note(Happening::AgentSpeechEnded),
            None => {}
        }
        if tick.began_speaking {
            self.note(Happening::CallerSpeaks);
        }
        if let Some(digit) = tick.pressed {
            self.note(Happening::CallerPressed { digit });
        }
        if tick.lost_patience {
            self.note(Happening::CallerLostPatience);
        }
    }

    pub(super) fn count_piece(&mut self, bytes: usize) {
        if self.pieces.len() < PIECES_MAX {
            self.pieces.push(bytes);
        }
    }

    /// An order where no media stream is open.
    pub(super) fn take_order(&mut self, order: Option<Order>) -> Result<(), Leave> {
        match order {
            Some(Order::Press(digits)) => self.line.caller.press(&digits),
            Some(Order::Speak(frame)) => self.line.caller.speak(&frame),
            Some(Order::PlayDigits(digits)) => self.play_digits(&digits),
            Some(Order::HangUp) => return Err(Leave::End(End::CallerHungUp)),
            Some(Order::Complete) => return Err(Leave::End(End::CompletedByRest)),
            Some(Order::Cancel) if !self.line.is_up() => return Err(Leave::End(End::Canceled)),
            Some(Order::Replace(source)) => {
                self.note(Happening::Redirected);
                return Err(Leave::Goto(source));
            }
            // These need a socket.
            Some(
                Order::KillSocket(_)
                | Order::SecondSocket
                | Order::SendText(_)
                | Order::SendBinary(_)
                | Order::StopStream
                | Order::Cancel,
            ) => {}
            // This call holds a sender itself.
            None => return Err(Leave::End(End::ShutDown)),
        }
        Ok(())
    }

    /// Closes the books. Callbacks must have been sent by now: they are part of the story.
    pub(crate) fn over(self, end: End) {
        self.timeline.end(end.clone());
        let (timeline, notes_dropped) = self.timeline.copy();
        let warnings = timeline.iter().filter_map(|note| match &note.what {
            Happening::Warned(warning) => Some(warning.clone()),
            _ => None,
        });
        let report = CallReport {
            call_sid: self.call_sid,
            stream_sids: self.stream_sids,
            heard: Frame::new(Rate::Hz8000, self.line.heard),
            spoken: Frame::new(Rate::Hz8000, self.line.spoken),
            media: self.media,
            warnings: warnings.collect(),
            timeline,
            notes_dropped,
            verbs: self.verbs,
            stream_heard: self.recording.into_frame(),
            pieces: self.pieces,
            digits: self.digits,
            end,
        };
        // Nobody may be waiting for it.
        let _ = self.report.send(report);
    }
}
