//! The audit: who changed what, one record each.

use prost_types::method_options::IdempotencyLevel::NoSideEffects;
use serde_json::Value;
use sha2::Digest as _;
use tonic::Request;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::app_chat_service_client::AppChatServiceClient;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;

use super::dynamic::methods;
use super::harness::{API_TOKEN, SandboxHandle, World, audit_log, text_to};

fn with<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// Where the calls of this test come from, since all tests write into one log.
const PEER: [u8; 4] = [127, 0, 0, 77];

/// The records of the calls from an address, in their order.
fn records(address: [u8; 4]) -> Vec<Value> {
    let address = format!("{}:", std::net::Ipv4Addr::from(address));
    let lines = audit_log().into_iter().filter(|line| {
        let peer = line["peer"].as_str().unwrap_or_default();
        peer.starts_with(&address)
    });
    lines.collect()
}

#[tokio::test]
async fn each_call_that_changes_something_is_recorded_once() {
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let overlay = format!(
        "[[callers]]\nname = \"audited\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"MessageService/*\"]\napps = [\"youxiao\"]\n"
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let channel = world.channel_from(PEER.into());
    let mut messages = MessageServiceClient::new(channel.clone());
    let mut chats = AppChatServiceClient::new(channel);
    let token = Some(API_TOKEN);
    let body = "nobody-reads-this-body";

    messages
        .send_message(with(text_to("zhangsan", body), token))
        .await
        .unwrap();
    messages
        .send_message(with(text_to("no-such-user", body), token))
        .await
        .unwrap_err();
    messages
        .send_message(with(text_to("zhangsan", body), None))
        .await
        .unwrap_err();
    let recall = pb::RecallMessageRequest::default();
    messages
        .recall_message(with(recall, token))
        .await
        .unwrap_err();
    let create = pb::CreateChatRequest::default();
    chats.create_chat(with(create, token)).await.unwrap_err();
    // These change nothing.
    let check = pb::ValidateMessageRequest::default();
    let _ = messages.validate_message(with(check, token)).await;
    let _ = messages
        .get_send_statistics(with(pb::GetSendStatisticsRequest::default(), token))
        .await;

    let records = records(PEER);
    let found: Vec<_> = records
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap_or("-").to_owned();
            let rpc = text("rpc").replace("wecomgw.v1.", "");
            (rpc, text("caller"), text("app"), text("code"))
        })
        .collect();
    let row = |rpc: &str, caller: &str, app: &str, code: &str| {
        (
            rpc.to_owned(),
            caller.to_owned(),
            app.to_owned(),
            code.to_owned(),
        )
    };
    assert_eq!(
        found,
        [
            row("MessageService/SendMessage", "audited", "youxiao", "OK"),
            row(
                "MessageService/SendMessage",
                "audited",
                "youxiao",
                "INVALID_ARGUMENT"
            ),
            row("MessageService/SendMessage", "-", "-", "UNAUTHENTICATED"),
            row(
                "MessageService/RecallMessage",
                "audited",
                "youxiao",
                "INVALID_ARGUMENT"
            ),
            row(
                "AppChatService/CreateChat",
                "audited",
                "-",
                "PERMISSION_DENIED"
            ),
        ]
    );
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains(body) && !text.contains("zhangsan"), "{text}");
    assert!(records.iter().all(|record| record["dur_ms"].is_number()));
    world.stop().await;
}

#[tokio::test]
async fn every_rpc_that_changes_something_is_recorded_allowed_or_refused() {
    const PEER: [u8; 4] = [127, 0, 0, 78];
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let overlay = format!(
        "[[callers]]\nname = \"audited\"\ntoken_sha256 = \"{digest}\"\n\
         permissions = [\"*\", \"AuthService/GetAccessToken\"]\napps = [\"youxiao\"]\n"
    );
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let bearer = format!("Bearer {API_TOKEN}");
    let mut count = 0;
    for method in methods() {
        let name = method.full_name().to_owned();
        let options = method.method_descriptor_proto().options.clone();
        let changes = options.unwrap_or_default().idempotency_level() != NoSideEffects;
        // What it answers is told by other tests: the second is let in, and asks for nothing.
        for authorization in [None, Some(bearer.as_str())] {
            let before = records(PEER).len();
            let channel = world.channel_from(PEER.into());
            let answer = super::deny::call(channel, &method, authorization, Vec::new()).await;
            let records = records(PEER);
            assert_eq!(records.len() - before, usize::from(changes), "{name}");
            count += records.len() - before;
            let Some(record) = records.get(before) else {
                continue;
            };
            let rpc = format!("{}/{}", method.parent_service().full_name(), method.name());
            assert_eq!(record["rpc"], rpc);
            assert_eq!(
                record["caller"] == "audited",
                authorization.is_some(),
                "{record}"
            );
            assert_eq!(
                record["code"] == "OK",
                answer.is_ok(),
                "{record} {answer:?}"
            );
        }
    }
    assert!(count > 20, "{count}");
    world.stop().await;
}
