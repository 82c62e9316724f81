//! Both engines, without anyone who sends.

use super::*;
use crate::bulk::Metrics;
use crate::store::tests::postgres;
use crate::store::{Items, NewBatch, NewJob, Outcome, Settings};

const NOW: i64 = 1_790_000_000_000;

fn job(id: &str, deadline_ms: i64) -> NewJob {
    NewJob {
        id: id.into(),
        app: "gone".into(),
        caller: "billing".into(),
        request_id: None,
        request_sha256: [1; 32],
        item_count: 2,
        folded_item_count: 0,
        accepted_at_ms: NOW,
        deadline_ms,
        window_seconds: Some(14_100),
        resend_unknown: false,
        contents: vec![b"content".to_vec()],
        batches: vec![NewBatch {
            content: 0,
            items: Items {
                user_ids: "a|b".into(),
                indexes: vec![0, 1],
            },
        }],
        accepted_event: b"accepted".to_vec(),
    }
}

#[tokio::test]
async fn jobs_of_an_app_that_is_gone_end_when_they_are_cancelled_or_overdue() {
    let server = postgres::Server::start();
    for url in ["sqlite::memory:".to_owned(), server.database()] {
        let store = Store::open(&Settings { url }).await.unwrap();
        let engine = Engine::new(store.clone(), &[], Metrics::default(), None);
        // The clock of PostgreSQL is its own: both deadlines are on one side of it.
        store
            .create_job(job("late", NOW - 10 * 365 * 86_400_000), NOW)
            .await
            .unwrap();
        let far = NOW + 100 * 365 * 86_400_000;
        store.create_job(job("asked", far), NOW).await.unwrap();
        store.create_job(job("waits", far), NOW).await.unwrap();
        store.request_cancel(None, "asked", NOW).await.unwrap();
        end_all(&engine, &store, NOW).await.unwrap();
        for (id, state, outcome) in [
            ("late", JobState::Expired, Some(Outcome::Expired)),
            ("asked", JobState::Cancelled, Some(Outcome::Cancelled)),
            ("waits", JobState::Accepted, None),
        ] {
            let job = store.job(None, id).await.unwrap().unwrap();
            assert_eq!(job.progress.state, state, "{id}");
            let items = outcome.map_or(0, |outcome| job.progress.counts.of(outcome));
            assert_eq!(items, outcome.map_or(0, |_| 2), "{id}");
        }
        assert_eq!(store.open_jobs("gone").await.unwrap().len(), 1);
        // The lane is free for a replica that serves the app again.
        let lease = store.acquire_lane("gone", "new", NOW).await.unwrap();
        assert!(lease.is_some());
        store.close().await;
    }
}
