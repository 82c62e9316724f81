use serde_json::{Value, json};

use super::{AMR, Bench, MP4, PNG, code, message, with};
use crate::sandbox::Settings;

#[tokio::test]
async fn every_type_is_accepted_in_its_full_shape() {
    let bench = Bench::demo().await;
    let image = bench.media_id("image", "图.png", PNG).await;
    let voice = bench.media_id("voice", "音.amr", AMR).await;
    let video = bench.media_id("video", "片.mp4", MP4).await;
    let file = bench.media_id("file", "表.xlsx", b"sheets").await;
    let task = json!({
        "title": "请批采购单", "description": "茶叶两斤", "url": "https://example.com/t",
        "task_id": "task-1@a",
        "btn": [
            {"key": "yes", "name": "同意", "replace_name": "已同意", "color": "red", "is_bold": true},
            {"key": "no", "name": "退回"},
        ],
    });
    for (msg_type, content) in [
        (
            "text",
            json!({"content": "看<a href=\"https://example.com\">这里</a>\n"}),
        ),
        ("image", json!({"media_id": image})),
        ("voice", json!({"media_id": voice})),
        (
            "video",
            json!({"media_id": video, "title": "年会", "description": "彩排"}),
        ),
        ("file", json!({"media_id": file})),
        (
            "textcard",
            json!({"title": "体检", "description": "<div class=\"gray\">周二</div>",
                   "url": "https://example.com/", "btntxt": "预约"}),
        ),
        (
            "news",
            json!({"articles": [{"title": "食堂", "description": "新菜", "url": "https://example.com/",
                   "picurl": "https://example.com/a.png"}]}),
        ),
        (
            "news",
            json!({"articles": [{"title": "食堂", "appid": "wxabc", "pagepath": "pages/menu"}]}),
        ),
        (
            "mpnews",
            json!({"articles": [{"title": "周刊", "thumb_media_id": image, "author": "编辑部",
                   "content_source_url": "https://example.com", "content": "<p>正文</p>", "digest": "摘要"}]}),
        ),
        (
            "markdown",
            json!({"content": "# 标题\n> <font color=\"info\">引</font>"}),
        ),
        (
            "miniprogram_notice",
            json!({"appid": "wx5a9db0c5a9db0c5a", "page": "pages/room?id=3", "title": "会议室已订",
                   "description": "周三 10:00", "emphasis_first_item": true,
                   "content_item": [{"key": "房间", "value": "三号"}, {"key": "", "value": ""}]}),
        ),
        ("taskcard", task.clone()),
        (
            "interactive_taskcard",
            with(task, json!({"task_id": "task-2"})),
        ),
    ] {
        let body = with(
            message(msg_type, content),
            json!({"toparty": "2|3", "totag": "1|2", "enable_id_trans": 0,
                   "enable_duplicate_check": 0, "duplicate_check_interval": 1800}),
        );
        let answer = bench.send(&body).await;
        assert_eq!(code(&answer), 0, "{body}: {answer}");
        assert!(answer.get("response_code").is_none(), "{answer}");
        assert_eq!(bench.last_message().await["msgtype"], msg_type);
    }
}

#[tokio::test]
async fn broken_content_gets_its_own_code() {
    let bench = Bench::demo().await;
    let image = bench.media_id("image", "a.png", PNG).await;
    let card = json!({"title": "体检", "description": "周二", "url": "https://example.com/"});
    let article = json!({"title": "食堂", "url": "https://example.com/"});
    let news = |changes: Value| json!({"articles": [with(article.clone(), changes)]});
    let page = json!({"title": "周刊", "thumb_media_id": image, "content": "正文"});
    let mpnews = |changes: Value| json!({"articles": [with(page.clone(), changes)]});
    let notice = json!({"appid": "wx5a9db0c5a9db0c5a", "title": "会议室已订"});
    let items = |key: usize, value: usize, count: usize| {
        let item = json!({"key": "键".repeat(key), "value": "值".repeat(value)});
        json!({"content_item": vec![item; count]})
    };
    let button = json!({"key": "yes", "name": "同意"});
    let task = json!({"title": "采购", "task_id": "t", "btn": [button]});
    let link = |length: usize| format!("https://{}", "a".repeat(length - 8));
    for (msg_type, content, expected) in [
        ("text", json!({}), 44004),
        ("text", json!({"content": ""}), 44004),
        ("text", json!({"content": 5}), 44004),
        ("image", json!({}), 41006),
        ("image", json!({"media_id": "unknown"}), 40007),
        ("file", json!({"media_id": image}), 40007),
        ("video", json!({"media_id": image}), 40007),
        ("voice", json!({"media_id": image}), 40007),
        (
            "textcard",
            with(card.clone(), json!({"title": null})),
            41016,
        ),
        (
            "textcard",
            with(card.clone(), json!({"description": ""})),
            41033,
        ),
        ("textcard", with(card.clone(), json!({"url": null})), 41010),
        (
            "textcard",
            with(card.clone(), json!({"url": "example.com"})),
            45034,
        ),
        (
            "textcard",
            with(card.clone(), json!({"url": link(2048)})),
            0,
        ),
        (
            "textcard",
            with(card.clone(), json!({"url": link(2049)})),
            40058,
        ),
        ("news", json!({}), 40058),
        ("news", json!({"articles": []}), 40058),
        ("news", json!({"articles": vec![article.clone(); 8]}), 0),
        ("news", json!({"articles": vec![article.clone(); 9]}), 45008),
        ("news", json!({"articles": ["text"]}), 41016),
        ("news", news(json!({"title": ""})), 41016),
        ("news", news(json!({"url": null})), 41010),
        ("news", news(json!({"url": "example.com"})), 45034),
        ("news", news(json!({"url": null, "appid": "wx1"})), 40058),
        ("news", news(json!({"pagepath": "p"})), 40058),
        (
            "news",
            news(json!({"appid": "wx1", "pagepath": "p".repeat(129)})),
            40058,
        ),
        ("news", news(json!({"picurl": link(2049)})), 40058),
        ("mpnews", mpnews(json!({"title": null})), 41016),
        ("mpnews", mpnews(json!({"thumb_media_id": null})), 41006),
        (
            "mpnews",
            mpnews(json!({"thumb_media_id": "unknown"})),
            40007,
        ),
        ("mpnews", mpnews(json!({"author": "a".repeat(64)})), 0),
        ("mpnews", mpnews(json!({"author": "a".repeat(65)})), 45032),
        ("mpnews", mpnews(json!({"content": ""})), 44004),
        (
            "mpnews",
            mpnews(json!({"content": "a".repeat(666 * 1024)})),
            0,
        ),
        (
            "mpnews",
            mpnews(json!({"content": "a".repeat(666 * 1024 + 1)})),
            45002,
        ),
        ("markdown", json!({"content": ""}), 44004),
        ("markdown", json!({"content": "a".repeat(2048)}), 0),
        ("markdown", json!({"content": "a".repeat(2049)}), 40058),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"appid": ""})),
            90200,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"appid": "abc"})),
            90207,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"appid": "wxother"})),
            90208,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"page": "p".repeat(1025)})),
            90204,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"title": null})),
            41016,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"title": "三个字"})),
            40058,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), json!({"title": "长".repeat(13)})),
            40058,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), items(10, 30, 10)),
            0,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), items(10, 30, 11)),
            90201,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), items(0, 0, 11)),
            0,
        ),
        (
            "miniprogram_notice",
            with(notice.clone(), items(11, 1, 1)),
            90202,
        ),
        ("miniprogram_notice", with(notice, items(1, 31, 1)), 90203),
        (
            "taskcard",
            with(task.clone(), json!({"title": null})),
            41016,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"task_id": null})),
            42014,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"task_id": "空 格"})),
            42014,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"task_id": "a".repeat(129)})),
            42014,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"url": "example.com"})),
            45034,
        ),
        ("taskcard", with(task.clone(), json!({"btn": []})), 40058),
        (
            "taskcard",
            with(task.clone(), json!({"btn": vec![button.clone(); 3]})),
            40058,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"btn": vec![button.clone(); 2]})),
            42018,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"btn": [{"name": "同意"}]})),
            42019,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"btn": [{"key": "a b", "name": "x"}]})),
            42018,
        ),
        (
            "taskcard",
            with(task.clone(), json!({"btn": [{"key": "yes"}]})),
            42020,
        ),
        ("taskcard", task.clone(), 0),
        ("taskcard", task, 42014),
    ] {
        let start: String = content.to_string().chars().take(200).collect();
        assert_eq!(
            bench.errcode(msg_type, content).await,
            expected,
            "{msg_type} {start}"
        );
    }
    let all = json!({"touser": "@all"});
    let notice = json!({"appid": "wx5a9db0c5a9db0c5a", "title": "会议室已订"});
    let answer = bench
        .send(&with(message("miniprogram_notice", notice), all))
        .await;
    assert_eq!(code(&answer), 40058, "a notice is not for everyone");
}

#[tokio::test]
async fn long_values_are_cut_without_a_word() {
    let bench = Bench::demo().await;
    let image = bench.media_id("image", "a.png", PNG).await;
    let video = bench.media_id("video", "a.mp4", MP4).await;
    // 683 characters of three bytes: 2049 bytes, one over; the cut must not split one.
    let long = "字".repeat(683);
    let url = "https://example.com/";
    for (msg_type, content, cut) in [
        ("text", json!({"content": "a".repeat(2048)}), json!([])),
        ("text", json!({"content": long}), json!(["text.content"])),
        (
            "video",
            json!({"media_id": video, "title": long, "description": long}),
            json!(["video.title", "video.description"]),
        ),
        (
            "textcard",
            json!({"title": long, "description": long, "url": url, "btntxt": "五个汉字啊"}),
            json!(["textcard.title", "textcard.description", "textcard.btntxt"]),
        ),
        (
            "news",
            json!({"articles": [
                {"title": "短", "url": url},
                {"title": long, "description": long, "url": url},
            ]}),
            json!(["articles[1].title", "articles[1].description"]),
        ),
        (
            "mpnews",
            json!({"articles": [
                {"title": long, "thumb_media_id": image, "content": long, "digest": long},
            ]}),
            json!(["articles[0].title", "articles[0].digest"]),
        ),
        (
            "taskcard",
            json!({"title": long, "description": long, "task_id": "cut",
                   "btn": [{"key": "k", "name": "七个汉字的按钮"}]}),
            json!(["taskcard.title", "taskcard.description", "btn[0].name"]),
        ),
    ] {
        assert_eq!(bench.errcode(msg_type, content.clone()).await, 0);
        let message = bench.last_message().await;
        assert_eq!(message["cut"], cut, "{msg_type}");
        assert_eq!(
            message["body"][msg_type], content,
            "the request is kept whole"
        );
    }
    bench.errcode("text", json!({"content": long})).await;
    let message = bench.last_message().await;
    assert_eq!(message["shown"]["content"], "字".repeat(682));
}

#[tokio::test]
async fn an_app_sends_only_what_it_is_set_up_for() {
    let bench = Bench::demo().await;
    let token = bench.token(1).await;
    let task = json!({"title": "采购", "task_id": "t", "btn": [{"key": "a", "name": "b"}]});
    let notice = json!({"appid": "wx5a9db0c5a9db0c5a", "title": "会议室已订"});
    for (msg_type, content, expected) in [
        ("taskcard", task, 43012),
        ("miniprogram_notice", notice, 48002),
        ("text", json!({"content": "hi"}), 0),
    ] {
        let body = with(message(msg_type, content), json!({"agentid": 1_000_003}));
        assert_eq!(
            code(&bench.send_with(&token, body.to_string()).await),
            expected
        );
    }
}

#[tokio::test]
async fn task_ids_may_repeat_on_demand() {
    let mut settings = Settings::demo(([127, 0, 0, 1], 0).into());
    settings.modes.unique_task_ids = false;
    let bench = Bench::start(settings).await;
    let task = json!({"title": "采购", "task_id": "t", "btn": [{"key": "a", "name": "b"}]});
    for _ in 0..2 {
        assert_eq!(bench.errcode("interactive_taskcard", task.clone()).await, 0);
    }
}
