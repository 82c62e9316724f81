//! What happens next, decided without a clock, a disk or a network: (state, input, now) → changes.
//!
//! One [`Dispatcher`] has all open jobs of one app. Its driver hands it what happened, commits the
//! changes that it gives, and only then makes the calls that they claim. `rules` judges one batch,
//! `lane` what holds for all of them, `open` keeps the books of one job, `dispatcher` joins them.

mod dispatcher;
mod lane;
mod open;
mod rules;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::bulk::error::{Error, Result};
use crate::store::{JobId, OpenJob};

pub(in crate::bulk) use self::dispatcher::Dispatcher;

/// What a dispatcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// A job that it never had. One that it has is left as it is; but one that has ended in a step
    /// whose commit is still under way looks open on disk, so the driver keeps which it gave.
    Opened(OpenJob),
    /// A job was asked to end.
    CancelRequested(JobId),
    /// The claim of a batch did not go through, or came too late: nothing was sent.
    Unclaimed(JobId, u32),
    /// A call has ended.
    Answered(JobId, u32, Answer),
}

/// How the call of a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// WeCom took it; but not for the members at these places in the batch.
    Sent {
        /// Whom WeCom does not know, or the app does not see.
        invalid: Vec<u16>,
        /// Who has no licence.
        unlicensed: Vec<u16>,
        /// WeCom's id of the message.
        message_id: Option<String>,
        /// What an update of the card takes.
        response_code: Option<String>,
    },
    /// No recipient could get it (81013).
    AllInvalid,
    /// WeCom refused it and did nothing.
    Refused {
        /// WeCom's code.
        errcode: i64,
        /// Why, for a human.
        detail: String,
        /// Whether one bad recipient can be the cause, so that halves may fare better.
        by_recipient: bool,
        /// Whether it may also be the refusal of a repetition of what was done before.
        may_follow_success: bool,
    },
    /// Nothing was sent, by no fault of the batch.
    Held(Hold),
    /// It may have been sent: the answer was lost, or says nothing for certain.
    InDoubt {
        /// WeCom's code, 0 when there was none.
        errcode: i64,
        /// Why, for a human.
        detail: String,
    },
    /// The code that sends it failed; perhaps after it was sent.
    Interrupted,
}

/// What held a call back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hold {
    /// A limit of one of its members: the batch waits, others do not.
    Member {
        /// For how long.
        wait_ms: i64,
    },
    /// Too many calls at once (45033).
    Concurrency,
    /// WeCom was not reached; nothing was written.
    Unreachable {
        /// Why, for a human.
        detail: String,
    },
    /// Something that holds for every batch of the app.
    Lane {
        /// What.
        reason: PauseReason,
        /// For how long at least.
        wait_ms: i64,
        /// WeCom's code, 0 when the gateway held it by itself.
        errcode: i64,
        /// Why, for a human.
        detail: String,
    },
}

/// Why a job does not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseReason {
    /// WeCom's frequency limit.
    RateLimited,
    /// The daily limit by our own count.
    QuotaUsed,
    /// WeCom failed too often.
    CircuitOpen,
    /// The app's credentials, or our address, are refused.
    Credential,
}

/// Something that happened to a job, as its events keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The job is on disk.
    Accepted {
        /// Items that get an outcome.
        item_count: u32,
        /// Items that were folded.
        folded_item_count: u32,
        /// Calls that the job is cut into.
        batch_count: u32,
        /// When items expire.
        deadline_ms: i64,
    },
    /// Batches got their outcomes; which, tell the batches.
    BatchFinished {
        /// Their indexes; together they have at most 1000 items that are not ACCEPTED.
        batches: Vec<u32>,
        /// Outcomes of their items.
        counts: [u32; 7],
        /// Outcomes of all items by now.
        totals: [u32; 7],
    },
    /// Sending stops for a while.
    Paused(Pause),
    /// Sending goes on.
    Resumed,
    /// Every item has its outcome.
    Finished {
        /// How: a [`crate::store::JobState`].
        state: i16,
        /// Outcomes of all items.
        totals: [u32; 7],
    },
}

/// Why and until when a job does not send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// Until when, if anyone can say.
    pub until_ms: Option<i64>,
    /// WeCom's code, 0 when the gateway paused by itself.
    pub errcode: i64,
    /// What happened, for a human.
    pub detail: String,
}

impl Event {
    /// As the store keeps it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings always render")
    }

    /// From what the store kept.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|_| Error::Internal("a stored event cannot be read"))
    }
}

impl Pause {
    /// From what the store kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|_| Error::Internal("a stored pause cannot be read"))
    }
}
