//! A caller is handed over: Plivo asks to whom.
//!
//! The answer stands in the address itself, with a proof that we put it there for this very call: nothing has to be
//! remembered until Plivo asks, and the call may be over here by then.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use carriers::plivo::answer::{self, AnswerError, Dial, Document};
use carriers::plivo::signature::{is_vouched, vouch};
use carriers::plivo::webhook::CallReport;
use carriers::twilio::signature::public_url;
use tracing::warn;
use url::Url;

use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::answer::xml;
use super::{signature, webhook};
use crate::config::Plivo;

const PATH: &str = "plivo_transfer";
const TO: &str = "to";
const PROOF: &str = "proof";

/// Where Plivo finds the document for this call.
pub(crate) fn address(settings: &Plivo, base: &Url, call_uuid: &str, to: &str) -> Option<String> {
    let proof = vouch(settings.auth_token.as_ref()?, call_uuid, to);
    let mut url = Url::parse(&public_url(base, &settings.transfer_path)).ok()?;
    url.query_pairs_mut().append_pair(TO, to).append_pair(PROOF, &proof);
    Some(url.into())
}

/// The document that hands a caller over.
pub(crate) fn document(settings: &Plivo, to: &str) -> Result<Document, AnswerError> {
    answer::dial(&Dial {
        caller_id: settings.transfer_caller_id.as_deref(),
        timeout_s: Some(settings.dial_timeout_s),
        ..Dial::to(to)?
    })
}

pub(super) async fn transfer(
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
    let settings = &reception.gateway.config.carriers.plivo;
    let (to, proof) = (webhook.query.first(TO), webhook.query.first(PROOF));
    let vouched =
        |to: &&str| is_vouched(&signature::tokens(settings), &call.call_uuid, to, proof.unwrap_or_default());
    match to.filter(vouched) {
        Some(to) => {
            metrics.webhook(PATH, "ok");
            xml(document(settings, to))
        }
        None => {
            metrics.webhook(PATH, "not_ours");
            warn!(
                carrier_call = call.call_uuid,
                "a caller was not handed over: the destination is not one that we named"
            );
            refuse(403, "this destination was not named by this gateway for this call")
        }
    }
}
