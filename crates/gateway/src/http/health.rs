//! `/livez`, `/readyz`, `/health`, `/health/performance` and `/metrics`.
//!
//! The first two are for platforms and load balancers, say nothing of interest and are open. The rest tells of the
//! operator's business and is behind the token as the API is.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::reception::Reception;
use super::refusal::Refusal;
use crate::gateway::ELEVENLABS;
use crate::ops::process::ProcessFigures;

/// What the metrics are written in; every collector that reads Prometheus' own format reads it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// For everybody.
pub(super) fn open_routes() -> Router<Arc<Reception>> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz))
}

/// For those who may use the API.
pub(super) fn guarded_routes() -> Router<Arc<Reception>> {
    Router::new()
        .route("/health", get(health))
        .route("/health/performance", get(performance))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(|| async { Refusal::method_not_allowed() })
}

/// The program runs: whoever does not get this answer may restart it.
async fn livez() -> &'static str {
    "alive\n"
}

/// Another call can come in: whoever does not get this answer sends calls elsewhere.
async fn readyz(State(reception): State<Arc<Reception>>) -> Response {
    let switchboard = &reception.gateway.switchboard;
    let (taken, max) = switchboard.seats();
    if switchboard.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else if taken >= max {
        (StatusCode::SERVICE_UNAVAILABLE, "full\n").into_response()
    } else {
        "ready\n".into_response()
    }
}

/// Each dependency by itself. A failing one does not make the gateway useless, so the status is 200 in any case.
async fn health(State(reception): State<Arc<Reception>>) -> Response {
    let gateway = &reception.gateway;
    Json(json!({
        "status": if gateway.health.is_well() { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": reception.began.elapsed().as_secs(),
        "draining": gateway.switchboard.is_draining(),
        "dependencies": gateway.health.report(),
    }))
    .into_response()
}

async fn performance(State(reception): State<Arc<Reception>>) -> Response {
    let (gateway, switchboard) = (&reception.gateway, &reception.gateway.switchboard);
    let figures = ProcessFigures::read();
    let cores = figures.cpu_s.map(|cpu_s| to_thousandths(reception.cpu.cores(Instant::now(), cpu_s)));
    let (taken, calls_max) = switchboard.seats();
    let (held, slots_max) = switchboard.slots();
    Json(json!({
        "calls": {"live": switchboard.live_count(), "expected": taken.saturating_sub(switchboard.live_count()), "max": calls_max},
        "slots": {"held": held, "max": slots_max},
        "connections": {"open": gateway.metrics.connections.get(), "max": gateway.config.server.connections_max},
        "cpu": {"cores_in_use": cores, "total_s": figures.cpu_s},
        "memory": {"resident_bytes": figures.resident_bytes},
        "files": {"open": figures.open_files, "max": figures.open_files_max},
        "threads": figures.threads,
        "tasks": gateway.tasks.len(),
        "latency": gateway.metrics.performance.report(),
    }))
    .into_response()
}

/// Finer than this, a share of a core is noise.
fn to_thousandths(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

async fn metrics(State(reception): State<Arc<Reception>>) -> Response {
    let gateway = &reception.gateway;
    let (held, limit) = gateway.switchboard.slots();
    gateway.metrics.slots(ELEVENLABS, held, limit);
    ([(header::CONTENT_TYPE, OPEN_METRICS)], gateway.metrics.render()).into_response()
}
