//! What the fuzz targets in `fuzz/` call of this room: bytes as requests, as uploads and
//! as WeCom's answers. Each function panics where a promise is broken. `cargo test` runs
//! the corpora that are kept.

use std::collections::HashSet;
use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::convert::{self, user::Key, user::ListDepartments};
use super::pb;
use crate::wecom::app_chat::{self, RenderedSend};
use crate::wecom::content::TaskCardName;
use crate::wecom::message::{CardUpdate, RenderedCardUpdate};
use crate::wecom::raw::Raw;
use crate::wecom::{Call, Payload, Violation, id};

mod answer;
mod upload;

pub use answer::answer;
pub use upload::bulk_upload;

/// The app that everything is sent by.
const AGENT_ID: u32 = 1_000_002;
/// Words that the gateway itself writes into contents: kinds of cards, colours of buttons.
const OWN_WORDS: [&str; 7] = [
    "text_notice",
    "news_notice",
    "button_interaction",
    "vote_interaction",
    "multiple_interaction",
    "blue",
    "red",
];

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).expect("made by build.rs"));

/// The first byte chooses one of the requests, the others are the message.
pub fn request(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 28 {
        0 => send(bytes),
        1 => send_to_chat(bytes),
        2 => update_card(bytes),
        3 => call("UpdateTaskCardRequest", bytes, |request| {
            convert::update::task_card_update(request, AGENT_ID)
        }),
        4 => call("RecallMessageRequest", bytes, convert::update::recall),
        5 => call(
            "GetSendStatisticsRequest",
            bytes,
            convert::update::get_statistics,
        ),
        6 => call("CreateChatRequest", bytes, convert::app_chat::create),
        7 => call("GetChatRequest", bytes, convert::app_chat::get),
        8 => call("UpdateChatRequest", bytes, convert::app_chat::update),
        9 => call("GetUserRequest", bytes, convert::user::get),
        10 => check(
            "ResolveUserIdRequest",
            bytes,
            convert::user::resolve,
            |key| match key {
                Key::Mobile(by) => payload(&by.payload()),
                Key::Email(by) => payload(&by.payload()),
            },
        ),
        11 => call("ConvertToOpenIdRequest", bytes, convert::user::to_open_id),
        12 => call("ConvertToUserIdRequest", bytes, convert::user::to_user_id),
        13 => check(
            "ListUsersRequest",
            bytes,
            |it| convert::user::list(&it),
            drop,
        ),
        14 => check("ListUserIdsRequest", bytes, convert::user::cursor, drop),
        15 => check(
            "ListDepartmentsRequest",
            bytes,
            |it| convert::user::list_departments(&it),
            |list| match list {
                ListDepartments::Full(list) => payload(&list.payload()),
                ListDepartments::Brief(list) => payload(&list.payload()),
            },
        ),
        16 => call("GetDepartmentRequest", bytes, |it| {
            convert::user::get_department(&it)
        }),
        17 => call("GetTagRequest", bytes, |it| convert::user::get_tag(&it)),
        18 => call("LoginRequest", bytes, |it| {
            convert::auth::get_user_info(&it, false)
        }),
        19 => call(
            "GetUserDetailRequest",
            bytes,
            convert::auth::get_user_detail,
        ),
        20 => check("SignJsSdkRequest", bytes, convert::auth::sign_page, drop),
        21 => check(
            "GetAccessTokenRequest",
            bytes,
            |it: pb::GetAccessTokenRequest| {
                convert::auth::rejected_access_token(it.rejected_access_token)
            },
            drop,
        ),
        22 => check(
            "UploadMediaHeader",
            bytes,
            unrooted(convert::media::media),
            drop,
        ),
        23 => check(
            "UploadImageHeader",
            bytes,
            unrooted(convert::media::picture),
            drop,
        ),
        24 => call("DownloadMediaRequest", bytes, convert::media::get),
        25 => call("CallApiRequest", bytes, raw),
        26 => check(
            "ListBulkJobsRequest",
            bytes,
            |it| convert::bulk::filter(it, Vec::new()),
            drop,
        ),
        _ => check(
            "ListBulkOutcomesRequest",
            bytes,
            |it| convert::bulk::wanted(&it),
            drop,
        ),
    }
}

/// Violations of a header without the name of the field that it stands in.
fn unrooted<M, T>(
    convert: impl Fn(M) -> Result<T, Vec<Violation>>,
) -> impl Fn(M) -> Result<T, Vec<Violation>> {
    move |message| {
        convert(message).map_err(|violations| {
            let violations = violations.into_iter();
            let bare = violations.map(|Violation { field, description }| {
                let field = field.trim_start_matches("header.").to_owned();
                Violation { field, description }
            });
            bare.collect()
        })
    }
}

fn raw(request: pb::CallApiRequest) -> Result<Raw, Vec<Violation>> {
    let raw = Raw {
        path: "agent/get",
        query: request.query.into_iter().collect(),
        json_body: request.json_body,
    };
    refused(raw.check()).map(|()| raw)
}

fn refused(violations: Vec<Violation>) -> Result<(), Vec<Violation>> {
    match violations.is_empty() {
        true => Ok(()),
        false => Err(violations),
    }
}

/// A request that becomes one call.
fn call<M: Message + Default, C: Call>(
    name: &str,
    bytes: &[u8],
    convert: impl Fn(M) -> Result<C, Vec<Violation>>,
) {
    check(name, bytes, convert, |call| payload(&call.payload()));
}

/// A request that becomes something, or is told what is wrong with fields that it has.
fn check<M: Message + Default, T>(
    name: &str,
    bytes: &[u8],
    convert: impl Fn(M) -> Result<T, Vec<Violation>>,
    good: impl FnOnce(T),
) {
    let Ok(message) = M::decode(bytes) else {
        return;
    };
    match convert(message) {
        Ok(value) => good(value),
        Err(violations) => fields_are_known(&descriptor(name), &violations),
    }
}

fn descriptor(name: &str) -> MessageDescriptor {
    let found = POOL.get_message_by_name(&format!("wecomgw.v1.{name}"));
    found.expect("a message of the contract")
}

fn fields_are_known(message: &MessageDescriptor, violations: &[Violation]) {
    assert!(!violations.is_empty(), "refused without a reason");
    for violation in violations {
        assert!(
            is_known(message, &violation.field),
            "{} has no {}",
            message.name(),
            violation.field
        );
    }
}

/// Whether a path leads to a field, or to a choice of fields.
fn is_known(message: &MessageDescriptor, path: &str) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = first.split_once('[').unwrap_or((first, ""));
    let Some(field) = message.get_field_by_name(name) else {
        return rest.is_empty() && message.oneofs().any(|oneof| oneof.name() == name);
    };
    let index_fits = index.is_empty() || field.is_list() && index.ends_with(']');
    let rest_fits = match field.kind().as_message() {
        _ if rest.is_empty() => true,
        Some(inner) => is_known(inner, rest),
        None => false,
    };
    index_fits && rest_fits
}

/// What goes out is JSON.
fn payload(payload: &Payload) {
    if let Payload::Json(body)
    | Payload::Raw {
        body: Some(body), ..
    } = payload
    {
        json(body);
    }
}

fn json(body: &[u8]) -> Json {
    serde_json::from_slice(body).expect("what goes out is JSON")
}

fn send(bytes: &[u8]) {
    let Ok(request) = pb::SendMessageRequest::decode(bytes) else {
        return;
    };
    let descriptor = descriptor("SendMessageRequest");
    let asked = strings(&descriptor, bytes);
    let send = match convert::message::send(request.clone()) {
        Ok(send) => send,
        Err(violations) => return fields_are_known(&descriptor, &violations),
    };
    if let Err(violations) = refused(send.check()) {
        return fields_are_known(&descriptor, &violations);
    }
    for name in [TaskCardName::InteractiveTaskcard, TaskCardName::Taskcard] {
        // Inline media are uploaded first.
        let Ok(body) = send.body(AGENT_ID, name) else {
            continue;
        };
        let mut body = json(&body);
        let recipients = request.recipients.clone().unwrap_or_default();
        let kind = taken(&mut body, "msgtype");
        let kind = kind.as_ref().and_then(Json::as_str).expect("a kind");
        only_asked(&taken(&mut body, kind).expect("a content"), &asked);
        assert_eq!(taken(&mut body, "agentid"), Some(AGENT_ID.into()));
        let to = taken(&mut body, "touser");
        match to.as_ref().map(|to| to.as_str().expect("a text")) {
            None => assert!(recipients.user_ids.is_empty() && !recipients.everyone),
            Some("@all") => assert!(recipients.everyone),
            Some(to) => assert!(to.split('|').eq(&recipients.user_ids)),
        }
        for (key, numbers) in [
            ("toparty", &recipients.department_ids),
            ("totag", &recipients.tag_ids),
        ] {
            let to = taken(&mut body, key);
            let to = to
                .iter()
                .flat_map(|to| to.as_str().expect("a text").split('|'));
            assert!(to.eq(numbers.iter().map(u32::to_string)), "{key}");
        }
        for (key, is_asked) in [
            ("safe", request.safe != 0),
            ("enable_id_trans", request.translate_ids.is_some()),
            ("enable_duplicate_check", request.duplicate_check.is_some()),
            (
                "duplicate_check_interval",
                request
                    .duplicate_check
                    .is_some_and(|check| check.interval.is_some()),
            ),
        ] {
            assert_eq!(taken(&mut body, key).is_some(), is_asked, "{key}");
        }
        assert_eq!(
            body,
            Json::Object(serde_json::Map::new()),
            "nobody asked for this"
        );
    }
}

fn send_to_chat(bytes: &[u8]) {
    let descriptor = descriptor("SendChatMessageRequest");
    let asked = strings(&descriptor, bytes);
    let good = |send: app_chat::Send| {
        if let Err(violations) = refused(send.check()) {
            return fields_are_known(&descriptor, &violations);
        }
        let Ok(rendered) = RenderedSend::new(&send, [].into()) else {
            return;
        };
        if let Payload::Json(body) = rendered.payload() {
            let mut body = json(&body);
            let kind = taken(&mut body, "msgtype");
            let kind = kind.as_ref().and_then(Json::as_str).expect("a kind");
            only_asked(&taken(&mut body, kind).expect("a content"), &asked);
            only_asked(&taken(&mut body, "chatid").expect("a chat"), &asked);
            assert_eq!(taken(&mut body, "safe").is_some(), send.safe.is_some());
            assert_eq!(body, Json::Object(serde_json::Map::new()));
        }
    };
    check(
        "SendChatMessageRequest",
        bytes,
        convert::app_chat::send,
        good,
    );
}

fn update_card(bytes: &[u8]) {
    let descriptor = descriptor("UpdateTemplateCardRequest");
    let asked = strings(&descriptor, bytes);
    let good = |update: CardUpdate| {
        if let Err(violations) = refused(update.check()) {
            return fields_are_known(&descriptor, &violations);
        }
        let Ok(rendered) = RenderedCardUpdate::new(update, AGENT_ID) else {
            return;
        };
        if let Payload::Json(body) = rendered.payload() {
            only_asked(&json(&body), &asked);
        }
    };
    check(
        "UpdateTemplateCardRequest",
        bytes,
        convert::update::card_update,
        good,
    );
}

/// Takes a field out.
fn taken(object: &mut Json, key: &str) -> Option<Json> {
    object.as_object_mut()?.remove(key)
}

/// Every text that goes out is one that came in; protobuf does not tell an empty one from none.
fn only_asked(body: &Json, asked: &HashSet<String>) {
    match body {
        Json::String(text) => assert!(
            text.is_empty() || asked.contains(text) || OWN_WORDS.contains(&text.as_str()),
            "nobody asked for {text:?}"
        ),
        Json::Array(items) => items.iter().for_each(|item| only_asked(item, asked)),
        Json::Object(fields) => fields.values().for_each(|field| only_asked(field, asked)),
        Json::Null => panic!("nothing goes out as null"),
        Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Every text of a message.
fn strings(descriptor: &MessageDescriptor, bytes: &[u8]) -> HashSet<String> {
    let mut found = HashSet::new();
    if let Ok(message) = DynamicMessage::decode(descriptor.clone(), bytes) {
        collect(&Value::Message(message), &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Message(message) => {
            message
                .fields()
                .for_each(|(_, value)| collect(value, found));
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// A request for a login page. Only an address on the list leads to one.
pub fn login_page(data: &[u8]) {
    const LISTED: &str = "https://oa.example.com/login/callback";
    let convert = |request| convert::auth::login_page(request, |uri| uri == LISTED);
    check("BuildLoginUrlRequest", data, convert, |page| {
        assert_eq!(page.redirect_uri, LISTED);
        assert!(page.state.len() <= id::LOGIN_STATE_MAX_BYTES);
        assert!(page.state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a target over the inputs that are kept for it.
    fn replay(target: &str, check: fn(&[u8])) {
        let folder = format!("fuzz/corpus/{target}");
        let inputs = std::fs::read_dir(&folder).expect("a corpus");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("an entry").path();
            check(&std::fs::read(&path).expect("an input"));
            count += 1;
        }
        assert!(count > 5, "{folder} has {count} inputs");
    }

    #[test]
    fn the_inputs_that_are_kept_break_no_promise() {
        replay("request", request);
        replay("bulk_upload", bulk_upload);
        replay("answer", answer);
        replay("login_page", login_page);
    }

    #[test]
    fn a_text_that_nobody_asked_for_is_found() {
        let asked = HashSet::from(["hello".to_owned()]);
        only_asked(&serde_json::json!({"content": "hello"}), &asked);
        let added = serde_json::json!({"content": "hello", "list": [{"url": "x"}]});
        assert!(std::panic::catch_unwind(|| only_asked(&added, &asked)).is_err());
    }

    #[test]
    fn paths_are_looked_up_in_the_contract() {
        let message = descriptor("SendMessageRequest");
        for good in [
            "safe",
            "content",
            "recipients.user_ids[3]",
            "content.news.articles[0].url",
            "content.image.media.inline.data",
        ] {
            assert!(is_known(&message, good), "{good}");
        }
        for bad in ["", "header", "safe[0]", "safe.x", "content.news.title"] {
            assert!(!is_known(&message, bad), "{bad}");
        }
    }
}
