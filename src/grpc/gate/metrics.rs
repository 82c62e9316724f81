//! What the gate counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::access;

/// Counters of the gate. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    refused: Family<Labels, Counter>,
    shed: Family<Labels, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
}

impl Metrics {
    /// Counters registered as `wecomgw_auth_failures_total` and `wecomgw_shed_total`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let this = Self::default();
        registry.register(
            "wecomgw_auth_failures",
            "Calls of nobody that is known",
            this.refused.clone(),
        );
        registry.register(
            "wecomgw_shed",
            "Calls refused because a limit of calls was reached",
            this.shed.clone(),
        );
        this
    }

    pub(super) fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&Labels { reason }).inc();
    }

    pub(super) fn refused(&self, error: access::Error) {
        let labels = Labels {
            reason: error.label(),
        };
        self.refused.get_or_create(&labels).inc();
    }
}
