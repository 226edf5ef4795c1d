//! Opening a WebSocket to an agent.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;
use wire::websocket::{ClientHandshake, ClientRequest, Progress, client_request};
use wire::{Reply, Secret};

use super::Stream;

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("{0} is not an address for a WebSocket")]
    Address(String),
    #[error("cannot reach {host}; check DNS and that outbound port {port} is open")]
    Unreachable {
        host: String,
        port: u16,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "no trusted connection to {host} ({cause}); behind a private authority, set server.extra_ca_file"
    )]
    NotTrusted {
        host: String,
        #[source]
        cause: std::io::Error,
    },
    #[error("{host} did not answer within {} ms", .after.as_millis())]
    TooSlow { host: String, after: Duration },
    #[error("{host} refused the connection with status {}", .reply.status)]
    Refused { host: String, reply: Reply },
    #[error("{host} does not speak WebSocket: {detail}")]
    NotWebSocket { host: String, detail: String },
}

/// Opens a connection and gets it upgraded. Returns the stream and the first bytes that came behind the answer.
pub async fn dial(
    url: &str,
    headers: &[(&'static str, Secret)],
    tls: Arc<ClientConfig>,
    within: Duration,
) -> Result<(Stream, Vec<u8>), DialError> {
    // The address may carry a signature in its query, so errors name the host alone.
    let parsed = Url::parse(url).map_err(|_| DialError::Address("what the provider gave".into()))?;
    let host = parsed.host_str().unwrap_or_default().to_owned();
    match tokio::time::timeout(within, open(&parsed, &host, headers, tls)).await {
        Ok(opened) => opened,
        Err(_) => Err(DialError::TooSlow { host, after: within }),
    }
}

async fn open(
    url: &Url,
    host: &str,
    headers: &[(&'static str, Secret)],
    tls: Arc<ClientConfig>,
) -> Result<(Stream, Vec<u8>), DialError> {
    let secure = match url.scheme() {
        "wss" | "https" => true,
        "ws" | "http" => false,
        other => return Err(DialError::Address(format!("{other}://{host}"))),
    };
    let port = url.port().unwrap_or(if secure { 443 } else { 80 });
    let unreachable = |cause| DialError::Unreachable { host: host.to_owned(), port, cause };
    let not_trusted = |cause| DialError::NotTrusted { host: host.to_owned(), cause };
    let bare_host = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((bare_host, port)).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let not_websocket = |detail: String| DialError::NotWebSocket { host: host.to_owned(), detail };
    let mut stream = if secure {
        let name =
            ServerName::try_from(bare_host.to_owned()).map_err(|error| not_websocket(error.to_string()))?;
        Stream::Tls(Box::new(TlsConnector::from(tls).connect(name, tcp).await.map_err(not_trusted)?))
    } else {
        Stream::Plain(tcp)
    };

    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let revealed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.reveal())).collect();
    let request = ClientRequest {
        host,
        port: url.port(),
        path_and_query: &target,
        key: rand::random(),
        headers: &revealed,
        protocol: None,
    };
    let bytes = client_request(&request).map_err(|error| not_websocket(error.to_string()))?;
    write(&mut stream, &bytes).await.map_err(unreachable)?;

    let mut handshake = ClientHandshake::new(&request);
    let mut buffer = vec![0; 4096];
    loop {
        let count = read(&mut stream, &mut buffer).await.map_err(unreachable)?;
        if count == 0 {
            return Err(match handshake.end() {
                Some(reply) => DialError::Refused { host: host.to_owned(), reply },
                None => not_websocket("it closed before answering".into()),
            });
        }
        match handshake.read(&buffer[..count]) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Accepted { consumed, .. }) => return Ok((stream, buffer[consumed..count].to_vec())),
            Ok(Progress::Refused(reply)) => return Err(DialError::Refused { host: host.to_owned(), reply }),
            Err(error) => return Err(not_websocket(error.to_string())),
        }
    }
}

async fn write(stream: &mut Stream, bytes: &[u8]) -> std::io::Result<()> {
    match stream {
        Stream::Plain(stream) => stream.write_all(bytes).await,
        Stream::Tls(stream) => {
            stream.write_all(bytes).await?;
            stream.flush().await
        }
    }
}

async fn read(stream: &mut Stream, buffer: &mut [u8]) -> std::io::Result<usize> {
    match stream {
        Stream::Plain(stream) => stream.read(buffer).await,
        Stream::Tls(stream) => stream.read(buffer).await,
    }
}
