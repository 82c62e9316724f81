//! Calls of several kinds at a steady rate, whatever becomes of them, made as clients with the
//! published policy (`clients/policy.json`) make them: in turn over the replicas that are
//! connected, and after UNAVAILABLE again. Every call here is one that may be repeated.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;
use wecomgw::grpc::pb::user_service_client::UserServiceClient;

use super::{channel, endpoint};
use crate::caller::user;

/// Of the policy: attempts, the first wait, and what no wait exceeds; the waits double.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Default of every client of ours.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often one that was lost is looked for.
const RECONNECT: Duration = Duration::from_millis(100);
/// Members that messages go to, in turn.
pub(crate) const MEMBERS: usize = 10_000;

/// What is called. Five of the six go to WeCom, which allows of each 150 000 an hour: at 300 a
/// second in all, 50 a second of each are 90 000 in half an hour.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Validate,
    Send,
    GetUser,
    GetDepartment,
    ListDepartments,
    ListTags,
}

const KINDS: [Kind; 6] = [
    Kind::Validate,
    Kind::Send,
    Kind::GetUser,
    Kind::GetDepartment,
    Kind::ListDepartments,
    Kind::ListTags,
];

/// One gateway as a client sees it.
struct Replica {
    address: SocketAddr,
    channel: Mutex<Channel>,
    connected: AtomicBool,
}

/// What became of the calls.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) calls: usize,
    /// Calls that a connection was given and did not send, since it was told to go. gRPC makes
    /// these anew without a word, whatever the policy.
    pub(crate) unsent: usize,
    /// Calls that the policy repeated, by what the first attempt met.
    pub(crate) repeated: BTreeMap<String, usize>,
    /// Calls that failed for good.
    pub(crate) failed: BTreeMap<String, usize>,
    pub(crate) slowest: Duration,
}

/// A client of some replicas. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Traffic(Arc<Inner>);

struct Inner {
    replicas: Vec<Replica>,
    turn: AtomicUsize,
    counts: Mutex<Counts>,
}

impl Traffic {
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let replica = |&address: &SocketAddr| Replica {
            address,
            channel: Mutex::new(channel(address)),
            connected: AtomicBool::new(true),
        };
        Self(Arc::new(Inner {
            replicas: addresses.iter().map(replica).collect(),
            turn: AtomicUsize::new(0),
            counts: Mutex::default(),
        }))
    }

    /// So many calls a second until told to stop, and the end of the last of them.
    pub(crate) async fn run(&self, per_second: u32, stop: CancellationToken) {
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        // What a busy machine delays is caught up with: the rate holds.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut calls = JoinSet::new();
        for number in 0.. {
            if stop.run_until_cancelled(ticks.tick()).await.is_none() {
                break;
            }
            let this = self.clone();
            calls.spawn(async move { this.call(number).await });
            while calls.try_join_next().is_some_and(|ended| ended.is_ok()) {}
        }
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.counts.lock().unwrap().clone()
    }

    /// A new connection in place of one, which ends when its calls have.
    pub(crate) fn reconnect_anew(&self, at: usize) {
        let replica = &self.0.replicas[at];
        *replica.channel.lock().unwrap() = channel(replica.address);
    }

    async fn call(&self, number: usize) {
        let begun = Instant::now();
        let kind = KINDS[number % KINDS.len()];
        let mut first = None;
        let mut wait = FIRST_WAIT;
        let mut attempt = 0;
        let result = loop {
            let result = self.attempt(kind, number).await;
            if result.as_ref().is_err_and(was_not_sent) {
                self.0.counts.lock().unwrap().unsent += 1;
                continue;
            }
            attempt += 1;
            match &result {
                Err(status) if status.code() == Code::Unavailable && attempt < ATTEMPTS => {
                    first.get_or_insert(describe(kind, status));
                    sleep(wait.mul_f64(fastrand::f64())).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                _ => break result,
            }
        };
        let mut counts = self.0.counts.lock().unwrap();
        counts.calls += 1;
        counts.slowest = counts.slowest.max(begun.elapsed());
        if let Some(first) = first {
            *counts.repeated.entry(first).or_default() += 1;
        }
        if let Err(status) = result {
            *counts.failed.entry(describe(kind, &status)).or_default() += 1;
        }
    }

    async fn attempt(&self, kind: Kind, number: usize) -> Result<(), Status> {
        let at = self.next();
        let replica = &self.0.replicas[at];
        let channel = replica.channel.lock().unwrap().clone();
        let result = ask(channel, kind, number).await;
        // No status of the gateway's: the connection is gone, and is asked for nothing more
        // until there is another.
        if let Err(status) = &result
            && std::error::Error::source(status).is_some()
            && replica.connected.swap(false, Ordering::Relaxed)
        {
            tokio::spawn(self.clone().reconnect(at));
        }
        result
    }

    /// The next that is connected, or the next if none is.
    fn next(&self) -> usize {
        let replicas = &self.0.replicas;
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let mut from_here = (turn..turn + replicas.len()).map(|at| at % replicas.len());
        let connected = |at: &usize| replicas[*at].connected.load(Ordering::Relaxed);
        from_here.find(connected).unwrap_or(turn % replicas.len())
    }

    async fn reconnect(self, at: usize) {
        let replica = &self.0.replicas[at];
        while let Err(_away) = endpoint(replica.address).connect().await.map(|channel| {
            *replica.channel.lock().unwrap() = channel;
        }) {
            sleep(RECONNECT).await;
        }
        replica.connected.store(true, Ordering::Relaxed);
    }
}

/// Whether the client's HTTP library gave the call back, or the connection was told to go by a
/// GOAWAY that leaves the call out: it came too late for the gateway, which did not look at it.
fn was_not_sent(status: &Status) -> bool {
    sources(status).any(|error| {
        let given_back = error.downcast_ref::<hyper::Error>();
        let left_out = error.downcast_ref::<h2::Error>();
        given_back.is_some_and(hyper::Error::is_canceled)
            || left_out.is_some_and(|error| error.is_go_away() && error.is_remote())
    })
}

fn sources(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |error| error.source())
}

/// With what the HTTP library met at the bottom of it.
fn describe(kind: Kind, status: &Status) -> String {
    let met = sources(status).last().map(ToString::to_string);
    let met = met.unwrap_or_default();
    format!("{kind:?} {:?}: {} {met}", status.code(), status.message())
}

/// One call to WeCom, of the kind whose turn it is. Sends have no request id here: those that
/// have one wait for the store's disk, which is not what is measured.
pub(crate) async fn ask_wecom(channel: Channel, number: usize) -> Result<(), Status> {
    // The first is answered without WeCom.
    let kinds = &KINDS[1..];
    match kinds[number % kinds.len()] {
        Kind::Send => {
            let mut request = text(number);
            request.request_id.clear();
            let mut messages = MessageServiceClient::new(channel);
            messages.send_message(timed(request)).await.map(drop)
        }
        other => ask(channel, other, number).await,
    }
}

async fn ask(channel: Channel, kind: Kind, number: usize) -> Result<(), Status> {
    let mut messages = MessageServiceClient::new(channel.clone());
    let mut users = UserServiceClient::new(channel);
    let app = "youxiao".to_owned();
    match kind {
        Kind::Send => messages.send_message(timed(text(number))).await.map(drop),
        Kind::Validate => {
            let message = Some(text(number));
            let request = timed(pb::ValidateMessageRequest { message });
            messages.validate_message(request).await.map(drop)
        }
        Kind::GetUser => {
            let user_id = user(number % MEMBERS);
            let request = timed(pb::GetUserRequest { app, user_id });
            users.get_user(request).await.map(drop)
        }
        Kind::GetDepartment => {
            let request = pb::GetDepartmentRequest {
                app,
                department_id: 2,
            };
            users.get_department(timed(request)).await.map(drop)
        }
        Kind::ListDepartments => {
            let request = pb::ListDepartmentsRequest {
                app,
                ..pb::ListDepartmentsRequest::default()
            };
            users.list_departments(timed(request)).await.map(drop)
        }
        Kind::ListTags => {
            let request = timed(pb::ListTagsRequest { app });
            users.list_tags(request).await.map(drop)
        }
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}

/// A text of its own, to one of the crowd.
pub(crate) fn text(number: usize) -> pb::SendMessageRequest {
    let text = pb::Text {
        content: format!("traffic {number}"),
        ..pb::Text::default()
    };
    pb::SendMessageRequest {
        app: "youxiao".to_owned(),
        recipients: Some(pb::Recipients {
            user_ids: vec![user(number % MEMBERS)],
            ..pb::Recipients::default()
        }),
        content: Some(pb::Content {
            kind: Some(pb::content::Kind::Text(text)),
        }),
        request_id: format!("traffic-{number}"),
        ..pb::SendMessageRequest::default()
    }
}
