use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{AMR, Bench, MP4, PNG, code, json_of};

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

#[tokio::test]
async fn a_file_comes_back_with_its_name_and_type() {
    let bench = Bench::demo().await;
    let token = bench.token(1).await;
    for (kind, file_name, bytes, content_type, name) in [
        ("image", "合照.png", PNG, "image/png", "{id}.png"),
        ("voice", "a.amr", AMR, "voice/amr", "{id}.amr"),
        ("video", "a.mp4", MP4, "video/mp4", "{id}.mp4"),
        (
            "file",
            "周报.txt",
            b"weekly",
            "application/octet-stream",
            "周报.txt",
        ),
        (
            "file",
            "a.json",
            b"{\"errcode\":1}",
            "application/json",
            "a.json",
        ),
    ] {
        // Uploaded by one app, fetched by another.
        let id = bench.media_id(kind, file_name, bytes).await;
        let path = format!("/cgi-bin/media/get?access_token={token}&media_id={id}");
        let answer = bench.get(&path).await;
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert_eq!(headers["content-type"], content_type);
        let disposition = format!("attachment; filename=\"{}\"", name.replace("{id}", &id));
        assert_eq!(
            headers["content-disposition"].as_bytes(),
            disposition.as_bytes()
        );
        assert_eq!(headers["content-length"], bytes.len().to_string());
        assert!(!headers.contains_key("error-code"));
        assert_eq!(answer.bytes().await.expect("bytes"), bytes);
    }
}

#[tokio::test]
async fn a_part_of_a_file_comes_with_206() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    let id = bench.media_id("file", "a.txt", b"0123456789").await;
    let get = async |range: &str| {
        let url = format!(
            "{}/cgi-bin/media/get?access_token={token}&media_id={id}",
            bench.url
        );
        let request = bench.http.get(url).header("range", range);
        request.send().await.expect("an answer")
    };
    let part = get("bytes=2-5").await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 2-5/10");
    assert_eq!(part.bytes().await.expect("bytes"), "2345");
    assert_eq!(code(&json_of(get("bytes=10-").await).await), 40146);
}

#[tokio::test]
async fn what_is_not_there_is_json_with_200() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    let id = bench.media_id("file", "a.txt", b"0123456789").await;
    bench.delete("/sandbox/media").await;
    assert_eq!(bench.get_json("/sandbox/media").await, json!([]));
    for (id, expected) in [("", 41006), ("no-such-id", 40007), (&*id, 40007)] {
        let path = format!("/cgi-bin/media/get?access_token={token}&media_id={id}");
        let answer = bench.get(&path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["error-code"], expected.to_string());
        assert!(!answer.headers().contains_key("content-disposition"));
        assert_eq!(code(&json_of(answer).await), expected, "{id}");
    }
    let id = bench.media_id("file", "a.txt", b"0123456789").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3 * 24 * 3600)).await;
    tokio::time::resume();
    let token = bench.token(0).await;
    let path = format!("/cgi-bin/media/get?access_token={token}&media_id={id}");
    assert_eq!(code(&bench.get_json(&path).await), 40007);
}

#[tokio::test]
async fn a_picture_gets_an_address_for_ever() {
    let bench = Bench::demo().await;
    let token = bench.token(0).await;
    let upload = async |part_name: &'static str, content_type: Option<&str>, bytes: Vec<u8>| {
        let mut part = reqwest::multipart::Part::bytes(bytes).file_name("a.png");
        if let Some(content_type) = content_type {
            part = part.mime_str(content_type).expect("a MIME type");
        }
        let form = reqwest::multipart::Form::new().part(part_name, part);
        let url = format!("{}/cgi-bin/media/uploadimg?access_token={token}", bench.url);
        let request = bench.http.post(url).multipart(form);
        json_of(request.send().await.expect("an answer")).await
    };
    let png = Some("image/png");
    let large = |size: usize| [PNG, &vec![0; size - PNG.len()]].concat();
    let mut urls = Vec::new();
    for part_name in ["media", "any"] {
        let answer = upload(part_name, png, PNG.to_vec()).await;
        assert_eq!((code(&answer), &answer["errmsg"]), (0, &json!("")));
        urls.push(answer["url"].clone());
    }
    assert_ne!(urls[0], urls[1], "each upload has its own");
    for (content_type, bytes, expected) in [
        (None, PNG.to_vec(), 44001),
        (png, b"".to_vec(), 44001),
        (png, PNG[..5].to_vec(), 40006),
        (png, large(2 << 20), 0),
        (png, large((2 << 20) + 1), 40009),
        (png, b"not a picture".to_vec(), 40123),
    ] {
        let answer = upload("media", content_type, bytes).await;
        assert_eq!(code(&answer), expected, "{answer}");
    }
    let pictures = bench.get_json("/sandbox/pictures").await;
    assert_eq!(pictures.as_array().expect("a list").len(), 3);
    assert_eq!(pictures[1]["url"], urls[1]);
    assert_eq!(pictures[0]["sha256"], hex::encode(Sha256::digest(PNG)));
}
