//! Rows of what is done to messages, of directory, logins, chats and media.

use serde_json::{Value, json};
use tonic::Code;

use super::{Row, a, bad, inline, not_found, over, refused};
use crate::harness::APP;

fn app(fields: Value) -> Value {
    over(json!({"app": APP}), fields)
}

#[rustfmt::skip] // a table
pub(super) fn messages() -> Vec<Row> {
    let card = |fields: Value| over(json!({"app": APP, "recipients": {"user_ids": ["lisi"]}, "response_code": "r"}), fields);
    let notice = json!({"main_title": {"title": "Water"}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}});
    let vote = json!({"main_title": {"title": "Lunch"}, "checkbox": {"question_key": "q", "options": [{"id": "a", "text": "Rice"}]}});
    let task = |fields: Value| over(json!({"app": APP, "task_id": "t1", "user_ids": ["lisi"], "replace_name": "Done"}), fields);
    vec![
        bad("RecallMessage", app(json!({})), &["message_id"]),
        bad("RecallMessage", app(json!({"message_id": "a b"})), &["message_id"]),
        bad("UpdateTemplateCard", app(json!({})), &["update", "recipients", "response_code"]),
        bad("UpdateTemplateCard", card(json!({"button_text": ""})), &["button_text"]),
        bad("UpdateTemplateCard", card(json!({"button_text": "x", "replace_text": "y", "translate_ids": true})), &["replace_text", "translate_ids"]),
        bad("UpdateTemplateCard", card(json!({"template_card": {}})), &["template_card"]),
        bad("UpdateTemplateCard", card(json!({"template_card": {"text_notice": notice}, "replace_text": "x"})), &["replace_text"]),
        bad("UpdateTemplateCard", card(json!({"template_card": {"vote_interaction": over(vote, json!({"submit_button": {"text": "Send"}}))}})), &["template_card.vote_interaction.submit_button.key"]),
        bad("UpdateTaskCard", app(json!({})), &["user_ids", "task_id", "replace_name"]),
        bad("UpdateTaskCard", task(json!({"user_ids": ["lisi", "LISI", "@all"]})), &["user_ids[2]", "user_ids[1]"]),
        bad("UpdateTaskCard", task(json!({"replace_name": "七个汉字就太长", "clicked_key": "a b"})), &["replace_name", "clicked_key"]),
        bad("GetSendStatistics", app(json!({"day": 3})), &["day"]),
        not_found("SendMessage", json!({"app": "nobody"})),
        not_found("ValidateMessage", json!({"message": {"app": "nobody"}})),
        not_found("ValidateMessage", json!({})),
    ]
}

#[rustfmt::skip] // a table
pub(super) fn directory() -> Vec<Row> {
    let mut rows = vec![
        bad("ResolveUserId", app(json!({})), &["key"]),
        bad("ResolveUserId", app(json!({"email_kind": 9})), &["email_kind", "key"]),
        bad("ResolveUserId", app(json!({"mobile": "138 0000 0000"})), &["mobile"]),
        bad("ResolveUserId", app(json!({"mobile": "1234"})), &["mobile"]),
        bad("ResolveUserId", app(json!({"mobile": "10000000002", "email_kind": "EMAIL_KIND_CORP"})), &["email_kind"]),
        bad("ResolveUserId", app(json!({"email": "nobody"})), &["email"]),
        bad("ResolveUserId", app(json!({"email": format!("a@{}", a(253))})), &["email"]),
        bad("ConvertToUserId", app(json!({})), &["open_id"]),
        bad("ConvertToUserId", app(json!({"open_id": a(65)})), &["open_id"]),
        bad("ListUsers", app(json!({})), &["department_id"]),
        bad("ListUsers", app(json!({"detail": -1, "recursive": true})), &["detail", "department_id"]),
        bad("ListUserIds", app(json!({"resume_token": "a b"})), &["resume_token"]),
        bad("ListUserIds", app(json!({"resume_token": a(1025)})), &["resume_token"]),
        bad("ListDepartments", app(json!({"detail": 3})), &["detail"]),
        bad("GetDepartment", app(json!({})), &["department_id"]),
        bad("GetTag", app(json!({})), &["tag_id"]),
        not_found("ListTags", json!({"app": "nobody"})),
        not_found("ListTags", json!({"app": a(1 << 20)})),
        not_found("DiagnoseApp", json!({"app": "nobody"})),
        not_found("GetUser", json!({"app": format!("{APP}\u{0}"), "user_id": "lisi"})),
    ];
    for rpc in ["GetUser", "ConvertToOpenId"] {
        for user_id in ["", "@all", "a|b", "zhang san", "张三", "_a", ".a", "a\u{0}", "a&userid=b", "a\u{202e}b", &a(65), &a(1 << 20)] {
            rows.push(bad(rpc, app(json!({"user_id": user_id})), &["user_id"]));
        }
    }
    rows
}

#[rustfmt::skip] // a table
pub(super) fn logins() -> Vec<Row> {
    let listed = "https://oa.example.com/login/callback";
    let page = |fields: Value| over(json!({"app": APP, "redirect_uri": listed}), fields);
    let mut rows = vec![
        bad("BuildLoginUrl", app(json!({})), &["redirect_uri", ]),
        bad("BuildLoginUrl", page(json!({"state": "a-b"})), &["state"]),
        bad("BuildLoginUrl", page(json!({"state": a(129)})), &["state"]),
        bad("BuildLoginUrl", page(json!({"page": 9, "scope": 9, "language": 9})), &["page", "scope", "language"]),
        bad("BuildLoginUrl", page(json!({"language": "LOGIN_LANGUAGE_ENGLISH"})), &["language"]),
        bad("BuildLoginUrl", page(json!({"page": "LOGIN_PAGE_QR_CODE", "scope": "LOGIN_SCOPE_PRIVATE_INFO"})), &["scope"]),
        bad("Login", app(json!({})), &["code"]),
        bad("Login", app(json!({"code": "a b", "state": "x"})), &["code"]),
        bad("Login", app(json!({"code": a(1 << 20), "state": "x"})), &["code"]),
        refused("Login", app(json!({"code": "c"})), Code::InvalidArgument, "LOGIN_STATE_REFUSED"),
        refused("Login", app(json!({"code": "c", "state": "not one of ours"})), Code::InvalidArgument, "LOGIN_STATE_REFUSED"),
        bad("GetUserDetail", app(json!({})), &["user_ticket"]),
        bad("GetUserDetail", app(json!({"user_ticket": "a b"})), &["user_ticket"]),
        bad("SignJsSdk", app(json!({"url": "https://e.com"})), &["kind"]),
        bad("SignJsSdk", app(json!({"kind": 9, "url": "e.com"})), &["kind", "url"]),
        bad("GetAccessToken", app(json!({"rejected_access_token": "a b"})), &["rejected_access_token"]),
        bad("GetAccessToken", app(json!({"rejected_access_token": a(513)})), &["rejected_access_token"]),
    ];
    for uri in ["https://oa.example.com/login/callback/", "https://OA.example.com/login/callback", "https://oa.example.com/login/callback#x", "https://oa.example.com.evil.example/login/callback", "javascript:alert(1)"] {
        rows.push(bad("BuildLoginUrl", page(json!({"redirect_uri": uri})), &["redirect_uri"]));
    }
    for rpc in ["VerifySession", "Logout"] {
        rows.push(bad(rpc, json!({}), &["session_token"]));
        rows.push(bad(rpc, json!({"session_token": a(4097)}), &["session_token"]));
        for token in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            rows.push(refused(rpc, json!({"session_token": token}), Code::InvalidArgument, "SESSION_INVALID"));
        }
    }
    rows
}

#[rustfmt::skip] // a table
pub(super) fn chats() -> Vec<Row> {
    let ids = |count: usize| (0..count).map(|id| format!("user{id}")).collect::<Vec<_>>();
    let create = |fields: Value| over(json!({"app": APP, "user_ids": ["zhangsan", "lisi"]}), fields);
    let update = |fields: Value| over(json!({"app": APP, "chat_id": "c1"}), fields);
    let send = |content: Value| json!({"app": APP, "chat_id": "c1", "content": content});
    vec![
        bad("CreateChat", app(json!({})), &["user_ids"]),
        bad("CreateChat", create(json!({"name": "字".repeat(51), "chat_id": "a-b"})), &["name", "chat_id"]),
        bad("CreateChat", create(json!({"user_ids": ids(2001)})), &["user_ids"]),
        bad("CreateChat", create(json!({"user_ids": ["zhangsan", "a|b", "@all", "", "ZhangSan"]})), &["user_ids[1]", "user_ids[2]", "user_ids[3]", "user_ids[4]"]),
        bad("CreateChat", create(json!({"owner_user_id": "wangwu"})), &["owner_user_id"]),
        bad("GetChat", app(json!({})), &["chat_id"]),
        bad("GetChat", app(json!({"chat_id": a(1 << 20)})), &["chat_id"]),
        bad("UpdateChat", update(json!({})), &["name"]),
        bad("UpdateChat", update(json!({"add_user_ids": ["lisi"], "remove_user_ids": ["LiSi"]})), &["remove_user_ids[0]"]),
        bad("UpdateChat", update(json!({"owner_user_id": "lisi", "remove_user_ids": ["lisi"]})), &["owner_user_id"]),
        bad("SendChatMessage", app(json!({})), &["content", "chat_id"]),
        bad("SendChatMessage", send(json!({"mini_program_notice": {"app_id": "wx1", "title": "Room booked"}})), &["content.mini_program_notice"]),
        bad("SendChatMessage", send(json!({"text": {"content": "x", "mentioned_user_ids": ["a|b"]}})), &["content.text.mentioned_user_ids[0]"]),
        bad("SendChatMessage", send(json!({"news": {"articles": [{"title": "t", "app_id": "wx1", "page_path": "p"}]}})), &["content.news.articles[0].app_id", "content.news.articles[0].url"]),
        bad("SendChatMessage", over(send(json!({"text": {"content": "x"}})), json!({"safe": "SAFE_INTERNAL"})), &["safe"]),
    ]
}

#[rustfmt::skip] // a table
pub(super) fn media() -> Vec<Row> {
    let header = |fields: Value| json!({"header": over(json!({"app": APP, "kind": "MEDIA_KIND_FILE", "file_name": "a.txt"}), fields)});
    let picture = |fields: Value| json!({"header": over(json!({"app": APP, "file_name": "a.png"}), fields)});
    let chunk = |bytes: &[u8]| json!({"chunk": super::base64(bytes)});
    vec![
        bad("UploadMedia", json!([]), &["header"]),
        bad("UploadMedia", json!([{}]), &["part"]),
        bad("UploadMedia", json!([chunk(b"123456")]), &["header"]),
        bad("UploadMedia", json!([header(json!({})), chunk(b"123456"), header(json!({}))]), &["header"]),
        bad("UploadMedia", json!([header(json!({"kind": 0, "file_name": "a/b", "size_bytes": 5}))]), &["header.kind", "header.file_name", "header.size_bytes"]),
        bad("UploadMedia", json!([header(json!({"file_name": "", "size_bytes": 20_971_521}))]), &["header.file_name", "header.size_bytes"]),
        bad("UploadMedia", json!([header(json!({})), chunk(b"12345")]), &["chunk"]),
        bad("UploadMedia", json!([header(json!({})), chunk(b"")]), &["chunk"]),
        bad("UploadMedia", json!([header(json!({"size_bytes": 7})), chunk(b"123456")]), &["header.size_bytes"]),
        bad("UploadMedia", json!([header(json!({"size_bytes": 6})), chunk(b"123456"), chunk(b"7")]), &["header.size_bytes"]),
        bad("UploadMedia", json!([header(json!({"kind": "MEDIA_KIND_IMAGE"})), chunk(b"GIF89a, no picture")]), &["chunk"]),
        not_found("UploadMedia", json!([{"header": {"app": "nobody"}}])),
        bad("UploadImage", json!([]), &["header"]),
        bad("UploadImage", json!([picture(json!({"file_name": ".."})), chunk(b"GIF89a, no picture")]), &["chunk"]),
        bad("UploadImage", json!([picture(json!({"file_name": "a\r\nb", "size_bytes": 2_097_153}))]), &["header.file_name", "header.size_bytes"]),
        bad("UploadImage", json!([picture(json!({})), picture(json!({}))]), &["header"]),
        bad("DownloadMedia", app(json!({})), &["media_id"]),
        bad("DownloadMedia", app(json!({"media_id": "a b"})), &["media_id"]),
        bad("DownloadMedia", app(json!({"media_id": a(513)})), &["media_id"]),
        bad("UploadImage", json!([picture(json!({})), chunk(&[b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 1 << 20]].concat()[..1 << 20])]), &["chunk"]).times(3),
        // Inline media stand in messages.
        bad("SendMessage", super::content(json!({"file": inline(&[b'x'; 2 * 1024 * 1024 + 1], "a.txt")})), &["content.file.media.inline.data"]),
    ]
}

#[rustfmt::skip] // a table
pub(super) fn calls() -> Vec<Row> {
    let call = |fields: Value| over(json!({"app": APP, "path": "agent/get"}), fields);
    let many: Value = (0..33).map(|n| (format!("k{n}"), "v".into())).collect::<serde_json::Map<_, _>>().into();
    vec![
        bad("CallApi", call(json!({"query": {"access_token": "x"}})), &["query"]),
        bad("CallApi", call(json!({"query": {"DEBUG": "1"}})), &["query"]),
        bad("CallApi", call(json!({"query": many})), &["query"]),
        bad("CallApi", call(json!({"json_body": "{\"a\":"})), &["json_body"]),
        bad("CallApi", call(json!({"json_body": a(1024 * 1024 + 1)})), &["json_body"]),
        refused("CallApi", call(json!({"path": "agent/get/../../gettoken"})), Code::PermissionDenied, "CALLER_NOT_PERMITTED"),
        refused("CallApi", call(json!({"path": ""})), Code::PermissionDenied, "CALLER_NOT_PERMITTED"),
        refused("CallApi", call(json!({"path": "gettoken"})), Code::PermissionDenied, "CALLER_NOT_PERMITTED"),
        not_found("CallApi", json!({"app": "nobody", "path": "agent/get"})),
    ]
}
