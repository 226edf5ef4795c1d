//! Exotel's REST API, as far as a gateway needs it: place a call, read it, count the account's streams.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{CallState, CallStatus, clock, originate};
use super::form::Form;
use super::order::ConnectOrder;
use super::rest_error::RestError;
use super::{Network, legs};
use crate::locked;
use crate::net::Connection;
use crate::phone::web::basic;

const BODY_BYTES_MAX: usize = 256 * 1024;

pub(super) fn routes(network: Arc<Network>) -> Router {
    Router::new()
        .route("/v1/Accounts/{account}/Calls/connect", post(connect))
        .route("/v1/Accounts/{account}/Calls/connect.json", post(connect))
        .route("/v1/Accounts/{account}/Calls/{call}", get(read))
        .route("/v1/Accounts/{account}/ActiveStreams", get(active_streams))
        .merge(legs::routes())
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&network), gate))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(network)
}

async fn not_found(State(network): State<Arc<Network>>, request: Request) -> Response {
    RestError::not_found(request.uri().path()).answer(network.config.letter_case)
}

/// Credentials first, then whatever the fault script has in mind.
async fn gate(State(network): State<Arc<Network>>, request: Request, next: Next) -> Response {
    let config = &network.config;
    tokio::time::sleep(config.rest_faults.handshake_delay()).await;
    if config.rest_faults.drops_handshake()
        && let Some(connection) = request.extensions().get::<Connection>()
    {
        return connection.cut().await;
    }
    if let Some((status, body)) = config.rest_faults.error_body() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let wanted = basic(&config.api_key, &config.api_token);
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(wanted.as_str()) {
        return RestError::unauthorized().answer(config.letter_case);
    }
    let path = request.uri().path();
    let account = ["/v1/Accounts/", "/v2/accounts/"].iter().find_map(|base| path.strip_prefix(base));
    if let Some(below) = account
        && below.split('/').next() != Some(config.account_sid.as_str())
    {
        let problem = "The credentials are not this account's".to_owned();
        return RestError::forbidden(problem).answer(config.letter_case);
    }
    next.run(request).await
}

async fn connect(State(network): State<Arc<Network>>, headers: HeaderMap, body: Bytes) -> Response {
    let case = network.config.letter_case;
    match order(&network, &headers, &body) {
        Ok(order) => {
            let call = originate(&network, order);
            let mut object = call_object(&call);
            // By the time this is read the call may have been taken; the answer to the order is always this.
            object["Call"]["Status"] = CallStatus::Queued.as_str().into();
            Json(case.write(object)).into_response()
        }
        Err(error) => error.answer(case),
    }
}

fn order(network: &Network, headers: &HeaderMap, body: &[u8]) -> Result<ConnectOrder, RestError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::read(kind, body)
        .ok_or_else(|| RestError::bad(format!("The body ({kind:?}) is neither multipart nor URL-encoded")))?;
    network.count_order()?;
    let more_flows = locked(&network.more_flows).clone();
    let order = ConnectOrder::read(&form, &network.config, &more_flows)?;
    if network.active_streams() >= network.config.throttle_limit {
        return Err(RestError::too_many("The account's limit of streams is reached".into()));
    }
    Ok(order)
}

impl Network {
    /// One more order within the last minute.
    pub(super) fn count_order(&self) -> Result<(), RestError> {
        let mut placed = locked(&self.placed);
        let now = Instant::now();
        while placed.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(60)) {
            placed.pop_front();
        }
        if placed.len() >= self.config.calls_per_minute {
            return Err(RestError::too_many("Too many calls per minute".into()));
        }
        placed.push_back(now);
        Ok(())
    }

    pub(super) fn find(&self, sid: &str) -> Option<Arc<CallState>> {
        locked(&self.calls).get(sid).cloned()
    }
}

async fn read(
    State(network): State<Arc<Network>>,
    Path((_, file)): Path<(String, String)>,
    request: Request,
) -> Response {
    let case = network.config.letter_case;
    match file.strip_suffix(".json").and_then(|sid| network.find(sid)) {
        Some(call) => Json(case.write(call_object(&call))).into_response(),
        None => RestError::not_found(request.uri().path()).answer(case),
    }
}

async fn active_streams(State(network): State<Arc<Network>>) -> impl IntoResponse {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse><Stream><ActiveStreamCount>{}</ActiveStreamCount>\
         <ThrottleLimit>{}</ThrottleLimit></Stream></TwilioResponse>\n",
        network.active_streams(),
        network.config.throttle_limit
    );
    ([(header::CONTENT_TYPE, "application/xml")], body)
}

fn call_object(call: &CallState) -> Value {
    let facts = call.facts();
    let (from, to) = call.rest_from();
    json!({"Call": {
        "Sid": call.sid,
        "Status": facts.status.as_str(),
        "From": from,
        "To": to,
        "PhoneNumberSid": to,
        "Direction": call.rest_direction(),
        "DateCreated": clock(call.created),
        "DateUpdated": clock(facts.ended.or(facts.answered).unwrap_or(call.created)),
        "StartTime": facts.answered.map(clock),
        "EndTime": facts.ended.map(clock),
        "Duration": facts.ended.map(|_| facts.seconds),
        "RecordingUrl": null,
    }})
}
