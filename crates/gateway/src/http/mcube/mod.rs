//! Mcube at the front door: one webhook for connecting and for reports, and the media sockets.

mod media;
mod proof;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::reception::Reception;
use crate::config::Mcube;

/// Mcube's routes, at the paths of the configuration.
pub(super) fn routes(settings: &Mcube) -> Router<Arc<Reception>> {
    let below = settings.stream_path.trim_end_matches('/');
    Router::new()
        .route(&settings.webhook_path, post(webhook::webhook))
        .route(&format!("{below}/{{session}}"), get(media::upgrade))
        .route(&format!("{below}/mcube/{{session}}"), get(media::upgrade))
}
