//! Bulk jobs: what is accepted is whole, what is committed is fenced, what is asked is found.

use std::sync::Arc;

use super::{NOW, engines, execute, open, url_in};
use crate::store::error::Error;
use crate::store::jobs::{
    AppBacklog, Backlog, Batch, BatchState, Changes, Counts, Create, Event, Filter, Items,
    JOB_RETENTION, JobState, NewBatch, NewJob, OPEN_JOBS_MAX, Outcome, Progress, Recalls,
    Settlement, Split,
};
use crate::store::open::Store;

const APP: &str = "youxiao";
const RETENTION: i64 = JOB_RETENTION.as_millis() as i64;

pub(super) fn items(from: u32, count: u32) -> Items {
    let ids: Vec<_> = (from..from + count).map(|n| format!("user{n}")).collect();
    Items {
        user_ids: ids.join("|"),
        indexes: (from..from + count).collect(),
    }
}

/// A job of `batches` batches with `each` items, all of one content.
pub(super) fn job(id: &str, batches: u32, each: u32) -> NewJob {
    NewJob {
        id: id.into(),
        app: APP.into(),
        caller: "billing".into(),
        request_id: None,
        request_sha256: [1; 32],
        item_count: batches * each,
        folded_item_count: 3,
        accepted_at_ms: NOW,
        deadline_ms: NOW + 1000,
        window_seconds: Some(14_100),
        resend_unknown: true,
        contents: vec![format!("content of {id}").into()],
        batches: (0..batches)
            .map(|n| NewBatch {
                content: 0,
                items: items(n * each, each),
            })
            .collect(),
        accepted_event: b"accepted".to_vec(),
    }
}

fn uploaded(id: &str, request_id: &str) -> NewJob {
    NewJob {
        request_id: Some(request_id.into()),
        ..job(id, 1, 2)
    }
}

async fn create(store: &Store, job: NewJob) -> Create {
    store.create_job(job, NOW).await.unwrap()
}

pub(super) fn ready(index: u32, item_count: u32) -> Batch {
    Batch {
        index,
        origin: index,
        item_count,
        state: BatchState::Ready { at_ms: NOW },
        attempts: 0,
        interruptions: 0,
        resent: false,
        doubt_since_ms: None,
    }
}

pub(super) fn sending(batch: Batch) -> Batch {
    Batch {
        state: BatchState::Sending { since_ms: NOW + 1 },
        attempts: batch.attempts + 1,
        ..batch
    }
}

pub(super) fn settlement(outcome: Outcome) -> Settlement {
    Settlement {
        outcome,
        errcode: 0,
        detail: "all \0 well".replace('\0', "\u{fffd}"),
        exceptions: vec![(0, Outcome::Invalid)],
        message_id: Some("m1".into()),
        response_code: None,
        at_ms: NOW + 2,
    }
}

pub(super) fn claim(id: &str, batch: Batch) -> Changes {
    Changes {
        claims: vec![(id.into(), sending(batch))],
        ..Changes::default()
    }
}

fn settle(id: &str, index: u32, settlement: Settlement) -> Changes {
    Changes {
        settled: vec![(id.into(), index, settlement)],
        ..Changes::default()
    }
}

fn progress(state: JobState) -> Progress {
    Progress {
        state,
        pause: None,
        counts: Counts::default(),
        batch_count: 1,
        finished_batch_count: 0,
        last_sequence: 1,
        started_at_ms: None,
        finished_at_ms: None,
    }
}

async fn lane(store: &Store) -> i64 {
    let lease = store.acquire_lane(APP, "one", NOW).await.unwrap();
    lease.unwrap().term
}

async fn rows(store: &Store, sql: &'static str) -> i64 {
    let mut session = store.read("test").await.unwrap();
    session.one::<(i64,)>(sql, &[]).await.unwrap().0
}

#[tokio::test]
async fn jobs_are_counted_from_zero_by_app() {
    for (store, _folder) in engines().await {
        let numbers = (0..20).map(|_| store.next_job_number(APP));
        let mut numbers = futures_util::future::try_join_all(numbers).await.unwrap();
        numbers.sort();
        assert_eq!(numbers, (0..20).collect::<Vec<u64>>());
        assert_eq!(store.next_job_number("kaoqin").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn accepted_job_is_there_with_its_batches_and_first_event() {
    for (store, _folder) in engines().await {
        assert_eq!(create(&store, job("j1", 3, 4)).await, Create::Created);
        let found = store.job(Some("billing"), "j1").await.unwrap().unwrap();
        assert_eq!(found.item_count, 12);
        assert_eq!(found.folded_item_count, 3);
        assert_eq!(found.window_seconds, Some(14_100));
        assert!(found.resend_unknown);
        assert_eq!(found.progress.state, JobState::Accepted);
        assert_eq!(found.progress.batch_count, 3);
        assert_eq!(found.progress.last_sequence, 1);
        let open = store.open_job("j1").await.unwrap().unwrap();
        assert_eq!(open.job, found);
        assert_eq!(open.batches, [ready(0, 4), ready(1, 4), ready(2, 4)]);
        assert_eq!(open.next_index, 3);
        assert_eq!(store.load_lane(APP).await.unwrap(), [open]);
        assert_eq!(store.load_lane("kaoqin").await.unwrap(), []);
        let first = Event {
            sequence: 1,
            at_ms: NOW,
            payload: b"accepted".to_vec(),
        };
        assert_eq!(store.events("j1", 0, 10).await.unwrap(), [first]);
        assert_eq!(store.events("j1", 1, 10).await.unwrap(), []);
        let all = [("j1".to_owned(), false)];
        assert_eq!(store.open_jobs(APP).await.unwrap(), all);
    }
}

#[tokio::test]
async fn same_upload_is_one_job_and_another_is_told_which() {
    for (store, _folder) in engines().await {
        assert_eq!(store.find_upload("billing", "r1").await.unwrap(), None);
        assert_eq!(create(&store, uploaded("j1", "r1")).await, Create::Created);
        let found = store.find_upload("billing", "r1").await.unwrap();
        assert_eq!(found, Some(("j1".into(), [1; 32])));
        let existing = Create::Existing("j1".into());
        assert_eq!(create(&store, uploaded("j2", "r1")).await, existing);
        let other = NewJob {
            request_sha256: [2; 32],
            ..uploaded("j3", "r1")
        };
        assert_eq!(create(&store, other).await, Create::Reused("j1".into()));
        let theirs = NewJob {
            caller: "payroll".into(),
            ..uploaded("j4", "r1")
        };
        assert_eq!(create(&store, theirs).await, Create::Created);
        let parts = "SELECT (SELECT count(*) FROM bulk_items) + (SELECT count(*) FROM bulk_events)
             + (SELECT count(*) FROM bulk_contents) + (SELECT count(*) FROM bulk_batches)";
        assert_eq!(rows(&store, parts).await, 8, "of two jobs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_of_one_upload_make_one_job() {
    for (store, _folder) in engines().await {
        let store = Arc::new(store);
        let creates = (0..64).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let job = NewJob {
                    request_id: Some("r1".into()),
                    ..job(&format!("j{n}"), 5, 1000)
                };
                create(&store, job).await
            })
        });
        let answers = futures_util::future::try_join_all(creates).await.unwrap();
        let created = answers.iter().filter(|a| **a == Create::Created).count();
        let existing = answers.iter().filter(|a| matches!(a, Create::Existing(_)));
        assert_eq!((created, existing.count()), (1, 63));
        assert_eq!(rows(&store, "SELECT count(*) FROM bulk_items").await, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn open_jobs_of_a_caller_have_a_limit_that_races_do_not_pass() {
    for (store, _folder) in engines().await {
        let store = Arc::new(store);
        let creates = (0..OPEN_JOBS_MAX + 10).map(|n| {
            let store = store.clone();
            tokio::spawn(async move { create(&store, job(&format!("j{n}"), 1, 1)).await })
        });
        let answers = futures_util::future::try_join_all(creates).await.unwrap();
        let refused = answers.iter().filter(|a| **a == Create::TooManyJobs);
        assert_eq!(refused.count(), 10);
        let kept = rows(&store, "SELECT count(*) FROM bulk_batches").await;
        assert_eq!(kept, i64::from(OPEN_JOBS_MAX), "a refusal leaves nothing");
        let theirs = NewJob {
            caller: "payroll".into(),
            ..job("theirs", 1, 1)
        };
        assert_eq!(create(&store, theirs).await, Create::Created);
    }
}

#[tokio::test]
async fn waiting_items_have_a_limit_over_all_callers() {
    for (store, _folder) in engines().await {
        let huge = |id, items| NewJob {
            item_count: items,
            ..job(id, 1, 1)
        };
        assert_eq!(create(&store, huge("j1", 9_999_999)).await, Create::Created);
        assert_eq!(create(&store, huge("j2", 2)).await, Create::TooManyItems);
        assert_eq!(create(&store, huge("j3", 1)).await, Create::Created);
        let term = lane(&store).await;
        let mut counts = Counts::default();
        counts.add(Outcome::Accepted, 5);
        let changes = Changes {
            jobs: vec![(
                "j1".into(),
                Progress {
                    counts,
                    ..progress(JobState::Running)
                },
            )],
            ..Changes::default()
        };
        store.commit(APP, term, &changes, NOW).await.unwrap();
        assert_eq!(create(&store, huge("j4", 5)).await, Create::Created);
        assert_eq!(create(&store, huge("j5", 1)).await, Create::TooManyItems);
    }
}

#[tokio::test]
async fn transaction_that_sqlite_ended_by_itself_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url_in(folder.path())).await.unwrap();
    let mut session = store.transaction("test").await.unwrap();
    // As it does when the disk is full.
    session.execute("ROLLBACK", &[]).await.unwrap();
    session.commit().await.unwrap_err();
    assert_eq!(create(&store, job("one", 1, 1)).await, Create::Created);
}

#[tokio::test]
async fn transaction_that_is_dropped_leaves_nothing() {
    for (store, _folder) in engines().await {
        let mut session = store.transaction("test").await.unwrap();
        let sql = "INSERT INTO bulk_removed (job) VALUES ('j1')";
        session.execute(sql, &[]).await.unwrap();
        drop(session);
        assert_eq!(rows(&store, "SELECT count(*) FROM bulk_removed").await, 0);
        // Given up in the middle, wherever that is.
        for polls in 1..60 {
            let mut creating = Box::pin(store.create_job(job("j1", 300, 10), NOW));
            for _ in 0..polls {
                if futures_util::poll!(&mut creating).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(creating);
            let jobs = rows(&store, "SELECT count(*) FROM bulk_jobs").await;
            let items = rows(&store, "SELECT count(*) FROM bulk_items").await;
            assert_eq!(items, jobs * 300);
            if jobs == 1 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn claim_answers_with_what_is_sent() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 2, 3)).await;
        let term = lane(&store).await;
        let changes = claim("j1", ready(1, 3));
        let committed = store.commit(APP, term, &changes, NOW).await.unwrap();
        assert!(committed.cancelled.is_empty());
        let [(id, index, cargo)] = committed.claimed.as_slice() else {
            panic!("one claim")
        };
        assert_eq!((id.as_str(), *index), ("j1", 1));
        assert!(cargo.items == items(3, 3));
        assert_eq!(cargo.content, b"content of j1");
        assert_eq!(cargo.items.user_ids().last(), Some("user5"));
        let open = store.open_job("j1").await.unwrap().unwrap();
        assert_eq!(open.batches, [ready(0, 3), sending(ready(1, 3))]);
    }
}

#[tokio::test]
async fn old_term_commits_nothing() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 1, 3)).await;
        let old = lane(&store).await;
        assert!(store.renew_lane(APP, old, NOW).await.unwrap().is_some());
        store.release_lane(APP, old).await.unwrap();
        let changes = claim("j1", ready(0, 3));
        let lost = store.commit(APP, old, &changes, NOW).await;
        assert!(matches!(lost, Err(Error::LaneLost)), "released");
        assert_eq!(store.renew_lane(APP, old, NOW).await.unwrap(), None);
        let new = lane(&store).await;
        assert!(new > old);
        let lost = store.commit(APP, old, &changes, NOW).await;
        assert!(matches!(lost, Err(Error::LaneLost)), "taken");
        assert_eq!(store.renew_lane(APP, old, NOW).await.unwrap(), None);
        store.release_lane(APP, old).await.unwrap();
        let open = store.open_job("j1").await.unwrap().unwrap();
        assert_eq!(open.batches, [ready(0, 3)]);
        store.commit(APP, new, &changes, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn lane_hands_on_its_note_and_the_latest_time() {
    for (store, _folder) in engines().await {
        let lease = store.acquire_lane(APP, "one", NOW).await.unwrap().unwrap();
        assert_eq!(lease.note, None);
        assert_eq!(lease.latest_ms, lease.now_ms);
        let later = lease.now_ms + 60_000;
        let changes = Changes {
            note: Some(b"pace".to_vec()),
            ..Changes::default()
        };
        let term = lease.term;
        store.commit(APP, term, &changes, later).await.unwrap();
        let none = Changes::default();
        store.commit(APP, term, &none, NOW).await.unwrap();
        store.release_lane(APP, term).await.unwrap();
        let lease = store.acquire_lane(APP, "two", NOW).await.unwrap().unwrap();
        assert_eq!(lease.note.as_deref(), Some(b"pace".as_slice()));
        assert_eq!(lease.latest_ms, later);
        assert_eq!(lease.term, term + 1);
    }
}

#[tokio::test]
async fn same_commit_again_changes_nothing() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 3, 4)).await;
        let term = lane(&store).await;
        let changes = Changes {
            claims: vec![("j1".into(), sending(ready(2, 4)))],
            waiting: vec![(
                "j1".into(),
                Batch {
                    interruptions: 1,
                    ..ready(4, 3)
                },
            )],
            settled: vec![("j1".into(), 0, settlement(Outcome::Accepted))],
            splits: vec![Split {
                job: "j1".into(),
                index: 1,
                first: ready(3, 1),
                second: ready(4, 3),
            }],
            jobs: vec![("j1".into(), progress(JobState::Running))],
            events: vec![(
                "j1".into(),
                Event {
                    sequence: 2,
                    at_ms: NOW,
                    payload: b"two".to_vec(),
                },
            )],
            note: None,
        };
        let first = store.commit(APP, term, &changes, NOW).await.unwrap();
        let read = || async {
            let open = store.open_job("j1").await.unwrap().unwrap();
            let events = store.events("j1", 0, 9).await.unwrap();
            (
                open,
                events,
                store.settled_after("j1", None, 9).await.unwrap(),
            )
        };
        let before = read().await;
        let again = store.commit(APP, term, &changes, NOW).await.unwrap();
        assert!(first == again);
        assert!(before == read().await);
        let (open, events, settled) = before;
        let states: Vec<_> = open
            .batches
            .iter()
            .map(|b| (b.index, b.item_count))
            .collect();
        assert_eq!(states, [(2, 4), (3, 1), (4, 3)]);
        assert_eq!(open.batches[2].interruptions, 1);
        assert_eq!(open.next_index, 5);
        assert_eq!(events.len(), 2);
        assert_eq!(settled.len(), 1);
    }
}

#[tokio::test]
async fn split_gives_the_halves_their_items_and_content() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 2, 5)).await;
        let term = lane(&store).await;
        let split = |index, first, second| Split {
            job: "j1".into(),
            index,
            first,
            second,
        };
        let changes = Changes {
            splits: vec![split(1, ready(2, 2), ready(3, 3))],
            claims: vec![
                ("j1".into(), sending(ready(2, 2))),
                ("j1".into(), sending(ready(3, 3))),
            ],
            ..Changes::default()
        };
        let committed = store.commit(APP, term, &changes, NOW).await.unwrap();
        let [(_, 2, first), (_, 3, second)] = committed.claimed.as_slice() else {
            panic!("two claims")
        };
        assert!(first.items == items(5, 2));
        assert!(second.items == items(7, 3));
        assert_eq!(second.content, b"content of j1");
        for impossible in [
            split(0, ready(4, 5), ready(5, 0)),
            split(0, ready(4, 0), ready(5, 5)),
            split(9, ready(4, 1), ready(5, 1)),
        ] {
            let changes = Changes {
                splits: vec![impossible],
                ..Changes::default()
            };
            let refused = store.commit(APP, term, &changes, NOW).await;
            assert!(matches!(refused, Err(Error::OutOfStep(_))));
        }
        assert_eq!(rows(&store, "SELECT count(*) FROM bulk_items").await, 3);
    }
}

#[tokio::test]
async fn job_that_was_asked_to_end_is_not_claimed() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 2, 3)).await;
        create(&store, job("j2", 1, 3)).await;
        let term = lane(&store).await;
        let cancel = |caller, id, at| store.request_cancel(caller, id, at);
        let none = cancel(Some("payroll"), "j1", NOW).await.unwrap();
        assert_eq!(none, None, "another's job does not exist");
        let asked = cancel(Some("billing"), "j1", NOW + 5).await.unwrap();
        let asked = asked.unwrap();
        assert_eq!(asked.cancel_requested_at_ms, Some(NOW + 5));
        let again = cancel(None, "j1", NOW + 9).await.unwrap();
        assert_eq!(again, Some(asked));
        let open = store.open_jobs(APP).await.unwrap();
        assert_eq!(open, [("j1".into(), true), ("j2".into(), false)]);
        let changes = Changes {
            claims: vec![
                ("j1".into(), sending(ready(0, 3))),
                ("j2".into(), sending(ready(0, 3))),
                ("j1".into(), sending(ready(1, 3))),
            ],
            ..Changes::default()
        };
        let committed = store.commit(APP, term, &changes, NOW).await.unwrap();
        assert_eq!(committed.cancelled, ["j1"]);
        let [(id, 0, _)] = committed.claimed.as_slice() else {
            panic!("one claim")
        };
        assert_eq!(id, "j2");
        let left = store.open_job("j1").await.unwrap().unwrap();
        assert_eq!(left.batches, [ready(0, 3), ready(1, 3)]);
        let changes = Changes {
            jobs: vec![("j2".into(), progress(JobState::Completed))],
            ..Changes::default()
        };
        store.commit(APP, term, &changes, NOW).await.unwrap();
        let ended = cancel(None, "j2", NOW).await.unwrap().unwrap();
        assert_eq!(ended.cancel_requested_at_ms, None, "it has ended before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_claim_follows_an_acknowledged_cancel() {
    for (store, _folder) in engines().await {
        let term = lane(&store).await;
        for round in 0..20 {
            let id = format!("j{round}");
            create(&store, job(&id, 1, 3)).await;
            let changes = claim(&id, ready(0, 3));
            let (cancelled, committed) = tokio::join!(
                store.request_cancel(None, &id, NOW),
                store.commit(APP, term, &changes, NOW),
            );
            let (cancelled, committed) = (cancelled.unwrap(), committed.unwrap());
            assert!(cancelled.unwrap().cancel_requested_at_ms.is_some());
            assert_eq!(committed.claimed.len() + committed.cancelled.len(), 1);
            let again = store.commit(APP, term, &changes, NOW).await.unwrap();
            assert_eq!(again.cancelled, [id]);
        }
    }
}

#[tokio::test]
async fn settled_batches_are_found_by_index_and_in_pages() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 4, 3)).await;
        let term = lane(&store).await;
        for index in [3, 0, 1] {
            let changes = settle("j1", index, settlement(Outcome::Accepted));
            store.commit(APP, term, &changes, NOW).await.unwrap();
        }
        let page = store.settled_after("j1", None, 2).await.unwrap();
        let indexes: Vec<_> = page.iter().map(|batch| batch.index).collect();
        assert_eq!(indexes, [0, 1]);
        assert_eq!(page[1].settlement, settlement(Outcome::Accepted));
        assert!(page[1].items == items(3, 3));
        let page = store.settled_after("j1", Some(1), 9).await.unwrap();
        assert_eq!(page.len(), 1);
        assert_eq!(page[0].index, 3);
        let some = store.settled("j1", &[3, 2, 1]).await.unwrap();
        let indexes: Vec<_> = some.iter().map(|batch| batch.index).collect();
        assert_eq!(indexes, [1, 3]);
        assert!(store.settled("j1", &[]).await.unwrap().is_empty());
        let open = store.open_job("j1").await.unwrap().unwrap();
        assert_eq!(open.batches, [ready(2, 3)]);
        let waiting = Changes {
            waiting: vec![("j1".into(), ready(3, 3))],
            ..Changes::default()
        };
        let refused = store.commit(APP, term, &waiting, NOW).await;
        assert!(matches!(refused, Err(Error::OutOfStep(_))), "it has ended");
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_filter_and_page() {
    for (store, _folder) in engines().await {
        for (n, app, caller) in [
            (1, APP, "billing"),
            (2, "kaoqin", "billing"),
            (3, APP, "billing"),
            (4, APP, "payroll"),
        ] {
            let new = NewJob {
                app: app.into(),
                caller: caller.into(),
                accepted_at_ms: NOW + n / 2,
                ..job(&format!("j{n}"), 1, 1)
            };
            create(&store, new).await;
        }
        let list = |caller, filter: Filter| {
            let store = store.clone();
            async move {
                let jobs = store.jobs(caller, &filter).await.unwrap();
                jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
            }
        };
        let all = || Filter {
            limit: 10,
            ..Filter::default()
        };
        assert_eq!(list(Some("billing"), all()).await, ["j3", "j2", "j1"]);
        assert_eq!(list(None, all()).await, ["j4", "j3", "j2", "j1"]);
        let behind = Filter {
            behind: Some((NOW + 1, "j3".into())),
            limit: 1,
            ..Filter::default()
        };
        assert_eq!(list(Some("billing"), behind).await, ["j2"]);
        let app = Filter {
            apps: vec![APP.into(), "none".into()],
            ..all()
        };
        assert_eq!(list(Some("billing"), app).await, ["j3", "j1"]);
        let ended = Filter {
            states: vec![JobState::Completed, JobState::Expired],
            ..all()
        };
        assert!(list(None, ended).await.is_empty());
        let open = Filter {
            states: vec![JobState::Accepted],
            ..all()
        };
        assert_eq!(list(Some("payroll"), open).await, ["j4"]);
        let theirs = store.job(Some("payroll"), "j1").await.unwrap();
        assert_eq!(theirs, None);
        assert!(store.job(None, "j1").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn taking_back_is_counted() {
    for (store, _folder) in engines().await {
        create(&store, job("j1", 4, 1)).await;
        let term = lane(&store).await;
        for index in 0..4 {
            let sent = Settlement {
                message_id: (index < 3).then(|| format!("m{index}")),
                ..settlement(Outcome::Accepted)
            };
            let changes = settle("j1", index, sent);
            store.commit(APP, term, &changes, NOW).await.unwrap();
        }
        let open = store.recallable("j1", 2).await.unwrap();
        assert_eq!(open, [(0, "m0".into()), (1, "m1".into())]);
        store.record_recall("j1", 0, None).await.unwrap();
        let refused = Some((84_061, "too old".to_owned()));
        store.record_recall("j1", 1, refused).await.unwrap();
        assert_eq!(store.recallable("j1", 9).await.unwrap().len(), 1);
        let unsent = store.record_recall("j1", 3, None).await;
        assert!(matches!(unsent, Err(Error::OutOfStep(_))));
        let expected = Recalls {
            recalled: 1,
            failed: 1,
            pending: 1,
            failures: vec![("m1".into(), 84_061, "too old".into())],
        };
        assert_eq!(store.recalls("j1").await.unwrap(), expected);
    }
}

#[tokio::test]
async fn ended_job_is_kept_for_its_time_and_then_leaves_nothing() {
    for (store, _folder) in engines().await {
        create(&store, uploaded("j1", "r1")).await;
        create(&store, job("j2", 450, 1)).await;
        create(&store, job("j3", 1, 1)).await;
        let term = lane(&store).await;
        let ended = |at| Progress {
            finished_at_ms: Some(at),
            ..progress(JobState::Completed)
        };
        let changes = Changes {
            jobs: vec![("j1".into(), ended(NOW + 10)), ("j2".into(), ended(NOW))],
            ..Changes::default()
        };
        store.commit(APP, term, &changes, NOW).await.unwrap();
        assert_eq!(store.expire_jobs(NOW + RETENTION - 1).await.unwrap(), 0);
        assert_eq!(store.expire_jobs(NOW + RETENTION).await.unwrap(), 1);
        assert_eq!(store.job(None, "j2").await.unwrap(), None);
        assert_eq!(store.expire_jobs(NOW + RETENTION + 10).await.unwrap(), 1);
        assert_eq!(store.find_upload("billing", "r1").await.unwrap(), None);
        let left = "SELECT (SELECT count(*) FROM bulk_items) + (SELECT count(*) FROM bulk_events)
             + (SELECT count(*) FROM bulk_contents) + (SELECT count(*) FROM bulk_batches)
             + (SELECT count(*) FROM bulk_jobs) + (SELECT count(*) FROM bulk_removed)";
        assert_eq!(rows(&store, left).await, 5, "the open job");
        // One that was interrupted.
        execute(&store, "INSERT INTO bulk_removed (job) VALUES ('j3')").await;
        execute(&store, "DELETE FROM bulk_jobs").await;
        store.expire_jobs(NOW).await.unwrap();
        assert_eq!(rows(&store, left).await, 0);
    }
}

#[tokio::test]
async fn backlog_tells_what_waits_where_and_since_when() {
    for (store, _folder) in engines().await {
        assert_eq!(store.bulk_backlog().await.unwrap(), Backlog::default());
        create(&store, job("j1", 2, 3)).await;
        let other = NewJob {
            app: "kaoqin".into(),
            ..job("j2", 1, 2)
        };
        create(&store, other).await;
        let term = lane(&store).await;
        let mut counts = Counts::default();
        counts.add(Outcome::Accepted, 3);
        let running = Progress {
            counts,
            ..progress(JobState::Running)
        };
        let later = Batch {
            state: BatchState::Ready { at_ms: NOW + 7 },
            ..ready(1, 3)
        };
        let changes = Changes {
            settled: vec![("j1".into(), 0, settlement(Outcome::Accepted))],
            waiting: vec![("j1".into(), later)],
            jobs: vec![("j1".into(), running)],
            ..Changes::default()
        };
        store.commit(APP, term, &changes, NOW).await.unwrap();
        let app = |app: &str, waiting_items, oldest_ready_ms| AppBacklog {
            app: app.into(),
            waiting_items,
            oldest_ready_ms: Some(oldest_ready_ms),
        };
        let expected = Backlog {
            jobs: vec![(JobState::Accepted, 1), (JobState::Running, 1)],
            apps: vec![app("kaoqin", 2, NOW), app(APP, 3, NOW + 7)],
        };
        assert_eq!(store.bulk_backlog().await.unwrap(), expected);
    }
}
