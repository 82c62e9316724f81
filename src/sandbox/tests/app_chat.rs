//! Group chats of apps.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, PNG, code, json_of, with};
use crate::sandbox::Settings;

/// A call of `path` by the app at this place.
async fn call_as(bench: &Bench, app: usize, path: &str, body: &Value) -> Value {
    let token = bench.token(app).await;
    let path = format!("/cgi-bin/appchat/{path}?access_token={token}");
    json_of(bench.post(&path, body.to_string()).await).await
}

async fn call(bench: &Bench, path: &str, body: &Value) -> Value {
    call_as(bench, 0, path, body).await
}

async fn get_as(bench: &Bench, app: usize, chat_id: &str) -> Value {
    let token = bench.token(app).await;
    let path = format!("/cgi-bin/appchat/get?access_token={token}&chatid={chat_id}");
    bench.get_json(&path).await
}

async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

fn chat() -> Value {
    json!({
        "name": "消防演习", "owner": "zhangsan", "userlist": ["zhangsan", "LiLei", "wangwu"],
        "chatid": "drill1",
    })
}

fn say(msg_type: &str, content: Value) -> Value {
    json!({"chatid": "drill1", "msgtype": msg_type, msg_type: content})
}

fn text(content: &str) -> Value {
    say("text", json!({"content": content}))
}

async fn with_chat() -> Bench {
    let bench = Bench::demo().await;
    assert_eq!(code(&call(&bench, "create", &chat()).await), 0);
    bench
}

#[tokio::test]
async fn a_chat_is_made_once_and_read_back() {
    let bench = Bench::demo().await;
    let made = call(&bench, "create", &chat()).await;
    assert_eq!(
        made,
        json!({"errcode": 0, "errmsg": "ok", "chatid": "drill1"})
    );
    assert_eq!(code(&call(&bench, "create", &chat()).await), 86215);
    let info = json!({
        "chatid": "drill1", "name": "消防演习", "owner": "zhangsan",
        "userlist": ["zhangsan", "LiLei", "wangwu"], "chat_type": 0,
    });
    let answer = get_as(&bench, 0, "drill1").await;
    assert_eq!(
        answer,
        json!({"errcode": 0, "errmsg": "ok", "chat_info": info})
    );
    let list = bench.get_json("/sandbox/chats").await;
    let shown = json!([{
        "chatid": "drill1", "name": "消防演习", "owner": "zhangsan",
        "userlist": ["zhangsan", "LiLei", "wangwu"], "agentid": 1_000_002,
    }]);
    assert_eq!(list, shown);
    bench.post("/sandbox/reset", "").await;
    assert_eq!(bench.get_json("/sandbox/chats").await, json!([]));
}

#[tokio::test]
async fn what_is_left_out_is_chosen_and_a_long_name_is_cut() {
    let bench = Bench::demo().await;
    let bare = json!({"userlist": ["LILEI", "lilei", "wangwu"], "name": "长".repeat(51)});
    let made = call(&bench, "create", &bare).await;
    let chat_id = made["chatid"].as_str().expect("a chatid");
    assert_eq!(chat_id.len(), 32);
    let answer = get_as(&bench, 0, chat_id).await;
    let info = &answer["chat_info"];
    assert_eq!(info["userlist"], json!(["LiLei", "wangwu"]), "each once");
    assert!(
        info["userlist"]
            .as_array()
            .expect("a list")
            .contains(&info["owner"])
    );
    assert_eq!(info["name"], "长".repeat(50));
}

#[tokio::test]
async fn a_new_chat_is_checked_field_by_field() {
    let settings = Settings::demo(([127, 0, 0, 1], 0).into()).with_crowd(2000);
    let bench = Bench::start(settings).await;
    let crowd = |count: usize| {
        let ids = (1..=count).map(|number| format!("user{number:07}"));
        json!({"owner": null, "userlist": ids.collect::<Vec<_>>()})
    };
    for (expected, changes) in [
        (86001, json!({"chatid": "a-b"})),
        (86205, json!({"chatid": "a".repeat(33)})),
        (86204, json!({"userlist": null})),
        (86204, json!({"userlist": "zhangsan"})),
        (86216, json!({"userlist": ["zhangsan", "nobody"]})),
        (86216, json!({"userlist": ["zhangsan", 7]})),
        (86006, json!({"userlist": ["zhangsan"]})),
        (86006, json!({"userlist": ["zhangsan", "ZHANGSAN"]})),
        (86006, json!({"userlist": []})),
        (86006, crowd(2000)),
        (86207, json!({"owner": "lisi"})),
        (86207, json!({"owner": "nobody"})),
        (0, crowd(1999)),
        (0, json!({"chatid": "a".repeat(32), "owner": "LILEI"})),
        // Whom the app does not see, the chat may have.
        (
            0,
            json!({"chatid": "c3", "userlist": ["zhangsan", "guwen.ma"]}),
        ),
    ] {
        let body = with(chat(), changes.clone());
        let answer = call(&bench, "create", &body).await;
        let mut shown = changes.to_string();
        shown.truncate(80);
        assert_eq!(code(&answer), expected, "{shown}: {answer}");
    }
    assert_eq!(code(&call(&bench, "create", &json!([])).await), 40008);
}

#[tokio::test]
async fn a_chat_is_for_the_app_that_made_it_and_for_apps_that_see_the_root() {
    let mut settings = Settings::demo(([127, 0, 0, 1], 0).into());
    let third = crate::sandbox::App::new("shipin", 1_000_004, "sandbox-secret-shipin");
    settings.apps.push(third);
    let bench = Bench::start(settings).await;
    assert_eq!(code(&call(&bench, "create", &chat()).await), 0);
    for (app, expected) in [(1, 60011), (2, 86008), (0, 0)] {
        assert_eq!(code(&get_as(&bench, app, "drill1").await), expected);
        for (path, body) in [
            ("update", json!({"chatid": "drill1", "name": "演习"})),
            ("send", text("集合")),
        ] {
            let answer = call_as(&bench, app, path, &body).await;
            assert_eq!(code(&answer), expected, "{path} by {app}");
        }
    }
    assert_eq!(code(&call_as(&bench, 1, "create", &chat()).await), 60011);
    assert_eq!(code(&call_as(&bench, 2, "create", &chat()).await), 86215);
    for (chat_id, expected) in [("", 86201), ("nochat", 86003), ("a%20b", 86001)] {
        let answer = get_as(&bench, 0, chat_id).await;
        assert_eq!(code(&answer), expected, "{chat_id:?}");
    }
}

#[tokio::test]
async fn a_change_is_done_whole_or_not_at_all() {
    let bench = with_chat().await;
    let members = async || get_as(&bench, 0, "drill1").await["chat_info"].clone();
    let before = members().await;
    for (expected, changes) in [
        (86216, json!({"add_user_list": ["lisi", "nobody"]})),
        (86216, json!({"del_user_list": ["lisi"]})),
        (86216, json!({"del_user_list": ["nobody"]})),
        (86203, json!({"del_user_list": ["ZhangSan"]})),
        (
            86207,
            json!({"del_user_list": ["zhangsan"], "owner": "zhangsan"}),
        ),
        (86207, json!({"owner": "lisi"})),
        (86006, json!({"del_user_list": ["LiLei", "wangwu"]})),
        (86003, json!({"chatid": "nochat"})),
        (86201, json!({"chatid": null})),
    ] {
        let name = json!({"chatid": "drill1", "name": "另一个"});
        let answer = call(&bench, "update", &with(name, changes.clone())).await;
        assert_eq!(code(&answer), expected, "{changes}: {answer}");
        assert_eq!(members().await, before, "{changes}");
    }
    let update = json!({
        "chatid": "drill1", "owner": "LISI", "name": "名".repeat(60),
        "add_user_list": ["lisi", "LILEI"], "del_user_list": ["zhangsan", "wangwu"],
    });
    let answer = call(&bench, "update", &update).await;
    assert_eq!(answer, json!({"errcode": 0, "errmsg": "ok"}));
    let after = members().await;
    assert_eq!(after["userlist"], json!(["LiLei", "lisi"]));
    assert_eq!(after["owner"], "lisi");
    assert_eq!(after["name"], "名".repeat(50));
    assert_eq!(
        code(&call(&bench, "update", &update).await),
        86216,
        "who is gone cannot go again"
    );
}

#[tokio::test]
async fn a_message_reaches_the_members_and_has_no_msgid() {
    let bench = with_chat().await;
    let body = say(
        "text",
        json!({"content": "楼下集合", "mentioned_list": ["LiLei", "@all"]}),
    );
    let answer = call(&bench, "send", &body).await;
    assert_eq!(answer, json!({"errcode": 0, "errmsg": "ok"}));
    let message = bench.last_message().await;
    assert_eq!(
        (&message["msgid"], &message["chatid"]),
        (&Value::Null, &json!("drill1"))
    );
    assert_eq!(message["agentid"], 1_000_002);
    assert_eq!(
        message["delivered_to"],
        json!(["zhangsan", "LiLei", "wangwu"])
    );
    assert_eq!(message["shown"]["mentioned_list"], json!(["LiLei", "@all"]));
    let list = bench.get_json("/sandbox/messages?user=lilei").await;
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn each_type_has_the_rules_of_a_chat() {
    let bench = with_chat().await;
    let image = bench.media_id("image", "p.png", PNG).await;
    let article = |changes| {
        let article = json!({"title": "t", "url": "https://e.com"});
        json!({"articles": [with(article, changes)]})
    };
    let mpnews = json!({"articles": [{"title": "t", "content": "c", "thumb_media_id": image}]});
    let card = json!({"title": "t", "description": "d", "url": "https://e.com"});
    for (expected, body) in [
        (0, say("image", json!({"media_id": image}))),
        (40007, say("image", json!({"media_id": "stray"}))),
        (40007, say("voice", json!({"media_id": image}))),
        (44004, text("")),
        (0, say("markdown", json!({"content": "**x**"}))),
        (0, with(say("textcard", card), json!({"safe": 0}))),
        (0, say("news", article(json!({})))),
        (41010, say("news", article(json!({"url": null})))),
        (
            41010,
            say(
                "news",
                article(json!({"url": null, "appid": "wx1", "pagepath": "p"})),
            ),
        ),
        (0, say("news", article(json!({"appid": "wx1"})))),
        (
            40074,
            with(say("news", article(json!({}))), json!({"safe": 1})),
        ),
        (0, with(say("mpnews", mpnews.clone()), json!({"safe": 1}))),
        (40058, with(say("mpnews", mpnews), json!({"safe": 2}))),
        (40058, with(text("x"), json!({"safe": 2}))),
        (40008, say("markdown_v2", json!({"content": "x"}))),
        (40008, with(text("x"), json!({"msgtype": null}))),
        (86003, with(text("x"), json!({"chatid": "nochat"}))),
        (86201, with(text("x"), json!({"chatid": null}))),
    ] {
        let answer = call(&bench, "send", &body).await;
        assert_eq!(code(&answer), expected, "{body}: {answer}");
    }
}

#[tokio::test]
async fn which_code_a_stray_type_gets_is_a_switch() {
    let bench = with_chat().await;
    let types = [
        "taskcard",
        "interactive_taskcard",
        "miniprogram_notice",
        "template_card",
    ];
    for expected in [86214, 40008] {
        bench
            .put_modes(json!({"chat_type_errcode": expected}))
            .await;
        for msg_type in types {
            let answer = call(&bench, "send", &say(msg_type, json!({}))).await;
            assert_eq!(code(&answer), expected, "{msg_type}");
        }
    }
}

#[tokio::test]
async fn what_a_member_gets_beyond_the_limit_is_dropped_without_an_error() {
    let bench = with_chat().await;
    let other = with(
        chat(),
        json!({"chatid": "drill2", "owner": null, "userlist": ["wangwu", "lisi"]}),
    );
    assert_eq!(code(&call(&bench, "create", &other).await), 0);
    for _ in 0..200 {
        assert_eq!(code(&call(&bench, "send", &text("x")).await), 0);
    }
    let to_other = with(text("x"), json!({"chatid": "drill2"}));
    assert_eq!(code(&call(&bench, "send", &to_other).await), 0);
    let message = bench.last_message().await;
    assert_eq!(message["dropped"], json!(["wangwu"]), "over all chats");
    assert_eq!(message["delivered_to"], json!(["lisi"]));
    bench.put_modes(json!({"member_limits": false})).await;
    call(&bench, "send", &text("x")).await;
    assert_eq!(bench.last_message().await["dropped"], json!([]));
    bench.put_modes(json!({"member_limits": true})).await;
    advance(60).await;
    call(&bench, "send", &to_other).await;
    assert_eq!(bench.last_message().await["dropped"], json!([]));
}

#[tokio::test]
async fn the_corps_limits_end_in_45009() {
    let bench = with_chat().await;
    let rename = json!({"chatid": "drill1", "name": "演习"});
    for _ in 0..1000 {
        assert_eq!(code(&call(&bench, "update", &rename).await), 0);
    }
    assert_eq!(code(&call(&bench, "update", &rename).await), 45009);
    bench.put_modes(json!({"chat_limits": false})).await;
    assert_eq!(code(&call(&bench, "update", &rename).await), 0);
    bench.put_modes(json!({"chat_limits": true})).await;
    advance(3600).await;
    assert_eq!(code(&call(&bench, "update", &rename).await), 0);
}
