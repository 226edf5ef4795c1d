//! `POST /api/v1/calls`: a call is to be placed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::reception::Reception;
use super::super::refusal::Refusal;
use super::request::{Expected, Told};
use crate::auth;
use crate::config::Variable;
use crate::outbound::{NotAccepted, Request};

/// By which a client that asks again is known to ask again.
pub(super) const KEY_HEADER: &str = "idempotency-key";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    to: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    bot: Option<String>,
    #[serde(default)]
    carrier: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
}

impl Expected for Wanted {
    const LOOKS: &'static str = r#"{"to": "+14155550123"} and, if you like, "from", "bot", "carrier" and "variables" (texts, numbers and flags by name), and nothing else"#;
}

pub(super) async fn place(
    State(reception): State<Arc<Reception>>,
    headers: HeaderMap,
    Told(wanted): Told<Wanted>,
) -> Result<Response, Refusal> {
    let gateway = &reception.gateway;
    // What is no text is refused with the other keys that cannot be used.
    let key = headers.get(KEY_HEADER).map(|value| value.to_str().unwrap_or_default().to_owned());
    let asker = if auth::is_open(&gateway.config.server) { "this machine" } else { "the API token" };
    let request = Request {
        to: wanted.to,
        from: wanted.from,
        bot: wanted.bot,
        carrier: wanted.carrier,
        variables: wanted.variables,
        key,
        asker: asker.to_owned(),
    };
    let accepted = gateway.place_call(request).await?;
    let place = format!("/api/v1/calls/{}", accepted.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(accepted)).into_response())
}

impl From<NotAccepted> for Refusal {
    fn from(refused: NotAccepted) -> Refusal {
        let (status, code) = (refused.status(), refused.code());
        let refusal = Refusal::new(status, code, refused.words, refused.mend);
        refusal.of_call(refused.call).after(refused.retry_after)
    }
}
