//! The upgrade of a media socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use carriers::Upgrade;
use carriers::exotel::rate_of;
use carriers::exotel::webhook::{Params, call_in_address};
use tracing::warn;

use super::super::listener::Ends;
use super::super::media_sockets::{refuse, take_over};
use super::super::reception::Reception;
use super::proof::{self, NotLetIn};
use super::webhook::{TOKEN, unauthorised};
use crate::arrival::Entrance;
use crate::carrier_kind::CarrierKind;

/// The parameter that names the rate of the sound.
const SAMPLE_RATE: &str = "sample-rate";

/// Exotel passes three parameters on.
const FACTS_MAX: usize = 16;
const FACT_CHARS_MAX: usize = 256;

/// The secret lets the socket in, a wrong one keeps it out. With neither, a token that works once must follow: in the
/// address, or in the first message.
pub(super) async fn upgrade(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let gateway = &reception.gateway;
    let query = match Params::from_query(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return refuse(error.status(), &error.to_string()),
    };
    let once = query.all(TOKEN).find(|token| gateway.switchboard.expects_token(token));
    let proven = match proof::check(gateway, ends, request.headers(), query.all(TOKEN)) {
        Ok(()) => true,
        Err(_) if once.is_some() => false,
        Err(NotLetIn::NothingShown) => false,
        Err(why @ (NotLetIn::Wrong | NotLetIn::NoSecret)) => {
            gateway.metrics.signature_failures.inc();
            let client = reception.client(ends.peer.ip(), request.headers());
            warn!(%client, "a media socket was not let in: {why}");
            return unauthorised(&why.to_string());
        }
    };
    let call = call_in_address(&query);
    let facts = query.iter().filter(|(name, value)| is_fact(name) && value.chars().count() <= FACT_CHARS_MAX);
    let entrance = Entrance {
        carrier: CarrierKind::Exotel,
        proven,
        token: once.map(str::to_owned),
        upgrade: Upgrade { call: call.map(str::to_owned), rate: query.filled(SAMPLE_RATE).and_then(rate_of) },
        facts: facts.take(FACTS_MAX).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    take_over(gateway, request, entrance)
}

fn is_fact(name: &str) -> bool {
    ![TOKEN, SAMPLE_RATE].contains(&name) && !carriers::exotel::webhook::is_call_name(name)
}
