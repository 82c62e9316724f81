use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::wecom::app_chat::{Got, Made, RenderedSend};
use crate::wecom::{Call, Payload};

const BODIES: &str = "tests/fixtures/cgi-bin/appchat";

fn at_root(path: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The names of the files of `folder` that begin and end so, without both.
fn names(folder: &str, begin: &str, end: &str) -> Vec<String> {
    let entries = fs::read_dir(at_root(folder)).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| {
            let name = name.to_str()?.strip_prefix(begin)?;
            Some(name.strip_suffix(end)?.to_owned())
        })
        .collect();
    names.sort();
    names
}

fn read(path: &str) -> String {
    fs::read_to_string(at_root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A request as a client that speaks proto3 JSON would send it.
fn request<M: Message + Default>(name: &str, json: &str) -> M {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).expect("our descriptors");
    let descriptor = pool
        .get_message_by_name(&format!("wecomgw.v1.{name}Request"))
        .expect("the message");
    let mut json = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(descriptor, &mut json).expect("proto3 JSON");
    M::decode(message.encode_to_vec().as_slice()).expect("our own bytes")
}

fn body(call: &impl Call) -> Value {
    match call.payload() {
        Payload::Json(body) => serde_json::from_slice(&body).expect("JSON"),
        _ => panic!("not JSON"),
    }
}

fn answer<R: DeserializeOwned>(name: &str) -> R {
    let json = read(&format!("{BODIES}/{name}.response.json"));
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn fields(violations: Vec<Violation>) -> Vec<String> {
    violations.into_iter().map(|found| found.field).collect()
}

/// Compares what each request of `rpc` becomes with the body of the same name.
fn compare<M: Message + Default>(rpc: &str, call: &str, render: impl Fn(M) -> Value) {
    let requests = format!("tests/fixtures/wecomgw.v1/{rpc}");
    let variants = names(&requests, "", ".json");
    let bodies = names(BODIES, &format!("{call}."), ".request.json");
    assert_eq!(variants, bodies, "one request for each body");
    for name in variants {
        let json = read(&format!("{requests}/{name}.json"));
        let expected = read(&format!("{BODIES}/{call}.{name}.request.json"));
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(render(request(rpc, &json)), expected, "{call} {name}");
    }
}

#[test]
fn every_fixture_is_what_its_request_becomes() {
    compare("CreateChat", "create", |request| {
        body(&create(request).expect("no broken rule"))
    });
    compare("UpdateChat", "update", |request| {
        body(&update(request).expect("no broken rule"))
    });
    compare("SendChatMessage", "send", |request| {
        let send = send(request).expect("convertible");
        assert_eq!(send.check(), []);
        body(&RenderedSend::new(&send, Arc::new([])).expect("no inline media"))
    });
}

#[test]
fn answers_of_wecom_become_replies() {
    let answers = [
        "create.ok",
        "get.course",
        "get.ok",
        "get.without_type",
        "send.ok",
        "update.ok",
    ];
    assert_eq!(names(BODIES, "", ".response.json"), answers, "all are read");
    let made: Made = answer("create.ok");
    assert_eq!(made.chat_id, "move2026");
    answer::<<Update as Call>::Reply>("update.ok");
    answer::<<RenderedSend as Call>::Reply>("send.ok");

    let get = Get {
        chat_id: "move2026".to_owned(),
    };
    let chat = |name| got(&get, answer::<Got>(name).chat).chat.expect("a chat");
    let expected = pb::Chat {
        chat_id: "move2026".to_owned(),
        name: "机房搬迁".to_owned(),
        owner_user_id: "Wang.Fang".to_owned(),
        user_ids: ["Wang.Fang", "zhao-lei", "chen_jie@rd"]
            .map(str::to_owned)
            .into(),
        kind: pb::ChatKind::Normal.into(),
    };
    assert_eq!(chat("get.ok"), expected);
    assert_eq!(chat("get.course").kind(), pb::ChatKind::Course);
    assert_eq!(chat("get.without_type").kind(), pb::ChatKind::Unspecified);
}

#[test]
fn a_kind_of_chat_that_is_new_is_no_error() {
    let get = Get {
        chat_id: "c".to_owned(),
    };
    let chat = Chat {
        kind: Some(7),
        ..Chat::default()
    };
    let chat = got(&get, chat).chat.expect("a chat");
    assert_eq!(chat.kind(), pb::ChatKind::Unspecified);
}

#[test]
fn a_chat_without_an_id_gets_one() {
    let without = || pb::CreateChatRequest {
        user_ids: vec!["zhangsan".to_owned(), "lisi".to_owned()],
        ..Default::default()
    };
    let [one, two] = [without(), without()].map(|request| create(request).expect("no broken rule"));
    assert_eq!(one.chat_id.len(), 32);
    assert_ne!(one.chat_id, two.chat_id);
}

#[test]
fn what_cannot_be_converted_is_refused_together_with_everything_else() {
    let empty = pb::SendChatMessageRequest::default();
    assert_eq!(
        fields(send(empty).expect_err("no content")),
        ["content", "chat_id"]
    );
    let json = r#"{"chat_id": "a-b", "safe": 9, "content": {"text": {"content": ""}}}"#;
    assert_eq!(
        fields(send(request("SendChatMessage", json)).expect_err("no such safe")),
        ["safe", "chat_id", "content.text.content"]
    );
}

#[test]
fn every_example_passes_every_rule() {
    let example = |name: &str| read(&format!("examples/{name}.json"));
    create(request("CreateChat", &example("create_chat"))).expect("no broken rule");
    get(request("GetChat", &example("get_chat"))).expect("no broken rule");
    update(request("UpdateChat", &example("update_chat"))).expect("no broken rule");
    let message = request("SendChatMessage", &example("send_chat_message"));
    assert_eq!(send(message).expect("convertible").check(), []);
}

#[test]
fn a_chat_takes_nine_kinds_and_says_safe_of_some() {
    let kind = |content: &str, safe: &str| {
        let json = format!(r#"{{"chat_id": "c1", "content": {{{content}}}, "safe": "{safe}"}}"#);
        let send = send(request("SendChatMessage", &json)).expect("convertible");
        fields(send.check())
    };
    let media = r#"{"media": {"media_id": "m-1"}}"#;
    let (on, off, internal) = ("SAFE_ON", "SAFE_OFF", "SAFE_INTERNAL");
    for (content, refused) in [
        (r#""text": {"content": "x"}"#.to_owned(), &[internal][..]),
        (format!(r#""image": {media}"#), &[internal]),
        (format!(r#""voice": {media}"#), &[off, on, internal]),
        (format!(r#""video": {media}"#), &[internal]),
        (format!(r#""file": {media}"#), &[internal]),
        (
            r#""text_card": {"title": "t", "description": "d", "url": "https://e.com"}"#.to_owned(),
            &[on, internal],
        ),
        (
            r#""news": {"articles": [{"title": "t", "url": "https://e.com"}]}"#.to_owned(),
            &[on, internal],
        ),
        (
            r#""mp_news": {"articles": [{"title": "t", "content": "c", "thumbnail": {"media_id": "m-1"}}]}"#
                .to_owned(),
            &[internal],
        ),
        (
            r#""markdown": {"content": "x"}"#.to_owned(),
            &[off, on, internal],
        ),
    ] {
        assert_eq!(kind(&content, "SAFE_UNSPECIFIED"), [""; 0], "{content}");
        for safe in [on, off, internal] {
            let expected: &[&str] = if refused.contains(&safe) { &["safe"] } else { &[] };
            assert_eq!(kind(&content, safe), expected, "{content} {safe}");
        }
    }
    for (content, field) in [
        (
            r#""mini_program_notice": {"app_id": "wx1", "title": "四个字啊"}"#,
            "mini_program_notice",
        ),
        (
            r#""task_card": {"title": "t", "description": "d", "task_id": "t1", "buttons": [{"key": "k", "name": "n"}]}"#,
            "task_card",
        ),
        (
            r#""template_card": {"text_notice": {"main_title": {"title": "t"}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}}}"#,
            "template_card",
        ),
    ] {
        assert_eq!(
            kind(content, "SAFE_UNSPECIFIED"),
            [format!("content.{field}")]
        );
    }
}
