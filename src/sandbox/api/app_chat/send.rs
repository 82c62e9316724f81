//! appchat/send (应用推送消息到群聊).
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90248> (read 2026-02).

use serde_json::{Map, Value};

use super::super::content::{self, Sheet};
use super::super::fields::{Fields, number, required, text};
use super::super::message::{check_safe, fields_of, random_id};
use super::super::recipients::ids;
use super::{may_chat, over_limit, own_chat};
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::Seat;
use crate::sandbox::inbox::{Invalid, Message};

/// The types that a chat takes.
const TYPES: [&str; 9] = [
    "text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown",
];

/// Checks the whole message; only then anything changes. The answer has no msgid.
pub(super) fn send(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    may_chat(corp, app)?;
    let body = fields_of(call)?;
    let chat_id = text(&body, "chatid").to_owned();
    let seats = own_chat(corp, app, &chat_id)?.seats.clone();
    let msg_type = text(&body, "msgtype");
    check_type(corp, msg_type)?;
    check_safe(corp, msg_type, &body)?;
    if msg_type == "mpnews" && number(&body, "safe") > 1 {
        return Err(Refusal::bad("safe out of range."));
    }
    let mut sheet = Sheet::new(&corp.apps[app], &corp.shelf);
    let shown = sheet.check(msg_type, &links_only(msg_type, &body)?)?;
    let cut = sheet.cut;
    if corp.modes.chat_limits && !corp.chats.admit_persons(seats.len()) {
        return Err(over_limit());
    }
    let (delivered, dropped) = deliver(corp, app, seats);
    let message = Message {
        // WeCom gives none: a message in a chat cannot be recalled.
        msgid: random_id(),
        chat_id: Some(chat_id),
        agent_id: corp.apps[app].agent_id,
        msg_type: msg_type.to_owned(),
        body: call.body.clone(),
        shown: Value::Object(shown),
        delivered_to: ids(&corp.roster, &delivered),
        dropped: ids(&corp.roster, &dropped),
        unlicensed: Vec::new(),
        invalid: Invalid::default(),
        cut,
        response_code: None,
        response_code_used: false,
        task_id: None,
        recalled: false,
        forgotten: false,
        updates: Vec::new(),
        time_unix_ms: corp.clock.unix_ms(),
        offset_ms: corp.clock.offset_ms(),
    };
    corp.inbox.push(message);
    Ok(Answer::ok(Map::new()))
}

/// Which errcode a type gets that only message/send takes is not known.
fn check_type(corp: &Corp, msg_type: &str) -> Verdict {
    if TYPES.contains(&msg_type) {
        return Ok(());
    }
    match content::TYPES.contains(&msg_type) {
        true => {
            let code = corp.modes.chat_type_errcode;
            Err(Refusal::new(code, "invalid send type"))
        }
        false => Err(Refusal::new(40008, "invalid message type")),
    }
}

/// News in a chat open links: each needs one, and a mini program is not looked at.
fn links_only(msg_type: &str, body: &Fields) -> Verdict<Fields> {
    let mut body = body.clone();
    if msg_type == "news" {
        let articles = body
            .get_mut("news")
            .and_then(|news| news.get_mut("articles"));
        let articles = articles.and_then(Value::as_array_mut).into_iter().flatten();
        for article in articles.filter_map(Value::as_object_mut) {
            required(article, "url", 41010, "missing url")?;
            article.retain(|name, _| !matches!(name.as_str(), "appid" | "pagepath"));
        }
    }
    Ok(body)
}

/// Sorts the members into those who get the message and those whose limit is reached.
fn deliver(corp: &mut Corp, app: usize, seats: Vec<Seat>) -> (Vec<Seat>, Vec<Seat>) {
    let limited = corp.modes.member_limits;
    let day = corp.clock.day();
    let mut admitted = |seat| !limited || corp.chats.admit_member(app, seat, day);
    seats.into_iter().partition(|&seat| admitted(seat))
}
