//! Access tokens: one for each app, fetched once however many calls want it,
//! refreshed ahead of its end, dropped only when it is the very one that WeCom
//! refused.
//!
//! WeCom's gettoken may hand out the same token with the life it has left, the
//! same token with a new life, a new token beside the old one, or a new token
//! that kills the old one. Nothing here depends on which.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use moka::future::Cache;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout_at};

use super::call::Payload;
use super::errcode::Class;
use super::error::{Error, Reason, Refusal, Result};
use super::metrics::Metrics;
use super::settings::Resolved;
use super::transport::{self, Fault};

mod handed;
mod refresh;
mod shared;

pub use handed::AccessToken;
pub use shared::Sharing;

/// Path of the call.
pub(super) const PATH: &str = "gettoken";
/// Two gettoken calls of the refresher are at least this far apart.
const REFRESH_FLOOR: Duration = Duration::from_secs(1);
/// Longest wait for gettoken's answer, where the call timeout is not shorter.
const FETCH_TIMEOUT: Duration = Duration::from_secs(8);
/// After a refused credential gettoken rests 30 s, then twice as long each time,
/// at most 10 min. WeCom bans an address for an hour after many bad secrets
/// (<https://developer.work.weixin.qq.com/document/path/90313>, 45009); this
/// makes 5 calls in the first 10 minutes.
const REFUSED_REST: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
/// After gettoken could not be reached: 1 s, doubling to 30 s.
const UNREACHED_REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// After gettoken met a frequency limit: the minute rule, then up to the hour
/// rule (<https://developer.work.weixin.qq.com/document/path/90312>).
const LIMITED_REST: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// At most this many refreshes because of refused tokens …
const FORCED_REFRESHES: usize = 5;
/// … in this long. More means that a fresh token is refused too.
const FORCED_WINDOW: Duration = Duration::from_secs(600);
/// A token is never believed to live longer than this.
const LONGEST_LIFE: Duration = Duration::from_secs(7200);

/// A token and what it takes to use it.
pub(super) struct Token {
    secret: SecretString,
    /// Rises with each token of this app in this process.
    pub(super) generation: u64,
    expires_at: Instant,
    /// When this very token was first seen.
    first_seen: Instant,
    fetched_at: SystemTime,
    base_url: Url,
    /// Ready-made addresses: parsing one takes longer than the rest of a call.
    urls: RwLock<Vec<(&'static str, Url)>>,
}

impl Token {
    /// The address of a call, this token in its query. Treat it as a secret.
    pub(super) fn url(&self, path: &'static str) -> Url {
        let urls = self.urls.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, url)) = urls.iter().find(|(known, _)| *known == path) {
            return url.clone();
        }
        drop(urls);
        let mut url = endpoint(&self.base_url, path);
        url.query_pairs_mut()
            .append_pair("access_token", self.secret.expose_secret());
        let mut urls = self.urls.write().unwrap_or_else(PoisonError::into_inner);
        urls.push((path, url.clone()));
        url
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

fn endpoint(base_url: &Url, path: &str) -> Url {
    let mut url = base_url.clone();
    url.set_path(&format!("{}cgi-bin/{path}", base_url.path()));
    url
}

/// What this process knows of an app's token, for people and metrics.
#[derive(Debug, Clone, Default)]
pub struct TokenState {
    /// When the token was fetched.
    pub fetched_at: Option<SystemTime>,
    /// How long it still lives; `None` without a token.
    pub life_left: Option<Duration>,
    /// Times that gettoken succeeded.
    pub refreshes: u64,
    /// Times that gettoken failed since it last succeeded.
    pub failures_in_row: u32,
    /// The last failure, while the last gettoken failed.
    pub last_error: Option<String>,
    /// Its errcode.
    pub last_errcode: Option<i64>,
    /// How long no gettoken is tried.
    pub retry_after: Option<Duration>,
}

#[derive(Default)]
struct Status {
    refreshes: u64,
    failures_in_row: u32,
    failure: Option<(Error, Instant)>,
    forced: VecDeque<Instant>,
    /// The token that WeCom refused last.
    refused_secret: Option<SecretString>,
    /// How many it refused.
    refusals: u64,
    /// Tokens that callers said were refused: when, and which generation.
    reports: VecDeque<(Instant, u64)>,
}

/// All tokens of the process, by corp and app, and those of the other replicas.
#[derive(Clone)]
pub(super) struct Tokens {
    cache: Cache<Arc<str>, Arc<Token>>,
    /// `None` where there is one process only.
    sharing: Option<Arc<dyn Sharing>>,
}

impl Tokens {
    pub(super) fn new(sharing: Option<Arc<dyn Sharing>>) -> Self {
        Self {
            cache: Cache::builder().build(),
            sharing,
        }
    }
}

/// One app's way to its token.
#[derive(Clone)]
pub(super) struct Source(Arc<Inner>);

struct Inner {
    key: Arc<str>,
    /// The setting that holds the secret.
    setting: &'static str,
    app: Resolved,
    /// The secret that serves; that of `app` is the one from the start.
    secret: RwLock<SecretString>,
    http: reqwest::Client,
    tokens: Tokens,
    generation: AtomicU64,
    status: Mutex<Status>,
    /// Held through each gettoken: callers and the refresher never ask together.
    flight: AsyncMutex<()>,
    metrics: Metrics,
}

impl Source {
    /// The way to the app's own token.
    pub(super) fn new(
        app: Resolved,
        http: reqwest::Client,
        tokens: Tokens,
        metrics: Metrics,
    ) -> Self {
        Self::of("secret", app, http, tokens, metrics)
    }

    /// The way to the token of the app's contacts secret, if it has one.
    pub(super) fn contacts(
        app: &Resolved,
        http: reqwest::Client,
        tokens: Tokens,
        metrics: Metrics,
    ) -> Option<Self> {
        let contacts = Resolved {
            secret: app.contacts_secret.clone()?,
            ..app.clone()
        };
        Some(Self::of("contacts_secret", contacts, http, tokens, metrics))
    }

    fn of(
        setting: &'static str,
        app: Resolved,
        http: reqwest::Client,
        tokens: Tokens,
        metrics: Metrics,
    ) -> Self {
        // Two apps of one corp have two tokens, and so have two secrets of one app; a
        // key without them would mix them up, which WeCom answers with 301002 or 48002.
        let key = format!("{setting}:{}/{}", app.corp_id, app.name).into();
        Self(Arc::new(Inner {
            key,
            setting,
            secret: RwLock::new(app.secret.clone()),
            app,
            http,
            tokens,
            generation: AtomicU64::new(0),
            status: Mutex::default(),
            flight: AsyncMutex::default(),
            metrics,
        }))
    }

    /// The token; waits for gettoken only when there is none that lives.
    pub(super) async fn get(&self, deadline: Instant) -> Result<Arc<Token>> {
        if let Some(token) = self.live().await {
            return Ok(token);
        }
        let asked_at = Instant::now();
        let source = self.clone();
        // In a task of its own: a caller that hangs up does not throw away what the
        // others wait for. The flight joins them, and not moka's `try_get_with`, whose
        // init runs beside `and_compute_with`: it would put a token back that was
        // refused, and removed, in the moment between its arrival and the init's end.
        let fetch = tokio::spawn(async move { source.fetch(None).await });
        let result = match timeout_at(deadline, fetch).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Internal("the token fetch was aborted".into())),
            Err(_) => Err(Error::Deadline {
                path: PATH,
                sent: false,
            }),
        };
        self.0.metrics.waited_for_token(asked_at.elapsed());
        result
    }

    /// Takes note that WeCom refused the token of `generation`. A newer one stays.
    ///
    /// Nor does this one go when too many went before: a path that refuses every
    /// token must not cost the app's other calls theirs.
    pub(super) async fn rejected(&self, generation: u64) {
        // Decided inside the cache's own lock of this key, so that ten thousand
        // refusals of one token count as one.
        self.0
            .tokens
            .cache
            .entry(self.0.key.clone())
            .and_compute_with(|entry| {
                // The last second of a token is used on purpose. That it was refused then says
                // nothing of fresh ones.
                let ends_by = Instant::now() + REFRESH_FLOOR;
                let ends =
                    (entry.as_ref()).is_some_and(|entry| entry.value().expires_at <= ends_by);
                let same =
                    (entry.as_ref()).is_some_and(|entry| entry.value().generation == generation);
                if let Some(entry) = entry.filter(|_| same) {
                    let mut status = self.status();
                    status.refused_secret = Some(entry.value().secret.clone());
                    status.refusals += 1;
                }
                std::future::ready(match same && (ends || self.may_force()) {
                    true => moka::ops::compute::Op::Remove,
                    false => moka::ops::compute::Op::Nop,
                })
            })
            .await;
    }

    /// Takes one refresh from those that refused tokens may cause.
    fn may_force(&self) -> bool {
        let now = Instant::now();
        let forced = &mut self.status().forced;
        while forced.front().is_some_and(|at| now - *at >= FORCED_WINDOW) {
            forced.pop_front();
        }
        if forced.len() == FORCED_REFRESHES {
            let name = &self.0.app.name;
            tracing::error!(app = %name, "WeCom refuses fresh tokens of app {name}; keeping this one");
            return false;
        }
        forced.push_back(now);
        true
    }

    /// The cached token, unless it has ended.
    async fn live(&self) -> Option<Arc<Token>> {
        let token = self.0.tokens.cache.get(&self.0.key).await?;
        if token.expires_at > Instant::now() {
            return Some(token);
        }
        self.drop_generation(token.generation).await;
        None
    }

    async fn drop_generation(&self, generation: u64) {
        self.0
            .tokens
            .cache
            .entry(self.0.key.clone())
            .and_compute_with(|entry| {
                std::future::ready(match entry {
                    Some(entry) if entry.value().generation == generation => {
                        moka::ops::compute::Op::Remove
                    }
                    _ => moka::ops::compute::Op::Nop,
                })
            })
            .await;
    }

    /// Asks gettoken, unless it is resting. `replacing` is the token to refresh
    /// while it still serves.
    async fn fetch(&self, replacing: Option<&Token>) -> Result<Arc<Token>> {
        let _flight = self.0.flight.lock().await;
        let newest = self.0.generation.load(Ordering::Acquire);
        if let Some(token) = self.0.tokens.cache.get(&self.0.key).await
            && token.expires_at > Instant::now()
            && token.generation == newest
            && replacing.is_none_or(|old| old.generation < newest)
        {
            return Ok(token);
        }
        if let Some(error) = self.resting() {
            return Err(error);
        }
        let refusals = self.status().refusals;
        let mut result = self.ask_or_take(replacing).await;
        if let Ok(token) = &result
            && self.was_refused_since(refusals, token)
        {
            // WeCom gave it before it refused it: what it has now is another.
            result = self.ask_or_take(replacing).await;
        }
        if let Ok(token) = &result {
            // Before the flight ends, so that whoever waits for it finds it.
            self.0
                .tokens
                .cache
                .insert(self.0.key.clone(), token.clone())
                .await;
        }
        result
    }

    /// The token that another replica left, or that gettoken gives.
    async fn ask_or_take(&self, replacing: Option<&Token>) -> Result<Arc<Token>> {
        if let Some(token) = self.others_token(replacing).await {
            return Ok(token);
        }
        let secret = self.secret();
        let result = self.ask(&secret, replacing).await;
        self.note(&result);
        if let Ok(token) = &result {
            self.tell_others(token).await;
        }
        result
    }

    fn was_refused_since(&self, refusals: u64, token: &Token) -> bool {
        let status = self.status();
        let refused = status.refused_secret.as_ref();
        status.refusals > refusals
            && refused.is_some_and(|it| it.expose_secret() == token.secret.expose_secret())
    }

    fn secret(&self) -> SecretString {
        let secret = self.0.secret.read();
        secret.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another secret in the place of the one that serves, once it has won a token.
    pub(super) async fn replace_secret(&self, secret: SecretString) -> Result<()> {
        let _flight = self.0.flight.lock().await;
        if secret.expose_secret() == self.secret().expose_secret() {
            return Ok(());
        }
        let token = self.ask(&secret, None).await?;
        *self
            .0
            .secret
            .write()
            .unwrap_or_else(PoisonError::into_inner) = secret;
        self.note(&Ok(token.clone()));
        self.tell_others(&token).await;
        let cache = &self.0.tokens.cache;
        cache.insert(self.0.key.clone(), token).await;
        Ok(())
    }

    /// The last failure, while gettoken rests after it.
    fn resting(&self) -> Option<Error> {
        let status = self.status();
        let (error, retry_at) = status.failure.as_ref()?;
        let left = retry_at
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())?;
        let mut error = error.clone();
        if let Error::Credential { retry_after, .. }
        | Error::RateLimited { retry_after, .. }
        | Error::Unreachable { retry_after, .. } = &mut error
        {
            *retry_after = left;
        }
        Some(error)
    }

    async fn ask(&self, secret: &SecretString, replacing: Option<&Token>) -> Result<Arc<Token>> {
        #[derive(Deserialize)]
        struct Reply {
            access_token: SecretString,
            #[serde(deserialize_with = "transport::number_or_string")]
            expires_in: i64,
        }
        let app = &self.0.app;
        let payload = Payload::Query(vec![
            ("corpid", app.corp_id.clone()),
            ("corpsecret", secret.expose_secret().to_owned()),
        ]);
        let url = endpoint(&app.base_url, PATH);
        // Life counts from the question, not from the answer.
        let asked_at = Instant::now();
        let deadline = asked_at + FETCH_TIMEOUT.min(app.call_timeout);
        let unreachable = |reason| Error::Unreachable {
            path: PATH,
            reason,
            retry_after: UNREACHED_REST.0,
        };
        let body = transport::exchange(&self.0.http, url, &payload, deadline)
            .await
            .map_err(|(Fault::Unsent(reason) | Fault::Lost(reason))| unreachable(reason))?;
        let reply = match transport::decode::<Reply>(&body).map_err(unreachable)? {
            Ok(reply) if !reply.access_token.expose_secret().is_empty() => reply,
            Ok(_) => return Err(unreachable(Reason::Garbled)),
            Err(refusal) => return Err(refused(refusal, self.0.setting)),
        };
        // A token in its last second is used: should WeCom refuse it, the call is
        // repeated with the next one.
        let life = Duration::from_secs(reply.expires_in.try_into().unwrap_or(0));
        let life = life.clamp(REFRESH_FLOOR, LONGEST_LIFE);
        Ok(self.token(reply.access_token, life, asked_at, replacing))
    }

    fn token(
        &self,
        secret: SecretString,
        life: Duration,
        now: Instant,
        replacing: Option<&Token>,
    ) -> Arc<Token> {
        let mut expires_at = now + life;
        let mut first_seen = now;
        if let Some(old) = replacing
            && old.secret.expose_secret() == secret.expose_secret()
            && old.expires_at > now
        {
            // The same token: whether its life was renewed is not documented, so
            // believe the first sighting until that much time has passed.
            first_seen = old.first_seen;
            expires_at = expires_at.min(first_seen + LONGEST_LIFE);
        }
        Arc::new(Token {
            secret,
            generation: self.0.generation.fetch_add(1, Ordering::AcqRel) + 1,
            expires_at,
            first_seen,
            fetched_at: SystemTime::now(),
            base_url: self.0.app.base_url.clone(),
            urls: RwLock::default(),
        })
    }

    /// Keeps what a gettoken brought: the state for people, and after a failure
    /// the rest, which grows.
    fn note(&self, result: &Result<Arc<Token>>) {
        let name = &self.0.app.name;
        let mut status = self.status();
        match result {
            Ok(token) => {
                status.refreshes += 1;
                status.failures_in_row = 0;
                status.failure = None;
                let left = token.expires_at - Instant::now();
                self.0.metrics.token_refreshed(name, self.0.setting, left);
                tracing::info!(
                    app = %name, generation = token.generation,
                    "fetched an access token for the {} of app {name}", self.0.setting,
                );
            }
            Err(error) => {
                status.failures_in_row += 1;
                let (first, longest) = match error {
                    Error::Credential { .. } => REFUSED_REST,
                    Error::RateLimited { .. } => LIMITED_REST,
                    _ => UNREACHED_REST,
                };
                let doublings = (status.failures_in_row - 1).min(16);
                let rest = first.saturating_mul(1 << doublings).min(longest);
                status.failure = Some((error.clone(), Instant::now() + rest));
                self.0.metrics.token_failed(name, self.0.setting);
                tracing::error!(
                    app = %name, rest_seconds = rest.as_secs(),
                    "no access token for the {} of app {name}: {error}", self.0.setting,
                );
            }
        }
    }

    /// What is known of the token.
    pub(super) async fn state(&self) -> TokenState {
        let token = self.live().await;
        let now = Instant::now();
        let status = self.status();
        let failure = status.failure.as_ref();
        TokenState {
            fetched_at: token.as_ref().map(|token| token.fetched_at),
            life_left: token.as_ref().map(|token| token.expires_at - now),
            refreshes: status.refreshes,
            failures_in_row: status.failures_in_row,
            last_error: failure.map(|(error, _)| error.to_string()),
            last_errcode: failure.and_then(|(error, _)| match error {
                Error::Credential { refusal, .. } | Error::RateLimited { refusal, .. } => {
                    Some(refusal.errcode)
                }
                _ => None,
            }),
            retry_after: failure
                .and_then(|(_, retry_at)| retry_at.checked_duration_since(now))
                .filter(|left| !left.is_zero()),
        }
    }

    fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any refusal of gettoken is a matter of the credential, except those that pass
/// by themselves.
fn refused(refusal: Refusal, setting: &'static str) -> Error {
    match refusal.class() {
        Some(Class::Busy) => Error::Unreachable {
            path: PATH,
            reason: Reason::Busy,
            retry_after: UNREACHED_REST.0,
        },
        Some(Class::RateLimited | Class::ConcurrencyLimited) => Error::RateLimited {
            path: PATH,
            refusal,
            retry_after: LIMITED_REST.0,
        },
        _ => Error::Credential {
            setting,
            refusal,
            retry_after: REFUSED_REST.0,
        },
    }
}

#[cfg(test)]
mod tests;
