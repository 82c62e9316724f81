//! The trace that a call belongs to: W3C trace context in, one server span out.
//!
//! Spans are made here and not from `tracing`'s, whose bridge costs more than a microsecond a
//! call, sampled or not. Names of attributes are those of OpenTelemetry's RPC conventions 1.45.

use http::{HeaderMap, HeaderName};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use tonic::Code;

use super::Call;
use super::method::Method;
use crate::grpc::observe::code_name;

/// The header of a call that belongs to a trace already (<https://www.w3.org/TR/trace-context/>).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The context of a call: with a span of ours where there is a tracer, else with the caller's,
/// so that log lines name the trace either way.
pub(super) fn begin(
    tracer: Option<&SdkTracer>,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Context> {
    let parent = headers.contains_key(TRACEPARENT).then(|| {
        let propagator = TraceContextPropagator::new();
        propagator.extract_with_context(&Context::new(), &Headers(headers))
    });
    let Some(tracer) = tracer else {
        return parent.filter(|parent| parent.span().span_context().is_valid());
    };
    let parent = parent.unwrap_or_default();
    let span = tracer
        .span_builder(method.name)
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method.name),
        ])
        .start_with_context(tracer, &parent);
    // Whoever calls WeCom finds the tracer here, and makes its span a child of this one.
    Some(parent.with_span(span).with_value(tracer.clone()))
}

/// Ends the call's span.
pub(super) fn end(context: &Context, call: Option<&Call>, code: Code) {
    let span = context.span();
    if !span.is_recording() {
        return;
    }
    span.set_attribute(KeyValue::new("rpc.response.status_code", code_name(code)));
    if let Some(call) = call {
        let name = call.caller.name().to_owned();
        span.set_attribute(KeyValue::new("wecomgw.caller", name));
        if let Some(app) = call.app.get() {
            span.set_attribute(KeyValue::new("wecomgw.app", app.name().to_owned()));
        }
        if let Some(job) = call.job.get() {
            span.set_attribute(KeyValue::new("wecomgw.job", job.clone()));
        }
    }
    // Those that are the server's doing; the others are the client's.
    if matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        span.set_status(Status::error(""));
    }
    span.end();
}
