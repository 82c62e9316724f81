//! R9 the same upload twice, R10 cancelling, R11 pauses.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use tonic::Code;
use wecomgw::grpc::pb::bulk_event::Event;
use wecomgw::grpc::pb::{BulkOutcome, BulkPauseReason};

use crate::caller::{Caller, Order};
use crate::process::TICK;
use crate::scenario;
use crate::world::{Engine, World, unix_ms};

scenario!(r9 = same_upload);
scenario!(
    #[ignore = "minutes"]
    r10 = |engine| cancel(engine, 1000)
);
scenario!(r10_short = |engine| cancel(engine, 60));
scenario!(
    #[ignore = "two minutes"]
    r11 = |engine| pauses(engine, true)
);

mod r11_short {
    use super::{Engine, pauses};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        pauses(Engine::Sqlite, false).await;
    }
}

/// Calls in flight, at most, for an app.
const IN_FLIGHT_MOST: usize = 8;

async fn same_upload(engine: Engine) {
    let world = World::new(engine, 100);
    let (mut gateway, caller) = world.running().await;
    let order = Order::new("R9", 0..100);
    let uploads = (0..64).map(|_| {
        let (mut caller, order) = (caller.clone(), order.clone());
        async move { caller.upload(&order).await.unwrap() }
    });
    let firsts = futures_util::future::join_all(uploads).await;
    let ids: HashSet<&str> = firsts.iter().map(|event| event.job_id.as_str()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let existing = firsts.iter().filter(|event| match &event.event {
        Some(Event::Accepted(accepted)) => accepted.existing,
        other => panic!("{other:?}"),
    });
    let existing = existing.count();
    assert_eq!(existing, 63);

    let mut caller = Caller::new(&[gateway.address]);
    let mut other = order.clone();
    other.text = "R9 changed".to_owned();
    let refused = caller.upload(&other).await.unwrap_err();
    let job_id = &firsts[0].job_id;
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains(job_id), "{refused:?}");
    let job = caller.export(&order, job_id).await;

    // Killed between the commit and the answer.
    let mut retried = "(a kill before the answer needs a debug build)".to_owned();
    if cfg!(debug_assertions) {
        gateway.kill();
        gateway.trap("TORTURE_ABORT_AT", "accepted");
        gateway.start().await;
        let lost = Order::new("R9 lost answer", 0..100);
        caller.upload(&lost).await.unwrap_err();
        gateway.end().await;
        world.free_lane().await;
        gateway.start().await;
        let first = caller.submit(&lost).await;
        match &first.event {
            Some(Event::Accepted(accepted)) => assert!(accepted.existing),
            other => panic!("{other:?}"),
        }
        let again = caller.export(&lost, &first.job_id).await;
        world.verify([&again]);
        retried = "killed before the answer: the retry gets the job on disk".to_owned();
    }
    world.verify([&job]);
    println!(
        "R9 {engine:?}: 64 uploads at once: 1 job, {existing} existing; other body ALREADY_EXISTS with its id; {retried}"
    );
}

/// Cancelled at 30 %; then again, with a kill as soon as the answer is there.
async fn cancel(engine: Engine, batches: usize) {
    let world = World::new(engine, batches);
    world.witness.set(json!({"member_limits": false})).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 50});
    world.witness.fault(latency, json!({})).await;
    let (mut gateway, mut caller) = world.running().await;
    let mut told = Vec::new();
    for kill in [false, true] {
        let name = format!("R10 {}", if kill { "killed" } else { "alone" });
        let mut order = Order::new(&name, 0..batches);
        for (number, (_, own)) in order.items.iter_mut().enumerate() {
            *own = Some(format!("{name} batch {number}"));
        }
        let before = world.witness.calls();
        let job_id = caller.submit(&order).await.job_id;
        while world.witness.calls() - before < batches * 3 / 10 {
            sleep(TICK).await;
        }
        let first = caller.cancel(&job_id).await;
        let acknowledged = unix_ms();
        if kill {
            gateway.kill();
            world.free_lane().await;
            gateway.start().await;
        }
        let job = caller.export(&order, &job_id).await;
        let second = caller.cancel(&job_id).await;
        assert_eq!(first.cancel_requested_at, second.cancel_requested_at);
        let ledger = world.verify([&job]);
        let calls = &ledger[before..];
        // What was in doubt when the process died is asked for once more, with the same bytes.
        let (early, late): (Vec<_>, Vec<_>) = calls
            .iter()
            .partition(|line| line.unix_ms <= acknowledged + 1000);
        let known: HashSet<&str> = early.iter().map(|line| line.sha256.as_str()).collect();
        let news = late
            .iter()
            .filter(|line| !known.contains(line.sha256.as_str()));
        assert_eq!(news.count(), 0, "a call began after the job was cancelled");
        assert!(late.len() <= if kill { IN_FLIGHT_MOST } else { 0 });
        let after = early
            .iter()
            .filter(|line| line.unix_ms > acknowledged)
            .count();
        let cancelled = job
            .outcomes
            .iter()
            .filter(|item| item.outcome() == BulkOutcome::Cancelled);
        let cancelled = cancelled.count();
        assert!(cancelled >= batches / 2, "only {cancelled} were cancelled");
        told.push(format!(
            "{name}: {cancelled} of {batches} CANCELLED, {after} calls in the second after the answer, {} later",
            late.len()
        ));
    }
    println!("R10 {engine:?}: {}", told.join("; "));
}

/// 45009 at the tenth batch; with `ladder` once more when sending goes on.
async fn pauses(engine: Engine, ladder: bool) {
    let world = World::new(engine, 20);
    world
        .witness
        .fault(json!({"kind": "latency_ms", "latency_ms": 20}), json!({}))
        .await;
    let limit = json!({"kind": "errcode", "code": 45009});
    world
        .witness
        .fault(limit.clone(), json!({"skip": 9, "count": 1}))
        .await;
    let (_gateway, mut caller) = world.running().await;
    let mut order = Order::new("R11", 0..20);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("R11 batch {number}"));
    }
    let begun = Instant::now();
    let job = caller.run(&order).await;
    let ledger = world.verify([&job]);
    let limited = ledger
        .iter()
        .find(|line| line.errcode == Some(45009))
        .unwrap()
        .unix_ms;
    // Calls that were in flight had begun already.
    let next = ledger
        .iter()
        .map(|line| line.unix_ms)
        .find(|at| *at > limited + 1000)
        .unwrap();
    let rest = next - limited;
    assert!(rest >= 60_000, "it sent again after {rest} ms");
    let until = paused_until(&job.events);
    assert!((55..=65).contains(&(until[0] - i64::try_from(limited / 1000).unwrap())));
    let mut told = format!(
        "45009: no call for {rest} ms, then on alone, {:.0} s",
        begun.elapsed().as_secs_f32()
    );

    if ladder {
        // Within five minutes of going on: the hour.
        world.witness.fault(limit, json!({"count": 1})).await;
        let job_id = caller.submit(&Order::new("R11 again", 0..20)).await.job_id;
        let mut events = caller.watch(&job_id, 0).await.unwrap();
        let mut seen = Vec::new();
        while paused_until(&seen).is_empty() {
            let event = tokio::time::timeout(Duration::from_secs(20), events.message()).await;
            seen.push(event.expect("an event").unwrap().expect("an event"));
        }
        let wait = paused_until(&seen)[0] - i64::try_from(unix_ms() / 1000).unwrap();
        assert!((3500..=3700).contains(&wait), "{wait}");
        told += &format!("; 45009 again: until {wait} s later");
    }
    println!("R11 {engine:?}: {told}");
}

/// Until when the frequency limit pauses, in unix seconds.
fn paused_until(events: &[wecomgw::grpc::pb::BulkEvent]) -> Vec<i64> {
    let events = events.iter().filter_map(|event| match &event.event {
        Some(Event::Paused(paused)) => {
            assert_eq!(paused.reason(), BulkPauseReason::RateLimited);
            assert_eq!(paused.errcode, 45009);
            Some(paused.until.expect("an end").seconds)
        }
        _ => None,
    });
    events.collect()
}
