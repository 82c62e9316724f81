//! S8: replicas are stopped and started in turn, and no unary call is lost.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt as _;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::bulk_event::Event;

use super::channel;
use super::traffic::{MEMBERS, Traffic};
use crate::caller::{Caller, Order};
use crate::process::Gateway;
use crate::world::{Engine, World, addresses};

const CALLS_PER_SECOND: u32 = 200;
const STOPS: usize = 10;
/// From SIGTERM to the end of the process.
const END: Duration = Duration::from_secs(30);
/// How long both serve between two stops.
const BOTH_SERVE: Duration = Duration::from_secs(2);
/// Batches of one: with [`LATENCY_MS`] and 8 in flight, more than the stops last.
const BATCHES: usize = 10_000;
const LATENCY_MS: u64 = 200;

/// The job that is watched over all stops.
struct Watched {
    job_id: String,
    sequence: u64,
    events: usize,
}

impl Watched {
    /// Reads to the end that a stop brings, and checks it: each event is the next one, and the
    /// status says after which to go on.
    async fn read(&mut self, mut events: Streaming<pb::BulkEvent>) {
        loop {
            let status = match events.message().await {
                Ok(Some(event)) => {
                    if !matches!(event.event, Some(Event::Heartbeat(_))) {
                        assert_eq!(event.sequence, self.sequence + 1, "a gap in the events");
                        self.sequence += 1;
                        self.events += 1;
                    }
                    assert!(
                        !matches!(event.event, Some(Event::Finished(_))),
                        "the job ended before the stops did"
                    );
                    continue;
                }
                Ok(None) => panic!("the events ended without a status"),
                Err(status) => status,
            };
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let info = status.get_details_error_info().expect("details");
            assert_eq!(info.reason, "SHUTTING_DOWN");
            assert_eq!(info.metadata["last_sequence"], self.sequence.to_string());
            return;
        }
    }
}

async fn health_watch(gateway: &Gateway) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(channel(gateway.address));
    let service = "readiness".to_owned();
    let watch = client.watch(HealthCheckRequest { service }).await.unwrap();
    let mut watch = watch.into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    watch
}

/// The last words: NOT_SERVING, then UNAVAILABLE.
async fn read_health(mut watch: Streaming<HealthCheckResponse>) {
    let last = watch.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    let end = watch.message().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes"]
async fn s8() {
    let world = World::new(Engine::Postgres, MEMBERS + BATCHES);
    let slow = json!({"kind": "latency_ms", "latency_ms": LATENCY_MS});
    world.witness.fault(slow, json!({})).await;
    let mut gateways: Vec<Gateway> = ["one", "two"].map(|name| world.gateway(name)).into();
    for gateway in &mut gateways {
        // As in production.
        gateway.set("GRPC__DRAIN_ACCEPT", "8s");
        gateway.set("GRPC__DRAIN_GRACE", "20s");
        gateway.set("TELEMETRY__LEVEL", "info,audit=off");
        gateway.start().await;
    }
    let mut order = Order::new("S8", MEMBERS..MEMBERS + BATCHES);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("S8 batch {number}"));
    }
    let mut watched = Watched {
        job_id: Caller::new(&[gateways[0].address])
            .submit(&order)
            .await
            .job_id,
        sequence: 0,
        events: 0,
    };
    let traffic = Traffic::new(&addresses(&gateways));
    let stop = CancellationToken::new();
    let (client, stopping) = (traffic.clone(), stop.clone());
    let calling = tokio::spawn(async move { client.run(CALLS_PER_SECOND, stopping).await });

    let mut longest = Duration::ZERO;
    for number in 0..STOPS {
        let leaving = &mut gateways[number % 2];
        let silent = TcpStream::connect(leaving.address).await.unwrap();
        let watch = health_watch(leaving).await;
        let mut here = Caller::new(&[leaving.address]);
        let events = here.watch(&watched.job_id, watched.sequence).await.unwrap();
        sleep(BOTH_SERVE).await;
        let asked = Instant::now();
        leaving.signal("TERM");
        let (address, heard) = (leaving.address, tokio::spawn(read_health(watch)));
        let (_, status, ()) = tokio::join!(
            // Silent still when the listener closes, and not closed by the deadline of the preface.
            async {
                sleep(Duration::from_secs(6)).await;
                TcpStream::connect(address).await
            },
            leaving.end(),
            async {
                watched.read(events).await;
                assert!(asked.elapsed() < END);
            },
        );
        let took = asked.elapsed();
        longest = longest.max(took);
        drop(silent);
        assert!(heard.is_finished(), "the watch of health outlived it");
        heard.await.unwrap();
        assert!(status.success(), "stop {number}: {status}");
        assert!(took <= END, "stop {number} took {took:?}");
        leaving.start().await;
    }
    stop.cancel();
    calling.await.unwrap();
    let counts = traffic.counts();
    let sent = world.witness.ledger();
    let sent: Vec<&str> = sent
        .iter()
        .filter_map(|line| line.text.as_deref())
        .filter(|text| text.starts_with("traffic"))
        .collect();
    let once: HashSet<&str> = sent.iter().copied().collect();
    println!(
        "S8: {STOPS} stops under {CALLS_PER_SECOND} calls/s, {} calls, failed {:?}, not sent at first {}, repeated {:?}; the slowest {:?}; {} messages, {} of them twice; the job's stream resumed {STOPS} times over {} events; exit 0 after {longest:?} at most",
        counts.calls,
        counts.failed,
        counts.unsent,
        counts.repeated,
        counts.slowest,
        once.len(),
        sent.len() - once.len(),
        watched.events,
    );
    assert!(counts.failed.is_empty(), "{:?}", counts.failed);
    assert_eq!(sent.len(), once.len(), "a message went out twice");
}
