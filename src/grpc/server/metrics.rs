//! What the listener counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counters of the listener. Cloning shares them; the default is counted by nobody.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(super) connections: Gauge,
    pub(super) refused: Refused,
}

/// `wecomgw_connections_refused_total`, one counter per reason, resolved once.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused {
    pub(super) per_ip: Counter,
    pub(super) descriptors: Counter,
    pub(super) tls: Counter,
    pub(super) preface: Counter,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
}

impl Metrics {
    /// Counters registered as `wecomgw_connections` and `wecomgw_connections_refused_total`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let connections = Gauge::default();
        registry.register(
            "wecomgw_connections",
            "gRPC connections open now, those still in their handshake included",
            connections.clone(),
        );
        let family = Family::<Labels, Counter>::default();
        registry.register(
            "wecomgw_connections_refused",
            "gRPC connections closed before their first call",
            family.clone(),
        );
        let reason = |reason| family.get_or_create_owned(&Labels { reason });
        Self {
            connections,
            refused: Refused {
                per_ip: reason("per_ip"),
                descriptors: reason("descriptors"),
                tls: reason("tls"),
                preface: reason("preface"),
            },
        }
    }
}
