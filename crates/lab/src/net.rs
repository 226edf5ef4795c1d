//! HTTP on the loopback interface, with upgrades that give the bare TCP stream back.
//!
//! The emulators must be able to do what a server library prevents: reset a connection, vanish in the middle of a
//! handshake, write a frame that is not UTF-8. So connections are driven here, one task each, and an upgraded one is
//! handed out as the `TcpStream` it always was.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// A running listener. Dropping it ends every task that hangs on it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) life: Life,
}

/// The common end of an emulator's tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(crate) over: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Life {
    /// Runs `task` until it is done or the emulator is over, whichever comes first.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = task => {}
            }
        });
    }

    pub(crate) async fn end(&self) {
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.life.over.cancel();
    }
}

/// The TCP connection a request came on; a handler may cut it instead of answering.
#[derive(Clone, Debug)]
pub(crate) struct Connection(CancellationToken);

impl Connection {
    /// Ends the connection without an answer; the handler's own return value is never sent.
    pub(crate) async fn cut(&self) -> axum::response::Response {
        self.0.cancel();
        std::future::pending().await
    }
}

pub(crate) async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(crate) fn serve(listener: TcpListener, address: SocketAddr, router: Router, life: Life) -> Served {
    life.spawn(accept(listener, router, life.clone()));
    Served { address, life }
}

async fn accept(listener: TcpListener, router: Router, life: Life) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, usually; the ones in use will come free.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        life.spawn(async move {
            let connection = Connection(CancellationToken::new());
            let cut = connection.0.clone();
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(connection.clone());
                router.clone().oneshot(request)
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                result = served => if let Err(error) = result { tracing::debug!(%error, "connection ended") },
                () = cut.cancelled() => {}
            }
        });
    }
}

/// Takes the promise of an upgrade out of a request.
pub(crate) fn upgrade_of(request: &mut Request) -> Option<OnUpgrade> {
    request.extensions_mut().remove::<OnUpgrade>()
}

/// The TCP stream below an upgraded connection, and what was already read from it.
pub(crate) fn tcp_of(upgraded: Upgraded) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}
