//! Callbacks of one call: sent one after the other, beside the call, never waited for by it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::timeline::{Happening, Timeline};
use super::web::{Request, Web};

/// Callbacks that may wait; a call has about a dozen.
const WAITING_MAX: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) event: String,
    pub(crate) request: Request,
}

/// Where callbacks are dropped; clones lead to the same queue.
#[derive(Clone, Debug)]
pub(crate) struct CallbackQueue(mpsc::Sender<Callback>);

impl CallbackQueue {
    pub(crate) fn send(&self, callback: Callback) {
        // Full means that nobody answers callbacks; the call goes on.
        let _ = self.0.try_send(callback);
    }
}

#[derive(Debug)]
pub(crate) struct Callbacks {
    queue: CallbackQueue,
    poster: AbortOnDropHandle<()>,
}

impl Callbacks {
    /// `out_of_order`: every two arrive in the wrong order.
    pub(crate) fn start(web: Web, timeline: Arc<Timeline>, out_of_order: bool) -> Callbacks {
        let (queue, mut waiting) = mpsc::channel::<Callback>(WAITING_MAX);
        let poster = tokio::spawn(async move {
            let mut held: Option<Callback> = None;
            while let Some(callback) = waiting.recv().await {
                if out_of_order && held.is_none() {
                    held = Some(callback);
                    continue;
                }
                post(&web, &timeline, callback).await;
                if let Some(earlier) = held.take() {
                    post(&web, &timeline, earlier).await;
                }
            }
            if let Some(last) = held {
                post(&web, &timeline, last).await;
            }
        });
        Callbacks { queue: CallbackQueue(queue), poster: AbortOnDropHandle::new(poster) }
    }

    pub(crate) fn send(&self, callback: Callback) {
        self.queue.send(callback);
    }

    pub(crate) fn queue(&self) -> CallbackQueue {
        self.queue.clone()
    }

    /// Waits until everything is sent. Every clone of the queue must be gone by then.
    pub(crate) async fn finish(self) {
        drop(self.queue);
        let _ = self.poster.await;
    }
}

async fn post(web: &Web, timeline: &Timeline, callback: Callback) {
    let answer = web.ask(&callback.request).await;
    let status = answer.ok().map(|answer| answer.status);
    timeline.note(Happening::CallbackSent { event: callback.event, status });
}
