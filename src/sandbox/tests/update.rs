//! What can be done to messages that were sent.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, code, json_of, message, text, with};

const HOUR: u64 = 3600;

/// A good call of `path` by the app at this place.
async fn call(bench: &Bench, app: usize, path: &str, body: &Value) -> Value {
    let token = bench.token(app).await;
    let path = format!("/cgi-bin/message/{path}?access_token={token}");
    json_of(bench.post(&path, body.to_string()).await).await
}

async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

fn buttons() -> Value {
    json!({
        "card_type": "button_interaction", "main_title": {"title": "会议室漏水"},
        "button_list": [{"text": "我去看看", "key": "go"}],
    })
}

/// Sends a card with buttons, and gives the response_code.
async fn send_card(bench: &Bench, task_id: &str, recipients: Value) -> String {
    let card = with(buttons(), json!({"task_id": task_id}));
    let answer = bench
        .send(&with(message("template_card", card), recipients))
        .await;
    let code = answer["response_code"].as_str();
    code.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// An update of form A for zhangsan.
fn grey(response_code: &str) -> Value {
    json!({
        "userids": ["zhangsan"], "agentid": 1_000_002, "response_code": response_code,
        "button": {"replace_name": "已有人去"},
    })
}

#[tokio::test]
async fn a_message_is_recalled_for_a_day_by_the_app_that_sent_it() {
    let bench = Bench::demo().await;
    let recall = |msgid: Value| json!({"msgid": msgid});
    let sent = bench.send(&text("作废")).await["msgid"].clone();
    for unknown in [json!(null), json!(""), json!("no-such-msgid"), json!(7)] {
        let answer = call(&bench, 0, "recall", &recall(unknown.clone())).await;
        assert_eq!(code(&answer), 40058, "{unknown}");
    }
    assert_eq!(
        code(&call(&bench, 1, "recall", &recall(sent.clone())).await),
        40058,
        "another app's"
    );
    assert_eq!(bench.last_message().await["recalled"], false);
    advance(24 * HOUR - 1).await;
    for _ in 0..2 {
        assert_eq!(
            call(&bench, 0, "recall", &recall(sent.clone())).await,
            json!({"errcode": 0, "errmsg": "ok"}),
            "as often as one likes"
        );
    }
    assert_eq!(bench.last_message().await["recalled"], true);
    advance(1).await;
    let answer = call(&bench, 0, "recall", &recall(sent)).await;
    assert_eq!(code(&answer), 42052);
}

#[tokio::test]
async fn what_the_inbox_forgot_can_still_be_recalled() {
    let bench = Bench::demo().await;
    let sent = bench.send(&text("作废")).await["msgid"].clone();
    bench.delete("/sandbox/messages").await;
    assert!(bench.messages().await.is_empty());
    let answer = call(&bench, 0, "recall", &json!({"msgid": sent})).await;
    assert_eq!(code(&answer), 0);
    assert!(bench.messages().await.is_empty());
}

#[tokio::test]
async fn a_response_code_works_once_for_its_app_and_for_three_days() {
    let bench = Bench::demo().await;
    let late = send_card(&bench, "late", json!({})).await;
    let first = send_card(&bench, "first", json!({})).await;
    let as_other = with(grey(&first), json!({"agentid": 1_000_003}));
    assert_eq!(
        code(&call(&bench, 1, "update_template_card", &as_other).await),
        42015
    );
    assert_eq!(
        code(&call(&bench, 0, "update_template_card", &as_other).await),
        301_002
    );
    for (expected, update) in [
        (60140, grey("unknown")),
        (60140, with(grey(&first), json!({"response_code": null}))),
        (41011, with(grey(&first), json!({"agentid": null}))),
        (40058, with(grey(&first), json!({"button": null}))),
        (42020, with(grey(&first), json!({"button": {}}))),
        (
            40058,
            with(grey(&first), json!({"template_card": buttons()})),
        ),
        (82101, with(grey(&first), json!({"userids": []}))),
        (82101, with(grey(&first), json!({"userids": "zhangsan"}))),
        (82102, with(grey(&first), json!({"userids": ["lisi", "x"]}))),
        (
            40032,
            with(grey(&first), json!({"userids": vec!["zhangsan"; 1001]})),
        ),
        (82002, with(grey(&first), json!({"partyids": vec![2; 101]}))),
        (82003, with(grey(&first), json!({"tagids": vec![1; 101]}))),
        (0, grey(&first)),
        (60140, grey(&first)),
    ] {
        let answer = call(&bench, 0, "update_template_card", &update).await;
        assert_eq!(code(&answer), expected, "{update}: {answer}");
    }
    advance(72 * HOUR).await;
    let answer = call(&bench, 0, "update_template_card", &grey(&late)).await;
    assert_eq!(code(&answer), 60140);
}

#[tokio::test]
async fn an_update_reaches_those_who_got_the_card_and_names_the_others() {
    let bench = Bench::demo().await;
    let to = json!({"touser": "zhangsan|LiLei|wangwu|baiyun"});
    for (number, (targets, updated, invalid)) in [
        (
            json!({"userids": ["ZHANGSAN", "lisi", "NoBody"]}),
            json!(["zhangsan"]),
            json!(["lisi", "nobody"]),
        ),
        (
            json!({"userids": null, "partyids": [5]}),
            json!(["LiLei"]),
            json!(null),
        ),
        (
            json!({"userids": ["zhangsan"], "tagids": [2, 99]}),
            json!(["zhangsan", "wangwu", "baiyun"]),
            json!(null),
        ),
        (
            json!({"userids": null, "atall": 1}),
            json!(["zhangsan", "LiLei", "wangwu", "baiyun"]),
            json!(null),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let response_code = send_card(&bench, &format!("leak{number}"), to.clone()).await;
        let update = with(grey(&response_code), targets.clone());
        let answer = call(&bench, 0, "update_template_card", &update).await;
        assert_eq!(code(&answer), 0, "{targets}: {answer}");
        assert_eq!(
            answer.get("invaliduser").unwrap_or(&Value::Null),
            &invalid,
            "{targets}"
        );
        let message = bench.last_message().await;
        assert_eq!(message["updates"][0]["user_ids"], updated, "{targets}");
        assert_eq!(message["updates"][0]["replace_name"], "已有人去");
        assert_eq!(message["shown"]["main_title"]["title"], "会议室漏水");
    }
    bench.put_modes(json!({"empty_lists": true})).await;
    let response_code = send_card(&bench, "leak9", to).await;
    let answer = call(&bench, 0, "update_template_card", &grey(&response_code)).await;
    assert_eq!(answer["invaliduser"], json!([]));
}

#[tokio::test]
async fn a_card_of_any_kind_takes_the_place_without_a_task_id() {
    let bench = Bench::demo().await;
    let notice = json!({
        "card_type": "text_notice", "main_title": {"title": "$userName=lilei$ 已修好"},
        "card_action": {"type": 1, "url": "https://example.com/"},
    });
    let vote = json!({
        "card_type": "vote_interaction", "main_title": {"title": "改到几点"},
        "checkbox": {"question_key": "q", "disable": true,
                     "option_list": [{"id": "a", "text": "三点", "is_checked": true}]},
        "replace_text": "已投",
    });
    let broken = with(vote.clone(), json!({"checkbox": null}));
    let badly_submitted = with(vote.clone(), json!({"submit_button": {}}));
    for (number, (card, translate, expected)) in [
        (notice.clone(), 0, 0),
        (notice, 1, 0),
        (vote, 0, 0),
        (broken, 0, 42043),
        (badly_submitted, 0, 42049),
        (json!({"card_type": "poster"}), 0, 42031),
    ]
    .into_iter()
    .enumerate()
    {
        let response_code = send_card(&bench, &format!("room{number}"), json!({})).await;
        let changes =
            json!({"button": null, "template_card": card.clone(), "enable_id_trans": translate});
        let update = with(grey(&response_code), changes);
        let answer = call(&bench, 0, "update_template_card", &update).await;
        assert_eq!(code(&answer), expected, "{card}: {answer}");
        let updates = &bench.last_message().await["updates"];
        if expected != 0 {
            assert_eq!(updates, &json!([]));
            // A refused update spends nothing.
            let answer = call(&bench, 0, "update_template_card", &grey(&response_code)).await;
            assert_eq!(code(&answer), 0);
        } else if translate == 1 {
            let title = &updates[0]["template_card"]["main_title"]["title"];
            assert_eq!(title, "李雷 已修好");
        } else {
            assert_eq!(updates[0]["template_card"], card);
        }
    }
}

#[tokio::test]
async fn a_notice_with_a_menu_has_no_buttons_to_grey_out() {
    let bench = Bench::demo().await;
    let notice = json!({
        "card_type": "text_notice", "main_title": {"title": "停水"}, "task_id": "water",
        "action_menu": {"action_list": [{"text": "不再提醒", "key": "mute"}]},
        "card_action": {"type": 1, "url": "https://example.com/"},
    });
    let answer = bench.send(&message("template_card", notice.clone())).await;
    let update = grey(answer["response_code"].as_str().expect("a code"));
    let answer = call(&bench, 0, "update_template_card", &update).await;
    assert_eq!(code(&answer), 40058);
    let update = with(update, json!({"button": null, "template_card": notice}));
    let answer = call(&bench, 0, "update_template_card", &update).await;
    assert_eq!(code(&answer), 0, "{answer}");
}

#[tokio::test]
async fn a_task_card_is_found_by_its_id_and_updated_by_either_spelling() {
    let bench = Bench::demo().await;
    let task = |task_id: &str| {
        json!({"title": "请假", "task_id": task_id,
               "btn": [{"key": "yes", "name": "同意"}, {"key": "no", "name": "驳回"}]})
    };
    for (msg_type, task_id) in [("taskcard", "leave-1"), ("interactive_taskcard", "leave-2")] {
        assert_eq!(bench.errcode(msg_type, task(task_id)).await, 0);
    }
    send_card(&bench, "leave-3", json!({})).await;
    let update =
        json!({"userids": ["ZhangSan", "LiSi"], "agentid": 1_000_002, "task_id": "leave-2"});
    let replace = json!({"replace_name": "已同意"});
    for (expected, changes) in [
        (0, replace.clone()),
        (0, json!({"clicked_key": "yes"})),
        (
            0,
            json!({"replace_name": "已同意", "clicked_key": "yes", "task_id": "leave-1"}),
        ),
        (42020, json!({})),
        (42017, json!({"clicked_key": "maybe"})),
        (42014, json!({"replace_name": "已同意", "task_id": null})),
        (42016, with(replace.clone(), json!({"task_id": "leave-9"}))),
        // A template card is not updated by this call.
        (42016, with(replace.clone(), json!({"task_id": "leave-3"}))),
        (40031, with(replace.clone(), json!({"userids": []}))),
        (
            40032,
            with(replace.clone(), json!({"userids": vec!["x"; 1001]})),
        ),
        (
            301_002,
            with(replace.clone(), json!({"agentid": 1_000_003})),
        ),
    ] {
        let answer = call(
            &bench,
            0,
            "update_taskcard",
            &with(update.clone(), changes.clone()),
        )
        .await;
        assert_eq!(code(&answer), expected, "{changes}: {answer}");
        if expected == 0 {
            assert_eq!(answer["invaliduser"], json!(["lisi"]), "{changes}");
        }
    }
    let as_other = with(update, with(replace, json!({"agentid": 1_000_003})));
    let answer = call(&bench, 1, "update_taskcard", &as_other).await;
    assert_eq!(code(&answer), 42015);

    let messages = bench.messages().await;
    let updates = messages[1]["updates"].as_array().expect("a list");
    assert_eq!(updates.len(), 2);
    assert_eq!(updates[0]["replace_name"], "已同意");
    assert_eq!(updates[0]["user_ids"], json!(["zhangsan"]));
    assert_eq!(updates[1]["clicked_key"], "yes");
    assert_eq!(updates[1]["replace_name"], Value::Null);
}

#[tokio::test]
async fn sends_are_counted_by_recipient_app_and_day() {
    let bench = Bench::demo().await;
    let counts = async |time_type: Value| {
        let answer = call(
            &bench,
            0,
            "get_statistics",
            &json!({"time_type": time_type}),
        )
        .await;
        let apps = answer["statistics"].as_array().cloned().unwrap_or_default();
        let count = |app: &Value| app["count"].as_u64().expect("a count");
        (code(&answer), apps.iter().map(count).collect::<Vec<_>>())
    };
    let two = with(text("通知"), json!({"touser": "zhangsan|lisi|nobody"}));
    bench.send(&two).await;
    bench.send(&text("通知")).await;
    assert_eq!(counts(json!(0)).await, (0, vec![3, 0]));
    assert_eq!(
        counts(json!(null)).await,
        (0, vec![3, 0]),
        "today by default"
    );
    assert_eq!(counts(json!(1)).await, (0, vec![0, 0]));
    for bad in [json!(2), json!(-1)] {
        assert_eq!(counts(bad.clone()).await, (40058, vec![]), "{bad}");
    }
    advance(24 * HOUR).await;
    assert_eq!(counts(json!(0)).await, (0, vec![0, 0]));
    assert_eq!(counts(json!(1)).await, (0, vec![3, 0]));
}

#[tokio::test]
async fn broken_json_is_refused_by_all_of_them() {
    let bench = Bench::demo().await;
    for path in [
        "recall",
        "update_template_card",
        "update_taskcard",
        "get_statistics",
    ] {
        for body in [json!([]), json!("x"), Value::Null] {
            let answer = call(&bench, 0, path, &body).await;
            assert_eq!(code(&answer), 40008, "{path} {body}");
        }
    }
}
