//! Messages: the contract's to ours, and WeCom's answer back.

use super::content::{content_at, known};
use super::gateway::duration;
use crate::grpc::pb;
use crate::wecom::check::{Checker, Path};
use crate::wecom::message::{DuplicateCheck, Recipients, Safe, Send};
use crate::wecom::{Held, Sent, Violation};

/// The send that a request asks for; its rules are still to be checked, by
/// [`Send::check`]. A request that cannot be converted gets the violations of
/// those rules too, so that the caller mends everything in one go.
pub(in crate::grpc) fn send(request: pb::SendMessageRequest) -> Result<Send, Vec<Violation>> {
    let mut found = Checker::default();
    let recipients = recipients(request.recipients.unwrap_or_default());
    let content = content_at(&Path::ROOT.field("content"), request.content, &mut found);
    let safe = safe(&Path::ROOT.field("safe"), request.safe, &mut found);
    let duplicate_check = request
        .duplicate_check
        .map(|check| duplicate_check(&Path::ROOT.field("duplicate_check"), check, &mut found));
    let Some(content) = content else {
        recipients.check(&Path::ROOT.field("recipients"), &mut found);
        return Err(found.into_violations());
    };
    let send = Send {
        recipients,
        content,
        safe,
        translate_ids: request.translate_ids,
        duplicate_check,
    };
    let mut violations = found.into_violations();
    if violations.is_empty() {
        return Ok(send);
    }
    violations.extend(send.check());
    Err(violations)
}

/// Who gets a message.
pub(in crate::grpc) fn recipients(recipients: pb::Recipients) -> Recipients {
    Recipients {
        user_ids: recipients.user_ids,
        department_ids: recipients.department_ids,
        tag_ids: recipients.tag_ids,
        everyone: recipients.everyone,
    }
}

/// Whether a message may be forwarded.
pub(in crate::grpc) fn safe(path: &Path<'_>, number: i32, found: &mut Checker) -> Option<Safe> {
    match known(path, number, found)? {
        pb::Safe::Unspecified => None,
        pb::Safe::Off => Some(Safe::Off),
        pb::Safe::On => Some(Safe::On),
        pb::Safe::Internal => Some(Safe::Internal),
    }
}

/// The duplicate check at `path`. WeCom counts whole seconds.
pub(in crate::grpc) fn duplicate_check(
    path: &Path<'_>,
    check: pb::DuplicateCheck,
    found: &mut Checker,
) -> DuplicateCheck {
    let interval_seconds = check.interval.and_then(|interval| {
        let seconds = u32::try_from(interval.seconds).ok();
        if seconds.is_none() || interval.nanos != 0 {
            found.add(
                &path.field("interval"),
                format_args!("must be whole seconds, 1 s to 4 h"),
            );
            return None;
        }
        seconds
    });
    DuplicateCheck {
        enabled: check.enabled,
        interval_seconds,
    }
}

/// The answer to a send.
pub(in crate::grpc) fn sent(sent: Sent) -> pb::SendMessageResponse {
    pb::SendMessageResponse {
        message_id: sent.message_id,
        invalid_user_ids: sent.invalid_user_ids,
        invalid_department_ids: sent.invalid_department_ids,
        invalid_tag_ids: sent.invalid_tag_ids,
        unlicensed_user_ids: sent.unlicensed_user_ids,
        response_code: sent.response_code,
    }
}

/// What a checked message may expect of its way.
pub(in crate::grpc) fn validated(
    held: Option<Held>,
    body_size_bytes: usize,
) -> pb::ValidateMessageResponse {
    let (retry_after, quota) = match held {
        Some(held) => (Some(duration(held.retry_after)), held.limit),
        None => (None, String::new()),
    };
    pb::ValidateMessageResponse {
        violations: Vec::new(),
        retry_after,
        quota,
        body_size_bytes: u32::try_from(body_size_bytes).unwrap_or(u32::MAX),
    }
}

/// A broken rule.
pub(in crate::grpc) fn violation(violation: Violation) -> pb::FieldViolation {
    let Violation { field, description } = violation;
    pb::FieldViolation { field, description }
}

#[cfg(test)]
mod tests;
