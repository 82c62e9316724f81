//! Where `wecom` leaves access tokens for other replicas: the store that they share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::store::Store;
use crate::wecom::Sharing;

/// The store, seen as what tokens are left in.
pub(super) struct SharedTokens {
    store: Store,
    /// Tells the replicas apart.
    holder: String,
}

impl SharedTokens {
    pub(super) fn new(store: Store) -> Self {
        let holder = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        Self { store, holder }
    }
}

impl Sharing for SharedTokens {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Vec<u8>>> {
        let load = async {
            match self.store.token(key).await {
                Ok(token) => token.map(|token| token.sealed),
                Err(error) => {
                    tracing::warn!("cannot look for a shared access token: {error}");
                    None
                }
            }
        };
        load.boxed()
    }

    fn lease<'a>(&'a self, key: &'a str, life: Duration) -> BoxFuture<'a, bool> {
        let lease = async move {
            let lease = self.store.lease_refresh(key, &self.holder, life).await;
            lease.unwrap_or_else(|error| {
                tracing::warn!("fetching an access token alone: {error}");
                true
            })
        };
        lease.boxed()
    }

    fn save<'a>(
        &'a self,
        key: &'a str,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, ()> {
        let save = async move {
            let since = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default();
            let expires_at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            let put = async {
                let before = self.store.token(key).await?;
                let generation = before.map_or(0, |token| token.generation) + 1;
                // Where another one came first, that one is as good.
                self.store
                    .put_token(key, &sealed, generation, expires_at_ms)
                    .await
            };
            if let Err(error) = put.await {
                tracing::warn!("cannot share an access token: {error}");
            }
        };
        save.boxed()
    }
}
