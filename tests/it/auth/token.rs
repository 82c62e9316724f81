//! GetAccessToken: the token in use, and another only when that one was refused.

use futures_util::future::join_all;
use serde_json::json;
use tonic::{Code, Status};
use wecomgw::grpc::pb;

use super::super::harness::{API_TOKEN, APP, SandboxHandle, World, text_to, verdict};
use super::fields;

async fn get(world: &World, rejected: &str) -> Result<pb::GetAccessTokenResponse, Status> {
    let request = pb::GetAccessTokenRequest {
        app: APP.into(),
        rejected_access_token: rejected.into(),
    };
    let answer = world.auth().get_access_token(request).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn the_token_is_the_one_in_use_with_its_end() {
    let world = World::start().await;
    world
        .messages()
        .send_message(text_to("zhangsan", "hello"))
        .await
        .unwrap();
    let first = get(&world, "").await.unwrap();
    assert!(!first.access_token.is_empty() && first.access_token.len() <= 512);
    let end = std::time::SystemTime::try_from(first.expires_at.unwrap()).unwrap();
    let life = end
        .duration_since(std::time::SystemTime::now())
        .unwrap()
        .as_secs();
    assert!((7100..=7200).contains(&life), "{life}");
    assert_eq!(
        get(&world, "").await.unwrap().access_token,
        first.access_token
    );
    // One that is not in use is nothing new.
    assert_eq!(
        get(&world, "an-older-one").await.unwrap().access_token,
        first.access_token
    );
    let fetched = world.sandbox.calls("gettoken").await.len();
    assert!(fetched <= 2, "one for each app of the demo");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_with_one_refused_token_cause_one_fetch() {
    let world = World::start().await;
    let first = get(&world, "").await.unwrap().access_token;
    world.sandbox.post("tokens/kill", json!(null)).await;
    let before = world.sandbox.calls("gettoken").await.len();
    let answers = join_all((0..32).map(|_| get(&world, &first))).await;
    let second = answers[0].as_ref().unwrap().access_token.clone();
    assert_ne!(second, first);
    for answer in answers {
        assert_eq!(answer.unwrap().access_token, second);
    }
    assert_eq!(world.sandbox.calls("gettoken").await.len(), before + 1);
    world.stop().await;
}

#[tokio::test]
async fn who_reports_good_tokens_is_held_back_and_harms_nobody() {
    let world = World::start().await;
    world
        .sandbox
        .set(json!({"token_mode": "new_old_good"}))
        .await;
    let mut token = get(&world, "").await.unwrap().access_token;
    for _ in 0..4 {
        let next = get(&world, &token).await.unwrap().access_token;
        assert_ne!(next, token);
        token = next;
    }
    let status = get(&world, &token).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::ResourceExhausted, "PACED".into()));
    assert_eq!(get(&world, "").await.unwrap().access_token, token);
    world
        .messages()
        .send_message(text_to("zhangsan", "hello"))
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn it_needs_a_permission_that_names_it() {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let callers = format!(
        "[[callers]]\nname = \"portal\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"AuthService/*\", \"*\"]\napps = [\"youxiao\"]\n"
    );
    let world = World::start_with(SandboxHandle::start().await, &callers).await;
    let mut request = tonic::Request::new(pb::GetAccessTokenRequest::default());
    let bearer = format!("Bearer {API_TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let status = world.auth().get_access_token(request).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::PermissionDenied, "CALLER_NOT_PERMITTED".into())
    );
    let status = get(&world, "").await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::Unauthenticated, "CALLER_UNKNOWN".into())
    );
    world.stop().await;
}

#[tokio::test]
async fn a_refused_credential_is_told_and_bad_input_names_its_field() {
    let sandbox = SandboxHandle::start().await;
    let refused = json!({"kind": "errcode", "code": 40001});
    sandbox.fault("gettoken", refused, 0).await;
    let world = World::start_with(sandbox, "").await;
    let status = get(&world, "").await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::FailedPrecondition, "CREDENTIAL_REFUSED".into())
    );
    for wrong in ["t".repeat(513), "a b".into(), "a\0".into()] {
        let status = get(&world, &wrong).await.unwrap_err();
        assert_eq!(fields(&status), ["rejected_access_token"]);
    }
    world.stop().await;
}
