//! The others: honest calls on a connection of their own, while somebody harms the gateway; and
//! the gateway's memory meanwhile.

use std::fmt;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;

use super::traffic::text;
use crate::process::{Gateway, memory_kib};

/// Between two calls.
const PACE: Duration = Duration::from_millis(5);

pub(crate) struct Beside {
    stop: CancellationToken,
    calling: JoinHandle<Vec<Duration>>,
    watching: JoinHandle<u64>,
    memory_before: u64,
}

/// What the others saw.
pub(crate) struct Harm {
    pub(crate) calls: usize,
    pub(crate) p99: Duration,
    pub(crate) slowest: Duration,
    /// The most that the gateway had beyond what it had before.
    pub(crate) grown_mib: f64,
}

impl fmt::Debug for Harm {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            calls,
            p99,
            slowest,
            grown_mib,
        } = self;
        write!(
            to,
            "{calls} calls, p99 {p99:.1?}, slowest {slowest:.1?}, RSS +{grown_mib:.1} MiB"
        )
    }
}

impl Beside {
    /// Calls that no WeCom is needed for, one after the other.
    pub(crate) async fn start(gateway: &Gateway, channel: Channel) -> Self {
        let mut client = MessageServiceClient::new(channel);
        for number in 0..20 {
            client.validate_message(check(number)).await.unwrap();
        }
        let stop = CancellationToken::new();
        let (stopping, process) = (stop.clone(), gateway.id());
        let memory_before = memory_kib(process, "VmRSS");
        let calling = tokio::spawn(async move {
            let mut times = Vec::new();
            while !stopping.is_cancelled() {
                let begun = Instant::now();
                client.validate_message(check(times.len())).await.unwrap();
                times.push(begun.elapsed());
                sleep(PACE).await;
            }
            times
        });
        let stopping = stop.clone();
        let watching = tokio::spawn(async move {
            let mut most = 0;
            while !stopping.is_cancelled() {
                most = most.max(memory_kib(process, "VmRSS"));
                sleep(PACE).await;
            }
            most
        });
        Self {
            stop,
            calling,
            watching,
            memory_before,
        }
    }

    pub(crate) async fn stop(self) -> Harm {
        self.stop.cancel();
        let times = self.calling.await.unwrap();
        let most = self.watching.await.unwrap();
        Harm {
            calls: times.len(),
            p99: percentile(&times, 0.99),
            slowest: percentile(&times, 1.0),
            grown_mib: most.saturating_sub(self.memory_before) as f64 / 1024.0,
        }
    }
}

/// A call that no WeCom is needed for.
pub(crate) fn check(number: usize) -> pb::ValidateMessageRequest {
    let message = Some(text(number));
    pb::ValidateMessageRequest { message }
}

/// The time that so large a share of the calls did not exceed.
pub(crate) fn percentile(times: &[Duration], share: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = (times.len() as f64 * share).ceil() as usize;
    times[at.clamp(1, times.len()) - 1]
}
