//! A call or a stream changed.

use std::sync::{Arc, PoisonError};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use call::Order;
use carriers::twilio::webhook::{CallStatusReport, StreamEvent, StreamStatusReport};
use tracing::{debug, info, warn};

use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::webhook;
use crate::gateway::TWILIO;

/// Words of a stream's error that are told; they come from outside.
const DETAIL_CHARS_MAX: usize = 300;

pub(super) async fn call_status(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, "status", request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let metrics = &reception.gateway.metrics;
    let report = match CallStatusReport::read(&webhook.params) {
        Ok(report) => report,
        Err(error) => {
            metrics.webhook("status", "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let is_news = reception
        .report_orders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_news(&report.call_sid, report.sequence_number);
    debug!(
        carrier_call = report.call_sid,
        status = report.status.word(),
        is_news,
        "Twilio reports on a call"
    );
    if is_news && report.status.is_over() {
        is_over(&reception, &report.call_sid, words(&report));
    }
    metrics.webhook("status", if is_news { "ok" } else { "overtaken" });
    StatusCode::NO_CONTENT.into_response()
}

fn words(report: &CallStatusReport) -> String {
    let mut words = format!("Twilio says: {}", report.status.word());
    if let Some(seconds) = report.duration_s {
        words.push_str(&format!(" after {seconds} s"));
    }
    if let Some(code) = report.sip_response_code.filter(|code| *code >= 300) {
        words.push_str(&format!(", SIP {code}"));
    }
    words
}

/// The phone call is over, whatever its media socket says: a live call ends, and a place that waited for it is free.
pub(super) fn is_over(reception: &Reception, call_sid: &str, detail: String) {
    let switchboard = &reception.gateway.switchboard;
    if let Some(live) = switchboard.find_by_name(TWILIO, call_sid) {
        live.order(Order::CarrierSaysOver { detail: detail.clone() });
    }
    if switchboard.cancel_reservation(TWILIO, call_sid) {
        info!(carrier_call = call_sid, "the caller left before media came: {detail}");
    }
}

pub(super) async fn stream_status(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, "stream_status", request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let (gateway, metrics) = (&reception.gateway, &reception.gateway.metrics);
    let report = match StreamStatusReport::read(&webhook.params) {
        Ok(report) => report,
        Err(error) => {
            metrics.webhook("stream_status", "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let outcome = match &report.event {
        StreamEvent::Error { detail } => {
            let call =
                gateway.switchboard.find_by_name(TWILIO, &report.call_sid).map(|live| live.id().to_string());
            let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
            warn!(
                call,
                carrier_call = report.call_sid,
                "Twilio reports an error of the media stream: {detail}"
            );
            // If its media has not come, it will not come any more.
            gateway.switchboard.cancel_reservation(TWILIO, &report.call_sid);
            "error"
        }
        StreamEvent::Started | StreamEvent::Stopped | StreamEvent::Unlisted(_) => "ok",
    };
    metrics.webhook("stream_status", outcome);
    StatusCode::NO_CONTENT.into_response()
}
