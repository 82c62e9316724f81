//! The events of one run: drivers that commit and then call, and what goes wrong for them.

mod fate;
mod upload;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use fastrand::Rng;

use crate::bulk::job::{Answer, Dispatcher, Input};
use crate::store::{Changes, OpenJob};

use super::disk::{Disk, LEASE_LIFE_MS};
use super::far::{Body, Far, Repetition, Reply};
use super::verdict::{self, Upload};

/// A fault planted into the drivers, the store or the plan; the simulator must find each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    AckBeforeCommit,
    RebatchOnResend,
    NoWindowCheck,
    StaleLeaseSends,
    ResultBeforeIntent,
    LostEvent,
    NoCaseFold,
    RetryWithoutCheck,
}

/// What a run came to.
pub(super) struct Run {
    /// Digest of all that happened.
    pub(super) history: u64,
    pub(super) steps: u32,
    /// Outcomes of all items.
    pub(super) totals: [u32; 7],
    pub(super) broken: Option<String>,
}

/// 2026-11-24 10:00 in Shanghai.
const START_MS: i64 = 1_795_485_600_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// More steps than any run needs that ends.
const STEPS_MAX: u32 = 200_000;
/// A driver of the shared engine calls only while its lease lasts for the whole call.
const TRUST_MS: i64 = LEASE_LIFE_MS - 2_000 - CALL_TIMEOUT_MS;
const CALL_TIMEOUT_MS: i64 = 8_000;

/// How often what goes wrong, in thousandths.
struct Odds {
    crash: u32,
    stall: u32,
    jump: u32,
    long_down: u32,
    lost_commit: u32,
    store_away: u32,
    lost_reply: u32,
    lost_request: u32,
    late_request: u32,
    busy: u32,
    unreachable: u32,
    concurrency: u32,
    limited: u32,
    credential: u32,
    member: u32,
    interrupted: u32,
}

#[derive(Debug)]
enum Ev {
    Create,
    Cancel(usize),
    Boot(usize),
    /// The rest belongs to one life of a driver: its number, and which life.
    Opened(usize, u32, String),
    CancelSeen(usize, u32, String),
    Step(usize, u32),
    Commit(usize, u32),
    Committed(usize, u32),
    Renew(usize, u32),
    Answer(usize, u32, String, u32, Answer),
    /// A call reaches WeCom; who waits for the answer, if anyone still does.
    Arrive(Body, Option<(usize, u32, String, u32)>),
}

#[derive(Default)]
struct Driver {
    life: u32,
    dispatcher: Option<Dispatcher>,
    term: i64,
    known: HashSet<String>,
    /// What is being committed, since when, and the answer when it was applied.
    pending: Option<(Changes, i64)>,
    done: Option<crate::store::Committed>,
    stalled_until: i64,
}

struct World {
    rng: Rng,
    planted: Option<Planted>,
    odds: Odds,
    shared: bool,
    at: i64,
    /// What the clocks say beyond the truth.
    offset: i64,
    went_back: bool,
    queue: BTreeMap<(i64, u64), Ev>,
    next_event: u64,
    disk: Disk,
    away_until: i64,
    far: Far,
    drivers: Vec<Driver>,
    uploads: Vec<Upload>,
    to_create: u32,
    history: DefaultHasher,
}

/// Runs a seed to its end and checks it.
pub(super) fn run(seed: u64, planted: Option<Planted>, calm: bool) -> Run {
    let mut world = World::new(seed, planted, calm);
    let mut steps = 0;
    while let Some(((at, number), event)) = world.queue.pop_first() {
        let over = world.over();
        if over && !matches!(event, Ev::Arrive(..)) {
            continue;
        }
        steps += 1;
        if steps > STEPS_MAX {
            return world.end(steps, Some("it does not end".to_owned()));
        }
        world.at = world.at.max(at);
        (at, number, std::mem::discriminant(&event)).hash(&mut world.history);
        world.happen(event);
    }
    let broken = verdict::check(&world.disk, &world.far, &world.uploads).err();
    world.end(steps, broken)
}

impl World {
    fn new(seed: u64, planted: Option<Planted>, calm: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Each seed has faults of its own, so that rare ones are not drowned by others.
        let mut odds = |most: u32| match calm || rng.u8(..3) != 0 {
            true => 0,
            false => rng.u32(1..=most),
        };
        let odds = Odds {
            crash: odds(60),
            stall: odds(30),
            jump: odds(20),
            long_down: odds(600),
            lost_commit: odds(200),
            store_away: odds(30),
            lost_reply: odds(400),
            lost_request: odds(400),
            late_request: odds(200),
            busy: odds(300),
            unreachable: odds(300),
            concurrency: odds(200),
            limited: odds(100),
            credential: odds(50),
            member: odds(200),
            interrupted: odds(100),
        };
        let repetition = [Repetition::SameId, Repetition::NewId, Repetition::Error];
        let repetition = *rng.choice(&repetition).expect("not empty");
        let shared = rng.bool();
        let drivers = if shared { 2 } else { 1 };
        let mut world = Self {
            planted,
            odds,
            shared,
            at: START_MS,
            offset: 0,
            went_back: false,
            queue: BTreeMap::new(),
            next_event: 0,
            disk: Disk {
                unfenced: planted == Some(Planted::StaleLeaseSends),
                ..Disk::default()
            },
            away_until: 0,
            far: Far::new(repetition),
            drivers: (0..drivers).map(|_| Driver::default()).collect(),
            uploads: Vec::new(),
            to_create: rng.u32(1..=3),
            history: DefaultHasher::new(),
            rng,
        };
        for driver in 0..drivers {
            world.after(0, Ev::Boot(driver));
        }
        for _ in 0..world.to_create {
            let wait = world.rng.i64(0..30_000);
            world.after(wait, Ev::Create);
        }
        world
    }

    fn end(mut self, steps: u32, broken: Option<String>) -> Run {
        let mut totals = [0; 7];
        for row in self.disk.jobs.values() {
            format!("{:?}{:?}", row.job, row.events).hash(&mut self.history);
            for (total, count) in totals.iter_mut().zip(row.job.progress.counts.0) {
                *total += count;
            }
        }
        Run {
            history: self.history.finish(),
            steps,
            totals,
            broken,
        }
    }

    fn over(&self) -> bool {
        let open = |row: &super::disk::Row| row.job.progress.state.is_open();
        self.to_create == 0 && !self.disk.jobs.values().any(open)
    }

    fn now(&self) -> i64 {
        self.at + self.offset
    }

    fn after(&mut self, wait: i64, event: Ev) {
        let key = (self.at + wait, self.next_event);
        self.next_event += 1;
        self.queue.insert(key, event);
    }

    fn strikes(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.rng.u32(..1_000) < thousandths
    }

    fn happen(&mut self, event: Ev) {
        match event {
            Ev::Create => self.create(),
            Ev::Cancel(upload) => self.cancel(upload),
            Ev::Arrive(body, waits) => self.arrive(&body, waits),
            Ev::Boot(driver) => self.boot(driver),
            Ev::Opened(driver, life, _)
            | Ev::CancelSeen(driver, life, _)
            | Ev::Step(driver, life)
            | Ev::Commit(driver, life)
            | Ev::Committed(driver, life)
            | Ev::Renew(driver, life)
            | Ev::Answer(driver, life, ..) => {
                if self.drivers[driver].life != life {
                    return;
                }
                let stalled_until = self.drivers[driver].stalled_until;
                if self.at < stalled_until {
                    return self.after(stalled_until - self.at, event);
                }
                if self.strikes(self.odds.stall) && self.shared {
                    self.drivers[driver].stalled_until = self.at + self.rng.i64(1..40_000);
                }
                if self.strikes(self.odds.crash) {
                    return self.crash(driver);
                }
                self.jump();
                self.drive(driver, event);
            }
        }
    }

    /// The clocks jump. Back only while a driver lives to see it: a clock that was set back
    /// and has caught up again while all were down cannot be told from one that was right.
    fn jump(&mut self) {
        if !self.strikes(self.odds.jump) {
            return;
        }
        if self.rng.bool() {
            self.offset += self.rng.i64(0..5 * HOUR_MS);
        } else {
            self.went_back = true;
            self.offset -= self.rng.i64(0..3 * HOUR_MS);
        }
    }

    fn crash(&mut self, driver: usize) {
        let life = self.drivers[driver].life + 1;
        self.drivers[driver] = Driver {
            life,
            ..Driver::default()
        };
        let long = self.strikes(self.odds.long_down) && !self.went_back;
        let down = match long {
            true => self.rng.i64(3 * HOUR_MS..6 * HOUR_MS),
            false => self.rng.i64(50..20_000),
        };
        self.after(down, Ev::Boot(driver));
    }

    fn boot(&mut self, driver: usize) {
        let now = self.now();
        if self.at < self.away_until || (self.shared && now < self.disk.held_until_ms) {
            return self.after(2_000, Ev::Boot(driver));
        }
        let (lease, jobs) = self.disk.acquire(now);
        let jobs: Vec<_> = jobs.into_iter().map(|job| self.told(job)).collect();
        let it = &mut self.drivers[driver];
        it.life += 1;
        it.term = lease.term;
        it.known = jobs.iter().map(|open| open.job.id.clone()).collect();
        it.dispatcher = Some(Dispatcher::new(&lease, jobs, now));
        let life = it.life;
        self.after(0, Ev::Step(driver, life));
        self.after(5_000, Ev::Renew(driver, life));
    }

    /// What the dispatcher is told of a job: the truth, but for two planted faults.
    fn told(&self, mut open: OpenJob) -> OpenJob {
        let window = &mut open.job.window_seconds;
        match self.planted {
            Some(Planted::NoWindowCheck) => *window = window.map(|_| 100_000_000),
            Some(Planted::RetryWithoutCheck) => *window = window.or(Some(14_100)),
            _ => {}
        }
        open
    }

    fn drive(&mut self, driver: usize, event: Ev) {
        let now = self.now();
        match event {
            Ev::Opened(_, _, id) => {
                let open = self.disk.jobs[&id].open().map(|open| self.told(open));
                let it = &mut self.drivers[driver];
                if let (Some(open), true) = (open, it.known.insert(id)) {
                    self.input(driver, Input::Opened(open), now);
                }
            }
            Ev::CancelSeen(_, _, id) => self.input(driver, Input::CancelRequested(id), now),
            Ev::Answer(_, _, id, index, answer) => {
                self.input(driver, Input::Answered(id, index, answer), now);
            }
            Ev::Step(..) => self.step(driver, now),
            Ev::Commit(..) => self.commit(driver, now),
            Ev::Committed(..) => self.committed(driver, now),
            Ev::Renew(_, life) => {
                let term = self.drivers[driver].term;
                let away = self.at < self.away_until;
                if !away && self.disk.renew(term, now).is_err() {
                    return self.crash(driver);
                }
                self.after(0, Ev::Step(driver, life));
                self.after(5_000, Ev::Renew(driver, life));
            }
            Ev::Create | Ev::Cancel(_) | Ev::Boot(_) | Ev::Arrive(..) => {
                unreachable!("not of one life")
            }
        }
    }

    fn input(&mut self, driver: usize, input: Input, now: i64) {
        let it = &mut self.drivers[driver];
        if let Some(dispatcher) = &mut it.dispatcher {
            dispatcher.handle(input, now);
            let life = it.life;
            self.after(0, Ev::Step(driver, life));
        }
    }

    fn step(&mut self, driver: usize, now: i64) {
        let it = &mut self.drivers[driver];
        let (life, Some(dispatcher), None) = (it.life, &mut it.dispatcher, &it.pending) else {
            return;
        };
        let mut changes = dispatcher.step(now);
        if changes == Changes::default() {
            let wake = dispatcher.wake_at_ms().map(|at| (at - now).max(1));
            if let Some(wait) = wake {
                self.after(wait, Ev::Step(driver, life));
            }
            return;
        }
        if self.planted == Some(Planted::LostEvent) && self.rng.u8(..20) == 0 {
            changes.events.pop();
        }
        if self.planted == Some(Planted::ResultBeforeIntent) {
            // The fault: what is claimed goes out although it is not on disk yet.
            for (id, index, cargo) in self.disk.cargo(&changes.claims) {
                self.call(driver, &id, index, &cargo, false);
            }
        }
        self.drivers[driver].pending = Some((changes, now));
        let wait = self.rng.i64(0..20);
        self.after(wait, Ev::Commit(driver, life));
    }

    fn commit(&mut self, driver: usize, now: i64) {
        if self.strikes(self.odds.store_away) {
            self.away_until = self.at + self.rng.i64(100..30_000);
        }
        let life = self.drivers[driver].life;
        if self.at < self.away_until {
            return self.after(500, Ev::Commit(driver, life));
        }
        let term = self.drivers[driver].term;
        let (changes, _) = self.drivers[driver].pending.as_ref().expect("a commit");
        let Ok(done) = self.disk.commit(term, changes, now) else {
            return self.crash(driver);
        };
        self.drivers[driver].done = Some(done);
        let next = match self.strikes(self.odds.lost_commit) {
            // Its answer is lost: the driver commits the same once more.
            true => Ev::Commit(driver, life),
            false => Ev::Committed(driver, life),
        };
        let wait = self.rng.i64(0..20);
        self.after(wait, next);
    }

    fn committed(&mut self, driver: usize, now: i64) {
        let it = &mut self.drivers[driver];
        let done = it.done.take().expect("it was applied");
        let (changes, stepped) = it.pending.take().expect("it was applied");
        let life = it.life;
        for id in &done.cancelled {
            self.input(driver, Input::CancelRequested(id.clone()), now);
        }
        let late = now - stepped > TRUST_MS;
        let late = late && self.planted != Some(Planted::StaleLeaseSends) || now < stepped;
        let ahead = self.planted == Some(Planted::ResultBeforeIntent);
        for (id, batch) in changes.claims {
            let cargo = done
                .claimed
                .iter()
                .find(|(of, index, _)| (of, *index) == (&id, batch.index));
            match cargo {
                _ if ahead => {}
                Some((_, _, cargo)) if !late => {
                    let doubt = batch.doubt_since_ms.is_some();
                    self.call(driver, &id, batch.index, cargo, doubt);
                }
                _ => self.input(driver, Input::Unclaimed(id, batch.index), now),
            }
        }
        self.after(0, Ev::Step(driver, life));
    }
}
