use std::fs;
use std::path::{Path as FilePath, PathBuf};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use super::*;
use crate::wecom::message::RenderedCardUpdate;
use crate::wecom::{Call, Payload};

const AGENT_ID: u32 = 1_000_002;
const BODIES: &str = "tests/fixtures/cgi-bin/message";

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
    compare("RecallMessage", "recall", |request| {
        body(&recall(request).expect("no broken rule"))
    });
    compare("UpdateTemplateCard", "update_template_card", |request| {
        let update = card_update(request).expect("convertible");
        assert_eq!(update.check(), []);
        body(&RenderedCardUpdate::new(update, AGENT_ID).expect("no inline media"))
    });
    compare("UpdateTaskCard", "update_taskcard", |request| {
        body(&task_card_update(request, AGENT_ID).expect("no broken rule"))
    });
    compare("GetSendStatistics", "get_statistics", |request| {
        body(&get_statistics(request).expect("no broken rule"))
    });
}

#[test]
fn answers_of_wecom_become_replies() {
    let answer = |name: &str| read(&format!("{BODIES}/{name}.response.json"));
    let partial = answer("update_template_card.partial");
    let updated = serde_json::from_str(&partial).expect("an answer");
    assert_eq!(
        card_updated(updated).invalid_user_ids,
        ["wang.fang", "zhao-lei"]
    );
    let ok = answer("update_template_card.ok");
    let updated = serde_json::from_str(&ok).expect("an answer");
    assert!(card_updated(updated).invalid_user_ids.is_empty());
    let partial = answer("update_taskcard.partial");
    let updated = serde_json::from_str(&partial).expect("an answer");
    assert_eq!(task_card_updated(updated).invalid_user_ids, ["wang.fang"]);
    let counts = answer("get_statistics.ok");
    let counts = statistics(serde_json::from_str(&counts).expect("an answer")).statistics;
    assert_eq!(counts.len(), 2);
    assert_eq!((counts[0].agent_id, counts[0].count), (AGENT_ID, 318));
    assert_eq!((&*counts[1].app_name, counts[1].count), ("考勤", 0));
    let recalled = answer("recall.ok");
    serde_json::from_str::<<Recall as Call>::Reply>(&recalled).expect("an answer");
}

#[test]
fn an_update_must_say_what_becomes_of_the_card() {
    let violations = card_update(pb::UpdateTemplateCardRequest::default());
    assert_eq!(
        fields(violations.expect_err("nothing is there")),
        ["update", "recipients", "response_code"]
    );
    let kindless = pb::UpdateTemplateCardRequest {
        update: Some(pb::update_template_card_request::Update::TemplateCard(
            pb::TemplateCard { kind: None },
        )),
        response_code: "code-1".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        fields(card_update(kindless).expect_err("no kind")),
        ["template_card", "recipients"]
    );
}

#[test]
fn an_unknown_number_is_refused_together_with_everything_else() {
    let json = r#"{"recipients": {"everyone": true}, "template_card": {"text_notice": {
        "source": {"color": 9}, "main_title": {"title": "t"}}}, "replace_text": "x"}"#;
    let violations = card_update(request("UpdateTemplateCard", json));
    assert_eq!(
        fields(violations.expect_err("unknown number")),
        [
            "template_card.text_notice.source.color",
            "response_code",
            "template_card.text_notice.card_action.link_type",
            "replace_text",
        ]
    );
    let request = pb::GetSendStatisticsRequest {
        day: 3,
        ..Default::default()
    };
    assert_eq!(
        fields(get_statistics(request).expect_err("no such day")),
        ["day"]
    );
}
