//! What only a server does: replicas, restarts, silence, TLS, passwords.

use std::sync::Arc;

use super::jobs::{claim, job, ready, sending};
use super::postgres::{self, Server};
use super::{NOW, execute, metrics, open};
use crate::store::error::Error;
use crate::store::jobs::{Changes, Event, LEASE_LIFE};
use crate::store::open::Store;

const APP: &str = "youxiao";

async fn replicas() -> (Store, Store) {
    let url = postgres::server().database();
    // At once, so that both want to bring the tables up to date.
    let (one, two) = tokio::join!(open(&url), open(&url));
    (one.unwrap(), two.unwrap())
}

#[tokio::test]
async fn lane_goes_over_when_the_database_says_that_it_has_expired() {
    let (one, two) = replicas().await;
    // Clocks of the replicas count for nothing.
    let first = one.acquire_lane(APP, "one", 5).await.unwrap().unwrap();
    assert!(first.now_ms > NOW - 10 * 365 * 24 * 3_600_000);
    let refused = two.acquire_lane(APP, "two", i64::MAX / 2).await.unwrap();
    assert_eq!(refused, None);
    let renewed = one.renew_lane(APP, first.term, 5).await.unwrap().unwrap();
    assert!(renewed >= first.now_ms);
    let mut session = two.read("test").await.unwrap();
    let sql = "SELECT expires_at_ms FROM bulk_lanes";
    let (expires_at_ms,): (i64,) = session.one(sql, &[]).await.unwrap();
    assert_eq!(expires_at_ms, renewed + LEASE_LIFE.as_millis() as i64);
    drop(session);
    execute(&two, "UPDATE bulk_lanes SET expires_at_ms = 1").await;
    let second = two.acquire_lane(APP, "two", 5).await.unwrap().unwrap();
    assert_eq!(second.term, first.term + 1);
    assert_eq!(one.renew_lane(APP, first.term, 5).await.unwrap(), None);
    one.release_lane(APP, first.term).await.unwrap();
    let refused = one.acquire_lane(APP, "one", 5).await.unwrap();
    assert_eq!(refused, None, "a stranger cannot release it");
    two.release_lane(APP, second.term).await.unwrap();
    assert!(one.acquire_lane(APP, "one", 5).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_gets_the_lane() {
    let (one, two) = replicas().await;
    let acquires = (0..16).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(async move { store.acquire_lane(APP, &format!("h{n}"), 0).await.unwrap() })
    });
    let leases = futures_util::future::try_join_all(acquires).await.unwrap();
    assert_eq!(leases.iter().flatten().count(), 1);
}

#[tokio::test]
async fn takeover_waits_for_a_commit_that_came_first() {
    let (one, two) = replicas().await;
    one.create_job(job("j1", 1, 3), NOW).await.unwrap();
    let first = one.acquire_lane(APP, "one", 0).await.unwrap().unwrap();
    execute(&one, "UPDATE bulk_lanes SET expires_at_ms = 1").await;
    let mut session = one.transaction("test").await.unwrap();
    let sql = "UPDATE bulk_lanes SET note = NULL WHERE term = 1";
    assert_eq!(session.execute(sql, &[]).await.unwrap(), 1);
    let mut takeover = Box::pin(two.acquire_lane(APP, "two", 0));
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(200), &mut takeover);
    assert!(waiting.await.is_err(), "the row is held");
    session.commit().await.unwrap();
    assert!(takeover.await.unwrap().is_some());
    let late = one
        .commit(APP, first.term, &claim("j1", ready(0, 3)), 0)
        .await;
    assert!(matches!(late, Err(Error::LaneLost)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn crashes_of_the_server_are_unavailable_and_lose_or_double_nothing() {
    const COMMITS: u64 = 150;
    let server = Arc::new(Server::start());
    let store = open(&server.database()).await.unwrap();
    store.create_job(job("j1", 1, 3), NOW).await.unwrap();
    let lease = store.acquire_lane(APP, "one", 0).await.unwrap().unwrap();
    let crashes = tokio::task::spawn_blocking({
        let server = server.clone();
        move || (0..2).for_each(|_| server.crash_and_restart())
    });
    let (mut failures, mut sequence) = (0, 2);
    while sequence <= COMMITS || !crashes.is_finished() {
        let event = Event {
            sequence,
            at_ms: NOW,
            payload: sequence.to_string().into(),
        };
        let changes = Changes {
            claims: vec![("j1".into(), sending(ready(0, 3)))],
            events: vec![("j1".into(), event)],
            ..Changes::default()
        };
        match store.commit(APP, lease.term, &changes, NOW).await {
            Ok(committed) => {
                assert_eq!(committed.claimed.len(), 1);
                sequence += 1;
            }
            Err(Error::Unavailable(_)) if failures < 100_000 => failures += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    crashes.await.unwrap();
    assert!(failures > 0, "no commit met a crash");
    let metrics = metrics(&store);
    let counted = format!("wecomgw_store_errors_total{{kind=\"unavailable\"}} {failures}\n");
    assert!(metrics.contains(&counted), "{metrics}");
    let events = store.events("j1", 0, u32::MAX).await.unwrap();
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..sequence).collect::<Vec<_>>());
}

#[tokio::test]
async fn server_that_is_silent_is_unavailable_and_costs_no_connection() {
    let url = postgres::server().database();
    let database = url.rsplit('/').next().unwrap();
    let store = open(&url).await.unwrap();
    let mut session = store.transaction("test").await.unwrap();
    let frozen = postgres::server().freeze(database);
    // Nothing else is going on, and so time goes on at once.
    tokio::time::pause();
    let sql = "DELETE FROM bulk_removed";
    let silent = session.execute(sql, &[]).await;
    assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
    drop(session);
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    tokio::time::resume();
    // One that lay idle costs a call its patience.
    let _ = store.ping().await;
    // More than the pool has: each place is free again.
    let pings = (0..20).map(|_| store.ping());
    futures_util::future::try_join_all(pings).await.unwrap();
    postgres::server().thaw(&frozen);
}

#[tokio::test]
async fn row_that_is_held_for_too_long_is_unavailable() {
    let (one, two) = replicas().await;
    let mut session = one.transaction("test").await.unwrap();
    let sql = "SELECT id FROM bulk_gate FOR UPDATE";
    session.execute(sql, &[]).await.unwrap();
    let mut other = two.transaction("test").await.unwrap();
    other
        .execute("SET LOCAL lock_timeout = 50", &[])
        .await
        .unwrap();
    let held = other.execute(sql, &[]).await;
    assert!(matches!(held, Err(Error::Unavailable(_))), "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlock_ends_by_itself() {
    let (one, _) = replicas().await;
    execute(&one, "INSERT INTO bulk_removed VALUES ('a'), ('b')").await;
    let both_have_one = Arc::new(tokio::sync::Barrier::new(2));
    let update = |first: &'static str, second: &'static str| {
        let (store, barrier) = (one.clone(), both_have_one.clone());
        tokio::spawn(async move {
            let mut meet = Some(barrier);
            let done: Result<(), Error> =
                crate::store::engine::transaction!(store, "test", |session| {
                    session.execute(first, &[]).await?;
                    if let Some(barrier) = meet.take() {
                        barrier.wait().await;
                    }
                    session.execute(second, &[]).await?;
                });
            done
        })
    };
    let a = "UPDATE bulk_removed SET job = job WHERE job = 'a'";
    let b = "UPDATE bulk_removed SET job = job WHERE job = 'b'";
    let (one, two) = tokio::join!(update(a, b), update(b, a));
    one.unwrap().unwrap();
    two.unwrap().unwrap();
}

#[tokio::test]
async fn connections_are_told_what_a_commit_means() {
    let (one, _) = replicas().await;
    let mut session = one.read("test").await.unwrap();
    for (sql, expected) in [
        ("SHOW synchronous_commit", "on"),
        ("SHOW statement_timeout", "5s"),
        ("SHOW lock_timeout", "4s"),
        ("SHOW idle_in_transaction_session_timeout", "10s"),
        ("SHOW application_name", "wecomgw"),
    ] {
        let (value,): (String,) = session.one(sql, &[]).await.unwrap();
        assert_eq!(value, expected, "{sql}");
    }
}

#[tokio::test]
async fn refused_password_and_unknown_database_are_told_without_the_password() {
    let url = postgres::server().database();
    for (wrong, hint) in [
        (url.replace("hunter2", "hunter3"), "authentication"),
        (format!("{url}9"), "does not exist"),
        (url.replace("127.0.0.1", "127.0.0.1.invalid"), ""),
        (format!("{url}?sslmode=require"), ""),
    ] {
        let Err(error) = open(&wrong).await else {
            panic!("opened")
        };
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(hint), "{text}");
        assert!(!text.contains("hunter"), "{text}");
    }
    let store = open(&url).await.unwrap();
    assert!(!format!("{store:?}").contains("hunter"));
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_checked_as_the_url_says() {
    let server = Server::start();
    let names = vec!["127.0.0.1".to_owned()];
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    server.enable_tls(&certificate, &key);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let url = server.database();
    let right = file("right.pem", &certificate);
    let full = format!("{url}?sslmode=verify-full&sslrootcert={right}");
    let store = open(&full).await.unwrap();
    let mut session = store.read("test").await.unwrap();
    let sql = "SELECT CAST(ssl AS TEXT) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let (tls,): (String,) = session.one(sql, &[]).await.unwrap();
    assert_eq!(tls, "true");
    let names = vec!["127.0.0.1".to_owned()];
    let stranger = rcgen::generate_simple_self_signed(names).unwrap();
    let wrong = file("wrong.pem", &stranger.cert.pem());
    let refused = open(&format!("{url}?sslmode=verify-ca&sslrootcert={wrong}")).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
}
