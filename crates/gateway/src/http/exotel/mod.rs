//! Exotel at the front door: the media socket's upgrade, the question for its address, reports, and the questions of what
//! comes after the bot. Beside them the older service's own interface: a list of sessions, and a way to place a call.

mod calls;
mod connect;
mod media;
mod next_step;
mod proof;
mod reports_seen;
mod sessions;
mod status;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(super) use self::reports_seen::ReportsSeen;
use super::api;
use super::reception::Reception;
use crate::config::Exotel;

/// Where a call's media address is asked for. The older service had it there, below the API; Exotel knows no API token,
/// so it is not of the API.
pub(crate) const CONNECT_PATH: &str = "/api/v1/exotel/voice/connect";

/// The older service's own paths.
const SESSIONS_PATH: &str = "/voicebot/sessions";
const CALL_PATH: &str = "/call";

/// Exotel's routes, at the paths of the configuration.
pub(super) fn routes(settings: &Exotel, reception: &Arc<Reception>) -> Router<Arc<Reception>> {
    let guarded =
        Router::new().route(SESSIONS_PATH, get(sessions::sessions)).route(CALL_PATH, post(calls::place));
    Router::new()
        .route(&settings.ws_path, get(media::upgrade))
        .route(CONNECT_PATH, get(connect::connect).post(connect::connect))
        .route(&settings.status_path, get(status::status).post(status::status))
        .route(&settings.passthru_path, get(next_step::passthru).post(next_step::passthru))
        .route(&settings.transfer_path, get(next_step::transfer).post(next_step::transfer))
        .merge(api::guarded(guarded, reception))
}
