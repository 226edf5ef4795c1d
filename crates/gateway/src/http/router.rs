//! What answers which path.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{debug, error};

use super::reception::Reception;
use super::refusal::Refusal;
use super::{api, console, exotel, health, mcube, media_sockets, plivo, twilio};
use crate::gateway::Gateway;

/// On every answer, whatever it is: it is what it says it is, and where somebody came from is nobody's business.
const HEADERS: [(HeaderName, &str); 2] =
    [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "no-referrer")];

/// All routes of the gateway.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    let reception = Arc::new(Reception::new(gateway));
    let carriers = &gateway.config.carriers;
    let mut router = Router::new()
        .nest("/api/v1", api::routes(&reception))
        .merge(health::open_routes())
        .merge(api::guarded(health::guarded_routes(), &reception))
        .merge(twilio::routes(&carriers.twilio))
        .merge(plivo::routes(&carriers.plivo))
        .merge(exotel::routes(&carriers.exotel, &reception))
        .merge(mcube::routes(&carriers.mcube));
    if carriers.browser.enabled {
        router = router.route(&carriers.browser.path, get(media_sockets::browser));
    }
    router
        .fallback(elsewhere)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(told))
        .with_state(reception)
}

/// Everything that is no route: a file of the console, or nothing.
async fn elsewhere(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        return Refusal::no_such_path().into_response();
    }
    console::file(&method, path, &headers)
        .unwrap_or_else(|| (StatusCode::NOT_FOUND, "there is nothing at this path\n").into_response())
}

/// One request that met a bug of ours must not take the others with it.
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
    error!("answering a request panicked: {words}");
    Refusal::broken().into_response()
}

/// Tells of each request, without its query, headers and body: they hold numbers, tokens and signatures.
async fn told(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    for (name, value) in &HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    debug!(%method, path, status = response.status().as_u16(), took_us = began.elapsed().as_micros(), "answered");
    response
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_in_the_words_of_the_api() {
        let response = panicked(Box::new("a secret place"));

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "internal");
        assert!(!body.to_string().contains("a secret place"));
    }
}
