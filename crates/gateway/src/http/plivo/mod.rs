//! Plivo at the front door: the answer URL, what it reports of calls and streams, the document of a transfer, and the
//! media socket's upgrade.

mod answer;
mod documents;
mod media;
mod signature;
mod status;
pub(crate) mod transfer;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::reception::Reception;
use crate::config::Plivo;

/// Plivo's routes, at the paths of the configuration. Each of them may be asked either way: its console has a choice.
pub(super) fn routes(settings: &Plivo) -> Router<Arc<Reception>> {
    Router::new()
        .route(&settings.answer_path, get(answer::answer).post(answer::answer))
        .route(&settings.hangup_path, get(status::hangup).post(status::hangup))
        .route(&settings.ring_path, get(status::ring).post(status::ring))
        .route(&settings.machine_path, get(status::machine).post(status::machine))
        .route(&settings.transfer_path, get(transfer::transfer).post(transfer::transfer))
        .route(&settings.stream_status_path, get(status::stream_status).post(status::stream_status))
        .route(&settings.stream_path, get(media::upgrade))
}
