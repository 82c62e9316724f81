//! Whatever is done to both engines, both answer the same.

use proptest::prelude::*;

use super::jobs::{job, ready, settlement};
use super::{NOW, open, postgres};
use crate::store::jobs::{
    Batch, BatchState, Changes, Event, Filter, JobState, OpenJob, Outcome, Split,
};
use crate::store::open::Store;

const APP: &str = "youxiao";

/// Something that is done to one of the jobs. Numbers choose among what is there.
#[derive(Debug, Clone)]
enum Deed {
    Create {
        batches: u32,
        each: u32,
    },
    Claim {
        job: usize,
        batch: usize,
    },
    Wait {
        job: usize,
        batch: usize,
        at_ms: i64,
    },
    Settle {
        job: usize,
        batch: usize,
        outcome: i64,
    },
    Split {
        job: usize,
        batch: usize,
        first: u32,
    },
    Cancel {
        job: usize,
    },
    Finish {
        job: usize,
        state: i64,
    },
    Recall {
        job: usize,
        batch: u32,
        refused: bool,
    },
    Expire {
        days: i64,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let job = 0..4_usize;
    let batch = 0..6_usize;
    prop_oneof![
        3 => (1..5_u32, 1..40_u32).prop_map(|(batches, each)| Deed::Create { batches, each }),
        4 => (job.clone(), batch.clone()).prop_map(|(job, batch)| Deed::Claim { job, batch }),
        2 => (job.clone(), batch.clone(), 0..9_i64)
            .prop_map(|(job, batch, at_ms)| Deed::Wait { job, batch, at_ms: NOW + at_ms }),
        4 => (job.clone(), batch.clone(), 1..8_i64)
            .prop_map(|(job, batch, outcome)| Deed::Settle { job, batch, outcome }),
        2 => (job.clone(), batch, 1..40_u32)
            .prop_map(|(job, batch, first)| Deed::Split { job, batch, first }),
        1 => job.clone().prop_map(|job| Deed::Cancel { job }),
        1 => (job.clone(), 1..7_i64).prop_map(|(job, state)| Deed::Finish { job, state }),
        1 => (job, 0..6_u32, any::<bool>())
            .prop_map(|(job, batch, refused)| Deed::Recall { job, batch, refused }),
        1 => (0..9_i64).prop_map(|days| Deed::Expire { days }),
    ]
}

/// The changes of a deed to an open job and one of its batches.
fn changes(deed: &Deed, open: &OpenJob, batch: Option<&Batch>) -> Option<Changes> {
    let id = open.job.id.clone();
    let mut progress = open.job.progress.clone();
    progress.last_sequence += 1;
    let mut changes = Changes::default();
    match (deed, batch) {
        (Deed::Claim { .. }, Some(batch)) => {
            let state = BatchState::Sending { since_ms: NOW + 3 };
            changes.claims.push((id.clone(), Batch { state, ..*batch }));
        }
        (Deed::Wait { at_ms, .. }, Some(batch)) => {
            let waiting = Batch {
                state: BatchState::Ready { at_ms: *at_ms },
                attempts: batch.attempts + 1,
                interruptions: 2,
                resent: true,
                doubt_since_ms: Some(NOW),
                ..*batch
            };
            changes.waiting.push((id.clone(), waiting));
        }
        (Deed::Settle { outcome, .. }, Some(batch)) => {
            let outcome = Outcome::try_from(*outcome).unwrap();
            progress.counts.add(outcome, batch.item_count);
            progress.finished_batch_count += 1;
            changes
                .settled
                .push((id.clone(), batch.index, settlement(outcome)));
        }
        (Deed::Split { first, .. }, Some(batch)) if *first < batch.item_count => {
            let index = open.next_index;
            changes.splits.push(Split {
                job: id.clone(),
                index: batch.index,
                first: ready(index, *first),
                second: ready(index + 1, batch.item_count - first),
            });
            progress.batch_count += 1;
        }
        (Deed::Finish { state, .. }, _) => {
            progress.state = JobState::try_from(*state).unwrap();
            progress.pause = Some(vec![*state as u8]);
            progress.finished_at_ms = (!progress.state.is_open()).then_some(NOW);
            changes.note = Some(vec![*state as u8, 0, 255]);
        }
        _ => return None,
    }
    let event = Event {
        sequence: progress.last_sequence,
        at_ms: NOW,
        payload: vec![0, 1, 2],
    };
    changes.events.push((id.clone(), event));
    changes.jobs.push((id, progress));
    Some(changes)
}

async fn perform(store: &Store, term: i64, number: usize, deed: &Deed) -> String {
    let lane = store.load_lane(APP).await.unwrap();
    match deed {
        Deed::Create { batches, each } => {
            let new = job(&format!("job{number}"), *batches, *each);
            format!("{:?}", store.create_job(new, NOW).await)
        }
        Deed::Cancel { job } => {
            let id = lane.get(*job).map_or("none", |open| &open.job.id);
            format!("{:?}", store.request_cancel(None, id, NOW + 7).await)
        }
        Deed::Recall {
            job,
            batch,
            refused,
        } => {
            let id = lane.get(*job).map_or("none", |open| &open.job.id);
            let refused = refused.then(|| (42, "no".to_owned()));
            format!("{:?}", store.record_recall(id, *batch, refused).await)
        }
        Deed::Expire { days } => {
            let now_ms = NOW + days * 24 * 60 * 60 * 1000;
            format!("{:?}", store.expire_jobs(now_ms).await)
        }
        Deed::Claim { job, batch }
        | Deed::Wait { job, batch, .. }
        | Deed::Settle { job, batch, .. }
        | Deed::Split { job, batch, .. } => {
            let Some(open) = lane.get(*job) else {
                return String::new();
            };
            let changes = changes(deed, open, open.batches.get(*batch));
            commit(store, term, changes).await
        }
        Deed::Finish { job, .. } => {
            let Some(open) = lane.get(*job) else {
                return String::new();
            };
            commit(store, term, changes(deed, open, None)).await
        }
    }
}

async fn commit(store: &Store, term: i64, changes: Option<Changes>) -> String {
    let Some(changes) = changes else {
        return String::new();
    };
    let first = store.commit(APP, term, &changes, NOW).await;
    let again = store.commit(APP, term, &changes, NOW).await;
    assert_eq!(first.as_ref().unwrap(), again.as_ref().unwrap());
    let committed = first.unwrap();
    let cargo = committed.claimed.iter().map(|(_, _, cargo)| {
        (
            cargo.items.user_ids.clone(),
            cargo.items.indexes.clone(),
            cargo.content.clone(),
        )
    });
    format!("{committed:?} {:?}", cargo.collect::<Vec<_>>())
}

/// Everything that can be read.
async fn view(store: &Store) -> String {
    let all = Filter {
        limit: 99,
        ..Filter::default()
    };
    let jobs = store.jobs(None, &all).await.unwrap();
    let mut text = format!("{jobs:?} {:?}", store.load_lane(APP).await.unwrap());
    text += &format!("{:?}", store.bulk_backlog().await.unwrap());
    text += &format!("{:?}", store.open_jobs(APP).await.unwrap());
    for job in &jobs {
        let id = job.id.as_str();
        let settled = store.settled_after(id, None, 99).await.unwrap();
        for batch in &settled {
            text += &batch.items.user_ids;
            text += &format!("{:?}", batch.items.indexes);
        }
        text += &format!(
            "{settled:?} {:?} {:?} {:?} {:?}",
            store.settled(id, &[0, 2, 5]).await.unwrap(),
            store.events(id, 0, 99).await.unwrap(),
            store.recalls(id).await.unwrap(),
            store.recallable(id, 99).await.unwrap(),
        );
        // What the dispatcher counts and what lies there agree.
        let counts: u32 = settled
            .iter()
            .map(|batch| batch.items.indexes.len() as u32)
            .sum();
        assert_eq!(counts, job.progress.counts.total());
    }
    text
}

#[test]
fn engines_answer_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (sqlite, postgres) = runtime.block_on(async {
        let sqlite = open("sqlite::memory:").await.unwrap();
        let postgres = open(&postgres::server().database()).await.unwrap();
        (sqlite, postgres)
    });
    let config = ProptestConfig {
        cases: 24,
        // No file of failures: a failure prints what it was.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(deeds in prop::collection::vec(deed(), 1..40))| {
        runtime.block_on(async {
            let mut terms = Vec::new();
            for store in [&sqlite, &postgres] {
                clear(store).await;
                let lease = store.acquire_lane(APP, "one", NOW).await.unwrap().unwrap();
                terms.push(lease.term);
            }
            for (number, deed) in deeds.iter().enumerate() {
                let one = perform(&sqlite, terms[0], number, deed).await;
                let two = perform(&postgres, terms[1], number, deed).await;
                assert_eq!(one, two, "{deed:?}");
            }
            assert_eq!(view(&sqlite).await, view(&postgres).await);
        });
    });
}

async fn clear(store: &Store) {
    for sql in [
        "DELETE FROM bulk_jobs",
        "DELETE FROM bulk_contents",
        "DELETE FROM bulk_batches",
        "DELETE FROM bulk_items",
        "DELETE FROM bulk_events",
        "DELETE FROM bulk_lanes",
        "DELETE FROM bulk_removed",
    ] {
        super::execute(store, sql).await;
    }
}
