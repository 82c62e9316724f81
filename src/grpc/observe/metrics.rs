//! The numbers kept per call, and their handles, resolved once per method and code.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;
use tonic::Code;

/// Bounds in seconds. Fewer than OpenTelemetry advises, since each is a series per method and code:
/// 45 methods × 2 codes × 10 lines stay below 1000.
const BUCKETS: [f64; 7] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0];

/// The label of methods that are not in the list given to [`Metrics::register`]; anyone can send
/// any path, and a label per path would be a series per path.
const OTHER: &str = "other";

/// gRPC's codes by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// gRPC's name of a code.
pub(in crate::grpc) fn code_name(code: Code) -> &'static str {
    CODES[code as usize]
}

/// The metrics of all calls. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Method (`package.Service/Method`) to its row.
    rows: HashMap<String, usize>,
    /// Row to method, `other` last.
    names: Vec<String>,
    /// One handle per row and code, made when first needed: a series that never happens is
    /// never shown.
    handles: Box<[OnceLock<Histogram>]>,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    panics: Counter,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    rpc_method: String,
    rpc_response_status_code: &'static str,
}

impl Metrics {
    /// Registers `rpc_server_call_duration_seconds` (OpenTelemetry's `rpc.server.call.duration`,
    /// semantic conventions 1.45), `wecomgw_calls_in_flight` and `wecomgw_panics_total`.
    ///
    /// `methods` are the known ones, as `wecomgw.v1.MessageService/SendMessage`; all others count
    /// as `other`. A stream's duration is its whole life.
    #[must_use]
    pub fn register<M: Into<String>>(
        registry: &mut Registry,
        methods: impl IntoIterator<Item = M>,
    ) -> Self {
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry
            .sub_registry_with_label(("rpc_system_name".into(), "grpc".into()))
            .register_with_unit(
                "rpc_server_call_duration",
                "Time from a call's headers to its status",
                Unit::Seconds,
                durations.clone(),
            );
        let (in_flight, panics) = (Gauge::default(), Counter::default());
        registry.register(
            "wecomgw_calls_in_flight",
            "Calls without a status yet",
            in_flight.clone(),
        );
        registry.register(
            "wecomgw_panics",
            "Calls that ended in a panic",
            panics.clone(),
        );

        let mut names: Vec<String> = methods.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        let rows = names.iter().cloned().zip(0..).collect();
        names.push(OTHER.to_owned());
        let handles = (0..names.len() * CODES.len())
            .map(|_| OnceLock::new())
            .collect();
        Self(Arc::new(Inner {
            rows,
            names,
            handles,
            durations,
            in_flight,
            panics,
        }))
    }

    fn histogram(&self, row: usize, code: Code) -> &Histogram {
        let code = code as usize;
        self.0.handles[row * CODES.len() + code].get_or_init(|| {
            let rpc_method = self.0.names[row].clone();
            let labels = Labels {
                rpc_method,
                rpc_response_status_code: CODES[code],
            };
            self.0.durations.get_or_create_owned(&labels)
        })
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// One call's stopwatch. Dropped without a status, the call was abandoned by its client (or cut
/// with its connection), which gRPC calls CANCELLED.
#[derive(Debug)]
pub(super) struct Measure {
    metrics: Metrics,
    row: usize,
    started: Instant,
    finished: bool,
}

impl Measure {
    pub(super) fn start(metrics: &Metrics, path: &str) -> Self {
        let method = path.strip_prefix('/').unwrap_or(path);
        let inner = &metrics.0;
        let row = inner
            .rows
            .get(method)
            .copied()
            .unwrap_or(inner.names.len() - 1);
        inner.in_flight.inc();
        Self {
            metrics: metrics.clone(),
            row,
            started: Instant::now(),
            finished: false,
        }
    }

    /// The method's label; never a path the client made up.
    pub(super) fn method(&self) -> &str {
        &self.metrics.0.names[self.row]
    }

    /// Records the call's status; only the first one counts.
    pub(super) fn finish(&mut self, code: Code) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        self.metrics.histogram(self.row, code).observe(seconds);
        self.metrics.0.in_flight.dec();
    }

    pub(super) fn panicked(&mut self) {
        self.metrics.0.panics.inc();
        self.finish(Code::Internal);
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}
