//! What others than the dispatcher ask of jobs.

use std::fmt::Write as _;

use super::rows::{EventRow, JobRow, SettledRow, job_columns, read};
use super::{AppBacklog, Backlog, Event, Filter, Job, JobState, SettledBatch};
use crate::store::engine::{Value, transaction, values};
use crate::store::error::Result;
use crate::store::open::Store;

/// Settled batches of job `$1`, with their items.
macro_rules! settled_batches {
    () => {
        "SELECT b.number, b.at_ms, b.outcome, b.errcode, b.detail, b.exceptions, b.message_id,
             b.response_code, i.user_ids, i.places
         FROM bulk_batches b JOIN bulk_items i ON i.job = b.job AND i.number = b.number
         WHERE b.job = $1 AND b.state = 2 AND "
    };
}

impl Store {
    /// A job; of `caller` only, if there is one. The job of another does not exist.
    pub async fn job(&self, caller: Option<&str>, id: &str) -> Result<Option<Job>> {
        let sql = concat!(
            "SELECT ",
            job_columns!(),
            " FROM bulk_jobs WHERE id = $1 AND ($2 IS NULL OR caller = $2)"
        );
        let mut session = self.read("job").await?;
        let row: Option<JobRow> = session.optional(sql, &values![id, caller]).await?;
        row.map(Job::try_from).transpose()
    }

    /// Jobs, newest first; of `caller` only, if there is one.
    pub async fn jobs(&self, caller: Option<&str>, filter: &Filter) -> Result<Vec<Job>> {
        let (sql, values) = list(caller, filter);
        let mut session = self.read("jobs").await?;
        read(session.all::<JobRow>(sql, &values).await?)
    }

    /// Asks a job to end, once, if it is open, and gives it as it is then. Claims that are committed
    /// later do not go through.
    pub async fn request_cancel(
        &self,
        caller: Option<&str>,
        id: &str,
        now_ms: i64,
    ) -> Result<Option<Job>> {
        let job = concat!(
            "SELECT ",
            job_columns!(),
            " FROM bulk_jobs WHERE id = $1 AND ($2 IS NULL OR caller = $2)"
        );
        transaction!(self, "request_cancel", |session| {
            let sql = "UPDATE bulk_jobs SET cancel_requested_at_ms = $3
                 WHERE id = $1 AND ($2 IS NULL OR caller = $2)
                     AND state <= 3 AND cancel_requested_at_ms IS NULL";
            session.execute(sql, &values![id, caller, now_ms]).await?;
            let row: Option<JobRow> = session.optional(job, &values![id, caller]).await?;
            row.map(Job::try_from).transpose()?
        })
    }

    /// Events of a job behind `after`, in order.
    pub async fn events(&self, job: &str, after: u64, limit: u32) -> Result<Vec<Event>> {
        let sql = "SELECT sequence, at_ms, payload FROM bulk_events
             WHERE job = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
        let mut session = self.read("events").await?;
        read::<EventRow, _>(session.all(sql, &values![job, after, limit]).await?)
    }

    /// Those of the batches that are settled, by their index.
    pub async fn settled(&self, job: &str, indexes: &[u32]) -> Result<Vec<SettledBatch>> {
        if indexes.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = String::from(concat!(settled_batches!(), "b.number IN ("));
        for (place, index) in indexes.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}{index}");
        }
        sql.push_str(") ORDER BY b.number");
        let mut session = self.read("settled").await?;
        read::<SettledRow, _>(session.all(sql, &values![job]).await?)
    }

    /// Settled batches with an index above `after`, ascending.
    pub async fn settled_after(
        &self,
        job: &str,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<SettledBatch>> {
        let sql = concat!(
            settled_batches!(),
            "b.number > $2 ORDER BY b.number LIMIT $3"
        );
        let after = after.map_or(-1, i64::from);
        let mut session = self.read("settled_after").await?;
        read::<SettledRow, _>(session.all(sql, &values![job, after, limit]).await?)
    }

    /// What is open.
    pub async fn bulk_backlog(&self) -> Result<Backlog> {
        let mut session = self.read("bulk_backlog").await?;
        let sql = "SELECT state, count(*) FROM bulk_jobs WHERE state <= 3
             GROUP BY state ORDER BY state";
        let states: Vec<(i64, i64)> = session.all(sql, &[]).await?;
        let sql = "SELECT app, CAST(sum(item_count - settled_item_count) AS BIGINT),
                 min((SELECT min(at_ms) FROM bulk_batches
                      WHERE job = bulk_jobs.id AND state <> 2 AND state = 0))
             FROM bulk_jobs WHERE state <= 3 GROUP BY app ORDER BY app";
        let apps: Vec<(String, i64, Option<i64>)> = session.all(sql, &[]).await?;
        let app = |(app, waiting, oldest_ready_ms): (String, i64, _)| AppBacklog {
            app,
            waiting_items: waiting.unsigned_abs(),
            oldest_ready_ms,
        };
        let jobs = states
            .into_iter()
            .map(|(state, jobs)| Ok((JobState::try_from(state)?, jobs.unsigned_abs())))
            .collect::<Result<_>>()?;
        Ok(Backlog {
            jobs,
            apps: apps.into_iter().map(app).collect(),
        })
    }
}

fn list<'v>(caller: Option<&'v str>, filter: &'v Filter) -> (String, Vec<Value<'v>>) {
    let Filter {
        apps,
        states,
        behind,
        limit,
    } = filter;
    let mut sql = String::from(concat!(
        "SELECT ",
        job_columns!(),
        " FROM bulk_jobs WHERE 1 = 1"
    ));
    let mut values = Vec::new();
    if let Some(caller) = caller {
        values.push(caller.into());
        let _ = write!(sql, " AND caller = ${}", values.len());
    }
    if !apps.is_empty() {
        let first = values.len() + 1;
        values.extend(apps.iter().map(|app| Value::from(app.as_str())));
        let _ = write!(sql, " AND app IN ({})", places(first, values.len()));
    }
    if !states.is_empty() {
        let first = values.len() + 1;
        values.extend(states.iter().copied().map(Value::from));
        let _ = write!(sql, " AND state IN ({})", places(first, values.len()));
    }
    if let Some((accepted_at_ms, id)) = behind {
        values.push((*accepted_at_ms).into());
        values.push(id.as_str().into());
        let last = values.len();
        let _ = write!(sql, " AND (accepted_at_ms, id) < (${}, ${last})", last - 1);
    }
    values.push((*limit).into());
    let last = values.len();
    let _ = write!(sql, " ORDER BY accepted_at_ms DESC, id DESC LIMIT ${last}");
    (sql, values)
}

/// `$first, …, $last`.
fn places(first: usize, last: usize) -> String {
    let places: Vec<_> = (first..=last).map(|place| format!("${place}")).collect();
    places.join(", ")
}
