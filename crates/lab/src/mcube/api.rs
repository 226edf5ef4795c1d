//! `outbound-calls-websocket`: the token travels in the body, and a failure says so with status 200.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use serde_json::{Value, json};

use super::{Network, PlacedCall, Way, call, last_ten};
use crate::locked;
use crate::net::Connection;

const BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) fn routes(network: Arc<Network>) -> Router {
    Router::new()
        .route("/Restmcube-api/outbound-calls-websocket", post(outbound))
        .layer(middleware::from_fn_with_state(Arc::clone(&network), gate))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(network)
}

/// Whatever the fault script has in mind.
async fn gate(State(network): State<Arc<Network>>, request: Request, next: Next) -> Response {
    let faults = &network.config.api_faults;
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
    next.run(request).await
}

async fn outbound(State(network): State<Arc<Network>>, body: Bytes) -> Json<Value> {
    let habits = &network.config.api;
    let truth = |is: bool| if habits.status_as_text { json!(is.to_string()) } else { json!(is) };
    let refused = |why: String| Json(json!({"status": truth(false), "msg": why}));
    if let Some(why) = &habits.refuses {
        return refused(why.clone());
    }
    match order(&network, &body) {
        Err(why) => refused(why),
        Ok(_) if habits.forgets_call_id => Json(json!({"status": truth(true), "msg": "Call Initiated"})),
        Ok(call_id) => Json(json!({"status": truth(true), "msg": "Call Initiated", "callid": call_id})),
    }
}

fn order(network: &Arc<Network>, body: &[u8]) -> Result<String, String> {
    let Ok(Value::Object(order)) = serde_json::from_slice::<Value>(body) else {
        return Err("Invalid request".into());
    };
    let text = |name: &str| order.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("HTTP_AUTHORIZATION") != Some(network.config.token.as_str()) {
        return Err("Invalid token".into());
    }
    let number = |name: &str| {
        let number = text(name).ok_or_else(|| format!("{name} is required"))?;
        let is_ten_digits = number.len() == 10 && number.bytes().all(|b| b.is_ascii_digit());
        if is_ten_digits { Ok(number.to_owned()) } else { Err(format!("{name} is not a valid number")) }
    };
    let (executive, customer) = (number("exenumber")?, number("custnumber")?);
    let refurl = text("refurl").ok_or("refurl is required")?;
    if !url::Url::parse(refurl).is_ok_and(|url| ["http", "https"].contains(&url.scheme())) {
        return Err("refurl is not a valid URL".into());
    }
    let reference = text("refid").unwrap_or_default().to_owned();
    let callee = locked(&network.callees)
        .get(last_ten(&customer))
        .cloned()
        .unwrap_or_else(|| network.config.callee.clone());
    let placed = PlacedCall {
        from: executive,
        to: customer,
        way: Way::Webhook { refurl: refurl.to_owned() },
        caller: callee.caller.clone(),
        faults: callee.faults.clone(),
        ..PlacedCall::default()
    };
    let live = call::originate(network, placed, callee, reference);
    let call_id = live.sid().to_owned();
    // With nobody asking for handles the call goes on without one.
    let _ = network.originated.try_send(live);
    Ok(call_id)
}
