//! Health on its own plaintext port, from its own thread: a probe must get an answer even when
//! the main runtime cannot give one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::service::Routes;

use super::super::server;
use super::{service, state::State};

/// How often the main runtime shows that it moves.
const TICK: Duration = Duration::from_secs(1);
/// Silence after which it counts as stuck: ten missed ticks, far above any pause of a healthy
/// runtime on a starved machine.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Section `[health]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port. Default `127.0.0.1:8081`; port 0 takes a free one. Plaintext always, since
    /// Kubernetes' gRPC probe speaks no TLS, and nothing but health is served.
    pub listen: SocketAddr,
}

/// The running health port.
#[derive(Debug)]
pub struct HealthServer {
    address: SocketAddr,
    finished: oneshot::Receiver<()>,
    _ticker: AbortOnDropHandle<()>,
}

impl HealthServer {
    /// The bound address, with the real port where the settings said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the thread's end, soon after the shutdown token is cancelled.
    pub async fn finished(self) {
        // An error means that the sender is gone, and so is the thread.
        let _ = self.finished.await;
    }
}

/// Starts the health port and the liveness watch over the runtime this is called in.
///
/// `shutdown` should come last of all: probes go on during the drain.
///
/// # Errors
///
/// The address cannot be bound, or the system gives no thread.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn spawn(
    settings: Settings,
    state: State,
    shutdown: CancellationToken,
) -> Result<HealthServer, server::Error> {
    let Settings { listen } = settings;
    let ticks = Arc::new(AtomicU64::new(0));
    let (started, finished) = (std::sync::mpsc::sync_channel(1), oneshot::channel());
    let port = Port {
        listen,
        state,
        ticks: ticks.clone(),
        shutdown,
    };
    let (report, end) = (started.0, finished.0);
    thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || {
            port.run(&report);
            let _ = end.send(());
        })
        .map_err(|source| server::Error::Bind {
            address: listen,
            source,
        })?;
    let address = started
        .1
        .recv()
        .unwrap_or_else(|_| Err(no_thread(listen)))?;
    let ticker = AbortOnDropHandle::new(tokio::spawn(tick(ticks)));
    Ok(HealthServer {
        address,
        finished: finished.1,
        _ticker: ticker,
    })
}

fn no_thread(address: SocketAddr) -> server::Error {
    let source = std::io::Error::other("the health thread ended before it listened");
    server::Error::Bind { address, source }
}

/// Runs on the watched runtime.
async fn tick(ticks: Arc<AtomicU64>) {
    let mut interval = interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        ticks.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the health thread needs.
struct Port {
    listen: SocketAddr,
    state: State,
    ticks: Arc<AtomicU64>,
    shutdown: CancellationToken,
}

type Report = std::sync::mpsc::SyncSender<Result<SocketAddr, server::Error>>;

impl Port {
    fn run(self, report: &Report) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.serve(report)),
            Err(source) => {
                let _ = report.send(Err(server::Error::Bind {
                    address: self.listen,
                    source,
                }));
            }
        }
    }

    async fn serve(self, report: &Report) {
        let Self {
            listen,
            state,
            ticks,
            shutdown,
        } = self;
        let bound = server::Server::bind(limits(listen), server::Metrics::default());
        let server = match bound {
            Ok(server) => server,
            Err(error) => {
                let _ = report.send(Err(error));
                return;
            }
        };
        let _ = report.send(Ok(server.address()));
        let routes = Routes::new(service(state.clone())).prepare();
        tokio::select! {
            () = server.run(routes, shutdown) => {}
            () = watch(&ticks, &state, STUCK_AFTER) => {}
        }
    }
}

/// Sets liveness by whether the ticks go on. Counts ticks instead of comparing times, because the
/// two runtimes' clocks differ where a test has paused one.
async fn watch(ticks: &AtomicU64, state: &State, stuck_after: Duration) {
    let mut look = interval(TICK.min(stuck_after / 4));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut moved_at) = (ticks.load(Ordering::Relaxed), Instant::now());
    loop {
        look.tick().await;
        let now = ticks.load(Ordering::Relaxed);
        if now != seen {
            (seen, moved_at) = (now, Instant::now());
        }
        state.set_live(moved_at.elapsed() < stuck_after);
    }
}

/// The probe port's limits: a handful of probes on short connections, so all of it is small and
/// none of it is a setting.
fn limits(listen: SocketAddr) -> server::Settings {
    server::Settings {
        listen,
        tls_cert_file: None,
        tls_key_file: None,
        client_ca_file: None,
        require_client_certificate: true,
        connections: 64,
        connections_per_ip: 64,
        accept_pause: Duration::from_millis(50),
        tls_handshake_timeout: Duration::from_secs(5),
        preface_timeout: Duration::from_secs(5),
        tcp_user_timeout: Duration::from_secs(30),
        unary_calls: 512,
        unary_calls_per_caller: 128,
        calls_per_second_per_caller: 200,
        streams: 1000,
        streams_per_caller: 32,
        streams_per_connection: 100,
        header_list_bytes: 16 * 1024,
        frame_bytes: 16 * 1024,
        stream_window_bytes: 64 * 1024,
        connection_window_bytes: 64 * 1024,
        pending_accept_resets: 20,
        local_error_resets: 1024,
        keepalive_interval: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(20),
        connection_age: Duration::from_secs(300),
        connection_age_grace: Duration::from_secs(60),
        drain_accept: Duration::ZERO,
        drain_grace: Duration::from_secs(1),
    }
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };

    use tonic::transport::Endpoint;

    use super::*;

    fn anywhere() -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn liveness_fails_when_the_ticks_stop_and_returns_with_them() {
        let (ticks, state) = (Arc::new(AtomicU64::new(0)), State::new([]));
        let watching = {
            let (ticks, state) = (ticks.clone(), state.clone());
            AbortOnDropHandle::new(tokio::spawn(async move {
                watch(&ticks, &state, STUCK_AFTER).await;
            }))
        };
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(state.is_serving("liveness"), Some(true));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(state.is_serving("liveness"), Some(false));
        ticks.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(state.is_serving("liveness"), Some(true));
        drop(watching);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_port_answers_while_the_main_runtime_is_blocked() {
        let (state, shutdown) = (State::new([]), CancellationToken::new());
        let server = spawn(anywhere(), state.clone(), shutdown.clone()).expect("a free port");
        let address = server.address();
        // This blocks the runtime that `spawn` was called in, until the other thread is answered.
        let status = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
                let mut client = HealthClient::new(endpoint.connect().await?);
                let request = HealthCheckRequest {
                    service: "liveness".to_owned(),
                };
                let answer = client
                    .check(request)
                    .await
                    .map(|answer| answer.into_inner().status());
                Ok::<_, tonic::transport::Error>(answer)
            })
        })
        .join()
        .expect("no panic")
        .expect("connected")
        .expect("answered");
        assert_eq!(status, ServingStatus::Serving);
        shutdown.cancel();
        server.finished().await;
    }

    #[tokio::test]
    async fn a_taken_address_is_an_error() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let settings = Settings {
            listen: taken.local_addr().expect("bound"),
        };
        let refused = spawn(settings, State::new([]), CancellationToken::new());
        assert!(matches!(refused, Err(server::Error::Bind { .. })));
    }
}
