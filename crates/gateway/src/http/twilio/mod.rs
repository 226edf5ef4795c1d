//! Twilio at the front door: the voice webhook, the two status callbacks, and the media socket's upgrade.

pub(crate) mod documents;
mod inbound;
mod media;
mod report_orders;
mod signature;
mod status;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(super) use report_orders::ReportOrders;

use super::reception::Reception;
use crate::config::Twilio;

/// Twilio's routes, at the paths of the configuration.
pub(super) fn routes(settings: &Twilio) -> Router<Arc<Reception>> {
    Router::new()
        .route(&settings.inbound_path, get(inbound::inbound).post(inbound::inbound))
        .route(&settings.status_path, post(status::call_status))
        .route(&settings.stream_status_path, post(status::stream_status))
        .route(&settings.stream_path, get(media::upgrade))
}
