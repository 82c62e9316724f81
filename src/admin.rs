//! The operator's door: `/livez`, `/readyz`, `/metrics`, `/version` and ready-made documents over
//! plain HTTP/1 on a listener of its own.
//!
//! It holds no secret and changes nothing, so it asks for no credential; keep it inside the cluster.
//! What the probes answer is passed in, because this room knows none of the others.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections held at once: a scraper, a few probes and people. Further ones wait in the
/// kernel's queue.
const CONNECTIONS: usize = 64;
/// Time for a request's headers, and for a kept connection to send its next request.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that a request's headers may take; no request here needs more.
const REQUEST_BYTES: usize = 16 * 1024;
/// How long answers under way may take at shutdown.
const DRAIN: Duration = Duration::from_secs(1);
/// Rest after a failed accept, so that a lack of descriptors does not make a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long others may keep a document: a new key is published a day before it signs.
const DOCUMENT_CACHING: &str = "public, max-age=900";
/// The type of what prometheus-client writes, as the OpenMetrics 1.0 specification names it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is answered to other paths.
const INDEX: &str = "here are /livez, /readyz, /metrics and /version\n";

/// Section `[admin]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port. Default `127.0.0.1:9090`; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// Why the admin door cannot open.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct Error {
    /// The address of the settings.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

/// A question a probe asks: yes, or the reason why not.
pub type Probe = Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// What `/livez` and `/readyz` answer.
pub struct Probes {
    /// Whether the process moves; no means that a restart would help.
    pub live: Probe,
    /// Whether it takes traffic.
    pub ready: Probe,
}

impl fmt::Debug for Probes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Probes").finish_non_exhaustive()
    }
}

/// A text, published as it is.
#[derive(Clone)]
pub struct Document {
    /// Where it is: `/…`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Gives the text.
    pub body: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The bound admin door.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Admin {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(
        settings: &Settings,
        probes: Probes,
        documents: Vec<Document>,
        registry: Arc<Registry>,
    ) -> Result<Self, Error> {
        let Settings { listen } = *settings;
        let bind = || {
            let listener = std::net::TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind().map_err(|source| Error {
            address: listen,
            source,
        })?;
        Ok(Self {
            listener,
            address,
            router: router(probes, documents, registry),
        })
    }

    /// The bound address, with the real port where the settings said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, which should come late: metrics and probes are of use during a
    /// drain. Returns within a second of it.
    pub async fn run(self, shutdown: CancellationToken) {
        let (tasks, abort) = (TaskTracker::new(), CancellationToken::new());
        let _abort_on_drop = abort.clone().drop_guard();
        tokio::select! {
            never = accept_forever(&self.listener, &self.router, &tasks, &shutdown, &abort) => {
                match never {}
            }
            () = shutdown.cancelled() => {}
        }
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::debug!(connections = tasks.len(), "admin connections dropped");
        }
    }
}

async fn accept_forever(
    listener: &TcpListener,
    router: &Router,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
    abort: &CancellationToken,
) -> Infallible {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = permits.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, router.clone(), shutdown.clone(), permit);
                let abort = abort.clone();
                tasks.spawn(async move { abort.run_until_cancelled(connection).await });
            }
            Err(error) => {
                tracing::debug!(%error, "admin cannot accept, resting");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended");
    }
}

#[derive(Debug)]
struct Shared {
    probes: Probes,
    registry: Arc<Registry>,
}

fn router(probes: Probes, documents: Vec<Document>, registry: Arc<Registry>) -> Router {
    let mut router = Router::new();
    for document in documents {
        let path = document.path;
        router = router.route(path, get(move || publish(document.clone())));
    }
    router
        .route(
            "/livez",
            get(|State(shared): State<Arc<Shared>>| async move { answer(&shared.probes.live) }),
        )
        .route(
            "/readyz",
            get(|State(shared): State<Arc<Shared>>| async move { answer(&shared.probes.ready) }),
        )
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .fallback(async || (StatusCode::NOT_FOUND, INDEX))
        .with_state(Arc::new(Shared { probes, registry }))
}

fn answer(probe: &Probe) -> (StatusCode, String) {
    match probe() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn publish(document: Document) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, document.content_type),
        (header::CACHE_CONTROL, DOCUMENT_CACHING),
    ];
    (headers, (document.body)())
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) => Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], text)),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn version() -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Running {
        address: SocketAddr,
        ready: Arc<AtomicBool>,
        shutdown: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    fn start() -> Running {
        let ready = Arc::new(AtomicBool::new(true));
        let asked = ready.clone();
        let is_ready = move || {
            if asked.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err("not ready")
            }
        };
        let probes = Probes {
            live: Box::new(|| Ok(())),
            ready: Box::new(is_ready),
        };
        let mut registry = Registry::default();
        let sent = Counter::<u64>::default();
        registry.register("wecomgw_sent", "Messages sent", sent.clone());
        sent.inc();
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let documents = vec![Document {
            path: "/.well-known/keys",
            content_type: "application/json",
            body: Arc::new(|| "{}".to_owned()),
        }];
        let admin = Admin::bind(&settings, probes, documents, Arc::new(registry));
        let admin = admin.expect("a free port");
        let (address, shutdown) = (admin.address(), CancellationToken::new());
        let task = tokio::spawn(admin.run(shutdown.clone()));
        Running {
            address,
            ready,
            shutdown,
            task,
        }
    }

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer
    }

    #[tokio::test]
    async fn probes_answer_200_or_503_with_the_reason() {
        let running = start();
        assert!(
            ask(running.address, "/livez")
                .await
                .starts_with("HTTP/1.1 200")
        );
        assert!(
            ask(running.address, "/readyz")
                .await
                .starts_with("HTTP/1.1 200")
        );
        running.ready.store(false, Ordering::Relaxed);
        let refused = ask(running.address, "/readyz").await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        assert!(refused.ends_with("not ready\n"), "{refused}");
        assert!(
            ask(running.address, "/livez")
                .await
                .starts_with("HTTP/1.1 200")
        );
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text_and_version_is_json() {
        let running = start();
        let metrics = ask(running.address, "/metrics").await;
        assert!(metrics.contains(METRICS_TYPE), "{metrics}");
        assert!(metrics.contains("wecomgw_sent_total 1\n"), "{metrics}");
        assert!(metrics.ends_with("# EOF\n"), "{metrics}");
        let version = ask(running.address, "/version").await;
        let body = version.split_once("\r\n\r\n").expect("a body").1;
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["name"], "wecomgw");
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    }

    #[tokio::test]
    async fn documents_are_published_with_type_and_age() {
        let running = start();
        let answer = ask(running.address, "/.well-known/keys").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains("content-type: application/json\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("cache-control: public, max-age=900\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
    }

    #[tokio::test]
    async fn a_silent_socket_does_not_hold_the_shutdown() {
        let running = start();
        let mut silent = TcpStream::connect(running.address)
            .await
            .expect("connected");
        assert!(
            ask(running.address, "/livez")
                .await
                .starts_with("HTTP/1.1 200")
        );
        running.shutdown.cancel();
        running.task.await.expect("ended");
        // Closed by the other side, whether with an end or a reset.
        let read = silent.read(&mut [0; 1]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}
