//! An upload as it comes in, and the job that it becomes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::engine::{Engine, now_ms};
use super::error::{Error, Result};
use super::job::Event;
use super::plan::Plan;
use super::trap;
use crate::store::{Create, JobId, NewJob};
use crate::wecom::Client;
use crate::wecom::message::{DuplicateCheck, Send};

/// Most items of one job.
pub const ITEMS_MAX: usize = 1_000_000;
/// Most items of one job that have a content of their own; each may be a call.
pub const OWN_CONTENT_ITEMS_MAX: usize = 100_000;
/// Most bytes of contents of items' own in one job: they are in memory while it is accepted.
pub const OWN_CONTENT_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long a job may send unless it says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest time that a job may ask for.
pub const DEADLINE_MIN: Duration = Duration::from_secs(60);
/// Longest: a media_id lives no longer
/// (<https://developer.work.weixin.qq.com/document/path/90253>).
pub const DEADLINE_MAX: Duration = Duration::from_secs(72 * 60 * 60);

/// The interval of the duplicate check is at least this long, …
const INTERVAL_SECONDS: u32 = 14_100;
/// … and differs between the jobs of an app, so that WeCom does not take one for another that
/// says the same. All are below WeCom's four hours
/// (<https://developer.work.weixin.qq.com/document/path/90236>).
const INTERVALS: u64 = 300;

/// The digest of a content as it was uploaded.
pub type ContentKey = [u8; 32];

/// What holds for a whole job.
pub struct Order {
    /// The caller that it belongs to.
    pub caller: String,
    /// The caller's id of the upload.
    pub request_id: Option<String>,
    /// How long it may send.
    pub deadline: Duration,
    /// Whether WeCom's duplicate check is on.
    pub duplicate_check: bool,
    /// Whether a batch of unknown outcome is sent once more.
    pub resend_unknown: bool,
}

/// The items of a job as they come in.
#[derive(Default)]
pub struct Upload {
    plan: Plan,
    /// The contents, without recipients and duplicate check.
    contents: Vec<Send>,
    known: HashMap<ContentKey, u32>,
}

/// A job on disk.
pub struct Submitted {
    /// Its id.
    pub job_id: JobId,
    /// Whether it was there before.
    pub existing: bool,
}

impl Upload {
    /// Items taken in so far, folded ones counted.
    pub fn len(&self) -> usize {
        self.plan.len()
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a content that came before.
    pub fn known(&self, key: &ContentKey) -> Option<u32> {
        self.known.get(key).copied()
    }

    /// Takes a content in, and gives its number. Its rules are checked.
    pub fn add_content(&mut self, key: ContentKey, message: Send) -> u32 {
        let number = u32::try_from(self.contents.len()).expect("fewer contents than items");
        self.contents.push(message);
        self.known.insert(key, number);
        number
    }

    /// Takes an item in.
    pub fn push(&mut self, user_id: &str, content: u32) {
        self.plan.push(user_id, content);
    }
}

impl Engine {
    /// Accepts an upload, or finds the job that it became before. Once this has answered, the
    /// job is on disk.
    pub async fn submit(
        &self,
        client: &Client,
        order: Order,
        digest: [u8; 32],
        upload: Upload,
        deadline: Instant,
    ) -> Result<Submitted> {
        let store = self.store();
        if let Some(request_id) = &order.request_id
            && let Some((job_id, known)) = store.find_upload(&order.caller, request_id).await?
        {
            return match known == digest {
                true => Ok(existing(job_id)),
                false => Err(Error::RequestIdReused(job_id)),
            };
        }
        let window_seconds = match order.duplicate_check {
            true => Some(interval_seconds(
                store.next_job_number(client.name()).await?,
            )),
            false => None,
        };
        let Upload { plan, contents, .. } = upload;
        let contents = render(client, contents, window_seconds, deadline).await?;
        // A million items take a good part of a second.
        let planned = tokio::task::spawn_blocking(move || plan.finish())
            .await
            .map_err(|_| Error::Internal("the plan was aborted"))?;
        let accepted_at_ms = now_ms();
        let deadline_ms = accepted_at_ms + millis(order.deadline);
        let event = Event::Accepted {
            item_count: planned.item_count,
            folded_item_count: planned.folded_item_count,
            batch_count: u32::try_from(planned.batches.len()).expect("fewer batches than items"),
            deadline_ms,
        };
        let id = new_id(accepted_at_ms);
        let job = NewJob {
            id: id.clone(),
            app: client.name().to_owned(),
            caller: order.caller,
            request_id: order.request_id,
            request_sha256: digest,
            item_count: planned.item_count,
            folded_item_count: planned.folded_item_count,
            accepted_at_ms,
            deadline_ms,
            window_seconds,
            resend_unknown: order.resend_unknown,
            contents,
            batches: planned.batches,
            accepted_event: event.to_bytes(),
        };
        match store.create_job(job, accepted_at_ms).await? {
            Create::Created => {
                trap::point("accepted");
                self.wake(client.name());
                Ok(Submitted {
                    job_id: id,
                    existing: false,
                })
            }
            Create::Existing(job_id) => Ok(existing(job_id)),
            Create::Reused(job_id) => Err(Error::RequestIdReused(job_id)),
            Create::TooManyJobs => Err(Error::TooManyJobs),
            Create::TooManyItems => Err(Error::TooManyItems),
        }
    }
}

/// What each content adds to the members of a batch; its media are uploaded for that.
async fn render(
    client: &Client,
    contents: Vec<Send>,
    window_seconds: Option<u32>,
    deadline: Instant,
) -> Result<Vec<Vec<u8>>> {
    let mut rendered = Vec::with_capacity(contents.len());
    for mut message in contents {
        message.duplicate_check = Some(DuplicateCheck {
            enabled: window_seconds.is_some(),
            interval_seconds: window_seconds,
        });
        rendered.push(client.prepare_rest(message, deadline).await?);
    }
    Ok(rendered)
}

fn existing(job_id: JobId) -> Submitted {
    Submitted {
        job_id,
        existing: true,
    }
}

fn interval_seconds(job_number: u64) -> u32 {
    let step = u32::try_from(job_number % INTERVALS).expect("below 300");
    INTERVAL_SECONDS + step
}

/// Sorts by time, and cannot be guessed: 12 digits of the time, 20 of chance.
fn new_id(now_ms: i64) -> JobId {
    let chance: [u8; 10] = std::array::from_fn(|_| fastrand::u8(..));
    format!("{now_ms:012x}{}", hex::encode(chance))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_differ_between_jobs_and_stay_below_four_hours() {
        let intervals: std::collections::HashSet<u32> = (0..300).map(interval_seconds).collect();
        assert_eq!(intervals.len(), 300);
        assert!(
            intervals
                .iter()
                .all(|seconds| (14_100..14_400).contains(seconds))
        );
        assert_eq!(interval_seconds(300), interval_seconds(0));
    }

    #[test]
    fn ids_sort_by_time() {
        let (one, two) = (new_id(1_700_000_000_000), new_id(1_700_000_000_001));
        assert!(one < two && one.len() == 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
