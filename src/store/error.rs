//! What can go wrong with the store, told apart by who can help.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

/// The store's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault of the store. Its text names files and the engine's reasons, and never what a row
/// holds: the engines put no values into the messages shown here, and the URL is left out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL has a form that this store does not open.
    #[error(
        "[store] url: {0}; write `sqlite:` and a path, such as `sqlite:wecomgw.db`, or `postgres://user@host/database`"
    )]
    Url(&'static str),
    /// Another process has the database.
    #[error(
        "{} is locked: another process uses this database; stop it, or give this one a [store] url of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The database was written by a later version of the gateway.
    #[error(
        "the database has migration {0}, which this version does not know: start the version that wrote it, or a later one"
    )]
    FromTheFuture(i64),
    /// The database cannot be reached or opened at present.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The disk is full.
    #[error("the store's disk is full: {0}")]
    Full(String),
    /// The disk failed.
    #[error("the store's disk failed: {0}")]
    Io(String),
    /// The file is not a database, is damaged, or holds a row that makes no sense.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// A step of a request that does not follow on the steps before: [`begin`] was not called,
    /// the request has ended, its life is over, or its bytes changed.
    ///
    /// [`begin`]: super::Store::begin
    #[error("the store has no such request in a state that allows {0}")]
    OutOfStep(&'static str),
    /// The lane has another holder: nothing was written, and nothing more may be sent.
    #[error("the lane has another holder")]
    LaneLost,
    /// Others stood in the way, again and again. Nothing was written.
    #[error("the store is contended: {0}")]
    Conflict(String),
    /// Anything else: a fault of the gateway.
    #[error("the store failed: {0}")]
    Unexpected(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error)
                if error.try_downcast_ref::<PgDatabaseError>().is_some() =>
            {
                let state = error.code().unwrap_or_default();
                Self::from_postgres(&state, error.message())
            }
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
                Self::from_sqlite(code, error.message())
            }
            // Of the way to a server; SQLite's own come with a code.
            sqlx::Error::Io(error) => Self::Unavailable(error.to_string()),
            sqlx::Error::Tls(error) => Self::Unavailable(format!("TLS: {error}")),
            sqlx::Error::PoolTimedOut => Self::Unavailable("every connection is busy".into()),
            sqlx::Error::PoolClosed => Self::Unavailable("it is closed".into()),
            sqlx::Error::WorkerCrashed => Self::Unavailable("its thread has ended".into()),
            // Their texts may quote the value that did not decode.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt("a value has the wrong type".into())
            }
            sqlx::Error::Migrate(error) => Self::from(*error),
            other => Self::Unexpected(other.to_string()),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(version) => Self::FromTheFuture(version),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl Error {
    /// Sorts SQLite's codes, <https://www.sqlite.org/rescode.html>; the low byte is the kind.
    fn from_sqlite(code: i32, message: &str) -> Self {
        let text = format!("{message} (SQLite code {code})");
        match code & 0xff {
            // PERM, BUSY, LOCKED, READONLY, CANTOPEN
            3 | 5 | 6 | 8 | 14 => Self::Unavailable(text),
            10 => Self::Io(text),
            // CORRUPT, NOTADB
            11 | 26 => Self::Corrupt(text),
            13 => Self::Full(text),
            _ => Self::Unexpected(text),
        }
    }

    /// Sorts PostgreSQL's states, <https://www.postgresql.org/docs/current/errcodes-appendix.html>;
    /// the first two characters are the class.
    fn from_postgres(state: &str, message: &str) -> Self {
        let text = format!("{message} (SQLSTATE {state})");
        match (state.get(..2).unwrap_or_default(), state) {
            // serialization_failure, deadlock_detected
            (_, "40001" | "40P01") => Self::Conflict(text),
            (_, "53100") => Self::Full(text),
            ("58", _) => Self::Io(text),
            ("XX", "XX001" | "XX002") => Self::Corrupt(text),
            // No connection, no rights, no database, read-only, no resources, a lock or a
            // statement that took too long, shut down.
            ("08" | "28" | "3D" | "53" | "55" | "57", _) | (_, "25006" | "25P03" | "42501") => {
                Self::Unavailable(text)
            }
            _ => Self::Unexpected(text),
        }
    }
}
