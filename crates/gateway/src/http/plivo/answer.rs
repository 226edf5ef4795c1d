//! A call knocks, or somebody whom we called has answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use call::{CallId, masked};
use carriers::plivo::answer::{self, AnswerError, Document};
use carriers::plivo::webhook::{CallReport, Direction};
use tracing::{error, info, warn};
use url::Url;

use super::super::admission::{self, NotAdmitted};
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::webhook::Webhook;
use super::{documents, status, webhook};
use crate::carrier_kind::CarrierKind;
use crate::gateway::PLIVO;
use crate::outbound::{Named, PlaceOf, Progress};
use crate::switchboard::{Knock, Refusal, Reservation};

const PATH: &str = "plivo_answer";

pub(super) async fn answer(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Response {
    let webhook = match webhook::receive(&reception, ends, PATH, request).await {
        Ok(webhook) => webhook,
        Err(response) => return response,
    };
    let metrics = &reception.gateway.metrics;
    let call = match CallReport::read(&webhook.params) {
        Ok(call) => call,
        Err(error) => {
            metrics.webhook(PATH, "malformed");
            return refuse(400, &error.to_string());
        }
    };
    if call.status.is_over() {
        // Somebody pointed the hangup URL here as well.
        status::is_over(&reception, webhook.call, &call);
        metrics.webhook(PATH, "over");
        return StatusCode::NO_CONTENT.into_response();
    }
    let answer = match webhook.call {
        Some(id) => answered(&reception, &webhook, id, &call),
        None => knocked(&reception, &webhook, &call),
    };
    metrics.webhook(PATH, answer.outcome);
    xml(answer.document)
}

struct Answer {
    outcome: &'static str,
    document: Result<Document, AnswerError>,
}

fn document(reason: &NotAdmitted) -> Result<Document, AnswerError> {
    match reason {
        NotAdmitted::AddressTooOften(_) | NotAdmitted::CallerTooOften(_) => documents::busy(),
        NotAdmitted::NoBot => documents::trouble(),
        NotAdmitted::GivenUp | NotAdmitted::Refused(Refusal::Over) => documents::over(),
        NotAdmitted::Refused(Refusal::Draining) => documents::closing(),
        NotAdmitted::Refused(Refusal::AllLinesBusy { .. } | Refusal::NoAgentSlot { .. }) => documents::busy(),
    }
}

fn knocked(reception: &Reception, webhook: &Webhook, call: &CallReport) -> Answer {
    match admit(reception, webhook.client, call, Instant::now()) {
        Ok(reservation) => connect(reception, webhook.base.as_ref(), &reservation, &call.call_uuid),
        Err(reason) => {
            reception.gateway.metrics.refused(reason.name());
            info!(reason = reason.name(), caller = masked(&call.from), "a call was not let in: {reason}");
            Answer { outcome: reason.name(), document: document(&reason) }
        }
    }
}

/// A place for the call, or why there is none.
fn admit(
    reception: &Reception,
    client: IpAddr,
    call: &CallReport,
    now: Instant,
) -> Result<Reservation, NotAdmitted> {
    let gateway = &reception.gateway;
    // Of a call that somebody placed with our account, our number is the one it comes from.
    let ours = if call.direction == Direction::Outbound { &call.from } else { &call.to };
    let bot = gateway.config.bot_on(CarrierKind::Plivo, filled(ours)).cloned().map(Arc::new);
    let knock = Knock {
        carrier: PLIVO.to_owned(),
        carrier_call: Some(call.call_uuid.clone()),
        from: filled(&call.from).map(str::to_owned),
        to: filled(&call.to).map(str::to_owned),
        facts: call.headers.clone(),
        ..Knock::default()
    };
    admission::admit(reception, client, &call.from, knock, bot, now)
}

/// Somebody whom we called has answered. The place was taken before the phone rang.
fn answered(reception: &Reception, webhook: &Webhook, id: CallId, call: &CallReport) -> Answer {
    let gateway = &reception.gateway;
    let place = gateway.place_of_outbound(CarrierKind::Plivo, id, Some(&call.call_uuid));
    let progress = match call.machine {
        Some(true) => Progress::Machine,
        Some(false) => Progress::Person,
        None => Progress::Answered,
    };
    gateway.report_outbound(CarrierKind::Plivo, Named::Ours(id), &progress);
    match place {
        PlaceOf::Call(reservation) => {
            connect(reception, webhook.base.as_ref(), &reservation, &call.call_uuid)
        }
        PlaceOf::Full(refusal) => {
            gateway.metrics.refused(refusal.name());
            Answer { outcome: refusal.name(), document: documents::busy() }
        }
        PlaceOf::Over | PlaceOf::NotOurs => {
            info!(call = %id, "a call was answered that has been given up");
            Answer { outcome: "given_up", document: documents::over() }
        }
    }
}

fn connect(reception: &Reception, base: Option<&Url>, reservation: &Reservation, call_uuid: &str) -> Answer {
    let gateway = &reception.gateway;
    let written = match base {
        Some(base) => documents::connect(&gateway.config.carriers.plivo, base, reservation)
            .map_err(|error| error.to_string()),
        None => Err("server.public_url is not set, so there is no address for media".to_owned()),
    };
    match written {
        Ok(document) => Answer { outcome: "connected", document: Ok(document) },
        Err(why) => {
            warn!(call = %reservation.id, "a call cannot be connected: {why}");
            gateway.switchboard.cancel_reservation(PLIVO, call_uuid);
            Answer { outcome: "trouble", document: documents::trouble() }
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn xml(document: Result<Document, AnswerError>) -> Response {
    match document {
        Ok(document) => {
            ([(header::CONTENT_TYPE, answer::CONTENT_TYPE)], document.into_string()).into_response()
        }
        Err(error) => {
            error!(%error, "no document could be written for a call: {error}");
            refuse(500, "no answer could be written; the log says why")
        }
    }
}
