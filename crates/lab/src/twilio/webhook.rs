//! Asking a gateway's URL: what is sent, how it is signed, how long it may take.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::{Method, Signing, signature};

/// Twilio's budget for a webhook, connecting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Sound files for `<Play>`; TwiML is far smaller and has a limit of its own.
const BODY_BYTES_MAX: usize = 20 << 20;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// Nothing came back.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(String);

pub(super) fn client(tls: &Arc<rustls::ClientConfig>) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent("TwilioProxy/1.1")
        .tls_backend_preconfigured((**tls).clone())
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// Everything a request needs besides its URL.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) http: reqwest::Client,
    pub(super) token: String,
    pub(super) signing: Signing,
}

impl Asking {
    /// Sends `form` the way `method` carries it, and reads the answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        form: &[(String, String)],
    ) -> Result<Answer, NoAnswer> {
        // Fragments are connection overrides: they never reach the server.
        let url = url.split('#').next().unwrap_or_default();
        let (target, signature) = match method {
            Method::Post => {
                let signed = signature::signed_form_of(url);
                (url.to_owned(), self.sign(|token| signature::of_form(token, &signed, form)))
            }
            Method::Get => {
                let target = with_query(url, form);
                let signed = signature::signed_form_of(&target);
                (target, self.sign(|token| signature::of_url(token, &signed)))
            }
        };
        let mut headers = HeaderMap::new();
        if let Some(value) = signature.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(signature::HEADER, value);
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let send = || {
            let request = match method {
                Method::Get => self.http.get(&target),
                Method::Post => self
                    .http
                    .post(&target)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
                    .body(body.clone()),
            };
            request.headers(headers.clone()).send()
        };
        let exchange = async {
            let answer = match send().await {
                // Two attempts to connect, within the same budget.
                Err(error) if error.is_connect() => send().await,
                other => other,
            };
            read(answer.map_err(no_answer)?).await
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .unwrap_or_else(|_| Err(NoAnswer(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))))
    }

    /// The signature of a media socket's upgrade.
    pub(super) fn sign_upgrade(&self, url: &str) -> Option<String> {
        let url = match self.signing {
            Signing::TrailingSlashOnUpgrade => format!("{url}/"),
            Signing::HttpsOnUpgrade => url.replacen("ws", "http", 1),
            Signing::Right | Signing::Missing | Signing::WithToken(_) => url.to_owned(),
        };
        self.sign(|token| signature::of_url(token, &url))
    }

    fn sign(&self, with: impl Fn(&str) -> String) -> Option<String> {
        match &self.signing {
            Signing::Missing => None,
            Signing::WithToken(token) => Some(with(token)),
            Signing::Right | Signing::TrailingSlashOnUpgrade | Signing::HttpsOnUpgrade => {
                Some(with(&self.token))
            }
        }
    }
}

fn with_query(url: &str, form: &[(String, String)]) -> String {
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
