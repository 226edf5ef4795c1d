//! HTTP requests that become media sockets.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tracing::warn;
use wire::websocket::{UpgradeRequest, check_upgrade};

use super::access::{is_own_origin, may_use, text};
use super::listener::ConnectionPlace;
use super::reception::Reception;
use crate::arrival::{self, Entrance};
use crate::carrier_kind::CarrierKind;
use crate::gateway::Gateway;

/// Answers an upgrade and hands the socket to a media thread.
pub(super) fn take_over(gateway: &Arc<Gateway>, mut request: Request, entrance: Entrance) -> Response {
    let accept = {
        let headers = request.headers();
        let text = |name| text(headers, name);
        let asked = UpgradeRequest {
            method: request.method().as_str(),
            upgrade: text(header::UPGRADE),
            connection: text(header::CONNECTION),
            version: text(header::SEC_WEBSOCKET_VERSION),
            key: text(header::SEC_WEBSOCKET_KEY),
        };
        match check_upgrade(&asked) {
            Ok(accept) => accept,
            Err(error) => return refuse(error.status, error.what),
        }
    };
    if gateway.switchboard.is_draining() {
        return refuse(503, "the gateway is shutting down");
    }
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return refuse(426, "this connection cannot be upgraded");
    };
    let place = request.extensions().get::<ConnectionPlace>().cloned();
    let then = Arc::clone(gateway);
    gateway.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            warn!("an upgraded connection is not a plain socket");
            return;
        };
        // The socket moves to the runtime of a media thread, so it leaves this one's.
        match parts.io.into_inner().into_std() {
            Ok(stream) => {
                let thread = then.media.idlest().clone();
                let early = parts.read_buf.to_vec();
                thread.spawn(then.tasks.clone().track_future(async move {
                    // A call's state is large; it is built where it stays.
                    Box::pin(arrival::receive(then, stream, early, entrance)).await;
                    drop(place);
                }));
            }
            Err(error) => warn!(%error, "an upgraded socket could not be handed over: {error}"),
        }
    });
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty());
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The page's socket. A page on another origin must not make a visitor's browser place calls here.
pub(super) async fn browser(State(reception): State<Arc<Reception>>, request: Request) -> Response {
    let (gateway, headers) = (&reception.gateway, request.headers());
    let server = &gateway.config.server;
    if let Some(origin) = text(headers, header::ORIGIN)
        && !is_own_origin(server, headers, origin)
    {
        return refuse(403, "this page may not call here; list its origin in server.cors_origins");
    }
    // A browser cannot send a header with an upgrade: its page shows the token in its first message instead.
    let authorised = may_use(server, headers).is_ok();
    take_over(gateway, request, Entrance::plain(CarrierKind::Browser, authorised))
}

pub(super) fn refuse(status: u16, words: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, format!("{words}\n")).into_response();
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    }
    response
}
