//! Rows of MessageService: recipients, switches, and contents but cards.

use serde_json::{Value, json};

use super::{Row, a, bad, content, inline, to, with};

#[rustfmt::skip] // a table
pub(super) fn rows() -> Vec<Row> {
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 40]].concat();
    let url = |length: usize| format!("https://example.com/{}", a(length - 20));
    let ids = |count: u32| (0..count).map(|id| format!("user{id}")).collect::<Vec<_>>();
    let article = json!({"title": "Canteen", "url": "https://example.com"});
    let rows: Vec<(Value, &[&'static str])> = vec![
        // Nothing at all.
        (json!({"app": "youxiao"}), &["content", "recipients"]),
        (json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}}), &["content"]),
        (json!({"app": "youxiao", "content": {"text": {"content": "x"}}}), &["recipients"]),
        (content(json!({})), &["content"]),
        // Recipients.
        (to(json!({})), &["recipients"]),
        (to(json!({"everyone": false})), &["recipients"]),
        (to(json!({"user_ids": [""]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["a|b"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["@all"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["zhang san"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["张三"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": [".dot"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["_line"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["a\u{0}b"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["a\nb"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["a\u{202e}b"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["a\u{200b}b"]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": [a(65)]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": [a(500_000)]})), &["recipients.user_ids[0]"]),
        (to(json!({"user_ids": ["zhangsan", "a|b", "lisi", ""]})), &["recipients.user_ids[1]", "recipients.user_ids[3]"]),
        (to(json!({"user_ids": ["zhangsan", "ZhangSan"]})), &["recipients.user_ids[1]"]),
        (to(json!({"user_ids": ids(1001)})), &["recipients.user_ids"]),
        (to(json!({"department_ids": (1..=101).collect::<Vec<u32>>()})), &["recipients.department_ids"]),
        (to(json!({"department_ids": [0]})), &["recipients.department_ids[0]"]),
        (to(json!({"department_ids": [1, 2, 1]})), &["recipients.department_ids[2]"]),
        (to(json!({"tag_ids": (1..=101).collect::<Vec<u32>>()})), &["recipients.tag_ids"]),
        (to(json!({"tag_ids": [3, 3]})), &["recipients.tag_ids[1]"]),
        (to(json!({"everyone": true, "user_ids": ["zhangsan"]})), &["recipients.everyone"]),
        (to(json!({"everyone": true, "department_ids": [1]})), &["recipients.everyone"]),
        (to(json!({"everyone": true, "tag_ids": [1]})), &["recipients.everyone"]),
        // Switches.
        (with(json!({"safe": 99})), &["safe"]),
        (with(json!({"safe": -1})), &["safe"]),
        (with(json!({"safe": "SAFE_INTERNAL"})), &["safe"]),
        (with(json!({"duplicate_check": {"enabled": true, "interval": "0s"}})), &["duplicate_check.interval"]),
        (with(json!({"duplicate_check": {"enabled": true, "interval": "-5s"}})), &["duplicate_check.interval"]),
        (with(json!({"duplicate_check": {"enabled": true, "interval": "14401s"}})), &["duplicate_check.interval"]),
        (with(json!({"duplicate_check": {"enabled": true, "interval": "1.5s"}})), &["duplicate_check.interval"]),
        (with(json!({"request_id": a(129)})), &["request_id"]),
        (with(json!({"request_id": "tab\there"})), &["request_id"]),
        (with(json!({"request_id": "订单"})), &["request_id"]),
        (json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"voice": {"media": {"media_id": "m"}}}, "safe": "SAFE_ON"}), &["safe"]),
        (json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"news": {"articles": [article]}}, "safe": "SAFE_ON"}), &["safe"]),
        (json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"image": {"media": {"media_id": "m"}}}, "translate_ids": true}), &["translate_ids"]),
        (json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"markdown": {"content": "x"}}, "translate_ids": true}), &["translate_ids"]),
        (json!({"app": "youxiao", "recipients": {"user_ids": ["zhangsan"]}, "content": {"file": inline(b"MZ program", "setup.exe")}, "safe": "SAFE_ON"}), &["safe"]),
        // Text and Markdown, in bytes.
        (content(json!({"text": {}})), &["content.text.content"]),
        (content(json!({"text": {"content": a(2049)}})), &["content.text.content"]),
        (content(json!({"text": {"content": "长".repeat(683)}})), &["content.text.content"]),
        (content(json!({"text": {"content": "a\u{0}b"}})), &["content.text.content"]),
        (content(json!({"text": {"content": "x", "mentioned_user_ids": ["lisi"]}})), &["content.text.mentioned_user_ids"]),
        (content(json!({"markdown": {}})), &["content.markdown.content"]),
        (content(json!({"markdown": {"content": "长".repeat(683)}})), &["content.markdown.content"]),
        // Media.
        (content(json!({"image": {}})), &["content.image.media"]),
        (content(json!({"image": {"media": {}}})), &["content.image.media"]),
        (content(json!({"image": {"media": {"media_id": ""}}})), &["content.image.media"]),
        (content(json!({"image": {"media": {"media_id": "a b"}}})), &["content.image.media.media_id"]),
        (content(json!({"image": inline(b"GIF89a, not a PNG", "a.png")})), &["content.image.media.inline.data"]),
        (content(json!({"image": inline(b"", "a.png")})), &["content.image.media.inline.data"]),
        (content(json!({"image": inline(&png, "")})), &["content.image.media.inline.file_name"]),
        (content(json!({"image": inline(&png, "../a.png")})), &["content.image.media.inline.file_name"]),
        (content(json!({"image": inline(&png, "a\\b.png")})), &["content.image.media.inline.file_name"]),
        (content(json!({"image": inline(&png, "a\"b.png")})), &["content.image.media.inline.file_name"]),
        (content(json!({"image": inline(&png, "a\r\nb.png")})), &["content.image.media.inline.file_name"]),
        (content(json!({"image": inline(&png, &a(256))})), &["content.image.media.inline.file_name"]),
        (content(json!({"voice": inline(b"RIFF....WAVE", "a.amr")})), &["content.voice.media.inline.data"]),
        (content(json!({"video": inline(b"no video at all", "a.mp4")})), &["content.video.media.inline.data"]),
        (content(json!({"file": inline(b"12345", "a.txt")})), &["content.file.media.inline.data"]),
        (content(json!({"file": inline(&vec![b'x'; 2 * 1024 * 1024 + 1], "a.txt")})), &["content.file.media.inline.data"]),
        (content(json!({"video": {"media": {"media_id": "m"}, "title": a(129), "description": a(513)}})), &["content.video.title", "content.video.description"]),
        // Text card.
        (content(json!({"text_card": {}})), &["content.text_card.title", "content.text_card.description", "content.text_card.url"]),
        (content(json!({"text_card": {"title": a(129), "description": "d", "url": "https://example.com"}})), &["content.text_card.title"]),
        (content(json!({"text_card": {"title": "t", "description": a(513), "url": "https://example.com"}})), &["content.text_card.description"]),
        (content(json!({"text_card": {"title": "t", "description": "d", "url": "example.com"}})), &["content.text_card.url"]),
        (content(json!({"text_card": {"title": "t", "description": "d", "url": "javascript:alert(1)"}})), &["content.text_card.url"]),
        (content(json!({"text_card": {"title": "t", "description": "d", "url": "https://"}})), &["content.text_card.url"]),
        (content(json!({"text_card": {"title": "t", "description": "d", "url": "https://a b"}})), &["content.text_card.url"]),
        (content(json!({"text_card": {"title": "t", "description": "d", "url": url(2049)}})), &["content.text_card.url"]),
        (content(json!({"text_card": {"title": "t", "description": "d", "url": "https://example.com", "button_text": "12345"}})), &["content.text_card.button_text"]),
        // News and mpnews.
        (content(json!({"news": {"articles": [{"title": "t", "page_path": "p"}]}})), &["content.news.articles[0].app_id"]),
        (content(json!({"news": {}})), &["content.news.articles"]),
        (content(json!({"news": {"articles": vec![article.clone(); 9]}})), &["content.news.articles"]),
        (content(json!({"news": {"articles": [article, {}]}})), &["content.news.articles[1].title", "content.news.articles[1].url"]),
        (content(json!({"news": {"articles": [{"title": "t", "url": "https://e.com", "picture_url": "ftp://e.com/a.png"}]}})), &["content.news.articles[0].picture_url"]),
        (content(json!({"news": {"articles": [{"title": "t", "app_id": "wx1"}]}})), &["content.news.articles[0].page_path"]),
        (content(json!({"news": {"articles": [{"title": "t", "app_id": "wx1", "page_path": a(129)}]}})), &["content.news.articles[0].page_path"]),
        (content(json!({"mp_news": {"articles": [{}]}})), &["content.mp_news.articles[0].title", "content.mp_news.articles[0].thumbnail", "content.mp_news.articles[0].content"]),
        (content(json!({"mp_news": {"articles": [{"title": "t", "thumbnail": {"media_id": "m"}, "content": "c", "author": a(65), "digest": a(513)}]}})), &["content.mp_news.articles[0].author", "content.mp_news.articles[0].digest"]),
        (content(json!({"mp_news": {"articles": [{"title": "t", "thumbnail": {"media_id": "m"}, "content": a(681_985)}]}})), &["content.mp_news.articles[0].content"]),
        (content(json!({"mp_news": {"articles": [{"title": "t", "thumbnail": {"media_id": "m"}, "content": "c", "content_source_url": "ftp://example.com"}]}})), &["content.mp_news.articles[0].content_source_url"]),
    ];
    let rows = rows.into_iter();
    rows.map(|(request, fields)| bad("SendMessage", request, fields)).collect()
}
