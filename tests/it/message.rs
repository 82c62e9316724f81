//! SendMessage and ValidateMessage.

use std::fs;

use serde_json::{Value, json};
use wecomgw::grpc::pb;

use super::examples::NO_MESSAGES;
use super::harness::{World, send_request, text_to};

const SEND: &str = "message/send";
/// All kinds of content: eleven types and five template cards.
const KINDS: usize = 16;

#[tokio::test]
async fn every_example_is_taken_and_shows_in_the_inbox() {
    let world = World::start().await;
    let mut kinds = std::collections::BTreeSet::new();
    for entry in fs::read_dir("examples").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("send_") || NO_MESSAGES.contains(&name.as_str()) {
            continue;
        }
        let example: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let reply = world
            .messages()
            .send_message(send_request(example))
            .await
            .unwrap_or_else(|status| panic!("{name}: {status:?}"))
            .into_inner();
        assert!(!reply.message_id.is_empty(), "{name}");
        assert!(reply.invalid_user_ids.is_empty(), "{name}: {reply:?}");
        let messages = world.sandbox.messages().await;
        let message = messages.last().unwrap();
        assert_eq!(message["msgid"], reply.message_id, "{name}");
        assert_eq!(message["cut"], json!([]), "{name}: nothing is cut");
        kinds.insert(name);
    }
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    world.stop().await;
}

#[tokio::test]
async fn some_recipients_invalid_is_a_success_with_lists() {
    let world = World::start().await;
    let request = send_request(json!({
        "app": "youxiao",
        "recipients": {
            "user_ids": ["zhangsan", "NoSuch.Member"],
            "department_ids": [999_999],
            "tag_ids": [888_888],
        },
        "content": {"text": {"content": "The lift is out of order"}},
    }));
    let reply = world
        .messages()
        .send_message(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        reply.invalid_user_ids,
        ["NoSuch.Member"],
        "spelled as in the request"
    );
    assert_eq!(reply.invalid_department_ids, [999_999]);
    assert_eq!(reply.invalid_tag_ids, [888_888]);
    assert_eq!(
        world.sandbox.messages().await[0]["delivered_to"],
        json!(["zhangsan"])
    );
    world.stop().await;
}

#[tokio::test]
async fn a_card_that_calls_back_gives_a_response_code_and_others_do_not() {
    let world = World::start().await;
    let card: Value =
        serde_json::from_slice(&fs::read("examples/send_button_interaction.json").unwrap())
            .unwrap();
    let reply = world
        .messages()
        .send_message(send_request(card))
        .await
        .unwrap()
        .into_inner();
    assert!(!reply.response_code.is_empty());
    let reply = world
        .messages()
        .send_message(text_to("zhangsan", "plain"))
        .await
        .unwrap()
        .into_inner();
    assert!(reply.response_code.is_empty());
    world.stop().await;
}

fn note(text: &str, file_name: &str) -> pb::SendMessageRequest {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    send_request(json!({
        "app": "youxiao",
        "recipients": {"user_ids": ["zhangsan"]},
        "content": {"file": {"media": {"inline": {"data": data, "file_name": file_name}}}},
    }))
}

#[tokio::test]
async fn equal_files_are_uploaded_once() {
    let world = World::start().await;
    let mut client = world.messages();
    for (text, name, uploads) in [
        ("minutes of the meeting", "minutes.txt", 1),
        ("minutes of the meeting", "minutes.txt", 1),
        ("minutes of the meeting", "会议纪要.txt", 2),
        ("other minutes", "minutes.txt", 3),
    ] {
        client.send_message(note(text, name)).await.unwrap();
        assert_eq!(
            world.sandbox.calls("media/upload").await.len(),
            uploads,
            "{text} as {name}"
        );
    }
    // Another app has uploads of its own.
    let other = pb::SendMessageRequest {
        app: world.other_app(),
        ..note("other minutes", "minutes.txt")
    };
    client.send_message(other).await.unwrap();
    assert_eq!(world.sandbox.calls("media/upload").await.len(), 4);
    world.stop().await;
}

#[tokio::test]
async fn a_failed_upload_sends_nothing_and_is_not_remembered() {
    let world = World::start().await;
    world
        .sandbox
        .fault("media/upload", json!({"kind": "errcode", "code": 40006}), 1)
        .await;
    let status = world
        .messages()
        .send_message(note("agenda", "agenda.txt"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(world.sandbox.calls(SEND).await.is_empty());
    world
        .messages()
        .send_message(note("agenda", "agenda.txt"))
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn validate_finds_what_send_would_refuse_and_sends_nothing() {
    let world = World::start().await;
    let validate = |message: pb::SendMessageRequest| {
        let mut client = world.messages();
        async move {
            let request = pb::ValidateMessageRequest {
                message: Some(message),
            };
            client.validate_message(request).await.unwrap().into_inner()
        }
    };
    let reply = validate(text_to("zhangsan", "fine")).await;
    assert!(reply.violations.is_empty() && reply.retry_after.is_none());
    let body = format!(
        r#"{{"touser":"zhangsan","msgtype":"text","agentid":1000002,"text":{{"content":"{}"}}}}"#,
        "fine"
    );
    assert_eq!(reply.body_size_bytes as usize, body.len());

    let reply = validate(text_to("zhang|san", &"长".repeat(683))).await;
    let fields: Vec<&str> = reply
        .violations
        .iter()
        .map(|found| found.field.as_str())
        .collect();
    assert_eq!(fields, ["recipients.user_ids[0]", "content.text.content"]);
    assert!(reply.violations[1].description.contains("2049"));
    assert!(validate(note("agenda", "agenda.txt")).await.body_size_bytes > 100);

    assert!(world.sandbox.calls(SEND).await.is_empty());
    assert!(world.sandbox.calls("media/upload").await.is_empty());
    for number in 0..30 {
        world
            .messages()
            .send_message(text_to("zhangsan", &number.to_string()))
            .await
            .unwrap();
    }
    let reply = validate(text_to("zhangsan", "fine")).await;
    assert!(reply.retry_after.is_some() && reply.quota.contains("30/min"));
    world.stop().await;
}

#[tokio::test]
async fn everyone_and_departments_and_tags_are_addressed() {
    let world = World::start().await;
    for recipients in [
        json!({"everyone": true}),
        json!({"department_ids": [2]}),
        json!({"tag_ids": [1]}),
    ] {
        let request = send_request(json!({
            "app": "youxiao",
            "recipients": recipients,
            "content": {"markdown": {"content": "**Fire drill** at three"}},
        }));
        world.messages().send_message(request).await.unwrap();
        let messages = world.sandbox.messages().await;
        let delivered = messages.last().unwrap()["delivered_to"]
            .as_array()
            .unwrap()
            .len();
        assert!(delivered >= 1, "{recipients}");
    }
    world.stop().await;
}
