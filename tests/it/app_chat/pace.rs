//! The limits of chats, and how their members are learned.

use super::*;

/// Messages of which somebody was dropped.
async fn dropped(world: &World) -> usize {
    let messages = world.sandbox.messages().await;
    let dropped = messages
        .iter()
        .filter(|message| message["dropped"] != json!([]));
    dropped.count()
}

/// The subject of the limit that holds a call back.
fn held(status: &Status) -> String {
    assert_eq!(verdict(status), (Code::ResourceExhausted, "PACED".into()));
    let (_, _, info) = details(status);
    assert!(info.retry_info().unwrap().retry_delay.unwrap().as_secs() >= 20);
    info.quota_failure().unwrap().violations[0].subject.clone()
}

#[tokio::test]
async fn the_two_hundred_and_first_message_to_a_member_is_held_back_before_wecom_drops_it() {
    let world = with_chat().await;
    let other = json!({"app": APP, "user_ids": ["LILEI", "wangwu"], "chat_id": "other"});
    CreateChat.call(&world, &other).await.unwrap();
    let to_other = with(say("x"), json!({"chat_id": "other"}));
    for number in 0..200 {
        let request = match number % 2 {
            0 => say(&format!("point {number}")),
            _ => to_other.clone(),
        };
        SendChatMessage.call(&world, &request).await.unwrap();
    }
    for (request, subject) in [(say("x"), "user:LiLei"), (to_other, "user:LILEI")] {
        let status = SendChatMessage.call(&world, &request).await.unwrap_err();
        assert_eq!(held(&status), subject);
    }
    assert_eq!(world.sandbox.calls(SEND).await.len(), 200);
    assert_eq!(dropped(&world).await, 0);

    // Without the member, the chat goes on.
    let without = json!({"app": APP, "chat_id": CHAT, "remove_user_ids": ["LiLei"]});
    UpdateChat.call(&world, &without).await.unwrap();
    SendChatMessage.call(&world, &say("x")).await.unwrap();
    assert_eq!(dropped(&world).await, 0);
    assert_eq!(
        world.sandbox.calls(GET).await.len(),
        0,
        "making and changing tell the members"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_was_not_sent_counts_for_nothing_and_what_may_have_been_counts() {
    let world = with_chat().await;
    let quota = async || {
        let apps = world.gateway().list_apps(pb::ListAppsRequest {}).await;
        let app = apps.unwrap().into_inner().apps.swap_remove(0);
        let mut quotas = app.quotas.into_iter();
        let quota = quotas.find(|quota| quota.api == SEND);
        quota.map_or(0.0, |quota| quota.used_ratio)
    };
    for (fault, used) in [
        (errcode(86214), 0.0),
        (json!({"kind": "reset_after"}), 3.0 / 20_000.0),
    ] {
        world.sandbox.fault(SEND, fault.clone(), 1).await;
        SendChatMessage.call(&world, &say("x")).await.unwrap_err();
        assert_eq!(quota().await, used, "{fault}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_refused_creation_or_change_counts_for_nothing() {
    let world = with_chat().await;
    let used = async |api: &str| {
        let apps = world.gateway().list_apps(pb::ListAppsRequest {}).await;
        let apps = apps.unwrap().into_inner().apps;
        let quota = apps[0].quotas.iter().find(|quota| quota.api == api);
        quota.map_or(0.0, |quota| quota.used_ratio)
    };
    let taken = with(CreateChat.request(), json!({"name": "另一个"}));
    CreateChat.call(&world, &taken).await.unwrap_err();
    assert_eq!(used(CREATE).await, 0.001, "the chat that was made");
    let wrong = json!({"app": APP, "chat_id": CHAT, "remove_user_ids": ["sunba"]});
    UpdateChat.call(&world, &wrong).await.unwrap_err();
    assert_eq!(used(UPDATE).await, 0.0);
    UpdateChat
        .call(&world, &UpdateChat.request())
        .await
        .unwrap();
    assert_eq!(used(UPDATE).await, 0.001);
    world.stop().await;
}

#[tokio::test]
async fn twenty_thousand_persons_a_minute_hold_a_big_chat_back() {
    let settings = Settings::demo("127.0.0.1:0".parse().unwrap()).with_crowd(1900);
    let world = World::start_with(SandboxHandle::start_with(settings).await, "").await;
    let members: Vec<String> = (1..=1900)
        .map(|number| format!("user{number:07}"))
        .collect();
    let big = json!({"app": APP, "user_ids": members, "chat_id": CHAT});
    CreateChat.call(&world, &big).await.unwrap();
    for number in 0..10 {
        let request = say(&format!("round {number}"));
        SendChatMessage.call(&world, &request).await.unwrap();
    }
    let status = SendChatMessage.call(&world, &say("x")).await.unwrap_err();
    assert_eq!(held(&status), "api:appchat/send");
    assert_eq!(world.sandbox.calls(SEND).await.len(), 10);
    // A small chat still fits.
    let small = with(CreateChat.request(), json!({"chat_id": "small"}));
    CreateChat.call(&world, &small).await.unwrap();
    let to_small = with(say("x"), json!({"chat_id": "small"}));
    SendChatMessage.call(&world, &to_small).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn members_of_a_chat_that_is_not_known_are_asked_for_once() {
    let world = with_chat().await;
    let (sandbox, folder) = world.stop().await;
    let world = World::start_in(sandbox, "", folder).await;
    let sends = (0..20).map(|number| {
        let (world, request) = (&world, say(&format!("point {number}")));
        async move { SendChatMessage.call(world, &request).await }
    });
    for reply in futures_util::future::join_all(sends).await {
        reply.unwrap();
    }
    SendChatMessage.call(&world, &say("x")).await.unwrap();
    assert_eq!(world.sandbox.calls(GET).await.len(), 1);
    assert_eq!(world.sandbox.calls(SEND).await.len(), 21);
    world.stop().await;
}

#[tokio::test]
async fn a_message_waits_for_the_members_and_is_not_sent_without_them() {
    let world = with_chat().await;
    let (sandbox, folder) = world.stop().await;
    let world = World::start_in(sandbox, "", folder).await;
    let away = json!({"kind": "http_status", "status": 503});
    world.sandbox.fault(GET, away, 3).await;
    let status = SendChatMessage.call(&world, &say("x")).await.unwrap_err();
    let expected = (Code::Unavailable, "WECOM_UNREACHABLE".to_owned());
    assert_eq!(verdict(&status), expected);
    assert_eq!(details(&status).1["path"], GET);
    assert!(world.sandbox.calls(SEND).await.is_empty());
    // A failed reading is not remembered.
    SendChatMessage.call(&world, &say("x")).await.unwrap();

    // One who was in a hurry does not hurry the others.
    let (sandbox, folder) = world.stop().await;
    let world = World::start_in(sandbox, "", folder).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 600});
    world.sandbox.fault(GET, latency, 1).await;
    let hurried = async {
        let json = say("in a hurry").to_string();
        let mut request = Request::new(from_json("SendChatMessageRequest", &json));
        let timeout = "300m".parse().unwrap();
        request.metadata_mut().insert("grpc-timeout", timeout);
        world.app_chats().send_chat_message(request).await
    };
    let no_hurry = say("no hurry");
    let patient = SendChatMessage.call(&world, &no_hurry);
    let (hurried, patient) = tokio::join!(hurried, patient);
    let expected = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned());
    assert_eq!(verdict(&hurried.unwrap_err()), expected);
    patient.unwrap();
    assert_eq!(world.sandbox.calls(SEND).await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_chat_that_is_gone_is_forgotten() {
    let world = with_chat().await;
    world.sandbox.fault(SEND, errcode(49008), 1).await;
    SendChatMessage.call(&world, &say("x")).await.unwrap_err();
    SendChatMessage.call(&world, &say("x")).await.unwrap();
    assert_eq!(world.sandbox.calls(GET).await.len(), 1, "asked anew");
    world.stop().await;
}
