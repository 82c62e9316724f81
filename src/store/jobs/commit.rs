//! What a step of a dispatcher writes down.

use std::collections::BTreeSet;

use super::create::{BATCH_ROW, batch_row, insert_items};
use super::pack;
use super::rows::{ItemsRow, small};
use super::{Batch, Cargo, Changes, Committed, Event, Items, JobId, Progress, Settlement, Split};
use crate::store::engine::{Session, transaction, values};
use crate::store::error::{Error, Result};
use crate::store::open::Store;

impl Store {
    /// Writes down a step of the holder of a lane: all of it, or nothing. [`Error::LaneLost`] once
    /// another holds it. A commit whose answer was lost may be repeated as it was.
    pub async fn commit(
        &self,
        app: &str,
        term: i64,
        changes: &Changes,
        now_ms: i64,
    ) -> Result<Committed> {
        transaction!(self, "commit", |session| {
            fence(&mut session, app, term, changes.note.as_deref(), now_ms).await?;
            write(&mut session, changes).await?
        })
    }
}

/// Holds the lane's row until the commit, so that nobody takes the lane in between.
async fn fence(
    session: &mut Session,
    app: &str,
    term: i64,
    note: Option<&[u8]>,
    now_ms: i64,
) -> Result<()> {
    let sql = "UPDATE bulk_lanes SET note = coalesce($3, note),
             latest_ms = CASE WHEN latest_ms < $4 THEN $4 ELSE latest_ms END
         WHERE app = $1 AND term = $2 AND holder IS NOT NULL";
    let held = session
        .execute(sql, &values![app, term, note, now_ms])
        .await?;
    if held == 1 {
        Ok(())
    } else {
        Err(Error::LaneLost)
    }
}

async fn write(session: &mut Session, changes: &Changes) -> Result<Committed> {
    let Changes {
        claims,
        waiting,
        settled,
        splits,
        jobs,
        events,
        note: _, // with the fence
    } = changes;
    let cancelled = asked_to_end(session, claims).await?;
    let mut claimed = Vec::with_capacity(claims.len());
    for split in splits {
        cut(session, split).await?;
    }
    for (job, batch) in waiting {
        move_on(session, job, batch).await?;
    }
    for (job, batch) in claims {
        if !cancelled.contains(job) {
            move_on(session, job, batch).await?;
            claimed.push((job.clone(), batch.index, cargo(session, job, batch).await?));
        }
    }
    for (job, index, settlement) in settled {
        settle(session, job, *index, settlement).await?;
    }
    for (job, progress) in jobs {
        advance(session, job, progress).await?;
    }
    insert_events(session, events).await?;
    Ok(Committed { claimed, cancelled })
}

/// Jobs among those of the claims that have been asked to end. Their rows are held, in order, so
/// that whoever asks from now on is answered after these claims are known.
async fn asked_to_end(session: &mut Session, claims: &[(JobId, Batch)]) -> Result<Vec<JobId>> {
    let jobs: BTreeSet<&JobId> = claims.iter().map(|(job, _)| job).collect();
    let mut asked = Vec::new();
    for job in jobs {
        let sql = "SELECT cancel_requested_at_ms FROM bulk_jobs WHERE id = $1 FOR UPDATE";
        let (at_ms,): (Option<i64>,) = session.one(sql, &values![job.as_str()]).await?;
        if at_ms.is_some() {
            asked.push(job.clone());
        }
    }
    Ok(asked)
}

async fn move_on(session: &mut Session, job: &str, batch: &Batch) -> Result<()> {
    let (state, at_ms) = batch.state.columns();
    let sql = "UPDATE bulk_batches SET state = $3, at_ms = $4, attempts = $5,
             interruptions = $6, resent = $7, doubt_since_ms = $8
         WHERE job = $1 AND number = $2 AND state <> 2";
    let values = values![
        job,
        batch.index,
        state,
        at_ms,
        u32::from(batch.attempts),
        u32::from(batch.interruptions),
        i64::from(batch.resent),
        batch.doubt_since_ms,
    ];
    one_row(session.execute(sql, &values).await?)
}

async fn cargo(session: &mut Session, job: &str, batch: &Batch) -> Result<Cargo> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        items: ItemsRow,
        body: Vec<u8>,
    }
    let sql = "SELECT i.user_ids, i.places, c.body FROM bulk_batches b
         JOIN bulk_items i ON i.job = b.job AND i.number = b.number
         JOIN bulk_contents c ON c.job = b.job AND c.number = b.content
         WHERE b.job = $1 AND b.number = $2";
    let row: Row = session.one(sql, &values![job, batch.index]).await?;
    Ok(Cargo {
        items: row.items.try_into()?,
        content: row.body,
    })
}

async fn settle(
    session: &mut Session,
    job: &str,
    index: u32,
    settlement: &Settlement,
) -> Result<()> {
    let sql = "UPDATE bulk_batches SET state = 2, at_ms = $3, outcome = $4, errcode = $5,
             detail = $6, exceptions = $7, message_id = $8, response_code = $9
         WHERE job = $1 AND number = $2";
    let exceptions = pack::exceptions(&settlement.exceptions);
    let values = values![
        job,
        index,
        settlement.at_ms,
        settlement.outcome,
        settlement.errcode,
        settlement.detail.as_str(),
        exceptions.as_slice(),
        settlement.message_id.as_deref(),
        settlement.response_code.as_deref(),
    ];
    one_row(session.execute(sql, &values).await?)
}

async fn cut(session: &mut Session, split: &Split) -> Result<()> {
    let job = split.job.as_str();
    let Some((content, items)) = take(session, job, split.index).await? else {
        // Already, by the same commit, whose answer was lost; or never.
        let sql = "SELECT number FROM bulk_batches WHERE job = $1 AND number = $2";
        let child: Option<(i64,)> = session
            .optional(sql, &values![job, split.first.index])
            .await?;
        return child.map(|_| ()).ok_or(Error::OutOfStep("a split"));
    };
    let (first, second) = halves(items, split.first.item_count as usize)?;
    let rows = [&split.first, &split.second].map(|batch| batch_row(job, batch, content));
    session.insert(BATCH_ROW, &rows, "").await?;
    let items = [(split.first.index, &first), (split.second.index, &second)];
    insert_items(session, job, &items).await
}

/// Removes a batch that is not settled, and gives its content's number and its items.
async fn take(session: &mut Session, job: &str, index: u32) -> Result<Option<(u32, Items)>> {
    let key = values![job, index];
    let sql = "DELETE FROM bulk_batches WHERE job = $1 AND number = $2 AND state <> 2
         RETURNING content";
    let Some((content,)) = session.optional::<(i64,)>(sql, &key).await? else {
        return Ok(None);
    };
    let sql = "DELETE FROM bulk_items WHERE job = $1 AND number = $2 RETURNING user_ids, places";
    let items: ItemsRow = session.one(sql, &key).await?;
    Ok(Some((small(content)?, items.try_into()?)))
}

/// Cuts behind the first `count` items.
fn halves(mut first: Items, count: usize) -> Result<(Items, Items)> {
    let bars = first.user_ids.match_indices('|');
    let bar = bars.map(|(at, _)| at).nth(count.wrapping_sub(1));
    let (Some(bar), true) = (bar, count < first.indexes.len()) else {
        return Err(Error::OutOfStep("a split at this place"));
    };
    let second = Items {
        user_ids: first.user_ids[bar + 1..].to_owned(),
        indexes: first.indexes.split_off(count),
    };
    first.user_ids.truncate(bar);
    Ok((first, second))
}

async fn advance(session: &mut Session, job: &str, progress: &Progress) -> Result<()> {
    let sql = "UPDATE bulk_jobs SET state = $2, pause = $3, counts = $4,
             settled_item_count = $5, batch_count = $6, finished_batch_count = $7,
             last_sequence = $8, started_at_ms = $9, finished_at_ms = $10
         WHERE id = $1";
    let counts = pack::counts(progress.counts);
    let values = values![
        job,
        progress.state,
        progress.pause.as_deref(),
        counts.as_slice(),
        progress.counts.total(),
        progress.batch_count,
        progress.finished_batch_count,
        progress.last_sequence,
        progress.started_at_ms,
        progress.finished_at_ms,
    ];
    one_row(session.execute(sql, &values).await?)
}

async fn insert_events(session: &mut Session, events: &[(JobId, Event)]) -> Result<()> {
    let rows: Vec<_> = events
        .iter()
        .map(|(job, event)| {
            let payload = event.payload.as_slice();
            Vec::from(values![job.as_str(), event.sequence, event.at_ms, payload])
        })
        .collect();
    let into = "bulk_events (job, sequence, at_ms, payload)";
    session.insert(into, &rows, "ON CONFLICT DO NOTHING").await
}

fn one_row(rows: u64) -> Result<()> {
    if rows == 1 {
        Ok(())
    } else {
        Err(Error::OutOfStep("this change of a job"))
    }
}
