//! What every engine must do, and what opening one must refuse.

mod equal;
mod jobs;
mod logins;
#[path = "../../tests/support/postgres.rs"]
pub(crate) mod postgres;
mod server;
mod tokens;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::engine::{Engine, values};
use super::error::Error;
use super::open::Store;
use super::requests::{Attempt, Begin, CLOCK_TOLERANCE, REQUEST_ID_LIFE};
use super::settings::Settings;

const NOW: i64 = 1_790_000_000_000;
const DAY: i64 = REQUEST_ID_LIFE.as_millis() as i64;
const ONE: [u8; 32] = [1; 32];
const TWO: [u8; 32] = [2; 32];

async fn open(url: &str) -> Result<Store, Error> {
    Store::open(&Settings { url: url.into() }).await
}

fn url_in(folder: &Path) -> String {
    format!("sqlite:{}/gateway.db", folder.display())
}

/// Each engine once, with the folder it lives in.
async fn engines() -> Vec<(Store, Option<TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = open(&url_in(folder.path())).await.unwrap();
    let memory = open("sqlite::memory:").await.unwrap();
    let server = open(&postgres::server().database()).await.unwrap();
    vec![(file, Some(folder)), (memory, None), (server, None)]
}

/// What `/metrics` would show of the store.
fn metrics(store: &Store) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    store.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn each_transaction_is_measured_once_by_its_operation() {
    for (store, _folder) in engines().await {
        store.ping().await.unwrap();
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        // A step out of turn is the caller's error and no failure of the store.
        store.finish("billing", "r2", b"answer").await.unwrap_err();
        let metrics = metrics(&store);
        for op in ["ping", "begin_request", "finish_request"] {
            let line = format!("wecomgw_store_tx_seconds_count{{op=\"{op}\"}} 1\n");
            assert!(metrics.contains(&line), "{metrics}");
        }
        assert!(!metrics.contains("kind="), "{metrics}");
    }
}

/// Runs a statement behind the store's back.
async fn execute(store: &Store, sql: &'static str) {
    let mut session = store.write("test").await.unwrap();
    session.execute(sql, &[]).await.unwrap();
}

#[tokio::test]
async fn request_goes_from_new_to_its_answer() {
    for (store, _folder) in engines().await {
        store.ping().await.unwrap();
        assert_eq!(
            store.begin("billing", "r1", ONE, NOW).await.unwrap(),
            Begin::New
        );
        store
            .intend("billing", "r1", b"bytes", 1800, NOW + 5)
            .await
            .unwrap();
        store.finish("billing", "r1", b"answer").await.unwrap();
        let again = store.begin("billing", "r1", ONE, NOW + 9).await.unwrap();
        assert_eq!(again, Begin::Done(b"answer".to_vec()));
    }
}

#[tokio::test]
async fn request_that_never_came_to_the_call_is_unsent() {
    for (store, _folder) in engines().await {
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        assert_eq!(
            store.begin("billing", "r1", ONE, NOW).await.unwrap(),
            Begin::Unsent
        );
    }
}

#[tokio::test]
async fn lost_outcome_is_resumed_with_the_first_bytes_time_and_window() {
    for (store, _folder) in engines().await {
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        store
            .intend("billing", "r1", b"bytes", 1800, NOW + 5)
            .await
            .unwrap();
        store.begin("billing", "r2", TWO, NOW + 8).await.unwrap();
        let expected = Attempt {
            body: b"bytes".to_vec(),
            first_attempt_at_ms: NOW + 5,
            window_seconds: 1800,
            latest_ms: NOW + 8,
        };
        let again = store.begin("billing", "r1", ONE, NOW + 9).await.unwrap();
        assert_eq!(again, Begin::Resume(expected));
    }
}

#[tokio::test]
async fn same_id_with_another_request_is_a_mismatch_in_every_state() {
    for (store, _folder) in engines().await {
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW).await.unwrap(),
            Begin::Mismatch
        );
        store
            .intend("billing", "r1", b"bytes", 1800, NOW)
            .await
            .unwrap();
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW).await.unwrap(),
            Begin::Mismatch
        );
        store.finish("billing", "r1", b"answer").await.unwrap();
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW).await.unwrap(),
            Begin::Mismatch
        );
        assert_eq!(
            store.begin("payroll", "r1", TWO, NOW).await.unwrap(),
            Begin::New
        );
    }
}

#[tokio::test]
async fn released_request_is_new_again_and_an_ended_one_stays() {
    for (store, _folder) in engines().await {
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        store
            .intend("billing", "r1", b"bytes", 1800, NOW)
            .await
            .unwrap();
        // By one who never came to the call: another does.
        store.release("billing", "r1", false).await.unwrap();
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW).await.unwrap(),
            Begin::Mismatch
        );
        store.release("billing", "r1", true).await.unwrap();
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW).await.unwrap(),
            Begin::New
        );
        store.finish("billing", "r1", b"answer").await.unwrap();
        store.release("billing", "r1", true).await.unwrap();
        let again = store.begin("billing", "r1", TWO, NOW).await.unwrap();
        assert_eq!(again, Begin::Done(b"answer".to_vec()));
        store.release("billing", "unheard of", false).await.unwrap();
    }
}

#[tokio::test]
async fn steps_out_of_order_are_refused() {
    for (store, _folder) in engines().await {
        let refused = |result: Result<(), Error>| matches!(result, Err(Error::OutOfStep(_)));
        assert!(refused(
            store.intend("billing", "r1", b"bytes", 1800, NOW).await
        ));
        assert!(refused(store.finish("billing", "r1", b"answer").await));
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        store
            .intend("billing", "r1", b"bytes", 1800, NOW)
            .await
            .unwrap();
        assert!(refused(
            store
                .intend("billing", "r1", b"other bytes", 1800, NOW)
                .await
        ));
        // Another replica that began it too, even with equal bytes: one of them sends.
        assert!(refused(
            store.intend("billing", "r1", b"bytes", 1800, NOW).await
        ));
        store.finish("billing", "r1", b"answer").await.unwrap();
        assert!(refused(
            store.finish("billing", "r1", b"other answer").await
        ));
        assert!(refused(
            store.intend("billing", "r1", b"bytes", 1800, NOW).await
        ));
    }
}

#[tokio::test]
async fn request_past_its_life_is_new_even_before_it_is_removed() {
    for (store, _folder) in engines().await {
        store.begin("billing", "r1", ONE, NOW).await.unwrap();
        store
            .intend("billing", "r1", b"bytes", 1800, NOW)
            .await
            .unwrap();
        store.finish("billing", "r1", b"answer").await.unwrap();
        let last = store
            .begin("billing", "r1", ONE, NOW + DAY - 1)
            .await
            .unwrap();
        assert_eq!(last, Begin::Done(b"answer".to_vec()));
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW + DAY).await.unwrap(),
            Begin::New
        );
        assert_eq!(
            store.begin("billing", "r1", TWO, NOW + DAY).await.unwrap(),
            Begin::Unsent
        );
    }
}

#[tokio::test]
async fn expire_removes_the_old_and_keeps_the_young() {
    for (store, _folder) in engines().await {
        // More than one commit removes.
        for n in 0..1203 {
            store
                .begin("billing", &format!("r{n}"), ONE, NOW + n)
                .await
                .unwrap();
        }
        assert_eq!(store.expire(NOW + 1200).await.unwrap(), 1200);
        assert_eq!(store.expire(NOW + 1200).await.unwrap(), 0);
        let at = NOW + 1300;
        assert_eq!(
            store.begin("billing", "r1200", ONE, at).await.unwrap(),
            Begin::Unsent
        );
        assert_eq!(
            store.begin("billing", "r1199", ONE, at).await.unwrap(),
            Begin::New
        );
    }
}

#[tokio::test]
async fn concurrent_begins_of_one_id_make_one_row() {
    for (store, _folder) in engines().await {
        let begin = || store.begin("billing", "r1", ONE, NOW);
        let (a, b, c) = tokio::join!(begin(), begin(), begin());
        let new = [a, b, c]
            .into_iter()
            .filter(|r| matches!(r, Ok(Begin::New)))
            .count();
        assert_eq!(new, 1);
    }
}

#[tokio::test]
async fn file_keeps_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(folder.path());
    let store = open(&url).await.unwrap();
    store.begin("billing", "r1", ONE, NOW).await.unwrap();
    store
        .intend("billing", "r1", b"bytes", 1800, NOW)
        .await
        .unwrap();
    drop(store);
    let store = open(&url).await.unwrap();
    let again = store.begin("billing", "r1", ONE, NOW).await.unwrap();
    assert!(matches!(again, Begin::Resume(attempt) if attempt.body == b"bytes"));
    store.finish("billing", "r1", b"answer").await.unwrap();
    store.close().await;
    let store = open(&url).await.unwrap();
    let again = store.begin("billing", "r1", ONE, NOW).await.unwrap();
    assert_eq!(again, Begin::Done(b"answer".to_vec()));
}

#[tokio::test]
async fn commits_reach_the_disk_and_readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url_in(folder.path())).await.unwrap();
    let Engine::Sqlite {
        writer, readers, ..
    } = &store.engine
    else {
        panic!("the URL is SQLite's")
    };
    let pragma = |name: &'static str| async move {
        sqlx::query_scalar::<_, i64>(name)
            .fetch_one(writer)
            .await
            .unwrap()
    };
    assert_eq!(pragma("PRAGMA synchronous").await, 2, "2 is FULL");
    assert_eq!(pragma("PRAGMA foreign_keys").await, 1);
    assert_eq!(pragma("PRAGMA busy_timeout").await, 5000);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(writer)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    let write = sqlx::query("DELETE FROM requests").execute(readers).await;
    assert!(matches!(
        write.map_err(Error::from),
        Err(Error::Unavailable(_))
    ));
}

#[tokio::test]
async fn second_opener_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(folder.path());
    let first = open(&url).await.unwrap();
    let Err(error) = open(&url).await else {
        panic!("two stores have one database")
    };
    assert!(matches!(error, Error::InUse(_)));
    assert!(error.to_string().contains("another process"), "{error}");
    first.close().await;
    open(&url).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn other_spelling_of_the_path_meets_the_same_lock() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(&url_in(folder.path())).await.unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.path().join("gateway.db"), &link).unwrap();
    let other = open(&format!("sqlite:{}", link.display())).await;
    assert!(matches!(other, Err(Error::InUse(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&url_in(folder.path())).await.unwrap();
    store.begin("billing", "r1", ONE, NOW).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(files.len(), 4, "database, log, its index, and lock");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn wrong_url_is_refused_with_the_right_one_and_without_its_password() {
    for url in [
        "postgres://gateway:hunter2@db:99999/gateway",
        "postgres://gateway:hunter2@db/gateway?pasword=hunter2",
        "postgresql://gateway:hunter2@db/gateway?sslmode=hunter2",
        "postgres:hunter2@db",
        "mysql://gateway:hunter2@db/gateway",
        "gateway.db",
        "sqlite:",
        "sqlite://",
        "sqlite:gateway.db?mode=hunter2",
        "sqlite::memory:?cache=shared",
        "sqlite:/",
        "",
    ] {
        let Err(error) = open(url).await else {
            panic!("opened {url}")
        };
        assert!(matches!(error, Error::Url(_)), "{url}: {error:?}");
        assert!(error.to_string().contains("`sqlite:wecomgw.db`"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    // A file in place of the folder stands for one without the right to write, which root has.
    let blocked = folder.path().join("blocked");
    std::fs::write(&blocked, "").unwrap();
    for place in [missing, blocked] {
        let Err(error) = open(&url_in(&place)).await else {
            panic!("opened in {place:?}")
        };
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        assert!(
            error.to_string().contains(&place.display().to_string()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn file_that_is_no_database_is_reported_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    let text = "not a database, but somebody's notes\n".repeat(40);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(
        open(&url_in(folder.path())).await,
        Err(Error::Corrupt(_))
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn database_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(folder.path());
    let store = open(&url).await.unwrap();
    execute(
        &store,
        "INSERT INTO _sqlx_migrations VALUES (9000, 'later', 0, TRUE, x'00', 0)",
    )
    .await;
    store.close().await;
    assert!(matches!(open(&url).await, Err(Error::FromTheFuture(9000))));
}

#[tokio::test]
async fn closed_store_is_unavailable() {
    for (store, _folder) in engines().await {
        store.close().await;
        assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));
    }
}

#[test]
fn every_migration_is_embedded() {
    let embedded = [&super::sqlite::MIGRATOR, &super::postgres::MIGRATOR];
    for (engine, migrator) in ["sqlite", "postgres"].iter().zip(embedded) {
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
        let files = std::fs::read_dir(Path::new(files).join(engine)).unwrap();
        assert_eq!(files.count(), migrator.iter().count(), "{engine}");
    }
}

#[test]
fn window_is_open_until_its_margin_and_only_by_a_clock_that_can_be_trusted() {
    let attempt = Attempt {
        body: vec![],
        first_attempt_at_ms: NOW,
        window_seconds: 1800,
        latest_ms: NOW + 60_000,
    };
    let margin = Duration::from_secs(600);
    let tolerance = CLOCK_TOLERANCE.as_millis() as i64;
    for (now_ms, open) in [
        (NOW + 60_000, true),
        (NOW + 1_199_999, true),
        (NOW + 1_200_000, false),
        (NOW + DAY, false),
        (NOW + 60_000 - tolerance, true),
        (NOW + 60_000 - tolerance - 1, false),
        (NOW - DAY, false),
    ] {
        assert_eq!(
            attempt.window_is_open(now_ms, margin),
            open,
            "{}",
            now_ms - NOW
        );
    }
}

#[test]
fn bodies_and_answers_are_not_for_the_log() {
    let attempt = Attempt {
        body: b"dear all".to_vec(),
        first_attempt_at_ms: NOW,
        window_seconds: 1,
        latest_ms: NOW,
    };
    let text = format!(
        "{:?} {:?}",
        Begin::Resume(attempt),
        Begin::Done(b"dear all".to_vec())
    );
    assert!(!text.contains("dear") && !text.contains("100"), "{text}");
}
