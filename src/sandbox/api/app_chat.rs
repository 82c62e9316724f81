//! appchat/create, get, update (应用群聊); appchat/send is in `send`.
//!
//! Sources: <https://developer.work.weixin.qq.com/document/path/90245>,
//! <https://developer.work.weixin.qq.com/document/path/98914>,
//! <https://developer.work.weixin.qq.com/document/path/98913> (read 2026-02), the error
//! codes from <https://developer.work.weixin.qq.com/document/path/90313>. An app
//! without the root department gets 60011, as was seen, where the help text says 48002.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::fields::{Fields, cut_chars, text};
use super::message::fields_of;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::chat::Chat;
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::{Roster, Seat};

mod send;

/// Characters of a name; more are cut.
const MAX_NAME_CHARS: usize = 50;
const MIN_MEMBERS: usize = 2;
/// The app counts as one of them.
const MAX_MEMBERS: usize = 2000;
const MAX_CHAT_ID: usize = 32;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    Some(Endpoint::Gated(match path {
        "appchat/create" => |corp, app, call| create(corp, app, call).unwrap_or_else(Answer::from),
        "appchat/get" => |corp, app, call| get(corp, app, call).unwrap_or_else(Answer::from),
        "appchat/update" => |corp, app, call| update(corp, app, call).unwrap_or_else(Answer::from),
        "appchat/send" => {
            |corp, app, call| send::send(corp, app, call).unwrap_or_else(Answer::from)
        }
        _ => return None,
    }))
}

fn create(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    may_chat(corp, app)?;
    let body = fields_of(call)?;
    let chat_id = match text(&body, "chatid") {
        "" => random_id(),
        chosen => well_formed(chosen)?.to_owned(),
    };
    let listed = body.get("userlist").is_some_and(Value::is_array);
    if !listed {
        return Err(Refusal::new(86204, "missing userlist"));
    }
    let seats = members(&corp.roster, &body, "userlist")?;
    check_count(&seats)?;
    let owner = match text(&body, "owner") {
        "" => seats[fastrand::usize(..seats.len())],
        owner => owner_among(&corp.roster, &seats, owner)?,
    };
    if corp.chats.by_id.contains_key(&chat_id) {
        return Err(Refusal::new(86215, "chatid existed"));
    }
    let limited = corp.modes.chat_limits;
    if !corp.chats.admit_creation(corp.clock.day(), limited) {
        return Err(over_limit());
    }
    let chat = Chat {
        app,
        name: name_of(&body),
        owner,
        seats,
    };
    corp.chats.by_id.insert(chat_id.clone(), chat);
    Ok(Answer::ok(Map::from_iter([(
        "chatid".into(),
        chat_id.into(),
    )])))
}

fn get(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    may_chat(corp, app)?;
    let chat_id = call.query("chatid").unwrap_or_default();
    let chat = own_chat(corp, app, chat_id)?;
    let info = json!({
        "chatid": chat_id,
        "name": chat.name,
        "owner": corp.roster.user_id(chat.owner).as_ref(),
        "userlist": chat.user_ids(&corp.roster),
        "chat_type": 0,
    });
    Ok(Answer::ok(Map::from_iter([("chat_info".into(), info)])))
}

/// Checks everything; only then the chat changes.
fn update(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    may_chat(corp, app)?;
    let body = fields_of(call)?;
    let chat_id = text(&body, "chatid");
    let chat = own_chat(corp, app, chat_id)?;
    let added = members(&corp.roster, &body, "add_user_list")?;
    let removed = members(&corp.roster, &body, "del_user_list")?;
    let mut seats = chat.seats.clone();
    seats.extend(added.into_iter().filter(|seat| !chat.seats.contains(seat)));
    if removed.iter().any(|seat| !seats.contains(seat)) {
        return Err(illegal_member());
    }
    seats.retain(|seat| !removed.contains(seat));
    check_count(&seats)?;
    let owner = match text(&body, "owner") {
        "" if removed.contains(&chat.owner) => return Err(Refusal::new(86203, "missing owner")),
        "" => chat.owner,
        owner => owner_among(&corp.roster, &seats, owner)?,
    };
    let name = match name_of(&body) {
        none if none.is_empty() => chat.name.clone(),
        name => name,
    };
    if corp.modes.chat_limits && !corp.chats.admit_change() {
        return Err(over_limit());
    }
    let chat = Chat {
        app,
        name,
        owner,
        seats,
    };
    corp.chats.by_id.insert(chat_id.to_owned(), chat);
    Ok(Answer::ok(Map::new()))
}

/// Chats are for apps that the whole corp can see.
fn may_chat(corp: &Corp, app: usize) -> Verdict {
    match corp.apps[app].app_chats {
        true => Ok(()),
        false => Err(Refusal::new(
            60011,
            "no privilege to access/modify contact/party/agent ",
        )),
    }
}

/// The chat of this id, if it is the app's.
fn own_chat<'a>(corp: &'a Corp, app: usize, chat_id: &str) -> Verdict<&'a Chat> {
    if chat_id.is_empty() {
        return Err(Refusal::new(86201, "missing chatid"));
    }
    let chat_id = well_formed(chat_id)?;
    match corp.chats.by_id.get(chat_id) {
        None => Err(Refusal::new(86003, "chatid not exist")),
        Some(chat) if chat.app != app => Err(Refusal::new(
            86008,
            "you has no privilege to access this chat, which is created by other agent.",
        )),
        Some(chat) => Ok(chat),
    }
}

fn well_formed(chat_id: &str) -> Verdict<&str> {
    if chat_id.len() > MAX_CHAT_ID {
        return Err(Refusal::new(86205, "chatid too long"));
    }
    match chat_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => Ok(chat_id),
        false => Err(Refusal::new(86001, "invalid chatid")),
    }
}

/// The members of a list, each once.
fn members(roster: &Roster, body: &Fields, name: &str) -> Verdict<Vec<Seat>> {
    let list = body.get(name).and_then(Value::as_array);
    let mut met = HashSet::new();
    let mut seats = Vec::new();
    for user_id in list.into_iter().flatten() {
        let seat = user_id.as_str().and_then(|user_id| roster.seat(user_id));
        let seat = seat.ok_or_else(illegal_member)?;
        if met.insert(seat) {
            seats.push(seat);
        }
    }
    Ok(seats)
}

fn illegal_member() -> Refusal {
    Refusal::new(86216, "illegal chat member id")
}

fn check_count(seats: &[Seat]) -> Verdict {
    match (MIN_MEMBERS..MAX_MEMBERS).contains(&seats.len()) {
        true => Ok(()),
        false => Err(Refusal::new(86006, "invalid member count")),
    }
}

fn owner_among(roster: &Roster, seats: &[Seat], owner: &str) -> Verdict<Seat> {
    let seat = roster.seat(owner).filter(|seat| seats.contains(seat));
    seat.ok_or_else(|| Refusal::new(86207, "owner not in userlist"))
}

/// The name as members see it.
fn name_of(body: &Fields) -> String {
    let mut name = Fields::from_iter([("name".into(), text(body, "name").into())]);
    cut_chars(&mut name, "name", MAX_NAME_CHARS);
    text(&name, "name").to_owned()
}

fn over_limit() -> Refusal {
    Refusal::new(45009, "api freq out of limit")
}

fn random_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(MAX_CHAT_ID)
        .collect()
}
