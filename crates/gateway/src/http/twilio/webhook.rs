//! A webhook of Twilio's comes in: its body is read, its kind is known, its signature fits.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use bytes::Bytes;
use call::CallId;
use carriers::twilio::signature;
use carriers::twilio::webhook::Params;
use tracing::{info, warn};
use url::Url;

use super::super::access::text;
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::super::ways::called;
use super::signature::{NotLetIn, let_in, ways};
use crate::gateway::Gateway;

/// A webhook that was let in.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) params: Params,
    /// The address under which whoever sent it knows us. Unknown only when signatures are not checked.
    pub(super) base: Option<Url>,
    pub(super) client: IpAddr,
    /// The call of ours that its address names: we gave this address along when we placed it.
    pub(super) call: Option<CallId>,
}

/// What kind of body a webhook has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Query,
    Form,
    Json,
}

/// Takes a webhook in, or says why not. `path` is its name in the metrics.
pub(super) async fn receive(
    reception: &Reception,
    ends: Ends,
    path: &'static str,
    request: Request,
) -> Result<Webhook, Response> {
    let gateway = &reception.gateway;
    let turned_away = |outcome: &str, status: u16, words: &str| {
        gateway.metrics.webhook(path, outcome);
        refuse(status, words)
    };
    let client = reception.client(ends.peer.ip(), request.headers());
    let Some(kind) = kind(request.method(), request.headers()) else {
        let words = "a webhook is a form (application/x-www-form-urlencoded) or signed JSON";
        return Err(turned_away("content_type", 415, words));
    };
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = match kind {
        Kind::Query => Bytes::new(),
        Kind::Form | Kind::Json => match reception.read_body(body).await {
            Ok(body) => body,
            Err(error) => return Err(turned_away("body", error.status().as_u16(), &error.to_string())),
        },
    };
    let params = match kind {
        Kind::Query => Params::from_query(parts.uri.query().unwrap_or_default()),
        Kind::Form => Params::from_form(&body),
        // Only what is signed is read, and only after it has been checked.
        Kind::Json => Ok(Params::default()),
    };
    let params = match params {
        Ok(params) => params,
        Err(error) => return Err(turned_away("malformed", error.status(), &error.to_string())),
    };
    let base = match check(gateway, ends, &parts.headers, &target, kind, &params, &body) {
        Ok(base) => base,
        Err(error) => {
            gateway.metrics.signature_failures.inc();
            warn!(%client, path = parts.uri.path(), "a webhook was not let in: {error}");
            return Err(turned_away("signature", error.status(), &error.to_string()));
        }
    };
    let params = match kind {
        Kind::Query | Kind::Form => params,
        Kind::Json => match json_params(&body) {
            Some(params) => params,
            None => return Err(turned_away("malformed", 400, "the body is not a JSON object")),
        },
    };
    Ok(Webhook { params, base, client, call: named_call(parts.uri.query()) })
}

fn named_call(query: Option<&str>) -> Option<CallId> {
    let params = Params::from_query(query?).ok()?;
    params.filled("call")?.parse().ok()
}

fn kind(method: &Method, headers: &HeaderMap) -> Option<Kind> {
    if method != Method::POST {
        return Some(Kind::Query);
    }
    let written = text(headers, header::CONTENT_TYPE)?;
    let kind = written.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Some(Kind::Form),
        "application/json" => Some(Kind::Json),
        _ => None,
    }
}

/// The address under which the webhook was sent, if it may come in.
fn check(
    gateway: &Gateway,
    ends: Ends,
    headers: &HeaderMap,
    target: &str,
    kind: Kind,
    params: &Params,
    body: &[u8],
) -> Result<Option<Url>, NotLetIn> {
    let (server, twilio) = (&gateway.config.server, &gateway.config.carriers.twilio);
    let ways = ways(server, twilio, gateway.lab_token.as_ref(), ends, headers);
    if twilio.skip_signature_validation {
        info!("a webhook came in unchecked: carriers.twilio.skip_signature_validation is on");
        return Ok(called(ways, headers));
    }
    let header = headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
    let way = let_in(ways, header, |base, tokens| {
        let url = signature::public_url(base, target);
        match kind {
            Kind::Query => signature::verify_get(tokens, &url, header),
            Kind::Form => signature::verify_form(tokens, &url, params, header),
            Kind::Json => signature::verify_json(tokens, &url, body, header),
        }
    })?;
    Ok(Some(way.base))
}

/// The plain values of a JSON object.
fn json_params(body: &[u8]) -> Option<Params> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    Some(Params::from_pairs(object.into_iter().filter_map(|(name, value)| {
        let value = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(flag) => flag.to_string(),
            _ => return None,
        };
        Some((name, value))
    })))
}
