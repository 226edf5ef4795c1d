//! A call or a stream changed.

use std::sync::{Arc, PoisonError};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use call::{CallId, Order, Unreached};
use carriers::twilio::webhook::{
    AnsweredBy, AnsweredByReport, CallStatus, CallStatusReport, StreamEvent, StreamStatusReport,
};
use tracing::{debug, info, warn};

use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::webhook;
use crate::carrier_kind::CarrierKind;
use crate::gateway::TWILIO;
use crate::outbound::{Named, Progress};

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
    match AnsweredByReport::read(&webhook.params) {
        None => {}
        Some(Ok(found)) => return answered_by(&reception, webhook.call, &found),
        Some(Err(error)) => {
            metrics.webhook("status", "malformed");
            return refuse(400, &error.to_string());
        }
    }
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
    if let Some(id) = webhook.call.filter(|_| !report.status.is_over()) {
        reception.gateway.name_outbound(CarrierKind::Twilio, id, &report.call_sid);
    }
    let placed = is_news && report_placed(&reception, webhook.call, &report);
    if is_news && !placed && report.status.is_over() {
        is_over(&reception, &report.call_sid, words(&report));
    }
    metrics.webhook("status", if is_news { "ok" } else { "overtaken" });
    StatusCode::NO_CONTENT.into_response()
}

/// Tells what became of a call that we placed. False when it is none.
fn report_placed(reception: &Reception, call: Option<CallId>, report: &CallStatusReport) -> bool {
    let gateway = &reception.gateway;
    let named = call.map_or(Named::Theirs(&report.call_sid), Named::Ours);
    let tell = |progress| gateway.report_outbound(CarrierKind::Twilio, named, &progress);
    let over = |why| tell(Progress::Over { why, detail: words(report) });
    // Network operators decline with these (RFC 3261, RFC 8197, RFC 8688).
    let declined = matches!(report.sip_response_code, Some(603 | 607 | 608));
    match &report.status {
        CallStatus::Ringing => tell(Progress::Ringing),
        CallStatus::InProgress => match report.answered_by.as_deref().and_then(AnsweredBy::of) {
            Some(AnsweredBy::Machine) => tell(Progress::Machine),
            Some(AnsweredBy::Person) => tell(Progress::Person),
            None => tell(Progress::Answered),
        },
        CallStatus::Completed => over(None),
        CallStatus::Busy | CallStatus::Failed | CallStatus::NoAnswer if declined => {
            over(Some(Unreached::Rejected))
        }
        CallStatus::Busy => over(Some(Unreached::Busy)),
        CallStatus::NoAnswer => over(Some(Unreached::NoAnswer)),
        CallStatus::Failed => over(Some(Unreached::Failed)),
        CallStatus::Canceled => over(Some(Unreached::Cancelled)),
        CallStatus::Queued | CallStatus::Initiated | CallStatus::Unlisted(_) => false,
    }
}

/// Twilio has found out who answered, beside the call.
fn answered_by(reception: &Reception, call: Option<CallId>, found: &AnsweredByReport) -> Response {
    let named = call.map_or(Named::Theirs(&found.call_sid), Named::Ours);
    let progress = match found.answered_by {
        Some(AnsweredBy::Machine) => Some(Progress::Machine),
        Some(AnsweredBy::Person) => Some(Progress::Person),
        None => None,
    };
    if let Some(progress) = progress {
        reception.gateway.report_outbound(CarrierKind::Twilio, named, &progress);
    }
    reception.gateway.metrics.webhook("status", "ok");
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
    switchboard.carrier_says_over(TWILIO, call_sid);
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
            // If its media has not come, it will not come any more. A call that we placed is told of by its status.
            gateway.switchboard.cancel_reservation(TWILIO, &report.call_sid);
            "error"
        }
        StreamEvent::Started | StreamEvent::Stopped | StreamEvent::Unlisted(_) => "ok",
    };
    metrics.webhook("stream_status", outcome);
    StatusCode::NO_CONTENT.into_response()
}
