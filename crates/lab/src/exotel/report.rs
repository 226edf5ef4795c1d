//! Reports of one call to the gateway: sent one after the other, beside the call, again if they are not taken.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Network, StatusCallback};
use crate::phone::web::Request;
use crate::phone::{Happening, Timeline};

/// Reports that may wait; a call has about half a dozen.
const WAITING_MAX: usize = 256;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Report {
    event: String,
    request: Request,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Whatever the answer.
    Once,
    /// Until it is answered with 200, three times at most; `twice` sends what was taken once more.
    Status { twice: bool, out_of_order: bool },
    /// The event of a leg: within a second, and only some failures are worth another attempt.
    Leg { event_sid: String },
}

impl Report {
    pub(super) fn once(event: &str, request: Request) -> Report {
        Report { event: event.to_owned(), request, kind: Kind::Once }
    }

    pub(super) fn of_status(event: &str, request: Request, callback: &StatusCallback) -> Report {
        let kind = Kind::Status { twice: callback.twice, out_of_order: callback.out_of_order };
        Report { event: event.to_owned(), request, kind }
    }

    pub(super) fn of_leg(event: &str, event_sid: &str, request: Request) -> Report {
        Report { event: event.to_owned(), request, kind: Kind::Leg { event_sid: event_sid.to_owned() } }
    }
}

#[derive(Debug)]
pub(super) struct Reports {
    queue: mpsc::Sender<Report>,
    sender: AbortOnDropHandle<()>,
}

impl Reports {
    pub(super) fn start(network: &Arc<Network>, timeline: Arc<Timeline>) -> Reports {
        let (queue, mut waiting) = mpsc::channel::<Report>(WAITING_MAX);
        let network = Arc::clone(network);
        let sender = tokio::spawn(async move {
            let mut held: Option<Report> = None;
            while let Some(report) = waiting.recv().await {
                if matches!(report.kind, Kind::Status { out_of_order: true, .. }) && held.is_none() {
                    held = Some(report);
                    continue;
                }
                deliver(&network, &timeline, &report).await;
                if let Some(earlier) = held.take() {
                    deliver(&network, &timeline, &earlier).await;
                }
            }
            if let Some(last) = held {
                deliver(&network, &timeline, &last).await;
            }
        });
        Reports { queue, sender: AbortOnDropHandle::new(sender) }
    }

    pub(super) fn send(&self, report: Report) {
        // Full means that nobody answers reports; the call goes on.
        let _ = self.queue.try_send(report);
    }

    /// Waits until everything is sent.
    pub(super) async fn finish(self) {
        drop(self.queue);
        let _ = self.sender.await;
    }
}

async fn deliver(network: &Network, timeline: &Timeline, report: &Report) {
    let attempts = match &report.kind {
        Kind::Once => 1,
        Kind::Status { .. } | Kind::Leg { .. } => 3,
    };
    for attempt in 1..=attempts {
        let mut request = report.request.clone();
        let web = match &report.kind {
            Kind::Once | Kind::Status { .. } => &network.web,
            Kind::Leg { event_sid } => {
                request.headers.push(("X-Exotel-Event-Sid".into(), event_sid.clone()));
                request.headers.push(("X-Exotel-Request-Id".into(), format!("{event_sid}-{attempt}")));
                &network.impatient_web
            }
        };
        let status = web.ask(&request).await.ok().map(|answer| answer.status);
        timeline.note(Happening::CallbackSent { event: report.event.clone(), status });
        let again = match (&report.kind, status) {
            (Kind::Once, _) | (Kind::Status { twice: false, .. }, Some(200)) => false,
            (Kind::Status { twice: true, .. }, Some(200)) => attempt == 1,
            (Kind::Leg { .. }, Some(status)) => matches!(status, 408 | 429 | 500..=599),
            (Kind::Status { .. } | Kind::Leg { .. }, _) => true,
        };
        if !again {
            return;
        }
        if attempt < attempts {
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    }
}
