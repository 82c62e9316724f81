//! What a failed call says.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorInfo, FieldViolation, StatusExt as _};

const DOMAIN: &str = "wecomgw";
/// Metadata by which [`crate::Through`] tells what it knows of the call.
pub(crate) const REQUEST_ID: &str = "x-wecomgw-request-id";
pub(crate) const REPEATABLE: &str = "x-wecomgw-repeatable";

/// A call that failed; made from the [`Status`] that a stub gives, by `?` or [`From`].
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code:?}{}{reason}: {message}", if reason.is_empty() { "" } else { " " })]
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
    #[source]
    pub cause: Box<Status>,
}

impl From<Status> for GatewayError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let none = || ErrorInfo::new("", "", HashMap::new());
        let info = details.error_info().cloned().unwrap_or_else(none);
        let of_wecom = |name| info.metadata.get(name).cloned().unwrap_or_default();
        let violations = details.bad_request().map(|bad| bad.field_violations.clone());
        let id = status.metadata().get(REQUEST_ID).map(|id| id.to_str());
        let safe = info.domain == DOMAIN
            || status.metadata().get(REPEATABLE).is_some_and(|mark| mark == "1");
        let wait = details.retry_info();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            errcode: of_wecom("errcode").parse().unwrap_or(0),
            errmsg: of_wecom("errmsg"),
            retryable: wait.is_some() || safe && status.code() == Code::Unavailable,
            retry_after: wait.and_then(|info| info.retry_delay),
            violations: violations.unwrap_or_default(),
            request_id: id.and_then(Result::ok).unwrap_or_default().to_owned(),
            reason: info.reason,
            domain: info.domain,
            metadata: info.metadata,
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
