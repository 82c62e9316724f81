//! The layer around a real tonic service: what a client sees, and what is counted.

use std::{convert::Infallible, future::poll_fn, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use prometheus_client::registry::Registry;
use tonic::{Code, Response as Answer, Status, codec::CompressionEncoding, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_server::{Health, HealthServer},
};
use tower::Layer as _;

use super::*;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Answers, panics or waits, as the name in the request says.
#[derive(Debug)]
struct Moody;

#[tonic::async_trait]
impl Health for Moody {
    type WatchStream = stream::BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Answer<HealthCheckResponse>, Status> {
        match request.get_ref().service.as_str() {
            "panic" => panic!("by request"),
            "wait" => std::future::pending().await,
            "ours" => Err(Status::internal("the store is corrupt")),
            _ => Ok(Answer::new(HealthCheckResponse::default())),
        }
    }

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Answer<Self::WatchStream>, Status> {
        let panics = request.get_ref().service == "panic";
        let events = stream::iter(0..2).map(move |event| {
            assert!(!panics || event == 0, "by request");
            Ok(HealthCheckResponse::default())
        });
        Ok(Answer::new(Box::pin(events)))
    }
}

use futures_util::StreamExt;

struct Bench {
    registry: Arc<Registry>,
    service: Observe<axum::Router>,
}

impl Bench {
    fn new() -> Self {
        let mut registry = Registry::default();
        let methods = ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"];
        let metrics = Metrics::register(&mut registry, methods);
        let health = HealthServer::new(Moody)
            .max_decoding_message_size(1024)
            .accept_compressed(CompressionEncoding::Gzip);
        let router = Routes::new(health).prepare().into_axum_router();
        Self {
            registry: Arc::new(registry),
            service: Layer::new(metrics).layer(router),
        }
    }

    async fn respond(
        &mut self,
        path: &str,
        encoding: Option<&str>,
        body: &[u8],
    ) -> http::Response<Body<axum::body::Body>> {
        let mut request = Request::post(path).header("content-type", "application/grpc");
        if let Some(encoding) = encoding {
            request = request.header("grpc-encoding", encoding);
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        let request = request.body(body).expect("a request");
        let service = &mut self.service;
        let Ok(()) = poll_fn(|context| poll_ready(service, context)).await;
        let Ok(response) = service.call(request).await;
        response
    }

    /// The status a client would see, from headers or trailers.
    async fn status(&mut self, path: &str, encoding: Option<&str>, body: &[u8]) -> Status {
        let response = self.respond(path, encoding, body).await;
        if let Some(status) = Status::from_header_map(response.headers()) {
            return status;
        }
        let body = response.into_body().collect().await.expect("a whole body");
        let trailers = body.trailers().expect("trailers");
        Status::from_header_map(trailers).expect("a status")
    }

    fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        text
    }

    fn count(&self, method: &str, code: &str) -> Option<u64> {
        let start = format!(
            "rpc_server_call_duration_seconds_count{{rpc_system_name=\"grpc\",\
             rpc_method=\"{method}\",rpc_response_status_code=\"{code}\"}} "
        );
        let text = self.text();
        let line = text.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.parse().expect("a number"))
    }
}

fn poll_ready(
    service: &mut Observe<axum::Router>,
    context: &mut Context<'_>,
) -> Poll<Result<(), Infallible>> {
    Service::<Request<Full<Bytes>>>::poll_ready(service, context)
}

/// A gRPC frame.
fn framed(flag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&[flag], &length[..], payload].concat()
}

/// A `HealthCheckRequest` naming `service`, framed.
fn named(service: &str) -> Vec<u8> {
    let length = u8::try_from(service.len()).expect("short");
    framed(0, &[&[0x0a, length], service.as_bytes()].concat())
}

fn reason(status: &Status) -> Option<String> {
    let info = tonic_types::StatusExt::get_details_error_info(status);
    info.map(|info| info.reason)
}

#[tokio::test]
async fn what_a_client_got_wrong_is_never_our_error() {
    let huge = framed(0, &[0; 2000]);
    let rows: [(&str, Option<&str>, &[u8], Code); 10] = [
        (
            "malformed protobuf",
            None,
            &framed(0, &[0xff, 0xff]),
            Code::InvalidArgument,
        ),
        (
            "invalid UTF-8",
            None,
            &framed(0, &[0x0a, 2, 0xc3, 0x28]),
            Code::InvalidArgument,
        ),
        ("over the size limit", None, &huge, Code::ResourceExhausted),
        ("no message", None, &[], Code::InvalidArgument),
        (
            "a message that stops short",
            None,
            &huge[..900],
            Code::ResourceExhausted,
        ),
        (
            "half a frame",
            None,
            &named("abc")[..7],
            Code::InvalidArgument,
        ),
        (
            "compressed without saying how",
            None,
            &framed(1, &[1]),
            Code::InvalidArgument,
        ),
        (
            "a flag that does not exist",
            None,
            &framed(7, &[]),
            Code::InvalidArgument,
        ),
        (
            "broken gzip",
            Some("gzip"),
            &framed(1, &[1, 2, 3]),
            Code::InvalidArgument,
        ),
        // gRPC's compression document asks for this code, so that clients can fall back.
        (
            "unknown compression",
            Some("snappy"),
            &named(""),
            Code::Unimplemented,
        ),
    ];
    let mut bench = Bench::new();
    for (what, encoding, body, expected) in rows {
        let status = bench.status(CHECK, encoding, body).await;
        assert_eq!(status.code(), expected, "{what}: {status:?}");
        assert!(reason(&status).is_some(), "{what}: {status:?}");
    }
    assert_eq!(bench.count("grpc.health.v1.Health/Check", "INTERNAL"), None);
    assert_eq!(
        bench.count("grpc.health.v1.Health/Check", "INVALID_ARGUMENT"),
        Some(7)
    );
    assert_eq!(
        bench.count("grpc.health.v1.Health/Check", "RESOURCE_EXHAUSTED"),
        Some(2)
    );
}

#[tokio::test]
async fn our_own_error_keeps_its_code_and_text() {
    let mut bench = Bench::new();
    let status = bench.status(CHECK, None, &named("ours")).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "the store is corrupt")
    );
    assert_eq!(
        bench.count("grpc.health.v1.Health/Check", "INTERNAL"),
        Some(1)
    );
}

#[tokio::test]
async fn known_methods_are_counted_by_name_and_all_others_together() {
    let mut bench = Bench::new();
    bench.status(CHECK, None, &named("")).await;
    bench.status(WATCH, None, &named("")).await;
    for path in ["/grpc.health.v1.Health/Nothing", "/a.B/C", "/x"] {
        let status = bench.status(path, None, &named("")).await;
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(reason(&status).as_deref(), Some("NOT_OFFERED"));
    }
    assert_eq!(bench.count("grpc.health.v1.Health/Check", "OK"), Some(1));
    assert_eq!(bench.count("grpc.health.v1.Health/Watch", "OK"), Some(1));
    assert_eq!(bench.count("other", "UNIMPLEMENTED"), Some(3));
    let text = bench.text();
    assert!(
        text.contains("# TYPE rpc_server_call_duration_seconds histogram"),
        "{text}"
    );
    assert!(
        text.contains("# UNIT rpc_server_call_duration_seconds seconds"),
        "{text}"
    );
    assert!(text.contains("wecomgw_calls_in_flight 0\n"), "{text}");
}

#[tokio::test]
async fn a_panic_is_internal_with_an_id_and_counted() {
    let mut bench = Bench::new();
    let status = bench.status(CHECK, None, &named("panic")).await;
    assert_eq!(status.code(), Code::Internal);
    let id = status
        .message()
        .strip_prefix("internal error, id ")
        .expect("an id");
    assert_eq!(id.len(), 16);
    assert_eq!(reason(&status).as_deref(), Some("INTERNAL"));
    let status = bench.status(WATCH, None, &named("panic")).await;
    assert_eq!(status.code(), Code::Internal, "in mid-stream");
    assert_eq!(reason(&status).as_deref(), Some("INTERNAL"));
    assert!(
        bench.text().contains("wecomgw_panics_total 2\n"),
        "{}",
        bench.text()
    );
    assert_eq!(
        bench.count("grpc.health.v1.Health/Watch", "INTERNAL"),
        Some(1)
    );
    bench.status(CHECK, None, &named("")).await;
    assert_eq!(
        bench.count("grpc.health.v1.Health/Check", "OK"),
        Some(1),
        "still serving"
    );
}

#[tokio::test]
async fn a_call_its_client_left_is_cancelled() {
    let mut bench = Bench::new();
    {
        let body = named("wait");
        let mut call = std::pin::pin!(bench.respond(CHECK, None, &body));
        assert!(futures_util::poll!(call.as_mut()).is_pending());
    }
    assert_eq!(
        bench.count("grpc.health.v1.Health/Check", "CANCELLED"),
        Some(1)
    );
    drop(bench.respond(WATCH, None, &named("")).await);
    assert_eq!(
        bench.count("grpc.health.v1.Health/Watch", "CANCELLED"),
        Some(1)
    );
    assert!(bench.text().contains("wecomgw_calls_in_flight 0\n"));
}
