//! A call in progress, seen from outside: the same handle, whichever carrier it came by.

use std::sync::Arc;

use audio::Frame;
use tokio::sync::{mpsc, oneshot};

use super::order::Order;
use super::timeline::{CallReport, End, How, Notes, Timeline};

/// A handle on a call. Dropping it does not end the call.
#[derive(Debug)]
pub struct LiveCall {
    pub(super) sid: String,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) report: oneshot::Receiver<CallReport>,
}

impl LiveCall {
    /// The carrier's name for the call.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The timeline, from its beginning; may be asked for any number of times.
    pub fn notes(&self) -> Notes {
        self.timeline.read()
    }

    /// The caller presses keys.
    pub async fn press(&self, digits: &str) {
        self.order(Order::Press(digits.to_owned())).await;
    }

    /// The caller says something, after what is still to be said.
    pub async fn speak(&self, frame: Frame) {
        self.order(Order::Speak(frame)).await;
    }

    pub async fn hang_up(&self) {
        self.order(Order::HangUp).await;
    }

    /// The media socket dies, and the call with it. Without a media socket nothing happens.
    pub async fn kill_socket(&self, how: How) {
        self.order(Order::KillSocket(how)).await;
    }

    /// Opens a second media socket for the same call; audio goes over it from then on.
    pub async fn second_socket(&self) {
        self.order(Order::SecondSocket).await;
    }

    /// Sends any text on the media socket, however wrong.
    pub async fn send_text(&self, text: impl Into<String>) {
        self.order(Order::SendText(text.into())).await;
    }

    /// Sends any bytes on the media socket, as a binary message.
    pub async fn send_binary(&self, bytes: Vec<u8>) {
        self.order(Order::SendBinary(bytes)).await;
    }

    /// Waits for the end of the call.
    pub async fn finished(self) -> CallReport {
        if let Ok(report) = self.report.await {
            return report;
        }
        // The emulator was dropped under the call.
        let (timeline, notes_dropped) = self.timeline.copy();
        CallReport { timeline, notes_dropped, ..CallReport::nothing(&self.sid, End::ShutDown) }
    }

    async fn order(&self, order: Order) {
        // A call that is over takes no orders.
        let _ = self.orders.send(order).await;
    }
}
