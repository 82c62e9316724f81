//! The fault matrix of chats: for each way in which WeCom and the network can fail,
//! what the caller sees, how many calls WeCom saw, and what came of them.

use std::collections::HashSet;

use futures_util::{StreamExt as _, future, stream};
use serde_json::{Value, json};
use tonic::{Code, Request};

use super::*;

/// The answer, the calls that arrived, and the chats made or messages delivered.
type Outcome = (Result<(), (Code, &'static str)>, usize, usize);

/// One fault, how often it strikes (0 is always), and what is expected of a message
/// and of a creation.
type Row = (&'static str, Value, u32, Outcome, Outcome);

fn matrix() -> Vec<Row> {
    let unknown = |calls, done| (Err((Code::Unknown, "OUTCOME_UNKNOWN")), calls, done);
    let ok = |calls| (Ok(()), calls, 1);
    let kind = |kind: &str| json!({"kind": kind});
    let status = |status: u16| json!({"kind": "http_status", "status": status});
    let late_busy = json!({"kind": "errcode_after", "code": -1});
    let refused = |code, reason| (Err((code, reason)), 1, 0);
    let limited = refused(Code::ResourceExhausted, "WECOM_RATE_LIMITED");
    let token = (Err((Code::FailedPrecondition, "WECOM_REFUSED")), 2, 0);
    let mut rows = vec![
        // The answer is lost: a message is never repeated, a creation is.
        (
            "reset before",
            kind("reset_before"),
            0,
            unknown(1, 0),
            unknown(3, 0),
        ),
        (
            "reset before once",
            kind("reset_before"),
            1,
            unknown(1, 0),
            ok(2),
        ),
        (
            "reset after",
            kind("reset_after"),
            0,
            unknown(1, 1),
            unknown(3, 1),
        ),
        (
            "reset after once",
            kind("reset_after"),
            1,
            unknown(1, 1),
            ok(2),
        ),
        (
            "truncated",
            kind("truncated_body"),
            0,
            unknown(1, 1),
            unknown(3, 1),
        ),
        (
            "truncated once",
            kind("truncated_body"),
            1,
            unknown(1, 1),
            ok(2),
        ),
        ("garbled once", kind("garbled"), 1, unknown(1, 1), ok(2)),
        ("empty once", kind("empty_body"), 1, unknown(1, 1), ok(2)),
        ("html once", kind("html"), 1, unknown(1, 0), ok(2)),
        ("huge once", kind("huge_body"), 1, unknown(1, 1), ok(2)),
        ("500", status(500), 0, unknown(1, 0), unknown(3, 0)),
        ("503 once", status(503), 1, unknown(1, 0), ok(2)),
        ("404 once", status(404), 1, unknown(1, 0), ok(2)),
        ("302 once", status(302), 1, unknown(1, 0), ok(2)),
        // Busy: whether anything was done is not documented.
        ("busy", errcode(-1), 0, unknown(1, 0), unknown(3, 0)),
        ("busy once", errcode(-1), 1, unknown(1, 0), ok(2)),
        ("busy after accept", late_busy, 1, unknown(1, 1), ok(2)),
        // The token: one refresh, one repetition.
        ("token killed", kind("kill_token"), 1, ok(2), ok(2)),
        ("token expired", kind("expire_token"), 1, ok(2), ok(2)),
        ("token refused", errcode(40001), 1, ok(2), ok(2)),
        ("token refused twice", errcode(40014), 0, token, token),
        // Limits.
        ("frequency", errcode(45009), 1, limited, limited),
        ("concurrency once", errcode(45033), 1, ok(2), ok(2)),
    ];
    // Refusals: WeCom did nothing, the code says who must act, no repetition.
    for (errcode_met, code, reason) in [
        (40058, Code::InvalidArgument, "WECOM_REFUSED"),
        (86006, Code::InvalidArgument, "WECOM_REFUSED"),
        (86214, Code::InvalidArgument, "WECOM_REFUSED"),
        (86003, Code::NotFound, "WECOM_REFUSED"),
        (49008, Code::NotFound, "WECOM_REFUSED"),
        (86008, Code::PermissionDenied, "WECOM_REFUSED"),
        (60011, Code::PermissionDenied, "WECOM_REFUSED"),
        (48002, Code::PermissionDenied, "WECOM_REFUSED"),
        (60020, Code::FailedPrecondition, "WECOM_REFUSED"),
        (86215, Code::AlreadyExists, "WECOM_REFUSED"),
        (41001, Code::Internal, "WECOM_REFUSED"),
        (99_999, Code::Unknown, "WECOM_UNKNOWN_ERRCODE"),
    ] {
        let outcome = refused(code, reason);
        rows.push(("refusal", errcode(errcode_met), 0, outcome, outcome));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_ends_as_promised() {
    let rows = matrix()
        .into_iter()
        .flat_map(|(name, fault, count, sent, made)| {
            [
                (name, SendChatMessage, fault.clone(), count, sent),
                (name, CreateChat, fault, count, made),
            ]
        });
    let failures: Vec<String> = stream::iter(rows)
        .map(try_row)
        .buffer_unordered(8)
        .filter_map(future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with a row. Each has a world of its own: breaker, pace and blocks
/// start anew.
async fn try_row(
    (name, rpc, fault, count, expected): (&'static str, Rpc, Value, u32, Outcome),
) -> Option<String> {
    let world = match rpc {
        CreateChat => World::start().await,
        _ => with_chat().await,
    };
    // The id is the gateway's: a repetition must bring the same one.
    let request = match rpc {
        CreateChat => with(rpc.request(), json!({"chat_id": null})),
        _ => rpc.request(),
    };
    world.sandbox.fault(rpc.path(), fault.clone(), count).await;
    let answer = rpc.call(&world, &request).await;
    let calls = world.sandbox.calls(rpc.path()).await;
    let bytes: HashSet<String> = calls
        .iter()
        .map(|call| call["sha256"].to_string())
        .collect();
    let done = match rpc {
        CreateChat => chats(&world).await.len(),
        _ => world.sandbox.messages().await.len(),
    };
    let named = match &answer {
        Err(status) if rpc == CreateChat && verdict(status).1 == "OUTCOME_UNKNOWN" => {
            let sent = calls[0]["body"]["chatid"].as_str();
            details(status).1.get("chat_id").map(String::as_str) == sent
        }
        _ => true,
    };
    let actual = answer.as_ref().map(|_| ()).map_err(verdict);
    let seen = (actual, calls.len(), done, bytes.len(), named);
    let (result, calls, done) = expected;
    let result = result.map_err(|(code, reason)| (code, reason.to_owned()));
    let wanted = (result, calls, done, 1, true);
    world.stop().await;
    (seen != wanted).then(|| {
        format!("{name} {rpc:?} {fault} x{count}:\n    (answer, calls, done, kinds of bytes, id named)\n    {seen:?}\n    {wanted:?}")
    })
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_asked_for_again_by_the_id_in_the_error() {
    let world = World::start().await;
    let fault = json!({"kind": "reset_after"});
    world.sandbox.fault(CREATE, fault, 3).await;
    let request = with(CreateChat.request(), json!({"chat_id": null}));
    let status = CreateChat.call(&world, &request).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::Unknown, "OUTCOME_UNKNOWN".into()));
    let chat_id = details(&status).1["chat_id"].clone();
    let again = with(request, json!({"chat_id": chat_id}));
    let reply = CreateChat.call(&world, &again).await.unwrap();
    assert_eq!((reply.chat_id, reply.existing), (chat_id, true));
    assert_eq!(chats(&world).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_lost_creation_that_cannot_be_looked_up_stays_unknown() {
    let world = World::start().await;
    let lost = json!({"kind": "reset_after"});
    world.sandbox.fault(CREATE, lost, 1).await;
    let away = json!({"kind": "http_status", "status": 503});
    world.sandbox.fault(GET, away, 0).await;
    let status = CreateChat
        .call(&world, &CreateChat.request())
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), (Code::Unknown, "OUTCOME_UNKNOWN".into()));
    let (_, metadata, _) = details(&status);
    assert_eq!((&*metadata["chat_id"], &*metadata["path"]), (CHAT, CREATE));
    world.stop().await;
}

#[tokio::test]
async fn a_lost_creation_of_an_id_that_another_app_has_made_nothing() {
    let world = with_two_apps().await;
    let fault = json!({"kind": "reset_before"});
    world.sandbox.fault(CREATE, fault, 1).await;
    let request = with(CreateChat.request(), json!({"app": world.other_app()}));
    let status = CreateChat.call(&world, &request).await.unwrap_err();
    let expected = (Code::AlreadyExists, "WECOM_REFUSED".to_owned());
    assert_eq!(verdict(&status), expected);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_changing_are_repeated_and_end_as_harmless() {
    let away = Err((Code::Unavailable, "WECOM_UNREACHABLE"));
    let kind = |kind: &str| json!({"kind": kind});
    let rows = [
        (kind("reset_after"), 1, Ok(()), 2),
        (kind("reset_after"), 0, away, 3),
        (kind("reset_before"), 1, Ok(()), 2),
        (kind("garbled"), 1, Ok(()), 2),
        (kind("truncated_body"), 1, Ok(()), 2),
        (errcode(-1), 1, Ok(()), 2),
        (errcode(-1), 0, away, 3),
        (kind("kill_token"), 1, Ok(()), 2),
    ];
    let rows = rows
        .into_iter()
        .flat_map(|row| [(GetChat, row.clone()), (UpdateChat, row)]);
    stream::iter(rows)
        .for_each_concurrent(8, async |(rpc, (fault, count, expected, calls))| {
            let world = with_chat().await;
            world.sandbox.fault(rpc.path(), fault.clone(), count).await;
            let result = rpc.call(&world, &rpc.request()).await;
            let met = result.as_ref().map(drop).map_err(verdict);
            let wanted = expected.map_err(|(code, reason)| (code, reason.to_owned()));
            assert_eq!(met, wanted, "{rpc:?} {fault} x{count}");
            if let Err(status) = result {
                assert!(details(&status).2.retry_info().is_some());
                assert!(!status.message().contains("nothing was sent"));
            }
            let arrived = world.sandbox.calls(rpc.path()).await;
            assert_eq!(arrived.len(), calls, "{rpc:?} {fault} x{count}");
            world.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_is_no_wrong_member() {
    let world = with_chat().await;
    world
        .sandbox
        .fault(UPDATE, json!({"kind": "reset_after"}), 1)
        .await;
    // The repetition is refused: the member is gone. The gateway looks.
    UpdateChat
        .call(&world, &UpdateChat.request())
        .await
        .unwrap();
    let refused = world.sandbox.calls(UPDATE).await.pop().unwrap();
    assert_eq!(refused["errcode"], 86216);
    assert_eq!(world.sandbox.calls(GET).await.len(), 1);

    // A member who never was there is one, whatever was lost.
    world
        .sandbox
        .fault(UPDATE, json!({"kind": "reset_after"}), 1)
        .await;
    let request = json!({
        "app": APP, "chat_id": CHAT, "add_user_ids": ["lisi"], "remove_user_ids": ["sunba"],
    });
    let status = UpdateChat.call(&world, &request).await.unwrap_err();
    let expected = (Code::InvalidArgument, "WECOM_REFUSED".to_owned());
    assert_eq!(verdict(&status), expected);
    let (_, metadata, _) = details(&status);
    assert_eq!(
        (&*metadata["errcode"], &*metadata["path"]),
        ("86216", UPDATE)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_deadline_bounds_each_call_and_says_what_is_unknown() {
    for (rpc, path, reason) in [
        (CreateChat, CREATE, "OUTCOME_UNKNOWN"),
        (SendChatMessage, SEND, "OUTCOME_UNKNOWN"),
        (UpdateChat, UPDATE, "DEADLINE_EXCEEDED"),
        (GetChat, GET, "DEADLINE_EXCEEDED"),
    ] {
        let world = with_chat().await;
        let latency = json!({"kind": "latency_ms", "latency_ms": 5000});
        world.sandbox.fault(path, latency, 1).await;
        let status = hurried(&world, rpc).await;
        let expected = (Code::DeadlineExceeded, reason.to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        if rpc == CreateChat {
            assert_eq!(details(&status).1["chat_id"], CHAT);
        }
        world.stop().await;
    }
}

/// The answer to a call whose caller waits 300 ms.
async fn hurried(world: &World, rpc: Rpc) -> Status {
    fn request<T: prost::Message + Default>(rpc: Rpc) -> Request<T> {
        let json = rpc.request().to_string();
        let mut request = Request::new(from_json(&format!("{rpc:?}Request"), &json));
        let timeout = "300m".parse().unwrap();
        request.metadata_mut().insert("grpc-timeout", timeout);
        request
    }
    let mut client = world.app_chats();
    let begun = tokio::time::Instant::now();
    let status = match rpc {
        CreateChat => client.create_chat(request(rpc)).await.err(),
        GetChat => client.get_chat(request(rpc)).await.err(),
        UpdateChat => client.update_chat(request(rpc)).await.err(),
        SendChatMessage => client.send_chat_message(request(rpc)).await.err(),
    };
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    status.unwrap()
}

#[tokio::test]
async fn a_wecom_that_is_not_there_is_unavailable() {
    let world = with_chat().await;
    world.sandbox.shut().await;
    for rpc in ALL {
        let status = rpc.call(&world, &rpc.request()).await.unwrap_err();
        let expected = (Code::Unavailable, "WECOM_UNREACHABLE".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        assert!(details(&status).2.retry_info().is_some());
    }
    world.stop().await;
}
