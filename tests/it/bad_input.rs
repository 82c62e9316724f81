//! Bad input: each row is a request that must not reach WeCom, with the exact
//! fields that the answer must name.

use prost::Message as _;
use serde_json::{Value, json};
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};
use wecomgw::grpc::pb;

use super::harness::{World, details, send_request, verdict};

/// A request whose only fault is in `content`.
fn content(content: Value) -> Value {
    json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": content})
}

/// A request whose only fault is in `recipients`.
fn to(recipients: Value) -> Value {
    json!({"app": "youxiao", "recipients": recipients, "content": {"text": {"content": "hello"}}})
}

/// A good text with more fields.
fn with(fields: Value) -> Value {
    let mut request = to(json!({"user_ids": ["zhangsan"]}));
    for (key, value) in fields.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

fn card(kind: &str, fields: Value) -> Value {
    content(json!({"template_card": {kind: fields}}))
}

/// A good text notice with some fields replaced.
fn notice(fields: Value) -> Value {
    let mut notice = json!({
        "main_title": {"title": "Water"},
        "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://intranet.example.com"},
    });
    for (key, value) in fields.as_object().unwrap() {
        notice[key] = value.clone();
    }
    card("text_notice", notice)
}

/// A good card with buttons and some fields replaced.
fn buttons(fields: Value) -> Value {
    let mut buttons = json!({
        "main_title": {"title": "Lunch"}, "task_id": "lunch-1",
        "buttons": [{"text": "Yes", "key": "yes"}],
    });
    for (key, value) in fields.as_object().unwrap() {
        buttons[key] = value.clone();
    }
    card("button_interaction", buttons)
}

fn vote(fields: Value) -> Value {
    let mut vote = json!({
        "main_title": {"title": "Lunch"}, "task_id": "lunch-1",
        "checkbox": {"question_key": "q", "options": [{"id": "a", "text": "Rice"}]},
        "submit_button": {"text": "Send", "key": "send"},
    });
    for (key, value) in fields.as_object().unwrap() {
        vote[key] = value.clone();
    }
    card("vote_interaction", vote)
}

fn choices(fields: Value) -> Value {
    let mut choices = json!({
        "main_title": {"title": "Lunch"}, "task_id": "lunch-1",
        "selections": [{"question_key": "q", "options": [{"id": "a", "text": "Rice"}]}],
        "submit_button": {"text": "Send", "key": "send"},
    });
    for (key, value) in fields.as_object().unwrap() {
        choices[key] = value.clone();
    }
    card("multiple_interaction", choices)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn inline(bytes: &[u8], file_name: &str) -> Value {
    json!({"media": {"inline": {"data": base64(bytes), "file_name": file_name}}})
}

fn a(count: usize) -> String {
    "a".repeat(count)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<(Value, Vec<&'static str>)> {
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 40]].concat();
    let url = |length: usize| format!("https://example.com/{}", a(length - 20));
    let ids = |count: u32| (0..count).map(|id| format!("user{id}")).collect::<Vec<_>>();
    let article = json!({"title": "Canteen", "url": "https://example.com"});
    let task = |fields: Value| {
        let mut task = json!({"title": "Leave", "task_id": "leave-1", "buttons": [{"key": "ok", "name": "OK"}]});
        for (key, value) in fields.as_object().unwrap() {
            task[key] = value.clone();
        }
        content(json!({"task_card": task}))
    };
    let mini = |fields: Value| {
        let mut mini =
            json!({"app_id": "wx0123456789abcdef", "title": "Room booked", "page": "pages/index"});
        for (key, value) in fields.as_object().unwrap() {
            mini[key] = value.clone();
        }
        content(json!({"mini_program_notice": mini}))
    };
    let selection = |fields: Value| {
        let mut selection = json!({"question_key": "q", "options": [{"id": "a", "text": "Rice"}]});
        for (key, value) in fields.as_object().unwrap() {
            selection[key] = value.clone();
        }
        choices(json!({"selections": [selection]}))
    };
    let option = |id: &str| json!({"id": id, "text": "Rice"});
    vec![
        // Nothing at all.
        (json!({"app": "youxiao"}), vec!["content", "recipients"]),
        (
            json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}}),
            vec!["content"],
        ),
        (
            json!({"app": "youxiao", "content": {"text": {"content": "x"}}}),
            vec!["recipients"],
        ),
        (content(json!({})), vec!["content"]),
        // Recipients.
        (to(json!({})), vec!["recipients"]),
        (to(json!({"everyone": false})), vec!["recipients"]),
        (
            to(json!({"user_ids": [""]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["a|b"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["@all"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["zhang san"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["张三"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": [".dot"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["_line"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["a\u{0}b"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["a\nb"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["a\u{202e}b"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["a\u{200b}b"]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": [a(65)]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": [a(500_000)]})),
            vec!["recipients.user_ids[0]"],
        ),
        (
            to(json!({"user_ids": ["zhangsan", "a|b", "lisi", ""]})),
            vec!["recipients.user_ids[1]", "recipients.user_ids[3]"],
        ),
        (
            to(json!({"user_ids": ["zhangsan", "ZhangSan"]})),
            vec!["recipients.user_ids[1]"],
        ),
        (
            to(json!({"user_ids": ids(1001)})),
            vec!["recipients.user_ids"],
        ),
        (
            to(json!({"department_ids": (1..=101).collect::<Vec<u32>>()})),
            vec!["recipients.department_ids"],
        ),
        (
            to(json!({"department_ids": [0]})),
            vec!["recipients.department_ids[0]"],
        ),
        (
            to(json!({"department_ids": [1, 2, 1]})),
            vec!["recipients.department_ids[2]"],
        ),
        (
            to(json!({"tag_ids": (1..=101).collect::<Vec<u32>>()})),
            vec!["recipients.tag_ids"],
        ),
        (
            to(json!({"tag_ids": [3, 3]})),
            vec!["recipients.tag_ids[1]"],
        ),
        (
            to(json!({"everyone": true, "user_ids": ["zhangsan"]})),
            vec!["recipients.everyone"],
        ),
        (
            to(json!({"everyone": true, "department_ids": [1]})),
            vec!["recipients.everyone"],
        ),
        (
            to(json!({"everyone": true, "tag_ids": [1]})),
            vec!["recipients.everyone"],
        ),
        // Switches.
        (with(json!({"safe": 99})), vec!["safe"]),
        (with(json!({"safe": -1})), vec!["safe"]),
        (with(json!({"safe": "SAFE_INTERNAL"})), vec!["safe"]),
        (
            with(json!({"duplicate_check": {"enabled": true, "interval": "0s"}})),
            vec!["duplicate_check.interval"],
        ),
        (
            with(json!({"duplicate_check": {"enabled": true, "interval": "-5s"}})),
            vec!["duplicate_check.interval"],
        ),
        (
            with(json!({"duplicate_check": {"enabled": true, "interval": "14401s"}})),
            vec!["duplicate_check.interval"],
        ),
        (
            with(json!({"duplicate_check": {"enabled": true, "interval": "1.5s"}})),
            vec!["duplicate_check.interval"],
        ),
        (with(json!({"request_id": a(129)})), vec!["request_id"]),
        (with(json!({"request_id": "tab\there"})), vec!["request_id"]),
        (with(json!({"request_id": "订单"})), vec!["request_id"]),
        (
            json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"voice": {"media": {"media_id": "m"}}}, "safe": "SAFE_ON"}),
            vec!["safe"],
        ),
        (
            json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"news": {"articles": [article]}}, "safe": "SAFE_ON"}),
            vec!["safe"],
        ),
        (
            json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"image": {"media": {"media_id": "m"}}}, "translate_ids": true}),
            vec!["translate_ids"],
        ),
        (
            json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"markdown": {"content": "x"}}, "translate_ids": true}),
            vec!["translate_ids"],
        ),
        (
            json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"file": inline(b"MZ program", "setup.exe")}, "safe": "SAFE_ON"}),
            vec!["safe"],
        ),
        // Text and Markdown, in bytes.
        (content(json!({"text": {}})), vec!["content.text.content"]),
        (
            content(json!({"text": {"content": a(2049)}})),
            vec!["content.text.content"],
        ),
        (
            content(json!({"text": {"content": "长".repeat(683)}})),
            vec!["content.text.content"],
        ),
        (
            content(json!({"text": {"content": "a\u{0}b"}})),
            vec!["content.text.content"],
        ),
        (
            content(json!({"text": {"content": "x", "mentioned_user_ids": ["lisi"]}})),
            vec!["content.text.mentioned_user_ids"],
        ),
        (
            content(json!({"markdown": {}})),
            vec!["content.markdown.content"],
        ),
        (
            content(json!({"markdown": {"content": "长".repeat(683)}})),
            vec!["content.markdown.content"],
        ),
        // Media.
        (content(json!({"image": {}})), vec!["content.image.media"]),
        (
            content(json!({"image": {"media": {}}})),
            vec!["content.image.media"],
        ),
        (
            content(json!({"image": {"media": {"media_id": ""}}})),
            vec!["content.image.media"],
        ),
        (
            content(json!({"image": {"media": {"media_id": "a b"}}})),
            vec!["content.image.media.media_id"],
        ),
        (
            content(json!({"image": inline(b"GIF89a, not a PNG", "a.png")})),
            vec!["content.image.media.inline.data"],
        ),
        (
            content(json!({"image": inline(b"", "a.png")})),
            vec!["content.image.media.inline.data"],
        ),
        (
            content(json!({"image": inline(&png, "")})),
            vec!["content.image.media.inline.file_name"],
        ),
        (
            content(json!({"image": inline(&png, "../a.png")})),
            vec!["content.image.media.inline.file_name"],
        ),
        (
            content(json!({"image": inline(&png, "a\\b.png")})),
            vec!["content.image.media.inline.file_name"],
        ),
        (
            content(json!({"image": inline(&png, "a\"b.png")})),
            vec!["content.image.media.inline.file_name"],
        ),
        (
            content(json!({"image": inline(&png, "a\r\nb.png")})),
            vec!["content.image.media.inline.file_name"],
        ),
        (
            content(json!({"image": inline(&png, &a(256))})),
            vec!["content.image.media.inline.file_name"],
        ),
        (
            content(json!({"voice": inline(b"RIFF....WAVE", "a.amr")})),
            vec!["content.voice.media.inline.data"],
        ),
        (
            content(json!({"video": inline(b"no video at all", "a.mp4")})),
            vec!["content.video.media.inline.data"],
        ),
        (
            content(json!({"file": inline(b"12345", "a.txt")})),
            vec!["content.file.media.inline.data"],
        ),
        (
            content(json!({"file": inline(&vec![b'x'; 2 * 1024 * 1024 + 1], "a.txt")})),
            vec!["content.file.media.inline.data"],
        ),
        (
            content(
                json!({"video": {"media": {"media_id": "m"}, "title": a(129), "description": a(513)}}),
            ),
            vec!["content.video.title", "content.video.description"],
        ),
        // Text card.
        (
            content(json!({"text_card": {}})),
            vec![
                "content.text_card.title",
                "content.text_card.description",
                "content.text_card.url",
            ],
        ),
        (
            content(
                json!({"text_card": {"title": a(129), "description": "d", "url": "https://example.com"}}),
            ),
            vec!["content.text_card.title"],
        ),
        (
            content(
                json!({"text_card": {"title": "t", "description": a(513), "url": "https://example.com"}}),
            ),
            vec!["content.text_card.description"],
        ),
        (
            content(json!({"text_card": {"title": "t", "description": "d", "url": "example.com"}})),
            vec!["content.text_card.url"],
        ),
        (
            content(
                json!({"text_card": {"title": "t", "description": "d", "url": "javascript:alert(1)"}}),
            ),
            vec!["content.text_card.url"],
        ),
        (
            content(json!({"text_card": {"title": "t", "description": "d", "url": "https://"}})),
            vec!["content.text_card.url"],
        ),
        (
            content(json!({"text_card": {"title": "t", "description": "d", "url": "https://a b"}})),
            vec!["content.text_card.url"],
        ),
        (
            content(json!({"text_card": {"title": "t", "description": "d", "url": url(2049)}})),
            vec!["content.text_card.url"],
        ),
        (
            content(
                json!({"text_card": {"title": "t", "description": "d", "url": "https://example.com", "button_text": "12345"}}),
            ),
            vec!["content.text_card.button_text"],
        ),
        // News and mpnews.
        (content(json!({"news": {}})), vec!["content.news.articles"]),
        (
            content(json!({"news": {"articles": vec![article.clone(); 9]}})),
            vec!["content.news.articles"],
        ),
        (
            content(json!({"news": {"articles": [article, {}]}})),
            vec![
                "content.news.articles[1].title",
                "content.news.articles[1].url",
            ],
        ),
        (
            content(
                json!({"news": {"articles": [{"title": "t", "url": "https://e.com", "picture_url": "ftp://e.com/a.png"}]}}),
            ),
            vec!["content.news.articles[0].picture_url"],
        ),
        (
            content(json!({"news": {"articles": [{"title": "t", "app_id": "wx1"}]}})),
            vec!["content.news.articles[0].page_path"],
        ),
        (
            content(
                json!({"news": {"articles": [{"title": "t", "app_id": "wx1", "page_path": a(129)}]}}),
            ),
            vec!["content.news.articles[0].page_path"],
        ),
        (
            content(json!({"mp_news": {"articles": [{}]}})),
            vec![
                "content.mp_news.articles[0].title",
                "content.mp_news.articles[0].thumbnail",
                "content.mp_news.articles[0].content",
            ],
        ),
        (
            content(
                json!({"mp_news": {"articles": [{"title": "t", "thumbnail": {"media_id": "m"}, "content": "c", "author": a(65), "digest": a(513)}]}}),
            ),
            vec![
                "content.mp_news.articles[0].author",
                "content.mp_news.articles[0].digest",
            ],
        ),
        (
            content(
                json!({"mp_news": {"articles": [{"title": "t", "thumbnail": {"media_id": "m"}, "content": a(681_985)}]}}),
            ),
            vec!["content.mp_news.articles[0].content"],
        ),
        (
            content(
                json!({"mp_news": {"articles": [{"title": "t", "thumbnail": {"media_id": "m"}, "content": "c", "content_source_url": "ftp://example.com"}]}}),
            ),
            vec!["content.mp_news.articles[0].content_source_url"],
        ),
        // Mini-program notice.
        (
            mini(json!({"app_id": ""})),
            vec!["content.mini_program_notice.app_id"],
        ),
        (
            mini(json!({"title": "abc"})),
            vec!["content.mini_program_notice.title"],
        ),
        (
            mini(json!({"title": a(13)})),
            vec!["content.mini_program_notice.title"],
        ),
        (
            mini(json!({"description": "abc"})),
            vec!["content.mini_program_notice.description"],
        ),
        (
            mini(json!({"page": a(1025)})),
            vec!["content.mini_program_notice.page"],
        ),
        (
            mini(json!({"items": vec![json!({"key": "k", "value": "v"}); 11]})),
            vec!["content.mini_program_notice.items"],
        ),
        (
            mini(json!({"items": [{"key": a(11), "value": a(31)}]})),
            vec![
                "content.mini_program_notice.items[0].key",
                "content.mini_program_notice.items[0].value",
            ],
        ),
        (
            mini(json!({"items": [{}]})),
            vec!["content.mini_program_notice.items[0]"],
        ),
        (
            json!({"app": "youxiao", "recipients": {"everyone": true}, "content": {"mini_program_notice": {"app_id": "wx1", "title": "Room booked"}}}),
            vec!["recipients.everyone"],
        ),
        // Task card.
        (task(json!({"title": ""})), vec!["content.task_card.title"]),
        (
            task(json!({"task_id": ""})),
            vec!["content.task_card.task_id"],
        ),
        (
            task(json!({"task_id": "a b"})),
            vec!["content.task_card.task_id"],
        ),
        (
            task(json!({"task_id": a(129)})),
            vec!["content.task_card.task_id"],
        ),
        (
            task(json!({"buttons": []})),
            vec!["content.task_card.buttons"],
        ),
        (
            task(json!({"buttons": vec![json!({"key": "k", "name": "n"}); 3]})),
            vec!["content.task_card.buttons"],
        ),
        (
            task(json!({"buttons": [{"key": "ok", "name": a(19)}]})),
            vec!["content.task_card.buttons[0].name"],
        ),
        (
            task(json!({"buttons": [{"key": "ok", "name": "OK", "color": 7}]})),
            vec!["content.task_card.buttons[0].color"],
        ),
        (
            task(json!({"url": "intranet"})),
            vec!["content.task_card.url"],
        ),
        // Template cards.
        (
            content(json!({"template_card": {}})),
            vec!["content.template_card"],
        ),
        (
            notice(json!({"main_title": {}})),
            vec!["content.template_card.text_notice.main_title.title"],
        ),
        (
            notice(json!({"card_action": null})),
            vec!["content.template_card.text_notice.card_action.link_type"],
        ),
        (
            notice(json!({"card_action": {}})),
            vec!["content.template_card.text_notice.card_action.link_type"],
        ),
        (
            notice(json!({"card_action": {"link_type": "CARD_LINK_TYPE_URL"}})),
            vec!["content.template_card.text_notice.card_action.url"],
        ),
        (
            notice(json!({"card_action": {"link_type": "CARD_LINK_TYPE_MINI_PROGRAM"}})),
            vec!["content.template_card.text_notice.card_action.app_id"],
        ),
        (
            notice(json!({"quote_area": {"link_type": 9}})),
            vec!["content.template_card.text_notice.quote_area.link_type"],
        ),
        (
            notice(json!({"action_menu": {"actions": [{"text": "Stop", "key": "stop"}]}})),
            vec!["content.template_card.text_notice.task_id"],
        ),
        (
            notice(json!({"task_id": "t", "action_menu": {}})),
            vec!["content.template_card.text_notice.action_menu.actions"],
        ),
        (
            notice(
                json!({"task_id": "t", "action_menu": {"actions": vec![json!({"text": "a", "key": "k"}); 2]}}),
            ),
            vec!["content.template_card.text_notice.action_menu.actions[1].key"],
        ),
        (
            notice(json!({"task_id": "t", "action_menu": {"actions": [{"text": "", "key": ""}]}})),
            vec![
                "content.template_card.text_notice.action_menu.actions[0].text",
                "content.template_card.text_notice.action_menu.actions[0].key",
            ],
        ),
        (
            notice(json!({"horizontal_contents": vec![json!({"key": "k"}); 7]})),
            vec!["content.template_card.text_notice.horizontal_contents"],
        ),
        (
            notice(json!({"horizontal_contents": [{}]})),
            vec!["content.template_card.text_notice.horizontal_contents[0].key"],
        ),
        (
            notice(
                json!({"horizontal_contents": [{"key": "k", "type": "CARD_HORIZONTAL_CONTENT_TYPE_URL"}]}),
            ),
            vec!["content.template_card.text_notice.horizontal_contents[0].url"],
        ),
        (
            notice(
                json!({"horizontal_contents": [{"key": "k", "type": "CARD_HORIZONTAL_CONTENT_TYPE_FILE"}]}),
            ),
            vec!["content.template_card.text_notice.horizontal_contents[0].media"],
        ),
        (
            notice(
                json!({"horizontal_contents": [{"key": "k", "type": "CARD_HORIZONTAL_CONTENT_TYPE_USER"}]}),
            ),
            vec!["content.template_card.text_notice.horizontal_contents[0].user_id"],
        ),
        (
            notice(json!({"jumps": vec![json!({"title": "t"}); 4]})),
            vec!["content.template_card.text_notice.jumps"],
        ),
        (
            notice(json!({"jumps": [{"title": "t"}, {}]})),
            vec!["content.template_card.text_notice.jumps[1].title"],
        ),
        (
            notice(json!({"quote_area": {"link_type": "CARD_LINK_TYPE_URL"}})),
            vec!["content.template_card.text_notice.quote_area.url"],
        ),
        (
            notice(json!({"source": {"icon_url": "icon"}})),
            vec!["content.template_card.text_notice.source.icon_url"],
        ),
        (
            card(
                "news_notice",
                json!({"main_title": {"title": "t"}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}}),
            ),
            vec!["content.template_card.news_notice.card_image"],
        ),
        (
            card(
                "news_notice",
                json!({"main_title": {"title": "t"}, "card_image": {"url": "https://e.com/a.png", "aspect_ratio": 3}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}}),
            ),
            vec!["content.template_card.news_notice.card_image.aspect_ratio"],
        ),
        (
            card(
                "news_notice",
                json!({"main_title": {"title": "t"}, "card_image": {}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}, "vertical_contents": vec![json!({"title": "v"}); 5]}),
            ),
            vec![
                "content.template_card.news_notice.card_image.url",
                "content.template_card.news_notice.vertical_contents",
            ],
        ),
        (
            buttons(json!({"task_id": ""})),
            vec!["content.template_card.button_interaction.task_id"],
        ),
        (
            buttons(json!({"main_title": null})),
            vec!["content.template_card.button_interaction.main_title.title"],
        ),
        (
            buttons(json!({"buttons": []})),
            vec!["content.template_card.button_interaction.buttons"],
        ),
        (
            buttons(
                json!({"buttons": (0..7).map(|n| json!({"text": "b", "key": n.to_string()})).collect::<Vec<_>>()}),
            ),
            vec!["content.template_card.button_interaction.buttons"],
        ),
        (
            buttons(json!({"buttons": [{"text": "b"}]})),
            vec!["content.template_card.button_interaction.buttons[0].key"],
        ),
        (
            buttons(json!({"buttons": [{"text": "b", "key": a(1025)}]})),
            vec!["content.template_card.button_interaction.buttons[0].key"],
        ),
        (
            buttons(json!({"buttons": [{"text": "b", "type": "CARD_BUTTON_TYPE_URL"}]})),
            vec!["content.template_card.button_interaction.buttons[0].url"],
        ),
        (
            buttons(json!({"buttons": [{"text": "b", "key": "k", "style": 5}]})),
            vec!["content.template_card.button_interaction.buttons[0].style"],
        ),
        (
            buttons(json!({"button_selection": {"question_key": "q", "options": []}})),
            vec!["content.template_card.button_interaction.button_selection.options"],
        ),
        (
            vote(json!({"checkbox": null})),
            vec!["content.template_card.vote_interaction.checkbox"],
        ),
        (
            vote(json!({"checkbox": {"question_key": "", "options": [option("a")]}})),
            vec!["content.template_card.vote_interaction.checkbox.question_key"],
        ),
        (
            vote(json!({"checkbox": {"question_key": "q", "options": [option("a"), option("a")]}})),
            vec!["content.template_card.vote_interaction.checkbox.options[1].id"],
        ),
        (
            vote(
                json!({"checkbox": {"question_key": "q", "options": [option("a")], "disabled": true}}),
            ),
            vec!["content.template_card.vote_interaction.checkbox.disabled"],
        ),
        (
            vote(json!({"checkbox": {"question_key": "q", "mode": 5, "options": [option("a")]}})),
            vec!["content.template_card.vote_interaction.checkbox.mode"],
        ),
        (
            vote(json!({"submit_button": null})),
            vec!["content.template_card.vote_interaction.submit_button"],
        ),
        (
            choices(json!({"selections": []})),
            vec!["content.template_card.multiple_interaction.selections"],
        ),
        (
            choices(json!({"submit_button": {"text": "", "key": ""}})),
            vec![
                "content.template_card.multiple_interaction.submit_button.text",
                "content.template_card.multiple_interaction.submit_button.key",
            ],
        ),
        (
            selection(
                json!({"options": (0..11).map(|n| option(&n.to_string())).collect::<Vec<_>>()}),
            ),
            vec!["content.template_card.multiple_interaction.selections[0].options"],
        ),
        (
            selection(json!({"options": [option(&a(129))]})),
            vec!["content.template_card.multiple_interaction.selections[0].options[0].id"],
        ),
        (
            selection(json!({"disabled": true})),
            vec!["content.template_card.multiple_interaction.selections[0].disabled"],
        ),
    ]
}

#[tokio::test]
async fn each_bad_request_names_its_fields_and_reaches_nobody() {
    let world = World::start().await;
    let rows = rows();
    assert!(rows.len() >= 100, "{} rows", rows.len());
    let mut failures = Vec::new();
    for (json, expected) in rows {
        let mut text = json.to_string();
        let request = send_request(strip_nulls(json));
        let answer = world.messages().send_message(request).await;
        let fields: Vec<String> = match &answer {
            Ok(reply) => vec![format!("{reply:?}")],
            Err(status) if verdict(status) == (Code::InvalidArgument, "INVALID_REQUEST".into()) => {
                let details = details(status).2;
                let request = details.bad_request().unwrap();
                assert!(
                    request
                        .field_violations
                        .iter()
                        .all(|found| found.description.len() > 5)
                );
                request
                    .field_violations
                    .iter()
                    .map(|found| found.field.clone())
                    .collect()
            }
            Err(status) => vec![format!("{:?} {}", status.code(), status.message())],
        };
        if fields != expected {
            text.truncate(200);
            failures.push(format!("{text}\n    {fields:?}\n    expected {expected:?}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} rows failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(world.sandbox.calls("message/send").await.is_empty());
    assert!(world.sandbox.calls("media/upload").await.is_empty());
    world.stop().await;
}

/// `null` in a row takes a field out.
fn strip_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, strip_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(strip_nulls).collect(),
        other => other,
    }
}

/// Calls SendMessage with bytes that no generated client would send.
async fn send_raw(world: &World, bytes: Vec<u8>) -> tonic::Status {
    let channel = tonic::transport::Endpoint::from_shared(world.grpc.clone())
        .unwrap()
        .connect_lazy();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/wecomgw.v1.MessageService/SendMessage");
    grpc.unary::<Raw, Vec<u8>, _>(Request::new(Raw(bytes)), path, RawCodec)
        .await
        .unwrap_err()
}

struct Raw(Vec<u8>);

#[derive(Default)]
struct RawCodec;

impl tonic::codec::Codec for RawCodec {
    type Encode = Raw;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for RawCodec {
    type Item = Raw;
    type Error = tonic::Status;

    fn encode(
        &mut self,
        item: Raw,
        target: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        bytes::BufMut::put_slice(target, &item.0);
        Ok(())
    }
}

impl tonic::codec::Decoder for RawCodec {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn decode(
        &mut self,
        source: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Vec<u8>>, tonic::Status> {
        let length = bytes::Buf::remaining(source);
        Ok(Some(bytes::Buf::copy_to_bytes(source, length).to_vec()))
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    let world = World::start().await;
    let malformed = (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned());
    let invalid_utf8 = |field: u8| vec![field << 3 | 2, 2, 0xC3, 0x28];
    let mut truncated = super::harness::text_to("zhangsan", "hello").encode_to_vec();
    truncated.truncate(truncated.len() - 3);
    for (name, bytes) in [
        ("tag zero", vec![0, 0, 0]),
        ("truncated", truncated),
        ("wrong wire type", vec![0x0D, 1, 2, 3, 4]),
        ("invalid UTF-8 in app", invalid_utf8(1)),
        ("invalid UTF-8 in request_id", invalid_utf8(7)),
        // recipients.user_ids[0]
        (
            "invalid UTF-8 in a user id",
            vec![0x12, 4, 0x0A, 2, 0xC3, 0x28],
        ),
        // content.text.content
        (
            "invalid UTF-8 in a text",
            vec![0x1A, 6, 0x0A, 4, 0x0A, 2, 0xC3, 0x28],
        ),
        (
            "endless varint",
            vec![
                0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            ],
        ),
        (
            "length beyond the end",
            vec![0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        ),
    ] {
        let status = send_raw(&world, bytes).await;
        assert_eq!(verdict(&status), malformed, "{name}: {status:?}");
    }
    let status = send_raw(&world, vec![0x0A; 6 * 1024 * 1024]).await;
    assert_eq!(
        verdict(&status),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into())
    );
    // A message that grows when it is inflated.
    let bomb = pb::SendMessageRequest {
        app: "a".repeat(8 * 1024 * 1024),
        ..Default::default()
    };
    let mut client = world.messages().send_compressed(CompressionEncoding::Gzip);
    let status = client.send_message(bomb).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into())
    );
    assert!(world.sandbox.calls("message/send").await.is_empty());
    world.stop().await;
}
