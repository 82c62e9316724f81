//! The jobs of apps that nobody serves any more, since they left the configuration. They cannot
//! be sent, but they still end: when they are cancelled, and at their deadline.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::job::{Dispatcher, Input};
use crate::store::{self, Changes, Filter, Job, JobState, OPEN_JOBS_MAX, Store};

/// How often they are looked for, so that an end that another process asked for comes soon.
const POLL: Duration = Duration::from_secs(5);

/// Ends the jobs of apps that `engine` does not serve, until `shutdown`. Where another replica
/// serves the app, its lane is held there, and nothing is done.
pub(super) async fn run(engine: Engine, store: Store, shutdown: CancellationToken) {
    loop {
        if let Err(error) = end_all(&engine, &store, super::engine::now_ms()).await {
            tracing::warn!("bulk jobs of apps that are not configured wait: {error}");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = engine.orphaned() => {}
            () = sleep(POLL) => {}
        }
    }
}

async fn end_all(engine: &Engine, store: &Store, now_ms: i64) -> store::Result<()> {
    for app in store.apps_with_open_jobs().await? {
        if !engine.serves(&app) && is_due(store, &app, now_ms).await? {
            end(engine, store, &app, now_ms).await?;
        }
    }
    Ok(())
}

/// Whether one of the app's open jobs was cancelled or is overdue. A look costs the lane nothing.
async fn is_due(store: &Store, app: &str, now_ms: i64) -> store::Result<bool> {
    let filter = Filter {
        apps: vec![app.to_owned()],
        states: vec![JobState::Accepted, JobState::Running, JobState::Paused],
        behind: None,
        limit: OPEN_JOBS_MAX,
    };
    let due = |job: &Job| job.cancel_requested_at_ms.is_some() || job.deadline_ms <= now_ms;
    Ok(store.jobs(None, &filter).await?.iter().any(due))
}

/// Takes the lane as for sending, and sends nothing.
async fn end(engine: &Engine, store: &Store, app: &str, now_ms: i64) -> store::Result<()> {
    let holder = format!("{}-orphans", std::process::id());
    let Some(lease) = store.acquire_lane(app, &holder, now_ms).await? else {
        return Ok(());
    };
    let jobs = store.load_lane(app).await?;
    let mut dispatcher = Dispatcher::new(&lease, jobs, lease.now_ms);
    dispatcher.admit(false);
    for (job, cancel_requested) in store.open_jobs(app).await? {
        if cancel_requested {
            dispatcher.handle(Input::CancelRequested(job), lease.now_ms);
        }
    }
    loop {
        let changes = dispatcher.step(lease.now_ms);
        if changes == Changes::default() {
            break;
        }
        store
            .commit(app, lease.term, &changes, lease.now_ms)
            .await?;
        for (job, progress) in &changes.jobs {
            engine.moved(job, progress.last_sequence);
        }
        engine.metrics().count(app, &changes);
    }
    store.release_lane(app, lease.term).await
}

#[cfg(test)]
mod tests;
