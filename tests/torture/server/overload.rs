//! S6: twice as many calls as can be answered.
//!
//! What is short here are the places for calls under way, as with a WeCom that answers slowly:
//! more calls than [`PLACES`] in [`LATENCY_MS`] cannot be answered, however fast the machine.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::beside::percentile;
use super::channel;
use super::traffic::{MEMBERS, ask_wecom};
use crate::world::{Engine, World};

/// WeCom's limits of what one minute may bring allow about 30 000 calls in the whole test.
const PLACES: usize = if cfg!(debug_assertions) { 16 } else { 128 };
const LATENCY_MS: u64 = 200;
/// Enough that HTTP/2's limit of calls on a connection is not what is reached.
const CONNECTIONS: usize = 16;
const MEASURE: Duration = Duration::from_secs(8);
const OVERLOAD: Duration = Duration::from_secs(30);
/// Bars.
const GOODPUT: f64 = 0.8;
const REFUSED_P99: Duration = Duration::from_millis(50);
const ADMITTED_P99: Duration = Duration::from_secs(1);
/// The refusals' bar is that of the shipped binary on a machine that is not saturated by tests.
const SLACK: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

/// Calls a second that so many callers get answered, each of whom waits for its answer.
async fn capacity(channels: &[Channel]) -> f64 {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..PLACES {
        let channel = channels[caller % channels.len()].clone();
        callers.spawn(async move {
            let mut answered = 0;
            while begun.elapsed() < MEASURE {
                let number = caller + answered * PLACES;
                ask_wecom(channel.clone(), number).await.unwrap();
                answered += 1;
            }
            answered
        });
    }
    let answered: usize = callers.join_all().await.into_iter().sum();
    answered as f64 / begun.elapsed().as_secs_f64()
}

/// So many calls a second, whatever becomes of them.
async fn open_loop(channels: &[Channel], per_second: f64) -> Vec<(Result<(), Status>, Duration)> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0.. {
        ticks.tick().await;
        if begun.elapsed() >= OVERLOAD {
            break;
        }
        let channel = channels[number % channels.len()].clone();
        calls.spawn(async move {
            let begun = Instant::now();
            let result = ask_wecom(channel, number).await;
            (result, begun.elapsed())
        });
    }
    calls.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings"]
async fn s6() {
    let world = World::new(Engine::Sqlite, MEMBERS);
    let slow = json!({"kind": "latency_ms", "latency_ms": LATENCY_MS});
    world.witness.fault_of("*", slow).await;
    let mut gateway = world.gateway("gateway");
    gateway.set("GRPC__UNARY_CALLS", PLACES);
    gateway.set("TELEMETRY__LEVEL", "warn,audit=off");
    gateway.start().await;
    let channels: Vec<Channel> = (0..CONNECTIONS).map(|_| channel(gateway.address)).collect();
    ask_wecom(channels[0].clone(), 0).await.unwrap();

    let capacity = capacity(&channels).await;
    let cpu = gateway.cpu();
    let calls = open_loop(&channels, 2.0 * capacity).await;
    let cpu = (gateway.cpu() - cpu).as_secs_f64() / OVERLOAD.as_secs_f64();
    let (mut admitted, mut refused) = (Vec::new(), Vec::new());
    for (result, took) in &calls {
        match result {
            Ok(()) => admitted.push(*took),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                let info = status.get_details_error_info().expect("details");
                assert_eq!(info.reason, "OVERLOADED");
                let retry = status.get_details_retry_info();
                assert!(retry.is_some_and(|info| info.retry_delay.is_some()));
                refused.push(*took);
            }
        }
    }
    let goodput = admitted.len() as f64 / OVERLOAD.as_secs_f64();
    let (admitted_p99, refused_p99) = (percentile(&admitted, 0.99), percentile(&refused, 0.99));
    println!(
        "S6: {capacity:.0} calls/s with {PLACES} places and a WeCom of {LATENCY_MS} ms; {:.0} calls/s for {} s: goodput {goodput:.0}/s = {:.0} % of capacity, admitted p50 {:.0?} p99 {admitted_p99:.0?}, refused {} p50 {:.1?} p99 {refused_p99:.1?}, all with RetryInfo; CPU {:.0} % of a core",
        calls.len() as f64 / OVERLOAD.as_secs_f64(),
        OVERLOAD.as_secs(),
        100.0 * goodput / capacity,
        percentile(&admitted, 0.5),
        refused.len(),
        percentile(&refused, 0.5),
        100.0 * cpu,
    );
    assert!(goodput >= GOODPUT * capacity);
    assert!(admitted_p99 < ADMITTED_P99);
    assert!(refused_p99 < REFUSED_P99 * SLACK);
}
