//! The listener. The accept loop is our own, because a fault may have to reset
//! the very socket a call came in on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, extract::Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::corp::Desk;
use super::settings::Settings;
use super::{control, page, web, wire};

/// Connections open at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;

/// How long open calls may take once shutdown has begun.
const DRAIN: Duration = Duration::from_secs(2);

/// Pause after a failed accept, which means that the process is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound, not yet serving, sandbox.
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
    desk: Arc<Desk>,
}

impl Sandbox {
    /// Takes the address of the settings, and opens its ledger file. Callers may connect from now on; they
    /// are answered once [`run`](Self::run) is polled.
    pub async fn bind(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            desk: Arc::new(Desk::new(settings)?),
        })
    }

    /// The address it listens on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What takes the place of `https://qyapi.weixin.qq.com`; also the inbox page.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `shutdown`, then lets open calls finish for two seconds.
    pub async fn run(self, shutdown: CancellationToken) {
        let router = Router::new()
            .merge(web::routes())
            .merge(page::routes(Arc::clone(&self.desk)))
            .nest("/sandbox", control::routes(Arc::clone(&self.desk)))
            .fallback_service(wire::routes(self.desk));
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = async {
                let room = Arc::clone(&room).acquire_owned().await;
                (self.listener.accept().await, room)
            };
            let (accepted, room) = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accepted => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let serving = serve(stream, router.clone(), shutdown.clone());
            connections.spawn(async move {
                serving.await;
                drop(room);
            });
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Handed to each call with its request: resets the call's socket.
#[derive(Clone)]
pub(super) struct Scissors(CancellationToken);

impl Scissors {
    /// Resets the socket. The call is never answered, so this never returns.
    pub(super) async fn cut<T>(self) -> T {
        self.0.cancel();
        std::future::pending().await
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Answers are small; waiting to fill a packet would only add 40 ms to each.
    let _ = stream.set_nodelay(true);
    let cut = CancellationToken::new();
    let scissors = Scissors(cut.clone());
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(scissors.clone());
        request
    });
    // No header timeout: its timer would drag along tests that pause the clock.
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut closing = false;
    loop {
        tokio::select! {
            // Errors are the caller's doing (it hung up), or ours on purpose.
            _ = &mut connection => return,
            () = cut.cancelled() => break,
            () = shutdown.cancelled(), if !closing => {
                closing = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    let stream = connection.into_parts().io.into_inner();
    // Lingering for no time makes the kernel send RST where close alone sends FIN.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
