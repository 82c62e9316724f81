//! One app's client. Every call to WeCom takes the one path in here: pace,
//! circuit, token, exchange, errcode, repetition.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::app_chat::KnownChats;
use super::auth::{CorpTickets, LoginPage, Pages, SignPage, Signature, Tickets};
use super::breaker::Breaker;
use super::call::{Call, Credential, Payload, Repeat};
use super::content::{Media, MediaType, TaskCardName};
use super::errcode::Class;
use super::error::{Error, Held, Reason, Refusal, Result};
use super::media::{Uploads, Used};
use super::message::{self, CardUpdate, Rendered, RenderedCardUpdate};
use super::metrics::Metrics;
use super::rate::{Corp, Pace, QuotaState};
use super::settings::{App, Resolved, Settings, read_secret};
use super::token::{self, AccessToken, Sharing, Source, Token, TokenState, Tokens};
use super::trace;
use super::transport::{self, Answer, Fault, Json, Opened};

/// Repetitions of one call; WeCom says at most 3 for errcode -1
/// (<https://developer.work.weixin.qq.com/document/path/90313>), attempts included here.
const MOST_REPETITIONS: usize = 2;
/// Waits between them: doubling from the first to the second, with jitter.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Least wait after errcode 45033, which means too many calls at once.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(1);
/// Length of the media ids in WeCom's samples
/// (<https://developer.work.weixin.qq.com/document/path/90253>).
const MEDIA_ID_LENGTH: usize = 44;
/// How often the metric of the limits in use is brought up to date.
const QUOTA_INTERVAL: Duration = Duration::from_secs(15);
/// What callers are told to wait when WeCom cannot be reached.
pub(super) const UNREACHABLE_WAIT: Duration = Duration::from_secs(1);

/// One app's client; clones share it.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    app: Resolved,
    call_timeout: Duration,
    upload_timeout: Duration,
    upload_dir: Option<PathBuf>,
    task_card_name: TaskCardName,
    http: reqwest::Client,
    token: Source,
    /// Of the contacts secret, where there is one.
    contacts: Option<Source>,
    pace: Pace,
    breaker: Breaker,
    uploads: Uploads,
    chats: KnownChats,
    pages: Pages,
    tickets: Tickets,
    corp_tickets: Arc<CorpTickets>,
    metrics: Metrics,
}

/// How an app fares, for people and metrics.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Its token.
    pub token: TokenState,
    /// The limits in use.
    pub quotas: Vec<QuotaState>,
    /// Whether calls are held back after a run of failures.
    pub circuit_open: bool,
}

/// Builds a client for each app, or tells every fault of the settings. With `sharing` the
/// replicas share their access tokens.
pub fn build(
    settings: &Settings,
    apps: &[App],
    metrics: &Metrics,
    sharing: Option<Arc<dyn Sharing>>,
) -> std::result::Result<Vec<Client>, Vec<String>> {
    let tokens = Tokens::new(sharing);
    let mut corps: HashMap<String, Arc<Corp>> = HashMap::new();
    let mut clients: Vec<Client> = Vec::new();
    let mut faults = Vec::new();
    let pages = Pages::new(settings)
        .map_err(|more| faults.extend(more))
        .ok();
    for app in apps {
        if clients.iter().any(|client| client.name() == app.name) {
            faults.push(format!("app {:?} is configured twice", app.name));
        }
        // Each would count limits and cache tokens for itself, and WeCom counts them together.
        let same =
            |client: &&Client| client.corp_id() == app.corp_id && client.agent_id() == app.agent_id;
        if let Some(other) = clients.iter().find(same) {
            faults.push(format!(
                "apps {:?} and {:?} have the same corp_id and agent_id; give callers one of them",
                other.name(),
                app.name
            ));
        }
        let resolved = app.resolve(settings);
        let built = resolved.and_then(|app| {
            let http = transport::client(&app, settings).map_err(|fault| vec![fault])?;
            let corp = corps.entry(app.corp_id.clone()).or_default().clone();
            let pages = pages.clone();
            Ok(pages.map(|pages| {
                let (tokens, metrics) = (tokens.clone(), metrics.clone());
                Client::new(app, settings, http, corp, pages, tokens, metrics)
            }))
        });
        match built {
            Ok(client) => clients.extend(client),
            Err(mut more) => faults.append(&mut more),
        }
    }
    if faults.is_empty() {
        Ok(clients)
    } else {
        Err(faults)
    }
}

async fn reload(source: &Source, file: &Path) -> std::result::Result<(), String> {
    match read_secret("secret", None, Some(file))? {
        Some(secret) => {
            let replaced = source.replace_secret(secret).await;
            replaced.map_err(|error| error.to_string())
        }
        None => Ok(()),
    }
}

impl Client {
    fn new(
        app: Resolved,
        settings: &Settings,
        http: reqwest::Client,
        corp: Arc<Corp>,
        pages: Pages,
        tokens: Tokens,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Inner {
            call_timeout: settings.call_timeout,
            upload_timeout: settings.upload_timeout,
            upload_dir: settings.upload_dir.clone(),
            task_card_name: settings.task_card_name,
            contacts: Source::contacts(&app, http.clone(), tokens.clone(), metrics.clone()),
            token: Source::new(app.clone(), http.clone(), tokens, metrics.clone()),
            pages,
            tickets: Tickets::new(),
            corp_tickets: corp.tickets.clone(),
            pace: Pace::new(&app.name, corp, app.daily_person_messages),
            breaker: Breaker::new(),
            uploads: Uploads::new(),
            chats: KnownChats::new(),
            http,
            app,
            metrics,
        }))
    }

    /// The name that callers use.
    pub fn name(&self) -> &str {
        &self.0.app.name
    }

    /// Corp id (企业ID).
    pub fn corp_id(&self) -> &str {
        &self.0.app.corp_id
    }

    /// Agent id.
    pub fn agent_id(&self) -> u32 {
        self.0.app.agent_id
    }

    /// How the app fares.
    pub async fn state(&self) -> AppState {
        AppState {
            token: self.0.token.state().await,
            quotas: self.0.pace.quotas(),
            circuit_open: self.0.breaker.is_open(),
        }
    }

    /// Makes sure that there is a token.
    pub(super) async fn fetch_token(&self, deadline: Instant) -> Result<()> {
        self.0.token.get(deadline).await.map(|_| ())
    }

    /// The access token, for a caller that uses it itself; `refused` is one that
    /// WeCom did not take from that caller.
    pub async fn access_token(
        &self,
        refused: Option<&str>,
        deadline: Instant,
    ) -> Result<AccessToken> {
        self.0.token.hand_out(refused, deadline).await
    }

    /// The address of a login page.
    pub fn login_url(&self, page: &LoginPage) -> String {
        self.0.pages.url(page, self.corp_id(), self.agent_id())
    }

    /// Signs the address of a page for WeCom's JS-SDK.
    pub async fn sign_js_sdk(&self, page: &SignPage, deadline: Instant) -> Result<Signature> {
        let corp = &self.0.corp_tickets;
        self.0.tickets.sign(self, corp, page, deadline).await
    }

    /// Keeps the app's own token fresh until `shutdown`. That of the contacts secret
    /// is fetched when it is wanted: few calls take it, and none of them is a send.
    pub async fn run(self, shutdown: CancellationToken) {
        let shown = shutdown.run_until_cancelled(self.show_quotas());
        tokio::join!(self.0.token.clone().run(shutdown.clone()), shown);
    }

    /// Keeps the metric of the limits in use up to date.
    async fn show_quotas(&self) {
        loop {
            let quotas = self.0.pace.quotas();
            let used = quotas.iter().map(|quota| quota.used_ratio);
            let most = used.fold(0.0, f64::max);
            self.0.metrics.quota_used(self.name(), most);
            sleep(QUOTA_INTERVAL).await;
        }
    }

    /// Reads the app's secret again from `file`, and takes it when WeCom does.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the secret wins no token; the old one serves on.
    pub async fn reload_secret(&self, file: &Path) -> std::result::Result<(), String> {
        reload(&self.0.token, file).await
    }

    /// The same with the contacts secret.
    ///
    /// # Errors
    ///
    /// As for [`Self::reload_secret`].
    pub async fn reload_contacts_secret(&self, file: &Path) -> std::result::Result<(), String> {
        match &self.0.contacts {
            Some(contacts) => reload(contacts, file).await,
            None => Ok(()),
        }
    }

    /// Checks a message, uploads the media in it, and renders the bytes to send.
    pub async fn prepare(&self, mut send: message::Send, deadline: Instant) -> Result<Rendered> {
        let violations = send.check();
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let uploads = self.upload(send.content.inline_media(), deadline).await?;
        let mut rendered = Rendered::new(send, self.agent_id(), self.0.task_card_name)?;
        rendered.uploads = uploads;
        Ok(rendered)
    }

    /// Checks an update of a template card, uploads the files in it, and renders
    /// the bytes to send.
    pub async fn prepare_card_update(
        &self,
        mut update: CardUpdate,
        deadline: Instant,
    ) -> Result<RenderedCardUpdate> {
        let violations = update.check();
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let uploads = self.upload(update.inline_media(), deadline).await?;
        let mut rendered = RenderedCardUpdate::new(update, self.agent_id())?;
        rendered.uploads = uploads;
        Ok(rendered)
    }

    /// Under which of its names the task card goes out.
    pub(super) fn task_card_name(&self) -> TaskCardName {
        self.0.task_card_name
    }

    /// The chats whose members are known.
    pub(super) fn chats(&self) -> &KnownChats {
        &self.0.chats
    }

    /// Puts media ids in the places of inline bytes, and tells which.
    pub(super) async fn upload(
        &self,
        inline_media: impl Iterator<Item = (MediaType, &mut Media)>,
        deadline: Instant,
    ) -> Result<Vec<Used>> {
        let mut used = Vec::new();
        for (media_type, media) in inline_media {
            let uploads = &self.0.uploads;
            // In a box: few messages have media, and the future of every send would have room
            // for an upload, 7 KiB that are moved several times.
            let replaced = uploads.replace(self, media_type, media, deadline);
            used.extend(Box::pin(replaced).await?);
        }
        Ok(used)
    }

    /// What was uploaded for the app.
    pub(super) fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    /// Where uploads wait; `None` is the system's folder for temporary files.
    pub(super) fn upload_dir(&self) -> Option<&Path> {
        self.0.upload_dir.as_deref()
    }

    /// Longest wait for an answer, and for each piece of one.
    pub(super) fn call_timeout(&self) -> Duration {
        self.0.call_timeout
    }

    /// Whether a message to `members` would be held back now. Takes nothing.
    pub fn hold(&self, members: &[String]) -> Option<Held> {
        self.0.pace.check(Rendered::PATH, members).err()
    }

    /// Length of the body that a checked message would have, in bytes. A media id
    /// that does not exist yet counts with the length that WeCom's ids have.
    pub fn body_size(&self, mut send: message::Send) -> Result<usize> {
        for (_, media) in send.content.inline_media() {
            *media = Media::Id("x".repeat(MEDIA_ID_LENGTH));
        }
        Ok(Rendered::new(send, self.agent_id(), self.0.task_card_name)?
            .body()
            .len())
    }

    /// Makes one call, with the repetitions that do no harm, before `deadline`.
    pub async fn call<C: Call>(&self, call: &C, deadline: Instant) -> Result<C::Reply> {
        let Json(reply) = self.ask(call, deadline).await?;
        Ok(reply)
    }

    /// Like [`Client::call`], where the answer is a file. What is repeated ends where
    /// its bytes begin.
    pub(super) async fn open<C: Call>(&self, call: &C, deadline: Instant) -> Result<Opened> {
        self.ask(call, deadline).await
    }

    async fn ask<C: Call, A: Answer>(&self, call: &C, deadline: Instant) -> Result<A> {
        // Before anything is taken: without its secret a call goes nowhere.
        self.source(call)?;
        let taken = self.0.pace.take_for(call).map_err(Error::Paced)?;
        let result = self.repeat(call, deadline).await;
        if result.as_ref().is_err_and(Error::nothing_was_done) {
            self.0.pace.give_back_for(call, &taken);
        }
        result
    }

    /// The way to the token that a call takes.
    fn source<C: Call>(&self, call: &C) -> Result<&Source> {
        let Inner {
            app,
            token,
            contacts,
            ..
        } = &*self.0;
        match C::CREDENTIAL {
            Credential::App => Ok(token),
            Credential::Directory if app.contacts_details => Ok(contacts.as_ref().unwrap_or(token)),
            Credential::Directory => Ok(token),
            Credential::Contacts => contacts
                .as_ref()
                .ok_or(Error::ContactsSecretMissing { path: call.path() }),
        }
    }

    async fn repeat<C: Call, A: Answer>(&self, call: &C, deadline: Instant) -> Result<A> {
        let payload = call.payload();
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(SHORTEST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(MOST_REPETITIONS)
            .with_jitter()
            .build();
        let mut lost = None;
        let mut token_renewed = false;
        loop {
            let setback = match self.attempt(call, &payload, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(setback) => setback,
            };
            if let (Setback::TokenRejected(generation, _), false) = (&setback, token_renewed) {
                token_renewed = true;
                self.source(call)?.rejected(*generation).await;
                continue;
            }
            lost = lost.or(setback.lost(call.repeat()));
            let wait = waits
                .next()
                .and_then(|wait| self.wait(call, &setback, wait, deadline));
            match wait {
                Some(wait) => sleep(wait).await,
                None => {
                    let error = self.give_up(call, setback, deadline);
                    return Err(unless_lost(call, lost, error));
                }
            }
        }
    }

    /// How long to wait before a repetition; `None` when there must be none.
    fn wait<C: Call>(
        &self,
        call: &C,
        setback: &Setback,
        wait: Duration,
        deadline: Instant,
    ) -> Option<Duration> {
        let harmless = match setback {
            Setback::Unsent(_) | Setback::Conflict(_) => true,
            // Not before gettoken is asked again: until then it has the same answer.
            Setback::NoToken(_, retry_after) => {
                return self.in_budget(wait.max(*retry_after), deadline);
            }
            Setback::Concurrency(_) => return self.in_budget(wait.max(CONCURRENCY_WAIT), deadline),
            // Whether WeCom did anything before it said -1 is not documented.
            Setback::Lost(Reason::TooLarge) => call.repeat() == Repeat::SameBytes,
            Setback::Lost(_) | Setback::Busy(_) => call.repeat() != Repeat::WhileUnsent,
            Setback::TokenRejected(..) | Setback::RateLimited(_) | Setback::Final(_) => false,
        };
        if harmless {
            self.in_budget(wait, deadline)
        } else {
            None
        }
    }

    fn in_budget(&self, wait: Duration, deadline: Instant) -> Option<Duration> {
        let in_time = Instant::now() + wait < deadline;
        (in_time && self.0.breaker.may_repeat()).then_some(wait)
    }

    async fn attempt<C: Call, A: Answer>(
        &self,
        call: &C,
        payload: &Payload,
        deadline: Instant,
    ) -> std::result::Result<A, Setback> {
        let pass = self
            .0
            .breaker
            .admit()
            .map_err(|retry_after| Setback::Final(Error::CircuitOpen { retry_after }))?;
        let source = self.source(call).map_err(Setback::Final)?;
        let token = source.get(deadline).await.map_err(|error| match error {
            Error::Unreachable {
                reason,
                retry_after,
                ..
            } => Setback::NoToken(reason, retry_after),
            error => Setback::Final(error),
        })?;
        let begun = Instant::now();
        if begun >= deadline {
            // No time left: better not sent than not known.
            let error = Error::Deadline {
                path: call.path(),
                sent: false,
            };
            return Err(Setback::Final(error));
        }
        let timeout = match payload {
            Payload::File(_) => self.0.upload_timeout,
            Payload::Query(_) | Payload::Json(_) | Payload::Raw { .. } => self.0.call_timeout,
        };
        let own_deadline = begun + timeout;
        let span = trace::begin(call.path());
        let answer = A::ask(
            &self.0.http,
            token.url(call.path()),
            payload,
            own_deadline.min(deadline),
        )
        .await;
        self.0.metrics.exchanged(call.path(), begun.elapsed());
        if let Some(span) = span {
            let answered = answer.as_ref().ok();
            let errcode = answered.map(|answer| answer.as_ref().err().map_or(0, |it| it.0.errcode));
            trace::end(span, errcode);
        }
        let result = self.read(call, &token, answer);
        // A caller in a hurry says nothing about WeCom.
        let hurried =
            matches!(result, Err(Setback::Lost(Reason::TimedOut))) && deadline < own_deadline;
        if !hurried {
            let failed = match result {
                // An answer nonetheless: a large department says nothing about WeCom.
                Err(Setback::Lost(Reason::TooLarge)) => false,
                Err(Setback::Unsent(_) | Setback::Lost(_) | Setback::Busy(_)) => true,
                _ => false,
            };
            self.0.breaker.record(pass, !failed);
        }
        result
    }

    fn read<C: Call, A>(
        &self,
        call: &C,
        token: &Token,
        answer: std::result::Result<std::result::Result<A, (Refusal, Bytes)>, Fault>,
    ) -> std::result::Result<A, Setback> {
        let (refusal, body) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(refused)) => refused,
            Err(Fault::Unsent(reason)) => return Err(Setback::Unsent(reason)),
            Err(Fault::Lost(reason)) => return Err(Setback::Lost(reason)),
        };
        self.0
            .metrics
            .refused(&self.0.app.name, call.path(), refusal.errcode);
        Err(match refusal.class() {
            Some(Class::TokenRejected) => Setback::TokenRejected(token.generation, refusal),
            Some(Class::Busy) => Setback::Busy(refusal),
            Some(Class::RateLimited) => Setback::RateLimited(refusal),
            Some(Class::ConcurrencyLimited) => Setback::Concurrency(refusal),
            Some(Class::Conflict) => Setback::Conflict(refusal),
            _ => Setback::Final(call.refused(refusal, &body)),
        })
    }

    /// The error of the last attempt.
    fn give_up<C: Call>(&self, call: &C, setback: Setback, deadline: Instant) -> Error {
        let path = call.path();
        let retry_after = UNREACHABLE_WAIT;
        let effect = call.repeat() != Repeat::Freely;
        let error = match setback {
            Setback::Lost(Reason::TimedOut) if Instant::now() >= deadline => {
                Error::Deadline { path, sent: effect }
            }
            Setback::Lost(Reason::TooLarge) if !effect => Error::AnswerTooLarge { path },
            Setback::Lost(reason) if effect => Error::OutcomeUnknown {
                path,
                reason,
                refusal: None,
            },
            Setback::Busy(refusal) if effect => Error::OutcomeUnknown {
                path,
                reason: Reason::Busy,
                refusal: Some(refusal),
            },
            Setback::Unsent(reason) | Setback::Lost(reason) => Error::Unreachable {
                path,
                reason,
                retry_after,
            },
            Setback::Busy(_) => Error::Unreachable {
                path,
                reason: Reason::Busy,
                retry_after,
            },
            Setback::Concurrency(refusal) => Error::RateLimited {
                path,
                refusal,
                retry_after: CONCURRENCY_WAIT,
            },
            Setback::RateLimited(refusal) => {
                let retry_after = self.0.pace.block(path);
                tracing::warn!(
                    app = %self.0.app.name, api = path, seconds = retry_after.as_secs(),
                    "WeCom's frequency limit of {path} is reached; holding calls of app {} back", self.0.app.name,
                );
                Error::RateLimited {
                    path,
                    refusal,
                    retry_after,
                }
            }
            Setback::TokenRejected(_, refusal) | Setback::Conflict(refusal) => {
                Error::Refused { path, refusal }
            }
            Setback::NoToken(reason, retry_after) => Error::Unreachable {
                path: token::PATH,
                reason,
                retry_after,
            },
            Setback::Final(error) => error,
        };
        if let Error::Unreachable { reason, .. } | Error::OutcomeUnknown { reason, .. } = &error {
            tracing::warn!(app = %self.0.app.name, api = path, "{path} failed for app {}: {reason}", self.0.app.name);
        }
        error
    }
}

/// Why an attempt brought no reply.
enum Setback {
    Unsent(Reason),
    /// gettoken could not be reached; with when it is asked again.
    NoToken(Reason, Duration),
    Lost(Reason),
    Busy(Refusal),
    Concurrency(Refusal),
    RateLimited(Refusal),
    Conflict(Refusal),
    /// With the generation of the token that was refused.
    TokenRejected(u64, Refusal),
    Final(Error),
}

impl Setback {
    /// Whether the attempt may have had an effect that a repetition could double.
    fn lost(&self, repeat: Repeat) -> Option<Reason> {
        match self {
            Self::Lost(reason) if repeat != Repeat::Freely => Some(*reason),
            Self::Busy(_) if repeat != Repeat::Freely => Some(Reason::Busy),
            _ => None,
        }
    }
}

/// An attempt whose answer was lost may have had its effect, whatever became of
/// its repetitions; except where their refusal tells.
fn unless_lost<C: Call>(call: &C, lost: Option<Reason>, error: Error) -> Error {
    let Some(reason) = lost else { return error };
    match error {
        Error::OutcomeUnknown { .. }
        | Error::Deadline { sent: true, .. }
        | Error::AllRecipientsInvalid { .. } => error,
        Error::Refused { path, refusal } => match call.may_follow_success(&refusal) {
            false => Error::Refused { path, refusal },
            true => Error::OutcomeUnknown {
                path,
                reason: Reason::RefusedAfterLoss,
                refusal: Some(refusal),
            },
        },
        Error::Deadline { path, .. } => Error::Deadline { path, sent: true },
        _ => Error::OutcomeUnknown {
            path: call.path(),
            reason,
            refusal: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl FnOnce(&'static Client, message::Send, Instant) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_a_send_is_small() {
        // It is moved several times for every call; 4808 bytes on 2026-11-24.
        assert!(size_of_future(Client::send) < 6 * 1024);
    }
}
