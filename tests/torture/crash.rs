//! R1 the kill loop, R2 every crash point, R14 a batch that kills its worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
#[cfg(debug_assertions)]
use wecomgw::grpc::pb::BulkOutcome;

use crate::caller::Order;
#[cfg(debug_assertions)]
use crate::caller::{Caller, user};
use crate::process::TICK;
use crate::scenario;
use crate::world::{Engine, World, resends, some_ms};

/// Members of a job of the kill loop, and groups of so many that take turns, so that nobody is
/// sent to more than 25 times a minute.
const GROUPS: usize = 4;
/// How long a kill waits for the first call of a life.
const FIRST_CALL: Duration = Duration::from_secs(2);

scenario!(
    #[ignore = "minutes"]
    r1 = |engine| kill_loop(engine, 100, 100_000)
);
scenario!(r1_short = |engine| kill_loop(engine, 6, 3_000));
scenario!(
    #[cfg(debug_assertions)]
    #[ignore = "minutes"]
    r2 = |engine| crash_points(engine, 5, 1)
);
scenario!(
    #[cfg(debug_assertions)]
    r2_short = |engine| crash_points(engine, 2, 3)
);
scenario!(
    #[cfg(debug_assertions)]
    #[ignore = "minutes"]
    r14 = poison_batch
);

/// Jobs back to back, until so many SIGKILLs have hit.
async fn kill_loop(engine: Engine, kills: u32, items: usize) {
    let world = World::new(engine, GROUPS * items);
    world.witness.set(json!({"member_limits": false})).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 20, "latency_max_ms": 80});
    world.witness.fault(latency, json!({})).await;
    let (mut gateway, mut caller) = world.running().await;
    let begun = Instant::now();
    let over = AtomicBool::new(false);
    let jobs = async {
        let mut jobs = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let first = jobs.len() % GROUPS * items;
            let order = Order::new(&format!("R1 job {}", jobs.len()), first..first + items);
            jobs.push(caller.run(&order).await);
        }
        jobs
    };
    let killer = async {
        for _ in 0..kills {
            // A kill before anything is sent would prove little, as often as it hits.
            let (written, until) = (world.witness.written(), Instant::now() + FIRST_CALL);
            while world.witness.written() == written && Instant::now() < until {
                sleep(TICK).await;
            }
            sleep(some_ms(50..=500)).await;
            gateway.kill();
            world.free_lane().await;
            gateway.start().await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (jobs, ()) = tokio::join!(jobs, killer);
    let seconds = begun.elapsed().as_secs_f32();
    let ledger = world.verify(&jobs);
    let again = resends(&ledger);
    println!(
        "R1 {engine:?}: {kills} kills, {} jobs of {items}, {} calls, {} resends, I1-I4 hold, {seconds:.0} s",
        jobs.len(),
        ledger.len(),
        again
    );
    assert!(again > 0, "no kill hit a call");
    assert!(seconds <= 300.0, "more than 5 minutes");
}

/// A job of so many batches, again and again, until a run no longer reaches the point at which
/// the process aborts; every `step`th point.
#[cfg(debug_assertions)]
async fn crash_points(engine: Engine, batches: usize, step: u32) {
    let world = World::new(engine, batches);
    world.witness.set(json!({"member_limits": false})).await;
    let mut gateway = world.gateway("gateway");
    let begun = Instant::now();
    let mut jobs = Vec::new();
    let mut point = 1;
    loop {
        gateway.trap("TORTURE_ABORT_AT", point);
        gateway.spawn();
        let mut order = Order::new(&format!("R2 point {point}"), 0..batches);
        for (number, (_, own)) in order.items.iter_mut().enumerate() {
            // A text of its own is a batch of its own.
            *own = Some(format!("R2 point {point} batch {number}"));
        }
        let mut caller = Caller::new(&[gateway.address]);
        let run = caller.run(&order);
        tokio::pin!(run);
        let mut died = false;
        let job = loop {
            tokio::select! {
                job = &mut run => break job,
                _ = gateway.end(), if !died => {
                    died = true;
                    world.free_lane().await;
                    gateway.spawn();
                }
            }
        };
        world.verify([&job]);
        jobs.push(job);
        gateway.kill();
        world.free_lane().await;
        if !died {
            break;
        }
        point += step;
    }
    let ledger = world.verify(&jobs);
    println!(
        "R2 {engine:?}: {} of {point} crash points of a {batches}-batch job, {} calls, {} resends, I1-I4 hold for each, {:.0} s",
        jobs.len() - 1,
        ledger.len(),
        resends(&ledger),
        begun.elapsed().as_secs_f32()
    );
    assert!(
        point > 5,
        "the process never died: are the traps compiled in?"
    );
}

/// The code that sends one of the batches panics, each time.
#[cfg(debug_assertions)]
async fn poison_batch(engine: Engine) {
    let world = World::new(engine, 20);
    let mut gateway = world.gateway("gateway");
    gateway.trap("TORTURE_PANIC_ON", user(3));
    gateway.start().await;
    let mut caller = Caller::new(&[gateway.address]);
    let mut order = Order::new("R14 poisoned", 0..10);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("R14 batch {number}"));
    }
    let (poisoned, healthy) = {
        let mut other = caller.clone();
        let second = Order::new("R14 healthy", 10..20);
        tokio::join!(caller.run(&order), async move { other.run(&second).await })
    };
    assert!(gateway.ended().is_none(), "the process went down");
    let outcomes = poisoned
        .outcomes
        .iter()
        .filter(|item| item.outcome() != BulkOutcome::Accepted);
    let [(index, outcome, detail)]: [_; 1] = outcomes
        .map(|item| (item.item_index, item.outcome(), item.detail.clone()))
        .collect::<Vec<_>>()
        .try_into()
        .expect("one batch is given up");
    assert_eq!(index, 3);
    world.verify([&poisoned, &healthy]);
    println!(
        "R14 {engine:?}: quarantined as {outcome:?} ({detail}), 0 restarts, the other 9 batches and another job ACCEPTED"
    );
}
