//! Agents over `wss`: with a certificate that we trust, and with one that we do not.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use gateway::media::{DialError, Heard, Socket, dial};
use gateway::outward::rustls_config;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use wire::{Incoming, Secret};

const WITHIN: Duration = Duration::from_secs(10);

/// An agent behind TLS that says back what it hears. Returns its address and its certificate.
async fn parrot() -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::new(config.clone()));
            tokio::spawn(async move {
                // A client that does not trust us goes away here.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_close() || socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, cert.pem())
}

#[tokio::test]
async fn an_agent_behind_a_private_authority_is_reached_over_wss() {
    install_provider();
    let (address, certificate) = parrot().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, certificate).unwrap();
    let tls = rustls_config(Some(&file)).unwrap();

    let url = format!("wss://localhost:{}/v1/convai/conversation?agent_id=a", address.port());
    let (stream, early) = dial(&url, &[("xi-api-key", Secret::new("k"))], tls, WITHIN).await.unwrap();
    assert!(early.is_empty());
    let mut socket = Socket::client(stream, 7, 1 << 20, 1 << 20);
    // Longer than a TLS record and than any buffer on the way.
    let long = "spoken ".repeat(10_000);
    for text in ["short", &long, "last"] {
        socket.outbox.text_str(text);
    }

    let mut heard: Vec<String> = Vec::new();
    let all = poll_fn(|cx| {
        loop {
            let spoke = socket.poll_hear(cx, &mut |message| match message {
                Heard::Message(Incoming::Text(text)) => heard.push(text.to_owned()),
                other => panic!("{other:?}"),
            });
            let wrote = socket.poll_flush(cx);
            assert!(!matches!(wrote, Poll::Ready(Err(_))), "{wrote:?}");
            if heard.len() == 3 {
                return Poll::Ready(());
            }
            if spoke.is_pending() {
                return Poll::Pending;
            }
        }
    });
    tokio::time::timeout(WITHIN, all).await.expect("three messages come back");

    assert_eq!(heard, ["short", &long, "last"]);
}

#[tokio::test]
async fn a_certificate_from_nowhere_is_refused() {
    install_provider();
    let (address, _) = parrot().await;
    let tls = rustls_config(None).unwrap();

    let refused = dial(&format!("wss://localhost:{}/", address.port()), &[], tls, WITHIN).await;

    assert!(matches!(refused, Err(DialError::NotTrusted { .. })), "{refused:?}");
}

fn install_provider() {
    // Another test of this program may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
