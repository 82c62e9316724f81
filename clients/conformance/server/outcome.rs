//! What a runner reports, in one form for every language.

use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value, json};

use super::contract;

/// Names that hold people's keys: what is in them is left as it is.
const VERBATIM: &str = "metadata";

const NANOS_PER_MS: u64 = 1_000_000;

/// The helpers that make recipients; the others make contents.
const RECIPIENTS: [&str; 4] = ["users", "departments", "tags", "everyone"];

/// An outcome with `messages` as `response` where there is one, and as `stream`, with the fields
/// of an error in one spelling, and `connected` unless it was refused.
pub(crate) fn read(outcome: &str, task: &Value) -> Value {
    let mut outcome: Value = serde_json::from_str(outcome).unwrap();
    outcome["connected"] = json!(outcome["refused"] != true);
    if let Some(messages) = outcome.get_mut("messages").map(Value::take) {
        // A list that stayed empty is null in some languages.
        let messages = messages.as_array().cloned().unwrap_or_default();
        let messages: Vec<Value> = messages.iter().map(|one| to_json(one, task)).collect();
        if let [one] = &messages[..] {
            outcome["response"] = one.clone();
        }
        outcome["stream"] = json!(messages);
    }
    if let Some(error) = outcome.get_mut("error").filter(|error| !error.is_null()) {
        *error = snake_case(error);
        if let Some(number) = error["code"].as_i64() {
            error["code"] = json!(format!("{:?}", tonic::Code::from(number as i32)));
        }
        error["code"] = json!(upper_case(error["code"].as_str().unwrap_or_default()));
        // Go writes a Duration in nanoseconds, and 0 for none.
        if let Some(wait @ 1..) = error["retry_after"].as_u64() {
            error["retry_after_ms"] = json!(wait / NANOS_PER_MS);
        }
        if let Some(cause) = error.get("cause") {
            error["native"] = json!(!cause.is_null());
        }
    }
    outcome
}

/// Turns the messages of a task into lists of bytes, for a language whose protobuf has no JSON; those
/// of the bulk helpers become `requests` too: the header and the items, or where to watch.
pub(crate) fn to_bytes(task: &mut Value) {
    let call = task["call"].as_str().unwrap_or_default().to_owned();
    let request = task.as_object_mut().unwrap().remove("request");
    let request = request.unwrap_or_default();
    match call.as_str() {
        "send_bulk" => {
            let header = as_bytes(&request["header"], contract::message("BulkHeader"));
            let items = request["items"].as_array().unwrap().iter();
            let items = items.map(|item| as_bytes(item, contract::message("BulkItem")));
            task["requests"] = std::iter::once(header.clone()).chain(items).collect();
            let chunk = json!({"items": request["items"]});
            let chunk = as_bytes(&chunk, contract::message("BulkChunk"));
            task["request"] = json!({"header": header, "chunk": chunk});
        }
        "watch_bulk" => {
            let watch = contract::message("WatchBulkJobRequest");
            task["requests"] = json!([as_bytes(&request, watch)]);
            task["request"] = request;
        }
        _ => {
            let method = contract::method(&format!("/wecomgw.v1.{call}"));
            for request in task["requests"].as_array_mut().into_iter().flatten() {
                *request = as_bytes(request, method.as_ref().unwrap().input());
            }
        }
    }
}

/// Puts the content of files, as lists of bytes, in the places of their names.
pub(crate) fn read_files(task: &mut Value) {
    for name in ["ca", "cert", "key"] {
        let place = format!("/connect/{name}");
        if let Some(file) = task.pointer_mut(&place) {
            *file = json!(std::fs::read(file.as_str().unwrap()).unwrap());
        }
    }
}

fn as_bytes(message: &Value, of: MessageDescriptor) -> Value {
    json!(contract::from_json(of, message).to_vec())
}

fn to_json(message: &Value, task: &Value) -> Value {
    let Value::Array(bytes) = message else {
        return message.clone();
    };
    // Bytes have a sign in some languages.
    let bytes = bytes.iter().map(|byte| byte.as_i64().unwrap() as u8);
    let helper = task["helper"].as_str().unwrap_or_default();
    let of = match task["call"].as_str().unwrap() {
        "helper" if RECIPIENTS.contains(&helper) => contract::message("Recipients"),
        "helper" => contract::message("Content"),
        "send_bulk" | "watch_bulk" => contract::message("BulkEvent"),
        call => contract::method(&format!("/wecomgw.v1.{call}"))
            .unwrap()
            .output(),
    };
    contract::to_json(of, &bytes.collect::<Vec<u8>>())
}

/// `retryAfterMs`, `RetryAfterMs` and `retry_after_ms` are one name.
fn snake_case(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match name.to_lowercase().as_str() {
                VERBATIM => (VERBATIM.to_owned(), value.clone()),
                _ => (upper_case(name).to_lowercase(), snake_case(value)),
            };
            json!(fields.iter().map(field).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(snake_case).collect(),
        other => other.clone(),
    }
}

/// `DeadlineExceeded` as `DEADLINE_EXCEEDED`, which stays as it is.
fn upper_case(name: &str) -> String {
    let mut upper = String::new();
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            upper.push('_');
        }
        upper.extend(letter.to_uppercase());
        before = letter;
    }
    upper
}
