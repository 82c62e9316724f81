//! One token for all replicas: whoever fetches it leaves it where the others find it, sealed with
//! the secret that it was made from, which all of them have.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::{FETCH_TIMEOUT, LONGEST_LIFE, Source, Token};

/// Keeps the key apart from every other use of the secret.
const PURPOSE: &[u8] = b"wecomgw shared access token v1";
/// How long one replica alone may ask gettoken: its timeout, and a little.
const LEASE: Duration = Duration::from_secs(10);
/// How often a replica looks for the token that another one fetches.
const LOOK: Duration = Duration::from_millis(200);

/// Where replicas leave their tokens. It sees no token, and when it is away, each replica
/// fetches its own.
pub trait Sharing: Send + Sync {
    /// What was left last under `key`.
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Vec<u8>>>;

    /// Whether this replica may fetch; the others wait for `life` at most.
    fn lease<'a>(&'a self, key: &'a str, life: Duration) -> BoxFuture<'a, bool>;

    /// Leaves `sealed` under `key`, and ends the lease.
    fn save<'a>(
        &'a self,
        key: &'a str,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, ()>;
}

impl Source {
    /// The token that another replica fetched, if it is another than `replacing` and than the one
    /// that WeCom refused; `None` when this replica is to fetch one.
    pub(super) async fn others_token(&self, replacing: Option<&Token>) -> Option<Arc<Token>> {
        let sharing = self.0.tokens.sharing.as_ref()?;
        let until = Instant::now() + FETCH_TIMEOUT;
        while Instant::now() < until {
            let sealed = sharing.load(&self.0.key).await;
            if let Some((secret, life)) = sealed.and_then(|sealed| self.open(&sealed))
                && !self.is_spent(&secret, replacing)
            {
                return Some(self.token(secret, life, Instant::now(), replacing));
            }
            if sharing.lease(&self.0.key, LEASE).await {
                return None;
            }
            sleep(LOOK).await;
        }
        None
    }

    /// Leaves a token for the other replicas.
    pub(super) async fn tell_others(&self, token: &Token) {
        let Some(sharing) = &self.0.tokens.sharing else {
            return;
        };
        let expires_at = SystemTime::now() + token.expires_at.duration_since(Instant::now());
        let sealed = self.seal(&token.secret, expires_at);
        sharing.save(&self.0.key, sealed, expires_at).await;
    }

    fn is_spent(&self, secret: &SecretString, replacing: Option<&Token>) -> bool {
        let is = |other: &SecretString| other.expose_secret() == secret.expose_secret();
        replacing.is_some_and(|old| is(&old.secret))
            || self.status().refused_secret.as_ref().is_some_and(is)
    }

    fn seal(&self, secret: &SecretString, expires_at: SystemTime) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .expect("the system has randomness");
        let mut sealed = unix_ms(expires_at).to_be_bytes().to_vec();
        sealed.extend_from_slice(secret.expose_secret().as_bytes());
        self.sealing_key()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.0.key.as_bytes()),
                &mut sealed,
            )
            .expect("tokens are far shorter than AES-GCM's limit of 64 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// The token and the life that it has left; nothing when it has ended, or was made from
    /// another secret.
    fn open(&self, sealed: &[u8]) -> Option<(SecretString, Duration)> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(self.0.key.as_bytes());
        let opened = self
            .sealing_key()
            .open_in_place(nonce, aad, &mut sealed)
            .ok()?;
        let (expires_at, secret) = opened.split_first_chunk::<8>()?;
        let left = u64::from_be_bytes(*expires_at).checked_sub(unix_ms(SystemTime::now()))?;
        let secret = std::str::from_utf8(secret).ok()?;
        // The clocks of two machines may differ by more than a token's life.
        let left = Duration::from_millis(left).min(LONGEST_LIFE);
        Some((secret.to_owned().into(), left))
    }

    fn sealing_key(&self) -> LessSafeKey {
        // The one that serves: a replica that starts after a rotation knows no other.
        let secret = self.secret();
        let material = Salt::new(HKDF_SHA256, &[]).extract(secret.expose_secret().as_bytes());
        let material = material
            .expand(&[PURPOSE], &AES_256_GCM)
            .expect("one key is shorter than HKDF's limit of 255 hashes");
        LessSafeKey::new(UnboundKey::from(material))
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
