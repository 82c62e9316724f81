//! Tokens of Kubernetes service accounts: JWTs that the cluster's API server signs.
//!
//! Checked by the rules of RFC 8725: the key decides the algorithm, issuer and audience
//! are ours, the life is bounded. <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>
//! describes the claims.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::jwks::{Algorithm, Keys, Source};
use super::settings::ServiceAccountSettings;

/// Longest token. Those of Kubernetes have 1 KiB.
const TOKEN_MAX_BYTES: usize = 8 * 1024;
/// How far the API server's clock may be from ours.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;
/// How often the keys are read again: a file's each 5 s, as every mounted file's …
const FILE_INTERVAL: Duration = Duration::from_secs(5);
/// … an address's each 15 min, or sooner when a token names a key that is not there …
const URL_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// … but no more often than this, whoever sends such tokens …
const FETCH_FLOOR: Duration = Duration::from_secs(10);
/// … and this long after a failure.
const FAILURE_REST: Duration = Duration::from_secs(30);
/// How long keys serve that could not be read again.
const STALE_MOST: Duration = Duration::from_secs(3600);

/// Checks tokens of service accounts; clones share the keys.
#[derive(Clone)]
pub struct ServiceAccounts(Arc<Inner>);

struct Inner {
    issuer: String,
    audience: String,
    source: Source,
    /// The keys, and when they were read.
    keys: RwLock<Option<(Keys, Instant)>>,
    key_missing: Notify,
}

impl ServiceAccounts {
    /// With these settings; `None` when no issuer is set.
    ///
    /// # Errors
    ///
    /// The settings do not say where the keys are, or a file of theirs is unusable.
    pub fn new(settings: &ServiceAccountSettings) -> Result<Option<Self>, String> {
        let Some(issuer) = settings.issuer.clone().filter(|issuer| !issuer.is_empty()) else {
            return Ok(None);
        };
        if settings.audience.is_empty() {
            return Err("service_accounts: `audience` is empty".into());
        }
        let source = Source::new(settings).map_err(|fault| format!("service_accounts: {fault}"))?;
        Ok(Some(Self(Arc::new(Inner {
            issuer,
            audience: settings.audience.clone(),
            source,
            keys: RwLock::default(),
            key_missing: Notify::new(),
        }))))
    }

    /// Reads the keys once. That it failed is logged; [`Self::run`] goes on trying.
    pub async fn load(&self) -> bool {
        match self.0.source.load().await {
            Ok(keys) => {
                let mut known = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
                *known = Some((keys, Instant::now()));
                true
            }
            Err(fault) => {
                tracing::warn!("the keys of the service accounts were not read: {fault}");
                false
            }
        }
    }

    /// Reads the keys again and again until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (interval, floor, rest) = match self.0.source {
            Source::File(_) => (FILE_INTERVAL, FILE_INTERVAL, FILE_INTERVAL),
            Source::Url { .. } => (URL_INTERVAL, FETCH_FLOOR, FAILURE_REST),
        };
        let mut wait = interval;
        let next = async {
            loop {
                tokio::time::sleep(floor).await;
                let more = wait.saturating_sub(floor);
                let _ = tokio::time::timeout(more, self.0.key_missing.notified()).await;
                wait = if self.load().await { interval } else { rest };
            }
        };
        shutdown.run_until_cancelled(next).await.unwrap_or(());
    }

    /// Whether a bearer token has the form of a JWT; API tokens have no dots.
    pub(super) fn looks_like(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// The subject of a token that holds. Each call verifies anew: 38 µs of CPU for ES256 and
    /// 17 µs for RS256 (10,000 rounds with ring 0.17 in a release build, 2026-11-24), less than
    /// what a cache of tokens would be worth.
    pub(super) fn verify(&self, token: &str, now: SystemTime) -> Result<String, Error> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let (keys, _) = keys
            .as_ref()
            .filter(|(_, read_at)| read_at.elapsed() < STALE_MOST)
            .ok_or(Error::KeysUnavailable)?;
        let token = Token::split(token).ok_or(Error::TokenRefused)?;
        let Some(key) = keys.find(&token.header.kid) else {
            self.0.key_missing.notify_one();
            return Err(Error::TokenRefused);
        };
        let signed = key.algorithm == token.header.alg
            && key.verifies(token.message.as_bytes(), &token.signature);
        if !signed {
            return Err(Error::TokenRefused);
        }
        // Read after the signature is known to hold.
        let claims: Claims = decode(token.claims).ok_or(Error::TokenRefused)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let holds = claims.iss == self.0.issuer
            && claims.aud.contains(&self.0.audience)
            && claims.exp.saturating_add(CLOCK_TOLERANCE_SECONDS) > now
            && claims.nbf.unwrap_or(0) <= now + CLOCK_TOLERANCE_SECONDS;
        holds.then_some(claims.sub).ok_or(Error::TokenRefused)
    }
}

/// A token taken apart, nothing of it believed.
struct Token<'a> {
    header: Header,
    message: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

/// `alg` other than the two, and a header with a name twice, do not read.
#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: String,
    /// Extensions that must be understood (RFC 7515 §4.1.11): we understand none.
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: u64,
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl<'a> Token<'a> {
    fn split(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_MAX_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = decode(header)?;
        header.crit.is_none().then_some(())?;
        Some(Self {
            header,
            message,
            claims,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
