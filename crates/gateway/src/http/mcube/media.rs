//! The upgrade of a media socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use carriers::Upgrade;
use carriers::mcube::webhook::is_id;

use super::super::listener::Ends;
use super::super::media_sockets::{refuse, take_over};
use super::super::reception::Reception;
use super::proof::{Asked, prove};
use crate::arrival::Entrance;
use crate::carrier_kind::CarrierKind;

/// Whoever shows no token here has to show one in the first message; the older service's addresses have none.
pub(super) async fn upgrade(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    Path(session): Path<String>,
    request: Request,
) -> Response {
    if !is_id(&session) {
        return refuse(400, "the last part of the path is not a call's identifier");
    }
    let gateway = &reception.gateway;
    let asked = Asked::of(request.uri());
    let proven = prove(gateway, ends, request.headers(), &asked).is_ok();
    let entrance = Entrance {
        proven,
        token: asked.token,
        upgrade: Upgrade { call: Some(session), rate: None },
        ..Entrance::plain(CarrierKind::Mcube, proven)
    };
    take_over(gateway, request, entrance)
}
