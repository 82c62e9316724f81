//! R5 lost replies, R7 the end of the window, R12 silent drops, R13 a poisoned recipient.

use std::collections::HashSet;

use serde_json::json;
use tokio::time::{Instant, sleep};
use wecomgw::grpc::pb::{self, BulkOutcome};

use crate::caller::{Order, user};
use crate::process::TICK;
use crate::scenario;
use crate::world::{Engine, World, resends};

scenario!(
    #[ignore = "minutes"]
    r5 = |engine| lost_replies(engine, 100, 1000)
);
scenario!(r5_short = |engine| lost_replies(engine, 20, 1));
scenario!(
    #[ignore = "seconds, and by themselves"]
    r7 = window_expiry
);
scenario!(
    #[ignore = "minutes"]
    r12 = silent_drops
);
scenario!(r13 = poisoned_recipient);

/// Most calls that finding one bad recipient may add.
const EXTRA_CALLS: usize = 20;

async fn lost_replies(engine: Engine, batches: usize, size: usize) {
    let world = World::new(engine, batches * size);
    let share = json!({"percent": 20, "seed": 5});
    world
        .witness
        .fault(json!({"kind": "reset_after"}), share)
        .await;
    let (_gateway, mut caller) = world.running().await;
    let mut order = Order::new("R5", 0..batches * size);
    if size == 1 {
        for (number, (_, own)) in order.items.iter_mut().enumerate() {
            *own = Some(format!("R5 batch {number}"));
        }
    }
    let begun = Instant::now();
    let job = caller.run(&order).await;
    let ledger = world.verify([&job]);
    let bodies: HashSet<&str> = ledger.iter().map(|line| line.sha256.as_str()).collect();
    let lost = ledger.iter().filter(|line| line.fault.is_some()).count();
    assert!(
        lost > 0
            && job
                .outcomes
                .iter()
                .all(|item| item.outcome() == BulkOutcome::Accepted)
    );
    assert_eq!(bodies.len(), batches, "a resend had other bytes");
    println!(
        "R5 {engine:?}: {batches} batches, {lost} replies lost, {} resends byte-equal, all ACCEPTED, I1-I4 hold, {:.0} s",
        resends(&ledger),
        begun.elapsed().as_secs_f32()
    );
}

/// A crash after the send; the next start finds the rows four hours and a minute older.
async fn window_expiry(engine: Engine) {
    let world = World::new(engine, 10);
    let slow = json!({"kind": "latency_ms", "latency_ms": 5000});
    let (mut gateway, mut caller) = world.running().await;
    let mut told = Vec::new();
    for (name, on_unknown, calls, outcome) in [
        ("report", pb::BulkOnUnknown::Report, 1, BulkOutcome::Unknown),
        (
            "resend",
            pb::BulkOnUnknown::Resend,
            2,
            BulkOutcome::Accepted,
        ),
    ] {
        world.witness.fault(slow.clone(), json!({"count": 1})).await;
        let mut order = Order::new(&format!("R7 {name}"), 0..10);
        order.options = Some(pb::BulkOptions {
            on_unknown: on_unknown.into(),
            ..pb::BulkOptions::default()
        });
        let before = world.witness.calls();
        let job_id = caller.submit(&order).await.job_id;
        while world.witness.calls() == before {
            sleep(TICK).await;
        }
        gateway.kill();
        world.sql("UPDATE bulk_batches SET at_ms = at_ms - 14460000, doubt_since_ms = doubt_since_ms - 14460000 WHERE state = 1").await;
        world.free_lane().await;
        gateway.start().await;
        let job = caller.export(&order, &job_id).await;
        let ledger = world.verify([&job]);
        let sent = ledger.len() - before;
        assert_eq!(sent, calls, "{name}");
        let first = &job.outcomes[0];
        assert!(
            job.outcomes.iter().all(|item| item.outcome() == outcome),
            "{first:?}"
        );
        assert!(outcome == BulkOutcome::Accepted || !first.detail.is_empty());
        told.push(format!("{name}: {sent} call, {outcome:?} {}", first.detail));
    }
    println!("R7 {engine:?}: {}", told.join("; "));
}

/// A hundred messages to one member, and one to each of five thousand others.
async fn silent_drops(engine: Engine) {
    let world = World::new(engine, 5001);
    let (_gateway, mut caller) = world.running().await;
    let mut order = Order::new("R12", 1..5001);
    let personal = (0..100).map(|number| (user(0), Some(format!("R12 personal {number}"))));
    order.items.extend(personal);
    let begun = Instant::now();
    let job = caller.run(&order).await;
    let seconds = begun.elapsed().as_secs_f32();
    // A drop is a breach of I3.
    let ledger = world.verify([&job]);
    let begun = ledger[0].unix_ms;
    let common = ledger
        .iter()
        .filter(|line| line.text.as_deref() == Some("R12"));
    let others = common.map(|line| line.unix_ms).max().unwrap() - begun;
    assert!(others < 5_000, "the others waited {others} ms");
    println!(
        "R12 {engine:?}: 0 dropped of 100 to one member in {seconds:.0} s; 5000 others within {others} ms"
    );
}

/// One bad user id fails the call for 999 good ones.
async fn poisoned_recipient(engine: Engine) {
    let world = World::new(engine, 1000);
    let poison = json!({"kind": "errcode", "code": 40003});
    world
        .witness
        .fault(poison, json!({"user": user(619)}))
        .await;
    let (_gateway, mut caller) = world.running().await;
    let job = caller.run(&Order::new("R13", 0..1000)).await;
    let ledger = world.verify([&job]);
    let accepted = job
        .outcomes
        .iter()
        .filter(|item| item.outcome() == BulkOutcome::Accepted);
    assert_eq!(accepted.count(), 999);
    let bad = &job.outcomes[job
        .outcomes
        .iter()
        .position(|item| item.item_index == 619)
        .unwrap()];
    assert_eq!((bad.outcome(), bad.errcode), (BulkOutcome::Failed, 40003));
    let extra = ledger.len() - 1;
    assert!(extra <= EXTRA_CALLS, "{extra} extra calls");
    println!("R13 {engine:?}: 999 ACCEPTED, 1 FAILED 40003, {extra} extra calls");
}
