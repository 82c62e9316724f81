//! Logins of people: states that wait for their return, codes that were brought, and
//! sessions that were ended.
//!
//! A code is written down before WeCom is asked for it, in the same commit that uses up
//! its state, so that it is asked for at most once whatever fails and whoever repeats.

use std::time::Duration;

use super::engine::{Session, millis, transaction, values};
use super::error::{Error, Result};
use super::open::Store;

/// How long a state waits: time enough to find the phone and scan.
pub const LOGIN_STATE_LIFE: Duration = Duration::from_secs(600);

/// How long the answer to a code is kept: the life of a code
/// (<https://developer.work.weixin.qq.com/document/path/91023>), during which callers may repeat.
pub const LOGIN_ANSWER_LIFE: Duration = Duration::from_secs(300);

/// How long a code is remembered. WeCom forgets it long before.
pub const LOGIN_CODE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Rows that one commit of `expire_logins` removes, so that logins need not wait long.
const EXPIRE_ROWS: i64 = 1000;

/// The SHA-256 of a secret.
pub type Digest = [u8; 32];

/// Who brings a code, and with what.
#[derive(Debug, Clone, Copy)]
pub struct BroughtCode<'a> {
    /// Of the code.
    pub code: &'a Digest,
    /// Of the state, or of nothing.
    pub state: &'a Digest,
    /// Name of the app.
    pub app: &'a str,
    /// Name of the caller.
    pub caller: &'a str,
    /// Whether the state must be one that was handed out.
    pub state_is_required: bool,
}

/// What the store knows of a code that is brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bring {
    /// Nothing. It is written down now, its state is used up, and it is ours to ask for.
    New,
    /// It was brought before, and no answer was kept.
    Unanswered,
    /// It was brought before; this was kept.
    Answered(Vec<u8>),
    /// It was brought by someone else, with something else, or too long ago.
    Used,
    /// The state is unknown, has ended, or is another app's or caller's.
    StateRefused,
}

impl Store {
    /// Writes down a state until `expires_at_ms`. Says whether it could: a state that waits for
    /// another app or caller is not given away.
    pub async fn add_login_state(
        &self,
        state: &Digest,
        app: &str,
        caller: &str,
        now_ms: i64,
    ) -> Result<bool> {
        let sql = "INSERT INTO login_states (state_sha256, app, caller, expires_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (state_sha256) DO UPDATE SET app = $2, caller = $3, expires_at = $4
             WHERE (login_states.app = $2 AND login_states.caller = $3)
                 OR login_states.expires_at <= $5";
        let expires_at = now_ms + millis(LOGIN_STATE_LIFE);
        let values = values![state.as_slice(), app, caller, expires_at, now_ms];
        let mut session = self.write("add_login_state").await?;
        Ok(session.execute(sql, &values).await? == 1)
    }

    /// Takes a code, or says what became of it before. Its state is used up with it, in one step.
    pub async fn bring_login_code(&self, brought: BroughtCode<'_>, now_ms: i64) -> Result<Bring> {
        transaction!(self, "bring_login_code", |session| {
            // Before anything is read: of two who bring one code, the second waits here.
            if !insert(&mut session, brought, now_ms).await? {
                read(&mut session, brought, now_ms).await?
            } else if use_state(&mut session, brought, now_ms).await? {
                Bring::New
            } else {
                return Ok(Bring::StateRefused); // and nothing is written
            }
        })
    }

    /// Keeps the answer to a code, in place of one that was kept before.
    pub async fn keep_login_answer(&self, code: &Digest, answer: &[u8]) -> Result<()> {
        let sql = "UPDATE login_codes SET answer = $2 WHERE code_sha256 = $1";
        let mut session = self.write("keep_login_answer").await?;
        session
            .execute(sql, &values![code.as_slice(), answer])
            .await?;
        Ok(())
    }

    /// Forgets a code that certainly was not asked for, and lets its state wait again.
    pub async fn release_login_code(&self, brought: BroughtCode<'_>, now_ms: i64) -> Result<()> {
        transaction!(self, "release_login_code", |session| {
            let sql = "DELETE FROM login_codes WHERE code_sha256 = $1 AND answer IS NULL";
            session
                .execute(sql, &values![brought.code.as_slice()])
                .await?;
            if brought.state_is_required {
                let sql = "INSERT INTO login_states (state_sha256, app, caller, expires_at)
                     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
                // The code has no more than its own life left, and the state needs no more.
                let expires_at = now_ms + millis(LOGIN_ANSWER_LIFE);
                let state = brought.state.as_slice();
                let values = values![state, brought.app, brought.caller, expires_at];
                session.execute(sql, &values).await?;
            }
        })
    }

    /// Ends a session that would live until `expires_at_ms`.
    pub async fn revoke_session(&self, session_id: &[u8; 16], expires_at_ms: i64) -> Result<()> {
        let sql = "INSERT INTO revoked_sessions (session_id, expires_at) VALUES ($1, $2)
             ON CONFLICT DO NOTHING";
        let mut session = self.write("revoke_session").await?;
        session
            .execute(sql, &values![session_id.as_slice(), expires_at_ms])
            .await?;
        Ok(())
    }

    /// Whether a session was ended.
    pub async fn session_is_revoked(&self, session_id: &[u8; 16]) -> Result<bool> {
        let sql = "SELECT expires_at FROM revoked_sessions WHERE session_id = $1";
        let mut session = self.read("session_is_revoked").await?;
        let row: Option<(i64,)> = session
            .optional(sql, &values![session_id.as_slice()])
            .await?;
        Ok(row.is_some())
    }

    /// Removes what is over at `now_ms`: states, answers, codes, ended sessions. Says how many
    /// rows it changed.
    pub async fn expire_logins(&self, now_ms: i64) -> Result<u64> {
        let mut changed = 0;
        for (statement, older_than_ms) in [
            (
                "DELETE FROM login_states WHERE state_sha256 IN
                     (SELECT state_sha256 FROM login_states WHERE expires_at <= $1 LIMIT $2)",
                now_ms,
            ),
            (
                "UPDATE login_codes SET answer = NULL WHERE code_sha256 IN
                     (SELECT code_sha256 FROM login_codes
                      WHERE brought_at <= $1 AND answer IS NOT NULL LIMIT $2)",
                now_ms - millis(LOGIN_ANSWER_LIFE),
            ),
            (
                "DELETE FROM login_codes WHERE code_sha256 IN
                     (SELECT code_sha256 FROM login_codes WHERE brought_at <= $1 LIMIT $2)",
                now_ms - millis(LOGIN_CODE_LIFE),
            ),
            (
                "DELETE FROM revoked_sessions WHERE session_id IN
                     (SELECT session_id FROM revoked_sessions WHERE expires_at <= $1 LIMIT $2)",
                now_ms,
            ),
        ] {
            // Ends, since each round but the last changes rows that nobody can add again.
            loop {
                let mut session = self.write("expire_logins").await?;
                let rows = session
                    .execute(statement, &values![older_than_ms, EXPIRE_ROWS])
                    .await?;
                changed += rows;
                if rows < EXPIRE_ROWS.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(changed)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    app: String,
    caller: String,
    state_sha256: Vec<u8>,
    answer: Option<Vec<u8>>,
    brought_at: i64,
}

async fn read(session: &mut Session, brought: BroughtCode<'_>, now_ms: i64) -> Result<Bring> {
    let sql = "SELECT app, caller, state_sha256, answer, brought_at FROM login_codes
         WHERE code_sha256 = $1";
    let row: Option<Row> = session
        .optional(sql, &values![brought.code.as_slice()])
        .await?;
    let Some(row) = row else {
        // It was there a moment ago, and was released since.
        return Err(Error::Conflict("a code came and went".into()));
    };
    let same =
        row.app == brought.app && row.caller == brought.caller && row.state_sha256 == brought.state;
    if !same || row.brought_at + millis(LOGIN_ANSWER_LIFE) <= now_ms {
        return Ok(Bring::Used);
    }
    Ok(row.answer.map_or(Bring::Unanswered, Bring::Answered))
}

async fn use_state(session: &mut Session, brought: BroughtCode<'_>, now_ms: i64) -> Result<bool> {
    if !brought.state_is_required {
        return Ok(true);
    }
    let sql = "DELETE FROM login_states
         WHERE state_sha256 = $1 AND app = $2 AND caller = $3 AND expires_at > $4";
    let state = brought.state.as_slice();
    let values = values![state, brought.app, brought.caller, now_ms];
    Ok(session.execute(sql, &values).await? == 1)
}

/// Writes a code down, unless it is there.
async fn insert(session: &mut Session, brought: BroughtCode<'_>, now_ms: i64) -> Result<bool> {
    let sql = "INSERT INTO login_codes (code_sha256, app, caller, state_sha256, brought_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let (code, state) = (brought.code.as_slice(), brought.state.as_slice());
    let values = values![code, brought.app, brought.caller, state, now_ms];
    Ok(session.execute(sql, &values).await? == 1)
}
