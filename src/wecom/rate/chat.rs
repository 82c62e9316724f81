//! The limits of app chats (应用群聊). A message in a chat counts once for each
//! member, and what a member gets beyond the limits is dropped without an error.
//!
//! Sources of the limits, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90248>,
//! <https://developer.work.weixin.qq.com/document/path/90245>,
//! <https://developer.work.weixin.qq.com/document/path/98913>. The limit of a corp
//! in an hour is left to errcode 45009: the sources do not agree on it, and none of
//! their figures is known to hold for the corp at hand.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    HOUR, Held, MINUTE, Pace, QuotaState, SWEEP_STEP, Scope, TICK, lock, shanghai_day, ticks,
    until_shanghai_midnight,
};
use crate::wecom::call::ChatShare;

/// Messages in all chats of a corp in a minute, counted once for each member.
const CORP_PERSONS_PER_MINUTE: usize = 20_000;
/// Messages from all chats of one app to one member in a minute; WeCom drops the rest.
const MEMBER_PER_MINUTE: usize = 200;
/// Messages from all chats of one app to one member on a day; WeCom drops the rest.
const MEMBER_PER_DAY: u32 = 10_000;
/// Chats that a corp may make on a day.
const CREATIONS_PER_DAY: u32 = 1000;
/// Changes of chats that a corp may make in an hour.
const CHANGES_PER_HOUR: usize = 1000;

/// A day of WeCom's and what is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    number: u64,
    left: Duration,
}

impl Day {
    pub(super) fn at(now: SystemTime) -> Self {
        Self {
            number: shanghai_day(now),
            left: until_shanghai_midnight(now),
        }
    }
}

/// A count that starts anew each day.
#[derive(Debug, Default)]
struct Daily {
    day: u64,
    used: u32,
}

impl Daily {
    fn used_on(&mut self, day: Day) -> u32 {
        if self.day != day.number {
            (self.day, self.used) = (day.number, 0);
        }
        self.used
    }

    fn take(&mut self, day: Day) {
        self.used = self.used_on(day) + 1;
    }

    fn give_back(&mut self, day: u64) {
        if self.day == day {
            self.used = self.used.saturating_sub(1);
        }
    }
}

/// What the chats of all apps of a corp used.
#[derive(Default)]
pub(super) struct Shared {
    /// Messages of the last minute, each with its number of members.
    messages: VecDeque<(Instant, usize)>,
    /// The sum of these numbers.
    persons: usize,
    /// Changes of the last hour.
    changes: VecDeque<Instant>,
    creations: Daily,
}

/// What each member got from the chats of one app, by the hash of the user id.
#[derive(Default)]
pub(super) struct Members {
    members: HashMap<u64, Member>,
    sweep_at: usize,
}

#[derive(Default)]
struct Member {
    /// When, in the last minute, in ticks; mostly once or twice.
    log: SmallVec<[u32; 4]>,
    today: Daily,
}

/// What a call took.
pub(super) struct Ticket {
    at: Instant,
    tick: u32,
    day: u64,
}

impl Pace {
    /// Takes the share of every limit of chats, or of none.
    pub(super) fn take_chat(&self, share: ChatShare<'_>, day: Day) -> Result<Ticket, Held> {
        let ticket = Ticket {
            at: Instant::now(),
            // Rounded up here and down when asked: never a message too many.
            tick: self.now() + 1,
            day: day.number,
        };
        // Always in this order: members, then corp.
        let mut own = lock(&self.chats);
        let mut shared = lock(&self.corp.chats);
        match share {
            ChatShare::Message(members) => {
                shared.check_persons(ticket.at, members.len())?;
                let keys: Vec<u64> = members.iter().map(|member| self.key(member)).collect();
                for (key, member) in keys.iter().zip(members) {
                    own.check(*key, member, self.now(), day)?;
                }
                shared.messages.push_back((ticket.at, members.len()));
                shared.persons += members.len();
                own.take(&keys, ticket.tick, day);
            }
            ChatShare::Creation => shared.take_creation(day)?,
            ChatShare::Change => shared.take_change(ticket.at)?,
        }
        Ok(ticket)
    }

    /// WeCom did nothing: the share is free again.
    pub(super) fn give_back_chat(&self, share: Option<ChatShare<'_>>, ticket: Option<&Ticket>) {
        let (Some(share), Some(ticket)) = (share, ticket) else {
            return;
        };
        let mut own = lock(&self.chats);
        let mut shared = lock(&self.corp.chats);
        match share {
            ChatShare::Message(members) => {
                for member in members {
                    own.give_back(self.key(member), ticket);
                }
                let taken = (ticket.at, members.len());
                if let Some(index) = shared.messages.iter().rposition(|one| *one == taken) {
                    shared.messages.remove(index);
                    shared.persons -= members.len();
                }
            }
            ChatShare::Creation => shared.creations.give_back(ticket.day),
            ChatShare::Change => {
                if let Some(index) = shared.changes.iter().rposition(|at| *at == ticket.at) {
                    shared.changes.remove(index);
                }
            }
        }
    }

    /// The limits of chats in use now.
    pub(super) fn chat_quotas(&self, day: Day) -> Vec<QuotaState> {
        let now = Instant::now();
        let mut shared = lock(&self.corp.chats);
        shared.expire(now);
        let persons = (shared.persons, CORP_PERSONS_PER_MINUTE);
        let creations = (
            shared.creations.used_on(day) as usize,
            CREATIONS_PER_DAY as usize,
        );
        let changes = (shared.changes.len(), CHANGES_PER_HOUR);
        [
            (persons_held(shared.persons_wait(now, 1)), persons),
            (creations_held(day.left), creations),
            (changes_held(shared.changes_wait(now)), changes),
        ]
        .into_iter()
        .filter(|(_, (used, _))| *used > 0)
        .map(|((api, held), (used, limit))| {
            #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
            let used_ratio = used as f64 / limit as f64;
            QuotaState {
                api,
                limit: held.limit,
                used_ratio,
                retry_after: (used >= limit).then_some(held.retry_after),
            }
        })
        .collect()
    }
}

/// A limit of the corp that is spent, with the path it is about.
fn spent(api: &'static str, limit: String, retry_after: Duration) -> (&'static str, Held) {
    let subject = format!("api:{api}");
    let held = Held {
        scope: Scope::Path,
        subject,
        limit,
        retry_after,
    };
    (api, held)
}

fn persons_held(retry_after: Duration) -> (&'static str, Held) {
    let limit =
        format!("{CORP_PERSONS_PER_MINUTE}/min messages in chats of the corp, one a member");
    spent("appchat/send", limit, retry_after)
}

fn creations_held(retry_after: Duration) -> (&'static str, Held) {
    let limit = format!("{CREATIONS_PER_DAY} new chats of the corp a day");
    spent("appchat/create", limit, retry_after)
}

fn changes_held(retry_after: Duration) -> (&'static str, Held) {
    let limit = format!("{CHANGES_PER_HOUR}/h changes of chats of the corp");
    spent("appchat/update", limit, retry_after)
}

impl Shared {
    /// Forgets what no limit counts any more.
    fn expire(&mut self, now: Instant) {
        while let Some((at, persons)) = self.messages.front()
            && *at + MINUTE <= now
        {
            self.persons -= persons;
            self.messages.pop_front();
        }
        while self.changes.front().is_some_and(|at| *at + HOUR <= now) {
            self.changes.pop_front();
        }
    }

    fn check_persons(&mut self, now: Instant, persons: usize) -> Result<(), Held> {
        self.expire(now);
        if self.persons + persons <= CORP_PERSONS_PER_MINUTE {
            return Ok(());
        }
        Err(persons_held(self.persons_wait(now, persons)).1)
    }

    /// When a message to so many members fits.
    fn persons_wait(&self, now: Instant, persons: usize) -> Duration {
        let mut left = self.persons;
        for (at, count) in &self.messages {
            left -= count;
            if left + persons <= CORP_PERSONS_PER_MINUTE {
                return *at + MINUTE - now;
            }
        }
        MINUTE
    }

    fn take_creation(&mut self, day: Day) -> Result<(), Held> {
        if self.creations.used_on(day) >= CREATIONS_PER_DAY {
            return Err(creations_held(day.left).1);
        }
        self.creations.take(day);
        Ok(())
    }

    fn take_change(&mut self, now: Instant) -> Result<(), Held> {
        self.expire(now);
        if self.changes.len() >= CHANGES_PER_HOUR {
            return Err(changes_held(self.changes_wait(now)).1);
        }
        self.changes.push_back(now);
        Ok(())
    }

    fn changes_wait(&self, now: Instant) -> Duration {
        let oldest = self.changes.front();
        oldest.map_or(HOUR, |at| *at + HOUR - now)
    }
}

impl Members {
    fn check(&mut self, key: u64, member: &str, now: u32, day: Day) -> Result<(), Held> {
        let Some(state) = self.members.get_mut(&key) else {
            return Ok(());
        };
        let held = |limit, retry_after| Held {
            scope: Scope::One,
            subject: format!("user:{member}"),
            limit,
            retry_after,
        };
        if state.today.used_on(day) >= MEMBER_PER_DAY {
            let limit = format!("{MEMBER_PER_DAY} messages in chats to one member a day");
            return Err(held(limit, day.left));
        }
        state.expire(now);
        let log = &state.log;
        let Some(oldest) = log.len().checked_sub(MEMBER_PER_MINUTE) else {
            return Ok(());
        };
        let free_at = log[oldest] + ticks(MINUTE);
        let limit = format!("{MEMBER_PER_MINUTE}/min messages in chats to one member");
        Err(held(limit, TICK * free_at.saturating_sub(now)))
    }

    fn take(&mut self, keys: &[u64], tick: u32, day: Day) {
        for key in keys {
            let state = self.members.entry(*key).or_default();
            state.log.push(tick);
            state.today.take(day);
        }
        if self.members.len() > self.sweep_at {
            self.members.retain(|_, state| {
                state.expire(tick);
                !state.log.is_empty() || state.today.used_on(day) > 0
            });
            self.sweep_at = self.members.len() * 2 + SWEEP_STEP;
        }
    }

    fn give_back(&mut self, key: u64, ticket: &Ticket) {
        let Some(state) = self.members.get_mut(&key) else {
            return;
        };
        if let Some(index) = state.log.iter().rposition(|at| *at == ticket.tick) {
            state.log.remove(index);
        }
        state.today.give_back(ticket.day);
    }
}

impl Member {
    fn expire(&mut self, now: u32) {
        let is_old = |at: &&u32| **at + ticks(MINUTE) <= now;
        let old = self.log.iter().take_while(is_old).count();
        self.log.drain(..old);
        if self.log.is_empty() {
            // A busy minute must not hold its memory for the rest of the day.
            self.log.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
