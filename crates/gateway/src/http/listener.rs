//! Accepting connections, within bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{debug, warn};

use crate::gateway::Gateway;
use crate::ops::metrics::Metrics;

/// The two ends of a connection. Behind a proxy the peer is the proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

/// Tells answers that go on for long that the door closes.
#[derive(Clone, Debug)]
pub(super) struct Closing(pub(super) CancellationToken);

/// A connection's place among those that may be open; goes along when the connection becomes a media socket.
#[derive(Clone, Debug)]
pub(super) struct ConnectionPlace(#[expect(dead_code, reason = "held, not read")] Arc<Place>);

#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Place {
    fn taken(permit: OwnedSemaphorePermit, metrics: &Arc<Metrics>) -> Place {
        metrics.connections.inc();
        Place { _permit: permit, metrics: Arc::clone(metrics) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

/// The front door, bound and ready to be opened.
#[derive(Debug)]
pub struct Front {
    listener: TcpListener,
}

impl Front {
    pub async fn bind(address: SocketAddr) -> std::io::Result<Front> {
        Ok(Front { listener: TcpListener::bind(address).await? })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until told to stop; connections that are open then finish what they are answering.
    pub async fn serve(self, gateway: Arc<Gateway>, router: Router, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(gateway.config.server.connections_max as usize));
        let header_within = Duration::from_millis(u64::from(gateway.config.limits.request_header_ms));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: waiting a moment lets some come back.
                    warn!(%error, "cannot accept connections: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                gateway.metrics.connections_refused.inc();
                continue;
            };
            let place = ConnectionPlace(Arc::new(Place::taken(place, &gateway.metrics)));
            let (router, stop) = (router.clone(), stop.clone());
            gateway.spawn(connection(stream, peer, place, router, header_within, stop));
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: ConnectionPlace,
    router: Router,
    header_within: Duration,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was gone before it was served");
        return;
    }
    let Ok(local) = stream.local_addr() else { return };
    let closing = Closing(stop.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        request.extensions_mut().insert(Ends { peer, local });
        request.extensions_mut().insert(closing.clone());
        request.extensions_mut().insert(place.clone());
        async move { Ok::<_, Infallible>(unfailing(router.call(request).await)) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_within).max_buf_size(64 * 1024);
    let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "a connection ended early: {error}");
    }
}

fn unfailing<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
