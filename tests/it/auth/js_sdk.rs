//! SignJsSdk: a ticket is fetched once, and never leaves.

use futures_util::future::join_all;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use tonic::{Code, Status};
use wecomgw::grpc::pb;

use super::super::harness::{APP, World, from_json, verdict};
use super::fields;

const PAGE: &str = "https://oa.example.com/leave?from=wecom&day=1";
const KINDS: [(&str, &str, &str); 2] = [
    ("JS_SDK_KIND_CONFIG", "get_jsapi_ticket", ""),
    (
        "JS_SDK_KIND_AGENT_CONFIG",
        "ticket/get",
        "&type=agent_config",
    ),
];

async fn sign(world: &World, changes: Value) -> Result<pb::SignJsSdkResponse, Status> {
    let mut request = json!({"app": APP, "kind": KINDS[0].0, "url": PAGE});
    for (key, value) in changes.as_object().unwrap() {
        request[key] = value.clone();
    }
    let request: pb::SignJsSdkRequest = from_json("SignJsSdkRequest", &request.to_string());
    let answer = world.auth().sign_js_sdk(request).await;
    answer.map(tonic::Response::into_inner)
}

/// What the sandbox would give as the ticket.
async fn ticket(world: &World, path: &str, more: &str) -> String {
    let ask = async |path: String| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/cgi-bin/{path}", world.sandbox.url);
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let credential = "corpid=ww5a9db0c5a9db0c5a&corpsecret=sandbox-secret-youxiao";
    let token = ask(format!("gettoken?{credential}")).await;
    let token = token["access_token"].as_str().unwrap();
    let answer = ask(format!("{path}?access_token={token}{more}")).await;
    answer["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn signatures_are_those_of_the_tickets() {
    let world = World::start().await;
    for (kind, path, more) in KINDS {
        for (url, signed) in [
            (PAGE, PAGE),
            ("https://oa.example.com/#/leave", "https://oa.example.com/"),
        ] {
            let answer = sign(&world, json!({"kind": kind, "url": url}))
                .await
                .unwrap();
            let pb::SignJsSdkResponse {
                signature,
                nonce,
                timestamp,
                corp_id,
                agent_id,
            } = answer;
            assert_eq!(
                (corp_id.as_str(), agent_id),
                ("ww5a9db0c5a9db0c5a", 1_000_002)
            );
            assert_eq!(nonce.len(), 16);
            let timestamp = timestamp.unwrap();
            assert_eq!(timestamp.nanos, 0);
            let seconds = timestamp.seconds;
            let ticket = ticket(&world, path, more).await;
            let text =
                format!("jsapi_ticket={ticket}&noncestr={nonce}&timestamp={seconds}&url={signed}");
            let expected = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
            assert_eq!(signature, hex::encode(expected), "{kind} {url}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pages_need_one_ticket_of_each_kind() {
    let world = World::start().await;
    let slow = json!({"kind": "latency_ms", "latency_ms": 50});
    world.sandbox.fault("*", slow, 0).await;
    let pages = (0..64).map(|number| {
        let (kind, ..) = KINDS[number % 2];
        let url = format!("https://oa.example.com/{number}");
        let world = &world;
        async move { sign(world, json!({"kind": kind, "url": url})).await }
    });
    for answer in join_all(pages).await {
        answer.unwrap();
    }
    for (_, path, _) in KINDS {
        assert_eq!(world.sandbox.calls(path).await.len(), 1, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_ticket_at_its_end_is_fetched_anew_within_the_limit() {
    let world = World::start().await;
    // Less than the margin: every signature needs another ticket.
    world
        .sandbox
        .set(json!({"ticket_expires_in_seconds": 30}))
        .await;
    for _ in 0..25 {
        sign(&world, json!({})).await.unwrap();
    }
    let status = sign(&world, json!({})).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::ResourceExhausted, "PACED".into()));
    assert_eq!(world.sandbox.calls("get_jsapi_ticket").await.len(), 25);
    // The other kind has a limit of its own.
    sign(&world, json!({"kind": KINDS[1].0})).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn what_goes_wrong_with_a_ticket_is_told_and_not_remembered() {
    let world = World::start().await;
    for (fault, count, code, reason) in [
        (
            json!({"kind": "errcode", "code": 60020}),
            1,
            Code::FailedPrecondition,
            "WECOM_REFUSED",
        ),
        (
            json!({"kind": "errcode", "code": 48002}),
            1,
            Code::PermissionDenied,
            "WECOM_REFUSED",
        ),
        (
            json!({"kind": "http_status", "status": 500}),
            3,
            Code::Unavailable,
            "WECOM_UNREACHABLE",
        ),
    ] {
        world
            .sandbox
            .fault("get_jsapi_ticket", fault.clone(), count)
            .await;
        let status = sign(&world, json!({})).await.unwrap_err();
        assert_eq!(verdict(&status), (code, reason.to_owned()), "{fault}");
    }
    // It only reads: a lost answer is asked for again.
    world
        .sandbox
        .fault("get_jsapi_ticket", json!({"kind": "reset_after"}), 1)
        .await;
    sign(&world, json!({})).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn bad_input_names_its_fields_and_needs_no_ticket() {
    let world = World::start().await;
    let rows: Vec<(Value, &[&str])> = vec![
        (json!({"kind": 0}), &["kind"]),
        (json!({"kind": 9}), &["kind"]),
        (json!({"url": ""}), &["url", "url"]),
        (json!({"url": "oa.example.com"}), &["url"]),
        (json!({"url": "javascript:alert(1)"}), &["url"]),
        (json!({"url": "https://oa.example.com/a b"}), &["url"]),
        (json!({"url": "https://oa.example.com/\n"}), &["url"]),
        (
            json!({"url": format!("https://oa.example.com/{}", "a".repeat(2026))}),
            &["url"],
        ),
        (json!({"kind": 0, "url": "x"}), &["kind", "url"]),
    ];
    for (request, expected) in rows {
        let status = sign(&world, request.clone()).await.unwrap_err();
        let mut found = fields(&status);
        let mut expected: Vec<_> = expected.iter().map(|field| (*field).to_owned()).collect();
        found.dedup();
        expected.dedup();
        assert_eq!(found, expected, "{request}");
    }
    for (_, path, _) in KINDS {
        assert!(world.sandbox.calls(path).await.is_empty());
    }
    world.stop().await;
}
