//! The upgrade of a media socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use tracing::warn;

use super::super::listener::Ends;
use super::super::media_sockets::{refuse, take_over};
use super::super::reception::Reception;
use super::signature::{Headers, let_upgrade, ways};
use crate::arrival::Entrance;
use crate::carrier_kind::CarrierKind;

/// A right signature lets the socket in, a wrong one keeps it out. Without one, and Plivo promises none here, the token in
/// its first message decides.
pub(super) async fn upgrade(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let gateway = &reception.gateway;
    let headers = Headers::of(request.headers());
    let shown = headers.shown();
    let has_v3 = shown.v3.is_some() || shown.v3_of_main_account.is_some();
    // Somebody who skips the check has no token to check with; a socket without a token stays outside even so.
    let checks = has_v3 && !gateway.config.carriers.plivo.skip_signature_validation;
    if checks {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let ways = ways(gateway, ends, request.headers());
        if let Err(error) = let_upgrade(ways, &shown, target) {
            gateway.metrics.signature_failures.inc();
            let client = reception.client(ends.peer.ip(), request.headers());
            warn!(%client, "a media socket was not let in: {error}");
            return refuse(403, &error.to_string());
        }
    }
    take_over(gateway, request, Entrance::plain(CarrierKind::Plivo, checks))
}
