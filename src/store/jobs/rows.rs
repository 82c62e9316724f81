//! Rows of bulk jobs, and what they stand for.

use super::pack::{damaged, unpack_counts, unpack_exceptions, unpack_places};
use super::{
    Batch, BatchState, Event, Items, Job, JobState, Outcome, Progress, SettledBatch, Settlement,
};
use crate::store::engine::Value;
use crate::store::error::{Error, Result};

/// The columns of a [`JobRow`].
macro_rules! job_columns {
    () => {
        "id, app, caller, request_id, item_count, folded_item_count, accepted_at_ms, deadline_ms,
         window_seconds, resend_unknown, cancel_requested_at_ms, state, pause, counts,
         batch_count, finished_batch_count, last_sequence, started_at_ms, finished_at_ms"
    };
}
pub(super) use job_columns;

#[derive(sqlx::FromRow)]
pub(super) struct JobRow {
    id: String,
    app: String,
    caller: String,
    request_id: Option<String>,
    item_count: i64,
    folded_item_count: i64,
    accepted_at_ms: i64,
    deadline_ms: i64,
    window_seconds: Option<i64>,
    resend_unknown: i64,
    cancel_requested_at_ms: Option<i64>,
    state: i64,
    pause: Option<Vec<u8>>,
    counts: Vec<u8>,
    batch_count: i64,
    finished_batch_count: i64,
    last_sequence: i64,
    started_at_ms: Option<i64>,
    finished_at_ms: Option<i64>,
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self> {
        let progress = Progress {
            state: JobState::try_from(row.state)?,
            pause: row.pause,
            counts: unpack_counts(&row.counts)?,
            batch_count: small(row.batch_count)?,
            finished_batch_count: small(row.finished_batch_count)?,
            last_sequence: small(row.last_sequence)?,
            started_at_ms: row.started_at_ms,
            finished_at_ms: row.finished_at_ms,
        };
        Ok(Self {
            id: row.id,
            app: row.app,
            caller: row.caller,
            request_id: row.request_id,
            item_count: small(row.item_count)?,
            folded_item_count: small(row.folded_item_count)?,
            accepted_at_ms: row.accepted_at_ms,
            deadline_ms: row.deadline_ms,
            window_seconds: row.window_seconds.map(small).transpose()?,
            resend_unknown: row.resend_unknown == 1,
            cancel_requested_at_ms: row.cancel_requested_at_ms,
            progress,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct BatchRow {
    pub(super) job: String,
    number: i64,
    origin: i64,
    item_count: i64,
    state: i64,
    at_ms: i64,
    attempts: i64,
    interruptions: i64,
    resent: i64,
    doubt_since_ms: Option<i64>,
}

impl TryFrom<BatchRow> for Batch {
    type Error = Error;

    fn try_from(row: BatchRow) -> Result<Self> {
        let at_ms = row.at_ms;
        Ok(Self {
            index: small(row.number)?,
            origin: small(row.origin)?,
            item_count: small(row.item_count)?,
            state: match row.state {
                0 => BatchState::Ready { at_ms },
                1 => BatchState::Sending { since_ms: at_ms },
                2 => BatchState::Settled,
                _ => return Err(damaged()),
            },
            attempts: small(row.attempts)?,
            interruptions: small(row.interruptions)?,
            resent: row.resent == 1,
            doubt_since_ms: row.doubt_since_ms,
        })
    }
}

impl BatchState {
    /// As two columns: which, and since or from when. When it was settled, the settlement tells.
    pub(super) fn columns(self) -> (i64, i64) {
        match self {
            Self::Ready { at_ms } => (0, at_ms),
            Self::Sending { since_ms } => (1, since_ms),
            Self::Settled => (2, 0),
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct ItemsRow {
    user_ids: String,
    places: Vec<u8>,
}

impl TryFrom<ItemsRow> for Items {
    type Error = Error;

    fn try_from(row: ItemsRow) -> Result<Self> {
        Ok(Self {
            user_ids: row.user_ids,
            indexes: unpack_places(&row.places)?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct SettledRow {
    number: i64,
    at_ms: i64,
    outcome: i64,
    errcode: i64,
    detail: String,
    exceptions: Vec<u8>,
    message_id: Option<String>,
    response_code: Option<String>,
    #[sqlx(flatten)]
    items: ItemsRow,
}

impl TryFrom<SettledRow> for SettledBatch {
    type Error = Error;

    fn try_from(row: SettledRow) -> Result<Self> {
        Ok(Self {
            index: small(row.number)?,
            items: row.items.try_into()?,
            settlement: Settlement {
                outcome: Outcome::try_from(row.outcome)?,
                errcode: row.errcode,
                detail: row.detail,
                exceptions: unpack_exceptions(&row.exceptions)?,
                message_id: row.message_id,
                response_code: row.response_code,
                at_ms: row.at_ms,
            },
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct EventRow {
    sequence: i64,
    at_ms: i64,
    payload: Vec<u8>,
}

impl TryFrom<EventRow> for Event {
    type Error = Error;

    fn try_from(row: EventRow) -> Result<Self> {
        Ok(Self {
            sequence: small(row.sequence)?,
            at_ms: row.at_ms,
            payload: row.payload,
        })
    }
}

impl TryFrom<i64> for JobState {
    type Error = Error;

    fn try_from(number: i64) -> Result<Self> {
        Ok(match number {
            1 => Self::Accepted,
            2 => Self::Running,
            3 => Self::Paused,
            4 => Self::Completed,
            5 => Self::Cancelled,
            6 => Self::Expired,
            _ => return Err(damaged()),
        })
    }
}

impl TryFrom<i64> for Outcome {
    type Error = Error;

    fn try_from(number: i64) -> Result<Self> {
        Ok(match number {
            1 => Self::Accepted,
            2 => Self::Invalid,
            3 => Self::Unlicensed,
            4 => Self::Failed,
            5 => Self::Cancelled,
            6 => Self::Expired,
            7 => Self::Unknown,
            _ => return Err(damaged()),
        })
    }
}

impl From<JobState> for Value<'_> {
    fn from(state: JobState) -> Self {
        Self::Int(Some(state as i64))
    }
}

impl From<Outcome> for Value<'_> {
    fn from(outcome: Outcome) -> Self {
        Self::Int(Some(outcome as i64))
    }
}

/// Every row as what it stands for.
pub(super) fn read<R, T: TryFrom<R, Error = Error>>(rows: Vec<R>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}

pub(super) fn small<T: TryFrom<i64>>(number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| damaged())
}
