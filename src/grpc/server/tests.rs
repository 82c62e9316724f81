//! The listener over real sockets. Deadlines are made short by settings; a bound far above them
//! makes a test fail instead of hang.

mod calls;
mod drain;
mod limits;
mod raw;
mod tls;

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::stream;
use tokio::{sync::Notify, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};

use super::*;

/// The section as it stands in the defaults, on any free port.
const SECTION: &str = r#"
listen = "127.0.0.1:0"
connections = 1024
connections_per_ip = 128
accept_pause = "50ms"
tls_handshake_timeout = "5s"
preface_timeout = "5s"
tcp_user_timeout = "30s"
require_client_certificate = true
unary_calls = 512
unary_calls_per_caller = 128
calls_per_second_per_caller = 200
streams = 1000
streams_per_caller = 32
streams_per_connection = 100
header_list_bytes = 16384
frame_bytes = 16384
stream_window_bytes = 262144
connection_window_bytes = 1048576
pending_accept_resets = 20
local_error_resets = 1024
keepalive_interval = "60s"
keepalive_timeout = "20s"
connection_age = "5m"
connection_age_grace = "60s"
drain_accept = "0s"
drain_grace = "20s"
"#;

/// Far above every deadline that the tests set.
const BOUND: Duration = Duration::from_secs(10);

pub(super) fn settings() -> Settings {
    toml::from_str(SECTION).expect("the section parses")
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn within_bound<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(BOUND, future)
        .await
        .unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// A running server and the handles a test needs.
struct Running {
    address: SocketAddr,
    metrics: Metrics,
    stuck: Stuck,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn start(settings: Settings) -> Running {
    let (metrics, stuck, shutdown) = (
        Metrics::default(),
        Stuck::default(),
        CancellationToken::new(),
    );
    let server = Server::bind(settings, metrics.clone()).expect("bound");
    let address = server.address();
    let routes = Routes::new(HealthServer::new(stuck.clone())).prepare();
    let task = tokio::spawn(server.run(routes, shutdown.clone()));
    Running {
        address,
        metrics,
        stuck,
        shutdown,
        task,
    }
}

impl Running {
    async fn client(&self) -> HealthClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).expect("a URI");
        let channel = within_bound("a connection", endpoint.connect()).await;
        HealthClient::new(channel.expect("connected"))
    }

    /// Waits until the server holds `count` connections.
    async fn connections(&self, count: i64) {
        within_bound("the number of connections", async {
            while self.metrics.connections.get() != count {
                tokio::time::sleep(millis(5)).await;
            }
        })
        .await;
    }
}

fn named(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

/// A service by the health service's shape. `Check` of "stuck" waits for `release`; of "peer", it
/// answers SERVING when the caller showed a certificate; of anything else, at once. `Watch` says one
/// thing and then stays silent for ever.
#[derive(Debug, Clone, Default)]
struct Stuck {
    entered: Arc<Notify>,
    release: Arc<Notify>,
    dropped: Arc<Notify>,
}

struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tonic::async_trait]
impl Health for Stuck {
    type WatchStream = stream::BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .expect("every request has its peer");
        let status = match request.get_ref().service.as_str() {
            "stuck" => {
                let _dropped = NotifyOnDrop(self.dropped.clone());
                self.entered.notify_one();
                self.release.notified().await;
                ServingStatus::Serving
            }
            "peer" if peer.certificates.is_none() => ServingStatus::NotServing,
            _ => ServingStatus::Serving,
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let first = stream::iter([Ok(HealthCheckResponse::default())]);
        let stream = stream::StreamExt::chain(first, stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }
}

#[test]
fn an_unknown_key_is_refused() {
    let section = format!("{SECTION}\nmax_connections = 5\n");
    let error = toml::from_str::<Settings>(&section).expect_err("unknown key");
    assert!(error.to_string().contains("max_connections"), "{error}");
}
