//! A WeCom that says what a test wants it to say, and a call of it for each RPC.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use sha2::Digest as _;
use tonic::Status;

use super::harness::{API_TOKEN, APP, SandboxHandle, World};

/// The fixtures, laid out as WeCom's paths.
pub(crate) const BODIES: &str = "tests/fixtures/cgi-bin";

/// Call of WeCom, path that a fixture of it answers where that is another, RPC, and a
/// request of it. A call that appears twice goes by the first name that fits.
#[rustfmt::skip] // a table
pub(crate) fn calls() -> Vec<(&'static str, &'static str, &'static str, Value)> {
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
        ("auth/getuserinfo", "", "Login", app(json!({}))),
        ("user/getuserinfo", "auth/getuserinfo", "Login", app(json!({}))),
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
pub(crate) struct Far(Arc<Mutex<Script>>);

#[derive(Default)]
pub(crate) struct Script {
    /// Of each path; the last stays.
    answers: BTreeMap<String, VecDeque<Vec<u8>>>,
    /// Paths and bodies of the calls that came, gettoken left out.
    pub(crate) seen: Vec<(String, Vec<u8>)>,
}

impl Far {
    pub(crate) async fn start() -> (Self, String) {
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
            far.say(path, [fs::read(format!("{BODIES}/{fixture}")).unwrap()]);
        }
        (far, url)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    pub(crate) fn say(&self, path: &str, bodies: impl Into<VecDeque<Vec<u8>>>) {
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
pub(crate) async fn world(url: &str, more: &str) -> World {
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    let overlay = format!(
        "[wecom]\nbase_url = \"{url}\"\n{more}\n[[callers]]\nname = \"tests\"\ntoken_sha256 = \"{digest}\"\n\
         permissions = [\"*\", \"AuthService/GetAccessToken\"]\napps = [\"*\"]\napi_paths = [\"get_api_domain_ip\", \"getcallbackip\", \
         \"media/upload_by_url\", \"media/get_upload_by_url_result\"]\n"
    );
    World::start_with(SandboxHandle::start().await, &overlay).await
}

/// Asks as a caller does who has read what comes before: a login has a state and
/// a code of its own, an upload is that of the examples.
pub(crate) async fn ask(world: &World, rpc: &str, request: &Value) -> Result<Vec<Value>, Status> {
    let mut request = request.clone();
    let example = match rpc {
        "UploadMedia" => "upload_media",
        "UploadImage" => "upload_image",
        "Login" => {
            let page = json!({"app": APP, "redirect_uri": "http://127.0.0.1:8000/callback"});
            let built = world.rpc("BuildLoginUrl", &[page]).await?;
            request["state"] = built[0]["state"].clone();
            // A code is taken once, whatever comes of it.
            request["code"] = built[0]["state"].clone();
            return world.rpc(rpc, &[request]).await;
        }
        _ => return world.rpc(rpc, &[request]).await,
    };
    let text = fs::read_to_string(format!("examples/{example}.json")).unwrap();
    let parts = serde_json::Deserializer::from_str(&text).into_iter();
    let parts: Vec<Value> = parts.map(Result::unwrap).collect();
    world.rpc(rpc, &parts).await
}
