//! The load: a closed loop of N calls in flight, or a fixed rate.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tonic::transport::Endpoint;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;

use crate::{Outcome, process};

/// Before anything is measured.
const WARM_UP: Duration = Duration::from_millis(700);
/// What is measured.
const MEASURED: Duration = Duration::from_millis(2500);
/// Senders of a fixed rate.
const SENDERS: u32 = 64;

/// How many calls, and when.
#[derive(Clone, Copy)]
pub(crate) enum Plan {
    /// This many in flight, for the measured time.
    Closed(u32),
    /// This many a second, for the measured time.
    Rate(u32),
    /// This many in all, one after the other.
    Count(u32),
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once('=').ok_or("a plan is kind=number")?;
        let number = number.parse().map_err(|_| "a plan ends in a number")?;
        match kind {
            "closed" => Ok(Self::Closed(number)),
            "rate" => Ok(Self::Rate(number)),
            "count" => Ok(Self::Count(number)),
            _ => Err(format!("no plan {kind}")),
        }
    }
}

/// Calls SendMessage of the server at `server`. Each message goes to another
/// member, or the limit of a member would hold it back.
pub(crate) async fn run(plan: Plan, server: &str) -> Outcome<()> {
    let connections = if matches!(plan, Plan::Closed(1) | Plan::Count(_)) {
        1
    } else {
        4
    };
    let mut clients = Vec::new();
    for _ in 0..connections {
        let channel = Endpoint::from_shared(server.to_owned())?
            .tcp_nodelay(true)
            .connect()
            .await?;
        clients.push(MessageServiceClient::new(channel));
    }
    closed_loop_or_rate(plan, move |number| {
        let mut client = clients[usize::try_from(number).unwrap_or(0) % clients.len()].clone();
        async move {
            let reply = client.send_message(request(number)).await?;
            assert!(!reply.get_ref().message_id.is_empty());
            Ok(())
        }
    })
    .await
}

fn request(number: u64) -> pb::SendMessageRequest {
    let text = pb::Text {
        content: "The build has passed; the release goes out at noon.".to_owned(),
        mentioned_user_ids: Vec::new(),
    };
    pb::SendMessageRequest {
        recipients: Some(pb::Recipients {
            user_ids: vec![format!("u{number:010}")],
            ..Default::default()
        }),
        content: Some(pb::Content {
            kind: Some(pb::content::Kind::Text(text)),
        }),
        ..Default::default()
    }
}

/// Runs `call` by `plan`, tells the parent when measuring begins, and reports.
pub(crate) async fn closed_loop_or_rate<F, R>(plan: Plan, call: F) -> Outcome<()>
where
    F: Fn(u64) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome<()>> + Send,
{
    let call = Arc::new(call);
    let numbers = Arc::new(AtomicU64::new(1));
    if let Plan::Count(count) = plan {
        for _ in 0..count {
            call(numbers.fetch_add(1, Ordering::Relaxed)).await?;
        }
        return Ok(());
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + MEASURED;
    let (tasks, pause) = match plan {
        Plan::Closed(tasks) | Plan::Count(tasks) => (tasks, None),
        Plan::Rate(rate) => (SENDERS, Some(Duration::from_secs(1) * SENDERS / rate)),
    };
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..tasks {
        let (call, numbers, latencies) = (call.clone(), numbers.clone(), latencies.clone());
        senders.spawn(async move {
            let mut own = Vec::new();
            let mut ticks = pause.map(|pause| {
                let mut ticks = interval_at(Instant::now() + pause * sender / tasks, pause);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                ticks
            });
            while Instant::now() < end {
                if let Some(ticks) = &mut ticks {
                    ticks.tick().await;
                }
                let started = Instant::now();
                call(numbers.fetch_add(1, Ordering::Relaxed)).await?;
                if started >= begin {
                    own.push(u32::try_from(started.elapsed().as_micros())?);
                }
            }
            latencies.lock().await.append(&mut own);
            Outcome::Ok(())
        });
    }
    tokio::time::sleep_until(begin).await;
    process::say("begin");
    tokio::time::sleep_until(end).await;
    process::say("end");
    while let Some(result) = senders.join_next().await {
        result??;
    }
    let mut latencies = latencies.lock().await;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    process::say(&format!("{} {} {}", latencies.len(), at(0.5), at(0.99)));
    Ok(())
}
