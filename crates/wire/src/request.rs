//! An HTTP request that somebody else makes.

use crate::Secret;

/// A request as plain data. The gateway sends it; whoever made it reads the [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// Without secrets: it may be logged.
    pub url: String,
    /// Header names and values; a value that is a secret prints as `***`.
    pub headers: Vec<(&'static str, Secret)>,
    pub basic: Option<(String, Secret)>,
    pub body: Body,
    /// Doing it twice does no harm, so it may be tried again.
    pub idempotent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Empty,
    /// `application/x-www-form-urlencoded`; names may repeat.
    Form(Vec<(String, String)>),
    Json(String),
    /// JSON with a secret in it: some interfaces want their token in the body. Prints as `***`.
    SecretJson(Secret),
}

/// What came back: a status and at most a bounded body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    /// From the `Retry-After` header.
    pub retry_after_s: Option<u64>,
}
