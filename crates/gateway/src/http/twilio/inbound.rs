//! A call knocks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use call::masked;
use carriers::twilio::twiml::{self, Document, TwimlError};
use carriers::twilio::webhook::{Direction, InboundCall};
use tracing::{error, info, warn};
use url::Url;

use super::super::admission::{self, NotAdmitted};
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::{documents, status, webhook};
use crate::carrier_kind::CarrierKind;
use crate::gateway::TWILIO;
use crate::switchboard::{Knock, Refusal, Reservation};

pub(super) async fn inbound(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, "inbound", request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let metrics = &reception.gateway.metrics;
    let call = match InboundCall::read(&webhook.params) {
        Ok(call) => call,
        Err(error) => {
            metrics.webhook("inbound", "malformed");
            return refuse(400, &error.to_string());
        }
    };
    if call.status.is_over() {
        // Somebody pointed the status callback here as well.
        status::is_over(&reception, &call.call_sid, format!("Twilio says: {}", call.status.word()));
        metrics.webhook("inbound", "over");
        return StatusCode::NO_CONTENT.into_response();
    }
    let answer = match admit(&reception, webhook.client, &call, Instant::now()) {
        Ok(reservation) => connect(&reception, webhook.base.as_ref(), &reservation, &call),
        Err(reason) => {
            metrics.refused(reason.name());
            info!(reason = reason.name(), caller = masked(&call.from), "a call was not let in: {reason}");
            Answer { outcome: reason.name(), document: document(&reason) }
        }
    };
    metrics.webhook("inbound", answer.outcome);
    match answer.document {
        Ok(document) => xml(document),
        Err(error) => {
            error!(%error, "no document could be written for a call: {error}");
            refuse(500, "no answer could be written; the log says why")
        }
    }
}

struct Answer {
    outcome: &'static str,
    document: Result<Document, TwimlError>,
}

fn document(reason: &NotAdmitted) -> Result<Document, TwimlError> {
    match reason {
        NotAdmitted::AddressTooOften(_) | NotAdmitted::CallerTooOften(_) => documents::busy(),
        NotAdmitted::NoBot => documents::trouble(),
        NotAdmitted::GivenUp | NotAdmitted::Refused(Refusal::Over) => documents::over(),
        NotAdmitted::Refused(Refusal::Draining) => documents::closing(),
        NotAdmitted::Refused(Refusal::AllLinesBusy { .. } | Refusal::NoAgentSlot { .. }) => documents::busy(),
    }
}

/// A place for the call, or why there is none.
fn admit(
    reception: &Reception,
    client: IpAddr,
    call: &InboundCall,
    now: Instant,
) -> Result<Reservation, NotAdmitted> {
    let gateway = &reception.gateway;
    // Of a call that we placed, our number is the one it comes from.
    let ours = if call.direction == Direction::OutboundApi { &call.from } else { &call.to };
    let bot = gateway.config.bot_on(CarrierKind::Twilio, filled(ours)).cloned().map(Arc::new);
    let knock = Knock {
        carrier: TWILIO.to_owned(),
        carrier_call: Some(call.call_sid.clone()),
        from: filled(&call.from).map(str::to_owned),
        to: filled(&call.to).map(str::to_owned),
        ..Knock::default()
    };
    admission::admit(reception, client, &call.from, knock, bot, now)
}

fn connect(
    reception: &Reception,
    base: Option<&Url>,
    reservation: &Reservation,
    call: &InboundCall,
) -> Answer {
    let gateway = &reception.gateway;
    let written = match base {
        Some(base) => {
            let settings = &gateway.config.carriers.twilio;
            documents::connect(settings, base, reservation, &call.from, &call.to)
                .map_err(|error| error.to_string())
        }
        None => Err("server.public_url is not set, so there is no address for media".to_owned()),
    };
    match written {
        Ok(document) => Answer { outcome: "connected", document: Ok(document) },
        Err(why) => {
            warn!(call = %reservation.id, "a call cannot be connected: {why}");
            gateway.switchboard.cancel_reservation(TWILIO, &call.call_sid);
            Answer { outcome: "trouble", document: documents::trouble() }
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn xml(document: Document) -> Response {
    ([(header::CONTENT_TYPE, twiml::CONTENT_TYPE)], document.into_string()).into_response()
}
