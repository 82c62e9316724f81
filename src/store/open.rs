//! The store, whichever engine keeps it.

use prometheus_client::registry::Registry;

use super::engine::Engine;
use super::error::Result;
use super::metrics::Metrics;
use super::settings::Settings;
use super::{postgres, sqlite};

/// The store. Clones share one set of connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) engine: Engine,
    pub(super) metrics: Metrics,
}

impl Store {
    /// Opens the database and brings its tables up to date. A file is created (mode 0600) if it is
    /// not there; fails if another process has it. A server must answer, and have the database.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let Settings { url } = settings;
        let engine = match url.split_once("://") {
            Some(("postgres" | "postgresql", _)) => postgres::open(url).await?,
            _ => sqlite::open(url).await?,
        };
        let metrics = Metrics::default();
        Ok(Self { engine, metrics })
    }

    /// Makes its metrics readable through `registry`.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Whether other replicas use it too.
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Whether the store answers, for health checks.
    pub async fn ping(&self) -> Result<()> {
        let mut session = self.read("ping").await?;
        let sql = "SELECT state FROM requests LIMIT 1";
        session.optional::<(i64,)>(sql, &[]).await?;
        Ok(())
    }

    /// Waits for what is under way, closes every connection and lets another process in.
    /// Dropping the last clone does the same, but does not wait.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite {
                writer,
                readers,
                lock,
            } => {
                readers.close().await;
                writer.close().await;
                if let Some(lock) = lock {
                    // A failure changes nothing: the lock goes with the file.
                    let _ = lock.unlock();
                }
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}
