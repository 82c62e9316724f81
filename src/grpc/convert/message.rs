//! SendMessage and ValidateMessage.

use crate::grpc::pb;
use crate::wecom::message::{Send, Sent};
use crate::wecom::{Held, Violation};

pub(in crate::grpc) fn send(_: pb::SendMessageRequest) -> Result<Send, Vec<Violation>> {
    Err(vec![])
}
pub(in crate::grpc) fn sent(_: Sent) -> pb::SendMessageResponse {
    Default::default()
}
pub(in crate::grpc) fn validated(
    held: Option<Held>,
    body_size_bytes: usize,
) -> pb::ValidateMessageResponse {
    pb::ValidateMessageResponse {
        retry_after: held
            .as_ref()
            .map(|held| super::gateway::duration(held.retry_after)),
        quota: held.map(|held| held.limit).unwrap_or_default(),
        body_size_bytes: u32::try_from(body_size_bytes).unwrap_or(u32::MAX),
        ..Default::default()
    }
}
pub(in crate::grpc) fn violation(violation: Violation) -> pb::FieldViolation {
    pb::FieldViolation {
        field: violation.field,
        description: violation.description,
    }
}
