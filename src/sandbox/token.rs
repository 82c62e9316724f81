//! Access tokens: issued, renewed, expired and killed, and the ban for bad secrets.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::settings::{Modes, TokenMode};

const PREFIX: &str = "sandbox-token-";

/// Real tokens have been seen at this length; the page allows 512 bytes.
const LENGTH: usize = 214;

/// Tokens remembered before dead ones are swept out, so that a client that
/// fetches in a loop does not fill the memory.
const SWEEP_AT: usize = 4096;

/// How long bad secrets are counted, and how long the ban lasts
/// (document/path/90313, help on 45009, read 2026-07-26).
const BAN: Duration = Duration::from_secs(3600);

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bearer {
    /// Of the app at this place.
    App(usize),
    /// Of the contact-sync secret (通讯录同步).
    Contacts,
}

/// All tokens of the corp.
pub(super) struct Tokens {
    issued: HashMap<String, Token>,
    current: HashMap<Bearer, String>,
    bad_secrets: VecDeque<Instant>,
    banned_until: Option<Instant>,
}

struct Token {
    bearer: Bearer,
    expires_at: Instant,
    killed: bool,
}

/// What a token on a business call is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Good, and whose it is.
    Good(Bearer),
    Invalid,
    Expired,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            issued: HashMap::new(),
            current: HashMap::new(),
            bad_secrets: VecDeque::new(),
            banned_until: None,
        }
    }

    /// A token and the seconds gettoken claims for it.
    pub(super) fn get(&mut self, bearer: Bearer, modes: &Modes) -> (String, u64) {
        let now = Instant::now();
        let life = Duration::from_secs(modes.expires_in_seconds);
        let current = self.current.get(&bearer).cloned();
        let alive = current.filter(|text| self.worth(text) == Worth::Good(bearer));
        if let Some(text) = alive
            && let Some(token) = self.issued.get_mut(&text)
        {
            match modes.token_mode {
                TokenMode::Same => {
                    let left = token.expires_at.saturating_duration_since(now);
                    return (text, left.as_secs());
                }
                TokenMode::SameRenewed => {
                    token.expires_at = now + life;
                    return (text, life.as_secs());
                }
                TokenMode::NewOldGood => {}
                TokenMode::NewOldDead => token.killed = true,
            }
        }
        let text = self.issue(bearer, now + life);
        (text, life.as_secs())
    }

    pub(super) fn worth(&self, text: &str) -> Worth {
        match self.issued.get(text) {
            None => Worth::Invalid,
            Some(token) if token.killed => Worth::Invalid,
            Some(token) if token.expires_at <= Instant::now() => Worth::Expired,
            Some(token) => Worth::Good(token.bearer),
        }
    }

    /// Makes one token invalid, as if revoked.
    pub(super) fn kill(&mut self, text: &str) {
        if let Some(token) = self.issued.get_mut(text) {
            token.killed = true;
        }
    }

    /// Makes one token expire now.
    pub(super) fn expire(&mut self, text: &str) {
        if let Some(token) = self.issued.get_mut(text) {
            token.expires_at = Instant::now();
        }
    }

    pub(super) fn kill_all(&mut self) {
        self.issued
            .values_mut()
            .for_each(|token| token.killed = true);
    }

    pub(super) fn expire_all(&mut self) {
        let now = Instant::now();
        let tokens = self.issued.values_mut();
        tokens.for_each(|token| token.expires_at = token.expires_at.min(now));
    }

    pub(super) fn banned(&self) -> bool {
        self.banned_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// Counts a wrong secret; the `limit`-th within an hour starts the ban.
    pub(super) fn bad_secret(&mut self, limit: u32) {
        let now = Instant::now();
        while self.bad_secrets.front().is_some_and(|&at| at + BAN <= now) {
            self.bad_secrets.pop_front();
        }
        self.bad_secrets.push_back(now);
        if limit > 0 && self.bad_secrets.len() >= limit as usize {
            self.banned_until = Some(now + BAN);
            self.bad_secrets.clear();
        }
    }

    fn issue(&mut self, bearer: Bearer, expires_at: Instant) -> String {
        if self.issued.len() >= SWEEP_AT {
            // The long expired are indistinguishable from the unknown for a caller
            // that dropped them, so only those may go.
            let now = Instant::now();
            self.issued
                .retain(|_, token| !token.killed && token.expires_at > now);
        }
        let random = std::iter::repeat_with(fastrand::alphanumeric);
        let random = random.take(LENGTH - PREFIX.len());
        let text: String = PREFIX.chars().chain(random).collect();
        let token = Token {
            bearer,
            expires_at,
            killed: false,
        };
        self.issued.insert(text.clone(), token);
        self.current.insert(bearer, text.clone());
        text
    }
}
