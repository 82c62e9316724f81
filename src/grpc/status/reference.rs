//! Writes `docs/errors.md` from the table of errcodes, the statuses that are made of
//! them, and the comments of `error_reason.proto`; and fails when the file is stale.

use std::fmt::Write as _;
use std::fs;

use prost_types::FileDescriptorSet;
use tonic_types::StatusExt;

use super::*;
use crate::wecom::errcode::{ENTRIES, Entry, Repeat};
use crate::wecom::message::Sent;

const FILE: &str = "docs/errors.md";
const WRITE: &str = "cargo test --lib -- --ignored write_docs_errors";
/// Field numbers in `descriptor.proto` that lead to the comment of an enum's value:
/// FileDescriptorProto.enum_type, EnumDescriptorProto.value.
const ENUM_TYPE: i32 = 5;
const VALUE: i32 = 2;

#[test]
fn docs_errors_is_what_the_code_does() {
    let file = fs::read_to_string(FILE).unwrap_or_default();
    assert!(file == page(), "{FILE} is stale; write it anew: {WRITE}");
}

#[test]
#[ignore = "writes docs/errors.md"]
fn write_docs_errors() {
    fs::write(FILE, page()).unwrap();
}

/// A reason must say its code first: clients in any language switch on both.
#[test]
fn every_reason_says_its_code() {
    for (reason, code, text) in reasons() {
        let known = code.split(" or ").all(|code| CODES.contains(&code));
        assert!(known || code == BY_ERRCODE, "{reason} begins with {code:?}");
        assert!(!text.is_empty(), "{reason} says nothing");
    }
}

const BY_ERRCODE: &str = "One code for each class of errcode";
const CODES: [&str; 15] = [
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "FAILED_PRECONDITION",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "UNKNOWN",
];

fn page() -> String {
    let mut page = format!(
        "<!-- Generated from src/wecom/errcode.rs, src/grpc/status.rs and proto/wecomgw/v1/error_reason.proto: {WRITE} -->\n\
         # Errors\n\n\
         Every error of the gateway is a gRPC status with a `google.rpc.ErrorInfo`: `domain` is\n\
         `wecomgw`, `reason` one of the first table, and `metadata` what is known beyond. Programs\n\
         decide by code and reason, people read the message. Both stay as they are.\n\n\
         ## Reasons\n\n\
         | reason | gRPC code | what it means, and what to do |\n|---|---|---|\n"
    );
    for (reason, code, text) in reasons() {
        let _ = writeln!(page, "| {reason} | {code} | {} |", cell(&text));
    }
    page.push_str(
        "\n## WeCom's errcodes\n\n\
         The metadata of an error that WeCom gave has the `errcode`, its `name` and `hint` from this\n\
         table, and WeCom's own `errmsg` and `path`. A code that the table lacks comes as UNKNOWN with\n\
         `WECOM_UNKNOWN_ERRCODE`, and with WeCom's number and text. Each class says who must act:\n\n\
         | class | who acts | gRPC code | reason |\n|---|---|---|---|\n",
    );
    let mut seen: Vec<Class> = Vec::new();
    for entry in ENTRIES {
        if seen.contains(&entry.class) {
            continue;
        }
        seen.push(entry.class);
        let (code, reason) = answer("", entry);
        let class = entry.class;
        let _ = writeln!(page, "| {class:?} | {} | {code} | {reason} |", who(class));
    }
    page.push_str(
        "\nWhere the same call answers otherwise:\n\n\
         - gettoken refuses with FAILED_PRECONDITION, `CREDENTIAL_REFUSED`, whatever the code, unless WeCom\n\
         \x20 is busy or a limit is spent.\n\
         - Busy, in answer to a call that must not be done twice, is UNKNOWN with `OUTCOME_UNKNOWN`: what\n\
         \x20 WeCom did before it said so is not documented.\n\
         - 81013 in answer to a send is INVALID_ARGUMENT with `ALL_RECIPIENTS_INVALID`.\n\
         - 40007 in answer to DownloadMedia is NOT_FOUND: what a send names wrongly, a download looks for in\n\
         \x20 vain.\n\n\
         *Repeated* says who may make the same call again, and when.\n\n\
         | errcode | name | class | gRPC code | reason | repeated | meaning | hint |\n|---|---|---|---|---|---|---|---|\n",
    );
    for entry in ENTRIES {
        let (code, reason) = answer("", entry);
        let Entry {
            code: errcode,
            name,
            class,
            repeat,
            meaning,
            hint,
        } = entry;
        let _ = writeln!(
            page,
            "| {errcode} | {name} | {class:?} | {code} | {reason} | {} | {} | {} |",
            repeated(*repeat),
            cell(meaning),
            cell(hint)
        );
    }
    page.push_str(
        "\nSource of the codes: WeCom's [table of return codes](https://developer.work.weixin.qq.com/document/path/90313)\n\
         and the error lists of each call's page; the words are ours.\n",
    );
    page
}

/// The status that a read which WeCom refuses ends with.
fn answer(path: &'static str, entry: &Entry) -> (&'static str, String) {
    let refusal = Refusal {
        errcode: entry.code,
        errmsg: String::new(),
        hint_id: None,
        refused_ip: None,
    };
    let retry_after = Duration::ZERO;
    let error = match entry.class {
        Class::RateLimited | Class::ConcurrencyLimited => wecom::Error::RateLimited {
            path,
            refusal,
            retry_after,
        },
        Class::Busy => wecom::Error::Unreachable {
            path,
            reason: wecom::Reason::Busy,
            retry_after,
        },
        _ if entry.code == 81013 => wecom::Error::AllRecipientsInvalid {
            refusal,
            recipients: Box::new(Sent::default()),
        },
        _ => wecom::Error::Refused { path, refusal },
    };
    let status = wecom(&error);
    let info = status
        .get_details_error_info()
        .expect("every status has one");
    (code_name(status.code()), info.reason)
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Aborted => "ABORTED",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Internal => "INTERNAL",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unavailable => "UNAVAILABLE",
        Code::Unimplemented => "UNIMPLEMENTED",
        other => panic!("no errcode ends as {other:?}"),
    }
}

fn who(class: Class) -> &'static str {
    match class {
        Class::InvalidRequest
        | Class::NotFound
        | Class::AlreadyExists
        | Class::OutOfRange
        | Class::AnswerTooLarge
        | Class::WrongState => "the caller, by another request",
        Class::PermissionDenied => "whoever grants rights in WeCom's console",
        Class::Precondition | Class::Quota => "the operator, in the settings or in WeCom's console",
        Class::TokenRejected => "the gateway, once, with a new token; then the operator",
        Class::RateLimited | Class::ConcurrencyLimited | Class::Busy | Class::Conflict => {
            "nobody: wait"
        }
        Class::Unimplemented => "nobody can: WeCom retired the call",
        Class::Internal => "we: please report it",
    }
}

fn repeated(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::No => "no",
        Repeat::Token => "by the gateway, once, with a new token",
        Repeat::Backoff => "by the gateway where it does no harm, then by you",
        Repeat::Window => "by you, after RetryInfo",
        Repeat::NewCode => "after a new login",
        Repeat::Fix => "after an operator acted",
    }
}

/// Reason, gRPC code and the rest of the comment, in the order of the contract.
fn reasons() -> Vec<(String, String, String)> {
    let set: FileDescriptorSet = prost::Message::decode(crate::grpc::pb::DESCRIPTORS).unwrap();
    let file = set
        .file
        .iter()
        .find(|file| file.name().ends_with("error_reason.proto"))
        .unwrap();
    let values = &file.enum_type[0].value;
    let comments = &file.source_code_info.as_ref().unwrap().location;
    let named = values.iter().enumerate().skip(1).map(|(index, value)| {
        let path = [ENUM_TYPE, 0, VALUE, i32::try_from(index).unwrap()];
        let comment = comments
            .iter()
            .find(|location| location.path == path)
            .unwrap_or_else(|| panic!("{} has no comment", value.name()))
            .leading_comments();
        let comment = comment.split_whitespace().collect::<Vec<_>>().join(" ");
        let (head, text) = comment.split_once(". ").unwrap();
        // The head is codes, and after a comma what comes with them.
        let (code, with) = head.split_once(", ").unwrap_or((head, ""));
        let text = match with {
            "" => text.to_owned(),
            with => format!("{}: {text}", capitalised(with)),
        };
        let reason = value.name().trim_start_matches("ERROR_REASON_").to_owned();
        (reason, code.to_owned(), text)
    });
    named.collect()
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
