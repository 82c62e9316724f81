//! WeCom's frequency limits, kept on our side: a call that WeCom would refuse,
//! or whose message it would drop without a word, is held back and told when to
//! come again.
//!
//! Source of the limits:
//! <https://developer.work.weixin.qq.com/document/path/90312> (read 2026-11).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

use self::logs::Logs;
use super::auth::CorpTickets;
use super::call::Call;
use super::error::{Held, Scope};

mod chat;
mod logs;

/// Messages from one app to one member in a minute; WeCom drops the rest.
const MEMBER_PER_MINUTE: usize = 30;
/// Messages from one app to one member in an hour; WeCom drops the rest.
const MEMBER_PER_HOUR: usize = 1000;
/// What a bulk job takes of both at most, so that a message which a person waits for
/// still passes.
const BULK_PER_MINUTE: usize = 25;
const BULK_PER_HOUR: usize = 900;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Calls of one API by one corp: 10 000 a minute. A bucket that starts full lets
/// its size and its refill through in one minute, so each gets half.
const CORP_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10_000 / 2).expect("not zero");
/// 150 000 an hour, split in the same way: a burst of 50 000, then 100 000 an hour.
const CORP_PER_HOUR: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");
const CORP_HOUR_BURST: NonZeroU32 = NonZeroU32::new(50_000).expect("not zero");
/// After 45009 the block lasts 60 s (minute rule), 60 min (hour rule), or to the
/// end of the day. The answer does not say which, so each repetition within
/// `LADDER_MEMORY` of the end of the last block takes the next step.
const BLOCKS: [Duration; 2] = [MINUTE, HOUR];
const LADDER_MEMORY: Duration = Duration::from_secs(300);
/// WeCom's day begins at midnight in Shanghai: UTC+8, no summer time since 1991.
const SHANGHAI_OFFSET_SECONDS: u64 = 8 * 3600;
const DAY_SECONDS: u64 = 24 * 3600;
/// Time of the member logs, in ticks: small enough to count, and 13 years in 32 bits.
const TICK: Duration = Duration::from_millis(100);
/// Member logs are swept when they have doubled since the last sweep, and at least
/// this many have come.
const SWEEP_STEP: usize = 4096;

/// The one limit after 45009 that WeCom keeps for each app; all others are the corp's.
const APP_LIMITED: &str = "message/send";

/// The base limits of a corp, shared by its apps.
#[derive(Default)]
pub(super) struct Corp {
    lanes: Mutex<Lanes>,
    apis: Mutex<HashMap<&'static str, Arc<Base>>>,
    chats: Mutex<chat::Shared>,
    /// The limits of tickets, which are its alone.
    pub(super) tickets: Arc<CorpTickets>,
}

struct Base {
    minute: DefaultDirectRateLimiter,
    hour: DefaultDirectRateLimiter,
}

impl Corp {
    fn take(&self, path: &'static str) -> Result<(), Held> {
        let mut apis = lock(&self.apis);
        let base = apis.entry(path).or_insert_with(|| {
            let hour = Quota::per_hour(CORP_PER_HOUR).allow_burst(CORP_HOUR_BURST);
            let minute = RateLimiter::direct(Quota::per_minute(CORP_PER_MINUTE));
            Arc::new(Base {
                minute,
                hour: RateLimiter::direct(hour),
            })
        });
        // What is enforced, and what it stays below.
        let held = |burst: NonZeroU32, refill: NonZeroU32, unit: &str, wecom: &str, wait| Held {
            scope: Scope::Path,
            subject: format!("api:{path}"),
            limit: format!(
                "{burst} calls of {path} by the corp at once and {refill} a{unit} beyond, within WeCom's {wecom} a{unit}"
            ),
            retry_after: wait,
        };
        let now = DefaultClock::default().now();
        base.minute.check().map_err(|no| {
            let wait = no.wait_time_from(now);
            held(CORP_PER_MINUTE, CORP_PER_MINUTE, " minute", "10000", wait)
        })?;
        base.hour.check().map_err(|no| {
            let wait = no.wait_time_from(now);
            held(CORP_HOUR_BURST, CORP_PER_HOUR, "n hour", "150000", wait)
        })
    }
}

/// One app's pace.
pub(super) struct Pace {
    app: String,
    corp: Arc<Corp>,
    daily: Option<u64>,
    origin: Instant,
    hasher: RandomState,
    state: Mutex<State>,
    chats: Mutex<chat::Members>,
}

#[derive(Default)]
struct State {
    /// When each member was sent to in the last hour.
    members: Logs,
    sweep_at: usize,
    day: u64,
    day_used: u64,
    lanes: Lanes,
}

/// Messages to one member that a call may bring it to.
#[derive(Clone, Copy)]
pub(super) struct MemberLimits {
    minute: usize,
    hour: usize,
}

impl MemberLimits {
    /// All that WeCom lets through.
    const ALL: Self = Self {
        minute: MEMBER_PER_MINUTE,
        hour: MEMBER_PER_HOUR,
    };
    /// What is left to bulk jobs.
    const BULK: Self = Self {
        minute: BULK_PER_MINUTE,
        hour: BULK_PER_HOUR,
    };

    fn of<C: Call>(call: &C) -> Self {
        if call.leaves_room() {
            Self::BULK
        } else {
            Self::ALL
        }
    }
}

/// The paths that WeCom blocked.
#[derive(Default)]
struct Lanes(HashMap<&'static str, Lane>);

impl Lanes {
    /// Closes `path` for the next window, gives its length.
    fn block(&mut self, path: &'static str) -> Duration {
        let now = Instant::now();
        let lane = self.0.entry(path).or_insert(Lane {
            until: now,
            step: 0,
        });
        if lane.until > now {
            // Calls that were under way when the block began say nothing new.
            return lane.until - now;
        }
        if lane.step > 0 && now - lane.until > LADDER_MEMORY {
            lane.step = 0;
        }
        let block = BLOCKS
            .get(lane.step)
            .copied()
            .unwrap_or_else(|| until_shanghai_midnight(SystemTime::now()));
        lane.step += 1;
        lane.until = now + block;
        block
    }

    /// The closed paths and how long they are.
    fn closed(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let now = Instant::now();
        let lanes = self.0.iter();
        lanes
            .filter(move |(_, lane)| lane.until > now)
            .map(move |(path, lane)| (*path, lane.until - now))
    }
}

/// A path that WeCom blocked.
struct Lane {
    until: Instant,
    step: usize,
}

/// What a call took, to be given back when WeCom certainly did nothing.
pub(super) struct Ticket {
    at: u32,
    day: u64,
}

/// What a call took of every limit.
pub(super) struct Taken {
    ticket: Ticket,
    chat: Option<chat::Ticket>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaState {
    /// Path of the call.
    pub api: &'static str,
    /// The limit, for a human.
    pub limit: String,
    /// Share used, 0 to 1.
    pub used_ratio: f64,
    /// How long calls are refused.
    pub retry_after: Option<Duration>,
}

impl Pace {
    pub(super) fn new(app: &str, corp: Arc<Corp>, daily: Option<u64>) -> Self {
        Self {
            app: app.to_owned(),
            corp,
            daily,
            origin: Instant::now(),
            hasher: RandomState::new(),
            state: Mutex::default(),
            chats: Mutex::default(),
        }
    }

    /// Takes what `call` needs of every limit, or nothing.
    pub(super) fn take_for<C: Call>(&self, call: &C) -> Result<Taken, Held> {
        let share = call.chat_share();
        let chat = match share {
            Some(share) => Some(self.take_chat(share, chat::Day::at(SystemTime::now()))?),
            None => None,
        };
        let limits = MemberLimits::of(call);
        match self.take(call.path(), call.members(), limits, C::BASE_LIMITED) {
            Ok(ticket) => Ok(Taken { ticket, chat }),
            Err(held) => {
                self.give_back_chat(share, chat.as_ref());
                Err(held)
            }
        }
    }

    /// WeCom did nothing for `call`: what it took is free again.
    pub(super) fn give_back_for<C: Call>(&self, call: &C, taken: &Taken) {
        self.give_back(&taken.ticket, call.members());
        self.give_back_chat(call.chat_share(), taken.chat.as_ref());
    }

    /// Whether the call may go out now; nothing is taken.
    pub(super) fn check(&self, path: &'static str, members: &[String]) -> Result<(), Held> {
        let mut state = lock(&self.state);
        let day = shanghai_day(SystemTime::now());
        self.check_locked(&mut state, path, members, MemberLimits::ALL, day)
    }

    /// Takes the call's share of every limit, or of none.
    pub(super) fn take(
        &self,
        path: &'static str,
        members: &[String],
        limits: MemberLimits,
        base_limited: bool,
    ) -> Result<Ticket, Held> {
        let day = shanghai_day(SystemTime::now());
        let mut state = lock(&self.state);
        self.check_locked(&mut state, path, members, limits, day)?;
        if base_limited {
            self.corp.take(path)?;
        }
        // Rounded up here and down when asked: never a message too many.
        let at = self.now() + 1;
        for member in members {
            state.members.push(self.key(member), at);
        }
        state.day_used += members.len() as u64;
        if state.members.len() > state.sweep_at {
            state.members.sweep(at);
            state.sweep_at = state.members.len() * 2 + SWEEP_STEP;
        }
        Ok(Ticket { at, day })
    }

    /// WeCom did nothing: the shares are free again.
    pub(super) fn give_back(&self, ticket: &Ticket, members: &[String]) {
        if members.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        for member in members {
            state.members.remove(self.key(member), ticket.at);
        }
        if state.day == ticket.day {
            state.day_used = state.day_used.saturating_sub(members.len() as u64);
        }
    }

    /// WeCom answered 45009: closes the path for the window, gives its length. Except for
    /// messages the limit is the corp's, and so every app of it waits.
    pub(super) fn block(&self, path: &'static str) -> Duration {
        match path {
            APP_LIMITED => lock(&self.state).lanes.block(path),
            _ => lock(&self.corp.lanes).block(path),
        }
    }

    /// How long `path` is closed, and for whom.
    fn closed(&self, state: &State, path: &'static str) -> Option<(String, Duration)> {
        let (subject, left) = match path {
            APP_LIMITED => (
                format!("app:{}", self.app),
                state.lanes.closed().find(|(closed, _)| *closed == path),
            ),
            _ => (
                format!("api:{path}"),
                lock(&self.corp.lanes)
                    .closed()
                    .find(|(closed, _)| *closed == path),
            ),
        };
        left.map(|(_, left)| (subject, left))
    }

    fn check_locked(
        &self,
        state: &mut State,
        path: &'static str,
        members: &[String],
        limits: MemberLimits,
        day: u64,
    ) -> Result<(), Held> {
        if let Some((subject, retry_after)) = self.closed(state, path) {
            return Err(Held {
                scope: Scope::Path,
                subject,
                limit: format!("WeCom's frequency limit of {path}"),
                retry_after,
            });
        }
        if state.day != day {
            state.day = day;
            state.day_used = 0;
        }
        if let Some(daily) = self.daily
            && state.day_used + members.len() as u64 > daily
        {
            return Err(Held {
                scope: Scope::Day,
                subject: format!("app:{}", self.app),
                limit: format!("{daily} person-messages a day"),
                retry_after: until_shanghai_midnight(SystemTime::now()),
            });
        }
        let now = self.now();
        for member in members {
            let log = state.members.last_hour(self.key(member), now);
            for (limit, window, unit) in [(limits.minute, MINUTE, "min"), (limits.hour, HOUR, "h")]
            {
                let Some(oldest) = log.len().checked_sub(limit).map(|index| log[index]) else {
                    continue;
                };
                let free_at = oldest + ticks(window);
                if free_at > now {
                    return Err(Held {
                        scope: Scope::One,
                        subject: format!("user:{member}"),
                        limit: format!("{limit}/{unit} messages to one member"),
                        retry_after: TICK * (free_at - now),
                    });
                }
            }
        }
        Ok(())
    }

    /// The limits in use now.
    pub(super) fn quotas(&self) -> Vec<QuotaState> {
        let day = shanghai_day(SystemTime::now());
        let mut quotas = self.chat_quotas(chat::Day::at(SystemTime::now()));
        let state = lock(&self.state);
        if let Some(daily) = self.daily {
            let used = if state.day == day { state.day_used } else { 0 };
            #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
            let used_ratio = used as f64 / daily.max(1) as f64;
            quotas.insert(
                0,
                QuotaState {
                    api: "message/send",
                    limit: format!("{daily} person-messages a day"),
                    used_ratio,
                    retry_after: (used >= daily)
                        .then(|| until_shanghai_midnight(SystemTime::now())),
                },
            );
        }
        let corp = lock(&self.corp.lanes);
        let closed = state.lanes.closed().chain(corp.closed());
        quotas.extend(closed.map(|(api, left)| QuotaState {
            api,
            limit: format!("WeCom's frequency limit of {api}"),
            used_ratio: 1.0,
            retry_after: Some(left),
        }));
        quotas
    }

    fn now(&self) -> u32 {
        ticks(self.origin.elapsed())
    }

    /// Upper and lower case are the same member.
    fn key(&self, member: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for byte in member.bytes() {
            hasher.write_u8(byte.to_ascii_lowercase());
        }
        hasher.finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

fn shanghai_seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        + SHANGHAI_OFFSET_SECONDS
}

fn shanghai_day(now: SystemTime) -> u64 {
    shanghai_seconds(now) / DAY_SECONDS
}

fn until_shanghai_midnight(now: SystemTime) -> Duration {
    Duration::from_secs(DAY_SECONDS - shanghai_seconds(now) % DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SEND: &str = "message/send";

    fn pace() -> Pace {
        Pace::new("youxiao", Arc::default(), Some(1_000_000))
    }

    fn to(members: &[&str]) -> Vec<String> {
        members.iter().map(|member| (*member).to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_thirty_first_message_in_any_minute_waits() {
        let pace = pace();
        let member = to(&["zhangsan"]);
        for _ in 0..30 {
            pace.take(SEND, &member, MemberLimits::ALL, false).unwrap();
            advance(Duration::from_millis(100)).await;
        }
        let held = pace
            .take(SEND, &to(&["ZhangSan"]), MemberLimits::ALL, false)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(held.subject, "user:ZhangSan");
        assert_eq!(held.retry_after, Duration::from_millis(57_100));
        assert!(
            pace.take(SEND, &to(&["lisi"]), MemberLimits::ALL, false)
                .is_ok()
        );
        advance(held.retry_after).await;
        assert!(pace.take(SEND, &member, MemberLimits::ALL, false).is_ok());
        assert!(pace.take(SEND, &member, MemberLimits::ALL, false).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_thousand_and_first_in_any_hour_waits() {
        let pace = pace();
        let member = to(&["zhangsan"]);
        let mut sent = 0;
        for _ in 0..1799 {
            advance(Duration::from_secs(2)).await;
            sent += usize::from(pace.take(SEND, &member, MemberLimits::ALL, false).is_ok());
        }
        assert_eq!(sent, MEMBER_PER_HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn one_member_at_the_limit_takes_nothing_from_the_others() {
        let pace = pace();
        for _ in 0..30 {
            pace.take(SEND, &to(&["zhangsan"]), MemberLimits::ALL, false)
                .unwrap();
        }
        for _ in 0..40 {
            assert!(
                pace.take(SEND, &to(&["lisi", "zhangsan"]), MemberLimits::ALL, false)
                    .is_err()
            );
        }
        assert!(
            pace.take(SEND, &to(&["lisi"]), MemberLimits::ALL, false)
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn forgetting_quiet_members_breaks_no_limit() {
        let pace = pace();
        let member = to(&["zhangsan"]);
        let mut sent = 0;
        for round in 0..59 {
            sent += (0..20)
                .filter(|_| pace.take(SEND, &member, MemberLimits::ALL, false).is_ok())
                .count();
            advance(Duration::from_secs(61)).await;
            let crowd: Vec<String> = (0..9000).map(|n| format!("m{round}-{n}")).collect();
            for some in crowd.chunks(1000) {
                pace.take(SEND, some, MemberLimits::ALL, false).ok();
            }
            assert!(lock(&pace.state).members.len() < 40_000);
        }
        assert!(sent <= MEMBER_PER_HOUR, "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_is_given_back() {
        let pace = pace();
        let member = to(&["zhangsan"]);
        for _ in 0..100 {
            let ticket = pace.take(SEND, &member, MemberLimits::ALL, false).unwrap();
            pace.give_back(&ticket, &member);
        }
        assert_eq!(pace.quotas()[0].used_ratio, 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn blocks_grow_from_a_minute_to_an_hour_to_midnight() {
        let pace = pace();
        assert_eq!(pace.block(SEND), MINUTE);
        assert_eq!(
            pace.block(SEND),
            MINUTE,
            "a second answer of the same block says nothing new"
        );
        assert!(pace.check(SEND, &[]).is_err());
        assert!(pace.check("media/upload", &[]).is_ok());
        advance(MINUTE).await;
        assert!(pace.check(SEND, &[]).is_ok());
        assert_eq!(pace.block(SEND), HOUR);
        advance(HOUR).await;
        assert!(pace.block(SEND) <= Duration::from_secs(DAY_SECONDS));
        advance(Duration::from_secs(2 * DAY_SECONDS)).await;
        assert_eq!(
            pace.block(SEND),
            MINUTE,
            "a quiet time starts the ladder again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_path_is_closed_for_the_corp_and_a_message_for_its_app() {
        let corp: Arc<Corp> = Arc::default();
        let [one, other] = ["youxiao", "kaoqin"].map(|app| Pace::new(app, corp.clone(), None));
        one.block("user/get");
        one.block(SEND);
        assert!(other.check("user/get", &[]).is_err());
        assert!(other.check(SEND, &[]).is_ok());
        assert!(one.check(SEND, &[]).is_err());
        let stranger = Pace::new("elsewhere", Arc::default(), None);
        assert!(stranger.check("user/get", &[]).is_ok());
        assert_eq!((one.quotas().len(), other.quotas().len()), (2, 1));
        advance(MINUTE).await;
        assert!(other.check("user/get", &[]).is_ok());
    }

    #[tokio::test]
    async fn the_day_ends_at_midnight_in_shanghai() {
        // 2026-11-24 15:59:59 UTC is 23:59:59 in Shanghai.
        let now = UNIX_EPOCH + Duration::from_secs(1_795_535_999);
        assert_eq!(until_shanghai_midnight(now), Duration::from_secs(1));
        assert_eq!(
            shanghai_day(now) + 1,
            shanghai_day(now + Duration::from_secs(1))
        );
        let pace = Pace::new("youxiao", Arc::default(), Some(2));
        pace.take(SEND, &to(&["zhangsan", "lisi"]), MemberLimits::ALL, false)
            .unwrap();
        let held = pace.check(SEND, &to(&["wangwu"])).unwrap_err();
        assert!(held.limit.contains("2 person-messages"));
    }

    #[test]
    fn the_corps_base_limit_holds_back() {
        let corp = Corp::default();
        let passed = (0..6000)
            .filter(|_| corp.take("media/upload").is_ok())
            .count();
        // 83 come back each second, however slow the machine is.
        assert!((5000..5500).contains(&passed), "{passed}");
        assert!(corp.take("user/get").is_ok());
    }
}
