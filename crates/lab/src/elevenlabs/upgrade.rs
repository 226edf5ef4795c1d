//! Who gets a conversation: authentication, limits, and the upgrade itself.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::agent::AgentDoc;
use super::record::{Authorization, SessionRecord};
use super::session::{self, Opening};
use super::{OverLimit, Refusals, SessionHandle, Slot, Workspace, rest};
use crate::faults::Faults;
use crate::net::{self, Connection};
use crate::wire::{self, Wire};
use crate::{chance, locked};

/// A refusal in both of its forms.
struct Refusal {
    response: Response,
    reason: String,
}

/// Who came in.
struct Admitted {
    agent: AgentDoc,
    authorization: Authorization,
    conversation_id: Option<String>,
}

pub(super) async fn conversation(State(workspace): State<Arc<Workspace>>, mut request: Request) -> Response {
    let headers = request.headers().clone();
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return rest::legacy(StatusCode::BAD_REQUEST, "invalid_request", "this is a WebSocket endpoint");
    };
    let accept = derive_accept_key(key.as_bytes());
    let faults = locked(&workspace.faults).pop_front().unwrap_or_default();
    tokio::time::sleep(faults.handshake_delay()).await;
    if faults.drops_handshake()
        && let Some(connection) = request.extensions().get::<Connection>().cloned()
    {
        return connection.cut().await;
    }
    if let Some((status, body)) = faults.refusal() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut close_at_once = faults.closes_handshake();
    let admitted = match admit(&workspace, &query, &headers) {
        Ok(admitted) => admitted,
        Err(refusal) if workspace.config.refusals == Refusals::Status => return refusal.response,
        Err(refusal) => {
            close_at_once = Some((1008, refusal.reason));
            Admitted {
                agent: AgentDoc::default(),
                authorization: Authorization::Public,
                conversation_id: None,
            }
        }
    };
    let mut slot = None;
    if close_at_once.is_none() {
        slot = workspace.take_slot(&admitted.agent);
        match workspace.config.over_limit {
            _ if slot.is_some() => {}
            OverLimit::Refuse => {
                let message = "Too many concurrent conversations.";
                return rest::legacy(StatusCode::TOO_MANY_REQUESTS, "too_many_concurrent_requests", message);
            }
            OverLimit::Close => close_at_once = Some((3008, "too many concurrent connections".into())),
            // The conversation itself waits.
            OverLimit::Queue(_) => {}
        }
    }
    let Some(upgrade) = net::upgrade_of(&mut request) else {
        return rest::legacy(StatusCode::BAD_REQUEST, "invalid_request", "the connection cannot be upgraded");
    };
    let subprotocol = offered_convai(&headers).then(|| "convai".to_owned());
    let life = workspace.life.clone();
    let opening = Opening { subprotocol: subprotocol.clone(), query, faults, close_at_once, slot };
    life.tasks.spawn(Box::pin(async move {
        let upgraded = tokio::select! {
            upgraded = upgrade => upgraded,
            () = workspace.life.over.cancelled() => return,
        };
        if let Some((tcp, already_read)) = upgraded.ok().and_then(net::tcp_of) {
            let socket = wire::server_side(tcp, already_read).await;
            begin(workspace, admitted, opening, socket).await;
        }
    }));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if subprotocol.is_some() {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("convai"));
    }
    response
}

async fn begin(
    workspace: Arc<Workspace>,
    admitted: Admitted,
    opening: Opening,
    socket: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
) {
    let conversation_id = admitted.conversation_id.unwrap_or_else(|| chance::sid("conv_"));
    let mut record = SessionRecord::new(
        conversation_id,
        admitted.agent.agent_id.clone(),
        admitted.authorization,
        admitted.agent.input_format,
    );
    record.query.clone_from(&opening.query);
    record.subprotocol.clone_from(&opening.subprotocol);
    // Acts come from a test, one at a time.
    let (acts, injected) = mpsc::channel(64);
    let record = Arc::new(Mutex::new(record));
    let ended = Arc::new(Mutex::new(None));
    let handle = SessionHandle { record: Arc::clone(&record), acts, ended: Arc::clone(&ended) };
    locked(&workspace.sessions).push(handle);
    workspace.touched();
    let faults: &Faults = &opening.faults;
    let wire = Wire::new(socket, faults);
    let began = Instant::now();
    let end =
        session::hold(Arc::clone(&workspace), admitted.agent, opening, wire, Arc::clone(&record), injected)
            .await;
    {
        let mut record = locked(&record);
        record.end = Some(end);
        record.duration = began.elapsed();
    }
    *locked(&ended) = Some(Instant::now());
    workspace.touched();
}

fn admit(workspace: &Workspace, query: &str, headers: &HeaderMap) -> Result<Admitted, Box<Refusal>> {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let signature = field("conversation_signature").or_else(|| field("token"));
    if let Some(signature) = signature {
        return admit_signed(workspace, signature);
    }
    let Some(agent_id) = field("agent_id") else {
        let reason = "agent_id is required";
        return Err(Box::new(Refusal {
            response: rest::legacy(StatusCode::FORBIDDEN, "missing_agent", reason),
            reason: reason.into(),
        }));
    };
    let Some(agent) = workspace.agent(agent_id) else {
        let reason = format!("The AI agent you are trying to reach does not exist: {agent_id}");
        return Err(Box::new(Refusal { response: rest::no_agent(agent_id), reason }));
    };
    if rest::has_key(workspace, headers) {
        return Ok(Admitted { agent, authorization: Authorization::ApiKey, conversation_id: None });
    }
    if headers.contains_key("xi-api-key") {
        let reason = "Invalid API key";
        let response = rest::legacy(StatusCode::UNAUTHORIZED, "invalid_api_key", reason);
        return Err(Box::new(Refusal { response, reason: reason.into() }));
    }
    if agent.requires_auth {
        let reason = "Could not authorize the conversation: this agent requires authorization.";
        let response = rest::named(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "needs_authorization",
            reason,
            None,
        );
        return Err(Box::new(Refusal { response, reason: reason.into() }));
    }
    Ok(Admitted { agent, authorization: Authorization::Public, conversation_id: None })
}

fn admit_signed(workspace: &Workspace, signature: &str) -> Result<Admitted, Box<Refusal>> {
    let entry = {
        let mut signatures = locked(&workspace.signatures);
        let single_use = signatures.get(signature).is_some_and(|entry| entry.single_use.is_some());
        if single_use { signatures.remove(signature) } else { signatures.get(signature).cloned() }
    };
    let entry = entry.filter(|entry| entry.until > Instant::now());
    let agent = entry.as_ref().and_then(|entry| workspace.agent(&entry.agent_id));
    match (entry, agent) {
        (Some(entry), Some(agent)) => {
            Ok(Admitted { agent, authorization: Authorization::SignedUrl, conversation_id: entry.single_use })
        }
        _ => {
            let reason = "The signed URL is invalid or has expired.";
            let response = rest::legacy(StatusCode::FORBIDDEN, "invalid_signed_url", reason);
            Err(Box::new(Refusal { response, reason: reason.into() }))
        }
    }
}

fn offered_convai(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim() == "convai")
}

impl Opening {
    pub(super) fn needs_slot(&self) -> bool {
        self.slot.is_none()
    }

    pub(super) fn keep(&mut self, slot: Slot) {
        self.slot = Some(slot);
    }
}
