//! Reading what a request says, and saying no in the API's own words.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use call::CallId;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::super::access::text;
use super::super::reception::Reception;
use super::super::refusal::Refusal;

/// The call that a path names.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedCall(pub(super) CallId);

impl<S: Send + Sync> FromRequestParts<S> for NamedCall {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<NamedCall, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(id)| CallId::from_str(&id).ok());
        id.map(NamedCall).ok_or_else(Refusal::no_such_call)
    }
}

/// The parameters of a path's query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Refusal> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(_) => Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_query",
                "the query cannot be understood",
                "see docs/API.md: limit is a number, before and call are ids of calls, carrier_call is the carrier's name for one",
            )),
        }
    }
}

/// A JSON body.
#[derive(Clone, Debug)]
pub(in crate::http) struct Told<T>(pub(in crate::http) T);

impl<T: Expected> FromRequest<Arc<Reception>> for Told<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, reception: &Arc<Reception>) -> Result<Told<T>, Refusal> {
        let is_json = text(request.headers(), header::CONTENT_TYPE).is_some_and(is_json);
        let body = reception.read_body(request.into_body()).await?;
        if body.is_empty()
            && let Some(nothing) = T::unsaid()
        {
            return Ok(Told(nothing));
        }
        if !is_json {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "the body is not marked as JSON",
                "send the header `Content-Type: application/json`",
            ));
        }
        // The parser's own words quote the body; whoever reads the answer need not see it again.
        serde_json::from_slice(&body).map(Told).map_err(|error| match error.classify() {
            Category::Data => {
                let (what, mend) = ("the body is JSON, but not what is expected here", T::LOOKS);
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_body", what, format!("send {mend}"))
            }
            Category::Io | Category::Syntax | Category::Eof => {
                let what = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
                Refusal::new(StatusCode::BAD_REQUEST, "malformed_json", what, format!("send {}", T::LOOKS))
            }
        })
    }
}

/// A body that some path takes.
pub(in crate::http) trait Expected: DeserializeOwned {
    /// What it looks like, for those who sent something else.
    const LOOKS: &'static str;

    /// What is meant when there is no body at all.
    fn unsaid() -> Option<Self> {
        None
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}
