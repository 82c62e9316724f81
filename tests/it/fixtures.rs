//! The fixtures as the referee between gateway and WeCom: each request fixture is what
//! goes over the wire for its gateway request, each answer becomes the reply or the
//! status that `tests/fixtures/replies.json` has for it. A fixture that no row names
//! fails, and so does a row without a fixture.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::harness::{API_TOKEN, APP, SandboxHandle, World, details};

const BODIES: &str = "tests/fixtures/cgi-bin";
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

/// Call of WeCom, path that a fixture of it answers where that is another, RPC, and a
/// request of it. A call that appears twice goes by the first name that fits.
#[rustfmt::skip] // a table
fn calls() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let app = |more: Value| {
        let mut request = json!({"app": APP});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let text = json!({"recipients": {"user_ids": ["lisi"]}, "content": {"text": {"content": "Noon"}}});
    vec![
        ("appchat/create", "", "CreateChat", app(json!({"name": "Move", "owner_user_id": "zhangsan", "user_ids": ["zhangsan", "lisi"], "chat_id": "move2026"}))),
        ("appchat/get", "", "GetChat", app(json!({"chat_id": "move2026"}))),
        ("appchat/send", "", "SendChatMessage", app(json!({"chat_id": "move2026", "content": {"text": {"content": "Noon"}}}))),
        ("appchat/update", "", "UpdateChat", app(json!({"chat_id": "move2026", "name": "Moved"}))),
        ("auth/getuserdetail", "", "GetUserDetail", app(json!({"user_ticket": "ticket-of-linxia-0001"}))),
        ("auth/getuserinfo", "", "Login", app(json!({"code": "c1"}))),
        ("user/getuserinfo", "auth/getuserinfo", "Login", app(json!({"code": "c1"}))),
        ("department/get", "", "GetDepartment", app(json!({"department_id": 5}))),
        ("department/list", "", "ListDepartments", app(json!({"detail": "LIST_DETAIL_FULL"}))),
        ("department/simplelist", "", "ListDepartments", app(json!({"detail": "LIST_DETAIL_BRIEF"}))),
        ("get_api_domain_ip", "", "CallApi", app(json!({"path": "get_api_domain_ip"}))),
        ("getcallbackip", "", "CallApi", app(json!({"path": "getcallbackip"}))),
        ("get_jsapi_ticket", "", "SignJsSdk", app(json!({"kind": "JS_SDK_KIND_CONFIG", "url": "https://oa.example.com/"}))),
        ("gettoken", "", "SendMessage", app(text.clone())),
        ("media/get", "", "DownloadMedia", app(json!({"media_id": "m"}))),
        ("media/get_upload_by_url_result", "", "CallApi", app(json!({"path": "media/get_upload_by_url_result", "json_body": "{\"jobid\": \"fetch-job-0007\"}"}))),
        ("media/upload", "", "UploadMedia", app(json!({}))),
        ("media/upload_by_url", "", "CallApi", app(json!({"path": "media/upload_by_url", "json_body": "{}"}))),
        ("media/uploadimg", "", "UploadImage", app(json!({}))),
        ("message/get_statistics", "", "GetSendStatistics", app(json!({}))),
        ("message/recall", "", "RecallMessage", app(json!({"message_id": "m1"}))),
        ("message/send", "", "SendMessage", app(text)),
        ("message/update_taskcard", "", "UpdateTaskCard", app(json!({"task_id": "t1", "user_ids": ["zhangsan"], "replace_name": "Done"}))),
        ("message/update_template_card", "", "UpdateTemplateCard", app(json!({"response_code": "r1", "recipients": {"user_ids": ["zhangsan"]}, "button_text": "Done"}))),
        ("tag/get", "", "GetTag", app(json!({"tag_id": 2}))),
        ("tag/list", "", "ListTags", app(json!({}))),
        ("ticket/get", "", "SignJsSdk", app(json!({"kind": "JS_SDK_KIND_AGENT_CONFIG", "url": "https://oa.example.com/"}))),
        ("user/convert_to_openid", "", "ConvertToOpenId", app(json!({"user_id": "zhangsan"}))),
        ("user/convert_to_userid", "", "ConvertToUserId", app(json!({"open_id": "o1"}))),
        ("user/get", "", "GetUser", app(json!({"user_id": "lin_x"}))),
        ("user/get_userid_by_email", "", "ResolveUserId", app(json!({"email": "a@example.com"}))),
        ("user/getuserid", "", "ResolveUserId", app(json!({"mobile": "10000000002"}))),
        ("user/list", "", "ListUsers", app(json!({"department_id": 2, "detail": "LIST_DETAIL_FULL"}))),
        ("user/list_id", "", "ListUserIds", app(json!({}))),
        ("user/simplelist", "", "ListUsers", app(json!({"department_id": 2, "detail": "LIST_DETAIL_BRIEF"}))),
    ]
}

/// A WeCom that says what it is told to say.
#[derive(Clone, Default)]
struct Far(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    /// Of each path; the last stays.
    answers: BTreeMap<String, VecDeque<Vec<u8>>>,
    /// Paths and bodies of the calls that came, gettoken left out.
    seen: Vec<(String, Vec<u8>)>,
}

impl Far {
    async fn start() -> (Self, String) {
        let far = Self::default();
        let routes = Router::new().fallback(answer).with_state(far.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        for (path, fixture) in [
            ("gettoken", "gettoken.ok.response.json"),
            // What other calls of a login and of a chat ask besides.
            ("user/get", "user/get.full.response.json"),
            ("appchat/get", "appchat/get.ok.response.json"),
        ] {
            far.say(path, [read(fixture)]);
        }
        (far, url)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn say(&self, path: &str, bodies: impl Into<VecDeque<Vec<u8>>>) {
        self.script().answers.insert(path.to_owned(), bodies.into());
    }
}

async fn answer(
    State(far): State<Far>,
    uri: Uri,
    body: Bytes,
) -> ([(&'static str, &'static str); 1], Vec<u8>) {
    let path = uri.path().trim_start_matches("/cgi-bin/").to_owned();
    let mut script = far.script();
    let known = script
        .answers
        .get_mut(&path)
        .and_then(|answers| match answers.len() {
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
    if path != "gettoken" {
        script.seen.push((path, body.to_vec()));
    }
    let body = known.unwrap_or_else(|| br#"{"errcode":0,"errmsg":"ok"}"#.to_vec());
    ([("content-type", "application/json; charset=UTF-8")], body)
}

/// The tests' app alone, with the agent id of the fixtures and a caller that may do all.
async fn world(url: &str, more: &str) -> World {
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let overlay = format!(
        "[wecom]\nbase_url = \"{url}\"\n{more}\n[[callers]]\nname = \"tests\"\ntoken_sha256 = \"{digest}\"\n\
         permissions = [\"*\"]\napps = [\"*\"]\napi_paths = [\"get_api_domain_ip\", \"getcallbackip\", \
         \"media/upload_by_url\", \"media/get_upload_by_url_result\"]\n"
    );
    World::start_with(SandboxHandle::start().await, &overlay).await
}

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
    let mut request = request.clone();
    if *rpc == "Login" {
        let page = json!({"app": APP, "page": "LOGIN_PAGE_QR_CODE", "redirect_uri": "http://127.0.0.1:8000/callback"});
        let built = world.rpc("BuildLoginUrl", &[page]).await.unwrap();
        request["state"] = built[0]["state"].clone();
    }
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
    let requests = match *rpc {
        "UploadMedia" | "UploadImage" => upload(rpc),
        _ => vec![request],
    };
    let result = world.rpc(rpc, &requests).await;
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

/// The example of an upload.
fn upload(rpc: &str) -> Vec<Value> {
    let file = if rpc == "UploadMedia" {
        "upload_media"
    } else {
        "upload_image"
    };
    let text = fs::read_to_string(format!("examples/{file}.json")).unwrap();
    let values = serde_json::Deserializer::from_str(&text).into_iter();
    values.map(Result::unwrap).collect()
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
