//! Our errors as gRPC statuses: the only place where a code is chosen. The code
//! says who must act; the details say what happened in words that programs can
//! rely on.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use super::pb::ErrorReason;
use crate::wecom::errcode::{self, Class};
use crate::wecom::{self, Held, Refusal, Violation};
use crate::{access, bulk, session, store};

/// `ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "wecomgw";
/// What callers wait when the store is away.
const STORE_WAIT: Duration = Duration::from_secs(1);
/// What callers wait when too many bulk jobs are open.
const BULK_WAIT: Duration = Duration::from_secs(60);
/// Statuses travel in a header, of which some clients read 8 KiB in all. Lists are
/// cut to fit, with their details as Base64 and room for the rest: each list of ids
/// in the metadata …
const ID_LIST_LIMIT_BYTES: usize = 1536;
/// … and the violations, the rest of which ValidateMessage lists.
const VIOLATIONS_LIMIT_BYTES: usize = 3072;

/// Characters of a caller's text that a status repeats.
const SHOWN_CHARACTERS: usize = 64;
/// What to do about a call that may have been carried out.
const OUTCOME_UNKNOWN_HINT: &str =
    "Repeat a send only with its request_id or under duplicate check; else look first.";

/// A status with its details under way.
struct Builder {
    code: Code,
    message: String,
    reason: ErrorReason,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Builder {
    fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reason,
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    fn retry_after(mut self, wait: Duration) -> Self {
        self.details.set_retry_info(Some(wait));
        self
    }

    fn quota(mut self, subject: impl Into<String>, description: impl Into<String>) -> Self {
        self.details
            .set_quota_failure(vec![QuotaViolation::new(subject, description)]);
        self
    }

    fn refusal(self, path: &str, refusal: &Refusal) -> Self {
        let mut this = self
            .with("errcode", refusal.errcode.to_string())
            .with("errmsg", &refusal.errmsg)
            .with("path", path);
        if let Some(entry) = refusal.entry() {
            this = this.with("name", entry.name).with("hint", entry.hint);
        }
        if let Some(id) = &refusal.hint_id {
            this = this.with("wecom_hint_id", id);
        }
        if let Some(ip) = &refusal.refused_ip {
            this = this.with("refused_ip", ip.to_string());
        }
        this
    }

    fn build(self) -> Status {
        let Self {
            code,
            message,
            reason,
            metadata,
            mut details,
        } = self;
        let name = reason.as_str_name();
        details.set_error_info(
            name.strip_prefix("ERROR_REASON_").unwrap_or(name),
            DOMAIN,
            metadata,
        );
        Status::with_error_details(code, message, details)
    }
}

/// The status of broken rules, as many as fit.
pub fn invalid(violations: Vec<Violation>) -> Status {
    let count = violations.len();
    let mut room = VIOLATIONS_LIMIT_BYTES;
    let listed: Vec<FieldViolation> = violations
        .into_iter()
        .map_while(|Violation { field, description }| {
            room = room.checked_sub(field.len() + description.len())?;
            Some(FieldViolation::new(field, description))
        })
        .collect();
    let message = match listed.as_slice() {
        [one] if count == 1 => format!("{}: {}", one.field, one.description),
        all if all.len() == count => format!("{count} fields break a rule; the details list them"),
        some => format!(
            "{count} fields break a rule; the details list {}, ValidateMessage lists all",
            some.len()
        ),
    };
    let mut builder = Builder::new(Code::InvalidArgument, ErrorReason::InvalidRequest, message);
    builder.details.set_bad_request(listed);
    builder.build()
}

/// The status of a failed call to WeCom.
pub fn wecom(error: &wecom::Error) -> Status {
    wecom_with(error, |builder| builder)
}

/// The status of a chat that was not made. When it may have been made, its id is in
/// the metadata: the caller can then repeat the call, though the id was not its own.
pub fn chat_creation(error: &wecom::Error, chat_id: &str) -> Status {
    wecom_with(error, |builder| match error.nothing_was_done() {
        true => builder,
        false => builder.with("chat_id", chat_id),
    })
}

/// The status of a failed call to WeCom, with `more` details.
fn wecom_with(error: &wecom::Error, more: impl FnOnce(Builder) -> Builder) -> Status {
    use wecom::Error;
    let message = error.to_string();
    let unknown = || Builder::new(Code::Unknown, ErrorReason::OutcomeUnknown, &message);
    let builder = match error {
        Error::Invalid(violations) => return invalid(violations.clone()),
        Error::Paced(Held {
            scope: _,
            subject,
            limit,
            retry_after,
        }) => Builder::new(Code::ResourceExhausted, ErrorReason::Paced, message)
            .retry_after(*retry_after)
            .quota(subject, limit),
        Error::Refused { path, refusal } => refused(message, path, refusal),
        Error::RateLimited {
            path,
            refusal,
            retry_after,
        } => Builder::new(
            Code::ResourceExhausted,
            ErrorReason::WecomRateLimited,
            message,
        )
        .refusal(path, refusal)
        .retry_after(*retry_after)
        .quota(
            format!("api:{path}"),
            format!("WeCom's frequency limit of {path}"),
        ),
        Error::AllRecipientsInvalid {
            refusal,
            recipients,
        } => Builder::new(
            Code::InvalidArgument,
            ErrorReason::AllRecipientsInvalid,
            message,
        )
        .refusal(wecom::Rendered::PATH, refusal)
        .with("invalid_user_ids", id_list(&recipients.invalid_user_ids))
        .with(
            "invalid_department_ids",
            id_list(&recipients.invalid_department_ids),
        )
        .with("invalid_tag_ids", id_list(&recipients.invalid_tag_ids))
        .with(
            "unlicensed_user_ids",
            id_list(&recipients.unlicensed_user_ids),
        ),
        Error::ContactsSecretMissing { path } => Builder::new(
            Code::FailedPrecondition,
            ErrorReason::ContactsSecretMissing,
            message,
        )
        .with("path", *path),
        Error::AnswerTooLarge { path } => Builder::new(
            Code::ResourceExhausted,
            ErrorReason::MessageTooLarge,
            message,
        )
        .with("path", *path),
        Error::Credential { refusal, .. } => Builder::new(
            Code::FailedPrecondition,
            ErrorReason::CredentialRefused,
            message,
        )
        .refusal("gettoken", refusal),
        Error::Unreachable {
            path, retry_after, ..
        } => Builder::new(Code::Unavailable, ErrorReason::WecomUnreachable, message)
            .with("path", *path)
            .retry_after(*retry_after),
        Error::CircuitOpen { retry_after } => {
            Builder::new(Code::Unavailable, ErrorReason::CircuitOpen, message)
                .retry_after(*retry_after)
        }
        Error::OutcomeUnknown {
            path,
            refusal: Some(refusal),
            ..
        // The errcode's own hint may say to repeat; that is not for a call that may
        // have been carried out.
        } => unknown().refusal(path, refusal).with("hint", OUTCOME_UNKNOWN_HINT),
        Error::OutcomeUnknown {
            path,
            refusal: None,
            ..
        } => unknown().with("path", *path),
        Error::Deadline { path, sent } => {
            let reason = match sent {
                true => ErrorReason::OutcomeUnknown,
                false => ErrorReason::DeadlineExceeded,
            };
            Builder::new(Code::DeadlineExceeded, reason, message).with("path", *path)
        }
        Error::Internal(_) => {
            tracing::error!("{message}");
            Builder::new(Code::Internal, ErrorReason::Internal, message)
        }
    };
    if let Error::Refused { refusal, .. } | Error::Credential { refusal, .. } = error {
        // The hint id is what WeCom's support asks for.
        tracing::info!(
            errcode = refusal.errcode,
            hint = refusal.hint_id.as_deref(),
            "{error}"
        );
    }
    more(builder).build()
}

fn refused(message: String, path: &str, refusal: &Refusal) -> Builder {
    let code = match errcode::class_on(path, refusal.errcode) {
        None => {
            return Builder::new(Code::Unknown, ErrorReason::WecomUnknownErrcode, message)
                .refusal(path, refusal);
        }
        Some(Class::InvalidRequest) => Code::InvalidArgument,
        Some(Class::NotFound) => Code::NotFound,
        Some(Class::AlreadyExists) => Code::AlreadyExists,
        Some(Class::OutOfRange) => Code::OutOfRange,
        Some(Class::PermissionDenied) => Code::PermissionDenied,
        Some(Class::WrongState | Class::Precondition | Class::TokenRejected) => {
            Code::FailedPrecondition
        }
        Some(
            Class::AnswerTooLarge | Class::Quota | Class::RateLimited | Class::ConcurrencyLimited,
        ) => Code::ResourceExhausted,
        Some(Class::Conflict) => Code::Aborted,
        Some(Class::Busy) => Code::Unavailable,
        Some(Class::Unimplemented) => Code::Unimplemented,
        Some(Class::Internal) => Code::Internal,
    };
    Builder::new(code, ErrorReason::WecomRefused, message).refusal(path, refusal)
}

/// Ids joined by commas, cut after an id where they would not fit.
fn id_list(ids: &[impl ToString]) -> String {
    let mut list = String::new();
    for id in ids {
        let id = id.to_string();
        if list.len() + id.len() + 1 > ID_LIST_LIMIT_BYTES {
            list.push_str(",…");
            break;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&id);
    }
    list
}

/// The status of a caller that is not let in.
pub fn access(error: access::Error) -> Status {
    let (code, reason) = match error {
        access::Error::NoToken
        | access::Error::UnknownToken
        | access::Error::UnknownCertificate
        | access::Error::TokenRefused => (Code::Unauthenticated, ErrorReason::CallerUnknown),
        access::Error::KeysUnavailable => {
            return Builder::new(
                Code::Unavailable,
                ErrorReason::CallerKeysUnavailable,
                error.to_string(),
            )
            .retry_after(STORE_WAIT)
            .build();
        }
        access::Error::NotPermitted => (Code::PermissionDenied, ErrorReason::CallerNotPermitted),
    };
    Builder::new(code, reason, error.to_string()).build()
}

/// The status of a path of WeCom that is not listed for the caller.
pub fn api_path_not_listed(path: &str) -> Status {
    let path = shown(path);
    let message = format!("{path:?} is not among the caller's `api_paths`; an operator can add it");
    Builder::new(
        Code::PermissionDenied,
        ErrorReason::CallerNotPermitted,
        message,
    )
    .build()
}

/// The status of a failed store.
pub fn store(error: &store::Error) -> Status {
    use store::Error;
    tracing::error!("the store failed: {error}");
    match error {
        Error::Full(_) => Builder::new(
            Code::ResourceExhausted,
            ErrorReason::StoreFull,
            "the disk of the gateway's store is full; nothing was sent",
        ),
        Error::Unavailable(_) | Error::InUse(_) | Error::Io(_) | Error::Conflict(_) => {
            Builder::new(
                Code::Unavailable,
                ErrorReason::StoreUnavailable,
                "the gateway's store cannot be used now; nothing was sent",
            )
            .retry_after(STORE_WAIT)
        }
        // Waiting mends none of these.
        Error::Url(_)
        | Error::FromTheFuture(_)
        | Error::Corrupt(_)
        | Error::OutOfStep(_)
        | Error::LaneLost
        | Error::Unexpected(_) => Builder::new(
            Code::Internal,
            ErrorReason::Internal,
            "the gateway's store failed; its log says how; nothing was sent",
        ),
    }
    .build()
}

/// The status of a session token that is not taken.
pub fn session(error: &session::Error) -> Status {
    let reason = match error {
        session::Error::Invalid => ErrorReason::SessionInvalid,
        session::Error::Expired => ErrorReason::SessionExpired,
        session::Error::Revoked => ErrorReason::SessionRevoked,
        session::Error::Store(error) => return store(error),
    };
    Builder::new(Code::InvalidArgument, reason, error.to_string()).build()
}

/// The status of a login that does not go on.
pub fn login(error: &session::LoginError) -> Status {
    let reason = match error {
        session::LoginError::StateRefused => ErrorReason::LoginStateRefused,
        session::LoginError::CodeUsed => ErrorReason::LoginCodeUsed,
        session::LoginError::Store(error) => return store(error),
    };
    Builder::new(Code::InvalidArgument, reason, error.to_string()).build()
}

/// The status of a visitor who is no member of the corp.
pub fn not_a_member(external_user_id: Option<String>) -> Status {
    let message = "the visitor is no member of the corp";
    let builder = Builder::new(Code::PermissionDenied, ErrorReason::NotAMember, message);
    match external_user_id {
        Some(id) => builder.with("external_user_id", id),
        None => builder,
    }
    .build()
}

/// The status of an app that is not there for this caller.
pub fn app_not_found(app: &str, known: &[&str]) -> Status {
    let message = match (app.is_empty(), known) {
        (_, []) => "no app is configured for this caller".to_owned(),
        (true, many) => format!(
            "`app` is empty and there are several; name one of: {}",
            id_list(many)
        ),
        (false, some) => format!(
            "app {:?} is not configured for this caller; there is: {}",
            shown(app),
            id_list(some)
        ),
    };
    Builder::new(Code::NotFound, ErrorReason::AppNotFound, message).build()
}

/// As much of a caller's own text as a status has room for.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}

/// The status of a stream that ends because the gateway does.
pub fn shutting_down() -> Status {
    let message = "the gateway is shutting down; another replica goes on";
    Builder::new(Code::Unavailable, ErrorReason::ShuttingDown, message).build()
}

/// The status of a stream of events that ends before its job does.
pub fn events_cut(reason: ErrorReason, last_sequence: u64) -> Status {
    let message = match reason {
        ErrorReason::ShuttingDown => "the gateway is shutting down; go on elsewhere",
        _ => "a stream lives 30 minutes",
    };
    let message = format!("{message}, with WatchBulkJob after sequence {last_sequence}");
    Builder::new(Code::Unavailable, reason, message)
        .with("last_sequence", last_sequence.to_string())
        .retry_after(Duration::ZERO)
        .build()
}

/// The status of a stream whose caller's time is over.
pub fn deadline() -> Status {
    let message = "the caller's deadline passed; the job goes on";
    let reason = ErrorReason::DeadlineExceeded;
    Builder::new(Code::DeadlineExceeded, reason, message).build()
}

/// The status of a failed call about bulk jobs.
pub fn bulk(error: &bulk::Error) -> Status {
    use bulk::Error;
    let message = error.to_string();
    match error {
        Error::Wecom(error) => return wecom(error),
        Error::Store(error) => return store(error),
        Error::Internal(message) => return internal(message),
        Error::NotFound => Builder::new(Code::NotFound, ErrorReason::JobNotFound, message),
        Error::NotFinished => Builder::new(
            Code::FailedPrecondition,
            ErrorReason::JobNotFinished,
            message,
        ),
        Error::SequenceOutOfRange { last } => {
            Builder::new(Code::OutOfRange, ErrorReason::SequenceOutOfRange, message)
                .with("first_sequence", "1")
                .with("last_sequence", last.to_string())
        }
        Error::RequestIdReused(job_id) => {
            Builder::new(Code::AlreadyExists, ErrorReason::RequestIdReused, message)
                .with("job_id", job_id)
        }
        Error::TooManyJobs | Error::TooManyItems => Builder::new(
            Code::ResourceExhausted,
            ErrorReason::BulkLimitReached,
            &message,
        )
        .quota("bulk", message)
        .retry_after(BULK_WAIT),
    }
    .build()
}

/// The status of a request id that was used for another request.
pub fn request_id_reused() -> Status {
    let message = "the request_id was used for another request in the last 24 hours; use a new one";
    Builder::new(Code::AlreadyExists, ErrorReason::RequestIdReused, message).build()
}

/// The status of an upload that brought nothing for `idle`.
pub fn upload_idle(idle: Duration) -> Status {
    let message = format!("nothing of the upload came for {} s", idle.as_secs());
    Builder::new(Code::DeadlineExceeded, ErrorReason::UploadIdle, message).build()
}

/// The status of a request that could not be read: `code` as the listener chose it.
pub fn unreadable(code: Code, message: &str) -> Status {
    let reason = match code {
        Code::ResourceExhausted => ErrorReason::MessageTooLarge,
        Code::Cancelled => ErrorReason::Cancelled,
        _ => ErrorReason::MalformedRequest,
    };
    Builder::new(code, reason, message).build()
}

/// The status of a call beyond a limit; `limit` is what was reached.
pub fn overloaded(limit: &str, retry_after: Duration) -> Status {
    let message = format!("{limit}; nothing was done, wait a little");
    Builder::new(Code::ResourceExhausted, ErrorReason::Overloaded, message)
        .retry_after(retry_after)
        .build()
}

/// The status of a call whose deadline passed before its handler was done.
pub fn late(may_have_changed_something: bool) -> Status {
    let (reason, message) = match may_have_changed_something {
        true => (
            ErrorReason::OutcomeUnknown,
            "the deadline passed; the call may have been carried out",
        ),
        false => (ErrorReason::DeadlineExceeded, "the deadline passed"),
    };
    Builder::new(Code::DeadlineExceeded, reason, message).build()
}

/// The status of a call that panicked; `id` joins it to the log line.
pub fn panicked(id: &str) -> Status {
    let message = format!("internal error, id {id}");
    Builder::new(Code::Internal, ErrorReason::Internal, message)
        .with("id", id)
        .build()
}

/// The status that tonic made without details, with them; `None` where they are there, or
/// where the status is none of tonic's.
pub fn completed(status: &Status) -> Option<Status> {
    let reason = match status.code() {
        Code::Internal => ErrorReason::Internal,
        Code::Unimplemented => ErrorReason::NotOffered,
        Code::Cancelled => ErrorReason::Cancelled,
        _ => return None,
    };
    let message = match status.message() {
        "" if reason == ErrorReason::NotOffered => "the server offers no such service or method",
        message => message,
    };
    let complete = || Builder::new(status.code(), reason, message).build();
    status.details().is_empty().then(complete)
}

/// The status of a fault of ours.
pub fn internal(message: &str) -> Status {
    tracing::error!("{message}");
    Builder::new(Code::Internal, ErrorReason::Internal, message).build()
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wecom::message::Sent;

    /// What C-core clients read of a response's metadata.
    const METADATA_LIMIT_BYTES: usize = 8192;

    fn header_bytes(status: &Status) -> usize {
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum()
    }

    #[test]
    fn the_largest_statuses_fit_into_a_header() {
        let violations = (0..1000)
            .map(|index| {
                let field = format!("recipients.user_ids[{index}]");
                Violation::new(field, "must begin with a letter or a digit")
            })
            .collect();
        let status = invalid(violations);
        assert!(status.message().contains("1000 fields"));
        assert!(header_bytes(&status) < METADATA_LIMIT_BYTES);

        let ids: Vec<String> = (0..1000)
            .map(|id| format!("member-with-a-long-id-{id}"))
            .collect();
        let recipients = Sent {
            invalid_user_ids: ids.clone(),
            unlicensed_user_ids: ids.clone(),
            invalid_department_ids: (4_000_000_000..4_000_000_100).collect(),
            invalid_tag_ids: (4_000_000_000..4_000_000_100).collect(),
            ..Sent::default()
        };
        let refusal = Refusal {
            errcode: 81013,
            errmsg: "x".repeat(200),
            hint_id: Some("1700000000000000000000001".into()),
            refused_ip: None,
        };
        let long = "长".repeat(100_000);
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert!(header_bytes(&app_not_found(&long, &names)) < METADATA_LIMIT_BYTES);
        assert!(header_bytes(&api_path_not_listed(&long)) < METADATA_LIMIT_BYTES);
        let error = wecom::Error::AllRecipientsInvalid {
            refusal,
            recipients: Box::new(recipients),
        };
        assert!(header_bytes(&wecom(&error)) < METADATA_LIMIT_BYTES);
    }

    #[test]
    fn faults_of_the_store_say_who_can_mend_them() {
        use store::Error;
        let text = || "file of the canary".to_owned();
        for (error, code, reason) in [
            (Error::Full(text()), Code::ResourceExhausted, "STORE_FULL"),
            (Error::Io(text()), Code::Unavailable, "STORE_UNAVAILABLE"),
            (
                Error::Unavailable(text()),
                Code::Unavailable,
                "STORE_UNAVAILABLE",
            ),
            (Error::Corrupt(text()), Code::Internal, "INTERNAL"),
            (Error::Unexpected(text()), Code::Internal, "INTERNAL"),
            (Error::OutOfStep("finish"), Code::Internal, "INTERNAL"),
        ] {
            let status = store(&error);
            let details = status.get_error_details();
            assert_eq!(
                (status.code(), &*details.error_info().unwrap().reason),
                (code, reason)
            );
            assert_eq!(details.retry_info().is_some(), code == Code::Unavailable);
            assert!(!format!("{status:?}").contains("canary"));
        }
    }

    #[test]
    fn long_lists_are_cut_after_an_id() {
        let ids: Vec<String> = (0..1000).map(|id| format!("member-{id:04}")).collect();
        let list = id_list(&ids);
        assert!(list.len() <= ID_LIST_LIMIT_BYTES + ",…".len());
        assert!(list.ends_with(",…"));
        assert!(
            list.trim_end_matches(",…")
                .split(',')
                .all(|id| ids.iter().any(|known| known == id))
        );
        assert_eq!(id_list(&[1, 2, 3]), "1,2,3");
    }
}
