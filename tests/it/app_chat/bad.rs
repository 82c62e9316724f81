//! Bad input: each row is a request that must not reach WeCom, with the exact fields
//! that the answer must name.

use super::*;

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<(Rpc, Value, Vec<&'static str>)> {
    let ids = |count: usize| (0..count).map(|id| format!("user{id}")).collect::<Vec<_>>();
    let content = |content: Value| json!({"content": content});
    let media = json!({"media": {"media_id": "m-1"}});
    let rows = vec![
        (CreateChat, json!({"name": "字".repeat(51)}), vec!["name"]),
        (CreateChat, json!({"name": "a\u{0}b"}), vec!["name"]),
        (
            CreateChat,
            json!({"user_ids": null, "owner_user_id": null}),
            vec!["user_ids"],
        ),
        (
            CreateChat,
            json!({"user_ids": ["zhangsan"]}),
            vec!["user_ids"],
        ),
        (
            CreateChat,
            json!({"user_ids": ids(2001), "owner_user_id": "user7"}),
            vec!["user_ids"],
        ),
        (
            CreateChat,
            json!({"user_ids": ["zhangsan", "a|b", "@all", "", "ZhangSan"]}),
            vec!["user_ids[1]", "user_ids[2]", "user_ids[3]", "user_ids[4]"],
        ),
        (
            CreateChat,
            json!({"owner_user_id": "wangwu"}),
            vec!["owner_user_id"],
        ),
        (
            CreateChat,
            json!({"owner_user_id": "@all"}),
            vec!["owner_user_id", "owner_user_id"],
        ),
        (CreateChat, json!({"chat_id": "a-b"}), vec!["chat_id"]),
        (CreateChat, json!({"chat_id": "群"}), vec!["chat_id"]),
        (
            CreateChat,
            json!({"chat_id": "a".repeat(33)}),
            vec!["chat_id"],
        ),
        (
            CreateChat,
            json!({"name": "x".repeat(51), "owner_user_id": "_", "user_ids": [], "chat_id": " "}),
            vec![
                "name",
                "owner_user_id",
                "owner_user_id",
                "user_ids",
                "chat_id",
            ],
        ),
        (GetChat, json!({"chat_id": null}), vec!["chat_id"]),
        (GetChat, json!({"chat_id": "a&b=c"}), vec!["chat_id"]),
        (
            GetChat,
            json!({"chat_id": "a".repeat(1_000_000)}),
            vec!["chat_id"],
        ),
        (
            UpdateChat,
            json!({"name": null, "owner_user_id": null, "add_user_ids": null, "remove_user_ids": null}),
            vec!["name"],
        ),
        (
            UpdateChat,
            json!({"chat_id": null, "name": "x".repeat(51)}),
            vec!["chat_id", "name"],
        ),
        (
            UpdateChat,
            json!({"owner_user_id": "ZHANGSAN"}),
            vec!["owner_user_id"],
        ),
        (
            UpdateChat,
            json!({"owner_user_id": "a b"}),
            vec!["owner_user_id"],
        ),
        (
            UpdateChat,
            json!({"add_user_ids": ids(2001), "remove_user_ids": ["u u"]}),
            vec!["add_user_ids", "remove_user_ids[0]"],
        ),
        (
            UpdateChat,
            json!({"add_user_ids": ["lisi", "LISI", "@all"]}),
            vec!["add_user_ids[2]", "add_user_ids[1]"],
        ),
        (
            UpdateChat,
            json!({"add_user_ids": ["lisi", "WangWu"], "remove_user_ids": ["zhangsan", "wangwu"]}),
            vec!["remove_user_ids[1]"],
        ),
        (
            SendChatMessage,
            json!({"chat_id": null, "content": null}),
            vec!["content", "chat_id"],
        ),
        (SendChatMessage, content(json!({})), vec!["content"]),
        (
            SendChatMessage,
            json!({"chat_id": "a_b", "content": {"text": {"content": ""}}}),
            vec!["chat_id", "content.text.content"],
        ),
        (
            SendChatMessage,
            content(json!({"text": {"content": "长".repeat(683)}})),
            vec!["content.text.content"],
        ),
        (
            SendChatMessage,
            content(
                json!({"text": {"content": "x", "mentioned_user_ids": ["@all", "a|b", "lisi"]}}),
            ),
            vec!["content.text.mentioned_user_ids[1]"],
        ),
        (
            SendChatMessage,
            content(json!({"text": {"content": "x", "mentioned_user_ids": ids(1001)}})),
            vec!["content.text.mentioned_user_ids"],
        ),
        (
            SendChatMessage,
            content(json!({"image": {}})),
            vec!["content.image.media"],
        ),
        (
            SendChatMessage,
            content(
                json!({"file": {"media": {"inline": {"data": "MTIzNDU=", "file_name": "a/b"}}}}),
            ),
            vec![
                "content.file.media.inline.data",
                "content.file.media.inline.file_name",
            ],
        ),
        (
            SendChatMessage,
            content(
                json!({"text_card": {"title": "长".repeat(43), "description": "", "url": "intranet"}}),
            ),
            vec![
                "content.text_card.title",
                "content.text_card.description",
                "content.text_card.url",
            ],
        ),
        (
            SendChatMessage,
            content(
                json!({"news": {"articles": [{"title": "t", "app_id": "wx1", "page_path": "p"}]}}),
            ),
            vec![
                "content.news.articles[0].app_id",
                "content.news.articles[0].url",
            ],
        ),
        (
            SendChatMessage,
            content(json!({"mini_program_notice": {"app_id": "wx1", "title": "四个汉字"}})),
            vec!["content.mini_program_notice"],
        ),
        (
            SendChatMessage,
            content(json!({"task_card": {
                "title": "t", "description": "d", "task_id": "t1", "buttons": [{"key": "k", "name": "n"}],
            }})),
            vec!["content.task_card"],
        ),
        (
            SendChatMessage,
            content(json!({"template_card": {"text_notice": {
                "main_title": {"title": "t"},
                "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"},
            }}})),
            vec!["content.template_card"],
        ),
        (
            SendChatMessage,
            json!({"safe": "SAFE_INTERNAL"}),
            vec!["safe"],
        ),
        (SendChatMessage, json!({"safe": 7}), vec!["safe"]),
        (
            SendChatMessage,
            json!({"safe": "SAFE_ON", "content": {"voice": media}}),
            vec!["safe"],
        ),
        (
            SendChatMessage,
            json!({"safe": "SAFE_OFF", "content": {"markdown": {"content": "x"}}}),
            vec!["safe"],
        ),
        (
            SendChatMessage,
            json!({"safe": "SAFE_ON", "content": {"news": {"articles": [{"title": "t", "url": "https://e.com"}]}}}),
            vec!["safe"],
        ),
        (
            SendChatMessage,
            json!({"safe": "SAFE_ON", "content": {"file": {"media": {"inline": {
                "data": "MTIzNDU2Nzg=", "file_name": "plan.exe",
            }}}}}),
            vec!["safe"],
        ),
    ];
    rows.into_iter()
        .map(|(rpc, changes, fields)| (rpc, with(rpc.request(), changes), fields))
        .collect()
}

#[tokio::test]
async fn each_bad_request_names_its_fields_and_reaches_nobody() {
    let world = World::start().await;
    let mut failures = Vec::new();
    for (rpc, request, expected) in rows() {
        let mut shown = request.to_string();
        shown.truncate(shown.floor_char_boundary(200));
        let status = rpc.call(&world, &request).await.expect_err(&shown);
        let invalid = (Code::InvalidArgument, "INVALID_REQUEST".to_owned());
        assert_eq!(verdict(&status), invalid, "{rpc:?} {shown}: {status:?}");
        let details = details(&status).2;
        let violations = &details.bad_request().unwrap().field_violations;
        let fields: Vec<&str> = violations.iter().map(|found| &*found.field).collect();
        if fields != expected {
            failures.push(format!("{rpc:?} {shown}\n    {fields:?}\n    {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    for path in ALL.map(Rpc::path) {
        assert!(world.sandbox.calls(path).await.is_empty(), "{path}");
    }
    assert!(world.sandbox.calls("media/upload").await.is_empty());
    world.stop().await;
}
