//! Codes as they should be for a client's mistakes.
//!
//! tonic answers INTERNAL, OUT_OF_RANGE or UNKNOWN to requests it cannot read, and each of those
//! would page an operator for someone else's bug. Its texts are the only sign of where such a
//! status came from, so they are matched here, in one place, and a test per row fails if an
//! upgrade rewords one.

use http::HeaderMap;
use tonic::{Code, Status};

use crate::grpc::status;

/// tonic's code, the beginning of its text, and the code that says who must act.
const MISTAKES: [(Code, &str, Code); 9] = [
    (
        Code::OutOfRange,
        "Error, decoded message length too large",
        Code::ResourceExhausted,
    ),
    (
        Code::OutOfRange,
        "Error, encoded message length too large",
        Code::ResourceExhausted,
    ),
    (
        Code::Internal,
        "failed to decode Protobuf message",
        Code::InvalidArgument,
    ),
    (
        Code::Internal,
        "protocol error: received message with",
        Code::InvalidArgument,
    ),
    (Code::Internal, "Error decompressing", Code::InvalidArgument),
    (
        Code::ResourceExhausted,
        "Error decompressing",
        Code::ResourceExhausted,
    ),
    (
        Code::Internal,
        "Unexpected EOF decoding stream",
        Code::InvalidArgument,
    ),
    (
        Code::Internal,
        "Missing request message",
        Code::InvalidArgument,
    ),
    // The request's stream was reset or broke off.
    (
        Code::Unknown,
        "error reading a body from connection",
        Code::Cancelled,
    ),
];

/// Repairs the status in headers or trailers, and returns its code; `None` where there is none yet.
/// What tonic says by itself gets the details that every error of ours has.
pub(super) fn repair(headers: &mut HeaderMap) -> Option<Code> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if code == Code::Ok {
        return Some(code);
    }
    let status = Status::from_header_map(headers)?;
    let text = status.message();
    let mistake = MISTAKES
        .iter()
        .find(|(from, prefix, _)| *from == code && text.starts_with(prefix));
    let repaired = match mistake {
        Some((.., repaired)) => status::unreadable(*repaired, text),
        None => match status::completed(&status) {
            Some(completed) => completed,
            None => return Some(code),
        },
    };
    // A header that could not be written leaves tonic's own status standing.
    let _ = repaired.add_header(headers);
    Some(repaired.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(status: Status) -> Option<Code> {
        let mut headers = status.into_http::<()>().into_parts().0.headers;
        let code = repair(&mut headers);
        assert_eq!(
            code,
            Status::from_header_map(&headers).map(|status| status.code())
        );
        code
    }

    #[test]
    fn a_clients_mistake_is_not_ours() {
        let status = Status::internal("failed to decode Protobuf message: invalid tag value: 0");
        assert_eq!(repaired(status), Some(Code::InvalidArgument));
        let status = Status::out_of_range("Error, decoded message length too large: found 9 bytes");
        assert_eq!(repaired(status), Some(Code::ResourceExhausted));
    }

    #[test]
    fn our_own_errors_stay_ours() {
        assert_eq!(
            repaired(Status::internal("the store is corrupt")),
            Some(Code::Internal)
        );
        assert_eq!(
            repaired(Status::out_of_range("sequence 9 is gone")),
            Some(Code::OutOfRange)
        );
        assert_eq!(repaired(Status::internal("")), Some(Code::Internal));
        assert_eq!(repair(&mut HeaderMap::new()), None);
    }
}
