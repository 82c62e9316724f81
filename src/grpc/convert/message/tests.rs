use std::fs;
use std::path::{Path as FilePath, PathBuf};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use super::*;
use crate::wecom::content::{Content, Media, TaskCardName};

const AGENT_ID: u32 = 1_000_002;

/// The content of a request whose field is called `content`.
fn content(content: pb::Content) -> Result<Content, Vec<Violation>> {
    let mut found = Checker::default();
    let converted = content_at(&Path::ROOT.field("content"), Some(content), &mut found);
    let violations = found.into_violations();
    converted
        .filter(|_| violations.is_empty())
        .ok_or(violations)
}

fn at_root(path: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn json_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(at_root(folder)).expect("the folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

/// A request as a client that speaks proto3 JSON would send it.
fn request(json: &str) -> pb::SendMessageRequest {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).expect("our descriptors");
    let descriptor = pool
        .get_message_by_name("wecomgw.v1.SendMessageRequest")
        .expect("the message");
    let mut json = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(descriptor, &mut json).expect("proto3 JSON");
    pb::SendMessageRequest::decode(message.encode_to_vec().as_slice()).expect("our own bytes")
}

fn text(content: &str) -> Option<pb::Content> {
    Some(pb::Content {
        kind: Some(pb::content::Kind::Text(pb::Text {
            content: content.to_owned(),
            ..pb::Text::default()
        })),
    })
}

fn to_zhangsan(content: Option<pb::Content>) -> pb::SendMessageRequest {
    pb::SendMessageRequest {
        recipients: Some(pb::Recipients {
            user_ids: vec!["zhangsan".to_owned()],
            ..pb::Recipients::default()
        }),
        content,
        ..pb::SendMessageRequest::default()
    }
}

fn fields(violations: Vec<Violation>) -> Vec<String> {
    violations.into_iter().map(|found| found.field).collect()
}

fn refused(request: pb::SendMessageRequest) -> Vec<String> {
    fields(send(request).expect_err("cannot be converted"))
}

#[test]
fn every_fixture_is_what_its_request_becomes() {
    let files = json_files("tests/fixtures/wecomgw.v1/SendMessage");
    let bodies = json_files("tests/fixtures/cgi-bin/message");
    let sends = bodies.iter().filter(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with("send.") && name.ends_with(".request.json")
    });
    assert_eq!(sends.count(), files.len(), "one request for each body");
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy();
        let json = fs::read_to_string(&file).expect("the request");
        let send = send(request(&json)).expect("convertible");
        assert_eq!(send.check(), [], "{name}");
        let task_card = match &*name {
            "taskcard" => TaskCardName::Taskcard,
            _ => TaskCardName::InteractiveTaskcard,
        };
        let body = send.body(AGENT_ID, task_card).expect("renders");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let expected = at_root(&format!(
            "tests/fixtures/cgi-bin/message/send.{name}.request.json"
        ));
        let expected = fs::read_to_string(expected).expect("the fixture of the same name");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(body, expected, "{name}");
    }
}

#[test]
fn every_example_passes_every_rule() {
    let mut files = json_files("examples");
    files.retain(|file| {
        let name = file.file_name().expect("a name").to_string_lossy();
        name.starts_with("send_") && name != "send_chat_message.json" && name != "send_bulk.json"
    });
    assert_eq!(files.len(), 16, "one for each kind of content and of card");
    for file in files {
        let json = fs::read_to_string(&file).expect("the example");
        let mut send = send(request(&json)).expect("convertible");
        assert_eq!(send.check(), [], "{}", file.display());
        for (_, media) in send.content.inline_media() {
            *media = Media::Id("uploaded".to_owned());
        }
        assert!(send.body(AGENT_ID, TaskCardName::default()).is_ok());
    }
}

#[test]
fn content_must_have_a_kind() {
    let empty = Some(pb::Content { kind: None });
    assert_eq!(refused(to_zhangsan(None)), ["content"]);
    assert_eq!(refused(to_zhangsan(empty.clone())), ["content"]);
    let mut nobody = to_zhangsan(empty);
    nobody.recipients = None;
    assert_eq!(refused(nobody), ["content", "recipients"]);
}

#[test]
fn card_must_have_a_kind() {
    let card = pb::Content {
        kind: Some(pb::content::Kind::TemplateCard(pb::TemplateCard {
            kind: None,
        })),
    };
    assert_eq!(
        fields(content(card).expect_err("no kind")),
        ["content.template_card"]
    );
}

#[test]
fn missing_media_are_named_at_their_field() {
    let image = pb::Content {
        kind: Some(pb::content::Kind::Image(pb::Image { media: None })),
    };
    let send = send(to_zhangsan(Some(image))).expect("convertible");
    assert_eq!(fields(send.check()), ["content.image.media"]);
}

#[test]
fn unknown_number_is_refused_together_with_everything_else() {
    let card = pb::TaskCard {
        title: "t".to_owned(),
        buttons: vec![pb::TaskCardButton {
            key: "k".to_owned(),
            name: "n".to_owned(),
            color: 77,
            ..pb::TaskCardButton::default()
        }],
        ..pb::TaskCard::default()
    };
    let mut request = to_zhangsan(Some(pb::Content {
        kind: Some(pb::content::Kind::TaskCard(card)),
    }));
    request.safe = -1;
    assert_eq!(
        refused(request),
        [
            "content.task_card.buttons[0].color",
            "safe",
            "content.task_card.task_id"
        ]
    );
}

#[test]
fn unknown_numbers_of_cards_are_named() {
    let action = pb::CardAction {
        link_type: 9,
        ..pb::CardAction::default()
    };
    let card = pb::TextNoticeCard {
        source: Some(pb::CardSource {
            color: 9,
            ..pb::CardSource::default()
        }),
        horizontal_contents: vec![pb::CardHorizontalContent {
            r#type: 9,
            ..pb::CardHorizontalContent::default()
        }],
        jumps: vec![
            pb::CardJump::default(),
            pb::CardJump {
                link_type: 9,
                ..pb::CardJump::default()
            },
        ],
        card_action: Some(action),
        ..pb::TextNoticeCard::default()
    };
    let kind = pb::template_card::Kind::TextNotice(card);
    let card = pb::Content {
        kind: Some(pb::content::Kind::TemplateCard(pb::TemplateCard {
            kind: Some(kind),
        })),
    };
    assert_eq!(
        fields(content(card).expect_err("unknown numbers")),
        [
            "source.color",
            "horizontal_contents[0].type",
            "jumps[1].link_type",
            "card_action.link_type"
        ]
        .map(|field| format!("content.template_card.text_notice.{field}"))
    );
}

#[test]
fn interval_is_whole_seconds() {
    for (seconds, nanos, good) in [
        (60, 0, true),
        (60, 1, false),
        (-1, 0, false),
        (1 << 40, 0, false),
    ] {
        let mut request = to_zhangsan(text("x"));
        request.duplicate_check = Some(pb::DuplicateCheck {
            enabled: true,
            interval: Some(prost_types::Duration { seconds, nanos }),
        });
        match send(request) {
            Ok(send) => {
                assert!(good, "{seconds} s {nanos} ns");
                let check = send.duplicate_check.expect("it was set");
                assert_eq!(check.interval_seconds, Some(60));
            }
            Err(violations) => {
                assert!(!good, "{seconds} s {nanos} ns");
                assert_eq!(fields(violations), ["duplicate_check.interval"]);
            }
        }
    }
}

#[test]
fn strings_are_moved() {
    let request = to_zhangsan(text("a text long enough to live on the heap"));
    let before = match &request.content.as_ref().expect("content").kind {
        Some(pb::content::Kind::Text(text)) => text.content.as_ptr(),
        _ => unreachable!("a text was made"),
    };
    match send(request).expect("convertible").content {
        Content::Text(text) => assert_eq!(text.content.as_ptr(), before),
        other => panic!("{other:?} is no text"),
    }
}

#[test]
fn answer_of_wecom_becomes_the_reply() {
    let path = at_root("tests/fixtures/cgi-bin/message/send.partial.response.json");
    let answer = fs::read_to_string(path).expect("the fixture");
    let mut answer: Sent = serde_json::from_str(&answer).expect("an answer");
    answer.in_the_spelling_of(&Recipients {
        user_ids: vec!["Wang.Fang".to_owned(), "zhao-lei".to_owned()],
        ..Recipients::default()
    });
    assert_eq!(
        sent(answer),
        pb::SendMessageResponse {
            message_id: "made-up-msgid_7hQ2xWc9".to_owned(),
            invalid_user_ids: vec!["Wang.Fang".to_owned(), "zhao-lei".to_owned()],
            invalid_department_ids: vec![2, 17],
            invalid_tag_ids: vec![5, 8],
            unlicensed_user_ids: vec!["chen_jie@rd".to_owned()],
            response_code: String::new(),
        }
    );
}
