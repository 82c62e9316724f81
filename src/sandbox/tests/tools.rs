use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Bench, code, json_of, text, with};
use crate::sandbox::{Sandbox, Settings};

#[tokio::test]
async fn the_inbox_is_filtered_by_member_and_cleared() {
    let bench = Bench::demo().await;
    bench.send(&text("one")).await;
    bench
        .send(&with(text("two"), json!({"touser": "LiLei"})))
        .await;
    let contents = |list: Value| -> Vec<String> {
        let list = list.as_array().expect("a list").clone();
        let texts = list
            .iter()
            .map(|m| m["body"]["text"]["content"].as_str().expect("text"));
        texts.map(str::to_owned).collect()
    };
    for (query, expected) in [
        ("", vec!["one", "two"]),
        ("?user=lilei", vec!["two"]),
        ("?user=nobody", vec![]),
        ("?limit=1", vec!["two"]),
    ] {
        let list = bench.get_json(&format!("/sandbox/messages{query}")).await;
        assert_eq!(contents(list), expected, "{query}");
    }
    bench.delete("/sandbox/messages").await;
    assert!(bench.messages().await.is_empty());
}

#[tokio::test]
async fn the_ledger_has_the_body_and_never_the_query() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    bench.send(&text("hi")).await;
    bench.send_raw("not JSON").await;
    bench.get("/cgi-bin/no/such/call?secret=1").await;
    let all = bench
        .get("/sandbox/calls")
        .await
        .text()
        .await
        .expect("text");
    assert!(!all.contains(&token) && !all.contains("secret"), "{all}");
    let calls = bench.calls("message/send").await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["body"], text("hi"));
    assert_eq!(calls[0]["method"], "POST");
    assert_eq!(calls[0]["body_length"], text("hi").to_string().len());
    assert_eq!(
        (&calls[1]["errcode"], &calls[1]["body"]),
        (&json!(40008), &Value::Null)
    );
    let lost = bench.calls("no/such/call").await;
    assert_eq!(
        (&lost[0]["errcode"], &lost[0]["status"]),
        (&Value::Null, &json!(404))
    );
    bench.delete("/sandbox/calls").await;
    assert_eq!(bench.get_json("/sandbox/calls").await, json!([]));
}

#[tokio::test]
async fn settings_change_one_by_one_and_refuse_what_they_do_not_know() {
    let bench = Bench::demo().await;
    let before = bench.get_json("/sandbox/settings").await;
    for wrong in [
        json!({"trusted": true}),
        json!({"token_mode": "never"}),
        json!([]),
    ] {
        assert_eq!(bench.put_modes(wrong).await.status(), 400);
    }
    let after = json_of(bench.put_modes(json!({"trusted_ip": false})).await).await;
    assert_eq!(after, with(before.clone(), json!({"trusted_ip": false})));
    bench.post("/sandbox/reset", "").await;
    assert_eq!(bench.get_json("/sandbox/settings").await, before);
}

#[tokio::test]
async fn the_directory_is_shown_without_secrets() {
    let bench = Bench::demo().await;
    let answer = bench
        .get("/sandbox/directory")
        .await
        .text()
        .await
        .expect("text");
    assert!(!answer.contains("sandbox-secret"));
    let all: Value = serde_json::from_str(&answer).expect("JSON");
    let counts = ["departments", "members", "tags", "apps"];
    let counts = counts.map(|name| all[name].as_array().map(Vec::len));
    assert_eq!(counts, [Some(6), Some(30), Some(4), Some(2)]);
}

#[tokio::test]
async fn the_page_comes_with_a_policy() {
    let bench = Bench::demo().await;
    let answer = bench.get("/").await;
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(policy.contains("default-src 'none'"));
    assert!(
        answer
            .text()
            .await
            .expect("text")
            .contains("/sandbox/messages")
    );
}

#[tokio::test]
async fn an_empty_corp_has_no_apps() {
    let bench = Bench::start(Settings::new(([127, 0, 0, 1], 0).into())).await;
    assert_eq!(code(&bench.get_token(&bench.corp_id, "any").await), 40001);
}

#[tokio::test]
async fn shutdown_ends_the_run_even_with_a_socket_open() {
    let sandbox = Sandbox::bind(Settings::demo(([127, 0, 0, 1], 0).into()))
        .await
        .expect("a port");
    let address = sandbox.address();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(sandbox.run(shutdown.clone()));
    let _socket = tokio::net::TcpStream::connect(address)
        .await
        .expect("a socket");
    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    ended.expect("in time").expect("without a panic");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
