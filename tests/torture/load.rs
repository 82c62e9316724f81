//! R19 a million, R20 the small job beside it.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use wecomgw::grpc::pb::BulkOutcome;

use crate::caller::Order;
use crate::scenario;
use crate::world::{Engine, World, unix_ms};

scenario!(
    #[ignore = "minutes, and by themselves"]
    r19 = |engine| million(engine, 0)
);
scenario!(
    #[ignore = "minutes, and by themselves"]
    r19_50ms = |engine| million(engine, 50)
);

const MILLION: usize = 1_000_000;
/// Of a thousand items each.
const BATCHES: f64 = 1000.0;
/// Bars: upload to durable; memory.
const ACCEPT: Duration = Duration::from_secs(10);
const GROWTH_KIB: u64 = 100 * 1024;
const SMALL: Duration = Duration::from_secs(5);

/// From the end of the upload until the last outcome; with an upstream of 50 ms the contract's
/// figure is 120 s.
fn bar(engine: Engine, latency_ms: u64) -> Duration {
    Duration::from_secs(match (latency_ms, engine) {
        (0, Engine::Sqlite) => 20,
        (0, Engine::Postgres) => 30,
        _ => 120,
    })
}

async fn million(engine: Engine, latency_ms: u64) {
    let world = World::new(engine, MILLION + 10);
    if latency_ms > 0 {
        let latency = json!({"kind": "latency_ms", "latency_ms": latency_ms});
        world.witness.fault(latency, json!({})).await;
    }
    let (gateway, mut caller) = world.running().await;
    let warm = Order::new("R19 warm", MILLION..MILLION + 10);
    caller.run(&warm).await;
    let before = world.witness.calls();
    let (memory, cpu) = (gateway.memory_kib("VmRSS"), gateway.cpu());
    let order = Order::new("R19", 0..MILLION);

    let asked = Instant::now();
    let job_id = caller.submit(&order).await.job_id;
    let durable = asked.elapsed();
    let begun = Instant::now();
    let small = Order::new("R20", MILLION..MILLION + 10);
    let (mut other, small_at) = (caller.clone(), Instant::now());
    let small = tokio::spawn(async move { (other.run(&small).await, small_at.elapsed()) });
    let store = gateway.store_time().await;
    caller.follow(&job_id).await;
    let sending = begun.elapsed();
    let store_after = gateway.store_time().await;
    let [store, commits] = [store_after.0 - store.0, store_after.1 - store.1]
        .map(|spent| spent.as_secs_f64() * 1e3 / BATCHES);
    let ended = unix_ms();
    let cpu = gateway.cpu() - cpu;
    let job = caller.export(&order, &job_id).await;
    let (small, small_took) = small.await.unwrap();
    let ledger = world.verify([&job, &small]);
    let calls = ledger
        .iter()
        .skip(before)
        .filter(|line| line.text.as_deref() == Some("R19"));
    let calls: Vec<u64> = calls.map(|line| line.unix_ms).collect();
    assert!(
        job.outcomes
            .iter()
            .all(|item| item.outcome() == BulkOutcome::Accepted)
    );
    let growth = gateway.memory_kib("VmHWM") - memory;
    println!(
        "R19 {engine:?} upstream {latency_ms} ms: durable after {:.1} s, sent in {:.1} s = {:.0} items/s, {} calls (the last {} ms before the end), memory +{} MiB, CPU {:.2} us an item; of each batch {:.2} ms of wall time, {store:.2} ms in the store, {commits:.2} ms of them in commits",
        durable.as_secs_f64(),
        sending.as_secs_f64(),
        MILLION as f64 / sending.as_secs_f64(),
        calls.len(),
        ended - calls.last().unwrap(),
        growth / 1024,
        cpu.as_secs_f64() * 1e6 / MILLION as f64,
        sending.as_secs_f64() * 1e3 / BATCHES,
    );
    println!(
        "R20 {engine:?}: a job of 10 beside it took {:.2} s",
        small_took.as_secs_f64()
    );
    assert_eq!(calls.len(), 1000);
    assert!(durable <= ACCEPT, "durable after {durable:?}");
    assert!(sending <= bar(engine, latency_ms), "sent in {sending:?}");
    assert!(growth < GROWTH_KIB, "memory +{growth} KiB");
    assert!(small_took <= SMALL, "the small job took {small_took:?}");
}
