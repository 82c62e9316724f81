//! The bytes on the wire: requests as the fixtures have them, and answers of the
//! fixtures as replies.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use super::*;
use crate::harness::{SandboxHandle, details};

/// A WeCom that gives a token, and to every other call the same answer.
struct Canned {
    url: String,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Canned {
    /// Answers with these bytes, head and body.
    async fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::default());
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answer.clone(), seen.clone()));
            }
        });
        Self { url, requests }
    }

    /// A gateway that takes it for WeCom.
    async fn world(&self) -> World {
        let overlay = format!("[wecom]\nbase_url = \"{}\"\n", self.url);
        World::start_with(SandboxHandle::start().await, &overlay).await
    }

    /// The last request but gettoken's.
    fn request(&self) -> Vec<u8> {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

/// One request of one connection.
async fn serve(mut stream: TcpStream, answer: Vec<u8>, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        request.push(byte);
    }
    let head = String::from_utf8(request.clone()).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    request.extend(body);
    let answer = if head.contains("/gettoken?") {
        json_answer(
            br#"{"errcode":0,"errmsg":"ok","access_token":"ACCESS_TOKEN","expires_in":7200}"#,
        )
    } else {
        seen.lock().unwrap().push(request);
        answer
    };
    stream.write_all(&answer).await.unwrap();
}

fn json_answer(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/fixtures/cgi-bin/media/{name}")).unwrap()
}

fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest
        .windows(from.len())
        .position(|window| window == from.as_bytes())
    {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

/// A request as the fixtures write it: a boundary of a given name, and no headers that
/// say nothing of the upload.
fn normal(request: &[u8]) -> Vec<u8> {
    let at = request
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let (head, body) = request.split_at(at);
    let head = String::from_utf8(head.to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut kept = vec![lines.next().unwrap().to_owned()];
    let mut boundary = "";
    let mut content = vec![String::new(); 2];
    for line in lines {
        if let Some((_, name)) = line.split_once("boundary=") {
            boundary = name;
            content[0] = line.to_owned();
        } else if let Some(length) = line.strip_prefix("content-length: ") {
            assert_eq!(
                length.parse::<usize>().unwrap() + 4,
                body.len(),
                "the length is true"
            );
            content[1] = "content-length: LENGTH".to_owned();
        } else {
            assert!(
                !line.starts_with("transfer-encoding"),
                "WeCom wants a length"
            );
        }
    }
    kept.extend(content);
    let whole = [kept.join("\r\n").as_bytes(), body].concat();
    replace(&whole, boundary, "BOUNDARY")
}

#[tokio::test]
async fn requests_are_those_of_the_fixtures() {
    let roster = "Mon: Wang\r\nTue: Li\r\n".as_bytes();
    let canned = Canned::start(json_answer(&fixture("upload.ok.response.json"))).await;
    let world = canned.world().await;
    // Streamed and inside a message, the upload is the same.
    upload_as(
        world.media(),
        header(MediaKind::File, "值班表.txt"),
        roster,
        4,
    )
    .await
    .unwrap();
    let streamed = normal(&canned.request());
    let expected = fixture("upload.file.request.http");
    assert_eq!(
        String::from_utf8_lossy(&streamed),
        String::from_utf8_lossy(&expected)
    );
    world.stop().await;

    let canned = Canned::start(json_answer(&fixture("upload.ok.response.json"))).await;
    let world = canned.world().await;
    // What the send itself is told is no answer to a send, so it fails.
    let _ = world
        .messages()
        .send_message(note(roster, "值班表.txt"))
        .await;
    let uploads: Vec<Vec<u8>> = canned.requests.lock().unwrap().clone();
    assert_eq!(normal(&uploads[0]), expected);
    world.stop().await;

    let canned = Canned::start(json_answer(&fixture("uploadimg.ok.response.json"))).await;
    let world = canned.world().await;
    upload_picture(world.media(), "canteen.jpg", JPG)
        .await
        .unwrap();
    let expected = fixture("uploadimg.jpg.request.http");
    assert_eq!(
        String::from_utf8_lossy(&normal(&canned.request())),
        String::from_utf8_lossy(&expected)
    );
    world.stop().await;
}

#[tokio::test]
async fn answers_of_the_fixtures_are_understood() {
    let answered = async |answer: Vec<u8>| Canned::start(answer).await.world().await;

    let world = answered(json_answer(&fixture("upload.ok.response.json"))).await;
    let reply = upload(world.media(), MediaKind::File, "a.txt", b"123456")
        .await
        .unwrap();
    assert_eq!(
        reply.media_id,
        "3dPq8Zk-x1VfLwY_0mNsRb7TgHcJ2aEuQ5oXi9WtKzC4"
    );
    assert_eq!(reply.created_at.unwrap().seconds, 1_795_500_000);
    assert_eq!(reply.expires_at.unwrap().seconds, 1_795_759_200);
    world.stop().await;

    for (name, errcode) in [
        ("upload.error.40004.json", "40004"),
        ("upload.error.44001.json", "44001"),
    ] {
        let world = answered(json_answer(&fixture(name))).await;
        let status = upload(world.media(), MediaKind::File, "a.txt", b"123456")
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], errcode);
        assert!(!metadata["errmsg"].contains("203.0.113.7"));
        world.stop().await;
    }

    let world = answered(json_answer(&fixture("uploadimg.ok.response.json"))).await;
    let reply = upload_picture(world.media(), "a.jpg", JPG).await.unwrap();
    assert!(
        reply
            .url
            .starts_with("http://p.qpic.cn/pic_wework/2718281828/")
    );
    world.stop().await;

    let world = answered(fixture("get.file.response.http")).await;
    let down = download(world.media(), "m").await.unwrap();
    assert!(down.end.is_ok());
    assert_eq!(down.bytes, JPG);
    assert_eq!(
        down.info.file_name,
        "3dPq8Zk-x1VfLwY_0mNsRb7TgHcJ2aEuQ5oXi9WtKzC4.jpg"
    );
    assert_eq!(down.info.content_type, "image/jpeg");
    assert_eq!(down.info.size_bytes, Some(9));
    world.stop().await;

    let world = answered(json_answer(&fixture("get.error.40007.json"))).await;
    let status = world.media().download_media(get("m")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    world.stop().await;
}

#[tokio::test]
async fn a_file_is_told_from_a_refusal_by_its_headers() {
    let refusal = r#"{"errcode":40007,"errmsg":"invalid media_id"}"#;
    let answer = |headers: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n{body}").into_bytes()
    };
    let named = "Content-Type: application/json\r\nContent-Disposition: attachment; filename=\"r.json\"\r\n";
    // JSON with a name is a file; its end is that of the connection when no length is given.
    let canned = Canned::start(answer(named, refusal)).await;
    let world = canned.world().await;
    let down = download(world.media(), "m").await.unwrap();
    assert!(down.end.is_ok());
    assert_eq!(down.bytes, refusal.as_bytes());
    assert_eq!(
        (&*down.info.file_name, down.info.size_bytes),
        ("r.json", None)
    );
    world.stop().await;

    for headers in [
        // A type that says nothing, and a code beside a name.
        "Content-Type: text/plain\r\n".to_owned(),
        String::new(),
        format!("{named}Error-Code: 40007\r\nError-Msg: invalid media_id\r\n"),
    ] {
        let canned = Canned::start(answer(&headers, refusal)).await;
        let world = canned.world().await;
        let status = world.media().download_media(get("m")).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{headers}");
        world.stop().await;
    }

    // A page of a proxy is neither.
    let canned = Canned::start(answer("Content-Type: text/html\r\n", "<html>")).await;
    let world = canned.world().await;
    let status = world.media().download_media(get("m")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    world.stop().await;
}
