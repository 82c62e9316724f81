//! The sandbox from outside, over HTTP.

mod app_chat;
mod auth;
mod card;
mod content;
mod duplicate;
mod fault;
mod login;
mod media;
mod message;
mod tools;
mod update;
mod user;
mod witness;

use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::settings::Settings;
use super::{App, Sandbox};

/// A running demo sandbox, stopped when dropped.
struct Bench {
    url: String,
    http: Client,
    apps: Vec<App>,
    corp_id: String,
    _running: DropGuard,
}

impl Bench {
    async fn demo() -> Self {
        Self::start(Settings::demo(([127, 0, 0, 1], 0).into())).await
    }

    async fn start(settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (apps, corp_id) = (settings.apps.clone(), settings.corp_id.clone());
        let sandbox = Sandbox::bind(settings).await.expect("a free port");
        let url = sandbox.base_url();
        let shutdown = CancellationToken::new();
        tokio::spawn(sandbox.run(shutdown.clone()));
        Self {
            url,
            http: Client::builder().no_proxy().build().expect("a client"),
            apps,
            corp_id,
            _running: shutdown.drop_guard(),
        }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.url));
        request.send().await.expect("an answer")
    }

    async fn get_json(&self, path: &str) -> Value {
        json_of(self.get(path).await).await
    }

    async fn put_modes(&self, modes: Value) -> Response {
        let url = format!("{}/sandbox/settings", self.url);
        let request = self.http.put(url).body(modes.to_string());
        let request = request.header("content-type", "application/json");
        request.send().await.expect("an answer")
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json");
        request.body(body).send().await.expect("an answer")
    }

    async fn delete(&self, path: &str) {
        let request = self.http.delete(format!("{}{path}", self.url));
        assert_eq!(request.send().await.expect("an answer").status(), 204);
    }

    async fn get_token(&self, corp_id: &str, secret: &str) -> Value {
        let path = format!("/cgi-bin/gettoken?corpid={corp_id}&corpsecret={secret}");
        self.get_json(&path).await
    }

    /// gettoken of the app at this place.
    async fn fetch(&self, app: usize) -> Value {
        let secret = self.apps[app].secret.expose_secret();
        self.get_token(&self.corp_id, secret).await
    }

    async fn token(&self, app: usize) -> String {
        let answer = self.fetch(app).await;
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// message/send of the first app, whatever the body.
    async fn send_raw(&self, body: impl Into<reqwest::Body>) -> Value {
        let token = self.token(0).await;
        self.send_with(&token, body).await
    }

    async fn send_with(&self, token: &str, body: impl Into<reqwest::Body>) -> Value {
        let path = format!("/cgi-bin/message/send?access_token={token}");
        json_of(self.post(&path, body).await).await
    }

    async fn send(&self, body: &Value) -> Value {
        self.send_raw(body.to_string()).await
    }

    /// message/send of this content to zhangsan, and its errcode.
    async fn errcode(&self, msg_type: &str, content: Value) -> i64 {
        code(&self.send(&message(msg_type, content)).await)
    }

    async fn messages(&self) -> Vec<Value> {
        let list = self.get_json("/sandbox/messages").await;
        list.as_array().expect("a list").clone()
    }

    async fn last_message(&self) -> Value {
        self.messages().await.pop().expect("a message")
    }

    async fn calls(&self, path: &str) -> Vec<Value> {
        let list = self.get_json(&format!("/sandbox/calls?path={path}")).await;
        list.as_array().expect("a list").clone()
    }

    async fn fault(&self, path: &str, fault: Value) {
        let order = json!({"path": path, "fault": fault, "count": 1});
        let answer = self.post("/sandbox/faults", order.to_string()).await;
        assert_eq!(answer.status(), 201);
    }

    async fn upload(&self, kind: &str, file_name: &str, bytes: &[u8]) -> Value {
        let token = self.token(0).await;
        let part = reqwest::multipart::Part::bytes(bytes.to_vec()).file_name(file_name.to_owned());
        let form = reqwest::multipart::Form::new().part("media", part);
        let url = format!(
            "{}/cgi-bin/media/upload?access_token={token}&type={kind}",
            self.url
        );
        let answer = self.http.post(url).multipart(form).send().await;
        json_of(answer.expect("an answer")).await
    }

    async fn media_id(&self, kind: &str, file_name: &str, bytes: &[u8]) -> String {
        let answer = self.upload(kind, file_name, bytes).await;
        answer["media_id"].as_str().expect("a media_id").to_owned()
    }
}

async fn json_of(answer: Response) -> Value {
    let bytes = answer.bytes().await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nsandbox";
const AMR: &[u8] = b"#!AMR\n\x3csandbox";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42sandbox";

fn code(answer: &Value) -> i64 {
    answer["errcode"].as_i64().expect("an errcode")
}

/// A message to zhangsan by the first app.
fn message(msg_type: &str, content: Value) -> Value {
    json!({"touser": "zhangsan", "agentid": 1_000_002, "msgtype": msg_type, msg_type: content})
}

fn text(content: &str) -> Value {
    message("text", json!({"content": content}))
}

/// The value with other fields laid over it; `null` takes a field away.
fn with(mut value: Value, changes: Value) -> Value {
    if let (Some(fields), Value::Object(changes)) = (value.as_object_mut(), changes) {
        for (name, change) in changes {
            match change {
                Value::Null => drop(fields.remove(&name)),
                change => drop(fields.insert(name, change)),
            }
        }
    }
    value
}
