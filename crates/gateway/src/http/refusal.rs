//! How the API says no: a status, a word for programs, a sentence for people, and what to do about it.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use call::CallId;
use serde_json::json;

use super::access::NotAllowed;
use super::body::BodyError;
use super::rate_limit::TooOften;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// One word for programs. These are part of the API and listed in its documentation.
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) mend: String,
    retry_after_s: Option<u64>,
    /// The call that this is about, where there came to be one.
    call: Option<CallId>,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Refusal {
        Refusal { status, code, message: message.into(), mend: mend.into(), retry_after_s: None, call: None }
    }

    pub(super) fn of_call(self, call: Option<CallId>) -> Refusal {
        Refusal { call, ..self }
    }

    /// Asking again makes sense after this long.
    pub(super) fn after(self, wait: Option<Duration>) -> Refusal {
        let retry_after_s = wait.map(|wait| wait.as_secs_f64().ceil().max(1.0) as u64);
        Refusal { retry_after_s, ..self }
    }

    pub(super) fn no_such_path() -> Refusal {
        let mend = "the paths begin with /api/v1: status, calls, calls/{id}, events";
        Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path", mend)
    }

    pub(super) fn no_such_call() -> Refusal {
        let mend =
            "ask /api/v1/calls which calls there are; of those that are over the last few hundred are kept";
        Refusal::new(StatusCode::NOT_FOUND, "no_such_call", "there is no call of this id", mend)
    }

    pub(super) fn method_not_allowed() -> Refusal {
        let mend = "ask with GET, and give orders to calls with POST";
        let message = "this path does not take this method";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message, mend)
    }

    pub(super) fn broken() -> Refusal {
        let mend = "the log has the place; please report it";
        let message = "this request met a bug of ours";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, mend)
    }
}

impl From<NotAllowed> for Refusal {
    fn from(why: NotAllowed) -> Refusal {
        let show = "send the header `Authorization: Bearer …` with the value of server.api_token";
        match why {
            NotAllowed::TokenNeeded => Refusal::new(
                StatusCode::UNAUTHORIZED,
                "token_needed",
                "this gateway asks for its API token",
                show,
            ),
            NotAllowed::WrongToken => {
                Refusal::new(StatusCode::UNAUTHORIZED, "wrong_token", "this is not the API token", show)
            }
            NotAllowed::FromElsewhere => Refusal::new(
                StatusCode::FORBIDDEN,
                "this_machine_only",
                "without an API token this gateway answers its own machine alone",
                "set server.api_token (TRUNKLINE__SERVER__API_TOKEN) to the output of `openssl rand -hex 24`",
            ),
            NotAllowed::ForeignPage => Refusal::new(
                StatusCode::FORBIDDEN,
                "foreign_page",
                "a page of another origin may not do this",
                "list its origin in server.cors_origins",
            ),
        }
    }
}

impl From<TooOften> for Refusal {
    fn from(too_often: TooOften) -> Refusal {
        let seconds = too_often.wait_s();
        let mend = format!("wait {seconds} s, or raise limits.api_requests_per_minute_per_address");
        let message = "too many requests from this address";
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message, mend);
        Refusal { retry_after_s: Some(seconds), ..refusal }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        let (code, mend) = match error {
            BodyError::TooLarge => ("body_too_large", "send less, or raise limits.request_bytes"),
            BodyError::TooSlow => ("body_too_slow", "send the whole request at once"),
            BodyError::Broken => ("body_broken", "send the whole request"),
        };
        Refusal::new(error.status(), code, error.to_string(), mend)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"error": {"code": self.code, "message": self.message, "mend": self.mend}});
        if let Some(call) = self.call {
            body["error"]["call"] = json!(call);
        }
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"trunkline\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
