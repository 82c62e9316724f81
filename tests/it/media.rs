//! UploadMedia, UploadImage and DownloadMedia.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::Status;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::MediaKind;

use super::harness::{APP, Watched, World, send_request};

mod bad_input;
mod faults;
mod lost;
mod memory;
mod wire;

type Client = pb::media_service_client::MediaServiceClient<Watched>;

const UPLOAD: &str = "media/upload";
const GET: &str = "media/get";
const PICTURE: &str = "media/uploadimg";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a leaf";
const JPG: &[u8] = b"\xff\xd8\xff\xe0 soup";
const AMR: &[u8] = b"#!AMR\n\x3cgood morning, everyone";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42 a tour of the office";

fn header(kind: MediaKind, file_name: &str) -> pb::UploadMediaHeader {
    pb::UploadMediaHeader {
        app: APP.to_owned(),
        kind: kind.into(),
        file_name: file_name.to_owned(),
        size_bytes: 0,
    }
}

fn first(header: pb::UploadMediaHeader) -> pb::UploadMediaRequest {
    pb::UploadMediaRequest {
        part: Some(pb::upload_media_request::Part::Header(header)),
    }
}

fn chunk(bytes: impl Into<Bytes>) -> pb::UploadMediaRequest {
    pb::UploadMediaRequest {
        part: Some(pb::upload_media_request::Part::Chunk(bytes.into())),
    }
}

async fn upload_messages(
    mut client: Client,
    messages: Vec<pb::UploadMediaRequest>,
) -> Result<pb::UploadMediaResponse, Status> {
    let reply = client.upload_media(tokio_stream::iter(messages)).await;
    reply.map(tonic::Response::into_inner)
}

/// Uploads `bytes` in chunks of `size`.
async fn upload_as(
    client: Client,
    header: pb::UploadMediaHeader,
    bytes: &[u8],
    size: usize,
) -> Result<pb::UploadMediaResponse, Status> {
    let chunks = bytes.chunks(size).map(|piece| chunk(piece.to_vec()));
    let messages = [first(header)].into_iter().chain(chunks).collect();
    upload_messages(client, messages).await
}

async fn upload(
    client: Client,
    kind: MediaKind,
    file_name: &str,
    bytes: &[u8],
) -> Result<pb::UploadMediaResponse, Status> {
    upload_as(client, header(kind, file_name), bytes, 256 * 1024).await
}

async fn upload_picture(
    mut client: Client,
    file_name: &str,
    bytes: &[u8],
) -> Result<pb::UploadImageResponse, Status> {
    use pb::upload_image_request::Part;
    let header = pb::UploadImageHeader {
        app: APP.to_owned(),
        file_name: file_name.to_owned(),
        size_bytes: 0,
    };
    let chunks = bytes
        .chunks(256 * 1024)
        .map(|piece| Part::Chunk(piece.to_vec().into()));
    let parts = [Part::Header(header)].into_iter().chain(chunks);
    let messages: Vec<_> = parts
        .map(|part| pb::UploadImageRequest { part: Some(part) })
        .collect();
    let reply = client.upload_image(tokio_stream::iter(messages)).await;
    reply.map(tonic::Response::into_inner)
}

fn get(media_id: &str) -> pb::DownloadMediaRequest {
    pb::DownloadMediaRequest {
        app: APP.to_owned(),
        media_id: media_id.to_owned(),
    }
}

/// A file as it came: its description, its bytes, and how the stream ended.
struct Downloaded {
    info: pb::MediaInfo,
    bytes: Vec<u8>,
    largest_chunk: usize,
    end: Result<(), Status>,
}

async fn download(mut client: Client, media_id: &str) -> Result<Downloaded, Status> {
    use pb::download_media_response::Part;
    let mut parts = client.download_media(get(media_id)).await?.into_inner();
    let Some(Part::Info(info)) = parts.message().await?.and_then(|message| message.part) else {
        panic!("the description comes first");
    };
    let mut downloaded = Downloaded {
        info,
        bytes: Vec::new(),
        largest_chunk: 0,
        end: Ok(()),
    };
    loop {
        match parts.message().await {
            Ok(None) => return Ok(downloaded),
            Ok(Some(message)) => {
                let Some(Part::Chunk(chunk)) = message.part else {
                    panic!("chunks follow");
                };
                assert!(!chunk.is_empty());
                downloaded.largest_chunk = downloaded.largest_chunk.max(chunk.len());
                downloaded.bytes.extend_from_slice(&chunk);
            }
            Err(status) => {
                downloaded.end = Err(status);
                return Ok(downloaded);
            }
        }
    }
}

/// Bytes that no compression makes small and no chunk of which is like another.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// A file to zhangsan, inside the message.
fn note(text: &[u8], file_name: &str) -> pb::SendMessageRequest {
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    send_request(json!({
        "app": APP,
        "recipients": {"user_ids": ["zhangsan"]},
        "content": {"file": {"media": {"inline": {"data": data, "file_name": file_name}}}},
    }))
}

#[tokio::test]
async fn each_kind_goes_up_and_comes_down_byte_for_byte() {
    let world = World::start().await;
    let large = noise(3 << 20);
    let refusal = br#"{"errcode":40007,"errmsg":"invalid media_id"}"#;
    for (kind, file_name, bytes, content_type, name_down) in [
        (MediaKind::Image, "叶子.png", PNG, "image/png", "{id}.png"),
        (MediaKind::Image, "soup.jpg", JPG, "image/jpeg", "{id}.jpg"),
        (MediaKind::Voice, "hi.amr", AMR, "voice/amr", "{id}.amr"),
        (MediaKind::Video, "tour.mp4", MP4, "video/mp4", "{id}.mp4"),
        (
            MediaKind::File,
            "值班表; 终稿.bin",
            &large,
            "application/octet-stream",
            "值班表; 终稿.bin",
        ),
        // A file that looks like WeCom's own no.
        (
            MediaKind::File,
            "no.json",
            refusal,
            "application/json",
            "no.json",
        ),
    ] {
        let reply = upload_as(world.media(), header(kind, file_name), bytes, 300_000)
            .await
            .unwrap_or_else(|status| panic!("{file_name}: {status:?}"));
        assert!(!reply.reused, "{file_name}");
        let (created, expires) = (reply.created_at.unwrap(), reply.expires_at.unwrap());
        assert!(created.seconds > 1_700_000_000);
        assert_eq!(expires.seconds - created.seconds, 3 * 24 * 3600);

        let kept = world.sandbox.get("media").await;
        let kept = kept.as_array().unwrap().last().unwrap();
        assert_eq!(kept["media_id"], reply.media_id);
        assert_eq!(kept["file_name"], file_name);
        assert_eq!(kept["sha256"], hex::encode(Sha256::digest(bytes)));

        let down = download(world.media(), &reply.media_id).await.unwrap();
        assert!(down.end.is_ok() && down.bytes == bytes, "{file_name}");
        assert!(down.largest_chunk <= 262_144);
        assert_eq!(down.info.content_type, content_type);
        assert_eq!(
            down.info.file_name,
            name_down.replace("{id}", &reply.media_id)
        );
        assert_eq!(down.info.size_bytes, Some(bytes.len() as u32));
    }
    world.stop().await;
}

#[tokio::test]
async fn the_largest_of_each_kind_are_taken_and_one_byte_more_never_reaches_wecom() {
    let world = World::start().await;
    let sized = |head: &[u8], size: usize| {
        let mut bytes = head.to_vec();
        bytes.resize(size, 0);
        bytes
    };
    for (kind, head, limit) in [
        (MediaKind::Image, PNG, 10_485_760),
        // Mode 15 frames have one byte: 60 s of them are short.
        (MediaKind::Voice, b"#!AMR\n".as_slice(), 2_097_152),
        (MediaKind::Video, MP4, 10_485_760),
        (MediaKind::File, b"any".as_slice(), 20_971_520),
    ] {
        let before = world.sandbox.calls(UPLOAD).await.len();
        let status = upload(world.media(), kind, "large.bin", &sized(head, limit + 1))
            .await
            .unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{kind:?}");
        assert_eq!(world.sandbox.calls(UPLOAD).await.len(), before, "{kind:?}");
        let reply = upload(world.media(), kind, "large.bin", &sized(head, limit)).await;
        match kind {
            // WeCom counts the seconds of a voice: that is for it to say.
            MediaKind::Voice => {
                let status = reply.unwrap_err();
                assert_eq!(super::harness::details(&status).1["errcode"], "45007");
            }
            _ => assert!(reply.is_ok(), "{kind:?}: {reply:?}"),
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn pictures_are_stored_for_ever_each_time() {
    let world = World::start().await;
    let mut largest = JPG.to_vec();
    largest.resize(2_097_152, 7);
    for (file_name, bytes, content_type) in [
        ("叶子.png", PNG, "image/png"),
        ("叶子.png", PNG, "image/png"),
        ("soup.jpg", &largest, "image/jpeg"),
    ] {
        let reply = upload_picture(world.media(), file_name, bytes)
            .await
            .unwrap();
        let pictures = world.sandbox.get("pictures").await;
        let picture = pictures.as_array().unwrap().last().unwrap();
        assert_eq!(picture["url"], reply.url);
        assert_eq!(picture["file_name"], file_name);
        assert_eq!(picture["content_type"], content_type);
        assert_eq!(picture["sha256"], hex::encode(Sha256::digest(bytes)));
    }
    assert_eq!(world.sandbox.calls(PICTURE).await.len(), 3);
    world.stop().await;
}

#[tokio::test]
async fn equal_bytes_are_uploaded_once_whichever_way_they_come() {
    let world = World::start().await;
    let text = b"minutes of the meeting";
    let mut first_id = String::new();
    for (app, kind, name, bytes, reused, uploads) in [
        (APP, MediaKind::File, "a.txt", text.as_slice(), false, 1),
        (APP, MediaKind::File, "a.txt", text, true, 1),
        (APP, MediaKind::File, "b.txt", text, false, 2),
        (APP, MediaKind::File, "a.txt", b"other minutes", false, 3),
        (APP, MediaKind::Image, "a.txt", PNG, false, 4),
        (APP, MediaKind::File, "a.txt", PNG, false, 5),
        (
            &*world.other_app(),
            MediaKind::File,
            "a.txt",
            text,
            false,
            6,
        ),
        (APP, MediaKind::File, "a.txt", text, true, 6),
    ] {
        let header = pb::UploadMediaHeader {
            app: app.to_owned(),
            ..header(kind, name)
        };
        let reply = upload_as(world.media(), header, bytes, 7).await.unwrap();
        assert_eq!(reply.reused, reused, "{app} {kind:?} {name}");
        assert_eq!(world.sandbox.calls(UPLOAD).await.len(), uploads);
        if first_id.is_empty() {
            first_id = reply.media_id;
        } else if reused {
            assert_eq!(reply.media_id, first_id);
        }
    }
    // A message that brings the same bytes with it uses the same upload, and the
    // other way round.
    world
        .messages()
        .send_message(note(text, "a.txt"))
        .await
        .unwrap();
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 6);
    let message = world.sandbox.messages().await.pop().unwrap();
    assert_eq!(message["body"]["file"]["media_id"], first_id);
    world
        .messages()
        .send_message(note(text, "c.txt"))
        .await
        .unwrap();
    let reply = upload(world.media(), MediaKind::File, "c.txt", text)
        .await
        .unwrap();
    assert!(reply.reused);
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 7);
    world.stop().await;
}

#[tokio::test]
async fn equal_uploads_at_once_are_one_upload() {
    let world = World::start().await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 200});
    world.sandbox.fault(UPLOAD, latency, 0).await;
    let client = world.media();
    let uploads = (0..8).map(|_| upload(client.clone(), MediaKind::File, "a.txt", b"the same"));
    let replies: Vec<_> = futures_util::future::join_all(uploads)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(replies.iter().filter(|reply| !reply.reused).count(), 1);
    assert!(
        replies
            .iter()
            .all(|reply| reply.media_id == replies[0].media_id)
    );
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_id_that_is_about_to_end_is_not_used_again() {
    let world = World::start().await;
    let again = async || upload(world.media(), MediaKind::File, "a.txt", b"the same").await;
    assert!(!again().await.unwrap().reused);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3 * 24 * 3600 - 2 * 3600 + 60)).await;
    tokio::time::resume();
    assert!(!again().await.unwrap().reused);
    assert!(again().await.unwrap().reused);
    world.stop().await;
}
