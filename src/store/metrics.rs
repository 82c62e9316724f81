//! What this room counts. Labels are bounded: operations are named in this room's code.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use super::error::{Error, Result};

/// From what a cached read takes to the time limits of both engines.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OpLabel {
    op: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The room's metrics; clones share their values.
#[derive(Debug, Clone)]
pub(super) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seconds: Family<OpLabel, Histogram, fn() -> Histogram>,
    errors: Family<KindLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Inner {
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            errors: Family::default(),
        }))
    }
}

impl Metrics {
    /// Makes them readable through `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "wecomgw_store_tx",
            "Time of the store's transactions by operation, the wait for a connection included",
            Unit::Seconds,
            self.0.seconds.clone(),
        );
        registry.register(
            "wecomgw_store_errors",
            "Transactions that failed in the engine or on the way to it, by kind",
            self.0.errors.clone(),
        );
    }

    /// Measures a transaction from now on.
    pub(super) fn begin(&self, op: &'static str) -> Meter {
        Meter {
            metrics: self.clone(),
            op,
            begun: Instant::now(),
            failed: false,
        }
    }
}

/// Measures a transaction until it is dropped.
pub(super) struct Meter {
    metrics: Metrics,
    op: &'static str,
    begun: Instant,
    failed: bool,
}

impl Meter {
    /// Counts the failure of a transaction, once.
    pub(super) fn watch<T>(&mut self, done: Result<T>) -> Result<T> {
        if let (Err(error), false) = (&done, self.failed) {
            self.failed = true;
            let kind = KindLabel { kind: kind(error) };
            self.metrics.0.errors.get_or_create(&kind).inc();
        }
        done
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let op = OpLabel { op: self.op };
        let seconds = self.begun.elapsed().as_secs_f64();
        self.metrics.0.seconds.get_or_create(&op).observe(seconds);
    }
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "unavailable",
        Error::Full(_) => "full",
        Error::Io(_) => "io",
        Error::Corrupt(_) => "corrupt",
        Error::Conflict(_) => "conflict",
        _ => "other",
    }
}
