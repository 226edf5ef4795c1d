//! The REST calls a gateway makes, with the four shapes of error bodies where the platform uses them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::record::SessionEnd;
use super::{BOOKS_MAX, RestRequest, SignedUrl, Workspace, upgrade};
use crate::net::Connection;
use crate::{chance, locked};

pub(super) fn routes(workspace: Arc<Workspace>) -> Router {
    let rest = Router::new()
        .route("/v1/convai/conversation/get-signed-url", get(signed_url))
        .route("/v1/convai/conversation/get_signed_url", get(signed_url))
        .route("/v1/convai/agents/{agent}", get(agent))
        .route("/v1/convai/conversations/{conversation}", get(conversation))
        .route("/v1/convai/analytics/live-count", get(live_count))
        .route("/v1/user", get(user))
        .route("/v1/user/subscription", get(subscription))
        .method_not_allowed_fallback(|| async { plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") })
        .layer(middleware::from_fn_with_state(Arc::clone(&workspace), gate));
    Router::new()
        .route("/v1/convai/conversation", get(upgrade::conversation))
        .merge(rest)
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "Not Found") })
        .with_state(workspace)
}

/// Newer shape: everything has a name.
pub(super) fn named(
    status: StatusCode,
    kind: &str,
    code: &str,
    message: &str,
    param: Option<&str>,
) -> Response {
    let detail = json!({
        "type": kind, "code": code, "message": message, "status": code,
        "request_id": chance::sid("req_"), "param": param,
    });
    (status, Json(json!({"detail": detail}))).into_response()
}

/// Legacy shape, still common.
pub(super) fn legacy(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"detail": {"status": code, "message": message}}))).into_response()
}

/// Validation shape.
fn validation(place: [&str; 2], message: &str, kind: &str) -> Response {
    let detail = json!([{"loc": place, "msg": message, "type": kind, "input": null}]);
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"detail": detail}))).into_response()
}

/// Plain shape.
fn plain(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"detail": message}))).into_response()
}

async fn gate(State(workspace): State<Arc<Workspace>>, request: Request, next: Next) -> Response {
    let faults = &workspace.config.rest_faults;
    tokio::time::sleep(faults.handshake_delay()).await;
    if faults.drops_handshake()
        && let Some(connection) = request.extensions().get::<Connection>()
    {
        return connection.cut().await;
    }
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let answer = if let Some((status, body)) = faults.error_body() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    } else if has_key(&workspace, request.headers()) {
        next.run(request).await
    } else {
        legacy(StatusCode::UNAUTHORIZED, "invalid_api_key", "Invalid API key")
    };
    let mut requests = locked(&workspace.requests);
    if requests.len() < BOOKS_MAX {
        requests.push(RestRequest { path, status: answer.status().as_u16() });
    }
    answer
}

pub(super) fn has_key(workspace: &Workspace, headers: &HeaderMap) -> bool {
    headers.get("xi-api-key").and_then(|value| value.to_str().ok()) == Some(workspace.config.api_key.as_str())
}

async fn signed_url(
    State(workspace): State<Arc<Workspace>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(agent_id) = query.get("agent_id") else {
        return validation(["query", "agent_id"], "Field required", "missing");
    };
    if workspace.agent(agent_id).is_none() {
        return no_agent(agent_id);
    }
    let single_use = (query.get("include_conversation_id").map(String::as_str) == Some("true"))
        .then(|| chance::sid("conv_"));
    let signature = chance::sid("cvtkn_");
    let entry = SignedUrl {
        agent_id: agent_id.clone(),
        until: Instant::now() + workspace.config.signed_url_lives,
        single_use: single_use.clone(),
    };
    {
        let mut signatures = locked(&workspace.signatures);
        let now = Instant::now();
        signatures.retain(|_, entry| entry.until > now);
        if signatures.len() < BOOKS_MAX {
            signatures.insert(signature.clone(), entry);
        }
    }
    let url = format!(
        "ws://{}/v1/convai/conversation?agent_id={agent_id}&conversation_signature={signature}",
        workspace.address
    );
    let mut answer = json!({"signed_url": url});
    if let Some(conversation_id) = single_use {
        answer["conversation_id"] = conversation_id.into();
    }
    Json(answer).into_response()
}

pub(super) fn no_agent(agent_id: &str) -> Response {
    let message = format!("Agent with id {agent_id} not found");
    named(StatusCode::NOT_FOUND, "not_found", "agent_not_found", &message, Some("agent_id"))
}

async fn agent(State(workspace): State<Arc<Workspace>>, Path(agent_id): Path<String>) -> Response {
    match workspace.agent(&agent_id) {
        Some(agent) => Json(agent.document()).into_response(),
        None => no_agent(&agent_id),
    }
}

async fn conversation(State(workspace): State<Arc<Workspace>>, Path(id): Path<String>) -> Response {
    let session = locked(&workspace.sessions)
        .iter()
        .find(|session| locked(&session.record).conversation_id == id)
        .cloned();
    let Some(session) = session else {
        let message = format!("Conversation with id {id} not found");
        return named(StatusCode::NOT_FOUND, "not_found", "conversation_not_found", &message, None);
    };
    let ended = *locked(&session.ended);
    let record = locked(&session.record);
    let status = match (ended, &record.end) {
        (None, _) => "in-progress",
        (Some(at), _) if at.elapsed() < workspace.config.processing => "processing",
        (_, Some(SessionEnd::Agent { code, .. })) if *code != 1000 => "failed",
        _ => "done",
    };
    let name = workspace.agent(&record.agent_id).map(|agent| agent.name).unwrap_or_default();
    Json(record.document(&name, status)).into_response()
}

async fn live_count(State(workspace): State<Arc<Workspace>>) -> Json<Value> {
    Json(json!({"count": workspace.slots.borrow().len()}))
}

async fn user() -> Json<Value> {
    Json(json!({
        "user_id": "user_lab", "subscription": subscription_object(), "is_new_user": false, "xi_api_key": null,
        "can_use_delayed_payment_methods": false, "is_onboarding_completed": true,
        "is_onboarding_checklist_completed": true, "created_at": 1_767_225_600, "seat_type": "workspace_admin",
    }))
}

async fn subscription() -> Json<Value> {
    Json(subscription_object())
}

fn subscription_object() -> Value {
    json!({
        "tier": "creator", "character_count": 1_000, "character_limit": 100_000, "status": "active",
        "max_character_limit_extension": null, "can_extend_character_limit": false,
        "allowed_to_extend_character_limit": false, "voice_slots_used": 1, "professional_voice_slots_used": 0,
        "voice_limit": 30, "can_extend_voice_limit": false, "can_use_instant_voice_cloning": true,
        "can_use_professional_voice_cloning": true, "voice_add_edit_counter": 0, "next_character_count_reset_unix": null,
    })
}
