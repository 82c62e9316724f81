//! Accepting jobs.

use super::pack;
use super::rows::small;
use super::{
    Batch, BatchState, Counts, Create, Items, JobId, JobState, NewJob, OPEN_JOBS_MAX,
    WAITING_ITEMS_MAX,
};
use crate::store::engine::{Session, Value, transaction, values};
use crate::store::error::{Error, Result};
use crate::store::open::Store;

/// The columns of [`batch_row`].
pub(super) const BATCH_ROW: &str = "bulk_batches (job, number, origin, content, item_count, \
     state, at_ms, attempts, interruptions, resent, doubt_since_ms)";

/// The columns of a row of items.
pub(super) const ITEMS_ROW: &str = "bulk_items (job, number, user_ids, places)";

impl Store {
    /// Counts the jobs of an app: 0, 1, 2…, no number twice.
    pub async fn next_job_number(&self, app: &str) -> Result<u64> {
        let sql = "INSERT INTO bulk_numbers (app, next) VALUES ($1, 1)
             ON CONFLICT (app) DO UPDATE SET next = bulk_numbers.next + 1 RETURNING next - 1";
        let mut session = self.write("next_job_number").await?;
        let (number,) = session.one(sql, &values![app]).await?;
        small(number)
    }

    /// The job that an upload became, and the upload's digest.
    pub async fn find_upload(
        &self,
        caller: &str,
        request_id: &str,
    ) -> Result<Option<(JobId, [u8; 32])>> {
        let mut session = self.read("find_upload").await?;
        find(&mut session, caller, request_id).await
    }

    /// Accepts a job, with its first event, or says why not. Once this has answered, it is on
    /// the disk.
    pub async fn create_job(&self, job: NewJob, now_ms: i64) -> Result<Create> {
        transaction!(self, "create_job", |session| {
            let created = create(&mut session, &job, now_ms).await?;
            if created != Create::Created {
                return Ok(created); // and nothing is written
            }
            created
        })
    }
}

async fn create(session: &mut Session, job: &NewJob, now_ms: i64) -> Result<Create> {
    if let Some(existing) = existing(session, job).await? {
        return Ok(existing);
    }
    // First without locks, since a refusal should cost little.
    if let Some(refused) = refused(session, job, 1, job.item_count).await? {
        return Ok(refused);
    }
    // The unique key decides between two of the same upload: the second waits here for the
    // first's commit.
    if !insert_job(session, job).await? {
        let existing = existing(session, job).await?;
        return existing.ok_or_else(|| Error::Conflict("a job came and went".into()));
    }
    insert_parts(session, job, now_ms).await?;
    // Last, since one at a time goes through the gate, until its commit.
    session
        .execute("SELECT id FROM bulk_gate FOR UPDATE", &[])
        .await?;
    let refused = refused(session, job, 0, 0).await?;
    Ok(refused.unwrap_or(Create::Created))
}

async fn find(
    session: &mut Session,
    caller: &str,
    request_id: &str,
) -> Result<Option<(JobId, [u8; 32])>> {
    let sql = "SELECT id, request_sha256 FROM bulk_jobs WHERE caller = $1 AND request_id = $2";
    let row: Option<(JobId, Vec<u8>)> = session.optional(sql, &values![caller, request_id]).await?;
    let digest = |(id, digest): (JobId, Vec<u8>)| {
        let digest = digest.try_into().map_err(|_| pack::damaged())?;
        Ok((id, digest))
    };
    row.map(digest).transpose()
}

async fn existing(session: &mut Session, job: &NewJob) -> Result<Option<Create>> {
    let Some(request_id) = &job.request_id else {
        return Ok(None);
    };
    let found = find(session, &job.caller, request_id).await?;
    Ok(found.map(|(id, digest)| {
        if digest == job.request_sha256 {
            Create::Existing(id)
        } else {
            Create::Reused(id)
        }
    }))
}

/// Whether a limit would be passed with so many jobs and items more.
async fn refused(
    session: &mut Session,
    job: &NewJob,
    jobs: u32,
    items: u32,
) -> Result<Option<Create>> {
    let sql = "SELECT count(CASE WHEN caller = $1 THEN 1 END),
             CAST(coalesce(sum(item_count - settled_item_count), 0) AS BIGINT)
         FROM bulk_jobs WHERE state <= 3";
    let (open, waiting): (i64, i64) = session.one(sql, &values![job.caller.as_str()]).await?;
    if open + i64::from(jobs) > i64::from(OPEN_JOBS_MAX) {
        return Ok(Some(Create::TooManyJobs));
    }
    let waiting = waiting.unsigned_abs() + u64::from(items);
    Ok((waiting > WAITING_ITEMS_MAX).then_some(Create::TooManyItems))
}

/// Answers whether it is new.
async fn insert_job(session: &mut Session, job: &NewJob) -> Result<bool> {
    let sql = "INSERT INTO bulk_jobs (id, app, caller, request_id, request_sha256, item_count,
             folded_item_count, accepted_at_ms, deadline_ms, window_seconds, resend_unknown,
             state, counts, settled_item_count, batch_count, finished_batch_count, last_sequence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, 0, 1)
         ON CONFLICT (caller, request_id) DO NOTHING";
    let counts = pack::counts(Counts::default());
    let values = values![
        job.id.as_str(),
        job.app.as_str(),
        job.caller.as_str(),
        job.request_id.as_deref(),
        job.request_sha256.as_slice(),
        job.item_count,
        job.folded_item_count,
        job.accepted_at_ms,
        job.deadline_ms,
        job.window_seconds.map(i64::from),
        i64::from(job.resend_unknown),
        JobState::Accepted,
        counts.as_slice(),
        job.batches.len() as u64,
    ];
    Ok(session.execute(sql, &values).await? == 1)
}

async fn insert_parts(session: &mut Session, job: &NewJob, now_ms: i64) -> Result<()> {
    let id = job.id.as_str();
    let contents = (0_u32..).zip(&job.contents);
    let contents: Vec<_> = contents
        .map(|(number, body)| Vec::from(values![id, number, body.as_slice()]))
        .collect();
    session
        .insert("bulk_contents (job, number, body)", &contents, "")
        .await?;
    let batches = (0_u32..).zip(&job.batches);
    let rows: Vec<_> = batches
        .map(|(index, batch)| {
            let ready = Batch {
                index,
                origin: index,
                item_count: batch.items.indexes.len() as u32,
                state: BatchState::Ready { at_ms: now_ms },
                attempts: 0,
                interruptions: 0,
                resent: false,
                doubt_since_ms: None,
            };
            batch_row(id, &ready, batch.content)
        })
        .collect();
    session.insert(BATCH_ROW, &rows, "").await?;
    for (chunk, batches) in (0_u32..).zip(job.batches.chunks(PACK_BATCHES)) {
        let first = chunk * PACK_BATCHES as u32;
        let batches = (first..).zip(batches.iter().map(|batch| &batch.items));
        insert_items(session, id, &batches.collect::<Vec<_>>()).await?;
    }
    let event = values![id, 1_u32, now_ms, job.accepted_event.as_slice()];
    session
        .insert(
            "bulk_events (job, sequence, at_ms, payload)",
            &[event.into()],
            "",
        )
        .await
}

/// Batches whose places are packed at a time, so that memory holds few of them twice.
const PACK_BATCHES: usize = 100;

pub(super) async fn insert_items(
    session: &mut Session,
    job: &str,
    batches: &[(u32, &Items)],
) -> Result<()> {
    let places: Vec<_> = batches
        .iter()
        .map(|(_, items)| pack::places(&items.indexes))
        .collect();
    let rows: Vec<_> = batches
        .iter()
        .zip(&places)
        .map(|((index, items), places)| {
            Vec::from(values![
                job,
                *index,
                items.user_ids.as_str(),
                places.as_slice()
            ])
        })
        .collect();
    session.insert(ITEMS_ROW, &rows, "").await
}

pub(super) fn batch_row<'v>(job: &'v str, batch: &Batch, content: u32) -> Vec<Value<'v>> {
    let (state, at_ms) = batch.state.columns();
    values![
        job,
        batch.index,
        batch.origin,
        content,
        batch.item_count,
        state,
        at_ms,
        u32::from(batch.attempts),
        u32::from(batch.interruptions),
        i64::from(batch.resent),
        batch.doubt_since_ms,
    ]
    .into()
}
