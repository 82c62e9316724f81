//! Access tokens that replicas share: sealed bytes here, and whose turn it is to fetch the next.

use std::fmt;
use std::time::Duration;

use super::engine::{millis, values};
use super::error::{Error, Result};
use super::open::Store;

/// A token, sealed by whoever put it here.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedToken {
    /// Opaque here.
    pub sealed: Vec<u8>,
    /// Counts the tokens of a key.
    pub generation: i64,
    /// When it ends, in unix milliseconds.
    pub expires_at_ms: i64,
}

impl Store {
    /// The latest token of a key, whether or not it has ended.
    pub async fn token(&self, key: &str) -> Result<Option<SharedToken>> {
        let sql = "SELECT sealed, generation, expires_at_ms FROM shared_tokens
             WHERE key = $1 AND sealed IS NOT NULL";
        let mut session = self.read("token").await?;
        let row: Option<(Vec<u8>, i64, i64)> = session.optional(sql, &values![key]).await?;
        Ok(row.map(|(sealed, generation, expires_at_ms)| SharedToken {
            sealed,
            generation,
            expires_at_ms,
        }))
    }

    /// Whether it is `holder`'s turn to fetch the next token of a key. If so, it is for `life`, or
    /// until a token is put. Where the process has the store for itself, it always is.
    pub async fn lease_refresh(&self, key: &str, holder: &str, life: Duration) -> Result<bool> {
        let mut session = self.write("lease_refresh").await?;
        if !session.is_shared() {
            return Ok(true);
        }
        // Only the database's clock counts here.
        let now_ms = session.now_ms(0).await?;
        let sql =
            "INSERT INTO shared_tokens (key, generation, expires_at_ms, holder, held_until_ms)
             VALUES ($1, 0, 0, $2, $3)
             ON CONFLICT (key) DO UPDATE SET holder = $2, held_until_ms = $3
             WHERE shared_tokens.holder IS NULL OR shared_tokens.holder = $2
                 OR shared_tokens.held_until_ms <= $4";
        let values = values![key, holder, now_ms + millis(life), now_ms];
        Ok(session.execute(sql, &values).await? == 1)
    }

    /// Puts the token of a `generation`, and ends the turn of whoever fetched it. Says whether it
    /// could: not when there is one of this generation or a later one.
    pub async fn put_token(
        &self,
        key: &str,
        sealed: &[u8],
        generation: i64,
        expires_at_ms: i64,
    ) -> Result<bool> {
        if generation < 1 {
            return Err(Error::OutOfStep("a token before the first"));
        }
        let sql =
            "INSERT INTO shared_tokens (key, sealed, generation, expires_at_ms, held_until_ms)
             VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (key) DO UPDATE SET sealed = $2, generation = $3, expires_at_ms = $4,
                 holder = NULL, held_until_ms = 0
             WHERE shared_tokens.generation < $3";
        let values = values![key, sealed, generation, expires_at_ms];
        let mut session = self.write("put_token").await?;
        Ok(session.execute(sql, &values).await? == 1)
    }
}

// By hand, because even sealed it is not for a log.
impl fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedToken")
            .field("generation", &self.generation)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}
