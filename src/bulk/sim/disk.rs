//! The store, in memory: all of a commit or nothing, fenced by the term.

use std::collections::BTreeMap;

use crate::store::{
    Batch, Cargo, Changes, Committed, Counts, Event, Items, Job, JobId, JobState, Lease, NewJob,
    OpenJob, Progress, Settlement,
};

pub(super) const LEASE_LIFE_MS: i64 = 15_000;

#[derive(Default)]
pub(super) struct Disk {
    pub(super) jobs: BTreeMap<JobId, Row>,
    pub(super) term: i64,
    pub(super) held_until_ms: i64,
    pub(super) latest_ms: i64,
    pub(super) note: Option<Vec<u8>>,
    /// The fence is left out: a fault that the simulator must find.
    pub(super) unfenced: bool,
}

pub(super) struct Row {
    pub(super) job: Job,
    contents: Vec<Vec<u8>>,
    batches: BTreeMap<u32, (Batch, Items)>,
    pub(super) settled: BTreeMap<u32, (Items, Settlement, bool)>,
    pub(super) events: Vec<Event>,
    next_index: u32,
}

/// The lane belongs to another.
#[derive(Debug)]
pub(super) struct Stale;

impl Disk {
    pub(super) fn create(&mut self, new: NewJob) {
        let count = u32::try_from(new.batches.len()).unwrap();
        let ready = |index, items: &Items| Batch {
            index,
            origin: index,
            item_count: u32::try_from(items.indexes.len()).unwrap(),
            state: crate::store::BatchState::Ready {
                at_ms: new.accepted_at_ms,
            },
            attempts: 0,
            interruptions: 0,
            resent: false,
            doubt_since_ms: None,
        };
        let mut batches = BTreeMap::new();
        let mut contents = Vec::new();
        for (index, batch) in (0..).zip(new.batches) {
            // By batch, which spares the simulator a column.
            contents.push(new.contents[batch.content as usize].clone());
            batches.insert(index, (ready(index, &batch.items), batch.items));
        }
        let job = Job {
            id: new.id.clone(),
            app: new.app,
            caller: new.caller,
            request_id: new.request_id,
            item_count: new.item_count,
            folded_item_count: new.folded_item_count,
            accepted_at_ms: new.accepted_at_ms,
            deadline_ms: new.deadline_ms,
            window_seconds: new.window_seconds,
            resend_unknown: new.resend_unknown,
            cancel_requested_at_ms: None,
            progress: Progress {
                state: JobState::Accepted,
                pause: None,
                counts: Counts::default(),
                batch_count: count,
                finished_batch_count: 0,
                last_sequence: 1,
                started_at_ms: None,
                finished_at_ms: None,
            },
        };
        let events = vec![Event {
            sequence: 1,
            at_ms: new.accepted_at_ms,
            payload: new.accepted_event,
        }];
        self.jobs.insert(
            new.id,
            Row {
                job,
                contents,
                batches,
                settled: BTreeMap::new(),
                events,
                next_index: count,
            },
        );
    }

    pub(super) fn acquire(&mut self, now_ms: i64) -> (Lease, Vec<OpenJob>) {
        self.term += 1;
        self.held_until_ms = now_ms + LEASE_LIFE_MS;
        let lease = Lease {
            term: self.term,
            now_ms,
            latest_ms: self.latest_ms,
            note: self.note.clone(),
        };
        self.latest_ms = self.latest_ms.max(now_ms);
        let open = self.jobs.values().filter_map(Row::open).collect();
        (lease, open)
    }

    pub(super) fn renew(&mut self, term: i64, now_ms: i64) -> Result<(), Stale> {
        if term != self.term && !self.unfenced {
            return Err(Stale);
        }
        self.held_until_ms = now_ms + LEASE_LIFE_MS;
        self.latest_ms = self.latest_ms.max(now_ms);
        Ok(())
    }

    /// Applies a commit. Once more is no harm: its answer may have been lost.
    pub(super) fn commit(
        &mut self,
        term: i64,
        changes: &Changes,
        now_ms: i64,
    ) -> Result<Committed, Stale> {
        self.renew(term, now_ms)?;
        let mut done = Committed::default();
        for split in &changes.splits {
            self.row(&split.job).split(split);
        }
        for (id, batch) in &changes.waiting {
            if let Some((row, _)) = self.row(id).batches.get_mut(&batch.index) {
                *row = *batch;
            }
        }
        for (id, index, settlement) in &changes.settled {
            self.row(id).settle(*index, settlement);
        }
        for (id, batch) in &changes.claims {
            let row = self.row(id);
            if row.job.cancel_requested_at_ms.is_some() {
                if !done.cancelled.contains(id) {
                    done.cancelled.push(id.clone());
                }
                continue;
            }
            if let Some((stored, _)) = row.batches.get_mut(&batch.index) {
                *stored = *batch;
                done.claimed.extend(self.cargo(&[(id.clone(), *batch)]));
            }
        }
        for (id, progress) in &changes.jobs {
            self.row(id).job.progress = progress.clone();
        }
        for (id, event) in &changes.events {
            let row = self.row(id);
            if !row.events.contains(event) {
                row.events.push(event.clone());
            }
        }
        if let Some(note) = &changes.note {
            self.note = Some(note.clone());
        }
        Ok(done)
    }

    /// What batches send, without a claim.
    pub(super) fn cargo(&self, batches: &[(JobId, Batch)]) -> Vec<(JobId, u32, Cargo)> {
        let cargo = |(id, batch): &(JobId, Batch)| {
            let row = &self.jobs[id];
            let cargo = Cargo {
                items: row.batches[&batch.index].1.clone(),
                content: row.contents[batch.origin as usize].clone(),
            };
            (id.clone(), batch.index, cargo)
        };
        batches.iter().map(cargo).collect()
    }

    fn row(&mut self, id: &str) -> &mut Row {
        self.jobs.get_mut(id).expect("a job on disk")
    }
}

impl Row {
    pub(super) fn open(&self) -> Option<OpenJob> {
        self.job.progress.state.is_open().then(|| OpenJob {
            job: self.job.clone(),
            batches: self.batches.values().map(|(batch, _)| *batch).collect(),
            next_index: self.next_index,
        })
    }

    fn split(&mut self, split: &crate::store::Split) {
        let Some((_, items)) = self.batches.remove(&split.index) else {
            return;
        };
        let ids: Vec<_> = items.user_ids().collect();
        let (mut from, mut at) = (0, 0);
        for half in [split.first, split.second] {
            at += half.item_count as usize;
            let part = Items {
                user_ids: ids[from..at].join("|"),
                indexes: items.indexes[from..at].to_vec(),
            };
            from = at;
            self.batches.insert(half.index, (half, part));
        }
        self.next_index = self.next_index.max(split.second.index + 1);
    }

    fn settle(&mut self, index: u32, settlement: &Settlement) {
        if let Some((batch, items)) = self.batches.remove(&index) {
            let settled = (items, settlement.clone(), batch.resent);
            self.settled.insert(index, settled);
            return;
        }
        let same = self
            .settled
            .get(&index)
            .is_some_and(|(_, first, _)| first == settlement);
        assert!(same, "batch {index} of {} has two outcomes", self.job.id);
    }
}
