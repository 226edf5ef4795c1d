//! Errors and objects as Exotel's API writes them, in both letter cases it has been seen to use.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// How the names of an answer are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterCase {
    /// `{"Call": {"Sid": …}}`
    #[default]
    Capitals,
    /// `{"call": {"sid": …}}`, as on the newer pages.
    Lower,
}

impl LetterCase {
    pub(super) fn write(self, value: Value) -> Value {
        match (self, value) {
            (LetterCase::Lower, Value::Object(object)) => {
                let lowered: Map<String, Value> = object
                    .into_iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), self.write(value)))
                    .collect();
                Value::Object(lowered)
            }
            (_, value) => value,
        }
    }
}

#[derive(Debug)]
pub(super) struct RestError {
    status: StatusCode,
    code: u32,
    pub(super) message: String,
}

impl RestError {
    pub(super) fn bad(message: String) -> RestError {
        RestError { status: StatusCode::BAD_REQUEST, code: 1001, message }
    }

    pub(super) fn unauthorized() -> RestError {
        RestError { status: StatusCode::UNAUTHORIZED, code: 1002, message: "Authentication failed".into() }
    }

    pub(super) fn forbidden(message: String) -> RestError {
        RestError { status: StatusCode::FORBIDDEN, code: 1010, message }
    }

    pub(super) fn not_found(path: &str) -> RestError {
        RestError { status: StatusCode::NOT_FOUND, code: 1404, message: format!("Not found: {path}") }
    }

    pub(super) fn too_many(message: String) -> RestError {
        RestError { status: StatusCode::TOO_MANY_REQUESTS, code: 1429, message }
    }

    pub(super) fn answer(self, case: LetterCase) -> Response {
        let body = json!({"RestException":
            {"Status": self.status.as_u16(), "Message": self.message, "Code": self.code}});
        let mut answer = (self.status, Json(case.write(body))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = axum::http::HeaderValue::from_static("Basic realm=\"Exotel API\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        answer
    }
}
