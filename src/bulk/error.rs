//! What can go wrong with a bulk job, told apart by who can help.

use crate::store::{self, JobId, OPEN_JOBS_MAX, WAITING_ITEMS_MAX};
use crate::wecom;

/// The room's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a bulk call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such job, or it is not the caller's.
    #[error("there is no such job, it belongs to another caller, or it ended more than 7 days ago")]
    NotFound,
    /// The job still runs.
    #[error("the job still runs; cancel it first, or wait for its end")]
    NotFinished,
    /// There is no event with this sequence.
    #[error("after_sequence is beyond the last event, {last}")]
    SequenceOutOfRange {
        /// Sequence of the last event by now.
        last: u64,
    },
    /// The request id belongs to another upload.
    #[error("the request_id belongs to another upload, which became job {0}")]
    RequestIdReused(JobId),
    /// The caller has too many open jobs.
    #[error("the caller has {OPEN_JOBS_MAX} open jobs; wait for one to end, or cancel one")]
    TooManyJobs,
    /// Too many items wait.
    #[error("more than {WAITING_ITEMS_MAX} items of all callers would wait; come again later")]
    TooManyItems,
    /// WeCom did not do what accepting the job takes.
    #[error(transparent)]
    Wecom(#[from] wecom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(&'static str),
}
