//! The room's face: what is asked about jobs, and who works on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_sdk::trace::SdkTracer;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::{Error, Result};
use super::lane::Lane;
use super::metrics::Metrics;
use super::{orphans, trap};
use crate::store::{Filter, Job, JobId, Store};
use crate::wecom::Client;

/// How often what is open is counted, for the metrics.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);

/// Bulk jobs; clones share them.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    store: Store,
    /// Wakes the lane of an app.
    lanes: HashMap<String, Notify>,
    /// Wakes who ends the jobs of apps that have no lane here.
    orphaned: Notify,
    /// Sequence of the last event of jobs that someone watches here.
    watched: Mutex<HashMap<JobId, watch::Sender<u64>>>,
    metrics: Metrics,
    /// Where the spans of batches go.
    tracer: Option<SdkTracer>,
    /// The store's disk failed in the middle of a job: the process must end.
    broken: CancellationToken,
}

impl Engine {
    /// Over `store`, for the apps of `clients`.
    pub fn new(
        store: Store,
        clients: &[Client],
        metrics: Metrics,
        tracer: Option<SdkTracer>,
    ) -> Self {
        let lanes = clients
            .iter()
            .map(|client| (client.name().to_owned(), Notify::new()));
        Self(Arc::new(Inner {
            store,
            lanes: lanes.collect(),
            orphaned: Notify::new(),
            watched: Mutex::default(),
            metrics,
            tracer,
            broken: CancellationToken::new(),
        }))
    }

    /// Works on the jobs of all apps until `shutdown`; then lets the calls under way end.
    pub async fn run(self, clients: Vec<Client>, shutdown: CancellationToken) {
        let lanes = TaskTracker::new();
        for client in clients {
            lanes.spawn(Lane::new(self.clone(), client).run(shutdown.clone()));
        }
        let store = self.0.store.clone();
        lanes.spawn(orphans::run(self.clone(), store, shutdown));
        lanes.close();
        lanes.wait().await;
    }

    /// Brings the metrics of what is open up to date, until `shutdown`.
    pub async fn count_backlog(self, shutdown: CancellationToken) {
        let count = async || {
            match self.0.store.bulk_backlog().await {
                Ok(backlog) => self.0.metrics.backlog(&backlog, now_ms()),
                Err(error) => tracing::warn!("bulk jobs cannot be counted: {error}"),
            }
            tokio::time::sleep(COUNT_INTERVAL).await;
        };
        while shutdown.run_until_cancelled(count()).await.is_some() {}
    }

    pub(super) fn tracer(&self) -> Option<&SdkTracer> {
        self.0.tracer.as_ref()
    }

    /// Is cancelled when nothing can be trusted to the disk any more.
    pub fn broken(&self) -> &CancellationToken {
        &self.0.broken
    }

    /// A job of `caller`.
    pub async fn job(&self, caller: &str, job_id: &str) -> Result<Job> {
        let job = self.0.store.job(Some(caller), job_id).await?;
        job.ok_or(Error::NotFound)
    }

    /// Jobs of `caller`, newest first.
    pub async fn jobs(&self, caller: &str, filter: &Filter) -> Result<Vec<Job>> {
        Ok(self.0.store.jobs(Some(caller), filter).await?)
    }

    /// Asks a job to end, and gives it as it stands then. One that has ended stays as it is.
    pub async fn cancel(&self, caller: &str, job_id: &str) -> Result<Job> {
        let store = &self.0.store;
        let job = store.request_cancel(Some(caller), job_id, now_ms()).await?;
        let job = job.ok_or(Error::NotFound)?;
        self.wake(&job.app);
        Ok(job)
    }

    pub(super) fn store(&self) -> &Store {
        trap::point("store");
        &self.0.store
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Tells the lane of `app` that there is something to do.
    pub(super) fn wake(&self, app: &str) {
        self.0
            .lanes
            .get(app)
            .unwrap_or(&self.0.orphaned)
            .notify_one();
    }

    /// Whether this process sends for `app`.
    pub(super) fn serves(&self, app: &str) -> bool {
        self.0.lanes.contains_key(app)
    }

    /// Waits for news of an app that this process does not serve.
    pub(super) async fn orphaned(&self) {
        self.0.orphaned.notified().await;
    }

    /// Waits for [`Engine::wake`].
    pub(super) async fn woken(&self, app: &str) {
        match self.0.lanes.get(app) {
            Some(lane) => lane.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Tells when the events of a job grow, as far as this process makes them grow.
    pub(super) fn watch(&self, job_id: &str) -> watch::Receiver<u64> {
        let mut watched = self.watched();
        let sender = watched
            .entry(job_id.to_owned())
            .or_insert_with(|| watch::Sender::new(0));
        sender.subscribe()
    }

    /// The events of a job have grown to `sequence`.
    pub(super) fn moved(&self, job_id: &str, sequence: u64) {
        if let Some(sender) = self.watched().get(job_id) {
            sender.send_replace(sequence);
        }
    }

    /// Forgets a job that nobody watches any more.
    pub(super) fn unwatch(&self, job_id: &str) {
        let mut watched = self.watched();
        // The one who leaves still has a receiver.
        if watched
            .get(job_id)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            watched.remove(job_id);
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<u64>>> {
        let watched = &self.0.watched;
        watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall clock, in unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
