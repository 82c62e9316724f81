//! What holds for every RPC: each errcode that its comment documents ends as the
//! comment says, each kind of failure of WeCom as its promise of repetition says, and
//! nobody gets in with bad bytes or without the right.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};
use sha2::Digest as _;
use tonic::Code;
use wecomgw::wecom::errcode;

use super::dynamic::methods;
use super::far::{Far, ask, calls, world};
use super::harness::{API_TOKEN, APP, SandboxHandle, World, details, verdict};

/// Its RPCs write down what WeCom answers, and answer for themselves: see `bulk`.
const SKIPPED: [&str; 1] = ["BulkService"];
/// RPCs that WeCom may carry out although its answer is lost, and that carry out more
/// when they are repeated.
const NEVER_TWICE: [&str; 6] = [
    "CallApi",
    "CreateChat",
    "Login",
    "SendChatMessage",
    "SendMessage",
    "UpdateTemplateCard",
];
/// RPCs that make no call of WeCom; what they answer is tested by their family.
const CALLS_NOTHING: [&str; 8] = [
    "BuildLoginUrl",
    "DiagnoseApp",
    "GetAccessToken",
    "GetServerInfo",
    "ListApps",
    "Logout",
    "ValidateMessage",
    "VerifySession",
];

/// Gateways that run at once.
const AT_ONCE: usize = 4;

/// Every RPC that is served.
fn served() -> Vec<MethodDescriptor> {
    let all = methods().into_iter();
    all.filter(|method| !SKIPPED.contains(&method.parent_service().name()))
        .collect()
}

fn comment(method: &MethodDescriptor) -> String {
    let file = method.parent_file();
    let proto = file.file_descriptor_proto();
    let locations = &proto.source_code_info.as_ref().unwrap().location;
    let location = locations
        .iter()
        .find(|location| location.path == method.path());
    let comment = location.unwrap().leading_comments();
    // The number of a page may look like an errcode.
    let comment = comment.split("Source:").next().unwrap();
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Codes with the errcodes that a comment lists after them.
fn documented(comment: &str) -> Vec<(Code, i64)> {
    let mut code = None;
    let mut found = Vec::new();
    for word in
        comment.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
    {
        code = match word {
            "ALREADY_EXISTS" => Some(Code::AlreadyExists),
            "FAILED_PRECONDITION" => Some(Code::FailedPrecondition),
            "INVALID_ARGUMENT" => Some(Code::InvalidArgument),
            "NOT_FOUND" => Some(Code::NotFound),
            "OUT_OF_RANGE" => Some(Code::OutOfRange),
            "PERMISSION_DENIED" => Some(Code::PermissionDenied),
            "RESOURCE_EXHAUSTED" => Some(Code::ResourceExhausted),
            "UNAVAILABLE" | "UNKNOWN" => None,
            _ => code,
        };
        let number = word
            .parse()
            .ok()
            .filter(|number| errcode::lookup(*number).is_some());
        if let (Some(code), Some(number)) = (code, number) {
            found.push((code, number));
        }
    }
    found
}

fn refusal(errcode: i64) -> Vec<u8> {
    let errmsg = format!(
        "refused, hint: [1764000000000000000000042], from ip: 203.0.113.7, more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}"
    );
    json!({"errcode": errcode, "errmsg": errmsg})
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn each_errcode_in_a_comment_ends_as_the_comment_says() {
    let (far, url) = Far::start().await;
    let world = world(&url, "").await;
    let calls = calls();
    let mut count = 0;
    for method in served() {
        let rpc = method.name();
        for (code, errcode) in documented(&comment(&method)) {
            for (call, path, its, request) in &calls {
                if *its != rpc || !path.is_empty() || *call == "gettoken" {
                    continue;
                }
                far.say(call, [refusal(errcode)]);
                let status = ask(&world, rpc, request).await.unwrap_err();
                let (_, metadata, _) = details(&status);
                assert_eq!(status.code(), code, "{rpc} {errcode}: {status:?}");
                let number = metadata.get("errcode").cloned().unwrap_or_default();
                assert_eq!(number, errcode.to_string(), "{rpc}: {status:?}");
                assert!(!format!("{status:?}").contains("203.0.113.7"), "{status:?}");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} errcodes: are the comments read?");
    world.stop().await;
}

#[tokio::test]
async fn each_failure_of_wecom_ends_as_the_rpc_promises() {
    let calls = calls().into_iter();
    let calls: Vec<_> = calls
        .filter(|(call, path, ..)| *call != "gettoken" && path.is_empty())
        .collect();
    let asked = calls.iter().map(|(.., rpc, _)| *rpc);
    let all = served();
    assert_eq!(
        asked.chain(CALLS_NOTHING).collect::<BTreeSet<_>>(),
        all.iter().map(MethodDescriptor::name).collect()
    );
    let each = calls.iter();
    let each = each.map(|(call, _, rpc, request)| fail(call, rpc, request));
    futures_util::stream::iter(each)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

async fn fail(call: &str, rpc: &str, request: &Value) {
    let lost = match NEVER_TWICE.contains(&rpc) {
        true => (Code::Unknown, "OUTCOME_UNKNOWN"),
        false => (Code::Unavailable, "WECOM_UNREACHABLE"),
    };
    let refused = "WECOM_REFUSED";
    let (far, url) = Far::start().await;
    let world = world(&url, "").await;
    for (answer, expected) in [
        (refusal(-1), lost),
        (b"<html>Bad gateway</html>".to_vec(), lost),
        (br#"{"errcode": 0, "errm"#.to_vec(), lost),
        (refusal(60020), (Code::FailedPrecondition, refused)),
        (refusal(48002), (Code::PermissionDenied, refused)),
        (refusal(42001), (Code::FailedPrecondition, refused)),
        (refusal(99_999), (Code::Unknown, "WECOM_UNKNOWN_ERRCODE")),
        (
            refusal(45033),
            (Code::ResourceExhausted, "WECOM_RATE_LIMITED"),
        ),
        (
            refusal(45009),
            (Code::ResourceExhausted, "WECOM_RATE_LIMITED"),
        ),
    ] {
        far.say(call, [answer.clone()]);
        let status = ask(&world, rpc, request).await.unwrap_err();
        let text = String::from_utf8_lossy(&answer);
        let expected = (expected.0, expected.1.to_owned());
        assert_eq!(verdict(&status), expected, "{call} of {rpc}: {text}");
        let retry = details(&status).2.retry_info().is_some();
        let wait = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        assert_eq!(retry, wait, "{call} of {rpc}: {text}");
    }
    world.stop().await;
}

/// A field `app` of `name`, or one in a header.
fn app_of(method: &MethodDescriptor, name: &str) -> Option<Vec<u8>> {
    let app = |name: &str| [&[0x0A, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let input = method.input();
    let first = input.get_field(1)?;
    match first.name() {
        "app" => Some(app(name)),
        "header" | "message" => {
            let inner = app(name);
            Some(
                [
                    &[0x0A, u8::try_from(inner.len()).unwrap()],
                    inner.as_slice(),
                ]
                .concat(),
            )
        }
        _ => None,
    }
}

#[tokio::test]
async fn each_rpc_wants_a_token_a_permission_an_app_and_a_message() {
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let caller = |permissions: &str| {
        format!(
            "[[callers]]\nname = \"tests\"\ntoken_sha256 = \"{digest}\"\npermissions = [{permissions}]\napps = [\"{APP}\"]\n"
        )
    };
    let all = caller("\"*\", \"AuthService/GetAccessToken\"");
    let world = World::start_with(SandboxHandle::start().await, &all).await;
    let elsewhere = caller("\"BulkService/*\"");
    let barred = World::start_with(SandboxHandle::start().await, &elsewhere).await;
    let is = |code: Code, reason: &str| (code, reason.to_owned());
    for method in served() {
        let rpc = method.name();
        let nothing = || vec![Vec::new()];
        for token in [None, Some("wgw-nobodys-token"), Some("")] {
            let status = world.rpc_of(&method, nothing(), token).await.unwrap_err();
            assert_eq!(
                verdict(&status),
                is(Code::Unauthenticated, "CALLER_UNKNOWN"),
                "{rpc}"
            );
        }
        let status = barred
            .rpc_of(&method, nothing(), Some(API_TOKEN))
            .await
            .unwrap_err();
        assert_eq!(
            verdict(&status),
            is(Code::PermissionDenied, "CALLER_NOT_PERMITTED"),
            "{rpc}"
        );
        for bad in [
            vec![0, 0, 0],
            vec![0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
            vec![0x0A, 2, 0xC3, 0x28],
        ] {
            // What has no fields skips what it does not know.
            if method.input().fields().len() == 0 && bad.starts_with(&[0x0A, 2]) {
                continue;
            }
            let status = world
                .rpc_of(&method, vec![bad.clone()], Some(API_TOKEN))
                .await
                .unwrap_err();
            assert_eq!(
                verdict(&status),
                is(Code::InvalidArgument, "MALFORMED_REQUEST"),
                "{rpc} {bad:?}"
            );
        }
        let large = vec![0x0A; 6 * 1024 * 1024];
        let status = world
            .rpc_of(&method, vec![large], Some(API_TOKEN))
            .await
            .unwrap_err();
        assert_eq!(
            verdict(&status),
            is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
            "{rpc}"
        );
        if let Some(message) = app_of(&method, "no-such-app") {
            let status = world
                .rpc_of(&method, vec![message], Some(API_TOKEN))
                .await
                .unwrap_err();
            assert_eq!(
                verdict(&status),
                is(Code::NotFound, "APP_NOT_FOUND"),
                "{rpc}"
            );
        }
    }
    let calls = world.sandbox.get("calls").await;
    let calls = calls["calls"].as_array().or(calls.as_array()).unwrap();
    assert!(
        calls.iter().all(|call| call["path"] == "gettoken"),
        "{calls:?}"
    );
    world.stop().await;
    barred.stop().await;
}
