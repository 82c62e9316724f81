//! The pages as HTML, without a script. Their parameters come from anyone, so nothing is
//! written into them unescaped.

use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};

use crate::sandbox::corp::Corp;

/// Those who are no members of the corp, with characters that no userid has.
pub(super) const LINKED: &str = "*linked";
pub(super) const CUSTOMER: &str = "*customer";
pub(super) const STRANGER: &str = "*stranger";

/// Members shown on a page; a sandbox may have a million.
const SHOWN: usize = 200;

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;\
    padding:0 1rem;color:#1b2733}h1{font-size:1.3rem}a{display:inline-block;margin:.2rem;\
    padding:.4rem .8rem;border:1px solid #c9d3dc;border-radius:.4rem;color:#0b62a8;\
    text-decoration:none}a:hover,a:focus{background:#eef5fb}p{color:#51606e}";

/// Who logs in?
pub(super) fn choose(corp: &Corp, title: &str, here: &str, may_cancel: bool) -> Response {
    let link = |user: &str, words: &str| {
        let href = format!("{here}&user={}", query_escaped(user));
        format!("<a href=\"{}\">{}</a>", escaped(&href), escaped(words))
    };
    let members = &corp.roster.directory.members;
    let mut body = String::from("<p>Who is it? 请选择登录者</p>");
    for member in members.iter().take(SHOWN) {
        body.push_str(&link(&member.user_id, &member.name));
    }
    if members.len() > SHOWN {
        body.push_str("<p>Others: add <code>&amp;user=</code> and the userid to the address.</p>");
    }
    body.push_str("<p>Not of this corp 非本企业成员</p>");
    for (user, words) in [
        (LINKED, "a member of a linked corp 互联企业成员"),
        (CUSTOMER, "a customer 客户"),
        (STRANGER, "a stranger 陌生人"),
    ] {
        body.push_str(&link(user, words));
    }
    if may_cancel {
        let href = format!("{here}&cancel=1");
        let href = escaped(&href);
        body.push_str(&format!("<p><a href=\"{href}\">Nobody 取消</a></p>"));
    }
    page(StatusCode::OK, title, &body)
}

/// Does the member agree?
pub(super) fn consent(title: &str, here: &str) -> Response {
    let link = |answer: &str, words: &str| {
        let href = format!("{here}&consent={answer}");
        format!("<a href=\"{}\">{words}</a>", escaped(&href))
    };
    let body = format!(
        "<p>The app asks to see mobile, e-mail, picture and address.<br>\
         应用申请获取手机号、邮箱、头像、地址。</p>{}{}",
        link("yes", "Allow 同意"),
        link("no", "Decline 拒绝")
    );
    page(StatusCode::OK, title, &body)
}

/// The page says no.
pub(super) fn stop(title: &str, words: &str) -> Response {
    let body = format!("<p role=\"alert\">{}</p>", escaped(words));
    page(StatusCode::BAD_REQUEST, title, &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let html = format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title} · sandbox</h1>{body}</html>"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn query_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
