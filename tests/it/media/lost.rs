//! Messages whose media WeCom has lost: what was inside the message is uploaded once
//! more, what a caller named is not.

use tonic::Code;

use super::*;
use crate::harness::{details, example, from_json, verdict};

const SEND: &str = "message/send";
const TEXT: &[u8] = b"minutes of the meeting";

fn with_id(mut message: pb::SendMessageRequest, request_id: &str) -> pb::SendMessageRequest {
    message.request_id = request_id.to_owned();
    message
}

async fn counts(world: &World) -> (usize, usize, usize) {
    (
        world.sandbox.calls(UPLOAD).await.len(),
        world.sandbox.calls(SEND).await.len(),
        world.sandbox.messages().await.len(),
    )
}

#[tokio::test]
async fn inline_media_are_uploaded_again_once() {
    for request_id in ["", "minutes-1"] {
        let world = World::start().await;
        let mut client = world.messages();
        client.send_message(note(TEXT, "a.txt")).await.unwrap();
        world.sandbox.forget_media().await;
        let message = with_id(note(TEXT, "a.txt"), request_id);
        let reply = client
            .send_message(message.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(!reply.message_id.is_empty());
        assert_eq!(counts(&world).await, (2, 3, 2), "id {request_id:?}");
        // The new id is the one that is remembered, and a request id gives the answer
        // of the message that went out.
        let again = client.send_message(message).await.unwrap().into_inner();
        assert_eq!(again == reply, !request_id.is_empty());
        assert_eq!(counts(&world).await.0, 2);
        world.stop().await;
    }
}

#[tokio::test]
async fn once_is_enough() {
    for request_id in ["", "minutes-1"] {
        let world = World::start().await;
        let gone = json!({"kind": "errcode", "code": 40007});
        world.sandbox.fault(SEND, gone, 2).await;
        let mut client = world.messages();
        let message = with_id(note(TEXT, "a.txt"), request_id);
        let status = client.send_message(message.clone()).await.unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::InvalidArgument, "WECOM_REFUSED".to_owned())
        );
        assert_eq!(details(&status).1["errcode"], "40007");
        assert_eq!(counts(&world).await, (2, 2, 0), "id {request_id:?}");
        // Nothing was sent, so the id is free.
        client.send_message(message).await.unwrap();
        assert_eq!(world.sandbox.messages().await.len(), 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn an_id_that_the_caller_named_is_the_callers_to_mend() {
    let world = World::start().await;
    let reply = upload(world.media(), MediaKind::File, "a.txt", TEXT)
        .await
        .unwrap();
    world.sandbox.forget_media().await;
    let message = send_request(json!({
        "app": APP,
        "recipients": {"user_ids": ["zhangsan"]},
        "content": {"file": {"media": {"media_id": reply.media_id}}},
    }));
    let status = world.messages().send_message(message).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::InvalidArgument, "WECOM_REFUSED".to_owned())
    );
    assert_eq!(counts(&world).await, (1, 1, 0));
    world.stop().await;
}

#[tokio::test]
async fn another_refusal_uploads_nothing_again() {
    let world = World::start().await;
    let refused = json!({"kind": "errcode", "code": 40058});
    world.sandbox.fault(SEND, refused, 1).await;
    world
        .messages()
        .send_message(note(TEXT, "a.txt"))
        .await
        .unwrap_err();
    assert_eq!(counts(&world).await, (1, 1, 0));
    world.stop().await;
}

#[tokio::test]
async fn media_that_end_after_a_lost_answer_do_not_make_it_twice() {
    for request_id in ["", "minutes-1"] {
        let world = World::start().await;
        // Sent, but the answer is lost; the repetition finds the media gone.
        world
            .sandbox
            .fault(SEND, json!({"kind": "reset_after"}), 1)
            .await;
        world
            .sandbox
            .fault(SEND, json!({"kind": "errcode", "code": 40007}), 1)
            .await;
        let mut message = with_id(note(TEXT, "a.txt"), request_id);
        message.duplicate_check = Some(pb::DuplicateCheck {
            enabled: true,
            interval: None,
        });
        let status = world.messages().send_message(message).await.unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::Unknown, "OUTCOME_UNKNOWN".to_owned())
        );
        assert_eq!(counts(&world).await, (1, 2, 1), "id {request_id:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn sends_that_meet_the_loss_together_share_the_new_upload() {
    let world = World::start().await;
    let client = world.messages();
    client
        .clone()
        .send_message(note(TEXT, "a.txt"))
        .await
        .unwrap();
    world.sandbox.forget_media().await;
    let sends = (0..8).map(|_| {
        let mut client = client.clone();
        async move { client.send_message(note(TEXT, "a.txt")).await }
    });
    for reply in futures_util::future::join_all(sends).await {
        reply.unwrap();
    }
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 2);
    assert_eq!(world.sandbox.messages().await.len(), 9);
    world.stop().await;
}

#[tokio::test]
async fn a_file_on_a_card_is_uploaded_again_too() {
    let world = World::start().await;
    let data = base64::engine::general_purpose::STANDARD.encode(TEXT);
    let card = |title: &str| {
        json!({"text_notice": {
            "main_title": {"title": title},
            "horizontal_contents": [{
                "key": "Minutes",
                "type": "CARD_HORIZONTAL_CONTENT_TYPE_FILE",
                "media": {"inline": {"data": data, "file_name": "minutes.txt"}},
            }],
            "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://intranet.example.com"},
        }})
    };
    let send = |title: &str| {
        send_request(json!({
            "app": APP,
            "recipients": {"user_ids": ["zhangsan"]},
            "content": {"template_card": card(title)},
        }))
    };
    let mut client = world.messages();
    client.send_message(send("one")).await.unwrap();
    world.sandbox.forget_media().await;
    client.send_message(send("two")).await.unwrap();
    assert_eq!(counts(&world).await, (2, 3, 2));

    // The same when a card takes the place of another.
    let buttons: pb::SendMessageRequest = example("SendMessageRequest", "send_button_interaction");
    let sent = client.send_message(buttons).await.unwrap().into_inner();
    world.sandbox.forget_media().await;
    let update = json!({
        "app": APP,
        "recipients": {"user_ids": ["zhangsan"]},
        "response_code": sent.response_code,
        "template_card": card("three"),
    });
    let update: pb::UpdateTemplateCardRequest =
        from_json("UpdateTemplateCardRequest", &update.to_string());
    client.update_template_card(update).await.unwrap();
    assert_eq!(world.sandbox.calls(UPLOAD).await.len(), 3);
    world.stop().await;
}
