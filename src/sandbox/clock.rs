//! One clock for the whole sandbox: tokio's, so that tests can pause it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Offset of Asia/Shanghai, by whose midnight WeCom's days end.
const SHANGHAI_OFFSET_MS: u64 = 8 * 3600 * 1000;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Wall time carried forward by tokio's clock.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    started_unix_ms: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            started: Instant::now(),
            started_unix_ms: u64::try_from(unix.as_millis()).unwrap_or(0),
        }
    }

    /// Milliseconds since the sandbox started.
    pub(super) fn offset_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970.
    pub(super) fn unix_ms(&self) -> u64 {
        self.started_unix_ms.saturating_add(self.offset_ms())
    }

    /// A number that changes at midnight in Shanghai.
    pub(super) fn day(&self) -> u64 {
        self.unix_ms().saturating_add(SHANGHAI_OFFSET_MS) / DAY_MS
    }
}
