//! A witness, a store of one of the two engines, and the gateways between them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::Connection as _;
use tempfile::TempDir;

use crate::caller::Caller;
use crate::postgres::{self, Server};
use crate::process::{Gateway, Witness};
use crate::verify::{self, Export, Line};

/// Where jobs lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Everything of a scenario but its gateways.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) witness: Witness,
    folder: TempDir,
    store: Store,
}

enum Store {
    File(PathBuf),
    Database {
        server: &'static Server,
        url: String,
    },
}

impl World {
    /// With so many members.
    pub(crate) fn new(engine: Engine, crowd: usize) -> Self {
        match engine {
            Engine::Sqlite => Self::in_file(None, crowd),
            Engine::Postgres => Self::on_server(postgres::server(), crowd),
        }
    }

    /// With the file of SQLite in this folder, or in that of the scenario.
    pub(crate) fn in_file(store_folder: Option<PathBuf>, crowd: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store_folder = store_folder.unwrap_or_else(|| folder.path().to_owned());
        Self {
            engine: Engine::Sqlite,
            witness: Witness::start(folder.path(), crowd),
            store: Store::File(store_folder.join("wecomgw.db")),
            folder,
        }
    }

    /// With a database on this server.
    pub(crate) fn on_server(server: &'static Server, crowd: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            engine: Engine::Postgres,
            witness: Witness::start(folder.path(), crowd),
            store: Store::Database {
                server,
                url: server.database(),
            },
            folder,
        }
    }

    /// A gateway that is not started yet.
    pub(crate) fn gateway(&self, name: &str) -> Gateway {
        let url = match &self.store {
            Store::File(path) => format!("sqlite:{}", path.display()),
            Store::Database { url, .. } => url.clone(),
        };
        Gateway::new(self.folder.path(), name, &self.witness, &url)
    }

    /// One that runs, and a caller of it.
    pub(crate) async fn running(&self) -> (Gateway, Caller) {
        let mut gateway = self.gateway("gateway");
        gateway.start().await;
        let caller = Caller::new(&[gateway.address]);
        (gateway, caller)
    }

    /// Runs a statement, while no gateway has the file.
    pub(crate) async fn sql(&self, sql: &'static str) -> String {
        match &self.store {
            Store::File(path) => {
                let url = format!("sqlite:{}", path.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let rows = sqlx::query_scalar::<_, String>(sql);
                let answer = rows.fetch_optional(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                answer.unwrap_or_default()
            }
            Store::Database { server, url } => server.query(url.rsplit('/').next().unwrap(), sql),
        }
    }

    /// Spares a scenario that kills a hundred times the 15 s that the lease of the dead has left.
    /// SQLite has one process, and no lease to wait for.
    pub(crate) async fn free_lane(&self) {
        if self.engine == Engine::Postgres {
            self.sql("UPDATE bulk_lanes SET expires_at_ms = 0").await;
        }
    }

    /// Fails unless the invariants hold for these jobs; the ledger.
    pub(crate) fn verify<'a>(&self, jobs: impl IntoIterator<Item = &'a Export>) -> Vec<Line> {
        let ledger = self.witness.ledger();
        for job in jobs {
            let breaches = verify::breaches(job, &ledger);
            assert!(breaches.is_empty(), "{}", breaches.join("\n"));
        }
        ledger
    }
}

/// Addresses of replicas.
pub(crate) fn addresses(gateways: &[Gateway]) -> Vec<SocketAddr> {
    gateways.iter().map(|gateway| gateway.address).collect()
}

/// The wall clock, which the witness writes by.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// A pause by chance.
pub(crate) fn some_ms(range: std::ops::RangeInclusive<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(range))
}

/// How many lines repeat the bytes of another.
pub(crate) fn resends(ledger: &[Line]) -> usize {
    let bodies: std::collections::HashSet<&str> =
        ledger.iter().map(|line| line.sha256.as_str()).collect();
    ledger.len() - bodies.len()
}
