//! The spans of batches. A batch may go out hours after its job was accepted, and on another
//! replica: it begins a trace of its own, and is found by the job's id.

use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

/// The context of a batch, whose span ends with it.
pub(super) fn begin(tracer: Option<&SdkTracer>, app: &str, job: &str, batch: u32) -> Context {
    let Some(tracer) = tracer else {
        return Context::new();
    };
    let span = tracer.span_builder("bulk batch").with_attributes([
        KeyValue::new("wecomgw.app", app.to_owned()),
        KeyValue::new("wecomgw.job", job.to_owned()),
        KeyValue::new("wecomgw.batch", i64::from(batch)),
    ]);
    let span = span.start_with_context(tracer, &Context::new());
    // Whoever calls WeCom finds the tracer here, and makes its span a child of this one.
    Context::new().with_span(span).with_value(tracer.clone())
}
