//! S10: what probes are told. That `liveness` fails when the runtime is blocked is held beside
//! the code, in `src/grpc/health/port.rs`: from outside nothing blocks a runtime.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::gateway_service_client::GatewayServiceClient;

use super::channel;
use super::traffic::text;
use crate::postgres::Server;
use crate::process::{Gateway, TICK};
use crate::world::World;

/// How long WeCom, then PostgreSQL, are away.
const AWAY: Duration = Duration::from_secs(60);
/// How often a kubelet may ask, at most.
const PROBE: Duration = Duration::from_millis(500);
/// From SIGTERM to NOT_SERVING.
const NOT_SERVING: Duration = Duration::from_millis(100);
/// How soon bulk sends, which need the store, say that they have none, and that they do again.
const STORE_NOTICED: Duration = Duration::from_secs(20);

/// Asks with a new connection, as a kubelet does.
async fn probe(gateway: &Gateway, service: &str) -> Result<ServingStatus, Status> {
    let mut client = HealthClient::new(channel(gateway.health));
    let service = service.to_owned();
    let answer = client.check(HealthCheckRequest { service }).await?;
    Ok(answer.into_inner().status())
}

/// Ready and alive through all of it.
async fn stays_ready(gateway: &Gateway) -> usize {
    let begun = Instant::now();
    let mut asked = 0;
    while begun.elapsed() < AWAY {
        for name in ["", "readiness", "liveness", "startup"] {
            let answer = probe(gateway, name).await.unwrap();
            assert_eq!(answer, ServingStatus::Serving, "{name}");
            asked += 1;
        }
        sleep(PROBE).await;
    }
    asked
}

/// Waits until a service says what it should.
async fn until(gateway: &Gateway, service: &str, expected: ServingStatus) -> Duration {
    let begun = Instant::now();
    while probe(gateway, service).await.unwrap() != expected {
        assert!(
            begun.elapsed() < STORE_NOTICED,
            "{service} is not {expected:?}"
        );
        sleep(TICK).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes"]
async fn s10() {
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let mut world = World::on_server(server, 10);
    let mut gateway = world.gateway("gateway");
    gateway.set("GRPC__DRAIN_ACCEPT", "2s");
    gateway.start().await;

    world.witness.kill();
    let mut messages =
        pb::message_service_client::MessageServiceClient::new(channel(gateway.address));
    let refused = messages.send_message(text(0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let wecom = stays_ready(&gateway).await;

    let bulk = "wecomgw.v1.BulkService";
    server.stop();
    let noticed = until(&gateway, bulk, ServingStatus::NotServing).await;
    let store = stays_ready(&gateway).await;
    server.start_again();
    let back = until(&gateway, bulk, ServingStatus::Serving).await;

    // Nothing else is served on that port.
    let mut other = GatewayServiceClient::new(channel(gateway.health));
    let request = pb::GetServerInfoRequest {};
    let nothing = other.get_server_info(request).await.unwrap_err();
    assert_eq!(nothing.code(), Code::Unimplemented, "{nothing:?}");

    let asked = Instant::now();
    gateway.signal("TERM");
    while probe(&gateway, "readiness").await.unwrap() == ServingStatus::Serving {
        assert!(asked.elapsed() < NOT_SERVING * 10);
    }
    let not_serving = asked.elapsed();
    let alive = probe(&gateway, "liveness").await.unwrap();
    assert_eq!(
        alive,
        ServingStatus::Serving,
        "a drain is no reason to kill"
    );
    let status = gateway.end().await;
    println!(
        "S10: ready in {wecom} probes of 60 s without WeCom and {store} of 60 s without PostgreSQL; bulk sends said so after {noticed:?} and came back after {back:?}; NOT_SERVING {not_serving:?} after SIGTERM; other services UNIMPLEMENTED; {status}"
    );
    assert!(status.success(), "{status}");
    assert!(not_serving <= NOT_SERVING, "{not_serving:?}");
}
