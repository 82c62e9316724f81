//! Bulk jobs as they lie on disk: jobs, their batches, events, and the lane of each app.
//!
//! The durable unit is the batch: up to a thousand recipients in one row. The store neither
//! decides nor reads a clock; the room `bulk` decides, and writes its decisions down with
//! [`Changes`], all in one commit, fenced by the term of the app's lease.

mod commit;
mod create;
mod expire;
mod lane;
mod pack;
mod read;
mod recall;
mod rows;

use std::fmt;
use std::time::Duration;

/// Id of a job: letters and digits.
pub type JobId = String;

/// A lane without sign of life for this long is anyone's. Only the shared engine waits for it:
/// where one process has the database, the one before is dead.
pub const LEASE_LIFE: Duration = Duration::from_secs(15);
/// How long a job is kept after its end.
pub const JOB_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most open jobs of one caller.
pub const OPEN_JOBS_MAX: u32 = 100;
/// Most items of all callers that wait for an outcome.
pub const WAITING_ITEMS_MAX: u64 = 10_000_000;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum JobState {
    /// On disk, nothing sent yet.
    Accepted = 1,
    /// Sending.
    Running = 2,
    /// Not sending for a while.
    Paused = 3,
    /// Ended: everything was tried.
    Completed = 4,
    /// Ended by being cancelled.
    Cancelled = 5,
    /// Ended by its deadline.
    Expired = 6,
}

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum Outcome {
    /// WeCom took the message for this member.
    Accepted = 1,
    /// WeCom does not know the member, or the app does not see it.
    Invalid = 2,
    /// The member has no licence.
    Unlicensed = 3,
    /// Not sent: refused, or tried in vain.
    Failed = 4,
    /// Not sent: cancelled before.
    Cancelled = 5,
    /// Not sent: the deadline passed before.
    Expired = 6,
    /// Perhaps sent.
    Unknown = 7,
}

/// How many items have which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts(pub [u32; 7]);

/// A job that is to be accepted.
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// The app that sends.
    pub app: String,
    /// The caller that it belongs to.
    pub caller: String,
    /// The caller's id of the upload.
    pub request_id: Option<String>,
    /// Digest of the upload; an upload with the same request id must have the same.
    pub request_sha256: [u8; 32],
    /// Items that get an outcome.
    pub item_count: u32,
    /// Items that were folded into equal ones.
    pub folded_item_count: u32,
    /// When it was accepted.
    pub accepted_at_ms: i64,
    /// When items that were not sent yet expire.
    pub deadline_ms: i64,
    /// How long WeCom recognises a repetition; `None` without the duplicate check.
    pub window_seconds: Option<u32>,
    /// Whether a batch of unknown outcome is sent once more.
    pub resend_unknown: bool,
    /// What each content adds to the list of members to make a request body.
    pub contents: Vec<Vec<u8>>,
    /// The batches, by their index.
    pub batches: Vec<NewBatch>,
    /// Payload of its first event, which gets sequence 1.
    pub accepted_event: Vec<u8>,
}

/// A batch that is to be written down.
#[derive(Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Which of the job's contents it sends.
    pub content: u32,
    /// Who gets it, and where they stood in the upload.
    pub items: Items,
}

/// The items of a batch, packed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Items {
    /// The user ids as uploaded, joined by `|`.
    pub user_ids: String,
    /// The place of each in the upload, in the same order.
    pub indexes: Vec<u32>,
}

/// What became of an attempt to accept a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Create {
    /// It is on disk.
    Created,
    /// The same upload came before; this is its job.
    Existing(JobId),
    /// The request id belongs to another upload, which became this job.
    Reused(JobId),
    /// The caller has [`OPEN_JOBS_MAX`] open jobs.
    TooManyJobs,
    /// More than [`WAITING_ITEMS_MAX`] items would wait.
    TooManyItems,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The app that sends.
    pub app: String,
    /// The caller that it belongs to.
    pub caller: String,
    /// The caller's id of the upload.
    pub request_id: Option<String>,
    /// Items that get an outcome.
    pub item_count: u32,
    /// Items that were folded into equal ones.
    pub folded_item_count: u32,
    /// When it was accepted.
    pub accepted_at_ms: i64,
    /// When items that were not sent yet expire.
    pub deadline_ms: i64,
    /// How long WeCom recognises a repetition; `None` without the duplicate check.
    pub window_seconds: Option<u32>,
    /// Whether a batch of unknown outcome is sent once more.
    pub resend_unknown: bool,
    /// When it was asked to end.
    pub cancel_requested_at_ms: Option<i64>,
    /// What changes while it runs.
    pub progress: Progress,
}

/// What changes in a job while it runs. Written by the holder of the app's lane only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where it stands.
    pub state: JobState,
    /// Why it does not send, while it is paused; opaque here.
    pub pause: Option<Vec<u8>>,
    /// Outcomes by now.
    pub counts: Counts,
    /// Its batches. Splitting one adds one.
    pub batch_count: u32,
    /// Batches that have their outcomes.
    pub finished_batch_count: u32,
    /// Sequence of its last event.
    pub last_sequence: u64,
    /// When its first batch was sent.
    pub started_at_ms: Option<i64>,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
}

/// A batch without what it sends and to whom: what a dispatcher keeps in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Its place in the job.
    pub index: u32,
    /// The batch of the plan that it was cut from; its own index if it was not.
    pub origin: u32,
    /// Its items.
    pub item_count: u32,
    /// Where it stands.
    pub state: BatchState,
    /// Attempts that count against it.
    pub attempts: u16,
    /// Times that the process ended, or the code failed, while it was being sent.
    pub interruptions: u16,
    /// Whether it was sent once more although its outcome was unknown.
    pub resent: bool,
    /// When the first attempt began whose outcome is not known.
    pub doubt_since_ms: Option<i64>,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Waits to be sent, and may be from this time on.
    Ready {
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// Is being sent, or was when the process ended.
    Sending {
        /// When the intent was written down, in unix milliseconds.
        since_ms: i64,
    },
    /// Has its outcomes.
    Settled,
}

/// The outcomes of a batch: most of its items share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The outcome of every item that is not an exception.
    pub outcome: Outcome,
    /// WeCom's code, 0 when it gave none.
    pub errcode: i64,
    /// Why, for a human.
    pub detail: String,
    /// Items with another outcome: their places in the batch, ascending.
    pub exceptions: Vec<(u16, Outcome)>,
    /// WeCom's id of the message.
    pub message_id: Option<String>,
    /// What an update of the card takes.
    pub response_code: Option<String>,
    /// When.
    pub at_ms: i64,
}

/// A job with the batches that are not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJob {
    /// The job.
    pub job: Job,
    /// Its batches that are not settled, by their index.
    pub batches: Vec<Batch>,
    /// The next index for a batch.
    pub next_index: u32,
}

/// A lane of an app, held by one dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Counts the holders. What comes with an older term is refused.
    pub term: i64,
    /// The store's time: the database's where it is shared, else the one that was passed in.
    pub now_ms: i64,
    /// The latest time that a holder wrote down; a clock behind it has gone back.
    pub latest_ms: i64,
    /// What the last holder left for the next; opaque here.
    pub note: Option<Vec<u8>>,
}

/// Everything that one step of a dispatcher writes down: all of it, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Batches that go out next. Answered with what they send, unless their job has been asked
    /// to end meanwhile: then they are left as they were, and the job is named.
    pub claims: Vec<(JobId, Batch)>,
    /// Batches that wait, or wait again.
    pub waiting: Vec<(JobId, Batch)>,
    /// Batches with their outcomes.
    pub settled: Vec<(JobId, u32, Settlement)>,
    /// Batches that are cut in two: they go, and two new ones have their halves.
    pub splits: Vec<Split>,
    /// Jobs, as they stand now.
    pub jobs: Vec<(JobId, Progress)>,
    /// Events, ascending in each job.
    pub events: Vec<(JobId, Event)>,
    /// What is left for the next holder; `None` leaves it as it is.
    pub note: Option<Vec<u8>>,
}

/// A batch that is cut in two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The job.
    pub job: JobId,
    /// The batch that goes.
    pub index: u32,
    /// The batch with the first `first.item_count` items.
    pub first: Batch,
    /// The batch with the rest.
    pub second: Batch,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 1 for the first, one more for each next.
    pub sequence: u64,
    /// When.
    pub at_ms: i64,
    /// What; opaque here.
    pub payload: Vec<u8>,
}

/// What a commit answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The claims that went through, with what they send.
    pub claimed: Vec<(JobId, u32, Cargo)>,
    /// Jobs whose claims did not, since they have been asked to end.
    pub cancelled: Vec<JobId>,
}

/// What a batch sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Cargo {
    /// Who gets it.
    pub items: Items,
    /// What the content adds to the list of members to make the request body.
    pub content: Vec<u8>,
}

/// A batch with its outcomes, for those who ask later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledBatch {
    /// Its place in the job.
    pub index: u32,
    /// Its items.
    pub items: Items,
    /// Their outcomes.
    pub settlement: Settlement,
}

/// Which jobs are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these apps only; empty is all.
    pub apps: Vec<String>,
    /// In these states only; empty is all.
    pub states: Vec<JobState>,
    /// Behind this job in the list, newest first: when it was accepted, and its id.
    pub behind: Option<(i64, JobId)>,
    /// At most so many.
    pub limit: u32,
}

/// What is open, for whoever watches the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many open jobs are in which state; states without any are left out.
    pub jobs: Vec<(JobState, u64)>,
    /// What waits, by app; apps without open jobs are left out.
    pub apps: Vec<AppBacklog>,
}

/// What waits for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppBacklog {
    /// The app.
    pub app: String,
    /// Items without an outcome.
    pub waiting_items: u64,
    /// Since when the batch that waits longest could have been sent.
    pub oldest_ready_ms: Option<i64>,
}

/// What became of the taking back of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recalls {
    /// Taken back.
    pub recalled: u32,
    /// Refused for good.
    pub failed: u32,
    /// Not tried yet.
    pub pending: u32,
    /// The first 100 that were refused: message id, errcode, why.
    pub failures: Vec<(String, i64, String)>,
}

impl JobState {
    /// Whether it has not ended.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Accepted | Self::Running | Self::Paused)
    }
}

impl Counts {
    /// Adds `items` with `outcome`.
    pub fn add(&mut self, outcome: Outcome, items: u32) {
        self.0[outcome as usize - 1] += items;
    }

    /// Items with `outcome`.
    pub fn of(&self, outcome: Outcome) -> u32 {
        self.0[outcome as usize - 1]
    }

    /// All items.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }
}

impl Items {
    /// The user ids.
    pub fn user_ids(&self) -> impl Iterator<Item = &str> {
        self.user_ids.split('|').filter(|id| !id.is_empty())
    }
}

// By hand, because who gets what is not for a log.
impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({})", self.indexes.len())
    }
}

impl fmt::Debug for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cargo({:?}, {} bytes)", self.items, self.content.len())
    }
}
