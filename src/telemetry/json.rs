//! One JSON object per event, flat, with the gateway's field names.
//!
//! Written straight into the line: every call that changes something has an audit record, so
//! this is a part of its price.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::SystemTime;

use opentelemetry::trace::TraceContextExt as _;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

/// Room for a usual line, so that it is allocated once.
const LINE_BYTES: usize = 512;
/// Room for the fields of a usual line.
const FIELDS: usize = 16;

/// Writes events as `ts`, `level`, `target`, of a call in a trace `trace_id` and `span_id`, then
/// the event's own fields, its text as `msg`, then those of the spans around it from the innermost
/// out. Of two fields with one name the first stays.
#[derive(Debug)]
pub(super) struct Json<W> {
    writer: W,
}

impl<W> Json<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

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
        let mut extensions = span.extensions_mut();
        let Some(known) = extensions.get_mut::<Fields>() else {
            return;
        };
        let mut later = Fields::default();
        values.record(&mut later);
        later.add_missing(known);
        *known = later;
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Fields {
            json: Vec::with_capacity(LINE_BYTES),
            names: Vec::with_capacity(FIELDS),
        };
        line.text("ts", |text| {
            write!(
                text,
                "{}",
                humantime::format_rfc3339_millis(SystemTime::now())
            )
        });
        line.text("level", |text| text.write_str(level(*metadata.level())));
        line.text("target", |text| text.write_str(metadata.target()));
        opentelemetry::Context::map_current(|context| {
            if context.has_active_span() {
                let span = context.span();
                let ids = span.span_context();
                line.text("trace_id", |text| write!(text, "{}", ids.trace_id()));
                line.text("span_id", |text| write!(text, "{}", ids.span_id()));
            }
        });
        event.record(&mut line);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.add_missing(fields);
            }
        }
        let mut json = line.json;
        json[0] = b'{';
        json.extend(b"}\n");
        // In one write, so that lines of several threads do not mix. A log that cannot be
        // written has nowhere to be reported.
        let _ = self.writer.make_writer_for(metadata).write_all(&json);
    }
}

fn level(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

/// Fields as JSON: `,"name":value` for each.
#[derive(Debug, Default)]
struct Fields {
    json: Vec<u8>,
    /// The names, and where their fields begin.
    names: Vec<(&'static str, usize)>,
}

impl Fields {
    /// Begins a field. Those of one event or span have names of their own.
    fn begin(&mut self, name: &'static str) {
        let name = if name == "message" { "msg" } else { name };
        self.names.push((name, self.json.len()));
        // Names are identifiers of ours.
        self.json.extend(b",\"");
        self.json.extend(name.as_bytes());
        self.json.extend(b"\":");
    }

    fn text(&mut self, name: &'static str, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        self.begin(name);
        self.json.push(b'"');
        // Writing into memory does not fail; a Display that does leaves a short text.
        let _ = write(&mut Escaped(&mut self.json));
        self.json.push(b'"');
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.begin(field.name());
        let _ = write!(self.json, "{value}");
    }

    /// Adds the fields of `other` whose names are not here.
    fn add_missing(&mut self, other: &Self) {
        for (index, (name, start)) in other.names.iter().enumerate() {
            let end = other.names.get(index + 1);
            let end = end.map_or(other.json.len(), |(_, next)| *next);
            if self.names.iter().all(|(known, _)| known != name) {
                self.names.push((name, self.json.len()));
                self.json.extend(&other.json[*start..end]);
            }
        }
    }
}

/// Writes text as the inside of a JSON string (RFC 8259 §7).
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        while let Some(at) = rest.iter().position(special) {
            self.0.extend(&rest[..at]);
            match rest[at] {
                byte @ (b'"' | b'\\') => self.0.extend([b'\\', byte]),
                b'\n' => self.0.extend(b"\\n"),
                byte => {
                    let _ = write!(self.0, "\\u{byte:04x}");
                }
            }
            rest = &rest[at + 1..];
        }
        self.0.extend(rest);
        Ok(())
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), |text| write!(text, "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), |text| text.write_str(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.plain(field, value),
            false => self.text(field.name(), |text| write!(text, "{value}")),
        }
    }
}
