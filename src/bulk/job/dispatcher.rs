//! All open jobs of one app, and what happens to them next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use crate::store::{Batch, BatchState, Changes, JobId, Lease, OpenJob, Outcome, Settlement, Split};

use super::lane::Lane;
use super::open::Open;
use super::rules::{self, CLOCK_TOLERANCE_MS, Call, Next, SPLITS_MAX, Verdict};
use super::{Answer, Input};

/// Batches that get their outcomes in one step because their job ends. A job with a hundred
/// thousand batches ends in fifty commits, between which others go on.
const SWEEP_MAX: usize = 2_000;

/// All open jobs of one app, and what happens to them next.
///
/// Batches wait in one of two places: in `ready` of their job, or in `delayed` until their time
/// comes. So a step costs what happens in it, not what waits.
///
/// It panics rather than count wrong: the driver has not committed then, and the store keeps
/// the truth for the next dispatcher.
pub(in crate::bulk) struct Dispatcher {
    jobs: BTreeMap<u64, Open>,
    numbers: HashMap<JobId, u64>,
    next_number: u64,
    /// Jobs with batches that may go out now, and the one that was served last.
    hungry: BTreeSet<u64>,
    served: u64,
    /// Batches that may go out later: from when on, job, index.
    delayed: BTreeSet<(i64, u64, u32)>,
    deadlines: BTreeSet<(i64, u64)>,
    /// Jobs that end and still have batches that wait.
    sweeping: BTreeSet<u64>,
    lane: Lane,
    /// Whether the driver may make calls at all.
    open: bool,
    in_flight: usize,
    now_ms: i64,
    latest_ms: i64,
    /// What is to be written down by the next step: jobs that something happened to, batches
    /// that wait again, cuts, outcomes.
    touched: BTreeSet<u64>,
    dirty: BTreeSet<(u64, u32)>,
    splits: Vec<(u64, Split)>,
    settled: Vec<(JobId, u32, Settlement)>,
}

impl Dispatcher {
    /// Takes over the lane: what was being sent when the last holder ended is in doubt.
    pub(in crate::bulk) fn new(lease: &Lease, jobs: Vec<OpenJob>, now_ms: i64) -> Self {
        let mut dispatcher = Self {
            jobs: BTreeMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
            hungry: BTreeSet::new(),
            served: 0,
            delayed: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            sweeping: BTreeSet::new(),
            lane: Lane::new(lease.note.as_deref(), now_ms),
            open: true,
            in_flight: 0,
            now_ms,
            latest_ms: lease.latest_ms.max(now_ms),
            touched: BTreeSet::new(),
            dirty: BTreeSet::new(),
            splits: Vec::new(),
            settled: Vec::new(),
        };
        for job in jobs {
            dispatcher.open(job, now_ms);
        }
        dispatcher.observe(now_ms);
        dispatcher
    }

    /// Whether calls may be claimed from now on. They may not while the driver ends, or is not sure
    /// of its lease.
    pub(in crate::bulk) fn admit(&mut self, open: bool) {
        self.open = open;
    }

    /// Takes note of what happened.
    pub(in crate::bulk) fn handle(&mut self, input: Input, now_ms: i64) {
        self.observe(now_ms);
        match input {
            Input::Opened(job) => self.open(job, now_ms),
            Input::CancelRequested(id) => {
                if let Some(&number) = self.numbers.get(&id) {
                    self.end(number, Outcome::Cancelled);
                }
            }
            Input::Unclaimed(id, index) => {
                let (number, _) = self.returned(&id, index);
                self.job(number).slot(index).batch.resent = false;
                self.wait(number, index, now_ms, now_ms);
            }
            Input::Answered(id, index, answer) => self.answered(&id, index, answer, now_ms),
        }
    }

    /// Everything to be written down now, claims for free places included. The calls of the claims
    /// may begin once it is committed.
    ///
    /// To be called every few seconds even when nothing happens, best with each renewal of the
    /// lease: a clock that is set back between two calls is noticed only if it was set back by
    /// more than the time between them.
    pub(in crate::bulk) fn step(&mut self, now_ms: i64) -> Changes {
        self.observe(now_ms);
        self.lane.tick(now_ms);
        self.release(now_ms);
        self.expire(now_ms);
        self.sweep(now_ms);
        let claims = self.claim(now_ms);
        let mut changes = Changes {
            waiting: self.waiting(&claims),
            claims,
            settled: std::mem::take(&mut self.settled),
            note: self.lane.take_note(),
            ..Changes::default()
        };
        self.close_books(&mut changes, now_ms);
        for (number, split) in std::mem::take(&mut self.splits) {
            for half in [split.first, split.second] {
                self.job(number).adopt(half);
                self.enqueue(number, half.index, now_ms);
            }
            changes.splits.push(split);
        }
        changes
    }

    /// When to step again though nothing happens.
    pub(in crate::bulk) fn wake_at_ms(&self) -> Option<i64> {
        let admits = self.open && self.lane.admits(self.in_flight, self.now_ms);
        if !self.sweeping.is_empty() || (admits && !self.hungry.is_empty()) {
            return Some(self.now_ms);
        }
        let delayed = self.delayed.first().map(|(at_ms, ..)| *at_ms);
        let deadline = self.deadlines.first().map(|(at_ms, _)| *at_ms);
        // A probe that is under way wakes by its answer.
        let lane = self.lane.wake_at_ms().filter(|at_ms| *at_ms > self.now_ms);
        [delayed, deadline, lane].into_iter().flatten().min()
    }

    /// Calls that are under way.
    #[cfg(test)]
    pub(in crate::bulk) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A clock that was set back makes every doubt older than any window.
    fn observe(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        if now_ms >= self.latest_ms - CLOCK_TOLERANCE_MS {
            self.latest_ms = self.latest_ms.max(now_ms);
            return;
        }
        self.lane.clock_went_back(self.latest_ms - now_ms, now_ms);
        self.latest_ms = now_ms;
        self.distrust();
        // The times that they wait for may be far away now.
        self.release(i64::MAX);
    }

    /// Nobody knows any more how long ago attempts began. That is written down, since the clock
    /// may be set right again before the next holder comes.
    fn distrust(&mut self) {
        for (number, open) in &mut self.jobs {
            for (index, slot) in &mut open.slots {
                rules::distrust(&mut slot.batch);
                let waits = matches!(slot.batch.state, BatchState::Ready { .. });
                if waits && slot.batch.doubt_since_ms.is_some() {
                    self.dirty.insert((*number, *index));
                }
            }
        }
    }

    fn open(&mut self, open: OpenJob, now_ms: i64) {
        if self.numbers.contains_key(&open.job.id) {
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(open.job.id.clone(), number);
        self.deadlines.insert((open.job.deadline_ms, number));
        let batches: Vec<_> = open.batches.iter().map(|it| (it.index, it.state)).collect();
        let open = Open::new(open);
        if open.ending.is_some() {
            self.sweeping.insert(number);
        }
        self.jobs.insert(number, open);
        self.touched.insert(number);
        for (index, state) in batches {
            match state {
                BatchState::Ready { .. } => self.enqueue(number, index, now_ms),
                BatchState::Sending { since_ms } => {
                    let open = self.job(number);
                    let batch = &mut open.slots.get_mut(&index).expect("just put in").batch;
                    let verdict = rules::take_over(&open.job, batch, since_ms, now_ms);
                    self.follow(number, index, verdict, now_ms);
                }
                BatchState::Settled => {
                    unreachable!("open jobs are read with the batches that are not settled")
                }
            }
        }
    }

    fn answered(&mut self, id: &JobId, index: u32, answer: Answer, now_ms: i64) {
        let (number, since_ms) = self.returned(id, index);
        let successes = self.lane.successes;
        let open = self.job(number);
        let origin = open.slot(index).batch.origin;
        let may_split = open.may_split(origin, SPLITS_MAX);
        let slot = open.slots.get_mut(&index).expect("it was just sent");
        let counts = slot.mark.is_some_and(|mark| mark < successes);
        slot.mark = match answer {
            Answer::Held(_) => None,
            _ => Some(successes),
        };
        let call = Call {
            since_ms,
            counts,
            may_split,
        };
        let verdict = rules::judge(&open.job, &mut slot.batch, answer.clone(), &call, now_ms);
        self.lane.answered(&answer, since_ms, counts, now_ms);
        self.follow(number, index, verdict, now_ms);
    }

    fn follow(&mut self, number: u64, index: u32, verdict: Verdict, now_ms: i64) {
        match verdict {
            Verdict::Settle(settlement) => self.settle(number, index, settlement),
            Verdict::Wait(at_ms) => self.wait(number, index, at_ms, now_ms),
            Verdict::Split => {
                let split = self.job(number).split(index, now_ms);
                self.splits.push((number, split));
                self.touched.insert(number);
            }
        }
    }

    /// Notes that a batch came back, and gives its job and when it went out.
    fn returned(&mut self, id: &JobId, index: u32) -> (u64, i64) {
        let number = *self
            .numbers
            .get(id)
            .expect("a job is open while a batch of it is being sent");
        self.in_flight -= 1;
        (number, self.job(number).returned(index))
    }

    fn job(&mut self, number: u64) -> &mut Open {
        self.jobs
            .get_mut(&number)
            .expect("only open jobs are looked up")
    }

    /// Lets a batch wait until `at_ms`; not at all if its job ends.
    fn wait(&mut self, number: u64, index: u32, at_ms: i64, now_ms: i64) {
        let open = self.job(number);
        open.slot(index).batch.state = BatchState::Ready { at_ms };
        if let Some(outcome) = open.ending {
            let settlement = rules::end(&open.slot(index).batch, outcome, now_ms);
            self.settle(number, index, settlement);
            return;
        }
        self.touched.insert(number);
        self.dirty.insert((number, index));
        self.enqueue(number, index, now_ms);
    }

    /// Puts a batch that waits where it belongs.
    fn enqueue(&mut self, number: u64, index: u32, now_ms: i64) {
        let open = self.job(number);
        let batch = &open.slot(index).batch;
        let BatchState::Ready { at_ms } = batch.state else {
            unreachable!("only batches that wait are put in line");
        };
        if at_ms > now_ms {
            self.delayed.insert((at_ms, number, index));
            return;
        }
        let place = (batch.doubt_since_ms.is_none(), index);
        open.ready.insert(place);
        if open.ending.is_none() {
            self.hungry.insert(number);
        }
    }

    /// Brings batches whose time has come to where they can be claimed.
    fn release(&mut self, now_ms: i64) {
        while let Some(&(at_ms, number, index)) = self.delayed.first()
            && at_ms <= now_ms
        {
            self.delayed.pop_first();
            self.enqueue(number, index, now_ms);
        }
    }

    fn expire(&mut self, now_ms: i64) {
        while let Some(&(at_ms, number)) = self.deadlines.first()
            && at_ms <= now_ms
        {
            self.deadlines.pop_first();
            self.end(number, Outcome::Expired);
        }
    }

    /// Begins to end a job: nothing of it goes out any more.
    fn end(&mut self, number: u64, outcome: Outcome) {
        self.job(number).ending.get_or_insert(outcome);
        self.hungry.remove(&number);
        self.sweeping.insert(number);
    }

    /// Gives outcomes to batches that wait, of jobs that end.
    fn sweep(&mut self, now_ms: i64) {
        let mut room = SWEEP_MAX.saturating_sub(self.settled.len());
        while let Some(&number) = self.sweeping.first()
            && room > 0
        {
            let open = &self.jobs[&number];
            let outcome = open.ending.expect("only jobs that end are swept");
            let waiting: Vec<_> = open
                .slots
                .values()
                .filter_map(|slot| match slot.batch.state {
                    BatchState::Ready { at_ms } => Some((at_ms, slot.batch)),
                    _ => None,
                })
                .take(room)
                .collect();
            if waiting.len() < room && !self.splits.iter().any(|(of, _)| *of == number) {
                self.sweeping.pop_first();
            } else if waiting.is_empty() {
                // Halves that are not in the books yet are swept by the next step.
                return;
            }
            room -= waiting.len();
            for (at_ms, batch) in waiting {
                self.delayed.remove(&(at_ms, number, batch.index));
                let settlement = rules::end(&batch, outcome, now_ms);
                self.settle(number, batch.index, settlement);
            }
        }
    }

    fn settle(&mut self, number: u64, index: u32, settlement: Settlement) {
        let open = self.job(number);
        open.ready.remove(&(true, index));
        open.ready.remove(&(false, index));
        open.settle(index, &settlement);
        let id = open.job.id.clone();
        if open.ready.is_empty() {
            self.hungry.remove(&number);
        }
        self.settled.push((id, index, settlement));
        self.dirty.remove(&(number, index));
        self.touched.insert(number);
    }

    /// Fills free places, one job after the other.
    fn claim(&mut self, now_ms: i64) -> Vec<(JobId, Batch)> {
        let mut claims = Vec::new();
        while self.open
            && self.lane.admits(self.in_flight, now_ms)
            && self.settled.len() < SWEEP_MAX
        {
            let Some(number) = self.next_job() else {
                break;
            };
            let successes = self.lane.successes;
            let open = self.job(number);
            let (_, index) = open.ready.pop_first().expect("hungry jobs have batches");
            let sated = open.ready.is_empty();
            let next = rules::next(&open.job, &open.slots[&index].batch, now_ms);
            if next == Next::GiveUp {
                self.settle(number, index, rules::give_up(now_ms));
                continue;
            }
            let batch = open.claim(index, successes, next == Next::Resend, now_ms);
            claims.push((open.job.id.clone(), batch));
            if sated {
                self.hungry.remove(&number);
            }
            self.in_flight += 1;
            self.served = number;
            self.touched.insert(number);
        }
        claims
    }

    /// The next job in turn.
    fn next_job(&self) -> Option<u64> {
        let behind = (Excluded(self.served), Unbounded);
        self.hungry
            .range(behind)
            .next()
            .or_else(|| self.hungry.first())
            .copied()
    }

    /// Batches that wait again, as they stand; those claimed in the same step are written down
    /// with their claim.
    fn waiting(&mut self, claims: &[(JobId, Batch)]) -> Vec<(JobId, Batch)> {
        std::mem::take(&mut self.dirty)
            .into_iter()
            .map(|(number, index)| {
                let open = self.job(number);
                (open.job.id.clone(), open.slot(index).batch)
            })
            .filter(|(id, batch)| {
                !claims
                    .iter()
                    .any(|(other, claim)| other == id && claim.index == batch.index)
            })
            .collect()
    }

    /// Writes the events and the standing of each job that something happened to.
    fn close_books(&mut self, changes: &mut Changes, now_ms: i64) {
        if self.lane.take_changed() {
            self.touched.extend(self.jobs.keys());
        }
        for number in std::mem::take(&mut self.touched) {
            let halves = self.splits.iter().any(|(of, _)| *of == number);
            let pause = self.lane.pause();
            let open = self
                .jobs
                .get_mut(&number)
                .expect("a job ends only here, where it is touched last");
            let events = open.events(pause, halves, now_ms);
            let id = open.job.id.clone();
            changes
                .events
                .extend(events.into_iter().map(|event| (id.clone(), event)));
            if let Some(progress) = open.take_progress() {
                changes.jobs.push((id, progress));
            }
            if !open.job.progress.state.is_open() {
                self.close(number);
            }
        }
    }

    fn close(&mut self, number: u64) {
        let open = self.jobs.remove(&number).expect("it was open until now");
        self.numbers.remove(&open.job.id);
        self.deadlines.remove(&(open.job.deadline_ms, number));
        self.sweeping.remove(&number);
        self.hungry.remove(&number);
    }
}
