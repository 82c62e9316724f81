use serde_json::{Value, json};

use super::{Bench, code, text};

/// What the ledger says of the last send: errcode, status, accepted, fault.
async fn witnessed(bench: &Bench) -> (Value, Value, Value, Value) {
    let call = bench.calls("message/send").await.pop().expect("a call");
    let [errcode, status, accepted, fault] =
        ["errcode", "status", "accepted", "fault"].map(|name| call[name].clone());
    (errcode, status, accepted, fault)
}

#[tokio::test]
async fn faults_that_answer_json_say_whether_the_call_took_effect() {
    let bench = Bench::demo().await;
    for (fault, expected, accepted) in [
        (json!({"kind": "errcode", "code": 45009}), 45009, false),
        (
            json!({"kind": "errcode", "code": 7, "errmsg": "中文"}),
            7,
            false,
        ),
        (json!({"kind": "errcode_after", "code": -1}), -1, true),
        (json!({"kind": "kill_token"}), 40014, false),
        (json!({"kind": "expire_token"}), 42001, false),
        (json!({"kind": "latency_ms", "latency_ms": 1}), 0, true),
    ] {
        bench.delete("/sandbox/messages").await;
        bench.fault("message/send", fault.clone()).await;
        let answer = bench.send(&text("hi")).await;
        assert_eq!(code(&answer), expected, "{fault}");
        let told = (
            json!(expected),
            json!(200),
            json!(accepted),
            fault["kind"].clone(),
        );
        assert_eq!(witnessed(&bench).await, told);
        assert_eq!(
            bench.messages().await.len(),
            usize::from(accepted),
            "{fault}"
        );
        assert_eq!(code(&bench.send(&text("hi")).await), 0, "once only");
        assert_eq!(witnessed(&bench).await.3, Value::Null);
    }
}

#[tokio::test]
async fn faults_that_spoil_the_body() {
    let bench = Bench::demo().await;
    for (fault, status, accepted, starts) in [
        (
            json!({"kind": "http_status", "status": 502, "body": "bad gateway"}),
            502,
            false,
            "bad gateway",
        ),
        (
            json!({"kind": "http_status", "status": 503}),
            503,
            false,
            "",
        ),
        (json!({"kind": "html"}), 200, false, "<!doctype html>"),
        (json!({"kind": "garbled"}), 200, true, "\u{1f}"),
        (json!({"kind": "empty_body"}), 200, true, ""),
    ] {
        // The token comes first, so that gettoken does not meet the fault.
        let path = format!(
            "/cgi-bin/message/send?access_token={}",
            bench.token(0).await
        );
        bench.fault("*", fault.clone()).await;
        let answer = bench.post(&path, text("hi").to_string()).await;
        assert_eq!(answer.status(), status, "{fault}");
        let body = answer.text().await.expect("text");
        assert!(
            body.starts_with(starts) && body.is_empty() == starts.is_empty(),
            "{body}"
        );
        let told = (
            Value::Null,
            json!(status),
            json!(accepted),
            fault["kind"].clone(),
        );
        assert_eq!(witnessed(&bench).await, told);
    }
}

#[tokio::test]
async fn resets_cut_the_socket_before_or_after_the_call() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    let url = format!("{}/cgi-bin/message/send?access_token={token}", bench.url);
    for (kind, accepted) in [("reset_before", false), ("reset_after", true)] {
        bench.fault("message/send", json!({"kind": kind})).await;
        let request = bench.http.post(&url).body(text("hi").to_string());
        let error = request.send().await.expect_err("no answer").without_url();
        assert!(error.is_request(), "{error:?}");
        let told = (Value::Null, Value::Null, json!(accepted), json!(kind));
        assert_eq!(witnessed(&bench).await, told);
    }
    assert_eq!(bench.messages().await.len(), 1);
    assert_eq!(
        code(&bench.send(&text("hi")).await),
        0,
        "the next socket is fine"
    );
}

#[tokio::test]
async fn a_reset_is_a_reset_and_not_a_close() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bench = Bench::demo().await;
    bench
        .fault("gettoken", json!({"kind": "reset_before"}))
        .await;
    let address = bench.url.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address)
        .await
        .expect("a socket");
    let request = b"GET /cgi-bin/gettoken HTTP/1.1\r\nhost: sandbox\r\n\r\n";
    socket.write_all(request).await.expect("a request");
    let error = socket.read(&mut [0; 16]).await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_truncated_answer_has_half_of_its_bytes() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    bench
        .fault("message/send", json!({"kind": "truncated_body"}))
        .await;
    let path = format!("/cgi-bin/message/send?access_token={token}");
    let mut answer = bench.post(&path, text("hi").to_string()).await;
    let promised = answer.content_length().expect("a length");
    let half = answer.chunk().await.expect("half").expect("half");
    assert_eq!(half.len() as u64, promised / 2);
    assert!(half.starts_with(b"{"));
    assert!(answer.chunk().await.is_err());
    assert_eq!(bench.messages().await.len(), 1);
}

#[tokio::test]
async fn a_huge_answer_is_right_but_huge() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    bench
        .fault(
            "message/send",
            json!({"kind": "huge_body", "bytes": 1_000_000}),
        )
        .await;
    let path = format!("/cgi-bin/message/send?access_token={token}");
    let answer = bench.post(&path, text("hi").to_string()).await;
    let body = answer.bytes().await.expect("bytes");
    assert_eq!(body.len(), 1_000_000);
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(code(&answer), 0);
}

#[tokio::test]
async fn faults_are_listed_with_their_hits_and_cleared() {
    let bench = Bench::demo().await;
    let order = json!({"path": "gettoken", "fault": {"kind": "errcode", "code": -1}, "skip": 1});
    bench.post("/sandbox/faults", order.to_string()).await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(code(&bench.fetch(0).await));
    }
    assert_eq!(codes, [0, -1, -1]);
    let rule = &bench.get_json("/sandbox/faults").await[0];
    assert_eq!(
        (&rule["hits"], &rule["remaining"]),
        (&json!(2), &Value::Null)
    );
    bench.delete("/sandbox/faults").await;
    assert_eq!(code(&bench.fetch(0).await), 0);
    let wrong = bench
        .post(
            "/sandbox/faults",
            r#"{"path":"*","fault":{"kind":"earthquake"}}"#,
        )
        .await;
    assert_eq!(wrong.status(), 400);
}
