//! Sessions: issued, read, ended.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use secrecy::SecretString;

use super::error::Error;
use super::key::Keys;
use super::revocation::{Revocations, is_over};
use super::settings::Settings;
use super::token::{self, Person, Session};
use crate::store::{self, Store};

/// The sessions of people; clones share them.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    keys: RwLock<Arc<Keys>>,
    key_files: Vec<PathBuf>,
    issuer: String,
    lifetime: Duration,
    revocations: Revocations,
}

/// A session that begins.
pub struct Issued {
    /// The token. Who has it is the person.
    pub token: SecretString,
    /// What it says.
    pub session: Session,
}

impl Sessions {
    /// Reads the keys, or tells every fault of them.
    pub fn new(settings: &Settings, store: Store) -> Result<Self, Vec<String>> {
        Ok(Self(Arc::new(Inner {
            keys: RwLock::new(Arc::new(Keys::load(&settings.signing_key_files)?)),
            key_files: settings.signing_key_files.clone(),
            issuer: settings.issuer.clone(),
            lifetime: settings.session_lifetime,
            revocations: Revocations::new(store),
        })))
    }

    fn keys(&self) -> Arc<Keys> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// Reads the keys again.
    ///
    /// # Errors
    ///
    /// The files are not all keys; the old ones serve on.
    pub fn reload(&self) -> Result<(), String> {
        let read = Keys::load(&self.0.key_files).map_err(|faults| faults.join("; "))?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    /// Whether every session ends with this process, for want of a key that stays.
    pub fn end_with_the_process(&self) -> bool {
        self.keys().made_here
    }

    /// The public keys (JWKS), for those who verify tokens by themselves.
    pub fn jwks(&self) -> String {
        self.keys().jwks().to_string()
    }

    /// Begins a session.
    pub fn issue(&self, person: Person) -> Issued {
        let Inner {
            issuer, lifetime, ..
        } = &*self.0;
        let (token, session) =
            token::sign(&self.keys(), issuer, person, *lifetime, SystemTime::now());
        Issued { token, session }
    }

    /// Whose session a token is. It may be over: that is for [`Sessions::check`].
    pub fn read(&self, token: &str) -> Result<Session, Error> {
        token::read(&self.keys(), &self.0.issuer, token, SystemTime::now())
    }

    /// Whether a session goes on.
    pub async fn check(&self, session: &Session) -> Result<(), Error> {
        if is_over(session, SystemTime::now()) {
            return Err(Error::Expired);
        }
        match self.0.revocations.contains(session).await? {
            true => Err(Error::Revoked),
            false => Ok(()),
        }
    }

    /// Ends a session. One that is over needs no more.
    pub async fn end(&self, session: &Session) -> store::Result<()> {
        if is_over(session, SystemTime::now()) {
            return Ok(());
        }
        self.0.revocations.insert(session).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn store() -> Store {
        let url = "sqlite::memory:".to_owned();
        Store::open(&store::Settings { url })
            .await
            .expect("a store")
    }

    /// Two replicas with one key and one store.
    async fn replicas() -> (Sessions, Sessions, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key.pem");
        std::fs::write(&file, token::tests::pem(1)).expect("written");
        let settings = Settings {
            redirect_uris: Vec::new(),
            require_state: true,
            session_lifetime: Duration::from_secs(3600),
            issuer: "wecomgw".into(),
            signing_key_files: vec![file],
        };
        let store = store().await;
        let replica = || Sessions::new(&settings, store.clone()).expect("keys");
        (replica(), replica(), folder)
    }

    #[tokio::test]
    async fn session_ended_on_one_replica_is_refused_on_the_other_within_5_seconds() {
        let (one, two, _folder) = replicas().await;
        let Issued { session, .. } = one.issue(token::tests::person());
        one.check(&session).await.expect("goes on");
        two.check(&session).await.expect("goes on");
        one.end(&session).await.expect("ended");
        assert!(matches!(one.check(&session).await, Err(Error::Revoked)));
        tokio::time::pause();
        advance(Duration::from_secs(5)).await;
        tokio::time::resume();
        assert!(matches!(two.check(&session).await, Err(Error::Revoked)));
        two.end(&session).await.expect("again is no fault");
    }

    #[tokio::test]
    async fn no_session_goes_on_while_the_store_is_away() {
        let (one, _two, _folder) = replicas().await;
        let Issued { session, .. } = one.issue(token::tests::person());
        one.0.revocations.close().await;
        assert!(matches!(one.check(&session).await, Err(Error::Store(_))));
        one.end(&session).await.expect_err("cannot be written");
        assert!(matches!(one.check(&session).await, Err(Error::Store(_))));
    }

    #[tokio::test]
    async fn session_that_is_over_is_expired_and_ends_without_a_row() {
        let (one, _two, _folder) = replicas().await;
        let Issued { mut session, .. } = one.issue(token::tests::person());
        session.expires_at = SystemTime::now();
        assert!(matches!(one.check(&session).await, Err(Error::Expired)));
        one.0.revocations.close().await;
        one.end(&session).await.expect("over already");
    }
}
