//! R8 what watchers are promised: ordered, unique, gap-free, resumable, the same for everyone.

use std::time::Duration;

use prost::Message as _;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tonic::Code;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::bulk_event::Event;

use crate::caller::{Caller, Order};
use crate::process::TICK;
use crate::scenario;
use crate::world::{Engine, World};

scenario!(
    #[ignore = "minutes"]
    r8 = event_guarantees
);

const WATCHERS: usize = 10;
const KILLS: u32 = 5;
/// Batches; each lasts long enough that few share an event, which those do that finish within
/// 250 ms.
const BATCHES: usize = 1200;
/// Streams that one watcher has cut.
const CUTS: usize = 200;

async fn event_guarantees(engine: Engine) {
    let world = World::new(engine, BATCHES);
    let slow = json!({"kind": "latency_ms", "latency_ms": 150, "latency_max_ms": 350});
    world.witness.fault(slow, json!({})).await;
    let (mut gateway, mut caller) = world.running().await;
    let mut order = Order::new("R8", 0..BATCHES);
    for (number, (_, own)) in order.items.iter_mut().enumerate() {
        *own = Some(format!("R8 batch {number}"));
    }
    let begun = Instant::now();
    let job_id = caller.submit(&order).await.job_id;
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let (mut caller, job_id) = (Caller::new(&[gateway.address]), job_id.clone());
            tokio::spawn(async move {
                let (mut events, mut cuts) = (Vec::new(), 0);
                while !ended(&events) {
                    let wanted = fastrand::usize(50..=200);
                    let before = events.len();
                    read_some(&mut caller, &job_id, &mut events, wanted).await;
                    cuts += usize::from(events.len() > before);
                }
                (events, cuts)
            })
        })
        .collect();
    for _ in 0..KILLS {
        sleep(Duration::from_secs(5)).await;
        gateway.kill();
        world.free_lane().await;
        gateway.start().await;
    }
    let job = caller.export(&order, &job_id).await;
    let uncut = bytes(&job.events);
    let mut cuts = 0;
    for watcher in watchers {
        let (events, cut) = watcher.await.unwrap();
        assert!(bytes(&events) == uncut, "a watcher saw something else");
        cuts += cut;
    }

    // One event a stream, from the first to the last that is needed.
    let (mut events, mut slowest) = (Vec::new(), Duration::ZERO);
    let mut streams = 0;
    while !ended(&events) {
        let wanted = if streams < CUTS { 1 } else { usize::MAX };
        let asked = Instant::now();
        read_some(&mut caller, &job_id, &mut events, wanted).await;
        if wanted == 1 {
            slowest = slowest.max(asked.elapsed());
        }
        streams += 1;
    }
    assert!(
        bytes(&events) == uncut,
        "the watcher that was cut {CUTS} times saw something else"
    );
    assert!(
        streams > CUTS,
        "only {streams} streams: the job has too few events"
    );
    assert!(
        slowest <= Duration::from_secs(1),
        "the first event came after {slowest:?}"
    );

    let beyond = caller
        .watch(&job_id, u64::try_from(events.len()).unwrap() + 1)
        .await;
    assert_eq!(beyond.unwrap_err().code(), Code::OutOfRange);
    world.verify([&job]);
    println!(
        "R8 {engine:?}: {} events, {WATCHERS} watchers over {cuts} streams and {KILLS} kills and one cut {CUTS} times saw the same bytes; first event after at most {} ms; beyond the end OUT_OF_RANGE; {:.0} s",
        events.len(),
        slowest.as_millis(),
        begun.elapsed().as_secs_f32()
    );
}

fn ended(events: &[pb::BulkEvent]) -> bool {
    let last = events.last().and_then(|event| event.event.as_ref());
    matches!(last, Some(Event::Finished(_)))
}

/// Reads so many events on a stream, and leaves it.
async fn read_some(
    caller: &mut Caller,
    job_id: &str,
    events: &mut Vec<pb::BulkEvent>,
    wanted: usize,
) {
    let after = events.last().map_or(0, |event| event.sequence);
    let Ok(mut stream) = caller.watch(job_id, after).await else {
        return sleep(TICK).await;
    };
    let mut read = 0;
    while read < wanted
        && let Ok(Some(event)) = stream.message().await
    {
        if !matches!(event.event, Some(Event::Heartbeat(_))) {
            events.push(event);
            read += 1;
        }
    }
}

fn bytes(events: &[pb::BulkEvent]) -> Vec<u8> {
    let events = events.iter();
    events
        .flat_map(pb::BulkEvent::encode_length_delimited_to_vec)
        .collect()
}
