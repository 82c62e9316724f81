//! Who drives an app, and the jobs that come with it.

use std::collections::HashMap;

use super::rows::{BatchRow, JobRow, job_columns, small};
use super::{Batch, Job, JobId, LEASE_LIFE, Lease, OpenJob};
use crate::store::engine::{Session, millis, transaction, values};
use crate::store::error::Result;
use crate::store::open::Store;

/// The columns of a [`BatchRow`], of batches `b`.
macro_rules! open_batches {
    () => {
        "SELECT b.job, b.number, b.origin, b.item_count, b.state, b.at_ms, b.attempts,
             b.interruptions, b.resent, b.doubt_since_ms
         FROM bulk_batches b JOIN bulk_jobs j ON j.id = b.job WHERE b.state <> 2 AND "
    };
}

/// The columns of an [`OpenRow`].
macro_rules! open_jobs {
    () => {
        concat!(
            "SELECT ",
            job_columns!(),
            ", (SELECT max(number) FROM bulk_batches WHERE job = bulk_jobs.id) AS last_index
             FROM bulk_jobs WHERE state <= 3 AND "
        )
    };
}

#[derive(sqlx::FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    job: JobRow,
    last_index: Option<i64>,
}

impl Store {
    /// Takes the lane of an app for [`LEASE_LIFE`], if it is free. Where the process has the store
    /// for itself it always is, since the holder before is dead.
    pub async fn acquire_lane(
        &self,
        app: &str,
        holder: &str,
        now_ms: i64,
    ) -> Result<Option<Lease>> {
        transaction!(self, "acquire_lane", |session| {
            let sql = "INSERT INTO bulk_lanes (app, term, expires_at_ms, latest_ms)
                 VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING";
            session.execute(sql, &values![app]).await?;
            acquire(&mut session, app, holder, now_ms).await?
        })
    }

    /// Keeps the lane for [`LEASE_LIFE`] from now, and answers the store's time; `None` if it
    /// is lost.
    pub async fn renew_lane(&self, app: &str, term: i64, now_ms: i64) -> Result<Option<i64>> {
        let mut session = self.write("renew_lane").await?;
        let now_ms = session.now_ms(now_ms).await?;
        let sql = "UPDATE bulk_lanes SET expires_at_ms = $3 + $4,
                 latest_ms = CASE WHEN latest_ms < $3 THEN $3 ELSE latest_ms END
             WHERE app = $1 AND term = $2 AND holder IS NOT NULL";
        let values = values![app, term, now_ms, millis(LEASE_LIFE)];
        Ok((session.execute(sql, &values).await? == 1).then_some(now_ms))
    }

    /// Gives the lane back, if it is still held, so that the next need not wait.
    pub async fn release_lane(&self, app: &str, term: i64) -> Result<()> {
        let sql = "UPDATE bulk_lanes SET holder = NULL WHERE app = $1 AND term = $2";
        let mut session = self.write("release_lane").await?;
        session.execute(sql, &values![app, term]).await?;
        Ok(())
    }

    /// The open jobs of an app, oldest first, and whether each was asked to end. Cheap.
    pub async fn open_jobs(&self, app: &str) -> Result<Vec<(JobId, bool)>> {
        let sql = "SELECT id, CASE WHEN cancel_requested_at_ms IS NULL THEN 0 ELSE 1 END
             FROM bulk_jobs WHERE state <= 3 AND app = $1 ORDER BY accepted_at_ms, id";
        let mut session = self.read("open_jobs").await?;
        let rows: Vec<(JobId, i32)> = session.all(sql, &values![app]).await?;
        Ok(rows
            .into_iter()
            .map(|(id, asked)| (id, asked == 1))
            .collect())
    }

    /// The apps that have open jobs.
    pub async fn apps_with_open_jobs(&self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT app FROM bulk_jobs WHERE state <= 3 ORDER BY app";
        let mut session = self.read("apps_with_open_jobs").await?;
        let apps: Vec<(String,)> = session.all(sql, &[]).await?;
        Ok(apps.into_iter().map(|(app,)| app).collect())
    }

    /// A job that is open, with the batches that are not settled.
    pub async fn open_job(&self, id: &str) -> Result<Option<OpenJob>> {
        let jobs = concat!(open_jobs!(), "id = $1");
        let batches = concat!(open_batches!(), "b.job = $1 ORDER BY b.job, b.number");
        Ok(self.load(jobs, batches, id).await?.pop())
    }

    /// Every open job of an app, oldest first, with the batches that are not settled.
    pub async fn load_lane(&self, app: &str) -> Result<Vec<OpenJob>> {
        let jobs = concat!(open_jobs!(), "app = $1 ORDER BY accepted_at_ms, id");
        let batches = concat!(
            open_batches!(),
            "j.state <= 3 AND j.app = $1 ORDER BY b.job, b.number"
        );
        self.load(jobs, batches, app).await
    }

    /// Two statements see one state, since only the lane's holder, who asks, changes what is open.
    async fn load(
        &self,
        jobs: &'static str,
        batches: &'static str,
        of: &str,
    ) -> Result<Vec<OpenJob>> {
        let mut session = self.read("load_jobs").await?;
        let jobs: Vec<OpenRow> = session.all(jobs, &values![of]).await?;
        let rows: Vec<BatchRow> = session.all(batches, &values![of]).await?;
        drop(session);
        let mut batches: HashMap<JobId, Vec<Batch>> = HashMap::new();
        for row in rows {
            batches
                .entry(row.job.clone())
                .or_default()
                .push(row.try_into()?);
        }
        let open = |row: OpenRow| {
            let job = Job::try_from(row.job)?;
            Ok(OpenJob {
                batches: batches.remove(&job.id).unwrap_or_default(),
                next_index: small(row.last_index.map_or(0, |last| last + 1))?,
                job,
            })
        };
        jobs.into_iter().map(open).collect()
    }
}

#[derive(sqlx::FromRow)]
struct LaneRow {
    term: i64,
    holder: Option<String>,
    expires_at_ms: i64,
    latest_ms: i64,
    note: Option<Vec<u8>>,
}

async fn acquire(
    session: &mut Session,
    app: &str,
    holder: &str,
    now_ms: i64,
) -> Result<Option<Lease>> {
    // The lock decides between replicas that want the lane at once.
    let sql = "SELECT term, holder, expires_at_ms, latest_ms, note FROM bulk_lanes
         WHERE app = $1 FOR UPDATE";
    let lane: LaneRow = session.one(sql, &values![app]).await?;
    let now_ms = session.now_ms(now_ms).await?;
    if session.is_shared() && lane.holder.is_some() && now_ms < lane.expires_at_ms {
        return Ok(None);
    }
    let lease = Lease {
        term: lane.term + 1,
        now_ms,
        latest_ms: lane.latest_ms.max(now_ms),
        note: lane.note,
    };
    let sql = "UPDATE bulk_lanes SET term = $2, holder = $3, expires_at_ms = $4, latest_ms = $5
         WHERE app = $1";
    let expires_at_ms = now_ms + millis(LEASE_LIFE);
    let values = values![app, lease.term, holder, expires_at_ms, lease.latest_ms];
    session.execute(sql, &values).await?;
    Ok(Some(lease))
}
