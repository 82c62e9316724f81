//! Spans, as a collector sees them.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use sha2::Digest as _;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::harness::{API_TOKEN, SandboxHandle, World, audit_log, look, text_to};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        look("spans", &request.encode_to_vec());
        let scopes = request.resource_spans.into_iter();
        let spans = scopes.flat_map(|resource| resource.scope_spans);
        let spans = spans.flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Where it listens, until the test ends.
    fn listen(&self) -> String {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming(incoming);
        tokio::spawn(server);
        format!("http://{address}")
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key == key);
    format!("{:?}", found.and_then(|found| found.value.clone()))
}

#[tokio::test]
async fn a_batch_begins_a_trace_and_names_its_job() {
    let collector = Collector::default();
    let overlay = format!(
        "[telemetry]\notlp_endpoint = \"{}\"\notlp_sample_ratio = 1.0\n",
        collector.listen()
    );
    let sandbox = SandboxHandle::start_with(super::bulk::crowd_settings(1001)).await;
    let world = World::start_with(sandbox, &overlay).await;
    let events = super::bulk::finish(&world, super::bulk::upload("Lunch is ready", 1001)).await;
    world.stop().await;

    let spans = collector.spans();
    let named =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let [call] = named("wecomgw.v1.BulkService/SendBulk")[..] else {
        panic!("{spans:?}");
    };
    assert!(attribute(call, "wecomgw.job").contains(&events[0].job_id));
    let batches = named("bulk batch");
    assert_eq!(batches.len(), 2, "{spans:?}");
    for batch in batches {
        assert!(batch.parent_span_id.is_empty() && batch.trace_id != call.trace_id);
        assert!(attribute(batch, "wecomgw.job").contains(&events[0].job_id));
        let mut below = named("message/send").into_iter();
        assert!(below.any(|span| span.parent_span_id == batch.span_id));
    }
}

#[tokio::test]
async fn a_collector_sees_the_call_in_its_callers_trace_and_no_secret() {
    let collector = Collector::default();
    let address = collector.listen();
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let overlay = format!(
        "[telemetry]\notlp_endpoint = \"{address}\"\notlp_sample_ratio = 0.0\n\
         [[callers]]\nname = \"traced\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"*\"]\napps = [\"youxiao\"]\n"
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let send = |user: &str, flags: Option<&str>| {
        let mut request = Request::new(text_to(user, "hello"));
        let token = format!("Bearer {API_TOKEN}").parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        if let Some(flags) = flags {
            let parent = format!("00-{TRACE}-{PARENT}-{flags}").parse().unwrap();
            request.metadata_mut().insert("traceparent", parent);
        }
        request
    };
    let mut messages = world.messages();
    messages
        .send_message(send("zhangsan", Some("01")))
        .await
        .unwrap();
    messages
        .send_message(send("nobody", Some("01")))
        .await
        .unwrap_err();
    // This one goes on when its caller leaves, and belongs to the trace nonetheless.
    let mut kept = send("zhangsan", Some("01"));
    kept.get_mut().request_id = "traced-1".to_owned();
    messages.send_message(kept).await.unwrap();
    // Neither that of a trace which its caller does not keep, nor one of our own at ratio 0.
    messages
        .send_message(send("zhangsan", Some("00")))
        .await
        .unwrap();
    messages.send_message(send("zhangsan", None)).await.unwrap();
    world.stop().await;

    let spans = collector.spans();
    let servers: Vec<&Span> = spans.iter().filter(|span| span.kind == 2).collect();
    assert_eq!(servers.len(), 3, "{spans:?}");
    for (server, code) in servers.iter().zip(["OK", "INVALID_ARGUMENT", "OK"]) {
        assert_eq!(server.name, "wecomgw.v1.MessageService/SendMessage");
        assert_eq!(hex::encode(&server.trace_id), TRACE);
        assert_eq!(hex::encode(&server.parent_span_id), PARENT);
        assert!(attribute(server, "rpc.response.status_code").contains(code));
        assert!(attribute(server, "wecomgw.caller").contains("traced"));
        assert!(attribute(server, "wecomgw.app").contains("youxiao"));
        let exchanges = spans
            .iter()
            .filter(|span| span.parent_span_id == server.span_id);
        let exchanges: Vec<&Span> = exchanges.collect();
        assert_eq!(exchanges.len(), 1, "{spans:?}");
        assert_eq!(
            (exchanges[0].name.as_str(), exchanges[0].kind),
            ("message/send", 3)
        );
    }
    assert!(
        spans
            .iter()
            .all(|span| hex::encode(&span.trace_id) == TRACE)
    );

    // The audit is not sampled, and names the trace.
    let records = audit_log()
        .into_iter()
        .filter(|record| record["caller"] == "traced");
    let traces: Vec<bool> = records.map(|record| record["trace_id"] == TRACE).collect();
    assert_eq!(traces, [true, true, true, true, false]);
}
