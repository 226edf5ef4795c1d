//! A call in progress, seen from outside.

use std::sync::Arc;

use audio::{Frame, Rate};
use tokio::sync::oneshot;

use super::call::{CallState, Order};
use super::timeline::{CallReport, End, How, MediaSums, Notes, Timeline};

/// A handle on a call. Dropping it does not end the call.
#[derive(Debug)]
pub struct LiveCall {
    pub(super) state: Arc<CallState>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) report: oneshot::Receiver<CallReport>,
}

impl LiveCall {
    pub fn sid(&self) -> &str {
        &self.state.sid
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

    /// Waits for the end of the call.
    pub async fn finished(self) -> CallReport {
        if let Ok(report) = self.report.await {
            return report;
        }
        // The emulator was dropped under the call.
        let (timeline, notes_dropped) = self.timeline.copy();
        CallReport {
            call_sid: self.state.sid.clone(),
            stream_sids: Vec::new(),
            heard: Frame::new(Rate::Hz8000, Vec::new()),
            spoken: Frame::new(Rate::Hz8000, Vec::new()),
            media: MediaSums::default(),
            timeline,
            notes_dropped,
            warnings: Vec::new(),
            verbs: Vec::new(),
            end: End::ShutDown,
        }
    }

    async fn order(&self, order: Order) {
        // A call that is over takes no orders.
        let _ = self.state.orders.send(order).await;
    }
}
