//! Plivo's REST API, as far as a gateway needs it: originate, transfer and hang up calls, keys, the end of a stream.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use serde_json::{Map, Value, json};

use super::call::{CallState, CallStatus};
use super::originate::{Order as Body, originate};
use super::{ErrorShape, Network};
use crate::locked;
use crate::net::Connection;
use crate::phone::order::{Order, Source};
use crate::phone::web::basic;

const BODY_BYTES_MAX: usize = 256 * 1024;

/// An error as Plivo words it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
}

impl Problem {
    pub(super) fn bad(error: &str) -> Problem {
        Problem { status: StatusCode::BAD_REQUEST, error: error.to_owned() }
    }

    fn not_found(what: &str) -> Problem {
        Problem { status: StatusCode::NOT_FOUND, error: format!("{what} not found") }
    }

    fn told(&self, shape: ErrorShape) -> Response {
        let error = match shape {
            ErrorShape::Text => json!(self.error),
            ErrorShape::Object => json!({"error": self.error}),
        };
        (self.status, Json(json!({"api_id": super::uuid(), "error": error}))).into_response()
    }
}

impl IntoResponse for Problem {
    /// The shape is the account's affair; see `gate`.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

pub(super) fn routes(network: Arc<Network>) -> Router {
    let account = "/v1/Account/{account}";
    Router::new()
        .route(&format!("{account}/"), get(read_account))
        .route(&format!("{account}/Call/"), post(create))
        .route(&format!("{account}/Call/{{call}}/"), get(read).post(transfer).delete(hang_up))
        .route(&format!("{account}/Call/{{call}}/DTMF/"), post(play_digits))
        .route(&format!("{account}/Call/{{call}}/Stream/"), delete(stop_streams))
        .route(&format!("{account}/Call/{{call}}/Stream/{{stream}}/"), delete(stop_stream))
        .route(&format!("{account}/Request/{{request}}/"), delete(cancel))
        .fallback(|request: Request| async move { Problem::not_found(request.uri().path()) })
        .layer(middleware::from_fn_with_state(Arc::clone(&network), gate))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(network)
}

/// Credentials first, then whatever the fault script has in mind; errors get their shape on the way out.
async fn gate(State(network): State<Arc<Network>>, request: Request, next: Next) -> Response {
    let faults = &network.config.rest_faults;
    tokio::time::sleep(faults.handshake_delay()).await;
    if faults.drops_handshake()
        && let Some(connection) = request.extensions().get::<Connection>()
    {
        return connection.cut().await;
    }
    if let Some((status, body)) = faults.error_body() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let config = &network.config;
    let wanted = basic(&config.auth_id, &config.auth_token);
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(wanted.as_str()) {
        let words =
            "Could not verify your access level for that URL.\nYou have to login with proper credentials";
        let realm = [(header::WWW_AUTHENTICATE, "Basic realm=\"Login Required\"")];
        return (StatusCode::UNAUTHORIZED, realm, words).into_response();
    }
    let path = request.uri().path().to_owned();
    if !path.starts_with(&format!("/v1/Account/{}/", config.auth_id)) {
        return Problem::not_found(&path).told(config.rest_errors);
    }
    let response = next.run(request).await;
    match response.extensions().get::<Arc<Problem>>() {
        Some(problem) => problem.told(config.rest_errors),
        None => response,
    }
}

type Net = State<Arc<Network>>;

async fn read_account(State(network): Net) -> Json<Value> {
    let id = &network.config.auth_id;
    Json(json!({
        "account_type": "standard", "api_id": super::uuid(), "auth_id": id, "name": "lab", "state": null,
        "resource_uri": format!("/v1/Account/{id}/"),
    }))
}

async fn create(State(network): Net, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let body = body_of(&headers, &body)?;
    let request_uuid = originate(&network, Body(&body))?;
    let answer = json!({"message": "call fired", "request_uuid": request_uuid, "api_id": super::uuid()});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn read(State(network): Net, Path((_, call)): Path<(String, String)>) -> Result<Json<Value>, Problem> {
    let call = live(&network, &call)?;
    Ok(Json(json!({
        "api_id": super::uuid(),
        "call_uuid": call.uuid,
        "call_status": call.status().as_str(),
        "direction": call.direction(),
        "from": call.from,
        "to": call.to,
        "request_uuid": call.request_uuid,
    })))
}

async fn transfer(
    State(network): Net,
    Path((_, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let call = live(&network, &call)?;
    let body = body_of(&headers, &body)?;
    let body = Body(&body);
    match body.text("legs").unwrap_or("aleg") {
        "aleg" => {}
        legs @ ("bleg" | "both") => {
            return Err(Problem::bad(&format!("there is no B leg to transfer, legs={legs}")));
        }
        other => return Err(Problem::bad(&format!("legs is none of aleg, bleg and both: {other}"))),
    }
    let url = body.url("aleg_url")?.ok_or_else(|| Problem::bad("mandatory parameter missing: aleg_url"))?;
    let method = body.method("aleg_method")?;
    if call.status() != CallStatus::InProgress {
        return Err(Problem::bad("call has not been answered"));
    }
    order(&call, Order::Replace(Source::Url { url, method, form: Vec::new() })).await?;
    let answer = json!({"message": "call transfered", "call_uuids": [call.uuid], "api_id": super::uuid()});
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn hang_up(
    State(network): Net,
    Path((_, call)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let call = live(&network, &call)?;
    order(&call, Order::Complete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn cancel(
    State(network): Net,
    Path((_, request)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let found = locked(&network.calls)
        .values()
        .find(|call| call.request_uuid.as_ref() == Some(&request) && call.status() == CallStatus::Ringing)
        .cloned();
    let call = found.ok_or_else(|| Problem::not_found("request"))?;
    order(&call, Order::Cancel).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn play_digits(
    State(network): Net,
    Path((_, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let call = live(&network, &call)?;
    let body = body_of(&headers, &body)?;
    let digits = Body(&body).wanted("digits")?;
    if !digits.chars().all(|c| "0123456789*#wW".contains(c)) {
        return Err(Problem::bad(&format!("digits are not digits: {digits}")));
    }
    match Body(&body).text("leg").unwrap_or("aleg") {
        "aleg" => {}
        other => return Err(Problem::bad(&format!("there is no leg {other}"))),
    }
    order(&call, Order::PlayDigits(digits.to_owned())).await?;
    let answer = json!({"message": "digits sent", "api_id": super::uuid()});
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn stop_streams(
    State(network): Net,
    Path((_, call)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    stop(&network, &call, None).await
}

async fn stop_stream(
    State(network): Net,
    Path((_, call, stream)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    stop(&network, &call, Some(&stream)).await
}

async fn stop(network: &Network, call: &str, stream: Option<&str>) -> Result<StatusCode, Problem> {
    let call = live(network, call)?;
    let open = locked(&call.stream).clone();
    match (open, stream) {
        (Some(_), None) => {}
        (Some(open), Some(stream)) if open == stream => {}
        _ => return Err(Problem::not_found("stream")),
    }
    order(&call, Order::StopStream).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn live(network: &Network, uuid: &str) -> Result<Arc<CallState>, Problem> {
    let call = locked(&network.calls).get(uuid).cloned();
    call.filter(|call| !call.status().is_final()).ok_or_else(|| Problem::not_found("call"))
}

async fn order(call: &CallState, order: Order) -> Result<(), Problem> {
    call.orders.send(order).await.map_err(|_| Problem::not_found("call"))
}

fn body_of(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Problem::bad(&format!("content type {kind:?} is not application/json")));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Problem::bad("the body is not a JSON object")),
    }
}
