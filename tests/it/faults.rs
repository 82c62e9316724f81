//! The fault matrix: for each way in which WeCom and the network can fail, what
//! the caller of SendMessage sees and how many calls WeCom saw.

use std::collections::HashSet;

use futures_util::{StreamExt as _, future, stream};
use serde_json::{Value, json};
use tonic::Code;
use wecomgw::grpc::pb;

use super::harness::{SandboxHandle, World, details, send_request, text_to, verdict};

const SEND: &str = "message/send";

/// How a send may be repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// No duplicate check: not once anything was written.
    Plain,
    /// With WeCom's duplicate check: the same bytes.
    Checked,
}

fn request(kind: Kind) -> pb::SendMessageRequest {
    let mut request = text_to("zhangsan", "The kettle is on");
    if kind == Kind::Checked {
        request.duplicate_check = Some(pb::DuplicateCheck {
            enabled: true,
            interval: None,
        });
    }
    request
}

/// What is expected of one fault: code, reason, calls that arrived, and whether a
/// message is in the inbox.
struct Row {
    name: &'static str,
    kind: Kind,
    fault: Value,
    /// How often the fault strikes; 0 is always.
    count: u32,
    expected: Result<(), (Code, &'static str)>,
    calls: usize,
    delivered: usize,
}

fn row(
    name: &'static str,
    kind: Kind,
    fault: Value,
    count: u32,
    expected: Result<(), (Code, &'static str)>,
    calls: usize,
    delivered: usize,
) -> Row {
    Row {
        name,
        kind,
        fault,
        count,
        expected,
        calls,
        delivered,
    }
}

fn errcode(code: i64) -> Value {
    json!({"kind": "errcode", "code": code})
}

fn matrix() -> Vec<Row> {
    use Kind::{Checked, Plain};
    let unknown = Err((Code::Unknown, "OUTCOME_UNKNOWN"));
    let kind = |kind: &str| json!({"kind": kind});
    let status = |status: u16| json!({"kind": "http_status", "status": status});
    let mut rows = vec![
        // The answer is lost: never twice by our doing.
        row(
            "reset before, plain",
            Plain,
            kind("reset_before"),
            0,
            unknown,
            1,
            0,
        ),
        row(
            "reset before, checked",
            Checked,
            kind("reset_before"),
            0,
            unknown,
            3,
            0,
        ),
        row(
            "reset before once, checked",
            Checked,
            kind("reset_before"),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "reset after, plain",
            Plain,
            kind("reset_after"),
            0,
            unknown,
            1,
            1,
        ),
        row(
            "reset after once, checked",
            Checked,
            kind("reset_after"),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "reset after, checked",
            Checked,
            kind("reset_after"),
            0,
            unknown,
            3,
            1,
        ),
        row(
            "truncated, plain",
            Plain,
            kind("truncated_body"),
            0,
            unknown,
            1,
            1,
        ),
        row(
            "truncated once, checked",
            Checked,
            kind("truncated_body"),
            1,
            Ok(()),
            2,
            1,
        ),
        row("garbled, plain", Plain, kind("garbled"), 0, unknown, 1, 1),
        row(
            "garbled once, checked",
            Checked,
            kind("garbled"),
            1,
            Ok(()),
            2,
            1,
        ),
        row("empty, plain", Plain, kind("empty_body"), 0, unknown, 1, 1),
        row(
            "empty once, checked",
            Checked,
            kind("empty_body"),
            1,
            Ok(()),
            2,
            1,
        ),
        row("html, plain", Plain, kind("html"), 0, unknown, 1, 0),
        row("html once, checked", Checked, kind("html"), 1, Ok(()), 2, 1),
        row("huge, plain", Plain, kind("huge_body"), 0, unknown, 1, 1),
        row("500, plain", Plain, status(500), 0, unknown, 1, 0),
        row("502, checked", Checked, status(502), 0, unknown, 3, 0),
        row("503 once, checked", Checked, status(503), 1, Ok(()), 2, 1),
        row("404, plain", Plain, status(404), 0, unknown, 1, 0),
        row("302, plain", Plain, status(302), 0, unknown, 1, 0),
        // Busy: whether anything was done is not documented.
        row("busy, plain", Plain, errcode(-1), 0, unknown, 1, 0),
        row("busy, checked", Checked, errcode(-1), 0, unknown, 3, 0),
        row("busy once, checked", Checked, errcode(-1), 1, Ok(()), 2, 1),
        row(
            "busy after accept, checked",
            Checked,
            json!({"kind": "errcode_after", "code": -1}),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "busy after accept, plain",
            Plain,
            json!({"kind": "errcode_after", "code": -1}),
            1,
            unknown,
            1,
            1,
        ),
        // The token: one refresh, one repetition, whatever the send.
        row(
            "token killed, plain",
            Plain,
            kind("kill_token"),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "token killed, checked",
            Checked,
            kind("kill_token"),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "token expired, plain",
            Plain,
            kind("expire_token"),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "token refused as 40001, plain",
            Plain,
            errcode(40001),
            1,
            Ok(()),
            2,
            1,
        ),
        row(
            "token refused twice",
            Plain,
            errcode(40014),
            0,
            Err((Code::FailedPrecondition, "WECOM_REFUSED")),
            2,
            0,
        ),
        // Limits.
        row(
            "frequency, plain",
            Plain,
            errcode(45009),
            1,
            Err((Code::ResourceExhausted, "WECOM_RATE_LIMITED")),
            1,
            0,
        ),
        row(
            "frequency, checked",
            Checked,
            errcode(45009),
            1,
            Err((Code::ResourceExhausted, "WECOM_RATE_LIMITED")),
            1,
            0,
        ),
        row(
            "concurrency once, plain",
            Plain,
            errcode(45033),
            1,
            Ok(()),
            2,
            1,
        ),
    ];
    // Refusals: WeCom did nothing, the code says who must act, no repetition.
    for (code, status, reason) in [
        (40058, Code::InvalidArgument, "WECOM_REFUSED"),
        (40007, Code::InvalidArgument, "WECOM_REFUSED"),
        (82001, Code::InvalidArgument, "WECOM_REFUSED"),
        (81013, Code::InvalidArgument, "ALL_RECIPIENTS_INVALID"),
        (60020, Code::FailedPrecondition, "WECOM_REFUSED"),
        (301_002, Code::PermissionDenied, "WECOM_REFUSED"),
        (48002, Code::PermissionDenied, "WECOM_REFUSED"),
        (43012, Code::FailedPrecondition, "WECOM_REFUSED"),
        (50003, Code::FailedPrecondition, "WECOM_REFUSED"),
        (41001, Code::Internal, "WECOM_REFUSED"),
        (48005, Code::Unimplemented, "WECOM_REFUSED"),
        (99_999, Code::Unknown, "WECOM_UNKNOWN_ERRCODE"),
    ] {
        for kind in [Plain, Checked] {
            rows.push(row(
                "refusal",
                kind,
                errcode(code),
                0,
                Err((status, reason)),
                1,
                0,
            ));
        }
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

/// What is wrong with a row. Each has a world of its own: breaker, pace and blocks
/// start anew.
async fn try_row(row: Row) -> Option<String> {
    let world = World::start().await;
    world
        .sandbox
        .fault(SEND, row.fault.clone(), row.count)
        .await;
    let answer = world.messages().send_message(request(row.kind)).await;
    let actual = answer.as_ref().map(|_| ()).map_err(verdict);
    let expected = row
        .expected
        .map_err(|(code, reason)| (code, reason.to_owned()));
    let calls = world.sandbox.calls(SEND).await;
    let bytes: HashSet<String> = calls
        .iter()
        .map(|call| call["sha256"].to_string())
        .collect();
    let seen = (
        actual,
        calls.len(),
        bytes.len(),
        world.sandbox.messages().await.len(),
    );
    let wanted = (expected, row.calls, 1, row.delivered);
    world.stop().await;
    let Row {
        name,
        kind,
        fault,
        count,
        ..
    } = row;
    (seen != wanted).then(|| {
        format!("{name} {kind:?} {fault} x{count}:\n    (answer, calls, kinds of bytes, delivered)\n    {seen:?}\n    {wanted:?}")
    })
}

#[tokio::test]
async fn a_refusal_carries_errcode_words_path_and_hint_but_no_address() {
    let world = World::start().await;
    world.sandbox.fault(SEND, errcode(40058), 1).await;
    let status = world
        .messages()
        .send_message(request(Kind::Plain))
        .await
        .unwrap_err();
    let (_, metadata, _) = details(&status);
    assert_eq!(metadata["errcode"], "40058");
    assert_eq!(metadata["path"], SEND);
    assert!(!metadata["errmsg"].is_empty() && !metadata["hint"].is_empty());
    assert!(!format!("{status:?}").contains("203.0.113"), "{status:?}");

    // Only where the operator needs it.
    world.sandbox.set(json!({"trusted_ip": false})).await;
    let status = world
        .messages()
        .send_message(request(Kind::Plain))
        .await
        .unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::FailedPrecondition, "WECOM_REFUSED".into())
    );
    assert_eq!(details(&status).1["refused_ip"], "203.0.113.7");
    world.stop().await;
}

#[tokio::test]
async fn a_frequency_limit_closes_the_path_and_tells_how_long() {
    let world = World::start().await;
    world.sandbox.fault(SEND, errcode(45009), 1).await;
    let mut client = world.messages();
    let status = client.send_message(request(Kind::Plain)).await.unwrap_err();
    let (_, _, info) = details(&status);
    let wait = info.retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait.as_secs(), 60);
    assert!(info.quota_failure().is_some());

    let status = client.send_message(request(Kind::Plain)).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::ResourceExhausted, "PACED".into()));
    assert_eq!(
        world.sandbox.calls(SEND).await.len(),
        1,
        "WeCom is left alone"
    );
    let apps = world
        .gateway()
        .list_apps(pb::ListAppsRequest {})
        .await
        .unwrap()
        .into_inner()
        .apps;
    assert!(apps[0].quotas.iter().any(|quota| quota.used_ratio >= 1.0));
    world.stop().await;
}

#[tokio::test]
async fn the_thirty_first_message_to_a_member_is_held_back_before_wecom_drops_it() {
    let world = World::start().await;
    let mut client = world.messages();
    for number in 0..30 {
        client
            .send_message(text_to("zhangsan", &format!("note {number}")))
            .await
            .unwrap();
    }
    let status = client
        .send_message(text_to("ZHANGSAN", "one too many"))
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), (Code::ResourceExhausted, "PACED".into()));
    let (_, _, info) = details(&status);
    assert!(info.retry_info().unwrap().retry_delay.unwrap().as_secs() >= 50);
    assert_eq!(
        info.quota_failure().unwrap().violations[0].subject,
        "user:ZHANGSAN"
    );
    client
        .send_message(text_to("lisi", "others go on"))
        .await
        .unwrap();
    let dropped = world
        .sandbox
        .messages()
        .await
        .iter()
        .filter(|message| {
            message["dropped"]
                .as_array()
                .is_some_and(|dropped| !dropped.is_empty())
        })
        .count();
    assert_eq!(dropped, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_is_the_operators_business_and_is_not_asked_again() {
    let sandbox = super::harness::SandboxHandle::start().await;
    sandbox.fault("gettoken", errcode(40001), 0).await;
    let world = World::start_with(sandbox, "").await;
    let mut client = world.messages();
    for _ in 0..20 {
        let status = client.send_message(request(Kind::Plain)).await.unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::FailedPrecondition, "CREDENTIAL_REFUSED".into())
        );
        assert_eq!(details(&status).1["errcode"], "40001");
    }
    // One for each of the demo's apps.
    assert!(world.sandbox.calls("gettoken").await.len() <= 2);
    assert!(world.sandbox.calls(SEND).await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_gettoken_that_fails_once_costs_the_caller_a_moment_only() {
    let sandbox = SandboxHandle::start().await;
    let fault = json!({"kind": "http_status", "status": 502});
    sandbox.fault("gettoken", fault, 1).await;
    let world = World::start_with(sandbox, "").await;
    let mut client = world.messages();
    client.send_message(request(Kind::Plain)).await.unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn gettoken_takes_no_longer_than_a_call_may() {
    let sandbox = SandboxHandle::start().await;
    let slow = json!({"kind": "latency_ms", "latency_ms": 60_000});
    sandbox.fault("gettoken", slow, 0).await;
    let world = World::start_with(sandbox, "[wecom]\ncall_timeout = \"100ms\"\n").await;
    let mut client = world.messages();
    let mut call = tonic::Request::new(request(Kind::Plain));
    call.set_timeout(std::time::Duration::from_millis(900));
    let status = client.send_message(call).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::Unavailable, "WECOM_UNREACHABLE".into())
    );
    world.stop().await;
}

#[tokio::test]
async fn a_wecom_that_is_not_there_is_unavailable_and_was_tried_again() {
    let world = World::start().await;
    let mut client = world.messages();
    client.send_message(request(Kind::Plain)).await.unwrap();
    let grpc = world.grpc.clone();
    // The gateway keeps its token; the sandbox's port is closed.
    world.sandbox.shut().await;
    let status = client.send_message(request(Kind::Plain)).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::Unavailable, "WECOM_UNREACHABLE".into()),
        "{grpc}: {status:?}"
    );
    assert!(details(&status).2.retry_info().is_some());
    world.stop().await;
}

#[tokio::test]
async fn a_deadline_bounds_the_call_and_says_what_is_unknown() {
    let world = World::start().await;
    world
        .messages()
        .send_message(request(Kind::Plain))
        .await
        .unwrap();
    world
        .sandbox
        .fault(SEND, json!({"kind": "latency_ms", "latency_ms": 5000}), 1)
        .await;
    let mut late = tonic::Request::new(request(Kind::Plain));
    late.metadata_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let begun = tokio::time::Instant::now();
    let status = world.messages().send_message(late).await.unwrap_err();
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    assert_eq!(
        verdict(&status),
        (Code::DeadlineExceeded, "OUTCOME_UNKNOWN".into())
    );
    world.stop().await;
}

#[tokio::test]
async fn a_run_of_failures_opens_the_circuit_and_wecom_gets_a_rest() {
    let world = World::start().await;
    world
        .messages()
        .send_message(request(Kind::Plain))
        .await
        .unwrap();
    world
        .sandbox
        .fault(SEND, json!({"kind": "http_status", "status": 503}), 0)
        .await;
    let mut client = world.messages();
    let mut reasons = Vec::new();
    for number in 0..60 {
        let request = text_to(&format!("member{number}"), "x");
        reasons.push(verdict(&client.send_message(request).await.unwrap_err()).1);
    }
    assert!(
        reasons
            .iter()
            .filter(|reason| *reason == "CIRCUIT_OPEN")
            .count()
            >= 35,
        "{reasons:?}"
    );
    assert!(world.sandbox.calls(SEND).await.len() <= 22);
    let apps = world
        .gateway()
        .list_apps(pb::ListAppsRequest {})
        .await
        .unwrap()
        .into_inner()
        .apps;
    assert!(apps[0].circuit_open);
    world.stop().await;
}

#[tokio::test]
async fn all_recipients_invalid_says_who() {
    let world = World::start().await;
    let request = send_request(json!({
        "app": "youxiao",
        "recipients": {"user_ids": ["NoBody", "no.one"]},
        "content": {"text": {"content": "is anyone there?"}},
    }));
    let status = world.messages().send_message(request).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::InvalidArgument, "ALL_RECIPIENTS_INVALID".into())
    );
    assert_eq!(details(&status).1["invalid_user_ids"], "NoBody,no.one");
    world.stop().await;
}

#[tokio::test]
async fn whatever_a_suppressed_duplicate_answers_nobody_gets_two_messages() {
    for scope in ["whole_body", "without_recipients"] {
        for (answer, expected) in [
            (json!("same_msgid"), Ok(())),
            (json!("new_msgid"), Ok(())),
            // An errcode after a lost answer: the first may have been taken.
            (
                json!({"errcode": 40_059}),
                Err((Code::Unknown, "OUTCOME_UNKNOWN".to_owned())),
            ),
        ] {
            let world = World::start().await;
            let settings = json!({"duplicate_scope": scope, "duplicate_answer": answer});
            world.sandbox.set(settings).await;
            world
                .sandbox
                .fault(SEND, json!({"kind": "reset_after"}), 1)
                .await;
            let reply = world.messages().send_message(request(Kind::Checked)).await;
            let seen = reply.as_ref().map(|_| ()).map_err(verdict);
            assert_eq!(seen, expected, "{scope} {answer}");
            assert_eq!(world.sandbox.messages().await.len(), 1, "{scope} {answer}");
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn no_caller_sees_a_token_die_in_any_mode() {
    for mode in ["same", "same_renewed", "new_old_good", "new_old_dead"] {
        let world = World::start().await;
        world.sandbox.set(json!({"token_mode": mode})).await;
        for (number, end) in ["kill", "expire", "kill"].into_iter().enumerate() {
            world
                .sandbox
                .post(&format!("tokens/{end}"), json!({}))
                .await;
            let sends = (0..20).map(|sender| {
                let mut client = world.messages();
                let user = format!("lisi{number}x{sender}");
                async move { client.send_message(text_to(&user, "still there?")).await }
            });
            for reply in future::join_all(sends).await {
                // Nobody of that name is there, which WeCom says with a good token only.
                assert_eq!(
                    verdict(&reply.unwrap_err()).1,
                    "ALL_RECIPIENTS_INVALID",
                    "{mode}"
                );
            }
        }
        let fetched = world.sandbox.calls("gettoken").await.len();
        assert!(fetched <= 2 + 3, "{mode}: {fetched} gettoken calls");
        world.stop().await;
    }
}
