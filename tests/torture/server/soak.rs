//! S12: half an hour of calls, while connections come and go and tokens die.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::traffic::{MEMBERS, Traffic};
use crate::process::Gateway;
use crate::world::{Engine, World};

const CALLS_PER_SECOND: u32 = 300;
/// Connections of the client. One in each second is made anew.
const CONNECTIONS: usize = 8;
/// What the gateway itself lets a connection live, give or take a tenth: some are told to go
/// before the client leaves them.
const CONNECTION_AGE: &str = "7s";
/// Those who connect and leave without a word.
const STRANGERS_EVERY: Duration = Duration::from_millis(100);
const TOKEN_LIFE_SECONDS: u64 = 60;
/// How long the short form takes, which finds errors but is too short for a slope.
const MINUTES: u64 = 2;
/// WeCom's limit for one API is reached behind this.
const MINUTES_MOST: u64 = 45;
/// Caches fill, and the allocator finds its size.
const WARM_UP: Duration = Duration::from_secs(300);
const SAMPLE: Duration = Duration::from_secs(5);
/// Bars, in ten minutes.
const RSS_SLOPE_MIB: f64 = 1.0;
const DESCRIPTORS_SLOPE: f64 = 2.0;

/// Seconds since the start, and a figure.
type Points = Vec<(f64, f64)>;

/// What a figure grows by in ten minutes, by least squares.
fn slope(points: &Points) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    both / square * 600.0
}

#[test]
fn a_slope_is_that_of_the_line_through_the_points() {
    let line = (0..9).map(|second| (f64::from(second), 3.0 + 0.5 * f64::from(second)));
    assert!((slope(&line.collect()) - 300.0).abs() < 1e-9);
}

fn range(points: &Points) -> (f64, f64) {
    let values = points.iter().map(|(_, value)| *value);
    (
        values.clone().fold(f64::INFINITY, f64::min),
        values.fold(0.0, f64::max),
    )
}

#[expect(clippy::disallowed_methods, reason = "`make soak` says it this way")]
fn minutes() -> u64 {
    std::env::var("SOAK_MINUTES").map_or(MINUTES, |text| text.parse().unwrap())
}

async fn sample(gateway: &Gateway, warm_up: Duration, whole: Duration) -> (Points, Points) {
    let begun = Instant::now();
    let (mut memory, mut descriptors) = (Points::new(), Points::new());
    let mut ticks = interval(SAMPLE);
    while begun.elapsed() < whole {
        ticks.tick().await;
        let now = begun.elapsed();
        if now >= warm_up {
            let mib = gateway.memory_kib("VmRSS") as f64 / 1024.0;
            memory.push((now.as_secs_f64(), mib));
            descriptors.push((now.as_secs_f64(), gateway.descriptors() as f64));
        }
    }
    (memory, descriptors)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "SOAK_MINUTES, or two"]
async fn s12() {
    let minutes = minutes();
    assert!(minutes <= MINUTES_MOST, "at most {MINUTES_MOST} minutes");
    let whole = Duration::from_secs(60 * minutes);
    let warm_up = WARM_UP.min(whole / 4);

    let world = World::new(Engine::Sqlite, MEMBERS);
    let life = json!({"expires_in_seconds": TOKEN_LIFE_SECONDS});
    world.witness.set(life).await;
    let mut gateway = world.gateway("gateway");
    gateway.set("GRPC__CONNECTION_AGE", CONNECTION_AGE);
    gateway.set("TELEMETRY__LEVEL", "info,audit=off");
    gateway.start().await;
    let address = gateway.address;

    let traffic = Traffic::new(&[address; CONNECTIONS]);
    let stop = CancellationToken::new();
    let calling = tokio::spawn({
        let (traffic, stop) = (traffic.clone(), stop.clone());
        async move { traffic.run(CALLS_PER_SECOND, stop).await }
    });
    let churning = tokio::spawn({
        let traffic = traffic.clone();
        async move {
            for number in 0.. {
                sleep(Duration::from_secs(1)).await;
                traffic.reconnect_anew(number % CONNECTIONS);
            }
        }
    });
    let strangers = tokio::spawn(async move {
        loop {
            drop(TcpStream::connect(address).await);
            sleep(STRANGERS_EVERY).await;
        }
    });
    let (memory, descriptors) = sample(&gateway, warm_up, whole).await;
    stop.cancel();
    calling.await.unwrap();
    churning.abort();
    strangers.abort();

    let counts = traffic.counts();
    let (rss, open) = (slope(&memory), slope(&descriptors));
    let ((rss_low, rss_high), (open_low, open_high)) = (range(&memory), range(&descriptors));
    println!(
        "S12: {minutes} min at {CALLS_PER_SECOND} calls/s, {} calls, failed {:?}, not sent at first {}, repeated {:?}, the slowest {:?}; after {} s: RSS {rss:+.2} MiB in 10 min ({rss_low:.1} to {rss_high:.1} MiB), descriptors {open:+.2} in 10 min ({open_low} to {open_high}); CPU {:.1} s{}",
        counts.calls,
        counts.failed,
        counts.unsent,
        counts.repeated,
        counts.slowest,
        warm_up.as_secs(),
        gateway.cpu().as_secs_f64(),
        if cfg!(debug_assertions) {
            " (debug build)"
        } else {
            ""
        },
    );
    assert!(counts.failed.is_empty(), "{:?}", counts.failed);
    if warm_up == WARM_UP {
        assert!(rss < RSS_SLOPE_MIB, "RSS grows by {rss} MiB in 10 min");
        assert!(
            open < DESCRIPTORS_SLOPE,
            "{open} more descriptors in 10 min"
        );
    }
}
