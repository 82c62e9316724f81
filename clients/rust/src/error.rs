//! What a failed call says.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorInfo, FieldViolation, StatusExt as _};

const DOMAIN: &str = "wecomgw";

/// A call that failed. A stream gives [`Status`], which `?` or [`From`] turns into this.
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
        let none = || ErrorInfo::new("", "", HashMap::new());
        let info = status.get_details_error_info().unwrap_or_else(none);
        let of_wecom = |name| info.metadata.get(name).cloned().unwrap_or_default();
        let wait = status.get_details_retry_info();
        let bad = status.get_details_bad_request();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            errcode: of_wecom("errcode").parse().unwrap_or(0),
            errmsg: of_wecom("errmsg"),
            retryable: wait.is_some()
                || info.domain == DOMAIN && status.code() == Code::Unavailable,
            retry_after: wait.and_then(|info| info.retry_delay),
            violations: bad.map_or_else(Vec::new, |bad| bad.field_violations),
            request_id: String::new(),
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
