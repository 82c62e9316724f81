//! The token in other hands: for services that still call WeCom themselves.

use std::fmt;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::{FORCED_WINDOW, Source, Token};
use crate::wecom::error::{Error, Held, Result, Scope};

/// At most this many tokens are dropped in [`FORCED_WINDOW`] on the word of a
/// caller: fewer than the refresher allows, so that a caller who reports good
/// tokens cannot bring the app to rest for everyone.
const REPORTS: usize = 4;

/// An access token with its end.
pub struct AccessToken {
    /// The token.
    pub secret: SecretString,
    /// When it is expected to end.
    pub expires_at: SystemTime,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// The token for a caller, to whom WeCom may have refused `refused`. Another is
    /// fetched only if that is still the one in use.
    pub(in crate::wecom) async fn hand_out(
        &self,
        refused: Option<&str>,
        deadline: Instant,
    ) -> Result<AccessToken> {
        if let Some(refused) = refused
            && let Some(token) = self.live().await
            && bool::from(
                token
                    .secret
                    .expose_secret()
                    .as_bytes()
                    .ct_eq(refused.as_bytes()),
            )
        {
            self.report(&token)?;
            self.rejected(token.generation).await;
        }
        let token = self.get(deadline).await?;
        let left = token.expires_at.saturating_duration_since(Instant::now());
        Ok(AccessToken {
            secret: token.secret.clone(),
            expires_at: SystemTime::now() + left,
        })
    }

    /// Counts a token that a caller says was refused, once however many say so.
    fn report(&self, token: &Token) -> Result<()> {
        let now = Instant::now();
        let mut status = self.status();
        let reports = &mut status.reports;
        while reports
            .front()
            .is_some_and(|(at, _)| now - *at >= FORCED_WINDOW)
        {
            reports.pop_front();
        }
        if reports
            .iter()
            .any(|(_, generation)| *generation == token.generation)
        {
            return Ok(());
        }
        match reports.front() {
            Some((oldest, _)) if reports.len() >= REPORTS => Err(Error::Paced(Held {
                scope: Scope::One,
                subject: format!("app:{}", self.0.app.name),
                limit: format!(
                    "{REPORTS} refused access tokens in {} min",
                    FORCED_WINDOW.as_secs() / 60
                ),
                retry_after: (*oldest + FORCED_WINDOW)
                    .checked_duration_since(now)
                    .unwrap_or(Duration::ZERO),
            })),
            _ => {
                reports.push_back((now, token.generation));
                Ok(())
            }
        }
    }
}
