//! What this room counts. Labels are bounded: configured apps, our own paths,
//! known errcodes.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::errcode;

/// From a fast loopback to the longest call timeout.
const SECONDS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 8.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    wecom_api: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabel {
    app: String,
}

/// An app has one token for each of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabel {
    app: String,
    /// The setting that holds the secret.
    secret: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefreshLabel {
    app: String,
    secret: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrcodeLabel {
    app: String,
    api: &'static str,
    errcode: String,
}

/// The room's metrics; clones share their values.
#[derive(Clone)]
pub struct Metrics {
    request_seconds: Family<ApiLabel, Histogram, fn() -> Histogram>,
    errcodes: Family<ErrcodeLabel, Counter>,
    token_refreshes: Family<RefreshLabel, Counter>,
    token_expires_at: Family<TokenLabel, Gauge>,
    token_wait_seconds: Histogram,
    quota_used_ratio: Family<AppLabel, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            request_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            errcodes: Family::default(),
            token_refreshes: Family::default(),
            token_expires_at: Family::default(),
            token_wait_seconds: Histogram::new(SECONDS),
            quota_used_ratio: Family::default(),
        }
    }
}

impl Metrics {
    /// Makes them readable through `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "http_client_request_duration",
            "Time that one HTTP exchange with WeCom took",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "wecomgw_upstream_errcode",
            "Answers of WeCom with an errcode other than 0",
            self.errcodes.clone(),
        );
        registry.register(
            "wecomgw_token_refresh",
            "gettoken calls by result",
            self.token_refreshes.clone(),
        );
        registry.register_with_unit(
            "wecomgw_token_expires_at",
            "Unix time at which the app's access token ends",
            Unit::Seconds,
            self.token_expires_at.clone(),
        );
        registry.register_with_unit(
            "wecomgw_token_wait",
            "Time that a call waited for gettoken, of the calls that found no token",
            Unit::Seconds,
            self.token_wait_seconds.clone(),
        );
        registry.register(
            "wecomgw_quota_used_ratio",
            "Share of the app's tightest limit that is used, 0 to 1",
            self.quota_used_ratio.clone(),
        );
    }

    pub(super) fn quota_used(&self, app: &str, ratio: f64) {
        let app = app.to_owned();
        self.quota_used_ratio
            .get_or_create(&AppLabel { app })
            .set(ratio);
    }

    pub(super) fn exchanged(&self, path: &'static str, took: Duration) {
        self.request_seconds
            .get_or_create(&ApiLabel { wecom_api: path })
            .observe(took.as_secs_f64());
    }

    pub(super) fn refused(&self, app: &str, api: &'static str, errcode: i64) {
        let errcode = match errcode::lookup(errcode) {
            Some(_) => errcode.to_string(),
            None => "other".to_owned(),
        };
        let label = ErrcodeLabel {
            app: app.to_owned(),
            api,
            errcode,
        };
        self.errcodes.get_or_create(&label).inc();
    }

    pub(super) fn waited_for_token(&self, waited: Duration) {
        self.token_wait_seconds.observe(waited.as_secs_f64());
    }

    pub(super) fn token_refreshed(&self, app: &str, secret: &'static str, life: Duration) {
        let end = SystemTime::now() + life;
        let seconds = end
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let app_label = app.to_owned();
        self.token_expires_at
            .get_or_create(&TokenLabel {
                app: app_label,
                secret,
            })
            .set(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.count_refresh(app, secret, "ok");
    }

    pub(super) fn token_failed(&self, app: &str, secret: &'static str) {
        self.count_refresh(app, secret, "failed");
    }

    fn count_refresh(&self, app: &str, secret: &'static str, result: &'static str) {
        let app = app.to_owned();
        let label = RefreshLabel {
            app,
            secret,
            result,
        };
        self.token_refreshes.get_or_create(&label).inc();
    }
}
