//! The lane of one app: one dispatcher at a time, in whichever process holds the lease.
//!
//! Each round hands the dispatcher what happened, commits what it decides, and only then makes
//! the calls that it claimed. What is lost between any two of these steps is found again on disk
//! by the next holder.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::call;
use super::engine::{Engine, now_ms};
use super::job::{Answer, Dispatcher, Input};
use super::trace;
use crate::store::{self, Changes, Committed, JobId, LEASE_LIFE, Lease};
use crate::wecom::Client;

/// How often the lease is renewed: a renewal may fail three times before trust ends.
const RENEWAL: Duration = Duration::from_secs(3);
/// Kept back of the lease, for what passes between the store's clock and ours.
const LEASE_MARGIN: Duration = Duration::from_secs(2);
/// How long a call may last. A call begins only while the lease is sure to last longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// How often jobs and cancellations that other processes wrote down are looked for.
const POLL: Duration = Duration::from_millis(500);
/// Waits between attempts to take the lane, or to reach the store.
const RETRY: Duration = Duration::from_secs(1);
/// Waits between repetitions of a commit.
const COMMIT_RETRY: Duration = Duration::from_millis(200);

/// One app's lane.
pub(super) struct Lane {
    engine: Engine,
    client: Client,
    /// Tells the processes apart, for people who look into the store.
    holder: String,
}

/// The lane is in other hands, or the store is broken: what was decided here is void.
struct Lost;

impl Lane {
    pub(super) fn new(engine: Engine, client: Client) -> Self {
        let holder = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        Self {
            engine,
            client,
            holder,
        }
    }

    fn app(&self) -> &str {
        self.client.name()
    }

    /// Holds the lane whenever the app has open jobs, until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        loop {
            // The dispatcher panics rather than count wrong; the store has the truth.
            let turn = AssertUnwindSafe(self.turn(&shutdown)).catch_unwind();
            let wait = match turn.await {
                Ok(Ok(wait)) => wait,
                Ok(Err(error)) => {
                    tracing::error!(app = self.app(), "bulk jobs wait for the store: {error}");
                    RETRY
                }
                Err(_) => {
                    tracing::error!(app = self.app(), "the lane of bulk jobs begins anew");
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.engine.woken(self.app()) => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Works on what there is, if the lane is free; tells when to look again.
    async fn turn(&self, shutdown: &CancellationToken) -> store::Result<Duration> {
        let store = self.engine.store();
        if shutdown.is_cancelled() || store.open_jobs(self.app()).await?.is_empty() {
            return Ok(POLL);
        }
        let asked_at = Instant::now();
        let lease = store
            .acquire_lane(self.app(), &self.holder, now_ms())
            .await?;
        let Some(lease) = lease else {
            return Ok(RETRY);
        };
        let term = lease.term;
        let held = Held::new(self, lease, asked_at, shutdown).await?;
        if let Ok(()) = held.run().await {
            store.release_lane(self.app(), term).await?;
        }
        Ok(POLL)
    }
}

/// A lane in our hands.
struct Held<'a> {
    lane: &'a Lane,
    term: i64,
    clock: Clock,
    /// Until when nobody else can have the lane.
    trusted_until: Instant,
    dispatcher: Dispatcher,
    jobs: HashSet<JobId>,
    calls: JoinSet<(JobId, u32, Answer)>,
    shutdown: &'a CancellationToken,
}

/// The store's time as of the beginning of the term, carried on by the monotonic clock: steps of
/// the wall clock do not open windows that are closed.
struct Clock {
    base_ms: i64,
    base: Instant,
}

impl Clock {
    fn now_ms(&self) -> i64 {
        let since = Instant::now().saturating_duration_since(self.base);
        self.base_ms + i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn instant(&self, at_ms: i64) -> Instant {
        let wait = u64::try_from(at_ms - self.now_ms()).unwrap_or(0);
        Instant::now() + Duration::from_millis(wait)
    }

    /// A machine that slept has a monotonic clock that is behind. Never goes back.
    fn adjust(&mut self, now_ms: i64) {
        if now_ms > self.now_ms() {
            (self.base_ms, self.base) = (now_ms, Instant::now());
        }
    }
}

impl<'a> Held<'a> {
    async fn new(
        lane: &'a Lane,
        lease: Lease,
        asked_at: Instant,
        shutdown: &'a CancellationToken,
    ) -> store::Result<Self> {
        let jobs = lane.engine.store().load_lane(lane.app()).await?;
        let clock = Clock {
            base_ms: lease.now_ms,
            base: asked_at,
        };
        tracing::info!(app = lane.app(), jobs = jobs.len(), "working on bulk jobs");
        lane.engine.metrics().lane_taken(lane.app());
        Ok(Self {
            lane,
            term: lease.term,
            trusted_until: asked_at + LEASE_LIFE - LEASE_MARGIN,
            jobs: jobs.iter().map(|open| open.job.id.clone()).collect(),
            dispatcher: Dispatcher::new(&lease, jobs, clock.now_ms()),
            clock,
            calls: JoinSet::new(),
            shutdown,
        })
    }

    /// Works until no job is left, or until the shutdown and the end of the calls under way.
    async fn run(mut self) -> Result<(), Lost> {
        let mut renewal = ticks(RENEWAL);
        let mut poll = ticks(POLL);
        let mut draining = false;
        loop {
            self.settle(draining).await?;
            if self.calls.is_empty() && (draining || self.jobs.is_empty()) {
                return Ok(());
            }
            let wake_at = self
                .dispatcher
                .wake_at_ms()
                .map(|at| self.clock.instant(at));
            let wake = async move {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(ended) = self.calls.join_next() => {
                    self.answered(ended);
                    while let Some(ended) = self.calls.try_join_next() {
                        self.answered(ended);
                    }
                }
                _ = renewal.tick() => self.renew().await?,
                _ = poll.tick() => self.look().await,
                () = self.lane.engine.woken(self.lane.app()) => self.look().await,
                () = wake => {}
                () = self.shutdown.cancelled(), if !draining => draining = true,
            }
        }
    }

    /// Writes down what is decided, and makes the calls, until there is nothing to decide.
    async fn settle(&mut self, draining: bool) -> Result<(), Lost> {
        loop {
            self.dispatcher.admit(!draining && self.is_trusted());
            let changes = self.dispatcher.step(self.clock.now_ms());
            if changes == Changes::default() {
                return Ok(());
            }
            let committed = self.commit(&changes).await?;
            self.publish(&changes);
            self.begin(&changes, committed);
        }
    }

    async fn commit(&self, changes: &Changes) -> Result<Committed, Lost> {
        let store = self.lane.engine.store();
        loop {
            let now_ms = self.clock.now_ms();
            let error = match store
                .commit(self.lane.app(), self.term, changes, now_ms)
                .await
            {
                Ok(committed) => return Ok(committed),
                Err(store::Error::LaneLost) => {
                    tracing::warn!(app = self.lane.app(), "another process took over");
                    return Err(Lost);
                }
                Err(error) => error,
            };
            let passes = matches!(
                error,
                store::Error::Unavailable(_) | store::Error::Full(_) | store::Error::Conflict(_)
            );
            if !passes {
                // What a failed disk has kept, only the next start can tell.
                tracing::error!(app = self.lane.app(), "bulk jobs stop: {error}");
                self.lane.engine.broken().cancel();
                return Err(Lost);
            }
            tracing::error!(
                app = self.lane.app(),
                "bulk jobs wait for the store: {error}"
            );
            if self.shutdown.is_cancelled() && Instant::now() > self.trusted_until {
                // The next holder finds it on disk as it was.
                return Err(Lost);
            }
            sleep(COMMIT_RETRY).await;
        }
    }

    /// Tells the watchers and the metrics.
    fn publish(&mut self, changes: &Changes) {
        let engine = &self.lane.engine;
        for (job, progress) in &changes.jobs {
            engine.moved(job, progress.last_sequence);
            if !progress.state.is_open() {
                self.jobs.remove(job);
            }
        }
        engine.metrics().count(self.lane.app(), changes);
    }

    /// Makes the calls that were claimed.
    fn begin(&mut self, changes: &Changes, committed: Committed) {
        let now_ms = self.clock.now_ms();
        for job in committed.cancelled {
            self.dispatcher.handle(Input::CancelRequested(job), now_ms);
        }
        let mut begun: HashSet<(JobId, u32)> = HashSet::new();
        // A commit may have taken so long that the lease is not sure to outlast the calls.
        let trusted = self.is_trusted();
        for (job, index, cargo) in committed.claimed.into_iter().filter(|_| trusted) {
            begun.insert((job.clone(), index));
            let client = self.lane.client.clone();
            let deadline = Instant::now() + CALL_TIMEOUT;
            let tracer = self.lane.engine.tracer();
            let context = trace::begin(tracer, client.name(), &job, index);
            self.calls.spawn(async move {
                let call = call::make(&client, &cargo, deadline).with_context(context);
                let call = AssertUnwindSafe(call);
                let answer = call.catch_unwind().await.unwrap_or(Answer::Interrupted);
                (job, index, answer)
            });
        }
        for (job, batch) in &changes.claims {
            if !begun.contains(&(job.clone(), batch.index)) {
                let input = Input::Unclaimed(job.clone(), batch.index);
                self.dispatcher.handle(input, now_ms);
            }
        }
    }

    fn answered(&mut self, ended: Result<(JobId, u32, Answer), tokio::task::JoinError>) {
        // A call catches its own panics and is never aborted.
        if let Ok((job, index, answer)) = ended {
            let input = Input::Answered(job, index, answer);
            self.dispatcher.handle(input, self.clock.now_ms());
        }
    }

    fn is_trusted(&self) -> bool {
        Instant::now() + CALL_TIMEOUT < self.trusted_until
    }

    async fn renew(&mut self) -> Result<(), Lost> {
        let asked_at = Instant::now();
        let store = self.lane.engine.store();
        match store.renew_lane(self.lane.app(), self.term, now_ms()).await {
            Ok(Some(now_ms)) => {
                self.trusted_until = asked_at + LEASE_LIFE - LEASE_MARGIN;
                self.clock.adjust(now_ms);
                Ok(())
            }
            Ok(None) => {
                tracing::warn!(app = self.lane.app(), "another process took over");
                Err(Lost)
            }
            Err(error) => {
                tracing::error!(app = self.lane.app(), "the lease was not renewed: {error}");
                Ok(())
            }
        }
    }

    /// Finds jobs and cancellations that were written down elsewhere.
    async fn look(&mut self) {
        if let Err(error) = self.try_look().await {
            tracing::error!(app = self.lane.app(), "cannot look for bulk jobs: {error}");
        }
    }

    async fn try_look(&mut self) -> store::Result<()> {
        let store = self.lane.engine.store();
        for (job, cancel_requested) in store.open_jobs(self.lane.app()).await? {
            let now_ms = self.clock.now_ms();
            if !self.jobs.contains(&job)
                && let Some(open) = store.open_job(&job).await?
            {
                self.jobs.insert(job.clone());
                self.dispatcher.handle(Input::Opened(open), now_ms);
            }
            if cancel_requested {
                self.dispatcher.handle(Input::CancelRequested(job), now_ms);
            }
        }
        Ok(())
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
