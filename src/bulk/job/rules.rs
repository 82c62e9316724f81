//! What becomes of one batch: may it go out, and what does the answer to its call mean?

use crate::store::{Batch, BatchState, Job, Outcome, Settlement};

use super::{Answer, Hold};

/// A batch in doubt is not sent again in the last ten minutes of WeCom's duplicate check: the
/// commit, the call and the difference between two clocks take time.
const WINDOW_MARGIN_MS: i64 = 600_000;
/// Clocks are corrected by so much without a word. A clock further back has been set back.
pub(super) const CLOCK_TOLERANCE_MS: i64 = 5_000;
/// Lost answers that count until a batch is given up.
const ATTEMPTS_MAX: u16 = 5;
/// The same for errcode -1, which WeCom asks to repeat three times at most.
/// <https://developer.work.weixin.qq.com/document/path/90313>
const BUSY_ATTEMPTS_MAX: u16 = 3;
/// WeCom's "system busy".
const BUSY: i64 = -1;
/// A batch with so many interruptions is not sent again, so that it cannot take the process
/// down for ever. One counter is enough: a takeover says only that the batch was one of those
/// under way and counts 1, a panic names its batch and counts [`PANIC_WEIGHT`]. So five
/// takeovers or three panics end it.
const INTERRUPTIONS_MAX: u16 = 5;
/// What a panic counts.
const PANIC_WEIGHT: u16 = 2;
/// Times that one batch of the plan is cut in two: twice the ten cuts that find one member among
/// a thousand.
pub(super) const SPLITS_MAX: u32 = 20;
/// First wait after a lost answer; doubles with each that counts.
pub(super) const BACKOFF_MS: i64 = 1_000;
/// Longest wait after a lost answer.
pub(super) const BACKOFF_MAX_MS: i64 = 60_000;
/// Shortest wait after "too many calls at once", and how far it is spread.
const CONCURRENCY_WAIT_MS: i64 = 1_000;

const COVER_ENDED: &str =
    "the answer was lost, and the duplicate check does not cover a repetition";
const TRIED_IN_VAIN: &str = "the answer was lost each time";
const QUARANTINED: &str = "sending it was interrupted too often; it may have been sent";

/// Whether a batch may go out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Yes: nothing was sent, or WeCom recognises the repetition.
    Send,
    /// Yes, since the caller wants it sent once more whatever that leads to.
    Resend,
    /// No.
    GiveUp,
}

/// What an answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Outcomes.
    Settle(Settlement),
    /// Another attempt, from this time on.
    Wait(i64),
    /// Two halves.
    Split,
}

/// What is known of the call that was answered.
pub(super) struct Call {
    /// When its intent was written down.
    pub(super) since_ms: i64,
    /// Whether another call succeeded since the attempt before: then it is not WeCom that is
    /// away, and the attempt counts against the batch.
    pub(super) counts: bool,
    /// Whether the batch may be cut in two.
    pub(super) may_split: bool,
}

/// Whether `batch` may go out now. The same bytes only, and only while WeCom recognises them.
pub(super) fn next(job: &Job, batch: &Batch, now_ms: i64) -> Next {
    let Some(since_ms) = batch.doubt_since_ms else {
        return Next::Send;
    };
    if batch.resent {
        return Next::GiveUp;
    }
    let covered = job.window_seconds.is_some_and(|seconds| {
        let end_ms = since_ms + i64::from(seconds) * 1_000 - WINDOW_MARGIN_MS;
        (since_ms - CLOCK_TOLERANCE_MS..end_ms).contains(&now_ms)
    });
    match covered {
        true => Next::Send,
        false if job.resend_unknown => Next::Resend,
        false => Next::GiveUp,
    }
}

/// What `answer` means for `batch`, whose doubt and counters it brings up to date.
pub(super) fn judge(
    job: &Job,
    batch: &mut Batch,
    answer: Answer,
    call: &Call,
    now_ms: i64,
) -> Verdict {
    match answer {
        Answer::Sent {
            invalid,
            unlicensed,
            message_id,
            response_code,
        } => Verdict::Settle(Settlement {
            exceptions: exceptions(batch, &invalid, &unlicensed),
            message_id,
            response_code,
            ..settlement(Outcome::Accepted, 0, String::new(), now_ms)
        }),
        // True of the members, whatever became of an attempt before.
        Answer::AllInvalid => {
            Verdict::Settle(settlement(Outcome::Invalid, 0, String::new(), now_ms))
        }
        Answer::Refused {
            errcode,
            detail,
            by_recipient,
            may_follow_success,
        } => {
            let in_doubt = batch.doubt_since_ms.is_some();
            if !in_doubt && by_recipient && batch.item_count > 1 && call.may_split {
                return Verdict::Split;
            }
            let outcome = match in_doubt && may_follow_success {
                true => Outcome::Unknown,
                false => Outcome::Failed,
            };
            Verdict::Settle(settlement(outcome, errcode, detail, now_ms))
        }
        Answer::Held(hold) => {
            // Nothing went out, so the one resend is not used up either.
            batch.resent = false;
            Verdict::Wait(now_ms + held_for_ms(job, batch, &hold))
        }
        Answer::InDoubt { errcode, detail } => {
            doubt(batch, call.since_ms);
            batch.attempts += u16::from(call.counts);
            let most = match errcode {
                BUSY => BUSY_ATTEMPTS_MAX,
                _ => ATTEMPTS_MAX,
            };
            let why = match next(job, batch, now_ms) {
                Next::GiveUp => COVER_ENDED,
                _ if batch.attempts >= most => TRIED_IN_VAIN,
                _ => return Verdict::Wait(now_ms + backoff_ms(job, batch)),
            };
            let detail = format!("{why}: {detail}");
            Verdict::Settle(settlement(Outcome::Unknown, errcode, detail, now_ms))
        }
        Answer::Interrupted => interrupt(job, batch, PANIC_WEIGHT, call.since_ms, now_ms),
    }
}

/// What becomes of a batch that was being sent when the last holder of the lane ended.
pub(super) fn take_over(job: &Job, batch: &mut Batch, since_ms: i64, now_ms: i64) -> Verdict {
    match interrupt(job, batch, 1, since_ms, now_ms) {
        // The time of the restart is wait enough.
        Verdict::Wait(_) => Verdict::Wait(now_ms),
        verdict => verdict,
    }
}

fn interrupt(job: &Job, batch: &mut Batch, weight: u16, since_ms: i64, now_ms: i64) -> Verdict {
    doubt(batch, since_ms);
    batch.interruptions += weight;
    let why = match next(job, batch, now_ms) {
        Next::GiveUp => COVER_ENDED,
        _ if batch.interruptions >= INTERRUPTIONS_MAX => QUARANTINED,
        _ => return Verdict::Wait(now_ms + backoff_ms(job, batch)),
    };
    Verdict::Settle(settlement(Outcome::Unknown, 0, why.to_owned(), now_ms))
}

fn doubt(batch: &mut Batch, since_ms: i64) {
    let since_ms = batch
        .doubt_since_ms
        .map_or(since_ms, |older| older.min(since_ms));
    batch.doubt_since_ms = Some(since_ms);
}

/// The outcome of a batch in doubt that may not go out any more.
pub(super) fn give_up(now_ms: i64) -> Settlement {
    settlement(Outcome::Unknown, 0, COVER_ENDED.to_owned(), now_ms)
}

/// The outcome of a batch whose job ends before it.
pub(super) fn end(batch: &Batch, outcome: Outcome, now_ms: i64) -> Settlement {
    match batch.doubt_since_ms {
        None => settlement(outcome, 0, String::new(), now_ms),
        Some(_) => {
            let detail = "the answer was lost, and the job ended before a repetition";
            settlement(Outcome::Unknown, 0, detail.to_owned(), now_ms)
        }
    }
}

/// Forgets how long ago an attempt of unknown outcome began: the clock was set back, so nobody
/// knows. The beginning of time is outside of every window, also for the next holder.
pub(super) fn distrust(batch: &mut Batch) {
    if let Some(since_ms) = &mut batch.doubt_since_ms {
        *since_ms = 0;
    }
    if let BatchState::Sending { since_ms } = &mut batch.state {
        *since_ms = 0;
    }
}

/// A wait for a batch, spread over the whole of `most_ms`: always the same for the same
/// batch and number of attempts, and different for its neighbours.
fn spread_ms(job: &Job, batch: &Batch, most_ms: i64) -> i64 {
    let seed = job
        .id
        .bytes()
        .map(u64::from)
        .chain(
            [
                batch.index,
                batch.attempts.into(),
                batch.interruptions.into(),
            ]
            .map(u64::from),
        )
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, part| {
            // FNV-1a, and a shift that lets high bits reach the low ones.
            let hash = (hash ^ part).wrapping_mul(0x0000_0100_0000_01b3);
            hash ^ (hash >> 29)
        });
    1 + i64::try_from(seed % most_ms.unsigned_abs()).expect("less than an i64")
}

fn backoff_ms(job: &Job, batch: &Batch) -> i64 {
    let doublings = (batch.attempts + batch.interruptions).min(6);
    spread_ms(job, batch, (BACKOFF_MS << doublings).min(BACKOFF_MAX_MS))
}

fn held_for_ms(job: &Job, batch: &Batch, hold: &Hold) -> i64 {
    match hold {
        Hold::Member { wait_ms } => (*wait_ms).max(1),
        Hold::Concurrency => CONCURRENCY_WAIT_MS + spread_ms(job, batch, CONCURRENCY_WAIT_MS),
        // The lane decides when to go on.
        Hold::Unreachable { .. } | Hold::Lane { .. } => 0,
    }
}

fn exceptions(batch: &Batch, invalid: &[u16], unlicensed: &[u16]) -> Vec<(u16, Outcome)> {
    let mut places: Vec<_> = invalid
        .iter()
        .map(|place| (*place, Outcome::Invalid))
        .chain(unlicensed.iter().map(|place| (*place, Outcome::Unlicensed)))
        .collect();
    // Stable: a member in both lists is invalid before all.
    places.sort_by_key(|(place, _)| *place);
    places.dedup_by_key(|(place, _)| *place);
    if let Some((last, _)) = places.last() {
        assert!(
            u32::from(*last) < batch.item_count,
            "a place outside of batch {batch:?}"
        );
    }
    places
}

fn settlement(outcome: Outcome, errcode: i64, detail: String, at_ms: i64) -> Settlement {
    Settlement {
        outcome,
        errcode,
        detail,
        exceptions: Vec::new(),
        message_id: None,
        response_code: None,
        at_ms,
    }
}
