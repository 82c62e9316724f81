use serde_json::{Value, json};

use super::super::settings::Settings;
use super::{Bench, text, with};

#[tokio::test]
async fn the_ledger_file_tells_who_got_what_and_what_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger");
    let mut settings = Settings::demo(([127, 0, 0, 1], 0).into()).with_crowd(2);
    settings.ledger_file = Some(file.clone());
    let bench = Bench::start(settings).await;

    let message = with(
        text("lunch"),
        json!({"touser": "USER0000001|user0000002|Nobody|zhoujiu", "enable_duplicate_check": 1}),
    );
    bench.send(&message).await;
    bench.send(&message).await;
    bench
        .fault("message/send", json!({"kind": "reset_after"}))
        .await;
    let token = bench.token(0).await;
    let url = format!("{}/cgi-bin/message/send?access_token={token}", bench.url);
    let other = with(message.clone(), json!({"touser": "user0000002"}));
    let cut = bench.http.post(url).body(other.to_string()).send().await;
    assert!(cut.is_err());

    let lines = std::fs::read_to_string(&file).expect("the file");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [first, again, lost] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(first["delivered"], json!(["user0000001", "user0000002"]));
    assert_eq!(first["invalid"], json!(["nobody"]));
    assert_eq!(first["unlicensed"], json!(["zhoujiu"]));
    assert_eq!(first["text"], "lunch");
    assert_eq!(
        (&first["accepted"], &first["errcode"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(again["sha256"], first["sha256"]);
    assert_eq!(
        (&again["accepted"], &again["duplicate"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(again["delivered"], json!([]));
    assert_eq!(
        (&lost["accepted"], &lost["errcode"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(lost["fault"], "reset_after");
    assert_ne!(lost["sha256"], first["sha256"]);
    assert_eq!(lost["rest_sha256"], first["rest_sha256"]);
}
