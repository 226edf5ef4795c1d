//! What comes after the bot: a Passthru applet asks which way to go, a Connect applet asks whom to ring.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use call::masked;
use carriers::exotel::webhook::{DisconnectedBy, Passthru, call_of};
use serde_json::json;
use tracing::{info, warn};

use super::super::access::text;
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::{status, webhook};
use crate::control::exotel::NextStep;
use crate::gateway::EXOTEL;

/// Their names in the metrics.
const PASSTHRU: &str = "exotel_passthru";
const TRANSFER: &str = "exotel_transfer";

/// Words of Exotel's that are told on.
const DETAIL_CHARS_MAX: usize = 300;

/// Branch A of the flow: the caller is to be handed over.
const BRANCH_A: StatusCode = StatusCode::OK;

/// Branch B: the call is to end.
const BRANCH_B: StatusCode = StatusCode::FOUND;

pub(super) async fn passthru(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, PASSTHRU, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let gateway = &reception.gateway;
    let report = match Passthru::read(&webhook.params) {
        Ok(report) => report,
        Err(error) => {
            gateway.metrics.webhook(PASSTHRU, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    if let Some(error) = &report.error {
        let error: String = error.chars().take(DETAIL_CHARS_MAX).collect();
        warn!(carrier_call = report.call_sid, "Exotel reports an error of the media stream: {error}");
    }
    let step = gateway.exotel_steps.of(&report.call_sid, Instant::now());
    let (branch, outcome) = match &step {
        Some(NextStep::Transfer { .. }) => (BRANCH_A, "transfer"),
        Some(NextStep::HangUp) => (BRANCH_B, "hang_up"),
        // The bot is talking: nothing is asked yet.
        None if !report.is_after_the_stream() => (BRANCH_A, "during"),
        // We did not ask for what has happened: the caller hung up, or the stream broke.
        None => {
            let status = report.status.as_deref().unwrap_or("over");
            let status: String = status.chars().take(40).collect();
            let by = match &report.disconnected_by {
                Some(DisconnectedBy::User) => ", by the caller",
                Some(DisconnectedBy::Bot | DisconnectedBy::Unlisted(_)) | None => "",
            };
            let detail = format!("Exotel says: the stream is {status}{by}");
            status::is_over(&reception, &report.call_sid, detail);
            (BRANCH_B, "hang_up")
        }
    };
    gateway.metrics.webhook(PASSTHRU, outcome);
    info!(
        carrier = EXOTEL,
        carrier_call = report.call_sid,
        next = outcome,
        "Exotel asks what comes after the bot"
    );
    branch.into_response()
}

pub(super) async fn transfer(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, TRANSFER, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let gateway = &reception.gateway;
    let call_sid = match call_of(&webhook.params) {
        Ok(call_sid) => call_sid,
        Err(error) => {
            gateway.metrics.webhook(TRANSFER, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    let Some(NextStep::Transfer { to }) = gateway.exotel_steps.of(&call_sid, Instant::now()) else {
        gateway.metrics.webhook(TRANSFER, "none");
        return refuse(404, "nobody is to be rung for this call");
    };
    gateway.metrics.webhook(TRANSFER, "ok");
    info!(carrier = EXOTEL, carrier_call = call_sid, to = masked(&to), "Exotel asks whom to ring");
    if wants_json(&webhook.headers) {
        let mut answer = json!({"fetch_after_attempt": false, "destination": {"numbers": [to]}});
        if let Some(exophone) = &gateway.config.carriers.exotel.phone_number {
            answer["outgoing_phone_number"] = json!(exophone);
        }
        return Json(answer).into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], to).into_response()
}

/// The whole applet can be told by its URL: then it says which version of the answer it knows. Where the URL gives the
/// number alone, it does not.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = text(headers, header::ACCEPT).is_some_and(|accept| accept.contains("application/json"));
    headers.contains_key("exotel-version") || accepts
}
