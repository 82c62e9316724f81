//! One way to speak to two engines.
//!
//! Statements are written once, in the words that SQLite and PostgreSQL share, with `$1` for the
//! first value. Integers are `i64` everywhere, times unix milliseconds, digests bytes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, Postgres, SqlSafeStr, SqlStr, Sqlite, SqlitePool};

use super::error::{Error, Result};
use super::metrics::Meter;
use super::open::Store;

/// How often a transaction begins again because others stood in its way.
pub(super) const CONFLICTS_MAX: u32 = 5;
/// How long it waits before; doubled each time, and spread.
pub(super) const CONFLICT_WAIT: Duration = Duration::from_millis(5);

/// How long a server may take to answer a statement. Longer than it gives itself, so that this
/// is for servers, or the way to them, that are gone without a word.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(7);

/// Rows that one statement inserts: enough to forget the way to a database and back, and by far
/// within the 32 766 values of SQLite and the 65 535 of PostgreSQL.
const ROWS_MAX: usize = 100;

/// What PostgreSQL needs and SQLite, which lets one writer in at a time, has no word for.
const ROW_LOCK: &str = " FOR UPDATE";

/// Where the rows are.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    /// A file of this process.
    Sqlite {
        /// One connection only: SQLite lets one writer in at a time, and waiting for our own
        /// connection is fair, where waiting for SQLite's lock is polling.
        writer: SqlitePool,
        /// Beside it.
        readers: SqlitePool,
        /// Held as long as the store is open; a store in memory has none.
        lock: Option<Arc<File>>,
    },
    /// A server that many replicas share.
    Postgres(PgPool),
}

impl Store {
    /// For statements that only read. `op` is the operation's name in the metrics, here and below.
    pub(super) async fn read(&self, op: &'static str) -> Result<Session> {
        self.session(op, async |engine| {
            Ok(match engine {
                Engine::Sqlite { readers, .. } => Connection::Sqlite(readers.acquire().await?),
                Engine::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            })
        })
        .await
    }

    /// For a statement that is a transaction of its own.
    pub(super) async fn write(&self, op: &'static str) -> Result<Session> {
        self.session(op, async |engine| {
            Ok(match engine {
                Engine::Sqlite { writer, .. } => Connection::Sqlite(writer.acquire().await?),
                Engine::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            })
        })
        .await
    }

    /// For statements that are written all or none. Dropped without `commit`, none.
    ///
    /// PostgreSQL runs them READ COMMITTED, where each statement sees what was committed before
    /// it; whatever must not change meanwhile is held by a row's lock or a unique key. The stricter
    /// levels would see the same and fail more often.
    pub(super) async fn transaction(&self, op: &'static str) -> Result<Session> {
        self.session(op, async |engine| {
            Ok(match engine {
                // IMMEDIATE, since a transaction that reads first could not begin to write later.
                Engine::Sqlite { writer, .. } => {
                    Connection::SqliteTransaction(writer.begin_with("BEGIN IMMEDIATE").await?)
                }
                Engine::Postgres(pool) => Connection::PostgresTransaction(
                    pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED")
                        .await?,
                ),
            })
        })
        .await
    }

    async fn session(
        &self,
        op: &'static str,
        connect: impl AsyncFnOnce(&Engine) -> sqlx::Result<Connection>,
    ) -> Result<Session> {
        let mut meter = self.metrics.begin(op);
        let connection = connect(&self.engine).await.map_err(Error::from);
        let connection = meter.watch(connection)?;
        Ok(Session { connection, meter })
    }
}

/// Runs a body in a transaction, `$session`, and commits it. Begins again, a few times, when
/// PostgreSQL gave it up for the sake of others.
macro_rules! transaction {
    ($store:expr, $op:literal, |$session:ident| $body:expr) => {{
        let mut conflicts = 0;
        loop {
            let done = async {
                let mut $session = $store.transaction($op).await?;
                let value = $body;
                $session.commit().await?;
                Ok(value)
            };
            match done.await {
                Err($crate::store::error::Error::Conflict(_))
                    if conflicts < $crate::store::engine::CONFLICTS_MAX =>
                {
                    let wait = $crate::store::engine::CONFLICT_WAIT * 2_u32.pow(conflicts);
                    tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
                    conflicts += 1;
                }
                done => break done,
            }
        }
    }};
}
pub(super) use transaction;

/// A connection that is ours for a while.
pub(super) struct Session {
    connection: Connection,
    meter: Meter,
}

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTransaction(sqlx::Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(sqlx::Transaction<'static, Postgres>),
}

/// `$body` with the connection of either engine.
macro_rules! on {
    ($session:expr, |$connection:ident| $body:expr) => {
        match &mut $session.connection {
            Connection::Sqlite(connection) => {
                let $connection = &mut **connection;
                $body
            }
            Connection::SqliteTransaction(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
            Connection::Postgres(connection) => {
                let $connection = &mut **connection;
                $body
            }
            Connection::PostgresTransaction(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
        }
    };
}

/// `$query` with its values.
macro_rules! bind {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Int(int) => query.bind(*int),
                Value::Text(text) => query.bind(text.as_deref()),
                Value::Bytes(bytes) => query.bind(*bytes),
            };
        }
        query
    }};
}

impl Session {
    /// Whether other processes use the store too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(
            self.connection,
            Connection::Postgres(_) | Connection::PostgresTransaction(_)
        )
    }

    /// The time that all who share the store go by: the database's, else `now_ms`.
    pub(super) async fn now_ms(&mut self, now_ms: i64) -> Result<i64> {
        if !self.is_shared() {
            return Ok(now_ms);
        }
        let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        Ok(self.one::<(i64,)>(sql, &[]).await?.0)
    }

    /// Lets one transaction at a time pass with the same `key`, until it ends. SQLite lets one
    /// through anyway.
    pub(super) async fn take_turns(&mut self, key: &[u8; 32]) -> Result<()> {
        if self.is_shared() {
            let [a, b, c, d, e, f, g, h, ..] = *key;
            let key = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
            let sql = "SELECT pg_advisory_xact_lock($1)";
            self.execute(sql, &values![key]).await?;
        }
        Ok(())
    }

    /// Answers how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        let (shared, sql) = (self.is_shared(), self.speak(sql.into()));
        let done = on!(self, |connection| {
            let query = bind!(sqlx::query(sql), values);
            answered(shared, query.execute(connection))
                .await
                .map(|done| done.rows_affected())
        });
        self.meter.watch(done)
    }

    /// The only row.
    pub(super) async fn one<R: Row>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<R> {
        let row = self.optional(sql, values).await?;
        Ok(row.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// The only row, if it is there. A statement that also writes has ended by then.
    pub(super) async fn optional<R: Row>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<R>> {
        Ok(self.all(sql, values).await?.pop())
    }

    /// Every row. The plan of a text that was made for the occasion is not kept.
    pub(super) async fn all<R: Row>(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<Vec<R>> {
        let sql = sql.into();
        let persistent = matches!(sql, Cow::Borrowed(_));
        let (shared, sql) = (self.is_shared(), self.speak(sql));
        let rows = on!(self, |connection| {
            let query = bind!(sqlx::query_as(sql), values).persistent(persistent);
            answered(shared, query.fetch_all(connection)).await
        });
        self.meter.watch(rows)
    }

    /// Inserts rows of equal length, many with each statement. `into` names table and columns,
    /// `rest` is what follows the values.
    pub(super) async fn insert(
        &mut self,
        into: &str,
        rows: &[Vec<Value<'_>>],
        rest: &str,
    ) -> Result<()> {
        for rows in rows.chunks(ROWS_MAX) {
            let sql = AssertSqlSafe(insertion(into, rows, rest)).into_sql_str();
            // Only full statements come again.
            let persistent = rows.len() == ROWS_MAX;
            let values = rows.iter().flatten();
            let shared = self.is_shared();
            let done = on!(self, |connection| {
                let query = bind!(sqlx::query(sql), values).persistent(persistent);
                answered(shared, query.execute(connection))
                    .await
                    .map(|_| ())
            });
            self.meter.watch(done)?;
        }
        Ok(())
    }

    /// Makes what a transaction wrote last. When this fails because the connection is lost, it
    /// may have been written all the same.
    pub(super) async fn commit(self) -> Result<()> {
        let Self {
            connection,
            mut meter,
        } = self;
        let done = match connection {
            Connection::SqliteTransaction(transaction) => {
                transaction.commit().await.map_err(Error::from)
            }
            Connection::PostgresTransaction(transaction) => {
                answered(true, transaction.commit()).await
            }
            Connection::Sqlite(_) | Connection::Postgres(_) => Ok(()),
        };
        meter.watch(done)
    }

    fn speak(&self, sql: Cow<'static, str>) -> SqlStr {
        match sql {
            Cow::Borrowed(sql) if self.is_shared() => sql.into_sql_str(),
            Cow::Borrowed(sql) => sql.strip_suffix(ROW_LOCK).unwrap_or(sql).into_sql_str(),
            Cow::Owned(sql) => AssertSqlSafe(sql).into_sql_str(),
        }
    }
}

/// Waits for a server as long as [`ANSWER_TIMEOUT`]; a file answers.
async fn answered<T>(shared: bool, work: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    if !shared {
        return Ok(work.await?);
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::Unavailable("the server does not answer".into())),
    }
}

fn insertion(into: &str, rows: &[Vec<Value<'_>>], rest: &str) -> String {
    let mut sql = format!("INSERT INTO {into} VALUES ");
    let mut place = 0;
    for (row, values) in rows.iter().enumerate() {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for value in 0..values.len() {
            place += 1;
            let comma = if value == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}${place}");
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(rest);
    sql
}

/// A row that both engines can give.
pub(super) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<R> Row for R where R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A value of a statement; NULL has a type too.
pub(super) enum Value<'v> {
    Int(Option<i64>),
    Text(Option<Cow<'v, str>>),
    Bytes(Option<&'v [u8]>),
}

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::store::engine::Value::from($value)),*] };
}
pub(super) use values;

impl<'v> From<&'v str> for Value<'v> {
    /// PostgreSQL has no NUL in its texts. One in the words of WeCom must not make a row that can
    /// never be written.
    fn from(text: &'v str) -> Self {
        Self::Text(Some(if text.contains('\0') {
            text.replace('\0', "\u{fffd}").into()
        } else {
            text.into()
        }))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        text.map_or(Self::Text(None), Self::from)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'v> From<Option<&'v [u8]>> for Value<'v> {
    fn from(bytes: Option<&'v [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(int: Option<i64>) -> Self {
        Self::Int(int)
    }
}

impl From<u32> for Value<'_> {
    fn from(int: u32) -> Self {
        Self::Int(Some(int.into()))
    }
}

impl From<u64> for Value<'_> {
    fn from(int: u64) -> Self {
        Self::Int(Some(i64::try_from(int).unwrap_or(i64::MAX)))
    }
}

/// In milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
