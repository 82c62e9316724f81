//! Frequency limits of message/send.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90312> (read 2026-02).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::directory::Seat;

/// Messages one app may send to one member in a minute and in an hour; more are
/// dropped without an error.
const MEMBER_LIMITS: [(usize, Duration); 2] = [
    (30, Duration::from_secs(60)),
    (1000, Duration::from_secs(3600)),
];

/// What each app has sent lately.
pub(super) struct Pace {
    members: HashMap<(usize, Seat), VecDeque<Instant>>,
    days: HashMap<usize, Days>,
    /// Look-ups of a member that found nobody.
    misses: Days,
}

/// What is counted on a day and on the day before.
#[derive(Default)]
struct Days {
    day: u64,
    count: u64,
    before: u64,
}

impl Days {
    /// Turns the calendar to `day`.
    fn turn_to(&mut self, day: u64) {
        if self.day == day {
            return;
        }
        let follows = day.checked_sub(1) == Some(self.day);
        self.before = if follows { self.count } else { 0 };
        (self.day, self.count) = (day, 0);
    }
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            members: HashMap::new(),
            days: HashMap::new(),
            misses: Days::default(),
        }
    }

    /// Whether the member gets one more message of the app now. A dropped
    /// message does not count against the next.
    pub(super) fn admit(&mut self, app: usize, seat: Seat) -> bool {
        let now = Instant::now();
        let sent = self.members.entry((app, seat)).or_default();
        let [_, (hourly, hour)] = MEMBER_LIMITS;
        while sent.front().is_some_and(|&at| at + hour <= now) || sent.len() > hourly {
            sent.pop_front();
        }
        let full = MEMBER_LIMITS.iter().any(|&(limit, window)| {
            let nth_last = sent.len().checked_sub(limit).and_then(|at| sent.get(at));
            nth_last.is_some_and(|&at| now < at + window)
        });
        if !full {
            sent.push_back(now);
        }
        !full
    }

    /// Whether `persons` more fit under the app's `limit` for the day; counts them if so.
    pub(super) fn admit_day(&mut self, app: usize, day: u64, persons: u64, limit: u64) -> bool {
        let days = self.days.entry(app).or_default();
        days.turn_to(day);
        let sent = days.count.saturating_add(persons);
        let fits = limit == 0 || sent <= limit;
        if fits {
            days.count = sent;
        }
        fits
    }

    /// Counts a look-up that found nobody.
    pub(super) fn miss(&mut self, day: u64) {
        self.misses.turn_to(day);
        self.misses.count += 1;
    }

    /// How many of them there were on `day`.
    pub(super) fn misses(&mut self, day: u64) -> u64 {
        self.misses.turn_to(day);
        self.misses.count
    }

    /// Person-messages of the app on `day` and on the day before.
    pub(super) fn sent(&mut self, app: usize, day: u64) -> (u64, u64) {
        let days = self.days.entry(app).or_default();
        days.turn_to(day);
        (days.count, days.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn thirty_a_minute_and_a_thousand_an_hour_pass() {
        let mut pace = Pace::new();
        let mut burst = |count: usize| (0..count).filter(|_| pace.admit(0, 7)).count();
        assert_eq!(burst(40), 30);
        tokio::time::advance(Duration::from_secs(60)).await;
        let mut passed = 30;
        for _ in 0..40 {
            passed += burst(40);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert_eq!(passed, 1000);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(burst(40), 30);
    }

    #[test]
    fn a_day_ends_its_own_limit() {
        let mut pace = Pace::new();
        assert!(pace.admit_day(0, 1, 6, 10));
        assert!(!pace.admit_day(0, 1, 6, 10));
        assert!(pace.admit_day(1, 1, 6, 10), "another app has its own count");
        assert!(pace.admit_day(0, 2, 6, 10));
        assert_eq!(pace.sent(0, 2), (6, 6));
        assert_eq!(pace.sent(0, 3), (0, 6));
        assert_eq!(pace.sent(0, 4), (0, 0));
        assert_eq!(pace.sent(1, 3), (0, 0), "its day 1 is long over");
        assert_eq!(pace.sent(7, 3), (0, 0), "it never sent");
    }
}
