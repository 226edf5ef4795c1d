//! A webhook of Plivo's comes in: its body is read, its kind is known, its signature fits.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use bytes::Bytes;
use call::CallId;
use carriers::plivo::webhook::Params;
use tracing::{info, warn};
use url::Url;

use super::super::access::text;
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::super::ways::called;
use super::signature::{Headers, NotLetIn, let_in, ways};
use crate::gateway::Gateway;

/// The name under which our own id of a call stands in the addresses that we give to Plivo.
const CALL: &str = "call";

/// A webhook that was let in.
#[derive(Debug)]
pub(super) struct Webhook {
    /// What Plivo says.
    pub(super) params: Params,
    /// What the address says: for a `GET`, the same.
    pub(super) query: Params,
    /// The address under which whoever sent it knows us. Unknown only when signatures are not checked.
    pub(super) base: Option<Url>,
    pub(super) client: IpAddr,
    /// The call of ours that the address names.
    pub(super) call: Option<CallId>,
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
    let is_form = request.method() == Method::POST;
    if is_form && !says_form(request.headers()) {
        let words = "a webhook is a form (application/x-www-form-urlencoded)";
        return Err(turned_away("content_type", 415, words));
    }
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = match is_form {
        false => Bytes::new(),
        true => match reception.read_body(body).await {
            Ok(body) => body,
            Err(error) => return Err(turned_away("body", error.status().as_u16(), &error.to_string())),
        },
    };
    let read = Params::from_form(&body)
        .and_then(|form| Ok((form, Params::from_query(parts.uri.query().unwrap_or_default())?)));
    let (form, query) = match read {
        Ok(read) => read,
        Err(error) => return Err(turned_away("malformed", error.status(), &error.to_string())),
    };
    let base = match check(gateway, ends, &parts.headers, &target, &form) {
        Ok(base) => base,
        Err(error) => {
            gateway.metrics.signature_failures.inc();
            warn!(%client, path = parts.uri.path(), "a webhook was not let in: {error}");
            return Err(turned_away("signature", error.status(), &error.to_string()));
        }
    };
    let call = match query.filled(CALL).map(str::parse::<CallId>) {
        None => None,
        Some(Ok(call)) => Some(call),
        Some(Err(_)) => return Err(turned_away("malformed", 400, "the address names a call that is none")),
    };
    let params = if is_form { form } else { query.clone() };
    Ok(Webhook { params, query, base, client, call })
}

/// A `POST` without a body needs no type: everything it says is in its address.
fn says_form(headers: &HeaderMap) -> bool {
    let is_empty = text(headers, header::CONTENT_LENGTH) == Some("0");
    let written = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let kind = written.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") || (is_empty && written.is_empty())
}

/// The address under which the webhook was sent, if it may come in.
fn check(
    gateway: &Gateway,
    ends: Ends,
    headers: &HeaderMap,
    target: &str,
    form: &Params,
) -> Result<Option<Url>, NotLetIn> {
    let plivo = &gateway.config.carriers.plivo;
    let ways = ways(gateway, ends, headers);
    if plivo.skip_signature_validation {
        info!("a webhook came in unchecked: carriers.plivo.skip_signature_validation is on");
        return Ok(called(ways, headers));
    }
    let shown = Headers::of(headers);
    let_in(plivo, ways, &shown.shown(), target, form).map(|way| Some(way.base))
}
