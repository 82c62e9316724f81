//! The one call of a batch, and what its end means to a job.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::job::{Answer, Hold, PauseReason};
use super::trap;
use crate::store::Cargo;
use crate::wecom::errcode::Class;
use crate::wecom::message::is_by_one_recipient;
use crate::wecom::{Call as _, Client, Error, Reason, Refusal, Rendered, Scope, Sent};

/// WeCom's code for a call that may be repeated: it is busy.
const BUSY: i64 = -1;

/// Sends what a batch carries.
pub(super) async fn make(client: &Client, cargo: &Cargo, deadline: Instant) -> Answer {
    let batch = Rendered::batch(&cargo.items.user_ids, &cargo.content);
    trap::point("send");
    trap::call(&cargo.items.user_ids);
    let answered = client.call(&batch, deadline).await;
    trap::point("sent");
    match answered {
        Ok(sent) => taken(cargo, &sent),
        Err(error) => refused(&batch, error),
    }
}

fn taken(cargo: &Cargo, sent: &Sent) -> Answer {
    Answer::Sent {
        invalid: places(cargo, &sent.invalid_user_ids),
        unlicensed: places(cargo, &sent.unlicensed_user_ids),
        message_id: Some(sent.message_id.clone()).filter(|id| !id.is_empty()),
        response_code: Some(sent.response_code.clone()).filter(|code| !code.is_empty()),
    }
}

fn refused(batch: &Rendered, error: Error) -> Answer {
    let detail = error.to_string();
    let unreachable = |detail| Answer::Held(Hold::Unreachable { detail });
    match error {
        Error::Refused { refusal, .. } => by_wecom(batch, refusal),
        Error::AllRecipientsInvalid { .. } => Answer::AllInvalid,
        Error::Paced(held) => {
            let reason = match held.scope {
                Scope::One => {
                    let wait_ms = millis(held.retry_after);
                    return Answer::Held(Hold::Member { wait_ms });
                }
                Scope::Day => PauseReason::QuotaUsed,
                Scope::Path => PauseReason::RateLimited,
            };
            lane(reason, held.retry_after, 0, detail)
        }
        Error::RateLimited {
            refusal,
            retry_after,
            ..
        } => match refusal.class() {
            Some(Class::ConcurrencyLimited) => Answer::Held(Hold::Concurrency),
            _ => lane(
                PauseReason::RateLimited,
                retry_after,
                refusal.errcode,
                detail,
            ),
        },
        Error::Credential {
            refusal,
            retry_after,
            ..
        } => lane(
            PauseReason::Credential,
            retry_after,
            refusal.errcode,
            detail,
        ),
        Error::CircuitOpen { retry_after } => {
            lane(PauseReason::CircuitOpen, retry_after, 0, detail)
        }
        Error::OutcomeUnknown {
            reason, refusal, ..
        } => Answer::InDoubt {
            errcode: match (refusal, reason) {
                (Some(refusal), _) => refusal.errcode,
                (None, Reason::Busy) => BUSY,
                (None, _) => 0,
            },
            detail,
        },
        Error::Deadline { sent: true, .. } => Answer::InDoubt { errcode: 0, detail },
        Error::Deadline { sent: false, .. } | Error::Unreachable { .. } => unreachable(detail),
        // The rest cannot come from a message that was rendered and checked.
        Error::Invalid(_)
        | Error::ContactsSecretMissing { .. }
        | Error::AnswerTooLarge { .. }
        | Error::Internal(_) => Answer::Interrupted,
    }
}

/// What only an operator can mend holds for the batches that come after, too.
fn by_wecom(batch: &Rendered, refusal: Refusal) -> Answer {
    let Refusal { errcode, .. } = refusal;
    let detail = format!("errcode {errcode}: {}", refusal.errmsg);
    match refusal.class() {
        Some(
            Class::Precondition | Class::PermissionDenied | Class::TokenRejected | Class::Quota,
        ) => lane(PauseReason::Credential, Duration::ZERO, errcode, detail),
        _ => Answer::Refused {
            errcode,
            by_recipient: is_by_one_recipient(&refusal),
            may_follow_success: batch.may_follow_success(&refusal),
            detail,
        },
    }
}

fn lane(reason: PauseReason, wait: Duration, errcode: i64, detail: String) -> Answer {
    Answer::Held(Hold::Lane {
        reason,
        wait_ms: millis(wait),
        errcode,
        detail,
    })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Where members stand in a batch, ascending. WeCom names them in lower case.
fn places(cargo: &Cargo, user_ids: &[String]) -> Vec<u16> {
    if user_ids.is_empty() {
        return Vec::new();
    }
    let places: HashMap<String, u16> = (0..)
        .zip(cargo.items.user_ids())
        .map(|(place, id)| (id.to_ascii_lowercase(), place))
        .collect();
    let found = user_ids
        .iter()
        .filter_map(|id| places.get(&id.to_ascii_lowercase()).copied());
    let mut found: Vec<u16> = found.collect();
    found.sort_unstable();
    found.dedup();
    found
}
