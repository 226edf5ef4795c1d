//! Twilio's REST API, as far as a gateway needs it: originate, read, redirect and hang up calls.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde_json::{Value, json};

use super::Network;
use super::call::{CallState, CallStatus, rfc2822};
use super::originate::{inline, originate, url_of};
use crate::locked;
use crate::net::Connection;
use crate::phone::order::{Order, Source};
use crate::phone::web::basic;

const FORM_BYTES_MAX: usize = 256 * 1024;

/// A decoded form; names may repeat.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An error as Twilio words it.
#[derive(Debug)]
pub(super) struct RestError {
    status: StatusCode,
    code: u32,
    message: String,
}

impl RestError {
    pub(super) fn bad(code: u32, message: &str) -> RestError {
        RestError { status: StatusCode::BAD_REQUEST, code, message: message.to_owned() }
    }

    fn not_found(path: &str) -> RestError {
        RestError {
            status: StatusCode::NOT_FOUND,
            code: 20404,
            message: format!("The requested resource {path} was not found"),
        }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        });
        (self.status, Json(body)).into_response()
    }
}

pub(super) fn routes(network: Arc<Network>) -> Router {
    Router::new()
        .route("/2010-04-01/Accounts/{account}", get(account))
        .route("/2010-04-01/Accounts/{account}/Calls.json", get(calls).post(create))
        .route("/2010-04-01/Accounts/{account}/Calls/{call}", get(read).post(update))
        .fallback(|request: Request| async move { RestError::not_found(request.uri().path()) })
        .layer(middleware::from_fn_with_state(Arc::clone(&network), gate))
        .layer(axum::extract::DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(network)
}

/// Credentials first, then whatever the fault script has in mind.
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
    let wanted = basic(&config.account_sid, &config.auth_token);
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(wanted.as_str()) {
        let refused =
            RestError { status: StatusCode::UNAUTHORIZED, code: 20003, message: "Authenticate".into() };
        return ([(header::WWW_AUTHENTICATE, "Basic realm=\"Twilio API\"")], refused).into_response();
    }
    let own = format!("/2010-04-01/Accounts/{}", config.account_sid);
    let path = request.uri().path();
    if !path.starts_with(&format!("{own}/")) && path != format!("{own}.json") {
        return RestError::not_found(path).into_response();
    }
    next.run(request).await
}

async fn account(State(network): State<Arc<Network>>) -> Json<Value> {
    let sid = &network.config.account_sid;
    Json(json!({
        "sid": sid,
        "owner_account_sid": sid,
        "friendly_name": "lab",
        "status": "active",
        "type": "Full",
        "uri": format!("/2010-04-01/Accounts/{sid}.json"),
    }))
}

async fn calls(State(network): State<Arc<Network>>) -> Json<Value> {
    let calls: Vec<Value> =
        locked(&network.calls).values().map(|call| call_object(&network.config.account_sid, call)).collect();
    let uri = format!("/2010-04-01/Accounts/{}/Calls.json", network.config.account_sid);
    Json(json!({
        "calls": calls, "page": 0, "page_size": 50, "start": 0, "end": calls.len().saturating_sub(1),
        "uri": uri, "first_page_uri": uri, "next_page_uri": null, "previous_page_uri": null,
    }))
}

async fn create(
    State(network): State<Arc<Network>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, RestError> {
    let form = form_of(&headers, &body)?;
    let call = originate(&network, &form)?;
    let mut object = call_object(&network.config.account_sid, &call);
    // By the time this is read the phone may be ringing; the answer to the order is always this.
    object["status"] = "queued".into();
    Ok((StatusCode::CREATED, Json(object)))
}

async fn read(
    State(network): State<Arc<Network>>,
    Path((_, file)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, RestError> {
    let call = find(&network, &file, request.uri().path())?;
    Ok(Json(call_object(&network.config.account_sid, &call)))
}

async fn update(
    State(network): State<Arc<Network>>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    let call = find(&network, &file, &format!("/2010-04-01/Accounts/{account}/Calls/{file}"))?;
    let form = form_of(&headers, &body)?;
    let order = match (form.one("Twiml"), form.one("Url"), form.one("Status")) {
        (Some(_), Some(_), _) => return Err(RestError::bad(20001, "Twiml and Url are mutually exclusive")),
        (Some(twiml), None, None) => Order::Replace(Source::Inline(inline(twiml)?)),
        (None, Some(url), None) => Order::Replace(Source::Url {
            url: url_of(url)?,
            method: form.method("Method")?,
            form: Vec::new(),
        }),
        (_, _, Some("completed")) => Order::Complete,
        (_, _, Some("canceled")) => Order::Cancel,
        (_, _, Some(other)) => return Err(RestError::bad(20001, &format!("Invalid 'Status': {other}"))),
        (None, None, None) => return Err(RestError::bad(20001, "nothing to update")),
    };
    let status = call.status();
    if status.is_final() {
        return Err(RestError::bad(21220, "Invalid call state: Call is not in-progress. Cannot redirect."));
    }
    let before_answer = matches!(status, CallStatus::Queued | CallStatus::Ringing);
    if matches!(order, Order::Cancel) && !before_answer {
        return Err(RestError::bad(
            21220,
            "Invalid call state: only a queued or ringing call can be canceled",
        ));
    }
    if matches!(order, Order::Replace(_)) && before_answer {
        return Err(RestError::bad(21220, "Invalid call state: Call is not in-progress. Cannot redirect."));
    }
    let ending = matches!(order, Order::Complete | Order::Cancel);
    if call.orders.send(order).await.is_err() {
        return Err(RestError::bad(21220, "Invalid call state: the call has just ended"));
    }
    let mut object = call_object(&network.config.account_sid, &call);
    if ending {
        object["status"] = if before_answer { "canceled" } else { "completed" }.into();
    }
    Ok(Json(object))
}

fn find(network: &Network, file: &str, path: &str) -> Result<Arc<CallState>, RestError> {
    let sid = file.strip_suffix(".json").ok_or_else(|| RestError::not_found(path))?;
    locked(&network.calls).get(sid).cloned().ok_or_else(|| RestError::not_found(path))
}

fn form_of(headers: &HeaderMap, body: &[u8]) -> Result<Form, RestError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(RestError {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: 20415,
            message: format!("Content type {kind:?} is not application/x-www-form-urlencoded"),
        });
    }
    Ok(Form(url::form_urlencoded::parse(body).into_owned().collect()))
}

fn call_object(account: &str, call: &CallState) -> Value {
    let facts = call.facts();
    let base = format!("/2010-04-01/Accounts/{account}/Calls/{}", call.sid);
    json!({
        "sid": call.sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "answered_by": null,
        "annotation": null,
        "caller_name": null,
        "date_created": rfc2822(call.created),
        "date_updated": rfc2822(facts.ended.or(facts.answered).unwrap_or(call.created)),
        "direction": call.direction,
        "duration": facts.ended.map(|_| facts.seconds.to_string()),
        "end_time": facts.ended.map(rfc2822),
        "forwarded_from": null,
        "from": call.from,
        "from_formatted": call.from,
        "group_sid": null,
        "parent_call_sid": null,
        "phone_number_sid": null,
        "price": null,
        "price_unit": "USD",
        "queue_time": "0",
        "start_time": facts.answered.map(rfc2822),
        "status": facts.status.as_str(),
        "subresource_uris": {"streams": format!("{base}/Streams.json")},
        "to": call.to,
        "to_formatted": call.to,
        "trunk_sid": null,
        "uri": format!("{base}.json"),
    })
}
