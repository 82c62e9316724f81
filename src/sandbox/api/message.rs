//! message/send (发送应用消息); what can be done afterwards is in `recall`,
//! `update` and `statistics`.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90236> (read 2026-02),
//! the error codes from <https://developer.work.weixin.qq.com/document/path/90313>.

use std::time::Duration;

use serde_json::{Map, Value};

use super::content::{self, Sheet};
use super::endpoint::Endpoint;
use super::fields::{Fields, number, text};
use super::recipients::{Recipients, Resolved, ids};
use super::translate;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::duplicate;
use crate::sandbox::inbox::Message;
use crate::sandbox::settings::{DuplicateAnswer, StraySafe};
use crate::sandbox::witness::Delivery;

mod recall;
mod statistics;
mod update;

/// Default and longest window of the duplicate check, in seconds.
const DUPLICATE_WINDOW: i64 = 1800;
const MAX_DUPLICATE_WINDOW: i64 = 14_400;

/// File extensions that may be sent as confidential.
const SAFE_FILES: [&str; 14] = [
    "txt", "pdf", "doc", "docx", "ppt", "pptx", "xls", "xlsx", "xml", "jpg", "jpeg", "png", "bmp",
    "gif",
];

/// Length of the msgids and response_codes seen.
const ID_LENGTH: usize = 63;

pub(super) fn find(path: &str) -> Option<Endpoint> {
    Some(Endpoint::Gated(match path {
        "message/send" => send,
        "message/recall" => recall::recall,
        "message/update_template_card" => update::update_template_card,
        "message/update_taskcard" => update::update_task_card,
        "message/get_statistics" => statistics::get_statistics,
        _ => return None,
    }))
}

fn send(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    accept(corp, app, call).unwrap_or_else(Answer::from)
}

/// Checks the whole message, then the recipients, then what was sent before;
/// only then anything changes.
fn accept(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Answer> {
    if corp.modes.refuse_escapes && has_escapes(&call.body) {
        return Err(Refusal::new(40033, "invalid request characters"));
    }
    let body = fields_of(call)?;
    let msg_type = text(&body, "msgtype");
    if !content::TYPES.contains(&msg_type) {
        return Err(Refusal::new(40008, "invalid message type"));
    }
    check_agent(corp, app, &body)?;
    let recipients = Recipients::parse(&body, msg_type)?;
    let window = duplicate_window(&body)?;
    check_safe(corp, msg_type, &body)?;
    let mut sheet = Sheet::new(&corp.apps[app], &corp.shelf);
    let mut shown = sheet.check(msg_type, &body)?;
    let Sheet {
        cut,
        task_id,
        answers_back,
        ..
    } = sheet;
    let resolved = recipients.resolve(&corp.roster, &corp.scopes[app]);
    if resolved.nobody {
        let lists = match corp.modes.lists_on_81013 {
            true => resolved.lists(false),
            false => Map::new(),
        };
        return Err(Refusal::new(81013, "user & party & tag all invalid").with(lists));
    }
    let agent_id = corp.apps[app].agent_id;
    let print = window.map(|window| {
        let scope = corp.modes.duplicate_scope;
        let body = Value::Object(body.clone());
        (duplicate::print(scope, agent_id, &call.body, &body), window)
    });
    if let Some((print, _)) = &print
        && let Some(first) = corp.duplicates.first_answer(print)
    {
        return Ok(suppressed(first.clone(), corp.modes.duplicate_answer));
    }
    claim(corp, app, task_id.as_deref(), &resolved)?;
    if number(&body, "enable_id_trans") == 1 {
        translate::translate(&corp.roster, msg_type, &mut shown);
    }
    let mut message = Message {
        msgid: random_id(),
        chat_id: None,
        agent_id,
        msg_type: msg_type.to_owned(),
        body: call.body.clone(),
        shown: Value::Object(shown),
        delivered_to: Vec::new(),
        dropped: Vec::new(),
        unlicensed: resolved.unlicensed.clone(),
        invalid: resolved.invalid.clone(),
        cut,
        response_code: answers_back.then(random_id),
        response_code_used: false,
        task_id,
        recalled: false,
        forgotten: false,
        updates: Vec::new(),
        time_unix_ms: corp.clock.unix_ms(),
        offset_ms: corp.clock.offset_ms(),
    };
    deliver(corp, app, &resolved, &mut message);
    let mut answer = receipt(&message, resolved.lists(corp.modes.empty_lists));
    if let Some((print, window)) = print {
        corp.duplicates.remember(print, window, answer.clone());
    }
    answer.delivery = Some(Delivery {
        delivered: message.delivered_to.clone(),
        dropped: message.dropped.clone(),
        unlicensed: message.unlicensed.clone(),
        invalid: message.invalid.users.clone(),
    });
    corp.inbox.push(message);
    Ok(answer)
}

/// The request's JSON. The words are those of message/send; what the calls beside
/// it say to broken JSON is not known.
pub(super) fn fields_of(call: &Call) -> Verdict<Fields> {
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => {
            let words = "Warning: wrong json format. invalid message type";
            Err(Refusal::new(40008, words))
        }
    }
}

/// agentid must be an integer (or text that is one, if the mode allows it), a known
/// app, and the app of the token.
fn check_agent(corp: &Corp, app: usize, body: &Fields) -> Verdict {
    let Some(agent_id) = body.get("agentid") else {
        return Err(Refusal::new(41011, "missing agentid"));
    };
    let text = agent_id.as_str().filter(|_| corp.modes.text_agent_ids);
    let number = agent_id.as_u64().or_else(|| text?.parse().ok());
    let known = number.and_then(|id| {
        let mut apps = corp.apps.iter();
        apps.position(|app| u64::from(app.agent_id) == id)
    });
    match known {
        None => Err(Refusal::new(40056, "invalid agentid")),
        Some(known) if known != app => Err(Refusal::new(
            301002,
            "not allow operate another agent with this accesstoken.",
        )),
        Some(_) => Ok(()),
    }
}

/// The window, when the check is on.
fn duplicate_window(body: &Fields) -> Verdict<Option<Duration>> {
    if number(body, "enable_duplicate_check") != 1 {
        return Ok(None);
    }
    let seconds = match number(body, "duplicate_check_interval") {
        0 => DUPLICATE_WINDOW,
        seconds => seconds,
    };
    match u64::try_from(seconds) {
        Ok(window) if seconds <= MAX_DUPLICATE_WINDOW => Ok(Some(Duration::from_secs(window))),
        _ => Err(Refusal::bad("duplicate_check_interval out of range.")),
    }
}

/// `safe` (保密消息): which types take it, and which values.
pub(super) fn check_safe(corp: &Corp, msg_type: &str, body: &Fields) -> Verdict {
    let safe = number(body, "safe");
    let highest = match msg_type {
        "text" | "image" | "video" | "file" => 1,
        "mpnews" => 2,
        "news" if safe != 0 => return Err(Refusal::new(40074, "news can not be safe")),
        _ if corp.modes.stray_safe == StraySafe::Ignore || !body.contains_key("safe") => {
            return Ok(());
        }
        _ => return Err(Refusal::bad("safe not supported by this msgtype.")),
    };
    if !(0..=highest).contains(&safe) {
        return Err(Refusal::bad("safe out of range."));
    }
    if msg_type == "file" && safe == 1 {
        let id = super::fields::object(body, "file").map(|file| text(file, "media_id"));
        let media = id.and_then(|id| corp.shelf.get(id));
        let extension = media.and_then(|media| media.file_name.rsplit_once('.'));
        let extension = extension.map(|(_, extension)| extension.to_ascii_lowercase());
        // A file that is not there gets its own error later.
        if extension.is_some_and(|extension| !SAFE_FILES.contains(&extension.as_str())) {
            return Err(Refusal::bad("safe not supported by this file type."));
        }
    }
    Ok(())
}

/// Takes what a message uses up: its task_id, and its share of the day.
fn claim(corp: &mut Corp, app: usize, task_id: Option<&str>, resolved: &Resolved) -> Verdict {
    let task = task_id.map(|task_id| (corp.apps[app].agent_id, task_id.to_owned()));
    if let Some(task) = &task
        && corp.modes.unique_task_ids
        && corp.task_ids.contains(task)
    {
        return Err(Refusal::new(42014, "task_id already used"));
    }
    let persons = resolved.seats.len() as u64;
    let limit = corp.modes.daily_person_messages;
    let day = corp.clock.day();
    if !corp.pace.admit_day(app, day, persons, limit) {
        return Err(Refusal::new(45009, "api freq out of limit"));
    }
    corp.task_ids.extend(task);
    Ok(())
}

/// Sorts the recipients into those who get the message and those whose limit is reached.
fn deliver(corp: &mut Corp, app: usize, resolved: &Resolved, message: &mut Message) {
    let limited = corp.modes.member_limits;
    let mut admitted = |seat| !limited || corp.pace.admit(app, seat);
    let seats = resolved.seats.iter();
    let (delivered, dropped): (Vec<_>, Vec<_>) = seats.partition(|&&seat| admitted(seat));
    message.delivered_to = ids(&corp.roster, &delivered);
    message.dropped = ids(&corp.roster, &dropped);
}

fn receipt(message: &Message, mut fields: Map<String, Value>) -> Answer {
    fields.insert("msgid".into(), message.msgid.as_str().into());
    if let Some(code) = &message.response_code {
        fields.insert("response_code".into(), code.as_str().into());
    }
    Answer::ok(fields)
}

/// The answer to a message that the duplicate check held back.
fn suppressed(first: Answer, mode: DuplicateAnswer) -> Answer {
    let mut answer = match mode {
        DuplicateAnswer::SameMsgid => first,
        DuplicateAnswer::NewMsgid => {
            let mut answer = first;
            for name in ["msgid", "response_code"] {
                if let Some(id) = answer.fields.get_mut(name) {
                    *id = random_id().into();
                }
            }
            answer
        }
        DuplicateAnswer::Errcode(code) => Refusal::new(code, "duplicate message").into(),
    };
    answer.accepted = false;
    answer.duplicate = true;
    answer
}

pub(super) fn random_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(ID_LENGTH)
        .collect()
}

/// Whether the JSON holds a `\uXXXX` escape other than those of control
/// characters, which JSON has no other way to write.
fn has_escapes(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let escape = &rest[at + 1..];
        if escape.first() == Some(&b'u') && !escape.starts_with(b"u00") {
            return true;
        }
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_escapes;

    #[test]
    fn only_real_escapes_count() {
        for (body, expected) in [
            (r#"{"a":"中"}"#, false),
            (r#"{"a":"\u4e2d"}"#, true),
            (r#"{"a":"\u0007"}"#, false),
            (r#"{"a":"C:\\users"}"#, false),
            (r#"{"a":"\\\u4e2d"}"#, true),
            (r#"{"a":"\"#, false),
        ] {
            assert_eq!(has_escapes(body.as_bytes()), expected, "{body}");
        }
    }
}
