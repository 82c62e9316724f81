use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Bench, PNG, code, json_of};

#[tokio::test]
async fn an_upload_is_kept_and_its_answer_has_the_odd_shape() {
    let bench = Bench::demo().await;
    let answer = bench.upload("image", "合照.png", PNG).await;
    assert_eq!((code(&answer), &answer["errmsg"]), (0, &json!("")));
    assert_eq!(answer["type"], "image");
    let created_at = answer["created_at"].as_str().expect("a string");
    assert!(created_at.parse::<u64>().expect("seconds") > 1_700_000_000);
    let id = answer["media_id"].as_str().expect("a media_id");
    let kept = &bench.get_json("/sandbox/media").await[0];
    assert_eq!(kept["media_id"], id);
    assert_eq!(kept["file_name"], "合照.png", "raw UTF-8 comes through");
    assert_eq!(kept["sha256"], hex::encode(Sha256::digest(PNG)));
    let bytes = bench.get(&format!("/sandbox/media/{id}")).await;
    assert_eq!(bytes.headers()["content-type"], "image/png");
    assert_eq!(bytes.bytes().await.expect("bytes"), PNG);
}

#[tokio::test]
async fn a_bad_upload_gets_its_own_code() {
    let bench = Bench::demo().await;
    for (kind, bytes, expected) in [
        ("poster", &b"whatever"[..], 40005),
        ("", b"whatever", 40005),
        ("file", b"", 44001),
        ("file", b"small", 40006),
        ("image", b"not a picture", 40004),
        ("voice", b"not a voice", 301017),
        ("file", b"enough", 0),
    ] {
        let answer = bench.upload(kind, "a.bin", bytes).await;
        assert_eq!(code(&answer), expected, "{kind}: {answer}");
    }
    let token = bench.token(0).await;
    let path = format!("/cgi-bin/media/upload?type=file&access_token={token}");
    let answer = json_of(bench.post(&path, "{}").await).await;
    assert_eq!(code(&answer), 44001, "not multipart");
}

#[tokio::test]
async fn a_media_id_lives_three_days_in_all_apps() {
    let bench = Bench::demo().await;
    let id = bench.media_id("image", "a.png", PNG).await;
    let image = json!({"touser": "zhangsan", "agentid": 1_000_003, "msgtype": "image",
                       "image": {"media_id": id}});
    let send = async || {
        let token = bench.token(1).await;
        code(&bench.send_with(&token, image.to_string()).await)
    };
    assert_eq!(send().await, 0);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3 * 24 * 3600)).await;
    tokio::time::resume();
    assert_eq!(send().await, 40007);
}
