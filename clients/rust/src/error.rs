//! What a failed call says.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const DOMAIN: &str = "wecomgw";
/// Metadata by which [`crate::Through`] tells what it knows of the call.
pub(crate) const REQUEST_ID: &str = "x-wecomgw-request-id";
pub(crate) const REPEATABLE: &str = "x-wecomgw-repeatable";

/// One broken rule of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field.
    pub field: String,
    /// The rule, the limit and the actual value.
    pub description: String,
}

/// A call that failed; made from the [`Status`] that a stub gives, by `?` or [`From`].
#[derive(Clone, Debug)]
pub struct GatewayError {
    /// Who must act.
    pub code: Code,
    /// What happened, for people.
    pub message: String,
    /// Of ErrorInfo; empty when the gateway itself did not answer.
    pub reason: String,
    /// Of ErrorInfo: `wecomgw`.
    pub domain: String,
    /// Of ErrorInfo.
    pub metadata: HashMap<String, String>,
    /// WeCom's code; 0 when it did not answer.
    pub errcode: i64,
    /// WeCom's text; empty when it did not answer.
    pub errmsg: String,
    /// Whether the same call may be made again, after `retry_after` where there is one.
    pub retryable: bool,
    /// How long to wait.
    pub retry_after: Option<Duration>,
    /// Every broken rule.
    pub violations: Vec<FieldViolation>,
    /// The request_id that was sent, given or filled in.
    pub request_id: String,
    /// The error of tonic.
    pub cause: Box<Status>,
}

impl From<Status> for GatewayError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let (reason, domain, metadata) = match details.error_info() {
            Some(info) => (
                info.reason.clone(),
                info.domain.clone(),
                info.metadata.clone(),
            ),
            None => Default::default(),
        };
        let of_wecom = |name| metadata.get(name).cloned().unwrap_or_default();
        let violations = details.bad_request().map(|request| {
            let violations = request.field_violations.iter();
            let violations = violations.map(|violation| FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            });
            violations.collect()
        });
        let request_id = status.metadata().get(REQUEST_ID);
        let request_id = request_id.and_then(|id| id.to_str().ok());
        let repeatable = status.metadata().contains_key(REPEATABLE);
        let unavailable = status.code() == Code::Unavailable;
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            errcode: of_wecom("errcode").parse().unwrap_or(0),
            errmsg: of_wecom("errmsg"),
            retryable: details.retry_info().is_some()
                || unavailable && (domain == DOMAIN || repeatable),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            violations: violations.unwrap_or_default(),
            request_id: request_id.unwrap_or_default().to_owned(),
            reason,
            domain,
            metadata,
            cause: Box::new(status),
        }
    }
}

impl GatewayError {
    /// Whether a stream broke on its way, so that it can go on elsewhere.
    pub(crate) fn cut(&self) -> bool {
        let broken = [Code::Cancelled, Code::Internal, Code::Unknown].contains(&self.code);
        self.code == Code::Unavailable || broken && self.domain != DOMAIN
    }
}

impl fmt::Display for GatewayError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(out, "{:?}: {}", self.code, self.message),
            reason => write!(out, "{:?} ({reason}): {}", self.code, self.message),
        }
    }
}

impl std::error::Error for GatewayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
