//! Which sessions were ended. The store knows; this remembers its word for a while.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moka::sync::Cache;
use tokio::time::Instant;

use super::token::Session;
use crate::store::{self, Store};

/// How long a session is believed to go on without asking the store again. A session
/// ended by another replica is refused after this long at the latest.
const BELIEF: Duration = Duration::from_secs(5);
/// Sessions remembered. Beyond them the store is asked more often, and nothing else.
const REMEMBERED: u64 = 100_000;

/// The ended sessions.
pub(super) struct Revocations {
    store: Store,
    known: Cache<[u8; 16], Word>,
}

/// The store's last word on a session.
#[derive(Clone, Copy)]
enum Word {
    Ended,
    /// Not ended, as of then.
    Live(Instant),
}

impl Revocations {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            known: Cache::new(REMEMBERED),
        }
    }

    /// Whether the session was ended.
    pub(super) async fn contains(&self, session: &Session) -> store::Result<bool> {
        let asked_at = Instant::now();
        match self.known.get(&session.id) {
            Some(Word::Ended) => return Ok(true),
            Some(Word::Live(since)) if asked_at < since + BELIEF => return Ok(false),
            _ => {}
        }
        let ended = self.store.session_is_revoked(&session.id).await?;
        // A session that is ended meanwhile stays ended.
        let word = if ended {
            Word::Ended
        } else {
            Word::Live(asked_at)
        };
        self.known.entry(session.id).and_compute_with(|known| {
            match known.map(moka::Entry::into_value) {
                Some(Word::Ended) => moka::ops::compute::Op::Nop,
                _ => moka::ops::compute::Op::Put(word),
            }
        });
        Ok(ended)
    }

    /// Takes the store away.
    #[cfg(test)]
    pub(super) async fn close(&self) {
        self.store.close().await;
    }

    /// Ends the session.
    pub(super) async fn insert(&self, session: &Session) -> store::Result<()> {
        let until = session.expires_at.duration_since(UNIX_EPOCH);
        let until_ms = until.unwrap_or_default().as_millis();
        let until_ms = i64::try_from(until_ms).unwrap_or(i64::MAX);
        self.store.revoke_session(&session.id, until_ms).await?;
        self.known.insert(session.id, Word::Ended);
        Ok(())
    }
}

/// Whether the session's time is over.
pub(super) fn is_over(session: &Session, now: SystemTime) -> bool {
    session.expires_at <= now
}
