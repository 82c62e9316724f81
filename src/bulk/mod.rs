//! Durable bulk sends: one message to very many members, each with one final outcome.
//!
//! `plan` cuts an upload into batches; `job` decides, purely, what happens next; the lane of an
//! app writes each decision down before it acts on it; watchers read what was written. The
//! store is the truth: a crash, a restart and a takeover by another replica are one path.

mod call;
mod engine;
mod error;
mod job;
mod lane;
mod metrics;
mod orphans;
mod outcome;
mod plan;
mod recall;
#[cfg(test)]
mod sim;
mod trace;
mod trap;
mod upload;
mod watch;

pub use engine::Engine;
pub use error::{Error, Result};
pub use job::{Event, Pause, PauseReason};
pub use metrics::Metrics;
pub use outcome::{ItemOutcome, Part};
pub use upload::{
    ContentKey, DEADLINE, DEADLINE_MAX, DEADLINE_MIN, ITEMS_MAX, OWN_CONTENT_ITEMS_MAX,
    OWN_CONTENT_MAX_BYTES, Order, Submitted, Upload,
};
pub use watch::Sight;
