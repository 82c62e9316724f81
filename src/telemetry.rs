//! How the process tells of itself: structured logs to stderr, and the registry of its metrics.
//!
//! Log once, where a failure is handled. No body, token or URL is ever a field; the libraries that
//! would print them (HTTP, TLS, SQL) are capped here, whatever level is asked for.

mod json;

use std::{fmt, io::IsTerminal};

use opentelemetry::KeyValue;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use prometheus_client::{metrics::info::Info, registry::Registry};
use serde::Deserialize;
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, FilterFn, ParseError},
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt,
    registry::LookupSpan,
};

/// The most that a library may log. Below it they print bytes, headers and URLs, and with a URL the
/// access token.
const CAPS: [(&str, Level); 13] = [
    ("h2", Level::INFO),
    ("hyper", Level::INFO),
    ("hyper_util", Level::INFO),
    ("opentelemetry", Level::WARN),
    ("opentelemetry_otlp", Level::WARN),
    ("opentelemetry_sdk", Level::WARN),
    ("reqwest", Level::INFO),
    ("rustls", Level::INFO),
    ("sqlx", Level::WARN),
    ("tokio_rustls", Level::INFO),
    ("tonic", Level::INFO),
    ("tower", Level::INFO),
    ("tower_http", Level::INFO),
];

/// Section `[telemetry]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What to log, as an `env-filter` directive: `info`, or `info,wecomgw::wecom=debug`.
    /// Default `info`. The records of target `audit` are written at every level; `audit=off`
    /// ends them.
    pub level: String,
    /// The shape of a line. Default `json`.
    pub format: Format,
    /// Where spans go, OTLP over gRPC in clear: `http://127.0.0.1:4317`. Nowhere when absent.
    pub otlp_endpoint: Option<String>,
    /// Share of the traces that begin here and are kept, 0 to 1. Default 0.05. A call that
    /// belongs to a trace is kept when its caller keeps it.
    pub otlp_sample_ratio: f64,
}

impl Settings {
    /// What is wrong with them. A word that is no level would be taken for the target of
    /// one, and nothing would be logged.
    pub fn faults(&self) -> Vec<String> {
        let is_level = |part: &str| {
            part.contains('=') || !part.is_empty() && part.parse::<LevelFilter>().is_ok()
        };
        let fault = match EnvFilter::try_new(&self.level) {
            Err(error) => Some(error.to_string()),
            Ok(_) => self.level.split(',').find(|part| !is_level(part)).map(|part| {
                format!("{part:?} is none of off, error, warn, info, debug, trace, nor a target=level")
            }),
        };
        fault
            .map(|fault| format!("telemetry.level: {fault}"))
            .into_iter()
            .collect()
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line: `ts`, `level`, `msg`, `target`, then the fields of the event and of
    /// the spans around it.
    Json,
    /// For people at a terminal.
    Text,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `level` is not a directive.
    #[error("telemetry.level: {0}")]
    Level(#[from] ParseError),
    /// [`init`] was called before, or someone else's subscriber is in place.
    #[error("logging was already started: {0}")]
    Started(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts logging to stderr, and makes panics a log line. Once per process.
///
/// Records of the `log` crate are left out on purpose: rustls and reqwest use it, and no filter of
/// ours sees their true target.
///
/// # Errors
///
/// `level` is no directive, or logging was started before.
pub fn init(settings: &Settings) -> Result<(), Error> {
    let layer = layer(settings, std::io::stderr)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The way of spans to `otlp_endpoint`, if it is set. Shut it down to send what is waiting; that
/// blocks.
///
/// # Errors
///
/// The address or the ratio cannot work.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn tracer_provider(settings: &Settings) -> Result<Option<SdkTracerProvider>, String> {
    if !(0.0..=1.0).contains(&settings.otlp_sample_ratio) {
        return Err("telemetry.otlp_sample_ratio must be 0 to 1".to_owned());
    }
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(None);
    };
    if !endpoint.starts_with("http://") {
        return Err("telemetry.otlp_endpoint must begin with http://: a collector is reached in clear, best on this machine".to_owned());
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| format!("telemetry.otlp_endpoint: {error}"))?;
    let kept = Sampler::TraceIdRatioBased(settings.otlp_sample_ratio);
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(version);
    Ok(Some(
        SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(kept)))
            .with_resource(resource.build())
            .build(),
    ))
}

/// What [`init`] installs, over any writer: tests read what would have been logged.
///
/// # Errors
///
/// `level` is no directive.
pub fn layer<S, W>(settings: &Settings, writer: W) -> Result<Box<dyn Layer<S> + Send + Sync>, Error>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let mut filter = EnvFilter::try_new(&settings.level)?;
    // The audit is not a matter of how much is logged, unless it is named.
    if !settings.level.contains("audit=") {
        filter = filter.add_directive("audit=info".parse()?);
    }
    let filter = filter.and(caps());
    Ok(match settings.format {
        Format::Json => json::Json::new(writer).with_filter(filter).boxed(),
        Format::Text => tracing_subscriber::fmt::layer()
            .with_span_events(FmtSpan::NONE)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(writer)
            .with_filter(filter)
            .boxed(),
    })
}

/// A registry that already holds `wecomgw_build_info`. It adds no prefix: each room registers
/// its metrics under their full names, so that a name can be searched for.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("wecomgw_build", "The version that is running", build);
    registry
}

/// A second filter, since a directive such as `hyper::proto=trace` would outrank another directive.
fn caps() -> FilterFn {
    FilterFn::new(within_cap as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::TRACE)
}

fn within_cap(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    let cap = CAPS.iter().find(|(name, _)| *name == library);
    cap.is_none_or(|(_, most)| metadata.level() <= most)
}

/// The place of a panic. A literal text is ours; a formatted one may hold anything, so it stays out.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let text = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(text withheld)");
    tracing::error!(place, text, "a thread panicked at {place}");
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn logged(level: &str, format: Format, work: impl FnOnce()) -> Vec<String> {
            let lines = Self::default();
            let writer = lines.clone();
            let settings = Settings {
                level: level.to_owned(),
                format,
                otlp_endpoint: None,
                otlp_sample_ratio: 0.0,
            };
            let layer = layer(&settings, move || writer.clone()).expect("a directive");
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::with_default(subscriber, work);
            let bytes = lines.0.lock().expect("no panic").clone();
            String::from_utf8(bytes)
                .expect("text")
                .lines()
                .map(str::to_owned)
                .collect()
        }
    }

    #[test]
    fn a_json_line_has_the_agreed_fields_and_those_of_its_spans() {
        let lines = Lines::logged("info", Format::Json, || {
            let span = tracing::info_span!("call", rpc = "a.B/C", app = tracing::field::Empty);
            span.record("app", "sales");
            let _entered = span.enter();
            tracing::warn!(errcode = 45009, hint = %"h1", "limited for {} s", 60);
        });
        let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(line["level"], "warn");
        assert_eq!(line["msg"], "limited for 60 s");
        assert_eq!(line["target"], module_path!());
        assert_eq!(line["errcode"], 45009);
        assert_eq!(line["hint"], "h1");
        assert_eq!(line["rpc"], "a.B/C");
        assert_eq!(line["app"], "sales");
        humantime::parse_rfc3339(line["ts"].as_str().expect("text")).expect("a time");
    }

    #[test]
    fn any_text_is_json_and_the_innermost_field_of_a_name_stays() {
        let text = "a \"quote\", a \\, a\nline,\u{1} a tab\t and 企业微信";
        let lines = Lines::logged("info", Format::Json, || {
            let outer = tracing::info_span!("outer", app = "outer", rpc = "a.B/C", hint = 1);
            let _outer = outer.enter();
            let inner = tracing::info_span!("inner", app = "first");
            inner.record("app", text);
            let _inner = inner.enter();
            tracing::info!(hint = f64::NAN, yes = true, text, "{text}");
        });
        assert_eq!(lines.len(), 1);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
        for key in ["msg", "text", "app"] {
            assert_eq!(line[key], text, "{key}");
        }
        assert_eq!(
            (&line["rpc"], &line["hint"]),
            (&"a.B/C".into(), &"NaN".into())
        );
        assert_eq!(line["yes"], true);
    }

    #[test]
    fn libraries_stay_capped_whatever_is_asked_for() {
        let lines = Lines::logged("trace,hyper::proto=trace,h2=trace", Format::Json, || {
            tracing::trace!(target: "hyper::proto::h1", "bytes");
            tracing::debug!(target: "h2", "frame");
            tracing::info!(target: "sqlx::query", "select");
            tracing::info!(target: "rustls", "kept");
            tracing::trace!(target: "hyperbole", "kept");
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains("kept")), "{lines:?}");
    }

    #[test]
    fn a_bad_level_is_an_error() {
        let settings = Settings {
            level: "wecomgw=loud".to_owned(),
            format: Format::Text,
            otlp_endpoint: None,
            otlp_sample_ratio: 0.0,
        };
        let refused = layer::<tracing_subscriber::Registry, _>(&settings, io::stderr);
        assert!(matches!(refused, Err(Error::Level(_))));
    }

    #[test]
    fn the_registry_says_which_version_runs() {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry()).expect("text");
        let expected = concat!(
            "wecomgw_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        );
        assert!(text.contains(expected), "{text}");
    }
}
