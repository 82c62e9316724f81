//! What this room counts. Labels are bounded: configured apps, outcomes, reasons.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::job::{Event, PauseReason};
use crate::store::{Backlog, Changes, JobState};

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The room's metrics; clones share their values.
#[derive(Clone, Default)]
pub struct Metrics {
    recipients: Family<OutcomeLabel, Counter>,
    paused: Family<PauseLabel, Gauge>,
    resends: Family<AppLabel, Counter>,
    lanes_taken: Family<AppLabel, Counter>,
    jobs: Family<StateLabel, Gauge>,
    waiting: Family<AppLabel, Gauge>,
    oldest_ready_age: Family<AppLabel, Gauge>,
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
        registry.register(
            "wecomgw_bulk_jobs",
            "Open bulk jobs by state, of all replicas",
            self.jobs.clone(),
        );
        registry.register(
            "wecomgw_bulk_backlog_recipients",
            "Items of bulk jobs without an outcome, of all replicas",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "wecomgw_bulk_oldest_ready_age",
            "How long the batch that waits longest could have been sent, in all replicas",
            Unit::Seconds,
            self.oldest_ready_age.clone(),
        );
    }

    /// Shows what is open.
    pub(super) fn backlog(&self, backlog: &Backlog, now_ms: i64) {
        for (state, label) in [
            (JobState::Accepted, "accepted"),
            (JobState::Running, "running"),
            (JobState::Paused, "paused"),
        ] {
            let jobs = backlog.jobs.iter().find(|(its, _)| *its == state);
            let jobs = jobs.map_or(0, |(_, jobs)| *jobs);
            let gauge = self.jobs.get_or_create(&StateLabel { state: label });
            gauge.set(i64::try_from(jobs).unwrap_or(i64::MAX));
        }
        // An app whose jobs have ended is not in the backlog: it has nothing.
        self.waiting.clear();
        self.oldest_ready_age.clear();
        for its in &backlog.apps {
            let app = its.app.clone();
            let waiting = i64::try_from(its.waiting_items).unwrap_or(i64::MAX);
            self.waiting
                .get_or_create(&AppLabel { app: app.clone() })
                .set(waiting);
            let age = its.oldest_ready_ms.map_or(0, |since| now_ms - since);
            self.oldest_ready_age
                .get_or_create(&AppLabel { app })
                .set(age.max(0) / 1000);
        }
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
