//! The events of a job, read from the store behind a sequence number. What happens in this
//! process only wakes the reader; so a watcher may sit on any replica.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::engine::Engine;
use super::error::{Error, Result};
use super::job::Event;
use super::outcome::{self, ItemOutcome};
use crate::store::{self, Job, Outcome};

/// Silence after which a stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often events are looked for that another process wrote down.
const POLL: Duration = Duration::from_millis(500);
/// Events read at once.
const PAGE: u32 = 100;

/// What a watcher sees.
#[derive(Debug)]
pub struct Sight {
    /// Of the event, or of the last one before a heartbeat.
    pub sequence: u64,
    /// When it happened.
    pub at_ms: i64,
    /// What happened; `None` is a heartbeat.
    pub event: Option<Event>,
    /// The items of a finished batch that were not accepted.
    pub exceptions: Vec<ItemOutcome>,
}

impl Engine {
    /// The events of a job behind `after`, those to come included, until it has ended.
    pub fn watch_events(
        &self,
        job: &Job,
        after: u64,
    ) -> Result<impl Stream<Item = Result<Sight>> + Send + use<>> {
        let last = job.progress.last_sequence;
        if after > last {
            return Err(Error::SequenceOutOfRange { last });
        }
        let watcher = Watcher {
            // Before anything is read: what happens in between wakes us.
            news: self.watch(&job.id),
            engine: self.clone(),
            job_id: job.id.clone(),
            after,
            page: VecDeque::new(),
            ended: !job.progress.state.is_open() && after == last,
            heartbeat_at: Instant::now() + HEARTBEAT,
        };
        Ok(stream::try_unfold(watcher, |mut watcher| async move {
            Ok(watcher.next().await?.map(|sight| (sight, watcher)))
        }))
    }
}

struct Watcher {
    engine: Engine,
    job_id: String,
    after: u64,
    page: VecDeque<store::Event>,
    news: watch::Receiver<u64>,
    ended: bool,
    heartbeat_at: Instant,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.engine.unwatch(&self.job_id);
    }
}

impl Watcher {
    async fn next(&mut self) -> Result<Option<Sight>> {
        loop {
            if let Some(event) = self.page.pop_front() {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return self.sight(event).await.map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            self.news.mark_unchanged();
            let store = self.engine.store();
            self.page = store.events(&self.job_id, self.after, PAGE).await?.into();
            if !self.page.is_empty() {
                continue;
            }
            if Instant::now() >= self.heartbeat_at {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Ok(Some(Sight {
                    sequence: self.after,
                    at_ms: super::engine::now_ms(),
                    event: None,
                    exceptions: Vec::new(),
                }));
            }
            let look_at = (Instant::now() + POLL).min(self.heartbeat_at);
            if let Ok(Err(_)) = timeout_at(look_at, self.news.changed()).await {
                // Nobody here writes to this job any more; another process may.
                sleep_until(look_at).await;
            }
        }
    }

    async fn sight(&mut self, stored: store::Event) -> Result<Sight> {
        let event = Event::from_bytes(&stored.payload)?;
        let mut exceptions = Vec::new();
        match &event {
            Event::BatchFinished { batches, .. } => {
                let store = self.engine.store();
                for batch in store.settled(&self.job_id, batches).await? {
                    let items = outcome::of(batch);
                    exceptions.extend(items.filter(|item| item.outcome != Outcome::Accepted));
                }
            }
            Event::Finished { .. } => self.ended = true,
            Event::Accepted { .. } | Event::Paused(_) | Event::Resumed => {}
        }
        self.after = stored.sequence;
        Ok(Sight {
            sequence: stored.sequence,
            at_ms: stored.at_ms,
            event: Some(event),
            exceptions,
        })
    }
}
