//! Where the agent lives and how to be let in.

use std::fmt;

use call::{AgentDeparture, AgentLeft, Retry};
use serde::Deserialize;
use url::{Host, Url};
use wire::{Body, Method, Reply, Request, Secret};

use super::refusal;

/// An agent at a provider, and the key to it.
#[derive(Clone, Debug)]
pub struct Account {
    pub api_key: Option<Secret>,
    pub agent_id: String,
    pub base_url: BaseUrl,
    pub auth: Auth,
}

/// How a session is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// A short-lived address is asked for with the key, then dialled. The documented way for private agents.
    SignedUrl,
    /// The key goes along with the WebSocket handshake: one round trip less.
    ApiKey,
    /// The agent lets everybody in.
    Public,
}

impl Account {
    /// The request for a signed address, where one is needed. Read its answer with [`Account::read_signed_url`].
    pub fn signed_url_request(&self) -> Option<Request> {
        (self.auth == Auth::SignedUrl).then(|| {
            let path = ["v1", "convai", "conversation", "get-signed-url"];
            self.get(&path, Some(("agent_id", &self.agent_id)))
        })
    }

    /// What came back for [`Account::signed_url_request`].
    pub fn read_signed_url(&self, reply: &Reply) -> Result<Dial, AgentDeparture> {
        #[derive(Deserialize)]
        struct Answer {
            signed_url: String,
        }

        if reply.status != 200 {
            return Err(refusal::refused(reply.status, &reply.body, reply.retry_after_s));
        }
        let unusable = |detail: &str| AgentDeparture {
            cause: AgentLeft::Refused { status: reply.status },
            retry: Retry::Never,
            detail: format!("ElevenLabs was asked for a signed URL and {detail}; check `base_url`"),
        };
        let answer: Answer = serde_json::from_str(&reply.body)
            .map_err(|_| unusable("answered with something that holds none"))?;
        let url = Url::parse(&answer.signed_url).map_err(|_| unusable("gave one that is no URL"))?;
        match url.scheme() {
            "wss" => {}
            "ws" if is_loopback(&url) => {}
            _ => return Err(unusable("gave one that is not `wss`")),
        }
        // Dialled as it is: taking it apart and writing it again could break the signature.
        Ok(Dial { url: answer.signed_url, headers: Vec::new() })
    }

    /// The address to dial without a signed one.
    pub fn direct(&self) -> Dial {
        let mut url = self.base_url.join(&["v1", "convai", "conversation"]);
        url.query_pairs_mut().append_pair("agent_id", &self.agent_id);
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // `set_scheme` knows no way from http to ws that it refuses; both are "special" schemes.
        let _ = url.set_scheme(scheme);
        let headers = match (self.auth, &self.api_key) {
            (Auth::ApiKey, Some(key)) => vec![(KEY_HEADER, key.clone())],
            _ => Vec::new(),
        };
        Dial { url: url.into(), headers }
    }

    /// A reading request towards the provider's REST interface, with the key where there is one.
    pub(super) fn get(&self, path: &[&str], query: Option<(&str, &str)>) -> Request {
        let mut url = self.base_url.join(path);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        Request {
            method: Method::Get,
            url: url.into(),
            headers: self.api_key.iter().map(|key| (KEY_HEADER, key.clone())).collect(),
            basic: None,
            body: Body::Empty,
            idempotent: true,
        }
    }
}

const KEY_HEADER: &str = "xi-api-key";

/// What to dial: a WebSocket address and the headers that go with the handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Dial {
    /// Opaque, and a secret when signed: never logged.
    pub url: String,
    pub headers: Vec<(&'static str, Secret)>,
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        let hidden = if end < self.url.len() { "?***" } else { "" };
        f.debug_struct("Dial")
            .field("url", &format_args!("{}{hidden}", &self.url[..end]))
            .field("headers", &self.headers)
            .finish()
    }
}

/// The provider's address: `https`, or `http` towards this machine itself. WebSockets follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why an address cannot be a base URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    #[error("not a URL: {0}")]
    NotUrl(#[from] url::ParseError),
    #[error("must start with `https://`; plain `http://` is for this machine (127.0.0.1, localhost) only")]
    NotSafe,
    #[error("must not hold a user name, password, query or fragment")]
    TooMuch,
}

impl BaseUrl {
    /// `wss` and `ws` are understood as `https` and `http`.
    pub fn parse(text: &str) -> Result<BaseUrl, BaseUrlError> {
        BaseUrl::try_from(Url::parse(text)?)
    }

    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The provider's own public address.
    pub fn public() -> BaseUrl {
        #[expect(clippy::expect_used, reason = "a constant, parsed in a test")]
        BaseUrl::parse("https://api.elevenlabs.io").expect("a valid constant")
    }

    /// The base may have a path of its own (a proxy); `path` follows it.
    fn join(&self, path: &[&str]) -> Url {
        let mut url = self.0.clone();
        // Only addresses without a host have no path to add to, and those are never `http`.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl TryFrom<Url> for BaseUrl {
    type Error = BaseUrlError;

    fn try_from(mut url: Url) -> Result<BaseUrl, BaseUrlError> {
        let scheme = match url.scheme() {
            "https" | "wss" => "https",
            "http" | "ws" if is_loopback(&url) => "http",
            _ => return Err(BaseUrlError::NotSafe),
        };
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(BaseUrlError::TooMuch);
        }
        url.set_scheme(scheme).map_err(|()| BaseUrlError::NotSafe)?;
        Ok(BaseUrl(url))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
