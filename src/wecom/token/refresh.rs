//! The refresher: asks for the next token before the last one ends, so that no
//! call waits for it.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{FETCH_TIMEOUT, REFRESH_FLOOR, Source, Token};

/// A refresh begins this long before a token's end, or at a fifth of its life
/// when that is shorter.
const REFRESH_AHEAD: Duration = Duration::from_secs(600);
/// Refreshes are spread by up to this much to either side, so that replicas and
/// apps do not ask together.
const REFRESH_JITTER: Duration = Duration::from_secs(60);
impl Source {
    /// Keeps the token fresh until `shutdown`.
    pub(in crate::wecom) async fn run(self, shutdown: CancellationToken) {
        let _ = shutdown.run_until_cancelled(self.refresh_for_ever()).await;
    }

    async fn refresh_for_ever(&self) {
        loop {
            let now = Instant::now();
            let wake = match self.live().await {
                None => match self.get(now + FETCH_TIMEOUT * 2).await {
                    Ok(_) => continue,
                    Err(_) => self.retry_at(now),
                },
                Some(token) => {
                    let refresh_at = refresh_at(&token);
                    if refresh_at <= now {
                        self.refresh(token, now).await
                    } else {
                        refresh_at
                    }
                }
            };
            sleep_until(wake.max(now + REFRESH_FLOOR)).await;
        }
    }

    /// Fetches ahead of the end; the old token serves meanwhile. Gives the time
    /// to look again.
    async fn refresh(&self, old: Arc<Token>, now: Instant) -> Instant {
        match self.fetch(Some(&old)).await {
            Ok(new) => {
                // WeCom that hands out the same token has a new one only at its
                // end: nothing to ask before.
                let same = new.secret.expose_secret() == old.secret.expose_secret();
                if same {
                    new.expires_at
                } else {
                    refresh_at(&new)
                }
            }
            Err(_) => self.retry_at(now).min(old.expires_at),
        }
    }

    fn retry_at(&self, now: Instant) -> Instant {
        self.status()
            .failure
            .as_ref()
            .map_or(now, |(_, retry_at)| *retry_at)
    }
}

fn refresh_at(token: &Token) -> Instant {
    let life = token.expires_at - token.first_seen;
    let ahead = REFRESH_AHEAD.min(life / 5);
    let jitter = REFRESH_JITTER.min(ahead / 4);
    // The same for one token each time that it is looked at.
    let spread = jitter.mul_f64(fastrand::Rng::with_seed(token.generation).f64() * 2.0);
    token.expires_at - ahead - jitter + spread
}
