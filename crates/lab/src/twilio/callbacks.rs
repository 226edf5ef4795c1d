//! Status callbacks of one call: posted one after the other, beside the call, never waited for by it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Method;
use super::timeline::{Happening, Timeline};
use super::webhook::Asking;

/// Callbacks that may wait; a call has about a dozen.
const WAITING_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Callback {
    pub(super) event: String,
    pub(super) url: String,
    pub(super) method: Method,
    pub(super) form: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Callbacks {
    queue: mpsc::Sender<Callback>,
    poster: AbortOnDropHandle<()>,
}

impl Callbacks {
    pub(super) fn start(asking: Asking, timeline: Arc<Timeline>, out_of_order: bool) -> Callbacks {
        let (queue, mut waiting) = mpsc::channel::<Callback>(WAITING_MAX);
        let poster = tokio::spawn(async move {
            let mut held: Option<Callback> = None;
            while let Some(callback) = waiting.recv().await {
                if out_of_order && held.is_none() {
                    held = Some(callback);
                    continue;
                }
                post(&asking, &timeline, callback).await;
                if let Some(earlier) = held.take() {
                    post(&asking, &timeline, earlier).await;
                }
            }
            if let Some(last) = held {
                post(&asking, &timeline, last).await;
            }
        });
        Callbacks { queue, poster: AbortOnDropHandle::new(poster) }
    }

    pub(super) fn send(&self, callback: Callback) {
        // Full means that nobody answers callbacks; the call goes on.
        let _ = self.queue.try_send(callback);
    }

    /// Waits until everything is posted.
    pub(super) async fn finish(self) {
        drop(self.queue);
        let _ = self.poster.await;
    }
}

async fn post(asking: &Asking, timeline: &Timeline, callback: Callback) {
    let answer = asking.ask(callback.method, &callback.url, &callback.form).await;
    let status = answer.ok().map(|answer| answer.status);
    timeline.note(Happening::CallbackSent { event: callback.event, status });
}
