//! What callers hear while the store cannot be written or is damaged.

use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tonic::Code;

use super::auth::visit;
use super::harness::{APP, World, details, verdict};

async fn connect(world: &World) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(world.database());
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// The RPCs that write, with requests that would pass.
async fn writes(world: &World) -> Vec<(&'static str, Value)> {
    let page = json!({"app": APP, "redirect_uri": "http://127.0.0.1:8000/callback"});
    let mut logins = Vec::new();
    for _ in 0..2 {
        let built = world
            .rpc("BuildLoginUrl", std::slice::from_ref(&page))
            .await
            .unwrap();
        let (code, state) = visit(built[0]["url"].as_str().unwrap(), "zhangsan").await;
        logins.push(json!({"app": APP, "code": code, "state": state}));
    }
    let session = world.rpc("Login", &[logins.remove(0)]).await.unwrap();
    let session = json!({"session_token": session[0]["session_token"]});
    let send = json!({
        "app": APP, "request_id": "order-1", "recipients": {"user_ids": ["zhangsan"]},
        "content": {"text": {"content": "Noon"}},
    });
    vec![
        ("BuildLoginUrl", page),
        ("SendMessage", send),
        ("Login", logins.remove(0)),
        ("Logout", session),
    ]
}

#[tokio::test]
async fn a_store_that_others_hold_is_unavailable_and_nothing_is_done() {
    let world = World::start().await;
    let writes = writes(&world).await;
    let mut other = connect(&world).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    // Each waits five seconds for the one who has it.
    for (rpc, request) in &writes[..2] {
        let status = world
            .rpc(rpc, std::slice::from_ref(request))
            .await
            .unwrap_err();
        let expected = (Code::Unavailable, "STORE_UNAVAILABLE".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc}");
        assert!(details(&status).2.retry_info().is_some(), "{rpc}");
    }
    let metrics = world.metrics().await;
    let counted = metrics
        .lines()
        .any(|line| line.starts_with("wecomgw_store_errors_total{kind=\"unavailable\"} "));
    assert!(counted, "{metrics}");
    assert!(world.sandbox.messages().await.is_empty());
    assert_eq!(world.sandbox.calls("auth/getuserinfo").await.len(), 1);
    // Reading goes on, and so does all once the store is back.
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    for (rpc, request) in &writes {
        world.rpc(rpc, std::slice::from_ref(request)).await.unwrap();
    }
    other.close().await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_damaged_store_is_our_fault_and_no_reason_to_come_again() {
    let world = World::start().await;
    let writes = writes(&world).await;
    let mut other = connect(&world).await;
    for (table,) in sqlx::query_as::<_, (String,)>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut other)
    .await
    .unwrap()
    {
        let rename = format!("ALTER TABLE {table} RENAME TO lost_{table}");
        sqlx::query(sqlx::AssertSqlSafe(rename)).execute(&mut other).await.unwrap();
    }
    for (rpc, request) in &writes {
        let status = world
            .rpc(rpc, std::slice::from_ref(request))
            .await
            .unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::Internal, "INTERNAL".into()),
            "{rpc}"
        );
        assert!(details(&status).2.retry_info().is_none(), "{rpc}");
    }
    assert!(world.sandbox.messages().await.is_empty());
    other.close().await.unwrap();
    world.stop().await;
}
