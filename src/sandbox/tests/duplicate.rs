use serde_json::{Value, json};

use super::{Bench, code, text, with};

fn checked(changes: Value) -> Value {
    with(
        with(text("日报"), json!({"enable_duplicate_check": 1})),
        changes,
    )
}

#[tokio::test]
async fn the_same_bytes_are_delivered_once() {
    let bench = Bench::demo().await;
    let body = checked(json!({}));
    let first = bench.send(&body).await;
    for (mode, expected) in [
        (json!("same_msgid"), 0),
        (json!("new_msgid"), 0),
        (json!({"errcode": 45000}), 45000),
    ] {
        bench.put_modes(json!({"duplicate_answer": mode})).await;
        let again = bench.send(&body).await;
        assert_eq!(code(&again), expected, "{mode}");
        assert_eq!(
            again["msgid"] == first["msgid"],
            mode == "same_msgid",
            "{mode}"
        );
    }
    assert_eq!(bench.messages().await.len(), 1);
    let calls = bench.calls("message/send").await;
    let told: Vec<_> = calls
        .iter()
        .map(|call| (&call["accepted"], &call["duplicate"]))
        .collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(told, [(&yes, &no), (&no, &yes), (&no, &yes), (&no, &yes)]);
    assert_eq!(calls[0]["sha256"], calls[3]["sha256"]);
}

#[tokio::test]
async fn other_bytes_are_another_message() {
    let bench = Bench::demo().await;
    let body = checked(json!({}));
    let spaced = body.to_string().replace("\"touser\":", "\"touser\": ");
    bench.send(&body).await;
    bench.send_raw(spaced).await;
    bench.send(&checked(json!({"touser": "lisi"}))).await;
    bench
        .send(&checked(json!({"duplicate_check_interval": 1801})))
        .await;
    bench.send(&text("日报")).await;
    bench.send(&text("日报")).await;
    assert_eq!(bench.messages().await.len(), 6);
}

#[tokio::test]
async fn recipients_can_be_left_out_of_the_comparison() {
    let bench = Bench::demo().await;
    bench
        .put_modes(json!({"duplicate_scope": "without_recipients"}))
        .await;
    let first = bench.send(&checked(json!({}))).await;
    let second = bench
        .send(&checked(json!({"touser": "lisi", "toparty": "2"})))
        .await;
    assert_eq!(first["msgid"], second["msgid"]);
    bench
        .send(&checked(json!({"text": {"content": "周报"}})))
        .await;
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn the_window_runs_from_the_first_send() {
    let bench = Bench::demo().await;
    let body = checked(json!({"duplicate_check_interval": 100}));
    let token = bench.token(0).await;
    let mut msgids = Vec::new();
    for wait in [0, 60, 50] {
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(wait)).await;
        tokio::time::resume();
        let answer = bench.send_with(&token, body.to_string()).await;
        msgids.push(answer["msgid"].clone());
    }
    assert_eq!(msgids[0], msgids[1]);
    assert_ne!(msgids[0], msgids[2]);
}

#[tokio::test]
async fn a_refused_message_is_not_remembered() {
    let bench = Bench::demo().await;
    let body = checked(json!({"touser": "nobody"}));
    for _ in 0..2 {
        assert_eq!(code(&bench.send(&body).await), 81013);
    }
}

#[tokio::test]
async fn a_card_sent_twice_is_a_duplicate_before_its_task_id_is() {
    let bench = Bench::demo().await;
    let task = json!({"title": "采购", "task_id": "t", "btn": [{"key": "a", "name": "b"}]});
    let body = super::message("taskcard", task);
    let body = with(body, json!({"enable_duplicate_check": 1}));
    assert_eq!(bench.send(&body).await, bench.send(&body).await);
}
