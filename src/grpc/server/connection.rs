//! The life of one connection: handshake, preface, calls, GOAWAY, end. Every stage has a deadline.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::BoxError;

use super::{
    listener::Accepted,
    metrics::Metrics,
    peer::{Peer, WithPeer},
    settings::Settings,
    socket::{Socket, Stream},
    tls::Tls,
};

/// Connections end at their age ±10 %, or all that began together would end and return together
/// (gRPC proposal A9).
const AGE_JITTER: f64 = 0.1;

/// What the connections of one server share.
#[derive(Debug)]
pub(super) struct Context {
    settings: Settings,
    tls: Option<Tls>,
    metrics: Metrics,
    http2: http2::Builder<Tracked>,
    /// Every connection and every call of it.
    pub(super) tasks: TaskTracker,
    /// GOAWAY to all.
    pub(super) stop: CancellationToken,
    /// The end, whatever is still open.
    pub(super) abort: CancellationToken,
}

impl Context {
    pub(super) fn new(
        settings: Settings,
        tls: Option<Tls>,
        metrics: Metrics,
        tasks: TaskTracker,
    ) -> Self {
        let http2 = builder(&settings, tasks.clone());
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        Self {
            settings,
            tls,
            metrics,
            http2,
            tasks,
            stop,
            abort,
        }
    }
}

/// Spawns hyper's tasks, one per call, where the drain can wait for them.
#[derive(Debug, Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

fn builder(settings: &Settings, tasks: TaskTracker) -> http2::Builder<Tracked> {
    let mut builder = http2::Builder::new(Tracked(tasks));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams_per_connection)
        .max_header_list_size(settings.header_list_bytes)
        .max_frame_size(settings.frame_bytes)
        .initial_stream_window_size(settings.stream_window_bytes)
        .initial_connection_window_size(settings.connection_window_bytes)
        .max_pending_accept_reset_streams(settings.pending_accept_resets)
        .max_local_error_reset_streams(settings.local_error_resets)
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout);
    builder
}

pub(super) async fn run<S, B>(accepted: Accepted, context: Arc<Context>, service: S)
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Accepted { stream, peer, room } = accepted;
    // A client that has not spoken yet has nothing to finish: the drain closes it at once.
    let opened = context
        .stop
        .run_until_cancelled(open(stream, peer, &context))
        .await;
    if let Some(Some((socket, peer))) = opened {
        let service = WithPeer {
            peer,
            inner: service,
        };
        context
            .abort
            .run_until_cancelled(serve(socket, service, &context))
            .await;
    }
    drop(room);
}

/// Handshake and preface, or `None` and the reason counted.
async fn open(stream: TcpStream, address: SocketAddr, context: &Context) -> Option<(Socket, Peer)> {
    tune(&stream, context.settings.tcp_user_timeout);
    let refused = &context.metrics.refused;
    let stream = match &context.tls {
        None => Stream::Plain(stream),
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.config()).accept(stream);
            match timeout(context.settings.tls_handshake_timeout, handshake).await {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                failed => {
                    refused.tls.inc();
                    let error = failed.map(Result::err);
                    tracing::debug!(peer = %address, ?error, "TLS handshake failed");
                    return None;
                }
            }
        }
    };
    let certificates = stream.certificates().map(Arc::from);
    match timeout(context.settings.preface_timeout, Socket::open(stream)).await {
        Ok(Some(socket)) => Some((socket, Peer::new(address, certificates))),
        Ok(None) | Err(_) => {
            refused.preface.inc();
            tracing::debug!(peer = %address, "no HTTP/2 preface");
            None
        }
    }
}

/// Best effort: a socket that refuses an option still works.
fn tune(stream: &TcpStream, user_timeout: Duration) {
    let nodelay = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tuned = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(user_timeout));
    #[cfg(not(target_os = "linux"))]
    let tuned: std::io::Result<()> = Ok(drop(user_timeout));
    if let Err(error) = nodelay.and(tuned) {
        tracing::debug!(%error, "socket option refused");
    }
}

/// Serves calls until the client leaves, or until GOAWAY and the grace after it.
async fn serve<S, B>(socket: Socket, service: WithPeer<S>, context: &Context)
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = TowerToHyperService::new(service);
    let mut connection = std::pin::pin!(
        context
            .http2
            .serve_connection(TokioIo::new(socket), service)
    );

    let age = jittered(context.settings.connection_age, fastrand::f64());
    tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        () = tokio::time::sleep(age) => {}
        () = context.stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => log_end(ended),
        () = grace(context) => tracing::debug!("connection cut: its calls outlived the grace"),
    }
}

/// An old connection's grace. At shutdown the drain's own clock rules instead, and it ends this
/// future from outside.
async fn grace(context: &Context) {
    tokio::time::sleep(context.settings.connection_age_grace).await;
    if context.stop.is_cancelled() {
        std::future::pending::<()>().await;
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// `age` ±10 %, `random` being in `0..1`.
fn jittered(age: Duration, random: f64) -> Duration {
    age.mul_f64(1.0 - AGE_JITTER + 2.0 * AGE_JITTER * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_spread_by_a_tenth_each_way() {
        let age = Duration::from_secs(300);
        assert_eq!(jittered(age, 0.0), Duration::from_secs(270));
        assert_eq!(jittered(age, 0.5), Duration::from_secs(300));
        assert_eq!(jittered(age, 1.0), Duration::from_secs(330));
    }
}
