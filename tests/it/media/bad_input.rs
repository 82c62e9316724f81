//! Uploads and downloads that must not reach WeCom, with the fields that the answer
//! must name.

use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request};

use super::*;
use crate::harness::{details, verdict};

/// The fields that a status names.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(
        verdict(status),
        (Code::InvalidArgument, "INVALID_REQUEST".to_owned()),
        "{status:?}"
    );
    let (_, _, details) = details(status);
    let violations = details.bad_request().unwrap().field_violations.iter();
    violations
        .map(|violation| violation.field.clone())
        .collect()
}

async fn nothing_reached_wecom(world: &World) {
    for path in [UPLOAD, PICTURE, GET] {
        assert!(world.sandbox.calls(path).await.is_empty(), "{path}");
    }
}

fn rows() -> Vec<(&'static str, Vec<pb::UploadMediaRequest>, Vec<&'static str>)> {
    let file = |name: &str, size_bytes: u32| {
        first(pb::UploadMediaHeader {
            size_bytes,
            ..header(MediaKind::File, name)
        })
    };
    let kind = |kind: i32| {
        first(pb::UploadMediaHeader {
            kind,
            ..header(MediaKind::File, "a.txt")
        })
    };
    let of = |kind: MediaKind| first(header(kind, "a.bin"));
    let good = || chunk("123456");
    let empty = || pb::UploadMediaRequest { part: None };
    let long = "长".repeat(86);
    vec![
        ("nothing at all", vec![], vec!["header"]),
        ("no header", vec![good()], vec!["header"]),
        ("an empty message first", vec![empty()], vec!["part"]),
        (
            "an empty message later",
            vec![file("a.txt", 0), empty()],
            vec!["part"],
        ),
        (
            "two headers",
            vec![file("a.txt", 0), file("a.txt", 0)],
            vec!["header"],
        ),
        (
            "a header after chunks",
            vec![file("a.txt", 0), good(), file("a.txt", 0)],
            vec!["header"],
        ),
        ("no kind", vec![kind(0), good()], vec!["header.kind"]),
        (
            "an unknown kind",
            vec![kind(9), good()],
            vec!["header.kind"],
        ),
        (
            "no name",
            vec![file("", 0), good()],
            vec!["header.file_name"],
        ),
        (
            "a long name",
            vec![file(&long, 0), good()],
            vec!["header.file_name"],
        ),
        (
            "a path",
            vec![file("a/b", 0), good()],
            vec!["header.file_name"],
        ),
        (
            "a path of Windows",
            vec![file("a\\b", 0), good()],
            vec!["header.file_name"],
        ),
        (
            "a quote",
            vec![file("a\"b", 0), good()],
            vec!["header.file_name"],
        ),
        (
            "a line break",
            vec![file("a\r\nX: y", 0), good()],
            vec!["header.file_name"],
        ),
        (
            "NUL",
            vec![file("a\0b", 0), good()],
            vec!["header.file_name"],
        ),
        (
            "declared too short",
            vec![file("a.txt", 5)],
            vec!["header.size_bytes"],
        ),
        (
            "declared too long",
            vec![file("a.txt", 20_971_521)],
            vec!["header.size_bytes"],
        ),
        (
            "everything wrong",
            vec![first(pb::UploadMediaHeader {
                app: APP.to_owned(),
                kind: 9,
                file_name: "a/b".to_owned(),
                size_bytes: 1,
            })],
            vec!["header.kind", "header.file_name", "header.size_bytes"],
        ),
        (
            "cut",
            vec![file("a.txt", 7), good()],
            vec!["header.size_bytes"],
        ),
        (
            "longer than declared",
            vec![file("a.txt", 6), good(), chunk("7")],
            vec!["header.size_bytes"],
        ),
        ("no bytes", vec![file("a.txt", 0)], vec!["chunk"]),
        (
            "an empty chunk",
            vec![file("a.txt", 0), chunk(""), good()],
            vec!["chunk"],
        ),
        (
            "five bytes",
            vec![file("a.txt", 0), chunk("12345")],
            vec!["chunk"],
        ),
        (
            "no picture",
            vec![of(MediaKind::Image), chunk("GIF89a, no PNG")],
            vec!["chunk"],
        ),
        (
            "no voice",
            vec![of(MediaKind::Voice), chunk("RIFF, no AMR")],
            vec!["chunk"],
        ),
        (
            "no video",
            vec![of(MediaKind::Video), chunk("RIFF, no MP4")],
            vec!["chunk"],
        ),
        (
            "a short one that is no picture",
            vec![of(MediaKind::Image), chunk("GIF"), chunk("89a")],
            vec!["chunk"],
        ),
    ]
}

#[tokio::test]
async fn uploads_that_break_a_rule_name_it_and_reach_nobody() {
    let world = World::start().await;
    for (name, messages, expected) in rows() {
        let status = upload_messages(world.media(), messages).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{name}: {status:?}");
    }
    nothing_reached_wecom(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn pictures_that_break_a_rule_name_it_and_reach_nobody() {
    let world = World::start().await;
    let mut large = PNG.to_vec();
    large.resize(2_097_153, 0);
    for (file_name, bytes, expected) in [
        ("", PNG, "header.file_name"),
        ("a/b", PNG, "header.file_name"),
        ("a.png", b"", "chunk"),
        ("a.png", &PNG[..5], "chunk"),
        ("a.png", AMR, "chunk"),
        ("a.png", &large, "chunk"),
    ] {
        let status = upload_picture(world.media(), file_name, bytes)
            .await
            .unwrap_err();
        assert_eq!(fields(&status), [expected], "{file_name}");
    }
    let declared = pb::UploadImageRequest {
        part: Some(pb::upload_image_request::Part::Header(
            pb::UploadImageHeader {
                app: APP.to_owned(),
                file_name: "a.png".to_owned(),
                size_bytes: 2_097_153,
            },
        )),
    };
    let status = world
        .media()
        .upload_image(tokio_stream::once(declared))
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["header.size_bytes"]);
    nothing_reached_wecom(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn media_ids_that_are_none_reach_nobody() {
    let world = World::start().await;
    for media_id in ["", "a b", "a\n", "a\0", &"x".repeat(513)] {
        let status = world
            .media()
            .download_media(get(media_id))
            .await
            .unwrap_err();
        assert_eq!(fields(&status), ["media_id"], "{media_id:?}");
    }
    nothing_reached_wecom(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn an_app_that_is_not_there_is_not_found() {
    let world = World::start().await;
    let not_found = (Code::NotFound, "APP_NOT_FOUND".to_owned());
    for app in ["", "nobody"] {
        let header = pb::UploadMediaHeader {
            app: app.to_owned(),
            ..header(MediaKind::File, "a.txt")
        };
        let status = upload_as(world.media(), header, b"123456", 6)
            .await
            .unwrap_err();
        assert_eq!(verdict(&status), not_found, "{app:?}");
        let request = pb::DownloadMediaRequest {
            app: app.to_owned(),
            media_id: "m".to_owned(),
        };
        let status = world.media().download_media(request).await.unwrap_err();
        assert_eq!(verdict(&status), not_found, "{app:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_chunk_may_be_a_mebibyte_and_no_longer() {
    let world = World::start().await;
    let bytes = noise(1_048_577);
    for (size, fits) in [(1_048_576, true), (1_048_577, false)] {
        let header = header(MediaKind::File, "a.bin");
        let reply = upload_as(world.media(), header, &bytes[..size], size).await;
        match reply {
            Ok(_) => assert!(fits, "{size}"),
            Err(status) => {
                assert!(!fits, "{size}: {status:?}");
                let expected = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
                assert_eq!(verdict(&status), expected);
            }
        }
    }
    // The limit holds for what comes out of a compressed message.
    let zip = world
        .media()
        .send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let messages = vec![
        first(header(MediaKind::File, "zip.bin")),
        chunk(vec![0; 4 << 20]),
    ];
    let status = upload_messages(zip, messages).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 1);
    world.stop().await;
}

/// A client that says what it uploads and then nothing more.
fn silent(
    head: pb::UploadMediaRequest,
) -> impl futures_util::Stream<Item = pb::UploadMediaRequest> {
    tokio_stream::once(head).chain(futures_util::stream::pending())
}

#[tokio::test]
async fn an_upload_that_brings_nothing_for_thirty_seconds_ends() {
    let world = World::start().await;
    let mut client = world.media();
    upload(client.clone(), MediaKind::File, "a.txt", b"123456")
        .await
        .unwrap();
    // With nothing else to do, time runs to the next thing that waits for it.
    tokio::time::pause();
    let begun = Instant::now();
    let head = first(header(MediaKind::File, "b.txt"));
    let status = client.upload_media(silent(head)).await.unwrap_err();
    let waited = begun.elapsed().as_secs();
    tokio::time::resume();
    let expected = (Code::DeadlineExceeded, "UPLOAD_IDLE".to_owned());
    assert_eq!(verdict(&status), expected);
    assert!((30..=31).contains(&waited), "{waited} s");
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn the_callers_deadline_bounds_an_upload_that_never_ends() {
    let world = World::start().await;
    let mut request = Request::new(silent(first(header(MediaKind::File, "a.txt"))));
    request
        .metadata_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let status = world.media().upload_media(request).await.unwrap_err();
    let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
    assert_eq!(verdict(&status), expected);
    nothing_reached_wecom(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_midway_uploads_nothing() {
    let world = World::start().await;
    let mut client = world.media();
    let (spoken, heard) = tokio::sync::oneshot::channel();
    let messages = vec![first(header(MediaKind::File, "a.txt")), chunk("123456")];
    let silence = futures_util::stream::once(async move {
        let _ = spoken.send(());
        futures_util::future::pending().await
    });
    let endless = Box::pin(tokio_stream::iter(messages).chain(silence));
    tokio::select! {
        reply = client.upload_media(endless) => panic!("{reply:?}"),
        _ = heard => {}
    }
    // The connection still serves.
    let reply = upload(client, MediaKind::File, "b.txt", b"654321")
        .await
        .unwrap();
    let kept = world.sandbox.get("media").await;
    assert_eq!(kept.as_array().unwrap().len(), 1);
    assert_eq!(kept[0]["media_id"], reply.media_id);
    world.stop().await;
}
