//! A call changed.

use std::sync::{Arc, PoisonError};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use call::{CallId, Order, Unreached};
use carriers::exotel::webhook::{CallStatus, EventType, StatusReport};
use tracing::{debug, info};

use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::webhook;
use crate::carrier_kind::CarrierKind;
use crate::gateway::EXOTEL;
use crate::outbound::{Named, Progress};

/// Its name in the metrics.
const PATH: &str = "exotel_status";

pub(super) async fn status(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, PATH, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let gateway = &reception.gateway;
    let report = match StatusReport::read(&webhook.params) {
        Ok(report) => report,
        Err(error) => {
            gateway.metrics.webhook(PATH, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let is_news = reception.exotel_reports.lock().unwrap_or_else(PoisonError::into_inner).is_news(&report);
    debug!(
        carrier_call = report.call_sid,
        status = report.status.word(),
        is_news,
        "Exotel reports on a call"
    );
    if is_news {
        let ours = webhook.params.filled("call_id").and_then(|id| id.parse::<CallId>().ok());
        let mut is_known = false;
        if let Some(id) = ours {
            gateway.name_outbound(CarrierKind::Exotel, id, &report.call_sid);
        }
        if let Some(progress) = progress(&report) {
            let named = ours.map_or(Named::Theirs(&report.call_sid), Named::Ours);
            is_known = gateway.report_outbound(CarrierKind::Exotel, named, &progress);
        }
        if report.is_over() {
            gateway.switchboard.carrier_says_over(EXOTEL, &report.call_sid);
        }
        if report.is_over() && !is_known {
            is_over(&reception, &report.call_sid, words(&report));
        }
    }
    gateway.metrics.webhook(PATH, if is_news { "ok" } else { "repeated" });
    // Anything else is asked again.
    StatusCode::OK.into_response()
}

/// What a report means for a call that we placed.
fn progress(report: &StatusReport) -> Option<Progress> {
    if report.is_over() {
        let why = match &report.status {
            CallStatus::Busy => Some(Unreached::Busy),
            CallStatus::NoAnswer => Some(Unreached::NoAnswer),
            CallStatus::Failed => Some(Unreached::Failed),
            CallStatus::Canceled => Some(Unreached::Cancelled),
            CallStatus::Queued
            | CallStatus::Ringing
            | CallStatus::InProgress
            | CallStatus::Completed
            | CallStatus::Unlisted(_) => None,
        };
        return Some(Progress::Over { why, detail: words(report) });
    }
    if report.is_answered() {
        return Some(Progress::Answered);
    }
    let rings = report.event == EventType::Ringing || report.status == CallStatus::Ringing;
    rings.then_some(Progress::Ringing)
}

fn words(report: &StatusReport) -> String {
    let word = match report.status.word() {
        "" => "the call is over",
        word => word,
    };
    // A word that is not on Exotel's list comes from outside as it is.
    let mut words = format!("Exotel says: {}", word.chars().take(40).collect::<String>());
    if let Some(seconds) = report.duration_s {
        words.push_str(&format!(" after {seconds} s"));
    }
    words
}

/// The phone call is over, whatever its media socket says: a live call ends, and a place that waited for it is free.
pub(super) fn is_over(reception: &Reception, call_sid: &str, detail: String) {
    let switchboard = &reception.gateway.switchboard;
    if let Some(live) = switchboard.find_by_name(EXOTEL, call_sid) {
        live.order(Order::CarrierSaysOver { detail: detail.clone() });
    }
    if switchboard.cancel_reservation(EXOTEL, call_sid) {
        info!(carrier_call = call_sid, "the caller left before media came: {detail}");
    }
}
