//! What this room counts. Labels are bounded: configured apps, outcomes, reasons.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::job::{Event, PauseReason};
use crate::store::Changes;

/// In the order of the outcomes' numbers.
const OUTCOMES: [&str; 7] = [
    "accepted",
    "invalid",
    "unlicensed",
    "failed",
    "cancelled",
    "expired",
    "unknown",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    app: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PauseLabel {
    app: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabel {
    app: String,
}

/// The room's metrics; clones share their values.
#[derive(Clone, Default)]
pub struct Metrics {
    recipients: Family<OutcomeLabel, Counter>,
    paused: Family<PauseLabel, Gauge>,
    resends: Family<AppLabel, Counter>,
    lanes_taken: Family<AppLabel, Counter>,
}

impl Metrics {
    /// Makes them readable through `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "wecomgw_bulk_recipients",
            "Items of bulk jobs by final outcome",
            self.recipients.clone(),
        );
        registry.register(
            "wecomgw_bulk_paused",
            "Whether the bulk jobs of an app pause, and why",
            self.paused.clone(),
        );
        registry.register(
            "wecomgw_bulk_resends",
            "Batches sent again as the same bytes, their first answer being lost",
            self.resends.clone(),
        );
        registry.register(
            "wecomgw_lease_changes",
            "Times that this process took the lane of an app",
            self.lanes_taken.clone(),
        );
    }

    /// Counts what was written down.
    pub(super) fn count(&self, app: &str, changes: &Changes) {
        for (_, event) in &changes.events {
            match Event::from_bytes(&event.payload) {
                Ok(Event::BatchFinished { counts, .. }) => self.count_items(app, counts),
                Ok(Event::Paused(pause)) => self.pause(app, Some(pause.reason)),
                Ok(Event::Resumed) => self.pause(app, None),
                _ => {}
            }
        }
        let resends = changes
            .claims
            .iter()
            .filter(|(_, batch)| batch.doubt_since_ms.is_some());
        let app = app.to_owned();
        self.resends
            .get_or_create(&AppLabel { app })
            .inc_by(resends.count() as u64);
    }

    /// The lane of `app` is ours now.
    pub(super) fn lane_taken(&self, app: &str) {
        let app = app.to_owned();
        self.lanes_taken.get_or_create(&AppLabel { app }).inc();
    }

    fn count_items(&self, app: &str, counts: [u32; 7]) {
        for (outcome, count) in OUTCOMES.into_iter().zip(counts) {
            if count > 0 {
                let app = app.to_owned();
                self.recipients
                    .get_or_create(&OutcomeLabel { app, outcome })
                    .inc_by(count.into());
            }
        }
    }

    fn pause(&self, app: &str, now: Option<PauseReason>) {
        for (reason, label) in [
            (PauseReason::RateLimited, "rate_limited"),
            (PauseReason::QuotaUsed, "quota_used"),
            (PauseReason::CircuitOpen, "circuit_open"),
            (PauseReason::Credential, "credential"),
        ] {
            let app = app.to_owned();
            self.paused
                .get_or_create(&PauseLabel { app, reason: label })
                .set(i64::from(now == Some(reason)));
        }
    }
}
