//! Group chats of apps (应用群聊), and the limits of their messages.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90248> (read 2026-02).
//! The limit of a corp in an hour is not played: the pages do not agree on it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::directory::{Roster, Seat};
use super::settings::App;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Messages in a minute by the whole corp, counted once for each member.
const PERSONS_PER_MINUTE: u64 = 20_000;
/// Chats made on a day by the whole corp.
const CREATIONS_PER_DAY: u64 = 1000;
/// Changes in an hour by the whole corp.
const CHANGES_PER_HOUR: u64 = 1000;
/// Messages that one member gets from the chats of one app in a minute and on a day;
/// more are dropped without an error.
const MEMBER_PER_MINUTE: usize = 200;
const MEMBER_PER_DAY: u64 = 10_000;

/// Chats kept at once, should a test switch the limits off.
const MAX_CHATS: usize = 20_000;

/// One chat.
pub(super) struct Chat {
    /// The place of the app that made it.
    pub(super) app: usize,
    pub(super) name: String,
    pub(super) owner: Seat,
    /// All members, the owner among them.
    pub(super) seats: Vec<Seat>,
}

/// All chats of the corp by their ids, and what they used of the limits.
#[derive(Default)]
pub(super) struct Chats {
    pub(super) by_id: BTreeMap<String, Chat>,
    persons: Window,
    changes: Window,
    creations: Daily,
    members: HashMap<(usize, Seat), Received>,
}

/// Counts of late, oldest first.
#[derive(Default)]
struct Window {
    taken: VecDeque<(Instant, u64)>,
    sum: u64,
}

impl Window {
    /// Whether `count` more fit under `limit`; counts them if so.
    fn admit(&mut self, count: u64, limit: u64, span: Duration) -> bool {
        let now = Instant::now();
        while let Some(&(at, old)) = self.taken.front()
            && at + span <= now
        {
            self.sum -= old;
            self.taken.pop_front();
        }
        let fits = self.sum + count <= limit;
        if fits {
            self.sum += count;
            self.taken.push_back((now, count));
        }
        fits
    }
}

#[derive(Default)]
struct Daily {
    day: u64,
    count: u64,
}

impl Daily {
    fn admit(&mut self, day: u64, limit: u64) -> bool {
        if self.day != day {
            (self.day, self.count) = (day, 0);
        }
        let fits = self.count < limit;
        self.count += u64::from(fits);
        fits
    }
}

/// What one member got from the chats of one app.
#[derive(Default)]
struct Received {
    minute: Window,
    day: Daily,
}

impl Chats {
    /// Whether the corp may make one more chat; counts it if so.
    pub(super) fn admit_creation(&mut self, day: u64, limited: bool) -> bool {
        self.by_id.len() < MAX_CHATS && (!limited || self.creations.admit(day, CREATIONS_PER_DAY))
    }

    /// Whether the corp may change a chat once more; counts it if so.
    pub(super) fn admit_change(&mut self) -> bool {
        self.changes.admit(1, CHANGES_PER_HOUR, HOUR)
    }

    /// Whether the corp may send to so many members; counts them if so.
    pub(super) fn admit_persons(&mut self, persons: usize) -> bool {
        self.persons
            .admit(persons as u64, PERSONS_PER_MINUTE, MINUTE)
    }

    /// Whether the member gets one more message. A dropped message does not count
    /// against the next.
    pub(super) fn admit_member(&mut self, app: usize, seat: Seat, day: u64) -> bool {
        let received = self.members.entry((app, seat)).or_default();
        received.minute.admit(1, MEMBER_PER_MINUTE as u64, MINUTE)
            && received.day.admit(day, MEMBER_PER_DAY)
    }

    pub(super) fn to_json(&self, roster: &Roster, apps: &[App]) -> Value {
        let chats = self.by_id.iter().map(|(id, chat)| {
            json!({
                "chatid": id,
                "name": chat.name,
                "owner": roster.user_id(chat.owner).as_ref(),
                "userlist": chat.user_ids(roster),
                "agentid": apps[chat.app].agent_id,
            })
        });
        chats.collect()
    }
}

impl Chat {
    pub(super) fn user_ids<'a>(&self, roster: &'a Roster) -> Vec<&'a str> {
        let seats = self.seats.iter();
        seats.map(|&seat| roster.user_id(seat).as_ref()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_member_gets_two_hundred_a_minute_and_ten_thousand_a_day() {
        let mut chats = Chats::default();
        let mut got = 0;
        for _ in 0..60 {
            got += (0..250).filter(|_| chats.admit_member(0, 7, 1)).count();
            tokio::time::advance(MINUTE).await;
        }
        assert_eq!(got, 10_000);
        assert!(chats.admit_member(1, 7, 1), "another app has its own count");
        assert!(chats.admit_member(0, 7, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_corp_has_limits_of_its_own() {
        let mut chats = Chats::default();
        assert_eq!((0..20).filter(|_| chats.admit_persons(1500)).count(), 13);
        assert!(chats.admit_persons(500) && !chats.admit_persons(1));
        assert_eq!((0..1200).filter(|_| chats.admit_change()).count(), 1000);
        tokio::time::advance(HOUR).await;
        assert!(chats.admit_persons(2000) && chats.admit_change());
        let made = (0..1200).filter(|_| chats.admit_creation(1, true));
        assert_eq!(made.count(), 1000);
        assert!(chats.admit_creation(2, true) && chats.admit_creation(1, false));
    }
}
