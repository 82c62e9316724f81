use serde_json::{Value, json};

use super::{Bench, code, message, with};

fn menu() -> Value {
    json!({"desc": "更多", "action_list": [{"text": "收", "key": "A"}, {"text": "不收", "key": "B"}]})
}

fn rows(media_id: &str) -> Value {
    json!([
        {"keyname": "申请人", "value": "李四"},
        {"type": 1, "keyname": "系统", "value": "打开", "url": "https://example.com/"},
        {"type": 2, "keyname": "附件", "value": "表.xlsx", "media_id": media_id},
        {"type": 3, "keyname": "经办", "value": "看", "userid": "zhangsan"},
    ])
}

fn jumps() -> Value {
    json!([
        {"type": 1, "title": "主页", "url": "https://example.com/"},
        {"type": 2, "title": "小程序", "appid": "wxabc", "pagepath": "/index"},
        {"title": "无链接"},
    ])
}

fn action() -> Value {
    json!({"type": 2, "url": "https://example.com/", "appid": "wxabc", "pagepath": "/index"})
}

fn base(card_type: &str) -> Value {
    json!({
        "card_type": card_type,
        "source": {"icon_url": "https://example.com/i.png", "desc": "沙盒", "desc_color": 1},
        "main_title": {"title": "请确认", "desc": "三日内"},
        "task_id": "task",
    })
}

fn options(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"id": format!("id{n}"), "text": "选项", "is_checked": false}))
        .collect()
}

/// One whole card of each type.
fn card(card_type: &str) -> Value {
    let submit = json!({"text": "提交", "key": "submit"});
    let quote =
        json!({"type": 1, "url": "https://example.com/", "title": "引", "quote_text": "文"});
    let blocks = match card_type {
        "text_notice" => json!({
            "action_menu": menu(), "quote_area": quote,
            "emphasis_content": {"title": "8", "desc": "件"}, "sub_title_text": "副题",
            "horizontal_content_list": [], "jump_list": jumps(), "card_action": action(),
        }),
        "news_notice" => json!({
            "action_menu": menu(), "quote_area": quote,
            "image_text_area": {"type": 1, "url": "https://example.com/", "title": "图文",
                                "desc": "文", "image_url": "https://example.com/a.png"},
            "card_image": {"url": "https://example.com/a.png", "aspect_ratio": 1.3},
            "vertical_content_list": [{"title": "行", "desc": "文"}],
            "horizontal_content_list": [], "jump_list": jumps(), "card_action": action(),
        }),
        "button_interaction" => json!({
            "action_menu": menu(), "quote_area": quote, "sub_title_text": "副题",
            "horizontal_content_list": [], "card_action": action(),
            "button_selection": {"question_key": "q", "title": "评分", "option_list": options(2),
                                 "selected_id": "id0"},
            "button_list": [{"text": "好", "style": 1, "key": "good"},
                            {"text": "看", "type": 1, "url": "https://example.com/"}],
        }),
        "vote_interaction" => json!({
            "checkbox": {"question_key": "q", "option_list": options(20), "mode": 1},
            "submit_button": submit,
        }),
        _ => json!({
            "select_list": [
                {"question_key": "q1", "title": "一", "selected_id": "id0", "option_list": options(2)},
                {"question_key": "q2", "title": "二", "option_list": options(10)},
            ],
            "submit_button": submit,
        }),
    };
    with(base(card_type), blocks)
}

#[tokio::test]
async fn whole_cards_are_accepted_and_those_that_call_back_get_a_code() {
    let bench = Bench::demo().await;
    let file = bench.media_id("file", "表.xlsx", b"sheets").await;
    let rows = json!({"horizontal_content_list": rows(&file)});
    for (number, (changes, card_type, has_code)) in [
        (rows.clone(), "text_notice", true),
        (rows.clone(), "news_notice", true),
        (rows, "button_interaction", true),
        (json!({}), "vote_interaction", true),
        (json!({}), "multiple_interaction", true),
        (
            json!({"action_menu": null, "task_id": null}),
            "text_notice",
            false,
        ),
        (
            json!({"action_menu": null, "task_id": null}),
            "news_notice",
            false,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut card = with(card(card_type), changes);
        if has_code {
            card["task_id"] = json!(format!("task{number}"));
        }
        let answer = bench.send(&message("template_card", card)).await;
        assert_eq!(code(&answer), 0, "{card_type}: {answer}");
        assert_eq!(
            answer.get("response_code").is_some(),
            has_code,
            "{card_type}"
        );
    }
    let minimal = json!({
        "card_type": "text_notice", "main_title": {"title": "到货"},
        "card_action": {"type": 1, "url": "https://example.com/"},
    });
    assert_eq!(bench.errcode("template_card", minimal).await, 0);
}

#[tokio::test]
async fn an_app_without_callback_sends_only_cards_that_do_not_call_back() {
    let bench = Bench::demo().await;
    let token = bench.token(1).await;
    for card_type in [
        "text_notice",
        "news_notice",
        "button_interaction",
        "vote_interaction",
        "multiple_interaction",
    ] {
        let silent = with(card(card_type), json!({"action_menu": null}));
        let is_silent = card_type.ends_with("_notice");
        for (card, expected) in [
            (card(card_type), 43012),
            (silent, if is_silent { 0 } else { 43012 }),
        ] {
            let body = with(
                message("template_card", card),
                json!({"agentid": 1_000_003}),
            );
            let answer = bench.send_with(&token, body.to_string()).await;
            assert_eq!(code(&answer), expected, "{card_type}: {answer}");
        }
    }
}

#[tokio::test]
async fn each_broken_block_has_its_code() {
    let bench = Bench::demo().await;
    let (text, news) = ("text_notice", "news_notice");
    let (button, vote) = ("button_interaction", "vote_interaction");
    let multiple = "multiple_interaction";
    let row = |row: Value| json!({"horizontal_content_list": [row]});
    let items = |items: Value| json!({"action_menu": {"action_list": items}});
    let buttons = |list: Value| json!({"button_list": list});
    let long = "k".repeat(1025);
    let question = |list: Value| json!({"checkbox": {"question_key": "q", "option_list": list}});
    let select = |key: &str, count| json!({"question_key": key, "option_list": options(count)});
    for (card_type, changes, expected) in [
        ("poster", json!({}), 42031),
        (text, json!({"task_id": null}), 42014),
        (button, json!({"task_id": "空"}), 42014),
        (vote, json!({"task_id": "a".repeat(129)}), 42014),
        (text, items(json!([])), 40058),
        (
            text,
            items(json!(vec![json!({"text": "a", "key": "b"}); 4])),
            40058,
        ),
        (text, items(json!([{"key": "b"}])), 42038),
        (text, items(json!([{"text": "a"}])), 42039),
        (
            news,
            items(json!(vec![json!({"text": "a", "key": "b"}); 2])),
            42051,
        ),
        (
            text,
            json!({"main_title": null, "sub_title_text": null}),
            42033,
        ),
        (button, json!({"main_title": {"desc": "a"}}), 42033),
        (vote, json!({"main_title": null}), 42033),
        (text, json!({"quote_area": {"type": 1}}), 42028),
        (text, json!({"quote_area": {"type": 2}}), 42030),
        (text, row(json!({"value": "a"})), 42027),
        (text, row(json!({"keyname": "a", "type": 1})), 42028),
        (text, row(json!({"keyname": "a", "type": 2})), 42029),
        (
            text,
            row(json!({"keyname": "a", "type": 2, "media_id": "unknown"})),
            42029,
        ),
        (text, row(json!({"keyname": "a", "type": 3})), 42050),
        (text, row(json!({"keyname": "a", "type": 4})), 40058),
        (
            text,
            json!({"horizontal_content_list": vec![json!({"keyname": "a"}); 7]}),
            42035,
        ),
        (
            news,
            json!({"vertical_content_list": vec![json!({"title": "a"}); 5]}),
            42036,
        ),
        (
            news,
            json!({"vertical_content_list": [{"desc": "a"}]}),
            42033,
        ),
        (
            text,
            json!({"jump_list": vec![json!({"title": "a"}); 4]}),
            42042,
        ),
        (
            news,
            json!({"jump_list": [{"type": 1, "url": "https://example.com/"}]}),
            42033,
        ),
        (
            text,
            json!({"jump_list": [{"title": "a", "type": 1}]}),
            42028,
        ),
        (
            text,
            json!({"jump_list": [{"title": "a", "type": 2}]}),
            42030,
        ),
        (text, json!({"card_action": null}), 42045),
        (text, json!({"card_action": {"type": 0}}), 42045),
        (news, json!({"card_action": {"type": 1}}), 42045),
        (button, json!({"card_action": {"type": 2}}), 42045),
        (
            news,
            json!({"card_image": null, "image_text_area": null}),
            42044,
        ),
        (news, json!({"card_image": {}}), 42044),
        (
            news,
            json!({"card_image": {"url": "u", "aspect_ratio": 2.3}}),
            40058,
        ),
        (news, json!({"image_text_area": {"title": "a"}}), 40058),
        (
            button,
            json!({"button_selection": {"option_list": options(1)}}),
            42043,
        ),
        (button, json!({"button_selection": select("q", 11)}), 42037),
        (button, buttons(json!([])), 40058),
        (
            button,
            buttons(json!(vec![json!({"text": "a", "type": 1, "url": "u"}); 7])),
            40058,
        ),
        (button, buttons(json!([{"key": "a"}])), 42038),
        (button, buttons(json!([{"text": "a"}])), 42039),
        (button, buttons(json!([{"text": "a", "key": long}])), 42039),
        (
            button,
            buttons(json!(vec![json!({"text": "a", "key": "b"}); 2])),
            42039,
        ),
        (button, buttons(json!([{"text": "a", "type": 1}])), 42028),
        (vote, json!({"checkbox": null}), 42043),
        (
            vote,
            json!({"checkbox": {"question_key": long, "option_list": options(1)}}),
            42043,
        ),
        (
            vote,
            json!({"checkbox": with(select("q", 1), json!({"mode": 2}))}),
            40058,
        ),
        (vote, question(options(0)), 42037),
        (vote, question(options(21)), 42037),
        (vote, question(json!([{"text": "a"}])), 42040),
        (
            vote,
            question(json!([{"id": "i".repeat(129), "text": "a"}])),
            42040,
        ),
        (
            vote,
            question(json!(vec![json!({"id": "a", "text": "b"}); 2])),
            42040,
        ),
        (vote, question(json!([{"id": "a"}])), 42041),
        (vote, json!({"submit_button": null}), 42049),
        (multiple, json!({"submit_button": {"text": "a"}}), 42046),
        (multiple, json!({"select_list": []}), 42047),
        (
            multiple,
            json!({"select_list": vec![select("q", 1); 4]}),
            42047,
        ),
        (
            multiple,
            json!({"select_list": [select("q", 1), select("q", 1)]}),
            42043,
        ),
        (multiple, json!({"select_list": [select("q", 11)]}), 42037),
        (
            button,
            json!({"card_action": null, "button_selection": null, "action_menu": null}),
            0,
        ),
    ] {
        let card = with(card(card_type), changes.clone());
        let got = bench.errcode("template_card", card).await;
        assert_eq!(got, expected, "{card_type} with {changes}");
    }
}
