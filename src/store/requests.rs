//! Request ids of unary sends: the same id gives the same answer, and no message goes out twice.
//!
//! A send is driven through `begin`, `intend`, the call to WeCom, and `finish`, or `release`
//! when it is certain that nothing was sent. Each step is committed, and on the disk, before it
//! answers. A process that dies between `intend` and `finish` leaves a send whose outcome nobody
//! knows; whoever begins it next is told what was sent and when, and decides whether WeCom's
//! duplicate check still covers a second try.
//!
//! Two that begin an id at once, as replicas may, are both told that it is theirs. `intend` decides:
//! it goes through once, and whoever comes second is out of step before anything is sent.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::engine::{Session, millis, transaction, values};
use super::error::{Error, Result};
use super::open::Store;

/// How long a request id is known. Twenty-four hours outlast any retry of a client, and the
/// longest duplicate check of WeCom, four hours
/// (<https://developer.work.weixin.qq.com/document/path/90236>), by far.
pub const REQUEST_ID_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the clock may seem to go back without a doubt about it: as long as a request may wait
/// for its turn, between taking its time and being written down.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// Rows that one commit of `expire` removes, so that sends need not wait long for their turn.
const EXPIRE_ROWS: i64 = 1000;

const BEGUN: i64 = 0;
const INTENDED: i64 = 1;
const ENDED: i64 = 2;

/// What the store knows of a request that begins.
#[derive(Clone, PartialEq, Eq)]
pub enum Begin {
    /// Nothing. It is written down now, and ours to drive.
    New,
    /// An earlier attempt went out, or may have: its outcome is not known.
    Resume(Attempt),
    /// An earlier begin never came to the call. Ours to drive, as if new.
    Unsent,
    /// It has ended; this is the answer it got.
    Done(Vec<u8>),
    /// The id was used for another request.
    Mismatch,
}

/// An attempt whose outcome is not known.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The very bytes that were sent.
    pub body: Vec<u8>,
    /// When they were first sent, by the clock of that time.
    pub first_attempt_at_ms: i64,
    /// How long WeCom's duplicate check covers them from then on.
    pub window_seconds: u32,
    /// The latest time that the store was told by any request. A clock that is behind this
    /// has gone back, and cannot tell how much of the window is left.
    pub latest_ms: i64,
}

impl Attempt {
    /// Whether the duplicate check still covers a second try at `now_ms`, `margin` before its
    /// end. A clock that went back leaves the answer open, and then it is no.
    pub fn window_is_open(&self, now_ms: i64, margin: Duration) -> bool {
        let earliest = self.first_attempt_at_ms.max(self.latest_ms) - millis(CLOCK_TOLERANCE);
        let end = self.first_attempt_at_ms + i64::from(self.window_seconds) * 1000;
        now_ms >= earliest && now_ms < end - millis(margin)
    }
}

impl Store {
    /// Begins a request, or says what became of it before. `request_sha256` is the digest of what
    /// the caller asked for; an id that comes with another one is a [`Begin::Mismatch`].
    pub async fn begin(
        &self,
        caller: &str,
        request_id: &str,
        request_sha256: [u8; 32],
        now_ms: i64,
    ) -> Result<Begin> {
        transaction!(self, "begin_request", |session| {
            // A row past its life counts as absent, whether or not `expire` came by since. One
            // that is there is locked, though it is not changed.
            let inserted = session
                .execute(
                    "INSERT INTO requests (caller, request_id, request_sha256, state, created_at)
                     VALUES ($1, $2, $3, 0, $4)
                     ON CONFLICT (caller, request_id) DO UPDATE
                     SET request_sha256 = $3, state = 0, created_at = $4, body = NULL,
                         first_attempt_at = NULL, window_seconds = NULL, answer = NULL,
                         message_sha256 = NULL
                     WHERE requests.created_at <= $5",
                    &values![
                        caller,
                        request_id,
                        request_sha256.as_slice(),
                        now_ms,
                        now_ms - millis(REQUEST_ID_LIFE),
                    ],
                )
                .await?;
            if inserted == 1 {
                Begin::New
            } else {
                read(&mut session, caller, request_id, request_sha256).await?
            }
        })
    }

    /// Takes a window for a request of this message: `wanted`, or the next in `windows` that no
    /// other request of an equal message is covered by at `now_ms`. When all are, `wanted`.
    pub async fn take_window(
        &self,
        caller: &str,
        request_id: &str,
        message_sha256: [u8; 32],
        wanted: u32,
        windows: Range<u32>,
        now_ms: i64,
    ) -> Result<u32> {
        transaction!(self, "take_window", |session| {
            // Two that take at once would take the same.
            session.take_turns(&message_sha256).await?;
            let taken: Vec<(i64,)> = session
                .all(
                    "SELECT window_seconds FROM requests
                     WHERE message_sha256 = $1 AND window_seconds IS NOT NULL
                         AND NOT (caller = $2 AND request_id = $3)
                         AND (first_attempt_at IS NULL
                             OR first_attempt_at + window_seconds * 1000 > $4)",
                    &values![message_sha256.as_slice(), caller, request_id, now_ms],
                )
                .await?;
            let taken: HashSet<i64> = taken.into_iter().map(|(window,)| window).collect();
            let mut in_turn = (wanted..windows.end).chain(windows.start..wanted);
            let window = in_turn.find(|window| !taken.contains(&i64::from(*window)));
            let window = window.unwrap_or(wanted);
            let rows = session
                .execute(
                    "UPDATE requests SET message_sha256 = $3, window_seconds = $4
                     WHERE caller = $1 AND request_id = $2 AND state = 0",
                    &values![caller, request_id, message_sha256.as_slice(), window],
                )
                .await?;
            in_step(rows, "a window")?;
            window
        })
    }

    /// Writes down that `body` is about to be sent, under a duplicate check of `window_seconds`.
    /// Must have answered before the first byte leaves. [`Error::OutOfStep`] for all but the first
    /// who comes here with an id.
    pub async fn intend(
        &self,
        caller: &str,
        request_id: &str,
        body: &[u8],
        window_seconds: u32,
        now_ms: i64,
    ) -> Result<()> {
        let sql = "UPDATE requests SET state = 1, body = $3, first_attempt_at = $4,
                 window_seconds = coalesce(window_seconds, $5)
             WHERE caller = $1 AND request_id = $2 AND state = 0";
        let values = values![caller, request_id, body, now_ms, window_seconds];
        let mut session = self.write("intend_request").await?;
        in_step(session.execute(sql, &values).await?, "a send")
    }

    /// Writes down the final answer, which every later begin of this request is given.
    pub async fn finish(&self, caller: &str, request_id: &str, answer: &[u8]) -> Result<()> {
        let sql = "UPDATE requests SET state = 2, answer = $3, body = NULL
             WHERE caller = $1 AND request_id = $2 AND state <> 2";
        let values = values![caller, request_id, answer];
        let mut session = self.write("finish_request").await?;
        in_step(session.execute(sql, &values).await?, "an answer")
    }

    /// Forgets a request of which nothing was sent, so that its id is free again. `intended` is
    /// whether its driver had come through [`intend`]: another's request, and one that has ended,
    /// are left; there need not be one at all.
    ///
    /// [`intend`]: Self::intend
    pub async fn release(&self, caller: &str, request_id: &str, intended: bool) -> Result<()> {
        let state = if intended { INTENDED } else { BEGUN };
        let sql = "DELETE FROM requests WHERE caller = $1 AND request_id = $2 AND state = $3";
        let mut session = self.write("release_request").await?;
        session
            .execute(sql, &values![caller, request_id, state])
            .await?;
        Ok(())
    }

    /// Removes the requests that began before `older_than_ms`, which is now less
    /// [`REQUEST_ID_LIFE`]. Answers how many.
    pub async fn expire(&self, older_than_ms: i64) -> Result<u64> {
        let mut removed = 0;
        // Ends, since each round but the last removes rows that nobody can add again.
        loop {
            let sql = "DELETE FROM requests WHERE (caller, request_id) IN
                 (SELECT caller, request_id FROM requests WHERE created_at < $1 LIMIT $2)";
            let mut session = self.write("expire_requests").await?;
            let rows = session
                .execute(sql, &values![older_than_ms, EXPIRE_ROWS])
                .await?;
            removed += rows;
            if rows < EXPIRE_ROWS.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    request_sha256: Vec<u8>,
    state: i64,
    body: Option<Vec<u8>>,
    first_attempt_at: Option<i64>,
    window_seconds: Option<i64>,
    answer: Option<Vec<u8>>,
    latest: i64,
}

async fn read(
    session: &mut Session,
    caller: &str,
    request_id: &str,
    request_sha256: [u8; 32],
) -> Result<Begin> {
    let row: Row = session
        .one(
            "SELECT request_sha256, state, body, first_attempt_at, window_seconds, answer,
                 (SELECT max(created_at) FROM requests) AS latest
             FROM requests WHERE caller = $1 AND request_id = $2",
            &values![caller, request_id],
        )
        .await?;
    if row.request_sha256 != request_sha256 {
        return Ok(Begin::Mismatch);
    }
    match row {
        Row { state: BEGUN, .. } => Ok(Begin::Unsent),
        Row {
            state: INTENDED,
            body: Some(body),
            first_attempt_at: Some(first_attempt_at_ms),
            window_seconds: Some(window_seconds),
            latest: latest_ms,
            ..
        } => Ok(Begin::Resume(Attempt {
            body,
            first_attempt_at_ms,
            window_seconds: u32::try_from(window_seconds).unwrap_or(0),
            latest_ms,
        })),
        Row {
            state: ENDED,
            answer: Some(answer),
            ..
        } => Ok(Begin::Done(answer)),
        _ => Err(Error::Corrupt(
            "a request lacks what its state asks for".into(),
        )),
    }
}

fn in_step(rows: u64, step: &'static str) -> Result<()> {
    if rows == 1 {
        Ok(())
    } else {
        Err(Error::OutOfStep(step))
    }
}

// By hand, because bodies and answers are what people wrote to each other: not for a log.
impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("New"),
            Self::Resume(attempt) => f.debug_tuple("Resume").field(attempt).finish(),
            Self::Unsent => f.write_str("Unsent"),
            Self::Done(answer) => write!(f, "Done({} bytes)", answer.len()),
            Self::Mismatch => f.write_str("Mismatch"),
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            body,
            first_attempt_at_ms,
            window_seconds,
            latest_ms,
        } = self;
        f.debug_struct("Attempt")
            .field("body_bytes", &body.len())
            .field("first_attempt_at_ms", first_attempt_at_ms)
            .field("window_seconds", window_seconds)
            .field("latest_ms", latest_ms)
            .finish()
    }
}
