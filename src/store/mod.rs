//! What must survive a restart.
//!
//! The store keeps the request ids of unary sends: which send was asked for, whether it
//! may have reached WeCom, and how it ended; of logins the states that wait, the codes that
//! were brought, and the sessions that were ended; bulk jobs, batch by batch; and tokens that
//! replicas share. It knows neither gRPC nor WeCom; bodies and answers are bytes to it. The
//! rooms `grpc`, `session` and `bulk` ask it, `gateway` opens it. Times are passed in as unix
//! milliseconds; only leases among replicas go by a clock, the database's.
//!
//! Two engines: a SQLite file for one process, a PostgreSQL server for many.

mod engine;
mod error;
mod jobs;
mod logins;
mod metrics;
mod open;
mod postgres;
mod requests;
mod settings;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;

pub use error::{Error, Result};
pub use jobs::{
    AppBacklog, Backlog, Batch, BatchState, Cargo, Changes, Committed, Counts, Create, Event,
    Filter, Items, JOB_RETENTION, Job, JobId, JobState, LEASE_LIFE, Lease, NewBatch, NewJob,
    OPEN_JOBS_MAX, OpenJob, Outcome, Progress, Recalls, SettledBatch, Settlement, Split,
    WAITING_ITEMS_MAX,
};
pub use logins::{
    Bring, BroughtCode, Digest, LOGIN_ANSWER_LIFE, LOGIN_CODE_LIFE, LOGIN_STATE_LIFE,
};
pub use open::Store;
pub use requests::{Attempt, Begin, CLOCK_TOLERANCE, REQUEST_ID_LIFE};
pub use settings::Settings;
pub use tokens::SharedToken;
