use serde_json::{Value, json};

use super::{Bench, code, text, with};
use crate::sandbox::Settings;

fn ids(value: &Value) -> Vec<&str> {
    let list = value.as_array().expect("a list").iter();
    list.map(|id| id.as_str().expect("an id")).collect()
}

#[tokio::test]
async fn the_envelope_is_checked_field_by_field() {
    let bench = Bench::demo().await;
    let list = |count: usize| vec!["x"; count].join("|");
    for (changes, expected) in [
        (json!({}), 0),
        (json!({"msgtype": null}), 40008),
        (json!({"msgtype": "markdown_v2"}), 40008),
        (json!({"msgtype": 1}), 40008),
        (json!({"agentid": null}), 41011),
        (json!({"agentid": "1000002"}), 40056),
        (json!({"agentid": 1_000_002.5}), 40056),
        (json!({"agentid": 7}), 40056),
        (json!({"agentid": 1_000_003}), 301002),
        (json!({"touser": null}), 82001),
        (json!({"touser": "", "toparty": "", "totag": ""}), 82001),
        (json!({"touser": ["zhangsan"]}), 82001),
        (json!({"touser": list(1001)}), 40032),
        (json!({"toparty": list(101)}), 82002),
        (json!({"totag": list(101)}), 82003),
        (
            json!({"touser": list(1000), "toparty": list(100), "totag": list(100)}),
            81013,
        ),
        (
            json!({"touser": "@all", "toparty": list(101), "totag": list(101)}),
            0,
        ),
        (
            json!({"enable_duplicate_check": 1, "duplicate_check_interval": 14_401}),
            40058,
        ),
        (
            json!({"enable_duplicate_check": 0, "duplicate_check_interval": 99_999}),
            0,
        ),
    ] {
        let answer = bench.send(&with(text("hi"), changes.clone())).await;
        assert_eq!(code(&answer), expected, "{changes}: {answer}");
    }
}

#[tokio::test]
async fn an_agentid_may_be_text_on_demand() {
    let bench = Bench::demo().await;
    bench.put_modes(json!({"text_agent_ids": true})).await;
    for (agent_id, expected) in [
        (json!("1000002"), 0),
        (json!(1_000_002), 0),
        (json!("1000003"), 301002),
        (json!("youxiao"), 40056),
        (json!(""), 40056),
    ] {
        let answer = bench
            .send(&with(text("hi"), json!({"agentid": agent_id})))
            .await;
        assert_eq!(code(&answer), expected, "{agent_id}: {answer}");
    }
}

#[tokio::test]
async fn broken_json_is_warned_about() {
    let bench = Bench::demo().await;
    for body in ["", "{", "[]", r#"{"touser":"zhangsan",}"#, "\u{feff}{}"] {
        let answer = bench.send_raw(body.to_owned()).await;
        assert_eq!(code(&answer), 40008, "{body}");
        let errmsg = answer["errmsg"].as_str().expect("errmsg");
        assert!(errmsg.starts_with("Warning: wrong json format. invalid message type"));
    }
}

#[tokio::test]
async fn some_invalid_recipients_are_a_success_with_lists() {
    let bench = Bench::demo().await;
    let recipients = json!({
        "touser": "ZhangSan|LILEI|Nobody|GuWen.Long|zhoujiu",
        "toparty": "5|6|99|x",
        "totag": "2|4|77",
    });
    let answer = bench.send(&with(text("hi"), recipients)).await;
    assert_eq!(code(&answer), 0);
    assert_eq!(answer["errmsg"], "ok");
    assert_eq!(answer["invaliduser"], "nobody|guwen.long");
    assert_eq!(answer["invalidparty"], "6|99|x");
    assert_eq!(answer["invalidtag"], "4|77");
    assert_eq!(answer["unlicenseduser"], "zhoujiu|qinchuan");
    assert_eq!(answer["msgid"].as_str().map(str::len), Some(63));
    assert!(answer.get("response_code").is_none());

    let message = bench.last_message().await;
    assert_eq!(message["msgid"], answer["msgid"]);
    assert_eq!(ids(&message["invalid"]["users"]), ["nobody", "guwen.long"]);
    assert_eq!(ids(&message["unlicensed"]), ["zhoujiu", "QinChuan"]);
    let delivered = ids(&message["delivered_to"]);
    let expected = [
        "zhangsan",
        "LiLei",
        "lisi",
        "qianqi",
        "sunba",
        "HanMeimei",
        "wushi",
        "wangwu",
        "baiyun",
        "heitu",
        "meiying",
        "taoran",
    ];
    assert_eq!(
        delivered, expected,
        "each member once, in the directory's spelling"
    );
}

#[tokio::test]
async fn a_success_without_failures_has_no_lists_or_empty_ones() {
    let bench = Bench::demo().await;
    let answer = bench.send(&text("hi")).await;
    assert!(answer.get("invaliduser").is_none(), "{answer}");
    bench.put_modes(json!({"empty_lists": true})).await;
    let answer = bench.send(&text("hi")).await;
    for name in [
        "invaliduser",
        "invalidparty",
        "invalidtag",
        "unlicenseduser",
    ] {
        assert_eq!(answer[name], "", "{name}");
    }
}

#[tokio::test]
async fn only_invalid_recipients_are_an_error() {
    let bench = Bench::demo().await;
    let nobody = with(
        text("hi"),
        json!({"touser": "NoOne|guwen.ma", "totag": "9"}),
    );
    let answer = bench.send(&nobody).await;
    assert_eq!(code(&answer), 81013);
    assert_eq!(answer["invaliduser"], "noone|guwen.ma");
    assert_eq!(answer["invalidtag"], "9");
    bench.put_modes(json!({"lists_on_81013": false})).await;
    let answer = bench.send(&nobody).await;
    assert_eq!(code(&answer), 81013);
    assert!(answer.get("invaliduser").is_none());
    assert!(bench.messages().await.is_empty(), "nothing was sent");
}

#[tokio::test]
async fn only_unlicensed_recipients_are_a_success_that_reaches_nobody() {
    let bench = Bench::demo().await;
    let answer = bench
        .send(&with(text("hi"), json!({"touser": "LUQI"})))
        .await;
    assert_eq!(
        (code(&answer), &answer["unlicenseduser"]),
        (0, &json!("luqi"))
    );
    assert!(ids(&bench.last_message().await["delivered_to"]).is_empty());
}

#[tokio::test]
async fn everyone_is_the_visible_range_of_the_app() {
    let bench = Bench::demo().await;
    let all = with(text("hi"), json!({"touser": "@all", "toparty": "99"}));
    let answer = bench.send(&all).await;
    assert!(
        answer.get("invalidparty").is_none(),
        "the others are ignored"
    );
    let message = bench.last_message().await;
    assert_eq!(
        ids(&message["delivered_to"]).len(),
        24,
        "30 less 3 advisers less 3 unlicensed"
    );

    let token = bench.token(1).await;
    let all = with(all, json!({"agentid": 1_000_003}));
    bench.send_with(&token, all.to_string()).await;
    let message = bench.last_message().await;
    let delivered = ids(&message["delivered_to"]);
    assert_eq!(
        delivered,
        ["zhangsan", "baiyun", "heitu", "meiying", "taoran"]
    );
}

#[tokio::test]
async fn a_member_gets_thirty_a_minute_and_the_rest_vanish() {
    let bench = Bench::demo().await;
    let both = with(text("hi"), json!({"touser": "zhangsan|lisi"}));
    bench
        .send(&with(text("hi"), json!({"touser": "lisi"})))
        .await;
    for _ in 0..30 {
        assert_eq!(code(&bench.send(&both).await), 0);
    }
    let message = bench.last_message().await;
    assert_eq!(ids(&message["delivered_to"]), ["zhangsan"]);
    assert_eq!(ids(&message["dropped"]), ["lisi"]);
    bench.put_modes(json!({"member_limits": false})).await;
    bench.send(&both).await;
    assert!(ids(&bench.last_message().await["dropped"]).is_empty());
}

#[tokio::test]
async fn a_day_has_its_person_messages() {
    let bench = Bench::demo().await;
    bench.put_modes(json!({"daily_person_messages": 3})).await;
    let two = with(text("hi"), json!({"touser": "zhangsan|lisi"}));
    assert_eq!(code(&bench.send(&two).await), 0);
    assert_eq!(code(&bench.send(&two).await), 45009);
    assert_eq!(code(&bench.send(&text("hi")).await), 0, "one still fits");
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn safe_is_for_some_types_only() {
    let bench = Bench::demo().await;
    let news = json!({"articles": [{"title": "午餐", "url": "https://example.com/"}]});
    let png = bench.media_id("image", "图.png", super::PNG).await;
    let zip = bench.media_id("file", "a.ZIP", b"zipped").await;
    let pdf = bench.media_id("file", "a.PDF", b"paged!").await;
    let mpnews = json!({"articles": [{"title": "周刊", "thumb_media_id": png, "content": "正文"}]});
    for (msg_type, content, safe, ignoring, rejecting) in [
        ("text", json!({"content": "hi"}), 0, 0, 0),
        ("text", json!({"content": "hi"}), 1, 0, 0),
        ("text", json!({"content": "hi"}), 2, 40058, 40058),
        ("image", json!({"media_id": png}), 1, 0, 0),
        ("mpnews", mpnews.clone(), 2, 0, 0),
        ("mpnews", mpnews, 3, 40058, 40058),
        ("file", json!({"media_id": pdf}), 1, 0, 0),
        ("file", json!({"media_id": zip}), 1, 40058, 40058),
        ("file", json!({"media_id": zip}), 0, 0, 0),
        ("news", news.clone(), 1, 40074, 40074),
        ("news", news, 0, 0, 40058),
        ("markdown", json!({"content": "# hi"}), 1, 0, 40058),
        ("markdown", json!({"content": "# hi"}), 0, 0, 40058),
    ] {
        let body = with(super::message(msg_type, content), json!({"safe": safe}));
        for (mode, expected) in [("ignore", ignoring), ("reject", rejecting)] {
            bench.put_modes(json!({"stray_safe": mode})).await;
            let answer = bench.send(&body).await;
            assert_eq!(code(&answer), expected, "{mode} {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn escapes_are_refused_on_demand() {
    let bench = Bench::demo().await;
    let body = text("中").to_string().replace('中', "\\u4e2d");
    assert_eq!(code(&bench.send_raw(body.clone()).await), 0);
    bench.put_modes(json!({"refuse_escapes": true})).await;
    assert_eq!(code(&bench.send_raw(body).await), 40033);
    assert_eq!(code(&bench.send(&text("中")).await), 0);
}

#[tokio::test]
async fn ids_are_translated_in_the_inbox_only_when_asked() {
    let bench = Bench::demo().await;
    let body = text("由$userName=lisi$提交");
    bench.send(&body).await;
    assert_eq!(
        bench.last_message().await["shown"]["content"],
        "由$userName=lisi$提交"
    );
    bench
        .send(&with(body.clone(), json!({"enable_id_trans": 1})))
        .await;
    let message = bench.last_message().await;
    assert_eq!(message["shown"]["content"], "由李四提交");
    assert_eq!(message["body"]["text"], body["text"]);
}

#[tokio::test]
async fn a_crowd_takes_a_thousand_at_once() {
    let settings = Settings::demo(([127, 0, 0, 1], 0).into()).with_crowd(1000);
    let bench = Bench::start(settings).await;
    let users: Vec<String> = (1..=1000).map(|n| format!("USER{n:07}")).collect();
    let body = with(text("hi"), json!({"touser": users.join("|")}));
    assert_eq!(code(&bench.send(&body).await), 0);
    assert_eq!(ids(&bench.last_message().await["delivered_to"]).len(), 1000);
}
