//! The spans of exchanges with WeCom, where the call belongs to a trace.

use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// Begins the span of an exchange. Its name is our own path: an address holds a token.
pub(super) fn begin(path: &'static str) -> Option<Box<Span>> {
    Context::map_current(|context| {
        let tracer = context.get::<SdkTracer>()?;
        let span = tracer
            .span_builder(path)
            .with_kind(SpanKind::Client)
            .with_attributes([KeyValue::new("wecom_api", path)]);
        // In a box: few calls are traced, and every call's future has room for this.
        Some(Box::new(span.start_with_context(tracer, context)))
    })
}

/// Ends it: with WeCom's errcode, or `None` where there was no answer.
pub(super) fn end(mut span: Box<Span>, errcode: Option<i64>) {
    match errcode {
        Some(errcode) => span.set_attribute(KeyValue::new("errcode", errcode)),
        None => span.set_status(Status::error("no answer")),
    }
    span.end();
}
