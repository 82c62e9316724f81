//! One app's client: what it is made of, and what it knows. How it calls WeCom is in
//! `attempt`, and what comes of a call that fails in `setback`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::app_chat::KnownChats;
use super::auth::{CorpTickets, LoginPage, Pages, SignPage, Signature, Tickets};
use super::breaker::Breaker;
use super::content::{Media, MediaType, TaskCardName};
use super::error::{Error, Held, Result};
use super::media::{Uploads, Used};
use super::message::{self, CardUpdate, Rendered, RenderedCardUpdate};
use super::metrics::Metrics;
use super::rate::{Corp, Pace, QuotaState};
use super::settings::{App, Resolved, Settings, read_secret};
use super::token::{AccessToken, Sharing, Source, TokenState, Tokens};
use super::transport;

mod attempt;
mod setback;

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
