//! R15 takeover, R16 handover, R17 a database that restarts. PostgreSQL only: SQLite has one
//! process.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::caller::{Caller, Order};
use crate::postgres::Server;
use crate::process::{Gateway, TICK};
use crate::verify::Line;
use crate::world::{Engine, World, addresses, resends, unix_ms};

/// Bars of the scenarios.
const TAKEOVER_MS: u64 = 20_000;
const HANDOVER_MS: u64 = 2_000;
/// How long the owner is stopped.
const STOPPED: Duration = Duration::from_secs(30);
/// Calls in flight, at most, for an app.
const IN_FLIGHT_MOST: usize = 8;

struct Replicas {
    world: World,
    gateways: Vec<Gateway>,
    caller: Caller,
    order: Order,
}

/// Three replicas, and a job of so many batches that are sent at leisure.
async fn replicas(name: &str, batches: usize) -> Replicas {
    let world = World::new(Engine::Postgres, batches);
    let slow = json!({"kind": "latency_ms", "latency_ms": 200});
    world.witness.fault(slow, json!({})).await;
    let mut gateways: Vec<Gateway> = ["one", "two", "three"]
        .map(|name| world.gateway(name))
        .into();
    for gateway in &mut gateways {
        gateway.start().await;
    }
    let mut order = Order::new(name, 0..batches);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("{name} batch {number}"));
    }
    Replicas {
        caller: Caller::new(&addresses(&gateways)),
        world,
        gateways,
        order,
    }
}

impl Replicas {
    /// The replica that sends, found by its process id in the lease.
    async fn owner(&self) -> usize {
        loop {
            let holder = self
                .world
                .sql("SELECT coalesce(holder, '') FROM bulk_lanes")
                .await;
            let process = holder.split('-').next().unwrap_or_default().to_owned();
            let mut ids = self.gateways.iter().map(|gateway| gateway.id().to_string());
            if let Some(owner) = ids.position(|id| id == process) {
                return owner;
            }
            sleep(TICK).await;
        }
    }

    async fn until_calls(&self, count: usize) {
        while self.world.witness.calls() < count {
            sleep(TICK).await;
        }
    }
}

/// The longest silence that began after `from`, no earlier than which something was harmed.
fn silence_after(ledger: &[Line], from: u64) -> u64 {
    let mut times: Vec<u64> = ledger.iter().map(|line| line.unix_ms).collect();
    times.sort_unstable();
    let last_before = times.partition_point(|at| *at <= from).saturating_sub(1);
    let pairs = times[last_before..].windows(2);
    pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes"]
async fn r15() {
    let mut replicas = replicas("R15", 600).await;
    let job_id = replicas.caller.submit(&replicas.order).await.job_id;
    let (mut follower, order) = (replicas.caller.clone(), replicas.order.clone());
    let follow = tokio::spawn(async move { follower.export(&order, &job_id).await });

    replicas.until_calls(50).await;
    let owner = replicas.owner().await;
    let killed = unix_ms();
    replicas.gateways[owner].kill();
    let before = replicas.world.witness.calls();
    replicas.until_calls(before + IN_FLIGHT_MOST + 1).await;
    let takeover = silence_after(&replicas.world.witness.ledger(), killed);
    replicas.gateways[owner].start().await;

    let owner = replicas.owner().await;
    let stopped = unix_ms();
    replicas.gateways[owner].signal("STOP");
    sleep(STOPPED).await;
    assert_ne!(
        replicas.owner().await,
        owner,
        "nobody took over from the one that was stopped"
    );
    let woken = unix_ms();
    replicas.gateways[owner].signal("CONT");
    let job = follow.await.unwrap();
    let ledger = replicas.world.verify([&job]);
    let second = silence_after(
        &ledger
            .iter()
            .filter(|line| line.unix_ms <= woken)
            .cloned()
            .collect::<Vec<_>>(),
        stopped,
    );
    let by_then: HashSet<&str> = ledger
        .iter()
        .filter(|line| line.unix_ms <= woken)
        .map(|line| line.sha256.as_str())
        .collect();
    let repeated = ledger
        .iter()
        .filter(|line| line.unix_ms > woken && by_then.contains(line.sha256.as_str()))
        .count();
    assert!(takeover <= TAKEOVER_MS, "after kill -9: {takeover} ms");
    assert!(second <= TAKEOVER_MS, "after SIGSTOP: {second} ms");
    assert!(
        repeated <= IN_FLIGHT_MOST,
        "{repeated} calls repeated after SIGCONT"
    );
    println!(
        "R15 Postgres: {takeover} ms without a call after kill -9, {second} ms after SIGSTOP; {repeated} byte-equal calls after SIGCONT, {} resends in all; I1-I4 hold",
        resends(&ledger)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute"]
async fn r16() {
    let mut replicas = replicas("R16", 300).await;
    let job_id = replicas.caller.submit(&replicas.order).await.job_id;
    let (mut follower, order) = (replicas.caller.clone(), replicas.order.clone());
    let follow = tokio::spawn(async move { follower.export(&order, &job_id).await });
    replicas.until_calls(50).await;
    let owner = replicas.owner().await;
    let asked = unix_ms();
    replicas.gateways[owner].signal("TERM");
    let status = replicas.gateways[owner].end().await;
    assert!(status.success(), "{status}");
    let before = replicas.world.witness.calls();
    replicas.until_calls(before + IN_FLIGHT_MOST + 1).await;
    let sql = "SELECT max(attempts + interruptions)::text FROM bulk_batches";
    let counted = replicas.world.sql(sql).await;
    let job = follow.await.unwrap();
    let ledger = replicas.world.verify([&job]);
    let silence = silence_after(&ledger, asked);
    assert!(silence <= HANDOVER_MS, "{silence} ms");
    assert_eq!(counted, "0", "the handover counted as an attempt");
    println!(
        "R16 Postgres: {silence} ms without a call after SIGTERM, 0 attempts counted, {} resends, exit 0; I1-I4 hold",
        resends(&ledger)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes"]
async fn r17() {
    /// Lasts longer than the restarts, of which each takes some seconds.
    const BATCHES: usize = 2000;
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let world = World::on_server(server, BATCHES);
    let slow = json!({"kind": "latency_ms", "latency_ms": 200});
    world.witness.fault(slow, json!({})).await;
    let (mut gateway, caller) = world.running().await;
    let mut order = Order::new("R17", 0..BATCHES);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("R17 batch {number}"));
    }
    let begun = Instant::now();
    let job_id = caller.clone().submit(&order).await.job_id;
    let mut follower = caller.clone();
    let (following, id) = (order.clone(), job_id.clone());
    let follow = tokio::spawn(async move { follower.export(&following, &id).await });
    // Somebody who asks all the time, to see what callers are told.
    let (mut asker, id) = (caller.clone(), job_id.clone());
    let asking = tokio::spawn(async move {
        loop {
            asker.job(&id).await;
            sleep(TICK).await;
        }
    });
    for _ in 0..10 {
        sleep(Duration::from_secs(1)).await;
        assert!(!follow.is_finished(), "the job ended before the restarts");
        tokio::task::spawn_blocking(|| server.crash_and_restart())
            .await
            .unwrap();
    }
    let job = follow.await.unwrap();
    asking.abort();
    assert!(gateway.ended().is_none(), "the gateway went down");
    let ledger = world.verify([&job]);
    let met = caller.met.lock().unwrap().clone();
    assert!(met.keys().all(|code| code == "Unavailable"), "{met:?}");
    println!(
        "R17 Postgres: 10 restarts -m immediate in {:.0} s, {} resends, callers met {met:?}; I1-I4 hold",
        begun.elapsed().as_secs_f32(),
        resends(&ledger)
    );
}
