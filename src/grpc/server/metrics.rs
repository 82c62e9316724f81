//! What the listener counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::settings::Settings;

/// Counters of the listener. Cloning shares them; the default is counted by nobody.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(super) connections: Gauge,
    pub(super) refused: Refused,
    not_after: Gauge,
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
    /// Tells the end of the certificate that serves, in Unix time.
    pub(super) fn tls_ends_at(&self, not_after: i64) {
        self.not_after.set(not_after);
    }

    /// Counters registered as `wecomgw_connections`, `wecomgw_connections_refused_total` and
    /// `wecomgw_tls_not_after_seconds`.
    #[must_use]
    pub fn register(registry: &mut Registry, settings: &Settings) -> Self {
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
        let not_after = Gauge::default();
        // Without TLS there is none: no time would say "never".
        if settings.tls_cert_file.is_some() {
            registry.register_with_unit(
                "wecomgw_tls_not_after",
                "Unix time at which the certificate of the gRPC port ends",
                Unit::Seconds,
                not_after.clone(),
            );
        }
        let reason = |reason| family.get_or_create_owned(&Labels { reason });
        Self {
            connections,
            not_after,
            refused: Refused {
                per_ip: reason("per_ip"),
                descriptors: reason("descriptors"),
                tls: reason("tls"),
                preface: reason("preface"),
            },
        }
    }
}
