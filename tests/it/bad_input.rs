//! Bad input: each row is a request that is refused with an exact code and reason, naming exact
//! fields, and that reaches nobody. The rows are in one file for each kind; what is no message
//! at all is in `wire`. Guards see to it that no RPC and no rule of the source is without a row.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use sha2::Digest as _;
use tonic::{Code, Status};

use super::dynamic::methods;
use super::harness::{API_TOKEN, APP, SandboxHandle, World, details, verdict};

mod bulk;
mod card;
mod message;
mod others;
mod wire;

/// The token of a caller whose jobs are nobody else's business.
const OTHER_TOKEN: &str = "wgw-of-the-other-caller";

/// A request, and what must come of it.
struct Row {
    rpc: &'static str,
    /// A message, or the list of those of a stream.
    request: Value,
    /// How often the last message is sent; of many violations only the first is compared.
    times: usize,
    code: Code,
    reason: &'static str,
    fields: Vec<&'static str>,
}

impl Row {
    fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    fn encoded(&self, method: &MethodDescriptor, jobs: &[String; 2]) -> Vec<Vec<u8>> {
        let messages = match &self.request {
            Value::Array(messages) => messages.clone(),
            one => vec![one.clone()],
        };
        let encode = |mut message: Value| {
            if let Some(job_id) = message.get_mut("job_id") {
                match job_id.as_str().unwrap() {
                    "$mine" => *job_id = jobs[0].clone().into(),
                    "$others" => *job_id = jobs[1].clone().into(),
                    _ => {}
                }
            }
            DynamicMessage::deserialize(method.input(), strip_nulls(message))
                .unwrap_or_else(|error| panic!("{error} in a row of {}", self.rpc))
                .encode_to_vec()
        };
        let mut encoded: Vec<_> = messages.into_iter().map(encode).collect();
        if let Some(last) = encoded.last().cloned() {
            encoded.resize(encoded.len() + self.times - 1, last);
        }
        encoded
    }

    fn shown(&self) -> String {
        let mut text = format!("{} {}", self.rpc, self.request);
        text.truncate(text.floor_char_boundary(200));
        text
    }
}

/// A row whose fields break a rule.
fn bad(rpc: &'static str, request: Value, fields: &[&'static str]) -> Row {
    Row {
        rpc,
        request,
        times: 1,
        code: Code::InvalidArgument,
        reason: "INVALID_REQUEST",
        fields: fields.to_vec(),
    }
}

/// A row that is refused for another reason.
fn refused(rpc: &'static str, request: Value, code: Code, reason: &'static str) -> Row {
    Row {
        code,
        reason,
        ..bad(rpc, request, &[])
    }
}

/// A row of an app that is not there.
fn not_found(rpc: &'static str, request: Value) -> Row {
    refused(rpc, request, Code::NotFound, "APP_NOT_FOUND")
}

/// `base` with some fields replaced.
fn over(mut base: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("no fields: {fields}")
    };
    base.as_object_mut().unwrap().extend(fields);
    base
}

/// A request whose only fault is in `content`.
fn content(content: Value) -> Value {
    json!({"app": APP, "recipients": {"user_ids": ["zhangsan"]}, "content": content})
}

/// A request whose only fault is in `recipients`.
fn to(recipients: Value) -> Value {
    json!({"app": APP, "recipients": recipients, "content": {"text": {"content": "hello"}}})
}

/// A good text with more fields.
fn with(fields: Value) -> Value {
    over(to(json!({"user_ids": ["zhangsan"]})), fields)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn inline(bytes: &[u8], file_name: &str) -> Value {
    json!({"media": {"inline": {"data": base64(bytes), "file_name": file_name}}})
}

fn a(count: usize) -> String {
    "a".repeat(count)
}

/// `null` in a row takes a field out.
fn strip_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, strip_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(strip_nulls).collect(),
        other => other,
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for message in [message::rows(), card::rows()].into_iter().flatten() {
        // What SendMessage refuses, ValidateMessage tells.
        let request = json!({"message": message.request});
        rows.push(bad("ValidateMessage", request, &message.fields));
        rows.push(message);
    }
    rows.extend(others::messages());
    rows.extend(others::directory());
    rows.extend(others::logins());
    rows.extend(others::chats());
    rows.extend(others::media());
    rows.extend(others::calls());
    rows.extend(bulk::rows());
    rows
}

/// A gateway with two callers, who may do everything.
async fn world() -> World {
    let caller = |name: &str, token: &str| {
        let digest = hex::encode(sha2::Sha256::digest(token));
        format!(
            "[[callers]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\napps = [\"*\"]\n\
             permissions = [\"*\", \"AuthService/GetAccessToken\"]\napi_paths = [\"agent/get\"]\n"
        )
    };
    let callers = caller("tests", API_TOKEN) + &caller("other", OTHER_TOKEN);
    // More than the 200 calls a second that a caller has.
    let settings = format!("[grpc]\ncalls_per_second_per_caller = 100000\n{callers}");
    World::start_with(SandboxHandle::start().await, &settings).await
}

/// A job that has ended.
async fn job(world: &World, token: &str) -> String {
    let methods = methods();
    let method = methods.iter().find(|method| method.name() == "SendBulk");
    let messages = json!([
        {"header": {"app": APP, "content": {"text": {"content": "Noon"}}}},
        {"chunk": {"items": [{"user_id": "zhangsan"}]}},
    ]);
    let row = bad("SendBulk", messages, &[]);
    let encoded = row.encoded(method.unwrap(), &Default::default());
    let events = world.rpc_of(method.unwrap(), encoded, Some(token)).await;
    events.unwrap()[0]["job_id"].as_str().unwrap().to_owned()
}

/// What reached the sandbox, tokens left out: they are fetched ahead of need.
async fn arrivals(world: &World) -> usize {
    let calls = world.sandbox.get("calls").await;
    let calls = calls["calls"].as_array().or(calls.as_array()).unwrap();
    let others = calls.iter().filter(|call| call["path"] != "gettoken");
    others.count()
}

/// Fields and descriptions of the rules that an answer says are broken.
fn broken(rpc: &str, answer: &Result<Vec<Value>, Status>) -> Vec<(String, String)> {
    match answer {
        // It tells in its reply.
        Ok(replies) if rpc == "ValidateMessage" => {
            let found = replies[0]["violations"].as_array().cloned();
            let found = found.unwrap_or_default().into_iter();
            let text = |found: &Value, key: &str| found[key].as_str().unwrap().to_owned();
            found
                .map(|found| (text(&found, "field"), text(&found, "description")))
                .collect()
        }
        Ok(_) => Vec::new(),
        Err(status) => {
            let details = details(status).2;
            let found = details
                .bad_request()
                .map(|found| found.field_violations.clone());
            let found = found.unwrap_or_default().into_iter();
            found
                .map(|found| (found.field, found.description))
                .collect()
        }
    }
}

#[tokio::test]
async fn each_bad_request_is_refused_as_its_row_says_and_reaches_nobody() {
    let world = world().await;
    let jobs = [job(&world, API_TOKEN).await, job(&world, OTHER_TOKEN).await];
    let before = arrivals(&world).await;
    let methods = methods();
    let rows = rows();
    let mut failures = Vec::new();
    let mut told = BTreeSet::new();
    for row in &rows {
        let method = methods.iter().find(|method| method.name() == row.rpc);
        let method = method.unwrap_or_else(|| panic!("no RPC {}", row.rpc));
        let encoded = row.encoded(method, &jobs);
        let answer = world.rpc_of(method, encoded, Some(API_TOKEN)).await;
        let broken = broken(row.rpc, &answer);
        let mut fields: Vec<&str> = broken.iter().map(|(field, _)| &**field).collect();
        if row.times > 1 {
            fields.truncate(1);
        }
        let as_told = match &answer {
            Ok(_) => row.rpc == "ValidateMessage",
            Err(status) => verdict(status) == (row.code, row.reason.to_owned()),
        };
        if !as_told || fields != row.fields {
            let (shown, expected) = (row.shown(), &row.fields);
            let status = answer
                .as_ref()
                .err()
                .map(|status| (status.code(), status.message()));
            failures.push(format!(
                "{shown}\n    {status:?} {fields:?}\n    expected {:?} {} {expected:?}",
                row.code, row.reason
            ));
        }
        told.extend(broken.into_iter().map(|(_, description)| description));
    }
    assert!(
        failures.is_empty(),
        "{} of {} rows failed:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
    assert_eq!(arrivals(&world).await, before, "something reached WeCom");
    every_rule_was_broken(&told);
    world.stop().await;
}

#[test]
fn every_rpc_that_takes_a_field_has_a_row() {
    let rows = rows();
    for method in methods() {
        let has = rows.iter().any(|row| row.rpc == method.name());
        let takes = method.input().fields().len() > 0;
        assert_eq!(has, takes, "{}", method.full_name());
    }
}

/// Every rule that the source can name was named to some row: the texts of violations in the
/// source, each a pattern of what stands around its `{}`.
fn every_rule_was_broken(told: &BTreeSet<String>) {
    let mut texts = Vec::new();
    for folder in ["src/grpc", "src/wecom"] {
        collect(Path::new(folder), &mut texts);
    }
    assert!(
        texts.len() > 80,
        "{} texts: is the source read?",
        texts.len()
    );
    let missing: Vec<&String> = texts
        .iter()
        .filter(|text| !told.iter().any(|told| fits(told, text)))
        .collect();
    assert!(
        missing.is_empty(),
        "no row breaks these rules: {missing:#?}"
    );
}

fn collect(path: &Path, texts: &mut Vec<String>) {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        entries.iter().for_each(|entry| collect(entry, texts));
        return;
    }
    let source = fs::read_to_string(path).unwrap();
    let product = source.split("#[cfg(test)]").next().unwrap();
    let rules = ["Checker", "Violation", "enum Fault"];
    if path.ends_with("tests.rs") || !rules.iter().any(|word| product.contains(word)) {
        return;
    }
    for opening in [
        "format_args!(",
        " broken(",
        "(broken(",
        "Violation::new(",
        "write!(f, \"",
    ] {
        if opening.starts_with("write") && !path.ends_with("id.rs") {
            continue;
        }
        for (place, _) in product.match_indices(opening) {
            let end = product[place..]
                .find(';')
                .map_or(product.len(), |end| place + end);
            let call = &product[place + opening.trim_end_matches('"').len()..end];
            // Of two texts the first is the field.
            let skip = usize::from(opening.contains("broken") || opening.contains("new"));
            if let Some(text) = literals(call).nth(skip) {
                texts.push(text);
            }
        }
    }
}

/// The string literals in a piece of source.
fn literals(source: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = source;
    std::iter::from_fn(move || {
        let begin = rest.find('"')? + 1;
        let mut end = begin;
        while !rest[end..].starts_with('"') {
            end += if rest[end..].starts_with('\\') { 2 } else { 1 };
            end = rest
                .len()
                .min(end + (0..4).find(|more| rest.is_char_boundary(end + more))?);
        }
        let text = rest[begin..end].replace("\\\"", "\"").replace("\\\\", "\\");
        rest = rest.get(end + 1..)?;
        Some(text)
    })
}

/// Whether `told` is `text` with something in the place of each `{}`.
fn fits(told: &str, text: &str) -> bool {
    let mut rest = told;
    for (index, piece) in text.split('{').enumerate() {
        let piece = if index == 0 {
            piece
        } else {
            piece.split_once('}').map_or(piece, |(_, after)| after)
        };
        match rest.find(piece) {
            Some(place) if index > 0 || place == 0 => rest = &rest[place + piece.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || text.ends_with('}')
}
