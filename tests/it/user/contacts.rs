//! The contacts secret: which calls take it, and that its token stays apart.

use serde_json::json;
use tonic::Code;

use super::super::harness::{APP, SandboxHandle, World, details, text_to, verdict};
use super::{
    ALL, ConvertToOpenId, ConvertToUserId, GetTag, GetUser, ListTags, ListUserIds, ResolveUserId,
    arrivals, get_user,
};

/// The demo's first app alone, with these settings.
async fn world_with(settings: &str) -> World {
    let overlay = format!(
        "[[apps]]\nname = \"{APP}\"\ncorp_id = \"ww5a9db0c5a9db0c5a\"\nagent_id = 1000002\nsecret = \"sandbox-secret-youxiao\"\n{settings}\n"
    );
    World::start_with(SandboxHandle::start().await, &overlay).await
}

#[tokio::test]
async fn without_the_secret_ids_are_not_asked_for() {
    let world = World::start().await;
    let request = json!({"app": world.other_app()});
    let status = ListUserIds.call(&world, &request).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::FailedPrecondition, "CONTACTS_SECRET_MISSING".into())
    );
    assert_eq!(details(&status).1["path"], "user/list_id");
    assert!(status.message().contains("contacts_secret_file"));
    assert!(arrivals(&world).await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn by_default_details_are_read_with_the_apps_own_secret() {
    // The sandbox answers 48009 to the contacts secret, and 48002 to the app's for ids.
    let world = World::start().await;
    for rpc in ALL {
        rpc.call(&world, &rpc.request()).await.unwrap();
    }
    let user = get_user(&world, APP, "zhangsan").await;
    assert!(user.mobile.is_none());
    world.stop().await;
}

#[tokio::test]
async fn contacts_details_reads_the_directory_with_it() {
    let world =
        world_with("contacts_secret = \"sandbox-secret-contacts\"\ncontacts_details = true").await;
    world.sandbox.set(json!({"contacts_details": true})).await;
    let user = get_user(&world, APP, "guwen.ma").await;
    assert_eq!(user.mobile.as_deref(), Some("10000000028"));
    for rpc in ALL {
        rpc.call(&world, &rpc.request()).await.unwrap();
    }
    // Sends go on with the app's own token: the other is refused with 48002.
    let text = text_to("zhangsan", "The directory is open");
    world.messages().send_message(text).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_of_details_says_what_to_change() {
    let world =
        world_with("contacts_secret = \"sandbox-secret-contacts\"\ncontacts_details = true").await;
    for rpc in ALL {
        let result = rpc.call(&world, &rpc.request()).await;
        if [
            ListUserIds,
            ListTags,
            GetTag,
            ResolveUserId,
            ConvertToOpenId,
            ConvertToUserId,
        ]
        .contains(&rpc)
        {
            result.unwrap();
            continue;
        }
        let status = result.unwrap_err();
        let expected = (Code::PermissionDenied, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], "48009");
        assert!(
            metadata["hint"].contains("contacts_details"),
            "{metadata:?}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn the_two_tokens_are_renewed_apart() {
    let world = World::start().await;
    let ids = ListUserIds.request();
    let fetched = async || world.sandbox.calls("gettoken").await.len();
    GetUser.call(&world, &GetUser.request()).await.unwrap();
    ListUserIds.call(&world, &ids).await.unwrap();
    let before = fetched().await;
    ListUserIds.call(&world, &ids).await.unwrap();
    assert_eq!(fetched().await, before, "kept");
    for rpc in [ListUserIds, GetUser] {
        let before = fetched().await;
        let fault = json!({"kind": "kill_token"});
        world.sandbox.fault(rpc.path(), fault, 1).await;
        for rpc in [ListUserIds, GetUser] {
            rpc.call(&world, &rpc.request()).await.unwrap();
        }
        assert_eq!(fetched().await, before + 1, "only that of {rpc:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_contacts_secret_is_named_and_hurts_nothing_else() {
    let world = world_with("contacts_secret = \"sandbox-secret-wrong\"").await;
    for _ in 0..5 {
        let status = ListUserIds
            .call(&world, &json!({"app": APP}))
            .await
            .unwrap_err();
        let expected = (Code::FailedPrecondition, "CREDENTIAL_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected);
        assert!(
            status.message().contains("`contacts_secret`"),
            "{}",
            status.message()
        );
    }
    get_user(&world, APP, "zhangsan").await;
    let refused = world.sandbox.calls("gettoken").await;
    let refused = refused.iter().filter(|call| call["errcode"] == 40001);
    assert_eq!(refused.count(), 1, "asked once, then resting");
    world.stop().await;
}
