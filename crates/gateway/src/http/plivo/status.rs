//! A call or a stream changed.

use std::sync::{Arc, PoisonError};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use call::{CallId, Order, Unreached};
use carriers::plivo::webhook::{CallReport, CallStatus, StreamEvent, StreamReport};
use tracing::{debug, info, warn};

use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::webhook;
use crate::carrier_kind::CarrierKind;
use crate::gateway::PLIVO;
use crate::outbound::{Named, Progress};

/// Words of a cause that are told; they come from outside.
const DETAIL_CHARS_MAX: usize = 300;

/// Plivo numbers none of its reports; these are the steps of a call, and what has been passed does not come back.
const RINGS: u64 = 1;
const IS_OVER: u64 = 2;

/// The call is over.
pub(super) async fn hangup(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    on_call(&reception, ends, "plivo_hangup", request, |reception, call, report| {
        let is_news = is_news(reception, report, IS_OVER);
        if is_news {
            is_over(reception, call, report);
        }
        is_news
    })
    .await
}

/// A call that we placed rings.
pub(super) async fn ring(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    on_call(&reception, ends, "plivo_ring", request, |reception, call, report| {
        let is_news = is_news(reception, report, RINGS);
        if is_news {
            if let Some(id) = call {
                reception.gateway.name_outbound(CarrierKind::Plivo, id, &report.call_uuid);
            }
            let named = call.map_or(Named::Theirs(&report.call_uuid), Named::Ours);
            reception.gateway.report_outbound(CarrierKind::Plivo, named, &Progress::Ringing);
        }
        is_news
    })
    .await
}

/// Plivo has found out who answered a call that we placed.
pub(super) async fn machine(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    on_call(&reception, ends, "plivo_machine", request, |reception, call, report| {
        let named = call.map_or(Named::Theirs(&report.call_uuid), Named::Ours);
        let progress = match report.machine {
            Some(true) => Progress::Machine,
            Some(false) => Progress::Person,
            None => return true,
        };
        reception.gateway.report_outbound(CarrierKind::Plivo, named, &progress);
        true
    })
    .await
}

/// Takes a report on a call; `tell` says whether it was news.
async fn on_call(
    reception: &Arc<Reception>,
    ends: Ends,
    path: &'static str,
    request: Request,
    tell: impl FnOnce(&Reception, Option<CallId>, &CallReport) -> bool,
) -> Response {
    let webhook = match webhook::receive(reception, ends, path, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let metrics = &reception.gateway.metrics;
    let report = match CallReport::read(&webhook.params) {
        Ok(report) => report,
        Err(error) => {
            metrics.webhook(path, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let is_news = tell(reception, webhook.call, &report);
    let status = report.status.word();
    debug!(carrier_call = report.call_uuid, status, is_news, "Plivo reports on a call");
    metrics.webhook(path, if is_news { "ok" } else { "overtaken" });
    StatusCode::NO_CONTENT.into_response()
}

fn is_news(reception: &Reception, report: &CallReport, step: u64) -> bool {
    let mut orders = reception.report_orders.lock().unwrap_or_else(PoisonError::into_inner);
    // Another carrier may have a call of the same name.
    orders.is_news(&format!("{PLIVO} {}", report.call_uuid), Some(step))
}

/// The phone call is over, whatever its media socket says: a live call ends, and a place that waited for it is free.
pub(super) fn is_over(reception: &Reception, call: Option<CallId>, report: &CallReport) {
    let gateway = &reception.gateway;
    gateway.switchboard.carrier_says_over(PLIVO, &report.call_uuid);
    let detail = words(report);
    let named = call.map_or(Named::Theirs(&report.call_uuid), Named::Ours);
    if let Some(id) = call.filter(|id| gateway.outbound_view(*id).is_some()) {
        // Its first report may be its last.
        gateway.name_outbound(CarrierKind::Plivo, id, &report.call_uuid);
    }
    let progress = Progress::Over { why: unreached(&report.status), detail: detail.clone() };
    if gateway.report_outbound(CarrierKind::Plivo, named, &progress) {
        return;
    }
    if let Some(live) = gateway.switchboard.find_by_name(PLIVO, &report.call_uuid) {
        live.order(Order::CarrierSaysOver { detail: detail.clone() });
    }
    if gateway.switchboard.cancel_reservation(PLIVO, &report.call_uuid) {
        info!(carrier_call = report.call_uuid, "the caller left before media came: {detail}");
    }
}

/// Why nobody was reached; none when somebody was.
fn unreached(status: &CallStatus) -> Option<Unreached> {
    match status {
        CallStatus::Busy => Some(Unreached::Busy),
        CallStatus::NoAnswer | CallStatus::TimedOut => Some(Unreached::NoAnswer),
        CallStatus::Rejected => Some(Unreached::Rejected),
        CallStatus::Failed => Some(Unreached::Failed),
        CallStatus::Cancelled => Some(Unreached::Cancelled),
        CallStatus::Ringing | CallStatus::InProgress | CallStatus::Completed | CallStatus::Unlisted(_) => {
            None
        }
    }
}

fn words(report: &CallReport) -> String {
    let status = Some(report.status.word()).filter(|word| !word.is_empty()).unwrap_or("over");
    let mut words = format!("Plivo says: {status}");
    if let Some(seconds) = report.hang_up.duration_s.filter(|seconds| *seconds > 0) {
        words.push_str(&format!(" after {seconds} s"));
    }
    if let Some(cause) = &report.hang_up.cause {
        words.push_str(&format!(", {cause}"));
    }
    if let Some(source) = &report.hang_up.source {
        words.push_str(&format!(", by {source}"));
    }
    words.chars().take(DETAIL_CHARS_MAX).collect()
}

pub(super) async fn stream_status(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let path = "plivo_stream_status";
    let webhook = match webhook::receive(&reception, ends, path, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let (gateway, metrics) = (&reception.gateway, &reception.gateway.metrics);
    let report = match StreamReport::read(&webhook.params) {
        Ok(report) => report,
        Err(error) => {
            metrics.webhook(path, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let call = gateway.switchboard.find_by_name(PLIVO, &report.call_uuid).map(|live| live.id().to_string());
    let outcome = match &report.event {
        StreamEvent::Dropped => {
            warn!(call, carrier_call = report.call_uuid, "Plivo could not open the media stream, or lost it");
            // If its media has not come, it will not come any more.
            gateway.switchboard.cancel_reservation(PLIVO, &report.call_uuid);
            "dropped"
        }
        StreamEvent::Degraded => {
            warn!(call, carrier_call = report.call_uuid, "Plivo has more sound waiting than it likes");
            "degraded"
        }
        StreamEvent::Started
        | StreamEvent::Stopped
        | StreamEvent::Played
        | StreamEvent::Cleared
        | StreamEvent::Unlisted(_) => "ok",
    };
    metrics.webhook(path, outcome);
    StatusCode::NO_CONTENT.into_response()
}
