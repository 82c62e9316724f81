//! Forgetting jobs that ended long ago.

use super::{JOB_RETENTION, JobId};
use crate::store::engine::{millis, transaction, values};
use crate::store::error::Result;
use crate::store::open::Store;

/// Jobs that leave with one commit.
const EXPIRE_JOBS: i64 = 100;
/// Rows of a job that one commit removes, so that dispatchers need not wait long. Items are the
/// largest, with some 20 KB a row.
const EXPIRE_ROWS: i64 = 200;

/// What belongs to a job.
const PARTS: [&str; 4] = [
    "DELETE FROM bulk_items WHERE (job, number) IN
         (SELECT job, number FROM bulk_items WHERE job = $1 LIMIT $2)",
    "DELETE FROM bulk_batches WHERE (job, number) IN
         (SELECT job, number FROM bulk_batches WHERE job = $1 LIMIT $2)",
    "DELETE FROM bulk_events WHERE (job, sequence) IN
         (SELECT job, sequence FROM bulk_events WHERE job = $1 LIMIT $2)",
    "DELETE FROM bulk_contents WHERE (job, number) IN
         (SELECT job, number FROM bulk_contents WHERE job = $1 LIMIT $2)",
];

impl Store {
    /// Removes the jobs that ended [`JOB_RETENTION`] ago, and answers how many. A job leaves at
    /// once; its parts follow, and whoever is interrupted is finished by the next.
    pub async fn expire_jobs(&self, now_ms: i64) -> Result<u64> {
        let ended_by_ms = now_ms - millis(JOB_RETENTION);
        let mut removed = 0;
        // Ends, since each round but the last removes jobs that nobody can add again.
        loop {
            let jobs: u64 = self.remove_jobs(ended_by_ms).await?;
            removed += jobs;
            if jobs < EXPIRE_JOBS.unsigned_abs() {
                break;
            }
        }
        let mut session = self.read("expire_jobs").await?;
        let jobs: Vec<(JobId,)> = session.all("SELECT job FROM bulk_removed", &[]).await?;
        drop(session);
        for (job,) in jobs {
            self.remove_parts(&job).await?;
        }
        Ok(removed)
    }

    async fn remove_jobs(&self, ended_by_ms: i64) -> Result<u64> {
        transaction!(self, "expire_jobs", |session| {
            let sql = "SELECT id FROM bulk_jobs
                 WHERE finished_at_ms IS NOT NULL AND finished_at_ms <= $1
                 ORDER BY finished_at_ms, id LIMIT $2 FOR UPDATE";
            let jobs: Vec<(JobId,)> = session.all(sql, &values![ended_by_ms, EXPIRE_JOBS]).await?;
            for (job,) in &jobs {
                let sql = "INSERT INTO bulk_removed (job) VALUES ($1) ON CONFLICT DO NOTHING";
                session.execute(sql, &values![job.as_str()]).await?;
                let sql = "DELETE FROM bulk_jobs WHERE id = $1";
                session.execute(sql, &values![job.as_str()]).await?;
            }
            jobs.len() as u64
        })
    }

    async fn remove_parts(&self, job: &str) -> Result<()> {
        for sql in PARTS {
            // Ends, since nobody adds to a job that is gone.
            loop {
                let mut session = self.write("expire_jobs").await?;
                let rows = session.execute(sql, &values![job, EXPIRE_ROWS]).await?;
                if rows < EXPIRE_ROWS.unsigned_abs() {
                    break;
                }
            }
        }
        let mut session = self.write("expire_jobs").await?;
        let sql = "DELETE FROM bulk_removed WHERE job = $1";
        session.execute(sql, &values![job]).await?;
        Ok(())
    }
}
