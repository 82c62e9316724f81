//! Who may call what.

use serde_json::json;
use tonic::{Code, Request};
use wecomgw::gateway::{Config, DEFAULTS, Gateway};
use wecomgw::grpc::pb;

use super::harness::{API_TOKEN, SandboxHandle, World, text_to, verdict};

fn callers() -> String {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    format!(
        "[[callers]]\nname = \"billing\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"MessageService/SendMessage\"]\napps = [\"youxiao\"]\n"
    )
}

fn with<T>(message: T, authorization: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(value) = authorization {
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn callers_are_let_in_by_token_permission_and_app() {
    let world = World::start_with(SandboxHandle::start().await, &callers()).await;
    let right = format!("Bearer {API_TOKEN}");
    let text = || text_to("zhangsan", "hello");
    for authorization in [
        None,
        Some("Bearer wrong"),
        Some("Basic abc"),
        Some("Bearer"),
    ] {
        let status = world
            .messages()
            .send_message(with(text(), authorization))
            .await
            .unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::Unauthenticated, "CALLER_UNKNOWN".into())
        );
    }
    let status = world
        .gateway()
        .list_apps(with(pb::ListAppsRequest {}, Some(&right)))
        .await
        .unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::PermissionDenied, "CALLER_NOT_PERMITTED".into())
    );
    let other = pb::SendMessageRequest {
        app: "another".into(),
        ..text()
    };
    let status = world
        .messages()
        .send_message(with(other, Some(&right)))
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
    assert!(world.sandbox.calls("message/send").await.is_empty());
    // The caller has one app, so it need not be named.
    let unnamed = pb::SendMessageRequest {
        app: String::new(),
        ..text()
    };
    world
        .messages()
        .send_message(with(unnamed, Some(&right)))
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn an_open_gateway_is_for_this_machine_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = "[grpc]\nlisten = \"0.0.0.0:0\"\n[store]\nurl = \"sqlite::memory:\"\n[[apps]]\nname = \"a\"\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"s\"\n";
    let config: Config = wecomgw::config::Sources::read_with(DEFAULTS, settings, None, [])
        .and_then(|sources| sources.extract())
        .unwrap();
    let faults = config.faults(false);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("[[callers]]"));
    assert!(config.faults(true).is_empty());
    let error = Gateway::build(config, false)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("[[callers]]"), "{error}");
}

#[tokio::test]
async fn without_an_app_the_gateway_names_dev() {
    let config: Config = wecomgw::config::Sources::read(DEFAULTS, None, [])
        .and_then(|sources| sources.extract())
        .unwrap();
    assert!(config.faults(false)[0].contains("wecomgw dev"));
}

#[tokio::test]
async fn an_app_that_is_not_there_is_named_with_those_that_are() {
    let world = World::start().await;
    let request = pb::SendMessageRequest {
        app: "nobody".into(),
        ..text_to("zhangsan", "hello")
    };
    let status = world.messages().send_message(request).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
    assert!(status.message().contains("youxiao"), "{}", status.message());
    let unnamed = pb::SendMessageRequest {
        app: String::new(),
        ..text_to("zhangsan", "hello")
    };
    let status = world.messages().send_message(unnamed).await.unwrap_err();
    assert!(status.message().contains("several"), "{}", status.message());
    assert_eq!(
        world.sandbox.get("messages").await,
        json!(world.sandbox.messages().await)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_caller_cannot_be_given_what_does_not_exist() {
    let overlay = "[[apps]]\nname = \"a\"\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"s\"\n";
    let caller = |permissions: &str, apps: &str| {
        let digest = "0".repeat(64);
        format!(
            "{overlay}[[callers]]\nname = \"x\"\ntoken_sha256 = \"{digest}\"\npermissions = [{permissions}]\napps = [{apps}]\n"
        )
    };
    for (permissions, apps, faults) in [
        (r#""*""#, r#""*""#, 0),
        (
            r#""MessageService/*", "GatewayService/ListApps", "BulkService/SendBulk""#,
            r#""a""#,
            0,
        ),
        (r#""MessageServce/*""#, r#""a""#, 1),
        (r#""MessageService/Send", "SendMessage""#, r#""b""#, 3),
    ] {
        let sources =
            wecomgw::config::Sources::read_with(DEFAULTS, &caller(permissions, apps), None, []);
        let config: Config = sources.and_then(|sources| sources.extract()).unwrap();
        let found = config.faults(false);
        assert_eq!(found.len(), faults, "{permissions} {apps}: {found:?}");
    }
}
