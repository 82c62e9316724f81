//! The fixtures as the referee between gateway and WeCom: each request fixture is what
//! goes over the wire for its gateway request, each answer becomes the reply or the
//! status that `tests/fixtures/replies.json` has for it. A fixture that no row names
//! fails, and so does a row without a fixture.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::far::{BODIES, Far, ask, calls, world};
use super::harness::{APP, details};

const REQUESTS: &str = "tests/fixtures/wecomgw.v1";
const REPLIES: &str = "tests/fixtures/replies.json";
/// Whole HTTP messages, which `media/wire.rs` compares to the byte.
const HTTP: [&str; 3] = [
    "media/get.file.response.http",
    "media/upload.file.request.http",
    "media/uploadimg.jpg.request.http",
];
/// What stands in `replies.json` for a value that differs each time.
const ANY: &str = "*";

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(BODIES).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every file below `folder`, by its path in there.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// The call and the variant in the name of a fixture.
fn split(name: &str) -> (String, String) {
    let stem = name
        .trim_end_matches(".json")
        .trim_end_matches(".request")
        .trim_end_matches(".response");
    let at = stem.rfind('/').map_or(0, |at| at + 1);
    let (call, variant) = stem[at..].split_once('.').unwrap_or((&stem[at..], ""));
    (format!("{}{call}", &stem[..at]), variant.to_owned())
}

#[tokio::test]
async fn every_request_fixture_is_what_goes_over_the_wire() {
    let (far, url) = Far::start().await;
    let usual = world(&url, "").await;
    let legacy = world(&url, "task_card_name = \"taskcard\"").await;
    let mut unused = files(Path::new(REQUESTS));
    for name in files(Path::new(BODIES)) {
        if !name.ends_with(".request.json") {
            continue;
        }
        let (call, variant) = split(&name);
        let calls = calls();
        let (.., rpc, _) = calls
            .iter()
            .find(|(known, ..)| *known == call)
            .expect(&name);
        // Where a call has one fixture, its name says nothing beyond the call's.
        let short = call.rsplit('/').next().unwrap();
        let file = [variant.as_str(), short]
            .iter()
            .map(|stem| format!("{rpc}/{stem}.json"))
            .find(|file| unused.remove(file))
            .unwrap_or_else(|| panic!("no request for {name}"));
        let json = fs::read(Path::new(REQUESTS).join(&file)).unwrap();
        let mut request: Value = serde_json::from_slice(&json).unwrap();
        request["app"] = APP.into();
        let world = if name.contains("send.taskcard") {
            &legacy
        } else {
            &usual
        };
        // The answer is none to most calls; what counts is what they said.
        let _ = world.rpc(rpc, &[request]).await;
        let script = far.script();
        let (_, body) = script
            .seen
            .iter()
            .rfind(|(path, _)| *path == call)
            .expect(&name);
        let body: Value = serde_json::from_slice(body).unwrap();
        let expected: Value = serde_json::from_slice(&read(&name)).unwrap();
        assert_eq!(body, expected, "{name}");
    }
    assert!(unused.is_empty(), "requests without a body: {unused:?}");
    usual.stop().await;
    legacy.stop().await;
}

#[tokio::test]
async fn every_answer_fixture_becomes_its_reply() {
    let expected: BTreeMap<String, Value> =
        serde_json::from_slice(&fs::read(REPLIES).unwrap_or(b"{}".to_vec())).unwrap();
    let mut became = BTreeMap::new();
    for name in files(Path::new(BODIES)) {
        if name.ends_with(".request.json") || name.ends_with(".http") {
            continue;
        }
        let reply = reply_to(&name).await;
        let reply = match expected.get(&name) {
            Some(expected) if same(expected, &reply) => expected.clone(),
            _ => reply,
        };
        became.insert(name, reply);
    }
    if became != expected {
        // A file to compare with, and to take over once it is right.
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/replies.json");
        fs::write(path, serde_json::to_string_pretty(&became).unwrap() + "\n").unwrap();
        let differ = |name: &&String| expected.get(*name) != became.get(*name);
        let names: BTreeSet<_> = became
            .keys()
            .chain(expected.keys())
            .filter(differ)
            .collect();
        panic!("not as in {REPLIES}: {names:?}; what they became is in {path}");
    }
}

/// What the caller of the fixture's call gets when WeCom answers so.
async fn reply_to(name: &str) -> Value {
    let (far, url) = Far::start().await;
    let world = world(&url, "").await;
    let (call, _) = split(name);
    let calls = calls();
    let (_, path, rpc, request) = calls.iter().find(|(known, ..)| *known == call).expect(name);
    let path = if path.is_empty() { call.as_str() } else { path };
    match name {
        // There is more, until there is no more.
        "user/list_id.response.json" => {
            far.say(
                path,
                [read(name), read("user/list_id.last_page.response.json")],
            );
        }
        _ => far.say(path, [read(name)]),
    }
    let result = ask(&world, rpc, request).await;
    let reply = match result {
        Ok(replies) => json!({"rpc": rpc, "replies": replies}),
        Err(status) => {
            let (reason, metadata, _) = details(&status);
            assert!(
                !format!("{status:?}").contains("203.0.113.7") || call_shows_ip(name),
                "{name}"
            );
            let metadata: BTreeMap<_, _> = metadata
                .into_iter()
                .filter(|(key, _)| key.as_str() != "hint")
                .collect();
            json!({"rpc": rpc, "code": format!("{:?}", status.code()), "reason": reason, "metadata": metadata})
        }
    };
    world.stop().await;
    reply
}

/// The address is for the operator who must add it to those that WeCom trusts.
fn call_shows_ip(name: &str) -> bool {
    name.ends_with(".60020.json")
}

/// Whether both are the same where `expected` does not say that any value will do.
fn same(expected: &Value, value: &Value) -> bool {
    match (expected, value) {
        (Value::String(any), _) if any == ANY => true,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, a)| other.get(key).is_some_and(|b| same(a, b)))
        }
        _ => expected == value,
    }
}

#[test]
fn every_fixture_of_a_whole_http_message_is_compared() {
    let found = files(Path::new(BODIES))
        .into_iter()
        .filter(|name| name.ends_with(".http"));
    assert_eq!(found.collect::<Vec<_>>(), HTTP);
    let tests = include_str!("media/wire.rs");
    for name in HTTP {
        assert!(
            tests.contains(name.trim_start_matches("media/")),
            "{name} is unused"
        );
    }
}

/// Every JSON fixture is of a call that the table has: what else it may be, no test reads.
#[test]
fn every_fixture_is_of_a_known_call() {
    let calls = calls();
    let known: BTreeSet<_> = calls.iter().map(|(call, ..)| (*call).to_owned()).collect();
    let found = files(Path::new(BODIES));
    let found: BTreeSet<_> = found.iter().map(|name| split(name).0).collect();
    assert_eq!(found, known);
}
