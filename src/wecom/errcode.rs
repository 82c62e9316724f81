//! WeCom's error codes (错误码): what each means, who must act, and what to do next.
//!
//! One row a code. The facts are WeCom's table of return codes,
//! <https://developer.work.weixin.qq.com/document/path/90313> (read 2026-07-26), and
//! the error lists of the pages of each call; words, names and classes are ours. A
//! code that is missing here is not an error of ours: [`lookup`] answers `None` and
//! the number and text go to the caller as they came.
//!
//! This file knows nothing of gRPC or HTTP, so that the sandbox may use it too.

use Class::*;
use Repeat::*;

/// The code of success. WeCom also means success when it leaves `errcode` out.
pub const OK: i64 = 0;

/// Who must act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The caller: the request is wrong in itself.
    InvalidRequest,
    /// The caller: the request names something that is not there, or not visible.
    NotFound,
    /// The caller: what should be made is there already.
    AlreadyExists,
    /// The caller: a range lies outside of what there is.
    OutOfRange,
    /// The caller: the answer would be too large, ask for less.
    AnswerTooLarge,
    /// The caller: right in form, but too late or not possible as things stand now.
    WrongState,
    /// Whoever grants rights in WeCom's console: this app may not do that.
    PermissionDenied,
    /// The operator, in the gateway's settings or in WeCom's console.
    Precondition,
    /// WeCom did not take our access token. Renew it and repeat once; when the code
    /// persists after that, it means the same as [`Class::Precondition`].
    TokenRejected,
    /// Nobody: a frequency limit is spent, wait for its window.
    RateLimited,
    /// Nobody: too many calls at once, send fewer in parallel.
    ConcurrencyLimited,
    /// The operator: an allowance of the corp is used up, and waiting does not bring it back.
    Quota,
    /// Nobody: two changes met, repeat one after the other.
    Conflict,
    /// Nobody: WeCom, or a server it asked, is busy or failing for the moment.
    Busy,
    /// Nobody can: WeCom has retired the call.
    Unimplemented,
    /// We: the gateway built a call that it should not have built.
    Internal,
}

/// Whether, and how, the same call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// The same request will fail again.
    No,
    /// Drop the token, take a new one, repeat once.
    Token,
    /// A few times, with growing pauses.
    Backoff,
    /// After the limit's window has passed.
    Window,
    /// Only after the person has logged in again and brought a new code or ticket.
    NewCode,
    /// Only after an operator has changed something.
    Fix,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// WeCom's number.
    pub code: i64,
    /// A stable name for logs, metrics and clients; never renamed.
    pub name: &'static str,
    /// Who must act.
    pub class: Class,
    /// Whether the same call may be repeated.
    pub repeat: Repeat,
    /// What went wrong, in one sentence.
    pub meaning: &'static str,
    /// What to do next, for the caller or the operator.
    pub hint: &'static str,
}

/// Finds the row of `code`; `None` for a code that the table lacks and for [`OK`].
pub fn lookup(code: i64) -> Option<&'static Entry> {
    let index = ENTRIES
        .binary_search_by_key(&code, |entry| entry.code)
        .ok()?;
    ENTRIES.get(index)
}

/// Codes that mean something else on one path: what a send names wrongly, a fetch
/// looks for in vain.
const ON_PATH: [(&str, i64, Class); 1] = [("media/get", 40007, NotFound)];

/// Who must act on `code` in an answer to the call of `path`.
pub fn class_on(path: &str, code: i64) -> Option<Class> {
    let special = ON_PATH
        .iter()
        .find(|(its_path, its_code, _)| *its_path == path && *its_code == code);
    match special {
        Some((.., class)) => Some(*class),
        None => lookup(code).map(|entry| entry.class),
    }
}

const fn row(
    code: i64,
    name: &'static str,
    class: Class,
    repeat: Repeat,
    meaning: &'static str,
    hint: &'static str,
) -> Entry {
    Entry {
        code,
        name,
        class,
        repeat,
        meaning,
        hint,
    }
}

// Hints that several rows share.
const FILL: &str = "Fill in the missing field.";
const SHORTEN: &str = "Shorten it.";
const THIRD_PARTY: &str = "Only apps of third-party providers meet this: check that secret and app are of a self-built app.";
const OPEN_RIGHT: &str =
    "Open this right for the app in WeCom's admin console, or use an app that has it.";
const VISIBLE: &str =
    "Widen the app's visible range (可见范围) in WeCom's admin console, or leave this one out.";
const TRUST_IP: &str = "Add the gateway's outgoing IP to the app's trusted IPs (企业可信IP) in WeCom's admin console; it takes about a minute.";
const SECRET: &str = "Copy corp id and secret of the same app from WeCom's admin console into the gateway's settings.";
const TRUST_DOMAIN: &str =
    "Set the login page's domain as the app's trusted domain (可信域名) in WeCom's admin console.";
const LOG_IN: &str = "Send the person through the login page again.";
const UPLOAD: &str = "Upload the file again and use the new media_id.";
const IN_CHAT_API: &str =
    "Create the chat through the same app first, and use the chat id that came back.";
const ROBOT: &str = "Look at the group robot's page in WeCom and copy its address again.";

/// Every code that we know, in ascending order.
#[rustfmt::skip] // one row a line: it is a table, and reads as one
pub static ENTRIES: &[Entry] = &[
    row(-1,     "SYSTEM_BUSY", Busy, Backoff, "WeCom is busy.", "Wait a moment and repeat."),
    row(6000,   "DATA_CONFLICT", Conflict, Backoff, "Someone else changed the same data meanwhile.", "Read it again and repeat the change."),

    // 40xxx: a value that WeCom does not take
    row(40001,  "CREDENTIAL_INVALID", TokenRejected, Token, "The secret is wrong, of another corp, or of a disabled app; on a business call, the token made from it.", SECRET),
    row(40003,  "USER_ID_INVALID", InvalidRequest, No, "The user id has a wrong form, is unknown, or its member has left.", "Check the user id against the contact list."),
    row(40004,  "MEDIA_FILE_TYPE_INVALID", InvalidRequest, No, "This kind of file is not allowed here.", "Use a file format that the media type takes."),
    row(40005,  "MEDIA_TYPE_INVALID", InvalidRequest, No, "The media type is none of image, voice, video, file.", "Name one of the four."),
    row(40006,  "MEDIA_SIZE_INVALID", InvalidRequest, No, "The file is too large or too small.", "Keep to the size limits of the media type; more than 5 bytes."),
    row(40007,  "MEDIA_ID_INVALID", InvalidRequest, No, "The media_id is unknown, older than 3 days, of another app, or of another media type.", UPLOAD),
    row(40008,  "MESSAGE_TYPE_INVALID", InvalidRequest, No, "The message type is missing or not taken by this call.", "Use a message type that this call takes."),
    row(40009,  "IMAGE_SIZE_INVALID", InvalidRequest, No, "The image is too large.", "Make the image smaller."),
    row(40011,  "VIDEO_SIZE_INVALID", InvalidRequest, No, "The video is too large.", "Make the video smaller."),
    row(40013,  "CORP_ID_INVALID", Precondition, Fix, "No corp has this corp id.", SECRET),
    row(40014,  "ACCESS_TOKEN_INVALID", TokenRejected, Token, "The access token is damaged, revoked, or of another kind.", "The gateway renews it once by itself; if this persists, check the app's secret."),
    row(40029,  "LOGIN_CODE_INVALID", InvalidRequest, NewCode, "The login code is unknown, or of another app.", LOG_IN),
    row(40031,  "USER_ID_LIST_INVALID", InvalidRequest, No, "The list of user ids holds one that is not valid.", "Check the user ids against the contact list."),
    row(40032,  "USER_ID_LIST_LENGTH", InvalidRequest, No, "The list of user ids is empty or too long.", "Send at most 1000 user ids a call."),
    row(40033,  "CHARACTERS_INVALID", InvalidRequest, No, "The request holds characters that are not allowed, such as escaped ones.", "Remove control characters and \\u escapes."),
    row(40035,  "PARAMETER_INVALID", InvalidRequest, No, "A parameter is not valid: an empty or too long list, or a string in place of a list.", "Check each list: at most 1000 users, 100 departments."),
    row(40039,  "URL_TOO_LONG", InvalidRequest, No, "The URL is longer than 1024 bytes.", "Shorten the URL."),
    row(40050,  "CHAT_UNKNOWN", NotFound, No, "No chat has this chat id.", IN_CHAT_API),
    row(40054,  "SUB_MENU_URL_INVALID", InvalidRequest, No, "The URL of a sub-menu has a domain that is not allowed.", "Use a URL with a trusted domain."),
    row(40055,  "MENU_URL_INVALID", InvalidRequest, No, "The URL of a menu has a domain that is not allowed.", "Use a URL with a trusted domain."),
    row(40056,  "AGENT_ID_INVALID", InvalidRequest, No, "No app has this agent id, or it is not a whole number.", "Compare the app's agent_id with WeCom's admin console."),
    row(40057,  "CALLBACK_URL_INVALID", Precondition, Fix, "The callback URL is wrong or did not pass WeCom's check.", "Check that the callback URL answers WeCom's verification."),
    row(40058,  "PARAMETER_RULE_BROKEN", InvalidRequest, No, "A value is missing, too long or of the wrong type; WeCom's text names the field.", "Correct the field that errmsg names."),
    row(40063,  "PARAMETER_EMPTY", InvalidRequest, No, "A required parameter is empty or stands in the wrong place.", FILL),
    row(40066,  "DEPARTMENT_LIST_INVALID", InvalidRequest, No, "The list of departments is not valid.", "Check the department ids against the contact list."),
    row(40068,  "TAG_UNKNOWN", NotFound, No, "The tag does not exist, or no tag is given.", "Check the tag id, and that the app may see the tag."),
    row(40070,  "TAG_MEMBERS_INVALID", InvalidRequest, No, "None of the given tag members is valid.", "Check the user and department ids."),
    row(40073,  "OPEN_ID_UNKNOWN", NotFound, No, "Nobody has this openid.", "Check that the openid comes from this corp."),
    row(40074,  "NEWS_NOT_CONFIDENTIAL", InvalidRequest, No, "A news message cannot be confidential.", "Leave `safe` out, or send it as mpnews."),
    row(40082,  "SUITE_TOKEN_INVALID", Precondition, No, "The suite access token is not valid.", THIRD_PARTY),
    row(40085,  "SUITE_TICKET_INVALID", Precondition, No, "The suite ticket is not valid.", THIRD_PARTY),
    row(40091,  "SECRET_INVALID", Precondition, Fix, "The secret does not belong to this corp.", SECRET),
    row(40093,  "JS_SIGNATURE_INVALID", InvalidRequest, No, "The signature of the web page does not fit.", "Sign exactly the page's URL, without the part after #."),
    row(40094,  "URL_INVALID", InvalidRequest, No, "The URL is not valid.", "Give a whole URL with http:// or https://."),
    row(40123,  "IMAGE_BROKEN", InvalidRequest, No, "The image cannot be read.", "Save the image anew as JPG or PNG."),
    row(40127,  "URL_SCHEME_INVALID", InvalidRequest, No, "This URL scheme is not supported.", "Use http:// or https://."),
    row(40145,  "MEDIA_EXPIRED", NotFound, No, "The media_id is older than its life of 3 days.", UPLOAD),
    row(40146,  "MEDIA_RANGE_INVALID", InvalidRequest, No, "The Range header is not valid.", "Cut ranges at multiples of 16 bytes."),
    row(40201,  "CONTENT_BLOCKED", InvalidRequest, No, "WeCom's spam filter stopped the content.", "Change the content."),
    row(40206,  "BODY_TOO_LARGE", InvalidRequest, No, "The request body is too large.", "Send less in one call."),

    // 41xxx: something is missing
    row(41001,  "ACCESS_TOKEN_MISSING", Internal, No, "The call carried no access token.", "This is a fault of the gateway: please report it."),
    row(41002,  "CORP_ID_MISSING", Precondition, Fix, "No corp id is set.", SECRET),
    row(41004,  "SECRET_MISSING", Precondition, Fix, "No secret is set.", SECRET),
    row(41006,  "MEDIA_ID_MISSING", InvalidRequest, No, "The media_id is missing.", FILL),
    row(41008,  "LOGIN_CODE_MISSING", InvalidRequest, No, "The login code is missing.", FILL),
    row(41009,  "USER_ID_MISSING", InvalidRequest, No, "The user id is missing.", FILL),
    row(41010,  "URL_MISSING", InvalidRequest, No, "The URL is missing.", FILL),
    row(41011,  "AGENT_ID_MISSING", InvalidRequest, No, "The agent id is missing.", "Set the app's agent_id in the gateway's settings."),
    row(41016,  "TITLE_MISSING", InvalidRequest, No, "An article has no title.", FILL),
    row(41017,  "TAG_ID_MISSING", InvalidRequest, No, "The tag id is missing.", FILL),
    row(41033,  "DESCRIPTION_MISSING", InvalidRequest, No, "The text card has no description.", FILL),

    // 42xxx: too old, and the fields of cards
    row(42001,  "ACCESS_TOKEN_EXPIRED", TokenRejected, Token, "The access token has expired.", "The gateway renews it once by itself; if this persists, check the host's clock and the app's secret."),
    row(42003,  "LOGIN_CODE_EXPIRED", InvalidRequest, NewCode, "The login code is older than its life of 5 minutes.", LOG_IN),
    row(42007,  "PRE_AUTH_CODE_EXPIRED", Precondition, No, "The pre-authorisation code has expired.", THIRD_PARTY),
    row(42009,  "SUITE_TOKEN_EXPIRED", Precondition, No, "The suite access token has expired.", THIRD_PARTY),
    row(42012,  "JS_TICKET_UNUSABLE", WrongState, No, "The ticket for page signatures cannot be used.", "Ask for a new signature."),
    row(42014,  "TASK_ID_INVALID", InvalidRequest, No, "The card's task_id is not valid.", "Use a new task_id of at most 128 letters, digits, _ - @."),
    row(42015,  "CARD_OF_OTHER_APP", PermissionDenied, No, "The card was sent by another app.", "Update the card through the app that sent it."),
    row(42016,  "TASK_ID_UNKNOWN", NotFound, No, "No card has this task_id.", "Use the task_id that the card was sent with."),
    row(42017,  "BUTTON_KEY_UNKNOWN", InvalidRequest, No, "The card has no button with this key.", "Use a key that the card was sent with."),
    row(42018,  "BUTTON_KEY_INVALID", InvalidRequest, No, "A button key is not valid.", "Use another key."),
    row(42019,  "BUTTON_KEY_MISSING", InvalidRequest, No, "A button has no key.", FILL),
    row(42020,  "BUTTON_NAME_MISSING", InvalidRequest, No, "A button has no name.", FILL),
    row(42022,  "LOGIN_CODE_USED", InvalidRequest, NewCode, "The login code was used before; each works once.", LOG_IN),
    row(42027,  "CARD_KEYNAME_INVALID", InvalidRequest, No, "A row of horizontal_content_list has no valid keyname.", FILL),
    row(42028,  "CARD_URL_INVALID", InvalidRequest, No, "A row of horizontal_content_list has no valid url.", "Give a URL for rows of the link type."),
    row(42029,  "CARD_MEDIA_ID_INVALID", InvalidRequest, No, "A row of horizontal_content_list has no valid media_id.", "Give a media_id for rows of the file type."),
    row(42030,  "CARD_APP_ID_INVALID", InvalidRequest, No, "A jump of the card has no valid mini program appid.", "Give the appid of a mini program that is linked to the corp."),
    row(42031,  "CARD_TYPE_INVALID", InvalidRequest, No, "The card_type is not valid.", "Use one of the five template cards."),
    row(42033,  "CARD_JUMP_TITLE_INVALID", InvalidRequest, No, "A jump of the card has no valid title.", FILL),
    row(42035,  "CARD_HORIZONTAL_LENGTH", InvalidRequest, No, "horizontal_content_list is too long.", "Keep at most 6 rows."),
    row(42036,  "CARD_VERTICAL_LENGTH", InvalidRequest, No, "vertical_content_list is too long.", "Keep at most 4 rows."),
    row(42037,  "CARD_OPTIONS_LENGTH", InvalidRequest, No, "An option_list is empty or too long.", "Keep 1 to 20 options in a checkbox, 1 to 10 in a selection."),
    row(42038,  "CARD_BUTTON_TEXT_INVALID", InvalidRequest, No, "A button has no valid text.", FILL),
    row(42039,  "CARD_BUTTON_KEY_INVALID", InvalidRequest, No, "A button has no valid key.", "Give each button that calls back its own key."),
    row(42040,  "CARD_OPTION_ID_INVALID", InvalidRequest, No, "An option has no valid id.", "Give each option its own id of at most 128 bytes."),
    row(42041,  "CARD_OPTION_TEXT_INVALID", InvalidRequest, No, "An option has no valid text.", FILL),
    row(42042,  "CARD_JUMPS_LENGTH", InvalidRequest, No, "jump_list is too long.", "Keep at most 3 jumps."),
    row(42043,  "CARD_QUESTION_KEY_INVALID", InvalidRequest, No, "A question has no valid question_key.", "Give each question its own key of at most 1024 bytes."),
    row(42044,  "CARD_IMAGE_URL_INVALID", InvalidRequest, No, "card_image has no valid url.", FILL),
    row(42045,  "CARD_ACTION_INVALID", InvalidRequest, No, "card_action is not valid.", "Give a URL, or the appid of a mini program, as its type asks."),
    row(42046,  "CARD_SUBMIT_KEY_INVALID", InvalidRequest, No, "submit_button has no valid key.", FILL),
    row(42047,  "CARD_SELECTS_LENGTH", InvalidRequest, No, "select_list is empty or too long.", "Keep 1 to 3 selections."),
    row(42049,  "CARD_SUBMIT_TEXT_INVALID", InvalidRequest, No, "submit_button has no valid text.", FILL),
    row(42050,  "CARD_USER_ID_INVALID", InvalidRequest, No, "A row of horizontal_content_list has no valid userid.", "Give a userid for rows of the member type."),
    row(42051,  "CARD_ACTION_KEY_DUPLICATE", InvalidRequest, No, "Two entries of the card's menu have the same key.", "Give each menu entry its own key."),
    row(42052,  "RECALL_TOO_LATE", WrongState, No, "The message is older than 24 hours.", "Messages can be recalled for 24 hours only."),

    // 43xxx, 44xxx: relations and empty things
    row(43004,  "MEMBER_WITHOUT_WECHAT", WrongState, No, "The member has not linked a WeChat account.", "Ask the member to link WeChat."),
    row(43012,  "CALLBACK_URL_MISSING", Precondition, Fix, "The app has no callback URL, which cards with buttons need.", "Set the app's callback URL (接收消息) in WeCom's admin console."),
    row(44001,  "MEDIA_EMPTY", InvalidRequest, No, "The uploaded file is empty.", "Upload more than 5 bytes."),
    row(44004,  "TEXT_EMPTY", InvalidRequest, No, "The text is empty.", FILL),

    // 45xxx: limits
    row(45001,  "MEDIA_TOO_LARGE", InvalidRequest, No, "The file is larger than its media type allows.", "Make the file smaller."),
    row(45002,  "CONTENT_TOO_LARGE", InvalidRequest, No, "The content is larger than its message type allows.", "Shorten it: text 2048 bytes, mpnews 666 KB."),
    row(45004,  "APP_DESCRIPTION_LENGTH", InvalidRequest, No, "The app's description is too short or too long.", "Keep its length between 4 and 120."),
    row(45007,  "VOICE_TOO_LONG", InvalidRequest, No, "The voice lasts longer than 60 seconds.", SHORTEN),
    row(45008,  "ARTICLES_TOO_MANY", InvalidRequest, No, "The message has more than 8 articles.", "Send 8 articles at most."),
    row(45009,  "RATE_LIMITED", RateLimited, Window, "A frequency limit is spent; on gettoken also: this IP is blocked after many wrong secrets.", "Wait a minute; if it goes on, an hour, then the rest of the day."),
    row(45022,  "APP_NAME_LENGTH", InvalidRequest, No, "The app's name is too long.", "Keep its length within 32."),
    row(45024,  "ACCOUNT_LIMIT_REACHED", Quota, Fix, "The corp has as many accounts as it may have.", "Raise the corp's account limit in WeCom's admin console."),
    row(45029,  "ANSWER_TOO_LARGE", AnswerTooLarge, No, "The answer would be too large.", "Ask for less: for brief entries, or for the departments below, one at a time."),
    row(45031,  "SECRET_WEAK", Precondition, Fix, "WeCom no longer deems the secret safe.", "Reset the secret in WeCom's admin console and put it into the gateway's settings."),
    row(45032,  "AUTHOR_TOO_LONG", InvalidRequest, No, "An article's author is longer than 64 bytes.", SHORTEN),
    row(45033,  "CONCURRENCY_LIMITED", ConcurrencyLimited, Backoff, "Too many calls of this kind run at once for the corp.", "Send fewer in parallel and repeat after a few seconds."),
    row(45034,  "URL_WITHOUT_SCHEME", InvalidRequest, No, "The URL has no scheme.", "Begin it with http:// or https://."),
    row(45035,  "EDIT_CONFLICT", Conflict, Backoff, "Two calls changed the same record at once.", "Change it one call after the other."),
    row(45036,  "DATA_ACCESS_LIMITED", RateLimited, Window, "WeCom slows this access to data because it looks unusual.", "Call less often; an administrator may have to lift it in WeCom's console."),

    // 46xxx, 48xxx, 49xxx: absent, not allowed, dissolved
    row(46003,  "MENU_UNKNOWN", NotFound, No, "The app has no menu.", "Create the menu first."),
    row(46004,  "USER_UNKNOWN", NotFound, No, "No member with this mobile number or e-mail is visible to the app.", VISIBLE),
    row(48001,  "API_NOT_AUTHORISED", PermissionDenied, Fix, "The app is not authorised for this call.", OPEN_RIGHT),
    row(48002,  "API_FORBIDDEN", PermissionDenied, Fix, "The call is closed to this app, or to this kind of secret.", "Use the secret that fits the call: chats need an app visible to the root department, contact changes the contacts secret."),
    row(48003,  "SUITE_ID_INVALID", Precondition, No, "The suite id is not valid.", THIRD_PARTY),
    row(48004,  "AUTHORISATION_WITHDRAWN", PermissionDenied, Fix, "The authorisation was withdrawn.", OPEN_RIGHT),
    row(48005,  "API_RETIRED", Unimplemented, No, "WeCom has retired this call.", "Use the call that replaced it."),
    row(48006,  "RIGHT_LAPSED", PermissionDenied, Fix, "The right was taken back because it was long unused.", OPEN_RIGHT),
    row(48008,  "CONTACT_EDIT_FORBIDDEN", PermissionDenied, Fix, "The right to edit contacts does not cover this call.", OPEN_RIGHT),
    row(48009,  "CONTACT_READ_FORBIDDEN", PermissionDenied, Fix, "The contacts secret (通讯录同步) may read ids only: WeCom knows the gateway's IP since 2022-08-15 or later.", "Take `contacts_details` out of the app's settings, so that its own secret reads details."),
    row(48010,  "TLS_TOO_OLD", Precondition, Fix, "The TLS version is too old.", "Look for a proxy on the way that speaks an old TLS version."),
    row(49008,  "CHAT_DISSOLVED", NotFound, No, "The chat was dissolved.", "Create a new chat."),

    // 50xxx: login and apps
    row(50001,  "REDIRECT_DOMAIN_UNTRUSTED", Precondition, Fix, "The login page's domain is not trusted for the app that made the token.", TRUST_DOMAIN),
    row(50002,  "MEMBER_OUT_OF_SCOPE", PermissionDenied, No, "The member is outside of the app's scope.", VISIBLE),
    row(50003,  "APP_DISABLED", Precondition, Fix, "The app is disabled.", "Enable the app in WeCom's admin console."),

    // 60xxx: members, departments, trusted IPs
    row(60003,  "DEPARTMENT_UNKNOWN", NotFound, No, "The department does not exist.", "Check the department id against the contact list."),
    row(60011,  "SCOPE_DENIED", PermissionDenied, Fix, "The app may not read or change this member, department or tag.", VISIBLE),
    row(60020,  "IP_NOT_TRUSTED", Precondition, Fix, "The gateway's outgoing IP is not one of the app's trusted IPs.", TRUST_IP),
    row(60021,  "USER_NOT_VISIBLE", PermissionDenied, No, "The user is outside of the app's visible range.", VISIBLE),
    row(60031,  "APP_BARRED", PermissionDenied, Fix, "The app is barred from calling.", "Ask WeCom's support, or look for a notice in WeCom's admin console."),
    row(60111,  "USER_ID_UNKNOWN", NotFound, No, "No member that the app can see has this user id.", VISIBLE),
    row(60123,  "DEPARTMENT_ID_INVALID", NotFound, No, "The department id is not valid.", "Check the department id against the contact list."),
    row(60140,  "RESPONSE_CODE_INVALID", WrongState, No, "The response_code is unknown, was used, or is older than 72 hours.", "Each response_code updates a card once, within 72 hours."),
    row(60206,  "THIRD_PARTY_TYPE", PermissionDenied, No, "This type is for third-party apps only.", "Use another message type."),
    row(60207,  "TYPE_NOT_ALLOWED", PermissionDenied, No, "The app may not send this type.", "Use another message type."),

    // 80xxx to 85xxx: domains, tags, recipients, login tickets
    row(80001,  "TRUSTED_DOMAIN_INVALID", Precondition, Fix, "The trusted domain is wrong or has no ICP record (备案).", TRUST_DOMAIN),
    row(81011,  "TAG_DENIED", PermissionDenied, No, "The app may not use this tag.", "Use a tag that the app may see, or have its manager opened to the app."),
    row(81012,  "TARGET_MISSING", InvalidRequest, No, "The request names no user, department or tag.", FILL),
    row(81013,  "ALL_RECIPIENTS_INVALID", InvalidRequest, No, "Every recipient is unknown or outside of the app's visible range.", "Check the ids, and widen the app's visible range (可见范围) in WeCom's admin console."),
    row(82001,  "RECIPIENTS_MISSING", InvalidRequest, No, "The message names no recipient.", "Name users, departments, tags, or everyone."),
    row(82002,  "DEPARTMENTS_TOO_MANY", InvalidRequest, No, "The message names more than 100 departments.", "Split the recipients over several calls."),
    row(82003,  "TAGS_TOO_MANY", InvalidRequest, No, "The message names more than 100 tags.", "Split the recipients over several calls."),
    row(82004,  "CONTENT_DANGEROUS", InvalidRequest, No, "The content could crash the WeCom app.", "Change the content."),
    row(82101,  "UPDATE_TARGET_MISSING", InvalidRequest, No, "The card update names nobody.", FILL),
    row(82102,  "UPDATE_TARGET_NOT_RECIPIENT", WrongState, No, "The card update names someone who did not get the card.", "Name only people the card was sent to."),
    row(84014,  "USER_TICKET_EXPIRED", WrongState, NewCode, "The user_ticket has expired.", LOG_IN),
    row(84015,  "USER_TICKET_INVALID", InvalidRequest, No, "The user_ticket is not valid.", "Pass on the user_ticket of the login unchanged."),
    row(84025,  "STATE_INVALID", InvalidRequest, No, "The login's state is not valid.", "Use at most 128 letters and digits."),
    row(84090,  "USER_TICKET_MISSING", InvalidRequest, No, "The user_ticket is missing.", FILL),
    row(85002,  "FORBIDDEN_WORDS", InvalidRequest, No, "The text holds words that are not allowed.", "Change the text."),
    row(85005,  "TRUSTED_DOMAIN_UNPROVEN", Precondition, Fix, "Nobody has proved to own the trusted domain.", "Prove the domain's ownership in WeCom's admin console."),

    // 86xxx: chats made by an app
    row(86001,  "CHAT_ID_INVALID", InvalidRequest, No, "The chat id is not valid.", "Use at most 32 letters and digits."),
    row(86003,  "CHAT_ID_UNKNOWN", NotFound, No, "No chat has this chat id.", IN_CHAT_API),
    row(86004,  "CHAT_NAME_INVALID", InvalidRequest, No, "The chat's name is not valid.", "Use at most 50 characters."),
    row(86005,  "CHAT_OWNER_INVALID", InvalidRequest, No, "The chat's owner is not valid.", "Name a member of the chat whom the app can see."),
    row(86006,  "CHAT_MEMBER_COUNT", InvalidRequest, No, "The chat has too few or too many members.", "Keep between 2 and 2000 members."),
    row(86007,  "CHAT_MEMBER_INVALID", InvalidRequest, No, "A member of the chat is not valid.", "Check the user ids against the contact list."),
    row(86008,  "CHAT_OF_OTHER_APP", PermissionDenied, No, "The chat was created by another app.", "Use the app that created the chat."),
    row(86101,  "CHAT_OWNER_ONLY", PermissionDenied, No, "Only the chat's owner may do this.", "Ask the chat's owner."),
    row(86201,  "CHAT_ID_MISSING", InvalidRequest, No, "The chat id is missing.", FILL),
    row(86202,  "CHAT_NAME_MISSING", InvalidRequest, No, "The chat's name is missing.", FILL),
    row(86203,  "CHAT_OWNER_MISSING", InvalidRequest, No, "The chat's owner is missing.", FILL),
    row(86204,  "CHAT_MEMBERS_MISSING", InvalidRequest, No, "The chat's members are missing.", FILL),
    row(86205,  "CHAT_ID_TOO_LONG", InvalidRequest, No, "The chat id is too long.", "Use at most 32 letters and digits."),
    row(86206,  "CHAT_ID_TOO_BIG", InvalidRequest, No, "The chat id, read as a number, is too big.", "Put a letter into the chat id."),
    row(86207,  "CHAT_OWNER_NOT_MEMBER", InvalidRequest, No, "The chat's owner is not among its members.", "Add the owner to the members."),
    row(86214,  "CHAT_SEND_TYPE_INVALID", InvalidRequest, No, "Chats do not take this type of message.", "Use text, image, voice, video, file, text card, news, mpnews or markdown."),
    row(86215,  "CHAT_EXISTS", AlreadyExists, No, "A chat with this id exists.", "Use another chat id, or the chat that exists."),
    row(86216,  "CHAT_MEMBER_ILLEGAL", InvalidRequest, No, "A member to add is not in the contacts, or one to remove is not in the chat.", "Read the chat, then correct the two lists."),
    row(86217,  "SENDER_NOT_IN_CHAT", WrongState, No, "The sender is not in the chat.", "Add the sender to the chat first."),
    row(86220,  "CHAT_PARAMETER_INVALID", InvalidRequest, No, "A parameter of the chat is not valid.", "Check each field against the limits of chats."),
    row(86222,  "CHAT_DOWNSTREAM_RULE", WrongState, No, "The chat breaks the rule for groups with downstream corps.", "Add an employee of a downstream corp."),
    row(86224,  "CHAT_RESTRICTION_RULE", WrongState, No, "The chat breaks the rule for restricted groups.", "Use a chat of the right kind."),

    // 90xxx, 91xxx, 92xxx: mini program notices, tickets, ranges
    row(90200,  "MINI_PROGRAM_APP_ID_MISSING", InvalidRequest, No, "The mini program's appid is missing.", FILL),
    row(90201,  "NOTICE_ITEMS_TOO_MANY", InvalidRequest, No, "The notice has more than 10 content items.", "Keep 10 at most."),
    row(90202,  "NOTICE_KEY_LENGTH", InvalidRequest, No, "A key of the notice is empty or too long.", SHORTEN),
    row(90203,  "NOTICE_VALUE_LENGTH", InvalidRequest, No, "A value of the notice is empty or too long.", SHORTEN),
    row(90204,  "NOTICE_PAGE_INVALID", InvalidRequest, No, "The notice's page is not valid.", "Name a page inside of the mini program."),
    row(90206,  "MINI_PROGRAM_NOT_LINKED", Precondition, Fix, "The mini program is not linked to the corp.", "Link the mini program to the app in WeCom's admin console."),
    row(90207,  "MINI_PROGRAM_APP_ID_INVALID", InvalidRequest, No, "The mini program's appid is not valid.", "Use the appid of the linked mini program."),
    row(90208,  "MINI_PROGRAM_APP_ID_MISMATCH", InvalidRequest, No, "The appid is not of the mini program that the app is linked to.", "Use the appid of the linked mini program."),
    row(91040,  "TICKET_TYPE_INVALID", InvalidRequest, No, "The ticket's type is not valid.", "Ask for a signature for the corp or for the app."),
    row(92000,  "MEMBER_OUT_OF_RANGE", PermissionDenied, No, "The member is outside of the app's range.", VISIBLE),

    // 93xxx: group robots
    row(93000,  "ROBOT_KEY_INVALID", Precondition, Fix, "The group robot's key is wrong, or the robot was removed.", ROBOT),
    row(93001,  "GROUP_REFUSES_PUSH", Precondition, Fix, "The group does not take pushed messages.", "Allow pushed messages in the group's settings."),
    row(93004,  "ROBOT_DISABLED", Precondition, Fix, "The group robot is disabled.", ROBOT),
    row(93006,  "GROUP_ID_INVALID", NotFound, No, "The group id is not valid.", "Use the id of a group that the robot is in."),
    row(93008,  "NOT_IN_GROUP", NotFound, No, "The robot is not in this group.", "Add the robot to the group."),
    row(93017,  "ROBOT_BODY_EMPTY", InvalidRequest, No, "The robot's message has no body.", FILL),
    row(93018,  "ROBOT_IMAGE_TOO_LARGE", InvalidRequest, No, "The robot's image is too large.", "Make the image smaller."),
    row(93019,  "ROBOT_ID_INVALID", InvalidRequest, No, "The robot's id is not valid.", ROBOT),

    // 30xxxx, 83xxxx: apps and files
    row(301002, "APP_MISMATCH", PermissionDenied, No, "The token's app may not act for this agent id.", "Give corp id, secret and agent_id of the same app."),
    row(301007, "CORP_UNAVAILABLE", Precondition, Fix, "The corp is dissolved or banned.", "Look at the corp's state in WeCom's admin console."),
    row(301015, "MEDIA_ID_MALFORMED", InvalidRequest, No, "The media id is not valid.", UPLOAD),
    row(301016, "VOICE_REFUSED", InvalidRequest, No, "The voice file is not accepted.", "Send AMR of at most 60 seconds."),
    row(301017, "VOICE_NOT_AMR", InvalidRequest, No, "The voice file is not AMR.", "Convert it to AMR."),
    row(301019, "MEDIA_DIGEST_MISMATCH", InvalidRequest, No, "The file's MD5 does not fit its content.", "Compute the MD5 over the very bytes that are sent."),
    row(301021, "USER_IDS_UNKNOWN", NotFound, No, "At least one user id is unknown.", "Check the user ids against the contact list."),
    row(301042, "IP_NOT_ON_LIST", Precondition, Fix, "The gateway's outgoing IP is not on the corp's list.", TRUST_IP),
    row(830001, "RANGE_MISSING", InvalidRequest, No, "The file's server does not answer ranges.", "Put the file on a server that answers Range requests."),
    row(830002, "RANGE_TOO_LARGE", OutOfRange, No, "The file, or the part asked for, is too large for one answer.", "Read it in smaller ranges."),
    row(830003, "URL_DOWNLOAD_FAILED", Busy, Backoff, "WeCom could not fetch the file from its URL.", "Check that the URL answers from the internet, then repeat."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// The codes of the reference, family by family; written down apart from the table so that a
    /// lost row is noticed.
    #[rustfmt::skip] // a plain list of numbers
    const KNOWN: &[i64] = &[
        // general, credentials, permissions
        -1, 6000, 40001, 40013, 40014, 40091, 41001, 41002, 41004, 41011, 42001, 42007, 42009, 45031,
        48001, 48002, 48003, 48004, 48005, 48006, 48008, 48009, 48010, 50003, 60011, 60020, 60031,
        301002, 301007, 301042,
        // rates and sizes
        45009, 45033, 45035, 45036, 45024, 45029, 40206, 45001, 45002, 45004, 45007, 45008, 45022,
        45032, 45034,
        // request shape
        40003, 40008, 40031, 40032, 40033, 40035, 40039, 40054, 40055, 40056, 40057, 40058, 40063,
        40066, 40073, 40074, 40094, 40127, 40201, 41006, 41008, 41009, 41010, 41016, 41017, 41033,
        44004, 82004, 85002, 301021,
        // members, departments, tags, scope
        40068, 40070, 43004, 46003, 46004, 50002, 60003, 60021, 60111, 60123, 81011, 81012, 81013,
        82001, 82002, 82003, 92000,
        // login
        40029, 42003, 42022, 50001, 80001, 84014, 84015, 84025, 84090, 85005, 40093, 42012, 91040,
        // media
        40004, 40005, 40006, 40007, 40009, 40011, 40123, 40145, 40146, 44001, 301015, 301016, 301017,
        301019, 830001, 830002, 830003,
        // cards
        42014, 42015, 42016, 42017, 42018, 42019, 42020, 42027, 42028, 42029, 42030, 42031, 42033,
        42035, 42036, 42037, 42038, 42039, 42040, 42041, 42042, 42043, 42044, 42045, 42046, 42047,
        42049, 42050, 42051, 42052, 43012, 60140, 60206, 60207, 82101, 82102, 90200, 90201, 90202,
        90203, 90204, 90206, 90207, 90208,
        // chats and group robots
        40050, 49008, 86001, 86003, 86004, 86005, 86006, 86007, 86008, 86101, 86201, 86202, 86203,
        86204, 86205, 86206, 86207, 86214, 86215, 86216, 86217, 86220, 86222, 86224, 93000, 93001,
        93004, 93006, 93008, 93017, 93018, 93019,
    ];

    #[test]
    fn rows_ascend_and_no_code_or_name_comes_twice() {
        for pair in ENTRIES.windows(2) {
            assert!(
                pair[0].code < pair[1].code,
                "{} stands before {}",
                pair[0].code,
                pair[1].code
            );
        }
        let names: HashSet<_> = ENTRIES.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ENTRIES.len());
    }

    #[test]
    fn every_code_of_the_reference_has_a_row() {
        let missing: Vec<_> = KNOWN
            .iter()
            .filter(|code| lookup(**code).is_none())
            .collect();
        assert!(missing.is_empty(), "no row for {missing:?}");
    }

    #[test]
    fn success_and_strangers_have_no_row() {
        for code in [OK, 1, 12345, i64::MIN, i64::MAX] {
            assert_eq!(lookup(code), None);
        }
    }

    #[test]
    fn names_are_constants_and_texts_are_sentences() {
        for Entry {
            code,
            name,
            meaning,
            hint,
            ..
        } in ENTRIES
        {
            assert!(
                name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'),
                "{code}: {name}"
            );
            assert!(
                meaning.ends_with('.') && hint.ends_with('.'),
                "{code}: not a sentence"
            );
        }
    }

    #[test]
    fn class_and_repeat_agree() {
        for Entry {
            code,
            class,
            repeat,
            ..
        } in ENTRIES
        {
            let fits = match class {
                TokenRejected => *repeat == Token,
                RateLimited => *repeat == Window,
                ConcurrencyLimited | Conflict | Busy => *repeat == Backoff,
                Precondition | PermissionDenied | Quota => matches!(repeat, Fix | No),
                InvalidRequest | WrongState => matches!(repeat, No | NewCode),
                _ => *repeat == No,
            };
            assert!(fits, "{code}: {class:?} with {repeat:?}");
        }
    }

    #[test]
    fn a_path_may_have_its_own_meaning_of_a_code() {
        assert_eq!(class_on("media/get", 40007), Some(NotFound));
        assert_eq!(class_on("message/send", 40007), Some(InvalidRequest));
        assert_eq!(class_on("media/get", 40006), Some(InvalidRequest));
        assert_eq!(class_on("media/get", 1), None);
    }

    #[test]
    fn those_who_must_act_are_named_right() {
        let expected = [
            (-1, Busy),
            (6000, Conflict),
            (40001, TokenRejected),
            (40013, Precondition),
            (40014, TokenRejected),
            (41001, Internal),
            (42001, TokenRejected),
            (42052, WrongState),
            (45009, RateLimited),
            (45024, Quota),
            (45029, AnswerTooLarge),
            (45033, ConcurrencyLimited),
            (45035, Conflict),
            (48002, PermissionDenied),
            (48005, Unimplemented),
            (60011, PermissionDenied),
            (60020, Precondition),
            (60111, NotFound),
            (81013, InvalidRequest),
            (86215, AlreadyExists),
            (830002, OutOfRange),
        ];
        for (code, class) in expected {
            assert_eq!(lookup(code).map(|entry| entry.class), Some(class), "{code}");
        }
    }
}
