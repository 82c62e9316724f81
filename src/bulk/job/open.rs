//! The books of one open job: its batches, its counts and its events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::store::{
    self, Batch, BatchState, Counts, Job, JobState, OpenJob, Outcome, Progress, Settlement, Split,
};

use super::{Event, Pause};

/// Most items of one event that are not ACCEPTED, as the contract says.
const EXCEPTIONS_MAX: u32 = 1_000;

/// An open job.
pub(super) struct Open {
    pub(super) job: Job,
    pub(super) slots: BTreeMap<u32, Slot>,
    /// Batches that may go out now: those in doubt first, then by their index.
    pub(super) ready: BTreeSet<(bool, u32)>,
    /// What becomes of batches that wait: the job was cancelled, or has expired.
    pub(super) ending: Option<Outcome>,
    next_index: u32,
    /// Cuts by the batch of the plan. Those of settled parts are forgotten by a takeover: a
    /// batch is cut down to single members at the worst.
    splits: HashMap<u32, u32>,
    in_flight: u32,
    /// Settled since the last step: index, items and their outcomes.
    fresh: Vec<(u32, Counts)>,
    written: Progress,
}

/// A batch that has no outcomes yet.
pub(super) struct Slot {
    pub(super) batch: Batch,
    /// Successes of the lane at its last attempt; `None` before the first.
    pub(super) mark: Option<u64>,
}

impl Open {
    pub(super) fn new(open: OpenJob) -> Self {
        let OpenJob {
            job,
            batches,
            next_index,
        } = open;
        let mut splits = HashMap::new();
        for batch in &batches {
            *splits.entry(batch.origin).or_default() += 1;
        }
        // A batch and its parts are one more than the cuts that made them.
        splits.retain(|_, parts: &mut u32| {
            *parts -= 1;
            *parts > 0
        });
        Self {
            written: job.progress.clone(),
            ending: job.cancel_requested_at_ms.map(|_| Outcome::Cancelled),
            job,
            slots: batches
                .into_iter()
                .map(|batch| (batch.index, Slot { batch, mark: None }))
                .collect(),
            ready: BTreeSet::new(),
            next_index,
            splits,
            in_flight: 0,
            fresh: Vec::new(),
        }
    }

    /// The batch at `index`, which has no outcomes yet.
    pub(super) fn slot(&mut self, index: u32) -> &mut Slot {
        self.slots
            .get_mut(&index)
            .expect("only batches without outcomes are looked up")
    }

    /// Notes that a batch goes out.
    pub(super) fn claim(&mut self, index: u32, successes: u64, resend: bool, now_ms: i64) -> Batch {
        self.in_flight += 1;
        let progress = &mut self.job.progress;
        progress.started_at_ms.get_or_insert(now_ms);
        if progress.state == JobState::Accepted {
            progress.state = JobState::Running;
        }
        let slot = self.slot(index);
        slot.mark.get_or_insert(successes);
        slot.batch.resent = resend;
        slot.batch.state = BatchState::Sending { since_ms: now_ms };
        slot.batch
    }

    /// Notes that a batch came back, and gives when it went out.
    pub(super) fn returned(&mut self, index: u32) -> i64 {
        let since_ms = match self.slots.get(&index).map(|slot| slot.batch.state) {
            Some(BatchState::Sending { since_ms }) => Some(since_ms),
            _ => None,
        };
        let since_ms = since_ms.expect("a batch is answered once, while it is being sent");
        self.in_flight -= 1;
        since_ms
    }

    /// Writes down the outcomes of a batch.
    pub(super) fn settle(&mut self, index: u32, settlement: &Settlement) {
        let slot = self.slots.remove(&index).expect("it has no outcomes yet");
        let mut counts = Counts::default();
        let exceptions = u32::try_from(settlement.exceptions.len()).expect("at most one an item");
        counts.add(settlement.outcome, slot.batch.item_count - exceptions);
        for (_, outcome) in &settlement.exceptions {
            counts.add(*outcome, 1);
        }
        let progress = &mut self.job.progress;
        for (total, count) in progress.counts.0.iter_mut().zip(counts.0) {
            *total += count;
        }
        progress.finished_batch_count += 1;
        assert!(
            progress.counts.total() <= self.job.item_count,
            "job {} has more outcomes than items",
            self.job.id
        );
        self.fresh.push((index, counts));
    }

    /// Whether the batch may be cut once more.
    pub(super) fn may_split(&self, origin: u32, most: u32) -> bool {
        self.ending.is_none() && self.splits.get(&origin).is_none_or(|cuts| *cuts < most)
    }

    /// Cuts a batch in two. The halves wait outside of the books until [`Self::adopt`]: they
    /// must be on disk before they can be claimed.
    pub(super) fn split(&mut self, index: u32, now_ms: i64) -> Split {
        let whole = self
            .slots
            .remove(&index)
            .expect("it has no outcomes yet")
            .batch;
        *self.splits.entry(whole.origin).or_default() += 1;
        let part = |index, item_count| Batch {
            index,
            item_count,
            state: BatchState::Ready { at_ms: now_ms },
            attempts: 0,
            ..whole
        };
        let half = whole.item_count / 2;
        let first = part(self.next_index, whole.item_count - half);
        let second = part(self.next_index + 1, half);
        self.next_index += 2;
        self.job.progress.batch_count += 1;
        Split {
            job: self.job.id.clone(),
            index,
            first,
            second,
        }
    }

    /// Takes the half of a batch into the books.
    pub(super) fn adopt(&mut self, batch: Batch) {
        self.slots.insert(batch.index, Slot { batch, mark: None });
    }

    /// The events of what happened since the last step. `halves` says whether a batch was cut
    /// in this step, so that there is more to come.
    pub(super) fn events(
        &mut self,
        pause: Option<&Pause>,
        halves: bool,
        now_ms: i64,
    ) -> Vec<store::Event> {
        let mut events = self.finished_batches();
        let in_flight = self.in_flight as usize;
        if self.slots.is_empty() && !halves {
            events.push(self.finish(now_ms));
        } else if self.ending.is_none()
            && (halves || self.slots.len() > in_flight || pause.is_none())
        {
            events.extend(self.pause_or_resume(pause));
        }
        let progress = &mut self.job.progress;
        events
            .into_iter()
            .map(|event| {
                progress.last_sequence += 1;
                store::Event {
                    sequence: progress.last_sequence,
                    at_ms: now_ms,
                    payload: event.to_bytes(),
                }
            })
            .collect()
    }

    /// The job as it stands, if it does not stand so on disk.
    pub(super) fn take_progress(&mut self) -> Option<Progress> {
        if self.written == self.job.progress {
            return None;
        }
        self.written = self.job.progress.clone();
        Some(self.written.clone())
    }

    fn finished_batches(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut totals = self.job.progress.counts;
        for (_, counts) in &self.fresh {
            for (total, count) in totals.0.iter_mut().zip(counts.0) {
                *total -= count;
            }
        }
        let mut rest = std::mem::take(&mut self.fresh).into_iter().peekable();
        while rest.peek().is_some() {
            let mut batches = Vec::new();
            let mut counts = Counts::default();
            while let Some((index, more)) = rest.next_if(|(_, more)| {
                batches.is_empty() || exceptions(&counts) + exceptions(more) <= EXCEPTIONS_MAX
            }) {
                batches.push(index);
                for (at, more) in more.0.iter().enumerate() {
                    counts.0[at] += more;
                    totals.0[at] += more;
                }
            }
            events.push(Event::BatchFinished {
                batches,
                counts: counts.0,
                totals: totals.0,
            });
        }
        events
    }

    fn pause_or_resume(&mut self, pause: Option<&Pause>) -> Option<Event> {
        let progress = &mut self.job.progress;
        let Some(pause) = pause else {
            progress.pause.take()?;
            progress.state = JobState::Running;
            return Some(Event::Resumed);
        };
        let why = serde_json::to_vec(pause).expect("plain fields become JSON");
        if progress.pause.as_ref() == Some(&why) {
            return None;
        }
        progress.pause = Some(why);
        progress.state = JobState::Paused;
        Some(Event::Paused(pause.clone()))
    }

    fn finish(&mut self, now_ms: i64) -> Event {
        let progress = &mut self.job.progress;
        let counts = progress.counts;
        assert_eq!(
            counts.total(),
            self.job.item_count,
            "job {} ends without an outcome for each item",
            self.job.id
        );
        progress.state = match (counts.of(Outcome::Cancelled), counts.of(Outcome::Expired)) {
            (0, 0) => JobState::Completed,
            (0, _) => JobState::Expired,
            _ => JobState::Cancelled,
        };
        progress.pause = None;
        progress.finished_at_ms = Some(now_ms);
        Event::Finished {
            state: progress.state as i16,
            totals: counts.0,
        }
    }
}

fn exceptions(counts: &Counts) -> u32 {
    counts.total() - counts.of(Outcome::Accepted)
}
