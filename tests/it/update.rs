//! RecallMessage, UpdateTemplateCard, UpdateTaskCard and GetSendStatistics.

use std::fs;

use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;

use super::harness::{
    API_TOKEN, APP, SandboxHandle, World, details, from_json, send_request, text_to, verdict,
};

const RECALL: &str = "message/recall";
const UPDATE_TEMPLATE_CARD: &str = "message/update_template_card";
const UPDATE_TASK_CARD: &str = "message/update_taskcard";
const GET_STATISTICS: &str = "message/get_statistics";

/// One of the four RPCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rpc {
    RecallMessage,
    UpdateTemplateCard,
    UpdateTaskCard,
    GetSendStatistics,
}
use Rpc::{GetSendStatistics, RecallMessage, UpdateTaskCard, UpdateTemplateCard};

const ALL: [Rpc; 4] = [
    RecallMessage,
    UpdateTemplateCard,
    UpdateTaskCard,
    GetSendStatistics,
];

impl Rpc {
    fn path(self) -> &'static str {
        match self {
            RecallMessage => RECALL,
            UpdateTemplateCard => UPDATE_TEMPLATE_CARD,
            UpdateTaskCard => UPDATE_TASK_CARD,
            GetSendStatistics => GET_STATISTICS,
        }
    }

    /// A request without a fault.
    fn request(self) -> Value {
        match self {
            RecallMessage => json!({"app": APP, "message_id": "no-such-msgid"}),
            UpdateTemplateCard => grey_out("no-such-code"),
            UpdateTaskCard => json!({
                "app": APP, "user_ids": ["zhangsan"], "task_id": "no-such-task",
                "replace_name": "已批准",
            }),
            GetSendStatistics => json!({"app": APP}),
        }
    }

    /// Calls it, with the API token of the tests; answers what the reply holds.
    async fn call(self, world: &World, json: &Value) -> Result<Reply, Status> {
        fn request<T: prost::Message + Default>(rpc: Rpc, json: &Value) -> Request<T> {
            let message = from_json(&format!("{rpc:?}Request"), &json.to_string());
            let mut request = Request::new(message);
            let bearer = format!("Bearer {API_TOKEN}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
            request
        }
        let mut client = world.messages();
        let mut reply = Reply::default();
        match self {
            RecallMessage => {
                client.recall_message(request(self, json)).await?;
            }
            UpdateTemplateCard => {
                let answer = client.update_template_card(request(self, json)).await?;
                reply.invalid_user_ids = answer.into_inner().invalid_user_ids;
            }
            UpdateTaskCard => {
                let answer = client.update_task_card(request(self, json)).await?;
                reply.invalid_user_ids = answer.into_inner().invalid_user_ids;
            }
            GetSendStatistics => {
                let answer = client.get_send_statistics(request(self, json)).await?;
                reply.statistics = answer.into_inner().statistics;
            }
        }
        Ok(reply)
    }
}

#[derive(Debug, Default)]
struct Reply {
    invalid_user_ids: Vec<String>,
    statistics: Vec<pb::SendStatistics>,
}

fn grey_out(response_code: &str) -> Value {
    json!({
        "app": APP, "recipients": {"user_ids": ["zhangsan"]}, "response_code": response_code,
        "button_text": "已处理",
    })
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

fn example(name: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("examples/{name}.json")).unwrap()).unwrap()
}

async fn send(world: &World, request: Value) -> pb::SendMessageResponse {
    let request = send_request(request);
    let reply = world.messages().send_message(request).await;
    reply.unwrap().into_inner()
}

/// Sends the example of a card with buttons to zhangsan and lisi.
async fn send_card(world: &World) -> String {
    let reply = send(world, example("send_button_interaction")).await;
    assert!(!reply.response_code.is_empty());
    reply.response_code
}

async fn last_message(world: &World) -> Value {
    world.sandbox.messages().await.pop().unwrap()
}

#[tokio::test]
async fn a_sent_message_is_recalled_as_often_as_one_likes() {
    let world = World::start().await;
    let sent = world
        .messages()
        .send_message(text_to("zhangsan", "The wrong date"))
        .await
        .unwrap()
        .into_inner();
    let recall = with(
        example("recall_message"),
        json!({"message_id": sent.message_id}),
    );
    for _ in 0..2 {
        RecallMessage.call(&world, &recall).await.unwrap();
        assert_eq!(last_message(&world).await["recalled"], true);
    }
    let calls = world.sandbox.calls(RECALL).await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["body"], json!({"msgid": sent.message_id}));

    // By the app that sent it only.
    let other = with(recall, json!({"app": world.other_app()}));
    let status = RecallMessage.call(&world, &other).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::InvalidArgument, "WECOM_REFUSED".into())
    );
    assert_eq!(details(&status).1["errcode"], "40058");
    world.stop().await;
}

#[tokio::test]
async fn a_response_code_greys_out_the_buttons_once() {
    let world = World::start().await;
    let update = with(
        grey_out(&send_card(&world).await),
        json!({"recipients": {"user_ids": ["ZhangSan", "WangWu", "No.Body"]}}),
    );
    let reply = UpdateTemplateCard.call(&world, &update).await.unwrap();
    assert_eq!(
        reply.invalid_user_ids,
        ["WangWu", "No.Body"],
        "spelled as in the request"
    );
    let message = last_message(&world).await;
    assert_eq!(message["updates"][0]["user_ids"], json!(["zhangsan"]));
    assert_eq!(message["updates"][0]["replace_name"], "已处理");

    let status = UpdateTemplateCard.call(&world, &update).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::FailedPrecondition, "WECOM_REFUSED".into())
    );
    let (_, metadata, _) = details(&status);
    assert_eq!(metadata["errcode"], "60140");
    assert_eq!(metadata["path"], UPDATE_TEMPLATE_CARD);
    assert!(!metadata["hint"].is_empty());
    assert_eq!(world.sandbox.calls(UPDATE_TEMPLATE_CARD).await.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn everyone_who_got_the_card_can_be_meant() {
    let world = World::start().await;
    for (recipients, updated) in [
        (json!({"everyone": true}), json!(["zhangsan", "lisi"])),
        (json!({"department_ids": [5]}), json!(["lisi"])),
        (json!({"tag_ids": [1]}), json!(["zhangsan", "lisi"])),
    ] {
        let mut card = example("send_button_interaction");
        card["content"]["template_card"]["button_interaction"]["task_id"] =
            json!(format!("release-{}", world.sandbox.messages().await.len()));
        let response_code = send(&world, card).await.response_code;
        let update = with(grey_out(&response_code), json!({"recipients": recipients}));
        UpdateTemplateCard.call(&world, &update).await.unwrap();
        let message = last_message(&world).await;
        assert_eq!(message["updates"][0]["user_ids"], updated, "{recipients}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_whole_card_takes_the_place_of_another() {
    let world = World::start().await;
    let response_code = send_card(&world).await;
    let update = with(
        example("update_template_card"),
        json!({"response_code": response_code}),
    );
    let reply = UpdateTemplateCard.call(&world, &update).await.unwrap();
    assert!(reply.invalid_user_ids.is_empty());
    let message = last_message(&world).await;
    let card = &message["updates"][0]["template_card"];
    assert_eq!(card["main_title"]["desc"], "张三 已确认", "ids translated");
    assert_eq!(card["replace_text"], "已安排");
    assert_eq!(
        message["updates"][0]["user_ids"],
        json!(["zhangsan", "lisi"])
    );
    world.stop().await;
}

#[tokio::test]
async fn a_replacement_may_be_of_another_kind_and_its_task_id_is_not_sent() {
    let world = World::start().await;
    let card = json!({"text_notice": {
        "task_id": "release-25", "main_title": {"title": "Shipped"},
        "action_menu": {"actions": [{"text": "Mute", "key": "mute"}]},
        "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://ci.example.com/24"},
    }});
    let update = with(
        grey_out(&send_card(&world).await),
        json!({"button_text": null, "template_card": card}),
    );
    UpdateTemplateCard.call(&world, &update).await.unwrap();
    let calls = world.sandbox.calls(UPDATE_TEMPLATE_CARD).await;
    let body = &calls[0]["body"];
    assert_eq!(body["userids"], json!(["zhangsan"]));
    assert_eq!(body["template_card"]["card_type"], "text_notice");
    assert_eq!(body["template_card"].get("task_id"), None);
    world.stop().await;
}

#[tokio::test]
async fn a_file_of_a_replacement_is_uploaded_first_and_once() {
    let world = World::start().await;
    let replacement = |response_code: &str| {
        with(
            grey_out(response_code),
            json!({"button_text": null, "template_card": {"button_interaction": {
                "main_title": {"title": "Shipped"},
                "horizontal_contents": [{
                    "type": "CARD_HORIZONTAL_CONTENT_TYPE_FILE", "key": "Log", "value": "log.txt",
                    "media": {"inline": {"data": "YWxsIGdyZWVu", "file_name": "log.txt"}},
                }],
                "buttons": [{"text": "Fine", "key": "fine"}],
            }}}),
        )
    };
    let first = send_card(&world).await;
    world.sandbox.set(json!({"unique_task_ids": false})).await;
    let second = send_card(&world).await;
    // An upload that fails spends no response_code.
    world
        .sandbox
        .fault("media/upload", json!({"kind": "errcode", "code": 40006}), 1)
        .await;
    let status = UpdateTemplateCard.call(&world, &replacement(&first)).await;
    assert_eq!(status.unwrap_err().code(), Code::InvalidArgument);
    assert!(world.sandbox.calls(UPDATE_TEMPLATE_CARD).await.is_empty());
    for response_code in [&first, &second] {
        UpdateTemplateCard
            .call(&world, &replacement(response_code))
            .await
            .unwrap();
    }
    assert_eq!(world.sandbox.calls("media/upload").await.len(), 2);
    let uploaded = &world.sandbox.get("media").await[0]["media_id"];
    for call in world.sandbox.calls(UPDATE_TEMPLATE_CARD).await {
        let rows = &call["body"]["template_card"]["horizontal_content_list"];
        assert_eq!(&rows[0]["media_id"], uploaded);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_task_card_is_updated_by_either_spelling() {
    let world = World::start().await;
    send(&world, example("send_task_card")).await;
    let update = example("update_task_card");
    UpdateTaskCard.call(&world, &update).await.unwrap();
    let changes =
        json!({"replace_name": null, "clicked_key": "agree", "user_ids": ["LiSi", "WangWu"]});
    let reply = UpdateTaskCard
        .call(&world, &with(update, changes))
        .await
        .unwrap();
    assert_eq!(reply.invalid_user_ids, ["WangWu"], "as in the request");
    let updates = &last_message(&world).await["updates"];
    assert_eq!(updates[0]["replace_name"], "已批准");
    assert_eq!(updates[0]["user_ids"], json!(["zhangsan", "lisi"]));
    assert_eq!(updates[1]["clicked_key"], "agree");
    assert_eq!(updates[1]["user_ids"], json!(["lisi"]));
    world.stop().await;
}

#[tokio::test]
async fn sends_are_counted_for_each_app_of_the_corp() {
    let world = World::start().await;
    send(&world, example("send_text")).await;
    let today = example("get_send_statistics");
    let recipients = last_message(&world).await["delivered_to"]
        .as_array()
        .unwrap()
        .len();
    for (day, count) in [
        (json!("STATISTICS_DAY_TODAY"), recipients),
        (Value::Null, recipients),
        (json!("STATISTICS_DAY_YESTERDAY"), 0),
    ] {
        let get = with(today.clone(), json!({"day": day}));
        let reply = GetSendStatistics.call(&world, &get).await.unwrap();
        let counts: Vec<(u32, &str, u64)> = reply
            .statistics
            .iter()
            .map(|app| (app.agent_id, app.app_name.as_str(), app.count))
            .collect();
        assert_eq!(
            counts,
            [
                (1_000_002, "youxiao", count as u64),
                (1_000_003, "kaoqin", 0)
            ],
            "{day}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn each_refusal_says_who_must_act() {
    let world = World::start().await;
    for (rpc, errcode, code) in [
        (RecallMessage, 40058, Code::InvalidArgument),
        (RecallMessage, 42052, Code::FailedPrecondition),
        (UpdateTemplateCard, 60140, Code::FailedPrecondition),
        (UpdateTemplateCard, 42015, Code::PermissionDenied),
        (UpdateTemplateCard, 42045, Code::InvalidArgument),
        (UpdateTemplateCard, 43012, Code::FailedPrecondition),
        (UpdateTemplateCard, 82101, Code::InvalidArgument),
        (UpdateTemplateCard, 82102, Code::FailedPrecondition),
        (UpdateTemplateCard, 301_002, Code::PermissionDenied),
        (UpdateTaskCard, 42014, Code::InvalidArgument),
        (UpdateTaskCard, 42015, Code::PermissionDenied),
        (UpdateTaskCard, 42016, Code::NotFound),
        (UpdateTaskCard, 42017, Code::InvalidArgument),
        (UpdateTaskCard, 42020, Code::InvalidArgument),
        (GetSendStatistics, 48002, Code::PermissionDenied),
        (GetSendStatistics, 48005, Code::Unimplemented),
        (GetSendStatistics, 60020, Code::FailedPrecondition),
    ] {
        let path = rpc.path();
        let before = world.sandbox.calls(path).await.len();
        let fault = json!({"kind": "errcode", "code": errcode});
        world.sandbox.fault(path, fault, 1).await;
        let status = rpc.call(&world, &rpc.request()).await.unwrap_err();
        let expected = (code, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?} {errcode}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], errcode.to_string());
        assert_eq!(metadata["path"], path);
        let calls = world.sandbox.calls(path).await.len() - before;
        assert_eq!(calls, 1, "{rpc:?} {errcode} is not repeated");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_far_side_refuses_what_is_not_there_or_not_ours() {
    let world = World::start().await;
    let response_code = send_card(&world).await;
    send(&world, example("send_task_card")).await;
    let other = json!({"app": world.other_app()});
    for (rpc, request, errcode) in [
        (RecallMessage, RecallMessage.request(), "40058"),
        (UpdateTemplateCard, UpdateTemplateCard.request(), "60140"),
        (
            UpdateTemplateCard,
            with(grey_out(&response_code), other.clone()),
            "42015",
        ),
        (
            UpdateTemplateCard,
            with(
                grey_out(&response_code),
                json!({"recipients": {"user_ids": ["wangwu"]}}),
            ),
            "82102",
        ),
        (UpdateTaskCard, UpdateTaskCard.request(), "42016"),
        (
            UpdateTaskCard,
            with(example("update_task_card"), other),
            "42015",
        ),
    ] {
        let status = rpc.call(&world, &request).await.unwrap_err();
        let errcode_met = &details(&status).1["errcode"];
        assert_eq!(errcode_met, errcode, "{rpc:?} {request}");
    }
    world.stop().await;
}

/// What is expected of a fault: the answer, and how many calls arrived.
type Expected = (Result<(), (Code, &'static str)>, usize);

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_that_does_no_harm() {
    let once = 1;
    let always = 0;
    let unknown = Err((Code::Unknown, "OUTCOME_UNKNOWN"));
    let away = Err((Code::Unavailable, "WECOM_UNREACHABLE"));
    let kind = |kind: &str| json!({"kind": kind});
    let busy = json!({"kind": "errcode", "code": -1});
    let rows: [(Value, u32, Expected, Expected); 8] = [
        // Fault, how often, an update of a template card, the three others.
        (kind("reset_after"), once, (unknown, 1), (Ok(()), 2)),
        (kind("reset_after"), always, (unknown, 1), (away, 3)),
        (kind("reset_before"), once, (unknown, 1), (Ok(()), 2)),
        (kind("garbled"), once, (unknown, 1), (Ok(()), 2)),
        (kind("truncated_body"), once, (unknown, 1), (Ok(()), 2)),
        (busy.clone(), once, (unknown, 1), (Ok(()), 2)),
        (busy, always, (unknown, 1), (away, 3)),
        (kind("kill_token"), once, (Ok(()), 2), (Ok(()), 2)),
    ];
    for (fault, count, of_card, of_others) in rows {
        // A world of its own: breaker and budget start anew.
        let world = World::start().await;
        let response_code = send_card(&world).await;
        let task = send(&world, example("send_task_card")).await;
        for rpc in ALL {
            let request = match rpc {
                RecallMessage => json!({"app": APP, "message_id": task.message_id}),
                UpdateTemplateCard => grey_out(&response_code),
                UpdateTaskCard => example("update_task_card"),
                GetSendStatistics => json!({"app": APP}),
            };
            let (answer, calls) = match rpc {
                UpdateTemplateCard => of_card,
                _ => of_others,
            };
            world.sandbox.fault(rpc.path(), fault.clone(), count).await;
            let result = rpc.call(&world, &request).await;
            let met = result.as_ref().map(drop).map_err(verdict);
            let expected = answer.map_err(|(code, reason)| (code, reason.to_owned()));
            assert_eq!(met, expected, "{rpc:?} {fault} x{count}");
            if answer == away {
                let status = result.unwrap_err();
                assert!(details(&status).2.retry_info().is_some());
                assert!(!status.message().contains("nothing was sent"));
            }
            let arrived = world.sandbox.calls(rpc.path()).await;
            assert_eq!(arrived.len(), calls, "{rpc:?} {fault} x{count}");
            assert!(
                arrived
                    .iter()
                    .all(|call| call["sha256"] == arrived[0]["sha256"])
            );
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_has_spent_its_code() {
    let world = World::start().await;
    let update = grey_out(&send_card(&world).await);
    let fault = json!({"kind": "reset_after"});
    world.sandbox.fault(UPDATE_TEMPLATE_CARD, fault, 1).await;
    let status = UpdateTemplateCard.call(&world, &update).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::Unknown, "OUTCOME_UNKNOWN".into()));
    let message = last_message(&world).await;
    assert_eq!(message["updates"][0]["replace_name"], "已处理");
    let status = UpdateTemplateCard.call(&world, &update).await.unwrap_err();
    assert_eq!(details(&status).1["errcode"], "60140");
    world.stop().await;
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_requests() -> Vec<(Rpc, Value, Vec<&'static str>)> {
    let ids = |count: u32| (0..count).map(|id| format!("user{id}")).collect::<Vec<_>>();
    let numbers = |count: u32| (1..=count).collect::<Vec<_>>();
    let card = |fields: Value| {
        let card = json!({
            "main_title": {"title": "Lunch"}, "buttons": [{"text": "Yes", "key": "yes"}],
        });
        let card = json!({"button_interaction": with(card, fields)});
        json!({"button_text": null, "template_card": card})
    };
    let notice = json!({"button_text": null, "template_card": {"text_notice": {
        "main_title": {"title": "Water"},
        "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"},
    }}});
    let vote = |fields: Value| {
        let vote = json!({
            "main_title": {"title": "Lunch"},
            "checkbox": {"question_key": "q", "options": [{"id": "a", "text": "Rice"}]},
        });
        let vote = json!({"vote_interaction": with(vote, fields)});
        json!({"button_text": null, "template_card": vote})
    };
    let also = |mut changes: Value, name: &str, value: Value| {
        changes[name] = value;
        changes
    };
    let to = |recipients: Value| json!({"recipients": recipients});
    let rows = vec![
        (
            RecallMessage,
            json!({"message_id": null}),
            vec!["message_id"],
        ),
        (
            RecallMessage,
            json!({"message_id": "a b"}),
            vec!["message_id"],
        ),
        (
            RecallMessage,
            json!({"message_id": "a\nb"}),
            vec!["message_id"],
        ),
        (
            UpdateTemplateCard,
            json!({"recipients": null, "response_code": null, "button_text": null}),
            vec!["update", "recipients", "response_code"],
        ),
        (UpdateTemplateCard, to(json!({})), vec!["recipients"]),
        (
            UpdateTemplateCard,
            to(json!({"everyone": true, "tag_ids": [1]})),
            vec!["recipients.everyone"],
        ),
        (
            UpdateTemplateCard,
            to(json!({"user_ids": ["ok", "a|b", "@all", "OK"]})),
            vec![
                "recipients.user_ids[1]",
                "recipients.user_ids[2]",
                "recipients.user_ids[3]",
            ],
        ),
        (
            UpdateTemplateCard,
            to(
                json!({"user_ids": ids(1001), "department_ids": numbers(101), "tag_ids": numbers(101)}),
            ),
            vec![
                "recipients.user_ids",
                "recipients.department_ids",
                "recipients.tag_ids",
            ],
        ),
        (
            UpdateTemplateCard,
            to(json!({"department_ids": [0], "tag_ids": [3, 3]})),
            vec!["recipients.department_ids[0]", "recipients.tag_ids[1]"],
        ),
        (
            UpdateTemplateCard,
            json!({"response_code": ""}),
            vec!["response_code"],
        ),
        (
            UpdateTemplateCard,
            json!({"response_code": "a\tb"}),
            vec!["response_code"],
        ),
        (
            UpdateTemplateCard,
            json!({"button_text": ""}),
            vec!["button_text"],
        ),
        (
            UpdateTemplateCard,
            json!({"button_text": "a\u{0}b"}),
            vec!["button_text"],
        ),
        (
            UpdateTemplateCard,
            json!({"replace_text": "x", "translate_ids": true}),
            vec!["replace_text", "translate_ids"],
        ),
        (
            UpdateTemplateCard,
            json!({"button_text": null, "template_card": {}}),
            vec!["template_card"],
        ),
        (
            UpdateTemplateCard,
            also(notice, "replace_text", json!("x")),
            vec!["replace_text"],
        ),
        (
            UpdateTemplateCard,
            also(card(json!({})), "replace_text", json!("a\u{0}b")),
            vec!["replace_text"],
        ),
        (
            UpdateTemplateCard,
            card(json!({"main_title": null, "buttons": [{"text": "Yes"}], "task_id": "a b"})),
            vec![
                "template_card.button_interaction.task_id",
                "template_card.button_interaction.main_title.title",
                "template_card.button_interaction.buttons[0].key",
            ],
        ),
        (
            UpdateTemplateCard,
            card(json!({"source": {"color": 9}, "buttons": []})),
            vec![
                "template_card.button_interaction.source.color",
                "template_card.button_interaction.buttons",
            ],
        ),
        (
            UpdateTemplateCard,
            card(json!({"horizontal_contents": [{
                "type": "CARD_HORIZONTAL_CONTENT_TYPE_FILE", "key": "k",
                "media": {"inline": {"data": "MTIzNDU=", "file_name": "a/b"}},
            }]})),
            vec![
                "template_card.button_interaction.horizontal_contents[0].media.inline.data",
                "template_card.button_interaction.horizontal_contents[0].media.inline.file_name",
            ],
        ),
        (
            UpdateTemplateCard,
            vote(json!({"submit_button": {"text": "Send"}})),
            vec!["template_card.vote_interaction.submit_button.key"],
        ),
        (
            UpdateTemplateCard,
            vote(json!({"checkbox": {"question_key": "q", "disabled": true}})),
            vec!["template_card.vote_interaction.checkbox.options"],
        ),
        (
            UpdateTaskCard,
            json!({"user_ids": null, "task_id": null, "replace_name": null}),
            vec!["user_ids", "task_id", "replace_name"],
        ),
        (
            UpdateTaskCard,
            json!({"user_ids": ids(1001)}),
            vec!["user_ids"],
        ),
        (
            UpdateTaskCard,
            json!({"user_ids": ["lisi", "@all", "LISI"]}),
            vec!["user_ids[1]", "user_ids[2]"],
        ),
        (UpdateTaskCard, json!({"task_id": "a.b"}), vec!["task_id"]),
        (
            UpdateTaskCard,
            json!({"replace_name": "七个汉字就太长"}),
            vec!["replace_name"],
        ),
        (
            UpdateTaskCard,
            json!({"clicked_key": "a b"}),
            vec!["clicked_key"],
        ),
        (GetSendStatistics, json!({"day": 3}), vec!["day"]),
        (GetSendStatistics, json!({"day": -1}), vec!["day"]),
    ];
    rows.into_iter()
        .map(|(rpc, changes, fields)| (rpc, with(rpc.request(), changes), fields))
        .collect()
}

#[tokio::test]
async fn each_bad_request_names_its_fields_and_reaches_nobody() {
    let world = World::start().await;
    for (rpc, request, expected) in bad_requests() {
        let mut shown = request.to_string();
        shown.truncate(shown.floor_char_boundary(200));
        let status = rpc.call(&world, &request).await;
        let status = status.expect_err(&shown);
        let invalid = (Code::InvalidArgument, "INVALID_REQUEST".to_owned());
        assert_eq!(verdict(&status), invalid, "{rpc:?} {shown}");
        let details = details(&status).2;
        let violations = &details.bad_request().unwrap().field_violations;
        let fields: Vec<&str> = violations.iter().map(|found| &*found.field).collect();
        assert_eq!(fields, expected, "{rpc:?} {shown}");
    }
    for path in ALL.map(Rpc::path) {
        assert!(world.sandbox.calls(path).await.is_empty(), "{path}");
    }
    assert!(world.sandbox.calls("media/upload").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn each_rpc_has_a_permission_of_its_name() {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    for permitted in ALL {
        let callers = format!(
            "[[callers]]\nname = \"billing\"\ntoken_sha256 = \"{digest}\"\n\
             permissions = [\"MessageService/{permitted:?}\"]\napps = [\"{APP}\"]\n"
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
        world.stop().await;
    }
}
