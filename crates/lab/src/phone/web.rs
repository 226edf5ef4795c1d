//! Asking a gateway's URL: what is sent, and how long it may take.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::order::Method;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Sound files; a document is far smaller and has a limit of its own.
const BODY_BYTES_MAX: usize = 20 << 20;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// Nothing came back.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoAnswer(String);

/// A request as it goes over the wire, signatures and all.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// With GET in the query, as [`with_query`] puts it there, and then nothing remains for the body.
    Nothing,
    Form(Vec<(String, String)>),
    Json(serde_json::Value),
    Text {
        content_type: String,
        text: String,
    },
}

/// A carrier's own web client.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    http: reqwest::Client,
    answer_within: Duration,
}

impl Web {
    pub(crate) fn new(
        tls: &Arc<rustls::ClientConfig>,
        user_agent: &str,
        answer_within: Duration,
    ) -> Result<Web, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(user_agent)
            .tls_backend_preconfigured((**tls).clone())
            .connect_timeout(CONNECT_WITHIN)
            .timeout(answer_within)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Web { http, answer_within })
    }

    /// Sends, and reads the answer; connecting is tried twice within the same budget.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                headers.append(name, value);
            }
        }
        let (content_type, body) = match &request.body {
            Body::Nothing => (None, String::new()),
            Body::Form(form) => {
                let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
                (Some("application/x-www-form-urlencoded; charset=UTF-8".to_owned()), body)
            }
            Body::Json(value) => (Some("application/json".to_owned()), value.to_string()),
            Body::Text { content_type, text } => (Some(content_type.clone()), text.clone()),
        };
        let send = || {
            let mut sending = match request.method {
                Method::Get => self.http.get(&request.url),
                Method::Post => self.http.post(&request.url).body(body.clone()),
            };
            if let Some(content_type) = &content_type {
                sending = sending.header(CONTENT_TYPE, content_type);
            }
            sending.headers(headers.clone()).send()
        };
        let exchange = async {
            let answer = match send().await {
                Err(error) if error.is_connect() => send().await,
                other => other,
            };
            read(answer.map_err(no_answer)?).await
        };
        tokio::time::timeout(self.answer_within, exchange)
            .await
            .unwrap_or_else(|_| Err(NoAnswer(format!("no answer within {} s", self.answer_within.as_secs()))))
    }
}

/// The URL with a form in its query.
pub(crate) fn with_query(url: &str, form: &[(String, String)]) -> String {
    if form.is_empty() {
        return url.to_owned();
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let joint = if url.contains('?') { '&' } else { '?' };
    // A bare host has no path to hang a query on; the request line will have a slash there.
    let slash = url.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?']));
    format!("{url}{}{joint}{query}", if slash { "/" } else { "" })
}

async fn read(mut answer: reqwest::Response) -> Result<Answer, NoAnswer> {
    let status = answer.status().as_u16();
    let content_type = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(NoAnswer(format!("the answer has more than {BODY_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, content_type, body })
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn no_answer(error: reqwest::Error) -> NoAnswer {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    NoAnswer(text)
}

/// Trust in the public certificate authorities.
pub(crate) fn public_tls() -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The `Authorization` header of HTTP Basic.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", crate::b64::encode(format!("{user}:{password}").as_bytes()))
}
