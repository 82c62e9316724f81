//! Bulk jobs: the contract's to ours, and ours back.

use std::time::Duration;

use prost::Message as _;
use sha2::{Digest, Sha256};

use super::content::{content_at, known};
use super::message::safe;
use crate::bulk::{
    ContentKey, DEADLINE, DEADLINE_MAX, DEADLINE_MIN, Event, ITEMS_MAX, ItemOutcome,
    OWN_CONTENT_ITEMS_MAX, OWN_CONTENT_MAX_BYTES, Order, Part, Pause, PauseReason, Sight, Upload,
};
use crate::grpc::{pb, request_id};
use crate::store::{Filter, Job, JobState, Outcome, Recalls};
use crate::wecom::check::{Checker, Path};
use crate::wecom::id;
use crate::wecom::message::{Recipients, Safe, Send};
use crate::wecom::{Content, Violation};

/// Most items of one chunk.
const CHUNK_ITEMS_MAX: usize = 1000;
/// Jobs in a page when the request does not say.
const PAGE_SIZE: u32 = 50;
/// Most jobs in a page.
const PAGE_SIZE_MAX: u32 = 200;

/// An upload, checked and taken in message by message.
pub(in crate::grpc) struct Intake {
    upload: Upload,
    /// The number of the header's content.
    common: Option<u32>,
    safe: Option<Safe>,
    translate_ids: Option<bool>,
    digest: Sha256,
    own_items: usize,
    own_bytes: usize,
}

/// What the header asks for, and what takes the items.
pub(in crate::grpc) fn header(
    caller: &str,
    mut header: pb::BulkHeader,
) -> Result<(Order, Intake), Vec<Violation>> {
    let mut found = Checker::default();
    let path = Path::ROOT.field("header");
    let request_id = std::mem::take(&mut header.request_id);
    let mut digest = Sha256::new();
    // The length tells where the header ends and the items begin.
    digest.update(header.encode_length_delimited_to_vec());
    let key = header.content.as_ref().map(key);
    let safe = safe(&path.field("safe"), header.safe, &mut found);
    let options = header.options.unwrap_or_default();
    let options_path = path.field("options");
    let deadline = deadline(
        &options_path.field("deadline"),
        options.deadline,
        &mut found,
    );
    let duplicate_check = options_path.field("duplicate_check");
    let duplicate_check = known(&duplicate_check, options.duplicate_check, &mut found);
    let on_unknown = options_path.field("on_unknown");
    let on_unknown = known(&on_unknown, options.on_unknown, &mut found);
    let mut intake = Intake {
        upload: Upload::default(),
        common: None,
        safe,
        translate_ids: header.translate_ids,
        digest,
        own_items: 0,
        own_bytes: 0,
    };
    if let Some(key) = key {
        let content_path = path.field("content");
        if let Some(content) = content_at(&content_path, header.content, &mut found) {
            let message = intake.message(content);
            let (safe, translate_ids) = (path.field("safe"), path.field("translate_ids"));
            message.check_message(&content_path, &safe, &translate_ids, &mut found);
            intake.common = Some(intake.upload.add_content(key, message));
        }
    }
    let mut violations = found.into_violations();
    violations.extend(
        request_id::check(&request_id).map(|Violation { field, description }| {
            Violation::new(format!("header.{field}"), description)
        }),
    );
    if !violations.is_empty() {
        return Err(violations);
    }
    let order = Order {
        caller: caller.to_owned(),
        request_id: Some(request_id).filter(|id| !id.is_empty()),
        deadline,
        duplicate_check: duplicate_check != Some(pb::BulkDuplicateCheck::Off),
        resend_unknown: on_unknown == Some(pb::BulkOnUnknown::Resend),
    };
    Ok((order, intake))
}

fn deadline(
    path: &Path<'_>,
    deadline: Option<prost_types::Duration>,
    found: &mut Checker,
) -> Duration {
    let Some(deadline) = deadline else {
        return DEADLINE;
    };
    match Duration::try_from(deadline) {
        Ok(deadline) if (DEADLINE_MIN..=DEADLINE_MAX).contains(&deadline) => deadline,
        _ => {
            found.add(path, format_args!("must be 60 s to 72 h"));
            DEADLINE
        }
    }
}

impl Intake {
    /// Takes the items of a chunk, or tells all of its violations.
    pub(in crate::grpc) fn chunk(&mut self, chunk: pb::BulkChunk) -> Result<(), Vec<Violation>> {
        let mut found = Checker::default();
        let (first, count) = (self.upload.len(), chunk.items.len());
        let path = Path::ROOT.field("items");
        if !(1..=CHUNK_ITEMS_MAX).contains(&count) {
            let chunk = Path::ROOT.field("chunk");
            let rule = format_args!("{count} items, 1 to {CHUNK_ITEMS_MAX} fit into a chunk");
            found.add(&chunk.field("items"), rule);
        } else if first + count > ITEMS_MAX {
            let rule = format_args!("more than {ITEMS_MAX} items; make several jobs");
            found.add(&path, rule);
        } else {
            for (place, item) in chunk.items.into_iter().enumerate() {
                self.item(&path.at(first + place), item, &mut found);
            }
        }
        match found.into_violations() {
            none if none.is_empty() => Ok(()),
            violations => Err(violations),
        }
    }

    fn item(&mut self, path: &Path<'_>, item: pb::BulkItem, found: &mut Checker) {
        found.id(&path.field("user_id"), id::user_id(&item.user_id));
        let key = item.content.as_ref().map(key);
        self.digest
            .update([u8::try_from(item.user_id.len()).unwrap_or(u8::MAX)]);
        self.digest.update(&item.user_id);
        self.digest.update(key.unwrap_or_default());
        let content_path = path.field("content");
        let content = match (key, self.common) {
            (None, Some(common)) => common,
            (None, None) => {
                let rule = format_args!("required, since the header has none");
                return found.add(&content_path, rule);
            }
            (Some(key), _) => {
                let bytes = item.content.as_ref().map_or(0, prost::Message::encoded_len);
                self.own_items += 1;
                self.own_bytes += bytes;
                if self.own_items > OWN_CONTENT_ITEMS_MAX {
                    let rule = format_args!(
                        "more than {OWN_CONTENT_ITEMS_MAX} items have a content of their own"
                    );
                    return found.add(&content_path, rule);
                }
                if self.own_bytes > OWN_CONTENT_MAX_BYTES {
                    let rule = format_args!(
                        "contents of items' own are over {OWN_CONTENT_MAX_BYTES} bytes together"
                    );
                    return found.add(&content_path, rule);
                }
                match self.upload.known(&key) {
                    Some(known) => known,
                    None => {
                        let Some(content) = content_at(&content_path, item.content, found) else {
                            return;
                        };
                        let message = self.message(content);
                        message.check_message(&content_path, &content_path, &content_path, found);
                        self.upload.add_content(key, message)
                    }
                }
            }
        };
        self.upload.push(&item.user_id, content);
    }

    fn message(&self, content: Content) -> Send {
        Send {
            recipients: Recipients::default(),
            content,
            safe: self.safe,
            translate_ids: self.translate_ids,
            duplicate_check: None,
        }
    }

    /// The upload as a whole, and its digest.
    pub(in crate::grpc) fn finish(self) -> Result<(Upload, [u8; 32]), Vec<Violation>> {
        if self.upload.is_empty() {
            return Err(vec![Violation::new("items", "required: one item or more")]);
        }
        Ok((self.upload, self.digest.finalize().into()))
    }
}

fn key(content: &pb::Content) -> ContentKey {
    Sha256::digest(content.encode_to_vec()).into()
}

/// What a watcher saw; `existing` is said with the first event only.
pub(in crate::grpc) fn event(job_id: &str, sight: Sight, existing: bool) -> pb::BulkEvent {
    use pb::bulk_event::Event as Pb;
    let event = match sight.event {
        None => Pb::Heartbeat(pb::BulkHeartbeat {}),
        Some(Event::Accepted {
            item_count,
            folded_item_count,
            batch_count,
            deadline_ms,
        }) => Pb::Accepted(pb::BulkAccepted {
            item_count,
            folded_item_count,
            batch_count,
            deadline: timestamp(deadline_ms),
            existing,
        }),
        Some(Event::BatchFinished {
            batches,
            counts: of_batches,
            totals,
        }) => Pb::BatchFinished(pb::BulkBatchFinished {
            batch_count: u32::try_from(batches.len()).unwrap_or(u32::MAX),
            counts: Some(counts(of_batches)),
            totals: Some(counts(totals)),
            exceptions: sight.exceptions.into_iter().map(outcome).collect(),
        }),
        Some(Event::Paused(its_pause)) => Pb::Paused(pause(its_pause)),
        Some(Event::Resumed) => Pb::Resumed(pb::BulkResumed {}),
        Some(Event::Finished { state: its, totals }) => Pb::Finished(pb::BulkFinished {
            state: its.into(),
            totals: Some(counts(totals)),
        }),
    };
    pb::BulkEvent {
        job_id: job_id.to_owned(),
        sequence: sight.sequence,
        time: timestamp(sight.at_ms),
        event: Some(event),
    }
}

fn pause(pause: Pause) -> pb::BulkPaused {
    let reason = match pause.reason {
        PauseReason::RateLimited => pb::BulkPauseReason::RateLimited,
        PauseReason::QuotaUsed => pb::BulkPauseReason::QuotaUsed,
        PauseReason::CircuitOpen => pb::BulkPauseReason::CircuitOpen,
        PauseReason::Credential => pb::BulkPauseReason::Credential,
    };
    pb::BulkPaused {
        reason: reason.into(),
        until: pause.until_ms.and_then(timestamp),
        errcode: pause.errcode,
        detail: pause.detail,
    }
}

fn counts(
    [
        accepted,
        invalid,
        unlicensed,
        failed,
        cancelled,
        expired,
        unknown,
    ]: [u32; 7],
) -> pb::BulkCounts {
    pb::BulkCounts {
        accepted,
        invalid,
        unlicensed,
        failed,
        cancelled,
        expired,
        unknown,
    }
}

fn outcome(item: ItemOutcome) -> pb::BulkItemOutcome {
    pb::BulkItemOutcome {
        item_index: item.item_index,
        user_id: item.user_id,
        // The numbers of the store are those of the contract.
        outcome: item.outcome as i32,
        errcode: item.errcode,
        detail: item.detail,
        message_id: item.message_id,
        response_code: item.response_code,
        settled_at: timestamp(item.settled_at_ms),
    }
}

/// A job as it stands.
pub(in crate::grpc) fn job(job: Job) -> pb::BulkJob {
    let progress = job.progress;
    let its_pause = progress
        .pause
        .and_then(|pause| Pause::from_bytes(&pause).ok());
    pb::BulkJob {
        job_id: job.id,
        app: job.app,
        request_id: job.request_id.unwrap_or_default(),
        state: progress.state as i32,
        paused: its_pause.map(pause),
        item_count: job.item_count,
        folded_item_count: job.folded_item_count,
        pending_item_count: job.item_count - progress.counts.total(),
        counts: Some(counts(progress.counts.0)),
        batch_count: progress.batch_count,
        finished_batch_count: progress.finished_batch_count,
        last_sequence: progress.last_sequence,
        accepted_at: timestamp(job.accepted_at_ms),
        started_at: progress.started_at_ms.and_then(timestamp),
        finished_at: progress.finished_at_ms.and_then(timestamp),
        deadline: timestamp(job.deadline_ms),
        cancel_requested_at: job.cancel_requested_at_ms.and_then(timestamp),
    }
}

/// Which jobs are asked for; one more than fits the page, to see whether there is another.
pub(in crate::grpc) fn filter(
    request: pb::ListBulkJobsRequest,
    apps: Vec<String>,
) -> Result<Filter, Vec<Violation>> {
    let mut found = Checker::default();
    let path = Path::ROOT.field("states");
    let states = request.states.into_iter().enumerate();
    let states = states.filter_map(|(place, number)| state(&path.at(place), number, &mut found));
    let states = states.collect();
    let size = Path::ROOT.field("page_size");
    let limit = match request.page_size {
        0 => PAGE_SIZE,
        some if some <= PAGE_SIZE_MAX => some,
        more => {
            found.add(&size, format_args!("{more}, at most {PAGE_SIZE_MAX}"));
            PAGE_SIZE
        }
    };
    let behind = match request.page_token.as_str() {
        "" => None,
        token => {
            let behind = token
                .split_once('-')
                .and_then(|(at, id)| Some((i64::from_str_radix(at, 16).ok()?, id.to_owned())));
            if behind.is_none() {
                found.add(&Path::ROOT.field("page_token"), NOT_OURS);
            }
            behind
        }
    };
    match found.into_violations() {
        none if none.is_empty() => Ok(Filter {
            apps,
            states,
            behind,
            limit: limit + 1,
        }),
        violations => Err(violations),
    }
}

const NOT_OURS: std::fmt::Arguments<'static> =
    format_args!("not one that an earlier response gave");

fn state(path: &Path<'_>, number: i32, found: &mut Checker) -> Option<JobState> {
    use pb::BulkJobState as Pb;
    match known(path, number, found)? {
        Pb::Unspecified => {
            found.add(path, format_args!("must be a state"));
            None
        }
        Pb::Accepted => Some(JobState::Accepted),
        Pb::Running => Some(JobState::Running),
        Pb::Paused => Some(JobState::Paused),
        Pb::Completed => Some(JobState::Completed),
        Pb::Cancelled => Some(JobState::Cancelled),
        Pb::Expired => Some(JobState::Expired),
    }
}

/// A page of jobs, of one more than fits.
pub(in crate::grpc) fn jobs(mut jobs: Vec<Job>, limit: u32) -> pb::ListBulkJobsResponse {
    let size = usize::try_from(limit - 1).unwrap_or(usize::MAX);
    let more = jobs.len() > size;
    jobs.truncate(size);
    let next_page_token = match jobs.last() {
        Some(last) if more => format!("{:x}-{}", last.accepted_at_ms, last.id),
        _ => String::new(),
    };
    pb::ListBulkJobsResponse {
        jobs: jobs.into_iter().map(job).collect(),
        next_page_token,
    }
}

/// Which outcomes are asked for, and behind which batch.
pub(in crate::grpc) fn wanted(
    request: &pb::ListBulkOutcomesRequest,
) -> Result<(Vec<Outcome>, Option<u32>), Vec<Violation>> {
    use pb::BulkOutcome as Pb;
    let mut found = Checker::default();
    let path = Path::ROOT.field("outcomes");
    let mut wanted = Vec::new();
    for (place, number) in request.outcomes.iter().enumerate() {
        let path = path.at(place);
        wanted.push(match known(&path, *number, &mut found) {
            None => continue,
            Some(Pb::Unspecified) => {
                found.add(&path, format_args!("must be an outcome"));
                continue;
            }
            Some(Pb::Accepted) => Outcome::Accepted,
            Some(Pb::Invalid) => Outcome::Invalid,
            Some(Pb::Unlicensed) => Outcome::Unlicensed,
            Some(Pb::Failed) => Outcome::Failed,
            Some(Pb::Cancelled) => Outcome::Cancelled,
            Some(Pb::Expired) => Outcome::Expired,
            Some(Pb::Unknown) => Outcome::Unknown,
        });
    }
    let behind = match request.resume_token.as_str() {
        "" => None,
        token => {
            let behind = u32::from_str_radix(token, 16).ok();
            if behind.is_none() {
                found.add(&Path::ROOT.field("resume_token"), NOT_OURS);
            }
            behind
        }
    };
    match found.into_violations() {
        none if none.is_empty() => Ok((wanted, behind)),
        violations => Err(violations),
    }
}

/// A part of the outcomes; `pending` items have none yet.
pub(in crate::grpc) fn outcomes(part: Part, pending: u32) -> pb::ListBulkOutcomesResponse {
    let last = part.behind.is_none();
    pb::ListBulkOutcomesResponse {
        outcomes: part.outcomes.into_iter().map(outcome).collect(),
        resume_token: part
            .behind
            .map(|index| format!("{index:x}"))
            .unwrap_or_default(),
        pending_item_count: if last { pending } else { 0 },
    }
}

/// What became of the taking back.
pub(in crate::grpc) fn recalls(recalls: Recalls) -> pb::RecallBulkJobResponse {
    let failures = recalls.failures.into_iter();
    let failures = failures.map(|(message_id, errcode, detail)| pb::BulkRecallFailure {
        message_id,
        errcode,
        detail,
    });
    pb::RecallBulkJobResponse {
        recalled_message_count: recalls.recalled,
        failed_message_count: recalls.failed,
        pending_message_count: recalls.pending,
        failures: failures.collect(),
    }
}

fn timestamp(unix_ms: i64) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(unix_ms.rem_euclid(1000)).ok()? * 1_000_000;
    Some(prost_types::Timestamp {
        seconds: unix_ms.div_euclid(1000),
        nanos,
    })
}
