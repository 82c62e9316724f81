//! The fault matrix of the three calls: what their callers see, and how often WeCom
//! was asked.

use futures_util::{StreamExt as _, future, stream};
use tonic::Code;

use super::*;
use crate::harness::{details, verdict};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rpc {
    UploadMedia,
    UploadImage,
    DownloadMedia,
}

impl Rpc {
    const ALL: [Self; 3] = [Self::UploadMedia, Self::UploadImage, Self::DownloadMedia];

    fn path(self) -> &'static str {
        match self {
            Self::UploadMedia => UPLOAD,
            Self::UploadImage => PICTURE,
            Self::DownloadMedia => GET,
        }
    }
}

struct Row {
    rpc: Rpc,
    fault: Value,
    /// How often the fault strikes; 0 is always.
    count: u32,
    expected: Result<(), (Code, &'static str)>,
    calls: usize,
}

fn errcode(code: i64) -> Value {
    json!({"kind": "errcode", "code": code})
}

fn matrix() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |rpc, fault: Value, count, expected, calls| {
        rows.push(Row {
            rpc,
            fault,
            count,
            expected,
            calls,
        });
    };
    let kind = |kind: &str| json!({"kind": kind});
    let unreachable = Err((Code::Unavailable, "WECOM_UNREACHABLE"));
    for rpc in Rpc::ALL {
        // A lost answer: all three may be repeated, and in the end nothing is unclear.
        for lost in [
            kind("reset_before"),
            kind("reset_after"),
            kind("empty_body"),
            kind("html"),
            kind("garbled"),
            json!({"kind": "http_status", "status": 502}),
            errcode(-1),
        ] {
            row(rpc, lost.clone(), 1, Ok(()), 2);
            row(rpc, lost, 0, unreachable, 3);
        }
        // The token: one refresh, one repetition; the bytes are still there.
        row(rpc, kind("kill_token"), 1, Ok(()), 2);
        row(rpc, kind("expire_token"), 1, Ok(()), 2);
        row(
            rpc,
            errcode(40014),
            0,
            Err((Code::FailedPrecondition, "WECOM_REFUSED")),
            2,
        );
        // Limits.
        row(
            rpc,
            errcode(45009),
            1,
            Err((Code::ResourceExhausted, "WECOM_RATE_LIMITED")),
            1,
        );
        row(rpc, errcode(45033), 1, Ok(()), 2);
        row(
            rpc,
            errcode(45033),
            0,
            Err((Code::ResourceExhausted, "WECOM_RATE_LIMITED")),
            3,
        );
        // Refusals that all three may meet.
        for (code, expected) in [
            (60020, (Code::FailedPrecondition, "WECOM_REFUSED")),
            (48002, (Code::PermissionDenied, "WECOM_REFUSED")),
            (99_999, (Code::Unknown, "WECOM_UNKNOWN_ERRCODE")),
        ] {
            row(rpc, errcode(code), 0, Err(expected), 1);
        }
    }
    let invalid = Err((Code::InvalidArgument, "WECOM_REFUSED"));
    for code in [
        40004, 40005, 40006, 40009, 40011, 40123, 44001, 45001, 45007, 301_016, 301_017,
    ] {
        row(Rpc::UploadMedia, errcode(code), 0, invalid, 1);
    }
    for code in [40006, 40009, 40123, 44001] {
        row(Rpc::UploadImage, errcode(code), 0, invalid, 1);
    }
    for (code, expected) in [
        (40007, Code::NotFound),
        (40145, Code::NotFound),
        (830_002, Code::OutOfRange),
        (41006, Code::InvalidArgument),
    ] {
        row(
            Rpc::DownloadMedia,
            errcode(code),
            0,
            Err((expected, "WECOM_REFUSED")),
            1,
        );
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_ends_as_promised() {
    let failures: Vec<String> = stream::iter(matrix())
        .map(try_row)
        .buffer_unordered(8)
        .filter_map(future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with a row. Each has a world of its own.
async fn try_row(row: Row) -> Option<String> {
    let Row {
        rpc,
        fault,
        count,
        expected,
        calls,
    } = row;
    let world = World::start().await;
    let media_id = match rpc {
        Rpc::DownloadMedia => {
            let reply = upload(world.media(), MediaKind::Image, "a.png", PNG).await;
            reply.unwrap().media_id
        }
        _ => String::new(),
    };
    world.sandbox.fault(rpc.path(), fault.clone(), count).await;
    let client = world.media();
    let answer = match rpc {
        Rpc::UploadMedia => upload(client, MediaKind::Image, "a.png", PNG)
            .await
            .map(drop),
        Rpc::UploadImage => upload_picture(client, "a.png", PNG).await.map(drop),
        Rpc::DownloadMedia => download(client, &media_id).await.map(|down| {
            assert!(down.end.is_ok() && down.bytes == PNG);
        }),
    };
    let seen = (
        answer.map_err(|status| verdict(&status)),
        world.sandbox.calls(rpc.path()).await.len(),
    );
    let expected = expected.map_err(|(code, reason)| (code, reason.to_owned()));
    let wanted = (expected, calls);
    world.stop().await;
    (seen != wanted).then(|| format!("{rpc:?} {fault} x{count}:\n    {seen:?}\n    {wanted:?}"))
}

#[tokio::test]
async fn a_file_that_breaks_off_ends_the_stream_with_an_error() {
    let world = World::start().await;
    let bytes = noise(1 << 20);
    let reply = upload(world.media(), MediaKind::File, "a.bin", &bytes)
        .await
        .unwrap();
    world
        .sandbox
        .fault(GET, json!({"kind": "truncated_body"}), 1)
        .await;
    let down = download(world.media(), &reply.media_id).await.unwrap();
    let status = down.end.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::Unavailable, "WECOM_UNREACHABLE".to_owned())
    );
    assert!(details(&status).2.retry_info().is_some());
    assert!(down.bytes.len() < bytes.len() && bytes.starts_with(&down.bytes));
    assert_eq!(
        down.info.size_bytes,
        Some(1 << 20),
        "so that a caller sees what is missing"
    );
    assert_eq!(
        world.sandbox.calls(GET).await.len(),
        1,
        "half a file is not mended"
    );
    let down = download(world.media(), &reply.media_id).await.unwrap();
    assert!(down.end.is_ok() && down.bytes == bytes);
    world.stop().await;
}

#[tokio::test]
async fn unknown_and_ended_ids_are_not_found() {
    let world = World::start().await;
    let reply = upload(world.media(), MediaKind::Image, "a.png", PNG)
        .await
        .unwrap();
    let not_found = async |id: &str| {
        let status = world.media().download_media(get(id)).await.unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::NotFound, "WECOM_REFUSED".to_owned())
        );
        let (_, metadata, _) = details(&status);
        assert_eq!((&*metadata["errcode"], &*metadata["path"]), ("40007", GET));
    };
    not_found("no-such-id").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3 * 24 * 3600)).await;
    tokio::time::resume();
    not_found(&reply.media_id).await;
    world.stop().await;
}

#[tokio::test]
async fn the_deadline_bounds_each_call() {
    let world = World::start().await;
    let reply = upload(world.media(), MediaKind::Image, "a.png", PNG)
        .await
        .unwrap();
    let late = json!({"kind": "latency_ms", "latency_ms": 5000});
    world.sandbox.fault("*", late, 0).await;
    fn hurried<T>(message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request
            .metadata_mut()
            .insert("grpc-timeout", "300m".parse().unwrap());
        request
    }
    let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
    let status = world
        .media()
        .download_media(hurried(get(&reply.media_id)))
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), expected);
    let messages = vec![first(header(MediaKind::Image, "b.png")), chunk(PNG)];
    let request = hurried(tokio_stream::iter(messages));
    let status = world.media().upload_media(request).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        expected,
        "a spare media_id is no unclear outcome"
    );
    world.stop().await;
}

#[tokio::test]
async fn an_upload_that_one_callers_deadline_ended_goes_on_for_another() {
    let world = World::start().await;
    let late = json!({"kind": "latency_ms", "latency_ms": 1000});
    world.sandbox.fault(UPLOAD, late, 1).await;
    let messages = || vec![first(header(MediaKind::Image, "a.png")), chunk(PNG)];
    let mut hurried = tonic::Request::new(tokio_stream::iter(messages()));
    hurried
        .metadata_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let mut client = world.media();
    let (hurried, patient) = tokio::join!(
        client.upload_media(hurried),
        upload_messages(world.media(), messages())
    );
    assert_eq!(hurried.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(!patient.unwrap().media_id.is_empty());
    world.stop().await;
}
