//! Dialling a media socket: connecting, upgrading, being refused.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::wire::{self, Transport, Wire};

pub(crate) type MediaWire = Wire<MaybeTlsStream<TcpStream>>;

/// Carriers take nothing but `wss`; without an exception for this machine no gateway could be tried without TLS.
pub(crate) fn is_secure_or_local(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "wss" || (url.scheme() == "ws" && is_loopback)
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: Option<u16>,
    pub(crate) problem: String,
}

impl Refused {
    fn because(problem: impl std::fmt::Display) -> Refused {
        Refused { status: None, problem: problem.to_string() }
    }
}

async fn connect(url: &str, within: Duration) -> Result<TcpStream, Refused> {
    let parsed = url::Url::parse(url).map_err(Refused::because)?;
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = parsed.port_or_known_default().unwrap_or(443);
    let tcp = timeout(within, TcpStream::connect((host, port)))
        .await
        .map_err(|_| Refused::because("connection timeout"))?
        .map_err(Refused::because)?;
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

pub(crate) async fn dial(
    url: &str,
    headers: &[(String, String)],
    connector: Connector,
    within: Duration,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Refused> {
    let began = Instant::now();
    let tcp = connect(url, within).await?;
    let mut request = url.into_client_request().map_err(Refused::because)?;
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            request.headers_mut().insert(name, value);
        }
    }
    let left = within.saturating_sub(began.elapsed());
    let upgrade = client_async_tls_with_config(request, tcp, Some(wire::config()), Some(connector));
    match timeout(left, upgrade).await {
        Err(_) => Err(Refused::because("no answer to the upgrade")),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(answer))) => {
            let status = answer.status().as_u16();
            Err(Refused {
                status: Some(status),
                problem: format!("handshake answered with {status}, not 101"),
            })
        }
        Ok(Err(error)) => Err(Refused::because(error)),
    }
}

/// Begins an upgrade and resets the connection in the middle of it.
pub(crate) async fn half_a_handshake(url: &str, within: Duration) -> Refused {
    use tokio::io::AsyncWriteExt;
    match connect(url, within).await {
        Ok(mut tcp) => {
            let _ = tcp.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websoc").await;
            tcp.reset_on_drop();
            Refused::because("the connection was dropped during the handshake, on purpose")
        }
        Err(refused) => refused,
    }
}
