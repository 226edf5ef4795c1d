//! Requests to the outside: whoever wants one describes it ([`wire::Request`]), this makes it.
//!
//! Replies are bounded, redirects are not followed (a key must not travel to whoever a redirect names), and what went
//! wrong is told without addresses' queries and without secrets. How each provider is doing is noted on the way.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::Url;
use wire::{Body, Method, Reply, Request};

use crate::ops::health::Health;
use crate::ops::metrics::Metrics;

/// The largest reply that is read. Lists of voices are the longest legitimate ones, at some hundred KiB.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// A request that may be repeated is made three times at most.
const ATTEMPTS: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(200);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes requests. Cheap to clone; connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Outward {
    client: reqwest::Client,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Outward {
    pub fn new(
        tls: &ClientConfig,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Result<Outward, OutwardError> {
        let client =
            base_client(tls).build().map_err(|error| OutwardError::NoClient { words: words(&error) })?;
        Ok(Outward { client, metrics, health })
    }

    /// Makes the request within `timeout`, repeats included. Any status is a reply; an error means that there is none.
    /// `provider` names whom it goes to, in health and metrics.
    pub async fn send(
        &self,
        provider: &str,
        request: &Request,
        timeout: Duration,
    ) -> Result<Reply, OutwardError> {
        let deadline = Instant::now() + timeout;
        let attempts = if request.idempotent { ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let outcome = self.once(request, deadline.saturating_duration_since(began)).await;
            self.note(provider, &outcome, began.elapsed());
            let wait = match &outcome {
                Ok(reply) if is_passing(reply.status) => {
                    let asked = reply.retry_after_s.map(Duration::from_secs);
                    asked.unwrap_or_else(|| backoff(attempt))
                }
                Err(OutwardError::Unreachable { .. }) => backoff(attempt),
                Ok(_) | Err(_) => return outcome,
            };
            let in_time = Instant::now() + wait < deadline;
            if attempt >= attempts || !in_time {
                return outcome;
            }
            attempt += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, request: &Request, within: Duration) -> Result<Reply, OutwardError> {
        let host = host_of(&request.url);
        let request = self.build(request, &host)?;
        match tokio::time::timeout(within, self.exchange(request, &host)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(OutwardError::TimedOut { host, after: within }),
        }
    }

    fn build(&self, request: &Request, host: &str) -> Result<reqwest::Request, OutwardError> {
        let unusable =
            |words: &str| OutwardError::Unusable { host: host.to_owned(), words: words.to_owned() };
        let url = Url::parse(&request.url).map_err(|_| unusable("the address cannot be read"))?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.client.request(method, url);
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(*name).map_err(|_| unusable("a header's name cannot be sent"))?;
            let mut value = HeaderValue::try_from(value.reveal())
                .map_err(|_| unusable("a header's value has characters that cannot be sent"))?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        if let Some((user, password)) = &request.basic {
            builder = builder.basic_auth(user, Some(password.reveal()));
        }
        builder = match &request.body {
            Body::Empty => builder,
            Body::Form(fields) => builder.form(fields),
            Body::Json(json) => builder.header(CONTENT_TYPE, "application/json").body(json.clone()),
            Body::SecretJson(json) => {
                builder.header(CONTENT_TYPE, "application/json").body(json.reveal().to_owned())
            }
        };
        builder.build().map_err(|error| unusable(&words(&error)))
    }

    async fn exchange(&self, request: reqwest::Request, host: &str) -> Result<Reply, OutwardError> {
        let response = self.client.execute(request).await.map_err(|error| of_reqwest(host, &error))?;
        read_reply(response, host, REPLY_BYTES_MAX).await
    }

    fn note(&self, provider: &str, outcome: &Result<Reply, OutwardError>, took: Duration) {
        let name = match outcome {
            Ok(reply) => match reply.status {
                200..=299 => "ok",
                300..=399 => "redirected",
                401 | 403 => "unauthorised",
                429 => "too_many",
                400..=499 => "refused",
                _ => "failed",
            },
            Err(error) => error.name(),
        };
        self.metrics.request(provider, name, took);
        match outcome {
            // Twilio says 404 for a call that is over already: an answer is a sign of health unless it is about us or it.
            Ok(reply) => match reply.status {
                401 | 403 => self.health.note_failure(
                    provider,
                    &format!("answers {}: the key or token is not accepted", reply.status),
                ),
                429 => {
                    self.health.note_failure(provider, "answers 429: too many requests, or the plan's limit")
                }
                500.. => self.health.note_failure(provider, &format!("answers {}", reply.status)),
                _ => self.health.note_ok(provider),
            },
            Err(error) => self.health.note_failure(provider, &error.to_string()),
        }
    }
}

/// A client with our limits and our trust.
pub(crate) fn base_client(tls: &ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(8)
        .tcp_nodelay(true)
}

/// Reads a reply up to a bound.
pub(crate) async fn read_reply(
    mut response: reqwest::Response,
    host: &str,
    bytes_max: usize,
) -> Result<Reply, OutwardError> {
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s = header.and_then(|seconds| seconds.trim().parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| of_reqwest(host, &error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(OutwardError::TooLarge { host: host.to_owned(), bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, body: String::from_utf8_lossy(&body).into_owned(), retry_after_s })
}

/// A moment's trouble that may be over when asked again.
fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// 200 ms, 400 ms, each up to half longer by chance, so that many calls do not ask in step.
fn backoff(attempt: u32) -> Duration {
    let base = BACKOFF * 2u32.saturating_pow(attempt.saturating_sub(1));
    base + base.mul_f64(rand::random_range(0.0..0.5))
}

/// Why there is no reply. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutwardError {
    #[error("cannot reach {host} ({words}); check the address, DNS and the firewall")]
    Unreachable { host: String, words: String },
    #[error("{host} did not answer within {} ms", after.as_millis())]
    TimedOut { host: String, after: Duration },
    #[error("the connection to {host} broke ({words})")]
    Broken { host: String, words: String },
    #[error("the reply of {host} is larger than {bytes_max} bytes")]
    TooLarge { host: String, bytes_max: usize },
    #[error("the request to {host} cannot be made: {words}")]
    Unusable { host: String, words: String },
    #[error("{host} is at a private address, which this request may not go to")]
    Private { host: String },
    #[error("no HTTP client: {words}")]
    NoClient { words: String },
}

impl OutwardError {
    /// Whether the other side may have understood the request. Without a connection (refused, no such name, no TLS) it
    /// cannot have.
    pub fn was_sent(&self) -> bool {
        match self {
            OutwardError::TimedOut { .. } | OutwardError::Broken { .. } | OutwardError::TooLarge { .. } => {
                true
            }
            OutwardError::Unreachable { .. }
            | OutwardError::Unusable { .. }
            | OutwardError::Private { .. }
            | OutwardError::NoClient { .. } => false,
        }
    }

    /// In one word, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            OutwardError::Unreachable { .. } => "unreachable",
            OutwardError::TimedOut { .. } => "timed_out",
            OutwardError::Broken { .. } => "broken",
            OutwardError::TooLarge { .. } => "too_large",
            OutwardError::Unusable { .. } => "unusable",
            OutwardError::Private { .. } => "private",
            OutwardError::NoClient { .. } => "no_client",
        }
    }
}

pub(crate) fn of_reqwest(host: &str, error: &reqwest::Error) -> OutwardError {
    let host = host.to_owned();
    if error.is_connect() {
        OutwardError::Unreachable { host, words: words(error) }
    } else if error.is_timeout() {
        OutwardError::TimedOut { host, after: CONNECT_TIMEOUT }
    } else {
        OutwardError::Broken { host, words: words(error) }
    }
}

/// The innermost cause, which says most; the outer ones repeat the address.
fn words(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Host and port alone: paths hold account names, queries hold tokens.
pub(crate) fn host_of(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => "no host".to_owned(),
        },
        Err(_) => "no host".to_owned(),
    }
}

/// What we trust when we dial out, over HTTP and WebSocket alike: the public authorities, and those of a file.
pub fn rustls_config(extra_ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = extra_ca_file {
        let unreadable = |cause: &dyn fmt::Display| TlsError::Unreadable {
            path: path.to_path_buf(),
            words: cause.to_string(),
        };
        let mut added = 0;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
            added += 1;
        }
        if added == 0 {
            return Err(TlsError::Unreadable {
                path: path.to_path_buf(),
                words: "no certificate in it".to_owned(),
            });
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable { words: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    #[error("{} cannot be used ({words}); point `server.extra_ca_file` at a PEM file with certificates", path.display())]
    Unreadable { path: PathBuf, words: String },
    #[error("TLS cannot be set up: {words}")]
    Unusable { words: String },
}
