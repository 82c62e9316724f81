//! Codes as they should be for a client's mistakes.
//!
//! tonic answers INTERNAL, OUT_OF_RANGE or UNKNOWN to requests it cannot read, and each of those
//! would page an operator for someone else's bug. Its texts are the only sign of where such a
//! status came from, so they are matched here, in one place, and a test per row fails if an
//! upgrade rewords one.

use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};

/// tonic's code, the beginning of its text, and the code that says who must act.
const MISTAKES: [(Code, &str, Code); 8] = [
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

/// Repairs the code in headers or trailers, and returns it; `None` where there is none yet.
pub(super) fn repair(headers: &mut HeaderMap) -> Option<Code> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if !matches!(code, Code::OutOfRange | Code::Internal | Code::Unknown) {
        return Some(code);
    }
    let text = headers
        .get(Status::GRPC_MESSAGE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let mistake = MISTAKES
        .iter()
        .find(|(from, prefix, _)| *from == code && begins(text, prefix));
    let Some((_, _, repaired)) = mistake else {
        return Some(code);
    };
    headers.insert(Status::GRPC_STATUS, HeaderValue::from(*repaired as i32));
    Some(*repaired)
}

/// Whether the percent-encoded `text` begins with the plain `prefix`.
fn begins(text: &[u8], prefix: &str) -> bool {
    let mut rest = text;
    for wanted in prefix.bytes() {
        let (byte, length) = match rest {
            [b'%', high, low, ..] => (hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l), 3),
            [byte, ..] => (Some(*byte), 1),
            [] => return false,
        };
        if byte != Some(wanted) {
            return false;
        }
        rest = &rest[length..];
    }
    true
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
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

    #[test]
    fn broken_percent_encoding_matches_nothing() {
        assert!(!begins(b"failed%2", "failed to"));
        assert!(!begins(b"failed%zzto", "failed to"));
        assert!(begins(b"failed%20to%20x", "failed to"));
    }
}
