//! The corp on the desk: everything one API call may read or change.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::chat::Chats;
use super::clock::Clock;
use super::directory::{Roster, Scope};
use super::duplicate::Duplicates;
use super::fault::Faults;
use super::gallery::Gallery;
use super::inbox::Inbox;
use super::ledger::Ledger;
use super::login::Logins;
use super::media::Shelf;
use super::pace::Pace;
use super::settings::{App, Modes, Settings};
use super::token::Tokens;
use super::witness::Witness;

/// The state behind the API. Handlers run to their end with it in hand and
/// never wait, so one lock around the whole keeps every call atomic.
pub(super) struct Corp {
    pub(super) id: String,
    /// The contact-sync secret (通讯录同步), if the corp made one.
    pub(super) contacts_secret: Option<SecretString>,
    pub(super) apps: Vec<App>,
    /// What each app sees, in the order of `apps`.
    pub(super) scopes: Vec<Scope>,
    pub(super) roster: Roster,
    pub(super) modes: Modes,
    pub(super) clock: Clock,
    pub(super) tokens: Tokens,
    pub(super) logins: Logins,
    pub(super) shelf: Shelf,
    pub(super) gallery: Gallery,
    pub(super) inbox: Inbox,
    pub(super) duplicates: Duplicates,
    pub(super) pace: Pace,
    pub(super) chats: Chats,
    /// The task_ids each app has used.
    pub(super) task_ids: HashSet<(u32, String)>,
}

impl Corp {
    fn new(settings: Settings, clock: Clock) -> Self {
        let Settings {
            listen: _,
            corp_id,
            contacts_secret,
            apps,
            directory,
            modes,
            ledger_file: _,
        } = settings;
        let roster = Roster::new(directory);
        Self {
            id: corp_id,
            contacts_secret,
            scopes: apps.iter().map(|app| roster.scope(&app.visible)).collect(),
            apps,
            roster,
            modes,
            clock,
            tokens: Tokens::new(),
            logins: Logins::new(),
            shelf: Shelf::new(),
            gallery: Gallery::new(),
            inbox: Inbox::new(),
            duplicates: Duplicates::new(),
            pace: Pace::new(),
            chats: Chats::default(),
            task_ids: HashSet::new(),
        }
    }
}

/// The corp, and the tester's own tools beside it.
pub(super) struct Desk {
    seed: Settings,
    pub(super) clock: Clock,
    corp: Mutex<Corp>,
    faults: Mutex<Faults>,
    ledger: Mutex<Ledger>,
    /// Outlives a reset: what was sent was sent.
    pub(super) witness: Option<Witness>,
}

impl Desk {
    pub(super) fn new(settings: Settings) -> io::Result<Self> {
        let clock = Clock::start();
        let witness = settings.ledger_file.as_deref().map(Witness::open);
        Ok(Self {
            witness: witness.transpose()?,
            seed: settings.clone(),
            clock,
            corp: Mutex::new(Corp::new(settings, clock)),
            faults: Mutex::new(Faults::new()),
            ledger: Mutex::new(Ledger::new()),
        })
    }

    pub(super) fn corp(&self) -> MutexGuard<'_, Corp> {
        held(&self.corp)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        held(&self.faults)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        held(&self.ledger)
    }

    /// Back to the first day: no tokens, messages, faults or calls, and the first settings.
    pub(super) fn reset(&self) {
        *self.corp() = Corp::new(self.seed.clone(), self.clock);
        *self.faults() = Faults::new();
        *self.ledger() = Ledger::new();
    }
}

/// A test that panicked with a lock in hand must not take the others with it.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
