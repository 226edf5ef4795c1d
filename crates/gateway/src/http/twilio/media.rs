//! The upgrade of a media socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use carriers::twilio::signature;
use tracing::warn;

use super::super::listener::Ends;
use super::super::media_sockets::{refuse, take_over};
use super::super::reception::Reception;
use super::signature::{let_in, ways};
use crate::arrival::Entrance;
use crate::carrier_kind::CarrierKind;

/// A right signature lets the socket in, a wrong one keeps it out. Without one the token in its first message decides.
pub(super) async fn upgrade(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let gateway = &reception.gateway;
    let (server, twilio) = (&gateway.config.server, &gateway.config.carriers.twilio);
    let headers = request.headers();
    let signed = match headers.get(signature::HEADER) {
        None => false,
        // Somebody who skips the check has no token to check with; a socket without a token stays outside even so.
        Some(_) if twilio.skip_signature_validation => false,
        Some(header) => {
            let header = header.to_str().ok();
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            let ways = ways(server, twilio, gateway.lab_token.as_ref(), ends, headers);
            let checked = let_in(ways, header, |base, tokens| {
                signature::verify_upgrade(tokens, &signature::public_url(base, target), header)
            });
            if let Err(error) = checked {
                gateway.metrics.signature_failures.inc();
                let client = reception.client(ends.peer.ip(), headers);
                warn!(%client, "a media socket was not let in: {error}");
                return refuse(403, &error.to_string());
            }
            true
        }
    };
    take_over(gateway, request, Entrance::plain(CarrierKind::Twilio, signed))
}
