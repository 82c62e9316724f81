//! What each way of failing looks like to the caller. Every RPC only reads, so a lost
//! answer is asked for again.

use futures_util::{StreamExt as _, future, stream};
use serde_json::{Value, json};
use tonic::Code;

use super::super::harness::{World, details, verdict};
use super::{
    ALL, ConvertToOpenId, ConvertToUserId, GetDepartment, GetTag, GetUser, ListDepartments,
    ListTags, ListUserIds, ListUsers, ResolveUserId, Rpc,
};

fn errcode(code: i64) -> Value {
    json!({"kind": "errcode", "code": code})
}

#[tokio::test]
async fn each_refusal_says_who_must_act() {
    let world = World::start().await;
    let mut rows = vec![
        (GetUser, 60111, Code::NotFound),
        (GetUser, 40003, Code::InvalidArgument),
        (ResolveUserId, 46004, Code::NotFound),
        (ConvertToOpenId, 43004, Code::FailedPrecondition),
        (ConvertToOpenId, 60111, Code::NotFound),
        (ConvertToUserId, 40073, Code::NotFound),
        (ListUsers, 60003, Code::NotFound),
        (ListUsers, 60123, Code::NotFound),
        (ListUsers, 45029, Code::ResourceExhausted),
        (ListDepartments, 60003, Code::NotFound),
        (ListDepartments, 60123, Code::NotFound),
        (GetDepartment, 60123, Code::NotFound),
        (GetTag, 40068, Code::NotFound),
        (GetTag, 81011, Code::PermissionDenied),
        (ListTags, 48002, Code::PermissionDenied),
        (ListUserIds, 48002, Code::PermissionDenied),
    ];
    for rpc in ALL {
        rows.push((rpc, 60011, Code::PermissionDenied));
        rows.push((rpc, 48009, Code::PermissionDenied));
        rows.push((rpc, 60020, Code::FailedPrecondition));
    }
    for (rpc, code, expected) in rows {
        let path = rpc.path();
        let before = world.sandbox.calls(path).await.len();
        world.sandbox.fault(path, errcode(code), 1).await;
        let status = rpc.call(&world, &rpc.request()).await.unwrap_err();
        let expected = (expected, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?} {code}");
        let (_, metadata, info) = details(&status);
        assert_eq!(metadata["errcode"], code.to_string());
        assert_eq!(metadata["path"], path);
        assert!(!metadata["hint"].is_empty() && info.retry_info().is_none());
        let calls = world.sandbox.calls(path).await.len() - before;
        assert_eq!(calls, 1, "{rpc:?} {code} is not repeated");
    }
    world.stop().await;
}

/// One RPC under one fault.
struct Row {
    rpc: Rpc,
    fault: Value,
    /// How often the fault strikes; 0 is always.
    count: u32,
    expected: Result<(), (Code, &'static str)>,
    calls: usize,
}

fn matrix() -> Vec<Row> {
    let kind = |kind: &str| json!({"kind": kind});
    let away = Err((Code::Unavailable, "WECOM_UNREACHABLE"));
    let limited = Err((Code::ResourceExhausted, "WECOM_RATE_LIMITED"));
    let faults = [
        (kind("reset_before"), 1, Ok(()), 2),
        (kind("reset_after"), 1, Ok(()), 2),
        (kind("reset_after"), 0, away, 3),
        (kind("garbled"), 1, Ok(()), 2),
        (kind("truncated_body"), 1, Ok(()), 2),
        (kind("html"), 0, away, 3),
        (json!({"kind": "http_status", "status": 502}), 0, away, 3),
        (errcode(-1), 1, Ok(()), 2),
        (errcode(-1), 0, away, 3),
        (kind("kill_token"), 1, Ok(()), 2),
        (kind("expire_token"), 1, Ok(()), 2),
        (errcode(45009), 1, limited, 1),
        (
            errcode(99_999),
            1,
            Err((Code::Unknown, "WECOM_UNKNOWN_ERRCODE")),
            1,
        ),
        (
            kind("huge_body"),
            1,
            Err((Code::ResourceExhausted, "MESSAGE_TOO_LARGE")),
            1,
        ),
    ];
    let rows = faults
        .into_iter()
        .flat_map(|(fault, count, expected, calls)| {
            ALL.map(|rpc| Row {
                rpc,
                fault: fault.clone(),
                count,
                expected,
                calls,
            })
        });
    rows.collect()
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
    let Row {
        rpc,
        fault,
        count,
        expected,
        calls,
    } = row;
    let world = World::start().await;
    world.sandbox.fault(rpc.path(), fault.clone(), count).await;
    let result = rpc.call(&world, &rpc.request()).await;
    let met = result.as_ref().map(|_| ()).map_err(verdict);
    let waits = result.as_ref().err().is_some_and(|status| {
        let retry = details(status).2.retry_info().is_some();
        let should = matches!(
            expected,
            Err((_, "WECOM_UNREACHABLE" | "WECOM_RATE_LIMITED"))
        );
        retry != should
    });
    let arrived = world.sandbox.calls(rpc.path()).await.len();
    world.stop().await;
    let expected = expected.map_err(|(code, reason)| (code, reason.to_owned()));
    let good = met == expected && arrived == calls && !waits;
    (!good).then(|| format!("{rpc:?} {fault} x{count}: {met:?} after {arrived}, not {expected:?} after {calls}; RetryInfo wrong: {waits}"))
}

#[tokio::test]
async fn a_deadline_bounds_each_call_and_leaves_no_doubt() {
    let world = World::start().await;
    for rpc in ALL {
        rpc.call(&world, &rpc.request()).await.unwrap();
        let fault = json!({"kind": "latency_ms", "latency_ms": 60_000});
        world.sandbox.fault(rpc.path(), fault, 1).await;
        let status = rpc.call_within(&world, &rpc.request(), Some("300m")).await;
        let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
        assert_eq!(verdict(&status.unwrap_err()), expected, "{rpc:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_frequency_limit_closes_the_path_and_no_other() {
    let world = World::start().await;
    world.sandbox.fault("user/get", errcode(45009), 1).await;
    for (reason, calls) in [("WECOM_RATE_LIMITED", 1), ("PACED", 1)] {
        let status = GetUser.call(&world, &GetUser.request()).await.unwrap_err();
        let expected = (Code::ResourceExhausted, reason.to_owned());
        assert_eq!(verdict(&status), expected);
        let (_, _, info) = details(&status);
        assert!(info.retry_info().is_some() && info.quota_failure().is_some());
        assert_eq!(world.sandbox.calls("user/get").await.len(), calls);
    }
    GetTag.call(&world, &GetTag.request()).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_look_up_that_is_closed_for_the_day_says_so() {
    let world = World::start().await;
    world.sandbox.set(json!({"resolve_misses": 1})).await;
    let nobody = json!({"app": "youxiao", "mobile": "13800000000"});
    let status = ResolveUserId.call(&world, &nobody).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = ResolveUserId
        .call(&world, &ResolveUserId.request())
        .await
        .unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::ResourceExhausted, "WECOM_RATE_LIMITED".into())
    );
    world.stop().await;
}

#[tokio::test]
async fn an_address_that_is_not_trusted_is_the_operators_business() {
    let world = World::start().await;
    world.sandbox.set(json!({"trusted_ip": false})).await;
    for rpc in ALL {
        let status = rpc.call(&world, &rpc.request()).await.unwrap_err();
        let expected = (Code::FailedPrecondition, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        assert_eq!(details(&status).1["refused_ip"], "203.0.113.7");
    }
    world.stop().await;
}
