//! Lists: in parts, by cursor, until the caller's deadline or the gateway's end.

use std::collections::HashSet;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, Request};
use wecomgw::grpc::pb;
use wecomgw::sandbox::{Department, Member, Settings};

use super::super::harness::{APP, SandboxHandle, World, verdict};
use super::{GetTag, ListTags, ListUsers, collect};

const CROWD: u32 = 900;

fn demo() -> Settings {
    Settings::demo("127.0.0.1:0".parse().unwrap())
}

async fn world_with(settings: Settings) -> World {
    World::start_with(SandboxHandle::start_with(settings).await, "").await
}

fn list(department_id: u32, detail: pb::ListDetail, recursive: bool) -> pb::ListUsersRequest {
    pb::ListUsersRequest {
        app: APP.into(),
        department_id,
        detail: detail.into(),
        recursive,
    }
}

/// The ids in each part.
async fn ids(world: &World, request: pb::ListUsersRequest) -> Vec<Vec<String>> {
    let reply = world.users().list_users(request).await.unwrap();
    let parts = collect(reply.into_inner()).await.into_iter();
    parts
        .map(|part| part.users.into_iter().map(|user| user.user_id).collect())
        .collect()
}

#[tokio::test]
async fn one_department_is_one_call_and_brief_by_default() {
    let world = world_with(demo()).await;
    let brief = ids(&world, list(5, pb::ListDetail::Unspecified, false)).await;
    assert_eq!(brief.concat().len(), 7);
    assert_eq!(world.sandbox.calls("user/simplelist").await.len(), 1);
    let full = ids(&world, list(5, pb::ListDetail::Full, false)).await;
    assert_eq!(full, brief);
    assert_eq!(world.sandbox.calls("user/list").await.len(), 1);
    assert!(
        world
            .sandbox
            .calls("department/simplelist")
            .await
            .is_empty()
    );
    world.stop().await;
}

#[tokio::test]
async fn departments_below_are_walked_and_members_told_once() {
    let mut settings = demo();
    // Nobody in the first, somebody below it, and one who is everywhere.
    settings.directory.departments.extend([
        Department::new(7, 2, "空部门"),
        Department::new(8, 7, "夜班"),
    ]);
    let everywhere = Member::new("everywhere", "处处", &[2, 5, 8]);
    settings.directory.members.push(everywhere);
    settings
        .directory
        .members
        .push(Member::new("night", "夜", &[8]));
    let world = world_with(settings).await;
    let walked = ids(&world, list(2, pb::ListDetail::Full, true))
        .await
        .concat();
    let once: HashSet<_> = walked.iter().collect();
    assert_eq!((walked.len(), once.len()), (15, 15), "{walked:?}");
    assert!(walked.contains(&"night".to_owned()));
    assert_eq!(world.sandbox.calls("department/simplelist").await.len(), 1);
    assert_eq!(world.sandbox.calls("user/list").await.len(), 4);
    world.stop().await;
}

#[tokio::test]
async fn a_department_without_members_gives_no_message() {
    let mut settings = demo();
    settings
        .directory
        .departments
        .push(Department::new(7, 2, "空部门"));
    let world = world_with(settings).await;
    for recursive in [false, true] {
        let request = list(7, pb::ListDetail::Full, recursive);
        assert!(ids(&world, request).await.is_empty());
    }
    world.stop().await;
}

#[tokio::test]
async fn members_come_in_parts_of_a_hundred() {
    let world = world_with(demo().with_crowd(250)).await;
    let parts = ids(&world, list(CROWD, pb::ListDetail::Full, false)).await;
    let sizes: Vec<_> = parts.iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(parts.concat()[249], "user0000250");
    assert_eq!(world.sandbox.calls("user/list").await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_department_that_goes_during_the_walk_is_passed_over() {
    let world = world_with(demo()).await;
    for (errcode, skip, expected) in [
        (60003, 1, Ok(1)),
        (60123, 1, Ok(1)),
        (60003, 0, Err(Code::NotFound)),
    ] {
        let fault = json!({"kind": "errcode", "code": errcode});
        let order = json!({"path": "user/simplelist", "fault": fault, "skip": skip, "count": 1});
        world.sandbox.post("faults", order).await;
        let request = json!({"app": APP, "department_id": 2, "recursive": true});
        let met = ListUsers.call(&world, &request).await;
        assert_eq!(
            met.map_err(|status| status.code()),
            expected,
            "{errcode} after {skip}"
        );
    }
    world.stop().await;
}

async fn pages(world: &World, resume_token: &str) -> Vec<pb::ListUserIdsResponse> {
    let request = pb::ListUserIdsRequest {
        app: APP.into(),
        resume_token: resume_token.into(),
    };
    let reply = world.users().list_user_ids(request).await.unwrap();
    collect(reply.into_inner()).await
}

#[tokio::test]
async fn all_ids_come_page_by_page_and_go_on_from_a_token() {
    let world = world_with(demo().with_crowd(25_000)).await;
    let all = pages(&world, "").await;
    let sizes: Vec<_> = all.iter().map(|page| page.entries.len()).collect();
    assert_eq!(sizes, [10_000, 10_000, 5_031]);
    let open: Vec<_> = all
        .iter()
        .map(|page| !page.resume_token.is_empty())
        .collect();
    assert_eq!(open, [true, true, false], "only the last has none");
    let entries = all.iter().flat_map(|page| &page.entries);
    let distinct: HashSet<_> = entries
        .map(|one| (&one.user_id, one.department_id))
        .collect();
    assert_eq!(distinct.len(), 25_031);
    assert_eq!(pages(&world, &all[0].resume_token).await, all[1..]);
    assert_eq!(world.sandbox.calls("user/list_id").await.len(), 5);
    world.stop().await;
}

#[tokio::test]
async fn a_corp_without_members_gives_one_empty_page() {
    let mut settings = demo();
    settings.directory.members.clear();
    let world = world_with(settings).await;
    assert_eq!(
        pages(&world, "").await,
        [pb::ListUserIdsResponse::default()]
    );
    world.stop().await;
}

/// A WeCom whose list of ids never ends.
async fn circle() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                while let Ok(read @ 1..) = stream.read(&mut request).await {
                    let asked = String::from_utf8_lossy(&request[..read]).into_owned();
                    let body = match asked.contains("gettoken") {
                        true => r#"{"access_token":"circle","expires_in":7200}"#,
                        false => {
                            r#"{"next_cursor":"again","dept_user":[{"userid":"a","department":1}]}"#
                        }
                    };
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.write_all((head + body).as_bytes()).await.unwrap();
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_cursor_that_leads_back_to_itself_ends_the_stream() {
    let overlay = format!("[wecom]\nbase_url = \"{}\"\n", circle().await);
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let request = pb::ListUserIdsRequest {
        app: APP.into(),
        ..Default::default()
    };
    let reply = world.users().list_user_ids(request).await.unwrap();
    let mut stream = reply.into_inner();
    assert_eq!(
        stream.message().await.unwrap().unwrap().resume_token,
        "again"
    );
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::Unavailable, "WECOM_UNREACHABLE".into())
    );
    world.stop().await;
}

/// A list of ids whose second page takes long.
async fn slow_second_page() -> World {
    let world = world_with(demo().with_crowd(10_000)).await;
    let fault = json!({"kind": "latency_ms", "latency_ms": 60_000});
    let order = json!({"path": "user/list_id", "fault": fault, "skip": 1});
    world.sandbox.post("faults", order).await;
    world
}

#[tokio::test]
async fn a_deadline_ends_a_stream_between_two_pages() {
    let world = slow_second_page().await;
    let mut request = Request::new(pb::ListUserIdsRequest {
        app: APP.into(),
        ..Default::default()
    });
    let metadata = request.metadata_mut();
    metadata.insert("grpc-timeout", "900m".parse().unwrap());
    let reply = world.users().list_user_ids(request).await.unwrap();
    let mut stream = reply.into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(!first.resume_token.is_empty());
    let begun = tokio::time::Instant::now();
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".into()),
        "{status:?}"
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    world.stop().await;
}

#[tokio::test]
async fn shutdown_ends_a_stream_and_says_so() {
    let world = slow_second_page().await;
    let request = pb::ListUserIdsRequest {
        app: APP.into(),
        ..Default::default()
    };
    let reply = world.users().list_user_ids(request).await.unwrap();
    let mut stream = reply.into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(!first.resume_token.is_empty());
    let stopping = tokio::spawn(world.stop());
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::Unavailable, "SHUTTING_DOWN".into()),
        "{status:?}"
    );
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_walk() {
    let world = world_with(demo()).await;
    let mut request = list(2, pb::ListDetail::Brief, true);
    request.app = APP.into();
    let fault = json!({"kind": "latency_ms", "latency_ms": 60_000});
    let order = json!({"path": "user/simplelist", "fault": fault, "skip": 1});
    world.sandbox.post("faults", order).await;
    let reply = world.users().list_users(request).await.unwrap();
    let mut stream = reply.into_inner();
    stream.message().await.unwrap().unwrap();
    while world.sandbox.calls("user/simplelist").await.len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    // The drain has nothing to wait for: it would take two seconds.
    let begun = tokio::time::Instant::now();
    world.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
}

#[tokio::test]
async fn an_answer_over_four_mebibytes_is_the_callers_to_shrink() {
    let world = world_with(demo().with_crowd(10_000)).await;
    let too_large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
    let full = json!({"app": APP, "department_id": CROWD, "detail": "LIST_DETAIL_FULL"});
    let status = ListUsers.call(&world, &full).await.unwrap_err();
    assert_eq!(verdict(&status), too_large, "{status:?}");
    assert!(status.message().contains("4 MiB"), "{}", status.message());
    assert_eq!(world.sandbox.calls("user/list").await.len(), 1);
    let brief = json!({"app": APP, "department_id": CROWD});
    assert_eq!(ListUsers.call(&world, &brief).await.unwrap(), 100);

    // It is not held against WeCom, whose circuit a run of failures opens.
    let fault = json!({"kind": "huge_body", "bytes": 5 << 20});
    world.sandbox.fault("tag/list", fault, 0).await;
    for _ in 0..25 {
        let status = ListTags.call(&world, &ListTags.request()).await;
        assert_eq!(verdict(&status.unwrap_err()), too_large);
    }
    assert_eq!(world.sandbox.calls("tag/list").await.len(), 25, "once each");
    GetTag.call(&world, &GetTag.request()).await.unwrap();
    world.stop().await;
}
