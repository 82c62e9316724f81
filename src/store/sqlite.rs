//! The embedded engine: one SQLite file, one process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _};

use super::engine::Engine;
use super::error::{Error, Result};

/// Embedded, so that the binary needs no files beside it.
pub(super) static MIGRATOR: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// How long a statement waits for a lock, and a caller for a connection, before it gives up.
/// A commit takes milliseconds; a backup tool may hold the file for a second or two.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read beside the one that writes. Reads are short and rare, a few will do.
const READERS: u32 = 4;

/// Opens the database, creates it (mode 0600) if it is not there, and brings its tables up
/// to date. Fails if another process has it.
pub(super) async fn open(url: &str) -> Result<Engine> {
    let (writer, readers, lock) = match parse(url)? {
        Place::Memory => in_memory().await?,
        Place::File(path) => in_file(&resolve(&path)?).await?,
    };
    MIGRATOR.run(&writer).await?;
    Ok(Engine::Sqlite {
        writer,
        readers,
        lock: lock.map(Arc::new),
    })
}

async fn in_memory() -> Result<(SqlitePool, SqlitePool, Option<File>)> {
    // Each connection in memory would be a database of its own: there can be only one.
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .foreign_keys(true);
    let pool = pool(1)
        .connect_with(options.disable_statement_logging())
        .await?;
    Ok((pool.clone(), pool, None))
}

async fn in_file(path: &Path) -> Result<(SqlitePool, SqlitePool, Option<File>)> {
    // The lock first: nothing may touch a database that another process has.
    let lock = lock(path)?;
    create(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits when the power goes, and with them the
        // knowledge that a message may have been sent.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging();
    let writer = pool(1)
        // SQLite ends a transaction by itself when the disk is full or fails. sqlx takes the
        // failed ROLLBACK for one that is still to come, and would refuse every later BEGIN.
        .after_release(|connection, _| {
            Box::pin(async move {
                // A ROLLBACK that is under way comes first.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(options.clone())
        .await?;
    let readers = pool(READERS).connect_lazy_with(options.read_only(true));
    Ok((writer, readers, Some(lock)))
}

enum Place {
    Memory,
    File(PathBuf),
}

fn parse(url: &str) -> Result<Place> {
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Err(Error::Url(match url.split_once(':') {
            Some(_) => "this kind of database is not supported",
            None => "it does not begin with `sqlite:` or `postgres:`",
        }));
    };
    if path == ":memory:" {
        return Ok(Place::Memory);
    }
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(Error::Url("the path is missing"));
    }
    if path.contains('?') || path.starts_with(':') {
        return Err(Error::Url("options are not supported"));
    }
    Ok(Place::File(path.into()))
}

/// The one path of a file, so that two spellings or a symbolic link meet the same lock.
fn resolve(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        return Err(Error::Url("the path is a folder"));
    }
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let name = path
        .file_name()
        .ok_or(Error::Url("the path names no file"))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = folder
        .canonicalize()
        .map_err(|error| unavailable(folder, &error))?;
    Ok(folder.join(name))
}

/// Takes the lock beside the database. SQLite's own locks would let two gateways take turns, and
/// each would drive the sends of the other. The file stays behind; only the lock on it counts.
fn lock(database: &Path) -> Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = private(OpenOptions::new().create(true).truncate(false).write(true))
        .open(&path)
        .map_err(|error| unavailable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
    }
}

/// Makes the file before SQLite does, which would leave its mode to the umask. SQLite gives its
/// files beside the database the database's mode.
fn create(path: &Path) -> Result<()> {
    match private(OpenOptions::new().create_new(true).write(true)).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unavailable(path, &error)),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn unavailable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}

/// Connections that stay: an idle one costs nothing, and in memory it is the database.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not hang up.
        .test_before_acquire(false)
}
