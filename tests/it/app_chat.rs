//! CreateChat, GetChat, UpdateChat and SendChatMessage. What becomes of faults is in
//! `lost`, what limits do in `pace`, what must not reach WeCom in `bad`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;
use wecomgw::sandbox::Settings;

use super::harness::{API_TOKEN, APP, SandboxHandle, World, details, from_json, verdict};

mod bad;
mod lost;
mod pace;

const CREATE: &str = "appchat/create";
const GET: &str = "appchat/get";
const UPDATE: &str = "appchat/update";
const SEND: &str = "appchat/send";
const CHAT: &str = "badminton5";

/// One of the four RPCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rpc {
    CreateChat,
    GetChat,
    UpdateChat,
    SendChatMessage,
}
use Rpc::{CreateChat, GetChat, SendChatMessage, UpdateChat};

const ALL: [Rpc; 4] = [CreateChat, GetChat, UpdateChat, SendChatMessage];

impl Rpc {
    fn path(self) -> &'static str {
        match self {
            CreateChat => CREATE,
            GetChat => GET,
            UpdateChat => UPDATE,
            SendChatMessage => SEND,
        }
    }

    /// The example, which breaks no rule.
    fn request(self) -> Value {
        example(match self {
            CreateChat => "create_chat",
            GetChat => "get_chat",
            UpdateChat => "update_chat",
            SendChatMessage => "send_chat_message",
        })
    }

    /// Calls it, with the API token of the tests.
    async fn call(self, world: &World, json: &Value) -> Result<Reply, Status> {
        fn request<T: prost::Message + Default>(rpc: Rpc, json: &Value) -> Request<T> {
            let message = from_json(&format!("{rpc:?}Request"), &json.to_string());
            let mut request = Request::new(message);
            let bearer = format!("Bearer {API_TOKEN}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
            request
        }
        let mut client = world.app_chats();
        let mut reply = Reply::default();
        match self {
            CreateChat => {
                let answer = client.create_chat(request(self, json)).await?.into_inner();
                (reply.chat_id, reply.existing) = (answer.chat_id, answer.existing);
            }
            GetChat => {
                let answer = client.get_chat(request(self, json)).await?.into_inner();
                reply.chat = answer.chat;
            }
            UpdateChat => {
                client.update_chat(request(self, json)).await?;
            }
            SendChatMessage => {
                client.send_chat_message(request(self, json)).await?;
            }
        }
        Ok(reply)
    }
}

#[derive(Debug, Default)]
struct Reply {
    chat_id: String,
    existing: bool,
    chat: Option<pb::Chat>,
}

fn example(name: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("examples/{name}.json")).unwrap()).unwrap()
}

/// The value with other fields laid over it; `null` takes a field away.
fn with(mut value: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("{changes} is no object")
    };
    let fields = value.as_object_mut().unwrap();
    for (name, change) in changes {
        match change {
            Value::Null => drop(fields.remove(&name)),
            change => drop(fields.insert(name, change)),
        }
    }
    value
}

fn say(text: &str) -> Value {
    json!({"app": APP, "chat_id": CHAT, "content": {"text": {"content": text}}})
}

fn errcode(code: i64) -> Value {
    json!({"kind": "errcode", "code": code})
}

/// A world with the chat of the example.
async fn with_chat() -> World {
    let world = World::start().await;
    let request = CreateChat.request();
    CreateChat.call(&world, &request).await.unwrap();
    world
}

/// A world whose second app may have chats too.
async fn with_two_apps() -> World {
    let mut settings = Settings::demo("127.0.0.1:0".parse().unwrap());
    settings.apps[1].app_chats = true;
    let world = World::start_with(SandboxHandle::start_with(settings).await, "").await;
    let request = CreateChat.request();
    CreateChat.call(&world, &request).await.unwrap();
    world
}

async fn chats(world: &World) -> Vec<Value> {
    let chats = world.sandbox.get("chats").await;
    chats.as_array().unwrap().clone()
}

#[tokio::test]
async fn the_examples_make_a_chat_read_it_fill_it_and_change_it() {
    let world = World::start().await;
    let made = CreateChat.call(&world, &CreateChat.request()).await;
    let made = made.unwrap();
    assert_eq!((&*made.chat_id, made.existing), (CHAT, false));

    SendChatMessage
        .call(&world, &SendChatMessage.request())
        .await
        .unwrap();
    let message = world.sandbox.messages().await.pop().unwrap();
    assert_eq!(message["chatid"], CHAT);
    assert_eq!(
        message["delivered_to"],
        json!(["zhangsan", "LiLei", "HanMeimei"])
    );
    assert_eq!(message["shown"]["mentioned_list"], json!(["LiLei"]));
    assert_eq!(message["cut"], json!([]));

    UpdateChat
        .call(&world, &UpdateChat.request())
        .await
        .unwrap();
    let got = GetChat.call(&world, &GetChat.request()).await.unwrap();
    let expected = pb::Chat {
        chat_id: CHAT.to_owned(),
        name: "周六羽毛球".to_owned(),
        owner_user_id: "LiLei".to_owned(),
        user_ids: ["LiLei", "HanMeimei", "wangwu"].map(str::to_owned).into(),
        kind: pb::ChatKind::Normal.into(),
    };
    assert_eq!(got.chat, Some(expected));
    world.stop().await;
}

#[tokio::test]
async fn a_chat_without_an_id_gets_one_from_the_gateway() {
    let world = World::start().await;
    let request = with(
        CreateChat.request(),
        json!({"chat_id": null, "name": null, "owner_user_id": null}),
    );
    let one = CreateChat.call(&world, &request).await.unwrap();
    let two = CreateChat.call(&world, &request).await.unwrap();
    assert_ne!(one.chat_id, two.chat_id);
    assert!(!one.existing && !two.existing);
    let calls = world.sandbox.calls(CREATE).await;
    assert_eq!(calls[0]["body"]["chatid"], one.chat_id);
    assert_eq!(one.chat_id.len(), 32);
    assert_eq!(chats(&world).await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_creation_repeated_is_the_chat_that_is_there() {
    let world = with_chat().await;
    for changes in [
        json!({}),
        // Spelled otherwise, in another order, or left to WeCom: still this chat.
        json!({"user_ids": ["HANMEIMEI", "ZhangSan", "lilei"], "owner_user_id": "ZHANGSAN"}),
        json!({"name": null, "owner_user_id": null}),
    ] {
        let request = with(CreateChat.request(), changes.clone());
        let reply = CreateChat.call(&world, &request).await.unwrap();
        assert_eq!((&*reply.chat_id, reply.existing), (CHAT, true), "{changes}");
    }
    assert_eq!(chats(&world).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_chat_id_that_is_taken_by_another_chat_already_exists() {
    let world = with_two_apps().await;
    for changes in [
        json!({"name": "周日羽毛球"}),
        json!({"owner_user_id": "LiLei"}),
        json!({"user_ids": ["zhangsan", "LiLei"]}),
        json!({"user_ids": ["zhangsan", "LiLei", "HanMeimei", "wangwu"]}),
        json!({"user_ids": ["zhangsan", "LiLei", "wangwu"]}),
        json!({"app": world.other_app()}),
    ] {
        let request = with(CreateChat.request(), changes.clone());
        let status = CreateChat.call(&world, &request).await.unwrap_err();
        let expected = (Code::AlreadyExists, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{changes}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], "86215");
        assert_eq!(metadata["path"], CREATE);
        assert_eq!(metadata.get("chat_id"), None, "nothing was made");
    }
    assert_eq!(chats(&world).await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn whether_a_taken_chat_id_is_ours_may_stay_unknown() {
    let world = with_chat().await;
    let asks = world.sandbox.calls(GET).await.len();
    for (fault, expected) in [
        (
            json!({"kind": "http_status", "status": 503}),
            (Code::Unavailable, "WECOM_UNREACHABLE"),
        ),
        (
            errcode(45009),
            (Code::ResourceExhausted, "WECOM_RATE_LIMITED"),
        ),
    ] {
        world.sandbox.fault(GET, fault.clone(), 3).await;
        let status = CreateChat
            .call(&world, &CreateChat.request())
            .await
            .unwrap_err();
        let (code, reason) = expected;
        assert_eq!(verdict(&status), (code, reason.to_owned()), "{fault}");
        let (_, metadata, info) = details(&status);
        assert_eq!(metadata["path"], GET);
        assert!(info.retry_info().is_some());
    }
    assert_eq!(world.sandbox.calls(GET).await.len() - asks, 4);
    world.stop().await;
}

#[tokio::test]
async fn only_the_app_that_made_a_chat_may_use_it() {
    let world = with_two_apps().await;
    for rpc in [GetChat, UpdateChat, SendChatMessage] {
        let request = with(rpc.request(), json!({"app": world.other_app()}));
        let status = rpc.call(&world, &request).await.unwrap_err();
        let expected = (Code::PermissionDenied, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        assert_eq!(details(&status).1["errcode"], "86008");
        let request = with(rpc.request(), json!({"chat_id": "NoSuchChat"}));
        let status = rpc.call(&world, &request).await.unwrap_err();
        let expected = (Code::NotFound, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        assert_eq!(details(&status).1["errcode"], "86003");
    }
    assert!(world.sandbox.calls(SEND).await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn an_app_that_does_not_see_the_root_has_no_chats() {
    let world = World::start().await;
    for rpc in ALL {
        let request = with(rpc.request(), json!({"app": world.other_app()}));
        let status = rpc.call(&world, &request).await.unwrap_err();
        let expected = (Code::PermissionDenied, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], "60011");
        assert!(!metadata["hint"].is_empty());
    }
    world.stop().await;
}

#[tokio::test]
async fn each_refusal_says_who_must_act() {
    let world = with_chat().await;
    for (rpc, code, expected) in [
        (CreateChat, 86006, Code::InvalidArgument),
        (CreateChat, 86007, Code::InvalidArgument),
        (CreateChat, 86216, Code::InvalidArgument),
        (CreateChat, 86207, Code::InvalidArgument),
        (CreateChat, 60011, Code::PermissionDenied),
        (CreateChat, 48002, Code::PermissionDenied),
        (CreateChat, 60020, Code::FailedPrecondition),
        (GetChat, 86003, Code::NotFound),
        (GetChat, 40050, Code::NotFound),
        (GetChat, 49008, Code::NotFound),
        (GetChat, 86008, Code::PermissionDenied),
        (GetChat, 48002, Code::PermissionDenied),
        (UpdateChat, 86207, Code::InvalidArgument),
        (UpdateChat, 86216, Code::InvalidArgument),
        (UpdateChat, 86006, Code::InvalidArgument),
        (UpdateChat, 86003, Code::NotFound),
        (UpdateChat, 49008, Code::NotFound),
        (UpdateChat, 86008, Code::PermissionDenied),
        (UpdateChat, 86101, Code::PermissionDenied),
        (UpdateChat, 48002, Code::PermissionDenied),
        (SendChatMessage, 40007, Code::InvalidArgument),
        (SendChatMessage, 40008, Code::InvalidArgument),
        (SendChatMessage, 86214, Code::InvalidArgument),
        (SendChatMessage, 86003, Code::NotFound),
        (SendChatMessage, 49008, Code::NotFound),
        (SendChatMessage, 86008, Code::PermissionDenied),
        (SendChatMessage, 60011, Code::PermissionDenied),
        (SendChatMessage, 86217, Code::FailedPrecondition),
    ] {
        let path = rpc.path();
        let before = world.sandbox.calls(path).await.len();
        world.sandbox.fault(path, errcode(code), 1).await;
        let status = rpc.call(&world, &rpc.request()).await.unwrap_err();
        let expected = (expected, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?} {code}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], code.to_string());
        assert_eq!(metadata["path"], path);
        let calls = world.sandbox.calls(path).await.len() - before;
        assert_eq!(calls, 1, "{rpc:?} {code} is not repeated");
    }
    assert!(world.sandbox.messages().await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn each_refusal_among_the_fixtures_reaches_the_caller_without_the_address() {
    let world = World::start().await;
    let mut seen = 0;
    for entry in fs::read_dir("tests/fixtures/cgi-bin/appchat").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some((call, _)) = name.split_once(".error.") else {
            continue;
        };
        let answer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        // The sandbox adds a tail of its own, with a hint and the address.
        let (words, _) = answer["errmsg"]
            .as_str()
            .unwrap()
            .split_once(", hint")
            .unwrap();
        let fault = json!({"kind": "errcode", "code": answer["errcode"], "errmsg": words});
        let rpc = ALL.into_iter().find(|rpc| rpc.path().ends_with(call));
        let rpc = rpc.unwrap();
        // The members of a chat are asked for first.
        let path = if rpc == SendChatMessage {
            GET
        } else {
            rpc.path()
        };
        world.sandbox.fault(path, fault, 1).await;
        let status = rpc.call(&world, &rpc.request()).await.unwrap_err();
        let (reason, metadata, _) = details(&status);
        assert_eq!(reason, "WECOM_REFUSED", "{name}");
        assert_eq!(metadata["errcode"], answer["errcode"].to_string());
        assert_eq!(metadata["errmsg"], words.trim(), "{name}");
        assert!(!format!("{status:?}").contains("203.0.113"), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 7);
    world.stop().await;
}

/// The gateway's request of a fixture, and the body that WeCom must get for it.
fn fixtures(rpc: Rpc) -> Vec<(String, Value, Value)> {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let folder = format!("tests/fixtures/wecomgw.v1/{rpc:?}");
    let entries = fs::read_dir(folder).unwrap();
    let pairs = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let body = format!("tests/fixtures/cgi-bin/{}.{name}.request.json", rpc.path());
        let body = read(Path::new(&body));
        (name, with(read(&path), json!({"app": APP})), body)
    });
    pairs.collect()
}

#[tokio::test]
async fn each_fixture_goes_over_the_wire_as_it_stands() {
    let world = World::start().await;
    // The members of the fixtures are nobody here: WeCom's side refuses most of
    // them, after it has read them.
    let request = with(CreateChat.request(), json!({"chat_id": "move2026"}));
    CreateChat.call(&world, &request).await.unwrap();
    for (rpc, count) in [(CreateChat, 2), (UpdateChat, 3), (SendChatMessage, 10)] {
        let fixtures = fixtures(rpc);
        assert_eq!(fixtures.len(), count, "{rpc:?}");
        for (name, request, body) in fixtures {
            let _ = rpc.call(&world, &request).await;
            let call = world.sandbox.calls(rpc.path()).await.pop().unwrap();
            assert_eq!(call["body"], body, "{rpc:?} {name}");
            assert_eq!(call["method"], "POST");
        }
    }
    assert_eq!(
        world.sandbox.messages().await.len(),
        5,
        "those without media"
    );
    assert_eq!(world.sandbox.calls(GET).await.len(), 0);
    GetChat.call(&world, &GetChat.request()).await.unwrap_err();
    assert_eq!(world.sandbox.calls(GET).await[0]["method"], "GET");
    world.stop().await;
}

#[tokio::test]
async fn a_file_is_uploaded_once_for_chats_and_members() {
    let world = with_chat().await;
    let file = json!({"file": {"media": {"inline": {
        "data": "Q291cnQgMywgMTg6MDA=", "file_name": "plan.txt",
    }}}});
    let to_chat = with(say("x"), json!({"content": file}));
    world.sandbox.fault("media/upload", errcode(40006), 1).await;
    let status = SendChatMessage.call(&world, &to_chat).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(world.sandbox.calls(SEND).await.is_empty());
    for _ in 0..2 {
        SendChatMessage.call(&world, &to_chat).await.unwrap();
    }
    let to_member = json!({"app": APP, "recipients": {"user_ids": ["lisi"]}, "content": file});
    let to_member = super::harness::send_request(to_member);
    world.messages().send_message(to_member).await.unwrap();
    assert_eq!(world.sandbox.calls("media/upload").await.len(), 2);
    let media_id = &world.sandbox.get("media").await[0]["media_id"];
    for call in world.sandbox.calls(SEND).await {
        assert_eq!(&call["body"]["file"]["media_id"], media_id);
    }

    // A file that WeCom has lost is uploaded once more, and not for ever.
    world.sandbox.fault(SEND, errcode(40007), 1).await;
    SendChatMessage.call(&world, &to_chat).await.unwrap();
    assert_eq!(world.sandbox.calls("media/upload").await.len(), 3);
    assert_eq!(world.sandbox.calls(SEND).await.len(), 4);
    world.sandbox.fault(SEND, errcode(40007), 0).await;
    let status = SendChatMessage.call(&world, &to_chat).await.unwrap_err();
    assert_eq!(details(&status).1["errcode"], "40007");
    assert_eq!(world.sandbox.calls(SEND).await.len(), 6);
    world.stop().await;
}

#[tokio::test]
async fn each_rpc_has_a_permission_of_its_name() {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    for permitted in ALL {
        let callers = format!(
            "[[callers]]\nname = \"sport\"\ntoken_sha256 = \"{digest}\"\n\
             permissions = [\"AppChatService/{permitted:?}\"]\napps = [\"{APP}\"]\n"
        );
        let world = World::start_with(SandboxHandle::start().await, &callers).await;
        for rpc in ALL {
            let reason = rpc
                .call(&world, &rpc.request())
                .await
                .map_or_else(|status| verdict(&status).1, |_| "OK".to_owned());
            let denied = reason == "CALLER_NOT_PERMITTED";
            assert_eq!(
                denied,
                rpc != permitted,
                "{rpc:?} by {permitted:?}: {reason}"
            );
        }
        let request = with(permitted.request(), json!({"app": world.other_app()}));
        let status = permitted.call(&world, &request).await.unwrap_err();
        let expected = (Code::NotFound, "APP_NOT_FOUND".to_owned());
        assert_eq!(verdict(&status), expected, "{permitted:?}");
        world.stop().await;
    }
}
