//! The gate around services that do not keep their own deadlines.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Layer as _, ServiceExt as _};

use super::*;
use crate::access::Access;
use crate::grpc::pb;

fn gate() -> Layer {
    let access = Arc::new(Access::new(&[], None).unwrap());
    let descriptors = prost::Message::decode(pb::DESCRIPTORS).unwrap();
    let limits = Limits {
        unary_calls: 2,
        unary_calls_per_caller: 1,
        calls_per_second_per_caller: 1,
        streams: 1,
        streams_per_caller: 1,
    };
    let metrics = Metrics::register(&mut Registry::default());
    Layer::new(
        Callers::new(access, Vec::new()),
        &descriptors,
        limits,
        metrics,
        None,
    )
}

fn request(method: &str, timeout: Option<&str>) -> Request<()> {
    let mut request = Request::builder()
        .header("content-type", "application/grpc")
        .uri(format!("/wecomgw.v1.{method}"));
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    request.body(()).unwrap()
}

/// A body of which nothing comes.
struct Silent;

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().unwrap().reason.clone()
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_is_ended_just_before_its_deadline() {
    let never = tower::service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Silent>, Infallible>>()
    });
    let gate = gate().layer(never);
    let millis = Duration::from_millis;
    for (method, timeout, expected, its_reason) in [
        (
            "UserService/GetUser",
            Some("200m"),
            millis(175),
            "DEADLINE_EXCEEDED",
        ),
        (
            "MessageService/SendMessage",
            Some("200m"),
            millis(175),
            "OUTCOME_UNKNOWN",
        ),
        (
            "UserService/GetUser",
            Some("1n"),
            millis(0),
            "DEADLINE_EXCEEDED",
        ),
        (
            "UserService/GetUser",
            None,
            millis(14_975),
            "DEADLINE_EXCEEDED",
        ),
        (
            "UserService/GetUser",
            Some("1H"),
            millis(29_975),
            "DEADLINE_EXCEEDED",
        ),
        (
            "UserService/ListUsers",
            Some("3S"),
            millis(2975),
            "DEADLINE_EXCEEDED",
        ),
    ] {
        let began = Instant::now();
        let answer = gate
            .clone()
            .oneshot(request(method, timeout))
            .await
            .unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(reason(&status), its_reason, "{method}");
        let took = began.elapsed();
        assert!(
            took >= expected && took <= expected + millis(2),
            "{method} {timeout:?}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_its_deadline_also_after_it_has_begun() {
    let silent =
        tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Silent)) });
    let gate = gate().layer(silent);
    let began = Instant::now();
    let list = request("UserService/ListUsers", Some("5S"));
    let answer = gate.clone().oneshot(list).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    let ended = answer.into_body().collect().await.unwrap();
    let status = Status::from_header_map(ended.trailers().unwrap()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(
        began.elapsed() < Duration::from_millis(4980),
        "{:?}",
        began.elapsed()
    );

    // One without a deadline goes on, and takes the only place.
    let list = || request("UserService/ListUsers", None);
    let endless = gate.clone().oneshot(list()).await.unwrap().into_body();
    let endless = tokio::spawn(endless.collect());
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert!(!endless.is_finished());
    let refused = gate.clone().oneshot(list()).await.unwrap();
    let status = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "OVERLOADED");
    endless.abort();
    let _ = endless.await;
    let again = gate.oneshot(list()).await.unwrap();
    assert!(Status::from_header_map(again.headers()).is_none());
}
