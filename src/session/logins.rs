//! The way of a login: a state goes out, comes back with a code, and the code is let
//! through once.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::error::LoginError;
use super::settings::Settings;
use super::{random, seal};
use crate::store::{self, Bring, BroughtCode, Digest, LOGIN_STATE_LIFE, Store};

/// Characters of a state made here: 27 of 62 kinds are 160 bits.
const STATE_LENGTH: usize = 27;

/// The logins under way; clones share them.
#[derive(Clone)]
pub struct Logins(Arc<Inner>);

struct Inner {
    store: Store,
    redirect_uris: Vec<String>,
    require_state: bool,
}

/// A login that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Comes back from the login page.
    pub state: String,
    /// When it is not taken any more.
    pub expires_at: SystemTime,
}

/// A code that came back. Its text is a secret until it is used.
pub struct Brought {
    /// Name of the app.
    pub app: String,
    /// Name of the caller.
    pub caller: String,
    /// The code.
    pub code: String,
    /// The state.
    pub state: String,
}

impl Brought {
    /// Equal for equal codes that are brought in the same way, and for no others.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in [&self.app, &self.caller, &self.code, &self.state] {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// What is known of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it is ours to ask WeCom for, now.
    New,
    /// It was asked for, and what WeCom said is lost.
    Lost,
    /// It was asked for; this was kept of it.
    Kept(Vec<u8>),
}

impl Logins {
    /// Kept in `store`.
    pub fn new(settings: &Settings, store: Store) -> Self {
        Self(Arc::new(Inner {
            store,
            redirect_uris: settings.redirect_uris.clone(),
            require_state: settings.require_state,
        }))
    }

    /// Whether a login may return to this address. The whole is compared, byte by byte:
    /// whatever a browser would make of another spelling, it is another address.
    pub fn may_return_to(&self, redirect_uri: &str) -> bool {
        self.0
            .redirect_uris
            .iter()
            .any(|known| known == redirect_uri)
    }

    /// Whether a state must be one that was handed out.
    pub fn state_is_required(&self) -> bool {
        self.0.require_state
    }

    /// Hands out a state: the given one, or a new one when it is empty. None when the given
    /// one waits for somebody else.
    pub async fn begin(
        &self,
        state: String,
        app: &str,
        caller: &str,
    ) -> store::Result<Option<Begun>> {
        let state = match state.is_empty() {
            true => random::alphanumeric(STATE_LENGTH),
            false => state,
        };
        let now = SystemTime::now();
        let added = self
            .0
            .store
            .add_login_state(&sha256(&state), app, caller, unix_ms(now))
            .await?;
        let expires_at = now + LOGIN_STATE_LIFE;
        Ok(added.then_some(Begun { state, expires_at }))
    }

    /// Uses up the state and lets the code through once; or tells what became of it.
    pub async fn bring(&self, brought: &Brought) -> Result<Turn, LoginError> {
        if self.0.require_state && brought.state.is_empty() {
            return Err(LoginError::StateRefused);
        }
        let (code, state) = (sha256(&brought.code), sha256(&brought.state));
        let row = self.row(brought, &code, &state);
        match self.0.store.bring_login_code(row, now_ms()).await? {
            Bring::New => Ok(Turn::New),
            Bring::Unanswered => Ok(Turn::Lost),
            Bring::Answered(sealed) => {
                Ok(seal::open(&brought.code, &sealed).map_or(Turn::Lost, Turn::Kept))
            }
            Bring::Used => Err(LoginError::CodeUsed),
            Bring::StateRefused => Err(LoginError::StateRefused),
        }
    }

    /// Keeps what came of a code, for whoever brings it again in the same way.
    pub async fn keep(&self, brought: &Brought, answer: &[u8]) -> store::Result<()> {
        let sealed = seal::seal(&brought.code, answer);
        let code = sha256(&brought.code);
        self.0.store.keep_login_answer(&code, &sealed).await
    }

    /// Gives a code back that WeCom certainly was not asked for, and its state.
    pub async fn release(&self, brought: &Brought) -> store::Result<()> {
        let (code, state) = (sha256(&brought.code), sha256(&brought.state));
        let row = self.row(brought, &code, &state);
        self.0.store.release_login_code(row, now_ms()).await
    }

    fn row<'a>(
        &self,
        brought: &'a Brought,
        code: &'a Digest,
        state: &'a Digest,
    ) -> BroughtCode<'a> {
        BroughtCode {
            code,
            state,
            app: &brought.app,
            caller: &brought.caller,
            state_is_required: self.0.require_state,
        }
    }
}

fn sha256(text: &str) -> Digest {
    Sha256::digest(text).into()
}

fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn logins(require_state: bool) -> Logins {
        let url = "sqlite::memory:".to_owned();
        let store = Store::open(&store::Settings { url })
            .await
            .expect("a store");
        let settings = Settings {
            redirect_uris: vec!["https://oa.example.com/login".into()],
            require_state,
            session_lifetime: Duration::from_secs(3600),
            issuer: "wecomgw".into(),
            signing_key_files: Vec::new(),
        };
        Logins::new(&settings, store)
    }

    fn brought(state: &str) -> Brought {
        Brought {
            app: "youxiao".into(),
            caller: "portal".into(),
            code: "code-1".into(),
            state: state.into(),
        }
    }

    #[tokio::test]
    async fn kept_answer_is_for_the_same_code_state_app_and_caller() {
        let logins = logins(true).await;
        let begun = logins.begin(String::new(), "youxiao", "portal").await;
        let state = begun.expect("stored").expect("a new one").state;
        assert_eq!(state.len(), STATE_LENGTH);
        let first = brought(&state);
        assert_eq!(logins.bring(&first).await.expect("new"), Turn::New);
        assert_eq!(logins.bring(&first).await.expect("known"), Turn::Lost);
        logins.keep(&first, b"answer").await.expect("kept");
        let again = logins.bring(&first).await.expect("known");
        assert_eq!(again, Turn::Kept(b"answer".to_vec()));
        let stranger = Brought {
            caller: "wiki".into(),
            ..brought(&state)
        };
        assert!(matches!(
            logins.bring(&stranger).await,
            Err(LoginError::CodeUsed)
        ));
    }

    #[tokio::test]
    async fn empty_state_is_refused_unless_states_are_not_required() {
        let strict = logins(true).await;
        assert!(matches!(
            strict.bring(&brought("")).await,
            Err(LoginError::StateRefused)
        ));
        let lax = logins(false).await;
        assert_eq!(lax.bring(&brought("")).await.expect("new"), Turn::New);
        assert!(matches!(
            lax.bring(&brought("x")).await,
            Err(LoginError::CodeUsed)
        ));
    }

    #[tokio::test]
    async fn released_code_is_new_again() {
        let logins = logins(true).await;
        logins
            .begin("s1".into(), "youxiao", "portal")
            .await
            .expect("stored");
        let first = brought("s1");
        assert_eq!(logins.bring(&first).await.expect("new"), Turn::New);
        logins.release(&first).await.expect("released");
        assert_eq!(logins.bring(&first).await.expect("new"), Turn::New);
    }

    #[test]
    fn fingerprints_do_not_run_together() {
        let moved = Brought {
            code: "code-1x".into(),
            ..brought("y")
        };
        assert_ne!(brought("xy").fingerprint(), moved.fingerprint());
        assert_eq!(brought("xy").fingerprint(), brought("xy").fingerprint());
    }
}
