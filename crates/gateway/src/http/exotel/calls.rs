//! `POST /call {"to": "+91…"}`: places a call through Exotel, as the older service did.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::super::api::{Expected, Told};
use super::super::reception::Reception;
use crate::auth;
use crate::gateway::EXOTEL;
use crate::outbound::{NotAccepted, Request};

/// Who asks, for the limits that each asker has; as the API has it, since the same token opens both.
fn asker(reception: &Reception) -> &'static str {
    if auth::is_open(&reception.gateway.config.server) { "this machine" } else { "the API token" }
}

/// Two requests with the same key are one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Call {
    to: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    bot: Option<String>,
}

impl Expected for Call {
    const LOOKS: &'static str = r#"{"to": "+919876543210"}"#;
}

pub(super) async fn place(
    State(reception): State<Arc<Reception>>,
    headers: HeaderMap,
    Told(Call { to, from, bot }): Told<Call>,
) -> Response {
    // What is no text is refused with the other keys that cannot be used.
    let key = headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned());
    let request = Request {
        to,
        from,
        bot,
        carrier: Some(EXOTEL.to_owned()),
        key,
        asker: asker(&reception).to_owned(),
        ..Request::default()
    };
    match reception.gateway.place_call(request).await {
        Ok(accepted) => Json(json!({
            "success": true,
            "callSid": accepted.carrier_call,
            "id": accepted.id,
            "to": accepted.to,
            "from": accepted.from,
            "status": accepted.state,
        }))
        .into_response(),
        Err(refused) => refusal(&refused),
    }
}

fn refusal(refused: &NotAccepted) -> Response {
    let mut error = json!({"code": refused.code(), "message": refused.words, "mend": refused.mend});
    if let Some(call) = refused.call {
        error["call"] = json!(call);
    }
    let body = json!({"success": false, "error": error});
    let mut response = (refused.status(), Json(body)).into_response();
    if let Some(wait) = refused.retry_after {
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use call::CallId;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn a_refusal_names_its_call_where_the_carrier_was_asked() {
        let id: CallId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        for call in [None, Some(id)] {
            let mut refused = NotAccepted::new(502, "carrier_unreachable", "words", "mend");
            refused.call = call;
            let body = axum::body::to_bytes(refusal(&refused).into_body(), 4096).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"].get("call").cloned(), call.map(|id| json!(id)));
            assert_eq!(body["error"]["code"], "carrier_unreachable");
        }
    }
}
