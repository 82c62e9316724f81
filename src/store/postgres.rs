//! The shared engine: a PostgreSQL server, many replicas.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::engine::Engine;
use super::error::{Error, Result};

/// Embedded, so that the binary needs no files beside it.
pub(super) static MIGRATOR: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Connections of one replica: a handful for the dispatchers' commits, the rest for calls. A
/// server takes 100 as it comes, which leaves room for several replicas.
const CONNECTIONS: u32 = 10;

/// How long a caller waits for a connection before it is told that the store is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection is told.
/// - A commit answers when it is on the disk, whatever the server does by default.
/// - No statement of ours runs for seconds, and none waits that long for a row, unless something
///   is wrong; a replica that was stopped in a transaction gives its locks back.
const SETUP: &str = "SET synchronous_commit = on;
    SET statement_timeout = '5s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '10s'";

/// Options of a URL that mean something. sqlx logs what it does not know, value and all.
const URL_OPTIONS: [&str; 11] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Connects, and brings the tables up to date.
pub(super) async fn open(url: &str) -> Result<Engine> {
    let options = parse(url)?;
    migrate(&options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async { connection.execute(SETUP).await.map(|_| ()) })
        })
        .after_release(|connection, _| Box::pin(still_there(connection)))
        .connect_with(options)
        .await?;
    Ok(Engine::Postgres(pool))
}

/// Without this, a connection whose server is gone without a word would wait for its answer in
/// the pool, and keep its place there.
async fn still_there(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let ping = tokio::time::timeout(ACQUIRE_TIMEOUT, connection.ping());
    ping.await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(true)
}

/// With a connection of its own, without time limits: replicas that start together take turns, by
/// a lock of sqlx, and whoever has it may have a lot to do.
async fn migrate(options: &PgConnectOptions) -> Result<()> {
    let connect = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect());
    let mut connection = connect
        .await
        .map_err(|_| Error::Unavailable("the server does not answer".into()))??;
    MIGRATOR.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

fn parse(url: &str) -> Result<PgConnectOptions> {
    let options = url.split_once('?').map_or("", |(_, options)| options);
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        if !URL_OPTIONS.contains(&name) {
            return Err(Error::Url("it has an option that is not supported"));
        }
    }
    // The error is left out: it may quote what it did not understand.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Error::Url("the address of the server is malformed"))?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("wecomgw"),
    };
    Ok(options.disable_statement_logging())
}
