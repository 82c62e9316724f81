//! Sends with a request id: whoever repeats one gets the first answer.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tonic::Code;
use wecomgw::grpc::pb;

use super::harness::{Process, SandboxHandle, World, text_to, verdict};

const SEND: &str = "message/send";

fn request(id: &str, text: &str) -> pb::SendMessageRequest {
    pb::SendMessageRequest {
        request_id: id.to_owned(),
        ..text_to("zhangsan", text)
    }
}

#[tokio::test]
async fn the_same_id_gives_the_first_answer_even_after_a_restart() {
    let world = World::start().await;
    let first = world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    let again = world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    assert_eq!(first.get_ref(), again.get_ref());
    let (sandbox, folder) = world.stop().await;
    let world = World::start_in(sandbox, "", folder).await;
    let later = world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    assert_eq!(first.get_ref(), later.get_ref());
    assert_eq!(world.sandbox.calls(SEND).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn the_same_id_with_another_message_is_refused() {
    let world = World::start().await;
    world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    let status = world
        .messages()
        .send_message(request("order-1", "returned"))
        .await
        .unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::AlreadyExists, "REQUEST_ID_REUSED".into())
    );
    assert_eq!(world.sandbox.calls(SEND).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn sixty_four_at_once_send_one_message() {
    let world = World::start().await;
    let client = world.messages();
    let answers = join_all((0..64).map(|_| {
        let mut client = client.clone();
        async move { client.send_message(request("order-1", "shipped")).await }
    }))
    .await;
    let ids: std::collections::HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.unwrap().into_inner().message_id)
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_found_by_sending_the_same_bytes_again_even_after_a_crash() {
    let sandbox = SandboxHandle::start().await;
    let process = Process::start(&sandbox).await;
    sandbox.fault(SEND, json!({"kind": "reset_after"}), 3).await;
    let answer = process
        .messages()
        .send_message(request("order-1", "shipped"))
        .await;
    assert_eq!(
        verdict(&answer.unwrap_err()),
        (Code::Unknown, "OUTCOME_UNKNOWN".into())
    );
    let folder = process.kill();
    let world = World::start_in(sandbox, "", folder).await;
    let answer = world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    assert!(!answer.get_ref().message_id.is_empty());
    let calls = world.sandbox.calls(SEND).await;
    let bytes: std::collections::HashSet<String> = calls
        .iter()
        .map(|call| call["sha256"].to_string())
        .collect();
    assert_eq!((calls.len(), bytes.len()), (4, 1));
    assert_eq!(
        world.sandbox.messages().await.len(),
        1,
        "WeCom delivered once"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_was_not_sent_can_be_sent_once_the_cause_is_mended() {
    let world = World::start().await;
    world.sandbox.set(json!({"trusted_ip": false})).await;
    let status = world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    world.sandbox.set(json!({"trusted_ip": true})).await;
    world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn two_ids_with_the_same_message_are_two_messages() {
    let world = World::start().await;
    world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    world
        .messages()
        .send_message(request("order-2", "shipped"))
        .await
        .unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn hundreds_of_ids_with_the_same_message_are_hundreds_of_messages() {
    // With intervals left to chance, three or four of so many would meet.
    const COUNT: usize = 300;
    let world = World::start().await;
    let client = world.messages();
    let sends = (0..COUNT).map(|index| {
        let mut client = client.clone();
        let request = pb::SendMessageRequest {
            recipients: Some(pb::Recipients {
                everyone: true,
                ..Default::default()
            }),
            ..request(&format!("order-{index}"), "shipped")
        };
        async move { client.send_message(request).await }
    });
    for answer in join_all(sends).await {
        answer.unwrap();
    }
    let bodies = world.sandbox.calls(SEND).await;
    let intervals = bodies
        .iter()
        .map(|call| &call["body"]["duplicate_check_interval"]);
    let intervals: std::collections::HashSet<_> = intervals.map(Value::to_string).collect();
    assert_eq!(intervals.len(), COUNT);
    assert_eq!(world.sandbox.messages().await.len(), COUNT);
    world.stop().await;
}

#[tokio::test]
async fn who_joins_a_send_has_a_deadline_of_its_own() {
    let world = World::start().await;
    let slow = json!({"kind": "latency_ms", "latency_ms": 600});
    world.sandbox.fault(SEND, slow, 1).await;
    let mut hurried = tonic::Request::new(request("order-1", "shipped"));
    hurried.set_timeout(Duration::from_millis(300));
    let (mut first, mut second) = (world.messages(), world.messages());
    let (first, second) = join(
        first.send_message(hurried),
        second.send_message(request("order-1", "shipped")),
    )
    .await;
    let status = first.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(!second.unwrap().into_inner().message_id.is_empty());
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_the_send() {
    let world = World::start().await;
    world
        .sandbox
        .fault(SEND, json!({"kind": "latency_ms", "latency_ms": 300}), 1)
        .await;
    let mut hurried = tonic::Request::new(request("order-1", "shipped"));
    hurried
        .metadata_mut()
        .insert("grpc-timeout", "5S".parse().unwrap());
    let call = tokio::spawn({
        let mut client = world.messages();
        async move { client.send_message(hurried).await }
    });
    while world.sandbox.calls(SEND).await.is_empty()
        && world
            .sandbox
            .get("faults")
            .await
            .to_string()
            .contains("\"hits\":0")
    {
        tokio::task::yield_now().await;
    }
    call.abort();
    let answer = world
        .messages()
        .send_message(request("order-1", "shipped"))
        .await
        .unwrap();
    assert!(!answer.get_ref().message_id.is_empty());
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn the_ids_of_two_callers_are_two_ids() {
    let digest = |token: &str| {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(token))
    };
    let callers = format!(
        "[[callers]]\nname = \"a\"\ntoken_sha256 = \"{}\"\npermissions = [\"*\"]\napps = [\"*\"]\n\
         [[callers]]\nname = \"b\"\ntoken_sha256 = \"{}\"\npermissions = [\"*\"]\napps = [\"*\"]\n",
        digest("token-a"),
        digest("token-b")
    );
    let world = World::start_with(SandboxHandle::start().await, &callers).await;
    for token in ["token-a", "token-b"] {
        let mut request = tonic::Request::new(request("order-1", token));
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        world.messages().send_message(request).await.unwrap();
    }
    assert_eq!(world.sandbox.messages().await.len(), 2);
    world.stop().await;
}
