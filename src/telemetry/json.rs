//! One JSON object per event, flat, with the gateway's field names.

use std::{fmt, io::Write, time::SystemTime};

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

/// Writes events as `ts`, `level`, `msg`, `target`, of a call in a trace `trace_id` and
/// `span_id`, then the fields of the spans around the event
/// from the outermost in, then the event's own; a later field replaces an earlier one.
#[derive(Debug)]
pub(super) struct Json<W> {
    writer: W,
}

impl<W> Json<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// A span's fields, kept with the span.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for Json<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(Fields(fields)) = span.extensions().get() {
                line.0.extend(
                    fields
                        .iter()
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
            }
        }
        event.record(&mut line);
        let metadata = event.metadata();
        let Fields(mut fields) = line;
        opentelemetry::Context::map_current(|context| {
            if context.has_active_span() {
                let span = context.span().span_context().clone();
                fields.insert("trace_id".to_owned(), span.trace_id().to_string().into());
                fields.insert("span_id".to_owned(), span.span_id().to_string().into());
            }
        });
        let message = fields.remove("message").unwrap_or_default();
        let ts = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let level = metadata.level().as_str().to_ascii_lowercase();
        fields.insert("ts".to_owned(), ts.into());
        fields.insert("level".to_owned(), level.into());
        fields.insert("msg".to_owned(), message);
        fields.insert("target".to_owned(), metadata.target().into());
        let mut text = Value::Object(fields).to_string();
        text.push('\n');
        // In one write, so that lines of several threads do not mix. A log that cannot be
        // written has nowhere to be reported.
        let _ = self
            .writer
            .make_writer_for(metadata)
            .write_all(text.as_bytes());
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}
