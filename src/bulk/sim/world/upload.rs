//! What callers do: upload a job, cancel it.

use std::collections::HashSet;

use crate::bulk::job::Event;
use crate::bulk::plan::Plan;
use crate::store::{Items, NewBatch, NewJob};

use super::{Ev, HOUR_MS, MINUTE_MS, Planted, Upload, World};

/// So few in a batch, that small jobs have many.
const BATCH_ITEMS: usize = 4;

impl World {
    pub(super) fn create(&mut self) {
        self.to_create -= 1;
        let number = self.uploads.len();
        let id = format!("job{number}");
        let letters = ["a", "b", "c", "d", "e", "i", "l", "p"];
        let some = self.rng.usize(5..=letters.len());
        let most_contents = self.rng.u8(1..=3);
        let refused = self.rng.u8(..10) == 0;
        let items: Vec<_> = (0..self.rng.usize(1..=30))
            .map(|_| {
                let letter = letters[self.rng.usize(..some)];
                let letter = match self.rng.u8(..4) {
                    0 => letter.to_ascii_uppercase(),
                    _ => letter.to_owned(),
                };
                let content = match refused && self.rng.u8(..4) == 0 {
                    true => 9,
                    false => self.rng.u8(..most_contents),
                };
                (format!("{letter}{}", self.rng.u8(..20)), content)
            })
            .collect();
        let new = self.accept(&id, &items);
        self.uploads.push(Upload { id, items });
        let early = self.planted == Some(Planted::AckBeforeCommit);
        // The fault: the caller has its answer, and the process ends before the commit.
        if !(early && self.strikes(self.odds.crash)) {
            let id = new.id.clone();
            self.disk.create(new);
            for driver in 0..self.drivers.len() {
                let life = self.drivers[driver].life;
                self.after(5, Ev::Opened(driver, life, id.clone()));
            }
        }
        if self.rng.u8(..4) == 0 {
            let wait = self.rng.i64(0..20_000);
            self.after(wait, Ev::Cancel(number));
        }
    }

    fn accept(&mut self, id: &str, items: &[(String, u8)]) -> NewJob {
        let mut plan = Plan::default();
        for (user, content) in items {
            plan.push(user, (*content).into());
        }
        let mut planned = plan.cut(BATCH_ITEMS);
        if self.planted == Some(Planted::NoCaseFold) {
            fold_exactly(items, &mut planned.batches);
            let kept = planned.batches.iter().map(|it| it.items.indexes.len());
            planned.item_count = u32::try_from(kept.sum::<usize>()).unwrap();
            planned.folded_item_count = u32::try_from(items.len()).unwrap() - planned.item_count;
        }
        let deadline_ms = match self.rng.bool() {
            true => self.rng.i64(MINUTE_MS..HOUR_MS),
            false => 24 * HOUR_MS,
        };
        let accepted = Event::Accepted {
            item_count: planned.item_count,
            folded_item_count: planned.folded_item_count,
            batch_count: u32::try_from(planned.batches.len()).unwrap(),
            deadline_ms: self.now() + deadline_ms,
        };
        NewJob {
            id: id.to_owned(),
            app: "app".to_owned(),
            caller: "caller".to_owned(),
            request_id: None,
            request_sha256: [0; 32],
            item_count: planned.item_count,
            folded_item_count: planned.folded_item_count,
            accepted_at_ms: self.now(),
            deadline_ms: self.now() + deadline_ms,
            window_seconds: (self.rng.u8(..4) != 0).then(|| self.rng.u32(14_100..14_400)),
            resend_unknown: self.rng.u8(..4) == 0,
            contents: (0..10).map(|content| vec![content]).collect(),
            batches: planned.batches,
            accepted_event: serde_json::to_vec(&accepted).unwrap(),
        }
    }

    pub(super) fn cancel(&mut self, upload: usize) {
        let (id, now) = (self.uploads[upload].id.clone(), self.now());
        let Some(row) = self.disk.jobs.get_mut(&id) else {
            return;
        };
        if row.job.progress.state.is_open() {
            row.job.cancel_requested_at_ms = Some(now);
            for driver in 0..self.drivers.len() {
                let (life, wait) = (self.drivers[driver].life, self.rng.i64(0..100));
                self.after(wait, Ev::CancelSeen(driver, life, id.clone()));
            }
        }
    }
}

/// The fault: members that differ in case only are taken for two.
fn fold_exactly(items: &[(String, u8)], batches: &mut Vec<NewBatch>) {
    batches.clear();
    let mut seen = HashSet::new();
    for (index, item) in (0..).zip(items) {
        if seen.insert(item) {
            batches.push(NewBatch {
                content: item.1.into(),
                items: Items {
                    user_ids: item.0.clone(),
                    indexes: vec![index],
                },
            });
        }
    }
}
