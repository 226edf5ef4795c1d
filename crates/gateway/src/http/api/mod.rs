//! The API: `/api/v1`. What it answers and takes is written down in `docs/API.md`.

mod calls;
mod events;
mod orders;
mod place;
mod request;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower_http::cors::{AllowOrigin, CorsLayer};

pub(super) use self::request::{Expected, Told};
use super::access::may_use;
use super::listener::Ends;
use super::reception::Reception;
use super::refusal::Refusal;
use crate::config::Server;

/// How long a browser may remember what another origin is allowed.
const CORS_FOR: Duration = Duration::from_secs(600);

/// The routes below `/api/v1`.
pub(super) fn routes(reception: &Arc<Reception>) -> Router<Arc<Reception>> {
    let routes = Router::new()
        .route("/status", get(status::status))
        .route("/calls", get(calls::list).post(place::place))
        .route("/calls/{id}", get(calls::show))
        .route("/calls/{id}/hangup", post(orders::hang_up))
        .route("/calls/{id}/transfer", post(orders::transfer))
        .route("/calls/{id}/say", post(orders::say))
        .route("/events", get(events::events))
        .fallback(|| async { Refusal::no_such_path() })
        .method_not_allowed_fallback(|| async { Refusal::method_not_allowed() });
    guarded(routes, reception)
}

/// Lets in only those who may use the API, and not too often. Outermost the answer for pages of other origins: a browser
/// asks whether it may ask, without a token.
pub(super) fn guarded(routes: Router<Arc<Reception>>, reception: &Arc<Reception>) -> Router<Arc<Reception>> {
    let routes = routes.layer(middleware::from_fn_with_state(Arc::clone(reception), guard));
    match cors(&reception.gateway.config.server) {
        Some(cors) => routes.layer(cors),
        None => routes,
    }
}

async fn guard(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
    next: Next,
) -> Response {
    let client = reception.client(ends.peer.ip(), request.headers());
    // Before the token is looked at, so that guessing one is slow.
    if let Err(too_often) = reception.admit_request(client) {
        return Refusal::from(too_often).into_response();
    }
    if let Err(why) = may_use(&reception.gateway.config.server, request.headers()) {
        return Refusal::from(why).into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What pages of other origins may do: nothing, unless the operator lists them. Never with cookies; there are none.
fn cors(server: &Server) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = server
        .cors_origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin.trim_end_matches('/')).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let headers: [HeaderName; 3] =
        [header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static(place::KEY_HEADER)];
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(headers)
            .max_age(CORS_FOR),
    )
}
