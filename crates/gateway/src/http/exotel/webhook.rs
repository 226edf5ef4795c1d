//! A question or report of Exotel's comes in: it shows the secret, its body is read, whatever kind it is.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use carriers::exotel::multipart;
use carriers::exotel::webhook::{Params, params_of_json};
use tracing::warn;
use url::Url;

use super::super::access::text;
use super::super::listener::Ends;
use super::super::media_sockets::refuse;
use super::super::reception::Reception;
use super::super::ways;
use super::proof;

/// The parameter that shows the secret.
pub(super) const TOKEN: &str = "token";

/// A question or report that was let in.
#[derive(Debug)]
pub(super) struct Webhook {
    /// The query first, then the body.
    pub(super) params: Params,
    pub(super) headers: HeaderMap,
    pub(super) client: IpAddr,
    /// The address under which whoever sent it knows us.
    pub(super) base: Option<Url>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Form,
    Multipart,
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
    let (parts, body) = request.into_parts();
    let client = reception.client(ends.peer.ip(), &parts.headers);
    let query = match Params::from_query(parts.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return Err(turned_away("malformed", error.status(), &error.to_string())),
    };
    // Before anything else is read: the secret is never in a body.
    if let Err(why) = proof::check(gateway, ends, &parts.headers, query.all(TOKEN)) {
        gateway.metrics.webhook(path, "unauthorised");
        gateway.metrics.signature_failures.inc();
        warn!(%client, path = parts.uri.path(), "a webhook was not let in: {why}");
        return Err(unauthorised(&why.to_string()));
    }
    let written = text(&parts.headers, header::CONTENT_TYPE).unwrap_or_default();
    let Some(kind) = kind(&parts.method, written) else {
        let words =
            "this is asked by query, form (application/x-www-form-urlencoded or multipart/form-data) or JSON";
        return Err(turned_away("content_type", 415, words));
    };
    let mut params: Vec<(String, String)> = owned(&query);
    if kind != Kind::Nothing {
        let body = match reception.read_body(body).await {
            Ok(body) => body,
            Err(error) => return Err(turned_away("body", error.status().as_u16(), &error.to_string())),
        };
        let read = match kind {
            Kind::Nothing => Ok(Params::default()),
            Kind::Form => Params::from_form(&body).map_err(|error| (error.status(), error.to_string())),
            Kind::Multipart => {
                multipart::read(written, &body).map_err(|error| (error.status(), error.to_string()))
            }
            Kind::Json => params_of_json(&body).ok_or((400, "the body is not a JSON object".to_owned())),
        };
        match read {
            Ok(read) => params.extend(owned(&read)),
            Err((status, words)) => return Err(turned_away("malformed", status, &words)),
        }
    }
    let pretended = proof::is_pretended(gateway, ends, &parts.headers, query.all(TOKEN));
    let base = ways::base_of(gateway.config.server.public_url.as_ref(), ends, &parts.headers, pretended);
    Ok(Webhook { params: Params::from_pairs(params), headers: parts.headers, client, base })
}

fn owned(params: &Params) -> Vec<(String, String)> {
    params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn kind(method: &Method, written: &str) -> Option<Kind> {
    if method != Method::POST {
        return Some(Kind::Nothing);
    }
    let kind = written.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Some(Kind::Form),
        "multipart/form-data" => Some(Kind::Multipart),
        "application/json" => Some(Kind::Json),
        _ => None,
    }
}

pub(super) fn unauthorised(words: &str) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED.as_u16(), words);
    let ways = HeaderValue::from_static("Basic realm=\"trunkline\", Bearer realm=\"trunkline\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, ways);
    response
}
